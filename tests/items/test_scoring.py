"""Scores against brute-force integrals, scipy's optimisers and reference programs."""

import numpy as np
import pytest
from scipy import integrate, optimize
from scipy.stats import multivariate_normal, norm

from sm_gllamm.exceptions import QuadratureWarning, SpecificationError
from sm_gllamm.items.bank import Item, ItemBank
from sm_gllamm.items.posterior import posterior_moments
from sm_gllamm.items.scoring import STATUS, scores
from sm_gllamm.items.weighted_likelihood import estimating_function
from tests.items.banks import (
    ITEMS,
    all_patterns,
    bifactor_like,
    one_dimension,
    simulated,
    two_dimensions,
)


def integrated(bank, code, mean, sd):
    """Posterior mean and SD, and log-marginal, by Simpson's rule on 20,001 nodes."""
    x = mean + sd * np.linspace(-15.0, 15.0, 20_001)
    density = np.exp(bank.log_likelihood(code[None], x[:, None])[0]) * norm.pdf(x, mean, sd)
    total = integrate.simpson(density, x=x)
    eap = integrate.simpson(x * density, x=x) / total
    variance = integrate.simpson((x - eap) ** 2 * density, x=x) / total
    return eap, np.sqrt(variance), np.log(total)


@pytest.mark.parametrize("mean, variance", [(0.0, 1.0), (1.5, 0.3)])
def test_eap_of_all_forms_is_the_integral(mean, variance):
    bank = one_dimension(mean=mean, variance=variance)
    codes, _ = simulated(bank, 5)
    codes[0], codes[1, ::2] = 0, -1
    got = scores(bank, codes)
    moments = posterior_moments(bank, codes, np.full((5, 1), mean), bank.covariance)
    for i in range(5):
        eap, sd, log_marginal = integrated(bank, codes[i], mean, np.sqrt(variance))
        np.testing.assert_allclose(got.estimate[i, 0], eap, atol=1e-9)
        np.testing.assert_allclose(got.std_err[i, 0], sd, rtol=1e-8)
        np.testing.assert_allclose(moments.log_marginal[i], log_marginal, atol=1e-9)


@pytest.mark.parametrize(
    "slope, number, spread", [(30.0, 5, 1.5), (1.5, 400, 2.0), (0.05, 10, 30.0), (4.0, 3, 12.0)]
)
def test_eap_of_steep_many_flat_and_far_items(slope, number, spread):
    places = np.linspace(-spread, spread, number)
    bank = ItemBank(
        tuple(Item(f"i{j}", "binary", "2PL", [slope], [-slope * b]) for j, b in enumerate(places))
    )
    codes, _ = simulated(bank, 4, seed=3)
    codes = np.vstack([codes, np.ones(number, int), np.zeros(number, int)])
    got = scores(bank, codes)
    x = np.linspace(-12, 12, 24_001)
    value = bank.indicators(codes) @ bank.category_log_probabilities(x[:, None]) - x**2 / 2
    share = np.exp(value - value.max(axis=1, keepdims=True))
    share /= share.sum(axis=1, keepdims=True)
    eap = share @ x
    sd = np.sqrt(share @ x**2 - eap**2)
    np.testing.assert_allclose(got.estimate[:, 0], eap, atol=1e-8)
    np.testing.assert_allclose(got.std_err[:, 0], sd, rtol=1e-7)


