"""What is wrong with a fit: boundary, flat directions, runaway estimates."""

from __future__ import annotations

import numpy as np

from sm_gllamm.estimation.linked import response_unit
from sm_gllamm.estimation.newton import Outcome
from sm_gllamm.estimation.verdict import Verdict
from sm_gllamm.inference.covariance import (
    condition_number,
    flat_directions,
    inverse_information,
    null_space,
)
from sm_gllamm.likelihood.marginal import MarginalLikelihood
from sm_gllamm.mapping.structural import StructuralMapping

__all__ = ["crossed_thresholds", "diagnose", "diagonal_units", "snap_to_boundary"]

#: A random-effect SD (relative to what moves nu by one, or to the residual SD) that counts as zero.
ZERO_SD = 1e-4
#: Logarithm or logit below which a dispersion or probability is nothing, if the information on it is so
#: small, too.
VANISHED, FLAT = -5.0, 1e-2
#: A random-effect SD below this is tried at zero; one beyond the other has run away.
SMALL_SD, HUGE_SD = 0.05, 50.0
#: Log-likelihood that a variance must lose at zero to be kept.
NOTHING_LOST = 1e-6
#: Standard error on the scale of the linear predictor that says nothing is known of a coefficient.
HUGE_SE = 100.0


def diagonal_units(likelihood: MarginalLikelihood, theta: np.ndarray, y_scale: float):
    """Positions of the Cholesky factors' diagonals in theta, and the SD that moves nu by `y_scale`."""
    design = likelihood.problem.design
    units = []
    for position, column in likelihood.mapping.diagonal_columns():
        size = 1.0 if column < 0 else np.sqrt(np.mean(design[:, column] ** 2))
        units.append((position, y_scale / max(size, 1e-300)))
    return units


def _unit_sds(likelihood: MarginalLikelihood, theta: np.ndarray) -> dict[int, float]:
    """Position of each Cholesky diagonal, and the SD that makes a difference there."""
    unit = response_unit(likelihood.problem, likelihood.mapping, theta)
    return dict(diagonal_units(likelihood, theta, unit))


def snap_to_boundary(likelihood: MarginalLikelihood, outcome: Outcome) -> None:
    """Put small variances at zero where the log-likelihood is no lower for it.

    Towards a maximum at zero Newton's method converges slowly (the log-likelihood is flat in the SD
    to higher order), and would leave an arbitrary small number.

    Parameters
    ----------
    likelihood : MarginalLikelihood
        With the rules of the fit in force.
    outcome : Outcome
        Changed in place.
    """
    theta = outcome.theta.copy()
    units = _unit_sds(likelihood, theta)
    for _, _, block, covariance in likelihood.mapping.terms:
        sd = np.sqrt((covariance.factor(theta[block]) ** 2).sum(1))
        for row, column, k in covariance.entries:
            position = block.start + k
            if row != column or theta[position] == 0.0:
                continue
            if abs(theta[position]) > SMALL_SD * units[position]:
                continue
            trial = outcome.theta.copy()
            trial[position] = 0.0
            if sd[row] < SMALL_SD * units[position]:
                for r, _, other in covariance.entries:
                    if r == row:
                        trial[block.start + other] = 0.0
            result = likelihood.evaluate(trial, 2)
            # twice the slope in the variance: negative where it is no saddle but a maximum
            downhill = result.hessian[position, position] < 0
            if downhill and result.total >= outcome.value - NOTHING_LOST:
                outcome.theta, outcome.value = trial, result.total
                outcome.gradient, outcome.hessian = result.gradient, result.hessian


def _runaways(likelihood: MarginalLikelihood, theta: np.ndarray, information) -> list[str]:
    """Parameters of non-gaussian models that have run away, or whose standard errors have."""
    mapping, problem = likelihood.mapping, likelihood.problem
    if problem.exact:
        return []
    names = mapping.param_names
    found = [
        names[position]
        for position, unit in _unit_sds(likelihood, theta).items()
        if abs(theta[position]) > HUGE_SD * unit
    ]
    unit = response_unit(problem, mapping, theta)
    for position, column, sd in mapping.loading_sds(theta):
        size = 1.0 if column < 0 else np.sqrt(np.mean(problem.design[:, column] ** 2))
        if sd * size > HUGE_SD * unit:
            found.append(names[position])
    se = np.sqrt(np.maximum(np.diag(inverse_information(information)), 0.0))
    design = problem.design[:, : mapping.k_exog]
    size = np.sqrt(np.einsum("ij,ij->j", design, design) / len(design))
    huge = se[: mapping.k_exog] * size > HUGE_SE
    if huge.any():
        # by the share of a column that no other column has: collinearity alone is no runaway
        triangle = np.linalg.qr(design / np.where(size > 0, size, 1.0), mode="r")
        alone = (
            size
            * np.sqrt(1.0 / len(design))
            / np.linalg.norm(np.linalg.pinv(triangle, 1e-14), axis=1)
        )
        huge = se[: mapping.k_exog] * alone > HUGE_SE
    return found + [names[k] for k in np.flatnonzero(huge)]


