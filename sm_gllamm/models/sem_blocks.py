"""From a table of parameters to the matrices of implied moments."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from sm_gllamm.exceptions import SpecificationError
from sm_gllamm.mapping.sem_moments import COVARIANCE, INTERCEPT, PATH, MomentBlock
from sm_gllamm.specification.lavaan_syntax import parse
from sm_gllamm.specification.lavaan_table import LavaanTable, Row

__all__ = [
    "block_variables",
    "entry_of",
    "given_covariates",
    "has_closed_form",
    "moment_blocks",
    "parameter_names",
]

#: Moments of covariates that are given, by variable (means) or pair of variables (covariances).
Given = Mapping[tuple[str, ...], float]


def has_closed_form(text: str) -> bool:
    """Whether a model of continuous responses has their means and covariances as its likelihood.

    Thresholds, random coefficients, products of latent variables, latent variables of higher levels as
    predictors, and more than two levels make an integral of it.

    Parameters
    ----------
    text : str

    Raises
    ------
    SpecificationError
        What is wrong in the text.
    """
    syntax = parse(text)
    if len({block.level for block in syntax.blocks}) > 2:
        return False
    latent = {term.lhs for term in syntax.terms if term.op == "=~"}
    own = {(term.block, term.lhs) for term in syntax.terms if term.op == "=~"}
    for term in syntax.terms:
        if term.op in ("|", "~*~"):
            return False
        if any(m.kind == "rv" for listed in term.modifiers for m in listed):
            return False
        if term.op != "~":
            continue
        if ":" in term.rhs and latent & set(term.rhs.split(":")):
            return False
        if term.rhs in latent and (term.block, term.rhs) not in own:
            return False
    return True


def parameter_names(table: LavaanTable) -> list[str]:
    """Names of the parameters, those of equal ones once: that of the first."""
    names: dict[int, str] = {}
    for position, name in zip(table.distinct.tolist(), table.names, strict=True):
        names.setdefault(position, name)
    return [names[k] for k in range(len(names))]


def given_covariates(table: LavaanTable, block: int) -> tuple[str, ...]:
    """Covariates of a block (from 0) whose moments are those of the sample."""
    return tuple(
        row.lhs
        for row in table.rows
        if row.block == block + 1 and row.exo and row.op == "~~" and row.lhs == row.rhs
    )


def block_variables(table: LavaanTable, block: int) -> tuple[tuple[str, ...], int]:
    """Variables of a block (from 0), observed ones first, and how many of them are observed."""
    roles = table.roles[block]
    return (*roles.observed, *roles.latent), len(roles.observed)


def entry_of(row: Row) -> tuple[int, str, str]:
    """Matrix, and names of row and column, of a row of the table."""
    if row.op == "=~":
        return PATH, row.rhs, row.lhs
    if row.op == "~":
        return PATH, row.lhs, row.rhs
    if row.op == "~~":
        return COVARIANCE, row.lhs, row.rhs
    return INTERCEPT, row.lhs, row.lhs


def moment_blocks(table: LavaanTable, given: Sequence[Given]) -> list[MomentBlock]:
    """The matrices of all blocks of a table.

    Parameters
    ----------
    table : LavaanTable
    given : sequence of dict
        For each block, means ``(x,)`` and covariances ``(x, z)`` of given covariates.

    Returns
    -------
    list of MomentBlock

    Raises
    ------
    SpecificationError
        Products of latent variables and random coefficients, which have no normal distribution.
    """
    return [_block(table, b, given[b]) for b in range(len(table.roles))]


def _block(table: LavaanTable, b: int, given: Given) -> MomentBlock:
    roles = table.roles[b]
    for names, what in (
        (roles.products, "a product with a latent variable"),
        (roles.coefficients, "a random coefficient"),
        (roles.higher, "a latent variable of a higher level"),
    ):
        if names:
            raise SpecificationError(
                f"{names[0]!r} is {what}: responses then have no normal distribution in closed form, and "
                "this estimator is not available for them"
            )
    variables, n_observed = block_variables(table, b)
    place = {name: i for i, name in enumerate(variables)}
    q = len(variables)
    paths, covariances, intercepts = np.zeros((q, q)), np.zeros((q, q)), np.zeros(q)
    free = []
    for row in table.rows:
        if row.block != b + 1 or row.op not in ("=~", "~", "~~", "~1"):
            continue
        kind, to, source = entry_of(row)
        i, j = place[to], place[source]
        if row.free:
            free.append((kind, i, j, int(table.distinct[row.free - 1])))
            continue
        value = row.ustart
        if row.exo:
            key = (row.lhs,) if kind == INTERCEPT else (row.lhs, row.rhs)
            value = given[key] if value is None else value
        assert value is not None
        if kind == PATH:
            paths[i, j] += value
        elif kind == COVARIANCE:
            covariances[i, j] = covariances[j, i] = value
        else:
            intercepts[i] = value
    entries = np.array(sorted(free, key=lambda entry: entry[0]), dtype=np.intp).reshape(-1, 4)
    return MomentBlock(variables, n_observed, paths, covariances, intercepts, *entries.T)
