"""Regression of item parameters on covariates, with residuals."""

import numpy as np
from scipy import optimize, stats

from sm_gllamm.items.explanation import item_regression


def _data(seed=0, n=24, tau=0.4):
    rng = np.random.default_rng(seed)
    design = np.column_stack([np.ones(n), rng.normal(size=n), rng.integers(0, 2, n)])
    root = 0.1 * rng.normal(size=(n, n))
    sampling = root @ root.T / n + 0.01 * np.eye(n)
    truth = design @ [0.3, 1.0, -0.5] + tau * rng.normal(size=n)
    return truth + np.linalg.cholesky(sampling) @ rng.normal(size=n), sampling, design


def test_restricted_likelihood_is_that_of_error_contrasts():
    y, sampling, design = _data()
    found = item_regression(y, sampling, design)
    # contrasts orthogonal to the design have a distribution without coefficients
    basis = np.linalg.svd(design, full_matrices=True)[0][:, design.shape[1] :]

    def minus(variance):
        cov = basis.T @ (sampling + variance * np.eye(len(y))) @ basis
        return -stats.multivariate_normal(np.zeros(basis.shape[1]), cov).logpdf(basis.T @ y)

    best = optimize.minimize_scalar(minus, bounds=(1e-9, 5.0), method="bounded")
    np.testing.assert_allclose(found.variance, best.x, rtol=1e-3)
    # both differ by a constant of the design
    constant = 0.5 * np.linalg.slogdet(design.T @ design)[1]
    np.testing.assert_allclose(found.loglike + constant, -best.fun, rtol=1e-8)


def test_posterior_of_residuals_by_joint_normal_distribution():
    y, sampling, design = _data(seed=2)
    found = item_regression(y, sampling, design)
    # a flat prior of the coefficients as a wide normal one
    prior = design @ (1e7 * np.eye(3)) @ design.T
    total = prior + found.variance * np.eye(len(y)) + sampling
    gain = found.variance * np.linalg.inv(total)
    np.testing.assert_allclose(found.residuals, gain @ y, atol=1e-5)
    spread = found.variance * np.eye(len(y)) - found.variance * gain
    np.testing.assert_allclose(found.residual_se, np.sqrt(np.diag(spread)), atol=1e-5)


def test_no_residual_variance():
    y, sampling, design = _data(seed=1, tau=0.0)
    y = design @ [0.3, 1.0, -0.5]
    found = item_regression(y, sampling, design)
    assert found.variance == 0.0
    np.testing.assert_allclose(found.residuals, 0.0, atol=1e-12)
    np.testing.assert_allclose(found.r_squared, 1.0)


def test_maximum_likelihood():
    y, sampling, design = _data(seed=3)
    found = item_regression(y, sampling, design, reml=False)

    def minus(variance):
        cov = sampling + variance * np.eye(len(y))
        inverse = np.linalg.inv(cov)
        beta = np.linalg.solve(design.T @ inverse @ design, design.T @ inverse @ y)
        return -stats.multivariate_normal(design @ beta, cov).logpdf(y)

    best = optimize.minimize_scalar(minus, bounds=(1e-9, 5.0), method="bounded")
    np.testing.assert_allclose(found.variance, best.x, rtol=1e-3)
    np.testing.assert_allclose(found.loglike, -best.fun, rtol=1e-8)
