"""A partly missing covariate against the exact likelihood, complete cases and simulation."""

import numpy as np
import pandas as pd
import pytest
from scipy import optimize, stats

from tests.test_examples import load_example

example = load_example("field_missing_covariate")


def exact_loglike(patients):
    """Log-likelihood without measurement error; missing exposures are integrated out by 60 nodes."""
    u, weight = np.polynomial.hermite_e.hermegauss(60)
    weight = weight / weight.sum()
    y, w = patients["y"].to_numpy(), patients["w"].to_numpy()
    known, x = patients["x"].notna().to_numpy(), patients["x"].fillna(0.0).to_numpy()

    def bernoulli(nu, y):
        return -np.logaddexp(0.0, -(2 * y - 1) * nu)

    def loglike(theta):
        """`theta` in the order of `TRUTH`."""
        constant, slope, effect, mean, gamma, variance = theta
        mean, sd = mean + gamma * w, np.sqrt(variance)
        linear = constant + slope * w
        seen = stats.norm.logpdf(x, mean, sd) + bernoulli(linear + effect * x, y)
        nodes = mean[:, None] + sd * u
        unseen = np.exp(bernoulli(linear[:, None] + effect * nodes, y[:, None])) @ weight
        return float(np.where(known, seen, np.log(unseen)).sum())

    return loglike


def numeric_hessian(function, point, step):
    """Central differences of the gradient's differences."""
    k = len(point)
    moves, out = np.diag(step), np.empty((k, k))
    for i in range(k):
        for j in range(k):
            corners = [
                sign_i * sign_j * function(point + sign_i * moves[i] + sign_j * moves[j])
                for sign_i in (1, -1)
                for sign_j in (1, -1)
            ]
            out[i, j] = sum(corners) / (4 * step[i] * step[j])
    return out


def test_fit_is_that_of_the_exact_likelihood():
    patients = example.simulate(600)
    result = example.fit_joint(patients)
    assert result.converged
    loglike = exact_loglike(patients)
    names = list(example.TRUTH.index)
    best = optimize.minimize(
        lambda theta: -loglike(theta), result.params[names], method="BFGS", options={"gtol": 1e-6}
    )
    errors = result.bse[names].to_numpy()
    # a known exposure has an error with a thousandth of its variance, by which the loading is too large
    np.testing.assert_allclose((result.params[names] - best.x) / errors, 0, atol=0.03)
    hessian = numeric_hessian(loglike, best.x, 1e-2 * errors)
    exact_errors = np.sqrt(np.diag(np.linalg.inv(-hessian)))
    np.testing.assert_allclose(errors, exact_errors, rtol=5e-3)
    assert result.llf == pytest.approx(-best.fun, abs=0.01)


def test_smaller_errors_of_the_known_come_closer(monkeypatch):
    patients = example.simulate(300)
    llfs = []
    for variance in (1e-1, 1e-2, 1e-3):
        monkeypatch.setattr(example, "KNOWN", variance)
        result = example.fit_joint(patients)
        llfs.append(result.llf - exact_loglike(patients)(result.params[example.TRUTH.index]))
    assert abs(llfs[0]) > abs(llfs[1]) > abs(llfs[2])
    assert abs(llfs[2]) < 0.01


def test_complete_cases_are_biased():
    patients = example.simulate(20_000)
    complete, joint = example.fit_complete(patients), example.fit_joint(patients)
    truth = example.TRUTH
    distance = (joint.params[truth.index] - truth) / joint.bse[truth.index]
    assert np.abs(distance).max() < 3
    assert complete.params["w"] < truth["ill:w"] - 10 * complete.bse["w"]
    assert complete.params["Intercept"] < truth["ill"] - 5 * complete.bse["Intercept"]
    # missingness depends on illness and w only, which leaves the odds ratio of x given w
    assert abs(complete.params["x"] - truth["loading(exposure: ill)"]) < 3 * complete.bse["x"]


def test_nothing_missing_is_two_regressions():
    patients = example.simulate(400).dropna(subset="x")
    joint = example.fit_joint(patients)
    complete = example.fit_complete(patients)
    np.testing.assert_allclose(
        joint.params[["ill", "ill:w", "loading(exposure: ill)"]],
        complete.params[["Intercept", "w", "x"]],
        rtol=5e-3,
    )


def test_script_runs(capsys):
    example.main()
    printed = capsys.readouterr().out
    assert all(title in printed for title in example.SECTIONS)


@pytest.mark.study
def test_coverage():
    replications, truth = 500, example.TRUTH
    covered, complete = [], []
    for seed in range(replications):
        patients = example.simulate(600, seed=1000 + seed)
        interval = example.fit_joint(patients).conf_int().loc[truth.index].to_numpy()
        covered.append((interval[:, 0] < truth) & (truth < interval[:, 1]))
        low, high = example.fit_complete(patients).conf_int().loc["w"]
        complete.append(low < truth["ill:w"] < high)
    share = pd.DataFrame(covered).mean()
    margin = 3 * np.sqrt(0.95 * 0.05 / replications)
    # the symmetric interval of the variance covers a little less
    assert np.all(np.abs(share - 0.95) < margin + 0.01), share
    assert np.mean(complete) < 0.2
