"""Parameters of a generalized linear mixed model: published, internal (theta) and the engine's Phi.

Three vectors of one length p, and a fourth for the engine:

* published ``params``: coefficients, variances and covariances (top level first), then what belongs
  to predictors without random effects (residual variance, thresholds, zero inflation);
* internal ``theta``: the same coefficients, entries of Cholesky factors, log dispersions;
* ``phi``: values of the engine's active entries; each is one theta times a constant.
"""

from __future__ import annotations

import numpy as np

from sm_gllamm.mapping.blocks import ParameterBlocks
from sm_gllamm.mapping.covariances import TermCovariance
from sm_gllamm.mapping.slots import SlotBlock

__all__ = ["GLMMMapping"]


class GLMMMapping(ParameterBlocks):
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
        # a level without random effects has a latent variable that nothing depends on
        self.dimensions = tuple(max(1, sum(len(term[1]) for term in terms)) for _, terms in levels)
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
        self.slot_columns = [tuple(columns) for _, columns in slots]
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
        self.active_column = np.array(column, dtype=np.intp)
        self.active_channel = np.array(channel, dtype=np.intp)
        self.theta_index = np.array(theta_index, dtype=np.intp)
        self._coefficient = np.array(coefficient)
        self._plain = bool(np.all(self._coefficient == 1.0))
        self._one_to_one = len(set(theta_index)) == len(theta_index)
        self._finish()

    def diagonal_columns(self) -> list[tuple[int, int]]:
        """Position of each Cholesky diagonal in theta, and the column it multiplies."""
        return [
            (int(position), int(self.active_column[t]))
            for t, position in enumerate(self.theta_index)
            if position in self.diagonal
        ]

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
            out[self.theta_index[:, None], self.theta_index] = hessian
            return out
        np.add.at(out, (self.theta_index[:, None], self.theta_index[None, :]), hessian)
        return out
