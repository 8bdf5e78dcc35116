"""Residuals, simulated residuals and simulation."""

import numpy as np
import pytest
import statsmodels.api as sm
from scipy.stats import kstest

import sm_gllamm.api as smg
from sm_gllamm.exceptions import SpecificationError

NAMES = ["binary", "counts", "gaussian", "trials"]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("kind", ["response", "pearson", "deviance", "anscombe"])
def test_residuals_are_those_of_a_glm_with_the_same_means(name, kind, request):
    result = request.getfixturevalue(name)
    model = result.model
    mean = result.predict(which="posterior")
    endog = np.asarray(model.endog)
    glm = sm.GLM(endog, np.ones(len(endog)), family=model.family)
    scale = result.params["var(Residual)"] if name == "gaussian" else 1.0
    family = glm.family
    if kind == "response":
        expected = glm.endog - mean
    elif kind == "pearson":
        expected = (glm.endog - mean) * np.sqrt(glm.n_trials / family.variance(mean) / scale)
    elif kind == "deviance":
        expected = family.resid_dev(glm.endog, mean, scale=scale)
    else:
        expected = family.resid_anscombe(glm.endog, mean, scale=scale)
    got = getattr(result, f"resid_{kind}")
    assert got.index.equals(model.data.frame.index)
    np.testing.assert_allclose(got, expected, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(result.get_resid(kind), got)


def test_fitted_values_and_marginal_residuals(counts):
    np.testing.assert_allclose(counts.fittedvalues, counts.predict())
    np.testing.assert_allclose(counts.resid, counts.model.endog - counts.predict())
    np.testing.assert_allclose(counts.get_resid("response", "marginal"), counts.resid)


def test_unknown_kind(counts):
    with pytest.raises(SpecificationError, match="working"):
        counts.get_resid("working")
    with pytest.raises(SpecificationError, match="linear"):
        counts.get_resid("pearson", which="linear")


@pytest.mark.parametrize("name", NAMES)
def test_simulation_is_reproducible_and_has_the_models_mean(name, request):
    result = request.getfixturevalue(name)
    draws = result.simulate(n=400, seed=3)
    assert draws.shape == (result.model.nobs, 400)
    np.testing.assert_array_equal(draws, result.simulate(n=400, seed=3))
    assert not draws.equals(result.simulate(n=400, seed=4))
    problem = result.model.assembly.problem
    trials = result.model.assembly.unsort(problem.trials)
    expected = (result.predict() * trials).mean()
    of_draws = draws.mean()
    assert abs(of_draws.mean() - expected) < 4 * of_draws.std() / np.sqrt(400)
    np.testing.assert_array_equal(
        result.model.simulate(result.params, n=2, seed=3), draws.iloc[:, :2]
    )
    assert result.simulate(seed=3).shape == (len(draws),)


def test_conditional_simulation_keeps_the_clusters(counts):
    draws = counts.simulate(n=300, seed=1, conditional=True)
    effects = counts.random_effects
    mean = counts.predict(counts.model.data.frame, which="conditional", random_effects=effects)
    sd = np.sqrt(mean / 300)
    assert (np.abs(draws.mean(axis=1) - mean) < 5 * sd).all()


@pytest.mark.parametrize("name", ["binary", "gaussian", "trials"])
def test_simulated_residuals_are_uniform(name, request):
    result = request.getfixturevalue(name)
    got = result.resid_simulated(n_sim=200, seed=11, conditional=name == "gaussian")
    assert got.between(0, 1).all()
    assert kstest(got, "uniform").pvalue > 0.001
    np.testing.assert_array_equal(
        got, result.resid_simulated(n_sim=200, seed=11, conditional=name == "gaussian")
    )


def test_simulated_residuals_see_overdispersion():
    rng = np.random.default_rng(1)
    g = np.repeat(np.arange(40), 10)
    rate = np.exp(1.0 + 0.3 * rng.standard_normal(40)[g] + 0.9 * rng.standard_normal(400))
    result = smg.GLMM(rng.poisson(rate), np.ones(400), groups=g, family="poisson").fit()
    assert kstest(result.resid_simulated(n_sim=200, seed=1), "uniform").pvalue < 1e-4
