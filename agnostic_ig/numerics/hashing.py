"""Random numbers that depend on a key alone: the same for any batch, order of work or number of threads."""

import numpy as np

__all__ = ["child_keys", "keys_of_rows", "uniform"]

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_FIRST = np.uint64(0xBF58476D1CE4E5B9)
_SECOND = np.uint64(0x94D049BB133111EB)


def child_keys(keys: np.ndarray, number: int | np.ndarray) -> np.ndarray:
    """New keys from keys and a number (splitmix64's finaliser, Steele, Lea and Flood 2014)."""
    number = np.asarray(number, dtype=np.uint64) + np.uint64(1)
    with np.errstate(over="ignore"):
        z = np.asarray(keys, dtype=np.uint64) + _GOLDEN * number
        z = (z ^ (z >> np.uint64(30))) * _FIRST
        z = (z ^ (z >> np.uint64(27))) * _SECOND
    return z ^ (z >> np.uint64(31))


def keys_of_rows(seed: int, rows: np.ndarray) -> np.ndarray:
    """A key for each row (n, n_features) that depends on what stands in it, not on where it stands."""
    keys = np.full(len(rows), seed, dtype=np.uint64)
    for column in rows.T:
        plain = np.where(np.isnan(column), np.nan, column + 0.0)  # one NaN, one zero
        keys = child_keys(keys, plain.view(np.uint64))
    return keys


def uniform(keys: np.ndarray) -> np.ndarray:
    """One number in [0, 1) for each key."""
    return (np.asarray(keys, dtype=np.uint64) >> np.uint64(11)).astype(np.float64) * 2.0**-53
