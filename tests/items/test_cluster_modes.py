"""Joint posterior modes of persons and clusters against optimisation of all variables by brute force."""

import numpy as np
import pytest
from scipy.optimize import minimize
from statsmodels.tools.numdiff import approx_hess

from sm_gllamm.items.bank import Item, ItemBank
from sm_gllamm.items.cluster_modes import Branch, modes_in_clusters


def mixed_bank(lower=0.0):
    """Two general latent variables and a specific one, items of every form."""
    items = (
        Item("a", "binary", "2PL", [1.2, 0.0, 0.0], [0.3], lower),
        Item("b", "graded", "graded", [0.8, 0.5, 1.0], [1.0, -0.5]),
        Item("c", "divide", "GPCM", np.outer([0, 1, 2], [0.0, 1.1, 0.7]), [0.0, 0.4, -0.2]),
        Item("d", "binary", "2PL", [0.0, 1.5, 0.0], [-0.6], link="probit"),
    )
    return ItemBank(items, ("f", "g", "s"), np.zeros(3), np.eye(3))


def joint_log_posterior(bank, codes, mean, root, between, on_items, effects):
    """Of one cluster, as a function of all its standardised variables."""
    n, q, m = len(codes), mean.shape[1], between.shape[1]

    def value(u):
        z, x = u[: n * q].reshape(n, q), u[n * q :]
        own = bank
        shifts = on_items @ x
        items = list(bank.items)
        for (j, d), by in zip(effects, shifts, strict=True):
            items[j] = items[j].shifted(by, d)
        own = ItemBank(tuple(items), bank.dimensions, bank.mean, bank.covariance)
        theta = mean + z @ root.T + between @ x
        log_p = own.person_derivatives(codes, theta)[0].sum()
        return log_p - 0.5 * u @ u

    assert len(on_items) == 0 or on_items.shape[1] == m
    return value


def by_brute_force(bank, codes, mean, root, factor, effects):
    """Modes and covariances of the persons' latent variables, and of the cluster's effects."""
    n, q = mean.shape
    shared = len(factor) - len(effects)
    between = np.zeros((q, len(factor)))
    between[:shared] = factor[:shared]
    value = joint_log_posterior(bank, codes, mean, root, between, factor[shared:], effects)
    found = minimize(
        lambda u: -value(u), np.zeros(n * q + len(factor)), method="BFGS", options={"gtol": 1e-9}
    )
    unknown = np.linalg.inv(approx_hess(found.x, lambda u: -value(u)))
    design = np.hstack([np.kron(np.eye(n), root), np.tile(between, (n, 1))])
    theta = mean + (design @ found.x).reshape(n, q)
    blocks = (design @ unknown @ design.T).reshape(n, q, n, q)
    covariance = np.array([blocks[p, :, p] for p in range(n)])
    x = found.x[n * q :]
    return theta, covariance, factor @ x, factor @ unknown[n * q :, n * q :] @ factor.T


@pytest.mark.parametrize("effects", [(), ((0, None), (2, None), (2, 1), (1, 0))])
@pytest.mark.parametrize("lower", [0.0, 0.15])
def test_modes_and_curvature(effects, lower):
    rng = np.random.default_rng(5)
    banks = mixed_bank(lower), mixed_bank()
    root = np.array([[0.9, 0.0, 0.0], [0.4, 0.8, 0.0], [0.0, 0.0, 1.0]])
    roots = root, np.diag([1.3, 0.7, 1.0])
    size = 2 + len(effects)
    factor = np.zeros((size, size))
    factor[:2, :2] = [[0.7, 0.0], [0.2, 0.5]]
    factor[range(2, size), range(2, size)] = 0.4
    codes = np.column_stack([rng.integers(0, k, 7) for k in (2, 3, 3, 2)])
    codes[3, 1] = codes[5] = -1
    cluster = np.array([0, 1, 2, 0, 1, 2, 0])
    of_bank = cluster == 2
    mean = rng.normal(scale=0.3, size=(7, 3)) * [1, 1, 0]
    # a row of weight two is two persons
    weights = np.ones(7)
    weights[4] = 2.0
    branches = [Branch(banks[k], np.flatnonzero(of_bank == k), roots[k]) for k in range(2)]
    found = modes_in_clusters(branches, codes, mean, cluster, weights, factor, effects)
    assert found.converged.all()
    for k in range(3):
        rows = np.repeat(np.arange(7), weights.astype(int))
        rows = rows[cluster[rows] == k]
        which = int(k == 2)
        theta, covariance, x, x_covariance = by_brute_force(
            banks[which], codes[rows], mean[rows], roots[which], factor, effects
        )
        assert np.allclose(found.theta[rows], theta, atol=1e-6)
        assert np.allclose(found.covariance[rows], covariance, atol=2e-5)
        assert np.allclose(found.effects[k], x, atol=1e-6)
        assert np.allclose(found.effects_covariance[k], x_covariance, atol=2e-5)


def test_what_has_no_variance_stays_where_it_is():
    bank = ItemBank(
        (Item("a", "binary", "2PL", [1.0], [0.2]), Item("b", "binary", "2PL", [1.5], [0.0]))
    )
    codes, cluster = np.array([[1, 1], [0, 1], [0, 0]]), np.array([0, 0, 1])
    mean, one = np.zeros((3, 1)), np.ones(3)
    persons = np.arange(3)
    apart = modes_in_clusters(
        [Branch(bank, persons, np.eye(1))], codes, mean, cluster, one, np.zeros((1, 1))
    )
    assert apart.effects.ravel().tolist() == [0.0, 0.0]
    alone = modes_in_clusters(
        [Branch(bank, persons, np.eye(1))], codes, mean, persons, one, np.zeros((1, 1))
    )
    assert np.allclose(apart.theta, alone.theta, atol=1e-12)
    together = modes_in_clusters(
        [Branch(bank, persons, np.zeros((1, 1)))], codes, mean, cluster, one, np.eye(1)
    )
    assert together.theta[0] == together.theta[1] == together.effects[0]
    assert np.allclose(together.covariance[0], together.effects_covariance[0])


def test_persons_a_few_at_a_time(monkeypatch):
    rng = np.random.default_rng(0)
    bank = mixed_bank()
    codes = np.column_stack([rng.integers(0, k, 40) for k in (2, 3, 3, 2)])
    args = ([Branch(bank, np.arange(40), np.eye(3))], codes, np.zeros((40, 3)), np.arange(40) % 7,
            np.ones(40), np.diag([0.5, 0.6, 0.3]), ((0, None),))  # fmt: skip
    whole = modes_in_clusters(*args)
    monkeypatch.setattr("sm_gllamm.items.cluster_modes.AT_A_TIME", 150)
    parts = modes_in_clusters(*args)
    assert np.allclose(whole.theta, parts.theta, atol=1e-12)
    assert np.allclose(whole.covariance, parts.covariance, atol=1e-12)
