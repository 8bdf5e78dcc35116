"""Estimates of a fit beside those of a reference case."""

import numpy as np
import pandas as pd


def beside(case, params, bse, translate):
    """Put ours beside the reference's parameters.

    Parameters
    ----------
    case : dict
    params, bse : Series
    translate : callable
        Takes the reference's name; returns the name of ours, or a pair of it and a function of one
        number that the reference's parameter is.

    Returns
    -------
    DataFrame
        A row a parameter of the reference: ``est``, ``se``, ``ref_est``, ``ref_se``.
    """
    rows = {}
    for label, reference in case["params"].items():
        ours = translate(label)
        name, function = (ours, lambda value: value) if isinstance(ours, str) else ours
        value = params[name]
        slope = (function(value + 1e-6) - function(value - 1e-6)) / 2e-6
        rows[label] = function(value), abs(slope) * bse[name], reference["est"], reference["se"]
    columns = ["est", "se", "ref_est", "ref_se"]
    return pd.DataFrame.from_dict(rows, orient="index", columns=columns)


def assert_agrees(case, result, translate, estimate=1e-3, se=3e-4):
    """Log-likelihood, estimates (differences in standard errors) and standard errors agree."""
    assert result.verdict.ok
    assert len(result.params) == case["n_params"]
    np.testing.assert_allclose(result.llf, case["loglike"], rtol=1e-6)
    table = beside(case, result.params, result.bse, translate)
    difference = (table["est"] - table["ref_est"]) / table["ref_se"]
    np.testing.assert_allclose(difference, 0, atol=estimate)
    np.testing.assert_allclose(table["se"], table["ref_se"], rtol=se)


def negative(name):
    """Ours with the other sign."""
    return name, lambda value: -value


def root(name):
    """The standard deviation where ours is a variance."""
    return name, np.sqrt
