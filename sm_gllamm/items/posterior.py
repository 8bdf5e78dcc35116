"""Means and covariances of latent variables given responses, by quadrature."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from sm_gllamm.items.bank import ItemBank
from sm_gllamm.items.equally_spaced import equally_spaced
from sm_gllamm.items.modes import modes

__all__ = ["PosteriorMoments", "posterior_moments"]

#: By number of latent variables: distance of equally spaced nodes in posterior SDs.
SPACING = {1: 0.45, 2: 0.55, 3: 0.55}
#: Nodes that are there from the start are so near to the modes, in posterior SDs.
CORE = 3.0
#: Logarithm of densities, relative to those at the modes, that are zero.
EDGE = {1: -26.0, 2: -25.0, 3: -23.0}
#: Largest difference, in posterior SDs, of moments by all nodes from those by every second node. The
#: error of the former is about the square of that of the latter: below 1e-7.
AGREEMENT = {1: 3e-5, 2: 3e-5, 3: 5e-5}
#: Persons who may share their nodes, and how many nodes there may be.
BLOCK = {1: 2_000, 2: 1_000, 3: 300}
MOST_NODES = 3_000_000
#: Values of densities held at a time.
HELD = 4_000_000
#: Rules at each person's own place, tried one after the other: first products of Gauss-Hermite rules
#: of so many points, then equally spaced nodes, (distance, outermost) in posterior SDs.
GAUSS_HERMITE = {3: (3, 5), 4: (3, 5), 5: (3, 5)}
OWN_NODES = {
    3: ((0.95, 8.3), (0.8, 9.5), (0.75, 11.0)),
    4: ((1.1, 6.5), (1.0, 7.6)),
    5: ((1.25, 5.6), (1.1, 6.2)),
}
#: Points of the former if there are more latent variables, as long as nodes are not too many. Nodes
#: whose weight has so small a logarithm, relative to the largest, are left out.
MORE_POINTS = (3, 5, 7, 9)
NO_WEIGHT = -18.0
MOST_OWN_NODES = 30_000
#: Difference, in posterior SDs, of moments by successive rules that ends the search, and the error
#: that is tolerated: the difference times the rate at which differences fall.
SUCCESSIVE = 5e-6
TOLERATED = 1e-3


@dataclass(frozen=True, slots=True)
class PosteriorMoments:
    """Distribution of the latent variables given the responses, n persons.

    Attributes
    ----------
    mean : ndarray, shape (n, q)
    covariance : ndarray, shape (n, q, q)
    log_marginal : ndarray, shape (n,)
        Log-density of the responses.
    accurate : ndarray of bool, shape (n,)
        Whether rules with more nodes agree.
    """

    mean: np.ndarray
    covariance: np.ndarray
    log_marginal: np.ndarray
    accurate: np.ndarray


def posterior_moments(
    bank: ItemBank, codes: np.ndarray, mean: np.ndarray, covariance: np.ndarray
) -> PosteriorMoments:
    """Posterior means and covariances for a normal prior.

    Parameters
    ----------
    bank : ItemBank
    codes : ndarray of int, shape (n, number of items)
        -1 for a missing response.
    mean : ndarray, shape (n, q)
        Mean of each person's prior.
    covariance : ndarray, shape (q, q)
        Its covariance, positive definite.

    Returns
    -------
    PosteriorMoments

    Notes
    -----
    One or two latent variables: equally spaced nodes (the trapezoidal rule, whose error falls faster
    than any power of the spacing for smooth densities on the whole line), in coordinates in which
    posteriors of similar persons, who share their nodes, are round and of unit variance. Nodes get
    denser until the moments by every second node agree, and reach as far as densities do not vanish,
    so that steep items and several modes do no harm. Three to five: products of Gauss-Hermite rules
    at each person's mode and then at the mean (Naylor & Smith 1982) find the place and the scale of
    each person's own equally spaced nodes; with three, nodes are shared as above where the last two
    rules differ by more than 5e-6 posterior SDs. Six and more: products of Gauss-Hermite rules, of
    fewer points the more variables there are.

    References
    ----------
    Naylor, J. C. & Smith, A. F. M. (1982). Applications of a method for the efficient computation of
    posterior distributions. Applied Statistics, 31, 214-225.
    """
    q = mean.shape[1]
    precision = np.linalg.inv(covariance)
    found = modes(bank, codes, mean, precision)
    spread = _inverses(found.curvature, covariance)
    result = PosteriorMoments(
        np.empty(mean.shape),
        np.empty((*mean.shape, q)),
        np.empty(len(mean)),
        np.ones(len(mean), bool),
    )
    constant = 0.5 * np.linalg.slogdet(precision)[1] - 0.5 * q * np.log(2.0 * np.pi)
    left = np.arange(len(mean))
    if q > 2:
        left = _by_own_nodes(bank, codes, mean, precision, found, spread, result)
    if q <= 3 and len(left):
        result.accurate[left] = True
        scaled = found.theta / np.sqrt(np.einsum("nrr->nr", spread).mean(axis=0))
        for block in _blocks(scaled, left):
            _by_lattice(bank, codes, mean, precision, found, spread, block, result)
    result.log_marginal[:] += constant
    return result


def _inverses(curvature, covariance):
    """Covariances of normal approximations at the modes: the prior's where curvature is none."""
    values, vectors = np.linalg.eigh(curvature)
    least = 1e-3 / np.linalg.eigvalsh(covariance)[-1]
    values = np.maximum(values, least)
    return np.einsum("nrk,nk,nsk->nrs", vectors, 1.0 / values, vectors)


