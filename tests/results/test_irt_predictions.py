"""Probabilities, expected scores and information at given latent variables."""

import numpy as np
import pandas as pd
import pytest
from scipy.special import logit

import sm_gllamm.api as smg
from sm_gllamm.datasets import lsat, science
from sm_gllamm.exceptions import SpecificationError

ATTITUDES = ["comfort", "work", "future", "benefit"]
THETA = np.array([-2.0, 0.0, 1.5])


@pytest.fixture(scope="module")
def result():
    data = science.load_pandas().data[ATTITUDES]
    return smg.IRT(
        data, {"comfort": "GPCM", "work": "graded", "future": "nominal", "benefit": "PCM"}
    ).fit()


@pytest.fixture(scope="module")
def binary():
    data = lsat.load_pandas().data
    return smg.IRT(data, items=[f"item_{j}" for j in range(1, 6)]).fit()


def differences(result, function):
    params = np.asarray(result.params)
    steps = 1e-5 * np.eye(len(params))
    return np.array([(function(params + h) - function(params - h)) / 2e-5 for h in steps])


def test_probabilities_have_delta_method_errors(result):
    table = result.get_prediction(THETA).summary_frame()
    assert list(table.index.names) == ["theta", "item", "category"]
    assert table.index[5] == (-2.0, "work", 1)
    model = result.model

    def flat(params):
        items = model.bank_at(params).items
        return np.concatenate(
            [item.probabilities(THETA[:, None]) for item in items], axis=1
        ).ravel()

    gradient = differences(result, flat)
    se = np.sqrt(np.einsum("pn,pq,qn->n", gradient, result.cov_params(), gradient))
    assert np.allclose(table["predicted"], flat(np.asarray(result.params)))
    assert np.allclose(table["se"], se, rtol=1e-6)
    centre = logit(table["predicted"])
    half = 1.959964 * se / (table["predicted"] * (1 - table["predicted"]))
    assert np.allclose(logit(table["ci_lower"]), centre - half, rtol=1e-5)
    assert np.allclose(logit(table["ci_upper"]), centre + half, rtol=1e-5)


def test_limits_stay_between_zero_and_the_top(result):
    theta = np.linspace(-40.0, 40.0, 41)
    for which, top in (("probability", 1.0), ("mean", 3.0), ("total", 12.0)):
        table = result.get_prediction(theta, which).summary_frame()
        assert table[["ci_lower", "ci_upper"]].notna().all(axis=None)
        assert ((table["ci_lower"] >= 0.0) & (table["ci_upper"] <= top * (1 + 1e-12))).all()
        assert (table["ci_lower"] <= table["predicted"] * (1 + 1e-12)).all()
        assert (table["predicted"] <= table["ci_upper"] * (1 + 1e-12)).all()


def test_expected_scores_are_sums(result):
    means = result.get_prediction(THETA, "mean").summary_frame()["predicted"]
    total = result.expected_score(THETA)
    assert np.allclose(total["predicted"], means.unstack("item").sum(axis=1))
    part = result.expected_score(THETA, items=["work", "benefit"])
    assert np.allclose(part["predicted"], means.unstack("item")[["work", "benefit"]].sum(axis=1))
    model = result.model

    def curve(params):
        return sum(item.expected_score(THETA[:, None]) for item in model.bank_at(params).items)

    gradient = differences(result, curve)
    se = np.sqrt(np.einsum("pn,pq,qn->n", gradient, result.cov_params(), gradient))
    assert np.allclose(total["se"], se, rtol=1e-6)


def test_predict_is_labelled_and_averages_over_the_population(result, binary):
    table = result.predict(THETA)
    assert list(table["work"].columns) == [0, 1, 2, 3]
    assert np.allclose(table.T.groupby(level="item").sum(), 1.0)
    assert np.allclose(result.predict(THETA, "mean")["work"], table["work"] @ np.arange(4))
    x, w = np.polynomial.hermite_e.hermegauss(61)
    expected = (w / w.sum()) @ binary.predict(x, "mean")
    assert np.allclose(binary.predict(which="mean"), expected, atol=1e-10)
    # the score equations of slopes and intercepts keep observed proportions near
    observed = lsat.load_pandas().data[[f"item_{j}" for j in range(1, 6)]].mean()
    assert np.allclose(binary.predict(which="mean").iloc[0], observed, atol=1e-3)


def test_information_is_that_of_the_probabilities(result):
    step = 1e-4
    p = result.predict(THETA)
    slope = (result.predict(THETA + step).to_numpy() - result.predict(THETA - step).to_numpy()) / (
        2 * step
    )
    expected = (
        pd.DataFrame(slope**2 / p.to_numpy(), columns=p.columns).T.groupby(level="item").sum()
    )
    table = result.information(THETA)
    assert np.allclose(table[ATTITUDES], expected.T[ATTITUDES], rtol=1e-6)
    assert np.allclose(table["total"], table[ATTITUDES].sum(axis=1))
    assert np.allclose(table["se"], 1 / np.sqrt(table["total"]))
    part = result.information(items="work")
    assert part.shape == (81, 3)
    assert np.allclose(part["total"], part["work"])


def test_information_about_one_of_several_dimensions():
    rng = np.random.default_rng(5)
    theta = rng.normal(size=(300, 2)) @ [[1.0, 0.4], [0.0, 0.9]]
    nu = 1.5 * np.repeat(theta, 3, axis=1)
    data = pd.DataFrame((rng.random(nu.shape) < 1 / (1 + np.exp(-nu))).astype(int)).add_prefix("x")
    dimensions = {"A": ["x0", "x1", "x2"], "B": ["x3", "x4", "x5"]}
    fitted = smg.IRT(data, dimensions=dimensions).fit()
    table = fitted.information([0.0, 1.0], direction="B")
    assert (table[["x0", "x1", "x2"]] == 0.0).all(axis=None)
    slope = fitted.bank.items[3].slopes[1]
    p = fitted.predict([[0.0, 1.0]])["x3"][1].iloc[0]
    assert table.loc[1.0, "x3"] == pytest.approx(slope**2 * p * (1 - p))
    with pytest.raises(SpecificationError, match="direction"):
        fitted.information([0.0])
    with pytest.raises(SpecificationError, match="a row a point"):
        fitted.predict([0.0, 1.0, 2.0])


def test_what_is_asked_for_exists(result):
    with pytest.raises(SpecificationError, match="no item"):
        result.get_prediction([0.0], items="nothing")
    with pytest.raises(SpecificationError, match="which="):
        result.predict([0.0], "odds")
    with pytest.raises(SpecificationError, match="finite"):
        result.predict([np.nan])
