"""Simulated data and fits of mixtures that several test modules share."""

from functools import cache

import numpy as np
import pandas as pd
from scipy.special import expit

from sm_gllamm.models.glmm import GLMM
from sm_gllamm.models.irt import IRT
from sm_gllamm.models.mixture import Mixture

ITEMS = list("abcde")
OCCASIONS = 6


@cache
def _growth():
    rng = np.random.default_rng(1)
    n, time = 250, np.arange(OCCASIONS)
    second = rng.random(n) < 0.4
    g = rng.normal(size=n) + second
    u = rng.normal(size=n) * 0.7
    logit = np.where(second[:, None], -1 + 0.8 * time, 0.5 - 0.3 * time) + u[:, None]
    z = rng.normal(size=(n, 2)) * np.where(second[:, None], [1.0, 0.4], [0.4, 0.1])
    mean = np.where(second[:, None], 2 + 0.5 * time, 0.0)
    y = mean + z[:, :1] + z[:, 1:] * time + 0.5 * rng.normal(size=(n, OCCASIONS))
    return pd.DataFrame(
        {
            "id": np.repeat(np.arange(n), OCCASIONS),
            "time": np.tile(time, n),
            "b": (rng.random((n, OCCASIONS)) < expit(logit)).astype(int).ravel(),
            "y": y.ravel(),
            "count": rng.poisson(np.exp(0.5 + 0.8 * second))[:, None].repeat(OCCASIONS, 1).ravel(),
            "g": np.repeat(g, OCCASIONS),
            "second": np.repeat(second.astype(int), OCCASIONS),
            "clinic": np.repeat(np.arange(n) // 10, OCCASIONS),
            "f": np.repeat(rng.integers(1, 4, n), OCCASIONS),
        }
    )


def growth_data():
    """Persons of two classes with a binary and a continuous outcome over time."""
    return _growth().copy()


@cache
def binary_growth(cov_type="nonrobust"):
    model = Mixture.from_formula(
        "b ~ time + (1 | id)", growth_data(), 2, family="binomial", classes="~ g"
    )
    kwds = {"groups": growth_data().clinic} if cov_type == "cluster" else None
    return model.fit(n_starts=3, cov_type=cov_type, cov_kwds=kwds)


@cache
def gaussian_growth():
    return Mixture.from_formula("y ~ time + (1 | id)", growth_data(), 2).fit(n_starts=3)


@cache
def counts():
    """Mixture of Poisson regressions without random effects, of single rows."""
    data = growth_data().groupby("id").first()
    return Mixture.from_formula("count ~ g", data, 2, family="poisson", equal=["g"]).fit(n_starts=4)


def school_data():
    """Persons in schools that are in two classes: binary items with one factor."""
    rng = np.random.default_rng(4)
    school = np.repeat(np.arange(30), 20)
    upper = (np.arange(30) % 5 < 2)[school]
    person = rng.random(600) < np.where(upper, 0.8, 0.2)
    theta = rng.normal(size=600)
    intercept = np.where(person[:, None], [2, 1.5, -1, 1.5, 1.5], [-2, -1, 1, -1.5, -1])
    data = pd.DataFrame(
        (rng.random((600, 5)) < expit(intercept + theta[:, None])).astype(int), columns=ITEMS
    )
    return data.assign(school=school, upper=upper)


def factor_data(n=800):
    """Binary items with one factor whose intercepts differ between two classes."""
    rng = np.random.default_rng(8)
    first = rng.random(n) < 0.5
    intercept = np.where(first[:, None], [1.5, 1.5, -1, 1.5, 1.5], [-1, -1, 1, -1.5, -1])
    logit = intercept + np.array([1, 1.2, 0.8, 1.2, 1.0]) * rng.normal(size=n)[:, None]
    return pd.DataFrame((rng.random((n, 5)) < expit(logit)).astype(int), columns=ITEMS)


def rasch(data, **options):
    return IRT(data, "Rasch", items=ITEMS, **options)


def regression(data, **options):
    return GLMM.from_formula("y ~ time + (1 | id)", data, **options)
