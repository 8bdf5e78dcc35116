"""Laws of counts: Poisson and negative binomial ones, with more zeros or with none."""

from __future__ import annotations

import numpy as np
from scipy import stats

from sm_gllamm.responses.forms import Event, Function, InverseLink
from sm_gllamm.responses.laws import Law, MeanLaw

__all__ = ["NB1", "NB2", "POISSON", "ZeroInflated", "ZeroTruncated"]


class CountLaw(MeanLaw):
    """Counts, with what it takes to truncate them at zero."""

    natural = "Log"

    def distribution(self, mean: np.ndarray, alpha: np.ndarray):
        """scipy's distribution."""
        raise NotImplementedError

    def minus_log_zero(self, mean: np.ndarray, alpha: np.ndarray) -> np.ndarray:
        """Minus the logarithm of the probability of a zero."""
        raise NotImplementedError

    def excess(self, alpha: np.ndarray) -> tuple[Event, ...]:
        """What the truncated mean has beyond the mean, as densities of the truncated count."""
        raise NotImplementedError


class _Poisson(CountLaw):
    positive = True

    def variance(self, mean, given):
        return mean

    def draw_given(self, rng, mean, given):
        return rng.poisson(mean).astype(float)

    def distribution(self, mean, alpha):
        return stats.poisson(mean)

    def minus_log_zero(self, mean, alpha):
        return mean

    def excess(self, alpha):
        return (Event(1.0),)


class _NegativeBinomial2(CountLaw):
    def variance(self, mean, given):
        return mean * (1.0 + given.dispersion * mean)

    def draw_given(self, rng, mean, given):
        alpha = given.dispersion
        return rng.poisson(rng.gamma(1.0 / alpha, alpha * mean)).astype(float)

    def distribution(self, mean, alpha):
        return stats.nbinom(1.0 / alpha, 1.0 / (1.0 + alpha * mean))

    def minus_log_zero(self, mean, alpha):
        return np.log1p(alpha * mean) / alpha

    def excess(self, alpha):
        return Event(1.0), Event(1.0, factor=alpha, rate=True)


class _NegativeBinomial1(CountLaw):
    def variance(self, mean, given):
        return mean * (1.0 + given.dispersion)

    def draw_given(self, rng, mean, given):
        alpha = given.dispersion
        return rng.poisson(rng.gamma(mean / alpha, alpha)).astype(float)

    def distribution(self, mean, alpha):
        return stats.nbinom(mean / alpha, 1.0 / (1.0 + alpha))

    def minus_log_zero(self, mean, alpha):
        return mean * np.log1p(alpha) / alpha

    def excess(self, alpha):
        return (Event(1.0, factor=1.0 + alpha),)


POISSON, NB2, NB1 = _Poisson(), _NegativeBinomial2(), _NegativeBinomial1()


def _with_zeros(rng, y: np.ndarray, passed: np.ndarray) -> np.ndarray:
    """Counts, in place of which there are zeros where they do not pass."""
    if np.all(passed == 1.0):
        return y
    return np.where(rng.random(len(y)) < 1.0 - passed, 0.0, y)


class ZeroInflated(Law):
    """Zero with a probability, otherwise a count.

    Parameters
    ----------
    law : CountLaw
    """

    needs = ("zero",)

    def __init__(self, law: CountLaw):
        self.law = law

    def forms(self, given):
        return [InverseLink(given.link, factor=given.passed)]

    def variance(self, mean, given):
        count = mean / given.passed
        second = self.law.variance(count, given) + count**2
        return given.passed * second - mean**2

    def draw(self, rng, nu, given):
        return _with_zeros(rng, self.law.draw(rng, nu, given), given.passed)


class ZeroTruncated(Law):
    """A count given that it is not zero; with a hurdle, zero with a probability and else such a count.

    Parameters
    ----------
    law : CountLaw
        With mean mu = exp(nu) before the truncation, and the probability p of a zero. The mean is mu
        plus ``mu p / (1 - p)``, its excess.
    """

    needs = ("zero", "dispersion")

    def __init__(self, law: CountLaw):
        self.law = law

    def _excess(self, nu: np.ndarray, alpha: np.ndarray) -> np.ndarray:
        mean = np.exp(np.clip(nu, -700.0, 700.0))
        with np.errstate(over="ignore"):
            return mean / np.expm1(self.law.minus_log_zero(mean, alpha))

    def forms(self, given):
        alpha, passed = given.dispersion, given.passed

        def excess(nu, rows):
            return passed[rows, None] * self._excess(nu, alpha[rows, None])

        # the events are of the whole response, hurdle included
        events = self.law.excess(alpha)
        return [InverseLink(given.link, factor=passed), Function(excess, events)]

    def combined(self, values, given):
        return values[0] + values[1]

    def _predictor(self, mean: np.ndarray, alpha: np.ndarray) -> np.ndarray:
        """The predictor that a mean of truncated counts belongs to, by bisection; shape (n,)."""
        low, high = np.full(len(mean), -40.0), np.log(np.maximum(mean, 1.0))
        for _ in range(60):
            middle = (low + high) / 2.0
            below = np.exp(middle) + self._excess(middle, alpha) < mean
            low, high = np.where(below, middle, low), np.where(below, high, middle)
        return np.where(np.isfinite(mean), (low + high) / 2.0, np.nan)

    def variance(self, mean, given):
        alpha, passed = given.dispersion, given.passed
        count = np.exp(self._predictor(mean / passed, alpha))
        # E y^2 of the truncated count is that of the count over its probability of not being zero
        positive = -np.expm1(-self.law.minus_log_zero(count, alpha))
        second = self.law.variance(count, given) + count**2
        return passed * second / positive - mean**2

    def draw(self, rng, nu, given):
        # by the inverse of the distribution function
        law = self.law.distribution(np.exp(nu), given.dispersion)
        zero = law.cdf(0)
        y = np.maximum(law.ppf(zero + rng.random(given.n) * (1.0 - zero)), 1.0)
        return _with_zeros(rng, y, given.passed)
