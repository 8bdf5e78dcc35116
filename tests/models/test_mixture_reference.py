"""Mixtures against flexmix, npmlreg, randomLCA and an evaluator on dense grids."""

import warnings
from functools import cache

import numpy as np
import pytest
from scipy import stats
from scipy.special import expit, gammaln, logsumexp

from sm_gllamm.models.irt import IRT
from sm_gllamm.models.mixture import Mixture
from tests.reference import load_cases, load_data

CASES = load_cases("mixtures")
VERBAGG = ["btype[T.scold]", "btype[T.shout]", "situ[T.self]", "mode[T.want]"]


def latent_class_with_factor(name, items, frequency):
    irt = IRT(load_data(name), "Rasch", items=items, freq_weights=frequency)
    return Mixture(irt, 2)


def build(name):
    data = load_data(CASES[name]["data"])
    if name == "patent_poisson3":
        return Mixture.from_formula("Patents ~ lgRD", data, 3, family="poisson")
    if name == "patent_poisson3_concomitant":
        return Mixture.from_formula("Patents ~ lgRD", data, 3, family="poisson", classes="~ RDS")
    if name == "fabric_npml2":
        data["llen"] = np.log(data.leng)
        return Mixture.from_formula("y ~ llen", data, 2, family="poisson", equal=["llen"])
    if name.startswith("missouri"):
        return Mixture.from_formula(
            "Deaths ~ 1", data, int(name[-1]), family="poisson", exposure="Size"
        )
    if name == "faithful_eruptions_npml2":
        return Mixture.from_formula("eruptions ~ 1", data, 2)
    if name == "verbagg_lltm_npml3":
        return Mixture.from_formula(
            "y ~ btype + situ + mode", data, 3, groups="id", family="binomial", equal=VERBAGG
        )
    if name == "dentistry_lcre2":
        return latent_class_with_factor("dentistry", [f"V{k}" for k in range(1, 6)], "freq")
    return latent_class_with_factor("genderrole", [f"Q{k}" for k in range(1, 6)], "Freq")


@cache
def fitted(name):
    with warnings.catch_warnings():
        # the boundary that genderrole is about
        warnings.simplefilter("ignore" if name == "genderrole_lcre2" else "error")
        return build(name).fit(n_starts=10 if name == "patent_poisson3_concomitant" else 4)


SAME = [name for name in CASES if name != "genderrole_lcre2"]


@pytest.mark.parametrize("name", SAME)
def test_loglike_and_estimates(name):
    result, case = fitted(name), CASES[name]
    assert result.verdict.ok
    assert set(result.params.index) == set(case["params"])
    # to the digits of the nodes where there is a continuous latent variable
    atol = 1e-5 if "lcre" in name else 1e-8
    np.testing.assert_allclose(result.llf, case["loglike"], atol=atol)
    for label, reference in case["params"].items():
        deviation = (result.params[label] - reference["est"]) / result.bse[label]
        np.testing.assert_allclose(deviation, 0, atol=2e-4, err_msg=label)


@pytest.mark.parametrize("name", SAME)
def test_standard_errors(name):
    result = fitted(name)
    for label, reference in CASES[name]["params"].items():
        if reference["se"] is not None:
            rtol = 3e-4 if "lcre" in name else 1e-4
            np.testing.assert_allclose(result.bse[label], reference["se"], rtol=rtol, err_msg=label)


def poisson_logs(y, nu):
    """scipy.stats.poisson.logpmf(y, exp(nu)) takes ten times as long."""
    return y * nu - np.exp(nu) - gammaln(y + 1)


def patent(theta):
    """Log-likelihood of the mixture of three regressions with a covariate of the classes."""
    data = {name: column.to_numpy() for name, column in load_data("patent").items()}
    logits = np.column_stack(
        [np.zeros(70), *(theta[k] + theta[k + 1] * data["RDS"] for k in (6, 8))]
    )
    logs = np.column_stack(
        [poisson_logs(data["Patents"], theta[k] + theta[k + 1] * data["lgRD"]) for k in (0, 2, 4)]
    )
    return float(logsumexp(logits + logs, axis=1).sum() - logsumexp(logits, axis=1).sum())


