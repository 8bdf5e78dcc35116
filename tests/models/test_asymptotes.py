"""Binomial responses with asymptotes: the likelihood by brute force, asymptotes known or of rows' own."""

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from scipy import stats
from scipy.special import expit, logit, logsumexp

import sm_gllamm.api as smg
import sm_gllamm.formula.api as smgf

Asymptotes = smg.families.BinomialAsymptotes
FORMULA = "y ~ x + (1 | g)"


def simulated(lower=0.2, upper=0.93, n_clusters=300, size=8):
    """Rows with a covariate and a random intercept; two kinds of rows."""
    rng = np.random.default_rng(1)
    g = np.repeat(np.arange(n_clusters), size)
    x, kind = 2.0 * rng.standard_normal(len(g)), np.arange(len(g)) % 2
    nu = 0.4 + 1.2 * x + rng.standard_normal(n_clusters)[g]
    y = rng.binomial(1, lower + (upper - lower) * expit(nu))
    return pd.DataFrame({"y": y, "x": x, "g": g, "kind": kind, "w": rng.standard_normal(len(g))})


def log_likelihood(p, data, lower, upper):
    """By a sum over a fine grid."""
    u = np.linspace(-8.0, 8.0, 321)
    nu = (p["Intercept"] + p["x"] * data["x"]).to_numpy()[:, None]
    nu = nu + np.sqrt(p["var(Intercept|g)"]) * u
    c, d = (np.broadcast_to(v, len(data))[:, None] for v in (lower, upper))
    success = c + (d - c) * expit(nu)
    rows = np.where(data["y"].to_numpy()[:, None] == 1, np.log(success), np.log1p(-success))
    clusters = np.add.reduceat(rows, np.flatnonzero(np.diff(data["g"], prepend=-1)))
    return logsumexp(clusters + stats.norm.logpdf(u) + np.log(u[1] - u[0]), axis=1).sum()


def at_the_maximum(function, params):
    """Whether the log-likelihood falls in all directions, by differences."""
    slopes = []
    for name in params.index:
        ends = [function(params + s * 1e-4 * (params.index == name)) for s in (1, -1)]
        slopes.append((ends[0] - ends[1]) / 2e-4)
    return np.abs(slopes).max() < 1e-2


def test_the_likelihood_and_its_maximum():
    data = simulated()
    result = smgf.glmm(FORMULA, data, family=Asymptotes(upper=True)).fit(n_points=31)

    def value(p):
        return log_likelihood(p, data, expit(p["logit_lower"]), expit(p["logit_upper"]))

    assert list(result.params.index[-2:]) == ["logit_lower", "logit_upper"]
    assert result.llf == pytest.approx(value(result.params), rel=1e-9)
    assert at_the_maximum(value, result.params)
    true = pd.Series({"x": 1.2, "logit_lower": logit(0.2), "logit_upper": logit(0.93)})
    assert (np.abs(result.params[true.index] - true) < 3.0 * result.bse[true.index]).all()
    assert "Lower asymptote (logit)" in str(result.summary())


@pytest.mark.parametrize("lower,upper", [(0.25, False), (0.2, True), (False, 0.9), (0.2, 0.95)])
def test_known_asymptotes(lower, upper):
    data = simulated()
    result = smgf.glmm(FORMULA, data, family=Asymptotes(lower, upper)).fit(n_points=31)
    p = result.params
    ends = [0.0 if lower is False else lower, 1.0 if upper is False else upper]
    if upper is True:
        ends[1] = expit(p["logit_upper"])
    assert ("logit_lower" in p) is False and ("logit_upper" in p) is (upper is True)
    assert result.llf == pytest.approx(log_likelihood(p, data, *ends), rel=1e-9)
    u = np.linspace(-9.0, 9.0, 1201)
    nu = p["Intercept"] + p["x"] * data["x"].to_numpy()[:5, None]
    curve = ends[0] + (ends[1] - ends[0]) * expit(nu + np.sqrt(p["var(Intercept|g)"]) * u)
    mean = (curve * stats.norm.pdf(u)).sum(1) * (u[1] - u[0])
    np.testing.assert_allclose(result.predict(data.head()), mean, rtol=1e-6)


def test_without_asymptotes_it_is_the_logit_link():
    data = simulated()
    plain = smgf.glmm(FORMULA, data, family="binomial").fit()
    result = smgf.glmm(FORMULA, data, family=Asymptotes(False, False)).fit()
    assert result.llf == pytest.approx(plain.llf, rel=1e-12)
    np.testing.assert_allclose(result.params, plain.params, rtol=1e-6)
    np.testing.assert_allclose(result.bse, plain.bse, rtol=1e-6)


def test_several_trials_are_single_ones_together():
    data = simulated()
    data["x"] = data["x"].round()
    single = smgf.glmm(FORMULA, data, family=Asymptotes(0.2)).fit()
    trials = data.groupby(["g", "x"])["y"].agg(["sum", "count"]).reset_index()
    trials["rest"] = trials["count"] - trials["sum"]
    trials = trials.rename(columns={"sum": "right"})
    several = smgf.glmm("right + rest ~ x + (1 | g)", trials, family=Asymptotes(0.2)).fit()
    np.testing.assert_allclose(several.params, single.params, rtol=1e-4)
    constant = np.log(
        stats.binom(trials["count"], 0.5).pmf(trials["right"]) * 2.0 ** trials["count"]
    )
    assert several.llf - constant.sum() == pytest.approx(single.llf, rel=1e-6)


