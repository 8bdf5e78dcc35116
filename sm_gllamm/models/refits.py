"""The same model fitted again: to resampled clusters or to simulated responses."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from sm_gllamm.estimation.constrained import maximize_under
from sm_gllamm.estimation.newton import Controls, maximize
from sm_gllamm.likelihood.marginal import MarginalLikelihood
from sm_gllamm.likelihood.reml import RestrictedLikelihood
from sm_gllamm.mapping.assemble import assemble
from sm_gllamm.mapping.rows import rows_of
from sm_gllamm.models.diagnosis import diagonal_units
from sm_gllamm.models.fitting import objective
from sm_gllamm.models.restrictions import ParameterRestriction
from sm_gllamm.models.row_units import row_units
from sm_gllamm.prediction.simulate import latent_draws, observed

__all__ = ["away_from_zero", "bootstrap_estimates", "resampled_problem", "simulated_problem"]

#: Random-effect SDs below this share of the SD that moves nu by one are too near to the saddle at zero.
NEAR_ZERO = 0.01


def away_from_zero(model, theta: np.ndarray) -> np.ndarray:
    """Starting values off the saddle where a Cholesky diagonal is zero and its gradient vanishes.

    Parameters
    ----------
    model : LatentVariableModel
    theta : ndarray, shape (p,)

    Returns
    -------
    ndarray, shape (p,)
    """
    theta = np.array(theta, dtype=float)
    scale = row_units(model.likelihood, theta)
    for position, unit in diagonal_units(model.likelihood, theta, scale):
        if abs(theta[position]) < NEAR_ZERO * unit:
            theta[position] = 0.1 * unit
    return theta


def resampled_problem(model, rng: np.random.Generator):
    """The problem with top-level clusters drawn with replacement: one drawn m times counts m times."""
    problem = model.assembly.problem
    n = problem.n_top
    times = rng.multinomial(n, np.full(n, 1.0 / n)).astype(float)
    given = problem.cluster_weights[-1]
    weights = times if given is None else given * times
    return replace(problem, cluster_weights=(*problem.cluster_weights[:-1], weights))


def simulated_problem(model, params: np.ndarray, rng: np.random.Generator):
    """Responses drawn from the model at `params`, everything else as it is."""
    problem, order = model.assembly.problem, model.assembly.order
    data = observed(model, next(latent_draws(model, params, 1, rng)))
    if getattr(model.family, "layout", "plain") == "plain":
        y = np.ascontiguousarray(data.y if order is None else data.y[order])
        return replace(problem, y=y, constant=model.response.constant(y, problem.trials))
    # which rows the likelihood has depends on the responses
    rows = rows_of(model.family, model.response, data)
    weights = model.weights.by_level
    return assemble(data, rows, model.random, problem.exact, weights, model._lay_out()).problem


def _refit(likelihood, start, reml: bool, restriction, controls: Controls):
    """Estimates in theta, or None where the optimiser failed."""
    if reml:
        k = likelihood.mapping.k_exog
        restricted = RestrictedLikelihood(likelihood)
        outcome = maximize(
            lambda free, want: restricted.evaluate(free, start, want), start[k:], controls
        )
        theta = restricted.profile(np.concatenate([start[:k], outcome.theta]))[0]
    elif restriction is not None:
        outcome = maximize_under(objective(likelihood), start, restriction, controls)
        theta = outcome.theta
    else:
        outcome = maximize(objective(likelihood), start, controls)
        theta = outcome.theta
    if outcome.interrupted:
        raise KeyboardInterrupt
    return theta if outcome.converged else None


def bootstrap_estimates(
    model, params, theta, quadrature, method: str, rng, n_rep: int, reml=False, constraints=None
) -> Iterator[np.ndarray | None]:
    """Estimates of bootstrap samples, one after the other.

    Parameters
    ----------
    model : LatentVariableModel
    params : ndarray, shape (p,)
        Published estimates, from which responses are simulated.
    theta : ndarray, shape (p,)
        Internal estimates, from which the optimiser starts.
    quadrature : Quadrature
        Rules of the fit.
    method : {"cluster", "parametric"}
    rng : numpy.random.Generator
    n_rep : int
    reml : bool
    constraints : LinearConstraints, optional
        Kept in all samples.

    Yields
    ------
    ndarray, shape (p,), or None
        Published parameters; None where the fit did not converge.
    """
    start = away_from_zero(model, theta)
    controls = Controls(maxiter=50, tol=1e-8 if reml else 1e-9)
    restriction = None if constraints is None else ParameterRestriction(model.mapping, constraints)
    for _ in range(n_rep):
        if method == "cluster":
            problem = model.resampled_problem(rng)
        else:
            problem = model.simulated_problem(params, rng)
        likelihood = MarginalLikelihood(problem, model.mapping, model.n_threads)
        likelihood.prior = model.likelihood.prior
        likelihood.use(quadrature.of(problem))
        found = _refit(likelihood, start, reml, restriction, controls)
        yield None if found is None else model.mapping.params(found)