def fabric(theta):
    data = load_data("fabric")
    logs = [poisson_logs(data.y, theta[k] + theta[1] * np.log(data.leng)) for k in (0, 2)]
    return float(
        np.logaddexp(logs[0] + np.log(expit(-theta[3])), logs[1] + np.log(expit(theta[3]))).sum()
    )


@pytest.mark.parametrize(
    ("name", "function"), [("patent_poisson3_concomitant", patent), ("fabric_npml2", fabric)]
)
def test_standard_errors_are_those_of_second_differences(name, function):
    result = fitted(name)
    theta = np.asarray(result.params)
    np.testing.assert_allclose(function(theta), result.llf, rtol=1e-12)
    step = 1e-3 * np.asarray(result.bse)
    eye = np.diag(step)
    hessian = np.array(
        [
            [
                (
                    function(theta + a + b) - function(theta + a - b)
                    - function(theta - a + b) + function(theta - a - b)
                ) / (4 * a.sum() * b.sum())
                for a in eye
            ]
            for b in eye
        ]
    )  # fmt: skip
    errors = np.sqrt(np.diag(np.linalg.inv(-hessian)))
    np.testing.assert_allclose(result.bse, errors, rtol=1e-4)


def grid_loglike(data, items, frequency, params):
    """Latent classes with a random effect within class, on 2001 points."""
    grid = np.linspace(-8, 8, 2001)
    weight = stats.norm.pdf(grid) * (grid[1] - grid[0])
    y = data[items].to_numpy()
    size = expit(params["logit(class2):Intercept"])
    total = 0.0
    for prior, c in ((1 - size, 1), (size, 2)):
        nu = np.array([params[f"class{c}:intercept[{item}]"] for item in items])[:, None]
        nu = nu + np.sqrt(params["var(theta|person)"]) * grid
        # the logarithm of 1 / (1 + exp(-x)), also where that is zero
        logs = -np.einsum("nk,kg->ng", y, np.logaddexp(0, -nu))
        logs -= np.einsum("nk,kg->ng", 1 - y, np.logaddexp(0, nu))
        total = total + prior * (np.exp(logs) @ weight)
    return float(data[frequency] @ np.log(total))


def test_solution_on_the_boundary_is_better_than_the_interior_one():
    result, case = fitted("genderrole_lcre2"), CASES["genderrole_lcre2"]
    data, items = load_data("genderrole"), [f"Q{k}" for k in range(1, 6)]
    interior = {label: value["est"] for label, value in case["params"].items()}
    # the peer's solution has the likelihood that the peer states
    there = grid_loglike(data, items, "Freq", interior)
    np.testing.assert_allclose(there, case["loglike"], rtol=1e-9)
    # and ours is four log units above
    here = grid_loglike(data, items, "Freq", dict(result.params))
    np.testing.assert_allclose(here, result.llf, atol=1e-5)
    assert here > there + 4.0
    # with a probability of zero: nearer to the inside the likelihood is lower
    (held,) = result.verdict.held
    assert held.endswith("= -infinity") and "intercept[Q1]" in held
    label = held.split(" = ")[0]
    assert np.isnan(result.bse[label])
    for value in (-6.0, -12.0, -20.0):
        nearer = dict(result.params) | {label: value}
        assert grid_loglike(data, items, "Freq", nearer) < here


def test_posterior_classes_of_the_first_persons():
    result = fitted("dentistry_lcre2")
    posterior = result.model.likelihood.posterior(result.theta).lower[0]
    of_row = posterior[result.model.assembly.layout.of_row]
    reference = CASES["dentistry_lcre2"]["posterior_first5"]
    np.testing.assert_allclose(of_row[:5], reference, atol=1e-5)
