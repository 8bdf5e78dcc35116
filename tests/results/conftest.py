"""Small fits that the tests of results share."""

import numpy as np
import pandas as pd
import pytest

import sm_gllamm.formula.api as smgf
from sm_gllamm.datasets import sleepstudy


@pytest.fixture(scope="session")
def sleep():
    return sleepstudy.load_pandas().data


@pytest.fixture(scope="session")
def slope(sleep):
    return smgf.glmm("Reaction ~ Days + (1 + Days | Subject)", sleep).fit()


@pytest.fixture(scope="session")
def intercept(sleep):
    return smgf.glmm("Reaction ~ Days + (1 | Subject)", sleep).fit()


@pytest.fixture(scope="session")
def counts():
    """A binary response with a factor, a covariate and 40 clusters of 6."""
    rng = np.random.default_rng(12)
    g = np.repeat(np.arange(40), 6)
    frame = pd.DataFrame({"g": g, "x": rng.normal(size=240), "f": rng.choice(list("abc"), 240)})
    linear = 0.5 * frame["x"] + (frame["f"] == "b") + rng.normal(size=40)[g]
    frame["y"] = (rng.random(240) < 1 / (1 + np.exp(-linear))).astype(float)
    return frame


@pytest.fixture(scope="session")
def binary(counts):
    return smgf.glmm("y ~ x + C(f) + (1 | g)", counts, family="binomial").fit()


@pytest.fixture(scope="session")
def no_effects():
    """Clusters more alike than chance has it: the variance is estimated as zero."""
    y = np.tile([0.0, 1.0, 0.0, 1.0], 30)
    x = np.random.default_rng(3).normal(size=120)
    return pd.DataFrame({"y": y, "x": x, "g": np.repeat(np.arange(30), 4)})
