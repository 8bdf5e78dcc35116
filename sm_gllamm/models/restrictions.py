"""Linear constraints on published parameters, seen from the internal ones."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from sm_gllamm.exceptions import SpecificationError
from sm_gllamm.inference.constrained import null_basis

__all__ = ["ParameterRestriction"]

#: Relative error with which constraints are met.
EXACT = 1e-12


class ParameterRestriction:
    """The set of internal parameters whose published ones meet linear constraints.

    Parameters
    ----------
    mapping : GLMMMapping
    constraints : LinearConstraints
        On published parameters, in reduced row echelon form.

    Attributes
    ----------
    constraints : LinearConstraints
        The same, with ``zeros`` filled in.
    matrix, values : ndarray
        Constraints that remain when variances of zero, and their covariances, are taken out.
    pinned : ndarray of bool, shape (p,)
        Internal parameters that are zero.

    Raises
    ------
    SpecificationError
        If a variance is set to zero but one of its covariances is not.
    """

    def __init__(self, mapping, constraints):
        self.mapping = mapping
        zero = self._zero_variances(constraints)
        self.pinned = np.zeros(mapping.k_params, dtype=bool)
        self._logs = [
            k
            for block, slot in mapping.slots
            if slot.published != "identity"
            for k in range(block.start, block.stop)
        ]
        zeros = set()
        for _, _, block, covariance in mapping.terms:
            gone = {
                r
                for k, (r, c) in enumerate(covariance.params)
                if r == c and block.start + k in zero
            }
            if covariance.structure == "equal" and gone:
                gone = set(range(len(covariance.names)))
            for k, (r, c) in enumerate(covariance.params):
                if r in gone or c in gone:
                    zeros.add(block.start + k)
            for r, c, k in covariance.entries:
                # the row is zero; without its diagonal the column adds nothing to later rows
                if r in gone or c in gone:
                    self.pinned[block.start + k] = True
        matrix = constraints.matrix.copy()
        matrix[:, sorted(zeros)] = 0.0
        left = np.any(matrix != 0.0, axis=1)
        if np.any(constraints.values[~left] != 0.0):
            raise SpecificationError(
                "the constraints set a variance to zero but not its covariances: "
                + "; ".join(constraints.describe())
            )
        self.matrix, self.values = matrix[left], constraints.values[left]
        self.constraints = replace(constraints, zeros=tuple(sorted(zeros)))

    def _zero_variances(self, constraints) -> set[int]:
        """Positions of variances that a constraint sets to zero."""
        variances = {
            block.start + k
            for _, _, block, covariance in self.mapping.terms
            for k, (r, c) in enumerate(covariance.params)
            if r == c
        }
        alone = np.sum(constraints.matrix != 0.0, axis=1) == 1
        zero = set()
        for row, value in zip(constraints.matrix[alone], constraints.values[alone], strict=True):
            position = int(np.argmax(row != 0.0))
            if value == 0.0 and position in variances:
                zero.add(position)
        return zero

    def holds(self, theta: np.ndarray) -> bool:
        """Whether published parameters meet the constraints."""
        matrix, params = self.constraints.matrix, self.mapping.params(theta)
        size = np.abs(matrix) @ np.abs(params) + np.abs(self.constraints.values)
        return bool(
            np.all(np.abs(matrix @ params - self.constraints.values) <= 1e-8 * size + 1e-300)
        )

    def jacobian(self, theta: np.ndarray) -> np.ndarray:
        """Derivatives of all constraints, shape (m, p); the pinned parameters first."""
        pins = np.eye(len(theta))[self.pinned]
        return np.vstack([pins, self.matrix @ self.mapping.jacobian(theta)])

    def tangent(self, theta: np.ndarray) -> np.ndarray:
        """Orthonormal basis of the directions left free, shape (p, d)."""
        return null_basis(self.jacobian(theta))

    def bend(self, theta: np.ndarray, gradient: np.ndarray) -> np.ndarray:
        """Curvature of the constraints times their multipliers, shape (p, p)."""
        if not len(self.matrix):
            return np.zeros((len(theta), len(theta)))
        rows = (self.matrix @ self.mapping.jacobian(theta))[:, ~self.pinned]
        multipliers = np.linalg.lstsq(rows.T, -gradient[~self.pinned], rcond=1e-12)[0]
        return self.mapping.curvature(theta, multipliers @ self.matrix)

    def retract(self, theta: np.ndarray) -> np.ndarray | None:
        """Internal parameters near `theta` that meet the constraints, by Newton's method."""
        theta = np.where(self.pinned, 0.0, theta)
        free = np.flatnonzero(~self.pinned)
        best = np.inf
        for _ in range(60):
            params = self.mapping.params(theta)
            miss = self.matrix @ params - self.values
            size = np.abs(self.matrix) @ np.abs(params) + np.abs(self.values)
            error = np.max(np.abs(miss) / np.maximum(size, 1e-300), initial=0.0)
            if error <= EXACT or (error <= 1e3 * EXACT and error >= best):
                return theta
            best = error
            rows = (self.matrix @ self.mapping.jacobian(theta))[:, free]
            step = np.linalg.lstsq(rows, -miss, rcond=1e-12)[0]
            logs = np.isin(free, self._logs)
            longest = np.max(np.abs(step[logs]), initial=0.0)
            # log dispersions: exp() of a Newton step from far below overshoots
            theta[free] += step / longest if longest > 1.0 else step
            if not np.all(np.isfinite(theta)):
                return None
        return None