def test_asymptotes_of_kinds_are_those_of_a_formula_and_of_families():
    data = simulated()
    formula = smgf.glmm(FORMULA, data, family=Asymptotes(upper=0.95), lower="~ 0 + C(kind)").fit()
    by = smgf.glmm(FORMULA, data, family=Asymptotes(upper=0.95), family_by="kind").fit()
    design = np.eye(2)[data["kind"]]
    arrays = smg.GLMM(
        data["y"], sm.add_constant(data["x"]), groups=data["g"], family=Asymptotes(upper=0.95),
        lower=design,
    ).fit()  # fmt: skip
    assert list(by.params.index[-2:]) == ["logit_lower[0]", "logit_lower[1]"]
    assert formula.params.index[-1] == "logit_lower:C(kind)[1]"
    for other in (by, arrays):
        assert other.llf == pytest.approx(formula.llf, rel=1e-8)
        np.testing.assert_allclose(other.params, formula.params, rtol=1e-3)
    ends = expit(formula.params.iloc[-2:].to_numpy())[data["kind"]]
    expected = log_likelihood(formula.params, data, ends, 0.95)
    assert formula.llf == pytest.approx(expected, rel=1e-7)
    np.testing.assert_allclose(by.predict(data), formula.predict(data), rtol=1e-3)


def test_families_with_asymptotes_of_their_own():
    data = simulated()
    families = {0: Asymptotes(0.2, True), 1: sm.families.Binomial()}
    result = smgf.glmm(FORMULA, data, family=families, family_by="kind").fit(n_points=31)
    p = result.params
    second = (data["kind"] == 1).to_numpy()
    lower = np.where(second, 0.0, 0.2)
    upper = np.where(second, 1.0, expit(p["logit_upper[0]"]))
    assert result.llf == pytest.approx(log_likelihood(p, data, lower, upper), rel=1e-9)
    draws = result.simulate(40, seed=3)
    assert np.asarray(draws).mean() == pytest.approx(data["y"].mean(), abs=0.02)


def test_a_three_parameter_model_of_items():
    rng = np.random.default_rng(4)
    n, slope = 800, np.array([1.0, 1.5, 2.0, 1.2, 1.7])
    theta, difficulty = rng.standard_normal(n), np.array([-1.0, -0.5, 0.0, 0.5, 1.0])
    y = rng.binomial(1, 0.25 + 0.75 * expit(slope * (theta[:, None] - difficulty)))
    items = pd.DataFrame(
        {"y": y.ravel(), "item": np.tile(np.arange(5), n), "person": np.repeat(np.arange(n), 5)}
    )
    model = smg.GLLAMM.from_formula(
        "y ~ 0 + C(item)", items, latent=[smg.Latent("theta", "person", "0 + C(item)")],
        family=Asymptotes(),
    )  # fmt: skip
    result = model.fit(n_points=31)
    p = result.params
    u = np.linspace(-9.0, 9.0, 1201)
    slopes = np.array([1.0, *(p[f"loading(theta: C(item)[{k}])"] for k in range(1, 5))])
    nu = p.iloc[:5].to_numpy()[:, None] + np.sqrt(p["var(theta|person)"]) * slopes[:, None] * u
    lower = expit(p["logit_lower"])
    success = lower + (1.0 - lower) * expit(nu)
    patterns = y @ np.log(success) + (1 - y) @ np.log1p(-success)
    expected = logsumexp(patterns + stats.norm.logpdf(u) + np.log(u[1] - u[0]), axis=1).sum()
    assert result.llf == pytest.approx(expected, rel=1e-9)


def test_an_asymptote_that_is_not_there():
    data = simulated(lower=0.0, upper=1.0, n_clusters=600, size=12)
    with pytest.warns(smg.BoundaryWarning, match="logit_upper"):
        result = smgf.glmm(FORMULA, data, family=Asymptotes(False, True)).fit()
    plain = smgf.glmm(FORMULA, data, family="binomial").fit()
    assert result.llf == pytest.approx(plain.llf, abs=1e-6)
    assert np.isnan(result.bse["logit_upper"])
    assert "asymptote that is zero or one" in " ".join(result.verdict.messages())


@pytest.mark.parametrize("settings,message", [
    ({"lower": 1.5}, "lower=1.5 is no probability"),
    ({"lower": float("nan")}, "no probability"),
    ({"upper": "yes"}, "no probability"),
    ({"lower": 0.5, "upper": 0.5}, "the same"),
    ({"lower": 1.0, "upper": False}, "the same"),
    ({"lower": False, "upper": 0.0}, "the same"),
])  # fmt: skip
def test_settings_that_make_no_sense(settings, message):
    with pytest.raises(smg.SpecificationError, match=message):
        Asymptotes(**settings)


@pytest.mark.parametrize("family,options,message", [
    (Asymptotes(0.2), {"lower": "~ w"}, "lower= does not go with the BinomialAsymptotes"),
    (Asymptotes(0.2, True), {"zero": "~ w"}, "it has ['upper']"),
    ("binomial", {"upper": "~ w"}, "upper= does not go with the Binomial family"),
    (Asymptotes(), {"lower": "~ w + I(2 * w)"}, "lower="),
])  # fmt: skip
def test_formulas_that_do_not_go_with_the_family(family, options, message):
    with pytest.raises(smg.SpecificationError) as error:
        smgf.glmm(FORMULA, simulated(n_clusters=20), family=family, **options)
    assert message in str(error.value)
