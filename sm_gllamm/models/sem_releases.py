"""Score tests of constraints: what would be gained if they did not hold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from sm_gllamm.inference.constrained import LinearConstraints, null_basis
from sm_gllamm.likelihood.normal_moments import NormalMoments
from sm_gllamm.mapping.sem_parameters import MomentMapping
from sm_gllamm.models.sem_blocks import moment_blocks, parameter_names
from sm_gllamm.specification.lavaan_table import LavaanTable, Row

__all__ = ["Release", "release_tests"]

#: Share of a score's size that counts as none.
NOTHING = 1e-10


@dataclass(frozen=True, slots=True)
class Release:
    """A constraint that is released: its sides, test, and expected change of left minus right."""

    lhs: str
    rhs: str
    statistic: float
    df: int
    change: float


def _name(table: LavaanTable, row: Row) -> str:
    """Name of a parameter that says where it stands, whatever its label."""
    group = f".g{row.group}" if row.group > 1 else ""
    level = f".l{row.level}" if row.level > 1 else ""
    return f"{row.lhs}{row.op}{row.rhs}{group}{level}"


def _equations(table: LavaanTable, full: np.ndarray, linear: LinearConstraints | None):
    """Sides of all equations, and their derivatives in the free rows of the table, equal ones apart."""
    rows = [row for row in table.rows if row.free]
    sides: list[tuple[str, str]] = []
    slopes: list[np.ndarray] = []
    first: dict[int, int] = {}
    for k, position in enumerate(table.distinct.tolist()):
        one = first.setdefault(position, k)
        if one != k:
            slope = np.zeros(table.n_free)
            slope[one], slope[k] = 1.0, -1.0
            sides.append((_name(table, rows[one]), _name(table, rows[k])))
            slopes.append(slope)
    stated = [relation for relation in table.syntax.relations if relation.op == "=="]
    sides += [(relation.left_text, relation.right_text) for relation in stated]
    slopes += list(table.evaluate(full, "==")[1])
    if linear is not None:
        for row, text in zip(linear.matrix, linear.describe(), strict=True):
            slope = np.zeros(table.n_free)
            slope[[first[t] for t in range(len(row))]] = row
            left, right = text.split(" = ", 1)
            sides.append((left, right))
            slopes.append(slope)
    return sides, np.array(slopes).reshape(-1, table.n_free)


def release_tests(
    likelihood: NormalMoments, table: LavaanTable, given: Sequence, theta: np.ndarray,
    restriction, expected: bool,
) -> list[Release]:  # fmt: skip
    """Score tests of the equations of a model, one at a time and all together, the last one.

    Parameters
    ----------
    likelihood : NormalMoments
    table : LavaanTable
    given : sequence of dict
        Moments of given covariates by block.
    theta : ndarray, shape (p,)
        Estimates.
    restriction : SemRestriction or None
        What holds at the estimates; active inequalities go on holding.
    expected : bool
        Expected or observed information.

    Returns
    -------
    list of Release
        Empty where there are no equations.
    """
    linear = None if restriction is None else restriction.linear
    full = np.asarray(theta, dtype=float)[table.distinct]
    sides, slopes = _equations(table, full, linear)
    if not sides:
        return []
    free = replace(table, distinct=np.arange(table.n_free))
    mapping = MomentMapping(parameter_names(free), moment_blocks(free, given))
    evaluation = NormalMoments(likelihood.problem, mapping).evaluate(full, 2, expected)
    score, information = evaluation.gradient, -evaluation.hessian
    kept = np.zeros((0, table.n_free))
    if restriction is not None and restriction.active:
        kept = table.evaluate(full, "<")[1][restriction.active]
    # directions that are known anyhow
    least = _score_test(score, information, np.vstack([slopes, kept]))[1]
    out = []
    for k in range(len(sides)):
        others = np.vstack([np.delete(slopes, k, 0), kept])
        statistic, df, move = _score_test(score, information, others)
        change = float(slopes[k] @ move) if df > least else np.nan
        out.append(Release(sides[k][0], sides[k][1], statistic, df - least, change))
    statistic, df, _ = _score_test(score, information, kept)
    out.append(Release("all", "", statistic, df - least, np.nan))
    return out


def _score_test(score: np.ndarray, information: np.ndarray, held: np.ndarray):
    """Statistic, number of directions with information, and step under what is still held."""
    basis = null_basis(held) if len(held) else np.eye(len(score))
    inside = basis.T @ information @ basis
    values, vectors = np.linalg.eigh((inside + inside.T) / 2.0)
    # parameters that are identified by constraints only: no test of these
    known = values > NOTHING * max(values.max(initial=0.0), 1e-300)
    pull = vectors.T @ (basis.T @ score)
    step = np.where(known, pull / np.where(known, values, 1.0), 0.0)
    return float(pull @ step), int(known.sum()), basis @ (vectors @ step)
