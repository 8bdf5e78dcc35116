"""Dispersion of counts by quasi-likelihood."""

from __future__ import annotations

import numpy as np

__all__ = ["with_quasi_dispersion"]


def with_quasi_dispersion(results) -> None:
    """Estimate the dispersion from Pearson residuals and scale the standard errors by its square root.

    Parameters
    ----------
    results : GLMMResults
        Changed in place: ``scale`` is the dispersion; there is no log-likelihood any more.

    Notes
    -----
    phi is Pearson's chi-square about the posterior means over the number of rows minus the number of
    parameters (McCullagh & Nelder 1989, sec. 9.3; Breslow & Clayton 1993). The variances of random
    effects are those of the likelihood without dispersion. Robust covariance matrices need no scaling.
    """
    residuals = results.get_resid("pearson", "posterior")
    results.scale = float(np.nansum(residuals**2) / results.df_resid)
    results.quasi = True
