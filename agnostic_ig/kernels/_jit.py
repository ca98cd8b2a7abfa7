"""The one decorator of every kernel.

`nogil` lets joblib threads run kernels side by side; `cache` makes the second process start in milliseconds;
`error_model="numpy"` gives 1/0 = inf. No `fastmath`: with it ``(x + h) - x`` becomes ``h`` and NaN tests vanish.
Numba's cache does not notice edits in other files: kernels that call each other share a file.
"""

import functools

import numba

__all__ = ["inlined", "kernel"]

kernel = functools.partial(numba.njit, nogil=True, cache=True, error_model="numpy")
# For the few small functions of an inner loop: a call with arrays counts references, which costs more than they do.
inlined = functools.partial(kernel, inline="always")