def _blocks(place: np.ndarray, who: np.ndarray) -> Iterator[np.ndarray]:
    """Persons whose posteriors are next to each other, by halves along the longest side."""
    width = np.ptp(place[who], axis=0)
    if len(who) <= 16 or (len(who) <= BLOCK[place.shape[1]] and width.max() <= 2.0):
        yield who
        return
    along = place[who, np.argmax(width)]
    order, half = np.argsort(along, kind="stable"), len(who) // 2
    yield from _blocks(place, who[order[:half]])
    yield from _blocks(place, who[order[half:]])


class _SharedNodes:
    """Equally spaced nodes ``centre + axes z`` on which some persons' densities are not zero."""

    def __init__(self, bank, codes, mean, precision, found, who, centre, axes):
        self.bank, self.precision, self.centre, self.axes = bank, precision, centre, axes
        self.start = mean[who] - centre
        self.rows = np.column_stack(
            [bank.indicators(codes[who]), self.start, np.ones(len(who)), -found.value[who]]
        )
        # the quadratic form of the prior is that of found.value
        self.rows[:, -1] -= 0.5 * np.einsum("nr,rs,ns->n", self.start, precision, self.start)

    def log_densities(self, z):
        """Of all persons, relative to those at their modes; shape (n, m)."""
        away = z @ self.axes.T
        pull = away @ self.precision
        table = np.vstack(
            [
                self.bank.category_log_probabilities(self.centre + away),
                pull.T,
                -0.5 * np.einsum("mr,mr->m", away, pull)[None, :],
                np.ones((1, len(z))),
            ]
        )
        return self.rows @ table

    def fill(self, low, high, reach, spacing):
        """Nodes within reach of a box, and from there on wherever any density is not zero.

        Returns integer coordinates, shape (m, q), and log-densities, shape (n, m); nothing if there
        are too many.
        """
        q = len(low)
        sides = [
            np.arange(np.floor((a - reach) / spacing), np.ceil((b + reach) / spacing) + 1.0)
            for a, b in zip(low, high, strict=True)
        ]
        new = np.stack(np.meshgrid(*sides, indexing="ij"), axis=-1).reshape(-1, q).astype(np.int64)
        moves = np.concatenate([np.eye(q, dtype=np.int64), -np.eye(q, dtype=np.int64)])
        # one number a point; coordinates are far below 2000 in absolute value
        radix = 4096 ** np.arange(q)
        keys = np.empty(0, dtype=np.int64)
        points, densities, many = [], [], 0
        while len(new):
            many += len(new)
            if many > MOST_NODES:
                return None
            density = self.log_densities(new * spacing)
            points.append(new)
            densities.append(density)
            keys = np.union1d(keys, new @ radix)
            open_ = new[density.max(axis=0) > EDGE[q]]
            around = (open_[:, None, :] + moves).reshape(-1, q)
            key, first = np.unique(around @ radix, return_index=True)
            new = around[first[~np.isin(key, keys, assume_unique=True)]]
        return np.concatenate(points), np.concatenate(densities, axis=1)

    def moments(self, points, densities, spacing):
        """Means and covariances of z, log-integrals, and whether every second node gives the same."""
        q = points.shape[1]
        z = points * spacing
        upper = np.triu_indices(q)
        features = np.column_stack([np.ones(len(z)), z, z[:, upper[0]] * z[:, upper[1]]])
        largest = densities.max(axis=1)
        share = np.exp(densities - largest[:, None])
        # Every second node: those whose coordinates, or some of them added up, are even. All such
        # choices are looked at: nodes may be too far apart in one direction and not in others.
        choices = np.stack(np.meshgrid(*[[0, 1]] * q, indexing="ij"), axis=-1).reshape(-1, q)
        kind = (points % 2) @ 2 ** np.arange(q - 1, -1, -1)
        parts = np.stack([share[:, kind == c] @ features[kind == c] for c in range(2**q)])
        sums = parts.sum(axis=0)
        m, v = _centred(sums, q)
        sd = np.sqrt(np.maximum(np.einsum("nrr->nr", v), 1e-300))
        gap = np.zeros(len(sums))
        for choice in choices[1:]:
            m2, v2 = _centred(parts[(choices @ choice) % 2 == 0].sum(axis=0), q)
            gap = np.maximum(gap, (np.abs(m - m2) / sd).max(axis=1))
            scaled = np.abs(v - v2) / (sd[:, :, None] * sd[:, None, :])
            gap = np.maximum(gap, scaled.max(axis=(1, 2)))
        log_integral = largest + np.log(sums[:, 0]) + q * np.log(spacing)
        return m, v, log_integral, gap < AGREEMENT[q]


