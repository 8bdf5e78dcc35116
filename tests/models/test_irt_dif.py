"""Differential item functioning: tests, purification and effect sizes."""

import numpy as np
import pandas as pd
import pytest
from scipy import integrate, stats
from scipy.special import expit
from statsmodels.tools.sm_exceptions import SpecificationWarning

import sm_gllamm.api as smg
from sm_gllamm.datasets import asvab
from sm_gllamm.items.bank import Item
from sm_gllamm.items.dif import dif_effect, ets_class

SLOPES = np.linspace(0.8, 1.8, 8)
INTERCEPTS = np.linspace(-1.0, 1.0, 8)


@pytest.fixture(scope="module")
def two_groups():
    """Item 3 is easier in group b, by 0.9 logits; group b has another mean and variance."""
    rng = np.random.default_rng(11)
    n = 1200
    theta = np.concatenate([rng.normal(size=n), 0.4 + 1.3 * rng.normal(size=n)])
    group = np.repeat(["a", "b"], n)
    intercepts = np.tile(INTERCEPTS, (2 * n, 1))
    intercepts[n:, 2] += 0.9
    y = rng.random((2 * n, 8)) < expit(theta[:, None] * SLOPES + intercepts)
    data = pd.DataFrame(y.astype(int), columns=[f"x{j + 1}" for j in range(8)])
    return data.assign(group=group)


@pytest.fixture(scope="module")
def fitted(two_groups):
    return smg.IRT(two_groups, items=list(two_groups.columns[:8]), groups="group").fit()


def test_the_item_with_dif_is_found(fitted):
    table = fitted.dif()
    assert table.index[table["flagged"]].tolist() == ["x3"]
    assert table["converged"].all()
    assert table.loc["x3", "ets_class"] == "C"
    assert table.loc["x3", "signed"] > 0.1


def test_statistic_is_twice_the_difference_of_log_likelihoods(two_groups, fitted):
    table = fitted.dif(items=["x3"], purify=False)
    items = list(two_groups.columns[:8])
    free = smg.IRT(two_groups, items=items, groups="group", free_items=["x3"]).fit()
    statistic = 2 * (free.llf - fitted.llf)
    np.testing.assert_allclose(table.loc["x3", "statistic"], statistic, rtol=1e-5)
    assert table.loc["x3", "df"] == 2
    np.testing.assert_allclose(
        table.loc["x3", "p_value"], stats.chi2.sf(statistic, 2), rtol=1e-3, atol=1e-12
    )


def test_wald_and_likelihood_ratio_agree(fitted):
    lr, wald = fitted.dif(kind="uniform"), fitted.dif(kind="uniform", method="wald")
    assert (lr["df"] == 1).all()
    np.testing.assert_allclose(lr["statistic"], wald["statistic"], rtol=0.05, atol=0.05)


def test_covariates_give_direct_effects(two_groups):
    items = list(two_groups.columns[:8])
    fit = smg.IRT(two_groups, items=items).fit()
    table = fit.dif("~ group", kind="uniform", items=["x1", "x3"], purify=False)
    full = smg.IRT(two_groups, items=items, regression="~ group", dif={"x3": "~ group"}).fit()
    null = smg.IRT(two_groups, items=items, regression="~ group").fit()
    np.testing.assert_allclose(table.loc["x3", "statistic"], 2 * (full.llf - null.llf), rtol=1e-5)
    effect = full.params["dif[x3: group[T.b]]"]
    np.testing.assert_allclose(
        table.loc["x3", "difficulty"], -effect / full.params["slope[x3]"], rtol=1e-5
    )


def test_reference_of_a_direct_effect():
    # shared reference asvab_mimic_dif1 (dense trapezoid grid, converged)
    data = asvab.load_pandas().data
    items = [c for c in data if c.startswith("item")]
    fit = smg.IRT(
        data, items=items, freq_weights="freq", regression="~ black*female",
        dif={"item_1": "~ black"},
    ).fit()  # fmt: skip
    np.testing.assert_allclose(fit.llf, -1955.5850446928, rtol=1e-8)


