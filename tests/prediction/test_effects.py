"""Marginal effects, ratios, intraclass correlations, median odds ratios."""

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from scipy.stats import norm
from statsmodels.tools.sm_exceptions import ConvergenceWarning

import sm_gllamm.formula.api as smgf
from sm_gllamm.exceptions import BoundaryWarning, SpecificationError
from tests.prediction.conftest import three_level_frame


@pytest.fixture(scope="module")
def covariates():
    rng = np.random.default_rng(7)
    g = np.repeat(np.arange(50), 8)
    frame = pd.DataFrame(
        {
            "g": g,
            "x": rng.normal(1, 1, 400),
            "d": rng.integers(0, 5, 400) > 1,
            "n": rng.poisson(2, 400),
        }
    )
    frame["d"] = frame["d"].astype(int)  # median 1: elasticities at medians are not zero
    linear = -1 + 0.6 * frame["x"] + 0.5 * frame["d"] + 0.2 * frame["n"]
    linear += rng.standard_normal(50)[g]
    frame["y"] = rng.binomial(1, 1 / (1 + np.exp(-linear)))
    return smgf.glmm("y ~ x + d + n + (1 | g)", frame, family="binomial").fit(n_points=15)


CONTINUOUS = [
    (at, method, {})
    for at in ("overall", "mean", "median", "all")
    for method in ("dydx", "eyex", "dyex", "eydx")
]
DISCRETE = [
    (at, method, {kind: True})
    for at in ("overall", "mean", "all")
    for method in ("dydx", "eydx")
    for kind in ("dummy", "count")
]


@pytest.mark.parametrize(
    ("at", "method", "discrete"), [*CONTINUOUS, *DISCRETE, ("zero", "dydx", {})]
)
def test_conditional_effects_are_those_of_a_logit(covariates, at, method, discrete):
    got = covariates.get_margeff(at=at, method=method, which="conditional", **discrete)
    params, cov = np.asarray(covariates.params)[:4], np.asarray(covariates.cov_params())[:4, :4]
    model = sm.Logit(covariates.model.endog, covariates.model.exog)
    with pytest.warns(ConvergenceWarning):
        logit = model.fit(start_params=params, maxiter=0, disp=0)
    logit._results.normalized_cov_params = cov
    expected = logit.get_margeff(at=at, method=method, **discrete)
    np.testing.assert_allclose(got.margeff, expected.margeff, rtol=1e-8)
    if at != "all":
        # statsmodels differentiates elasticities numerically
        np.testing.assert_allclose(got.margeff_se, expected.margeff_se, rtol=1e-5)
        assert got.summary_frame().index.tolist() == ["x", "d", "n"]
        assert "Marginal Effects" in str(got.summary())


def effects_by_differences(result, params, h=1e-4):
    """Average effect of the covariate of `slopes` on the marginal mean, by differences."""
    exog = result.model.exog
    up, down = exog.copy(), exog.copy()
    up[:, 1] += h
    down[:, 1] -= h
    mean = [result.model.predict(params, e, exog_re=e) for e in (up, down)]
    return ((mean[0] - mean[1]) / (2 * h)).mean()


def test_marginal_effect_of_a_covariate_with_a_random_slope(slopes):
    params = np.asarray(slopes.params)
    got = slopes.get_margeff()
    np.testing.assert_allclose(got.margeff[0], effects_by_differences(slopes, params), rtol=1e-6)
    gradient = np.empty(len(params))
    for t in range(len(params)):
        step = np.zeros(len(params))
        step[t] = 1e-4
        up, down = (effects_by_differences(slopes, params + s) for s in (step, -step))
        gradient[t] = (up - down) / 2e-4
    expected = np.sqrt(gradient @ np.asarray(slopes.cov_params()) @ gradient)
    np.testing.assert_allclose(got.margeff_se[0], expected, rtol=1e-4)


def test_marginal_effect_of_a_dummy_is_a_difference_of_means(covariates):
    frame = covariates.model.data.frame
    got = covariates.get_margeff(dummy=True).summary_frame().loc["d"]
    one, zero = (covariates.predict(frame.assign(d=d)) for d in (1, 0))
    np.testing.assert_allclose(got.iloc[0], (one - zero).mean(), rtol=1e-10)
    count = covariates.get_margeff(count=True).summary_frame().loc["n"]
    up, down = (covariates.predict(frame.assign(n=frame["n"] + s)) for s in (1, -1))
    np.testing.assert_allclose(count.iloc[0], (up - down).mean() / 2, rtol=1e-10)


