"""A product of latent variables against a likelihood by conditional normality, and simulation."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from tests.test_examples import load_example

example = load_example("field_latent_interaction")


def conditional_loglike(students, params, nodes=64):
    """Given effort and ability all items are normal: an integral over two variables is left."""
    u, weight = np.polynomial.hermite_e.hermegauss(nodes)
    log_weight = np.log(weight / weight.sum())
    covariance = params["cov(effort,ability|student)"]
    factor = np.linalg.cholesky(
        [
            [params["var(effort|student)"], covariance],
            [covariance, params["var(ability|student)"]],
        ]
    )
    effort = factor[0, 0] * u[:, None] + 0.0 * u
    ability = factor[1, 0] * u[:, None] + factor[1, 1] * u
    achievement = (
        params["achievement ~ effort"] * effort
        + params["achievement ~ ability"] * ability
        + params.get("achievement ~ effort:ability", 0.0) * effort * ability
    )
    terms = np.zeros((len(students), nodes, nodes)) + log_weight[:, None] + log_weight
    for name, eta in (("effort", effort), ("ability", ability)):
        for item in example.ITEMS[name]:
            mean = params[f"response[{item}]"] + params.get(f"loading({name}: {item})", 1.0) * eta
            y = students[item].to_numpy()[:, None, None]
            terms += stats.norm.logpdf(y, mean, np.exp(params[f"log_sd:response[{item}]"]))
    items = example.ITEMS["achievement"]
    loading = np.array([params.get(f"loading(achievement: {item})", 1.0) for item in items])
    noise = [np.exp(2 * params[f"log_sd:response[{item}]"]) for item in items]
    own = params["var(achievement|student)"] * np.outer(loading, loading) + np.diag(noise)
    constant = np.array([params[f"response[{item}]"] for item in items])
    y = students[items].to_numpy()[:, None, None, :]
    residual = y - constant - achievement[..., None] * loading
    terms += stats.multivariate_normal(np.zeros(3), own).logpdf(residual)
    return float(np.logaddexp.reduce(terms, axis=(1, 2)).sum())


def test_fit_is_the_maximum_of_the_conditional_likelihood():
    students = example.simulate(100)
    result = example.interaction_model(students).fit()
    assert result.converged
    loglike = conditional_loglike(students, result.params)
    assert result.llf == pytest.approx(loglike, abs=2e-3)
    for name in [n for n in result.params.index if "~" in n or "|student" in n]:
        ends = [result.params.copy(), result.params.copy()]
        ends[0][name] += 1e-2 * result.bse[name]
        ends[1][name] -= 1e-2 * result.bse[name]
        slope = np.subtract(*(conditional_loglike(students, end) for end in ends)) / 2e-2
        assert abs(slope) < 5e-3, name


def test_without_a_product_the_integral_is_exact():
    students = example.simulate(100)
    result = example.interaction_model(students, product="").fit()
    assert result.llf == pytest.approx(conditional_loglike(students, result.params), abs=1e-6)


def test_sums_of_items_underestimate_the_interaction():
    sums = example.regression_of_sums(example.simulate(20_000))
    assert sums.params["effort:ability"] < 0.8 * example.TRUTH["achievement ~ effort:ability"]


def test_script_runs(capsys):
    example.main()
    printed = capsys.readouterr().out
    assert all(title in printed for title in example.SECTIONS)


@pytest.mark.study
@pytest.mark.filterwarnings("ignore::sm_gllamm.exceptions.BoundaryWarning")
@pytest.mark.filterwarnings("ignore::sm_gllamm.exceptions.IdentificationWarning")
def test_coverage():
    replications, truth = 200, example.TRUTH
    covered = []
    for seed in range(replications):
        result = example.interaction_model(example.simulate(300, seed=1000 + seed)).fit()
        if result.verdict.boundary or result.verdict.singular:
            continue
        interval = result.conf_int(method="transformed").loc[truth.index].to_numpy()
        covered.append((interval[:, 0] < truth) & (truth < interval[:, 1]))
    # samples with a variance of zero or a correlation of one have no intervals
    assert len(covered) > 0.95 * replications
    share = pd.DataFrame(covered).mean()
    margin = 3 * np.sqrt(0.95 * 0.05 / replications)
    assert np.all(np.abs(share - 0.95) < margin + 0.02), share
