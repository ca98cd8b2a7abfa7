"""The numeric engine's questions as calls of the model: which rows, in which order, how many together."""

import numpy as np
import pytest

from agnostic_ig.engines.numeric import calls, in_order_of_paths
from agnostic_ig.kernels import path_probe


@pytest.mark.parametrize(("n_rows", "n_jobs", "sizes"), [
    (0, 1, []), (9_000, 1, [9_000]), (8_000, 2, [8_000]), (9_000, 2, [4_500] * 2), (70_000, 1, [35_000] * 2),
    (140_000, 2, [35_000] * 4),
])  # fmt: skip
def test_calls_are_as_large_as_memory_and_threads_allow(n_rows, n_jobs, sizes):
    assert [part.stop - part.start for part in calls(n_rows, n_jobs)] == sizes


def test_rows_that_are_close_on_a_path_are_asked_one_after_the_other():
    rng = np.random.default_rng(0)
    pair, alpha = rng.integers(0, 5, 200), rng.choice([0.0, 1e-9, 0.3, 0.3 + 1e-9, 1.0], 200)
    np.testing.assert_array_equal(in_order_of_paths(pair, alpha), np.lexsort((alpha, pair)))


def test_largest_answers_are_kept():
    sizes = np.array([1.0, 5.0, 0.0])
    for function in (path_probe.raise_sizes, path_probe.raise_sizes.py_func):
        function(np.array([0, 1, 0]), np.array([[2.0, -3.0], [4.0, 1.0], [0.5, 0.0]]), sizes)
        np.testing.assert_array_equal(sizes, [3.0, 5.0, 0.0])


def test_probe_kernel_compiled_and_plain():
    x, b = np.array([[1.0, 5.0, 2.0, np.nan]]), np.array([[0.0, 4.0, 2.0, 1.0]])
    discrete = np.array([False, True, False, False])
    moved = np.array([[False, False, False], [True, False, False], [False, True, True]])
    alpha, to, pair = np.array([0.25, 0.25, 0.0]), np.array([0.25, 0.75, 1.0]), np.zeros(3, np.int64)
    wanted = np.array([[0.25, 4.0, 2.0, 1.0], [0.75, 4.0, 2.0, 1.0], [0.0, 5.0, 2.0, np.nan]])
    for function in (path_probe.build_probes, path_probe.build_probes.py_func):
        out = np.empty((3, 4))
        paths, order = path_probe.Paths.between(b, x, discrete), np.array([2, 0, 1])
        function(paths, np.array([0, 1, 2, 2]), order, pair, alpha, to, moved, out)
        np.testing.assert_array_equal(out, wanted[order])
