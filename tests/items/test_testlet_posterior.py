"""Posterior moments testlet by testlet, and in clusters of persons."""

import numpy as np
import pytest

from sm_gllamm.exceptions import SpecificationError
from sm_gllamm.items.bank import Item, ItemBank
from sm_gllamm.items.cluster_posterior import moments_in_clusters
from sm_gllamm.items.testlet_posterior import testlet_moments as moments_by_testlets


def bank_of_testlets(general=1):
    """Graded and 3PL items; two testlets of three items, two items of none."""
    rng = np.random.default_rng(0)
    items = []
    for j in range(8):
        slopes = np.concatenate([rng.uniform(0.5, 2.5, general), np.zeros(2)])
        if j < 6:
            slopes[general + j // 3] = rng.uniform(0.3, 2.0)
        if j % 3 == 0:
            items.append(
                Item(f"i{j}", "graded", "graded", slopes, np.sort(rng.normal(size=3))[::-1])
            )
        else:
            items.append(Item(f"i{j}", "binary", "3PL", slopes, [rng.normal()], lower=0.1))
    q = general + 2
    covariance = np.eye(q)
    covariance[0, 0] = 1.5
    return ItemBank(tuple(items), tuple(f"t{d}" for d in range(q)), np.zeros(q), covariance)


def responses(bank, n, seed):
    rng = np.random.default_rng(seed)
    return np.array(
        [[rng.integers(-1, item.n_categories) for item in bank.items] for _ in range(n)]
    )


def test_moments_and_marginal_densities_against_a_dense_grid():
    bank = bank_of_testlets()
    codes = responses(bank, 4, 1)
    codes[0] = -1
    mean = np.zeros((4, 3))
    mean[:, 0] = [-0.5, 1.0, 0.0, 0.5]
    found = moments_by_testlets(bank, codes, mean, 2)
    line = np.arange(-6.5, 6.51, 0.25)
    theta = np.stack(np.meshgrid(line, line, line, indexing="ij"), axis=-1).reshape(-1, 3)
    log_p = bank.log_likelihood(codes, theta)
    for i in range(4):
        away = theta - mean[i]
        log_q = log_p[i] - 0.5 * (away[:, 0] ** 2 / 1.5 + away[:, 1] ** 2 + away[:, 2] ** 2)
        p = np.exp(log_q)
        log_marginal = np.log(p.sum() * 0.25**3) - 1.5 * np.log(2 * np.pi) - 0.5 * np.log(1.5)
        p /= p.sum()
        expected = p @ theta
        spread = (p[:, None] * (theta - expected)).T @ (theta - expected)
        assert found.log_marginal[i] == pytest.approx(log_marginal, abs=1e-6)
        assert np.allclose(found.mean[i], expected, atol=1e-5)
        assert np.allclose(found.covariance[i], spread, atol=1e-5)
    assert found.accurate.all()
    # no responses: the prior
    assert np.allclose(found.mean[0], mean[0], atol=1e-10)
    assert np.allclose(found.covariance[0], bank.covariance, atol=1e-9)


def test_two_general_dimensions():
    bank = bank_of_testlets(2)
    codes = responses(bank, 3, 2)
    found = moments_by_testlets(bank, codes, np.zeros((3, 4)), 2)
    # another order of integration: means from draws of the prior
    draws = np.random.default_rng(1).multivariate_normal(np.zeros(4), bank.covariance, 200_000)
    p = np.exp(bank.log_likelihood(codes, draws))
    assert np.allclose(found.log_marginal, np.log(p.mean(axis=1)), atol=0.02)
    assert np.allclose(found.mean, p @ draws / p.sum(axis=1, keepdims=True), atol=0.03)
    with pytest.raises(SpecificationError, match="up to 2"):
        moments_by_testlets(bank, codes, np.zeros((3, 4)), 1)


def test_equal_persons_are_computed_once_and_returned_in_order():
    bank = bank_of_testlets()
    codes = responses(bank, 4, 3)[[0, 1, 0, 2, 3, 1]]
    found = moments_by_testlets(bank, codes, np.zeros((6, 3)), 2)
    assert np.array_equal(found.mean[0], found.mean[2])
    assert np.allclose(
        found.mean[3], moments_by_testlets(bank, codes[[3]], np.zeros((1, 3)), 2).mean[0], atol=1e-8
    )


def test_normal_persons_in_clusters_in_closed_form():
    # theta_i = v + e_i and y_i = theta_i + noise, all normal
    rng = np.random.default_rng(4)
    cluster = np.array([0, 0, 0, 1, 1])
    between, within, noise = np.array([[0.7, 0.2], [0.2, 0.5]]), np.eye(2), 0.8
    y = rng.normal(size=(5, 2))
    gain = within @ np.linalg.inv(within + noise * np.eye(2))

    def given(effects):
        away = y - effects
        total = within + noise * np.eye(2)
        log_density = -0.5 * np.einsum("nr,rs,ns->n", away, np.linalg.inv(total), away)
        spread = np.broadcast_to(within - gain @ within, (5, 2, 2))
        return effects + away @ gain.T, spread, log_density

    weights = np.array([1.0, 1.0, 1.0, 1.0, 1.0])
    rough = np.zeros((2, 2)), np.broadcast_to(0.3 * np.eye(2), (2, 2, 2))
    mean, covariance = moments_in_clusters(given, cluster, weights, between, *rough)
    for c in range(2):
        who = np.flatnonzero(cluster == c)
        n = len(who)
        prior = np.kron(np.ones((n, n)), between) + np.kron(np.eye(n), within)
        gains = prior @ np.linalg.inv(prior + noise * np.eye(2 * n))
        assert np.allclose(mean[who].ravel(), gains @ y[who].ravel(), atol=1e-6)
        posterior = prior - gains @ prior
        for k, person in enumerate(who):
            own = posterior[2 * k : 2 * k + 2, 2 * k : 2 * k + 2]
            assert np.allclose(covariance[person], own, atol=1e-6)
