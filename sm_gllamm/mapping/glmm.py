"""Parameters of a generalized linear mixed model: published, internal (theta) and the engine's Phi.

Three vectors of one length p, and a fourth for the engine:

* published ``params``: coefficients, variances and covariances (top level first), then what belongs
  to predictors without random effects (residual variance, thresholds, zero inflation);
* internal ``theta``: the same coefficients, entries of Cholesky factors, log dispersions;
* ``phi``: values of the engine's active entries; each is one theta times a constant.
"""

from __future__ import annotations

import numpy as np

from sm_gllamm.exceptions import SpecificationError
from sm_gllamm.mapping.covariances import TermCovariance
from sm_gllamm.mapping.slots import SlotBlock

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
    slots : sequence of (SlotBlock, columns)
        Columns of the engine's design, one an entry of the block.
    """

    def __init__(self, exog_names, exog_columns, levels, slots=()):
        self.k_exog = len(exog_names)
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
        coefficient = [1.0] * len(theta_index)
        #: one entry a block: slice of params, SlotBlock
        self.slots: list[tuple[slice, SlotBlock]] = []
        for slot_block, columns in slots:
            block = slice(len(names), len(names) + len(slot_block.names))
            self.slots.append((block, slot_block))
            for entry, where in zip(slot_block.entries, columns, strict=True):
                column.append(where)
                channel.append(1 + first[-1] + entry.channel)
                theta_index.append(block.start + entry.parameter)
                coefficient.append(entry.coefficient)
            names += slot_block.names
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
        self._coefficient = np.array(coefficient)
        self._plain = bool(np.all(self._coefficient == 1.0))
        self._one_to_one = len(set(theta_index)) == len(theta_index)
        random = names[self.k_exog :]
        if twice := sorted({n for n in random if names.count(n) > 1}):
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
            out[block, block] = np.einsum("t,tij->ij", gradient[block], covariance.curvature())
        for block, slot in self.slots:
            out[block, block] = np.diag(gradient[block] * slot.bend(np.asarray(theta)[block]))
        return out

    def slot_average(self, theta, design: np.ndarray) -> float:
        """Average over rows of the first predictor without random effects."""
        channel = 1 + sum(self.dimensions)
        total = 0.0
        for t in np.flatnonzero(self.active_channel == channel):
            column = self.active_column[t]
            mean = 1.0 if column < 0 else float(np.mean(design[:, column]))
            total += theta[self.theta_index[t]] * self._coefficient[t] * mean
        return total

    def phi(self, theta) -> np.ndarray:
        """Values of the engine's active entries."""
        phi = np.asarray(theta, dtype=float)[self.theta_index]
        return phi if self._plain else phi * self._coefficient

    def score_in_theta(self, score, theta) -> np.ndarray:
        """Chain rule for scores, (J, n_active) to (J, p)."""
        out = np.zeros((len(score), self.k_params))
        if not self._plain:
            score = score * self._coefficient
        if self._one_to_one:
            out[:, self.theta_index] = score
        else:
            np.add.at(out.T, self.theta_index, score.T)
        return out

    def hessian_in_theta(self, evaluation, theta) -> np.ndarray:
        """Chain rule for the Hessian of an Evaluation, (n_active, n_active) to (p, p)."""
        hessian = evaluation.hessian
        out = np.zeros((self.k_params, self.k_params))
        if not self._plain:
            hessian = hessian * np.outer(self._coefficient, self._coefficient)
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
