"""Fitted models with closed forms, each with its formula as the user guide of scikit-learn gives it."""

import functools
import inspect
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from cases import Case, data
from naive_smooth import sigmoid, softmax
from sklearn import linear_model as linear
from sklearn.covariance import EllipticEnvelope
from sklearn.cross_decomposition import CCA, PLSCanonical, PLSRegression
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis, QuadraticDiscriminantAnalysis
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.isotonic import IsotonicRegression
from sklearn.naive_bayes import BernoulliNB, CategoricalNB, ComplementNB, GaussianNB, MultinomialNB
from sklearn.neighbors import NearestCentroid
from sklearn.svm import LinearSVC, LinearSVR

Formula = Callable[[Any, np.ndarray], np.ndarray]


@dataclass(frozen=True)
class FormulaCase(Case):
    """A model and its formula of rows, which may be complex; the last of its outputs are those explained."""

    formula: Formula = None
    columns: Callable[[np.ndarray], np.ndarray] = np.asarray

    @property
    def X(self) -> np.ndarray:
        return self.columns(super().X)


def margins(model: Any, rows: np.ndarray) -> np.ndarray:
    coef = model.coef_.toarray() if hasattr(model.coef_, "toarray") else model.coef_
    return rows @ np.atleast_2d(coef).T + np.atleast_1d(model.intercept_)


def kept(model: Any, rows: np.ndarray) -> np.ndarray:
    return margins(model.estimator_, rows)


def exponential(model: Any, rows: np.ndarray) -> np.ndarray:
    return np.exp(margins(model, rows))


def centred(model: Any, rows: np.ndarray) -> np.ndarray:
    return (rows - data()[0].mean(axis=0)) @ model.coef_.T + model.intercept_


def logistic(model: Any, rows: np.ndarray) -> np.ndarray:
    found = margins(model, rows)
    return softmax(found) if found.shape[1] > 1 else sigmoid(found)


def one_against_rest(model: Any, rows: np.ndarray) -> np.ndarray:
    each = sigmoid(margins(model, rows))
    return each / each.sum(axis=1, keepdims=True) if each.shape[1] > 1 else each


def beside_offset(model: Any, rows: np.ndarray) -> np.ndarray:
    return score(model, rows) - model.offset_


def score(model: Any, rows: np.ndarray) -> np.ndarray:
    return rows @ np.atleast_2d(model.coef_).T


def normal(model: Any, rows: np.ndarray) -> np.ndarray:
    """The densities that the training data have, times shares of classes."""
    likelihoods = []
    for mean, variance, prior in zip(model.theta_, model.var_, model.class_prior_, strict=True):
        each = -((rows - mean) ** 2) / (2 * variance) - 0.5 * np.log(2 * np.pi * variance)
        likelihoods.append(np.log(prior) + each.sum(axis=1))
    return softmax(np.stack(likelihoods, axis=1))


def discriminants(model: Any, rows: np.ndarray) -> np.ndarray:
    """Logarithms of densities with a covariance matrix a class."""
    found = []
    for mean, covariance, prior in zip(model.means_, model.covariance_, model.priors_, strict=True):
        off, inverse = rows - mean, np.linalg.inv(covariance)
        distance = np.einsum("ni,ij,nj->n", off, inverse, off)
        found.append(np.log(prior) - 0.5 * (np.linalg.slogdet(covariance)[1] + distance))
    return np.stack(found, axis=1)


def quadratic_probabilities(model: Any, rows: np.ndarray) -> np.ndarray:
    return softmax(discriminants(model, rows))


def quadratic_difference(model: Any, rows: np.ndarray) -> np.ndarray:
    return np.diff(discriminants(model, rows), axis=1)


def counts(model: Any, rows: np.ndarray) -> np.ndarray:
    return softmax(rows @ model.feature_log_prob_.T + model.class_log_prior_)


def counts_of_others(model: Any, rows: np.ndarray) -> np.ndarray:
    return softmax(rows @ model.feature_log_prob_.T)


