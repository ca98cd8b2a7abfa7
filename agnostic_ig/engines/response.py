"""What of a model is explained: the response method, its outputs and their names, and checked calls to it."""

import numbers
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from agnostic_ig.engines.booster_response import booster_call, has_independent_labels, is_empty_booster
from agnostic_ig.exceptions import InvalidParameterError, ModelError, ModelOutputError
from agnostic_ig.frames import Codec, matrix_shape, take_rows
from agnostic_ig.validation import check_choice, invalid, shorten, type_error

__all__ = ["BlackBox", "Response", "Scales", "resolve_response"]

METHODS = ("predict_proba", "decision_function", "predict", "score_samples")
# The order in which "auto" looks for a response, by the kind of estimator.
PREFERENCE = {
    "classifier": ("predict_proba", "decision_function", "predict"),
    "regressor": ("predict",),
    "outlier_detector": ("decision_function", "score_samples"),
    None: ("predict", "predict_proba", "decision_function", "score_samples"),
}
# Precisions of answers that bound what can be asked of agreement and sums.
SHORT_FLOATS = (np.float32, np.float16)


@dataclass(frozen=True)
class Response:
    """One function of the model.

    Attributes
    ----------
    name : str
        The method explained, or "function" for a predict function.
    call : callable
        From the model's own container to what the model returns.
    classes : ndarray, list of ndarray (one an output of the model) or None
        Class labels of a classifier.
    kind : str or None
        "classifier", "regressor", "outlier_detector" or None.
    exclusive : bool
        Whether a case has one of `classes` only, so that two of them need one column; not so for multilabel models.
    per_class : bool
        Whether there is a column a class; not so for the margins between pairs of classes.
    """

    model: Any
    name: str
    call: Callable[[Any], Any]
    classes: Any = None
    kind: str | None = None
    exclusive: bool = True
    per_class: bool = True

    def outputs(self, container: Any) -> np.ndarray:
        """The model's answers for a container as a finite (n, n_outputs) matrix, in the model's own precision."""
        try:
            answer = self.call(container)
        except MemoryError as error:
            raise MemoryError(
                f"The model ran out of memory when it was asked for {matrix_shape(container)[0]:,} rows together"
                f"{f' ({error})' if str(error) else ''}. A smaller batch_size, or fewer rows of X, ask for fewer at a "
                "time."
            ) from error
        except Exception as error:
            raise ModelError(f"The model raised {type(error).__name__}: {error}{self._who(container)}") from error
        return _check_outputs(answer, container, self.name)

    def _who(self, container: Any) -> str:
        """The row that the model refuses, found by asking it for halves; whether it refuses none of them alone."""
        n = matrix_shape(container)[0]
        start, stop = 0, n
        while stop - start > 1:
            middle = (start + stop) // 2
            if self._refuses(container, start, middle):
                stop = middle
            elif self._refuses(container, middle, stop):
                start = middle
            else:
                return f" (asked for {n:,} rows together; for parts of them it does not)"
        return f" (for the row {_shown(take_rows(container, slice(start, stop)))})" if n else ""

    def _refuses(self, container: Any, start: int, stop: int) -> bool:
        try:
            self.call(take_rows(container, slice(start, stop)))
        except Exception:
            return True
        return False

    def output_names(self, n_outputs: int) -> list[str]:
        """Names of the outputs: class labels where there are classes."""
        return [str(label) for label in self.output_labels(n_outputs)]

    def output_labels(self, n_outputs: int) -> list[Any]:
        """Labels by which `target` names an output: class labels, or indices where outputs are no classes."""
        labels = self.class_labels(n_outputs)
        return list(range(n_outputs)) if labels is None else labels

    def class_labels(self, n_outputs: int) -> list[Any] | None:
        """The class of every output, ``(output, class)`` for several outputs of the model; None if they are none."""
        if self.classes is None or not self.per_class:
            return None
        if not isinstance(self.classes, list):
            labels = self.classes.tolist()[1:] if self.is_one_sided(n_outputs) else self.classes.tolist()
        elif n_outputs == len(self.classes):  # chains give the probability of the last class of every output
            labels = [(o, classes.tolist()[-1]) for o, classes in enumerate(self.classes)]
        else:
            labels = [(o, label) for o, classes in enumerate(self.classes) for label in classes.tolist()]
        return labels if len(labels) == n_outputs else None

    def has_two_classes(self) -> bool:
        """Two classes that exclude each other."""
        return isinstance(self.classes, np.ndarray) and len(self.classes) == 2 and self.exclusive

    def is_one_sided(self, n_outputs: int) -> bool:
        """Two classes behind one column, which belongs to the second."""
        return self.has_two_classes() and n_outputs == 1


