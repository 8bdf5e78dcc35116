"""Residuals of rows, conditional on random effects, and simulated ones."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import statsmodels.api as sm

from sm_gllamm.exceptions import SpecificationError

__all__ = ["RESIDUALS", "residuals", "simulated_residuals"]

RESIDUALS = ("response", "pearson", "deviance", "anscombe")


def residuals(
    kind: str,
    family,
    share: np.ndarray,
    trials: np.ndarray,
    mean: np.ndarray,
    dispersion: float = 1.0,
) -> np.ndarray:
    """Residuals of responses about given means.

    Parameters
    ----------
    kind : {"response", "pearson", "deviance", "anscombe"}
    family : statsmodels family
    share : ndarray, shape (n,)
        Responses; proportions of successes for binomial counts.
    trials : ndarray, shape (n,)
    mean : ndarray, shape (n,)
    dispersion : float
        Residual variance of gaussian models.

    Returns
    -------
    ndarray, shape (n,)

    Notes
    -----
    All but "response" are scaled to have a variance of about one given the random effects: by the
    conditional standard deviation, dispersion included. Deviance and Anscombe residuals are those
    of statsmodels' families.

    Examples
    --------
    >>> import numpy as np, statsmodels.api as sm
    >>> from sm_gllamm.prediction.residuals import residuals
    >>> y, mean = np.array([3.0]), np.array([1.0])
    >>> float(residuals("pearson", sm.families.Poisson(), y, np.ones(1), mean)[0])
    2.0
    """
    if kind not in RESIDUALS:
        raise SpecificationError(
            f"residuals of kind {kind!r} are not known; use one of {RESIDUALS}"
        )
    if kind == "response":
        return share - mean
    if kind == "pearson":
        return (share - mean) / np.sqrt(family.variance(mean) * dispersion / trials)
    if isinstance(family, sm.families.Binomial):
        # the number of trials is state of statsmodels' family: use one of our own
        family = sm.families.Binomial(link=family.link)
        family.n = trials
    method = family.resid_dev if kind == "deviance" else family.resid_anscombe
    return method(share, mean, scale=dispersion)


def simulated_residuals(
    endog: np.ndarray, draws: Iterable[np.ndarray], rng: np.random.Generator
) -> np.ndarray:
    """Randomised ranks of responses among draws from the model, between 0 and 1.

    Parameters
    ----------
    endog : ndarray, shape (n,)
    draws : iterable of ndarray of shape (n,)
    rng : numpy.random.Generator
        Breaks ties.

    Returns
    -------
    ndarray, shape (n,)
        Uniform on (0, 1) if responses and draws have the same distribution, for discrete responses
        as well: the rank is spread uniformly over the places of equal values (Dunn & Smyth 1996).
    """
    below, equal, count = np.zeros(len(endog)), np.zeros(len(endog)), 0
    for draw in draws:
        below += draw < endog
        equal += draw == endog
        count += 1
    return (below + rng.random(len(endog)) * (equal + 1.0)) / (count + 1.0)
