"""Predictions of every kind of response against direct integrals of its law in scipy."""

import pickle

import numpy as np
import pandas as pd
import pytest
from scipy.special import logsumexp
from scipy.stats import norm
from statsmodels.genmod.families import Gamma, Gaussian, InverseGaussian, Poisson, links

import sm_gllamm.api as smg
import sm_gllamm.formula.api as smgf
from sm_gllamm.exceptions import SpecificationError
from sm_gllamm.prediction.predict import predicted, rows_for
from sm_gllamm.prediction.simulate import latent_draws
from sm_gllamm.responses import families as smf
from tests.prediction.responses import CASES, CATEGORICAL, DURATIONS, N_CLUSTERS, SIZE, data, fitted

# fits use 31 nodes a cluster, the integrals below 2001
POSTERIOR_RTOL = 1e-6
Z = np.linspace(-9.0, 9.0, 2001)
NEW = pd.DataFrame({"x": [0.7, -1.2], "g": [4, 4], "w": [0.3, -0.8], "v": [1, 0]}, index=["a", "b"])


def random_sd(result):
    return np.sqrt(result.params["var(Intercept|g)"])


def fixed_part(result, rows):
    intercept = result.params.get("Intercept", 0.0)
    return intercept + result.params["x"] * rows["x"].to_numpy()


def over_nu(result, function, rows, weights):
    """Average of function(nu) at the rows, with the weights of the random intercept's nodes."""
    nu = fixed_part(result, rows) + random_sd(result) * Z[:, None]
    return np.tensordot(weights / weights.sum(), function(nu), 1)


def posterior_weights(name, result, cluster):
    rows = data()[data()["g"] == cluster]
    nu = fixed_part(result, rows) + random_sd(result) * Z[:, None]
    log = CASES[name].log_density(nu, result.params, rows).sum(axis=1) + norm.logpdf(Z)
    return np.exp(log - logsumexp(log))


@pytest.mark.parametrize("name", CASES)
def test_linear_and_conditional(name):
    case, result = CASES[name], fitted(name)
    linear = fixed_part(result, NEW)
    np.testing.assert_allclose(result.predict(NEW, which="linear"), linear, rtol=1e-12)
    for effect in (None, 0.4):
        got = result.predict(NEW, which="conditional", random_effects=effect)
        expected = case.mean(linear + (effect or 0.0), result.params, NEW)
        np.testing.assert_allclose(got, expected, rtol=1e-8)
        assert got.index.tolist() == ["a", "b"]


@pytest.mark.parametrize("name", CASES)
def test_marginal(name):
    case, result = CASES[name], fitted(name)
    got = result.predict(NEW)
    expected = over_nu(result, lambda nu: case.mean(nu, result.params, NEW), NEW, norm.pdf(Z))
    np.testing.assert_allclose(got, expected, rtol=1e-7)


@pytest.mark.parametrize("name", CASES)
def test_posterior_of_new_rows(name):
    case, result = CASES[name], fitted(name)
    got = result.predict(NEW, which="posterior")
    weights = posterior_weights(name, result, 4)
    expected = over_nu(result, lambda nu: case.mean(nu, result.params, NEW), NEW, weights)
    np.testing.assert_allclose(got, expected, rtol=POSTERIOR_RTOL)


@pytest.mark.parametrize("name", CASES)
def test_rows_of_the_fit_as_new_data(name):
    result = fitted(name)
    some = data().iloc[[3, 40, 41, 100]]
    for which in ("conditional", "marginal", "posterior"):
        everywhere = np.asarray(result.predict(which=which))
        np.testing.assert_allclose(
            result.predict(some, which=which), everywhere[[3, 40, 41, 100]], rtol=1e-7
        )
        np.testing.assert_array_equal(
            np.asarray(everywhere), result.model.predict(result.params, which=which)
        )


@pytest.mark.parametrize("name", CATEGORICAL)
def test_probabilities_of_categories(name):
    result = fitted(name)
    for which in ("conditional", "marginal", "posterior"):
        table = result.predict(NEW, which=which)
        assert table.columns.tolist() == ["low", "mid", "high", "top"]
        np.testing.assert_allclose(table.sum(axis=1), 1.0, rtol=1e-12)
        assert table.to_numpy().min() > 0
    assert result.fittedvalues.shape == (len(data()), 4)
    table = result.get_prediction(NEW).summary_frame()
    assert table.index.tolist()[:2] == [("a", "low"), ("a", "mid")]
    np.testing.assert_allclose(table["predicted"].unstack()["top"], result.predict(NEW)["top"])
    assert ((table["ci_lower"] > 0) & (table["ci_upper"] < 1)).all()


