"""Parameters of a structural equation model: published and internal ones are the same."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sm_gllamm.exceptions import SpecificationError
from sm_gllamm.mapping.sem_moments import ImpliedBlock, MomentBlock

__all__ = ["MomentMapping"]


class MomentMapping:
    """Maps parameters to implied moments, in the words of :class:`sm_gllamm.mapping.blocks.ParameterBlocks`.

    Variances are parameters as they are and may become negative, as in lavaan and Mplus: the likelihood asks
    for a positive definite covariance matrix of the observed variables only. So theta is params.

    Parameters
    ----------
    param_names : sequence of str
    blocks : sequence of MomentBlock
    """

    #: what other mappings have and this one has not
    terms: tuple = ()
    slots: tuple = ()
    slot_columns: tuple = ()
    k_exog = 0
    coefficients_only = False

    def __init__(self, param_names: Sequence[str], blocks: Sequence[MomentBlock]):
        self.param_names = list(param_names)
        self.blocks = tuple(blocks)

    @property
    def k_params(self) -> int:
        return len(self.param_names)

    def theta(self, params) -> np.ndarray:
        """Parameters as an array; SpecificationError if there are too few or many."""
        theta = np.array(params, dtype=float)
        if theta.shape != (self.k_params,):
            raise SpecificationError(
                f"{self.k_params} parameters are needed ({', '.join(self.param_names)}), not an array of "
                f"shape {theta.shape}"
            )
        return theta

    def params(self, theta) -> np.ndarray:
        """Published parameters."""
        return np.array(theta, dtype=float)

    def jacobian(self, theta) -> np.ndarray:
        """d params / d theta."""
        return np.eye(self.k_params)

    def curvature(self, theta, gradient) -> np.ndarray:
        """Second derivatives of params in theta: none."""
        return np.zeros((self.k_params, self.k_params))

    def normalised(self, theta) -> np.ndarray:
        """The parameters themselves."""
        return np.array(theta, dtype=float)

    def implied(self, theta) -> list[ImpliedBlock]:
        """Implied moments of all blocks."""
        theta = np.asarray(theta, dtype=float)
        return [block.implied(theta) for block in self.blocks]

    def gather(self, block: int, gradient: np.ndarray) -> np.ndarray:
        """Gradient in the parameters from that in the entries of a block, along the last axis."""
        parameter = self.blocks[block].parameter
        out = np.zeros((*gradient.shape[:-1], self.k_params))
        np.add.at(out.T, parameter, gradient.T)
        return out
