"""Variances of responses given their random effects."""

from __future__ import annotations

import numpy as np
from scipy.special import expit, gamma

from sm_gllamm.prediction.mean_form import mean_of
from sm_gllamm.prediction.members import Member, SlotValues
from sm_gllamm.responses import laws

__all__ = ["response_variance"]

#: Responses whose mean is not an inverse link, but which vary like another one.
_LAWS = {
    "CompositeBinomial": laws.BINOMIAL,
    "CompositePoisson": laws.POISSON,
    "CompositeGaussian": laws.GAUSSIAN,
    "CensoredGaussian": laws.GAUSSIAN,
}


def _count_variance(kind: str, mu: np.ndarray, slots: SlotValues) -> np.ndarray:
    """Variance of a Poisson or negative binomial count with mean mu."""
    if kind == "Poisson":
        return mu
    alpha = np.exp(slots.dispersion())
    return mu * (1.0 + alpha * mu) if kind == "NegativeBinomial" else mu * (1.0 + alpha)


def _relative_duration_variance(family: str, slots: SlotValues) -> np.ndarray:
    """Squared coefficient of variation of a duration; infinite where it has no variance."""
    if family.startswith("Exponential"):
        return np.ones(slots.rows.n)
    scale = np.exp(slots.dispersion())
    if family == "GammaDuration":
        return scale
    if family == "LogNormal":
        return np.expm1(scale**2)
    if family == "LogLogistic":
        angle = np.pi * np.where(scale < 0.5, scale, 0.25)
        ratio = 2.0 * angle / np.sin(2.0 * angle) * (np.sin(angle) / angle) ** 2 - 1.0
        return np.where(scale < 0.5, ratio, np.inf)
    if family == "WeibullPH":
        scale = 1.0 / scale
    return gamma(1.0 + 2.0 * scale) / gamma(1.0 + scale) ** 2 - 1.0


def response_variance(
    member: Member, slots: SlotValues, mean: np.ndarray, trials: np.ndarray
) -> np.ndarray:
    """Variance of responses with given means, dispersions included.

    Parameters
    ----------
    member : Member
        Whose response has a mean.
    slots : SlotValues
    mean : ndarray, shape (n,)
        Proportions for binomial counts, means with their zeros for zero-inflated ones.
    trials : ndarray, shape (n,)
        Of binomial counts, the variance being that of the proportion.

    Returns
    -------
    ndarray, shape (n,)
    """
    family = member.response.family
    for prefix in ("ZeroInflated", "ZeroTruncated"):
        if not family.startswith(prefix):
            continue
        kind = family.removeprefix(prefix)
        form = mean_of(member, slots)
        mu = np.exp(form.predictor(mean))
        second = _count_variance(kind, mu, slots) + mu**2
        if prefix == "ZeroInflated":
            return expit(-slots.zero()) * second - mean**2
        # E y^2 of the truncated count is that of the count over its probability of not being zero
        positive = -np.expm1(-form.minus_log_zero(mu, form.alpha))
        return form.factor * second / positive - mean**2
    if member.layout == "interval" and family != "CensoredGaussian":
        return mean**2 * _relative_duration_variance(family, slots)
    law = _LAWS.get(family, member.response.law)
    return law.variance(mean, trials, np.exp(slots.dispersion()))
