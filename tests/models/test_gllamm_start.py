"""Starting values of latent variables: moments, second strategy, several starts."""

import warnings
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import approx_fprime

import sm_gllamm.api as smg
from sm_gllamm.estimation.linked import LinkedResponses
from sm_gllamm.exceptions import SpecificationError
from sm_gllamm.models import loading_start, several_starts
from sm_gllamm.models.fitting import Fit
from sm_gllamm.models.loading_start import latent_by_latent, moment_fit
from sm_gllamm.models.moments import pair_moments
from sm_gllamm.models.several_starts import best_of_starts, random_start, with_second_strategy
from sm_gllamm.models.starting import start_theta
from sm_gllamm.specification.latent import Latent
from tests.models.gllamm_start_cases import KINDS, build, model, responses


def moments_of(built):
    """Return moments of the rows minus their means by item."""
    problem = built.assembly.problem
    return pair_moments(problem, LinkedResponses(problem, slice(None)).linked)


def test_moments_are_average_products_of_pairs():
    built = model("two_levels", 0)
    problem = built.assembly.problem
    residual = np.random.default_rng(1).normal(size=len(problem.y))
    moments = pair_moments(problem, residual)
    data = built.data.frame.sort_values(["school", "person"], kind="stable")
    item = data["item"].to_numpy()
    centred = residual - np.array([residual[item == i].mean() for i in item])
    shares = [
        data[level].to_numpy()[:, None] == data[level].to_numpy() for level in ("person", "school")
    ]
    shares = [shares[0] & ~np.eye(len(item), dtype=bool), shares[1] & ~shares[0]]
    names = [f"i{np.flatnonzero(row)[0] + 1}" for row in moments.kinds[:, moments.columns >= 0]]
    for level, together in enumerate(shares):
        for a, left in enumerate(names):
            for b, right in enumerate(names):
                pairs = together & (item == left)[:, None] & (item == right)
                assert moments.pairs[level][a, b] == pairs.sum()
                expected = (np.outer(centred, centred)[pairs]).mean() if pairs.any() else 0.0
                assert moments.products[level][a, b] == pytest.approx(expected, abs=1e-12)


def test_moments_of_continuous_columns_are_not_taken():
    rng = np.random.default_rng(0)
    data = responses(rng, np.ones((3, 1)), rng.normal(size=(50, 1)))
    data["x"] = rng.normal(size=len(data))
    built = build(data, [Latent("u", "person"), Latent("slope", "person", "0 + x")])
    assert moments_of(built) is None
    assert built.fit().converged


def test_one_factor_of_exact_moments():
    g, sd = np.array([0.9, -1.6, 0.03, 2.0]), np.array([1.5, 2.0, 1.0, 2.5])
    pairs = 300.0 * (1 - np.eye(4))
    found = loading_start._one_factor(np.outer(g, g), pairs, sd)
    np.testing.assert_allclose(found * np.sign(found[0]), g, atol=0.01)


@pytest.mark.parametrize("kind", ["cross_loadings", "two_levels", "paths"])
def test_slopes_of_the_least_squares_fit(kind, monkeypatch):
    built, seen = model(kind, 1), {}
    theta = start_theta(built._ready())[0]

    def least_squares(fun, x0, jac, **options):
        x = x0 * 1.1 + 0.05
        numeric = np.array([approx_fprime(x, lambda v, i=i: fun(v)[i], 1e-7) for i in range(12)])
        np.testing.assert_allclose(jac(x)[:12], numeric, atol=1e-4, rtol=1e-4)
        seen["yes"] = True
        return SimpleNamespace(x=x0, fun=fun(x0))

    monkeypatch.setattr(loading_start, "least_squares", least_squares)
    moment_fit(built.mapping, built.assembly.problem, moments_of(built), theta)
    assert seen


def test_moment_fit_of_gaussian_items_is_near_the_maximum():
    # three indicators a factor: the loadings follow from the covariances
    built = model("paths", 3)
    result = built.fit()
    moments = moments_of(built)
    start = built.mapping.theta(built.start_params)
    theta = latent_by_latent(built.mapping, moments, start, lambda column: 1.0)
    theta = moment_fit(built.mapping, built.assembly.problem, moments, theta)[0]
    loadings = [k for k, name in enumerate(built.param_names) if name.startswith("loading")]
    difference = np.abs(np.abs(theta) - np.abs(result.theta))[loadings]
    assert np.all(difference < 0.2)


