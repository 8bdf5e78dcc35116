"""The maximum of a mixture's log-likelihood: EM-gradient steps, then Newton's method, from several starts.

Steps with the information of the complete data (Lange 1995, *JRSS B* 57) climb from anywhere, as EM
does; near the maximum Newton's method with the observed information ends it. Probabilities that go to
zero have logits without a maximum: they are held far out, and the rest is estimated.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

import numpy as np

from sm_gllamm.estimation.newton import Controls, Outcome, maximize

__all__ = ["Found", "climb", "search"]

#: Decrement at which EM-gradient steps give way to Newton's method, and the most of them.
NEAR, GRADIENT_STEPS = 0.1, 60
#: Rounds of holding and releasing probabilities.
ROUNDS = 8
BOUNDARY = "a probability goes to zero"
UNBOUNDED = "the likelihood is unbounded"


@dataclass(slots=True)
class Found:
    """A maximum.

    Attributes
    ----------
    outcome : Outcome
        Its gradient and Hessian are those of the parameters that are not held.
    theta : ndarray, shape (p,)
    held : ndarray of bool, shape (p,)
    """

    outcome: Outcome
    theta: np.ndarray
    held: np.ndarray

    @property
    def value(self) -> float:
        return self.outcome.value


def _objective(likelihood, theta: np.ndarray, free: np.ndarray, complete: bool):
    """The log-likelihood in the free parameters."""

    def evaluate(values, want):
        full = theta.copy()
        full[free] = values
        if complete:
            result = likelihood.evaluate_complete(full, want)
        else:
            result = likelihood.evaluate(full, want, by_cluster=False)
        if not want or not np.isfinite(result.total):
            return result.total, None, None
        hessian = result.hessian
        return result.total, result.gradient[free], hessian[free[:, None], free]

    return evaluate


def climb(
    likelihood, theta: np.ndarray, controls: Controls, edges: Callable | None = None,
    gradient_steps: int = GRADIENT_STEPS, held: np.ndarray | None = None,
    hopeless: Callable | None = None,
) -> Found:  # fmt: skip
    """The maximum above a starting value.

    Parameters
    ----------
    likelihood : MixtureLikelihood
    theta : ndarray, shape (p,)
    controls : Controls
    edges : callable, optional
        ``edges(theta, held)`` returns parameters with those that run to infinity held, or None where
        there are no new ones.
    gradient_steps : int
        At most; 0 for Newton's method from the beginning.
    held : ndarray of bool, shape (p,), optional
        Parameters that stay where they are.
    hopeless : callable, optional
        ``hopeless(theta)`` says whether the likelihood has no maximum where the parameters go.

    Returns
    -------
    Found
    """
    theta = np.array(theta, dtype=float)
    held = np.zeros(len(theta), dtype=bool) if held is None else held.copy()
    if edges is not None and (moved := edges(theta, held)) is not None:
        theta, held = moved
    used, path = 0, []
    for _ in range(ROUNDS):
        free = np.flatnonzero(~held)
        stop = None
        if edges is not None or hopeless is not None:

            def stop(values, theta=theta, free=free, held=held):
                full = theta.copy()
                full[free] = values
                if hopeless is not None and hopeless(full):
                    return UNBOUNDED
                return BOUNDARY if edges is not None and edges(full, held) is not None else ""

        left = replace(controls, maxiter=max(controls.maxiter - used, 0), stop=stop)
        outcome = None
        if gradient_steps:
            rough = replace(
                left, tol=max(NEAR, controls.tol), maxiter=min(left.maxiter, gradient_steps)
            )
            outcome = maximize(_objective(likelihood, theta, free, True), theta[free], rough)
            used, path = used + outcome.iterations, path + outcome.path
            theta[free] = outcome.theta
            left = replace(left, maxiter=max(controls.maxiter - used, 0))
        if outcome is None or not (outcome.interrupted or outcome.reason in (BOUNDARY, UNBOUNDED)):
            outcome = maximize(_objective(likelihood, theta, free, False), theta[free], left)
            used, path = used + outcome.iterations, path + outcome.path
            theta[free] = outcome.theta
        if outcome.interrupted or outcome.reason == UNBOUNDED:
            break
        moved = None if edges is None else edges(theta, held)
        if moved is None:
            break
        theta, held = moved
        gradient_steps = 0
    outcome.iterations, outcome.path = used, path
    return Found(outcome, theta, held)


def _rank(found: Found) -> float:
    """The log-likelihood; only converged solutions compete."""
    value = found.value
    return value if np.isfinite(value) and found.outcome.converged else -np.inf


def search(
    runs: Iterable[Found], refuse: Callable[[Found], bool] | None = None,
    progress: Callable | None = None,
) -> tuple[Found, tuple[float, ...]]:  # fmt: skip
    """The best of the maxima above several starts.

    Parameters
    ----------
    runs : iterable of Found
        Ends of runs, made as they are asked for.
    refuse : callable, optional
        Whether a maximum does not count, as one where the likelihood is unbounded.
    progress : callable, optional
        ``progress(number, found, best)`` after every run.

    Returns
    -------
    found : Found
        The best one that converged; where none did the highest.
    values : tuple of float
        Log-likelihood of each run, NaN where it did not converge or does not count.
    """
    best: Found | None = None
    values: list[float] = []
    everything = enumerate(runs)
    while True:
        try:
            number, found = next(everything)
        except StopIteration:
            break
        except KeyboardInterrupt:
            # between runs: the best one until now is what there is
            if best is None:
                raise
            best.outcome.interrupted = True
            break
        counts = refuse is None or not refuse(found)
        converged = found.outcome.converged and counts
        values.append(found.value if converged else float("nan"))
        if not counts:
            found.outcome.converged = False
        if best is None or (_rank(found), found.value) > (_rank(best), best.value):
            best = found
        if progress is not None:
            progress(number, found, best)
        if found.outcome.interrupted:
            best.outcome.interrupted = True
            break
    assert best is not None
    return best, tuple(values)
