"""Laws of durations, and of gaussian responses that may be censored.

Means, survival functions and draws are those of the durations themselves, as if nothing were censored.
"""

from __future__ import annotations

import numpy as np
from scipy.special import gammaincc, gammainccinv, gammaln, ndtri

from sm_gllamm.responses.forms import Event, Form, Function, InverseLink
from sm_gllamm.responses.laws import Given, Law

__all__ = [
    "AcceleratedFailure",
    "CENSORED_GAUSSIAN",
    "GAMMA_DURATION",
    "GUMBEL",
    "LOGISTIC",
    "NORMAL",
    "ProportionalHazards",
    "Survival",
]


class Survival(Law):
    """A response with a survival function, beyond a time of entry if there is one."""

    needs = ("dispersion",)
    lowest = 0.0

    def survival(self, time: np.ndarray, given: Given) -> Form:
        """Probability that the response exceeds `time`, shape (n,), as a function of the predictor."""
        raise NotImplementedError

    def exceeded(self, survival: np.ndarray, nu: np.ndarray, given: Given) -> np.ndarray:
        """The value that is exceeded with probability `survival`, shape (n,)."""
        raise NotImplementedError

    def draw(self, rng, nu, given):
        survival = 1.0 - rng.random(given.n)
        late = np.zeros(given.n, dtype=bool) if given.entry is None else given.entry > self.lowest
        if late.any():
            alive = self.survival(np.where(late, given.entry, 1.0), given).at(nu)
            survival = survival * np.where(late, alive, 1.0)
        return self.exceeded(survival, nu, given)


class Error:
    """A standard distribution of log durations about their location.

    Attributes
    ----------
    link : str
        ``P(W > w)`` is the inverse of this link at -w.
    """

    link = ""

    def log_mgf(self, s: np.ndarray) -> np.ndarray:
        """Logarithm of ``E exp(s W)``."""
        raise NotImplementedError

    def exceeded(self, p: np.ndarray) -> np.ndarray:
        """The w with ``P(W > w) = p``."""
        raise NotImplementedError


class _Normal(Error):
    link = "Probit"

    def log_mgf(self, s):
        return 0.5 * s**2

    def exceeded(self, p):
        return -ndtri(p)


class _Logistic(Error):
    link = "Logit"

    def log_mgf(self, s):
        angle = np.pi * np.where(s < 1.0, s, 0.5)
        return np.where(s < 1.0, np.log(angle / np.sin(angle)), np.inf)

    def exceeded(self, p):
        return np.log((1.0 - p) / p)


class _Gumbel(Error):
    """The minimum-extreme-value distribution."""

    link = "LogLog"

    def log_mgf(self, s):
        return gammaln(1.0 + s)

    def exceeded(self, p):
        return np.log(-np.log(p))


NORMAL, LOGISTIC, GUMBEL = _Normal(), _Logistic(), _Gumbel()


class AcceleratedFailure(Survival):
    """Durations with ``log T = nu + scale W``.

    Parameters
    ----------
    error : Error
        Of W.
    """

    def __init__(self, error: Error):
        self.error = error

    def _location(self, given: Given) -> tuple:
        """Slope of the location of log T in nu, and its scale."""
        return 1.0, given.dispersion

    def forms(self, given):
        slope, scale = self._location(given)
        return [InverseLink("Log", slope=slope, factor=np.exp(self.error.log_mgf(scale)))]

    def variance(self, mean, given):
        scale = self._location(given)[1]
        with np.errstate(invalid="ignore"):
            ratio = np.expm1(self.error.log_mgf(2.0 * scale) - 2.0 * self.error.log_mgf(scale))
        return mean**2 * np.where(np.isnan(ratio), np.inf, ratio)

    def survival(self, time, given):
        slope, scale = self._location(given)
        return InverseLink(self.error.link, shift=-np.log(time) / scale, slope=slope / scale)

    def exceeded(self, survival, nu, given):
        slope, scale = self._location(given)
        return np.exp(slope * nu + scale * self.error.exceeded(survival))


class ProportionalHazards(AcceleratedFailure):
    """Durations with survival function ``exp(-t^shape exp(nu))``."""

    def __init__(self):
        super().__init__(GUMBEL)

    def _location(self, given):
        return -1.0 / given.dispersion, 1.0 / given.dispersion


class _GammaDuration(Survival):
    """Gamma durations with mean exp(nu) and variance dispersion times the squared mean."""

    def variance(self, mean, given):
        return given.dispersion * mean**2

    def survival(self, time, given):
        log_time, dispersion = np.log(time), given.dispersion

        def survival(nu, rows):
            shape = 1.0 / dispersion[rows, None]
            return gammaincc(shape, shape * np.exp(np.minimum(log_time[rows, None] - nu, 700.0)))

        return Function(survival, (Event(time, np.inf),))

    def exceeded(self, survival, nu, given):
        return np.exp(nu) * given.dispersion * gammainccinv(1.0 / given.dispersion, survival)


class _CensoredGaussian(Survival):
    """Gaussian responses."""

    needs = ()
    lowest = -np.inf

    def variance(self, mean, given):
        return np.broadcast_to(given.dispersion**2, mean.shape)

    def survival(self, time, given):
        return InverseLink("Probit", shift=-time / given.dispersion, slope=1.0 / given.dispersion)

    def exceeded(self, survival, nu, given):
        return nu - given.dispersion * ndtri(survival)


GAMMA_DURATION = _GammaDuration()
CENSORED_GAUSSIAN = _CensoredGaussian()
