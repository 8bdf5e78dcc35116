"""Draws of responses from a model, with new or with given random effects."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from sm_gllamm.prediction.averaging import averages
from sm_gllamm.prediction.means import linear_predictor
from sm_gllamm.prediction.rows import model_rows

__all__ = ["draw_response", "response_draws"]


def draw_response(
    family: str, mean: np.ndarray, trials: np.ndarray, dispersion: float, rng: np.random.Generator
) -> np.ndarray:
    """Responses given their conditional means.

    Parameters
    ----------
    family : {"Binomial", "Poisson", "Gaussian"}
    mean : ndarray, shape (n,)
        Probabilities for the binomial.
    trials : ndarray, shape (n,)
    dispersion : float
        Residual variance of the gaussian.
    rng : numpy.random.Generator

    Returns
    -------
    ndarray, shape (n,)
        Counts of successes for the binomial.
    """
    if family == "Binomial":
        return rng.binomial(trials.astype(np.int64), mean).astype(float)
    if family == "Poisson":
        return rng.poisson(mean).astype(float)
    return rng.normal(mean, np.sqrt(dispersion))


def response_draws(
    model, params, n: int, rng: np.random.Generator, random_effects=None
) -> Iterator[np.ndarray]:
    """Simulated responses for the rows of a model, one draw after the other.

    Parameters
    ----------
    model : GLMM
    params : array_like, shape (p,)
        Published parameters.
    n : int
        Number of draws.
    rng : numpy.random.Generator
    random_effects : sequence of ndarray, each of shape (J_l, q_l), optional
        Random effects by cluster code, lowest level first, the same in all draws. None draws new
        ones from their distribution for every draw.

    Yields
    ------
    ndarray, shape (nobs,)
    """
    params = np.asarray(params, dtype=float)
    rows = model_rows(model)
    theta = model.mapping.theta(params)
    fixed = linear_predictor(params, rows)
    trials = model.assembly.unsort(model.assembly.problem.trials)
    dispersion = float(params[-1]) if model.mapping.dispersion else 1.0
    factors = [model.mapping.factor(theta, i) for i in range(len(model.random))]
    columns = [level.columns for level in model.random]
    for _ in range(n):
        linear = fixed.copy()
        for i, level in enumerate(model.random):
            if random_effects is None:
                standard = rng.standard_normal((level.n_clusters, len(level.names)))
                effects = standard @ factors[i].T
            else:
                effects = random_effects[i]
            linear += np.einsum("nq,nq->n", columns[i], effects[level.codes])
        mean = averages(model.response.link, linear, np.zeros_like(linear))[0]
        yield draw_response(model.response.family, mean, trials, dispersion, rng)
