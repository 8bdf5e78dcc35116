"""What is wrong with a fit: boundary, flat directions, runaway estimates."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from sm_gllamm.estimation.newton import Outcome
from sm_gllamm.estimation.verdict import Verdict
from sm_gllamm.inference.covariance import (
    SCORE_RANK_TOL,
    condition_number,
    flat_directions,
    inverse_information,
    null_space,
)
from sm_gllamm.likelihood.marginal import MarginalLikelihood
from sm_gllamm.mapping.structural import StructuralMapping
from sm_gllamm.models.row_units import row_units

__all__ = [
    "RUNS_AWAY",
    "crossed_thresholds",
    "diagnose",
    "diagonal_units",
    "large_loadings",
    "runaway_loading",
    "snap_to_boundary",
    "vanishing",
]

#: A random-effect SD (relative to what moves nu by one, or to the residual SD) that counts as zero.
ZERO_SD = 1e-4
#: Logarithm or logit below which a dispersion or probability is nothing, if the information on it is so
#: small, too.
VANISHED, FLAT = -5.0, 1e-2
#: Slots with a limit at which what they stand for is gone.
_VANISHING = ("dispersion", "zero", "lower", "upper", "asymptote")
#: A random-effect SD below this is tried at zero; one beyond the other has run away.
SMALL_SD, HUGE_SD = 0.05, 50.0
#: The same for loadings times the SD of the latent variable, where a fit stops with two, and with more
#: latent variables in a cluster: no quadrature follows steps that are steeper. And where a fit ends
#: without having converged.
STEEP_SD, STEEPER_SD, LARGE_SD = 20.0, 8.0, 5.0
#: Ending of the reason why a fit was stopped.
RUNS_AWAY = "runs away"
#: Log-likelihood that a variance must lose at zero to be kept.
NOTHING_LOST = 1e-6
#: Standard error on the scale of the linear predictor that says nothing is known of a coefficient.
HUGE_SE = 100.0


def diagonal_units(likelihood: MarginalLikelihood, theta: np.ndarray, y_scale):
    """Positions of the Cholesky factors' diagonals in theta, and the SD that moves nu by `y_scale`.

    `y_scale` is a number, or has one for each row.
    """
    return [
        (position, 1.0 / max(_size(likelihood, column, y_scale), 1e-300))
        for position, column in likelihood.mapping.diagonal_columns()
    ]


def _size(likelihood: MarginalLikelihood, column: int, y_scale) -> float:
    """Root mean square of a column, -1 for the constant, relative to `y_scale`."""
    if np.ndim(y_scale) == 0:
        return likelihood.column_moments(column)[0] / max(y_scale, 1e-300)
    return float(np.sqrt(np.mean((likelihood.problem.column(column) / y_scale) ** 2)))


def _unit_sds(likelihood: MarginalLikelihood, theta: np.ndarray) -> dict[int, float]:
    """Position of each Cholesky diagonal, and the SD that makes a difference there."""
    return dict(diagonal_units(likelihood, theta, row_units(likelihood, theta)))


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


def _large_loadings(likelihood: MarginalLikelihood, theta, unit, limit: float) -> list[int]:
    """Positions of loadings with which an SD of the latent variable moves nu by more than a limit.

    In units of :func:`row_units`, and in the rows on which the loading acts: the latent variable then
    predicts the item perfectly. Of fixed loadings beside free ones it is the variance that is large.
    """

    def too_large(column: int, effect: float) -> bool:
        share = likelihood.column_moments(column)[1]
        return effect * _size(likelihood, column, unit) > limit * np.sqrt(share)

    mapping = likelihood.mapping
    found = [p for p, column, sd in mapping.loading_sds(theta) if too_large(column, sd)]
    loadings = {latent.name: latent.loadings for latent in mapping.latents}
    for _, _, block, covariance in mapping.terms:
        sds = np.linalg.norm(covariance.factor(theta[block]), axis=1)
        for row, column, k in covariance.entries:
            own = loadings[covariance.names[row]]
            if row != column or all(c.name is None for _, c in own):
                continue
            fixed = [(where, abs(c.value) * sds[row]) for where, c in own if c.name is None]
            if any(too_large(where, effect) for where, effect in fixed):
                found.append(block.start + k)
    return found


def large_loadings(likelihood: MarginalLikelihood, theta: np.ndarray, converged: bool) -> list[int]:
    """Positions of loadings that have run away, or in a run that did not converge are about to.

    Parameters
    ----------
    likelihood : MarginalLikelihood
    theta : ndarray, shape (p,)
    converged : bool
    """
    if likelihood.problem.exact or not likelihood.mapping.loading_sds(theta):
        return []
    limit = HUGE_SD if converged else LARGE_SD
    return _large_loadings(likelihood, theta, row_units(likelihood, theta), limit)


def runaway_loading(likelihood: MarginalLikelihood, start) -> Callable[[np.ndarray], str] | None:
    """What stops a fit: a loading that has grown beyond all measure (Heywood case, quasi-separation).

    Parameters
    ----------
    likelihood : MarginalLikelihood
    start : ndarray, shape (p,)

    Returns
    -------
    callable or None
        ``stop(theta)`` names the loading; None where residual variances say when a loading is large.
    """
    problem, mapping = likelihood.problem, likelihood.mapping
    if problem.exact or not mapping.loading_sds(start):
        return None
    # of items a latent variable of every level may run away together with the others
    together = max if problem.row_code is None else sum
    limit = {1: HUGE_SD, 2: STEEP_SD}.get(together(problem.dimensions), STEEPER_SD)
    unit = row_units(likelihood, start)

    def stop(theta: np.ndarray) -> str:
        found = _large_loadings(likelihood, theta, unit, limit)
        return f"{mapping.param_names[found[0]]} {RUNS_AWAY}" if found else ""

    return stop


def _runaways(likelihood: MarginalLikelihood, theta: np.ndarray, information) -> list[str]:
    """Variances and coefficients of non-gaussian models that have run away, or their standard errors."""
    mapping, problem = likelihood.mapping, likelihood.problem
    if problem.exact:
        return []
    names = mapping.param_names
    found = [
        names[position]
        for position, unit in _unit_sds(likelihood, theta).items()
        if abs(theta[position]) > HUGE_SD * unit
    ]
    unit = row_units(likelihood, theta)
    se = np.sqrt(np.maximum(np.diag(inverse_information(information)), 0.0))
    columns = mapping.active_column[mapping.active_channel == 0][: mapping.k_exog]
    size = np.array([_size(likelihood, int(column), unit) for column in columns])
    huge = se[: mapping.k_exog] * size > HUGE_SE
    if huge.any():
        design = np.column_stack([problem.column(int(column)) for column in columns])
        design /= np.reshape(unit, (-1, 1))
        # by the share of a column that no other column has: collinearity alone is no runaway
        triangle = np.linalg.qr(design / np.where(size > 0, size, 1.0), mode="r")
        alone = (
            size
            * np.sqrt(1.0 / len(design))
            / np.linalg.norm(np.linalg.pinv(triangle, 1e-14), axis=1)
        )
        huge = se[: mapping.k_exog] * alone > HUGE_SE
    return found + [names[k] for k in np.flatnonzero(huge)]


def _vanished(likelihood: MarginalLikelihood, theta, information: np.ndarray) -> list[int]:
    """Dispersions, zero probabilities and distances of asymptotes from 0 and 1 that have gone to nothing.

    Of linear predictors for log standard deviations, which depend on the units of the response, these are
    coefficients that the data say nothing about any more: a residual variance of zero (a Heywood case).
    """
    mapping, found = likelihood.mapping, []
    for (block, slot), columns in zip(mapping.slots, mapping.slot_columns, strict=True):
        if slot.slot not in _VANISHING:
            continue
        own = np.diag(information)[block]
        if slot.slot == "asymptote":
            # of items, with a logit each
            sign = np.array([-1.0 if "upper" in name.split("[")[0] else 1.0 for name in slot.names])
            gone = (sign * theta[block] < VANISHED) & (own < FLAT)
            found += (block.start + np.flatnonzero(gone)).tolist()
            continue
        if len(slot.names) == 1:
            value = -theta[block.start] if slot.slot == "upper" else theta[block.start]
            if value < VANISHED and own[0] < FLAT:
                found.append(block.start)
            continue
        for entry, column in zip(slot.entries, columns, strict=True):
            # a row with a standard deviation well above zero has an information of two
            rows = len(likelihood.problem.y) * likelihood.column_moments(column)[0] ** 2
            if slot.names[entry.parameter].startswith("log_sd:"):
                if own[entry.parameter] < 1e-4 * rows:
                    found.append(block.start + entry.parameter)
    return found


def vanishing(likelihood: MarginalLikelihood) -> Callable[[np.ndarray, np.ndarray], bool] | None:
    """What ends iterations towards a residual variance of zero; None without dispersions."""
    if not any(slot.slot in _VANISHING for _, slot in likelihood.mapping.slots):
        return None
    return lambda theta, hessian: bool(_vanished(likelihood, theta, -hessian))


def crossed_thresholds(model, theta: np.ndarray) -> tuple[str, ...]:
    """Neighbouring thresholds that are out of order in some row, where they depend on covariates."""
    data, crossed = model.responses, []
    # thresholds of mixed responses are in the order of their families
    own = [
        share
        for _, family, _, _, share in data.members
        if getattr(family, "layout", "plain") == "cumulative"
    ] or [data]
    blocks = [pair for pair in model.mapping.slots if pair[1].slot == "threshold"]
    for (block, slot), share in zip(blocks, own, strict=False):
        if "thresholds" not in share.designs:
            continue
        design, between = share.designs["thresholds"][0], share.labels
        first = min(entry.channel for entry in slot.entries)
        values = np.zeros((len(design), len(between) - 1))
        for entry in slot.entries:
            column = 1.0 if entry.design is None else design[:, entry.column]
            values[:, entry.channel - first] += (
                entry.coefficient * theta[block.start + entry.parameter] * column
            )
        crossed += [
            f"{between[s]}|{between[s + 1]} and {between[s + 1]}|{between[s + 2]}"
            for s in np.flatnonzero((np.diff(values, axis=1) <= 0.0).any(axis=0))
        ]
    return tuple(crossed)


def _flat(scores: np.ndarray, basis: np.ndarray) -> list[np.ndarray]:
    """Directions in the span of a basis in which no cluster's log-likelihood changes; who is involved."""
    span, size, _ = np.linalg.svd(basis, full_matrices=False)
    span = span[:, size > 1e-8]
    along = scores @ span
    size = np.linalg.norm(along, axis=0)
    size = np.where(size > 0, size, 1.0)
    _, values, directions = np.linalg.svd(along / size, full_matrices=False)
    flat = span @ (directions[values <= SCORE_RANK_TOL * max(values[0], 1e-300)] / size).T
    moved = np.abs(flat * np.linalg.norm(scores, axis=0)[:, None])
    return [np.flatnonzero(m > 0.1 * m.max()) for m in moved.T if m.max() > 0]