def _by_lattice(bank, codes, mean, precision, found, spread, block, result):
    """Moments of the persons of one block, by nodes they share."""
    q = mean.shape[1]
    centre = found.theta[block].mean(axis=0)
    axes = np.linalg.cholesky(spread[block].mean(axis=0))
    inverse = np.linalg.inv(axes)
    narrow = np.linalg.eigvalsh(inverse @ spread[block] @ inverse.T)[:, 0]
    spacing = SPACING[q] * np.sqrt(max(narrow.min(), 0.1))
    left = block
    while len(left):
        nodes = _SharedNodes(bank, codes, mean, precision, found, left, centre, axes)
        place = found.theta[left] - centre
        reach = CORE
        if not bank.log_concave:
            # there may be several modes: also around the means of the prior, of one far from them
            place = np.concatenate([place, mean[left] - centre])
            reach = max(CORE, 5.0 / (np.sqrt(precision[0, 0]) * axes[0, 0])) if q == 1 else CORE
        place = place @ inverse.T
        filled = nodes.fill(place.min(axis=0), place.max(axis=0), reach, spacing)
        if filled is None:
            result.accurate[left] = False
            break
        m, v, log_integral, agree = nodes.moments(*filled, spacing)
        result.mean[left] = centre + m @ axes.T
        result.covariance[left] = axes @ v @ axes.T
        result.log_marginal[left] = log_integral + found.value[left] + np.linalg.slogdet(axes)[1]
        left = left[~agree]
        spacing *= 0.75


def _centred(sums, q):
    """Means and covariances from sums of 1, z and z z'."""
    m = sums[:, 1 : q + 1] / sums[:, :1]
    v = np.empty((len(sums), q, q))
    rows, columns = np.triu_indices(q)
    second = sums[:, q + 1 :] / sums[:, :1] - m[:, rows] * m[:, columns]
    v[:, rows, columns] = v[:, columns, rows] = second
    return m, v


