"""Joint posterior modes of the latent variables of persons and of the effects of their clusters.

With z of persons and x of clusters standardised, and items at ``theta_p = mean_p + A z_p + B x_k`` and with
effects ``e_k = C x_k`` of their own in cluster k,

    log f = sum_k {-x_k'x_k / 2 + sum_{p in k} w_p (log P(y_p | theta_p, e_k) - z_p'z_p / 2)}

is maximised in all z and x at once: the conditional modes of mixed models (Bates, Maechler, Bolker & Walker
2015, Journal of Statistical Software 67(1), section 3). Minus the second derivatives have the shape of a
block arrow, of which the persons' blocks are eliminated first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.sparse import csr_array

from sm_gllamm.items.bank import ItemBank

__all__ = ["Branch", "ClusterModes", "modes_in_clusters"]

MAX_ITERATIONS, MAX_HALVINGS = 200, 40
#: Newton decrement (units of the log-posterior) of a cluster that is at its mode.
TOLERANCE = 1e-18
#: Decrement that still counts as converged where rounding lets no step gain.
STALLED = 1e-9
#: Least eigenvalue of the curvature for steps; that of the standard normal prior is one.
FLOOR = 0.05
#: Entries of second derivatives of persons that are formed at a time.
AT_A_TIME = 4_000_000


@dataclass(frozen=True, slots=True)
class Branch:
    """Persons who have the same items, and the same distribution within clusters.

    Attributes
    ----------
    bank : ItemBank
        As the average cluster has it.
    persons : ndarray of intp
    root : ndarray, shape (q, q)
        A of the module's formula; ``A A'`` is the covariance matrix within clusters.
    """

    bank: ItemBank
    persons: np.ndarray
    root: np.ndarray


@dataclass(frozen=True, slots=True)
class ClusterModes:
    """Modes and what is known about them from the curvature.

    Attributes
    ----------
    theta : ndarray, shape (n, q)
        Of the persons.
    covariance : ndarray, shape (n, q, q)
        Blocks of the inverse of the joint curvature: what is not known of the cluster is in them. NaN where
        the curvature is not that of a maximum.
    effects : ndarray, shape (J, r)
        Of the clusters: what they add to the latent variables, and the effects on items.
    effects_covariance : ndarray, shape (J, r, r)
    converged : ndarray of bool, shape (J,)
    """

    theta: np.ndarray
    covariance: np.ndarray
    effects: np.ndarray
    effects_covariance: np.ndarray
    converged: np.ndarray


class _Posterior:
    """The joint log-posterior by cluster with its derivatives."""

    def __init__(self, branches, codes, mean, cluster, weights, factor, effects, n_clusters):
        q, m = mean.shape[1], len(factor)
        self.n, self.q, self.m = len(codes), q, m
        self.codes, self.mean, self.cluster, self.weights = codes, mean, cluster, weights
        self.n_clusters = n_clusters
        # dimensions that vary between clusters come first, specific ones do not
        shared = m - len(effects)
        self.between = np.zeros((q, m))
        self.between[:shared] = factor[:shared]
        self.on_items = factor[shared:]
        self.dimension = [dimension for _, dimension in effects]
        self.branches = [replace(one, bank=_enlarged(one.bank, effects)) for one in branches]

    def theta(self, z: np.ndarray, x: np.ndarray) -> np.ndarray:
        out = self.mean + x[self.cluster] @ self.between.T
        for one in self.branches:
            out[one.persons] += z[one.persons] @ one.root.T
        return out

    def _chunks(self):
        size = max(1, AT_A_TIME // (self.q + self.m + len(self.dimension)) ** 2)
        for one in self.branches:
            for first in range(0, len(one.persons), size):
                yield one, one.persons[first : first + size]

    def __call__(self, z, x):
        """Values by cluster; gradients in z and x; curvature: of z, of z with x, of x by cluster."""
        n, q, m, k = self.n, self.q, self.m, len(self.dimension)
        theta = self.theta(z, x)
        value = -0.5 * np.einsum("jr,jr->j", x, x)
        g_z, g_x = -z, -x
        h_zz, h_zx = np.empty((n, q, q)), np.empty((n, q, m))
        h_xx = np.broadcast_to(np.eye(m), (self.n_clusters, m, m)).copy()
        for one, rows in self._chunks():
            own, w = self.cluster[rows], self.weights[rows]
            # the predictors are linear in theta, the shifts of intercepts and products slope x theta
            effects = x[own] @ self.on_items.T
            given = np.hstack([theta[rows], effects])
            jacobian = np.zeros((len(rows), q + k, q + m))
            jacobian[:, :q, :q], jacobian[:, :q, q:] = one.root, self.between
            jacobian[:, q:, q:] = self.on_items
            for e, d in enumerate(self.dimension):
                if d is not None:
                    given[:, q + e] *= theta[rows, d]
                    jacobian[:, q + e] *= theta[rows, d, None]
                    jacobian[:, q + e] += effects[:, e, None] * jacobian[:, d]
            log_p, gradient, hessian = one.bank.person_derivatives(self.codes[rows], given)
            slope = np.einsum("nab,na->nb", jacobian, gradient)
            bend = -np.swapaxes(jacobian, 1, 2) @ hessian @ jacobian
            for e, d in enumerate(self.dimension):
                if d is not None:
                    # second derivatives of a product of two linear functions
                    first = np.concatenate([np.zeros(q), self.on_items[e]])
                    second = np.concatenate([one.root[d], self.between[d]])
                    both = np.outer(first, second)
                    bend -= gradient[:, q + e, None, None] * (both + both.T)
            g_z[rows] += slope[:, :q]
            h_zz[rows], h_zx[rows] = np.eye(q) + bend[:, :q, :q], bend[:, :q, q:]
            add = _adder(own, w, self.n_clusters)
            value += add(log_p - 0.5 * np.einsum("nr,nr->n", z[rows], z[rows]))
            g_x += add(slope[:, q:])
            h_xx += add(bend[:, q:, q:])
        return value, g_z, g_x, h_zz, h_zx, h_xx


def _enlarged(bank: ItemBank, effects: Sequence[tuple[int, int | None]]) -> ItemBank:
    """A bank with a latent variable for each effect on an item, which shifts its predictors.

    Of items that are divided by the total the shift is once a step.
    """
    if not effects:
        return bank
    items = []
    for j, item in enumerate(bank.items):
        own = np.array([float(of == j) for of, _ in effects])
        steps = np.arange(item.n_categories)[:, None] if item.form == "divide" else 1.0
        items.append(replace(item, slopes=np.concatenate([item.slopes, steps * own], axis=-1)))
    names = (*bank.dimensions, *(f"effect {e}" for e in range(len(effects))))
    size = len(names)
    return ItemBank(tuple(items), names, np.zeros(size), np.eye(size))


def _adder(cluster: np.ndarray, weights: np.ndarray, n_clusters: int):
    """Weighted sums over the persons of each cluster."""
    matrix = csr_array((weights, (cluster, np.arange(len(cluster)))), (n_clusters, len(cluster)))

    def add(values):
        flat = values.reshape(len(values), int(np.prod(values.shape[1:])))
        return (matrix @ flat).reshape(n_clusters, *values.shape[1:])

    return add


def _lifted(matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Positive definite matrices near symmetric ones, and which of these are positive definite."""
    values, vectors = np.linalg.eigh(matrix)
    positive = values[:, 0] > 0.0
    low = ~(values[:, 0] > FLOOR)
    if low.any():
        matrix = matrix.copy()
        values = np.maximum(np.abs(values[low]), FLOOR)
        matrix[low] = (vectors[low] * values[:, None, :]) @ np.swapaxes(vectors[low], 1, 2)
    return matrix, positive


