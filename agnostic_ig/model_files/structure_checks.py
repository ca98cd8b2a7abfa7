"""Numbers that compiled code reads by position: masks, sparse matrices, splines, neighbours trees."""

from typing import Any

import numpy as np

from agnostic_ig.model_files.requirement import require

__all__ = [
    "MAX_JOBS",
    "check_array",
    "check_attributes",
    "check_ball_or_kd_tree",
    "check_sparse",
    "check_spline",
]

# More threads than any machine has for one model; asked for, they would be started.
MAX_JOBS = 1024


def check_array(array: np.ndarray) -> None:
    """Bytes of a boolean array are 0 or 1: counting and then filling goes wrong with others."""
    if array.dtype == bool:
        require((np.ascontiguousarray(array).view(np.uint8) <= 1).all(), "a mask holds other bytes than 0 and 1")


def check_sparse(matrix: Any) -> None:
    """Indices of a sparse matrix stay inside its shape."""
    if matrix.format in ("csr", "csc", "bsr"):  # the other formats are checked when they are made
        matrix.check_format(full_check=True)


def check_spline(spline: Any) -> None:
    """Knots, degree and coefficients fit: the constructor looks, evaluating does not."""
    type(spline)(spline.t, spline.c, spline.k, extrapolate=spline.extrapolate, axis=spline.axis)


def check_ball_or_kd_tree(tree: Any) -> None:
    """The tree is what its data and metric give when it is built again."""
    state = tree.__getstate__()
    data, leaf_size, metric, weights = state[0], state[4], state[11], state[12]
    rebuilt = type(tree)(data, leaf_size=leaf_size, metric=metric, sample_weight=weights).__getstate__()
    for place, what in ((1, "order"), (2, "nodes"), (3, "bounds"), (5, "levels"), (6, "number of nodes")):
        require(
            _same(state[place], rebuilt[place]),
            f"the {what} of a neighbours tree do not follow from its data",
        )


def check_attributes(estimator: Any) -> None:
    """No attribute hides a method, which could switch off checks of X, or starts endless threads."""
    hidden = [name for name in vars(estimator) if callable(getattr(type(estimator), name, None))]
    require(not hidden, f"attributes of a {type(estimator).__name__} hide its methods {', '.join(hidden[:3])}")
    n_jobs = getattr(estimator, "n_jobs", None)
    require(n_jobs is None or abs(n_jobs) <= MAX_JOBS, f"it asks for {n_jobs} jobs")


def _same(first: Any, second: Any) -> bool:
    first, second = np.asarray(first), np.asarray(second)
    return first.shape == second.shape and first.dtype == second.dtype and first.tobytes() == second.tobytes()
