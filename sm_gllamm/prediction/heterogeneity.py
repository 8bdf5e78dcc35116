"""How much clusters matter: intraclass correlations of latent responses, median odds ratios."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.stats import norm

from sm_gllamm.exceptions import SpecificationError

__all__ = ["intraclass_correlations", "level_variances", "median_ratios", "residual_variance"]

#: A variance or correlation below this is an estimate on the boundary.
ZERO = 1e-8


def level_variances(mapping, level_names, at: dict[str, float] | None = None) -> np.ndarray:
    """Weights that turn the parameters into the variance of each level's random part.

    Parameters
    ----------
    mapping : GLMMMapping
    level_names : sequence of str
        Lowest level first.
    at : dict of str to float, optional
        Values of the covariates with random slopes, by name; 0 where not given. The intercept is 1.

    Returns
    -------
    ndarray, shape (n_levels, p)
        Lowest level first.

    Raises
    ------
    SpecificationError
        `at` names something that has no random slope.
    """
    at = dict(at or {})
    known = {name for _, _, _, covariance in mapping.terms for name in covariance.names}
    if unknown := [name for name in at if name not in known]:
        raise SpecificationError(
            f"at names {unknown}; the random effects are those of {sorted(known)}"
        )
    weights = np.zeros((len(level_names), mapping.k_params))
    for level, _, block, covariance in mapping.terms:
        z = np.array([at.get(n, 1.0 if n in ("Intercept", "1") else 0.0) for n in covariance.names])
        if covariance.structure == "equal":
            weights[level, block.start] += (z**2).sum()
            continue
        for k, (a, b) in enumerate(covariance.params):
            weights[level, block.start + k] += z[a] * z[b] * (1.0 if a == b else 2.0)
    return weights


def _table(values, errors, low, high, names, label: str, alpha: float) -> pd.DataFrame:
    columns = {
        label: values,
        "std err": errors,
        f"[{alpha / 2:g}": low,
        f"{1 - alpha / 2:g}]": high,
    }
    return pd.DataFrame(columns, index=pd.Index(names, name="level"))


def _errors(gradient: np.ndarray, cov_params: np.ndarray, value: np.ndarray) -> np.ndarray:
    """Delta-method standard errors; NaN where the value is zero, on the boundary."""
    error = np.sqrt(np.einsum("lp,pq,lq->l", gradient, cov_params, gradient))
    return np.where(value > ZERO, error, np.nan)


def residual_variance(mapping, response, params: np.ndarray) -> tuple[float, np.ndarray]:
    """Variance of the latent response given the random effects, and its gradient.

    Parameters
    ----------
    mapping : GLMMMapping
    response : Response
    params : ndarray, shape (p,)

    Returns
    -------
    value : float
    gradient : ndarray, shape (p,)

    Raises
    ------
    SpecificationError
        There is no latent response, or its variance depends on covariates.

    Notes
    -----
    Gaussian responses, censored ones included, are their own latent responses. Those of log-normal,
    log-logistic and accelerated Weibull durations are their logarithms; proportional hazards are
    linear in a latent response with an extreme-value distribution.
    """
    gradient, unit = np.zeros(mapping.k_params), response.latent_variance
    if unit is None:
        raise SpecificationError(
            f"{response.family} models with {response.link} link have no latent response, "
            "and so no intraclass correlation of it"
        )
    for slot in response.slots:
        if not slot.latent:
            continue
        position = mapping.dispersion
        if position is None:
            raise SpecificationError(
                "the residual variance depends on covariates (dispersion=), and so would the "
                "intraclass correlation"
            )
        parameter = float(params[position][0])
        if slot.published == "variance":
            gradient[position] = unit
            return unit * parameter, gradient
        gradient[position] = 2.0 * unit * parameter
        return unit * parameter**2, gradient
    if mapping.slot("scale") is not None:
        raise SpecificationError(
            "the scale of the latent response depends on covariates (scale=), and so would the "
            "intraclass correlation"
        )
    return unit, gradient


def intraclass_correlations(
    params, cov_params, weights: np.ndarray, level_names, residual, alpha: float = 0.05
) -> pd.DataFrame:
    """Correlation of the latent responses of two rows in the same cluster.

    Parameters
    ----------
    params : ndarray, shape (p,)
    cov_params : ndarray, shape (p, p)
    weights : ndarray, shape (n_levels, p)
        From `level_variances`.
    level_names : sequence of str
        Lowest level first.
    residual : (float, ndarray of shape (p,))
        From `residual_variance`.
    alpha : float

    Returns
    -------
    DataFrame
        A row for each level from the top down: rows in the same cluster of that level (and so of
        those above). Standard errors by the delta method, intervals symmetric for the logit.

    Notes
    -----
    ``sum of variances of the level and those above / total variance``; see Skrondal & Rabe-Hesketh
    (2004, Generalized Latent Variable Modeling, sec. 3.4) and Rabe-Hesketh & Skrondal (2022, MLMUS,
    ch. 16).
    """
    params = np.asarray(params, dtype=float)
    variance, slope = residual
    total = weights.sum(axis=0) @ params + variance
    # from the top down, each level shares what the levels above share
    shared = np.cumsum(weights[::-1], axis=0)
    value = shared @ params / total
    gradient = (shared - value[:, None] * (weights.sum(axis=0) + slope)) / total
    error = _errors(gradient, cov_params, value)
    with np.errstate(divide="ignore", invalid="ignore"):
        reach = norm.ppf(1 - alpha / 2) * error / (value * (1 - value))
        logit = np.log(value / (1 - value))
        low, high = 1 / (1 + np.exp(reach - logit)), 1 / (1 + np.exp(-reach - logit))
    return _table(value, error, low, high, level_names[::-1], "icc", alpha)


def median_ratios(
    params, cov_params, weights: np.ndarray, level_names, label: str, alpha: float = 0.05
) -> pd.DataFrame:
    """Median odds (rate, hazard, time) ratio between rows of equal covariates in two random clusters.

    Parameters
    ----------
    params, cov_params, weights, level_names, alpha
        As in `intraclass_correlations`.
    label : str
        Name of the column.

    Returns
    -------
    DataFrame
        A row for each level from the top down: two clusters of that level, within one cluster of
        the level above. Intervals are symmetric for the logarithm of the variance.

    Notes
    -----
    ``exp(sqrt(2 v) Phi^{-1}(3/4))`` with v the variance of the level and those below (Larsen &
    Merlo 2005, American Journal of Epidemiology 161, 81-88).
    """
    params = np.asarray(params, dtype=float)
    differing = np.cumsum(weights, axis=0)[::-1]
    variance = differing @ params
    error = _errors(differing, cov_params, variance)
    quartile = norm.ppf(0.75)

    def ratio(v):
        return np.exp(np.sqrt(2.0 * v) * quartile)

    with np.errstate(divide="ignore", invalid="ignore"):
        reach = np.exp(norm.ppf(1 - alpha / 2) * error / variance)
        value = ratio(variance)
        slope = value * quartile / np.sqrt(2.0 * variance)
        low, high = ratio(variance / reach), ratio(variance * reach)
    return _table(value, slope * error, low, high, level_names[::-1], label, alpha)
