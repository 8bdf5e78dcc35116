"""What tests would be if no values were missing, for fit indices of incomplete data."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from sm_gllamm.inference.covariance import inverse_information
from sm_gllamm.likelihood.normal_moments import NormalMoments
from sm_gllamm.models.sem_blocks import given_covariates
from sm_gllamm.models.sem_data import GroupMoments
from sm_gllamm.models.sem_inputs import SemInputs
from sm_gllamm.models.sem_problem import moment_problem
from sm_gllamm.models.sem_residuals import moment_slopes
from sm_gllamm.models.sem_saturated import MomentModel

__all__ = ["CompleteTest", "complete_tests"]

#: Likelihood, estimates, directions left free, degrees of freedom.
Part = tuple[NormalMoments, np.ndarray, Any, float]


@dataclass(frozen=True, slots=True)
class CompleteTest:
    """Chi-square of complete data with the moments of the saturated model, and its expectation over df."""

    statistic: float
    scaling: float


def complete_tests(
    inputs: SemInputs, saturated: MomentModel, parts: list[Part], products: Callable | None
) -> list[CompleteTest]:  # fmt: skip
    """Tests of models, as if the estimated moments of the saturated model were those of complete data.

    Parameters
    ----------
    inputs : SemInputs
    saturated : MomentModel
    parts : list of (likelihood, theta, basis, df)
        Of each model; `basis` are the directions that constraints leave free, None if there are none.
    products : callable or None
        Sum of products of scores of the saturated model, for responses that need not be normal; None: normal.

    Returns
    -------
    list of CompleteTest

    Notes
    -----
    Zhang & Savalei (2020), *Multivariate Behavioral Research* 55, versions 3 (`products`) and 6: the fit
    function of complete data at the estimates of incomplete data, corrected for its mean.
    """
    theta = saturated.theta
    information = -saturated.likelihood.evaluate(theta, 2).hessian
    inverse = inverse_information(information)
    moments = [
        GroupMoments(group.label, group.variables, float(group.weight.sum()), mean, covariance)
        for group, (mean, covariance) in zip(inputs.rows, saturated.moments, strict=True)
    ]
    given = [given_covariates(inputs.table, g) for g in range(len(moments))]
    problem = moment_problem(moments, given, True)
    complete = NormalMoments(problem, saturated.likelihood.mapping)
    best = complete.evaluate(theta, 2)
    weight = -best.hessian
    middle = None if products is None else inverse @ products() @ inverse
    out = []
    for likelihood, at, basis, df in parts:
        slope = moment_slopes(likelihood, saturated, at)
        slope = slope if basis is None else slope @ basis
        covariance = inverse_information(slope.T @ information @ slope)
        left = information - information @ slope @ covariance @ slope.T @ information
        if middle is None:
            trace = np.trace(weight @ inverse @ left @ inverse)
        else:
            trace = np.trace(left @ inverse @ weight @ inverse @ left @ middle)
        value = NormalMoments(problem, likelihood.mapping).evaluate(at).total
        out.append(CompleteTest(2.0 * (best.total - value), float(trace / df) if df > 0 else 1.0))
    return out
