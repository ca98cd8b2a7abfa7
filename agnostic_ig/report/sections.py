"""What the page's template prints: the notes, the figures over all rows, and the flagged cases."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from agnostic_ig.report.facts import mean_magnitude, ranked, value_noun
from agnostic_ig.report.figures import (
    beeswarm_figure,
    drawn_rows,
    importance_figure,
    waterfall_bars,
    waterfall_figure,
)
from agnostic_ig.report.wording import decimals_for, fixed, number, percent, plural, scientific, shortened
from agnostic_ig.results import Explanation, ReasonCode
from agnostic_ig.results.completeness import relative_convergence_delta
from agnostic_ig.results.feature_values import format_value

__all__ = ["DIRECTIONS", "cases", "everything", "paragraphs", "printable"]

Phrases = Mapping[str, str]
Table = list[dict[str, str]]

N_REASONS = 5
LONGEST = 200  # characters of a label or reason: data may hold whole documents

# Which predictions are flagged, and how the page says so.
DIRECTIONS: dict[str, dict[str, Any]] = {
    "up": {"sign": -1.0, "extreme": "highest", "pushes": "raise"},
    "down": {"sign": 1.0, "extreme": "lowest", "pushes": "lower"},
}

# Characters that would end the script element, or a JavaScript line, inside embedded JSON.
UNSAFE_IN_JSON = {ord(c): f"\\u{ord(c):04x}" for c in "<>&\u2028\u2029"}


def printable(facts: Mapping[str, Any] | None) -> list[tuple[str, str]]:
    """Name and text of free facts."""
    return [(str(name), number(value)) for name, value in (facts or {}).items()]


def paragraphs(notes: str | Sequence[str] | None, explanation: Explanation, chosen: Explanation) -> list[str]:
    """The caller's notes, and a word on what this page leaves out."""
    said = [notes] if isinstance(notes, str) else list(notes or [])
    if chosen is not explanation:
        names = ", ".join(explanation.output_names)
        said.append(f"The model has several outputs ({names}); this page is about {chosen.output_names[0]}.")
    unknown = np.flatnonzero((~np.isfinite(chosen.values)).any(axis=0))
    if len(unknown):
        names = ", ".join(shortened(chosen.feature_names[j], 40) for j in unknown[:10])
        more = f" and {len(unknown) - 10} more" if len(unknown) > 10 else ""
        said.append(f"Without a value in some or all rows, and left out there: {names}{more}.")
    return said


def everything(explanation: Explanation) -> dict[str, Any]:
    """Figures and table over all rows."""
    n_rows = len(explanation)
    return {
        "features": _feature_rows(explanation),
        "importance": embedded(importance_figure(explanation)),
        "beeswarm": embedded(beeswarm_figure(explanation)),
        "noun": value_noun(explanation),
        "n_rows": n_rows,
        "rows": plural(n_rows, "row"),
        "n_drawn": len(drawn_rows(n_rows)),
    }


def _feature_rows(explanation: Explanation) -> Table:
    """The table of all features, strongest first."""
    magnitude = mean_magnitude(explanation)
    order, total = ranked(magnitude), float(np.nansum(magnitude)) or 1.0
    decimals = decimals_for(magnitude[order])
    return [
        {
            "name": explanation.feature_names[j],
            "magnitude": fixed(magnitude[j], decimals, sign="-"),
            "share": percent(magnitude[j] / total),
            "mean": fixed(float(np.nanmean(explanation.values[:, j])), decimals),
        }
        for j in order
    ]


def cases(explanation: Explanation, top: int, towards: str, phrases: Phrases | None) -> dict[str, Any]:
    """The flagged cases, most extreme prediction first."""
    direction, additive = DIRECTIONS[towards], explanation.base_values is not None
    rows = _flagged(explanation.predictions, top, direction["sign"])
    flagged = explanation[rows]
    reasons = _reason_rows if additive else _slope_rows
    listed = reasons(flagged, towards, phrases or {}) if len(rows) else []
    return {
        "cases": [_case(flagged, place, text) for place, text in enumerate(listed)],
        "direction": direction,
        "additive": additive,
    }


def _flagged(predictions: np.ndarray | None, top: int, sign: float) -> np.ndarray:
    """Rows of the most extreme predictions; a prediction that is nan comes last."""
    return np.argsort(sign * np.asarray([] if predictions is None else predictions), kind="stable")[:top]


def _case(flagged: Explanation, place: int, reasons: Table) -> dict[str, Any]:
    """One case as the template prints it."""
    decimals = decimals_for(flagged.predictions)
    base, delta = flagged.base_values, flagged.convergence_delta
    gap = None if delta is None else relative_convergence_delta(flagged.values, delta)[place]
    return {
        "label": shortened(flagged.index[place], LONGEST),
        "prediction": fixed(flagged.predictions[place], decimals, sign="-"),
        "base": None if base is None else number(base[place]),
        "gap": None if gap is None else scientific(delta[place]),
        "relative_gap": None if gap is None else scientific(gap),
        "figure": embedded(waterfall_figure(flagged, place)),
        "reasons": reasons,
    }


def _reason_rows(flagged: Explanation, towards: str, phrases: Phrases) -> list[Table]:
    """Reason codes of each case, in words."""
    codes = flagged.reason_codes(N_REASONS, towards=towards, phrases=dict(phrases))
    return [
        [
            {
                "text": shortened(_words(code, phrases), LONGEST),
                "contribution": fixed(code.contribution, decimals_for(values)),
                "share": percent(code.share),
            }
            for code in row
        ]
        for row, values in zip(codes, flagged.values, strict=True)
    ]


def _words(code: ReasonCode, phrases: Phrases) -> str:
    """A reason with the value it rests on: "message is written in HTML" alone may be false of this row."""
    words = phrases.get(code.feature, code.feature)
    if "{value}" in words or code.value is None:
        return words.replace("{value}", format_value(code.value))
    return f"{words} = {format_value(code.value)}"


def _slope_rows(flagged: Explanation, towards: str, phrases: Phrases) -> list[Table]:
    """The largest values of each case where values are slopes, which give no reasons."""
    return [
        [
            {
                "text": shortened(bar.hover, LONGEST),
                "contribution": fixed(bar.contribution, decimals_for(flagged.values[place])),
                "share": "",
            }
            for bar in waterfall_bars(flagged, place)[:N_REASONS]
        ]
        for place in range(len(flagged))
    ]


def embedded(figure: Mapping[str, Any]) -> str:
    """JSON that is safe inside a script element: no '<', no line separators, null for what is no number."""
    text = json.dumps(_without_nan(figure), ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.translate(UNSAFE_IN_JSON)


def _without_nan(node: Any) -> Any:
    if isinstance(node, Mapping):
        return {key: _without_nan(value) for key, value in node.items()}
    if isinstance(node, list | tuple):
        return [_without_nan(value) for value in node]
    return None if isinstance(node, float) and not np.isfinite(node) else node
