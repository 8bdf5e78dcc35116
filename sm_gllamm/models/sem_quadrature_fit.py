"""Maximum likelihood of structural equation models by quadrature, under the constraints of the text."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sm_gllamm.estimation.constrained import maximize_under
from sm_gllamm.estimation.newton import Controls, Outcome, maximize
from sm_gllamm.estimation.sem_verdict import SemVerdict
from sm_gllamm.exceptions import SpecificationError
from sm_gllamm.inference.covariance import SCORE_RANK_TOL
from sm_gllamm.likelihood.marginal import MarginalLikelihood, ThetaEvaluation
from sm_gllamm.mapping.sem_internal import LOG
from sm_gllamm.mapping.sem_structure import SemMapping
from sm_gllamm.models.diagnosis import RUNS_AWAY, diagnose
from sm_gllamm.models.fitting import Fit, FitSettings, fit_adaptive, fit_fixed
from sm_gllamm.models.sem_constraints import SemRestriction
from sm_gllamm.models.sem_fit import with_active_bounds
from sm_gllamm.specification.lavaan_table import LavaanTable

__all__ = [
    "QuadratureFit",
    "SemLikelihood",
    "flat_names",
    "quadrature_maximum",
    "quadrature_verdict",
    "refuse_infinite",
    "restriction_of",
]

#: Log-likelihood that a variance must lose at zero to be kept, and what curvature may say it loses at most
#: for zero to be tried.
NOTHING_LOST, MAY_LOSE = 1e-6, 0.01
#: Information on the logarithm of a dispersion that has gone to nothing.
VANISHED = 1e-2
#: Share of what curvature could be from which on a direction is not flat.
CURVED = 1e-6
#: A variance, relative to what moves the log-likelihood, that counts as zero.
ZERO = 1e-8


class SemLikelihood(MarginalLikelihood):
    """The marginal likelihood, minus infinity where a covariance matrix is not positive definite."""

    def evaluate(self, theta, want: int = 0, by_cluster: bool = True) -> ThetaEvaluation:
        """Log-likelihood and derivatives; see :class:`MarginalLikelihood`."""
        theta = np.asarray(theta, dtype=float)
        if self.mapping.feasible(theta):
            return super().evaluate(theta, want, by_cluster)
        p = len(theta)
        return ThetaEvaluation(
            np.full(self.problem.n_top, -np.inf), np.full((1, p), np.nan), np.full((p, p), np.nan)
        )


class InternalRestriction(SemRestriction):
    """Constraints on published parameters as restrictions of internal ones."""

    def __init__(self, table: LavaanTable, linear, active, mapping: SemMapping):
        self._mapping = mapping
        super().__init__(table, linear, active, mapping.k_params)

    def _evaluate(self, theta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        theta = np.asarray(theta, dtype=float)
        values, slopes = super()._evaluate(self._mapping.params(theta))
        return values, slopes @ self._mapping.jacobian(theta)


def restriction_of(table: LavaanTable, linear, active, mapping) -> InternalRestriction | None:
    """The restriction, None where nothing is restricted."""
    stated = any(relation.op == "==" for relation in table.syntax.relations)
    held = linear is not None and len(linear.matrix)
    return InternalRestriction(table, linear, active, mapping) if stated or held or active else None


@dataclass(frozen=True, slots=True)
class QuadratureFit:
    """A maximum, the rules it was found with, and the constraints that hold there.

    Attributes
    ----------
    fit : Fit
    restriction : InternalRestriction or None
    """

    fit: Fit
    restriction: InternalRestriction | None

    @property
    def outcome(self) -> Outcome:
        return self.fit.outcome


def quadrature_maximum(
    likelihood: SemLikelihood, table: LavaanTable, start: np.ndarray, linear, quadrature,
    placement: str, settings: FitSettings,
) -> QuadratureFit:  # fmt: skip
    """Maximum under all constraints, with as many nodes as it takes where `quadrature` is None.

    Parameters
    ----------
    likelihood : SemLikelihood
    table : LavaanTable
    start : ndarray, shape (p,)
    linear : LinearConstraints or None
    quadrature : Quadrature or None
    placement : {"mode", "meansd"}
    settings : FitSettings
    """
    mapping: SemMapping = likelihood.mapping

    def run(theta: np.ndarray, active: list[int]) -> QuadratureFit:
        restriction = restriction_of(table, linear, active, mapping)

        def climb(evaluate, at: np.ndarray, controls: Controls) -> Outcome:
            if restriction is None:
                outcome = maximize(evaluate, at, controls)
                return _at_zero(evaluate, outcome, mapping)
            return maximize_under(evaluate, at, restriction, controls)

        if quadrature is not None:
            fit = fit_fixed(likelihood, theta, quadrature, settings.controls, climb)
        else:
            fit = fit_adaptive(
                likelihood,
                theta,
                placement,
                settings.controls,
                settings.quadrature_tol,
                climb=climb,
            )
        return QuadratureFit(fit, restriction)

    return with_active_bounds(run, table, start, linear, mapping.params)


def _at_zero(evaluate, outcome: Outcome, mapping: SemMapping) -> Outcome:
    """The outcome with small variances at zero where the log-likelihood is no lower for it.

    Towards a maximum at zero Newton's method converges slowly, the log-likelihood being flat in the standard
    deviation to higher order.
    """
    for position, component, row in mapping.internal.scales():
        value = outcome.theta[position]
        curvature = abs(outcome.hessian[position, position])
        if value == 0.0 or 0.5 * value**2 * curvature > MAY_LOSE:
            continue
        trial = outcome.theta.copy()
        trial[component.index[row, : row + 1]] = 0.0
        total, gradient, hessian = evaluate(trial, 2)
        if not np.isfinite(total) or total < outcome.value - NOTHING_LOST:
            continue
        if hessian[position, position] < 0.0:
            outcome.theta, outcome.value, outcome.evaluated = trial, total, None
            outcome.gradient, outcome.hessian = gradient, hessian
            if not outcome.converged:
                inner = np.setdiff1d(np.arange(len(trial)), component.index[row, : row + 1])
                step = np.linalg.lstsq(-hessian[np.ix_(inner, inner)], gradient[inner], rcond=1e-13)
                outcome.decrement = float(gradient[inner] @ step[0])
                if outcome.decrement < 1e-8:
                    outcome.converged = True
                    outcome.reason = "Newton decrement below tolerance, with a variance of zero"
    return outcome


def quadrature_verdict(
    likelihood: SemLikelihood, found: QuadratureFit, settings: FitSettings, implied, counted: bool
) -> SemVerdict:
    """What is to be said about a fit.

    Parameters
    ----------
    likelihood : SemLikelihood
    found : QuadratureFit
        With the Hessian at its parameters, that of the Lagrangian under constraints.
    settings : FitSettings
    implied : callable
        Covariance matrices of disturbances with their names, at published parameters.
    counted : bool
        Whether equal persons are counted together.
    """
    fit, mapping = found.fit, likelihood.mapping
    theta = fit.outcome.theta
    boundary: list[str] = []
    on_edge: set[int] = set()
    for position, component, row in mapping.internal.scales():
        sd = np.sqrt((theta[component.index[row, : row + 1]] ** 2).sum())
        if sd == 0.0:
            boundary.append(mapping.param_names[component.index[row, row]])
            on_edge |= {int(k) for k in component.index[row]} | {position}
        elif abs(theta[position]) < 1e-5 * sd:
            on_edge.add(position)
    basis = None if found.restriction is None else found.restriction.tangent(theta)
    hessian = fit.outcome.hessian
    for position in mapping.internal.vanishing:
        # a row with a standard deviation well above zero has an information of two
        dispersion = mapping.internal.kind[position] == LOG
        least = VANISHED if dispersion else 1e-4 * len(likelihood.problem.y)
        if theta[position] < -5.0 and abs(hessian[position, position]) < least:
            boundary.append(mapping.param_names[position])
            on_edge.add(position)
    inner = hessian.copy()
    if on_edge:
        # a variance of zero has no information, and is none that lacks
        at = sorted(on_edge)
        inner[at, :], inner[:, at] = 0.0, 0.0
        inner[at, at] = -np.maximum(np.abs(np.diag(hessian))[at], 1.0)
    if basis is not None:
        inside = basis @ basis.T
        outside = np.eye(len(inner)) - inside
        scale = np.diag(np.maximum(np.abs(np.diag(inner)), 1.0))
        inner = inside @ inner @ inside - outside @ scale @ outside
    fit.outcome.hessian = inner
    verdict = diagnose(likelihood, fit, settings, (), None)
    fit.outcome.hessian = hessian
    flat = [n for n in verdict.unidentified if n not in boundary]
    if not (verdict.runaway or on_edge) and (counted or likelihood.problem.n_top > len(theta)):
        for direction in flat_names(likelihood, theta, basis, hessian):
            flat += [name for name in direction if name not in flat]
    indefinite = []
    for names, matrix in implied:
        variance = np.diag(matrix)
        keep = np.flatnonzero(variance > 1e-12)
        scaled = matrix[np.ix_(keep, keep)] / np.sqrt(np.outer(variance[keep], variance[keep]))
        if len(keep) > 1 and np.linalg.eigvalsh(scaled)[0] < ZERO:
            indefinite += [names[k] for k in keep]
    advice = list(verdict.advice)
    if boundary:
        advice.append(f"refitting without {', '.join(boundary)}")
    active: tuple[str, ...] = ()
    if found.restriction is not None and found.restriction.active:
        bounds = [r for r in found.restriction.table.syntax.relations if r.op in ("<", ">")]
        active = tuple(str(bounds[k]) for k in found.restriction.active)
    fields = {name: getattr(verdict, name) for name in verdict.__dataclass_fields__}
    fields |= {
        "boundary": tuple(boundary), "unidentified": tuple(flat), "advice": tuple(advice),
        "active": active, "singular": tuple(dict.fromkeys(indefinite)),
    }  # fmt: skip
    if flat and not verdict.unidentified:
        fields["advice"] = (
            *advice, "dropping one of the parameters named, or a constraint on them"
        )  # fmt: skip
    return SemVerdict(**fields)


def flat_names(likelihood: SemLikelihood, theta, basis=None, hessian=None) -> list[tuple[str, ...]]:
    """Parameters in each direction in which the log-likelihood of no cluster changes.

    Parameters
    ----------
    likelihood : SemLikelihood
    theta : ndarray, shape (p,)
    basis : ndarray, shape (p, d), optional
        Directions that constraints leave free.
    hessian : ndarray, shape (p, p), optional
        At a maximum, where the log-likelihood must not curve along such a direction either: scores may be
        dependent by chance, as those of mean and variance of a variable with two values.
    """
    scores = likelihood.evaluate(theta, 1).score
    along = scores if basis is None else scores @ basis
    out: list[tuple[str, ...]] = []
    size = np.linalg.norm(along, axis=0)
    size = np.where(size > 0.0, size, 1.0)
    # as many rows as parameters, with the same singular values
    triangle = np.linalg.qr(along / size, mode="r")
    _, values, directions = np.linalg.svd(triangle)
    values = np.append(values, np.zeros(len(directions) - len(values)))
    for direction in directions[values <= SCORE_RANK_TOL * max(values[0], 1e-300)]:
        moved = direction / size if basis is None else basis @ (direction / size)
        if hessian is not None:
            curvature = abs(moved @ hessian @ moved)
            if curvature > CURVED * (np.abs(moved) @ np.abs(hessian) @ np.abs(moved)):
                continue
        moved = np.abs(moved) * np.linalg.norm(scores, axis=0)
        names = likelihood.mapping.param_names
        out.append(tuple(names[k] for k in np.flatnonzero(moved > 0.1 * moved.max())))
    return out


def refuse_infinite(outcome: Outcome) -> None:
    """Refuse a fit without a likelihood.

    Raises
    ------
    SpecificationError
    """
    if not np.isfinite(outcome.value) and not outcome.reason.endswith(RUNS_AWAY):
        raise SpecificationError(outcome.reason or "the log-likelihood is not finite")