@pytest.mark.parametrize("model", ["graded", "GPCM"])
def test_items_with_more_categories(model):
    rng = np.random.default_rng(4)
    n = 600
    theta = rng.normal(size=2 * n)
    group = np.repeat([0, 1], n)
    cut = np.array([0.8, -0.8])
    shift = np.zeros((2 * n, 5))
    shift[n:, 0] = 1.0
    nu = theta[:, None, None] * 1.3 + cut + shift[:, :, None]
    y = (rng.random((2 * n, 5, 1)) < expit(nu)).sum(axis=2)
    fit = smg.IRT(y, model=model, groups=group).fit()
    table = fit.dif(items=["item_1", "item_2"])
    assert table["flagged"].tolist() == [True, False]
    assert (table["df"] == 3).all()


def test_effect_sizes_are_integrals():
    first = Item("x", "binary", "2PL", np.array([1.2]), np.array([0.4]))
    second = Item("x", "binary", "2PL", np.array([0.7]), np.array([-0.1]))
    mean, sd = 0.3, 1.2
    effect = dif_effect(first, second, np.array([mean]), np.array([[sd**2]]))

    def average(function):
        density = stats.norm(mean, sd).pdf
        return integrate.quad(lambda t: function(t) * density(t), -8, 8, limit=400)[0]

    def difference(t):
        return expit(0.7 * t - 0.1) - expit(1.2 * t + 0.4)

    np.testing.assert_allclose(effect.signed, average(difference), atol=1e-5)
    np.testing.assert_allclose(effect.unsigned, average(lambda t: abs(difference(t))), atol=1e-3)


def test_classes_of_ets():
    assert ets_class(0.9, 0.2) == "A"
    assert ets_class(0.3, 0.001) == "A"
    assert ets_class(-0.5, 0.001) == "B"
    assert ets_class(0.7, 0.001) == "C"


def test_bad_input(fitted, two_groups):
    with pytest.raises(smg.SpecificationError, match="no item"):
        fitted.dif(items=["z"])
    with pytest.raises(smg.SpecificationError, match="method"):
        fitted.dif(method="score")
    plain = smg.IRT(two_groups, items=list(two_groups.columns[:8])).fit()
    with pytest.raises(smg.SpecificationError, match="no groups"):
        plain.dif()


def test_direct_effects_of_the_model_are_not_dropped(two_groups):
    items = list(two_groups.columns[:8])
    fit = smg.IRT(two_groups, items=items, regression="~ group", dif={"x3": "~ group"}).fit()
    with pytest.raises(smg.SpecificationError, match="direct effects on items already"):
        fit.dif("~ group")


def test_everything_flagged_is_said():
    data = asvab.load_pandas().data
    items = [c for c in data if c.startswith("item")]
    fit = smg.IRT(data, items=items, freq_weights="freq", regression="~ black*female").fit()
    with pytest.warns(SpecificationWarning, match="anchors"):
        fit.dif("~ black")


def test_plots(fitted):
    figure = fitted.plot_dif("x3")
    assert len(figure.axes[0].lines) >= 2
    table = fitted.dif()
    figure = fitted.plot_dif_effects(table)
    labels = [text.get_text() for text in figure.axes[0].get_yticklabels()]
    assert set(labels) == set(table.index)


def test_specific_slopes_point_upwards():
    rng = np.random.default_rng(5)
    own = np.repeat([0, 1], 4)
    nu = rng.normal(size=(800, 1)) + 1.2 * rng.normal(size=(800, 2))[:, own]
    y = (rng.random((800, 8)) < expit(nu)).astype(int)
    groups = {"s1": [f"item_{k}" for k in (1, 2, 3, 4)], "s2": [f"item_{k}" for k in (5, 6, 7, 8)]}
    model = smg.IRT(y, specific=groups)
    fit = model.fit()
    for label in groups:
        slopes = fit.params.filter(like=f", {label}]")
        assert slopes.sum() > 0
    turned = fit.params.where(~fit.params.index.str.endswith(", s2]"), -fit.params)
    again = model.fit(start_params=turned)
    np.testing.assert_allclose(again.params, fit.params, atol=1e-4)
    np.testing.assert_allclose(again.bse, fit.bse, rtol=1e-3)
    np.testing.assert_allclose(np.asarray(model.score(again.params)), 0.0, atol=1e-3)
