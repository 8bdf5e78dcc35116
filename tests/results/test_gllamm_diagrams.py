"""Path diagrams: one description, drawn by Graphviz's language and by matplotlib."""

import re
import warnings

import numpy as np
import pytest

import sm_gllamm.api as smg
from tests.mapping.test_structural import ITEMS, LEVELS, items

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("Agg")


@pytest.fixture(autouse=True)
def closed_figures():
    yield
    from matplotlib import pyplot

    pyplot.close("all")


def fit(latent, regressions=(), n_items=4, **options):
    model = smg.GLLAMM.from_formula(
        "gaussian ~ 0 + C(item)", items(12, 4, n_items, seed=6), latent, regressions=regressions,
        **options,
    )  # fmt: skip
    with warnings.catch_warnings():
        # what the estimates are does not matter
        warnings.simplefilter("ignore")
        return model.fit(maxiter=1, warn_convergence=False)


def dummies(first, last):
    return "0 + " + " + ".join(f"d{k}" for k in range(first, last + 1))


CASES = {
    "two levels": (LEVELS, ["within ~ x", "between ~ w"], {}),
    "between levels": (
        [smg.Latent("within", "person", ITEMS), smg.Latent("between", "cluster")],
        ["within ~ between + x", "between ~ w"],
        {},
    ),
    "correlated factors": (
        [smg.Latent(n, "person", dummies(k, k + 2)) for n, k in (("f", 1), ("g", 4), ("h", 7))],
        [],
        {"n_items": 9},
    ),
    "structural model": (
        [smg.Latent(n, "person", dummies(k, k + 2)) for n, k in (("f", 1), ("g", 4), ("h", 7))],
        ["g ~ f + x", "h ~ f + g + w"],
        {"n_items": 9, "covariance": "diagonal"},
    ),
    "bifactor": (
        [
            smg.Latent("f", "person", dummies(1, 3)),
            smg.Latent("g", "person", dummies(4, 6)),
            smg.Latent("general", "person", dummies(1, 6)),
        ],
        ["general ~ x"],
        {"n_items": 6, "covariance": "diagonal"},
    ),
    "second order": (
        [
            smg.Latent("f", "person", dummies(1, 3)),
            smg.Latent("g", "person", dummies(4, 6)),
            smg.Latent("h", "person", dummies(7, 9)),
            smg.Latent("general", "person", "0"),
        ],
        ["f ~ general", "g ~ general", "h ~ general", "general ~ x"],
        {"n_items": 9, "covariance": "diagonal"},
    ),
    "products": (
        [smg.Latent(n, "person", dummies(k, k + 2)) for n, k in (("f", 1), ("g", 4), ("h", 7))],
        ["h ~ f*g + f:f + g:x + x"],
        {"n_items": 9},
    ),
    "twenty items": ([smg.Latent("f", "person", "0 + C(item)")], ["f ~ x"], {"n_items": 20}),
}


@pytest.fixture(scope="module", params=CASES)
def result(request):
    latent, regressions, options = CASES[request.param]
    return fit(latent, regressions, **options)


def drawn(figure):
    """Centres of nodes with their half sizes, frames from the outer one in, and all texts."""
    from matplotlib.patches import Ellipse, FancyBboxPatch, Rectangle

    (axes,) = figure.axes
    nodes, frames = [], []
    for patch in axes.patches:
        if isinstance(patch, Ellipse):
            nodes.append(("ellipse", np.array(patch.center), np.array([patch.width, patch.height])))
        elif isinstance(patch, Rectangle):
            size = np.array([patch.get_width(), patch.get_height()])
            nodes.append(("box", np.array(patch.get_xy()) + size / 2, size))
        elif isinstance(patch, FancyBboxPatch):
            low = np.array([patch.get_x(), patch.get_y()])
            frames.append((low, low + [patch.get_width(), patch.get_height()]))
    return nodes, frames[::-1], [text.get_text() for text in axes.texts]


def test_same_content_as_the_source(result):
    source, figure = result.path_diagram(), result.plot_path_diagram()
    nodes, frames, texts = drawn(figure)
    declared = re.findall(r'\[shape=(\w+), label="(.*)"\];', source)
    shapes = ["ellipse" if shape == "circle" else shape for shape, _ in declared]
    assert sorted(shapes) == sorted(kind for kind, _, _ in nodes)
    wanted = [label.replace("\\n", "\n") for _, label in declared]
    wanted += re.findall(r'-> .*label="(.*)"\];', source)
    wanted += re.findall(r'^ *label="(.*)"; style=rounded', source, re.MULTILINE)
    assert sorted(wanted) == sorted(texts)
    assert source.count("{") == source.count("}") == 1 + len(frames)
    arrows = [p for p in figure.axes[0].patches if type(p).__name__ == "FancyArrowPatch"]
    assert len(arrows) == source.count(" -> ")


def test_nothing_overlaps(result):
    nodes, frames, _ = drawn(result.plot_path_diagram())
    for k, (_, centre, size) in enumerate(nodes):
        for _, other, its_size in nodes[:k]:
            assert np.any(np.abs(centre - other) >= (size + its_size) / 2)
        low, high = frames[0]
        assert np.all(centre - size / 2 > low) and np.all(centre + size / 2 < high)
    for outer, inner in zip(frames, frames[1:], strict=False):
        assert np.all(outer[0] < inner[0]) and np.all(inner[1] < outer[1])


def test_frames_hold_what_varies_within_them():
    latent, regressions, options = CASES["two levels"]
    result = fit(latent, regressions, **options)
    figure = result.plot_path_diagram()
    _, (outer, inner), _ = drawn(figure)
    place = {text.get_text(): np.array(text.get_position()) for text in figure.axes[0].texts}
    inside = {name: bool(np.all((inner[0] < at) & (at < inner[1]))) for name, at in place.items()}
    labels = {name.split("\n")[0]: value for name, value in inside.items()}
    assert labels["within"] and labels["x"] and labels["3"] and labels["person"]
    assert not labels["between"] and not labels["w"] and not labels["cluster"]
    source = result.path_diagram()
    assert (
        source.index("cluster_cluster") < source.index('"between"') < source.index("cluster_person")
    )
    assert source.index('"covariate w" [') < source.index("cluster_person")


def test_arcs_and_straight_loadings():
    latent, regressions, options = CASES["correlated factors"]
    figure = fit(latent, regressions, **options).plot_path_diagram()
    arrows = [p for p in figure.axes[0].patches if type(p).__name__ == "FancyArrowPatch"]
    bends = [arrow.get_connectionstyle().rad for arrow in arrows]
    assert [bend != 0.0 for bend in bends] == [False] * 9 + [True] * 3


def test_drawn_in_given_axes_and_digits(result):
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(4, 3))
    assert result.plot_path_diagram(digits=3, ax=axes) is figure
    assert any(re.fullmatch(r"-?\d+\.\d{3}", text.get_text()) for text in axes.texts)
    assert all(text.get_fontsize() < 9 for text in axes.texts)
    figure.canvas.draw()