@pytest.mark.parametrize("name", DURATIONS)
@pytest.mark.parametrize("which", ["conditional", "marginal", "posterior"])
def test_survival(name, which):
    case, result = CASES[name], fitted(name)
    got = result.predict(NEW, which=which, survival=[0.5, 2.0])
    assert got.columns.tolist() == [0.5, 2.0]
    weights = {"marginal": norm.pdf(Z), "conditional": (Z == 0.0).astype(float)}.get(which)
    if which == "posterior":
        weights = posterior_weights(name, result, 4)
    for time in (0.5, 2.0):
        expected = over_nu(
            result, lambda nu, t=time: case.law(nu, result.params, NEW).sf(t), NEW, weights
        )
        np.testing.assert_allclose(got[time], expected, rtol=POSTERIOR_RTOL)
    table = result.get_prediction(NEW, which=which, survival=[0.5, 2.0]).summary_frame()
    assert table.index.tolist() == [("a", 0.5), ("a", 2.0), ("b", 0.5), ("b", 2.0)]
    assert ((0 < table["ci_lower"]) & (table["ci_upper"] < 1)).all()


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("which", ["marginal", "conditional"])
def test_standard_errors_by_differences_in_published_parameters(name, which):
    result = fitted(name)
    model, params = result.model, np.asarray(result.params)
    rows = rows_for(model, which, NEW)
    columns = []
    for t, value in enumerate(params):
        step = np.zeros(len(params))
        step[t] = 1e-5 * max(abs(value), 0.1)
        ends = [predicted(model, params + s * step, rows, which).ravel() for s in (1, -1)]
        columns.append((ends[0] - ends[1]) / (2 * step[t]))
    gradient = np.column_stack(columns)
    expected = np.sqrt(np.einsum("np,pq,nq->n", gradient, result.cov_params(), gradient))
    got = result.get_prediction(NEW, which=which)
    np.testing.assert_allclose(got.se, expected, rtol=1e-4)
    assert (got.conf_int()[:, 0] < got.predicted).all()
    assert (got.conf_int()[:, 1] > got.predicted).all()


@pytest.mark.parametrize("name", ["hurdle", "ordinal logit", "continuation ratio", "lognormal"])
def test_standard_errors_of_posterior_predictions(name):
    result = fitted(name)
    got = result.get_prediction(NEW, which="posterior")
    assert np.isfinite(got.se).all() and (got.se > 0).all()


@pytest.mark.parametrize("name", CASES)
def test_draws_have_the_models_mean(name):
    result = fitted(name)
    n = 300
    draws = result.simulate(n=n, seed=3)
    expected = np.asarray(result.predict())
    if CASES[name].categorical:
        codes = np.column_stack([draws[k].cat.codes for k in draws])
        share = (codes[:, :, None] == np.arange(4)).mean(axis=1)
        assert np.abs(share.mean(axis=0) - expected.mean(axis=0)).max() < 0.02
        return
    if CASES[name].endog == "time + event":
        rng = np.random.default_rng(3)
        latent = np.column_stack(list(latent_draws(result.model, result.params, n, rng)))
        survival = result.predict(survival=1.5)[1.5]
        assert abs((latent > 1.5).mean() - survival.mean()) < 0.02
        observed = draws[0]
        censored = data()["event"] == 0
        assert (observed.loc[censored, "time"] <= data().loc[censored, "time"]).all()
        assert (observed.loc[~censored, "event"] == 1).all()
        return
    of_draws = draws.mean()
    assert abs(of_draws.mean() - expected.mean()) < 5 * of_draws.std() / np.sqrt(n)
    again = result.simulate(n=2, seed=3)
    np.testing.assert_array_equal(again, draws.iloc[:, :2])


@pytest.mark.parametrize("name", CASES)
def test_residuals(name):
    case, result = CASES[name], fitted(name)
    rows = result.predict(which="conditional")
    pearson = result.get_resid("pearson", which="conditional")
    if case.categorical:
        codes = data()["level"].cat.codes.to_numpy()
        share = np.asarray(rows)
        expected = ((codes[:, None] == np.arange(4)) - share) / np.sqrt(share * (1 - share))
        np.testing.assert_allclose(pearson, expected, rtol=1e-10)
    else:
        law = case.law(fixed_part(result, data()), result.params, data())
        y = data()[case.endog.split(" ")[0]]
        expected = (y - law.mean()) / np.sqrt(law.var())
        if name in DURATIONS:
            assert pearson[data()["event"] == 0].isna().all()
            expected = expected.where(data()["event"] == 1)
        np.testing.assert_allclose(pearson, expected, rtol=1e-6)
    simulated = result.resid_simulated(n_sim=40, seed=2)
    assert simulated.between(0, 1).all() and abs(simulated.mean() - 0.5) < 0.1


