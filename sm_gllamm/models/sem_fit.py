"""Maximum likelihood for normal responses: scoring, then Newton's method, under the text's constraints."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from sm_gllamm.estimation.constrained import maximize_under
from sm_gllamm.estimation.newton import Controls, Outcome, maximize
from sm_gllamm.estimation.sem_verdict import SemVerdict
from sm_gllamm.exceptions import SpecificationError
from sm_gllamm.inference.covariance import condition_number, null_space
from sm_gllamm.likelihood.normal_moments import NormalMoments
from sm_gllamm.models.fitting import FitSettings
from sm_gllamm.models.sem_constraints import SemRestriction

__all__ = ["SemFit", "climb", "maximum", "sem_verdict", "with_active_bounds"]

#: Decrement at which scoring gives way to Newton's method, and iterations that scoring may take.
NEAR, SCORING = 0.1, 30
#: Inequalities that hold but for this count as met.
MET = 1e-9
#: Rounds of taking inequalities in and out.
ROUNDS = 30


@dataclass(frozen=True, slots=True)
class SemFit:
    """A maximum, and the constraints that hold there.

    Attributes
    ----------
    outcome : Outcome
        Its Hessian is that of the Lagrangian.
    restriction : SemRestriction or None
    """

    outcome: Outcome
    restriction: SemRestriction | None

    def basis(self) -> np.ndarray | None:
        """Directions that the constraints leave free."""
        return None if self.restriction is None else self.restriction.tangent(self.outcome.theta)


def _objective(likelihood: NormalMoments, expected: bool):
    def evaluate(theta, want):
        try:
            result = likelihood.evaluate(theta, want, expected)
        except SpecificationError:
            # a step into parameters with I - B singular
            return -np.inf, None, None
        if not want or not np.isfinite(result.total):
            return result.total, None, None
        return result.total, result.gradient, result.hessian

    return evaluate


def climb(
    likelihood: NormalMoments, start: np.ndarray, restriction: SemRestriction | None,
    controls: Controls,
) -> Outcome:  # fmt: skip
    """Maximise under equations.

    Parameters
    ----------
    likelihood : NormalMoments
    start : ndarray, shape (p,)
    restriction : SemRestriction or None
    controls : Controls

    Returns
    -------
    Outcome
    """

    if controls.maxiter == 0:
        return _stay(likelihood, start)

    def run(theta, expected, controls):
        evaluate = _objective(likelihood, expected)
        if restriction is None:
            return maximize(evaluate, theta, controls)
        return maximize_under(evaluate, theta, restriction, controls)

    # the expected information is never indefinite, far from the maximum either
    first = run(start, True, replace(controls, maxiter=min(SCORING, controls.maxiter), tol=NEAR))
    if first.interrupted or not np.isfinite(first.value):
        return first
    left = max(controls.maxiter - first.iterations, 0)
    last = run(first.theta, False, replace(controls, maxiter=left))
    last.iterations += first.iterations
    last.path = first.path + last.path
    if not last.converged and last.iterations >= controls.maxiter:
        last.reason = f"iteration limit ({controls.maxiter}) reached"
    return last


def _stay(likelihood: NormalMoments, theta: np.ndarray) -> Outcome:
    """What is known at parameters that are to be kept."""
    result = likelihood.evaluate(theta, 2)
    reason = "no iterations were asked for (maxiter=0)"
    return Outcome(
        np.array(theta), result.total, result.gradient, result.hessian, False, reason, 0, np.inf
    )


def maximum(
    likelihood: NormalMoments, table, start: np.ndarray, linear, controls: Controls
) -> SemFit:
    """Maximum under all constraints of the text, inequalities by an active set, and linear ones besides.

    Parameters
    ----------
    likelihood : NormalMoments
    table : LavaanTable
    start : ndarray, shape (p,)
    linear : LinearConstraints or None
    controls : Controls

    Returns
    -------
    SemFit
    """

    def run(theta: np.ndarray, active: list[int]) -> SemFit:
        restriction = SemRestriction.of(table, linear, active)
        return SemFit(climb(likelihood, theta, restriction, controls), restriction)

    return with_active_bounds(run, table, start, linear, lambda theta: theta)


def with_active_bounds(
    run: Callable, table, start: np.ndarray, linear, published: Callable
) -> Any:  # fmt: skip
    """Maximum under inequalities: those that hold as equations are found by taking them in and out.

    Parameters
    ----------
    run : callable
        ``run(theta, active)`` gives the fit with some inequalities as equations.
    table : LavaanTable
    start : ndarray, shape (p,)
    linear : LinearConstraints or None
    published : callable
        From theta to published parameters, those of the table first.

    Returns
    -------
    What `run` gives
    """
    active: list[int] = []
    n_bounds = sum(relation.op in ("<", ">") for relation in table.syntax.relations)
    seen: list[list[int]] = []
    theta = start
    for _ in range(ROUNDS):
        fit = run(theta, active)
        outcome = fit.outcome
        if not n_bounds or not np.isfinite(outcome.value) or outcome.interrupted:
            return fit
        slack = table.evaluate(published(outcome.theta)[table.distinct], "<")[0]
        broken = [int(k) for k in np.flatnonzero(slack < -MET) if k not in active]
        wrong = _held_for_nothing(fit, active, n_bounds, linear)
        if not broken and wrong is None:
            return fit
        if wrong is not None:
            active = [k for k in active if k != wrong]
        else:
            active = sorted([*active, min(broken, key=lambda k: slack[k])])
        if active in seen:
            break
        seen.append(active)
        theta = outcome.theta
    outcome.converged, outcome.reason = False, "the inequalities that hold were not found"
    return fit


def _held_for_nothing(fit: SemFit, active: list[int], n_bounds: int, linear) -> int | None:
    """An active inequality from which the log-likelihood would lead away inwards."""
    if not active or fit.restriction is None:
        return None
    multipliers = fit.restriction.multipliers(fit.outcome.theta, fit.outcome.gradient)
    n_linear = 0 if linear is None else len(linear.matrix)
    own = multipliers[len(multipliers) - n_linear - len(active) : len(multipliers) - n_linear]
    worst = int(np.argmin(own))
    return active[worst] if own[worst] < -1e-8 else None


def sem_verdict(
    likelihood: NormalMoments, fit: SemFit, settings: FitSettings, information: np.ndarray
) -> SemVerdict:
    """What is to be said about a fit.

    Parameters
    ----------
    likelihood : NormalMoments
    fit : SemFit
    settings : FitSettings
    information : ndarray, shape (p, p)
        Expected information, whose rank says what is identified.
    """
    outcome, mapping = fit.outcome, likelihood.mapping
    theta = outcome.theta
    basis = fit.basis()
    inside = information if basis is None else basis.T @ information @ basis
    names = []
    for direction in _flat(inside, basis):
        names += [mapping.param_names[k] for k in direction]
    negative, indefinite = _improper(mapping, theta)
    advice = []
    if not outcome.converged:
        advice.append("other start_params, more iterations (maxiter=...), or a simpler model")
    if names:
        advice.append("fixing one of the parameters named, or a constraint on them")
    if negative or indefinite:
        advice.append("a constraint such as 'v > 0', fewer latent variables, or a larger sample")
    active: tuple[str, ...] = ()
    if fit.restriction is not None and fit.restriction.active:
        bounds = [r for r in fit.restriction.table.syntax.relations if r.op in ("<", ">")]
        active = tuple(str(bounds[k]) for k in fit.restriction.active)
    return SemVerdict(
        converged=outcome.converged,
        reason=outcome.reason,
        iterations=outcome.iterations,
        decrement=outcome.decrement,
        unidentified=tuple(dict.fromkeys(names)),
        condition_number=condition_number(inside) if len(inside) else 1.0,
        quadrature_error=0.0,
        quadrature_tol=settings.warn_tol,
        advice=tuple(advice),
        negative=negative,
        indefinite=indefinite,
        active=active,
    )


def _flat(information: np.ndarray, basis: np.ndarray | None) -> list[np.ndarray]:
    """Parameters in each direction without information."""
    if not len(information):
        return []
    flat = null_space(information)
    if basis is None or not flat:
        return flat
    values, vectors = np.linalg.eigh(information)
    moved = np.abs(basis @ vectors[:, : len(flat)])
    return [np.flatnonzero(column > 0.1 * column.max()) for column in moved.T]


def _improper(mapping, theta) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Negative variances by name, and latent variables with an impossible covariance matrix."""
    negative, indefinite = [], []
    for number, block in enumerate(mapping.blocks):
        covariances = block.matrices(theta)[1]
        where = f" (block {number + 1})" if len(mapping.blocks) > 1 else ""
        low = np.flatnonzero(np.diag(covariances) < 0.0)
        negative += [f"{block.variables[k]}~~{block.variables[k]}{where}" for k in low]
        latent = slice(block.n_observed, None)
        part = block.implied(theta).covariance[latent, latent]
        if not len(part) or (low >= block.n_observed).any():
            continue
        variance = np.diag(part)
        keep = np.flatnonzero(variance > 1e-12)
        if not len(keep):
            continue
        scaled = part[np.ix_(keep, keep)] / np.sqrt(np.outer(variance[keep], variance[keep]))
        values, vectors = np.linalg.eigh(scaled)
        if values[0] < -1e-9 or (variance < -1e-12).any():
            involved = keep[np.abs(vectors[:, 0]) > 0.1]
            indefinite += [block.variables[block.n_observed + k] for k in involved]
    return tuple(dict.fromkeys(negative)), tuple(dict.fromkeys(indefinite))