def diagnose(
    likelihood: MarginalLikelihood, fit, settings, separation=(), basis: np.ndarray | None = None
) -> Verdict:
    """The verdict on a fit: boundary, singular or unidentified directions, accuracy of the integral.

    Parameters
    ----------
    likelihood : MarginalLikelihood
    fit : Fit
    settings : FitSettings
    separation : tuple of str
        Covariates that predict the response perfectly.
    basis : ndarray, shape (p, d), optional
        Directions that constraints leave free.
    """
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
    for position in _vanished(likelihood, theta, information):
        on_edge[position] = True
        boundary.append(mapping.param_names[position])
    boundary = list(dict.fromkeys(boundary))
    interior = np.flatnonzero(~on_edge)
    names = []
    nowhere = not fit.outcome.converged and fit.outcome.iterations == 0
    flat = [] if nowhere else null_space(information[np.ix_(interior, interior)])
    # what items say of their parameters the information shows
    of_latents = isinstance(mapping, StructuralMapping) and likelihood.problem.row_code is None
    if of_latents and not nowhere and likelihood.problem.n_top > len(theta):
        scores = likelihood.evaluate(theta, 1).score[:, interior]
        if basis is None:
            flat += flat_directions(scores)
        else:
            flat += _flat(scores, basis[interior])
    runaway = []
    if not nowhere:
        large = large_loadings(likelihood, theta, fit.outcome.converged)
        runaway = [mapping.param_names[position] for position in large]
        names += runaway
    for direction in flat:
        involved = [mapping.param_names[interior[k]] for k in direction]
        # along a loading that runs away, with the constant of its item, nothing changes any more
        names += [] if set(involved) & set(runaway) else involved
    if not (separation or runaway or nowhere):
        names += _runaways(likelihood, theta, information)
    # a zero variance takes its covariances with it: they are not unidentified but on the boundary
    names = [n for n in dict.fromkeys(names) if not (boundary and n.startswith("cov("))]
    advice = []
    if not fit.outcome.converged:
        advice.append("more iterations (maxiter=...), other start_params, or a simpler random part")
    left_out = [name for name in boundary if not name.startswith("log_sd:")]
    if left_out:
        advice.append(f"refitting without {', '.join(left_out)}")
    if len(left_out) < len(boundary):
        advice.append("one residual variance for several items, or fewer latent variables")
    if singular:
        advice.append("uncorrelated random effects: (x || group) or covariance='diagonal'")
    if runaway:
        advice.append(f"leaving out what {', '.join(runaway)} belongs to, or fixing it")
    elif names:
        advice.append("dropping one of the parameters named, or a constraint on them")
    return Verdict(
        converged=fit.outcome.converged,
        reason=fit.outcome.reason,
        iterations=fit.outcome.iterations,
        decrement=fit.outcome.decrement,
        boundary=tuple(boundary),
        singular=tuple(singular),
        unidentified=tuple(names),
        runaway=tuple(runaway),
        separation=tuple(separation),
        condition_number=condition_number(information[np.ix_(interior, interior)]),
        quadrature_error=fit.error,
        quadrature_tol=max(settings.warn_tol, 1e-7 * abs(fit.outcome.value)),
        advice=tuple(advice),
    )
