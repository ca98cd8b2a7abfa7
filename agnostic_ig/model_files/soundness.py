"""Which check goes with which kind of object, and the walk that applies them all to a loaded model."""

from collections.abc import Callable
from typing import Any

from agnostic_ig.exceptions import UnsafeFileError
from agnostic_ig.model_files.estimator_checks import (
    check_decision_tree,
    check_forest,
    check_gradient_boosting,
    check_hist_gradient_boosting,
    check_isolation_forest,
    check_k_means,
    check_neighbors,
    check_support_vectors,
)
from agnostic_ig.model_files.object_graph import walk
from agnostic_ig.model_files.requirement import one_line
from agnostic_ig.model_files.structure_checks import (
    check_array,
    check_attributes,
    check_ball_or_kd_tree,
    check_sparse,
    check_spline,
)
from agnostic_ig.model_files.tree_checks import check_tree, check_tree_predictor

__all__ = ["check_sound"]

Check = Callable[[Any], None]

# Full name of a class (subclasses are meant too) -> its check. Names, so that nothing is imported for a model
# that does not need it.
STRUCTURES: dict[str, Check] = {
    "numpy.ndarray": check_array,
    "scipy.sparse._base._spbase": check_sparse,
    "scipy.interpolate._bsplines.BSpline": check_spline,
    "sklearn.tree._tree.Tree": check_tree,
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor": check_tree_predictor,
    "sklearn.neighbors._kd_tree.KDTree": check_ball_or_kd_tree,
    "sklearn.neighbors._ball_tree.BallTree": check_ball_or_kd_tree,
    "sklearn.base.BaseEstimator": check_attributes,
}
# The same for estimators, with the attribute they have once fitted: ensembles keep an unfitted copy of their
# member, which cannot predict and needs no check.
ESTIMATORS: dict[str, tuple[str, Check]] = {
    "sklearn.tree._classes.BaseDecisionTree": ("tree_", check_decision_tree),
    "sklearn.ensemble._forest.BaseForest": ("estimators_", check_forest),
    "sklearn.ensemble._iforest.IsolationForest": ("estimators_", check_isolation_forest),
    "sklearn.ensemble._gb.BaseGradientBoosting": ("estimators_", check_gradient_boosting),
    "sklearn.ensemble._hist_gradient_boosting.gradient_boosting.BaseHistGradientBoosting": (
        "_predictors",
        check_hist_gradient_boosting,
    ),
    "sklearn.neighbors._base.NeighborsBase": ("_fit_X", check_neighbors),
    "sklearn.cluster._kmeans._BaseKMeans": ("cluster_centers_", check_k_means),
    "sklearn.svm._base.BaseLibSVM": ("support_", check_support_vectors),
}


def check_sound(model: Any, name: str) -> None:
    """Refuse a model whose numbers would lead compiled code astray.

    Parts come before wholes, so a check may rely on those of the parts.

    Raises
    ------
    UnsafeFileError
        Says what is wrong; `name` is the file's.
    """
    for part in walk(model):
        for check in _checks_of(part):
            try:
                check(part)
            except UnsafeFileError as error:
                raise UnsafeFileError(f"{name} was refused, it is damaged or altered: {error}.") from error
            except Exception as error:  # a part that lacks what it must have may raise anything
                kind = type(part).__name__
                raise UnsafeFileError(f"{name} was refused, its {kind} is damaged: {one_line(error)}") from error


def _checks_of(part: Any) -> list[Check]:
    """Checks of an object's class and its bases, most general first."""
    names = [f"{base.__module__}.{base.__qualname__}" for base in reversed(type(part).__mro__)]
    fitted = [ESTIMATORS[name] for name in names if name in ESTIMATORS]
    structures = [STRUCTURES[name] for name in names if name in STRUCTURES]
    return structures + [check for attribute, check in fitted if hasattr(part, attribute)]