def shares_of_flags(model: Any, rows: np.ndarray) -> np.ndarray:
    p = np.exp(model.feature_log_prob_)
    return softmax(rows @ np.log(p).T + (1 - rows) @ np.log(1 - p).T + model.class_log_prior_)


def centroids(model: Any, rows: np.ndarray) -> np.ndarray:
    off = (rows[:, None, :] - model.centroids_) / model.within_class_std_dev_
    return -(off**2).sum(axis=2) + 2 * np.log(model.class_prior_)


def centroid_probabilities(model: Any, rows: np.ndarray) -> np.ndarray:
    return softmax(centroids(model, rows))


def distance(model: Any, rows: np.ndarray) -> np.ndarray:
    off = rows - model.location_
    return -np.einsum("ni,ij,nj->n", off, model.get_precision(), off)[:, None]


class Quiet:
    """A model whose training warns that a later scikit-learn will have it no more, or with other defaults."""

    def __init__(self, make: Callable[[], Any]) -> None:
        self.make = make

    def fit(self, X: Any, y: Any) -> Any:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            return self.make().fit(X, y)


def quietly(make: Callable[[], Any]) -> Callable[[], Any]:
    return lambda: Quiet(make)


def made(make: Callable[..., Any], **parameters: Any) -> Callable[[], Any]:
    return functools.partial(make, **parameters)


def seeded(make: Callable[..., Any]) -> Callable[[], Any]:
    """With a fixed seed where there is one, and with the iterations that liblinear needs."""
    parameters = {"random_state": 0} if "random_state" in inspect.signature(make).parameters else {}
    return made(make, **parameters, **({"max_iter": 50_000} if make in (LinearSVC, LinearSVR) else {}))


class Sparse:
    """A linear classifier whose weights are a sparse matrix."""

    def fit(self, X: Any, y: Any) -> Any:
        return linear.LogisticRegression(C=0.05, l1_ratio=1, solver="saga", max_iter=5000).fit(X, y).sparsify()


_PLAIN = (
    *(linear.LinearRegression, linear.Ridge, linear.RidgeCV, linear.BayesianRidge, linear.ARDRegression),
    *(linear.HuberRegressor, linear.Lasso, linear.LassoCV, linear.ElasticNet, linear.ElasticNetCV, linear.Lars),
    *(linear.LarsCV, linear.LassoLars, linear.LassoLarsCV, linear.LassoLarsIC, linear.OrthogonalMatchingPursuit),
    *(linear.OrthogonalMatchingPursuitCV, linear.QuantileRegressor, linear.SGDRegressor, LinearSVR),
)
_SEVERAL = (
    *(linear.MultiTaskLasso, linear.MultiTaskLassoCV, linear.MultiTaskElasticNet, linear.MultiTaskElasticNetCV),
    linear.Ridge,
)
_CLASSIFIERS = (
    *(linear.RidgeClassifier, linear.RidgeClassifierCV, linear.Perceptron, linear.SGDClassifier, LinearSVC),
    *(linear.LogisticRegression, LinearDiscriminantAnalysis),
)
_LOGISTIC_CV = {"Cs": 2, "use_legacy_attributes": False, "l1_ratios": (0.0,), "scoring": "neg_log_loss"}

