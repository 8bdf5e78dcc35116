"""Means and covariances of latent variables of persons in clusters, given all responses of the cluster."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.special import logsumexp

__all__ = ["moments_in_clusters"]

#: Gauss-Hermite points in each direction by number of latent variables that vary between clusters.
POINTS = {1: 21, 2: 13, 3: 9}
FEWEST = 7


def moments_in_clusters(
    given: Callable[[np.ndarray], tuple[np.ndarray, np.ndarray, np.ndarray]],
    cluster: np.ndarray,
    weights: np.ndarray,
    between: np.ndarray,
    centre: np.ndarray,
    spread: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Posterior means and covariances of persons' latent variables, effects of clusters included.

    Given the effects v of their cluster, persons are independent. The posterior of v is integrated
    over by Gauss-Hermite rules that are placed at its mean and covariance (Naylor & Smith 1982,
    Applied Statistics 31:214).

    Parameters
    ----------
    given : callable
        From effects, shape (n, q), those of each person's cluster, to posterior means (n, q) and
        covariances (n, q, q) of the persons, and logarithms of the densities of their responses, (n,).
    cluster : ndarray of int, shape (n,)
        0, ..., J - 1, all of them.
    weights : ndarray, shape (n,)
        How many persons each stands for.
    between : ndarray, shape (q, q)
        Covariance of v, whose mean is zero.
    centre : ndarray, shape (J, q)
        Posterior means of v, at least roughly.
    spread : ndarray, shape (J, q, q)
        Its posterior covariances, at least roughly.

    Returns
    -------
    mean : ndarray, shape (n, q)
    covariance : ndarray, shape (n, q, q)
    """
    q, n_clusters = len(between), len(centre)
    x, log_w = _product_rule(POINTS.get(q, FEWEST), q)
    root = np.linalg.cholesky(spread)
    precision = np.linalg.inv(between)
    log_posterior = np.empty((n_clusters, len(x)))
    means, covariances = [], []
    for k, node in enumerate(x):
        effects = centre + root @ node
        m, v, log_density = given(effects[cluster])
        prior = -0.5 * np.einsum("jr,rs,js->j", effects, precision, effects)
        of_persons = np.bincount(cluster, weights * log_density, n_clusters)
        log_posterior[:, k] = log_w[k] + 0.5 * node @ node + prior + of_persons
        means.append(m)
        covariances.append(v)
    share = np.exp(log_posterior - logsumexp(log_posterior, axis=1, keepdims=True))[cluster]
    at_nodes = np.stack(means, axis=1)
    mean = np.einsum("nk,nkr->nr", share, at_nodes)
    away = at_nodes - mean[:, None, :]
    covariance = np.einsum("nk,nkr,nks->nrs", share, away, away)
    for k, v in enumerate(covariances):
        covariance += share[:, k, None, None] * v
    return mean, covariance


def _product_rule(points: int, q: int) -> tuple[np.ndarray, np.ndarray]:
    """Nodes and log-weights of the integral of exp(-z'z / 2) f(z)."""
    x, w = np.polynomial.hermite_e.hermegauss(points)
    grid = np.stack(np.meshgrid(*[x] * q, indexing="ij"), axis=-1).reshape(-1, q)
    log_w = np.stack(np.meshgrid(*[np.log(w)] * q, indexing="ij"), axis=-1).reshape(-1, q)
    return grid, log_w.sum(axis=1)