def _vanished(mapping, theta: np.ndarray, information: np.ndarray) -> list[int]:
    """Dispersions and zero probabilities, constant in all rows, that have gone to nothing."""
    found = []
    for block, slot in mapping.slots:
        if slot.slot not in ("dispersion", "zero") or len(slot.names) > 1:
            continue
        position = block.start
        if theta[position] < VANISHED and information[position, position] < FLAT:
            found.append(position)
    return found


def crossed_thresholds(model, theta: np.ndarray) -> tuple[str, ...]:
    """Neighbouring thresholds that are out of order in some row, where they depend on covariates."""
    found = model.mapping.slot("threshold")
    if found is None or "thresholds" not in model.responses.designs:
        return ()
    block, slot = found
    design = model.responses.designs["thresholds"][0]
    size = 1 + max(entry.channel for entry in slot.entries)
    values = np.zeros((len(design), size))
    for entry in slot.entries:
        column = 1.0 if entry.design is None else design[:, entry.column]
        values[:, entry.channel] += (
            entry.coefficient * theta[block.start + entry.parameter] * column
        )
    labels = model.responses.labels
    return tuple(
        f"{labels[s]}|{labels[s + 1]} and {labels[s + 1]}|{labels[s + 2]}"
        for s in np.flatnonzero((np.diff(values, axis=1) <= 0.0).any(axis=0))
    )


def diagnose(likelihood: MarginalLikelihood, fit, settings, separation=()) -> Verdict:
    """The verdict on a fit: boundary, singular or unidentified directions, accuracy of the integral."""
    mapping, theta = likelihood.mapping, fit.outcome.theta
    information = -fit.outcome.hessian
    boundary, singular = [], []
    on_edge = np.zeros(len(theta), dtype=bool)
    units = _unit_sds(likelihood, theta)
    for _, _, block, covariance in mapping.terms:
        factor = covariance.factor(theta[block])
        sd = np.sqrt((factor**2).sum(1))
        for row, column, k in covariance.entries:
            position = block.start + k
            if row == column and abs(theta[position]) < ZERO_SD * units[position]:
                on_edge[position] = True
                if sd[row] < ZERO_SD * units[position]:
                    boundary.append(covariance.variance_name(row))
                elif covariance.group not in singular:
                    singular.append(covariance.group)
            elif row == column and sd[row] > 0 and abs(factor[row, row]) < 1e-4 * sd[row]:
                on_edge[position] = True
                if covariance.group not in singular:
                    singular.append(covariance.group)
    for position in _vanished(mapping, theta, information):
        on_edge[position] = True
        boundary.append(mapping.param_names[position])
    boundary = list(dict.fromkeys(boundary))
    interior = np.flatnonzero(~on_edge)
    names = []
    nowhere = not fit.outcome.converged and fit.outcome.iterations == 0
    flat = [] if nowhere else null_space(information[np.ix_(interior, interior)])
    of_latents = isinstance(mapping, StructuralMapping)
    if of_latents and not nowhere and likelihood.problem.n_top > len(theta):
        flat += flat_directions(likelihood.evaluate(theta, 1).score[:, interior])
    for direction in flat:
        names += [mapping.param_names[interior[k]] for k in direction]
    if not separation and not nowhere:
        names += _runaways(likelihood, theta, information)
    # a zero variance takes its covariances with it: they are not unidentified but on the boundary
    names = [n for n in dict.fromkeys(names) if not (boundary and n.startswith("cov("))]
    advice = []
    if not fit.outcome.converged:
        advice.append("more iterations (maxiter=...), other start_params, or a simpler random part")
    if boundary:
        advice.append(f"refitting without {', '.join(boundary)}")
    if singular:
        advice.append("uncorrelated random effects: (x || group) or covariance='diagonal'")
    if names:
        advice.append("dropping one of the parameters named, or a constraint on them")
    return Verdict(
        converged=fit.outcome.converged,
        reason=fit.outcome.reason,
        iterations=fit.outcome.iterations,
        decrement=fit.outcome.decrement,
        boundary=tuple(boundary),
        singular=tuple(singular),
        unidentified=tuple(names),
        separation=tuple(separation),
        condition_number=condition_number(information[np.ix_(interior, interior)]),
        quadrature_error=fit.error,
        quadrature_tol=max(settings.warn_tol, 1e-7 * abs(fit.outcome.value)),
        advice=tuple(advice),
    )
