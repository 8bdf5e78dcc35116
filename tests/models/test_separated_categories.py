"""Ordered categories that a covariate predicts perfectly: the fit says so, and predictions stay numbers."""

import warnings

import numpy as np
import pytest

import sm_gllamm.formula.api as smgf
from sm_gllamm.api import SeparationWarning, families
from sm_gllamm.datasets import kidney, wine


@pytest.fixture(scope="module")
def data():
    frame = kidney.load_pandas().data
    return frame.assign(decades=(frame["age"] // 20).clip(1, 3).astype(int))


@pytest.mark.parametrize("family", [families.Ordinal(), families.ContinuationRatio()])
def test_named(data, family):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        result = smgf.glmm("decades ~ age + (1 | id)", data, family=family).fit()
    (said,) = [w.message for w in caught if issubclass(w.category, SeparationWarning)]
    assert "perfect separation by age" in str(said)
    assert result.verdict.separation == ("age",)
    assert "Perfect separation" in str(result.summary())
    residuals = result.get_resid("pearson")
    assert np.abs(np.asarray(residuals)).max() < 1e-3


def test_not_where_there_is_none():
    data = wine.load_pandas().data
    result = smgf.glmm("rating ~ temp + (1 | judge)", data, family=families.Ordinal()).fit()
    assert result.verdict.separation == ()