def modes_in_clusters(
    branches: Sequence[Branch],
    codes: np.ndarray,
    mean: np.ndarray,
    cluster: np.ndarray,
    weights: np.ndarray,
    factor: np.ndarray,
    effects: Sequence[tuple[int, int | None]] = (),
    start: tuple[np.ndarray, np.ndarray] | None = None,
) -> ClusterModes:
    """Joint posterior modes of persons and clusters, by Newton's method.

    Parameters
    ----------
    branches : sequence of Branch
        Every person in one.
    codes : ndarray of int, shape (n, number of items)
        -1 for a missing response.
    mean : ndarray, shape (n, q)
        Of the persons' latent variables, over clusters.
    cluster : ndarray of int, shape (n,)
        0, ..., J - 1, all of them.
    weights : ndarray, shape (n,)
        How many persons, with latent variables of their own, each stands for.
    factor : ndarray, shape (r, r)
        ``factor factor'`` is the covariance matrix of what varies between clusters: the first latent
        variables (all but specific ones), then the effects.
    effects : sequence of (int, int or None)
        Item and dimension of each slope that varies; None instead of the dimension of intercepts.
    start : (z, x), optional
        Standardised variables to start at, shapes (n, q) and (J, r), where there may be several modes:
        with asymptotes and with varying slopes. Default zero.

    Returns
    -------
    ClusterModes
    """
    n_clusters = int(cluster.max()) + 1
    posterior = _Posterior(
        branches, codes, mean, cluster, weights, factor, effects, n_clusters
    )  # fmt: skip
    add = _adder(cluster, weights, n_clusters)
    if start is None:
        start = np.zeros(mean.shape), np.zeros((n_clusters, len(factor)))
    z, x = (part.copy() for part in start)
    found = posterior(z, x)
    converged, active = np.zeros(n_clusters, bool), np.ones(n_clusters, bool)
    for _ in range(MAX_ITERATIONS):
        d_z, d_x = _step(found, cluster, add)
        rise = add(np.einsum("nr,nr->n", d_z, found[1])) + np.einsum("jr,jr->j", d_x, found[2])
        converged |= active & (rise < TOLERANCE)
        active &= ~converged
        if not active.any():
            break
        value, t = found[0], active.astype(float)
        slack = 1e-13 * (1.0 + np.abs(value))
        for _ in range(MAX_HALVINGS):
            trial = z + t[cluster, None] * d_z, x + t[:, None] * d_x
            found = posterior(*trial)
            short = active & ~(found[0] >= value + 1e-4 * t * rise - slack)
            if not short.any():
                break
            t[short] *= 0.5
        else:
            t[short] = 0.0
            trial = z + t[cluster, None] * d_z, x + t[:, None] * d_x
            found = posterior(*trial)
            # a step that cannot gain is at the mode to rounding
            converged |= short & (rise < STALLED)
            active &= ~short
        z, x = trial
    return _known(posterior, branches, found, z, x, factor, converged)


