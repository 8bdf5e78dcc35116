"""What the parameter vectors of all models have in common: published and internal, block by block."""

from __future__ import annotations

import numpy as np

from sm_gllamm.exceptions import SpecificationError
from sm_gllamm.mapping.covariances import TermCovariance
from sm_gllamm.mapping.slots import SlotBlock

__all__ = ["ParameterBlocks"]


class ParameterBlocks:
    """Published parameters and internal ones (theta), which differ in covariances and dispersions only.

    Attributes
    ----------
    param_names : list of str
    k_exog : int
        Coefficients of exog, the first parameters.
    dimensions : tuple of int
        Latent variables of each level, lowest first.
    terms : list of (level, first effect within the level, slice of params, TermCovariance)
    slots : list of (slice of params, SlotBlock)
    slot_columns : list of tuple of int
        Column of the engine's design, -1 for the constant, of each entry of each block.
    """

    param_names: list[str]
    k_exog: int
    dimensions: tuple[int, ...]
    terms: list[tuple[int, int, slice, TermCovariance]]
    slots: list[tuple[slice, SlotBlock]]
    slot_columns: list[tuple[int, ...]]
    #: whether means depend on the coefficients of exog alone (and not on loadings or regressions too)
    coefficients_only = True
    #: pairs of positions in u whose products have channels
    products: tuple[tuple[int, int], ...] = ()

    def _finish(self) -> None:
        """Refuse names that occur twice; find the diagonals of Cholesky factors."""
        #: positions in theta of the Cholesky factors' diagonal entries
        self.diagonal = {
            block.start + k
            for _, _, block, covariance in self.terms
            for row, col, k in covariance.entries
            if row == col
        }
        random = self.param_names[self.k_exog :]
        if twice := sorted({n for n in random if self.param_names.count(n) > 1}):
            raise SpecificationError(
                f"parameter names occur twice: {twice}; rename the columns or terms"
            )

    @property
    def k_params(self) -> int:
        return len(self.param_names)

    def slot(self, name: str) -> tuple[slice, SlotBlock] | None:
        """The first block of a slot ("dispersion", "zero", "scale", "threshold"), None if there is none."""
        return next((pair for pair in self.slots if pair[1].slot == name), None)

    @property
    def dispersion(self) -> slice | None:
        """Position of a dispersion that is one parameter for all rows, None if there is none."""
        found = [block for block, slot in self.slots if slot.slot == "dispersion"]
        if len(found) != 1 or self.slot("dispersion")[1].published == "identity":
            return None
        return found[0]

    def loading_sds(self, theta) -> list[tuple[int, int, float]]:
        """Position of each free loading, its column, and its size times the disturbance's SD."""
        return []

    def slot_average(self, theta, design: np.ndarray) -> float:
        """Average over rows of the first predictor without random effects."""
        total = 0.0
        for (block, slot), columns in zip(self.slots, self.slot_columns, strict=True):
            for entry, column in zip(slot.entries, columns, strict=True):
                if entry.channel == 0:
                    mean = 1.0 if column < 0 else float(np.mean(design[:, column]))
                    total += entry.coefficient * theta[block.start + entry.parameter] * mean
        return total

    def theta(self, params) -> np.ndarray:
        """Internal parameters of published ones; SpecificationError outside the parameter space."""
        params = np.asarray(params, dtype=float)
        if params.shape != (self.k_params,):
            raise SpecificationError(
                f"{len(self.param_names)} parameters are needed ({', '.join(self.param_names)}), "
                f"not an array of shape {params.shape}"
            )
        theta = params.copy()
        for _, _, block, covariance in self.terms:
            theta[block] = covariance.internal(params[block])
        for block, slot in self.slots:
            if slot.published != "identity" and not params[block].min() > 0:
                where = int(np.argmin(params[block]))
                raise SpecificationError(
                    f"{slot.names[where]} is {params[block][where]:g}; it must be positive"
                )
            theta[block] = slot.internal(params[block])
        return theta

    def params(self, theta) -> np.ndarray:
        """Published parameters."""
        params = np.array(theta, dtype=float)
        for _, _, block, covariance in self.terms:
            params[block] = covariance.published(theta[block])
        for block, slot in self.slots:
            params[block] = slot.publish(params[block])
        return params

    def jacobian(self, theta) -> np.ndarray:
        """d params / d theta, shape (p, p)."""
        j = np.eye(self.k_params)
        for _, _, block, covariance in self.terms:
            j[block, block] = covariance.jacobian(theta[block])
        for block, slot in self.slots:
            j[block, block] = np.diag(slot.slope(np.asarray(theta)[block]))
        return j

    def curvature(self, theta, gradient) -> np.ndarray:
        """sum_t gradient_t d2 params_t / d theta d theta', shape (p, p)."""
        out = np.zeros((self.k_params, self.k_params))
        for _, _, block, covariance in self.terms:
            bend = covariance.curvature(np.asarray(theta)[block])
            out[block, block] = np.einsum("t,tij->ij", gradient[block], bend)
        for block, slot in self.slots:
            out[block, block] = np.diag(gradient[block] * slot.bend(np.asarray(theta)[block]))
        return out

    def factor(self, theta, level: int) -> np.ndarray:
        """Cholesky factor of a level's covariance matrix, shape (q_l, q_l); levels from the lowest up."""
        q = self.dimensions[level]
        out = np.zeros((q, q))
        for where, position, block, covariance in self.terms:
            if where == level:
                size = len(covariance.names)
                span = slice(position, position + size)
                out[span, span] = covariance.factor(np.asarray(theta)[block])
        return out

    def normalised(self, theta) -> np.ndarray:
        """The same model with non-negative diagonals of the Cholesky factors (signs are arbitrary)."""
        theta = np.array(theta, dtype=float)
        for _, _, block, covariance in self.terms:
            part = theta[block]
            for row, col, k in covariance.entries:
                if row == col and part[k] < 0:
                    for _, other, i in covariance.entries:
                        if other == col and i != k:
                            part[i] = -part[i]
                    part[k] = -part[k]
            theta[block] = part
        return theta
