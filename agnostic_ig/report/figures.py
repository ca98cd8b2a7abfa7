"""The figures, as plain dictionaries in plotly's JSON: bars of importance, a beeswarm and waterfalls."""

from typing import Any, NamedTuple

import numpy as np

from agnostic_ig.report.facts import mean_magnitude, ranked, value_noun
from agnostic_ig.report.wording import decimals_for, fixed, number, plural, shortened
from agnostic_ig.results import Explanation
from agnostic_ig.results.feature_values import feature_values, format_value

__all__ = ["beeswarm_figure", "drawn_rows", "importance_figure", "waterfall_bars", "waterfall_figure"]

# Okabe and Ito's vermillion and blue, and a violet-to-gold scale for feature values: told apart with any
# common colour vision, and at least 3:1 against both the light and the dark page.
RAISES, LOWERS, NEUTRAL = "#d55e00", "#1f7fc4", "#73808c"
LOW, MIDDLE, HIGH = "#7a5fd3", "#8d8177", "#bd8000"

FONT = {"family": "system-ui, -apple-system, Segoe UI, Roboto, Helvetica Neue, Arial, sans-serif", "size": 13}
CONFIG = {"displayModeBar": False, "responsive": True, "showTips": False, "typesetMath": False}
N_FEATURES, N_BARS, N_DRAWN = 20, 9, 1000


class Bar(NamedTuple):
    """One row of a waterfall: what it is called and by how much it moves the output."""

    label: str
    contribution: float
    hover: str