def _check_outputs(answer: Any, container: Any, name: str) -> np.ndarray:
    n_rows = matrix_shape(container)[0]
    array = _as_array(answer)
    if array is None or array.dtype.kind not in "biuf":
        shown = type(answer).__name__ if array is None else shorten(array.ravel()[:3].tolist())
        raise ModelOutputError(f"The model's {name} must return numbers. It returned {shown}.")
    if array.ndim not in (1, 2) or len(array) != n_rows or 0 in array.shape[1:]:
        raise ModelOutputError(
            f"The model's {name} must return shape (n,) or (n, n_outputs) for n = {n_rows} rows. "
            f"It returned shape {array.shape}."
        )
    own = array.dtype if array.dtype in SHORT_FLOATS else np.float64
    outputs = array.astype(own).reshape(n_rows, -1)
    if not np.isfinite(outputs).all():
        row = int(np.argmin(np.isfinite(outputs).all(axis=1)))
        raise ModelOutputError(
            f"The model's {name} must return finite numbers. It returned {outputs[row].tolist()} for row {row} of "
            f"{n_rows:,} that it was asked for together: {_shown(take_rows(container, slice(row, row + 1)))}."
        )
    return outputs


def _shown(row: Any) -> str:
    """The values of one row."""
    dense = row.toarray() if hasattr(row, "toarray") else row
    return shorten(np.asarray(dense).ravel().tolist())


def _as_array(answer: Any) -> np.ndarray | None:
    """What a model returned as an array; None for rows of different lengths."""
    if hasattr(answer, "toarray"):
        answer = answer.toarray()
    try:
        if isinstance(answer, list) and answer and all(np.ndim(part) == 2 for part in answer):
            return np.hstack(answer)  # multi-output classifiers return one matrix an output
        array = np.asarray(answer)
    except ValueError:
        return None
    if np.ma.is_masked(answer):
        return None
    if array.dtype == object and all(isinstance(number, numbers.Real) for number in array.ravel()):
        try:
            return array.astype(np.float64)
        except OverflowError:
            return None
    return array


def resolve_response(owner: str, model: Any, response_method: Any) -> Response:
    """Decide which function of the model is explained.

    Raises
    ------
    InvalidParameterError
        If the model is not fitted, or has no such method.
    TypeError
        If `model` is neither a fitted estimator nor a function.
    """
    check_choice(owner, "response_method", response_method, ("auto", *METHODS))
    if isinstance(model, type):
        hint = "Pass an instance that has been fitted."
        raise type_error(owner, "model", "a fitted estimator or a predict function", model, hint)
    _check_fitted(owner, model)
    _check_has_features(owner, model)
    if not _methods_of(model):
        return _resolve_function(owner, model, response_method)
    kind = _kind_of(model)
    name = _pick_method(owner, model, kind, response_method)
    classes = _classes_of(model) if kind == "classifier" else None
    call = booster_call(model, name) or getattr(model, name)
    if name == "predict" and classes is not None:
        call = _class_indicator(call, classes)
    in_pairs = name == "decision_function" and _has_pair_margins(model) and len(classes) > 2
    return Response(model, name, call, classes, kind, not _is_multilabel(model), not in_pairs)


def _resolve_function(owner: str, model: Any, response_method: str) -> Response:
    if not callable(model):
        hint = "An estimator has predict, predict_proba or decision_function; a function takes X and returns (n,)."
        raise type_error(owner, "model", "a fitted estimator or a predict function", model, hint)
    if response_method != "auto":
        hint = "A predict function is explained as it is; leave response_method at 'auto'."
        raise invalid(owner, "response_method", "'auto' for a predict function", response_method, hint)
    return Response(model, "function", model)


def _pick_method(owner: str, model: Any, kind: str | None, response_method: str) -> str:
    wanted = PREFERENCE[kind] if response_method == "auto" else (response_method,)
    has = _methods_of(model)
    for name in wanted:
        if name in has:
            return name
    raise invalid(owner, "response_method", f"one that {type(model).__name__} has ({', '.join(has)})", response_method)


def _methods_of(model: Any) -> list[str]:
    """Responses that a model has, as methods of its own or as a booster's option."""
    return [name for name in METHODS if hasattr(model, name) or booster_call(model, name)]


def _kind_of(model: Any) -> str | None:
    """By scikit-learn's tags; models of other makers by what they call themselves, or by what they offer."""
    if hasattr(model, "__sklearn_tags__"):
        from sklearn.base import is_classifier, is_outlier_detector, is_regressor

        tests = {"classifier": is_classifier, "regressor": is_regressor, "outlier_detector": is_outlier_detector}
        return next((kind for kind, test in tests.items() if test(model)), None)
    said = getattr(model, "_estimator_type", None)
    if said in PREFERENCE and said is not None:
        return said
    return "classifier" if hasattr(model, "predict_proba") and hasattr(model, "classes_") else None