def _by_own_nodes(bank, codes, mean, precision, found, spread, result):
    """Moments by rules of more and more nodes; returns the persons for whom the last do not agree.

    The first rule stands at the modes, the others where the one before puts mean and covariance.
    """
    n, q = mean.shape
    result.mean[:], result.covariance[:] = found.theta, spread
    left, previous, error = np.arange(n), np.zeros(n), np.zeros(n)
    for rule in _own_rules(q):
        agreed = np.zeros(len(left), bool)
        size = max(1, HELD // (len(rule[0]) * q))
        for first in range(0, len(left), size):
            who = left[first : first + size]
            m, v, log_integral = _adapted(
                bank,
                codes[who],
                mean[who],
                precision,
                result.mean[who],
                result.covariance[who],
                *rule,
            )
            before = result.covariance[who]
            sd = np.sqrt(np.einsum("nrr->nr", before))
            gap = np.maximum(
                (np.abs(m - result.mean[who]) / sd).max(axis=1),
                (np.abs(v - before) / (sd[:, :, None] * sd[:, None, :])).max(axis=(1, 2)),
            )
            falls = gap < np.maximum(0.7 * previous[who], 1e-3 * SUCCESSIVE)
            agreed[first : first + size] = (gap < SUCCESSIVE) & falls
            error[who] = gap * np.minimum(gap / np.maximum(previous[who], 1e-300), 1.0)
            previous[who] = gap
            result.mean[who], result.covariance[who] = m, v
            result.log_marginal[who] = log_integral
        left = left[~agreed]
    result.accurate[error > TOLERATED] = False
    return left


@lru_cache(maxsize=8)
def _own_rules(q):
    """Nodes and log-weights of rules for the integral of exp(-z'z / 2) f(z)."""
    rules = [_product_rule(points, q) for points in GAUSS_HERMITE.get(q, MORE_POINTS)]
    for spacing, reach in OWN_NODES.get(q, ()):
        z = np.concatenate(list(equally_spaced(q, spacing, reach)))
        rules.append((z, q * np.log(spacing) - 0.5 * (z**2).sum(axis=1)))
    return [rule for rule in rules if rule is not None]


def _product_rule(points, q):
    """Nodes and log-weights of the integral of exp(-z'z / 2) f(z), without nodes of no weight.

    None if more than MOST_OWN_NODES are left.
    """
    x, w = np.polynomial.hermite_e.hermegauss(points)
    log_w = np.log(w)
    grid, total = np.zeros((1, 0)), np.zeros(1)
    for done in range(1, q + 1):
        joint = total[:, None] + log_w
        keep = joint + (q - done) * log_w.max() > q * log_w.max() + NO_WEIGHT
        before, new = np.nonzero(keep)
        grid = np.column_stack([grid[before], x[new]])
        total = joint[before, new]
        if len(total) > MOST_OWN_NODES:
            return None
    return grid, total


def _adapted(bank, codes, mean, precision, centre, spread, z, log_weight):
    """Moments and log-integrals by nodes at ``centre + L z``, L the Cholesky factor of `spread`."""
    n, q = centre.shape
    axes = np.linalg.cholesky(spread)
    away = np.einsum("nrs,ms->nmr", axes, z)
    theta = centre[:, None, :] + away
    from_prior = theta - mean[:, None, :]
    value = -0.5 * ((from_prior @ precision) * from_prior).sum(axis=2)
    value += log_weight + 0.5 * (z**2).sum(axis=1)
    for j, item in enumerate(bank.items):
        answered = codes[:, j] >= 0
        if answered.all():
            value += item.response_log_probabilities(codes[:, j], theta)
        elif answered.any():
            value[answered] += item.response_log_probabilities(codes[answered, j], theta[answered])
    largest = value.max(axis=1)
    share = np.exp(value - largest[:, None])
    total = share.sum(axis=1)
    share /= total[:, None]
    m = share @ z
    v = np.einsum("nm,mk->nk", share, (z[:, :, None] * z[:, None, :]).reshape(len(z), -1))
    v = v.reshape(n, q, q) - m[:, :, None] * m[:, None, :]
    moved = np.einsum("nrs,ns->nr", axes, m)
    log_integral = largest + np.log(total) + np.linalg.slogdet(axes)[1]
    return centre + moved, axes @ v @ axes.transpose(0, 2, 1), log_integral
