"""Two-level data of structural equation models as pieces of a normal log-likelihood.

With responses y_ij = (between part of cluster j) + (within part of row i), normal both, the deviations from
cluster means and the means are independent: the former have the within covariance matrix Sigma_W, means of a
cluster of n rows, together with cluster-level variables, Sigma_B + Sigma_W / n (McDonald & Goldstein 1989,
*British Journal of Mathematical and Statistical Psychology* 42, 215-232; Muthen 1994, *Sociological Methods &
Research* 22, 376-398).
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from statsmodels.tools.sm_exceptions import SpecificationWarning

from sm_gllamm.exceptions import SpecificationError
from sm_gllamm.likelihood.normal_moments import PieceSet, UnitPart
from sm_gllamm.models.sem_data import GroupRows
from sm_gllamm.models.sem_problem import given_moments, normal_loglike
from sm_gllamm.models.sem_start import StartMoments

__all__ = ["LevelVariables", "TwoLevelGroup", "two_level_group", "two_level_pieces"]

#: Spread within clusters, relative to that of a variable, that counts as none.
CONSTANT = 1e-9
#: Share of the variance of cluster means from which on a between covariance matrix starts.
LEAST = 0.05


@dataclass(frozen=True)
class LevelVariables:
    """Observed variables of both levels of a group.

    Attributes
    ----------
    within, between : tuple of str
        As in the blocks of the table; some are in both.
    given_within, given_between : tuple of str
        Covariates whose moments are those of the sample.
    """

    within: tuple[str, ...]
    between: tuple[str, ...]
    given_within: tuple[str, ...]
    given_between: tuple[str, ...]

    @property
    def both(self) -> tuple[str, ...]:
        return tuple(name for name in self.within if name in self.between)

    @property
    def means(self) -> tuple[str, ...]:
        """Variables of the vector of a cluster: between, then those that are within only."""
        return (*self.between, *(name for name in self.within if name not in self.between))


@dataclass(frozen=True)
class TwoLevelGroup:
    """Sufficient statistics of a group of clusters.

    Attributes
    ----------
    variables : LevelVariables
    unit : ndarray of int, shape (J,)
        Number of each cluster among those of all groups.
    size : ndarray, shape (J,)
        Number of rows, sum of their weights.
    vectors : ndarray, shape (J, p)
        Cluster means of ``variables.means``, of what is observed; those of all where nothing is.
    products : ndarray, shape (J, q, q)
        Sums of products of deviations from cluster means, of ``variables.within``; with missing values those
        of pairs that are observed, scaled to the number of rows.
    weight : ndarray, shape (J,)
        Of the clusters.
    codes : ndarray of int, shape (n,)
        Cluster of each row.
    complete : bool
        Whether no value is missing.
    even : bool
        Whether no value is missing and all rows weigh the same, so that means and products suffice.
    """

    variables: LevelVariables
    unit: np.ndarray
    size: np.ndarray
    vectors: np.ndarray
    products: np.ndarray
    weight: np.ndarray
    codes: np.ndarray
    complete: bool = True
    even: bool = True

    @property
    def n_rows(self) -> float:
        """Number of rows, sum of all weights."""
        return float(self.weight @ self.size)

    @property
    def n_clusters(self) -> float:
        """Number of clusters, sum of their weights."""
        return float(self.weight.sum())

    @property
    def pooled(self) -> np.ndarray:
        """Pooled within covariance matrix."""
        total = np.tensordot(self.weight, self.products, 1)
        pooled = total / max(self.n_rows - self.n_clusters, 1.0)
        return pooled if self.even or _definite(pooled) else np.diag(np.diag(pooled))

    def start_moments(self) -> list[StartMoments]:
        """Means and covariances of both levels to start from."""
        names, level = self.variables, self.variables.means
        within_mean = np.array(
            [0.0 if n in names.between
             else np.average(self.vectors[:, level.index(n)], weights=self.weight * self.size)
             for n in names.within]
        )  # fmt: skip
        p = len(names.between)
        vectors = self.vectors[:, :p]
        mean, covariance = _weighted_moments(vectors, self.weight)
        typical = self.n_clusters / (self.weight @ (1.0 / np.maximum(self.size, 1e-8)))
        inside = np.zeros((p, p))
        at = [names.between.index(n) for n in names.both]
        own = [names.within.index(n) for n in names.both]
        inside[np.ix_(at, at)] = self.pooled[np.ix_(own, own)] / typical
        between = covariance - inside
        diagonal = np.diag(covariance)
        low = np.diag(between) < LEAST * diagonal
        between[np.arange(p)[low], np.arange(p)[low]] = LEAST * diagonal[low]
        if not _definite(between, 1e-3):
            between = np.diag(np.diag(between))
        return [(within_mean, self.pooled), (mean, between)]

    def given_moments(self, rows: GroupRows) -> list[dict]:
        """Moments of given covariates at both levels, by name; covariates of one level only."""
        names = self.variables
        x, w, weight = self._given_values(rows)
        out = []
        for given, values, of_values in (
            (names.given_within, x, weight), (names.given_between, w, self.weight)
        ):  # fmt: skip
            mean, covariance = _weighted_moments(values, of_values)
            out.append(given_moments(given, given, mean, covariance))
        return out

    def _given_values(self, rows: GroupRows):
        """Covariates of rows and of clusters, and weights of rows times those of their clusters."""
        names = self.variables
        w = self.vectors[:, [names.means.index(n) for n in names.given_between]]
        return _columns(rows, names.given_within), w, rows.weight * self.weight[self.codes]

    def given_loglike(self, rows: GroupRows) -> np.ndarray:
        """Log-likelihood of the given covariates by cluster, shape (J,), without weights of clusters."""
        names = self.variables
        x, w, weight = self._given_values(rows)
        total = np.zeros(len(self.unit))
        if names.given_within:
            density = rows.weight * normal_loglike(x, *_weighted_moments(x, weight))
            total += np.bincount(self.codes, density, minlength=len(total))
        if names.given_between:
            total += normal_loglike(w, *_weighted_moments(w, self.weight))
        return total


def _definite(covariance: np.ndarray, least: float = 1e-6) -> bool:
    """Whether the smallest eigenvalue of the correlations is at least so large."""
    sd = np.sqrt(np.maximum(np.diag(covariance), 1e-300))
    scaled = covariance / np.outer(sd, sd)
    return not len(sd) or bool(np.linalg.eigvalsh(scaled)[0] >= least)


def _weighted_moments(values: np.ndarray, weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and covariance matrix, divided by the sum of the weights."""
    total = weight.sum()
    mean = weight @ values / total
    centred = values - mean
    return mean, (centred * weight[:, None]).T @ centred / total