def _classes_of(model: Any) -> Any:
    """An array of labels, a list of arrays for several outputs, or None for a classifier that keeps them to itself."""
    classes = getattr(model, "classes_", None)
    if isinstance(classes, list) and all(np.ndim(labels) == 1 for labels in classes):
        return [np.asarray(labels) for labels in classes]
    return None if classes is None else np.asarray(classes)


def _is_multilabel(model: Any) -> bool:
    """Whether a case may have several of the classes at once."""
    kind = getattr(getattr(model, "_label_binarizer", None), "y_type_", "")
    return bool(getattr(model, "multilabel_", False)) or kind.startswith("multilabel") or has_independent_labels(model)


def _has_pair_margins(model: Any) -> bool:
    """Whether decision_function has a column a pair of classes: three classes would look like one column a class."""
    inner = getattr(model, "best_estimator_", model)
    inner = getattr(inner, "_final_estimator", inner)
    return getattr(inner, "decision_function_shape", "ovr") == "ovo"


def _check_fitted(owner: str, model: Any) -> None:
    from sklearn.base import BaseEstimator
    from sklearn.exceptions import NotFittedError
    from sklearn.utils.validation import check_is_fitted

    unfitted = InvalidParameterError(
        f"The 'model' parameter of {owner} must be fitted. Got an unfitted {type(model).__name__} instead; "
        "call its fit method first."
    )
    if is_empty_booster(model):
        raise unfitted
    if not isinstance(model, BaseEstimator) or not hasattr(model, "fit"):
        return
    try:
        check_is_fitted(model)
    except NotFittedError:
        raise unfitted from None


def _check_has_features(owner: str, model: Any) -> None:
    """Similarities to the training rows are no features: nothing lies on a straight path between two rows of them."""
    if not hasattr(model, "__sklearn_tags__"):
        return
    if model.__sklearn_tags__().input_tags.pairwise:
        hint = (
            "Its rows hold similarities to the training rows, not features. Pass a function of the features that "
            "computes the similarities and asks the model."
        )
        raise invalid(owner, "model", "fitted on features, not on a precomputed kernel or distance", model, hint)


def _class_indicator(predict: Callable[[Any], Any], classes: Any) -> Callable[[Any], np.ndarray]:
    """One output a class: 1 where the label is predicted."""
    labels = classes if isinstance(classes, list) else [classes]

    def indicate(container: Any) -> np.ndarray:
        answer = predict(container)
        predicted = np.asarray(answer.toarray() if hasattr(answer, "toarray") else answer)
        columns = predicted.reshape(len(predicted), -1)
        if columns.shape[1] != len(labels):
            return predicted  # a multilabel model indicates its classes itself
        return np.hstack([columns[:, [o]] == one[None, :] for o, one in enumerate(labels)]).astype(np.float64)

    return indicate


class Scales(NamedTuple):
    """Inside a pipeline: ``offset + slope * value`` for the user's values of a column; both (n_features,)."""

    slope: np.ndarray
    offset: np.ndarray


class BlackBox:
    """A response asked through a codec, counting every row that the model sees.

    Attributes
    ----------
    n_rows : int
        Rows that the model has seen.
    precision : type
        The coarsest in which the model has answered: np.float64, np.float32 or np.float16.
    noise : float
        Largest standard deviation seen of answers to the same question, relative to the answers.
    examples : ndarray of shape (n, n_features)
        Encoded rows that the model takes; a row of zeros where none are known.
    scales : Scales or None
        Inside a pipeline: how its columns are measured there.
    """

    def __init__(self, response: Response, codec: Codec, examples: np.ndarray | None = None) -> None:
        self.response = response
        self.codec = codec
        self.examples = np.zeros((1, len(codec.columns))) if examples is None else examples
        self.n_rows = 0
        self.precision: type = np.float64
        self.noise = 0.0
        self.scales: Scales | None = None
        self._n_outputs: int | None = None
        self._lock = threading.Lock()

    def ask(self, container: Any) -> np.ndarray:
        """Outputs (n, n_outputs) for the user's own container."""
        with self._lock:
            self.n_rows += matrix_shape(container)[0]
        outputs = self.response.outputs(container)
        self._n_outputs = self._n_outputs or outputs.shape[1]
        if outputs.shape[1] != self._n_outputs:
            raise ModelOutputError(
                f"The model's {self.response.name} must return as many outputs at every call. It returned "
                f"{outputs.shape[1]} for {len(outputs):,} rows, after {self._n_outputs} before."
            )
        self.precision = max(self.precision, outputs.dtype.type, key=lambda kind: np.finfo(kind).eps)
        return outputs.astype(np.float64, copy=False)

    def note_noise(self, relative: float) -> None:
        """Keep the largest noise."""
        with self._lock:
            self.noise = max(self.noise, relative)

    def ask_matrix(self, matrix: np.ndarray) -> np.ndarray:
        """Outputs for encoded rows, rebuilt into the container that the model expects."""
        return self.ask(self.codec.decode(matrix))