def test_eap_of_a_posterior_with_two_modes():
    # hard items right, easy items wrong: guessed, or slipped
    easy = [Item(f"e{j}", "binary", "3PL", [2.0], [2.0], lower=0.25) for j in range(2)]
    hard = [Item(f"h{j}", "binary", "3PL", [4.0], [-8.0], lower=0.05) for j in range(5)]
    bank = ItemBank((*easy, *hard), covariance=[[4.0]])
    code = np.array([0, 0, 1, 1, 1, 1, 1])
    x = np.linspace(-20, 20, 200_001)
    value = bank.log_likelihood(code[None], x[:, None])[0] - x**2 / 8
    peaks = np.flatnonzero((value[1:-1] > value[:-2]) & (value[1:-1] > value[2:])) + 1
    assert len(peaks) >= 2
    share = np.exp(value) / np.exp(value).sum()
    eap = share @ x
    got = scores(bank, [code])
    np.testing.assert_allclose(got.estimate[0, 0], eap, atol=1e-8)
    np.testing.assert_allclose(got.std_err[0, 0], np.sqrt(share @ (x - eap) ** 2), rtol=1e-8)
    # MAP and ML: the highest of the maxima
    best = x[np.argmax(value)]
    np.testing.assert_allclose(scores(bank, [code], "MAP").estimate[0, 0], best, atol=2e-4)


@pytest.mark.parametrize("asymptote", [0.0, 0.2])
def test_eap_of_two_dimensions_is_the_integral(asymptote):
    bank = two_dimensions(asymptote)
    codes, _ = simulated(bank, 30)
    codes[3, :3] = -1
    mean = np.random.default_rng(1).normal(size=(30, 2))
    got = scores(bank, codes, prior_mean=mean)
    line = np.linspace(-9.0, 9.0, 361)
    grid = np.stack(np.meshgrid(line, line, indexing="ij"), axis=-1).reshape(-1, 2)
    for i in (0, 3, 17):
        value = bank.log_likelihood(codes[[i]], grid)[0]
        value += multivariate_normal(mean[i], bank.covariance).logpdf(grid)
        share = np.exp(value)
        log_marginal = np.log(share.sum() * 0.05**2)
        share /= share.sum()
        eap = share @ grid
        spread = np.einsum("m,mr,ms->rs", share, grid - eap, grid - eap)
        np.testing.assert_allclose(got.estimate[i], eap, atol=1e-8)
        np.testing.assert_allclose(got.covariance[i], spread, atol=1e-8)
        moments = posterior_moments(bank, codes[[i]], mean[[i]], bank.covariance)
        np.testing.assert_allclose(moments.log_marginal, log_marginal, atol=1e-8)


@pytest.mark.parametrize("q, spacing, atol", [(3, 0.25, 1e-7), (4, 0.5, 1e-5)])
def test_eap_of_more_dimensions_is_the_integral(q, spacing, atol):
    bank = bifactor_like(q)
    codes, _ = simulated(bank, 2)
    got = scores(bank, codes)
    line = np.arange(-6.0, 6.01, spacing)
    z = np.stack(np.meshgrid(*[line] * q, indexing="ij"), axis=-1).reshape(-1, q)
    grid = z @ np.linalg.cholesky(bank.covariance).T
    value = bank.log_likelihood(codes, grid) - 0.5 * (z**2).sum(axis=1)
    share = np.exp(value)
    share /= share.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(got.estimate, share @ grid, atol=atol)
    second = np.einsum("nm,mr,ms->nrs", share, grid, grid, optimize=True)
    spread = second - got.estimate[:, :, None] * got.estimate[:, None, :]
    np.testing.assert_allclose(got.covariance, spread, atol=3 * atol)


def test_steep_items_of_three_dimensions_have_the_nodes_they_need():
    # independent parts: each dimension is a bank of its own
    parts = [[-3.0, 1.0], [0.5, 4.0], [2.0, -2.0]]
    items = [
        Item(f"i{r}{j}", "binary", "2PL", 3.0 * np.eye(3)[r], [c])
        for r, intercepts in enumerate(parts)
        for j, c in enumerate(intercepts)
    ]
    bank = ItemBank(tuple(items), ("a", "b", "c"), np.zeros(3), np.eye(3))
    code = np.array([1, 0, 1, 1, 0, 1])
    got = scores(bank, [code])
    for r, intercepts in enumerate(parts):
        one = ItemBank(tuple(Item("x", "binary", "2PL", [3.0], [c]) for c in intercepts))
        alone = scores(one, [code[2 * r : 2 * r + 2]])
        np.testing.assert_allclose(got.estimate[0, r], alone.estimate[0, 0], atol=1e-7)
        np.testing.assert_allclose(got.std_err[0, r], alone.std_err[0, 0], rtol=1e-7)


