"""Plots of item response models show what direct computations give, with delta-method bands."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

import sm_gllamm.api as smg
from sm_gllamm.datasets import lsat, science
from sm_gllamm.exceptions import BoundaryWarning, SpecificationError

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("Agg")

DATA = lsat.load_pandas().data
THETA = np.array([-2.0, -0.5, 0.0, 1.5])


@pytest.fixture(autouse=True)
def closed_figures():
    yield
    from matplotlib import pyplot

    pyplot.close("all")


@pytest.fixture(scope="module")
def two():
    return smg.IRT(DATA).fit()


@pytest.fixture(scope="module")
def ordinal():
    data = science.load_pandas().data[["comfort", "work", "future", "benefit"]]
    return {name: smg.IRT(data, name).fit() for name in ("graded", "GPCM", "nominal")}


@pytest.fixture(scope="module")
def grouped():
    """Items of two dimensions, two groups with other means, one item with parameters by group."""
    rng = np.random.default_rng(3)
    n = 500
    group = rng.integers(0, 2, n)
    theta = rng.normal(size=(n, 2)) + group[:, None] * [0.6, -0.3]
    nu = 1.3 * theta[:, np.arange(8) % 2] + np.linspace(-1.0, 1.0, 8)
    nu[:, 3] += group
    data = pd.DataFrame(
        (rng.random(nu.shape) < 1 / (1 + np.exp(-nu))).astype(int),
        columns=[f"y{j}" for j in range(8)],
    )
    data["sex"] = np.where(group, "girl", "boy")
    dimensions = {"math": ["y0", "y2", "y4", "y6"], "verbal": ["y1", "y3", "y5", "y7"]}
    return smg.IRT(
        data, dimensions=dimensions, items=list(data)[:8], groups="sex", free_items=["y3"]
    ).fit()


def bands(axes):
    """Lower and upper edges of the bands of an axes, one pair a curve."""
    found = []
    for collection in axes.collections:
        if not hasattr(collection, "get_paths") or type(collection).__name__ == "LineCollection":
            continue
        corners = collection.get_paths()[0].vertices
        places = np.unique(corners[:, 0])
        found.append([[f(corners[corners[:, 0] == x, 1]) for x in places] for f in (min, max)])
    return np.array(found)


def curves(axes):
    return np.array([line.get_ydata() for line in axes.lines])


def by_differences(result, function, group=0, scale="logit"):
    """A function of the bank with 95% limits that are symmetric on a scale."""
    params, cov = np.asarray(result.params), np.asarray(result.cov_params())

    def at(values):
        y = np.asarray(function(result.model.bank_at(values, group)))
        return np.log(y / (1 - y)) if scale == "logit" else np.log(y)

    step = 1e-5
    jacobian = np.stack(
        [(at(params + e) - at(params - e)) / (2 * step) for e in step * np.eye(len(params))], -1
    )
    half = 1.959964 * np.sqrt(np.einsum("...p,pq,...q->...", jacobian, cov, jacobian))
    centre = at(params)
    back = (lambda v: 1 / (1 + np.exp(-v))) if scale == "logit" else np.exp
    return back(centre), back(centre - half), back(centre + half)


# ------------------------------------------------------------ curves
def test_bands_of_item_curves(two):
    """logit P = a theta + d, with variance theta^2 V(a) + 2 theta C(a, d) + V(d)."""
    figure = two.plot_item_curves(["item_2", "item_4"], theta=THETA, alpha=0.1)
    (axes,) = figure.axes
    params, cov = two.params, two.cov_params()
    for k, name in enumerate(["item_2", "item_4"]):
        a, d = f"slope[{name}]", f"intercept[{name}]"
        nu = params[a] * THETA + params[d]
        variance = THETA**2 * cov.loc[a, a] + 2 * THETA * cov.loc[a, d] + cov.loc[d, d]
        half = 1.644854 * np.sqrt(variance)
        limits = [1 / (1 + np.exp(-(nu - half))), 1 / (1 + np.exp(-(nu + half)))]
        assert_allclose(curves(axes)[k], 1 / (1 + np.exp(-nu)), rtol=1e-9)
        assert_allclose(bands(axes)[k], limits, rtol=1e-6)


@pytest.mark.parametrize("model", ["graded", "GPCM", "nominal"])
def test_bands_of_category_curves(ordinal, model):
    result = ordinal[model]
    figure = result.plot_category_curves(theta=THETA)
    assert [axes.get_title() for axes in figure.axes] == result.bank.names
    expected = by_differences(result, lambda bank: bank.items[1].probabilities(THETA[:, None]).T)
    assert_allclose(curves(figure.axes[1]), expected[0], rtol=1e-9)
    assert_allclose(bands(figure.axes[1]), np.stack(expected[1:], axis=1), rtol=1e-5)


@pytest.mark.parametrize("model", ["graded", "GPCM"])
def test_bands_of_expected_scores(ordinal, model):
    result = ordinal[model]

    def share(bank):
        return sum(item.expected_score(THETA[:, None]) for item in bank.items) / 12.0

    (axes,) = result.plot_expected_scores(theta=THETA).axes
    expected = 12.0 * np.array(by_differences(result, share))
    assert_allclose(curves(axes)[0], expected[0], rtol=1e-9)
    assert_allclose(bands(axes)[0], expected[1:], rtol=1e-5)
    panels = result.plot_expected_scores("future", theta=THETA).axes
    assert_allclose(
        curves(panels[0])[0], result.bank.items[2].expected_score(THETA[:, None]), rtol=1e-9
    )


@pytest.mark.parametrize("model", ["graded", "GPCM", "nominal"])
def test_bands_of_information(ordinal, model):
    result = ordinal[model]

    def information(bank):
        return np.array([item.information(THETA[:, None])[:, 0, 0] for item in bank.items])

    (axes,) = result.plot_information(theta=THETA).axes
    expected = by_differences(result, information, scale="log")
    assert_allclose(curves(axes), expected[0], rtol=1e-9)
    assert_allclose(bands(axes), np.stack(expected[1:], axis=1), rtol=1e-4)
    left, right = result.plot_test_information(theta=THETA).axes
    total = by_differences(result, lambda bank: information(bank).sum(axis=0), scale="log")
    assert_allclose(bands(left)[0], total[1:], rtol=1e-4)
    assert_allclose(curves(right)[0], total[0] ** -0.5, rtol=1e-9)


def test_information_of_items_with_an_asymptote_that_is_fixed():
    result = smg.IRT(DATA, fixed={"item_3": {"lower": 0.2}}).fit()

    def information(bank):
        return bank.items[2].information(THETA[:, None])[:, 0, 0]

    (axes,) = result.plot_information("item_3", theta=THETA).axes
    expected = by_differences(result, information, scale="log")
    assert_allclose(bands(axes)[0], expected[1:], rtol=1e-4)


def test_observed_proportions_are_posterior_weighted(two):
    """Where the curves are right, proportions of all tenths average to that of all persons."""
    figure = two.plot_item_curves("item_3", observed=True)
    (points,) = [c for c in figure.axes[0].collections if len(c.get_offsets()) > 1]
    theta, proportion = points.get_offsets().T
    assert len(theta) == 10
    assert_allclose(proportion.mean(), DATA["item_3"].mean(), atol=0.01)
    # close to the maximum likelihood curve, also in the outermost tenths
    fitted = two.bank.items[2].probabilities(theta[:, None])[:, 1]
    assert_allclose(proportion, fitted, atol=0.02)


# ------------------------------------------------------------ groups and dimensions
def test_curves_along_one_of_two_dimensions(grouped):
    figure = grouped.plot_item_curves(dimension="verbal", group="girl", theta=THETA)
    (axes,) = figure.axes
    assert len(axes.lines) == 4
    assert axes.get_xlabel() == "latent variable (verbal, others at their means)"
    assert axes.get_ylabel() == "probability of 1 (girl)"
    bank = grouped.banks["girl"]
    at = np.column_stack([np.full(4, bank.mean[0]), THETA])
    assert_allclose(curves(axes)[1], bank.items[3].probabilities(at)[:, 1], rtol=1e-9)


def test_expected_scores_have_a_curve_for_each_group(grouped):
    figure = grouped.plot_expected_scores(["y2", "y3"], theta=THETA, dimension="verbal")
    for axes, j in zip(figure.axes, (2, 3), strict=True):
        for g, bank in enumerate(grouped.banks.values()):
            at = np.column_stack([np.full(4, bank.mean[0]), THETA])
            assert_allclose(curves(axes)[g], bank.items[j].expected_score(at), rtol=1e-9)
            expected = by_differences(
                grouped, lambda other, at=at, j=j: other.items[j].expected_score(at), group=g
            )
            assert_allclose(bands(axes)[g], expected[1:], rtol=1e-5)


def test_test_information_by_group_only_where_items_differ(grouped):
    same = grouped.plot_test_information(dimension="math").axes[0]
    assert len(same.lines) == 1
    differ = grouped.plot_test_information(dimension="verbal", items=True)
    assert len(differ.axes[0].lines) == 4 + 2
    texts = [text.get_text() for text in differ.legends[0].get_texts()]
    assert {"information, boy", "standard error, girl", "information of items"} <= set(texts)


def test_sum_scores_of_groups(grouped):
    top, below = grouped.plot_sum_scores(dimension="verbal").axes
    table = grouped.sum_score_table()
    assert_allclose(np.asarray(top.lines[0].get_ydata(), float), table.loc["boy", "verbal"])
    heights = np.array([bar.get_height() for bar in below.patches])
    assert_allclose(heights.reshape(2, -1).sum(axis=1), 1.0)
    one = grouped.plot_sum_scores(group="girl").axes[0]
    assert_allclose(np.asarray(one.lines[0].get_ydata(), float), table.loc["girl", "math"])


# ------------------------------------------------------------ Wright map
def places(figure):
    """Locations of marks, and intervals, of the side of items."""
    items = figure.axes[1]
    marks = [line.get_ydata()[0] for line in items.lines]
    segments = [s[:, 1] for c in items.collections for s in getattr(c, "get_segments", list)()]
    return np.array(marks), np.array(segments)


@pytest.mark.parametrize("model", ["2PL", "graded", "GPCM"])
def test_locations_are_difficulties(two, ordinal, model):
    result = two if model == "2PL" else ordinal[model]
    table = result.item_table("difficulty")
    table = table[table.index.get_level_values("parameter").str.startswith("difficulty")]
    marks, segments = places(result.plot_wright_map(limits=(-30, 30)))
    assert_allclose(marks, table["estimate"], rtol=1e-8)
    assert_allclose(segments, table[["lower", "upper"]], rtol=1e-5)


def test_locations_on_one_dimension(grouped):
    """-intercept / slope of the items that measure it."""
    table = grouped.item_table("intercept", group="girl")["estimate"].unstack()
    of_verbal = table.loc[["y1", "y3", "y5", "y7"]]
    marks, _ = places(grouped.plot_wright_map(dimension="verbal", group="girl"))
    assert_allclose(marks, -of_verbal["intercept"] / of_verbal["slope[verbal]"], rtol=1e-8)


def test_locations_of_items_that_measure_two_dimensions():
    rng = np.random.default_rng(2)
    n = 400
    theta = rng.normal(size=(n, 2)) + 0.4 * rng.integers(0, 2, n)[:, None]
    slopes = np.array([[1.4, 0], [1.1, 0], [1.0, 0.9], [0, 1.2], [0, 1.3], [1.2, 0]])
    y = rng.random((n, 6)) < 1 / (1 + np.exp(-(theta @ slopes.T + 0.3)))
    data = pd.DataFrame(y.astype(int), columns=[f"y{j}" for j in range(6)])
    result = smg.IRT(
        data, dimensions={"a": ["y0", "y1", "y2", "y5"], "b": ["y2", "y3", "y4"]},
        groups=rng.integers(0, 2, n),
    ).fit()  # fmt: skip
    bank = result.banks["1"]
    figure = result.plot_wright_map("y2", dimension="a", group="1", limits=(-9, 9))
    marks, segments = places(figure)

    def location(bank):
        item = bank.items[2]
        return -(item.intercepts[0] + item.slopes[1] * other) / item.slopes[0]

    other = bank.mean[1]
    assert_allclose(marks, [location(bank)])
    assert_allclose(bank.items[2].probabilities(np.array([[marks[0], other]]))[0, 1], 0.5)
    params, cov, step = np.asarray(result.params), np.asarray(result.cov_params()), 1e-5
    gradient = np.array(
        [
            (location(result.model.bank_at(params + e, 1))
             - location(result.model.bank_at(params - e, 1))) / (2 * step)
            for e in step * np.eye(len(params))
        ]
    )  # fmt: skip
    half = 1.959964 * np.sqrt(gradient @ cov @ gradient)
    assert_allclose(segments[0], [marks[0] - half, marks[0] + half], rtol=1e-5)


def test_wright_map_counts_persons(two):
    left = two.plot_wright_map().axes[0]
    assert_allclose(sum(bar.get_width() for bar in left.patches), 1000)
    counts = DATA.groupby(list(DATA), as_index=False).size()
    weighted = smg.IRT(counts, items=list(DATA), freq_weights="size").fit()
    left = weighted.plot_wright_map().axes[0]
    assert_allclose(sum(bar.get_width() for bar in left.patches), 1000)
    # ML scores of all-right and all-wrong persons are infinite
    left = two.plot_wright_map(method="ML", limits=(-6, 6)).axes[0]
    assert_allclose(sum(bar.get_width() for bar in left.patches), 1000 - 298 - 3)


def test_density_of_persons(two):
    left = two.plot_wright_map(alpha=None, density=True).axes[0]
    density, theta = left.lines[0].get_data()
    assert_allclose(density, np.exp(-0.5 * theta**2) / np.sqrt(2 * np.pi), rtol=1e-9)
    data = DATA.assign(x=np.tile([0.0, 4.0], 500))
    result = smg.IRT(data, items=list(DATA), data=data, regression="~ x").fit()
    density, theta = result.plot_wright_map(density=True).axes[0].lines[0].get_data()
    shift = 4.0 * result.params["theta ~ x"]
    both = np.exp(-0.5 * theta**2) + np.exp(-0.5 * (theta - shift) ** 2)
    assert_allclose(density, both / np.sqrt(8 * np.pi), rtol=0.02)


def test_far_items_are_drawn_at_the_edge():
    data = science.load_pandas().data
    result = smg.IRT(data).fit()
    axes = result.plot_wright_map().axes[1]
    low, high = axes.get_ylim()
    assert -7 < low and high < 7
    assert {"^", "v", "o"} == {line.get_marker() for line in axes.lines}


# ------------------------------------------------------------ fit
def test_item_fit_shows_the_table_of_s_x2(two):
    figure = two.plot_item_fit()
    table = two.item_fit()
    for j, axes in enumerate(figure.axes):
        scores = DATA.sum(axis=1)
        observed = [DATA.loc[scores == s].iloc[:, j].mean() for s in range(1, 5)]
        (points,) = [c for c in axes.collections if type(c).__name__ == "PathCollection"]
        assert_allclose(points.get_offsets(), np.column_stack([np.arange(1, 5), observed]))
        note = axes.texts[0].get_text()
        assert f"S-X2({table['df'].iloc[j]}) = {table['statistic'].iloc[j]:.1f}" in note
    # Wilson (1927): roots of (p - P)^2 = q^2 P (1 - P) / n
    (bars,) = [c for c in axes.collections if type(c).__name__ == "LineCollection"]
    n = (DATA.sum(axis=1) == 1).sum()
    p = observed[0]
    for root in bars.get_segments()[0][:, 1]:
        assert_allclose((p - root) ** 2, 1.959964**2 * root * (1 - root) / n, rtol=1e-5)


def test_item_fit_of_ordinal_items(ordinal):
    figure = ordinal["graded"].plot_item_fit(["work", "future"])
    assert len(figure.axes) == 2 and len(figure.axes[0].lines) == 4


# ------------------------------------------------------------ refusals
def test_what_cannot_be_drawn_is_refused(two, ordinal, grouped):
    for call, match in [
        (lambda: two.plot_item_curves("item_9"), "item_9"),
        (lambda: two.plot_item_curves(dimension="math"), "theta"),
        (lambda: two.plot_item_curves(theta=[0.0, np.nan]), "finite"),
        (lambda: two.plot_item_curves(group="b"), "no groups"),
        (lambda: ordinal["graded"].plot_item_curves(), "plot_category_curves"),
        (lambda: ordinal["graded"].plot_item_curves("work"), "'work' has more than two"),
        (lambda: grouped.plot_item_curves(observed=True), "one latent variable"),
        (lambda: ordinal["nominal"].plot_wright_map(), "no finite location"),
    ]:
        with pytest.raises(SpecificationError, match=match):
            call()


def test_a_latent_variable_without_variance():
    """Curves do not depend on it, and there is a range to see."""
    rng = np.random.default_rng(4)
    half = rng.integers(0, 2, (300, 2))
    data = pd.DataFrame(np.column_stack([half, 1 - half]), columns=list("abcd"))
    with pytest.warns(BoundaryWarning):
        result = smg.IRT(data, "Rasch").fit()
    with pytest.raises(SpecificationError, match="no variance"):
        result.plot_wright_map(method="EAP")
    with pytest.raises(SpecificationError, match="no density"):
        result._latent_density(0, None)
    (axes,) = result.plot_item_curves("a").axes
    assert_allclose(np.ptp(axes.lines[0].get_xdata()), 8.0)
    assert np.isfinite(bands(axes)).all()
