"""The one decorator of every kernel.

`nogil` lets joblib threads run kernels side by side; `cache` makes the second process start in milliseconds;
`error_model="numpy"` gives 1/0 = inf. No `fastmath`: with it ``(x + h) - x`` becomes ``h`` and NaN tests vanish.
Numba's cache does not notice edits in other files: kernels that call each other share a file.
"""

import functools
import sys

import numba
from numba.core import event

__all__ = ["inlined", "kernel"]

kernel = functools.partial(numba.njit, nogil=True, cache=True, error_model="numpy")
# For the few small functions of an inner loop: a call with arrays counts references, which costs more than they do.
inlined = functools.partial(kernel, inline="always")


class _FirstCompilation(event.Listener):
    """Tells who waits, once, what the first call after installation does; later processes load what it leaves."""

    def on_start(self, happening: event.Event) -> None:
        function = happening.data["dispatcher"].py_func
        if function.__module__.startswith("agnostic_ig."):
            event.unregister("numba:compile", self)
            sys.stderr.write("agnostic_ig compiles its kernels, once after installation: some 15 seconds ...\n")

    def on_end(self, happening: event.Event) -> None:
        """Nothing to say: the answer follows."""


if sys.stderr is not None and sys.stderr.isatty():
    event.register("numba:compile", _FirstCompilation())
