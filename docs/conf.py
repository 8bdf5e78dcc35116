"""Configuration of the documentation site."""

import contextlib
import importlib
import io
import sys
from pathlib import Path

import sm_gllamm
from sm_gllamm import datasets
from sm_gllamm.responses.registry import RESPONSES

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
    "matplotlib.sphinxext.plot_directive",
]
# Path diagrams are drawn while the site is built, by the scripts in examples/.
plot_formats = [("png", 120)]
plot_html_show_formats = plot_html_show_source_link = False
templates_path = ["_templates"]
exclude_patterns = ["_build", "_templates"]
html_theme = "pydata_sphinx_theme"
html_theme_options = {"show_toc_level": 2, "secondary_sidebar_items": ["page-toc"]}
html_title = "sm_gllamm"

autosummary_generate = True
# The templates list the members; numpydoc's own lists would repeat them.
numpydoc_show_class_members = False
numpydoc_class_members_toctree = False


# What a response of a kind must be, and the page about it.
KINDS = {
    "gaussian": ("real numbers", "continuous"),
    "binomial": ("0 and 1, or numbers of successes and failures", "binary"),
    "count": ("counts", "counts"),
    "positive": ("positive numbers", "continuous"),
    "proportion": ("between 0 and 1", "continuous"),
    "positive count": ("counts from 1 on", "counts"),
    "interval": ("real numbers, or bounds of them", "durations"),
    "duration": ("duration and event, or lower and upper bound", "durations"),
    "ordinal": ("ordered categories", "ordinal"),
    "nominal": ("unordered categories", "choices"),
    "choice": ("1 for the chosen alternative of a set", "choices"),
    "ranking": ("ranks of the alternatives of a set", "choices"),
    "best-worst": ("1 and -1 for the best and the worst of a set", "choices"),
}


def list_table(header, rows):
    """A list-table directive."""
    lines = [".. list-table::", "   :header-rows: 1"]
    for row in [header, *rows]:
        lines += ["", f"   * - {row[0]}", *(f"     - {cell}" for cell in row[1:])]
    return "\n".join(lines) + "\n"


def write_table_of_datasets(folder):
    """The data sets' titles and descriptions as a table, from the modules themselves."""
    rows = []
    for name in datasets.__all__:
        module = importlib.import_module(f"sm_gllamm.datasets.{name}")
        rows.append((f"``{name}``", f"{module.TITLE}. {module.DESCRSHORT}"))
    table = list_table(("Module", "Description"), rows)
    (folder / "datasets.inc").write_text(table, encoding="utf-8")


def write_table_of_responses(folder):
    """Families with their links and further parameters, from the registry."""
    by_family = {}
    for (family, link), response in RESPONSES.items():
        by_family.setdefault(family, (response, []))[1].append(link)
    rows = []
    for family, (response, links) in by_family.items():
        if response.kind == "mixed":
            continue
        what, page = KINDS[response.kind]
        page = "composite" if family.startswith("Composite") else page
        further = ", ".join(f"``{slot.label}`` (``{slot.name}=``)" for slot in response.slots)
        rows.append((f":doc:`{family} <{page}>`", ", ".join(links), further, what))
    table = list_table(("Family", "Links", "Further predictors", "Response"), rows)
    (folder / "responses.inc").write_text(table, encoding="utf-8")


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
    write_table_of_responses(folder)
    write_output_of_example(folder)


def setup(app):
    app.connect("builder-inited", write_generated_files)
