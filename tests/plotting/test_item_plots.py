"""Plots of items show the numbers that they are given, and refuse what they cannot show."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from sm_gllamm.exceptions import SpecificationError
from sm_gllamm.plotting.dif_curves import plot_dif_curves
from sm_gllamm.plotting.dif_effects import plot_dif_effects
from sm_gllamm.plotting.information import plot_item_information, plot_test_information
from sm_gllamm.plotting.item_curves import (
    plot_category_curves,
    plot_expected_scores,
    plot_item_curves,
)
from sm_gllamm.plotting.item_fit import plot_item_fit
from sm_gllamm.plotting.sum_scores import plot_sum_scores
from sm_gllamm.plotting.wright_map import plot_wright_map

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("Agg")

THETA = np.linspace(-3, 3, 13)


@pytest.fixture(autouse=True)
def closed_figures():
    yield
    from matplotlib import pyplot

    pyplot.close("all")


def new_axes(*shape):
    from matplotlib import pyplot

    return pyplot.subplots(*shape)[1]


def expit(x):
    return 1 / (1 + np.exp(-x))


def item_curves(n, band=True):
    table = pd.DataFrame({"item": np.repeat([f"y{j}" for j in range(n)], 13)})
    table["theta"] = np.tile(THETA, n)
    nu = table["theta"] - np.repeat(np.arange(n), 13) / 2
    table["predicted"] = expit(nu)
    return table.assign(ci_lower=expit(nu - 0.3), ci_upper=expit(nu + 0.3)) if band else table


def category_curves(labels):
    """Curves of items with the given labels of categories."""
    parts = [
        pd.DataFrame({"item": item, "category": label, "theta": THETA, "predicted": 0.1 * k + 0.05})
        for item, own in labels.items()
        for k, label in enumerate(own)
    ]
    return pd.concat(parts, ignore_index=True)


def legend_of(figure):
    (legend,) = figure.legends
    return [text.get_text() for text in legend.get_texts()]


def band_of(collection):
    """Lower and upper edges of a filled band, at all places of its curve."""
    corners = collection.get_paths()[0].vertices
    places = np.unique(corners[:, 0])
    return np.array([[f(corners[corners[:, 0] == x, 1]) for x in places] for f in (min, max)])


def test_item_curves_in_one_axes():
    table = item_curves(3)
    shuffled = pd.concat([part[::-1] for _, part in table.groupby("item")])
    figure = plot_item_curves(shuffled, dimension="mathematics")
    (axes,) = figure.axes
    assert len(axes.lines) == len(axes.collections) == 3
    for line, band, (item, part) in zip(
        axes.lines, axes.collections, table.groupby("item"), strict=True
    ):
        assert line.get_label() == item
        assert_allclose(line.get_xydata(), part[["theta", "predicted"]])
        assert_allclose(band_of(band), part[["ci_lower", "ci_upper"]].T)
    assert legend_of(figure) == ["y0", "y1", "y2"]
    assert axes.get_xlabel() == "latent variable (mathematics)"
    assert axes.get_ylabel() == "probability"


def test_28_curves_look_different():
    lines = plot_item_curves(item_curves(28, band=False), panels=False).axes[0].lines
    styles = {(line.get_color(), str(line._unscaled_dash_pattern)) for line in lines}
    assert len(styles) == 28


def test_many_items_have_panels_with_numbers_below():
    figure = plot_item_curves(item_curves(10))
    assert [axes.get_title() for axes in figure.axes] == [f"y{j}" for j in range(10)]
    assert all(len(axes.lines) == 1 for axes in figure.axes)
    assert figure.get_supxlabel() == "latent variable (theta)"
    # 4 x 3 panels, of which the last two are not needed
    numbered = [axes.xaxis.get_tick_params()["labelbottom"] for axes in figure.axes]
    assert numbered == [False] * 6 + [True] * 4
    assert not figure.legends


def test_observed_proportions_have_areas_as_numbers():
    observed = pd.DataFrame(
        {"item": ["y1", "y1", "y0"], "theta": [-1.0, 1.0, 0.5], "proportion": [0.2, 0.7, 0.6],
         "n": [50, 200, 100]}
    )  # fmt: skip
    for panels, where in ((False, [0, 0]), (True, [1, 0])):
        figure = plot_item_curves(item_curves(2, band=False), observed, panels=panels)
        first, second = where
        points = figure.axes[first].collections[0]
        assert_allclose(points.get_offsets(), [[-1.0, 0.2], [1.0, 0.7]])
        other = figure.axes[second].collections[-1]
        assert_allclose(other.get_offsets(), [[0.5, 0.6]])
        areas = np.concatenate([points.get_sizes(), other.get_sizes()])
        assert_allclose(areas / areas[0], [1, 4, 2])
        assert legend_of(figure)[-2:] == ["observed, n = 20", "observed, n = 200"]
        key = figure.legends[0].get_lines()[-1]
        assert_allclose(key.get_markersize() ** 2, areas[1])
    with pytest.raises(SpecificationError, match="items without a curve: 'y7'"):
        plot_item_curves(item_curves(2), observed.assign(item="y7"))


def test_axes_that_are_given():
    axes = new_axes()
    assert plot_item_curves(item_curves(2), axes=axes) is axes.figure
    assert not axes.figure.legends and len(axes.get_legend().get_texts()) == 2
    grid = new_axes(2, 2)
    plot_item_curves(item_curves(4), panels=True, axes=grid)
    assert grid[1, 1].get_title() == "y3" and grid[1, 1].get_ylabel() == "probability"
    for wrong in (axes, grid.ravel()[:3]):
        with pytest.raises(SpecificationError, match="4 axes are needed, one for each of 'y0'"):
            plot_item_curves(item_curves(4), panels=True, axes=wrong)


PLOTS = {
    plot_item_curves: ["item", "theta", "predicted"],
    plot_category_curves: ["item", "category", "theta", "predicted"],
    plot_expected_scores: ["theta", "predicted"],
    plot_item_information: ["item", "theta", "information"],
    plot_test_information: ["theta", "information"],
    plot_dif_curves: ["item", "group", "theta", "predicted"],
    plot_dif_effects: ["item", "effect"],
    plot_item_fit: ["item", "score", "observed", "expected", "n"],
    plot_sum_scores: ["score", "eap", "sd"],
}


@pytest.mark.parametrize("plot", PLOTS, ids=lambda plot: plot.__name__)
def test_tables_that_cannot_be_drawn(plot):
    columns = PLOTS[plot]
    table = pd.DataFrame({name: [1.0, 2.0] for name in columns})
    with pytest.raises(SpecificationError, match=f"lacks the column '{columns[-1]}'"):
        plot(table[columns[:-1]])
    with pytest.raises(SpecificationError, match="lacks the column 'ci_upper'"):
        plot(table.assign(ci_lower=0.0))
    with pytest.raises(SpecificationError, match="has no rows"):
        plot(table[:0])
    with pytest.raises(SpecificationError, match="must be a DataFrame, not ndarray"):
        plot(table.to_numpy())


def test_category_curves():
    labels = {"a": ["no", "perhaps", "yes"], "b": ["no", "yes"]}
    table = category_curves(labels)
    table = table.assign(ci_lower=table["predicted"] - 0.01, ci_upper=table["predicted"] + 0.01)
    figure = plot_category_curves(table)
    assert [len(axes.lines) for axes in figure.axes] == [3, 2]
    assert [len(axes.collections) for axes in figure.axes] == [3, 2]
    assert legend_of(figure) == ["no", "perhaps", "yes"]
    assert figure.legends[0].get_title().get_text() == "category"
    assert_allclose(figure.axes[0].lines[2].get_ydata(), 0.25)
    # a category looks the same in all panels
    for first, second in ((0, 0), (2, 1)):
        one, other = figure.axes[0].lines[first], figure.axes[1].lines[second]
        assert one.get_label() == other.get_label()
        assert_array_equal(one.get_color(), other.get_color())
    lightness = [np.dot(line.get_color()[:3], [0.3, 0.6, 0.1]) for line in figure.axes[0].lines]
    assert (np.diff(lightness) > 0.1).all()


def test_legend_of_items_with_different_categories():
    labels = {"a": [0, 1], "b": ["never", "often"], "c": [0, 1, 2]}
    figure = plot_category_curves(category_curves(labels))
    assert legend_of(figure) == ["a, c", "0", "1", "2", "b", "never", "often"]


def test_observed_categories():
    table = category_curves({"a": ["no", "yes"], "b": ["no", "yes"]})
    observed = pd.DataFrame(
        {"item": "b", "category": ["no", "yes"], "theta": 0.3, "proportion": [0.4, 0.6], "n": 9}
    )
    figure = plot_category_curves(table, observed)
    assert not figure.axes[0].collections
    shown = [points.get_offsets()[0] for points in figure.axes[1].collections]
    assert_allclose(shown, [[0.3, 0.4], [0.3, 0.6]])
    assert legend_of(figure) == ["no", "yes", "observed, n = 9"]
    with pytest.raises(
        SpecificationError, match="category 'maybe' of item 'b', which has no curve"
    ):
        plot_category_curves(table, observed.replace("yes", "maybe"))


def test_expected_scores_by_group():
    part = pd.DataFrame({"theta": THETA, "predicted": 5 * expit(THETA)})
    table = pd.concat([part.assign(group="girls"), part.assign(group="boys", predicted=1.0)])
    figure = plot_expected_scores(table)
    assert legend_of(figure) == ["girls", "boys"]
    assert_allclose(figure.axes[0].lines[0].get_ydata(), part["predicted"])
    assert_allclose(figure.axes[0].lines[1].get_ydata(), 1.0)
    assert figure.axes[0].get_ylabel() == "expected score"
    items = pd.concat([part.assign(item="a", maximum=5), part.assign(item="b", maximum=10)])
    figure = plot_expected_scores(items)
    assert [axes.get_ylim()[1] for axes in figure.axes] == pytest.approx([5.15, 10.3])
    assert not figure.legends


def test_information():
    table = item_curves(3).rename(columns={"predicted": "information"})
    figure = plot_item_information(table)
    assert legend_of(figure) == ["y0", "y1", "y2"] and figure.axes[0].get_ylim()[0] == 0
    assert len(plot_item_information(table, panels=True).axes) == 3
    total = table.groupby("theta")["information"].sum().rename("information").reset_index()
    total["se"] = 1 / np.sqrt(total["information"])
    figure = plot_test_information(total, items=table)
    left, right = figure.axes
    assert len(left.lines) == 4 and len(right.lines) == 1
    assert_allclose(left.lines[-1].get_ydata(), total["information"])
    assert_allclose(right.lines[0].get_ydata(), total["se"])
    assert (left.get_ylabel(), right.get_ylabel()) == ("information", "standard error")
    assert legend_of(figure) == ["information", "standard error", "information of items"]


def test_endless_standard_errors_do_not_flatten_the_curve():
    table = pd.DataFrame({"theta": [0.0, 1.0, 2.0], "information": [4.0, 1e-6, 0.0]})
    table["se"] = [0.5, 1e3, np.inf]
    assert plot_test_information(table).axes[1].get_ylim() == pytest.approx((0.0, 3.15))


def test_information_by_group():
    part = pd.DataFrame({"theta": THETA, "information": 1.0, "se": 1.0})
    figure = plot_test_information(pd.concat([part.assign(group=1), part.assign(group=2)]))
    assert [len(axes.lines) for axes in figure.axes] == [2, 2]
    assert legend_of(figure)[2:] == ["information, 2", "standard error, 2"]
    assert len(plot_test_information(part.drop(columns="se")).axes) == 1


def locations(n, thresholds):
    rng = np.random.default_rng(5)
    frame = pd.DataFrame({"item": np.repeat([f"item {j}" for j in range(n)], thresholds)})
    frame["location"] = rng.normal(0, 1, len(frame))
    if thresholds > 1:
        frame["threshold"] = np.tile(np.arange(1, thresholds + 1), n)
    return frame


def marks(axes):
    """Heights of the marks of items."""
    lines = [line for line in axes.lines if line.get_linestyle() == "None"]
    return np.sort(np.concatenate([np.atleast_1d(line.get_ydata()) for line in lines]))


def overlaps(texts):
    """Pairs of texts of which the boxes overlap."""
    boxes = [text.get_window_extent() for text in texts]
    return [
        (texts[i].get_text(), texts[j].get_text())
        for i in range(len(texts))
        for j in range(i)
        if boxes[i].overlaps(boxes[j])
    ]


@pytest.mark.parametrize("given", [False, True], ids=["new figure", "axes"])
@pytest.mark.parametrize("layout", ["names", "columns"])
@pytest.mark.parametrize("thresholds", [1, 3])
def test_wright_map_has_all_locations_and_labels_apart(layout, thresholds, given):
    items = locations(16, thresholds)
    persons = np.random.default_rng(1).normal(0, 1, 200)
    axes = new_axes(1, 2) if given else None
    figure = plot_wright_map(persons, items, layout=layout, bins=12, axes=axes)
    left, right = figure.axes
    figure.draw_without_rendering()
    assert len(left.patches) == 12
    assert sum(bar.get_width() for bar in left.patches) == 200
    assert left.get_xlabel() == "persons" and left.get_ylabel() == "latent variable (theta)"
    assert_allclose(marks(right), np.sort(items["location"]))
    assert left.get_ylim() == right.get_ylim()
    texts = list(right.texts)
    if layout == "names":
        names = items["item"] + ("." + items["threshold"].astype(str) if thresholds > 1 else "")
        assert [text.get_text() for text in texts] == list(names)
        assert_allclose([text.get_position()[1] for text in texts], items["location"])
    else:
        assert len(texts) == (48 if thresholds > 1 else 0)
        ticks = right.get_xticklabels()
        assert [text.get_text() for text in ticks] == [f"item {j}" for j in range(16)]
        assert not overlaps(ticks)
    assert not overlaps(texts)


def test_wright_map_with_intervals_density_and_weights():
    items = locations(4, 2).drop(columns="threshold")
    items = items.assign(ci_lower=items["location"] - 1, ci_upper=items["location"] + 0.5)
    density = pd.DataFrame({"theta": THETA, "density": np.exp(-(THETA**2) / 2)})
    figure = plot_wright_map(
        [0.0, 1.0], items, weights=[1.0, 3.0], density=density, bins=[-1, 0.5, 2]
    )
    left, right = figure.axes
    assert_allclose([bar.get_width() for bar in left.patches], [1 / 6, 1 / 2])
    assert_allclose(left.lines[0].get_ydata(), THETA)
    segments = np.concatenate([np.concatenate(c.get_segments()) for c in right.collections])
    assert_allclose(np.sort(segments[::2, 1]), np.sort(items["ci_lower"]))
    assert_allclose(np.sort(segments[1::2, 1]), np.sort(items["ci_upper"]))
    assert [text.get_text() for text in right.texts].count("2") == 4
    assert not plot_wright_map(None, items, density=density).axes[0].patches


def test_wright_map_says_what_is_not_on_it():
    items = pd.DataFrame({"item": ["a", "b", "c"], "location": [0.0, 40.0, np.nan]})
    figure = plot_wright_map([-9.0, 0.0, 0.5], items, limits=(-3, 3))
    left, right = figure.axes
    assert [text.get_text() for text in left.texts] == ["1 below"]
    assert {line.get_marker() for line in right.lines} == {"o", "^"}
    assert 2.7 < marks(right)[-1] < 3
    assert right.get_xlabel() == "items\n(no location: c)"
    columns = plot_wright_map([0.0], items, limits=(-3, 3), layout="columns").axes[1]
    assert [text.get_text() for text in columns.get_xticklabels()] == ["a", "b", "c"]


@pytest.mark.parametrize("layout", ["names", "columns"])
def test_wright_map_numbers_only_items_with_several_thresholds(layout):
    items = pd.DataFrame(
        {"item": ["a", "b", "b"], "threshold": [np.nan, 1, 2], "location": [0.0, -1.0, 1.0]}
    )
    axes = plot_wright_map([0.0, 0.1], items, layout=layout).axes[1]
    expected = ["a", "b.1", "b.2"] if layout == "names" else ["1", "2"]
    assert [text.get_text() for text in axes.texts] == expected


def test_wright_map_errors():
    items = locations(3, 1)
    with pytest.raises(SpecificationError, match="persons=None needs density="):
        plot_wright_map(None, items)
    with pytest.raises(SpecificationError, match=r"got shapes \(2,\) and \(3,\)"):
        plot_wright_map([0.0, 1.0], items, weights=[1.0, 1.0, 1.0])
    with pytest.raises(SpecificationError, match=r"got shapes \(2, 1\)"):
        plot_wright_map([[0.0], [1.0]], items)
    with pytest.raises(SpecificationError, match=r"persons\[1\] is inf"):
        plot_wright_map([0.0, np.inf], items)
    with pytest.raises(SpecificationError, match="no finite location"):
        plot_wright_map([0.0], items.assign(location=np.nan))
    with pytest.raises(SpecificationError, match="not 'rows'"):
        plot_wright_map([0.0], items, layout="rows")
    with pytest.raises(SpecificationError, match="axes must be two"):
        plot_wright_map([0.0], items, axes=new_axes())
    with pytest.raises(SpecificationError, match="lacks the column 'location'"):
        plot_wright_map([0.0], items[["item"]])


def dif_curves(n=2):
    table = item_curves(n)
    other = table.assign(group="boys", predicted=table["predicted"] ** 2)
    return pd.concat([table.assign(group="girls"), other])


def test_dif_curves():
    density = pd.DataFrame({"theta": THETA, "density": np.exp(-((THETA - 1) ** 2) / 0.5)})
    table = dif_curves()
    figure = plot_dif_curves(table, density, ylabel="probability")
    assert len(figure.axes) == 2
    assert legend_of(figure)[:2] == ["reference: girls", "focal: boys"]
    axes = figure.axes[1]
    for line, group in zip(axes.lines, ("girls", "boys"), strict=True):
        part = table[(table["group"] == group) & (table["item"] == "y1")]
        assert_allclose(line.get_xydata(), part[["theta", "predicted"]])
    area, *bands = axes.collections
    assert len(bands) == 2
    corners = np.array([path.vertices[:4] for path in area.get_paths()])
    grid = corners[:, 0, 0]
    reference = table[(table["group"] == "girls") & (table["item"] == "y1")]
    assert_allclose(corners[:, 0, 1], np.interp(grid, THETA, reference["predicted"]))
    assert_allclose(corners[:, 3, 1], np.interp(grid, THETA, reference["predicted"] ** 2))
    shade = area.get_facecolor()[:, 0]
    # darkest where the focal group is densest, white where nobody is
    assert abs(grid[np.argmin(shade)] - 1.0) < 0.1 and shade[0] == pytest.approx(1.0)


def test_dif_curves_errors():
    table = dif_curves()
    with pytest.raises(SpecificationError, match="has 1 groups"):
        plot_dif_curves(table[table["group"] == "girls"])
    uneven = table[(table["group"] == "girls") | (table["theta"] > 0)]
    with pytest.raises(
        SpecificationError, match="item 'y0': the curves of groups 'girls' and 'boys'"
    ):
        plot_dif_curves(uneven)
    with pytest.raises(SpecificationError, match="the table of the density lacks the column"):
        plot_dif_curves(table, pd.DataFrame({"theta": THETA}))


def test_dif_effects():
    table = pd.DataFrame(
        {"item": list("abcd"), "effect": [0.1, -0.9, 0.5, 0.0], "flag": ["A", "C", "B", "A"]}
    )
    table = table.assign(ci_lower=table["effect"] - 0.2, ci_upper=table["effect"] + 0.3)
    figure = plot_dif_effects(table, limits=[0.43, 0.64], xlabel="difference in logits")
    (axes,) = figure.axes
    assert [text.get_text() for text in axes.get_yticklabels()] == list("bdac")
    shown = {line.get_label(): line.get_xydata() for line in axes.lines}
    assert_allclose(shown["A"], [[0.0, 1], [0.1, 2]])
    assert_allclose(shown["B"], [[0.5, 3]])
    assert_allclose(shown["C"], [[-0.9, 0]])
    segments = np.concatenate([c.get_segments() for c in axes.collections])
    assert_allclose(np.sort(segments[:, 0, 0]), np.sort(table["ci_lower"]))
    assert_allclose(np.sort(segments[:, 1, 0]), np.sort(table["ci_upper"]))
    lines = [line.get_xdata()[0] for line in axes.lines[:5]]
    assert sorted(lines) == [-0.64, -0.43, 0.0, 0.43, 0.64]
    assert legend_of(figure) == ["A", "B", "C"] and axes.get_xlabel() == "difference in logits"


def test_dif_effects_of_flags_that_are_true_or_false():
    table = pd.DataFrame({"item": ["a", "b"], "effect": [0.1, 0.9], "flag": [False, True]})
    figure = plot_dif_effects(table, sort=False)
    assert legend_of(figure) == ["not flagged", "flagged"]
    assert [text.get_text() for text in figure.axes[0].get_yticklabels()] == ["b", "a"]
    alone = plot_dif_effects(table[1:])
    marker = figure.axes[0].lines[-1].get_marker()
    assert legend_of(alone) == ["flagged"] and alone.axes[0].lines[-1].get_marker() == marker
    assert not plot_dif_effects(table.drop(columns="flag")).legends


def test_dif_effects_errors():
    table = pd.DataFrame({"item": ["a", "a"], "effect": [0.1, 0.9]})
    with pytest.raises(SpecificationError, match="item 'a' twice"):
        plot_dif_effects(table)
    with pytest.raises(SpecificationError, match="effect of item 'b' is not finite"):
        plot_dif_effects(table.assign(item=["a", "b"], effect=[0.1, np.nan]))
    many = pd.DataFrame({"item": range(5), "effect": 0.0, "flag": range(5)})
    with pytest.raises(SpecificationError, match="flag has 5 classes"):
        plot_dif_effects(many)
    with pytest.raises(SpecificationError, match="item 'b' has no flag"):
        plot_dif_effects(table.assign(item=["a", "b"], flag=["A", None]))


def fit_table():
    table = pd.DataFrame({"item": np.repeat(["a", "b"], 4), "score": [1, 2, 3, 4] * 2})
    table["observed"] = [0.1, 0.3, 0.6, 0.95, 0.9, 0.95, 1.0, 1.0]
    table["expected"] = [0.15, 0.3, 0.55, 0.9, 0.92, 0.95, 0.97, 0.99]
    return table.assign(n=[5, 10, 20, 40] * 2)


def test_item_fit():
    table = fit_table().assign(ci_lower=0.1, ci_upper=1.0)
    figure = plot_item_fit(table, notes={"b": "S-X2 = 3.1"})
    for axes, (_, part) in zip(figure.axes, table.groupby("item"), strict=True):
        assert_allclose(axes.lines[0].get_xydata(), part[["score", "expected"]])
        intervals, points = axes.collections
        assert_allclose(points.get_offsets(), part[["score", "observed"]])
        assert_allclose(points.get_sizes() / points.get_sizes()[0], [1, 2, 4, 8])
        assert len(intervals.get_segments()) == 4
    assert not figure.axes[0].texts
    (note,) = figure.axes[1].texts
    # below, where the curve is not
    assert note.get_text() == "S-X2 = 3.1" and note.get_position() == (0.96, 0.04)
    assert legend_of(figure) == ["expected", "observed, n = 4", "observed, n = 40"]
    with pytest.raises(SpecificationError, match="'c'"):
        plot_item_fit(table, notes={"c": ""})
    with pytest.raises(SpecificationError, match="leave out groups without persons"):
        plot_item_fit(table.assign(n=0))


def test_item_fit_of_categories():
    table = fit_table()
    table = pd.concat([table.assign(category=0), table.assign(category=1)])
    table = pd.concat([table, fit_table()[:4].assign(category=2)])
    figure = plot_item_fit(table)
    assert [len(axes.lines) for axes in figure.axes] == [3, 2]
    assert legend_of(figure)[:3] == ["0", "1", "2"]


def test_sum_scores():
    table = pd.DataFrame({"score": [0, 1, 2], "eap": [-0.8, 0.0, 0.9], "sd": [0.8, 0.7, 0.6]})
    figure = plot_sum_scores(table, multiple=2.0)
    (axes,) = figure.axes
    assert_allclose(axes.lines[0].get_xydata(), table[["score", "eap"]])
    (bars,) = axes.collections
    ends = np.array(bars.get_segments())[:, :, 1]
    assert_allclose(ends, table[["eap"]].to_numpy() + np.outer(table["sd"], [-2, 2]))
    assert axes.get_ylabel() == "latent variable (theta),\nposterior mean ± 2 SD"
    shares = table.assign(expected=[0.2, 0.5, 0.3], observed=[0.25, 0.45, 0.3])
    top, lower = plot_sum_scores(shares).axes
    assert_allclose(lower.lines[0].get_ydata(), shares["expected"])
    assert_allclose([bar.get_height() for bar in lower.patches], shares["observed"])
    assert lower.get_xlabel() == "sum score" and not top.get_xlabel()
    assert len(plot_sum_scores(shares, ax=new_axes()).axes) == 1
    groups = pd.concat([shares.assign(group="a"), shares.assign(group="b")])
    top, lower = plot_sum_scores(groups).axes
    assert [text.get_text() for text in top.get_legend().get_texts()] == ["a", "b"]
    assert len(lower.patches) == 6
