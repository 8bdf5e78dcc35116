"""Newton's method on the set where some equations hold.

Every iterate meets the constraints g(theta) = 0: a Newton step is taken within the tangent space, with
the Hessian of the Lagrangian, and brought back to the set ("retracted"); see Nocedal & Wright (2006),
*Numerical Optimization*, ch. 12 and 18. Linear constraints in published parameters are curved in the
internal ones, where variances of zero and correlations of one are ordinary points.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from sm_gllamm.estimation.newton import (
    ABSURD,
    AT_EDGE,
    NEAR,
    SHORTEST,
    STALLED,
    Controls,
    Outcome,
    newton_step,
)

__all__ = ["Restriction", "maximize_under"]


class Restriction(Protocol):
    """What the optimiser asks of constraints."""

    def retract(self, theta: np.ndarray) -> np.ndarray | None:
        """A point that meets the constraints near `theta`; None if none is found."""

    def tangent(self, theta: np.ndarray) -> np.ndarray:
        """Orthonormal basis of the free directions, shape (p, d)."""

    def bend(self, theta: np.ndarray, gradient: np.ndarray) -> np.ndarray:
        """Constraints' part of the Hessian of the Lagrangian, shape (p, p)."""


@dataclass(slots=True)
class _Local:
    """Derivatives along the constraint set at a point."""

    basis: np.ndarray
    gradient: np.ndarray
    hessian: np.ndarray

    @classmethod
    def at(cls, theta, gradient, hessian, restriction: Restriction) -> _Local:
        basis = restriction.tangent(theta)
        curved = hessian + restriction.bend(theta, gradient)
        return cls(basis, basis.T @ gradient, basis.T @ curved @ basis)

    def step(self) -> tuple[np.ndarray, float]:
        """Step in the full space, and the Newton decrement."""
        if not len(self.gradient):
            return np.zeros(len(self.basis)), 0.0
        inner = newton_step(self.gradient, self.hessian)[0]
        return self.basis @ inner, float(self.gradient @ inner)


def maximize_under(
    evaluate: Callable, start: np.ndarray, restriction: Restriction, controls: Controls
) -> Outcome:
    """Maximise a function subject to constraints.

    Parameters
    ----------
    evaluate : callable
        ``evaluate(theta, want)`` returns (value, gradient or None, hessian or None); `want` is 0 or 2.
    start : ndarray, shape (p,)
        Need not meet the constraints.
    restriction : Restriction
    controls : Controls

    Returns
    -------
    Outcome
        ``hessian`` is that of the Lagrangian. ``converged=False`` if interrupted or stopped, and with
        a value of -inf if no point meets the constraints.
    """
    began = time.perf_counter()
    p = len(start)
    theta = restriction.retract(np.array(start, dtype=float))
    if theta is None:
        reason = "no parameters were found that meet the constraints"
        return Outcome(start, -np.inf, np.zeros(p), np.zeros((p, p)), False, reason, 0, np.inf)
    value, gradient, hessian = evaluate(theta, 2)
    outcome = Outcome(theta, value, gradient, hessian, False, "", 0, np.inf)
    if not (np.isfinite(value) and np.all(np.isfinite(gradient))):
        outcome.reason = "the log-likelihood is not finite at the starting values"
        return outcome
    try:
        for iteration in range(controls.maxiter + 1):
            local = _Local.at(outcome.theta, outcome.gradient, outcome.hessian, restriction)
            step, decrement = local.step()
            outcome.decrement, outcome.iterations = decrement, iteration
            outcome.path.append((iteration, outcome.value, decrement, time.perf_counter() - began))
            if controls.disp:
                print(
                    f"iteration {iteration:3d}  log-likelihood {outcome.value:.8f}  "
                    f"decrement {decrement:9.2e}  {outcome.path[-1][3]:7.2f} s"
                )
            if decrement < controls.tol:
                outcome.converged, outcome.reason = True, "Newton decrement below tolerance"
                break
            if controls.near_edge(outcome):
                outcome.converged, outcome.reason = True, AT_EDGE
                break
            if iteration == controls.maxiter:
                outcome.reason = f"iteration limit ({controls.maxiter}) reached"
                break
            if not _advance(evaluate, outcome, step, decrement, restriction, controls):
                outcome.converged = decrement < STALLED
                outcome.reason = "no step raises the log-likelihood"
                break
    except KeyboardInterrupt:
        outcome.reason, outcome.interrupted = "interrupted; this is the best point so far", True
    outcome.hessian = outcome.hessian + restriction.bend(outcome.theta, outcome.gradient)
    return outcome


def _advance(evaluate, outcome: Outcome, step, decrement, restriction, controls) -> bool:
    """Move `outcome` along a retracted step, halved until the objective rises. False if none does.

    Near the optimum a full step is also taken when it halves the decrement, as in `newton.maximize`.
    """
    t = 1.0
    for _ in range(30):
        trial = restriction.retract(outcome.theta + t * step)
        if trial is not None:
            value, gradient, hessian = evaluate(trial, 2 if t == 1.0 else 0)
            least = 1e-4 * t * decrement - (controls.slack if decrement < 1.0 else 0.0)
            sound = value < outcome.value + ABSURD * (1.0 + decrement)
            rises = sound and value >= outcome.value + least
            near = t == 1.0 and decrement < NEAR and value > outcome.value - NEAR
            if not rises and near:
                rises = _Local.at(trial, gradient, hessian, restriction).step()[1] < 0.5 * decrement
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
