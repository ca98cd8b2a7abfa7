"""Set-up of a test run: a private kernel cache, drawing without a screen, one seed."""

import os
import shutil
import tempfile

import numpy as np
import pytest

# All of this has to stand before anything imports numba, scikit-learn or matplotlib. Compiled kernels of an older
# run are never used; workers of pytest-xdist inherit the folder, so that the others load what one of them compiled.
# Workers share the cores: threads of OpenMP that wait for each other make small models ten times slower.
os.environ["MPLBACKEND"] = "Agg"
os.environ.setdefault("OMP_NUM_THREADS", "1")
_own_cache = None
if "NUMBA_CACHE_DIR" not in os.environ:
    _own_cache = os.environ["NUMBA_CACHE_DIR"] = tempfile.mkdtemp(prefix="agnostic-ig-kernels-")


def pytest_unconfigure(config: pytest.Config) -> None:
    """Remove the kernel cache, if this process made it."""
    if _own_cache is not None:
        shutil.rmtree(_own_cache, ignore_errors=True)


@pytest.fixture
def rng() -> np.random.Generator:
    """Random numbers that are the same in every run."""
    return np.random.default_rng(2017)
