"""The small table a notebook shows for an explanation: no script, no library, at home in light and dark."""

from html import escape

from agnostic_ig.report.facts import mean_magnitude, overview, ranked, value_noun
from agnostic_ig.report.wording import decimals_for, fixed, shortened
from agnostic_ig.results import Explanation

__all__ = ["summary_html"]

N_FEATURES = 10
LEFT, BAR = "text-align:left", "display:inline-block;height:0.7em;background:#73808c"


def summary_html(explanation: Explanation) -> str:
    """A small HTML table about an explanation, for notebooks.

    Parameters
    ----------
    explanation : Explanation
        Of one or several outputs; the bars average over rows and outputs.

    Returns
    -------
    str
        HTML without scripts: method, output, engine, rows, worst completeness gap, and the ten features with
        the largest mean absolute contribution as bars.
    """
    facts = "".join(map(_fact_row, overview(explanation)))
    table = f"<table><caption>Explanation</caption><tbody>{facts}</tbody></table>"
    return f"<div>{table}{_features(explanation)}</div>"


def _fact_row(fact: tuple[str, str]) -> str:
    term, text = map(escape, fact)
    return f'<tr><th scope="row" style="{LEFT}">{term}</th><td style="{LEFT}">{text}</td></tr>'


def _features(explanation: Explanation) -> str:
    """The strongest features with a bar each, and how many are not shown."""
    magnitude = mean_magnitude(explanation)
    order = ranked(magnitude)
    top = order[:N_FEATURES]
    decimals, largest = decimals_for(magnitude[top]), float(magnitude[top].max(initial=0.0)) or 1.0
    rows = "".join(
        _feature_row(name, fixed(size, decimals, sign="-"), size / largest)
        for name, size in ((explanation.feature_names[j], magnitude[j]) for j in top)
    )
    shown = f"the {len(top)} strongest of {len(order)} features" if len(order) > len(top) else "all features"
    return f"<table><caption>Mean |{value_noun(explanation)}|, {shown}</caption><tbody>{rows}</tbody></table>"


def _feature_row(name: str, size: str, share: float) -> str:
    bar = f'<span aria-hidden="true" style="{BAR};width:{12 * share:.2f}em"></span>'
    label = escape(shortened(name, 40))
    return f'<tr><th scope="row" style="{LEFT}">{label}</th><td>{size}</td><td style="{LEFT}">{bar}</td></tr>'
