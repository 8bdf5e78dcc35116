"""Regression of item parameters on covariates of the items, with residuals of the items.

The linear logistic test model has item intercepts that are exactly linear in covariates. With residuals,

    b = Q eta + r,   r ~ N(0, tau^2 I),

b are the intercepts of the model without covariates, whose estimates have the sampling covariance matrix
V; so b_hat ~ N(Q eta, tau^2 I + V), a random-effects meta-regression with known V (De Boeck 2008;
Raudenbush 2009, ch. 16 of The Handbook of Research Synthesis).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize_scalar

__all__ = ["ItemRegression", "item_regression"]


@dataclass(frozen=True, slots=True)
class ItemRegression:
    """Coefficients, residual variance and residuals.

    Attributes
    ----------
    coefficients : ndarray, shape (m,)
    covariance : ndarray, shape (m, m)
    variance : float
        tau^2.
    residuals : ndarray, shape (n_items,)
        Posterior means of r.
    residual_se : ndarray, shape (n_items,)
        Posterior standard deviations, the coefficients being estimated.
    r_squared : float
        Share of tau^2 without covariates that these explain.
    loglike : float
        Restricted log-likelihood, or log-likelihood.
    """

    coefficients: np.ndarray
    covariance: np.ndarray
    variance: float
    residuals: np.ndarray
    residual_se: np.ndarray
    r_squared: float
    loglike: float


def _at(variance: float, estimates, sampling, design, reml: bool):
    """Generalised least squares at a residual variance, with the (restricted) log-likelihood."""
    total = sampling + variance * np.eye(len(estimates))
    root = np.linalg.cholesky(total)
    x, y = np.linalg.solve(root, design), np.linalg.solve(root, estimates)
    information = x.T @ x
    beta = np.linalg.solve(information, x.T @ y)
    rest = y - x @ beta
    value = -np.log(np.diag(root)).sum() - 0.5 * rest @ rest
    n = len(estimates)
    if reml:
        value -= 0.5 * np.linalg.slogdet(information)[1]
        n -= design.shape[1]
    value -= 0.5 * n * np.log(2 * np.pi)
    return value, beta, np.linalg.inv(information), total


def _variance(estimates, sampling, design, reml: bool) -> float:
    """The residual variance of highest (restricted) likelihood."""
    beta = np.linalg.lstsq(design, estimates, rcond=None)[0]
    df = max(len(estimates) - design.shape[1], 1)
    largest = 10.0 * float(np.sum((estimates - design @ beta) ** 2)) / df + 1e-12

    def minus(x: float) -> float:
        return -_at(x * x, estimates, sampling, design, reml)[0]

    found = minimize_scalar(
        minus, bounds=(0.0, np.sqrt(largest)), method="bounded", options={"xatol": 1e-10}
    )
    return 0.0 if minus(0.0) <= found.fun else float(found.x**2)


def item_regression(
    estimates: np.ndarray, sampling: np.ndarray, design: np.ndarray, reml: bool = True
) -> ItemRegression:
    """Regress estimated item parameters on covariates.

    Parameters
    ----------
    estimates : ndarray, shape (n_items,)
    sampling : ndarray, shape (n_items, n_items)
        Their sampling covariance matrix.
    design : ndarray, shape (n_items, m)
        With a constant, m < n_items.
    reml : bool
        Restricted maximum likelihood, which takes into account that the coefficients are estimated, or
        maximum likelihood.

    Returns
    -------
    ItemRegression

    Examples
    --------
    >>> import numpy as np
    >>> easy = np.array([0.0, 0.1, 1.0, 1.2])
    >>> design = np.column_stack([np.ones(4), [0, 0, 1, 1]])
    >>> item_regression(easy, 0.01 * np.eye(4), design).coefficients.round(2)
    array([0.05, 1.05])
    """
    variance = _variance(estimates, sampling, design, reml)
    value, beta, covariance, total = _at(variance, estimates, sampling, design, reml)
    inverse = np.linalg.inv(total)
    rest = estimates - design @ beta
    residuals = variance * inverse @ rest
    projection = inverse - inverse @ design @ covariance @ design.T @ inverse
    spread = variance - variance**2 * np.diag(projection)
    constant = np.ones((len(estimates), 1))
    alone = _variance(estimates, sampling, constant, reml)
    share = 1.0 - variance / alone if alone > 0 else np.nan
    return ItemRegression(
        beta, covariance, variance, residuals, np.sqrt(np.maximum(spread, 0.0)), share, value
    )
