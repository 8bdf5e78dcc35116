"""Standardised solutions: parameters on scales on which variables have variances of one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from sm_gllamm.specification.lavaan_table import LavaanTable

__all__ = ["KINDS", "Scales", "numerical_jacobian", "standardized_values"]

#: Latent variables have a variance of one, or all variables have.
KINDS = ("lv", "all")
#: Step of central differences, relative to the parameter.
STEP = 1e-5


class Scales:
    """What parameters are multiplied with to be standardised.

    Parameters
    ----------
    table : LavaanTable
    values : ndarray, shape (n_rows,)
        Of the rows of the table.
    variances : sequence of dict of str to float
        Implied variances of all variables, by block.
    kind : {"lv", "all"}
    """

    def __init__(
        self, table: LavaanTable, values: np.ndarray, variances: Sequence[Mapping[str, float]],
        kind: str,
    ):  # fmt: skip
        self.variances, self.kind = variances, kind
        self.latent = [set(roles.latent) for roles in table.roles]
        self.residual = {
            (row.block, row.lhs): values[k]
            for k, row in enumerate(table.rows)
            if row.op == "~~" and row.lhs == row.rhs
        }

    def _free(self, block: int, name: str) -> bool:
        return self.kind == "lv" and name not in self.latent[block - 1]

    def _sd(self, block: int, name: str) -> float:
        if self._free(block, name):
            return 1.0
        variance = self.variances[block - 1].get(name, np.nan)
        return float(np.sqrt(variance)) if variance > 0.0 else np.nan

    def _residual_sd(self, block: int, name: str) -> float:
        if self._free(block, name):
            return 1.0
        return float(np.sqrt(abs(self.residual.get((block, name), np.nan)))) or np.nan

    def factor(self, block: int, lhs: str, op: str, rhs: str) -> float:
        """Standardised over raw value of a parameter; NaN where a variance is not positive.

        Covariances are divided by residual standard deviations, which makes them (residual) correlations
        (lavaan's ``cov.std = TRUE``).
        """
        if op == "=~":
            return self._sd(block, lhs) / self._sd(block, rhs)
        if op == "~":
            return self._sd(block, rhs) / self._sd(block, lhs)
        if op == "~1":
            return 1.0 / self._sd(block, lhs)
        if lhs == rhs:
            return 1.0 / self._sd(block, lhs) ** 2
        return 1.0 / (self._residual_sd(block, lhs) * self._residual_sd(block, rhs))


def standardized_values(
    table: LavaanTable, values: np.ndarray, variances: Sequence[Mapping[str, float]], kind: str
) -> np.ndarray:
    """Standardised values of all rows of a table, shape (n_rows,); see :class:`Scales`."""
    scales = Scales(table, values, variances, kind)
    out = np.array(values, dtype=float)
    for k, row in enumerate(table.rows):
        if row.op in ("=~", "~", "~~", "~1"):
            out[k] *= scales.factor(row.block, row.lhs, row.op, row.rhs)
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
