"""Explanations to test with: one with distinct numbers everywhere, one with numbers only bits tell apart."""

import numpy as np
import pandas as pd
import polars as pl
from scipy import sparse

from agnostic_ig.results import Explanation, load_explanation
from agnostic_ig.results.fields import FIELD_AXES

NAMES = ["amount", "hour", "country"]


def make(n_outputs=None, n=4, **changes):
    """A complete explanation with distinct numbers everywhere."""
    shape = (n, 3) if n_outputs is None else (n, 3, n_outputs)
    tail = shape[2:]
    rng = np.random.default_rng(7)
    values = rng.normal(size=shape)
    base_values = np.broadcast_to(0.25 + np.arange(n_outputs or 1), (n, n_outputs or 1)).reshape(n, *tail)
    predictions = base_values + values.sum(axis=1) - 1e-9
    fields = {
        "values": values,
        "base_values": base_values,
        "predictions": predictions,
        "data": pd.DataFrame(
            {
                "amount": [1250, 20, 30, 40][:n],
                "hour": [1.5, 2.0, np.nan, 4.0][:n],
                "country": list("abca")[:n],
            },
            index=pd.Index(["r0", "r1", "r2", "r3"][:n], name="id"),
        ),
        "feature_names": NAMES,
        "output_names": ["fraud"] if n_outputs is None else [f"class{k}" for k in range(n_outputs)],
        "convergence_delta": values.sum(axis=1) - (predictions - base_values),
        "error_estimate": rng.uniform(size=shape),
        "std_error": rng.uniform(size=shape),
        "engine": "numeric",
        "exact": False,
        "response_method": "predict_proba",
        "n_evaluations": np.arange(n) + 10,
        "n_shared_evaluations": 5,
        "description": {"model": "RandomForestClassifier"},
    }
    return Explanation(**(fields | changes))


CONTAINERS = {
    "array": np.arange(12.0).reshape(4, 3),
    "polars": pl.DataFrame(np.arange(12.0).reshape(4, 3), schema=NAMES),
    "csr": sparse.csr_matrix(np.arange(12.0).reshape(4, 3)),
    "coo": sparse.coo_array(np.arange(12.0).reshape(4, 3)),
}


FACTS = (
    *("engine", "exact", "method", "response_method", "n_shared_evaluations"),
    *("feature_names", "output_names", "description"),
)


def make_bits(data=None, n=3, n_outputs=None, **changes):
    """Numbers that only bits can tell apart: NaN, -0.0, the smallest double."""
    shape = (n, 2) if n_outputs is None else (n, 2, n_outputs)
    tail = shape[2:]
    rng = np.random.default_rng(3)
    values = rng.normal(size=shape)
    values.flat[:3] = [np.nan, -0.0, 5e-324]
    fields = {
        "values": values,
        "base_values": rng.normal(size=(n, *tail)),
        "predictions": rng.normal(size=(n, *tail)),
        "smoothed_predictions": rng.normal(size=(n, *tail)),
        "convergence_delta": rng.normal(size=(n, *tail)),
        "error_estimate": rng.uniform(size=shape),
        "std_error": rng.uniform(size=shape),
        "n_evaluations": np.arange(n, dtype=np.int32),
        "n_shared_evaluations": 11,
        "data": np.zeros((n, 2)) if data is None else data,
        "feature_names": ["größe", "b\n"],
        "output_names": ["fraud"] if n_outputs is None else [f"c{k}" for k in range(n_outputs)],
        "engine": "numeric",
        "exact": np.False_,
        "method": "SmoothGrad",
        "response_method": "predict_proba",
        "description": {"baseline": "Mean"},
    }
    return Explanation(**(fields | changes))


def round_trip(e, tmp_path):
    e.save(tmp_path / "e.aig")
    return load_explanation(tmp_path / "e.aig")


def bits(array):
    """dtype, shape and bytes; objects by type and repr."""
    if array is None or not isinstance(array, np.ndarray):
        return type(array), repr(array)
    content = [(type(x), repr(x)) for x in array.ravel()] if array.dtype.hasobject else array.tobytes()
    return array.dtype, array.shape, content


def assert_same(again, e):
    for name in FIELD_AXES:
        assert bits(getattr(again, name)) == bits(getattr(e, name)), name
    for name in FACTS:
        assert getattr(again, name) == getattr(e, name), name
        assert type(getattr(again, name)) is type(getattr(e, name)), name
