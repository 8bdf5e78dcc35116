"""Small simulated data for tests of what users get wrong."""

import numpy as np
import pandas as pd
import statsmodels.api as sm

import sm_gllamm.api as smg
import sm_gllamm.formula.api as smgf

CLUSTERS, ROWS = 40, 8


def simulate(family="binomial", sd=1.0, seed=0):
    """Data with a response y, a covariate x, groups g; halves h nested in g, and t crossed with g."""
    rng = np.random.default_rng(seed)
    g = np.repeat(np.arange(CLUSTERS), ROWS)
    x = rng.normal(size=CLUSTERS * ROWS)
    nu = 0.2 + 0.7 * x + sd * rng.normal(size=CLUSTERS)[g]
    draw = {
        "binomial": lambda: rng.binomial(1, 1 / (1 + np.exp(-nu))).astype(float),
        "poisson": lambda: rng.poisson(np.exp(nu)).astype(float),
        "gaussian": lambda: nu + rng.normal(size=len(nu)),
    }[family]
    columns = {
        "y": draw(),
        "x": x,
        "g": g,
        "h": np.arange(len(g)) // 4,
        "t": np.arange(len(g)) % ROWS,
    }
    return pd.DataFrame(columns)


def from_formula(data, formula="y ~ x + (1 | g)", family="binomial", **options):
    """A model by the formula path."""
    return smgf.glmm(formula, data, family=family, **options)


def from_arrays(data, family="binomial", endog=None, exog=None, groups=None, **options):
    """The same model by the array path."""
    return smg.GLMM(
        data["y"] if endog is None else endog,
        sm.add_constant(data[["x"]]) if exog is None else exog,
        groups=data["g"] if groups is None else groups,
        family=family,
        **options,
    )


BOTH = [from_formula, from_arrays]


def changed(values, row, value):
    """A copy of a column with another value in one row."""
    values = np.array(values, dtype=float)
    values[row] = value
    return values
