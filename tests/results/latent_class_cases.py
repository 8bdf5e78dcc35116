"""Latent class models that tests of results share."""

import warnings
from functools import cache

import numpy as np
import pandas as pd
from statsmodels.tools.sm_exceptions import ModelWarning

import sm_gllamm.api as smg
from tests.reference import load_cases, load_data

CASES = load_cases("latent_class")
CHEATING = ["LIEEXAM", "LIEPAPER", "FRAUD", "COPYEXAM"]


@cache
def fitted(name):
    """Fit of a reference case."""
    data = load_data(CASES[name]["data"])
    classes = int(name.partition("_lca")[2][0])
    if name.endswith("_gpa"):
        return smg.LatentClass.from_formula(" + ".join(CHEATING) + " ~ GPA", data, classes).fit()
    items = [column for column in data if column not in ("freq", "GPA")]
    weights = "freq" if "freq" in data else None
    with warnings.catch_warnings():
        # probabilities of zero; the election data have rows without any rating
        warnings.simplefilter("ignore", ModelWarning)
        return smg.LatentClass(data, classes, items=items, freq_weights=weights).fit()


def simulated(n=320, seed=1):
    """Nominal, ordinal, gaussian, count and positive indicators, direct effects, two classes."""
    rng = np.random.default_rng(seed)
    c, x = rng.integers(0, 2, n), rng.normal(size=n)
    g = rng.normal(size=n) + 2.0 * c + 0.4 * x
    u = rng.random(n)
    frame = pd.DataFrame(
        {
            "A": (rng.random(n) < np.where(c, 0.8, 0.2)).astype(int),
            "B": np.where(u < 0.3 + 0.3 * c, "a", np.where(u < 0.8, "b", "c")),
            "C": (rng.random(n) < 1 / (1 + np.exp(-(2 * c - 1 + 0.5 * x)))).astype(int),
            "D": np.array(list("uvw"))[np.clip(rng.integers(0, 2, n) + (x > 0.3 * c), 0, 2)],
            "g": g,
            "p": rng.poisson(np.where(c, 4.0, 1.0)),
            "o": np.clip(np.round(c + rng.normal(size=n)), 0, 2) + 1.0,
            "G": rng.gamma(3.0, 1.0 + c) + 0.01,
            "x": x,
        }
    )
    frame.loc[::17, "A"] = np.nan
    frame.loc[5::23, "g"] = np.nan
    frame.loc[3::29, "o"] = np.nan
    return frame


@cache
def mixed():
    """Fit of a model of all kinds of indicators."""
    families = {"g": "gaussian", "p": "poisson", "o": "ordinal", "G": "gamma", "A": "nominal"}
    return smg.LatentClass(
        simulated(), 2, items=list("ABCDgpoG"), families=families, classes="~ x",
        direct={"C": "~ x", "D": "~ x", "g": "~ x"},
    ).fit(n_starts=3)  # fmt: skip


def two_levels(n_clusters=24, size=15, seed=3):
    """Six binary indicators of three classes of units, two classes of clusters, a covariate."""
    rng = np.random.default_rng(seed)
    cluster = np.repeat(np.arange(n_clusters), size)
    upper = rng.integers(0, 2, n_clusters)[cluster]
    x = rng.normal(size=len(cluster))
    c = (rng.random(len(cluster)) < 1 / (1 + np.exp(-(2.4 * upper - 1.2 + 0.5 * x)))).astype(int)
    frame = pd.DataFrame(
        {f"y{j}": (rng.random(len(c)) < np.where(c, 0.85, 0.2)).astype(int) for j in range(6)}
    )
    return frame.assign(x=x, school=[f"s{k:02d}" for k in cluster])


@cache
def nested():
    """Fit of a two-level latent class model."""
    return smg.LatentClass(
        two_levels(), 2, items=[f"y{j}" for j in range(6)], classes="~ x", clusters="school",
        cluster_classes=2,
    ).fit(n_starts=5)  # fmt: skip
