"""Selection and endogenous treatment against closed forms, published estimates and simulation."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import sm_gllamm.api as smg
from sm_gllamm import datasets
from tests.test_examples import load_example

example = load_example("field_endogenous_treatment")
LINK = "loading(eta: wage)"


@pytest.fixture(scope="module")
def wages():
    return example.load_wages()


@pytest.fixture(scope="module")
def fits(wages):
    return example.both_maxima(wages, quadrature_tol=1e-7)


def selection_loglike(params, strength):
    """Closed form of the model of wages: bivariate normal residuals (Heckman 1979)."""
    women = datasets.mroz.load_pandas().data
    one, works = np.ones(len(women)), women["participation"].to_numpy() == 1
    kids = women["youngkids"] + women["oldkids"]
    decision = [one, women["age"], women["age"] ** 2, kids, women["hwage"], women["education"]]
    exper = women["experience"]
    wage = [one, women["education"], exper, exper**2, women["city"]]
    nu = np.column_stack(decision) @ params.filter(regex="^works").to_numpy()
    nu /= np.sqrt(1 + strength**2)
    mean = np.column_stack(wage) @ params.filter(regex="^wage").to_numpy()
    rho, sigma = example.correlation(strength, params[LINK], params["var(Residual)[logwage]"])
    z = (np.log(women["wage"].to_numpy(), where=works, out=np.zeros(len(women))) - mean) / sigma
    conditional = stats.norm.logcdf((nu + rho * z) / np.sqrt(1 - rho**2))
    density = stats.norm.logpdf(z) - np.log(sigma) + conditional
    return float(np.where(works, density, stats.norm.logcdf(-nu)).sum())


def gradient(function, params, errors):
    """Central differences in units of standard errors."""
    out = []
    for name in params.index:
        ends = [params.copy(), params.copy()]
        ends[0][name] += 1e-4 * errors[name]
        ends[1][name] -= 1e-4 * errors[name]
        out.append((function(ends[0]) - function(ends[1])) / 2e-4)
    return np.array(out)


@pytest.mark.parametrize("strength", [1.0, 3.0])
def test_loglike_is_that_of_bivariate_normal_residuals(fits, strength):
    result = fits[strength]
    assert result.converged
    assert result.llf == pytest.approx(selection_loglike(result.params, strength), abs=2e-5)
    slopes = gradient(lambda p: selection_loglike(p, strength), result.params, result.bse)
    # in units of standard errors
    np.testing.assert_allclose(slopes, 0, atol=1e-3)


def test_published_estimates_are_the_lower_maximum(fits):
    table = example.wage_table(fits)
    np.testing.assert_allclose(table["loading 1"], table["published"], rtol=2e-3, atol=5e-6)
    assert round(fits[1.0].llf, 4) == example.PUBLISHED["log-likelihood"]
    # printed standard errors of the wage equation: constant, education, experience and its square, city
    printed = [0.3052031, 0.0172998, 0.0133269, 0.0003974, 0.0682652]
    np.testing.assert_allclose(fits[1.0].bse.filter(regex="^wage"), printed, rtol=2e-3)
    assert fits[3.0].llf > fits[1.0].llf + 0.9


def treated(rng, n=600, rho=0.5, sigma=1.5):
    """A treatment with an instrument `z` and a gaussian outcome."""
    decision, own = rng.normal(size=(2, n))
    x, z = rng.normal(size=(2, n))
    t = (0.2 + 0.5 * x + 0.8 * z + decision > 0).astype(float)
    y = 1.0 + 1.0 * t - 0.5 * x + sigma * (rho * decision + np.sqrt(1 - rho**2) * own)
    return pd.DataFrame({"id": range(n), "x": x, "z": z, "t": t, "treatment": t, "outcome": y})


def treatment_model(people, strength):
    rows = smg.stack_responses(people, ["treatment", "outcome"], ["id", "x", "z", "t"])
    decide = (rows["response"] == "treatment").astype(float)
    return smg.GLLAMM.from_formula(
        "y ~ 0 + decide + decide:(x + z) + result + result:(t + x)",
        rows.assign(decide=decide, result=1 - decide),
        latent=[smg.Latent("eta", "id", "0 + decide + result", fixed={"decide": strength})],
        identification="variance",
        family={"treatment": example.PROBIT, "outcome": "gaussian"},
        family_by="response",
    )


def test_the_fixed_loading_is_a_choice_of_units_only():
    people = treated(np.random.default_rng(3))
    first, second = (treatment_model(people, c).fit(quadrature_tol=1e-7) for c in (1.0, 2.0))
    assert second.llf == pytest.approx(first.llf, abs=1e-5)
    outcome = [name for name in first.params.index if name.startswith("result")]
    np.testing.assert_allclose(second.params[outcome], first.params[outcome], rtol=1e-4)
    np.testing.assert_allclose(second.bse[outcome], first.bse[outcome], rtol=1e-3)
    decision = first.params.index[:3]
    np.testing.assert_allclose(
        second.params[decision] / np.sqrt(5), first.params[decision] / np.sqrt(2), rtol=1e-4
    )


def test_loglike_of_treatment_and_gaussian_outcome():
    people = treated(np.random.default_rng(4), n=100)
    model = treatment_model(people, 1.5)
    values = dict(zip(model.param_names, [0.3, 0.6, 1.0, 0.8, 0.9, -0.4, 1.7, 0.7], strict=True))
    loading, variance = values["loading(eta: result)"], values["var(Residual)[outcome]"]
    rho, sigma = example.correlation(1.5, loading, variance)
    nu = values["decide"] + values["decide:x"] * people["x"] + values["decide:z"] * people["z"]
    nu /= np.sqrt(1 + 1.5**2)
    mean = values["result"] + values["result:t"] * people["t"] + values["result:x"] * people["x"]
    z = (people["outcome"] - mean) / sigma
    sign = 2 * people["t"] - 1
    exact = stats.norm.logpdf(z) - np.log(sigma)
    exact += stats.norm.logcdf(sign * (nu + rho * z) / np.sqrt(1 - rho**2))
    assert model.loglike_at(list(values.values()), n_points=40) == pytest.approx(exact.sum())


def test_loglike_of_counts_by_brute_force():
    people = example.simulate_visits(60)
    model = example.visits_model(people, 2.0)
    values = pd.Series([-1.0, 0.9, 2.1, 0.5, 0.4, 0.3, 0.4, 0.6], list(model.param_names))
    u, weight = np.polynomial.hermite_e.hermegauss(80)
    log_weight = np.log(weight / weight.sum())
    need, own = u[:, None], u[None, :]
    total = 0.0
    for person in people.itertuples():
        nu = values["buy"] + values["buy:x"] * person.x + values["buy:z"] * person.z + 2.0 * need
        mean = values["use"] + values["use:treated"] * person.insured + values["use:x"] * person.x
        mean = mean + values["loading(need: use)"] * need + values["loading(own: use)"] * own
        terms = stats.norm.logcdf((2 * person.insured - 1) * nu)
        terms = terms + stats.poisson.logpmf(person.visits, np.exp(mean))
        total += np.logaddexp.reduce(terms + log_weight[:, None] + log_weight, axis=None)
    assert model.loglike_at(values.to_numpy(), n_points=30) == pytest.approx(total, abs=1e-5)


def test_script_runs(capsys):
    example.main()
    printed = capsys.readouterr().out
    assert all(title in printed for title in example.SECTIONS)


@pytest.mark.study
def test_coverage():
    replications, rng = 300, np.random.default_rng(1)
    covered, naive = [], []
    for _ in range(replications):
        people = treated(rng)
        result = treatment_model(people, 1.5).fit()
        low, high = result.conf_int().loc["result:t"]
        covered.append(low < 1.0 < high)
        design = np.column_stack([np.ones(len(people)), people[["t", "x"]]])
        naive.append(np.linalg.lstsq(design, people["outcome"], rcond=None)[0][1])
    assert abs(np.mean(covered) - 0.95) < 3 * np.sqrt(0.95 * 0.05 / replications) + 0.005
    assert np.mean(naive) > 1.5