def test_quadrature_that_is_too_coarse_is_said():
    bank = ItemBank(
        tuple(Item(f"i{r}", "binary", "2PL", 25.0 * np.eye(6)[r], [20.0]) for r in range(6)),
        tuple("abcdef"),
        np.zeros(6),
        np.eye(6),
    )
    with pytest.warns(QuadratureWarning, match="1 response patterns"):
        got = scores(bank, [[0, 1, 0, 1, 0, 1]])
    assert STATUS[got.status[0]].startswith("quadrature")


@pytest.mark.parametrize(
    "bank", [one_dimension(mean=0.3, variance=1.4), two_dimensions(), two_dimensions(0.2)]
)
def test_map_is_the_maximum_of_the_posterior(bank):
    codes, _ = simulated(bank, 12, seed=4)
    codes[5, ::2] = -1
    got = scores(bank, codes, "MAP")
    prior = multivariate_normal(bank.mean, bank.covariance)

    def minus(x, i):
        return -bank.log_likelihood(codes[[i]], x[None])[0, 0] - prior.logpdf(x)

    for i in range(12):
        found = optimize.minimize(
            minus,
            got.estimate[i] + 0.5,
            args=(i,),
            method="Nelder-Mead",
            options=dict(xatol=1e-9, fatol=1e-13),
        )
        assert minus(got.estimate[i], i) <= found.fun + 1e-12
        q = len(bank.mean)
        step, hessian = 1e-3 * np.eye(q), np.empty((q, q))
        for r in range(q):
            for s in range(q):
                at = [got.estimate[i] + a * step[r] + b * step[s] for a in (1, -1) for b in (1, -1)]
                f = [minus(x, i) for x in at]
                hessian[r, s] = (f[0] - f[1] - f[2] + f[3]) / 4e-6
        np.testing.assert_allclose(got.covariance[i], np.linalg.inv(hessian), rtol=1e-5)


def test_ml_solves_the_likelihood_equations():
    bank = one_dimension("2PL", "graded", "partial", "probit", "graded probit")
    codes = np.array([[1, 2, 1, 0, 1], [0, 1, 2, 1, 0], [1, -1, 0, 0, 2]])
    expected = scores(bank, codes, "ML")
    observed = scores(bank, codes, "ML", information="observed")
    np.testing.assert_array_equal(expected.estimate, observed.estimate)
    for i in range(3):
        theta = optimize.minimize_scalar(
            lambda x, i=i: -bank.log_likelihood(codes[[i]], np.array([[x]]))[0, 0],
            bracket=(-2, 2),
            tol=1e-11,
        ).x
        np.testing.assert_allclose(expected.estimate[i, 0], theta, atol=1e-6)
        information = bank.person_information(codes[[i]], expected.estimate[[i]])[0, 0, 0]
        np.testing.assert_allclose(expected.std_err[i, 0], information**-0.5)
        hessian = bank.person_derivatives(codes[[i]], expected.estimate[[i]])[2][0, 0, 0]
        np.testing.assert_allclose(observed.std_err[i, 0], (-hessian) ** -0.5)


def test_ml_of_the_rasch_model_depends_on_the_sum_score_and_solves_its_equation():
    difficulty = np.array([-1.2, -0.3, 0.1, 0.8, 1.9])
    bank = ItemBank(
        tuple(Item(f"i{j}", "binary", "Rasch", [1.0], [-b]) for j, b in enumerate(difficulty))
    )
    patterns = all_patterns(bank)
    got = scores(bank, patterns, "ML")
    total = patterns.sum(axis=1)
    for score in range(1, 5):
        theta = optimize.brentq(
            lambda x, s=score: np.sum(1 / (1 + np.exp(difficulty - x))) - s, -9, 9, xtol=1e-13
        )
        np.testing.assert_allclose(got.estimate[total == score, 0], theta, atol=1e-9)
    assert got.estimate[total == 0, 0] == -np.inf and got.estimate[total == 5, 0] == np.inf
    extreme = (total == 0) | (total == 5)
    assert np.isnan(got.std_err[extreme]).all() and np.isfinite(got.std_err[~extreme]).all()
    texts = np.array(got.status_text)
    assert (texts[extreme] == "all responses extreme: no finite estimate").all()
    assert (texts[~extreme] == "estimated").all()