def test_effects_at_given_values(covariates):
    got = covariates.get_margeff(atexog={2: 1.0}).margeff
    frame = covariates.model.data.frame.assign(d=1)
    h = 1e-5
    up, down = (covariates.predict(frame.assign(x=frame["x"] + s)) for s in (h, -h))
    np.testing.assert_allclose(got[0], ((up - down) / (2 * h)).mean(), rtol=1e-7)


@pytest.mark.parametrize("options", [{"at": "mode"}, {"method": "dy"}, {"which": "posterior"}])
def test_unknown_options_of_effects(covariates, options):
    with pytest.raises(SpecificationError):
        covariates.get_margeff(**options)


def test_ratios(covariates, counts, gaussian):
    table = covariates.odds_ratios(alpha=0.1)
    assert table.columns.tolist() == ["OR", "std err", "P>|z|", "[0.05", "0.95]"]
    coefficients = covariates.params[:4]
    np.testing.assert_allclose(table["OR"], np.exp(coefficients))
    ci = np.exp(covariates.conf_int(alpha=0.1)[:4])
    np.testing.assert_allclose(table[["[0.05", "0.95]"]], ci)
    assert counts.incidence_rate_ratios().columns[0] == counts.ratios().columns[0] == "IRR"
    with pytest.raises(SpecificationError, match="they are IRR"):
        counts.odds_ratios()
    with pytest.raises(SpecificationError, match="Identity"):
        gaussian.ratios()


def test_icc_with_three_levels(three_level):
    top, low = three_level.params.iloc[2:4]
    table = three_level.icc()
    assert table.index.tolist() == ["school", "school:klass"]
    total = top + low + np.pi**2 / 3
    np.testing.assert_allclose(table["icc"], [top / total, (top + low) / total])
    cov = np.asarray(three_level.cov_params())[2:4, 2:4]
    gradient = np.array([low + np.pi**2 / 3, -top]) / total**2
    np.testing.assert_allclose(table["std err"].iloc[0], np.sqrt(gradient @ cov @ gradient))
    assert ((table["[0.025"] < table["icc"]) & (table["icc"] < table["0.975]"])).all()


def test_icc_of_gaussian_and_with_slopes(gaussian):
    v = np.asarray(gaussian.params[2:])
    np.testing.assert_allclose(gaussian.icc()["icc"], v[0] / (v[0] + v[3]))
    at_5 = v[0] + 10 * v[1] + 25 * v[2]
    np.testing.assert_allclose(gaussian.icc(at={"Days": 5})["icc"], at_5 / (at_5 + v[3]))
    with pytest.raises(SpecificationError, match="'Day'"):
        gaussian.icc(at={"Day": 5})


def test_no_icc_of_counts(counts):
    with pytest.raises(SpecificationError, match="no latent response"):
        counts.icc()


def test_median_odds_ratio(three_level, counts, gaussian):
    top, low = three_level.params.iloc[2:4]
    table = three_level.median_odds_ratio()
    draws = norm.ppf(0.75) * np.sqrt(2 * np.array([top + low, low]))
    np.testing.assert_allclose(table["MOR"], np.exp(draws))
    assert ((1 < table["[0.025"]) & (table["[0.025"] < table["MOR"])).all()
    error = three_level.bse.iloc[3]
    slope = table["MOR"].iloc[1] * norm.ppf(0.75) / np.sqrt(2 * low)
    np.testing.assert_allclose(table["std err"].iloc[1], slope * error)
    assert counts.median_odds_ratio().columns[0] == "MRR"
    with pytest.raises(SpecificationError, match="logit"):
        gaussian.median_odds_ratio()


def test_ratio_of_probits_is_refused():
    model = smgf.glmm(
        "y ~ x + (1 | school)",
        three_level_frame(),
        family=sm.families.Binomial(link=sm.families.links.Probit()),
    )
    with pytest.raises(SpecificationError, match="Probit"):
        model.fit(n_points=9).ratios()


def test_variance_on_the_boundary():
    frame = pd.DataFrame({"y": np.tile([0, 1], 60), "g": np.repeat(np.arange(30), 4)})
    with pytest.warns(BoundaryWarning):
        result = smgf.glmm("y ~ 1 + (1 | g)", frame, family="binomial").fit()
    table = result.icc()
    np.testing.assert_allclose(table["icc"], 0.0, atol=1e-8)
    assert table.iloc[0, 1:].isna().all()
    assert result.predict(frame.head(2)).tolist() == pytest.approx([0.5, 0.5])
    assert np.isfinite(result.get_prediction(frame.head(2)).se).all()
    assert result.random_effects.abs().max().max() < 1e-6
