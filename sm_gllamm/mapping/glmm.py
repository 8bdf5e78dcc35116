"""Parameters of a generalized linear mixed model: published, internal (theta) and the engine's Phi.

Three vectors of one length p, and a fourth for the engine:

* published ``params``: coefficients, variances and covariances (top level first), residual variance;
* internal ``theta``: the same coefficients, entries of Cholesky factors, log residual SD;
* ``phi``: values of the engine's active entries; each equals one theta.
"""

from __future__ import annotations

import numpy as np

from sm_gllamm.exceptions import SpecificationError
from sm_gllamm.mapping.covariances import TermCovariance

__all__ = ["GLMMMapping"]


class GLMMMapping:
    """Maps between the parameter vectors of a mixed model.

    Parameters
    ----------
    exog_names : list of str
    exog_columns : list of int
        Column of the engine's design of each coefficient.
    levels : sequence of (group, terms), lowest level first
        Each term is (structure, names, label, columns), columns being those of the engine's design.
    dispersion : bool
        Whether there is a residual variance.
    """

    def __init__(self, exog_names, exog_columns, levels, dispersion: bool):
        self.k_exog = len(exog_names)
        self.dispersion = dispersion
        self.dimensions = tuple(sum(len(term[1]) for term in terms) for _, terms in levels)
        first = np.concatenate([[0], np.cumsum(self.dimensions)]).astype(int)
        column, channel = list(exog_columns), [0] * self.k_exog
        theta_index = list(range(self.k_exog))
        names = list(exog_names)
        #: one entry a term: level, first random effect within the level, slice of params, TermCovariance
        self.terms: list[tuple[int, int, slice, TermCovariance]] = []
        for level in range(len(levels) - 1, -1, -1):
            group, terms = levels[level]
            position = 0
            for structure, effect_names, label, columns in terms:
                covariance = TermCovariance(structure, tuple(effect_names), label, group)
                block = slice(len(names), len(names) + len(covariance.params))
                self.terms.append((level, position, block, covariance))
                for row, col, k in covariance.entries:
                    column.append(columns[row])
                    channel.append(1 + first[level] + position + col)
                    theta_index.append(block.start + k)
                names += covariance.param_names
                position += len(effect_names)
        if dispersion:
            column.append(-1)
            channel.append(1 + first[-1])
            theta_index.append(len(names))
            names.append("var(Residual)")
        self.param_names = names
        #: positions in theta of the Cholesky factors' diagonal entries
        self.diagonal = {
            block.start + k
            for _, _, block, covariance in self.terms
            for row, col, k in covariance.entries
            if row == col
        }
        self.active_column = np.array(column, dtype=np.intp)
        self.active_channel = np.array(channel, dtype=np.intp)
        self.theta_index = np.array(theta_index, dtype=np.intp)
        self._one_to_one = len(set(theta_index)) == len(theta_index)
        random = names[self.k_exog :]
        if twice := sorted({n for n in random if names.count(n) > 1}):
            raise SpecificationError(
                f"parameter names occur twice: {twice}; rename the columns or terms"
            )

    @property
    def k_params(self) -> int:
        return len(self.param_names)

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
        if self.dispersion:
            if not params[-1] > 0:
                raise SpecificationError(f"var(Residual) is {params[-1]:g}; it must be positive")
            theta[-1] = 0.5 * np.log(params[-1])
        return theta

    def params(self, theta) -> np.ndarray:
        """Published parameters."""
        params = np.array(theta, dtype=float)
        for _, _, block, covariance in self.terms:
            params[block] = covariance.published(theta[block])
        if self.dispersion:
            params[-1] = np.exp(2 * theta[-1])
        return params

    def jacobian(self, theta) -> np.ndarray:
        """d params / d theta, shape (p, p)."""
        j = np.eye(self.k_params)
        for _, _, block, covariance in self.terms:
            j[block, block] = covariance.jacobian(theta[block])
        if self.dispersion:
            j[-1, -1] = 2 * np.exp(2 * theta[-1])
        return j

    def curvature(self, theta, gradient) -> np.ndarray:
        """sum_t gradient_t d2 params_t / d theta d theta', shape (p, p)."""
        out = np.zeros((self.k_params, self.k_params))
        for _, _, block, covariance in self.terms:
            out[block, block] = np.einsum("t,tij->ij", gradient[block], covariance.curvature())
        if self.dispersion:
            out[-1, -1] = gradient[-1] * 4 * np.exp(2 * theta[-1])
        return out

    def phi(self, theta) -> np.ndarray:
        """Values of the engine's active entries."""
        return np.asarray(theta, dtype=float)[self.theta_index]

    def score_in_theta(self, score) -> np.ndarray:
        """Chain rule for scores, (J, n_active) to (J, p)."""
        out = np.zeros((len(score), self.k_params))
        if self._one_to_one:
            out[:, self.theta_index] = score
        else:
            np.add.at(out.T, self.theta_index, score.T)
        return out

    def hessian_in_theta(self, hessian) -> np.ndarray:
        """Chain rule for Hessians, (n_active, n_active) to (p, p)."""
        out = np.zeros((self.k_params, self.k_params))
        if self._one_to_one:
            out[np.ix_(self.theta_index, self.theta_index)] = hessian
            return out
        np.add.at(out, (self.theta_index[:, None], self.theta_index[None, :]), hessian)
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