@pytest.mark.parametrize("kind", KINDS)
def test_the_usual_start_converges(kind):
    built = model(kind, 0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        result = built.fit()
    assert result.converged and result.verdict.starts == ()
    again = built.fit(start_params=result.params)
    assert again.llf == pytest.approx(result.llf, abs=1e-4)


@pytest.mark.study
@pytest.mark.parametrize("seed", range(2, 22))
@pytest.mark.parametrize("kind", KINDS)
def test_sweep(kind, seed):
    """Converged at the best of four starts, or something is named that keeps it from it."""
    built = model(kind, seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        result, several = built.fit(), built.fit(n_starts=4)
    if result.converged:
        assert result.llf >= several.llf - 1e-2
    else:
        assert result.verdict.runaway or result.verdict.boundary


# ---------------------------------------------------------------------------- several starts
def test_random_starts_are_the_same_in_every_call_and_differ_by_seed():
    built = model("paths", 0)
    likelihood = built._ready()
    theta = start_theta(likelihood)[0]
    first, again, other = (random_start(likelihood, theta, seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert np.any(first != other)
    moved = first != theta
    fixed = [
        k for k, name in enumerate(built.param_names) if name.startswith(("C(item)", "log_sd"))
    ]
    assert not moved[fixed].any() and moved.sum() == len(theta) - len(fixed)


def test_several_starts():
    built = model("bad_marker", 0)
    result = built.fit(n_starts=4)
    verdict = result.verdict
    assert len(verdict.starts) == 4 and result.settings.n_starts == 4
    assert (
        verdict.replicated == sum(abs(value - result.llf) < 1e-3 for value in verdict.starts) >= 2
    )
    assert f"reached from {verdict.replicated} of 4 starts" in str(verdict)
    np.testing.assert_allclose(built.fit(n_starts=4).verdict.starts, verdict.starts, rtol=1e-9)


@pytest.mark.parametrize("wrong", [0, -1, 2.5, "3"])
def test_wrong_number_of_starts(wrong):
    with pytest.raises(SpecificationError, match="n_starts must be a whole number from 1 on"):
        model("one_factor", 0).fit(n_starts=wrong)


def run_of(values):
    """Return a stand-in for a run that ends with given log-likelihoods, NaN for no convergence."""
    ends = iter(values)

    def run(start):
        value, converged = next(ends)
        outcome = SimpleNamespace(
            theta=start,
            value=value,
            converged=converged,
            interrupted=False,
            iterations=9,
            reason="",
        )
        return Fit(outcome, None, 0.0, start)

    return run


@pytest.fixture(scope="module")
def ready():
    built = model("one_factor", 0)
    likelihood = built._ready()
    return likelihood, start_theta(likelihood)[0]


class TestSecondStrategy:
    def fit(self, ready, values, maxiter=100):
        likelihood, start = ready
        run = run_of(values)
        return with_second_strategy(run, likelihood, start, maxiter, run(start)).outcome

    def test_is_not_used_without_need(self, ready):
        assert self.fit(ready, [(-5.0, True)]).value == -5.0

    def test_stops_at_the_first_run_that_converges(self, ready):
        outcome = self.fit(ready, [(-5.0, False), (-4.0, True)])
        assert (outcome.value, outcome.converged) == (-4.0, True)

    def test_a_lower_maximum_is_no_substitute(self, ready):
        outcome = self.fit(ready, [(-5.0, False), (-9.0, True), (-6.0, False)])
        assert (outcome.value, outcome.converged) == (-5.0, False)

    def test_a_loading_that_runs_away_will_again(self, ready, monkeypatch):
        monkeypatch.setattr(several_starts, "large_loadings", lambda *args, **options: [3])
        assert self.fit(ready, [(-5.0, False), (-4.0, False)]).value == -4.0

    def test_a_short_run_is_what_the_user_wanted(self, ready):
        assert not self.fit(ready, [(-5.0, False)], maxiter=9).converged

    def test_values_that_are_not_finite(self, ready):
        outcome = self.fit(ready, [(np.nan, False), (-5.0, True)])
        assert outcome.value == -5.0


def test_best_of_starts(ready):
    likelihood, start = ready
    fit, values = best_of_starts(
        run_of([(-5.0, True), (-4.0, True), (-3.9, False)]), likelihood, start, 3
    )
    assert fit.outcome.value == -3.9 and values[:2] == (-5.0, -4.0) and np.isnan(values[2])


def test_second_strategy_where_the_first_start_fails(monkeypatch):
    built = model("cross_loadings", 0)
    expected = built.fit()
    start = start_theta(built._ready())[0]
    # factors that are upside down against their cross loadings, and nearly without variance
    bad = start.copy()
    for k, name in enumerate(built.param_names):
        if name.startswith("loading") and start[k] < 0:
            bad[k] = 30.0
    monkeypatch.setattr("sm_gllamm.models.glmm_fit.start_theta", lambda likelihood: (bad, None))
    result = built.fit()
    assert result.llf == pytest.approx(expected.llf, abs=1e-6)


def test_ordinal_items_with_thresholds_of_their_own():
    rng = np.random.default_rng(0)
    f = rng.normal(size=400)
    cuts = {"a": [-1, 0, 1], "b": [-0.5, 0.8], "c": [-1.5, -0.2, 0.3, 1.5]}
    y = {
        item: np.digitize(slope * f + rng.logistic(size=400), cuts[item]).astype(float)
        for item, slope in (("a", 1.0), ("b", 1.5), ("c", 0.7))
    }
    data = smg.stack_responses(pd.DataFrame(y), list("abc"), id="person")
    built = smg.GLLAMM.from_formula(
        "y ~ 0", data, [Latent("f", "person", "0 + C(response)")], family_by="response",
        family={item: smg.families.Ordinal("logit") for item in "abc"},
    )  # fmt: skip
    start = dict(zip(built.param_names, built.start_params, strict=True))
    for item, share in y.items():
        for k in range(len(cuts[item])):
            below = np.mean(share <= k)
            expected = np.log(below / (1 - below))
            assert start[f"threshold({k}|{k + 1})[{item}]"] == pytest.approx(expected, abs=0.1)
    assert start["loading(f: C(response)[b])"] > start["loading(f: C(response)[c])"] > 0
    assert built.fit().verdict.ok
