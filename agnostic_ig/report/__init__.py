"""One self-contained HTML page about an explanation, and its small summary for notebooks."""

from agnostic_ig.report.page import write_report
from agnostic_ig.report.summary import summary_html

__all__ = ["summary_html", "write_report"]
