"""Factor models for binary items against published estimates and dense grids."""

import numpy as np
import pandas as pd
import pytest

import sm_gllamm.api as smg
from tests.field import evaluator
from tests.field.peers import assert_agrees
from tests.reference import load_cases
from tests.test_examples import load_example

example = load_example("field_factor_binary")


@pytest.fixture(scope="module")
def lsat():
    rows = example.load_lsat()
    return example.fit_one_parameter(rows), example.fit_two_parameters(rows)


@pytest.fixture(scope="module")
def aggression():
    rows = example.load_aggression()
    return rows, rows.pivot(index="id", columns="item", values="y")


@pytest.fixture(scope="module")
def bifactor(aggression):
    return example.fit_bifactor(aggression[0])


def test_one_parameter_as_published(lsat):
    table = example.difficulties(lsat[0], example.LSAT)
    np.testing.assert_allclose(table["difficulty"], example.PUBLISHED[example.LSAT], atol=0.0002)
    assert lsat[0].params["loading(a)"] == pytest.approx(example.PUBLISHED["a"], abs=0.0001)


def test_one_parameter_against_the_reference(lsat):
    case = load_cases("field")["lsat_rasch"]
    assert_agrees(
        case, lsat[0], lambda name: "loading(a)" if name == "a" else f"C(item)[{name[2:]}]"
    )


def test_difficulties_of_two_parameters(lsat):
    reference = load_cases("latent")["lsat_2pl"]["params"]
    table = example.difficulties(lsat[1], example.LSAT)
    for item in example.LSAT:
        known = reference[f"b_{item}"]
        assert table.loc[item, "difficulty"] == pytest.approx(known["est"], rel=1e-3)
        assert table.loc[item, "std_err"] == pytest.approx(known["se"], rel=1e-3)


def test_comparison_as_published(lsat):
    published, test = example.PUBLISHED_FIT, lsat[1].compare_lr_test(lsat[0])
    assert lsat[0].llf == pytest.approx(published["one"], abs=0.0006)
    assert lsat[1].llf == pytest.approx(published["two"], abs=0.006)
    assert round(test.statistic, 2) == published["statistic"]
    assert round(test.pvalue, 3) == published["p"]


def items_of(answers, params, factors):
    """Items for the evaluator, from the parameters of a fit."""

    def loadings(item):
        names = {f: (f"loading({f}: {item})", f"loading({f}: C(item)[{item}])") for f in factors}
        found = {f: [params[x] for x in pair if x in params] for f, pair in names.items()}
        return {f: values[0] for f, values in found.items() if values}

    return [
        evaluator.logit_item(answers[item], params[f"C(item)[{item}]"], loadings(item))
        for item in answers
    ]


def test_two_factors_by_brute_force(aggression):
    rows, answers = aggression
    result = example.fit_two_factors(rows)
    first = {"want": "S1WantCurse", "do": "S1DoCurse"}
    fixed = {f"loading({factor}: {item})": 1.0 for factor, item in first.items()}

    def loglike(params):
        p = {**params.to_dict(), **fixed}
        between = p["cov(want,do|id)"]
        covariance = result.cov_re.copy()
        covariance.loc[:, :] = [[p["var(want|id)"], between], [between, p["var(do|id)"]]]
        return evaluator.two_factors(items_of(answers, p, first), covariance).sum()

    assert result.verdict.ok and result.verdict.quadrature_error < 1e-4
    evaluator.assert_maximum(loglike, result, directions=1)


def test_bifactor_by_brute_force(aggression, bifactor):
    answers, result = aggression[1], bifactor

    def loglike(params):
        items = items_of(answers, params.to_dict(), ["general", "want", "do"])
        return evaluator.bifactor(items, "general").sum()

    assert result.verdict.ok
    evaluator.assert_maximum(loglike, result, llf_rtol=2e-8, directions=1)
    assert 0.5 < example.explained_common_variance(result) < 0.7


def test_script_runs(capsys, bifactor, monkeypatch):
    # the one fit that takes some seconds is there already
    monkeypatch.setattr(example, "fit_bifactor", lambda rows: bifactor)
    example.main()
    printed = capsys.readouterr().out
    assert all(title in printed for title in example.SECTIONS)


# A general factor and a specific one of the second half of the items.
HALVES = {"plain": [f"plain{k}" for k in range(5)], "special": [f"special{k}" for k in range(5)]}
TRUTH = pd.Series(
    {
        **{f"C(item)[{item}]": d for half in HALVES.values() for item, d in zip(
            half, [1.0, 0.5, 0.0, -0.5, -1.0], strict=True)},
        **{f"loading(general: C(item)[{item}])": a for half in HALVES.values() for item, a in zip(
            half, [1.5, 1.2, 1.0, 1.3, 0.8], strict=True)},
        **{f"loading(specific: {item})": a for item, a in zip(
            HALVES["special"], [1.0, 0.8, 1.2, 0.9, 1.1], strict=True)},
    }
)  # fmt: skip


def fit_simulated(n, seed):
    """Bifactor model of simulated answers of n persons."""
    rng = np.random.default_rng(seed)
    general, specific = rng.normal(size=(2, n))
    answers = {}
    for item in [*HALVES["plain"], *HALVES["special"]]:
        nu = TRUTH[f"C(item)[{item}]"] + TRUTH[f"loading(general: C(item)[{item}])"] * general
        nu = nu + TRUTH.get(f"loading(specific: {item})", 0.0) * specific
        answers[item] = (nu + rng.logistic(size=n) > 0).astype(float)
    wide = pd.DataFrame(answers)
    rows = smg.stack_responses(wide, list(wide), id="id").rename(columns={"response": "item"})
    rows = rows.join(pd.get_dummies(rows["item"], dtype=float))
    latent = [
        smg.Latent("general", "id", example.ALL),
        smg.Latent("specific", "id", "0 + " + " + ".join(HALVES["special"])),
    ]
    return example.fit(rows, latent, identification="variance", covariance="diagonal")


def test_bifactor_recovers_what_was_simulated():
    result = fit_simulated(2000, seed=4)
    z = (result.params - TRUTH[result.params.index]) / result.bse
    assert result.verdict.ok
    assert (z**2).mean() < 2 and z.abs().max() < 4


@pytest.mark.study
def test_coverage_of_the_bifactor_model():
    replications, covered = 300, []
    for seed in range(replications):
        result = fit_simulated(800, seed=1000 + seed)
        interval, truth = result.conf_int().to_numpy(), TRUTH[result.params.index]
        covered.append((interval[:, 0] < truth) & (truth < interval[:, 1]))
    share = pd.DataFrame(covered).mean()
    margin = 3 * np.sqrt(0.95 * 0.05 / replications)
    assert np.all(np.abs(share - 0.95) < margin + 0.015), share
