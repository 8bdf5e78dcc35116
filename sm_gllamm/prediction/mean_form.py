"""Mean responses as functions of the linear predictor.

The mean of nearly every response is ``factor * h(shift + slope * nu)`` with h an inverse link and the
rest functions of predictors without random effects. Such means are averaged over a normal nu, or over
the posterior of a cluster, like the inverse link itself. So are probabilities that a duration exceeds
a time and that an ordinal response exceeds a category. What remains is a function of nu, which is
averaged numerically.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.special import expit, gamma, gammaincc
from statsmodels.genmod.families import links

from sm_gllamm.exceptions import SpecificationError
from sm_gllamm.prediction.averaging import average_of, averages
from sm_gllamm.prediction.members import Member, SlotValues
from sm_gllamm.responses.links import LINK_CODES

__all__ = [
    "FunctionMean",
    "MeanForm",
    "TruncatedMean",
    "cumulative_forms",
    "mean_of",
    "survival_of",
]

#: Names of links by the kernel's codes.
LINK_NAMES = np.array(sorted(LINK_CODES, key=LINK_CODES.__getitem__))


@dataclass(frozen=True, slots=True)
class MeanForm:
    """The mean ``factor * h(shift + slope * nu)``.

    Attributes
    ----------
    link : str or ndarray of str, shape (n,)
        Name of statsmodels' link class of which h is the inverse.
    shift, slope, factor : float or ndarray of shape (n,)
    """

    link: str | np.ndarray
    shift: np.ndarray | float = 0.0
    slope: np.ndarray | float = 1.0
    factor: np.ndarray | float = 1.0

    @property
    def plain(self) -> bool:
        """Whether the mean is the inverse link of nu."""
        parts = (self.shift, self.slope, self.factor)
        return all(isinstance(part, float) for part in parts) and parts == (0.0, 1.0, 1.0)

    @property
    def codes(self) -> np.ndarray:
        """The kernel's codes of the links, shape (n,) or ()."""
        if isinstance(self.link, str):
            return np.array(LINK_CODES[self.link], dtype=np.intc)
        return np.array([LINK_CODES[name] for name in self.link], dtype=np.intc)

    def at(self, nu: np.ndarray) -> np.ndarray:
        """Means given linear predictors, shape (n,)."""
        return self._mean(self.shift + self.slope * nu, np.zeros_like(nu))

    def averaged(self, eta: np.ndarray, variance: np.ndarray) -> np.ndarray:
        """Means over linear predictors from N(eta, variance), shape (n,)."""
        return self._mean(self.shift + self.slope * eta, self.slope**2 * variance)

    def _mean(self, eta: np.ndarray, variance: np.ndarray) -> np.ndarray:
        if isinstance(self.link, str):
            return self.factor * averages(self.link, eta, variance)[0]
        out = np.empty(len(eta))
        for name in np.unique(self.link):
            here = self.link == name
            out[here] = averages(str(name), eta[here], variance[here])[0]
        return self.factor * out

    def predictor(self, mean: np.ndarray) -> np.ndarray:
        """The linear predictor that a mean belongs to, NaN where there is none; shape (n,)."""
        link = getattr(links, self.link)()
        with np.errstate(all="ignore"):
            return (link(mean / self.factor) - self.shift) / self.slope


@dataclass(frozen=True, slots=True)
class FunctionMean:
    """Any function of nu.

    Attributes
    ----------
    function : callable
        Takes predictors of shape (m, r) and the m rows (a slice) that they are of.
    """

    function: Callable

    def at(self, nu: np.ndarray) -> np.ndarray:
        """Values given linear predictors, shape (n,)."""
        return self.function(nu[:, None], slice(None))[:, 0]

    def averaged(self, eta: np.ndarray, variance: np.ndarray) -> np.ndarray:
        """Averages over linear predictors from N(eta, variance), shape (n,)."""
        return average_of(self.function, eta, variance)


@dataclass(frozen=True, slots=True)
class TruncatedMean:
    """Mean of a zero-truncated count, ``mu + mu p0 / (1 - p0)``, times a factor.

    Attributes
    ----------
    kind : {"Poisson", "NegativeBinomial", "NegativeBinomial1"}
    alpha : ndarray, shape (n,)
        Dispersion; not looked at for the Poisson.
    factor : float or ndarray of shape (n,)
    """

    kind: str
    alpha: np.ndarray
    factor: np.ndarray | float = 1.0

    def minus_log_zero(self, mu: np.ndarray, alpha: np.ndarray) -> np.ndarray:
        """-log of the untruncated probability of zero."""
        if self.kind == "Poisson":
            return mu
        if self.kind == "NegativeBinomial":
            return np.log1p(alpha * mu) / alpha
        return mu * np.log1p(alpha) / alpha

    def rest(self, nu: np.ndarray, rows: slice = slice(None)) -> np.ndarray:
        """What the truncated mean has beyond the untruncated one; nu has shape (m, r)."""
        mu = np.exp(np.clip(nu, -700.0, 700.0))
        with np.errstate(over="ignore"):
            return mu / np.expm1(self.minus_log_zero(mu, self.alpha[rows, None]))

    def at(self, nu: np.ndarray) -> np.ndarray:
        """Means given linear predictors, shape (n,)."""
        return self.factor * (np.exp(nu) + self.rest(nu[:, None])[:, 0])

    def averaged(self, eta: np.ndarray, variance: np.ndarray) -> np.ndarray:
        """Means over linear predictors from N(eta, variance), shape (n,)."""
        mean = averages("Log", eta, variance)[0]
        return self.factor * (mean + average_of(self.rest, eta, variance))

    def predictor(self, mean: np.ndarray) -> np.ndarray:
        """The linear predictor that a mean belongs to, by bisection; shape (n,)."""
        wanted = mean / self.factor
        low, high = np.full(len(wanted), -40.0), np.log(np.maximum(wanted, 1.0))
        for _ in range(60):
            middle = (low + high) / 2.0
            below = self.at(middle) / self.factor < wanted
            low, high = np.where(below, middle, low), np.where(below, high, middle)
        return np.where(np.isfinite(wanted), (low + high) / 2.0, np.nan)


