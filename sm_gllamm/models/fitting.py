"""The steps of a fit: nodes and maximum."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np

from sm_gllamm.estimation.newton import INTERRUPTED, LITTLE_GAIN, Controls, Outcome, maximize
from sm_gllamm.exceptions import SpecificationError
from sm_gllamm.likelihood.marginal import MarginalLikelihood, Quadrature
from sm_gllamm.likelihood.quadrature import Ladders, estimate_error
from sm_gllamm.models.diagnosis import (
    RUNS_AWAY,
    large_loadings,
    runaway_loading,
    snap_to_boundary,
    vanishing,
)

__all__ = ["Fit", "FitSettings", "fit_adaptive", "fit_fixed", "objective", "within_limits"]

#: Decrement at which it is worth asking whether there are enough nodes.
LOOSE = 1e-3
#: Iterations with little gain after which a coarse rule is refined.
PATIENCE = 4
#: The same of a rule that is fine enough, where a loading is about to run away; whether one is, is asked
#: again after twice as many iterations, up to so many.
LAST_PATIENCE, LONGEST = 8, 64
#: Log dispersions beyond this have no exponential: densities would be nonsense.
OVERFLOW = 300.0
#: Node choices before giving up (each is a rung of the ladder).
ROUNDS = 8


def error_budget(tol: float, value: float) -> float:
    """Absolute error allowed in a log-likelihood of size `value`: `tol` a thousand of it, and at least `tol`.

    In a large sample the information grows with the log-likelihood, so that the same absolute error
    moves the estimates by ever smaller fractions of their standard errors.
    """
    return tol * max(1.0, 1e-3 * abs(value))


@dataclass(frozen=True, slots=True)
class FitSettings:
    """What the user asked of a fit; kept on the results.

    Attributes
    ----------
    n_points : int, tuple, dict or None
    integration : str or None
    maxiter : int
    tol : float
        Newton decrement.
    quadrature_tol : float
        Absolute error of the log-likelihood aimed at when nodes are chosen.
    warn_tol : float
        Estimated error above which a chosen `n_points` is warned about.
    n_threads : int or None
    disp : int
    reml : bool
    scale : str or None
        "X2" for standard errors by quasi-likelihood.
    n_starts : int
    """

    n_points: object = None
    integration: str | None = None
    maxiter: int = 100
    tol: float = 1e-10
    quadrature_tol: float = 1e-5
    warn_tol: float = 1e-3
    n_threads: int | None = None
    disp: int = 0
    reml: bool = False
    scale: str | None = None
    n_starts: int = 1

    def __post_init__(self):
        whole = (int, np.integer)
        if not isinstance(self.maxiter, whole) or self.maxiter < 0:
            raise SpecificationError(f"maxiter must be a whole number, not {self.maxiter!r}")
        for name in ("tol", "quadrature_tol"):
            value = getattr(self, name)
            if not isinstance(value, (int, float, np.number)) or not value > 0:
                raise SpecificationError(f"{name} must be a positive number, not {value!r}")
        if not isinstance(self.n_starts, whole) or self.n_starts < 1:
            raise SpecificationError(
                f"n_starts must be a whole number from 1 on, not {self.n_starts!r}"
            )
        if self.n_threads is not None and not (
            isinstance(self.n_threads, whole) and self.n_threads >= 1
        ):
            raise SpecificationError(
                f"n_threads must be a whole number from 1 on, or None, not {self.n_threads!r}"
            )

    @property
    def controls(self) -> Controls:
        return Controls(self.maxiter, self.tol, self.disp)


@dataclass(frozen=True, slots=True)
class Fit:
    """Outcome of the optimisation, the rules it ended with and their estimated error."""

    outcome: Outcome
    quadrature: Quadrature
    error: float
    start: np.ndarray = field(default_factory=lambda: np.empty(0))


def objective(likelihood: MarginalLikelihood):
    """The likelihood as estimation.newton wants it; minus infinity where a log dispersion overflows."""
    position, size = _log_dispersions(likelihood)
    # an optimiser wants sums only
    options = {"by_cluster": False} if isinstance(likelihood, MarginalLikelihood) else {}

    def evaluate(theta, want):
        if np.any(np.abs(np.asarray(theta)[position]) * size > OVERFLOW):
            return -np.inf, None, None
        result = likelihood.evaluate(theta, want, **options)
        if not want:
            return result.total, None, None
        return result.total, result.gradient, result.hessian

    return evaluate


def _log_dispersions(likelihood: MarginalLikelihood) -> tuple[np.ndarray, np.ndarray]:
    """Positions of parameters of log dispersions, and the largest values of their columns."""
    mapping, problem = likelihood.mapping, likelihood.problem
    position, size = [], []
    for (block, slot), columns in zip(mapping.slots, mapping.slot_columns, strict=True):
        if slot.slot == "dispersion":
            for entry, column in zip(slot.entries, columns, strict=True):
                position.append(block.start + entry.parameter)
                size.append(float(np.abs(problem.column(column)).max()))
    return np.array(position, dtype=np.intp), np.array(size)


def within_limits(likelihood: MarginalLikelihood, theta: np.ndarray) -> np.ndarray:
    """Parameters with log dispersions that have an exponential."""
    theta = np.array(theta, dtype=float)
    for position, size in zip(*_log_dispersions(likelihood), strict=True):
        limit = OVERFLOW / max(size, 1e-300)
        theta[position] = np.clip(theta[position], -limit, limit)
    return theta


def _interrupted(outcome: Outcome) -> Outcome:
    """The outcome of an optimisation after which the user pressed Ctrl-C."""
    outcome.converged, outcome.interrupted = False, True
    outcome.reason = INTERRUPTED
    return outcome


def fit_fixed(
    likelihood: MarginalLikelihood, start: np.ndarray, quadrature: Quadrature, controls: Controls,
    climb: Callable = maximize,
) -> Fit:  # fmt: skip
    """Maximise with given rules, then estimate their error (0 for models that are integrated exactly).

    `climb` is how, as for :func:`fit_adaptive`.
    """
    likelihood.use(quadrature)
    start = within_limits(likelihood, start)
    outcome = climb(objective(likelihood), start, replace(controls, vanished=vanishing(likelihood)))
    exact = likelihood.problem.exact
    try:
        snap_to_boundary(likelihood, outcome)
        error = 0.0 if exact else estimate_error(likelihood, outcome.theta, outcome.value)
    except KeyboardInterrupt:
        return Fit(_interrupted(outcome), quadrature, float("nan"), start)
    return Fit(outcome, quadrature, error, start)


def _about_to_run_away(likelihood: MarginalLikelihood, outcome: Outcome) -> str:
    """Which loading it is that keeps an optimisation without gain from its end, or nothing."""
    found = large_loadings(likelihood, outcome.theta, converged=False)
    return f"{likelihood.mapping.param_names[found[0]]} {RUNS_AWAY}" if found else ""


def _raised(ladders: Ladders, likelihood: MarginalLikelihood, theta, tol: float) -> Quadrature:
    """Rules with which the error at theta is below `tol`, or the finest there are."""
    for _ in range(ROUNDS):
        likelihood.use(ladders.quadrature())
        errors = ladders.errors(likelihood, theta)
        budget = error_budget(tol, ladders.total)
        # infinite where the start has no likelihood, of which rules say nothing
        if errors.sum() <= budget or not np.isfinite(errors).all():
            break
        if not ladders.raise_rungs(errors, budget):
            break
    return likelihood.quadrature


def fit_adaptive(
    likelihood: MarginalLikelihood,
    start: np.ndarray,
    placement: str,
    controls: Controls,
    tol: float,
    near: bool = False,
    climb: Callable = maximize,
) -> Fit:
    """Maximise, raising node counts until the estimated error of the log-likelihood is below `tol`.

    Parameters
    ----------
    likelihood : MarginalLikelihood
    start : ndarray, shape (p,)
    placement : {"mode", "meansd"}
    controls : Controls
    tol : float
        Absolute error of the log-likelihood; see :func:`error_budget`.
    near : bool
        Whether the start is near enough to the maximum to say how many nodes it takes.
    """
    ladders = Ladders(likelihood.problem, placement)
    start = within_limits(likelihood, start)
    evaluate = objective(likelihood)
    controls = replace(
        controls, stop=runaway_loading(likelihood, start), vanished=vanishing(likelihood)
    )
    # a rough optimum first: where the estimate is decides how many nodes it takes
    rough, lifted, used, theta, path = True, False, 0, start, []
    last_patience = LAST_PATIENCE
    errors = np.array([np.nan])
    quadrature = None
    outcome = None
    try:
        if near:
            quadrature = _raised(ladders, likelihood, start, tol)
        for _ in range(2 * ROUNDS + 4):
            quadrature = quadrature or ladders.quadrature()
            likelihood.use(quadrature)
            left = max(controls.maxiter - used, 0)
            stop = max(LOOSE, controls.tol) if rough else controls.tol
            # a coarse rule may be what keeps the iterations from converging
            patience = PATIENCE if rough else last_patience
            outcome = climb(
                evaluate, theta, replace(controls, maxiter=left, tol=stop, patience=patience)
            )
            used += outcome.iterations
            path += outcome.path
            theta = outcome.theta
            if outcome.interrupted:
                break
            away = ""
            if not rough and outcome.reason == LITTLE_GAIN:
                away = _about_to_run_away(likelihood, outcome)
                if not away:
                    last_patience = 2 * last_patience if last_patience < LONGEST else 0
                    continue
            # nodes stand where the likelihood was evaluated last
            looked_at = theta if outcome.evaluated is None else outcome.evaluated
            errors = ladders.errors(likelihood, looked_at)
            if outcome.reason.endswith(RUNS_AWAY):
                # coarse rules overstate the likelihood of steep slopes: once more with finer ones
                if lifted or errors.sum() <= error_budget(tol, outcome.value):
                    break
                ladders.lift()
                lifted, rough, quadrature, theta = True, True, None, start
                continue
            budget = error_budget(tol, outcome.value)
            enough = errors.sum() <= budget
            if enough and away:
                outcome.reason = away
                break
            if enough and outcome.reason == LITTLE_GAIN:
                rough = False
                continue
            if enough and (not rough or not outcome.converged):
                break
            if used >= controls.maxiter:
                outcome.converged = bool(enough and outcome.decrement < controls.tol)
                break
            if enough:
                rough = False
            elif ladders.raise_rungs(errors, budget):
                # a coarse rule may also be why the optimiser got stuck
                quadrature = None
            elif rough and outcome.converged:
                rough = False
            else:
                break
        if outcome is not None and not outcome.interrupted:
            snap_to_boundary(likelihood, outcome)
    except KeyboardInterrupt:
        if outcome is None and not near:
            raise
        if outcome is None:
            # while nodes were chosen: the start is the best point so far
            outcome = climb(evaluate, start, replace(controls, maxiter=0))
        _interrupted(outcome)
    assert outcome is not None
    if not outcome.converged and not outcome.interrupted and used >= controls.maxiter:
        outcome.reason = f"iteration limit ({controls.maxiter}) reached"
    outcome.iterations, outcome.path = used, path
    return Fit(outcome, likelihood.quadrature, float(errors.sum()), start)
