"""Configuration of the documentation site."""

import contextlib
import importlib
import io
import sys
from pathlib import Path

import sm_gllamm
from sm_gllamm import datasets

# The walk-through shows what the example prints and draws.
sys.path.insert(0, str(Path(__file__).parent.parent / "examples"))

project = "sm_gllamm"
author = "sm_gllamm developers"
copyright = "2026, sm_gllamm developers"
version = release = sm_gllamm.__version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.mathjax",
    "numpydoc",
]
templates_path = ["_templates"]
exclude_patterns = ["_build", "_templates"]
html_theme = "pydata_sphinx_theme"
html_theme_options = {"show_toc_level": 2, "secondary_sidebar_items": ["page-toc"]}
html_title = "sm_gllamm"

autosummary_generate = True
# The templates list the members; numpydoc's own lists would repeat them.
numpydoc_show_class_members = False
numpydoc_class_members_toctree = False


def write_table_of_datasets(folder):
    """The data sets' titles and descriptions as a table, from the modules themselves."""
    rows = [".. list-table::", "   :header-rows: 1", "", "   * - Module", "     - Description"]
    for name in datasets.__all__:
        module = importlib.import_module(f"sm_gllamm.datasets.{name}")
        rows += [f"   * - ``{name}``", f"     - {module.TITLE}. {module.DESCRSHORT}"]
    (folder / "datasets.inc").write_text("\n".join(rows) + "\n", encoding="utf-8")


def write_output_of_example(folder):
    """What examples/pisa.py prints, a file for each of its sections, and its figure."""
    import matplotlib

    matplotlib.use("Agg")
    import pisa

    data = pisa.load()
    result = pisa.fit_random_intercept(data)
    for show in pisa.SECTIONS.values():
        with contextlib.redirect_stdout(io.StringIO()) as printed:
            show(data, result)
        (folder / f"{show.__name__}.txt").write_text(printed.getvalue(), encoding="utf-8")
    pisa.draw_figure(result).savefig(folder / "pisa_figure1.png", dpi=150)


def write_generated_files(app):
    folder = Path(app.srcdir) / "api" / "generated"
    folder.mkdir(exist_ok=True)
    write_table_of_datasets(folder)
    write_output_of_example(folder)


def setup(app):
    app.connect("builder-inited", write_generated_files)
