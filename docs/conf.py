"""Sphinx: ``python -m sphinx -W --keep-going -b html docs docs/_build/html``."""

from agnostic_ig import __version__

project = "agnostic-ig"
author = "The agnostic-ig developers"
copyright = author
version = release = __version__

extensions = [
    "myst_parser",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
]
exclude_patterns = ["_build"]
templates_path = ["_templates"]
nitpicky = False

# Links to headings of other pages. Formulas are plain text: the pages need no network.
myst_heading_anchors = 3

autosummary_generate = True
autodoc_typehints = "none"  # the docstrings name the types, and say more about them
autodoc_member_order = "bysource"
# Members are listed by the templates of autosummary, once.
numpydoc_show_class_members = False

html_theme = "alabaster"
html_theme_options = {
    "description": "Integrated Gradients for models without gradients",
    "page_width": "1240px",
    "body_max_width": "1000px",
    "sidebar_width": "240px",
}
