"""Fitted models that the tests of predictions share."""

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm

import sm_gllamm.formula.api as smgf
from sm_gllamm.datasets import bacteria, epil, sleepstudy


def three_level_frame(seed=5, n_schools=12, n_classes=3, n_rows=6):
    """Binary responses of children in classes in schools; class labels repeat across schools."""
    rng = np.random.default_rng(seed)
    school = np.repeat(np.arange(n_schools), n_classes * n_rows)
    klass = np.tile(np.repeat(np.arange(n_classes), n_rows), n_schools)
    x = rng.standard_normal(len(school))
    linear = 0.3 + 0.8 * x + 0.8 * rng.standard_normal(n_schools)[school]
    linear += 0.7 * rng.standard_normal(n_schools * n_classes)[school * n_classes + klass]
    y = (rng.random(len(school)) < 1 / (1 + np.exp(-linear))).astype(float)
    frame = pd.DataFrame({"y": y, "x": x, "school": school, "klass": klass})
    # rows in no order, labels other than codes
    frame["school"] = "s" + frame["school"].astype(str).str.zfill(2)
    return frame.sample(frac=1, random_state=1).rename(index=lambda i: f"row{i}")


@pytest.fixture(scope="session")
def bacteria_data():
    return bacteria.load_pandas().data


@pytest.fixture(scope="session")
def binary(bacteria_data):
    return smgf.glmm("y ~ week + (1 | ID)", bacteria_data, family="binomial").fit(n_points=40)


@pytest.fixture(scope="session")
def slopes():
    """Binary responses with a random slope: the variance depends on the covariate."""
    rng = np.random.default_rng(8)
    g, x = np.repeat(np.arange(60), 12), rng.standard_normal(720)
    u = rng.standard_normal((60, 2)) @ np.array([[1.0, 0.0], [0.4, 0.6]]).T
    linear = -0.2 + 0.5 * x + u[g, 0] + u[g, 1] * x
    frame = pd.DataFrame({"y": rng.binomial(1, 1 / (1 + np.exp(-linear))), "x": x, "g": g})
    return smgf.glmm("y ~ x + (1 + x | g)", frame, family="binomial").fit(n_points=15)


@pytest.fixture(scope="session")
def three_level():
    return smgf.glmm("y ~ x + (1 | school/klass)", three_level_frame(), family="binomial").fit(
        n_points=21
    )


@pytest.fixture(scope="session")
def counts():
    data = epil.load_pandas().data
    return smgf.glmm("y ~ trt + V4 + (1 | subject)", data, family="poisson").fit()


@pytest.fixture(scope="session")
def gaussian():
    data = sleepstudy.load_pandas().data
    return smgf.glmm("Reaction ~ Days + (1 + Days | Subject)", data).fit()


@pytest.fixture(scope="session")
def trials():
    rng = np.random.default_rng(2)
    g, m = np.repeat(np.arange(30), 5), rng.integers(3, 9, 150)
    x = rng.standard_normal(150)
    p = 1 / (1 + np.exp(-(0.2 + x + rng.standard_normal(30)[g])))
    frame = pd.DataFrame({"s": rng.binomial(m, p), "x": x, "g": g})
    frame["f"] = m - frame["s"]
    return smgf.glmm("s + f ~ x + (1 | g)", frame, family=sm.families.Binomial()).fit()
