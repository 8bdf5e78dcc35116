"""Residuals of rows, conditional on random effects, and simulated ones."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import statsmodels.api as sm

from sm_gllamm.exceptions import SpecificationError
from sm_gllamm.mapping.rows import ResponseData
from sm_gllamm.prediction.members import Member, SlotValues

__all__ = [
    "RESIDUALS",
    "category_residuals",
    "compared_bounds",
    "glm_family",
    "has_glm_family",
    "residuals",
    "simulated_residuals",
]

RESIDUALS = ("response", "pearson", "deviance", "anscombe")


def _check_kind(kind: str, known: tuple[str, ...], family: str) -> None:
    if kind not in RESIDUALS:
        raise SpecificationError(
            f"residuals of kind {kind!r} are not known; use one of {RESIDUALS}"
        )
    if kind not in known:
        raise SpecificationError(
            f"{kind} residuals are not available for {family} responses; use "
            + ", ".join(repr(name) for name in known) + ", or resid_simulated()"
        )  # fmt: skip


def has_glm_family(member: Member) -> bool:
    """Whether the response is an exponential family given its dispersion, which statsmodels has."""
    return isinstance(member.family, sm.families.Family) or (
        member.layout == "plain" and member.response.family == "NegativeBinomial"
    )


def glm_family(member: Member, slots: SlotValues):
    """statsmodels' family of a response, and the dispersion that its variance function is times.

    Parameters
    ----------
    member : Member
        For which :func:`has_glm_family` holds.
    slots : SlotValues
        With data.

    Returns
    -------
    family : statsmodels family
    dispersion : float or ndarray of shape (n,)
    """
    family, name = member.family, member.response.family
    if name == "NegativeBinomial":
        return sm.families.NegativeBinomial(alpha=slots.dispersion), 1.0
    if isinstance(family, sm.families.Binomial):
        # the number of trials is state of statsmodels' family: use one of our own
        family = sm.families.Binomial(link=family.link)
        family.n = slots.trials
    if isinstance(family, sm.families.Gaussian):
        return family, slots.dispersion**2
    if isinstance(family, (sm.families.Gamma, sm.families.InverseGaussian)):
        return family, slots.dispersion
    return family, 1.0


def residuals(kind: str, member: Member, slots: SlotValues, mean: np.ndarray) -> np.ndarray:
    """Residuals of responses about given means.

    Parameters
    ----------
    kind : {"response", "pearson", "deviance", "anscombe"}
    member : Member
        Whose response has a mean.
    slots : SlotValues
        With data.
    mean : ndarray, shape (n,)
        Proportions of successes for binomial counts.

    Returns
    -------
    ndarray, shape (n,)
        NaN where the response is censored.

    Raises
    ------
    SpecificationError
        Unknown kind, or one that the family does not have.

    Notes
    -----
    All but "response" are scaled to have a variance of about one given the random effects: by the
    conditional standard deviation, dispersion included. Deviance and Anscombe residuals are those
    of statsmodels' families.
    """
    known = RESIDUALS if has_glm_family(member) else RESIDUALS[:2]
    _check_kind(kind, known, type(member.family).__name__)
    share, data = slots.y / slots.trials, slots.data
    if member.layout == "interval":
        share = np.where(data.y == data.m, data.y, np.nan)
    if kind == "response":
        return share - mean
    if kind == "pearson":
        return (share - mean) / np.sqrt(member.law.variance(mean, slots))
    family, dispersion = glm_family(member, slots)
    method = family.resid_dev if kind == "deviance" else family.resid_anscombe
    return method(share, mean, scale=dispersion)


def category_residuals(
    kind: str, member: Member, data: ResponseData, probabilities: np.ndarray
) -> np.ndarray:
    """Residuals of the indicators of categories, or of chosen alternatives, about probabilities.

    Parameters
    ----------
    kind : {"response", "pearson"}
        Raw, or divided by ``sqrt(p (1 - p))``.
    member : Member
    data : ResponseData
    probabilities : ndarray, shape (n, K), of choices (n,)

    Returns
    -------
    ndarray, shape (n, K), of choices (n,)

    Raises
    ------
    SpecificationError
        Rankings, and other kinds of residuals.
    """
    if member.layout in ("ranking", "best_worst"):
        raise SpecificationError(f"{member.response.family} responses have no residuals")
    _check_kind(kind, RESIDUALS[:2], type(member.family).__name__)
    indicator = data.y
    if member.law.categorical:
        indicator = data.y[:, None] == np.arange(len(member.categories))
    residual = indicator - probabilities
    if kind == "response":
        return residual
    share = np.clip(probabilities, 0.0, 1.0)
    spread = np.sqrt(share * (1.0 - share))
    # what is certain leaves nothing to be explained
    return np.divide(residual, spread, out=np.zeros(residual.shape), where=spread > 0.0)


def compared_bounds(member: Member, data: ResponseData) -> tuple[np.ndarray, np.ndarray]:
    """Lower and upper bounds of what is known of responses that have an order.

    Raises
    ------
    SpecificationError
        Unordered categories, choices and rankings.
    """
    if member.layout == "nominal" or member.law.alternatives:
        raise SpecificationError(
            f"{member.response.family} responses have no order, by which simulated residuals rank them"
        )
    return data.y, data.m if member.layout == "interval" else data.y


def simulated_residuals(
    lower: np.ndarray, upper: np.ndarray, draws: Iterable[np.ndarray], rng: np.random.Generator
) -> np.ndarray:
    """Randomised ranks of responses among draws from the model, between 0 and 1.

    Parameters
    ----------
    lower, upper : ndarray, shape (n,)
        Responses; of censored ones what is known of them.
    draws : iterable of ndarray of shape (n,)
        Without censoring.
    rng : numpy.random.Generator
        Breaks ties.

    Returns
    -------
    ndarray, shape (n,)
        Uniform on (0, 1) if responses and draws have the same distribution, for discrete and
        censored responses as well: the rank is spread uniformly over the places of equal values, or
        of values within the bounds (Dunn & Smyth 1996).
    """
    below, within, count = np.zeros(len(lower)), np.zeros(len(lower)), 0
    for draw in draws:
        below += draw < lower
        within += (draw >= lower) & (draw <= upper)
        count += 1
    return (below + rng.random(len(lower)) * (within + 1.0)) / (count + 1.0)