def _step(found, cluster, add) -> tuple[np.ndarray, np.ndarray]:
    """Uphill steps of persons and clusters."""
    _, g_z, g_x, h_zz, h_zx, h_xx = found
    own = _lifted(h_zz)[0]
    solved = np.linalg.solve(own, np.concatenate([g_z[:, :, None], h_zx], axis=2))
    back = np.swapaxes(h_zx, 1, 2) @ solved
    left = _lifted(h_xx - add(back[:, :, 1:]))[0]
    d_x = np.linalg.solve(left, (g_x - add(back[:, :, 0]))[:, :, None])[:, :, 0]
    d_z = solved[:, :, 0] - np.einsum("nqr,nr->nq", solved[:, :, 1:], d_x[cluster])
    return d_z, d_x


def _known(posterior, branches, found, z, x, factor, converged) -> ClusterModes:
    """Covariance matrices from the curvature at the modes."""
    _, _, _, h_zz, h_zx, h_xx = found
    cluster, n_clusters = posterior.cluster, posterior.n_clusters
    add = _adder(cluster, posterior.weights, n_clusters)
    own, good = _lifted(h_zz)
    inverse = np.linalg.inv(own)
    solved = inverse @ h_zx
    left, top = _lifted(h_xx - add(np.swapaxes(h_zx, 1, 2) @ solved))
    unknown = np.linalg.inv(left)
    covariance = np.empty_like(own)
    for one in branches:
        rows = one.persons
        through = posterior.between - one.root @ solved[rows]
        covariance[rows] = one.root @ inverse[rows] @ one.root.T
        covariance[rows] += through @ unknown[cluster[rows]] @ np.swapaxes(through, 1, 2)
    top &= np.bincount(cluster, ~good, n_clusters) == 0
    covariance[~top[cluster]] = np.nan
    of_clusters = factor @ unknown @ factor.T
    of_clusters[~top] = np.nan
    return ClusterModes(
        posterior.theta(z, x), covariance, x @ factor.T, of_clusters, converged & top
    )
