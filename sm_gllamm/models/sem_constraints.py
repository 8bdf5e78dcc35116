"""Constraints of a structural equation model: those of its text, linear or not, and linear ones besides."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sm_gllamm.inference.constrained import LinearConstraints, null_basis
from sm_gllamm.specification.lavaan_table import LavaanTable

__all__ = ["SemRestriction"]

#: Relative error with which constraints are met.
EXACT = 1e-11
#: Step of numerical derivatives of the constraints' exact Jacobian.
STEP = 1e-5


class SemRestriction:
    """The set of parameters that meet constraints, as `maximize_under` wants it.

    Parameters
    ----------
    table : LavaanTable
        Its ``==`` constraints always hold.
    linear : LinearConstraints, optional
        Further ones.
    active : sequence of int
        Inequalities of the table that are to hold as equations.
    n_params : int, optional
        Number of parameters where there are some behind those of the table.
    """

    def __init__(
        self,
        table: LavaanTable,
        linear: LinearConstraints | None = None,
        active: Sequence[int] = (),
        n_params: int | None = None,
    ):
        self.table, self.linear, self.active = table, linear, list(active)
        k = n_params or int(table.distinct.max(initial=-1)) + 1
        self._expand = np.zeros((table.n_free, k))
        self._expand[np.arange(table.n_free), table.distinct] = 1.0
        rng = np.random.default_rng(0)
        tries = [self.jacobian(rng.uniform(0.4, 1.6, k)) for _ in range(3)]
        self.is_linear = all(np.allclose(one, tries[0], rtol=1e-10, atol=1e-12) for one in tries)

    def values(self, theta: np.ndarray) -> np.ndarray:
        """What the constraints want to be zero, shape (m,)."""
        return self._evaluate(theta)[0]

    def jacobian(self, theta: np.ndarray) -> np.ndarray:
        """Derivatives of the constraints, shape (m, p)."""
        return self._evaluate(theta)[1]

    def _evaluate(self, theta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        full = np.asarray(theta, dtype=float)[self.table.distinct]
        value, slope = self.table.evaluate(full, "==")
        values, slopes = [value], [slope @ self._expand]
        if self.active:
            value, slope = self.table.evaluate(full, "<")
            values.append(value[self.active])
            slopes.append((slope @ self._expand)[self.active])
        if self.linear is not None:
            values.append(self.linear.matrix @ theta - self.linear.values)
            slopes.append(self.linear.matrix)
        return np.concatenate(values), np.concatenate(slopes)

    @classmethod
    def of(cls, table: LavaanTable, linear: LinearConstraints | None, active: Sequence[int]):
        """The restriction, None where nothing is restricted."""
        stated = any(relation.op == "==" for relation in table.syntax.relations)
        held = linear is not None and len(linear.matrix)
        return cls(table, linear, active) if stated or held or active else None

    def tangent(self, theta: np.ndarray) -> np.ndarray:
        """Orthonormal basis of the directions left free, shape (p, d)."""
        return null_basis(self.jacobian(theta))

    def multipliers(self, theta: np.ndarray, gradient: np.ndarray) -> np.ndarray:
        """Lagrange multipliers, with which ``gradient + multipliers' jacobian`` is zero at a maximum."""
        return np.linalg.lstsq(self.jacobian(theta).T, -gradient, rcond=1e-12)[0]

    def bend(self, theta: np.ndarray, gradient: np.ndarray) -> np.ndarray:
        """Curvature of the constraints times their multipliers, shape (p, p)."""
        p = len(theta)
        if self.is_linear:
            return np.zeros((p, p))
        multipliers = self.multipliers(theta, gradient)
        out = np.empty((p, p))
        for t in range(p):
            move = np.zeros(p)
            move[t] = STEP * max(1.0, abs(theta[t]))
            difference = self.jacobian(theta + move) - self.jacobian(theta - move)
            out[t] = multipliers @ difference / (2.0 * move[t])
        return (out + out.T) / 2.0

    def retract(self, theta: np.ndarray) -> np.ndarray | None:
        """Parameters near `theta` that meet the constraints, by Newton's method; None if none are found."""
        theta = np.array(theta, dtype=float)
        best = np.inf
        for _ in range(60):
            miss, slope = self._evaluate(theta)
            if not (np.isfinite(miss).all() and np.isfinite(slope).all()):
                return None
            size = np.abs(slope) @ np.abs(theta) + 1e-3
            error = np.max(np.abs(miss) / size, initial=0.0)
            if error <= EXACT or (error <= 1e3 * EXACT and error >= best):
                return theta
            best = error
            theta = theta + np.linalg.lstsq(slope, -miss, rcond=1e-12)[0]
        return None
