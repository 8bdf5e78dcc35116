"""What all tests share."""

import sys

import pytest


@pytest.fixture(autouse=True, scope="module")
def _close_figures():
    """Figures of a module's tests are not kept open for those of other modules."""
    yield
    _close()


@pytest.fixture(autouse=True)
def _close_figures_of_examples(request):
    """Those of examples, whose code never closes any, not even for the next example."""
    yield
    if request.module.__name__.rpartition(".")[2] in (
        "test_docstrings",
        "test_docs",
        "test_examples",
    ):
        _close()


def _close() -> None:
    pyplot = sys.modules.get("matplotlib.pyplot")
    if pyplot is not None:
        pyplot.close("all")
