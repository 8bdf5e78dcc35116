"""Derivatives of probabilities of categories in the parameters of an item."""

from __future__ import annotations

import numpy as np
from scipy.special import expit, ndtr

from sm_gllamm.items.bank import Item

__all__ = ["coefficients", "probability_gradient"]


def coefficients(item: Item) -> np.ndarray:
    """Slopes (of "divide" those of the first category first), intercepts, lower and upper asymptote.

    Parameters
    ----------
    item : Item

    Returns
    -------
    ndarray, shape (number of slopes and intercepts + 2,)
    """
    return np.concatenate([item.slopes.ravel(), item.intercepts, [item.lower, item.upper]])


def _cdf(x: np.ndarray, link: str) -> tuple[np.ndarray, np.ndarray]:
    """F and its density."""
    if link == "logit":
        high = expit(x)
        return high, high * expit(-x)
    return ndtr(x), np.exp(-0.5 * x**2) / np.sqrt(2.0 * np.pi)


def probability_gradient(item: Item, theta: np.ndarray) -> np.ndarray:
    """Derivatives of the probabilities of all categories in :func:`coefficients`.

    Parameters
    ----------
    item : Item
    theta : ndarray, shape (m, q)

    Returns
    -------
    ndarray, shape (m, K, number of coefficients)

    Examples
    --------
    >>> import numpy as np
    >>> from sm_gllamm.items.bank import Item
    >>> from sm_gllamm.items.probability_gradient import probability_gradient
    >>> item = Item("i1", "binary", "3PL", slopes=[1.0], intercepts=[0.0], lower=0.2)
    >>> probability_gradient(item, np.array([[2.0]]))[0, 1].round(3)
    array([0.168, 0.084, 0.119, 0.881])
    """
    theta = np.asarray(theta, dtype=float)
    m, k = len(theta), item.n_categories
    if item.form == "divide":
        p = item.probabilities(theta)
        # of the predictors of all categories
        inner = p[:, :, None] * (np.eye(k) - p[:, None, :])
        slopes = inner[:, :, :, None] * theta[:, None, None, :]
        none = np.zeros((m, k, 2))
        return np.concatenate([slopes.reshape(m, k, -1), inner, none], axis=2)
    nu = (theta @ item.slopes)[:, None] + item.intercepts
    above, density = _cdf(nu, item.link)
    # of P(y >= 1), ..., P(y >= K - 1)
    density = (item.upper - item.lower) * density
    cumulative = np.zeros((m, k + 1, theta.shape[1] + k + 1))
    inside = cumulative[:, 1:k]
    inside[:, :, : theta.shape[1]] = density[:, :, None] * theta[:, None, :]
    inside[:, np.arange(k - 1), theta.shape[1] + np.arange(k - 1)] = density
    if item.form == "binary":
        inside[:, 0, -2] = 1.0 - above[:, 0]
        inside[:, 0, -1] = above[:, 0]
    return cumulative[:, :-1] - cumulative[:, 1:]
