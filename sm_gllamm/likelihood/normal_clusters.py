"""Clusters of normal rows with missing values or weights of rows, in closed form.

Row i of cluster j has what is observed of y_ij = b_j + w_ij, between part and within part normal both, and
the cluster has cluster-level variables z_j, a part of b_j. With W_i the inverse of the within covariance
matrix of what is observed of row i, and E what takes b_j to the within variables,

    A_j = sum_i n_i E' W_i E,     g_j = sum_i n_i E' W_i (y_ij - mu_W - E E(b_j | z_j)),
    C = cov(b_j | z_j),           P_j = C (I + A_j C)^-1 = cov(b_j | y_j, z_j),

the log-likelihood of a cluster is that of its rows around E(b_j | z_j), less half of
``log|I + A_j C| - g_j' P_j g_j``, plus that of z_j (the matrix identities of Woodbury and Sylvester, as in
Longford 1987, *Biometrika* 74, 817-827). n_i is the weight of a row: a power of its density given b_j
(Rabe-Hesketh & Skrondal 2006, *Journal of the Royal Statistical Society A* 169, 805-827, eq. 5). Derivatives
are those of a normal vector with covariance matrix V, of which products with V^-1 are formed, never V^-1.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from sm_gllamm.likelihood.normal_moments import (
    CHUNK,
    LOG_2PI,
    PieceSet,
    PieceState,
    add_gradient,
    curvature,
    times,
)
from sm_gllamm.mapping.sem_moments import ImpliedBlock

__all__ = ["ClusterSet", "ClusterState"]


@dataclass(frozen=True)
class ClusterSet:
    """J clusters of rows with the same variables; a cell is the rows of a cluster with one pattern.

    Attributes
    ----------
    within, between : tuple of str
        Observed variables of both levels.
    blocks : tuple of int
        Blocks of the model for within and between.
    lift : ndarray of int, shape (p,)
        Where the within variables are among the between ones; -1 for those that are within only.
    own : ndarray of int, shape (m,)
        Where the cluster-level variables are among the between ones.
    present : ndarray of bool, shape (K, p)
        Patterns of what is observed.
    pattern : ndarray of int, shape (C,)
        Of each cell; cells of a cluster follow each other.
    first : ndarray of int, shape (J,)
        First cell of each cluster.
    count : ndarray, shape (C,)
        Number of rows, sum of their weights.
    mean : ndarray, shape (C, p)
        Zero where missing.
    products : ndarray, shape (C, p, p)
        Sums of products of deviations from the mean.
    seen : ndarray of bool, shape (J, m)
        Which cluster-level variables are observed.
    values : ndarray, shape (J, m)
        These variables, zero where missing.
    weight : ndarray, shape (J,)
        Of the clusters.
    unit : ndarray of int, shape (J,)
        Number among the independent units.
    """

    within: tuple[str, ...]
    between: tuple[str, ...]
    blocks: tuple[int, int]
    lift: np.ndarray
    own: np.ndarray
    present: np.ndarray
    pattern: np.ndarray
    first: np.ndarray
    count: np.ndarray
    mean: np.ndarray
    products: np.ndarray
    seen: np.ndarray
    values: np.ndarray
    weight: np.ndarray
    unit: np.ndarray

    @cached_property
    def cluster(self) -> np.ndarray:
        """Cluster of each cell."""
        ends = np.append(self.first[1:], len(self.pattern))
        return np.repeat(np.arange(len(self.first)), ends - self.first)

    @cached_property
    def weighted(self) -> np.ndarray:
        """Number of rows of each cell times the weight of its cluster."""
        return self.count * self.weight[self.cluster]

    @cached_property
    def by_pattern(self) -> tuple[np.ndarray, np.ndarray]:
        """Number of rows, and sums of products of deviations, of each pattern."""
        k, p = self.present.shape
        count = np.bincount(self.pattern, self.weighted, minlength=k)
        flat = (self.products * self.weight[self.cluster][:, None, None]).reshape(-1, p * p)
        return count, self._of_patterns(flat).reshape(k, p, p)

    @cached_property
    def _sorted(self) -> tuple[np.ndarray, np.ndarray]:
        """Cells in the order of their patterns, and the first of each pattern; every pattern has one."""
        order = np.argsort(self.pattern, kind="stable")
        return order, np.searchsorted(self.pattern[order], np.arange(len(self.present)))

    def _of_patterns(self, values: np.ndarray) -> np.ndarray:
        """Sums over the cells of each pattern."""
        order, first = self._sorted
        return np.add.reduceat(values[order], first, 0)

    def raised(self, values: np.ndarray, axis: int) -> np.ndarray:
        """E' times values: from within to between variables along an axis."""
        shape = list(values.shape)
        shape[axis] = len(self.between)
        out = np.zeros(shape)
        both = self.lift >= 0
        source, target = [slice(None)] * values.ndim, [slice(None)] * values.ndim
        source[axis], target[axis] = both, self.lift[both]
        out[tuple(target)] = values[tuple(source)]
        return out

    def lowered(self, values: np.ndarray, axis: int) -> np.ndarray:
        """E times values: from between to within variables along an axis."""
        out = np.take(values, np.maximum(self.lift, 0), axis)
        shape = [1] * values.ndim
        shape[axis] = len(self.lift)
        return out * (self.lift >= 0).reshape(shape)

    def state(self, implied: list[ImpliedBlock]) -> ClusterState | None:
        """Everything that depends on the moments; None where a covariance matrix is not positive definite."""
        low, high = (implied[b] for b in self.blocks)
        p, q = len(self.within), len(self.between)
        inverse, logdet = _patterned_inverses(low.covariance[:p, :p], self.present)
        given = self._given(high.covariance[:q, :q], high.mean[:q])
        if inverse is None or given is None:
            return None
        own = self.raised(self.raised(inverse, 1), 2)
        a = np.add.reduceat(self.count[:, None, None] * own[self.pattern], self.first, 0)
        middle = np.eye(q) + a @ given.covariance
        sign, size = np.linalg.slogdet(middle)
        if not (np.isfinite(size).all() and (sign > 0.0).all()):
            return None
        indefinite = given.indefinite
        if indefinite.any():
            # the determinant alone does not tell: two eigenvalues may be negative
            values = np.linalg.eigvals(middle[indefinite]).real
            if values.min() <= 0.0:
                return None
        posterior = given.covariance @ np.linalg.inv(middle)
        posterior = (posterior + posterior.transpose(0, 2, 1)) / 2.0
        prior = given.mean + high.mean[:q]
        residual = self.mean - low.mean[:p] - self.lowered(prior, 1)[self.cluster]
        residual = np.where(self.present[self.pattern], residual, 0.0)
        weighted = times(inverse, self.pattern, residual)
        square = np.einsum("ci,ci->c", residual, weighted)
        g = np.add.reduceat(self.count[:, None] * self.raised(weighted, 1), self.first, 0)
        move = np.einsum("jkl,jl->jk", posterior, g)
        residual = residual - self.lowered(move, 1)[self.cluster]
        residual = np.where(self.present[self.pattern], residual, 0.0)
        value = size - np.einsum("jk,jk->j", g, move) + given.value
        value += np.add.reduceat(self.count * square, self.first)
        return ClusterState(self, inverse, logdet, given, a, posterior, g, residual, value)

    def _given(self, covariance: np.ndarray, mean: np.ndarray) -> _Given | None:
        """Moments of between parts given cluster-level variables."""
        j, q = len(self.seen), len(mean)
        out = _Given(
            np.zeros((j, q)), np.zeros((j, q, q)), np.zeros((j, q, q)), np.zeros((j, q, q)),
            np.zeros((j, q)), np.zeros(j), np.zeros(j, dtype=bool),
        )  # fmt: skip
        patterns, code = np.unique(self.seen, axis=0, return_inverse=True)
        code = code.reshape(-1)
        for k, seen in enumerate(patterns):
            rows = np.flatnonzero(code == k)
            at = self.own[seen]
            part = covariance[np.ix_(at, at)]
            try:
                factor = np.linalg.cholesky(part)
            except np.linalg.LinAlgError:
                return None
            slope = np.linalg.solve(part, covariance[at])
            left = covariance - covariance[:, at] @ slope
            left[at], left[:, at] = 0.0, 0.0
            off = self.values[rows][:, seen] - mean[at]
            inverse = np.linalg.inv(part)
            pull = np.eye(q)
            pull[:, at] -= slope.T
            out.mean[rows] = off @ slope
            out.covariance[rows] = left
            out.remover[rows] = pull
            out.inverse[np.ix_(rows, at, at)] = inverse
            scaled = off @ inverse
            out.scaled[np.ix_(rows, at)] = scaled
            out.value[rows] = (
                2.0 * np.log(np.diag(factor)).sum()
                + len(at) * LOG_2PI
                + np.einsum("ji,ji->j", scaled, off)
            )
            scale = max(float(np.abs(np.diag(covariance)).max(initial=0.0)), 1e-300)
            out.indefinite[rows] = q > 0 and np.linalg.eigvalsh(left)[0] < -1e-12 * scale
        return out


