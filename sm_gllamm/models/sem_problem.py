"""Rows and moments of groups as pieces of a normal log-likelihood."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sm_gllamm.exceptions import SpecificationError
from sm_gllamm.likelihood.normal_moments import LOG_2PI, NormalProblem, PieceSet, UnitPart
from sm_gllamm.models.sem_data import GroupMoments, GroupRows

__all__ = ["given_moments", "moment_problem", "normal_loglike", "row_problem"]


def normal_loglike(values: np.ndarray, mean: np.ndarray, covariance: np.ndarray) -> np.ndarray:
    """Normal log-densities of rows.

    Parameters
    ----------
    values : ndarray, shape (n, p)
    mean : ndarray, shape (p,)
    covariance : ndarray, shape (p, p)

    Returns
    -------
    ndarray, shape (n,)
    """
    factor = np.linalg.cholesky(covariance)
    z = np.linalg.solve(factor, (values - mean).T)
    logdet = 2.0 * np.log(np.diag(factor)).sum()
    return -0.5 * (logdet + (z**2).sum(0) + len(mean) * LOG_2PI)


def given_moments(
    variables: Sequence[str], covariates: Sequence[str], mean: np.ndarray | None, covariance
) -> dict[tuple[str, ...], float]:
    """Means and covariances of given covariates, by name."""
    place = {name: variables.index(name) for name in covariates}
    out: dict[tuple[str, ...], float] = {}
    for one, i in place.items():
        if mean is not None:
            out[(one,)] = float(mean[i])
        for other, j in place.items():
            out[one, other] = float(covariance[i, j])
    return out


def _moments_loglike(n: float, covariance: np.ndarray) -> float:
    """Maximum of the normal log-likelihood of n rows with a covariance matrix."""
    p = len(covariance)
    return -0.5 * n * (np.linalg.slogdet(covariance)[1] + p + p * LOG_2PI) if p else 0.0


def moment_problem(
    groups: Sequence[GroupMoments], given: Sequence[Sequence[str]], mean_structure: bool
) -> NormalProblem:
    """The problem of groups of which moments are known."""
    sets, constant = [], 0.0
    for g, moments in enumerate(groups):
        sets.append(_complete_set(g, moments, mean_structure))
        at = [moments.variables.index(name) for name in given[g]]
        constant -= _moments_loglike(moments.n, moments.covariance[np.ix_(at, at)])
    return NormalProblem(tuple(sets), int(round(sum(m.n for m in groups))), constant)


def _complete_set(g: int, moments: GroupMoments, mean_structure: bool, units=None) -> PieceSet:
    p = len(moments.variables)
    every = np.arange(p)
    if mean_structure and moments.mean is None:
        raise SpecificationError(
            "the model has intercepts: give the means of the variables, means="
        )
    mean = moments.mean if mean_structure else np.zeros(p)
    assert mean is not None
    return PieceSet(
        moments.variables, (g,), (every,), (every,), np.ones((1, 1)), np.array([moments.n]),
        mean[None, :], moments.covariance[None, :, :], None, mean_structure, units,
    )  # fmt: skip


def row_problem(
    groups: Sequence[GroupRows], moments: Sequence[GroupMoments | None],
    given: Sequence[Sequence[str]], mean_structure: bool, n_rows: int,
) -> NormalProblem:  # fmt: skip
    """The problem of groups of rows, by pattern of missing values where there are any.

    Parameters
    ----------
    groups : sequence of GroupRows
    moments : sequence of GroupMoments or None
        None for groups with missing values.
    given : sequence of sequence of str
        Given covariates of each group, complete.
    mean_structure : bool
    n_rows : int
        Rows in use.

    Returns
    -------
    NormalProblem
    """
    sets, constant = [], 0.0
    by_row = np.zeros(n_rows) if any(given) else None
    for g, (group, known) in enumerate(zip(groups, moments, strict=True)):
        if known is not None:
            centre = 0.0 if mean_structure else known.mean
            units = UnitPart(
                group.rows, np.zeros(len(group.rows), dtype=np.intp), group.weight,
                group.values - centre if not mean_structure else group.values,
            )  # fmt: skip
            sets.append(_complete_set(g, known, mean_structure, units))
        else:
            sets.append(_patterned_set(g, group))
        if given[g]:
            at = [group.variables.index(name) for name in given[g]]
            x = group.values[:, at]
            mean = group.weight @ x / group.weight.sum()
            covariance = (x - mean).T @ ((x - mean) * group.weight[:, None]) / group.weight.sum()
            density = -group.weight * normal_loglike(x, mean, covariance)
            assert by_row is not None
            by_row[group.rows] = density
            constant += float(density.sum())
    return NormalProblem(tuple(sets), n_rows, constant, by_row)


def _patterned_set(g: int, group: GroupRows) -> PieceSet:
    """A piece for each pattern of missing values."""
    present = ~np.isnan(group.values)
    packed = np.packbits(present, axis=1)
    _, first, code = np.unique(packed, axis=0, return_index=True, return_inverse=True)
    code = code.reshape(-1)
    k, p = len(first), group.values.shape[1]
    values = np.where(present, group.values, 0.0)
    count = np.bincount(code, group.weight, minlength=k)
    mean = np.zeros((k, p))
    covariance = np.zeros((k, p, p))
    order = np.argsort(code, kind="stable")
    edges = np.searchsorted(code[order], np.arange(k + 1))
    patterns = present[first]
    for i in range(k):
        rows = order[edges[i] : edges[i + 1]]
        weight = group.weight[rows]
        total = max(count[i], 1e-300)
        mean[i] = weight @ values[rows] / total
        centred = np.where(patterns[i], values[rows] - mean[i], 0.0)
        covariance[i] = centred.T @ (centred * weight[:, None]) / total
    every = np.arange(p)
    units = UnitPart(group.rows, code, group.weight, values)
    return PieceSet(
        group.variables, (g,), (every,), (every,), np.ones((k, 1)), count, mean, covariance,
        patterns, True, units,
    )  # fmt: skip
