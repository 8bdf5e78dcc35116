"""Maximum likelihood under linear constraints on the published parameters."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from sm_gllamm.estimation.constrained import maximize_under
from sm_gllamm.estimation.newton import Controls, Outcome
from sm_gllamm.exceptions import SpecificationError
from sm_gllamm.inference.constrained import LinearConstraints
from sm_gllamm.likelihood.quadrature import Ladders, estimate_error
from sm_gllamm.models.diagnosis import diagnose, vanishing
from sm_gllamm.models.fitting import (
    ROUNDS,
    Fit,
    error_budget,
    objective,
    within_limits,
)
from sm_gllamm.models.refits import away_from_zero
from sm_gllamm.models.restrictions import ParameterRestriction
from sm_gllamm.models.several_starts import with_second_strategy
from sm_gllamm.models.signs import oriented
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
        matrix, values = constraint_arrays(constraints, names)
        _refuse_contradictions(matrix, values, names)
        constraints = LinearConstraints.of(matrix, values, names)
    return ParameterRestriction(model.mapping, constraints)


def _refuse_contradictions(matrix: np.ndarray, values: np.ndarray, names: list[str]) -> None:
    """Name the fewest constraints that cannot hold together."""

    def possible(rows) -> bool:
        try:
            LinearConstraints.of(matrix[rows], values[rows], names)
        except SpecificationError:
            return False
        return True

    rows = list(range(len(matrix)))
    if not (np.all(np.isfinite(matrix)) and np.all(np.isfinite(values))) or possible(rows):
        return
    for row in list(rows):
        left = [other for other in rows if other != row]
        if left and not possible(left):
            rows = left
    listed = [text for row in rows for text in _equation(matrix[row], values[row], names)]
    raise SpecificationError(
        "the constraints contradict each other: " + "; ".join(listed) + ". Leave one out."
    )


def _equation(row: np.ndarray, value: float, names: list[str]) -> list[str]:
    """A constraint as it was given, not scaled."""
    if not row.any():
        return [f"0 = {value:g}"]
    return LinearConstraints(row[None, :], np.array([value]), tuple(names)).describe()


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
    evaluate, start = objective(likelihood), within_limits(likelihood, start)
    controls = replace(settings.controls, vanished=vanishing(likelihood))
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
    usual = start_params is None
    if usual:
        start = model._starting_theta(likelihood)
        start_params = model.mapping.params(start)
    else:
        start = away_from_zero(model, model._start(start_params))
    placement = "meansd" if integration == "meansd" else "mode"

    def run(theta):
        return _fit(model, restriction, theta, quadrature, placement, settings)

    rank = model._warn_of_rank(start, restriction)
    fit = run(start)
    if usual and rank is not None and np.isfinite(fit.outcome.value):
        fit = with_second_strategy(run, likelihood, start, settings.maxiter, fit)
    if not np.isfinite(fit.outcome.value):
        raise SpecificationError(
            f"{fit.outcome.reason}: {'; '.join(restriction.constraints.describe())}"
        )
    model._quadrature = fit.quadrature
    theta = model.mapping.normalised(fit.outcome.theta)
    turned = oriented(model.mapping, theta)
    if restriction.holds(turned):
        theta = turned
    likelihood = model._ready(fit.quadrature)
    evaluation = likelihood.evaluate(theta, 2)
    hessian = evaluation.hessian + restriction.bend(theta, evaluation.gradient)
    basis = restriction.tangent(theta)
    fit.outcome.theta, fit.outcome.hessian = theta, _on_free_directions(hessian, basis)
    verdict = diagnose(likelihood, fit, settings, model._separation(theta), basis)
    asked = {model.mapping.param_names[i] for i in restriction.constraints.zeros}
    verdict = replace(
        verdict, boundary=tuple(name for name in verdict.boundary if name not in asked)
    )
    known = () if rank is None else rank.parameters
    verdict = replace(verdict, unidentified=tuple(dict.fromkeys((*known, *verdict.unidentified))))
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
    # what rank shows was said before the fit, and the maximum is any point of a ridge
    news = verdict.runaway if known else verdict.unidentified
    model._warn(replace(verdict, unidentified=news), warn_convergence)
    return result
