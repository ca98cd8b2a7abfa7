"""What scikit-learn's transformers make of their columns: which columns every output comes from, and in which way.

To add a transformer: one line in RULES. Numbers are never taken from here: they come from the transformer's own
``transform``, and what is said here is checked against it.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

from agnostic_ig.engines._contract import Unsupported
from agnostic_ig.engines._registry import nearest

__all__ = ["Reading", "encoded_inside", "follow", "follow_pipeline", "steps_of"]


@dataclass
class Reading:
    """What is found out about the user's columns on the way through the transformers; all arrays (n_features,).

    Attributes
    ----------
    encoded : ndarray of bool
        Columns that are turned into codes, indicators or means of their categories.
    filled : ndarray of bool
        Columns whose missing values are replaced.
    curved : dict of int to str
        Columns that pass a transformer which is not affine, and its name.
    """

    n_features: int
    encoded: np.ndarray = field(init=False)
    filled: np.ndarray = field(init=False)
    curved: dict[int, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.encoded, self.filled = (np.zeros(self.n_features, dtype=bool) for _ in range(2))

    def note_curved(self, depends: np.ndarray, transformer: Any) -> None:
        """All columns that these come from pass a transformer that is not affine."""
        for j in np.flatnonzero(depends.any(axis=1)).tolist():
            self.curved.setdefault(j, type(transformer).__name__)

    def note_encoded(self, column: np.ndarray) -> None:
        """The column that this one (n_features,) comes from holds categories; bins of numbers are none."""
        sources = np.flatnonzero(column)
        if len(sources) > 1:
            raise Unsupported("the pipeline encodes a mixture of columns as categories")
        self.encoded[[j for j in sources.tolist() if j not in self.curved]] = True


def steps_of(model: Any) -> tuple[list[Any], Any]:
    """Transformers of a pipeline that do something when it predicts, and its model."""
    *before, last = [step for _, step in model.steps]
    if hasattr(last, "steps"):  # a pipeline at the end of a pipeline
        more, last = steps_of(last)
        before = before + more
    return [step for step in before if not _passes(step)], last


def follow_pipeline(model: Any) -> tuple[Reading, np.ndarray]:
    """What is found out about the columns of a pipeline, and which of them each column of its model comes from."""
    reading = Reading(_n_features(model))
    return reading, follow_steps(steps_of(model)[0], np.eye(reading.n_features, dtype=bool), reading)


def encoded_inside(model: Any, categories_of: Callable[[Any, int], np.ndarray]) -> np.ndarray:
    """(n_features,) bool: columns that a pipeline encodes, or that its model treats as categories by itself.

    categories_of: from a model and its number of columns to a mask of those it treats so. Where transformers are not
    known, what stands beside them is.
    """
    reading = Reading(_n_features(model))
    steps, last = steps_of(model)
    try:
        depends = follow_steps(steps, np.eye(reading.n_features, dtype=bool), reading)
        for column in depends.T[categories_of(last, depends.shape[1])]:
            reading.note_encoded(column)
    except Unsupported:
        pass
    return reading.encoded


def _n_features(model: Any) -> int:
    n_features = getattr(model, "n_features_in_", None)
    if n_features is None:
        raise Unsupported("the pipeline does not remember its columns")
    return n_features


def follow_steps(steps: Iterable[Any], depends: np.ndarray, reading: Reading) -> np.ndarray:
    """The same as `follow`, through one transformer after the other."""
    for step in steps:
        depends = follow(step, depends, reading)
    return depends


def follow(transformer: Any, depends: np.ndarray, reading: Reading) -> np.ndarray:
    """Which of the user's columns every output of a transformer comes from.

    Parameters
    ----------
    transformer : fitted transformer, "passthrough" or None
    depends : ndarray of bool, shape (n_features, n_inputs)
        The user's columns behind its inputs.
    reading : Reading
        Takes down what is found; also when Unsupported is raised.

    Returns
    -------
    depends : ndarray of bool, shape (n_features, n_outputs)
    """
    if _passes(transformer):
        return depends
    rule = nearest(transformer, RULES)
    if rule is None:
        raise Unsupported(f"what {type(transformer).__name__} does to its columns is not known")
    try:
        return rule(transformer, depends, reading)
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        raise Unsupported(f"{type(transformer).__name__} cannot be read ({type(error).__name__}: {error})") from error


def _passes(step: Any) -> bool:
    """ "passthrough", None, and steps of imbalanced-learn, which resample when the pipeline is fitted and only then."""
    return step is None or isinstance(step, str) or hasattr(step, "fit_resample")


# --- column by column ---------------------------------------------------------------------------------------


def _each(transformer: Any, depends: np.ndarray, reading: Reading) -> np.ndarray:
    """One output a column, affine unless it is clipped."""
    if getattr(transformer, "clip", False):
        reading.note_curved(depends, transformer)
    return depends


def _curved_each(transformer: Any, depends: np.ndarray, reading: Reading, width: Callable[[Any], Any]) -> np.ndarray:
    """`width` outputs a column, or one number for each, which are no affine functions of it."""
    reading.note_curved(depends, transformer)
    return np.repeat(depends, width(transformer), axis=1)


def _function(transformer: Any, depends: np.ndarray, reading: Reading) -> np.ndarray:
    if transformer.func is not None:
        name = getattr(transformer.func, "__name__", "a function")
        raise Unsupported(f"what FunctionTransformer({name}) does to its columns is not known")
    return depends


def _selected(transformer: Any, depends: np.ndarray, reading: Reading) -> np.ndarray:
    return depends[:, transformer.get_support()]


def _filled(transformer: Any, depends: np.ndarray, reading: Reading) -> np.ndarray:
    """Present values pass; columns that had none are dropped, indicators come last."""
    _check_mark(transformer)
    reading.filled |= depends.any(axis=1)
    kept = depends
    if not transformer.keep_empty_features:
        kept = depends[:, [not _is_nan(value) for value in transformer.statistics_]]
    indicator = transformer.indicator_
    return kept if indicator is None else np.hstack([kept, depends[:, indicator.features_]])


def _indicator(transformer: Any, depends: np.ndarray, reading: Reading) -> np.ndarray:
    _check_mark(transformer)
    reading.filled |= depends.any(axis=1)
    return depends[:, transformer.features_]


def _check_mark(transformer: Any) -> None:
    """A number that stands for a missing value lies on the path of its column, alone."""
    mark = transformer.missing_values
    if isinstance(mark, int | float | np.number) and not np.isnan(mark):
        raise Unsupported(f"{type(transformer).__name__} takes {mark:g} as missing, which is a place on the path")


def _is_nan(value: Any) -> bool:
    return isinstance(value, float | np.floating) and bool(np.isnan(value))


# --- categories ---------------------------------------------------------------------------------------------


def _encoded(transformer: Any, depends: np.ndarray, reading: Reading, width: Callable[[Any], Any]) -> np.ndarray:
    for column in depends.T:
        reading.note_encoded(column)
    return np.repeat(depends, width(transformer), axis=1)


def _n_indicators(encoder: Any) -> list[int]:
    """Columns that a OneHotEncoder makes of each of its own."""
    categories = encoder.categories_
    rare = getattr(encoder, "infrequent_categories_", [None] * len(categories))
    dropped = [None] * len(categories) if encoder.drop_idx_ is None else encoder.drop_idx_
    merged = [0 if some is None else len(some) - 1 for some in rare]
    return [len(c) - m - (d is not None) for c, m, d in zip(categories, merged, dropped, strict=True)]


def _n_means(encoder: Any) -> int:
    """Columns that a TargetEncoder makes of each of its own."""
    return len(encoder.classes_) if encoder.target_type_ == "multiclass" else 1


# --- mixtures -----------------------------------------------------------------------------------------------


def _mixed(transformer: Any, depends: np.ndarray, reading: Reading) -> np.ndarray:
    """Every output is an affine function of all columns."""
    n_outputs = len(transformer.get_feature_names_out())
    return np.repeat(depends.any(axis=1)[:, None], n_outputs, axis=1)


def _curved_mixed(transformer: Any, depends: np.ndarray, reading: Reading, width: Callable[[Any], Any]) -> np.ndarray:
    reading.note_curved(depends, transformer)
    n_outputs = width(transformer) or depends.shape[1]
    return np.repeat(depends.any(axis=1)[:, None], n_outputs, axis=1)


# --- containers of transformers -----------------------------------------------------------------------------


def _by_columns(transformer: Any, depends: np.ndarray, reading: Reading) -> np.ndarray:
    """A ColumnTransformer."""
    names = {name: j for j, name in enumerate(getattr(transformer, "feature_names_in_", []))}
    chosen = [
        (inner, depends[:, _positions(columns, names, depends.shape[1])])
        for _, inner, columns in transformer.transformers_
        if not (isinstance(inner, str) and inner == "drop")
    ]
    return _side_by_side([(inner, some) for inner, some in chosen if some.shape[1]], depends, reading)


def _union(transformer: Any, depends: np.ndarray, reading: Reading) -> np.ndarray:
    """A FeatureUnion."""
    parts = [inner for _, inner in transformer.transformer_list if not (isinstance(inner, str) and inner == "drop")]
    return _side_by_side([(inner, depends) for inner in parts], depends, reading)


def _side_by_side(parts: list[tuple[Any, np.ndarray]], depends: np.ndarray, reading: Reading) -> np.ndarray:
    """Outputs of all parts; each is read, so that no encoded column is overlooked because of another part."""
    results, fault = [depends[:, :0]], None
    for inner, some in parts:
        try:
            results.append(follow(inner, some, reading))
        except Unsupported as reason:
            fault = fault or reason
    if fault is not None:
        raise fault
    return np.hstack(results)


def _positions(columns: Any, names: dict[str, int], n: int) -> np.ndarray:
    """Places of the columns that a part of a ColumnTransformer takes, however they are written."""
    if isinstance(columns, str):
        return np.array([names[columns]])
    if isinstance(columns, slice):
        start, stop = (names[end] if isinstance(end, str) else end for end in (columns.start, columns.stop))
        stop = stop + 1 if isinstance(columns.stop, str) else stop
        return np.arange(n)[start : stop : columns.step]
    listed = np.atleast_1d(np.asarray(columns))
    if listed.size and listed.dtype.kind not in "biu":
        return np.array([names[name] for name in listed.tolist()])
    return np.arange(n)[listed] if listed.size else np.zeros(0, dtype=np.int64)


def _chain(pipeline: Any, depends: np.ndarray, reading: Reading) -> np.ndarray:
    return follow_steps([step for _, step in pipeline.steps], depends, reading)


Rule = Callable[[Any, np.ndarray, Reading], np.ndarray]


def _one(transformer: Any) -> int:
    return 1


RULES: dict[str, Rule] = {
    # one column, one output
    **dict.fromkeys(
        [f"sklearn.{name}" for name in ("StandardScaler", "MinMaxScaler", "MaxAbsScaler", "RobustScaler")], _each
    ),
    "sklearn.FunctionTransformer": _function,
    "sklearn.SelectorMixin": _selected,
    "sklearn.SimpleImputer": _filled,
    "sklearn.MissingIndicator": _indicator,
    # categories
    "sklearn.OneHotEncoder": partial(_encoded, width=_n_indicators),
    "sklearn.OrdinalEncoder": partial(_encoded, width=_one),
    "sklearn.TargetEncoder": partial(_encoded, width=_n_means),
    "sklearn.CountVectorizer": partial(_encoded, width=lambda vectorizer: len(vectorizer.vocabulary_)),
    # affine mixtures
    **dict.fromkeys(
        [
            f"sklearn.{name}"
            for name in (
                *("PCA", "IncrementalPCA", "TruncatedSVD", "FastICA", "FactorAnalysis"),
                *("BaseRandomProjection", "_PLS", "PLSSVD", "LinearDiscriminantAnalysis"),
                *("NeighborhoodComponentsAnalysis", "FeatureAgglomeration"),
            )
        ],
        _mixed,
    ),
    # not affine, which matters to numbers only: a column of categories has no path in between
    "sklearn.QuantileTransformer": partial(_curved_each, width=_one),
    "sklearn.PowerTransformer": partial(_curved_each, width=_one),
    "sklearn.Binarizer": partial(_curved_each, width=_one),
    "sklearn.KBinsDiscretizer": partial(
        _curved_each, width=lambda bins: 1 if bins.encode == "ordinal" else bins.n_bins_
    ),
    "sklearn.SplineTransformer": partial(
        _curved_each, width=lambda spline: spline.n_features_out_ // spline.n_features_in_
    ),
    "sklearn.Normalizer": partial(_curved_mixed, width=lambda normalizer: None),
    "sklearn.TfidfTransformer": partial(_curved_mixed, width=lambda weights: None),
    "sklearn.PolynomialFeatures": partial(_curved_mixed, width=lambda powers: powers.n_output_features_),
    # containers
    "sklearn.ColumnTransformer": _by_columns,
    "sklearn.FeatureUnion": _union,
    "sklearn.Pipeline": _chain,
}