def test_extreme_responses_of_negative_slopes_and_divide_by_total_items():
    bank = one_dimension("2PL", "2PL negative", "graded", "nominal")
    # the largest slope of "nominal" is that of category 1
    got = scores(bank, [[1, 0, 3, 1], [1, 0, 3, 2], [0, 1, 0, 0], [0, -1, -1, -1]], "ML")
    np.testing.assert_array_equal(got.estimate[[0, 2, 3], 0], [np.inf, -np.inf, -np.inf])
    assert np.isfinite(got.estimate[1, 0]) and got.status[1] == 0


def test_3pl_pattern_below_chance_has_no_finite_ml():
    items = tuple(
        Item(f"i{j}", "binary", "3PL", [1.5], [-1.5 * b], lower=0.25)
        for j, b in enumerate([-2.0, -1.0, 0.0, 1.0, 2.0])
    )
    bank = ItemBank(items)
    code = np.array([[0, 0, 0, 0, 1]])
    x = np.linspace(-60, 30, 90_001)[:, None]
    value = bank.log_likelihood(code, x)[0]
    assert np.argmax(value) == 0 or value.max() <= value[0] + 1e-12
    got = scores(bank, code, "ML")
    assert got.estimate[0, 0] == -np.inf and "infinity" in got.status_text[0]
    got = scores(bank, code, "ML", bounds=(-4, 4))
    assert got.estimate[0, 0] == -4.0 and np.isnan(got.std_err[0, 0])
    assert got.status_text[0].startswith("at a bound")
    # all patterns: no grid finds anything higher
    patterns = all_patterns(bank)
    value = bank.log_likelihood(patterns, x)
    found = scores(bank, patterns, "ML").estimate
    at = np.clip(found, -60, 30)
    own = np.diag(bank.log_likelihood(patterns, at))
    assert np.all(own >= value.max(axis=1) - 1e-8)
    assert not np.isnan(found).any()


def test_ml_on_a_plateau_of_the_3pl_is_its_highest_point():
    # a gentle hard item right, a steep easy one wrong: a maximum far below both items, where the
    # likelihood exceeds its limit at minus infinity by little and there is next to no information
    bank = ItemBank(
        (
            Item("gentle", "binary", "3PL", [0.7], [-3.5], lower=0.2),
            Item("steep", "binary", "3PL", [1.2], [3.5], lower=0.2),
        )
    )
    x = np.linspace(-60, 30, 900_001)[:, None]
    value = bank.log_likelihood(np.array([[1, 0]]), x)[0]
    assert 1e-7 < value.max() - value[0] < 1e-4
    got = scores(bank, [[1, 0]], "ML")
    np.testing.assert_allclose(got.estimate[0, 0], x[np.argmax(value), 0], atol=1e-3)
    assert got.std_err[0, 0] > 1e3 and got.status[0] == 0


def test_ml_of_two_dimensions():
    bank = two_dimensions()
    codes = np.array(
        [[1, 0, 0, 1, 1, 1], [0, 1, 1, 0, 2, 0], [1, 1, 1, 1, 2, 2], [0, -1, -1, -1, -1, -1],
         [-1, -1, 1, -1, -1, -1]]
    )  # fmt: skip
    got = scores(bank, codes, "ML")
    gradient = bank.person_derivatives(codes[:2], got.estimate[:2])[1]
    np.testing.assert_allclose(gradient, 0.0, atol=1e-9)
    information = bank.person_information(codes[:2], got.estimate[:2])
    np.testing.assert_allclose(got.covariance[:2], np.linalg.inv(information))
    np.testing.assert_array_equal(got.estimate[2], [np.inf, np.inf])
    assert got.status_text[2].startswith("all responses extreme")
    # one answer about one dimension: infinite there, unknown elsewhere
    np.testing.assert_array_equal(got.estimate[3:], [[-np.inf, np.nan], [np.nan, np.inf]])


