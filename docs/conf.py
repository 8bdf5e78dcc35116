"""Configuration of the documentation site."""

import sm_gllamm

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
