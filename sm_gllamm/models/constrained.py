"""Maximum likelihood under linear constraints on the published parameters."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from sm_gllamm.estimation.constrained import maximize_under
from sm_gllamm.estimation.newton import Controls, Outcome
from sm_gllamm.exceptions import SpecificationError
from sm_gllamm.inference.constrained import LinearConstraints
from sm_gllamm.likelihood.quadrature import Ladders, estimate_error
from sm_gllamm.models.diagnosis import diagnose
from sm_gllamm.models.fitting import (
    ROUNDS,
    Fit,
    error_budget,
    objective,
)
from sm_gllamm.models.refits import away_from_zero
from sm_gllamm.models.restrictions import ParameterRestriction
from sm_gllamm.models.starting import start_theta
from sm_gllamm.specification.constraints import constraint_arrays

__all__ = ["constrained_results", "maximum_under", "restriction_of"]


def restriction_of(model, constraints) -> ParameterRestriction:
    """Constraints as users write them, or LinearConstraints, as a restriction of a model's parameters.

    Raises
    ------
    SpecificationError
        If they are not understood or contradict each other.
    """
    names = model.mapping.param_names
    if not isinstance(constraints, LinearConstraints):
        constraints = LinearConstraints.of(*constraint_arrays(constraints, names), names)
    return ParameterRestriction(model.mapping, constraints)


def maximum_under(model, constraints, theta, quadrature, controls: Controls) -> Outcome:
    """Maximum of the log-likelihood subject to constraints, with given quadrature.

    Parameters
    ----------
    model : LatentVariableModel
    constraints
        As for `restriction_of`.
    theta : ndarray, shape (p,)
        Internal parameters to start from.
    quadrature : Quadrature
    controls : Controls

    Returns
    -------
    Outcome
    """
    restriction = restriction_of(model, constraints)
    likelihood = model._ready(quadrature)
    return maximize_under(
        objective(likelihood), away_from_zero(model, theta), restriction, controls
    )


def _fit(model, restriction, start, quadrature, placement, settings) -> Fit:
    """Maximise under the restriction, with more nodes until there are enough where none are given."""
    likelihood = model._ready(quadrature)
    evaluate, controls = objective(likelihood), settings.controls
    if quadrature is not None:
        outcome = maximize_under(evaluate, start, restriction, controls)
        exact = likelihood.problem.exact or not np.isfinite(outcome.value)
        error = 0.0 if exact else estimate_error(likelihood, outcome.theta, outcome.value)
        return Fit(outcome, quadrature, error, start)
    ladders, theta, used = Ladders(likelihood.problem, placement), start, 0
    for _ in range(ROUNDS):
        likelihood.use(ladders.quadrature())
        left = max(controls.maxiter - used, 0)
        outcome = maximize_under(evaluate, theta, restriction, replace(controls, maxiter=left))
        theta, used = outcome.theta, used + outcome.iterations
        if not np.isfinite(outcome.value) or outcome.interrupted:
            return Fit(outcome, likelihood.quadrature, float("nan"), start)
        errors = ladders.errors(likelihood, theta)
        budget = error_budget(settings.quadrature_tol, outcome.value)
        if errors.sum() <= budget or not ladders.raise_rungs(errors, budget):
            break
    outcome.iterations = used
    return Fit(outcome, ladders.quadrature(), float(errors.sum()), start)


def _on_free_directions(hessian: np.ndarray, basis: np.ndarray) -> np.ndarray:
    """The Hessian along the constraint set; directions that the constraints rule out count as known."""
    inside = basis @ basis.T
    outside = np.eye(len(hessian)) - inside
    scale = np.diag(np.maximum(np.abs(np.diag(hessian)), 1.0))
    return inside @ hessian @ inside - outside @ scale @ outside


def constrained_results(
    model, constraints, start_params, integration, quadrature, settings, cov, warn_convergence
):
    """Fit under constraints and wrap up; see :meth:`LatentVariableModel.fit_constrained`.

    Parameters
    ----------
    model : LatentVariableModel
    constraints
        As for `restriction_of`.
    start_params : array_like, Series, dict or None
    integration : str or None
    quadrature : Quadrature or None
        None: chosen.
    settings : FitSettings
    cov : tuple of (cov_type, cov_kwds, use_t)
    warn_convergence : bool

    Returns
    -------
    LatentVariableResults
        Unwrapped.
    """
    restriction = restriction_of(model, constraints)
    likelihood = model._ready(quadrature)
    if start_params is None:
        start = start_theta(likelihood)[0]
        start_params = model.mapping.params(start)
    else:
        start = away_from_zero(model, model._start(start_params))
    placement = "meansd" if integration == "meansd" else "mode"
    fit = _fit(model, restriction, start, quadrature, placement, settings)
    if not np.isfinite(fit.outcome.value):
        raise SpecificationError(
            f"{fit.outcome.reason}: {'; '.join(restriction.constraints.describe())}"
        )
    model._quadrature = fit.quadrature
    theta = model.mapping.normalised(fit.outcome.theta)
    likelihood = model._ready(fit.quadrature)
    evaluation = likelihood.evaluate(theta, 2)
    hessian = evaluation.hessian + restriction.bend(theta, evaluation.gradient)
    basis = restriction.tangent(theta)
    fit.outcome.theta, fit.outcome.hessian = theta, _on_free_directions(hessian, basis)
    verdict = diagnose(likelihood, fit, settings, model._separation(theta))
    asked = {model.mapping.param_names[i] for i in restriction.constraints.zeros}
    verdict = replace(
        verdict, boundary=tuple(name for name in verdict.boundary if name not in asked)
    )
    if not verdict.boundary:
        advice = tuple(line for line in verdict.advice if not line.startswith("refitting without"))
        verdict = replace(verdict, advice=advice)
    result = model._results(
        theta, replace(evaluation, hessian=hessian), verdict, *cov[:2], cov[2], settings,
        np.asarray(start_params),
        {
            "quadrature": fit.quadrature, "llf": evaluation.total, "path": fit.outcome.path,
            "constraints": restriction.constraints, "k_free": basis.shape[1],
        },
        jacobian=restriction.jacobian(theta),
    )  # fmt: skip
    model._warn(verdict, warn_convergence)
    return result