def test_ml_of_one_dimension_is_finite_where_the_other_is_infinite():
    slopes = np.array([[1.0, 0], [1.4, 0], [0, 0.9], [0, 1.2], [0, 1.5]])
    bank = ItemBank(
        tuple(Item(f"i{j}", "binary", "2PL", a, [0.2 * j]) for j, a in enumerate(slopes)),
        ("a", "b"), np.zeros(2), np.eye(2),
    )  # fmt: skip
    got = scores(bank, [[1, 1, 0, 1, 0]], "ML")
    second = ItemBank(tuple(Item(i.name, "binary", "2PL", i.slopes[1:], i.intercepts)
                            for i in bank.items[2:]))  # fmt: skip
    alone = scores(second, [[0, 1, 0]], "ML")
    assert got.estimate[0, 0] == np.inf and np.isnan(got.std_err[0, 0])
    np.testing.assert_allclose(got.estimate[0, 1], alone.estimate[0, 0], atol=1e-8)
    np.testing.assert_allclose(got.std_err[0, 1], alone.std_err[0, 0], rtol=1e-7)


def test_bounds_of_two_dimensions_are_those_of_a_constrained_optimiser():
    bank = two_dimensions()
    codes, _ = simulated(bank, 6, seed=2)
    limits = ([-0.4, -0.3], [0.5, 0.6])
    got = scores(bank, codes, "ML", bounds=limits)
    for i in range(6):
        found = optimize.minimize(
            lambda x, i=i: -bank.log_likelihood(codes[[i]], x[None])[0, 0], np.zeros(2),
            jac=lambda x, i=i: -bank.person_derivatives(codes[[i]], x[None])[1][0],
            method="L-BFGS-B", bounds=list(zip(*limits, strict=True)),
            options=dict(ftol=1e-15, gtol=1e-10),
        )  # fmt: skip
        np.testing.assert_allclose(got.estimate[i], found.x, atol=1e-6)
    held = (got.estimate == limits[0]) | (got.estimate == limits[1])
    np.testing.assert_array_equal(np.isnan(got.std_err), held)


def test_wle_of_the_2pl_is_the_mode_under_jeffreys_prior():
    # Warm (1989): the weight is the square root of the information
    bank = one_dimension("2PL", "2PL negative", "partial")
    patterns = all_patterns(bank)
    got = scores(bank, patterns, "WLE")
    assert np.isfinite(got.estimate).all() and (got.status == 0).all()
    x = np.linspace(-12, 12, 48_001)[:, None]
    log_weight = 0.5 * np.log(sum(item.information(x)[:, 0, 0] for item in bank.items))
    best = x[np.argmax(bank.log_likelihood(patterns, x) + log_weight, axis=1), 0]
    np.testing.assert_allclose(got.estimate[:, 0], best, atol=3e-4)
    information = bank.person_information(patterns, got.estimate)[:, 0, 0]
    np.testing.assert_allclose(got.std_err[:, 0], information**-0.5)


def test_wle_of_the_rasch_model_with_one_difficulty_in_closed_form():
    # S + J / (2 I) = r - n P + (1 - 2 P) / 2 = 0: P = (r + 1/2) / (n + 1)
    bank = ItemBank(tuple(Item(f"i{j}", "binary", "Rasch", [1.0], [-0.7]) for j in range(6)))
    codes = np.tril(np.ones((7, 6), int), -1)
    p = (codes.sum(axis=1) + 0.5) / 7
    got = scores(bank, codes, "WLE")
    np.testing.assert_allclose(got.estimate[:, 0], 0.7 + np.log(p / (1 - p)), atol=1e-9)


