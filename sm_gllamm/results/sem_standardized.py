"""Standardised solutions: parameters on scales on which variables have variances of one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from sm_gllamm.specification.lavaan_table import LavaanTable

__all__ = ["KINDS", "numerical_jacobian", "standardized_values"]

#: Latent variables have a variance of one, or all variables have.
KINDS = ("lv", "all")
#: Step of central differences, relative to the parameter.
STEP = 1e-5


def standardized_values(
    table: LavaanTable, values: np.ndarray, variances: Sequence[Mapping[str, float]], kind: str
) -> np.ndarray:
    """Standardised values of all rows of a table.

    Parameters
    ----------
    table : LavaanTable
    values : ndarray, shape (n_rows,)
        Of the rows, NaN in rows of definitions and constraints.
    variances : sequence of dict of str to float
        Implied variances of all variables, by block.
    kind : {"lv", "all"}

    Returns
    -------
    ndarray, shape (n_rows,)
        NaN where a variance is negative.

    Notes
    -----
    Covariances are divided by the residual standard deviations of their variables, which makes residual
    correlations of them (lavaan's ``cov.std = TRUE``).
    """
    out = np.array(values, dtype=float)
    latent = [set(roles.latent) for roles in table.roles]
    residual = {
        (row.block, row.lhs): values[k]
        for k, row in enumerate(table.rows)
        if row.op == "~~" and row.lhs == row.rhs
    }

    def sd(block: int, name: str) -> float:
        if kind == "lv" and name not in latent[block - 1]:
            return 1.0
        variance = variances[block - 1].get(name, np.nan)
        return float(np.sqrt(variance)) if variance > 0.0 else np.nan

    def residual_sd(block: int, name: str) -> float:
        if kind == "lv" and name not in latent[block - 1]:
            return 1.0
        return float(np.sqrt(abs(residual.get((block, name), np.nan))))

    for k, row in enumerate(table.rows):
        b = row.block
        if row.op == "=~":
            out[k] *= sd(b, row.lhs) / sd(b, row.rhs)
        elif row.op == "~":
            out[k] *= sd(b, row.rhs) / sd(b, row.lhs)
        elif row.op == "~~" and row.lhs == row.rhs:
            out[k] /= sd(b, row.lhs) ** 2
        elif row.op == "~~":
            out[k] /= residual_sd(b, row.lhs) * residual_sd(b, row.rhs)
        elif row.op == "~1":
            out[k] /= sd(b, row.lhs)
    if table.defined:
        free = np.array([out[k] for k, row in enumerate(table.rows) if row.free])
        defined = table.evaluate(free, ":=")[0]
        out[[k for k, row in enumerate(table.rows) if row.op == ":="]] = defined
    return out


def numerical_jacobian(function: Callable, at: np.ndarray) -> np.ndarray:
    """Central differences of a vector-valued function, shape (n_values, n_parameters)."""
    columns = []
    for t in range(len(at)):
        move = np.zeros(len(at))
        move[t] = STEP * max(1.0, abs(at[t]))
        columns.append((function(at + move) - function(at - move)) / (2.0 * move[t]))
    return np.stack(columns, axis=-1) if columns else np.zeros((len(function(at)), 0))
