"""Data sets of the benchmarks: real ones from the test references, and simulated ones.

Every function returns a :class:`pandas.DataFrame`, or None where it comes from an R package that is
not installed. Simulated data use a fixed seed, so that two runs of the benchmarks, and all packages
within one run, see the same numbers.
"""

import io
import shutil
import subprocess
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


def from_r(name, package):
    """A data set of an R package, or None where R or the package is not installed."""
    if shutil.which("Rscript") is None:
        return None
    program = f"write.csv({package}::{name}, row.names = FALSE)"
    done = subprocess.run(["Rscript", "-e", program], capture_output=True, text=True, check=False)
    return pd.read_csv(io.StringIO(done.stdout)) if done.returncode == 0 else None


def owls():
    """599 visits to 27 nests: begging calls of barn owl nestlings, from R's glmmTMB."""
    return from_r("Owls", "glmmTMB")


def wine():
    """72 ratings by 9 judges: bitterness of wine, from R's ordinal."""
    return from_r("wine", "ordinal")


def soup():
    """1,847 answers of 185 respondents: how sure they are of a soup, from R's ordinal."""
    frame = from_r("soup", "ordinal")
    return None if frame is None else frame.assign(DAY=frame["DAY"].map("day {}".format))


def _clusters(rng, n_rows, n_clusters, constant, spread):
    """Four covariates and the cluster of each row; the linear predictor with a random intercept."""
    cluster = np.repeat(np.arange(n_clusters), n_rows // n_clusters)
    x = rng.standard_normal((len(cluster), 4))
    effect = spread * rng.standard_normal(n_clusters)
    linear = constant + x @ np.array([0.6, -0.4, 0.3, 0.2]) + effect[cluster]
    return pd.DataFrame(x, columns=["x1", "x2", "x3", "x4"]).assign(g=cluster), linear


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
    frame, linear = _clusters(rng, n_rows, n_clusters, -0.5, 1.0)
    return frame.assign(y=(rng.random(len(frame)) < 1 / (1 + np.exp(-linear))).astype(float))


def zip_clusters(n_rows, n_clusters, seed):
    """Poisson counts with additional zeros, probability 0.3; otherwise as `logit_clusters`."""
    rng = np.random.default_rng(seed)
    frame, linear = _clusters(rng, n_rows, n_clusters, 0.5, 0.6)
    counts = np.where(rng.random(n_rows) < 0.3, 0, rng.poisson(np.exp(linear)))
    return frame.assign(y=counts)


def nb2_clusters(n_rows, n_clusters, seed, alpha=0.5):
    """Negative binomial counts, variance mu + alpha mu^2; otherwise as `logit_clusters`."""
    rng = np.random.default_rng(seed)
    frame, linear = _clusters(rng, n_rows, n_clusters, 0.5, 0.6)
    return frame.assign(y=rng.negative_binomial(1 / alpha, 1 / (1 + alpha * np.exp(linear))))


def gamma_clusters(n_rows, n_clusters, seed, dispersion=0.5):
    """Gamma responses, variance dispersion times mu^2; otherwise as `logit_clusters`."""
    rng = np.random.default_rng(seed)
    frame, linear = _clusters(rng, n_rows, n_clusters, 0.5, 0.6)
    return frame.assign(y=rng.gamma(1 / dispersion, dispersion * np.exp(linear)))


def beta_clusters(n_rows, n_clusters, seed, precision=5.0):
    """Proportions away from 0 and 1, variance mu (1 - mu) / (1 + precision)."""
    rng = np.random.default_rng(seed)
    frame, linear = _clusters(rng, n_rows, n_clusters, 0.2, 0.6)
    mean = 1 / (1 + np.exp(-linear))
    share = rng.beta(precision * mean, precision * (1 - mean))
    return frame.assign(y=np.clip(share, 1e-6, 1 - 1e-6))


def ordinal_clusters(n_rows, n_clusters, seed, thresholds=(-1.5, -0.5, 0.5, 1.5)):
    """Five ordered categories by a cumulative logit; otherwise as `logit_clusters`."""
    rng = np.random.default_rng(seed)
    frame, linear = _clusters(rng, n_rows, n_clusters, 0.0, 1.0)
    return frame.assign(y=np.searchsorted(thresholds, linear + rng.logistic(size=n_rows)))


def exponential_clusters(n_rows, n_clusters, seed, end=2.0):
    """Exponential durations with a log-normal frailty, censored at `end` (a third of them)."""
    rng = np.random.default_rng(seed)
    frame, linear = _clusters(rng, n_rows, n_clusters, -0.5, 0.8)
    duration = rng.exponential(np.exp(-linear))
    time = np.minimum(duration, end)
    return frame.assign(time=time, event=(duration <= end).astype(float), log_time=np.log(time))


def growth(n_rows, n_clusters, seed):
    """Return counts over time with a random level and a random slope."""
    rng = np.random.default_rng(seed)
    g = np.sort(rng.integers(0, n_clusters, n_rows))
    time, x1 = rng.uniform(-1, 1, n_rows), rng.normal(size=n_rows)
    level = rng.normal(0, 0.7, n_clusters)
    slope = 0.3 * level + rng.normal(0, 0.5, n_clusters)
    mean = np.exp(0.3 + 0.2 * x1 + 0.4 * time + level[g] + slope[g] * time)
    return pd.DataFrame({"y": rng.poisson(mean), "x1": x1, "time": time, "g": g})


def items(n_persons, n_items, seed):
    """Return binary items of persons in long form, two-parameter logistic model."""
    rng = np.random.default_rng(seed)
    person, item = np.repeat(np.arange(n_persons), n_items), np.tile(np.arange(n_items), n_persons)
    slope, constant = rng.uniform(0.7, 1.8, n_items), rng.normal(0, 1, n_items)
    nu = constant[item] + slope[item] * rng.normal(size=n_persons)[person]
    y = (rng.random(len(nu)) < 1 / (1 + np.exp(-nu))).astype(float)
    return pd.DataFrame({"y": y, "item": pd.Categorical(item), "person": person})


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
