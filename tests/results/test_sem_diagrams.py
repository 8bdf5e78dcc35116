"""Path diagrams of structural equation models."""

import matplotlib
import pytest

from sm_gllamm.exceptions import SpecificationError
from sm_gllamm.models.sem import SEM
from tests.models.sem_cases import data, fit

matplotlib.use("Agg")


@pytest.mark.parametrize(
    "case", ["cfa", "mimic", "democracy", "second_order", "twolevel", "groups"]
)
def test_drawn(case):
    import matplotlib.pyplot as plt

    figure = fit(case).plot_path_diagram()
    texts = {text.get_text() for text in figure.axes[0].texts}
    first = fit(case).model.table.roles[0].indicators[0]
    assert first in texts
    plt.close(figure)


def test_source():
    source = fit("mimic").path_diagram(digits=3)
    assert '"visual" -> "item x2" [label="0.567"]' in source
    assert '"covariate female" -> "item x3" [label="-0.243"]' in source
    assert '"visual" -> "textual" [dir=both, style=dashed, label="0.406"]' in source
    assert "female ~~" not in source
    standardized = fit("cfa").path_diagram(standardized="all")
    assert '"visual" -> "item x1" [label="0.77"]' in standardized
    assert fit("groups").path_diagram() != fit("groups").path_diagram(group="Grant-White")


def test_paths_between_observed_variables_are_source_only():
    result = SEM("x4 ~ x1 \n x7 ~ x4", data("holzinger")).fit()
    assert '"covariate x1" -> "item x4"' in result.path_diagram()
    with pytest.raises(SpecificationError, match="Graphviz"):
        result.plot_path_diagram()


def test_wrong_arguments():
    with pytest.raises(SpecificationError, match="there is no group"):
        fit("groups").path_diagram(group="Eton")
    with pytest.raises(SpecificationError, match="'lv' or 'all'"):
        fit("cfa").path_diagram(standardized="nox")
