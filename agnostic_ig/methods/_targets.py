"""Which outputs are explained: `target` by class label or output index, for all rows or one a row."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from agnostic_ig.engines.response import Response
from agnostic_ig.exceptions import InvalidParameterError
from agnostic_ig.validation import invalid, shorten

__all__ = ["Target", "resolve_target"]


@dataclass(frozen=True)
class Target:
    """Outputs asked of the engine, and how they become the third axis of values.

    Attributes
    ----------
    outputs : ndarray of int, shape (n_asked,)
        Columns of the response.
    names : list of str
        Names of what comes out; one name where the third axis is dropped.
    single : bool
        One output a row: values are 2-D.
    choice : ndarray of int, shape (n_samples,), or None
        Position in `outputs` of each row's own output.
    sign : ndarray of shape (n_samples,) or float
        -1 where the negative class of a one-column decision function is explained.
    """

    outputs: np.ndarray
    names: list[str]
    single: bool
    choice: np.ndarray | None = None
    sign: Any = 1.0

    def pick(self, array: np.ndarray) -> np.ndarray:
        """From (n_samples, …, n_asked) to what the user asked for."""
        if not self.single:
            return array
        if self.choice is None:
            return self._signed(array[..., 0])
        shape = (len(array), *[1] * (array.ndim - 1))
        picked = np.take_along_axis(array, self.choice.reshape(shape), axis=-1)[..., 0]
        return self._signed(picked)

    def _signed(self, array: np.ndarray) -> np.ndarray:
        sign = np.asarray(self.sign)
        if (sign == 1.0).all():
            return array
        return array * (sign.reshape(-1, *[1] * (array.ndim - 1)) if sign.ndim else sign)

    def pick_size(self, array: np.ndarray) -> np.ndarray:
        """The same for magnitudes (error estimates), which have no sign."""
        return np.abs(self.pick(array))


def resolve_target(owner: str, target: Any, response: Response, n_outputs: int, n_samples: int) -> Target:
    """Outputs for a `target` of None, one label, or one label a row.

    Raises
    ------
    InvalidParameterError
        If a label is unknown; the message lists the labels.
    """
    if target is None:
        return _default_target(response, n_outputs)
    if _is_one_per_row(target, response):
        return _target_per_row(owner, target, response, n_outputs, n_samples)
    index, sign = _find(owner, target, response, n_outputs)
    return Target(np.array([index]), [str(_plain(target))], True, None, sign)


def _default_target(response: Response, n_outputs: int) -> Target:
    """The positive class of two, the only output, or every output."""
    names = response.output_names(n_outputs)
    if response.has_two_classes() and n_outputs == 2:
        return Target(np.array([1]), names[1:], True)
    return Target(np.arange(n_outputs), names, n_outputs == 1)


def _is_one_per_row(target: Any, response: Response) -> bool:
    """A list or array of labels; a tuple is a label where the model has several outputs."""
    if isinstance(target, str | bytes | dict) or not hasattr(target, "__len__") or np.isscalar(target):
        return False
    is_label = isinstance(target, tuple) and isinstance(response.classes, list)
    return not is_label and getattr(target, "shape", None) != ()


def _target_per_row(owner: str, target: Any, response: Response, n_outputs: int, n_samples: int) -> Target:
    """The output of each row's own label."""
    wanted = target.tolist() if hasattr(target, "tolist") else list(target)
    if len(wanted) != n_samples:
        raise InvalidParameterError(
            f"The 'target' parameter of {owner} must be one label, or one for each of the {n_samples} rows of X. "
            f"Got {len(wanted)} labels instead."
        )
    # By their text, because True and 1 are one key of a dict, but not one label.
    keys = [repr(label) for label in wanted]
    distinct = dict(zip(keys, wanted, strict=True))
    found = {key: _find(owner, label, response, n_outputs) for key, label in distinct.items()}
    outputs, choice = np.unique([found[key][0] for key in keys], return_inverse=True)
    sign = np.array([found[key][1] for key in keys])
    return Target(outputs, ["target of each row"], True, choice, sign)


def _plain(label: Any) -> Any:
    return label.item() if isinstance(label, np.generic) else label


def _find(owner: str, label: Any, response: Response, n_outputs: int) -> tuple[int, float]:
    """Output index and sign of one label."""
    labels, label = response.output_labels(n_outputs), _plain(label)
    index = _position(label, labels)
    if index is not None:
        return index, 1.0
    is_one_sided = response.class_labels(n_outputs) is not None and response.is_one_sided(n_outputs)
    known = response.classes.tolist() if is_one_sided else labels
    if is_one_sided and _position(label, known[:1]) is not None:
        return 0, -1.0
    what = "an output index" if response.class_labels(n_outputs) is None else "a class label"
    raise invalid(owner, "target", f"{what} out of {shorten(known)}, or one for each row", label)


def _position(label: Any, labels: list[Any]) -> int | None:
    """Place of a label among others; True is no 1, and an array is no label."""
    if isinstance(label, list | np.ndarray):
        return None
    same = (i for i, one in enumerate(labels) if isinstance(one, bool) == isinstance(label, bool) and one == label)
    return next(same, None)
