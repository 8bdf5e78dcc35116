"""Fits from several starting values: a second strategy where the first fails, and random starts."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from sm_gllamm.estimation.verdict import SAME
from sm_gllamm.likelihood.marginal import MarginalLikelihood
from sm_gllamm.models.diagnosis import large_loadings
from sm_gllamm.models.fitting import Fit
from sm_gllamm.models.identification import moderate_steps
from sm_gllamm.models.row_units import row_units
from sm_gllamm.models.starting import start_theta

__all__ = ["best_of_starts", "random_start", "with_second_strategy"]

#: Random starts that the second strategy tries at last.
ATTEMPTS = 1
#: Iterations from which on a limit is no wish of the user for a short run.
LONG = 50
#: Spread of random starts: logarithms of standard deviations and loadings, effects of moderate size, and
#: the probability that a loading changes its sign.
SPREAD, MOVE, TURN = 0.5, 0.5, 0.15


def random_start(likelihood: MarginalLikelihood, theta: np.ndarray, seed: int) -> np.ndarray:
    """Starting values at random around given ones: everything but the fixed part and the dispersions.

    Parameters
    ----------
    likelihood : MarginalLikelihood
    theta : ndarray, shape (p,)
    seed : int
        The same start for the same seed.

    Returns
    -------
    ndarray, shape (p,)
    """
    mapping, rng = likelihood.mapping, np.random.default_rng(seed)
    theta = np.array(theta, dtype=float)
    z = rng.normal(size=len(theta))
    turn = np.where(rng.random(len(theta)) < TURN, -1.0, 1.0)
    step = moderate_steps(likelihood, theta, row_units(likelihood, theta))
    sizes = np.array(sorted(mapping.diagonal), dtype=np.intp)
    moved = np.zeros(len(theta), dtype=bool)
    for _, _, block, _ in mapping.terms:
        moved[block] = True
    loadings = np.zeros(len(theta), dtype=bool)
    for block, slot in mapping.slots:
        loadings[block] = slot.slot == "loading"
        moved[block] = slot.slot == "regression"
    moved[sizes] = False
    theta[loadings] *= (turn * np.exp(SPREAD * z))[loadings]
    theta[sizes] *= np.exp(SPREAD * z[sizes])
    return np.where(moved, theta + MOVE * step * z, theta)


def _rank(fit: Fit) -> float:
    """The log-likelihood, lower by what it may be wrong by where the run did not converge."""
    value = fit.outcome.value
    if not np.isfinite(value):
        return -np.inf
    if fit.outcome.converged:
        return value
    return value - SAME - (fit.error if np.isfinite(fit.error) else 0.0)


def with_second_strategy(
    run: Callable[[np.ndarray], Fit],
    likelihood: MarginalLikelihood,
    start,
    maxiter: int,
    first: Fit,
    without_moments: bool = True,
) -> Fit:
    """The first fit, or where it did not converge the best of that and of fits from other starts.

    Parameters
    ----------
    run : callable
        Starting values to a Fit.
    likelihood : MarginalLikelihood
    start : ndarray, shape (p,)
        Of the first fit.
    maxiter : int
        Limit of a run.
    first : Fit
    without_moments : bool
        Whether the start that does not use moments of the responses is among the others.
    """
    best = first
    if best.outcome.iterations >= maxiter < LONG:
        return best
    others = _other_starts(likelihood, start, without_moments)
    while not (best.outcome.converged or best.outcome.interrupted):
        theta = next(others, None)
        if theta is None:
            break
        best = max(best, run(theta), key=_rank)
        if large_loadings(likelihood, best.outcome.theta, converged=False):
            # it will run away again
            break
    return best


def _other_starts(
    likelihood: MarginalLikelihood, start, without_moments: bool
) -> Iterator[np.ndarray]:
    """Starting values to try after `start`: without moments, then at random."""
    if without_moments:
        without = start_theta(likelihood, use_moments=False)[0]
        if not np.array_equal(without, start):
            yield without
    for seed in range(ATTEMPTS):
        yield random_start(likelihood, start, seed)


def best_of_starts(
    run: Callable[[np.ndarray], Fit], likelihood: MarginalLikelihood, start, n_starts: int
) -> tuple[Fit, tuple[float, ...]]:
    """The best of runs from the given start and from random ones around it.

    Parameters
    ----------
    run, likelihood, start
        As for :func:`with_second_strategy`.
    n_starts : int

    Returns
    -------
    fit : Fit
    values : tuple of float
        Log-likelihood of each run, NaN where it did not converge.
    """
    best = run(start)
    values = [best.outcome.value if best.outcome.converged else float("nan")]
    for seed in range(1, n_starts):
        if best.outcome.interrupted:
            break
        fit = run(random_start(likelihood, start, seed))
        values.append(fit.outcome.value if fit.outcome.converged else float("nan"))
        if fit.outcome.interrupted or _rank(fit) > _rank(best):
            best = fit
    return best, tuple(values)
