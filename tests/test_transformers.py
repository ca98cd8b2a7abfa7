"""What is read of transformers, against what they do: which column changes which output, and how."""

import numpy as np
import pandas as pd
import pytest
from sklearn import preprocessing as pre
from sklearn.cluster import FeatureAgglomeration
from sklearn.compose import ColumnTransformer
from sklearn.cross_decomposition import PLSSVD, PLSRegression
from sklearn.decomposition import PCA, FactorAnalysis, FastICA, IncrementalPCA, TruncatedSVD
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.feature_extraction.text import CountVectorizer, TfidfTransformer
from sklearn.feature_selection import RFE, SelectFromModel, SelectKBest, VarianceThreshold
from sklearn.impute import MissingIndicator, SimpleImputer
from sklearn.linear_model import LinearRegression
from sklearn.neighbors import NeighborhoodComponentsAnalysis
from sklearn.pipeline import FeatureUnion, Pipeline, make_pipeline
from sklearn.random_projection import GaussianRandomProjection, SparseRandomProjection

from agnostic_ig.engines._contract import Unsupported
from agnostic_ig.engines.column_map import ColumnMap
from agnostic_ig.engines.readers.transformers import RULES, Reading, follow, follow_pipeline
from agnostic_ig.frames import Codec

RNG = np.random.default_rng(3)
NUMBERS = RNG.gamma(2.0, [1.0, 30.0, 0.01, 5.0], (80, 4)) - 1.0
GAPS = np.where(RNG.random((80, 4)) < 0.1, np.nan, NUMBERS)
CODES = RNG.integers(0, 4, (80, 4)).astype(float)
LABEL = np.digitize(NUMBERS @ [1, 0.1, 9, -1], [2.0, 5.0])

# name in the table -> (transformers, rows)
AFFINE = {
    "StandardScaler": ([pre.StandardScaler(), pre.StandardScaler(with_mean=False), pre.StandardScaler()], NUMBERS),
    "MinMaxScaler": ([pre.MinMaxScaler((-1, 3))], NUMBERS),
    "MaxAbsScaler": ([pre.MaxAbsScaler()], NUMBERS),
    "RobustScaler": ([pre.RobustScaler()], NUMBERS),
    "FunctionTransformer": ([pre.FunctionTransformer()], NUMBERS),
    "SelectorMixin": (
        [
            *(SelectKBest(k=2), SelectKBest(k="all"), VarianceThreshold(0.01)),
            *(RFE(LinearRegression(), n_features_to_select=2), SelectFromModel(LinearRegression(), max_features=1)),
        ],
        NUMBERS,
    ),
    "SimpleImputer": ([SimpleImputer(), SimpleImputer(add_indicator=True), SimpleImputer(strategy="median")], GAPS),
    "MissingIndicator": ([MissingIndicator(), MissingIndicator(features="all")], GAPS),
    "PCA": ([PCA(3), PCA(2, whiten=True)], NUMBERS),
    "IncrementalPCA": ([IncrementalPCA(3)], NUMBERS),
    "TruncatedSVD": ([TruncatedSVD(2, random_state=0)], NUMBERS),
    "FastICA": ([FastICA(2, random_state=0, max_iter=2000)], NUMBERS),
    "FactorAnalysis": ([FactorAnalysis(2)], NUMBERS),
    "BaseRandomProjection": (
        [GaussianRandomProjection(3, random_state=0), SparseRandomProjection(3, random_state=0)],
        NUMBERS,
    ),
    "_PLS": ([PLSRegression(2)], NUMBERS),
    "PLSSVD": ([PLSSVD(1)], NUMBERS),
    "LinearDiscriminantAnalysis": ([LinearDiscriminantAnalysis()], NUMBERS),
    "NeighborhoodComponentsAnalysis": ([NeighborhoodComponentsAnalysis(2, max_iter=5, random_state=0)], NUMBERS),
    "FeatureAgglomeration": ([FeatureAgglomeration(2)], NUMBERS),
    "FeatureUnion": ([FeatureUnion([("a", pre.MinMaxScaler()), ("b", "passthrough"), ("c", "drop")])], NUMBERS),
    "Pipeline": ([make_pipeline(pre.RobustScaler(), "passthrough", PCA(2))], NUMBERS),
    "ColumnTransformer": (
        [
            ColumnTransformer([("a", pre.MinMaxScaler(), [3, 0]), ("b", "drop", [1])], remainder="passthrough"),
            ColumnTransformer([("a", PCA(2), slice(1, 3)), ("b", "passthrough", [-1])]),
            ColumnTransformer([("a", PCA(1), lambda X: [0, 1]), ("b", "passthrough", [])]),
        ],
        NUMBERS,
    ),
}
ENCODERS = {
    "OneHotEncoder": (
        [
            *(pre.OneHotEncoder(), pre.OneHotEncoder(drop="first", sparse_output=False)),
            *(pre.OneHotEncoder(min_frequency=20), pre.OneHotEncoder(max_categories=2, drop="first")),
            pre.OneHotEncoder(drop="if_binary"),
        ],
        CODES,
    ),
    "OrdinalEncoder": ([pre.OrdinalEncoder()], CODES),
    "TargetEncoder": ([pre.TargetEncoder()], CODES),
}
CURVED = {
    "MinMaxScaler": ([pre.MinMaxScaler(clip=True)], NUMBERS),
    "QuantileTransformer": ([pre.QuantileTransformer(n_quantiles=20)], NUMBERS),
    "PowerTransformer": ([pre.PowerTransformer()], NUMBERS),
    "Binarizer": ([pre.Binarizer()], NUMBERS),
    "KBinsDiscretizer": (
        [
            pre.KBinsDiscretizer(3, encode=encode, quantile_method="averaged_inverted_cdf")
            for encode in ("ordinal", "onehot")
        ],
        NUMBERS,
    ),
    "SplineTransformer": ([pre.SplineTransformer(4)], NUMBERS),
    "Normalizer": ([pre.Normalizer()], NUMBERS),
    "TfidfTransformer": ([TfidfTransformer()], CODES),
    "PolynomialFeatures": ([pre.PolynomialFeatures(2)], NUMBERS),
}