@pytest.mark.parametrize("name", ["continuation ratio", "adjacent", "ordinal logit", "hurdle"])
def test_offsets_belong_to_the_linear_predictor(name):
    case, result = CASES[name], fitted(name)
    moved = smgf.glmm(
        f"{case.endog} ~ x + (1 | g)", data().assign(o=0.5 * data()["x"]), family=case.family,
        offset="o", **case.options,
    ).fit(n_points=31)  # fmt: skip
    assert abs(moved.params["x"] - (result.params["x"] - 0.5)) < 1e-5
    for which in ("conditional", "marginal", "posterior"):
        got = moved.predict(NEW, which=which, offset=0.5 * NEW["x"])
        np.testing.assert_allclose(got, result.predict(NEW, which=which), rtol=1e-4)


@pytest.mark.parametrize(
    "family",
    [
        Gamma(links.InversePower()),
        InverseGaussian(links.InverseSquared()),
        Gaussian(links.InversePower()),
        Poisson(links.Identity()),
        Poisson(links.Sqrt()),
    ],
    ids=lambda family: f"{type(family).__name__} {type(family.link).__name__}",
)
def test_links_of_positive_predictors(family):
    rng = np.random.default_rng(6)
    x, u = rng.random(N_CLUSTERS * SIZE), np.clip(rng.standard_normal(N_CLUSTERS), -2.0, 2.0)
    g = np.repeat(np.arange(N_CLUSTERS), SIZE)
    mean = family.link.inverse(4.0 + x + 0.8 * u[g])
    draw = {"Poisson": rng.poisson, "Gaussian": lambda m: rng.normal(m, 0.02)}
    y = draw.get(type(family).__name__, lambda m: rng.gamma(60.0, m / 60.0))(mean)
    table = pd.DataFrame({"y": y, "x": x, "g": g})
    result = smgf.glmm("y ~ x + (1 | g)", table, family=family).fit(n_points=15)
    linear = result.predict(which="linear")
    np.testing.assert_allclose(
        result.predict(which="conditional"), family.link.inverse(linear), rtol=1e-12
    )
    v, power = result.params["var(Intercept|g)"], type(family.link).__name__
    if power in ("InversePower", "InverseSquared"):
        with pytest.raises(SpecificationError, match="no marginal mean"):
            result.predict()
    else:
        np.testing.assert_allclose(
            result.predict(), linear if power == "Identity" else linear**2 + v
        )
    posterior = result.predict(which="posterior")
    assert np.corrcoef(posterior, mean)[0, 1] > 0.5
    table = result.get_prediction(which="posterior").summary_frame()
    assert (table["ci_lower"] < table["ci_upper"]).all()
    draws = result.simulate(n=100, seed=1)
    assert abs(draws.to_numpy().mean() / y.mean() - 1) < 0.1


def test_draws_that_no_mean_belongs_to():
    result = CASES["gamma"].fit(data())
    inverse = smg.GLMM(
        data()["positive"], np.ones((len(data()), 1)), groups=data()["g"],
        family=Gamma(links.InversePower()),
    )  # fmt: skip
    assert (inverse.simulate([1.0, 0.2, 0.1], n=3, seed=0) > 0).all()
    with pytest.raises(SpecificationError, match="no mean"):
        inverse.simulate([-9.0, 0.2, 0.1], seed=0)
    assert result.simulate(seed=1).min() > 0


def test_censoring_of_draws():
    rng = np.random.default_rng(2)
    g, x = np.repeat(np.arange(30), 6), rng.standard_normal(180)
    latent = 1.0 + x + 0.7 * rng.standard_normal(30)[g] + rng.standard_normal(180)
    table = pd.DataFrame({"y": np.maximum(latent, 0.0), "x": x, "g": g})
    tobit = smgf.glmm("y ~ x + (1 | g)", table, family=smf.CensoredGaussian(lower=0.0)).fit()
    draws = tobit.simulate(n=100, seed=1)
    assert draws.min(axis=None) == 0.0
    assert abs((draws == 0).mean(axis=None) - (table["y"] == 0).mean()) < 0.05
    assert tobit.resid_pearson[table["y"] == 0].isna().all()
    np.testing.assert_allclose(tobit.predict(), tobit.predict(which="linear"))
    lower = np.floor(np.exp(latent / 2))
    bounds = pd.DataFrame({"low": lower, "up": lower + 1.0, "x": x, "g": g})
    interval = smgf.glmm(
        "low + up ~ x + (1 | g)", bounds, family=smf.Weibull(censoring="interval")
    ).fit()
    drawn = interval.simulate(seed=1)
    assert drawn.columns.tolist() == ["low", "up"] and (drawn["low"] < drawn["up"]).all()
    seen = (drawn["low"] == bounds["low"]) & (drawn["up"] == bounds["up"])
    assert (seen | (drawn["low"] == bounds["up"]) | (drawn["up"] == bounds["low"])).all()
    assert interval.simulate(n=2, seed=1)[0].equals(drawn)
    assert abs(interval.resid_simulated(50, seed=1).mean() - 0.5) < 0.1


