"""Reason codes: for every row the features that pushed its prediction most in one direction."""

import numbers
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from agnostic_ig.exceptions import InvalidInputError
from agnostic_ig.frames_tables import make_frame
from agnostic_ig.results.feature_values import feature_reader, format_contribution, format_value, has_value
from agnostic_ig.results.grouping import require_signed
from agnostic_ig.results.slicing import find_name
from agnostic_ig.validation import check_integer, invalid

if TYPE_CHECKING:
    from agnostic_ig.results.explanation import Explanation

__all__ = ["ReasonCode", "ReasonCodes", "reason_codes"]

_OWNER = "Explanation.reason_codes"
_DIRECTIONS = {"up": 1.0, "down": -1.0}


@dataclass(frozen=True)
class ReasonCode:
    """One reason for one prediction.

    Attributes
    ----------
    feature : str
        Name of the feature, group or merged player.
    value : object
        What stood in the data, as a Python value; None for groups and merged players, which have none.
    contribution : float
        The feature's attribution, with its sign, in units of the model's output.
    share : float
        Its part, 0 to 1, of all contributions of the row in that direction.
    text : str
        The reason in words, such as ``"amount = 1250: +0.31"``.
    """

    feature: str
    value: Any
    contribution: float
    share: float
    text: str


class ReasonCodes(list):
    """A list (per row) of lists of `ReasonCode`; ``index`` holds the labels of the rows.

    Parameters
    ----------
    rows : list of list of ReasonCode
    index : ndarray of shape (n_samples,)
    """

    def __init__(self, rows: list[list[ReasonCode]], index: np.ndarray) -> None:
        super().__init__(rows)
        self.index = index

    def to_frame(self) -> Any:
        """A pandas DataFrame with one row per reason.

        Returns
        -------
        DataFrame
            Index ``(sample, rank)``, rank from 1 on; columns ``feature, value, contribution, share, text``.
            ``frame["text"].unstack("rank")`` has one row per sample that has reasons.
        """
        places = [(row, rank) for row, codes in enumerate(self) for rank in range(len(codes))]
        reasons = [asdict(self[row][rank]) for row, rank in places]
        dtypes = {"feature": object, "value": object, "contribution": float, "share": float, "text": object}
        columns = {}
        for name, dtype in dtypes.items():
            columns[name] = np.empty(len(reasons), dtype=dtype)
            columns[name][:] = [reason[name] for reason in reasons]
        labels = self.index[np.array([row for row, _ in places], dtype=np.intp)]
        ranks = np.array([rank + 1 for _, rank in places], dtype=np.intp)
        return make_frame(columns, labels, second=("rank", ranks))


def reason_codes(
    explanation: "Explanation", k: int, towards: Any, min_share: float, phrases: dict[str, str] | None
) -> ReasonCodes:
    """The k largest contributions in one direction, row by row; see `Explanation.reason_codes`."""
    _check_explanation(explanation)
    k = check_integer(_OWNER, "k", k, at_least=1)
    min_share = _check_share(min_share)
    values = explanation._full("values")[:, :, 0]
    signs = _check_towards(towards, len(values))
    templates = _check_phrases(phrases, explanation)
    shares = _shares(values * signs[:, None])
    order = np.argsort(-shares, axis=1, kind="stable")[:, :k]
    chosen = [
        [j for j in features if shares[row, j] > 0.0 and shares[row, j] >= min_share]
        for row, features in enumerate(order.tolist())
    ]
    cells = _read_cells(explanation, chosen)
    rows = [
        [
            _make_code(explanation.feature_names[j], cells[row, j], values[row, j], shares[row, j], templates[j])
            for j in features
        ]
        for row, features in enumerate(chosen)
    ]
    return ReasonCodes(rows, explanation._labels())


def _shares(pushes: np.ndarray) -> np.ndarray:
    """Each positive push as a part of its row's sum of them; 0 for the others, NaN included."""
    positive = np.where(pushes > 0.0, pushes, 0.0)
    totals = positive.sum(axis=1, keepdims=True)
    return np.divide(positive, totals, out=np.zeros_like(positive), where=totals > 0.0)


def _read_cells(explanation: "Explanation", chosen: list[list[int]]) -> dict[tuple[int, int], Any]:
    """(row, feature) -> value of the data, read column by column and only where a reason needs it."""
    rows_of: dict[int, list[int]] = {}
    for row, features in enumerate(chosen):
        for feature in features:
            rows_of.setdefault(feature, []).append(row)
    read, cells = feature_reader(explanation), {}
    for feature, rows in rows_of.items():
        column = read(feature)
        for row in rows:
            cells[row, feature] = None if column is None else _as_python(column[row])
    return cells


def _make_code(feature: str, value: Any, contribution: float, share: float, template: str) -> ReasonCode:
    """One reason with its text; the template is filled by plain replacement, never by str.format."""
    words = template.replace("{value}", format_value(value))
    text = f"{words}: {format_contribution(contribution)}"
    return ReasonCode(feature, value, float(contribution), float(share), text)


def _as_python(value: Any) -> Any:
    """numpy numbers and booleans as Python's own."""
    return value.item() if isinstance(value, np.number | np.bool_) else value


def _check_explanation(explanation: "Explanation") -> None:
    if "output" in explanation._axes:
        names = ", ".join(map(repr, explanation.output_names[:5]))
        raise InvalidInputError(
            f"Reason codes are for one output and this explanation has several ({names}). "
            f"Choose one first: explanation[..., {explanation.output_names[0]!r}].reason_codes()."
        )
    require_signed(explanation, "reason_codes", "Ask the explanation before .abs, .max or .min")


def _check_share(min_share: Any) -> float:
    is_number = isinstance(min_share, numbers.Real) and not isinstance(min_share, bool)
    if not is_number or not 0.0 <= min_share <= 1.0:
        raise invalid(_OWNER, "min_share", "a float from 0 to 1", min_share)
    return float(min_share)


def _check_towards(towards: Any, n_samples: int) -> np.ndarray:
    """+1 or -1 per row."""
    is_word = isinstance(towards, str)
    words = [towards] * n_samples if is_word or not hasattr(towards, "__iter__") else list(towards)
    wrong = [word for word in words if not isinstance(word, str) or word not in _DIRECTIONS]
    if wrong or len(words) != n_samples:
        got = wrong[0] if wrong else f"{len(words)} words"
        raise invalid(_OWNER, "towards", f"'up', 'down' or an array of {n_samples} such words", got)
    return np.array([_DIRECTIONS[word] for word in words])


def _check_phrases(phrases: Any, explanation: "Explanation") -> list[str]:
    """A template per feature: the user's phrase, else ``name = {value}``, else the name."""
    names = explanation.feature_names
    valued = [has_value(explanation, j) for j in range(len(names))]
    templates = [f"{name} = {{value}}" if one else name for name, one in zip(names, valued, strict=True)]
    given = {} if phrases is None else phrases
    if not isinstance(given, dict) or not all(isinstance(one, str) for item in given.items() for one in item):
        raise invalid(_OWNER, "phrases", "a dict of feature name to phrase, or None", phrases)
    for name, phrase in given.items():
        position = find_name("feature", name, names)
        if "{value}" in phrase and not valued[position]:
            hint = f"{name!r} has no single value here (a group, or an aggregate)."
            raise invalid(_OWNER, "phrases", "without {value} here", phrase, hint)
        templates[position] = phrase
    return templates
