"""Data sets of the benchmarks: real ones from the test references, and simulated ones.

Every function returns a :class:`pandas.DataFrame`. Simulated data use a fixed seed, so that
two runs of the benchmarks, and all packages within one run, see the same numbers.
"""

from pathlib import Path

import numpy as np
import pandas as pd

REFERENCE_DATA = Path(__file__).resolve().parents[1] / "tests" / "reference" / "data"


def pisa():
    """2,069 students in 148 schools, PISA 2000, USA."""
    return pd.read_csv(REFERENCE_DATA / "pisa.csv")


def contraception():
    """1,934 women in 60 districts, with the square of age as a column of its own."""
    frame = pd.read_csv(REFERENCE_DATA / "contraception.csv")
    return frame.assign(age2=frame["age"] ** 2)


def guimmun():
    """2,159 children of 1,595 mothers in 161 communities."""
    return pd.read_csv(REFERENCE_DATA / "guimmun.csv")


def logit_clusters(n_rows, n_clusters, seed):
    """Binary outcome, four covariates, a random intercept with standard deviation 1.

    Parameters
    ----------
    n_rows, n_clusters : int
        Numbers of rows and of clusters; every cluster has ``n_rows // n_clusters`` rows.
    seed : int
        Seed of the random generator.
    """
    rng = np.random.default_rng(seed)
    cluster = np.repeat(np.arange(n_clusters), n_rows // n_clusters)
    x = rng.standard_normal((len(cluster), 4))
    linear = -0.5 + x @ np.array([0.6, -0.4, 0.3, 0.2]) + rng.standard_normal(n_clusters)[cluster]
    y = (rng.random(len(cluster)) < 1 / (1 + np.exp(-linear))).astype(float)
    frame = pd.DataFrame(x, columns=["x1", "x2", "x3", "x4"])
    return frame.assign(y=y, g=cluster)


def many_groups(gaussian, n_groups=125_066, seed=9097):
    """125,066 groups of 2 to 10 rows: two categorical and one numerical covariate.

    The size of the data set in statsmodels issue 9097, in which ``MixedLM`` took 41 minutes.

    Parameters
    ----------
    gaussian : bool
        Whether the outcome ``value`` is continuous or 0/1.
    """
    rng = np.random.default_rng(seed)
    unit = np.repeat(np.arange(n_groups), rng.integers(2, 11, n_groups))
    n_rows = len(unit)
    cat1, cat2 = rng.integers(0, 3, n_rows), rng.integers(0, 4, n_rows)
    x = rng.standard_normal(n_rows)
    linear = 0.3 * x + np.array([-0.5, 0.0, 0.5])[cat1] + np.array([0.0, 0.2, 0.4, -0.3])[cat2]
    linear = linear + 0.8 * rng.standard_normal(n_groups)[unit]
    if gaussian:
        value = linear + rng.standard_normal(n_rows)
    else:
        value = (rng.random(n_rows) < 1 / (1 + np.exp(-linear))).astype(float)
    labels = np.array(["a", "b", "c", "d"])
    return pd.DataFrame(
        {"value": value, "cat1": labels[cat1], "cat2": labels[cat2], "x": x, "unit": unit}
    )


def wide(n_rows=1_000_000, n_columns=10, seed=4):
    """A million rows of ten columns, the first constant, in clusters of 100, as float64."""
    rng = np.random.default_rng(seed)
    n_clusters = n_rows // 100
    cluster = np.repeat(np.arange(n_clusters), 100)
    x = rng.standard_normal((n_rows, n_columns))
    x[:, 0] = 1.0
    linear = x @ np.full(n_columns, 0.2) + rng.standard_normal(n_clusters)[cluster]
    y = (rng.random(n_rows) < 1 / (1 + np.exp(-linear))).astype(float)
    return y, x, cluster