def mean_of(member: Member, slots: SlotValues) -> MeanForm | TruncatedMean:
    """Mean of a response that is one number; of composite responses, a row's share in it.

    Parameters
    ----------
    member : Member
    slots : SlotValues

    Raises
    ------
    SpecificationError
        Categorical responses.
    """
    family, response = member.response.family, member.response
    if member.categorical or member.alternatives:
        raise SpecificationError(f"{family} responses have no single mean")
    if member.layout == "composite":
        return MeanForm(LINK_NAMES[slots.rows.links], factor=slots.rows.parts)
    for prefix in ("ZeroInflated", "ZeroTruncated"):
        if not family.startswith(prefix):
            continue
        if prefix == "ZeroInflated":
            return MeanForm("Log", factor=expit(-slots.zero()))
        kind = family.removeprefix(prefix)
        alpha = np.ones(slots.rows.n) if kind == "Poisson" else np.exp(slots.dispersion())
        factor = expit(-slots.zero()) if member.layout == "hurdle" else 1.0
        return TruncatedMean(kind, alpha, factor)
    if member.layout == "interval":
        return _mean_duration(family, slots)
    return MeanForm(response.link)


def _mean_duration(family: str, slots: SlotValues) -> MeanForm:
    """Mean of a duration, or of a censored gaussian response without the censoring."""
    if family == "CensoredGaussian":
        return MeanForm("Identity")
    if family in ("ExponentialAFT", "GammaDuration"):
        return MeanForm("Log")
    if family == "ExponentialPH":
        return MeanForm("Log", slope=-1.0)
    scale = np.exp(slots.dispersion())
    if family == "WeibullPH":
        return MeanForm("Log", slope=-1.0 / scale, factor=gamma(1.0 + 1.0 / scale))
    if family == "WeibullAFT":
        return MeanForm("Log", factor=gamma(1.0 + scale))
    if family == "LogNormal":
        return MeanForm("Log", factor=np.exp(0.5 * scale**2))
    # log-logistic: the mean is infinite from a scale of one on
    angle = np.pi * np.where(scale < 1.0, scale, 0.5)
    return MeanForm("Log", factor=np.where(scale < 1.0, angle / np.sin(angle), np.inf))


def survival_of(member: Member, slots: SlotValues, time: np.ndarray) -> MeanForm | FunctionMean:
    """Probability that a duration exceeds a time.

    Parameters
    ----------
    member : Member
    slots : SlotValues
    time : ndarray, shape (n,)

    Raises
    ------
    SpecificationError
        Responses that are no durations, times that are not positive.
    """
    family = member.response.family
    if member.layout != "interval" or family == "CensoredGaussian":
        raise SpecificationError(f"survival is for durations; the family is {family}")
    if not np.nanmin(time, initial=1.0) > 0:
        raise SpecificationError(
            f"survival: times must be positive; the smallest is {np.nanmin(time):g}"
        )
    log_time = np.log(time)
    if family == "ExponentialPH":
        return MeanForm("LogLog", shift=-log_time, slope=-1.0)
    if family == "ExponentialAFT":
        return MeanForm("LogLog", shift=-log_time)
    scale = np.exp(slots.dispersion())
    if family == "WeibullPH":
        return MeanForm("LogLog", shift=-scale * log_time, slope=-1.0)
    if family == "GammaDuration":

        def survival(nu, rows):
            shape = 1.0 / scale[rows, None]
            return gammaincc(shape, shape * np.exp(np.minimum(log_time[rows, None] - nu, 700.0)))

        return FunctionMean(survival)
    link = {"WeibullAFT": "LogLog", "LogNormal": "Probit", "LogLogistic": "Logit"}[family]
    return MeanForm(link, shift=-log_time / scale, slope=1.0 / scale)


def cumulative_forms(member: Member, slots: SlotValues) -> list[MeanForm]:
    """Probabilities that an ordinal response is not above each category but the last."""
    shrink = np.exp(-slots.scale())
    return [
        MeanForm(member.response.link, shift=threshold * shrink, slope=-shrink)
        for threshold in slots.thresholds().T
    ]