def literal(text: Any) -> str:
    """Text that plotly shows as it stands: it reads a little HTML in labels and decodes these entities."""
    return str(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def importance_figure(explanation: Explanation) -> dict[str, Any]:
    """Mean |value| of the strongest features."""
    magnitude = mean_magnitude(explanation)
    top = ranked(magnitude)[:N_FEATURES]
    decimals = decimals_for(magnitude[top])
    bars = {
        "type": "bar",
        "orientation": "h",
        "y": list(range(len(top))),
        "x": magnitude[top].tolist(),
        "marker": {"color": NEUTRAL},
        "text": [fixed(m, decimals, sign="-") for m in magnitude[top]],
        "textposition": "outside",
        "cliponaxis": False,
        "hoverinfo": "text",
        "hovertext": [literal(explanation.feature_names[j]) for j in top],
    }
    names = [shortened(explanation.feature_names[j], 30) for j in top]
    largest = float(magnitude[top].max(initial=0.0)) or 1.0
    return _figure([bars], names, xrange=[0, 1.14 * largest], xtitle=f"mean |{value_noun(explanation)}|", row_height=24)


def drawn_rows(n_rows: int) -> np.ndarray:
    """Rows a beeswarm draws: all, or evenly spaced ones (no random numbers: a page is the same each time)."""
    return np.unique(np.linspace(0, n_rows - 1, min(n_rows, N_DRAWN)).round().astype(int))


def beeswarm_figure(explanation: Explanation) -> dict[str, Any]:
    """One point per drawn row and feature: where it pushes the output, coloured by the feature's value."""
    rows, top = drawn_rows(len(explanation)), ranked(mean_magnitude(explanation))[:N_FEATURES]
    values = explanation.values[np.ix_(rows, top)]
    bound = np.nanmax(np.abs(values), initial=0.0) or 1.0
    swarms = [_swarm(explanation, rows, int(j), place, bound) for place, j in enumerate(top)]
    x, y, colour, hover = (np.concatenate(parts) for parts in zip(_NO_SWARM, *swarms, strict=True))
    coloured = np.isfinite(colour)
    traces = [
        _points(x[mask], y[mask], hover[mask], marker)
        for mask, marker in [
            (~coloured, {"color": NEUTRAL, "symbol": "circle-open"}),
            (coloured, {"color": colour[coloured].round(2).tolist(), **_scale()}),
        ]
        if mask.any()
    ]
    names = [shortened(explanation.feature_names[j], 30) for j in top]
    return _figure(traces, names, xtitle=value_noun(explanation), row_height=30, zeroline=True)


# So that a figure without any value is an empty figure.
_NO_SWARM = (np.empty(0), np.empty(0), np.empty(0), np.empty(0, dtype=object))


def _swarm(
    explanation: Explanation, rows: np.ndarray, j: int, place: int, bound: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Points of one feature: x, y around its place, colour in 0–1 (nan: no value) and hover text."""
    x = explanation.values[rows, j]
    known = np.isfinite(x)
    x, rows = x[known], rows[known]
    column = feature_values(explanation, j)
    shown = ["" if column is None else f": {shortened(format_value(column[i]), 24)}" for i in rows]
    hover = [literal(f"case {explanation.index[i]}{text}") for i, text in zip(rows, shown, strict=True)]
    colour = np.full(len(rows), np.nan) if column is None else _position_by_rank(column)[rows]
    return _significant(x), (place + _spread(x, bound)).round(3), colour, np.array(hover, dtype=object)


def _spread(x: np.ndarray, bound: float) -> np.ndarray:
    """Offsets that stack points of nearly equal x around the middle: 0, 1, -1, 2, -2, … in file order."""
    if not len(x):
        return x
    bins = np.floor((x / bound + 1) * 75).astype(int)
    order = np.argsort(bins, kind="stable")
    starts = np.searchsorted(bins[order], bins[order])
    place_in_bin = np.empty(len(x), dtype=int)
    place_in_bin[order] = np.arange(len(x)) - starts
    side = np.where(place_in_bin % 2, 1, -1)
    level = side * ((place_in_bin + 1) // 2)
    return level * min(0.08, 0.42 / max(1, np.abs(level).max()))


def _position_by_rank(column: np.ndarray) -> np.ndarray:
    """0 for the lowest value to 1 for the highest, by mean rank; nan for text and for missing values.

    Ranks, because fraud columns are mostly zero: on a linear scale one outlier makes all the others look low.
    """
    try:
        numeric = np.asarray(column, dtype=float)
    except (TypeError, ValueError):
        return np.full(len(column), np.nan)
    known = ~np.isnan(numeric)
    _, group, counts = np.unique(numeric[known], return_inverse=True, return_counts=True)
    rank = np.cumsum(counts) - counts / 2
    position = (rank - rank[0]) / (rank[-1] - rank[0]) if len(rank) > 1 else np.full(len(rank), 0.5)
    column_position = np.full(len(numeric), np.nan)
    column_position[known] = position[group]
    return column_position


def _significant(x: np.ndarray) -> np.ndarray:
    """Four significant digits: a drawn point needs no more, and the page stays small."""
    return np.array([float(f"{v:.4g}") for v in x])


def _points(x: np.ndarray, y: np.ndarray, hover: np.ndarray, marker: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "scattergl",
        "mode": "markers",
        "x": x.tolist(),
        "y": y.tolist(),
        "marker": {"size": 5, "opacity": 0.8, **marker},
        "hoverinfo": "text",
        "hovertext": hover.tolist(),
        "showlegend": False,
    }


def _scale() -> dict[str, Any]:
    """Colour scale from a low feature value to a high one, with its bar."""
    bar = {
        "title": {"text": "feature value", "side": "right", "font": FONT},
        "lenmode": "pixels",
        "len": 100,
        "y": 1,
        "yanchor": "top",
        "tickvals": [0, 1],
        "ticktext": ["low", "high"],
        "thickness": 10,
        "outlinewidth": 0,
    }
    return {"cmin": 0, "cmax": 1, "colorscale": [[0, LOW], [0.5, MIDDLE], [1, HIGH]], "colorbar": bar}


def waterfall_figure(explanation: Explanation, row: int) -> dict[str, Any]:
    """From the base value to the prediction, strongest first; plain bars where there is no base value."""
    bars = waterfall_bars(explanation, row)
    sizes = np.array([bar.contribution for bar in bars])
    if explanation.base_values is None:
        traces = [_bar_trace(bars, np.zeros(len(bars)), first=0)]
        return _figure(traces, [b.label for b in bars], xrange=_padded([0, *sizes]), xtitle="value")
    base, prediction = float(explanation.base_values[row]), float(explanation.predictions[row])
    edges = base + np.concatenate([[0.0], np.cumsum(sizes)])
    traces = [
        _connectors(edges),
        _bar_trace(bars, edges[:-1], first=1),
        _ends(base, prediction, len(bars) + 1),
    ]
    labels = ["base value", *(bar.label for bar in bars), "prediction"]
    return _figure(traces, labels, xrange=_padded([*edges, prediction]), xtitle=explanation.response_method)


def waterfall_bars(explanation: Explanation, row: int) -> list[Bar]:
    """The strongest features, all the others together, and what is missing to the prediction if visible."""
    values = explanation.values[row]
    order = ranked(np.abs(values))
    bars = [_feature_bar(explanation, row, int(j)) for j in order[:N_BARS]]
    rest = order[N_BARS:]
    if len(rest) == 1:
        bars.append(_feature_bar(explanation, row, int(rest[0])))
    elif len(rest):
        label = plural(len(rest), "other feature")
        bars.append(Bar(label, float(values[rest].sum()), label))
    return bars + _unattributed(explanation, row)


def _feature_bar(explanation: Explanation, row: int, j: int) -> Bar:
    name, column = explanation.feature_names[j], feature_values(explanation, j)
    shown = "" if column is None else f" = {format_value(column[row])}"
    value = "" if column is None else f" = {shortened(format_value(column[row]), 12)}"
    label = shortened(name, 38 - len(value)) + value
    return Bar(label, float(explanation.values[row, j]), f"{name}{shown}")


def _unattributed(explanation: Explanation, row: int) -> list[Bar]:
    """A bar for the completeness gap once it is 0.5 % of the contributions: below, nobody could see it."""
    if explanation.convergence_delta is None:
        return []
    gap, total = -float(explanation.convergence_delta[row]), np.nansum(np.abs(explanation.values[row]))
    visible = np.isfinite(gap) and abs(gap) > 0.005 * total
    return [Bar("not attributed", gap, "not attributed (completeness gap)")] if visible else []


def _bar_trace(bars: list[Bar], starts: np.ndarray, *, first: int) -> dict[str, Any]:
    sizes = [bar.contribution for bar in bars]
    decimals = decimals_for(sizes)
    return {
        "type": "bar",
        "orientation": "h",
        "y": list(range(first, first + len(bars))),
        "x": sizes,
        "base": starts.tolist(),
        "width": 0.62,
        "marker": {"color": [RAISES if size >= 0 else LOWERS for size in sizes]},
        "text": [fixed(size, decimals) for size in sizes],
        "textposition": "outside",
        "cliponaxis": False,
        "hoverinfo": "text",
        "hovertext": [literal(bar.hover) for bar in bars],
    }


def _connectors(edges: np.ndarray) -> dict[str, Any]:
    """Thin lines from where one bar ends to where the next begins."""
    x = [value for edge in edges.tolist() for value in (edge, edge, None)]
    y = [value for place in range(len(edges)) for value in (place, place + 1, None)]
    line = {"color": NEUTRAL, "width": 1}
    return {"type": "scatter", "mode": "lines", "x": x, "y": y, "line": line, "hoverinfo": "skip"}


def _ends(base: float, prediction: float, last: int) -> dict[str, Any]:
    return {
        "type": "scatter",
        "mode": "markers+text",
        "x": [base, prediction],
        "y": [0, last],
        "text": [f"  {number(base)}", f"  {number(prediction)}"],
        "textposition": "middle right",
        "cliponaxis": False,
        "marker": {"color": NEUTRAL, "size": 10, "symbol": "diamond"},
        "hoverinfo": "skip",
    }


def _padded(values: list[float]) -> list[float]:
    """A range with room for the numbers printed beside the bars."""
    low, high = float(np.nanmin(values)), float(np.nanmax(values))
    pad = 0.14 * (high - low) or 0.5 * max(abs(high), 1e-12)
    return [low - pad, high + pad]


def _figure(
    traces: list[dict[str, Any]],
    labels: list[str],
    *,
    xtitle: str,
    xrange: list[float] | None = None,
    row_height: int = 28,
    zeroline: bool = False,
) -> dict[str, Any]:
    """One labelled place per row, first row on top; the page's style sheet colours the text."""
    xaxis = {
        "title": {"text": literal(xtitle), "standoff": 8, "font": FONT},
        "fixedrange": True,
        "zeroline": zeroline,
    }
    yaxis = {
        "tickvals": list(range(len(labels))),
        "ticktext": [literal(label) for label in labels],
        "range": [len(labels) - 0.4, -0.6],
        "automargin": True,
        "fixedrange": True,
        "showgrid": False,
        "zeroline": False,
        "ticks": "outside",
        "ticklen": 6,
        "tickcolor": "rgba(0,0,0,0)",
    }
    layout = {
        "height": max(row_height * len(labels), 100) + 70,
        "margin": {"l": 8, "r": 24, "t": 8, "b": 48},
        "font": FONT,
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "showlegend": False,
        "dragmode": False,
        "hoverlabel": {"bgcolor": "#22272e", "bordercolor": "#22272e", "font": {**FONT, "color": "#ffffff"}},
        "xaxis": xaxis if xrange is None else {**xaxis, "range": xrange},
        "yaxis": yaxis,
    }
    return {"data": traces, "layout": layout, "config": CONFIG}
