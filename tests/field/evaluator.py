"""Log-likelihoods of latent trait models on dense grids, without any of the package's code.

Items of a person are independent given the factors; a bifactor model is integrated over its general
factor and, given it, over one specific factor at a time (Gibbons & Hedeker 1992).
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.special import expit, log_expit, logsumexp
from scipy.stats import norm


@dataclass
class Item:
    """An item: what it measures, and the log density of its answers.

    Attributes
    ----------
    loadings : dict of str to float or ndarray, shape (n,)
    log_density : callable
        Takes the part of the linear predictor that the factors make, shape (n, m); returns the log
        densities of the persons' answers, shape (n, m).
    """

    loadings: dict
    log_density: Callable


def logit_item(y, constant, loadings):
    """Answers 0 and 1 with logit link; `constant` may differ between persons."""
    sign = np.where(np.asarray(y) > 0, 1.0, -1.0)[:, None]
    constant = np.broadcast_to(constant, len(sign))[:, None]
    return Item(loadings, lambda u: log_expit(sign * (constant + u)))


def probit_item(y, constant, loadings):
    """Answers 0 and 1 with probit link."""
    sign = np.where(np.asarray(y) > 0, 1.0, -1.0)[:, None]
    return Item(loadings, lambda u: norm.logcdf(sign * (constant + u)))


def gaussian_item(y, constant, variance, loadings):
    """Numbers with normal residuals; persons with NaN have no answer."""
    y = np.asarray(y, dtype=float)[:, None]
    constant = np.broadcast_to(constant, len(y))[:, None]

    def log_density(u):
        out = norm.logpdf(y, constant + u, np.sqrt(variance))
        return np.where(np.isnan(y), 0.0, out)

    return Item(loadings, log_density)


def ordinal_item(y, thresholds, loadings, distribution=expit):
    """Categories 0, 1, ... with P(y <= s) = F(k_s - u)."""
    y = np.asarray(y, dtype=int)
    bounds = np.concatenate([[-np.inf], thresholds, [np.inf]])
    lower, upper = bounds[y][:, None], bounds[y + 1][:, None]
    return Item(loadings, lambda u: np.log(distribution(upper - u) - distribution(lower - u)))


def grid(n_nodes, width=8.0):
    """Nodes and log weights of the trapezoidal rule for a standard normal variable."""
    nodes = np.linspace(-width, width, n_nodes)
    log_weights = norm.logpdf(nodes)
    return nodes, log_weights - logsumexp(log_weights)


def _predictor(item, values):
    """Part of the linear predictor, shape (n or 1, m), from factors' values at the nodes."""
    return sum(
        np.atleast_1d(loading)[:, None] * values[name] for name, loading in item.loadings.items()
    )


def one_factor(items, factor, sd=1.0, mean=0.0, n_nodes=121):
    """Log-likelihood of each person; `mean` of the factor may differ between persons."""
    nodes, log_weights = grid(n_nodes)
    values = {factor: np.atleast_1d(mean)[:, None] + sd * nodes}
    log_joint = sum(item.log_density(_predictor(item, values)) for item in items)
    return logsumexp(log_joint + log_weights, axis=1)


def two_factors(items, covariance, n_nodes=41, width=8.0):
    """Log-likelihood of each person for two correlated factors.

    Parameters
    ----------
    items : list of Item
    covariance : DataFrame
        Labelled by the factors.
    """
    nodes, log_weights = grid(n_nodes, width)
    standard = np.stack(np.meshgrid(nodes, nodes, indexing="ij")).reshape(2, -1)
    weights = (log_weights[:, None] + log_weights).ravel()
    values = dict(zip(covariance.index, np.linalg.cholesky(covariance) @ standard, strict=True))
    log_joint = sum(item.log_density(_predictor(item, values)) for item in items)
    return logsumexp(log_joint + weights, axis=1)


def bifactor(items, general, n_nodes=41, width=6.0):
    """Log-likelihood of each person; factors are standard normal and uncorrelated."""
    nodes, log_weights = grid(n_nodes, width)
    total = log_weights[None, :]
    groups = {}
    for item in items:
        groups.setdefault(next((x for x in item.loadings if x != general), None), []).append(item)
    outer, inner = np.meshgrid(nodes, nodes, indexing="ij")
    for specific, members in groups.items():
        values = {general: outer.ravel(), specific: inner.ravel()}
        log_joint = sum(item.log_density(_predictor(item, values)) for item in members)
        log_joint = log_joint.reshape(-1, n_nodes, n_nodes)
        total = total + logsumexp(log_joint + log_weights, axis=2)
    return logsumexp(total, axis=1)


def assert_maximum(loglike, result, llf_rtol=1e-7, directions=3, seed=0):
    """The log-likelihood agrees, is stationary there, and has the curvature that the SEs say.

    Along a direction of one standard error, scaled by the estimated covariance matrix, the second
    derivative of the log-likelihood at its maximum is -1.

    Parameters
    ----------
    loglike : callable
        Takes the parameters as a Series.
    result : results
    """
    params, centre = result.params, loglike(result.params)
    np.testing.assert_allclose(result.llf, centre, rtol=llf_rtol)
    root = np.linalg.cholesky(result.cov_params().to_numpy())
    rng, step = np.random.default_rng(seed), 0.05
    for _ in range(directions):
        direction = rng.normal(size=len(params))
        move = step * root @ (direction / np.linalg.norm(direction))
        up, down = loglike(params + move), loglike(params - move)
        np.testing.assert_allclose((up - down) / (2 * step), 0, atol=5e-3)
        np.testing.assert_allclose((up + down - 2 * centre) / step**2, -1, atol=2e-2)
