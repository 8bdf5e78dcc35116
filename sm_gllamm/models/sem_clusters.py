"""Clusters of rows with missing values, weights, or covariates given at both levels, for the likelihood."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from sm_gllamm.estimation.newton import Controls
from sm_gllamm.exceptions import SpecificationError
from sm_gllamm.likelihood.normal_clusters import ClusterSet
from sm_gllamm.likelihood.normal_moments import NormalMoments, NormalProblem
from sm_gllamm.mapping.sem_moments import COVARIANCE, INTERCEPT, MomentBlock
from sm_gllamm.mapping.sem_parameters import MomentMapping
from sm_gllamm.models.sem_data import GroupRows
from sm_gllamm.models.sem_fit import climb
from sm_gllamm.models.sem_problem import given_moments
from sm_gllamm.models.sem_twolevel import LevelVariables, TwoLevelGroup, two_level_pieces
from sm_gllamm.survey.weights import LevelWeights

__all__ = ["Cells", "cluster_cells", "cluster_weights", "group_likelihood", "joined"]


@dataclass(frozen=True)
class GroupPart:
    """What a group of clusters adds to the likelihood.

    Attributes
    ----------
    statistics : TwoLevelGroup
    sets, clusters : tuple
        Pieces, or clusters with cells, as in `NormalProblem`.
    constant : ndarray, shape (J,)
        Constants of the clusters, times their weights.
    given : list of dict
        Moments of the given covariates of both levels.
    """

    statistics: TwoLevelGroup
    sets: tuple
    clusters: tuple
    constant: np.ndarray
    given: list


def cluster_weights(weights: LevelWeights, cluster: np.ndarray, name: str) -> np.ndarray:
    """Weight of each cluster, shape (J,), from weights by row."""
    by_row = weights.by_level.get(name)
    first = np.unique(cluster, return_index=True)[1]
    return np.ones(len(first)) if by_row is None else np.asarray(by_row)[first]


def group_likelihood(g: int, rows: GroupRows, statistics: TwoLevelGroup) -> GroupPart:
    """The part of a group; its blocks are 2g (within) and 2g + 1 (between).

    Raises
    ------
    SpecificationError
        A covariate is given at one level and modelled at the other.
    """
    names = statistics.variables
    given = set(names.given_within), set(names.given_between)
    if split := (given[0] ^ given[1]) & set(names.both):
        raise SpecificationError(
            f"{min(split)!r} is a covariate at one level and modelled at the other: model its distribution "
            "at both (fixed_x=False)"
        )
    weight, part = statistics.weight, GroupPart(statistics, (), (), np.zeros(0), [])
    if statistics.even:
        sets = two_level_pieces(g, statistics)
        constant = -0.5 * len(names.within) * np.log(statistics.size)
        part = replace(part, sets=sets, constant=weight * constant)
    else:
        cells = cluster_cells(rows, names, statistics.codes, statistics.unit, weight, 2 * g)
        part = replace(part, clusters=(cells.clusters,), constant=0.0 * weight)
    if not given[0] & given[1]:
        moments, density = statistics.given_moments(rows), statistics.given_loglike(rows)
    else:
        moments, density = _given_twice(part, rows, statistics)
    return replace(part, constant=part.constant - weight * density, given=moments)


def joined(parts: Sequence[GroupPart], n_units: int) -> NormalProblem:
    """The problem of all groups."""
    by_unit = np.zeros(n_units)
    for part in parts:
        by_unit[part.statistics.unit] = part.constant
    return NormalProblem(
        tuple(one for part in parts for one in part.sets), n_units, float(by_unit.sum()), by_unit,
        tuple(one for part in parts for one in part.clusters),
    )  # fmt: skip


def _given_twice(part: GroupPart, rows: GroupRows, statistics: TwoLevelGroup):
    """Moments and log-likelihood of covariates that have parts at both levels, which nobody sees.

    Their moments are those of the unrestricted model of all variables (as in lavaan), the log-likelihood that
    of the observed covariates with these moments.
    """
    names = statistics.variables
    own = [replace(one, blocks=tuple(b % 2 for b in one.blocks)) for one in part.sets]
    cells = [replace(one, blocks=(0, 1)) for one in part.clusters]
    problem = NormalProblem(tuple(own), 0, clusters=tuple(cells))
    moments = unrestricted_levels(problem, names, statistics.start_moments())
    known = [
        given_moments(every, given, *of_level)
        for every, given, of_level in zip(
            (names.within, names.between), (names.given_within, names.given_between), moments,
            strict=True,
        )
    ]  # fmt: skip
    return known, density_of_given(rows, names, statistics.codes, moments, statistics.weight)


@dataclass(frozen=True)
class Cells:
    """Clusters of a group, and where its rows are in them.

    Attributes
    ----------
    clusters : ClusterSet
    cell : ndarray of int, shape (n,)
        Of each row.
    within : ndarray, shape (n, p)
        Within variables of the rows, NaN where missing.
    """

    clusters: ClusterSet
    cell: np.ndarray
    within: np.ndarray


def cluster_cells(
    rows: GroupRows, names: LevelVariables, codes: np.ndarray, unit: np.ndarray,
    weight: np.ndarray, block: int = 0,
) -> Cells:  # fmt: skip
    """Rows of a group by cluster and pattern of missing values.

    Parameters
    ----------
    rows : GroupRows
        ``rows.weight`` are powers of the densities of rows within their clusters.
    names : LevelVariables
    codes : ndarray of int, shape (n,)
        Cluster of each row among those of the group.
    unit : ndarray of int, shape (J,)
        Number of each cluster among the independent units.
    weight : ndarray, shape (J,)
        Of the clusters.
    block : int
        Block of the lower level; that of clusters is the next.

    Returns
    -------
    Cells
    """
    within = rows.values[:, [rows.variables.index(name) for name in names.within]]
    present = ~np.isnan(within)
    patterns, pattern = np.unique(present, axis=0, return_inverse=True)
    pattern = pattern.reshape(-1)
    key = codes * len(patterns) + pattern
    cells, cell = np.unique(key, return_inverse=True)
    cell = cell.reshape(-1)
    n_cells, p = len(cells), within.shape[1]
    count = np.bincount(cell, rows.weight, minlength=n_cells)
    values = np.where(present, within, 0.0)
    safe = np.where(count > 0.0, count, 1.0)
    sums = [np.bincount(cell, rows.weight * v, minlength=n_cells) for v in values.T]
    mean = np.column_stack(sums) / safe[:, None]
    centred = np.where(present, values - mean[cell], 0.0)
    products = np.empty((n_cells, p, p))
    for i in range(p):
        for j in range(i + 1):
            crossed = np.bincount(cell, rows.weight * centred[:, i] * centred[:, j], n_cells)
            products[:, i, j] = products[:, j, i] = crossed
    first = np.searchsorted(cells // len(patterns), np.arange(len(unit)))
    own = [name for name in names.between if name not in names.within]
    above = rows.values[:, [rows.variables.index(name) for name in own]]
    known = ~np.isnan(above)
    held, total = np.zeros((len(unit), len(own))), np.zeros((len(unit), len(own)))
    for k in range(len(own)):
        held[:, k] = np.bincount(codes, weights=known[:, k].astype(float), minlength=len(unit))
        known_values = np.where(known[:, k], above[:, k], 0.0)
        total[:, k] = np.bincount(codes, weights=known_values, minlength=len(unit))
    clusters = ClusterSet(
        names.within, names.between, (block, block + 1),
        np.array([names.between.index(n) if n in names.between else -1 for n in names.within]),
        np.array([names.between.index(name) for name in own], dtype=np.intp),
        patterns, cells % len(patterns), first, count, mean, products, held > 0,
        total / np.maximum(held, 1.0), weight, unit,
    )  # fmt: skip
    return Cells(clusters, cell, within)


def _moment_block(names, free_means, first: int, moments=None) -> MomentBlock:
    """A block whose covariances, and some means, are free parameters; or all fixed at `moments`."""
    n = len(names)
    if moments is not None:
        mean, covariance = moments
        none = np.zeros(0, dtype=np.intp)
        return MomentBlock(
            tuple(names), n, np.zeros((n, n)), covariance, mean, none, none, none, none
        )
    row, column = np.tril_indices(n)
    at = np.array([i for i, name in enumerate(names) if name in free_means], dtype=np.intp)
    kind = np.concatenate([np.full(len(row), COVARIANCE), np.full(len(at), INTERCEPT)])
    return MomentBlock(
        tuple(names), n, np.zeros((n, n)), np.zeros((n, n)), np.zeros(n), kind,
        np.concatenate([row, at]), np.concatenate([column, at]), first + np.arange(len(kind)),
    )  # fmt: skip


def unrestricted_levels(problem: NormalProblem, names: LevelVariables, start) -> list:
    """Maximum likelihood estimates of the means and covariances of both levels, all of them free.

    Parameters
    ----------
    problem : NormalProblem
        Of one group, with blocks 0 and 1.
    names : LevelVariables
    start : list of (mean, covariance)

    Returns
    -------
    list of (mean, covariance)
    """
    low = _moment_block(names.within, set(names.within) - set(names.between), 0)
    high = _moment_block(names.between, set(names.between), len(low.kind))
    theta = np.concatenate([
        np.where(block.kind == COVARIANCE, covariance[block.row, block.column], mean[block.row])
        for block, (mean, covariance) in zip((low, high), start, strict=True)
    ])  # fmt: skip
    mapping = MomentMapping([f"moment {k}" for k in range(len(theta))], [low, high])
    outcome = climb(NormalMoments(problem, mapping), theta, None, Controls())
    if not outcome.converged:
        raise SpecificationError(
            "the moments of covariates that are given at both levels could not be estimated: "
            f"{outcome.reason}. Model their distribution (fixed_x=False)."
        )
    return [(block.mean, block.covariance) for block in mapping.implied(outcome.theta)]


def density_of_given(
    rows: GroupRows, names: LevelVariables, codes: np.ndarray, moments: list, weight: np.ndarray
) -> np.ndarray:
    """Log-likelihood of the given covariates of both levels by cluster, without the clusters' weights.

    Parameters
    ----------
    rows : GroupRows
    names : LevelVariables
    codes : ndarray of int, shape (n,)
    moments : list of (mean, covariance)
        Of all observed variables of both levels.
    weight : ndarray, shape (J,)

    Returns
    -------
    ndarray, shape (J,)
    """
    given = replace(names, within=names.given_within, between=names.given_between)
    parts = []
    for own, every, (mean, covariance) in zip(
        (given.within, given.between), (names.within, names.between), moments, strict=True
    ):
        at = [every.index(name) for name in own]
        parts.append(_moment_block(own, (), 0, (mean[at], covariance[np.ix_(at, at)])))
    unit = np.arange(len(weight))
    clusters = cluster_cells(rows, given, codes, unit, np.ones(len(weight))).clusters
    problem = NormalProblem((), len(weight), clusters=(clusters,))
    return NormalMoments(problem, MomentMapping([], parts)).units(np.zeros(0), 0).loglike