def cases(table):
    pairs = [(transformer, rows) for transformers, rows in table.values() for transformer in transformers]
    return [pytest.param(*pair, id=f"{type(pair[0]).__name__}{i}") for i, pair in enumerate(pairs)]


def map_of(transformer, rows):
    """What is read of a fitted transformer, and the map that it is."""
    transformer.fit(rows, LABEL)
    reading = Reading(rows.shape[1])
    depends = follow(transformer, np.eye(rows.shape[1], dtype=bool), reading)
    codec = Codec.from_tables([("X", rows)]).with_discrete(reading.encoded)
    return ColumnMap.of(transformer.transform, depends, codec, rows), reading


def dense(answer):
    return np.asarray(answer.toarray() if hasattr(answer, "toarray") else answer, dtype=float)


@pytest.mark.parametrize(("transformer", "rows"), cases({**AFFINE, **ENCODERS}))
def test_outputs_come_from_the_columns_that_are_read(transformer, rows):
    column_map, _ = map_of(transformer, rows)
    wanted = dense(transformer.transform(rows))
    np.testing.assert_array_equal(column_map.rows(rows), wanted)
    column_map.check(rows[:20])
    for j, depends in enumerate(column_map.depends):
        moved = rows.copy()
        moved[:, j] = np.roll(moved[:, j], 1)
        changes = (dense(transformer.transform(moved)) != wanted).any(axis=0)
        assert not changes[~depends].any()
        assert changes[depends & ~column_map.mixes].all()


@pytest.mark.parametrize(("transformer", "rows"), cases(AFFINE))
def test_slopes_are_those_of_the_transformer(transformer, rows):
    """A column moved by one unit moves outputs by their slopes, in rows without gaps."""
    column_map, reading = map_of(transformer, rows)
    assert not reading.encoded.any()
    assert not reading.curved
    whole = rows[np.isfinite(rows).all(axis=1)][:5]
    before = dense(transformer.transform(whole))
    for j, slopes in enumerate(column_map.slopes):
        change = dense(transformer.transform(whole + np.eye(4)[j])) - before
        np.testing.assert_allclose(change, np.tile(slopes, (5, 1)), rtol=1e-9, atol=1e-9 * np.abs(before).max())