def _columns(rows: GroupRows, names: Sequence[str]) -> np.ndarray:
    return rows.values[:, [rows.variables.index(name) for name in names]]


def two_level_group(
    rows: GroupRows, variables: LevelVariables, codes: np.ndarray, unit: np.ndarray, labels,
    weight: np.ndarray | None = None,
) -> TwoLevelGroup:  # fmt: skip
    """Sufficient statistics of a group.

    Parameters
    ----------
    rows : GroupRows
        NaN where missing.
    variables : LevelVariables
    codes : ndarray of int, shape (n,)
        Cluster of each row among those of the group.
    unit : ndarray of int, shape (J,)
    labels : sequence
        Labels of the clusters, for messages.
    weight : ndarray, shape (J,), optional
        Of the clusters.

    Raises
    ------
    SpecificationError
        A cluster-level variable varies within clusters, a variable of the lower level does not.

    Warns
    -----
    SpecificationWarning
        There are fewer clusters than variables of the between part.
    """
    n_clusters = len(unit)
    weight = np.ones(n_clusters) if weight is None else weight
    size = np.bincount(codes, rows.weight, minlength=n_clusters)
    level = variables.means
    values = _columns(rows, level)
    present = ~np.isnan(values)
    held = present * rows.weight[:, None]
    values = np.where(present, values, 0.0)
    sums = [np.bincount(codes, v, minlength=n_clusters) for v in (held * values).T]
    known = np.column_stack([np.bincount(codes, v, minlength=n_clusters) for v in held.T])
    grand = (held * values).sum(0) / held.sum(0)
    vectors = np.where(
        known > 0.0, np.column_stack(sums) / np.where(known > 0.0, known, 1.0), grand
    )
    deviations = np.where(present, values - vectors[codes], 0.0)
    _check_levels(variables, deviations, values, present, codes, labels)
    if n_clusters <= len(variables.between):
        warnings.warn(
            f"{n_clusters} clusters are too few for the between part of {len(variables.between)} variables: "
            "its estimates and standard errors are not to be trusted",
            SpecificationWarning,
            stacklevel=5,
        )
    at = [level.index(name) for name in variables.within]
    inside = deviations[:, at]
    q = inside.shape[1]
    products = np.empty((n_clusters, q, q))
    for i in range(q):
        for j in range(i + 1):
            both = rows.weight * inside[:, i] * inside[:, j]
            share = held[:, at[i]] @ present[:, at[j]] / rows.weight.sum()
            total = np.bincount(codes, both, minlength=n_clusters) / max(share, 1e-8)
            products[:, i, j] = products[:, j, i] = total
    complete = bool(present.all())
    even = complete and bool(np.all(rows.weight == 1.0))
    return TwoLevelGroup(variables, unit, size, vectors, products, weight, codes, complete, even)