@dataclass(slots=True)
class _Given:
    """Moments of between parts given cluster-level variables, by cluster."""

    mean: np.ndarray
    covariance: np.ndarray
    #: I less the regression on the cluster-level variables
    remover: np.ndarray
    inverse: np.ndarray
    scaled: np.ndarray
    value: np.ndarray
    indefinite: np.ndarray


def _patterned_inverses(sigma: np.ndarray, present: np.ndarray):
    """Inverses and log-determinants of the observed parts of a covariance matrix, zero elsewhere."""
    both = present[:, :, None] & present[:, None, :]
    parts = np.where(both, sigma, 0.0)
    diagonal = np.arange(len(sigma))
    parts[:, diagonal, diagonal] += ~present
    try:
        factor = np.linalg.cholesky(parts)
    except np.linalg.LinAlgError:
        return None, None
    diagonals = np.diagonal(factor, axis1=1, axis2=2)
    if not (np.isfinite(diagonals).all() and diagonals.min(initial=1.0) > 0.0):
        return None, None
    return np.where(both, np.linalg.inv(parts), 0.0), 2.0 * np.log(diagonals).sum(1)


class ClusterState:
    """A set of clusters at moments.

    Parameters
    ----------
    clusters : ClusterSet
    inverse, logdet : ndarray, shapes (K, p, p) and (K,)
        Of the within covariance matrix, by pattern.
    given : _Given
    a, posterior : ndarray, shape (J, q, q)
        A and P.
    g : ndarray, shape (J, q)
    residual : ndarray, shape (C, p)
        Means of cells less those expected given all observations of the cluster.
    value : ndarray, shape (J,)
        Minus twice the log-likelihood, but for what depends on cells only.
    """

    def __init__(self, clusters, inverse, logdet, given, a, posterior, g, residual, value):
        self.set = clusters
        self.inverse, self.logdet, self.given = inverse, logdet, given
        self.a, self.posterior, self.g, self.residual = a, posterior, g, residual
        self._value = value
        left = np.eye(a.shape[1]) - posterior @ a
        #: what rows of F' V^-1 F and V^-1 F are made of
        self.turn = left @ given.remover
        lost = a @ left
        remover = given.remover.transpose(0, 2, 1)
        self.middle = remover @ ((lost + lost.transpose(0, 2, 1)) / 2.0) @ given.remover
        self.middle += given.inverse
        pulled = g - np.einsum("jkl,jlm,jm->jk", a, posterior, g)
        self.pull = np.einsum("jkl,jl->jk", remover, pulled) + given.scaled

    @property
    def loglike(self) -> float:
        """Log-likelihood of all clusters, times their weights."""
        data = self.set
        count, products = data.by_pattern
        rows = count @ (self.logdet + LOG_2PI * data.present.sum(1))
        rows += np.einsum("kij,kij->", self.inverse, products)
        return -0.5 * float(rows + data.weight @ self._value)

    def _rows(self, expected: bool = False) -> tuple[PieceSet, PieceState]:
        """Rows by pattern as pieces, with the conditional moments of the between parts in their spread."""
        data = self.set
        count, products = data.by_pattern
        k, p = data.present.shape
        safe = np.where(count > 0.0, count, 1.0)
        n = data.weighted
        uncertain = data._of_patterns(
            (n[:, None, None] * self.posterior[data.cluster]).reshape(len(n), -1)
        ).reshape(k, len(data.between), len(data.between))
        uncertain = data.lowered(data.lowered(uncertain, 1), 2)
        deviation = np.zeros((k, p))
        if expected:
            # T for which 2 W T W - W is the part of rows in V^-1 V_a V^-1 V_b
            spread = safe[:, None, None] * self._observed() - uncertain
        else:
            outer = self.residual[:, :, None] * self.residual[:, None, :]
            outer = data._of_patterns((n[:, None, None] * outer).reshape(len(n), -1))
            spread = products + outer.reshape(k, p, p) + uncertain
            deviation = data._of_patterns(n[:, None] * self.residual) / safe[:, None]
        both = data.present[:, :, None] & data.present[:, None, :]
        spread = np.where(both, spread, 0.0) / safe[:, None, None]
        every = np.arange(p)
        pieces = PieceSet(
            data.within, data.blocks[:1], (every,), (every,), np.ones((k, 1)), count,
            np.zeros((k, p)), np.zeros((k, p, p)), data.present,
        )  # fmt: skip
        return pieces, PieceState(self.inverse, self.logdet, deviation, spread)

    def _observed(self) -> np.ndarray:
        """Within covariance matrices of the patterns, zero where missing."""
        present = self.set.present
        diagonal = np.arange(present.shape[1])
        padded = self.inverse.copy()
        padded[:, diagonal, diagonal] += ~present
        both = present[:, :, None] & present[:, None, :]
        return np.where(both, np.linalg.inv(padded), 0.0)

    def add_gradient(self, of_covariance, of_mean) -> None:
        """Add the gradient in the moments of both blocks."""
        add_gradient(*self._rows(), of_covariance, of_mean)
        data = self.set
        seen = slice(0, len(data.between))
        above = data.blocks[1]
        weighted = data.weight[:, None] * self.pull
        total = weighted.T @ self.pull - np.tensordot(data.weight, self.middle, 1)
        of_covariance[above][seen, seen] += 0.5 * total
        of_mean[above][seen] += weighted.sum(0)

    def curvature(self, slopes, expected: bool) -> np.ndarray:
        """Second derivatives along the entries of both blocks, within first.

        Those of rows given between parts, plus the information that is missing because these are not known.
        """
        data = self.set
        p, q = len(data.within), len(data.between)
        low = [part[:p] for part in slopes[data.blocks[0]]]
        high = [part[:q] for part in slopes[data.blocks[1]]]
        n_low, n_high = low[0].shape[1], high[0].shape[1]
        out = np.zeros((n_low + n_high, n_low + n_high))
        out[:n_low, :n_low] = curvature(*self._rows(expected), slopes, False)
        raised = [data.raised(self.inverse @ part, 1) for part in low]
        scaled = times(self.inverse, data.pattern, self.residual)
        for clusters, cells in self._chunks(n_low * q * q + n_high * q * q):
            part = self._missing(clusters, cells, raised, scaled[cells], low, high, expected)
            out[:n_low, :n_low] += part[0]
            out[:n_low, n_low:] += part[1]
            out[n_low:, :n_low] += part[1].T
            out[n_low:, n_low:] += part[2]
        return out

    def _chunks(self, size: int):
        """Slices of clusters and of their cells."""
        data = self.set
        step = max(1, CHUNK // max(1, size))
        ends = np.append(data.first[1:], len(data.pattern))
        start = 0
        while start < len(data.first):
            stop = int(np.searchsorted(ends, data.first[start] + step, side="right"))
            stop = max(stop, start + 1)
            yield slice(start, stop), slice(int(data.first[start]), int(ends[stop - 1]))
            start = stop

    def _missing(self, clusters: slice, cells: slice, raised, scaled, low, high, expected: bool):
        """Parts within x within, within x between and between x between of a chunk of clusters."""
        data = self.set
        u, v, d = raised
        first = data.first[clusters] - data.first[clusters.start]
        n, pattern = data.count[cells], data.pattern[cells]
        weight = data.weight[clusters]
        posterior, turn = self.posterior[clusters], self.turn[clusters]
        middle, pull = self.middle[clusters], self.pull[clusters]
        j, q = pull.shape
        lu, lv, ld = u[pattern], v[pattern], d[pattern]
        c = ld
        if not expected:
            c = lu * (scaled @ low[1])[:, None, :] + lv * (scaled @ low[0])[:, None, :] + ld
        c = np.add.reduceat(n[:, None, None] * c, first, 0)
        # rows of entries, symmetric
        one = lu.transpose(0, 2, 1)[:, :, :, None] * lv.transpose(0, 2, 1)[:, :, None, :]
        spread = np.add.reduceat(n[:, None, None, None] * one, first, 0)
        spread = spread + spread.transpose(0, 1, 3, 2)
        inner = posterior[:, None] @ spread
        flat = (weight[:, None, None, None] * inner).transpose(1, 0, 2, 3).reshape(-1, j * q * q)
        other = inner.transpose(1, 0, 3, 2).reshape(-1, j * q * q)
        traces = 0.5 * flat @ other.T
        known = np.einsum("j,jka,jkl,jlb->ab", weight, c, posterior, c, optimize=True)
        within = known + (-traces if expected else traces)
        hu, hv, hd = high
        tu, tv = turn @ hu, turn @ hv
        outer = tu.transpose(0, 2, 1)[:, :, :, None] * tv.transpose(0, 2, 1)[:, :, None, :]
        outer = (weight[:, None, None, None] * outer).transpose(1, 0, 2, 3).reshape(-1, j * q * q)
        crossed = spread.transpose(1, 0, 2, 3).reshape(-1, j * q * q) @ outer.T
        t = np.broadcast_to(hd, (j, *hd.shape))
        if not expected:
            t = hu * (pull @ hv)[:, None, :] + hv * (pull @ hu)[:, None, :] + hd
        across = -np.einsum("j,jka,jkl,jlb->ab", weight, c, turn, t, optimize=True)
        across += -crossed if expected else crossed
        mu, mv = middle @ hu, middle @ hv
        umu, umv, vmv = hu.T @ mu, hu.T @ mv, hv.T @ mv
        pairs = umu * vmv + umv * umv.transpose(0, 2, 1)
        between = -np.einsum("j,jka,jkl,jlb->ab", weight, t, middle, t, optimize=True)
        between += np.einsum("j,jab->ab", -weight if expected else weight, pairs)
        return within, across, between

    def units(self, slopes):
        """Log-likelihoods of clusters, shape (J,), and their scores in the entries, None without slopes."""
        data = self.set
        p = len(data.within)
        known = self.logdet + LOG_2PI * data.present.sum(1)
        loglike = self._value + np.add.reduceat(data.count * known[data.pattern], data.first)
        scores = []
        for clusters, cells in self._chunks(p * p):
            pattern = data.pattern[cells]
            first = data.first[clusters] - data.first[clusters.start]
            inverse = self.inverse[pattern]
            traces = np.einsum("cij,cij->c", inverse, data.products[cells])
            loglike[clusters] += np.add.reduceat(traces, first)
            if slopes is not None:
                scores.append(self._unit_scores(clusters, cells, inverse, first, slopes))
        loglike *= -0.5 * data.weight
        if slopes is None:
            return loglike, None
        return loglike, np.concatenate(scores) * data.weight[:, None]

    def _unit_scores(self, clusters: slice, cells: slice, inverse, first, slopes) -> np.ndarray:
        data = self.set
        p, q = len(data.within), len(data.between)
        u, v, d = (part[:p] for part in slopes[data.blocks[0]])
        n, residual = data.count[cells], self.residual[cells]
        local = data.cluster[cells] - clusters.start
        posterior = data.lowered(data.lowered(self.posterior[clusters], 1), 2)[local]
        total = data.products[cells] + n[:, None, None] * (
            residual[:, :, None] * residual[:, None, :] + posterior
        )
        total = inverse @ total @ inverse - n[:, None, None] * inverse
        total = np.add.reduceat(total, first, 0)
        scaled = np.add.reduceat(n[:, None] * np.einsum("cij,cj->ci", inverse, residual), first, 0)
        low = np.einsum("ie,jie->je", u, total @ v) + scaled @ d
        u, v, d = (part[:q] for part in slopes[data.blocks[1]])
        pull = self.pull[clusters]
        high = (pull @ u) * (pull @ v) + pull @ d
        high -= np.einsum("ie,jie->je", u, self.middle[clusters] @ v)
        return np.concatenate([low, high], axis=1)
