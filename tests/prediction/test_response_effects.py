"""Marginal effects, ratios, intraclass correlations, random effects and plots of all responses."""

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm

import sm_gllamm.formula.api as smgf
from sm_gllamm.exceptions import SpecificationError
from sm_gllamm.responses import families as smf
from tests.prediction.responses import CASES, data, fitted
from tests.prediction.test_alternatives import nominal

RATIOS = {
    "nb2": "IRR", "zinb1": "IRR", "truncated poisson": "IRR", "hurdle": "IRR", "gamma": "RM",
    "ordinal logit": "OR", "continuation ratio": "OR", "adjacent": "OR", "weibull ph": "HR",
    "exponential ph": "HR", "weibull aft": "TR", "lognormal": "TR", "gamma duration": "TR",
}  # fmt: skip


@pytest.mark.parametrize(
    "name", ["zinb1", "truncated nb2", "lognormal", "weibull ph", "nb2", "beta"]
)
@pytest.mark.parametrize("which", ["marginal", "conditional"])
def test_marginal_effects_are_differences_of_predictions(name, which):
    result = fitted(name)
    effects = result.get_margeff(which=which)
    h = 1e-4
    up, down = (data().assign(x=data()["x"] + s * h) for s in (1, -1))
    slope = (result.predict(up, which=which) - result.predict(down, which=which)) / (2 * h)
    np.testing.assert_allclose(effects.margeff, [slope.mean()], rtol=1e-6)
    high = result.get_prediction(up, which=which, average=True)
    assert effects.margeff_se.shape == (1,) and effects.margeff_se[0] > 0
    assert high.se[0] > 0
    frame = result.get_margeff(at="mean", method="eyex", which=which).summary_frame()
    assert frame.index.tolist() == ["x"] and np.isfinite(frame.to_numpy()).all()


def test_standard_errors_of_marginal_effects_by_both_ways():
    result = fitted("exponential aft")
    analytic = result.get_margeff()
    # the same mean, in a form that has no analytic derivatives
    aft = CASES["weibull aft"].fit(data().assign(event=1.0))
    fixed = aft.model.fit_constrained({"scale": 1.0})
    exponential = smgf.glmm(
        "time + event ~ x + (1 | g)", data().assign(event=1.0), family=smf.Exponential("aft")
    ).fit()
    one, two = fixed.get_margeff(), exponential.get_margeff()
    np.testing.assert_allclose(one.margeff, two.margeff, rtol=1e-3)
    np.testing.assert_allclose(one.margeff_se, two.margeff_se, rtol=1e-2)
    assert analytic.margeff_se[0] > 0


def test_effects_that_are_not_available():
    for name in ("ordinal logit", "hurdle", "continuation ratio"):
        with pytest.raises(SpecificationError, match="marginal effects are not available"):
            fitted(name).get_margeff()
    with pytest.raises(SpecificationError, match=r"covariates in \['zero'\]"):
        fitted("zip").get_margeff()


@pytest.mark.parametrize("name", RATIOS)
def test_names_of_ratios(name):
    result, label = fitted(name), RATIOS[name]
    table = result.ratios()
    names = [x for x in ("Intercept", "x") if x in result.params]
    assert table.index.tolist() == names
    np.testing.assert_allclose(table[label], np.exp(result.params[names]))
    median = {"OR": "MOR", "IRR": "MRR", "HR": "MHR", "TR": "MTR"}.get(label)
    if median is None:
        with pytest.raises(SpecificationError, match="median odds ratio"):
            result.median_odds_ratio()
    else:
        v = result.params["var(Intercept|g)"]
        expected = np.exp(np.sqrt(2 * v) * 0.6744897501960817)
        np.testing.assert_allclose(result.median_odds_ratio()[median], expected)


def test_hazard_ratios_of_ordinal_models():
    table, result = fitted("ordinal cloglog").ratios(), fitted("ordinal cloglog")
    np.testing.assert_allclose(table["HR"], np.exp(-result.params[["x"]]))
    limits = np.exp(-result.conf_int().loc[["x"]].to_numpy()[:, ::-1])
    np.testing.assert_allclose(table.iloc[:, 3:], limits)
    with pytest.raises(SpecificationError, match="not OR"):
        result.odds_ratios()


def test_ratios_of_multinomial_models():
    table = nominal().ratios()
    assert table.index.tolist() == ["Intercept:car", "x:car", "Intercept:walk", "x:walk"]
    assert table.columns[0] == "RRR"


def test_intraclass_correlations():
    icc = {}
    for name, unit in (
        ("ordinal logit", np.pi**2 / 3), ("continuation cloglog", np.pi**2 / 6), ("loglog", np.pi**2 / 6),
        ("exponential ph", np.pi**2 / 6),
    ):  # fmt: skip
        v = fitted(name).params["var(Intercept|g)"]
        np.testing.assert_allclose(fitted(name).icc()["icc"], v / (v + unit))
    for name in ("weibull aft", "weibull ph"):
        icc[name] = fitted(name).icc()
    # the same model in two forms
    np.testing.assert_allclose(icc["weibull aft"], icc["weibull ph"], rtol=1e-4)
    everything = data().assign(event=1.0, log_time=np.log(data()["time"]))
    lognormal = CASES["lognormal"].fit(everything).icc()
    gaussian = smgf.glmm("log_time ~ x + (1 | g)", everything).fit().icc()
    np.testing.assert_allclose(lognormal, gaussian, rtol=1e-3)
    with pytest.raises(SpecificationError, match="scale="):
        fitted("ordinal probit, scale").icc()
    uneven = smgf.glmm("real ~ x + (1 | g)", data(), dispersion="~ w").fit(n_points=15)
    with pytest.raises(SpecificationError, match="dispersion="):
        uneven.icc()
    for name in ("nb2", "adjacent", "cauchit"):
        with pytest.raises(SpecificationError, match="no latent response"):
            fitted(name).icc()


