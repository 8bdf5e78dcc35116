"""Variances and random draws of responses given their means: what their statistics need beside a density."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

__all__ = [
    "BETA",
    "BINOMIAL",
    "GAMMA",
    "GAUSSIAN",
    "INVERSE_GAUSSIAN",
    "Law",
    "NB1",
    "NB2",
    "POISSON",
]


@dataclass(frozen=True, slots=True)
class Law:
    """A distribution with a given mean.

    Attributes
    ----------
    variance : callable
        ``variance(mean, trials, dispersion)``; of proportions for binomial counts.
    draw : callable
        ``draw(rng, mean, trials, dispersion)``, all of shape (n,); the dispersion is the exponential of
        the first slot, one for responses without.
    """

    variance: Callable
    draw: Callable


def _binomial_variance(mean, trials, dispersion):
    return mean * (1.0 - mean) / trials


def _binomial(rng, mean, trials, dispersion):
    return rng.binomial(trials.astype(np.int64), mean).astype(float)


def _poisson_variance(mean, trials, dispersion):
    return mean


def _poisson(rng, mean, trials, dispersion):
    return rng.poisson(mean).astype(float)


def _nb2_variance(mean, trials, alpha):
    return mean * (1.0 + alpha * mean)


def _nb2(rng, mean, trials, alpha):
    return rng.poisson(rng.gamma(1.0 / alpha, alpha * mean)).astype(float)


def _nb1_variance(mean, trials, alpha):
    return mean * (1.0 + alpha)


def _nb1(rng, mean, trials, alpha):
    return rng.poisson(rng.gamma(mean / alpha, alpha)).astype(float)


def _gaussian_variance(mean, trials, sd):
    return np.broadcast_to(sd**2, mean.shape)


def _gaussian(rng, mean, trials, sd):
    return rng.normal(mean, sd)


def _gamma_variance(mean, trials, phi):
    return phi * mean**2


def _gamma(rng, mean, trials, phi):
    return rng.gamma(1.0 / phi, mean * phi)


def _inverse_gaussian_variance(mean, trials, phi):
    return phi * mean**3


def _inverse_gaussian(rng, mean, trials, phi):
    return rng.wald(mean, 1.0 / phi)


def _beta_variance(mean, trials, precision):
    return mean * (1.0 - mean) / (1.0 + precision)


def _beta(rng, mean, trials, precision):
    y = rng.beta(mean * precision, (1.0 - mean) * precision)
    # zero and one are limits of rounding
    return np.clip(y, np.finfo(float).tiny, 1.0 - np.finfo(float).epsneg)


BINOMIAL = Law(_binomial_variance, _binomial)
POISSON = Law(_poisson_variance, _poisson)
NB2 = Law(_nb2_variance, _nb2)
NB1 = Law(_nb1_variance, _nb1)
GAUSSIAN = Law(_gaussian_variance, _gaussian)
GAMMA = Law(_gamma_variance, _gamma)
INVERSE_GAUSSIAN = Law(_inverse_gaussian_variance, _inverse_gaussian)
BETA = Law(_beta_variance, _beta)
