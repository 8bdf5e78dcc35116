"""Covariances of rows that share clusters, which the latent variables of a model have to explain."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

__all__ = ["PairMoments", "pair_moments"]

#: Rows that are looked at, and kinds of rows: with more, as with continuous columns, there are none.
MOST_ROWS, MOST_KINDS = 200_000, 60
#: Pairs of rows that a covariance needs.
FEWEST_PAIRS = 5


@dataclass(frozen=True, slots=True)
class PairMoments:
    """Average products of residuals over pairs of rows, by kind of row and the lowest level they share.

    Rows are of one kind if latent variables act on them alike, as rows of an item do. With
    ``nu_i = ... + z_i'eta`` the products of pairs that share a cluster of level l, and none below,
    have the expectation ``z_a'(A_l + A_{l+1} + ...) z_b``, A_l being the covariance matrix at level l
    of what multiplies the columns z.

    Attributes
    ----------
    kinds : ndarray, shape (K, d)
        Values of the columns of each kind.
    columns : ndarray of intp, shape (d,)
        Columns of the engine's design, -1 for the constant.
    products : tuple of ndarray, each shape (K, K)
        One a level, lowest first; zero where there are no pairs.
    pairs : tuple of ndarray, each shape (K, K)
        Number of pairs, on the diagonal twice; zero where there are too few.
    sd : ndarray, shape (K,)
        Standard deviation of the residuals.
    """

    kinds: np.ndarray
    columns: np.ndarray
    products: tuple[np.ndarray, ...]
    pairs: tuple[np.ndarray, ...]
    sd: np.ndarray


def _cluster_of_rows(problem, level: int, n: int) -> np.ndarray:
    """Cluster of each of the first n sorted rows at a level."""
    edges = problem.cluster_offsets[level]
    for below in problem.cluster_offsets[:level][::-1]:
        edges = below[edges]
    return np.searchsorted(edges, np.arange(n), side="right") - 1


def pair_moments(problem, residual: np.ndarray) -> PairMoments | None:
    """Moments of link-scale residuals.

    Parameters
    ----------
    problem : Problem
    residual : ndarray, shape (n,)
        Responses on the scale of the linear predictor minus its fixed part.

    Returns
    -------
    PairMoments or None
        None where rows have too many kinds, or no row shares a cluster with another one.
    """
    latent = (problem.active_channel >= 1) & (problem.active_channel <= sum(problem.dimensions))
    columns = np.unique(problem.active_column[latent])
    edges = np.concatenate([[0], np.cumsum(problem.rows_of_top)])
    # whole clusters of the top level
    whole = int(np.searchsorted(edges, MOST_ROWS, side="right")) - 1
    n = int(edges[max(1, whole)])
    z = np.ones((n, len(columns)))
    z[:, columns >= 0] = problem.design[:n, columns[columns >= 0]]
    # equal rows have equal sums with fixed weights, added in one order
    key = np.zeros(n)
    for value, column in zip(np.random.default_rng(0).normal(size=len(columns)), z.T, strict=True):
        key += value * column
    if len(np.unique(key[:1000])) > MOST_KINDS:
        return None
    _, first, kind = np.unique(key, return_index=True, return_inverse=True)
    kinds, k = z[first], len(first)
    if k > MOST_KINDS:
        return None
    kind, residual = kind.reshape(-1), residual[:n]
    count = np.bincount(kind, minlength=k)
    mean = np.bincount(kind, residual, k) / count
    residual = residual - mean[kind]
    square = np.bincount(kind, residual**2, k)
    below_total, below_count = np.diag(square), np.diag(count.astype(float))
    products, pairs = [], []
    for level in range(len(problem.dimensions)):
        cell = _cluster_of_rows(problem, level, n) * k + kind
        size = (cell[-1] // k + 1) * k
        total = np.bincount(cell, residual, size).reshape(-1, k)
        number = np.bincount(cell, minlength=size).reshape(-1, k).astype(float)
        total, number = np.einsum("ja,jb->ab", total, total), np.einsum("ja,jb->ab", number, number)
        pair = number - below_count
        pair = np.where(pair >= FEWEST_PAIRS, pair, 0.0)
        products.append(np.divide(total - below_total, pair, out=np.zeros((k, k)), where=pair > 0))
        pairs.append(pair)
        below_total, below_count = total, number
    if not any(pair.any() for pair in pairs):
        return None
    return PairMoments(kinds, columns, tuple(products), tuple(pairs), np.sqrt(square / count))
