"""Newton's method with the exact observed information, for maximisation.

Curvature that is not negative is reflected: eigenvalues of the scaled information are replaced by
their absolute values, floored, so every step is uphill. Steps are halved while the objective does not
rise. The criterion is the Newton decrement g'(-H)^-1 g, twice the predicted gain in log-likelihood and
free of the parameters' scales. Where it is met and the objective still curves upwards in a direction, at
a saddle point, the iteration goes on along that direction.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from scipy.linalg.lapack import dpotrf, dpotrs

__all__ = [
    "AT_EDGE",
    "INTERRUPTED",
    "LITTLE_GAIN",
    "Controls",
    "Outcome",
    "maximize",
    "newton_step",
]

INTERRUPTED = "interrupted; this is the best point so far"
LITTLE_GAIN = "the objective rises by much less than its derivatives promise"
AT_EDGE = "Newton decrement near tolerance, with a dispersion of zero"
#: Decrement that is near enough to the tolerance there.
EDGE = 1e-8
#: A rise by this many times what derivatives promise is numerical nonsense.
ABSURD = 1e4
#: Decrement (log-likelihood units) below which the gradient is trusted more than the objective.
NEAR = 0.1
#: Shortest step, near the optimum: what needs a shorter one is not the gradient of this objective.
SHORTEST = 1e-3
#: Share of the largest eigenvalue of the scaled information that counts as zero.
FLAT = 1e-13
#: Share of the largest curvature of the scaled objective from which on it bends upwards, at a saddle.
UPWARDS = 1e-3
#: Diagonal of a Cholesky factor of the scaled information from which on nothing is nearly flat.
SAFE = 1e-4
#: A log-likelihood below this is as good as minus infinity.
LOWEST = -1e50
#: Ridges tried in turn when no Newton step raises the objective: towards the gradient.
RIDGES = (0.0, 1e-4, 1e-2)
#: Decrement that still counts as converged when no step helps: a hundredth of a standard error.
STALLED = 1e-4


@dataclass(frozen=True, slots=True)
class Controls:
    """Settings of an optimisation.

    Attributes
    ----------
    maxiter : int
    tol : float
        Newton decrement (log-likelihood units) below which the iteration stops.
    disp : int
        1: a line an iteration.
    slack : float
        A step may lower the objective by this much once the decrement is below 1: nodes placed anew
        make the objective rough at the size of the quadrature error.
    patience : int
        Iterations in which the objective must rise by the present decrement, twice what a Newton step
        promises; 0 for no such limit.
    stop : callable, optional
        ``stop(theta)`` says why there is no point in going on, or nothing.
    vanished : callable, optional
        ``vanished(theta, hessian)`` says whether a parameter has gone to infinity and left the objective
        flat. Along it the objective rises by ever less, and never nothing: EDGE is near enough.
    """

    maxiter: int = 100
    tol: float = 1e-10
    disp: int = 0
    slack: float = 1e-6
    patience: int = 0
    stop: Callable[[np.ndarray], str] | None = None
    vanished: Callable[[np.ndarray, np.ndarray], bool] | None = None

    def near_edge(self, outcome: Outcome) -> bool:
        """Whether only a parameter that has gone to infinity keeps the decrement from the tolerance."""
        return (
            outcome.decrement < EDGE
            and self.vanished is not None
            and self.vanished(outcome.theta, outcome.hessian)
        )


@dataclass(slots=True)
class Outcome:
    """What an optimisation came to.

    Attributes
    ----------
    theta : ndarray
        Best point.
    value : float
    gradient, hessian : ndarray
        At `theta`.
    converged : bool
    reason : str
        Why it stopped.
    iterations : int
    decrement : float
        Newton decrement at `theta`.
    path : list of (iteration, value, decrement, seconds)
    interrupted : bool
        By the user; `theta` is the best point until then.
    evaluated : ndarray or None
        Where the function was evaluated last, if that is a step (too short to matter) before `theta`.
    """

    theta: np.ndarray
    value: float
    gradient: np.ndarray
    hessian: np.ndarray
    converged: bool
    reason: str
    iterations: int
    decrement: float
    path: list = field(default_factory=list)
    interrupted: bool = False
    evaluated: np.ndarray | None = None


def newton_step(
    gradient: np.ndarray, hessian: np.ndarray, ridge: float = 0.0
) -> tuple[np.ndarray, bool]:
    """Uphill step and whether the information had to be shifted.

    Parameters
    ----------
    gradient : ndarray, shape (p,)
    hessian : ndarray, shape (p, p)
    ridge : float
        Added to the eigenvalues of the scaled information, as a share of the largest.

    Returns
    -------
    step : ndarray, shape (p,)
    shifted : bool
    """
    information = -hessian
    if not len(gradient):
        return np.zeros(0), False
    diagonal = np.abs(information.diagonal())
    scale = np.sqrt(np.where(diagonal > 0.0, diagonal, 1.0))
    scaled = information / (scale[:, None] * scale)
    if not ridge:
        # the usual case, well inside the positive definite matrices
        factor, failed = dpotrf(scaled, lower=1)
        if not failed and factor.diagonal().min() > SAFE:
            return dpotrs(factor, gradient / scale, lower=1)[0] / scale, False
    values, vectors = np.linalg.eigh(scaled)
    # columns of exog may be nearly collinear (a year and its square): that is not flat
    floor = FLAT * max(values[-1], 1e-300)
    shifted = bool(values[0] < floor)
    if shifted:
        # a nearly flat direction must not be mistaken for a long one
        lifted = np.maximum(np.abs(values), 1e-4 * np.abs(values).max())
        values = np.where(values < floor, lifted, values)
    values = values + ridge * np.abs(values).max()
    step = vectors @ ((vectors.T @ (gradient / scale)) / values)
    return step / scale, shifted


def maximize(evaluate: Callable, start: np.ndarray, controls: Controls) -> Outcome:
    """Maximise a function of which value, gradient and Hessian are known.

    Parameters
    ----------
    evaluate : callable
        ``evaluate(theta, want)`` returns (value, gradient or None, hessian or None); `want` is 0 or 2.
        A value that is not finite marks a point outside the domain.
    start : ndarray, shape (p,)
    controls : Controls

    Returns
    -------
    Outcome
        With ``converged=False`` and the best point if interrupted (KeyboardInterrupt) or stopped.
    """
    began = time.perf_counter()
    theta = np.array(start, dtype=float)
    value, gradient, hessian = evaluate(theta, 2)
    outcome = Outcome(theta, value, gradient, hessian, False, "", 0, np.inf)
    if not (value > LOWEST and np.isfinite(gradient).all() and np.isfinite(hessian).all()):
        outcome.reason = "the log-likelihood is not finite at the starting values"
        return outcome
    try:
        for iteration in range(controls.maxiter + 1):
            step, shifted = newton_step(outcome.gradient, outcome.hessian)
            decrement = float(outcome.gradient @ step)
            outcome.decrement, outcome.iterations = decrement, iteration
            outcome.path.append((iteration, outcome.value, decrement, time.perf_counter() - began))
            if controls.disp:
                print(
                    f"iteration {iteration:3d}  log-likelihood {outcome.value:.8f}  "
                    f"decrement {decrement:9.2e}  {outcome.path[-1][3]:7.2f} s"
                    + ("  (information shifted)" if shifted else "")
                )
            if decrement < controls.tol:
                if (
                    shifted
                    and iteration < controls.maxiter
                    and _leave_saddle(evaluate, outcome, controls)
                ):
                    continue
                if not shifted:
                    # the last step costs nothing, and its effect on value and curvature is known
                    outcome.evaluated = outcome.theta
                    outcome.theta = outcome.theta + step
                    outcome.value += 0.5 * decrement
                outcome.converged, outcome.reason = True, "Newton decrement below tolerance"
                return outcome
            if controls.near_edge(outcome):
                outcome.converged, outcome.reason = True, AT_EDGE
                return outcome
            if iteration == controls.maxiter:
                break
            if controls.stop is not None and (why := controls.stop(outcome.theta)):
                outcome.reason = why
                return outcome
            if 0 < controls.patience <= iteration and (
                outcome.value - outcome.path[iteration - controls.patience][1] < decrement
            ):
                outcome.reason = LITTLE_GAIN
                return outcome
            for ridge in RIDGES:
                if ridge:
                    step = newton_step(outcome.gradient, outcome.hessian, ridge)[0]
                if _advance(evaluate, outcome, step, float(outcome.gradient @ step), controls):
                    break
            else:
                outcome.converged = decrement < STALLED
                outcome.reason = "no step raises the log-likelihood"
                return outcome
        outcome.reason = f"iteration limit ({controls.maxiter}) reached"
    except KeyboardInterrupt:
        outcome.interrupted, outcome.reason = True, INTERRUPTED
    return outcome


def _leave_saddle(evaluate, outcome: Outcome, controls: Controls) -> bool:
    """Move `outcome` off a saddle point, along the direction that curves upwards most. False if none does.

    Where a model is symmetric in some of its parameters, so may be its starting values, and the gradient
    never leaves the symmetric points, although the maximum is elsewhere.
    """
    diagonal = np.abs(np.diag(outcome.hessian))
    scale = np.sqrt(np.where(diagonal > 0.0, diagonal, 1.0))
    values, vectors = np.linalg.eigh(outcome.hessian / np.outer(scale, scale))
    curvature = values[-1]
    if not curvature > UPWARDS * np.abs(values).max():
        return False
    direction = vectors[:, -1] / scale
    for t in (1.0, 0.25, 0.0625):
        for trial in (outcome.theta + t * direction, outcome.theta - t * direction):
            value = evaluate(trial, 0)[0]
            gain = 0.1 * curvature * t * t
            if not (
                value > outcome.value + max(gain, controls.slack) and value < outcome.value + ABSURD
            ):
                continue
            value, gradient, hessian = evaluate(trial, 2)
            if np.all(np.isfinite(gradient)) and np.all(np.isfinite(hessian)):
                outcome.theta, outcome.value = trial, value
                outcome.gradient, outcome.hessian = gradient, hessian
                return True
    return False


def _advance(evaluate, outcome: Outcome, step, decrement: float, controls: Controls) -> bool:
    """Move `outcome` along `step`, halved while the objective does not rise. False if none does.

    Near the optimum a full step is also taken when it halves the decrement: with few quadrature nodes
    the zero of the gradient (nodes held fixed) is not quite the maximum of the re-placed objective.
    """
    t = 1.0
    for _ in range(30):
        trial = outcome.theta + t * step
        # a full step is usually taken: its derivatives are wanted at once
        value, gradient, hessian = evaluate(trial, 2 if t == 1.0 else 0)
        if not (np.isfinite(value) and value < outcome.value + ABSURD * (1.0 + decrement)):
            t *= 0.25
            continue
        rises = value >= outcome.value + 1e-4 * t * decrement - (
            controls.slack if decrement < 1.0 else 0.0
        )
        if not rises and gradient is not None and decrement < NEAR and value > outcome.value - NEAR:
            rises = gradient @ newton_step(gradient, hessian)[0] < 0.5 * decrement
        if rises:
            if gradient is None:
                value, gradient, hessian = evaluate(trial, 2)
            if np.all(np.isfinite(gradient)) and np.all(np.isfinite(hessian)):
                outcome.theta, outcome.value = trial, value
                outcome.gradient, outcome.hessian = gradient, hessian
                return True
        t *= 0.5 if t > 0.2 else 0.25
        if decrement < 1.0 and t < SHORTEST:
            return False
    return False
