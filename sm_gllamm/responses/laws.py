"""What a response is, beside its density: its mean, its variance and how to draw it.

Prediction averages these over random effects, differentiates and integrates them; it knows responses by
the methods of :class:`Law` alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from sm_gllamm.responses.forms import Form, InverseLink

__all__ = [
    "BETA",
    "BINOMIAL",
    "BINOMIAL_ASYMPTOTES",
    "Composite",
    "GAMMA",
    "GAUSSIAN",
    "Given",
    "INVERSE_GAUSSIAN",
    "Law",
    "MeanLaw",
]


class Given(Protocol):
    """What responses have beside their linear predictors, by row: arrays of shape (n,).

    Attributes
    ----------
    n : int
    link : str
        Name of the response's link.
    dispersion : ndarray
        Exponential of the dispersion's predictor: dispersion, alpha, precision, shape, scale, of
        gaussian responses the SD. One for responses without.
    passed : ndarray
        One minus the probability of an additional zero, or of not passing the hurdle.
    lower, upper : ndarray
        Asymptotes of probabilities, 0 and 1 for responses without.
    scale : ndarray
        Scale of the latent response of ordinal models.
    thresholds : ndarray, shape (n, K - 1)
    categories : tuple
        Labels of K categories.
    trials : ndarray
        Denominators of binomial counts.
    entry : ndarray or None
        Times of late entry.
    y : ndarray
        The responses of the data, of which a ranking tells how many alternatives are ranked.
    groups : list of ndarray
        Positions of the rows of choice sets or composite responses, an array of shape (number of
        sets, size) for each size.
    parts : ndarray
        Weights of composite responses.
    links : ndarray of str
        Links of composite responses.
    """

    n: int
    link: str
    dispersion: np.ndarray
    passed: np.ndarray
    lower: np.ndarray
    upper: np.ndarray
    scale: np.ndarray
    thresholds: np.ndarray
    categories: tuple
    trials: np.ndarray
    entry: np.ndarray | None
    y: np.ndarray
    groups: list[np.ndarray]
    parts: np.ndarray
    links: np.ndarray


class Law:
    """The distribution of a response given its linear predictor.

    What is predicted is combined from `forms`, functions of the predictor that are averaged one by one:
    as it stands the inverse link, combined to itself.

    Attributes
    ----------
    needs : tuple of str
        Slots that the prediction depends on.
    categorical : bool
        Whether what is predicted are probabilities of categories, one column each.
    alternatives : bool
        Whether rows are alternatives of choice sets.
    lowest : float
        Lower bound of durations, minus infinity for other responses that may be censored.
    positive : bool
        Whether the mean must be positive whatever the link.
    interval : str or None
        Name of the link on the scale of which intervals of predictions are symmetric; None: its own.
    """

    needs: tuple[str, ...] = ()
    categorical = False
    alternatives = False
    lowest = -np.inf
    positive = False
    interval: str | None = None

    def forms(self, given: Given) -> list[Form]:
        """Functions of the linear predictor that the prediction is combined from."""
        return [InverseLink(given.link)]

    def combined(self, values: Sequence[np.ndarray], given: Given) -> np.ndarray:
        """The prediction, shape (n,) or (n, K), from values or averages of its forms."""
        return values[0]

    def at(self, nu: np.ndarray, given: Given) -> np.ndarray:
        """The prediction given linear predictors of shape (n,)."""
        return self.combined([form.at(nu) for form in self.forms(given)], given)

    def copies(self, categories: int) -> int:
        """Number of linear predictors of a row, given that of categories; 0 where there is a single one."""
        return 0

    def draw(self, rng: np.random.Generator, nu: np.ndarray, given: Given) -> np.ndarray:
        """Random responses, shape (n,); codes of categories."""
        raise NotImplementedError

    def variance(self, mean: np.ndarray, given: Given) -> np.ndarray:
        """Variance of responses with the given means, shape (n,); of binomial counts that of proportions."""
        raise NotImplementedError

    def restricted(self, link: str) -> bool:
        """Whether there is a mean for positive predictors only."""
        return link in ("InversePower", "InverseSquared") or self.positive and link == "Identity"


class MeanLaw(Law):
    """A distribution with a given mean, the inverse link of the predictor.

    Attributes
    ----------
    natural : str
        Name of a link that takes the means of the distribution to the real line.
    """

    natural = "Identity"

    def draw_given(self, rng: np.random.Generator, mean: np.ndarray, given: Given) -> np.ndarray:
        """Random responses with given means, of binomial counts the means of proportions."""
        raise NotImplementedError

    def draw(self, rng, nu, given):
        return self.draw_given(rng, self.at(nu, given), given)


class Composite(Law):
    """Responses whose mean is a weighted sum of inverse links over several rows.

    Parameters
    ----------
    law : MeanLaw
        Given that mean.
    """

    def __init__(self, law: MeanLaw):
        self.law, self.interval = law, law.natural

    def forms(self, given):
        return [InverseLink(given.links, factor=given.parts)]

    def combined(self, values, given):
        out = np.empty(given.n)
        for at in given.groups:
            out[at] = values[0][at].sum(axis=1, keepdims=True)
        return out

    def draw(self, rng, nu, given):
        y = self.law.draw_given(rng, self.at(nu, given), given)
        for at in given.groups:
            y[at] = y[at[:, :1]]
        return y

    def variance(self, mean, given):
        return self.law.variance(mean, given)

    def restricted(self, link):
        return False


class _Binomial(MeanLaw):
    natural = "Logit"

    def variance(self, mean, given):
        return mean * (1.0 - mean) / given.trials

    def draw_given(self, rng, mean, given):
        return rng.binomial(given.trials.astype(np.int64), mean).astype(float)


class _BinomialAsymptotes(_Binomial):
    needs = ("lower", "upper")

    def forms(self, given):
        return [InverseLink(given.link, factor=given.upper - given.lower)]

    def combined(self, values, given):
        return given.lower + values[0]


class _Gaussian(MeanLaw):
    def variance(self, mean, given):
        return np.broadcast_to(given.dispersion**2, mean.shape)

    def draw_given(self, rng, mean, given):
        return rng.normal(mean, given.dispersion)


class _Gamma(MeanLaw):
    natural = interval = "Log"
    positive = True

    def variance(self, mean, given):
        return given.dispersion * mean**2

    def draw_given(self, rng, mean, given):
        return rng.gamma(1.0 / given.dispersion, mean * given.dispersion)


class _InverseGaussian(MeanLaw):
    natural = interval = "Log"
    positive = True

    def variance(self, mean, given):
        return given.dispersion * mean**3

    def draw_given(self, rng, mean, given):
        return rng.wald(mean, 1.0 / given.dispersion)


class _Beta(MeanLaw):
    natural = "Logit"

    def variance(self, mean, given):
        return mean * (1.0 - mean) / (1.0 + given.dispersion)

    def draw_given(self, rng, mean, given):
        y = rng.beta(mean * given.dispersion, (1.0 - mean) * given.dispersion)
        # zero and one are limits of rounding
        return np.clip(y, np.finfo(float).tiny, 1.0 - np.finfo(float).epsneg)


BINOMIAL, BINOMIAL_ASYMPTOTES = _Binomial(), _BinomialAsymptotes()
GAUSSIAN, GAMMA = _Gaussian(), _Gamma()
INVERSE_GAUSSIAN, BETA = _InverseGaussian(), _Beta()