def test_maximum_likelihood_values_of_random_effects():
    result = fitted("gamma")
    table = result.ranef("ml")
    cluster = data()[data()["g"] == 4]
    fixed = result.predict(cluster, which="linear")
    glm = sm.GLM(
        cluster["positive"], np.ones(len(cluster)), family=sm.families.Gamma(sm.families.links.Log()),
        offset=fixed,
    ).fit(scale=float(result.params["dispersion"]))  # fmt: skip
    np.testing.assert_allclose(table.loc[4], [glm.params.iloc[0], glm.bse.iloc[0]], rtol=1e-6)
    nb2 = fitted("nb2")
    assert np.isfinite(nb2.ranef("ml").loc[4, "Intercept"])
    for name in ("beta", "ordinal logit", "weibull ph", "hurdle"):
        with pytest.raises(SpecificationError, match="'mean' or 'mode'"):
            fitted(name).ranef("ml")
        assert fitted(name).ranef("mode").shape == (30, 2)


@pytest.mark.parametrize("name", ["ordinal logit", "continuation ratio", "lognormal", "hurdle"])
def test_plots(name):
    pytest.importorskip("matplotlib").use("Agg")
    from matplotlib import pyplot

    result = fitted(name)
    for by in (None, "v"):
        figure = result.plot_prediction("x", by=by, which="marginal", n=5)
        curves = (4 if CASES[name].categorical else 1) * (1 if by is None else 2)
        assert len(figure.axes[0].lines) == curves
        what = "probability of level" if CASES[name].categorical else "mean of "
        assert figure.axes[0].get_ylabel().startswith(what)
        pyplot.close(figure)


def test_likelihood_ratio_tests():
    wide = smgf.glmm("level ~ x + w + (1 | g)", data(), family=smf.Ordinal()).fit()
    logit = fitted("ordinal logit")
    test = tuple(wide.compare_lr_test(logit))
    assert test[2] == 1
    test = tuple(fitted("ordinal, partial").compare_lr_test(logit))
    assert test[2] == 3 and 0 <= test[1] <= 1
    equal = smgf.glmm(
        "level ~ x + (1 | g)", data(), family=smf.Ordinal(thresholds="equidistant")
    ).fit()
    assert tuple(logit.compare_lr_test(equal))[2] == 1
    with pytest.raises(SpecificationError, match="equidistant"):
        equal.compare_lr_test(logit)
    with pytest.raises(SpecificationError, match="thresholds="):
        logit.compare_lr_test(fitted("ordinal, partial"))
    zip_, plain = fitted("zip"), smgf.glmm("count ~ x + (1 | g)", data(), family=smf.ZeroInflated())
    assert tuple(zip_.compare_lr_test(plain.fit()))[2] == 1
    for one, other in (("nb2", "nb1"), ("weibull ph", "weibull aft"), ("zip", "zinb1")):
        with pytest.raises(SpecificationError, match="families differ"):
            fitted(one).compare_lr_test(fitted(other))
    fixed, known = fitted("nb2 fixed"), sm.families.NegativeBinomial(alpha=0.2)
    other = smgf.glmm("count ~ x + (1 | g)", data(), family=known).fit(n_points=15)
    with pytest.raises(SpecificationError, match="families differ"):
        fixed.compare_lr_test(other)


def test_likelihood_ratio_tests_of_models_without_random_effects():
    result = fitted("nb2")
    pooled = sm.NegativeBinomial(data()["count"], sm.add_constant(data()[["x"]])).fit(disp=0)
    test = tuple(result.compare_lr_test(pooled))
    assert test[2] == 1
    np.testing.assert_allclose(test[0], 2 * (result.llf - pooled.llf))
    gamma = fitted("gamma")
    glm = sm.GLM(
        data()["positive"], sm.add_constant(data()[["x"]]),
        family=sm.families.Gamma(sm.families.links.Log()),
    ).fit()  # fmt: skip
    assert tuple(gamma.compare_lr_test(glm))[2] == 1


def test_random_effects_of_several_levels():
    table = data().assign(top=data()["g"] // 3)
    result = smgf.glmm("level ~ x + (1 | top/g)", table, family=smf.Ordinal()).fit(n_points=9)
    effects = result.random_effects
    assert {name: frame.shape for name, frame in effects.items()} == {
        "top": (10, 1), "top:g": (30, 1),
    }  # fmt: skip
    new = table.iloc[:3].assign(g=[0, 99, 0], top=[0, 0, 99])
    got = result.predict(new, which="posterior")
    np.testing.assert_allclose(got.iloc[2], result.predict(new).iloc[2], rtol=1e-9)
    assert (np.abs(got.iloc[1] - result.predict(new).iloc[1]) > 1e-6).all()
    ratio = smgf.glmm(
        "level ~ x + (1 | top/g)", table, family=smf.ContinuationRatio()
    ).fit(n_points=9)  # fmt: skip
    got = ratio.predict(new, which="posterior")
    np.testing.assert_allclose(got.sum(axis=1), 1.0)
    np.testing.assert_allclose(got.iloc[2], ratio.predict(new).iloc[2], rtol=1e-9)
    counts = table.assign(count=np.maximum(table["count"], 1))
    truncated = smgf.glmm("count ~ x + (1 | top/g)", counts, family=smf.ZeroTruncated())
    truncated = truncated.fit(n_points=9)
    assert truncated.predict(new, which="posterior").min() > 1.0
    assert isinstance(truncated.predict(new, which="posterior"), pd.Series)
