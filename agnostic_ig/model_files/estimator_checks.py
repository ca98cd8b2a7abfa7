"""Fitted estimators whose parts must fit together, because compiled code takes that for granted.

Ensembles look at the shape of X once and hand it to trees that do not look again; support vector machines
and nearest neighbours pass bare arrays to C. Each function takes one object of the kind it is named after.
"""

import functools
import warnings
from typing import Any

import numpy as np

from agnostic_ig.model_files.requirement import require
from agnostic_ig.model_files.structure_checks import MAX_JOBS

__all__ = [
    "check_decision_tree",
    "check_forest",
    "check_gradient_boosting",
    "check_hist_gradient_boosting",
    "check_isolation_forest",
    "check_k_means",
    "check_neighbors",
    "check_support_vectors",
]


def check_decision_tree(estimator: Any) -> None:
    """A tree expects as many features as its estimator lets through."""
    expected = _n_features(estimator)
    require(estimator.tree_.n_features == expected, f"a tree expects other than {expected} features")


def check_forest(forest: Any) -> None:
    """Trees of a forest get X unchecked."""
    _check_widths(forest.estimators_, _n_features(forest))


def check_isolation_forest(forest: Any) -> None:
    """Trees of an isolation forest get their columns of X unchecked."""
    require(forest._max_features <= _n_features(forest), "an isolation forest draws too many features")
    _check_widths(forest.estimators_, forest._max_features)
    widths = [np.shape(columns) == (forest._max_features,) for columns in forest.estimators_features_]
    require(all(widths) and len(widths) == len(forest.estimators_), "columns of a forest do not fit")


def check_gradient_boosting(model: Any) -> None:
    """Trees of gradient boosting get X unchecked and write into the columns of the first guess."""
    trees = model.estimators_
    require(isinstance(trees, np.ndarray) and trees.ndim == 2 and trees.size > 0, "boosting has no trees")
    _check_widths(trees.ravel(), _n_features(model))
    single = [tree.tree_.value.shape[1:] == (1, 1) for tree in trees.ravel()]
    require(all(single), "a tree of gradient boosting has several values in one leaf")
    first_guess = model._raw_predict_init(np.zeros((1, _n_features(model)), dtype=np.float32))
    require(first_guess.shape == (1, trees.shape[1]), "boosting has other outputs than its first guess")


def check_hist_gradient_boosting(model: Any) -> None:
    """Nodes name features that exist, and categorical ones only where the model knows categories."""
    n_features, is_categorical = _n_features(model), model._bin_mapper.is_categorical_
    require(np.shape(is_categorical) == (n_features,), "categories of boosting do not fit its features")
    for predictor in (one for stage in model._predictors for one in stage):
        inner = predictor.nodes[predictor.nodes["is_leaf"] == 0]
        features = inner["feature_idx"]
        require(
            ((features >= 0) & (features < n_features)).all(),
            "a node splits on a feature that is not there",
        )
        split = features[inner["is_categorical"] != 0]
        require(np.all(is_categorical[split]), "a node splits a numeric feature by category")
    if model._preprocessor is not None:
        _check_preprocessor(model._preprocessor, n_features)


def check_neighbors(model: Any) -> None:
    """Training rows, their tree and their labels belong together."""
    shape = (model.n_samples_fit_, _n_features(model))
    require(np.shape(model._fit_X) == shape, "training rows of nearest neighbours have the wrong shape")
    if model._tree is not None:
        require(np.shape(model._tree.data) == shape, "the tree of nearest neighbours has the wrong shape")
    labels, classes = getattr(model, "_y", None), getattr(model, "classes_", None)
    require(labels is None or len(labels) == shape[0], "nearest neighbours have too few or too many labels")
    if labels is not None and classes is not None:
        _check_labels(labels, classes if model.outputs_2d_ else [classes])


