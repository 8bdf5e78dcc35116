"""The models between which a structural equation model stands: saturated, and without any associations."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from sm_gllamm.estimation.newton import Controls
from sm_gllamm.likelihood.normal_moments import NormalMoments, NormalProblem
from sm_gllamm.likelihood.normal_saturated import unrestricted_moments
from sm_gllamm.mapping.sem_moments import COVARIANCE, INTERCEPT, MomentBlock
from sm_gllamm.mapping.sem_parameters import MomentMapping
from sm_gllamm.models.sem_blocks import block_variables, given_covariates
from sm_gllamm.models.sem_fit import climb
from sm_gllamm.models.sem_inputs import SemInputs

__all__ = ["MomentModel", "baseline_model", "saturated_model"]


@dataclass(frozen=True)
class MomentModel:
    """A model of means and covariances without latent variables, at its maximum.

    Attributes
    ----------
    likelihood : NormalMoments
    theta : ndarray, shape (p,)
    llf : float
        NaN where there is no maximum, or none was found.
    moments : list of (mean, covariance)
        Of each block.
    """

    likelihood: Any
    theta: np.ndarray
    llf: float
    moments: list

    @property
    def k_params(self) -> int:
        return len(self.theta)


def _block(inputs: SemInputs, b: int, first: int, associated: bool) -> MomentBlock:
    """All moments of observed variables free, or means and variances only; given ones fixed."""
    variables, n = block_variables(inputs.table, b)
    given = set(given_covariates(inputs.table, b))
    roles = inputs.table.roles[b]
    # covariates that the model says nothing of keep their covariances, given or not
    covariates = set(roles.covariates) - set(roles.random_covariates)
    known = inputs.given[b]
    covariances, intercepts = np.zeros((n, n)), np.zeros(n)
    entries = []
    for i, one in enumerate(variables[:n]):
        for j, other in enumerate(variables[: i + 1]):
            if one in given and other in given:
                covariances[i, j] = covariances[j, i] = known[one, other]
            elif associated or i == j or {one, other} <= covariates:
                entries.append((COVARIANCE, i, j))
    # the mean of a variable at two levels belongs to the higher one
    level, n_levels = b % len(inputs.table.levels), len(inputs.table.levels)
    above = set(inputs.table.roles[b + 1].observed) if level + 1 < n_levels else set()
    if inputs.mean_structure:
        for i, one in enumerate(variables[:n]):
            if one in above:
                continue
            if one in given:
                intercepts[i] = known[(one,)]
            else:
                entries.append((INTERCEPT, i, i))
    kind, row, column = np.array(entries, dtype=np.intp).reshape(-1, 3).T
    return MomentBlock(
        variables[:n], n, np.zeros((n, n)), covariances, intercepts, kind, row, column,
        first + np.arange(len(kind)),
    )  # fmt: skip


def _model(inputs: SemInputs, moments, associated: bool) -> MomentModel:
    """The model whose free moments are those given."""
    blocks: list[MomentBlock] = []
    theta: list[np.ndarray] = []
    for b, (mean, covariance) in enumerate(moments):
        block = _block(inputs, b, sum(len(t) for t in theta), associated)
        own = np.where(
            block.kind == COVARIANCE, covariance[block.row, block.column],
            0.0 if mean is None else np.asarray(mean)[block.row],
        )  # fmt: skip
        blocks.append(block)
        theta.append(own)
    values = np.concatenate(theta)
    mapping = MomentMapping([f"moment {k}" for k in range(len(values))], blocks)
    likelihood = NormalMoments(inputs.problem, mapping)
    if inputs.levels or not (associated or inputs.complete):
        # of two levels, and of random covariates with missing values, sample moments are estimates only
        outcome = climb(likelihood, values, None, Controls())
        values = outcome.theta
        fitted = [(block.mean, block.covariance) for block in mapping.implied(values)]
        llf = likelihood.evaluate(values).total if outcome.converged else np.nan
        return MomentModel(likelihood, values, llf, fitted)
    llf = likelihood.evaluate(values).total
    return MomentModel(likelihood, values, llf, list(moments))


def _estimated(inputs: SemInputs) -> list:
    """Unrestricted means and covariances of each group."""
    if inputs.levels:
        return inputs.start_moments
    problem: NormalProblem = inputs.problem
    return [
        (known.mean, known.covariance)
        if known is not None
        else unrestricted_moments(
            problem.sets[g], np.asarray(inputs.start_moments[g][0]), inputs.start_moments[g][1]
        )
        for g, known in enumerate(inputs.moments)
    ]


def saturated_model(inputs: SemInputs) -> MomentModel:
    """The model of all means and covariances, given those of given covariates."""
    return _model(inputs, _estimated(inputs), True)


def baseline_model(inputs: SemInputs) -> MomentModel:
    """The model in which variables that are not given have no covariances."""
    # without covariances, what is observed of a variable is all there is to know of it
    return _model(inputs, inputs.start_moments, False)
