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
from sm_gllamm.likelihood.normal_moments import NormalProblem, PieceSet, UnitPart
from sm_gllamm.models.sem_data import GroupRows
from sm_gllamm.models.sem_problem import normal_loglike
from sm_gllamm.models.sem_start import StartMoments

__all__ = ["LevelVariables", "TwoLevelGroup", "two_level_group", "two_level_problem"]

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
    vectors : ndarray, shape (J, p)
        Cluster means of ``variables.means``.
    products : ndarray, shape (J, q, q)
        Sums of products of deviations from cluster means, of ``variables.within``.
    """

    variables: LevelVariables
    unit: np.ndarray
    size: np.ndarray
    vectors: np.ndarray
    products: np.ndarray

    @property
    def pooled(self) -> np.ndarray:
        """Pooled within covariance matrix."""
        return self.products.sum(0) / max(self.size.sum() - len(self.size), 1.0)

    def start_moments(self) -> list[StartMoments]:
        """Means and covariances of both levels to start from."""
        names, level = self.variables, self.variables.means
        within_mean = np.array(
            [0.0 if n in names.between else np.average(self.vectors[:, level.index(n)], weights=self.size)
             for n in names.within]
        )  # fmt: skip
        p = len(names.between)
        vectors = self.vectors[:, :p]
        mean = vectors.mean(0)
        covariance = (vectors - mean).T @ (vectors - mean) / len(vectors)
        typical = 1.0 / np.mean(1.0 / self.size)
        inside = np.zeros((p, p))
        at = [names.between.index(n) for n in names.both]
        own = [names.within.index(n) for n in names.both]
        inside[np.ix_(at, at)] = self.pooled[np.ix_(own, own)] / typical
        between = covariance - inside
        diagonal = np.diag(covariance)
        low = np.diag(between) < LEAST * diagonal
        between[np.arange(p)[low], np.arange(p)[low]] = LEAST * diagonal[low]
        if np.linalg.eigvalsh(between / np.sqrt(np.outer(diagonal, diagonal)))[0] < 1e-3:
            between = np.diag(np.diag(between))
        return [(within_mean, self.pooled), (mean, between)]

    def given_moments(self, rows: GroupRows) -> list[dict]:
        """Moments of given covariates at both levels, by name; covariates of one level only."""
        names = self.variables
        out = []
        for given, values in (
            (names.given_within, _columns(rows, names.given_within)),
            (
                names.given_between,
                self.vectors[:, [names.means.index(n) for n in names.given_between]],
            ),
        ):
            moments: dict = {}
            if given:
                mean = values.mean(0)
                covariance = (values - mean).T @ (values - mean) / len(values)
                for i, one in enumerate(given):
                    moments[(one,)] = mean[i]
                    for j, other in enumerate(given):
                        moments[one, other] = covariance[i, j]
            out.append(moments)
        return out

    def given_loglike(self, rows: GroupRows, codes: np.ndarray) -> np.ndarray:
        """Log-likelihood of the given covariates by cluster, shape (J,)."""
        names = self.variables
        total = np.zeros(len(self.unit))
        if names.given_within:
            x = _columns(rows, names.given_within)
            mean = x.mean(0)
            density = normal_loglike(x, mean, (x - mean).T @ (x - mean) / len(x))
            total += np.bincount(codes, density, minlength=len(total))
        if names.given_between:
            w = self.vectors[:, [names.means.index(n) for n in names.given_between]]
            mean = w.mean(0)
            total += normal_loglike(w, mean, (w - mean).T @ (w - mean) / len(w))
        return total


def _columns(rows: GroupRows, names: Sequence[str]) -> np.ndarray:
    return rows.values[:, [rows.variables.index(name) for name in names]]


def two_level_group(
    rows: GroupRows, variables: LevelVariables, codes: np.ndarray, unit: np.ndarray, labels,
    checked: bool = True,
) -> TwoLevelGroup:  # fmt: skip
    """Sufficient statistics of a group.

    Parameters
    ----------
    rows : GroupRows
        Complete.
    variables : LevelVariables
    codes : ndarray of int, shape (n,)
        Cluster of each row among those of the group.
    unit : ndarray of int, shape (J,)
    labels : sequence
        Labels of the clusters, for messages.
    checked : bool
        Whether to look for variables on the wrong level, and count clusters.

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
    size = np.bincount(codes, minlength=n_clusters).astype(float)
    if checked and size.max() < 2:
        raise SpecificationError("all clusters have one row: there is nothing within them")
    level = variables.means
    values = _columns(rows, level)
    sums = [np.bincount(codes, v, minlength=n_clusters) for v in values.T]
    vectors = np.column_stack(sums) / size[:, None]
    deviations = values - vectors[codes]
    scale = values.std(0)
    spread = np.abs(deviations).max(0)
    for k, name in enumerate(level):
        constant = spread[k] <= CONSTANT * max(scale[k], 1e-300)
        if checked and name not in variables.within and not constant:
            where = labels[codes[int(np.argmax(np.abs(deviations[:, k])))]]
            raise SpecificationError(
                f"{name!r} stands at the cluster level only, but varies within cluster {where}; "
                "put it into the block of the lower level, too"
            )
        if checked and name in variables.within and constant:
            raise SpecificationError(
                f"{name!r} does not vary within clusters; it belongs into the block of the cluster level only"
            )
    if checked and n_clusters <= len(variables.between):
        warnings.warn(
            f"{n_clusters} clusters are too few for the between part of {len(variables.between)} variables: "
            "its estimates and standard errors are not to be trusted",
            SpecificationWarning,
            stacklevel=5,
        )
    inside = deviations[:, [level.index(name) for name in variables.within]]
    q = inside.shape[1]
    products = np.empty((n_clusters, q, q))
    for i in range(q):
        for j in range(i + 1):
            total = np.bincount(codes, inside[:, i] * inside[:, j], minlength=n_clusters)
            products[:, i, j] = products[:, j, i] = total
    return TwoLevelGroup(variables, unit, size, vectors, products)


def two_level_problem(
    groups: Sequence[TwoLevelGroup], given: Sequence[np.ndarray], n_units: int,
    times: np.ndarray | None = None,
) -> NormalProblem:  # fmt: skip
    """The problem of groups of clusters; the blocks of group g are 2g (within) and 2g + 1 (between).

    Parameters
    ----------
    groups : sequence of TwoLevelGroup
    given : sequence of ndarray, shape (J,)
        Log-likelihood of given covariates by cluster of each group.
    n_units : int
        Number of clusters of all groups.
    times : ndarray, shape (n_units,), optional
        How often each cluster counts.

    Returns
    -------
    NormalProblem
    """
    sets: list[PieceSet] = []
    by_unit = np.zeros(n_units)
    for g, (group, density) in enumerate(zip(groups, given, strict=True)):
        weight = np.ones(len(group.unit)) if times is None else times[group.unit]
        sets += [_deviations(g, group, weight), _means(g, group, weight)]
        constant = -0.5 * len(group.variables.within) * np.log(group.size) - density
        by_unit[group.unit] = weight * constant
    return NormalProblem(tuple(sets), n_units, float(by_unit.sum()), by_unit)


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
