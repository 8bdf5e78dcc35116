"""Sum scores against enumeration of all response patterns."""

import numpy as np
import pytest
from scipy.stats import binom

from sm_gllamm.exceptions import SpecificationError
from sm_gllamm.items.bank import Item, ItemBank
from sm_gllamm.items.posterior import posterior_moments
from sm_gllamm.items.scoring import scores
from sm_gllamm.items.sum_scores import (
    expected_score,
    log_score_probabilities,
    score_probabilities,
    sum_scores,
    theta_at_score,
)
from tests.items.banks import ITEMS, all_patterns, bifactor_like, one_dimension, two_dimensions

BANKS = {
    "all forms": one_dimension("2PL", "2PL negative", "3PL", "graded", "partial", "nominal"),
    "other population": one_dimension("2PL", "probit", "graded", mean=0.8, variance=2.2),
    "two": two_dimensions(0.15),
}


@pytest.mark.parametrize("bank", BANKS.values(), ids=BANKS)
def test_probabilities_are_sums_over_patterns(bank):
    theta = np.random.default_rng(0).normal(size=(4, len(bank.mean)))
    patterns = all_patterns(bank)
    p = np.exp(bank.log_likelihood(patterns, theta))
    total = patterns.sum(axis=1)
    expected = np.stack([p[total == s].sum(axis=0) for s in range(total.max() + 1)], axis=1)
    np.testing.assert_allclose(score_probabilities(bank, theta), expected, rtol=1e-12)
    np.testing.assert_allclose(
        expected_score(bank, theta), expected @ np.arange(total.max() + 1), rtol=1e-12
    )


def test_equal_items_have_binomial_scores_in_far_tails_too():
    bank = ItemBank(tuple(Item(f"i{j}", "binary", "Rasch", [1.0], [0.0]) for j in range(60)))
    theta = np.array([[-30.0], [0.4]])
    p = 1 / (1 + np.exp(-theta))
    expected = binom.logpmf(np.arange(61), 60, p)
    np.testing.assert_allclose(log_score_probabilities(bank, theta), expected, rtol=1e-10)


@pytest.mark.parametrize("bank", BANKS.values(), ids=BANKS)
def test_moments_are_those_of_the_patterns_together(bank):
    patterns = all_patterns(bank)
    mean = np.tile(bank.mean, (len(patterns), 1))
    each = posterior_moments(bank, patterns, mean, bank.covariance)
    p, total = np.exp(each.log_marginal), patterns.sum(axis=1)
    np.testing.assert_allclose(p.sum(), 1.0, rtol=1e-8)
    table = sum_scores(bank)
    for s in table.score:
        share = p[total == s] / p[total == s].sum()
        eap = share @ each.mean[total == s]
        away = each.mean[total == s] - eap
        spread = np.einsum("n,nrs->rs", share, each.covariance[total == s])
        spread += np.einsum("n,nr,ns->rs", share, away, away)
        np.testing.assert_allclose(table.probability[s], p[total == s].sum(), rtol=1e-7)
        np.testing.assert_allclose(table.eap[s], eap, atol=1e-7)
        np.testing.assert_allclose(table.covariance[s], spread, atol=1e-7)
        np.testing.assert_allclose(table.sd[s], np.sqrt(np.diag(spread)), atol=1e-7)


def test_sum_scores_are_sufficient_in_the_rasch_model():
    bank = ItemBank(tuple(Item(f"i{j}", "binary", "Rasch", [1.0], [1.0 - 0.5 * j])
                          for j in range(5)))  # fmt: skip
    patterns = all_patterns(bank)
    each, table = scores(bank, patterns), sum_scores(bank)
    np.testing.assert_allclose(each.estimate, table.eap[patterns.sum(axis=1)], atol=1e-8)
    np.testing.assert_allclose(each.std_err, table.sd[patterns.sum(axis=1)], atol=1e-8)


@pytest.mark.parametrize("q, atol", [(3, 1e-7), (4, 2e-4)])
def test_moments_of_more_dimensions_keep_the_laws_of_total_mean_and_variance(q, atol):
    bank = bifactor_like(q, n_items=6)
    table = sum_scores(bank, mean=np.full(q, 0.3), covariance=bank.covariance)
    mean = table.probability @ table.eap
    np.testing.assert_allclose(mean, 0.3, atol=atol)
    away = table.eap - mean
    spread = np.einsum("s,srt->rt", table.probability, table.covariance)
    spread += np.einsum("s,sr,st->rt", table.probability, away, away)
    np.testing.assert_allclose(spread, bank.covariance, atol=atol)


def test_steep_far_and_many_items():
    bank = ItemBank(
        tuple(Item(f"i{j}", "binary", "2PL", [12.0], [-12.0 * b])
              for j, b in enumerate([-1.0, 0.2, 5.5]))
    )  # fmt: skip
    table = sum_scores(bank)
    x = np.linspace(-14, 14, 280_001)
    log_p = log_score_probabilities(bank, x[:, None]) - 0.5 * x[:, None] ** 2
    p = np.exp(log_p - log_p.max(axis=0))
    p /= p.sum(axis=0)
    np.testing.assert_allclose(table.eap[:, 0], x @ p, atol=1e-8)
    np.testing.assert_allclose(table.sd[:, 0], np.sqrt(x**2 @ p - (x @ p) ** 2), atol=1e-7)


def test_the_inverse_of_the_expected_score():
    bank = one_dimension("2PL", "graded", "partial", "probit")
    theta = np.linspace(-6, 6, 13)
    score = expected_score(bank, theta[:, None])
    np.testing.assert_allclose(theta_at_score(bank, score), theta, atol=1e-9)
    np.testing.assert_array_equal(theta_at_score(bank, [0.0, 8.0]), [-np.inf, np.inf])
    guessing = one_dimension("3PL", "4PL", "2PL")
    # lower asymptotes 0.2 and 0.15, an upper one of 0.95
    got = theta_at_score(guessing, [0.3, 0.36, 2.94, 2.96])
    assert np.isneginf(got[0]) and np.isposinf(got[3]) and np.isfinite(got[1:3]).all()
    np.testing.assert_allclose(expected_score(guessing, got[1:3, None]), [0.36, 2.94])


def test_what_has_no_inverse():
    with pytest.raises(SpecificationError, match="2 latent variables"):
        theta_at_score(two_dimensions(), [1.0])
    with pytest.raises(SpecificationError, match="item 'negative' does not increase"):
        theta_at_score(one_dimension("2PL", "2PL negative"), [1.0])
    with pytest.raises(SpecificationError, match="item 'nominal' does not increase"):
        theta_at_score(one_dimension("2PL", "nominal"), [1.0])
    with pytest.raises(SpecificationError, match="between 0 and 4"):
        theta_at_score(one_dimension("2PL", "graded"), [5.0])
    with pytest.raises(SpecificationError, match="must have the shape"):
        expected_score(two_dimensions(), np.zeros((3, 1)))
    with pytest.raises(SpecificationError, match="up to 5 are possible"):
        sum_scores(bifactor_like(6))
    with pytest.raises(SpecificationError, match="have the shapes"):
        sum_scores(ItemBank((ITEMS["2PL"],)), mean=np.zeros(2))
