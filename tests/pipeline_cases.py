"""A small table with every kind of column, and pipelines on it."""

import functools

import numpy as np
from naive_pipelines import frame_of
from sklearn.compose import ColumnTransformer
from sklearn.decomposition import PCA
from sklearn.ensemble import (
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
    RandomForestRegressor,
    StackingClassifier,
    VotingRegressor,
)
from sklearn.feature_selection import SelectKBest
from sklearn.impute import MissingIndicator, SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import FeatureUnion, Pipeline, make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    MaxAbsScaler,
    MinMaxScaler,
    OneHotEncoder,
    OrdinalEncoder,
    RobustScaler,
    StandardScaler,
    TargetEncoder,
)

COLUMNS = {
    "amount": None,
    "age": None,
    "shop": ("cafe", "garage", "hotel", "online"),
    "hour": None,
    "size": ("large", "small"),
    "known": "bool",
}
NUMBERS = ["amount", "age", "hour"]
WORDS = ["shop", "size"]


class Means(TargetEncoder):
    """Without cross-fitting, which is drawn at random."""

    def fit_transform(self, X, y):
        return self.fit(X, y).transform(X)


@functools.cache
def rows():
    """(240, 6): amounts, ages with gaps, codes of shops with gaps, whole hours, codes of sizes, flags."""
    rng = np.random.default_rng(4)
    n = 240
    table = np.column_stack(
        [
            rng.gamma(2.0, 40.0, n),
            rng.normal(45, 12, n),
            rng.integers(0, 4, n),
            rng.integers(0, 24, n),
            rng.integers(0, 2, n),
            rng.integers(0, 2, n),
        ]
    ).astype(float)
    table[rng.random(n) < 0.15, 1] = np.nan
    table[rng.random(n) < 0.1, 2] = np.nan
    table.setflags(write=False)
    return table


@functools.cache
def score():
    table = np.nan_to_num(rows(), nan=1.0)
    return table[:, 0] / 40 + (table[:, 2] == 3) * 2 - table[:, 1] / 30 + table[:, 3] * table[:, 5] / 12 + table[:, 4]


def frame(table=None):
    return frame_of(rows() if table is None else table, COLUMNS)


def labels(n=2):
    return np.digitize(score(), np.quantile(score(), np.arange(1, n) / n))


def one_hot(*more):
    """Numbers filled in and scaled, words one-hot, flags as they are."""
    return ColumnTransformer(
        [
            ("numbers", make_pipeline(SimpleImputer(add_indicator=True), StandardScaler()), NUMBERS),
            ("words", OneHotEncoder(handle_unknown="ignore"), WORDS),
            *more,
        ],
        remainder="passthrough",
    )


def other():
    """Other scalers, encoders of other kinds, a union, columns by position, and a selection."""
    union = FeatureUnion([("gaps", MissingIndicator()), ("scaled", make_pipeline(SimpleImputer(), RobustScaler()))])
    return Pipeline(
        [
            (
                "columns",
                ColumnTransformer(
                    [
                        ("amount", MinMaxScaler(), [0]),
                        ("age", union, slice(1, 2)),
                        ("hour", MaxAbsScaler(), ["hour"]),
                        ("shop", Means(), ["shop"]),
                        ("size", OrdinalEncoder(), ["size"]),
                        ("known", FunctionTransformer(), [False] * 5 + [True]),
                    ]
                ),
            ),
            ("nothing", "passthrough"),
            ("select", SelectKBest(k=6)),
        ]
    )


def native():
    """Codes for a model that splits by category itself, gaps left as they are."""
    encode = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=np.nan)
    return ColumnTransformer([("words", encode, WORDS), ("numbers", StandardScaler(), NUMBERS)], remainder="drop")


# name -> (pipeline, number of labels; 0: the score)
STEPPED = {
    "forest, one-hot": (lambda: make_pipeline(one_hot(), RandomForestClassifier(3, max_depth=4, random_state=0)), 2),
    "forest of numbers, one-hot": (
        lambda: make_pipeline(one_hot(), RandomForestRegressor(2, max_depth=4, random_state=0)),
        0,
    ),
    "boosting, one-hot": (
        lambda: make_pipeline(one_hot(), GradientBoostingClassifier(n_estimators=6, max_depth=3, random_state=0)),
        2,
    ),
    "forest, other": (lambda: make_pipeline(other(), RandomForestClassifier(3, max_depth=4, random_state=0)), 3),
    "histograms, native": (
        lambda: make_pipeline(
            native(), HistGradientBoostingClassifier(max_iter=4, categorical_features=[0, 1], random_state=0)
        ),
        2,
    ),
}
LINEAR = {
    "logistic, one-hot": (lambda: make_pipeline(one_hot(), LogisticRegression()), 2),
    "logistic of three, other": (lambda: make_pipeline(other(), LogisticRegression()), 3),
    "regression, one-hot": (lambda: make_pipeline(one_hot(), LinearRegression()), 0),
    "logistic, all mixed": (
        lambda: make_pipeline(one_hot(), PCA(4), LogisticRegression()),
        2,
    ),
}


@functools.cache
def fitted(name):
    make, n = {**STEPPED, **LINEAR}[name]
    return make().fit(frame(), labels(n) if n else score())


def pairs():
    """Pairs in which gaps appear, go, stay, and in which there are none."""
    table = rows()
    gap, whole = np.flatnonzero(np.isnan(table[:, 1])), np.flatnonzero(np.isfinite(table).all(axis=1))
    lost = np.flatnonzero(np.isnan(table[:, 2]) & np.isfinite(table[:, 1]))
    chosen = [(gap[0], whole[0]), (whole[1], gap[1]), (gap[2], gap[3]), (whole[2], whole[3]), (lost[0], whole[4])]
    return [(table[i], table[j]) for i, j in chosen]


def scaled(model):
    """A pipeline on the numbers only."""
    return make_pipeline(
        ColumnTransformer([("numbers", make_pipeline(SimpleImputer(), StandardScaler()), NUMBERS)]), model
    )


# Models made of pipelines, and pipelines that end in models made of models; all outputs are averages.
def votes(trees, smooth):
    return VotingRegressor([("trees", trees), ("smooth", smooth)])


COMPOSED = {
    "pipelines vote": lambda: votes(
        make_pipeline(one_hot(), RandomForestRegressor(2, max_depth=4, random_state=0)), scaled(LinearRegression())
    ),
    "pipelines stacked": lambda: StackingClassifier(
        [
            ("trees", make_pipeline(one_hot(), RandomForestClassifier(2, max_depth=3, random_state=0))),
            ("smooth", scaled(LogisticRegression())),
        ],
        LogisticRegression(),
    ),
    "a vote behind transformers": lambda: make_pipeline(
        one_hot(), votes(RandomForestRegressor(2, max_depth=4, random_state=0), LinearRegression())
    ),
}
