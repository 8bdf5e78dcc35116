"""Covariate measurement error: the published estimates, brute force, simulated data."""

import numpy as np
import pandas as pd
import pytest

from tests.field import evaluator
from tests.reference import load_cases
from tests.test_examples import load_example

example = load_example("field_measurement_error")


@pytest.fixture(scope="module")
def rows():
    return example.load()


def test_estimates_as_published(rows):
    result = example.fit(rows)
    published = pd.Series(example.PUBLISHED)
    # one node of the published fit moves what is about the binary response
    slack = pd.Series(0.02, published.index)
    slack[["measured", "fibre ~ age", "fibre ~ bus", "fibre ~ age:bus"]] = 5e-4
    difference = (result.params[published.index] - published).abs()
    assert (difference < slack).all()


def test_direct_effects_against_the_reference(rows):
    case, result = load_cases("latent")["diet_measurement_error_direct"], example.fit(rows)
    np.testing.assert_allclose(result.llf, case["loglike"], rtol=1e-7)
    # the reference has total effects of the covariates, by fibre and directly
    for name in ("age", "bus", "age:bus"):
        through = result.params[f"fibre ~ {name}"] * result.params["loading(fibre: chd)"]
        direct = result.params[f"{name}:chd"]
        total = case["params"][{"age:bus": "chd:age:bus"}.get(name, f"chd:{name}")]["est"]
        assert direct + through == pytest.approx(total, abs=1e-4)


def loglike_of(rows, direct):
    """Log-likelihood of the parameters by a dense grid."""
    wide = rows.pivot(index="id", columns="item", values="y")
    men = rows.groupby("id")[["age", "bus"]].first() if "age" in rows else None
    bus = rows.groupby("id")["bus"].first().to_numpy()
    terms = {"bus": bus}
    if men is not None:
        terms |= {"age": men["age"].to_numpy(), "age:bus": men["age"].to_numpy() * bus}

    def loglike(params):
        mean = sum(
            params[f"fibre ~ {name}"] * value
            for name, value in terms.items()
            if f"fibre ~ {name}" in params
        )
        constant = params["chd"]
        if direct:
            constant = constant + sum(params[f"{name}:chd"] * x for name, x in terms.items())
        variance, fibre = params["var(Residual)[fibre]"], {"fibre": 1.0}
        second = params["measured"] + params.get("second", 0.0)
        items = [
            evaluator.gaussian_item(wide["fiber1"], params["measured"], variance, fibre),
            evaluator.gaussian_item(wide["fiber2"], second, variance, fibre),
            evaluator.logit_item(wide["chd"], constant, {"fibre": params["loading(fibre: chd)"]}),
        ]
        sd = np.sqrt(params["var(fibre|id)"])
        return evaluator.one_factor(items, "fibre", sd, mean, n_nodes=241).sum()

    return loglike


@pytest.mark.parametrize("direct", [" + (age * bus):chd", ""], ids=["direct", "indirect"])
def test_diet_by_brute_force(rows, direct):
    result = example.fit(rows, direct)
    assert result.verdict.ok
    evaluator.assert_maximum(loglike_of(rows, direct), result)


def test_simulated_data_by_brute_force():
    rows = example.simulate(400, seed=3)
    result = example.fit(rows, direct="", exposure="bus")
    evaluator.assert_maximum(loglike_of(rows, ""), result)


def test_recovers_what_was_simulated_where_the_naive_regression_does_not():
    rows = example.simulate(6000, seed=5)
    result = example.fit(rows, direct="", exposure="bus")
    truth = pd.Series(example.TRUTH)
    assert ((result.params[truth.index] - truth).abs() < 4 * result.bse[truth.index]).all()
    naive, slope = example.fit_naive(rows), truth["loading(fibre: chd)"]
    # the mean of two measurements has a reliability of 20 / (20 + 15 / 2)
    attenuated = slope * 20 / 27.5
    assert naive.params["fibre"] == pytest.approx(attenuated, abs=4 * naive.bse["fibre"])
    assert abs(naive.params["fibre"] - slope) > 4 * naive.bse["fibre"]
    assert example.reliability(result) == pytest.approx(20 / 35, abs=0.05)


def test_script_runs(capsys):
    example.main()
    printed = capsys.readouterr().out
    assert all(title in printed for title in example.SECTIONS)


@pytest.mark.study
def test_coverage():
    replications, truth = 500, pd.Series(example.TRUTH)
    covered, naive = [], []
    for seed in range(replications):
        rows = example.simulate(500, seed=1000 + seed)
        result = example.fit(rows, direct="", exposure="bus")
        interval = result.conf_int().loc[truth.index].to_numpy()
        covered.append((interval[:, 0] < truth) & (truth < interval[:, 1]))
        low, high = example.fit_naive(rows).conf_int().loc["fibre"]
        naive.append(low < truth["loading(fibre: chd)"] < high)
    share = pd.DataFrame(covered).mean()
    margin = 3 * np.sqrt(0.95 * 0.05 / replications)
    # symmetric intervals of variances cover a little less
    assert np.all(np.abs(share - 0.95) < margin + 0.01), share
    assert np.mean(naive) < 0.6