@pytest.mark.parametrize(("transformer", "rows"), cases(ENCODERS))
def test_encoders_make_columns_discrete(transformer, rows):
    column_map, reading = map_of(transformer, rows)
    assert reading.encoded.all()
    assert not column_map.slopes.any()


@pytest.mark.parametrize(("transformer", "rows"), cases(CURVED))
def test_transformers_that_bend_are_named(transformer, rows):
    """Their outputs are counted right, and the check would have found them too."""
    column_map, reading = map_of(transformer, rows)
    assert reading.curved == dict.fromkeys(range(4), type(transformer).__name__)
    with pytest.raises(Unsupported, match="is not affine"):
        column_map.check(np.concatenate([rows, rows[::-1] * 1.5 + 1.0]))


def test_every_rule_is_tested():
    tested = {*AFFINE, *ENCODERS, *CURVED, "CountVectorizer"}
    assert {f"sklearn.{name}" for name in tested} == set(RULES)


def test_words_of_a_column_come_from_it():
    texts = pd.DataFrame({"n": [1.0, 2.0, 3.0], "text": ["a dog", "a cat sat", "the dog sat"]})
    columns = ColumnTransformer([("words", make_pipeline(CountVectorizer(), TfidfTransformer()), "text")])
    columns.fit(texts)
    reading = Reading(2)
    depends = follow(columns, np.eye(2, dtype=bool), reading)
    np.testing.assert_array_equal(depends, [[False] * 4, [True] * 4])
    assert reading.encoded.tolist() == [False, True]


def test_bins_of_numbers_are_no_categories():
    """Numbers that are cut into bins and then encoded still move along the path."""
    bins = pre.KBinsDiscretizer(3, encode="ordinal", quantile_method="averaged_inverted_cdf")
    model = make_pipeline(bins, pre.OneHotEncoder(), LinearRegression()).fit(NUMBERS, LABEL)
    reading, _ = follow_pipeline(model)
    assert not reading.encoded.any()


REFUSED = {
    "unknown": (pre.FunctionTransformer(np.log1p), r"what FunctionTransformer\(log1p\) does to its columns"),
    "mark": (SimpleImputer(missing_values=-1.0), "SimpleImputer takes -1 as missing, which is a place on the path"),
    "encoded mixture": (Pipeline([("p", PCA(1)), ("e", pre.OrdinalEncoder())]), "encodes a mixture of columns"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_has_no_exact_way_is_said(name):
    transformer, match = REFUSED[name]
    transformer.fit(np.abs(NUMBERS), LABEL)
    with pytest.raises(Unsupported, match=match):
        follow(transformer, np.eye(4, dtype=bool), Reading(4))


def test_a_transformer_of_an_unknown_build_is_refused_with_the_reason():
    scaler = ColumnTransformer([("scale", pre.StandardScaler(), [0])]).fit(NUMBERS)
    scaler.transformers_ = [("scale", pre.StandardScaler(), ["no such column"])]
    with pytest.raises(Unsupported, match="ColumnTransformer cannot be read"):
        follow(scaler, np.eye(4, dtype=bool), Reading(4))


class Squared(pre.StandardScaler):
    """Says that it scales, and does something else."""

    def transform(self, X):
        return super().transform(X) ** 2


class Neighbour(pre.StandardScaler):
    """Adds the column to the left."""

    def transform(self, X):
        scaled = super().transform(X)
        return scaled + np.roll(scaled, 1, axis=1)


class Product(PCA):
    """Multiplies, in rows that keep every path straight by itself."""

    def transform(self, X):
        return super().transform(X) + (X[:, [0]] > 1.0) * (X[:, [1]] > 1.0) * 1e-3


class Wider(pre.StandardScaler):
    def transform(self, X):
        return np.hstack([super().transform(X)] * 2)


@pytest.mark.parametrize(
    ("kind", "match"),
    [
        (Squared, "is not affine"),
        (Neighbour, "mixes other columns than was read"),
        (Product, "is not affine|is no sum over its columns"),
        (Wider, "gives 8 columns, not 4"),
    ],
)
def test_wrong_readings_are_found_out(kind, match):
    with pytest.raises(Unsupported, match=match):
        map_of(kind(), NUMBERS)[0].check(NUMBERS[:16])
