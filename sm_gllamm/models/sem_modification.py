"""Parameters that a structural equation model could have besides, and score tests of them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import combinations_with_replacement, product

import numpy as np

from sm_gllamm.likelihood.normal_moments import NormalMoments
from sm_gllamm.mapping.sem_moments import COVARIANCE, INTERCEPT, PATH
from sm_gllamm.mapping.sem_parameters import MomentMapping
from sm_gllamm.models.sem_blocks import given_covariates
from sm_gllamm.specification.lavaan_roles import Roles
from sm_gllamm.specification.lavaan_table import LavaanTable

__all__ = ["Candidate", "candidates", "score_tests"]

#: Information on a candidate, as a share of what it would be if all else were known, that is none.
NOTHING = 1e-8


@dataclass(frozen=True, slots=True)
class Candidate:
    """A parameter that is not free: block (from 1), variables and operator as in the table."""

    block: int
    lhs: str
    op: str
    rhs: str


def candidates(table: LavaanTable) -> list[Candidate]:
    """Parameters that are fixed, or not in the table: loadings, covariances, regressions, intercepts.

    Parameters
    ----------
    table : LavaanTable

    Returns
    -------
    list of Candidate
        Those that lavaan's ``modindices`` looks at, but for paths to given covariates.
    """
    out = []
    for b, roles in enumerate(table.roles):
        given = set(given_covariates(table, b))
        taken = {
            _key(r.lhs, r.op, r.rhs) for r in table.rows if r.block == b + 1 and (r.free or r.exo)
        }
        means = any(row.op == "~1" for row in table.rows)
        for lhs, op, rhs in dict.fromkeys(
            [
                *((r.lhs, r.op, r.rhs) for r in table.rows if r.block == b + 1),
                *_possible(roles, given, table, b, means),
            ]
        ):
            key = _key(lhs, op, rhs)
            if key not in taken:
                taken.add(key)
                out.append(Candidate(b + 1, lhs, op, rhs))
    return out


def _key(lhs: str, op: str, rhs: str) -> tuple[str, str, str]:
    return (rhs, op, lhs) if op == "~~" and rhs < lhs else (lhs, op, rhs)


def _possible(roles: Roles, given: set[str], table: LavaanTable, b: int, means: bool):
    """Loadings, covariances of residuals, regressions between variables of regressions, intercepts."""
    modelled = [name for name in roles.observed if name not in given]
    regressions = [r for r in table.rows if r.block == b + 1 and r.op == "~"]
    involved = list(dict.fromkeys([r.lhs for r in regressions] + [r.rhs for r in regressions]))
    for factor, indicator in product(roles.latent, modelled):
        if indicator not in involved:
            yield factor, "=~", indicator
    inner = [name for name in modelled if name in roles.indicators]
    yield from ((one, "~~", other) for one, other in combinations_with_replacement(inner, 2))
    yield from ((one, "~~", other) for one, other in combinations_with_replacement(roles.latent, 2))
    for lhs, rhs in product(involved, involved):
        if lhs in given:
            # nothing is said of the distribution of given covariates
            continue
        if lhs != rhs and not (lhs in roles.indicators and rhs in roles.latent):
            yield lhs, "~", rhs
    if means:
        yield from ((name, "~1", "") for name in (*modelled, *roles.latent))


def _entry(candidate: Candidate) -> tuple[int, str, str]:
    if candidate.op == "=~":
        return PATH, candidate.rhs, candidate.lhs
    if candidate.op == "~":
        return PATH, candidate.lhs, candidate.rhs
    if candidate.op == "~~":
        return COVARIANCE, candidate.lhs, candidate.rhs
    return INTERCEPT, candidate.lhs, candidate.lhs


def score_tests(
    likelihood: NormalMoments, theta: np.ndarray, which: list[Candidate], covariance: np.ndarray,
    expected: bool,
) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    """Score tests of candidates, one at a time, and what their values would be.

    Parameters
    ----------
    likelihood : NormalMoments
        Of the model at hand.
    theta : ndarray, shape (p,)
        Its estimates.
    which : list of Candidate
    covariance : ndarray, shape (p, p)
        Inverse information of its parameters, under their constraints.
    expected : bool
        Expected or observed information of all.

    Returns
    -------
    statistic : ndarray, shape (n,)
        Chi-square with one degree of freedom (Sorbom 1989, *Psychometrika* 54, 371-384); NaN where the
        candidate is not identified.
    change : ndarray, shape (n,)
        Expected parameter change (Saris, Satorra & Sorbom 1987).
    """
    mapping = likelihood.mapping
    p = len(theta)
    blocks = []
    for b, block in enumerate(mapping.blocks):
        place = {name: i for i, name in enumerate(block.variables)}
        free = list(zip(block.kind, block.row, block.column, block.parameter, strict=True))
        matrices = (block.paths.copy(), block.covariances.copy(), block.intercepts.copy())
        for k, candidate in enumerate(which):
            if candidate.block == b + 1:
                kind, to, source = _entry(candidate)
                free.append((kind, place[to], place[source], p + k))
        entries = np.array(sorted(free, key=lambda entry: entry[0]), dtype=np.intp).reshape(-1, 4)
        kinds, row, column, parameter = entries.T
        blocks.append(
            replace(
                block, paths=matrices[0], covariances=matrices[1], intercepts=matrices[2],
                kind=kinds, row=row, column=column, parameter=parameter,
            )
        )  # fmt: skip
    values = np.zeros(len(which))
    for k, candidate in enumerate(which):
        # a fixed parameter keeps its value, which moves from the constants to the candidates
        block = blocks[candidate.block - 1]
        kind, to, source = _entry(candidate)
        i, j = block.variables.index(to), block.variables.index(source)
        if kind == PATH:
            values[k], block.paths[i, j] = block.paths[i, j], 0.0
        elif kind == COVARIANCE:
            values[k] = block.covariances[i, j]
            block.covariances[i, j] = block.covariances[j, i] = 0.0
        else:
            values[k], block.intercepts[i] = block.intercepts[i], 0.0
    names = [*mapping.param_names, *(f"{c.lhs}{c.op}{c.rhs}.{k}" for k, c in enumerate(which))]
    extended = NormalMoments(likelihood.problem, MomentMapping(names, blocks))
    result = extended.evaluate(np.concatenate([theta, values]), 2, expected)
    score, information = result.gradient[p:], -result.hessian
    cross = information[p:, :p]
    own = np.diag(information)[p:]
    left = own - np.einsum("ki,ij,kj->k", cross, covariance, cross)
    known = left > NOTHING * np.maximum(own, 1e-300)
    left = np.where(known, left, np.nan)
    return score**2 / left, score / left
