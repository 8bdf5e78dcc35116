"""Factors in rankings and choices against brute-force integrals."""

import itertools

import numpy as np
import pandas as pd
import pytest

from tests.test_examples import load_example

example = load_example("field_rankings")


def ranking_probabilities(params, nodes=60):
    """Probability of each ordering of the goals, from the estimates of one or two factors."""
    u, weight = np.polynomial.hermite_e.hermegauss(nodes)
    weight = np.outer(weight, weight) / weight.sum() ** 2
    utility = {"1": np.zeros((nodes, nodes))}
    for digit, goal in zip("234", example.GOALS, strict=True):
        first = params[f"loading(values: {goal})"]
        second = params.get(f"loading(second: {goal})", 0.0)
        utility[digit] = params[goal] + first * u[:, None] + second * u
    out = {}
    for order in itertools.permutations("1234"):
        log_p = 0.0
        for place in range(3):
            rest = np.array([utility[digit] for digit in order[place:]])
            log_p = log_p + rest[0] - np.logaddexp.reduce(rest, axis=0)
        out[int("".join(order))] = float(np.sum(weight * np.exp(log_p)))
    return pd.Series(out)


@pytest.mark.parametrize("latent", [example.ONE_FACTOR, example.TWO_FACTORS], ids=["one", "two"])
def test_rankings_by_brute_force(latent):
    rows = example.load_goals()
    result = example.ranking_model(rows, latent).fit(quadrature_tol=1e-6)
    assert result.converged
    frequency = rows.groupby("ordering")["freq"].first()

    def loglike(params):
        probability = ranking_probabilities(params)
        assert probability.sum() == pytest.approx(1.0)
        return float((frequency * np.log(probability)).sum())

    assert result.llf == pytest.approx(loglike(result.params), abs=1e-4)
    for name in result.params.index:
        ends = [result.params.copy(), result.params.copy()]
        ends[0][name] += 1e-2 * result.bse[name]
        ends[1][name] -= 1e-2 * result.bse[name]
        assert abs(loglike(ends[0]) - loglike(ends[1])) / 2e-2 < 5e-3, name


def test_one_factor_of_values():
    rows = example.load_goals()
    result = example.ranking_model(rows, example.ONE_FACTOR).fit()
    loadings = result.params.filter(like="loading")
    # postmaterialist goals against order, and prices with order
    assert loadings.iloc[0] > 1 and loadings.iloc[2] > 1 and abs(loadings.iloc[1]) < 0.5
    second = example.ranking_model(rows, example.TWO_FACTORS).fit()
    assert result.llf < second.llf < example.saturated(rows)
    assert second.compare_lr_test(result).statistic == pytest.approx(
        2 * (second.llf - result.llf), rel=1e-8
    )


def test_choices_by_brute_force():
    rows = example.load_crackers()
    rows = rows[rows["id"] <= 6].reset_index(drop=True)
    model = example.choice_model(rows)
    params = pd.Series([1.5, 2.0, 3.0, -3.0, 0.3, 0.5, 1.0, 1.5, 2.0], model.param_names)
    u, weight = np.polynomial.hermite_e.hermegauss(100)
    log_weight = np.log(weight / weight.sum())
    fixed = [*example.BRANDS, "price", "display", "feature"]
    loadings = np.array([params[f"loading(taste: {brand})"] for brand in example.BRANDS])
    total = 0.0
    for _, household in rows.groupby("id"):
        terms = log_weight
        for _, purchase in household.groupby("occasion"):
            nu = purchase[fixed].to_numpy() @ params[fixed].to_numpy()
            nu = nu[:, None] + (purchase[example.BRANDS].to_numpy() @ loadings)[:, None] * u
            chosen = purchase["choice"].to_numpy() == 1
            terms = terms + nu[chosen][0] - np.logaddexp.reduce(nu, axis=0)
        total += np.logaddexp.reduce(terms)
    assert model.loglike_at(params.to_numpy(), n_points=50) == pytest.approx(total, abs=1e-5)


def simulate_rankings(rng, n=2000):
    """Orderings of the goals by persons with one factor, in the long form of the data."""
    truth = pd.Series({"say": -1.0, "prices": 0.2, "speech": -1.2})
    loading = np.array([1.5, 0.3, 1.2])
    utility = truth.to_numpy() + loading * rng.normal(size=(n, 1)) + rng.gumbel(size=(n, 3))
    utility = np.column_stack([rng.gumbel(size=n), utility])
    rank = 1 + np.argsort(np.argsort(-utility, axis=1), axis=1)
    goals = ["order", *example.GOALS]
    rows = pd.DataFrame(rank, columns=goals).assign(ordering=range(n), freq=1)
    rows = rows.melt(["ordering", "freq"], goals, "goal", "rank")
    rows = rows.assign(**{goal: (rows["goal"] == goal).astype(float) for goal in example.GOALS})
    return rows, np.concatenate([truth, loading])


def test_script_runs(capsys):
    example.main()
    printed = capsys.readouterr().out
    assert all(title in printed for title in example.SECTIONS)


@pytest.mark.study
def test_coverage():
    replications, rng, covered = 200, np.random.default_rng(1), []
    for _ in range(replications):
        rows, truth = simulate_rankings(rng, n=500)
        result = example.ranking_model(rows, example.ONE_FACTOR).fit()
        sign = np.sign(result.params["loading(values: say)"])
        interval = result.conf_int().to_numpy() * np.where(np.arange(6) < 3, 1, sign)[:, None]
        covered.append((interval.min(axis=1) < truth) & (truth < interval.max(axis=1)))
    share = np.mean(covered, axis=0)
    margin = 3 * np.sqrt(0.95 * 0.05 / replications)
    assert np.all(np.abs(share - 0.95) < margin + 0.01), share
