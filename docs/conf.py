"""Configuration of the documentation site."""

import importlib
import sys
from pathlib import Path

import sm_gllamm
from sm_gllamm import datasets

# The walk-through draws its figure with the example's own function.
sys.path.insert(0, str(Path(__file__).parent.parent / "examples"))

project = "sm_gllamm"
author = "sm_gllamm developers"
copyright = "2026, sm_gllamm developers"
version = release = sm_gllamm.__version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.mathjax",
    "sphinx.ext.doctest",
    "matplotlib.sphinxext.plot_directive",
    "numpydoc",
]
templates_path = ["_templates"]
exclude_patterns = ["_build", "_templates"]
html_theme = "pydata_sphinx_theme"
html_theme_options = {"show_toc_level": 2, "secondary_sidebar_items": ["page-toc"]}
html_title = "sm_gllamm"

autosummary_generate = True
# Members have pages of their own; a second list on the class's page would be empty of links.
numpydoc_show_class_members = False
numpydoc_class_members_toctree = False

plot_html_show_source_link = False
plot_html_show_formats = False
plot_formats = [("png", 150)]

doctest_global_setup = """
import numpy as np
import pandas as pd
import statsmodels.api as sm
import sm_gllamm.api as smg
import sm_gllamm.formula.api as smgf
from sm_gllamm import datasets
"""


def write_table_of_datasets(app):
    """The data sets' titles, descriptions and licences as a table, from the modules themselves."""
    rows = [".. list-table::", "   :header-rows: 1", "", "   * - Module", "     - Description"]
    for name in datasets.__all__:
        module = importlib.import_module(f"sm_gllamm.datasets.{name}")
        rows += [f"   * - ``{name}``", f"     - {module.TITLE}. {module.DESCRSHORT}"]
    generated = Path(app.srcdir) / "api" / "generated"
    generated.mkdir(exist_ok=True)
    (generated / "datasets.inc").write_text("\n".join(rows) + "\n", encoding="utf-8")


def setup(app):
    app.connect("builder-inited", write_table_of_datasets)