def _check_levels(variables: LevelVariables, deviations, values, present, codes, labels) -> None:
    """Refuse variables on the wrong level, and clusters of single rows."""
    if np.bincount(codes).max() < 2:
        raise SpecificationError("all clusters have one row: there is nothing within them")
    spread = np.abs(deviations).max(0)
    for k, name in enumerate(variables.means):
        scale = values[present[:, k], k].std()
        constant = spread[k] <= CONSTANT * max(scale, 1e-300)
        if name not in variables.within and not constant:
            where = labels[codes[int(np.argmax(np.abs(deviations[:, k])))]]
            raise SpecificationError(
                f"{name!r} stands at the cluster level only, but varies within cluster {where}; "
                "put it into the block of the lower level, too"
            )
        if name in variables.within and constant:
            raise SpecificationError(
                f"{name!r} does not vary within clusters; it belongs into the block of the cluster level only"
            )


def two_level_pieces(g: int, group: TwoLevelGroup) -> tuple[PieceSet, PieceSet]:
    """Deviations from cluster means, and these means, of a group without missing values.

    Parameters
    ----------
    g : int
        Its blocks are 2g (within) and 2g + 1 (between).
    group : TwoLevelGroup

    Returns
    -------
    tuple of PieceSet
        Whose log-likelihood is that of the rows less ``log(size) / 2`` for each within variable and cluster.
    """
    return _deviations(g, group, group.weight), _means(g, group, group.weight)


def _deviations(g: int, group: TwoLevelGroup, weight: np.ndarray) -> PieceSet:
    """Deviations from cluster means: a piece with one row less a cluster."""
    q = len(group.variables.within)
    every = np.arange(q)
    left = group.size - 1.0
    count = weight * left
    units = UnitPart(
        group.unit, np.zeros(len(group.unit), dtype=np.intp), count, None,
        group.products / np.maximum(left, 1.0)[:, None, None],
    )  # fmt: skip
    covariance = np.tensordot(weight, group.products, 1) / count.sum()
    return PieceSet(
        group.variables.within, (2 * g,), (every,), (every,), np.ones((1, 1)),
        np.array([count.sum()]), np.zeros((1, q)), covariance[None], None, False, units,
    )  # fmt: skip


def _means(g: int, group: TwoLevelGroup, weight: np.ndarray) -> PieceSet:
    """Cluster means and cluster-level variables: a piece for each size of clusters."""
    names = group.variables
    level = names.means
    sizes, piece = np.unique(group.size, return_inverse=True)
    piece = piece.reshape(-1)
    k, p = len(sizes), len(level)
    count = np.bincount(piece, weight, minlength=k)
    safe = np.maximum(count, 1e-300)[:, None]
    weighted = group.vectors * weight[:, None]
    mean = np.column_stack([np.bincount(piece, v, minlength=k) for v in weighted.T]) / safe
    centred = group.vectors - mean[piece]
    covariance = np.empty((k, p, p))
    for i in range(p):
        for j in range(i + 1):
            sums = np.bincount(piece, weight * centred[:, i] * centred[:, j], minlength=k)
            covariance[:, i, j] = covariance[:, j, i] = sums / safe[:, 0]
    scale = np.column_stack([1.0 / sizes, np.ones(k)])
    inside = tuple(np.array([level.index(n) for n in own]) for own in (names.within, names.between))
    index = (np.arange(len(names.within)), np.arange(len(names.between)))
    units = UnitPart(group.unit, piece, weight, group.vectors)
    return PieceSet(
        level, (2 * g, 2 * g + 1), inside, index, scale, count, mean, covariance, None, True, units
    )
