"""Path diagrams of structural equation models."""

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pytest

from sm_gllamm.exceptions import SpecificationError
from sm_gllamm.models.sem import SEM
from tests.models.sem_cases import data, fit

matplotlib.use("Agg")


@pytest.mark.parametrize(
    "case", ["cfa", "mimic", "democracy", "second_order", "twolevel", "groups"]
)
def test_drawn(case):
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


CHAIN = "x4 ~ x1 + ageyr \n x7 ~ x4 \n x9 ~ x7 + x4 \n x9 ~~ x4"


def centres(figure):
    """Middle of each node by its label."""
    return {text.get_text(): np.array(text.get_position()) for text in figure.axes[0].texts}


def test_paths_between_observed_variables_run_from_left_to_right():
    result = SEM(CHAIN, data("holzinger")).fit()
    assert '"covariate x1" -> "item x4"' in result.path_diagram()
    figure = result.plot_path_diagram()
    where = centres(figure)
    assert where["x1"][0] == where["ageyr"][0]
    assert where["ageyr"][0] < where["x4"][0] < where["x7"][0] < where["x9"][0]
    arrows = [p for p in figure.axes[0].patches if type(p).__name__ == "FancyArrowPatch"]
    assert len(arrows) == 6
    numbers = {f"{result.params[name]:.2f}" for name in ("x4~x1", "x7~x4", "x4~~x9", "x9~x7")}
    assert numbers <= set(where)
    plt.close(figure)


def test_boxes_do_not_overlap():
    texts = (
        CHAIN, "visual =~ x1 + x2 + x3 \n visual ~ x9 + ageyr \n x9 ~ ageyr",
        "x1 ~ x2 \n x2 ~ x3 \n x4 ~~ x5",
    )  # fmt: skip
    figures = [SEM(text, data("holzinger")).fit().plot_path_diagram() for text in texts]
    for figure in [*figures, fit("twolevel_paths").plot_path_diagram()]:
        boxes = [
            p.get_extents() for p in figure.axes[0].patches
            if type(p).__name__ in ("Rectangle", "Ellipse")
        ]  # fmt: skip
        for k, one in enumerate(boxes):
            assert not any(one.overlaps(other) for other in boxes[:k])
        plt.close(figure)


def test_circles_are_drawn():
    text = "x1 ~ 0.2*x4 + x2 \n x4 ~ 0.1*x1 + x3"
    figure = SEM(text, data("holzinger")).fit().plot_path_diagram()
    assert {"0.20", "0.10"} <= set(centres(figure))
    plt.close(figure)


def test_wrong_arguments():
    with pytest.raises(SpecificationError, match="there is no group"):
        fit("groups").path_diagram(group="Eton")
    with pytest.raises(SpecificationError, match="'lv' or 'all'"):
        fit("cfa").path_diagram(standardized="nox")