def test_durations_after_late_entry():
    table = data().assign(start=np.where(data()["time"] > 0.5, 0.25, 0.0))
    result = smgf.glmm(
        "time + event ~ x + (1 | g)", table, family=smf.Weibull("aft"), entry="start"
    ).fit()
    draws = list(latent_draws(result.model, result.params, 20, np.random.default_rng(0)))
    assert (np.array(draws) > table["start"].to_numpy()).all()


@pytest.mark.parametrize("name", ["nb2", "zip", "ordinal logit", "weibull ph", "hurdle"])
def test_fits_of_draws_recover_the_parameters(name):
    result = fitted(name)
    sample = result.bootstrap(12, method="parametric", seed=1)
    assert sample.n_failed <= 1
    error = sample.params.std() / np.sqrt(len(sample.params))
    assert (np.abs(sample.params.mean() - result.params) < 5 * error + 0.05).all()


@pytest.mark.parametrize("name", ["ordinal logit", "ordinal, partial", "weibull aft", "hurdle"])
def test_models_without_their_data(name):
    result = CASES[name].fit(data())
    expected = result.predict(NEW)
    result = pickle.loads(pickle.dumps(result))
    np.testing.assert_array_equal(result.predict(NEW), expected)
    result.remove_data()
    np.testing.assert_array_equal(result.predict(NEW), expected)
    with pytest.raises(SpecificationError, match="remove_data"):
        result.predict(NEW, which="posterior")


def test_other_designs_of_new_arrays():
    x, w = data()[["x"]], data()[["w"]]
    model = smg.GLMM(data()["count"], x, groups=data()["g"], family=smf.ZeroInflated(), zero=w)
    result = model.fit(n_points=15)
    got = result.predict(x.head(3), extras={"zero": w.head(3)})
    np.testing.assert_allclose(got, result.predict()[:3])
    with pytest.raises(SpecificationError, match="need zero"):
        result.predict(x.head(3))
    with pytest.raises(SpecificationError, match="shape"):
        result.predict(x.head(3), extras={"zero": np.ones((3, 2))})


def test_survival_is_for_durations():
    with pytest.raises(SpecificationError, match="survival is for durations"):
        fitted("nb2").predict(NEW, survival=1.0)
    with pytest.raises(SpecificationError, match="positive"):
        fitted("lognormal").predict(NEW, survival=[0.0, 1.0])
    with pytest.raises(SpecificationError, match="linear"):
        fitted("lognormal").predict(NEW, which="linear", survival=1.0)


@pytest.mark.parametrize("thresholds", [None, "~ x"])
def test_ordinal_models_without_covariates_in_the_formula(thresholds):
    # with a threshold formula, or none, nothing is left in that of the predictor
    rng = np.random.default_rng(5)
    frame = pd.DataFrame({"g": np.repeat(np.arange(30), 4), "x": rng.normal(size=120)})
    frame["y"] = np.digitize(frame["x"] + rng.logistic(size=120), [-1.0, 1.0])
    family = smf.Ordinal("probit")
    result = smgf.glmm("y ~ 1 + (1 | g)", frame, family=family, thresholds=thresholds).fit(
        warn_convergence=False
    )
    new = frame.head(3)
    cuts = result.params[["threshold(0|1)", "threshold(1|2)"]].to_numpy()[None, :]
    if thresholds:
        slopes = result.params[["threshold(0|1):x", "threshold(1|2):x"]].to_numpy()
        cuts = cuts + new["x"].to_numpy()[:, None] * slopes
    below = norm.cdf(cuts / np.sqrt(1.0 + random_sd(result) ** 2))
    expected = np.diff(np.column_stack([np.zeros(len(cuts)), below, np.ones(len(cuts))]))
    found = result.predict(new).to_numpy()
    np.testing.assert_allclose(found, np.broadcast_to(expected, (3, 3)), atol=1e-9)
    assert len(result.simulate(1, seed=1)) == 120
