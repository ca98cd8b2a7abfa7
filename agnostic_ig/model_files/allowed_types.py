"""Types a skops file may hold besides those that skops trusts by itself (estimators, numpy arrays).

A type belongs here only if an object of it is harmless whatever a file put into it: it must not read or write
files, start processes, import or evaluate, and where its contents could lead compiled code astray, the reason
names the check that keeps them from it. Nothing here is called while a file is loaded (`schema.WAYS`).
"""

__all__ = ["ALLOWED_TYPES"]

_DISTANCE = "metric of a neighbours tree, which is rebuilt with it and compared"
_REBUILT = "checked against a tree rebuilt from its data (structure_checks.check_ball_or_kd_tree)"
_KERNEL = "kernel of a Gaussian process: plain Python, holds numbers only"
_SCORE = "score of a search or of a feature selection: a pure function of arrays, not called by predict"
_PLAIN = "plain Python object that only holds fitted parts, which are audited one by one"

ALLOWED_TYPES: dict[str, str] = {
    # Trees: scikit-learn follows their node numbers without looking.
    "sklearn.tree._tree.Tree": "trees of forests and boosting; nodes checked (tree_checks.check_tree)",
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor": (
        "trees of HistGradientBoosting; nodes checked (tree_checks.check_tree_predictor)"
    ),
    # Nearest neighbours: kd and ball trees hold node numbers too.
    "sklearn.neighbors._kd_tree.KDTree": _REBUILT,
    "sklearn.neighbors._ball_tree.BallTree": _REBUILT,
    "sklearn.metrics._dist_metrics.EuclideanDistance64": _DISTANCE,
    "sklearn.metrics._dist_metrics.ManhattanDistance64": _DISTANCE,
    "sklearn.metrics._dist_metrics.ChebyshevDistance64": _DISTANCE,
    "sklearn.metrics._dist_metrics.MinkowskiDistance64": _DISTANCE,
    "sklearn.metrics._dist_metrics.HaversineDistance64": _DISTANCE,
    # Calibration.
    "sklearn.calibration._CalibratedClassifier": _PLAIN,
    "sklearn.calibration._SigmoidCalibration": "two numbers",
    "sklearn.calibration._TemperatureScaling": "one number",
    # Ensembles and pipelines.
    "sklearn.utils._bunch.Bunch": "dict with attribute access, named_estimators_ of Voting and Stacking",
    "sklearn.compose._column_transformer.make_column_selector": "chooses columns by dtype or by a pattern",
    "builtins.object": "the dtype word of make_column_selector; has no behaviour",
    "numpy.dtype": "dtype that an imputer or encoder was fitted on",
    "numpy.number": "names the columns of make_column_selector(dtype_include=np.number); holds nothing",
    # HistGradientBoosting with categories passes numeric columns through partial(check_array, ...).
    "functools.partial": "stores a call without making it; the function inside is audited by itself",
    "sklearn.utils.validation.check_array": "checks and converts an array, nothing else",
    # Neural networks keep the optimizer they were trained with.
    "sklearn.neural_network._stochastic_optimizers.AdamOptimizer": "numbers and arrays, not used by predict",
    "sklearn.neural_network._stochastic_optimizers.SGDOptimizer": "numbers and arrays, not used by predict",
    # Searches and tuned thresholds keep how they were scored; they predict with the model inside.
    "sklearn.model_selection._split.KFold": "numbers only, not used by predict",
    "sklearn.model_selection._split.StratifiedKFold": "numbers only, not used by predict",
    "sklearn.metrics._scorer._PassthroughScorer": _PLAIN,
    "sklearn.metrics._scorer._Scorer": _PLAIN,
    "sklearn.metrics._scorer._CurveScorer": _PLAIN,
    "sklearn.utils._metadata_requests.MetadataRequest": "words only, about routing of fit parameters",
    "sklearn.utils._metadata_requests.MethodMetadataRequest": "words only, about routing of fit parameters",
    "sklearn.metrics._classification.accuracy_score": _SCORE,
    "sklearn.metrics._classification.balanced_accuracy_score": _SCORE,
    "sklearn.metrics._classification.brier_score_loss": _SCORE,
    "sklearn.metrics._classification.f1_score": _SCORE,
    "sklearn.metrics._classification.log_loss": _SCORE,
    "sklearn.metrics._classification.precision_score": _SCORE,
    "sklearn.metrics._classification.recall_score": _SCORE,
    "sklearn.metrics._ranking.average_precision_score": _SCORE,
    "sklearn.metrics._ranking.roc_auc_score": _SCORE,
    "sklearn.metrics._regression.mean_absolute_error": _SCORE,
    "sklearn.metrics._regression.mean_squared_error": _SCORE,
    "sklearn.metrics._regression.r2_score": _SCORE,
    # Losses, link functions of linear models.
    "sklearn._loss.loss.HalfTweedieLossIdentity": "loss of TweedieRegressor, no state that is indexed",
    # Splines.
    "scipy.interpolate._bsplines.BSpline": "checked by building it anew (structure_checks.check_spline)",
    "scipy._lib.array_api_compat.numpy._aliases.asarray": "numpy.asarray under another name, kept by BSpline",
    # Gaussian processes.
    "sklearn.gaussian_process._gpc._BinaryGaussianProcessClassifierLaplace": _PLAIN,
    "sklearn.gaussian_process.kernels.ConstantKernel": _KERNEL,
    "sklearn.gaussian_process.kernels.WhiteKernel": _KERNEL,
    "sklearn.gaussian_process.kernels.RBF": _KERNEL,
    "sklearn.gaussian_process.kernels.Matern": _KERNEL,
    "sklearn.gaussian_process.kernels.RationalQuadratic": _KERNEL,
    "sklearn.gaussian_process.kernels.ExpSineSquared": _KERNEL,
    "sklearn.gaussian_process.kernels.DotProduct": _KERNEL,
    "sklearn.gaussian_process.kernels.Sum": _KERNEL,
    "sklearn.gaussian_process.kernels.Product": _KERNEL,
    "sklearn.gaussian_process.kernels.Exponentiation": _KERNEL,
    # Models of sparse data.
    **dict.fromkeys(
        (
            f"scipy.sparse._{kind}.{kind}_{form}"
            for kind in ("csr", "csc", "bsr", "coo", "dia")
            for form in ("matrix", "array")
        ),
        "sparse numbers; indices checked (structure_checks.check_sparse)",
    ),
    # Feature selection.
    "sklearn.feature_selection._univariate_selection.f_classif": _SCORE,
    "sklearn.feature_selection._univariate_selection.f_regression": _SCORE,
    "sklearn.feature_selection._univariate_selection.chi2": _SCORE,
}