def test_wle_of_all_forms_solves_warms_equation():
    bank = one_dimension()
    codes, _ = simulated(bank, 20, seed=6)
    codes[0], codes[1, 2:] = 0, -1
    got = scores(bank, codes, "WLE")
    for i in range(20):
        x, step = got.estimate[i], 1e-4

        def pieces(at, i=i):
            p = [item.probabilities(at[None])[0] for item in bank.items]
            return [p[j] for j in range(len(p)) if codes[i, j] >= 0]

        low, middle, high = pieces(x - step), pieces(x), pieces(x + step)
        first = [(b - a) / (2 * step) for a, b in zip(low, high, strict=True)]
        second = [(a - 2 * m + b) / step**2 for a, m, b in zip(low, middle, high, strict=True)]
        j = sum(np.sum(f * s / m) for f, s, m in zip(first, second, middle, strict=True))
        information = sum(np.sum(f**2 / m) for f, m in zip(first, middle, strict=True))
        value = bank.log_likelihood(codes[[i]], np.array([x - step, x + step]))[0]
        score = (value[1] - value[0]) / (2 * step)
        np.testing.assert_allclose(score + j / (2 * information), 0.0, atol=3e-6)


def test_wle_is_less_biased_than_ml():
    bank = ItemBank(tuple(Item(f"i{j}", "binary", "2PL", [1.5], [1.5 * (j - 4) / 3])
                          for j in range(9)))  # fmt: skip
    patterns = all_patterns(bank)
    wle = scores(bank, patterns, "WLE").estimate[:, 0]
    ml = np.clip(scores(bank, patterns, "ML").estimate[:, 0], -4, 4)
    probability = np.exp(bank.log_likelihood(patterns, np.array([[1.2]]))[:, 0])
    assert abs(probability @ wle - 1.2) < 0.4 * abs(probability @ ml - 1.2)


def test_wle_bounds_and_asymptotes():
    bank = one_dimension("3PL", "4PL", "2PL")
    patterns = all_patterns(bank)
    free = scores(bank, patterns, "WLE")
    assert np.isfinite(free.estimate).all()
    f, information = estimating_function(bank, patterns, free.estimate[:, 0])
    np.testing.assert_allclose(f / np.sqrt(information), 0.0, atol=1e-8)
    bounded = scores(bank, patterns, "WLE", bounds=(-0.5, 0.5))
    np.testing.assert_allclose(bounded.estimate, np.clip(free.estimate, -0.5, 0.5), atol=1e-8)


@pytest.mark.parametrize("method", ["EAP", "MAP", "ML", "WLE"])
def test_no_responses_and_same_patterns(method):
    bank = one_dimension("2PL", "3PL", "graded", mean=0.4, variance=2.0)
    codes, _ = simulated(bank, 60, seed=1)
    codes[7] = -1
    got = scores(bank, codes, method)
    if method in ("EAP", "MAP"):
        np.testing.assert_allclose(got.estimate[7], 0.4, atol=1e-9)
        np.testing.assert_allclose(got.std_err[7], np.sqrt(2.0), rtol=1e-8)
    else:
        assert np.isnan(got.estimate[7, 0]) and np.isnan(got.std_err[7, 0])
    assert got.status_text[7].startswith("no responses")
    for i in (0, 7, 31):
        alone = scores(bank, codes[[i]], method)
        np.testing.assert_allclose(got.estimate[i], alone.estimate[0], atol=1e-8)
        np.testing.assert_allclose(got.std_err[i], alone.std_err[0], atol=1e-8)


def test_means_by_person_are_used_and_kept_apart():
    bank = one_dimension("2PL", "graded", "2PL negative")
    codes = np.tile([1, 2, 0], (6, 1))
    mean = np.array([0.0, 1.0, 0.0, -5.0, 25.0, 1.0])[:, None]
    for method in ("EAP", "MAP"):
        got = scores(bank, codes, method, prior_mean=mean, covariance=[[0.7]])
        for i in range(6):
            alone = scores(bank, codes[:1], method, prior_mean=mean[i], covariance=[[0.7]])
            np.testing.assert_allclose(got.estimate[i], alone.estimate[0], atol=1e-8)
        assert got.estimate[0] == got.estimate[2] != got.estimate[1]
    eap, sd, _ = integrated(bank, codes[0], 25.0, np.sqrt(0.7))
    got = scores(bank, codes[:1], prior_mean=[25.0], covariance=[[0.7]])
    np.testing.assert_allclose([got.estimate[0, 0], got.std_err[0, 0]], [eap, sd], atol=1e-7)