def check_k_means(model: Any) -> None:
    """Centres have as many features as X."""
    require(np.shape(model.cluster_centers_)[1:] == (_n_features(model),), "centres of clusters do not fit")
    require(0 < model._n_threads <= MAX_JOBS, f"it asks for {model._n_threads} threads")


def check_support_vectors(model: Any) -> None:
    """libsvm gets bare arrays: their shapes must fit each other."""
    n_vectors, n_classes = len(model.support_), len(model._n_support)
    counts, n_pairs = model._n_support, n_classes * (n_classes - 1) // 2
    require(n_classes >= 2 and (counts >= 0).all(), "a support vector machine has impossible counts")
    # Classifiers count the vectors of each class; the others have one count, of all of them.
    counted = counts.sum() if model._impl in ("c_svc", "nu_svc") else counts[0]
    require(n_vectors == counted, "a support vector machine miscounts its vectors")
    require(model._intercept_.shape == (n_pairs,), "a support vector machine has wrong intercepts")
    for slopes in (model._probA, model._probB):
        require(slopes.shape in ((0,), (n_pairs,)), "a support vector machine has wrong probability slopes")
    require(model._probA.shape == model._probB.shape, "a support vector machine has wrong probability slopes")
    _check_coefficients(model._dual_coef_, (n_classes - 1, n_vectors))
    _check_vectors(model, n_vectors)


def _check_coefficients(coefficients: Any, shape: tuple[int, int]) -> None:
    require(coefficients.shape == shape, "coefficients of a support vector machine do not fit its vectors")
    # libsvm reads the stored numbers of a sparse matrix as if none were left out.
    require(
        np.size(getattr(coefficients, "data", coefficients)) >= shape[0] * shape[1],
        "coefficients are missing",
    )


def _check_vectors(model: Any, n_vectors: int) -> None:
    # The only functions that a file can name; what they return is no kernel matrix.
    require(not isinstance(model.kernel, np.ufunc), "a support vector machine has a strange kernel")
    if model.kernel == "precomputed" or callable(model.kernel):
        # Vectors are columns of the kernel matrix, which has one for each training row.
        known = (model.support_ >= 0) & (model.support_ < model.shape_fit_[0])
        require(known.all(), "support vectors are not in the kernel")
    else:
        shape = (n_vectors, _n_features(model))
        require(model.support_vectors_.shape == shape, "support vectors have the wrong shape")


def _check_labels(labels: np.ndarray, classes: Any) -> None:
    """Labels are numbers of classes that exist."""
    columns = np.reshape(labels, (len(labels), -1)).T
    require(len(columns) == len(classes), "nearest neighbours have labels for other outputs than their own")
    for column, names in zip(columns, classes, strict=True):
        require(((column >= 0) & (column < len(names))).all(), "a label of nearest neighbours does not exist")


def _check_widths(estimators: Any, n_features: int) -> None:
    widths = {estimator.tree_.n_features for estimator in estimators}
    require(widths == {n_features}, f"trees of an ensemble expect other than {n_features} features")


def _check_preprocessor(preprocessor: Any, n_features: int) -> None:
    """What turns categories into numbers must not change how many columns there are, whatever the row."""
    functions = [getattr(step, "func", None) for _, step, _ in preprocessor.transformers_]
    for function in functions:
        is_check = isinstance(function, functools.partial) and function.func.__name__ == "check_array"
        require(function is None or is_check, "categories are prepared by a strange function")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about the missing column names of the probe row
        row = preprocessor.transform(np.zeros((1, n_features), dtype=object))
    require(np.shape(row) == (1, n_features), "categories are prepared into another number of columns")


def _n_features(estimator: Any) -> int:
    """`n_features_in_`, without which scikit-learn would let an X of any width through."""
    n_features = getattr(estimator, "n_features_in_", None)
    require(isinstance(n_features, int | np.integer) and n_features > 0, "an estimator lacks n_features_in_")
    return int(n_features)
