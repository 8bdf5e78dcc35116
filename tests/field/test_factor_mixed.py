"""Factor models for items of several kinds: brute force, and what the data were simulated from."""

import numpy as np
import pandas as pd
import pytest
from scipy.special import ndtr

from tests.field import evaluator
from tests.test_examples import load_example

example = load_example("field_factor_mixed")


@pytest.fixture(scope="module")
def rows():
    return example.simulate(500)[0]


def items_of(rows, p):
    """Items for the evaluator; `p` maps names of the loadings of two factors and of the rest."""
    y = rows.pivot(index="pupil", columns="response", values="y")

    def loadings(item):
        return {f: p[f"loading({f}: {item})"] for f in p["factors"] if f"loading({f}: {item})" in p}

    def thresholds(item):
        return [value for name, value in p.items() if name.endswith(f")[{item}]") and "|" in name]

    return [
        evaluator.gaussian_item(
            y["score"], p["score"], p["var(Residual)[score]"], loadings("score")
        ),
        evaluator.logit_item(y["passed"], p["passed"], loadings("passed")),
        evaluator.ordinal_item(y["grade"], thresholds("grade"), loadings("grade")),
        evaluator.gaussian_item(
            y["hours"], p["hours"], p["var(Residual)[hours]"], loadings("hours")
        ),
        evaluator.probit_item(y["homework"], p["homework"], loadings("homework")),
        evaluator.ordinal_item(y["rating"], thresholds("rating"), loadings("rating"), ndtr),
    ]


def test_one_factor_by_brute_force(rows):
    result = example.fit_one(rows)

    def loglike(params):
        p = {**params.to_dict(), "loading(general: score)": 1.0, "factors": ["general"]}
        sd = np.sqrt(p["var(general|pupil)"])
        return evaluator.one_factor(items_of(rows, p), "general", sd).sum()

    assert result.verdict.ok
    evaluator.assert_maximum(loglike, result)


def two_factor_loglike(rows, factors, p):
    first, second = factors
    between = p.get(f"cov({first},{second}|pupil)", 0.0)
    covariance = [[p[f"var({first}|pupil)"], between], [between, p[f"var({second}|pupil)"]]]
    covariance = pd.DataFrame(covariance, factors, factors)
    items = items_of(rows, {**p, "factors": factors})
    return evaluator.two_factors(items, covariance, width=6.0).sum()


@pytest.mark.parametrize(
    ("fit", "fixed"),
    [
        (example.fit_two, ["loading(knowledge: score)", "loading(effort: hours)"]),
        (example.fit_bifactor, ["loading(general: score)", "loading(specific: hours)"]),
    ],
    ids=["two", "bifactor"],
)
def test_two_dimensions_by_brute_force(rows, fit, fixed):
    result = fit(rows)
    factors = [name[len("loading(") :].split(":")[0] for name in fixed]

    def loglike(params):
        return two_factor_loglike(rows, factors, {**params.to_dict(), **dict.fromkeys(fixed, 1.0)})

    assert result.verdict.ok
    evaluator.assert_maximum(loglike, result, directions=2)


def test_recovers_what_was_simulated():
    rows, factors = example.simulate(3000, seed=2)
    result = example.fit_two(rows)
    truth = pd.Series(example.TRUTH)
    assert set(truth.index) == set(result.params.index)
    z = (result.params - truth) / result.bse
    assert (z**2).mean() < 2 and z.abs().max() < 4
    scores = result.latent_scores
    # the mean squared error of a posterior mean is the posterior variance
    for name in factors:
        error = ((scores[name] - factors[name]) ** 2).mean()
        assert error == pytest.approx((scores[f"sd({name})"] ** 2).mean(), rel=0.1)


def test_bifactor_contains_two_factors(rows):
    two, bifactor = example.fit_two(rows), example.fit_bifactor(rows)
    assert len(bifactor.params) == len(two.params) + 2
    assert 0 <= 2 * (bifactor.llf - two.llf) < 15


def test_script_runs(capsys):
    example.main()
    printed = capsys.readouterr().out
    assert all(title in printed for title in example.SECTIONS)


@pytest.mark.study
def test_coverage():
    replications, truth = 300, pd.Series(example.TRUTH)
    covered = []
    for seed in range(replications):
        result = example.fit_two(example.simulate(800, seed=1000 + seed)[0])
        interval = result.conf_int().loc[truth.index].to_numpy()
        covered.append((interval[:, 0] < truth) & (truth < interval[:, 1]))
    share = pd.DataFrame(covered).mean()
    margin = 3 * np.sqrt(0.95 * 0.05 / replications)
    # symmetric intervals of variances and loadings cover a little less
    assert np.all(np.abs(share - 0.95) < margin + 0.015), share
