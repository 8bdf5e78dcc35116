"""Standard errors by the delta method, and intervals that keep to the range of a quantity."""

from __future__ import annotations

import numpy as np
from scipy.special import expit, logit

__all__ = ["interval", "softmax_gradient", "standard_errors"]


def standard_errors(gradient: np.ndarray, covariance: np.ndarray) -> np.ndarray:
    """Square roots of g' V g.

    Parameters
    ----------
    gradient : ndarray, shape (..., p)
    covariance : ndarray, shape (p, p)

    Returns
    -------
    ndarray, shape (...)
    """
    variance = np.einsum("...p,pq,...q->...", gradient, covariance, gradient)
    return np.sqrt(np.maximum(variance, 0.0))


def softmax_gradient(probabilities: np.ndarray) -> np.ndarray:
    """Derivatives of probabilities in their logits against the first category.

    Parameters
    ----------
    probabilities : ndarray, shape (..., K)

    Returns
    -------
    ndarray, shape (..., K, K - 1)

    Examples
    --------
    >>> import numpy as np
    >>> from sm_gllamm.classes.delta import softmax_gradient
    >>> softmax_gradient(np.array([0.5, 0.5])).tolist()
    [[-0.25], [0.25]]
    """
    p = np.asarray(probabilities, dtype=float)
    k = p.shape[-1]
    return (p[..., :, None] * (np.eye(k) - p[..., None, :]))[..., 1:]


def interval(
    value: np.ndarray, se: np.ndarray, quantile: float, link: str
) -> tuple[np.ndarray, np.ndarray]:
    """Limits that are symmetric on the scale of a link.

    Parameters
    ----------
    value, se : ndarray
        NaN where there is no standard error.
    quantile : float
        Of the reference distribution.
    link : {"identity", "logit", "log"}

    Returns
    -------
    lower, upper : ndarray
    """
    value, se = np.asarray(value, dtype=float), np.asarray(se, dtype=float)
    half = quantile * se
    if link == "identity":
        return value - half, value + half
    with np.errstate(divide="ignore", invalid="ignore"):
        if link == "log":
            factor = np.exp(half / value)
            return value / factor, value * factor
        centre, half = logit(value), half / (value * (1.0 - value))
        return expit(centre - half), expit(centre + half)