# name, how it is made, target, response, formula, and columns where they are not those of the data
_ROWS = [
    *((make.__name__, seeded(make), "number", "predict", margins) for make in _PLAIN),
    *((f"{make.__name__}, two numbers", seeded(make), "two numbers", "predict", margins) for make in _SEVERAL),
    *(
        (f"{make.__name__}, margin, {label}", seeded(make), label, "decision_function", margins)
        for make in _CLASSIFIERS
        for label in ("class", "three")
    ),
    ("RidgeClassifier, two flags", linear.RidgeClassifier, "two flags", "decision_function", margins),
    ("Ridge, no intercept", made(linear.Ridge, fit_intercept=False), "number", "predict", margins),
    ("TheilSenRegressor", made(linear.TheilSenRegressor, random_state=0), "number", "predict", margins),
    ("RANSACRegressor", made(linear.RANSACRegressor, random_state=0), "number", "predict", kept),
    ("PassiveAggressiveRegressor", quietly(linear.PassiveAggressiveRegressor), "number", "predict", margins),
    ("PassiveAggressiveClassifier", quietly(linear.PassiveAggressiveClassifier), "three", "decision_function", margins),
    ("PoissonRegressor", linear.PoissonRegressor, "count", "predict", exponential),
    ("GammaRegressor", linear.GammaRegressor, "positive", "predict", exponential),
    ("TweedieRegressor", linear.TweedieRegressor, "number", "predict", margins),
    ("TweedieRegressor, power", made(linear.TweedieRegressor, power=1.5), "positive", "predict", exponential),
    ("TweedieRegressor, log", made(linear.TweedieRegressor, link="log"), "positive", "predict", exponential),
    *(
        (make.__name__, make, "two numbers", "predict", centred)
        for make in (PLSRegression, PLSCanonical, CCA)
    ),
    ("PLSRegression, one number", PLSRegression, "number", "predict", centred),
    ("SGDOneClassSVM", linear.SGDOneClassSVM, "class", "decision_function", beside_offset),
    ("SGDOneClassSVM, score", linear.SGDOneClassSVM, "class", "score_samples", score),
    ("LogisticRegression, sparse", Sparse, "class", "predict_proba", logistic),
    *(
        (f"{name}, {label}", make, label, "predict_proba", formula)
        for name, make, formula in [
            ("LogisticRegression", linear.LogisticRegression, logistic),
            ("LogisticRegression, steep", made(linear.LogisticRegression, C=1e6), logistic),
            ("LogisticRegressionCV", quietly(made(linear.LogisticRegressionCV, **_LOGISTIC_CV)), logistic),
            ("LinearDiscriminantAnalysis", LinearDiscriminantAnalysis, logistic),
            ("SGDClassifier, log_loss", made(linear.SGDClassifier, loss="log_loss", random_state=0), one_against_rest),
            ("QuadraticDiscriminantAnalysis", made(QuadraticDiscriminantAnalysis, store_covariance=True),
             quadratic_probabilities),
            ("GaussianNB", GaussianNB, normal),
            ("NearestCentroid", NearestCentroid, centroid_probabilities),
        ]
        for label in ("class", "three")
    ),
    ("QuadraticDiscriminantAnalysis, margin", made(QuadraticDiscriminantAnalysis, store_covariance=True), "class",
     "decision_function", quadratic_difference),
    ("QuadraticDiscriminantAnalysis, margins", made(QuadraticDiscriminantAnalysis, store_covariance=True), "three",
     "decision_function", discriminants),
    ("NearestCentroid, shrunken", made(NearestCentroid, shrink_threshold=0.3), "three", "decision_function", centroids),
    ("EllipticEnvelope", made(EllipticEnvelope, random_state=0), "class", "decision_function", distance),
    ("EllipticEnvelope, score", made(EllipticEnvelope, random_state=0), "class", "score_samples", distance),
    *(
        (f"{make.__name__}, {label}", make, label, "predict_proba", formula, np.abs)
        for make, formula in [(MultinomialNB, counts), (ComplementNB, counts_of_others)]
        for label in ("class", "three")
    ),
    ("BernoulliNB, no threshold", made(BernoulliNB, binarize=None), "three", "predict_proba", shares_of_flags,
     lambda X: 1 / (1 + np.exp(-X))),
]  # fmt: skip

FORMULAS = [
    FormulaCase(name, make, label, response, "smooth", formula=formula, columns=(*columns, np.asarray)[0])
    for name, make, label, response, formula, *columns in _ROWS
]

# Constants and steps, whose formulas have no gradient.
OTHERS = [
    FormulaCase("DummyClassifier", DummyClassifier, engine="smooth"),
    FormulaCase("DummyRegressor", DummyRegressor, "number", engine="smooth"),
    FormulaCase("IsotonicRegression", IsotonicRegression, "number", engine="smooth", columns=lambda X: X[:, :1]),
    FormulaCase("BernoulliNB", BernoulliNB),
    FormulaCase("CategoricalNB", CategoricalNB, columns=np.abs),
]