def test_eap_of_lsat_is_that_of_a_reference_program():
    # 2PL of LSAT section 6 (Bock & Lieberman 1970) by mirt 1.47, ML by a grid of 241 points on
    # [-8.5, 8.5]; the first and the fourth pattern, 00000 and 00001, with EAP and posterior SD
    slopes = [0.825659522119349, 0.722744197220568, 0.890874534315772, 0.688367972022396,
              0.656855939274409]  # fmt: skip
    intercepts = [2.77323439804526, 0.990201197839148, 0.249147523687567, 1.28475692525857,
                  2.05327044437358]  # fmt: skip
    bank = ItemBank(
        tuple(
            Item(f"item_{j + 1}", "binary", "2PL", [a], [d])
            for j, (a, d) in enumerate(zip(slopes, intercepts, strict=True))
        )
    )
    got = scores(bank, [[0, 0, 0, 0, 0], [0, 0, 0, 0, 1]])
    np.testing.assert_allclose(got.estimate[:, 0], [-1.89677105722718, -1.4748139207621], atol=1e-9)
    np.testing.assert_allclose(got.std_err[:, 0], [0.801279494876827, 0.802275814111147], rtol=1e-9)


def test_many_persons_take_seconds():
    rng = np.random.default_rng(5)
    bank = ItemBank(
        tuple(
            Item(f"i{j}", "binary", "2PL", [a], [rng.normal()])
            for j, a in enumerate(rng.uniform(0.6, 2.0, 20))
        )
    )
    codes, theta = simulated(bank, 5_000)
    got = scores(bank, codes)
    assert np.corrcoef(got.estimate[:, 0], theta[:, 0])[0, 1] > 0.9
    # posterior variances are those of the errors
    np.testing.assert_allclose(
        np.mean((got.estimate - theta) ** 2), np.mean(got.std_err**2), rtol=0.05
    )


@pytest.mark.parametrize(
    "arguments, message",
    [
        (dict(method="eap"), "no method 'eap'"),
        (dict(information="both"), "'expected' or 'observed'"),
        (dict(prior_mean=np.zeros((3, 1))), "prior mean has the shape"),
        (dict(prior_mean=np.array([[0.0], [np.nan]])), "prior mean of person 1"),
        (dict(covariance=np.eye(2)), "covariance of the prior has the shape"),
        (dict(covariance=[[0.0]]), "not positive definite"),
        (dict(bounds=(-3, 3)), "EAP is always finite"),
        (dict(method="ML", bounds=(3, -3)), "not below"),
        (dict(method="ML", bounds=4.0), "pair of numbers"),
    ],
)
def test_what_cannot_be_scored(arguments, message):
    bank = one_dimension("2PL", "graded")
    with pytest.raises(SpecificationError, match=message):
        scores(bank, [[0, 1], [1, 2]], **arguments)


def test_wle_is_for_one_dimension_and_items_must_have_slopes():
    with pytest.raises(SpecificationError, match="WLE is defined for one latent variable"):
        scores(two_dimensions(), np.zeros((1, 6), int), "WLE")
    flat = ItemBank((Item("flat", "binary", "2PL", [0.0], [0.3]), ITEMS["2PL"]))
    for method in ("ML", "WLE"):
        got = scores(flat, [[1, -1]], method)
        assert np.isnan(got.estimate[0, 0]) and got.status_text[0].startswith("responses do not")


def test_zero_slopes_leave_the_prior():
    bank = ItemBank((Item("flat", "binary", "2PL", [0.0], [0.3]),))
    np.testing.assert_allclose(scores(bank, [[1]]).std_err, 1.0, rtol=1e-9)
