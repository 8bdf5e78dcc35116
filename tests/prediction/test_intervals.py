"""Standard errors and intervals of predictions."""

import numpy as np
import pandas as pd
import pytest

from sm_gllamm.prediction.predict import predicted_with_gradient, rows_for

NAMES = ["binary", "slopes", "three_level", "counts", "gaussian", "trials"]
# Central differences of predictions in the parameters; posterior gradients are differences too.
GRADIENT_RTOL = {"linear": 1e-7, "conditional": 1e-7, "marginal": 1e-6, "posterior": 1e-4}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("which", list(GRADIENT_RTOL))
def test_gradients_by_differences(name, which, request):
    result = request.getfixturevalue(name)
    model, params = result.model, np.asarray(result.params)
    head = model.data.frame.iloc[:12]
    rows = rows_for(model, which, head)
    got = predicted_with_gradient(model, params, rows, which, None, result.quadrature).gradient
    rtol = GRADIENT_RTOL[which]
    for t in range(len(params)):
        step = np.zeros(len(params))
        step[t] = 1e-5 * max(1.0, abs(params[t]))
        up, down = (
            predicted_with_gradient(model, params + s, rows, which, None, result.quadrature).value
            for s in (step, -step)
        )
        expected = (up - down) / (2 * step[t])
        scale = np.abs(expected).max()
        np.testing.assert_allclose(got[:, t], expected, rtol=rtol, atol=rtol * (scale + 1e-3))


def test_linear_prediction_is_a_t_test(slopes):
    new = pd.DataFrame({"x": [-1.0, 0.5]}, index=["a", "b"])
    frame = slopes.get_prediction(new, which="linear").summary_frame()
    assert frame.index.tolist() == ["a", "b"]
    contrast = np.array([[1, -1.0, 0, 0, 0], [1, 0.5, 0, 0, 0]])
    test = slopes.t_test(contrast)
    np.testing.assert_allclose(frame["predicted"], test.effect)
    np.testing.assert_allclose(frame["se"], test.sd.squeeze())
    np.testing.assert_allclose(frame[["ci_lower", "ci_upper"]], test.conf_int())


def test_conditional_interval_is_the_linear_one_transformed(slopes):
    new = pd.DataFrame({"x": [-1.0, 0.5]})
    linear = slopes.get_prediction(new, which="linear").conf_int()
    mean = slopes.get_prediction(new, which="conditional")
    np.testing.assert_allclose(mean.conf_int(), 1 / (1 + np.exp(-linear)), rtol=1e-10)
    symmetric = mean.conf_int(method="delta")
    np.testing.assert_allclose(symmetric.mean(1), mean.predicted)


@pytest.mark.parametrize("which", ["marginal", "posterior"])
def test_intervals_of_means_respect_their_range(binary, counts, which):
    extreme = pd.DataFrame({"week": [-60.0, 80.0], "ID": ["X02", "X03"]})
    ci = binary.get_prediction(extreme, which=which).conf_int()
    assert (ci > 0).all() and (ci < 1).all()
    table = counts.get_prediction(which=which).summary_frame()
    assert (table["ci_lower"] > 0).all()
    assert (
        (table["ci_lower"] < table["predicted"]) & (table["predicted"] < table["ci_upper"])
    ).all()


def test_average_missing_rows_and_weights(binary):
    new = pd.DataFrame({"week": [1.0, np.nan, 5.0]}, index=["a", "b", "c"])
    frame = binary.get_prediction(new).summary_frame()
    assert frame.loc["b"].isna().all()
    average = binary.get_prediction(new, average=True)
    np.testing.assert_allclose(average.predicted, frame["predicted"].mean())
    one = binary.get_prediction(new, average=True, agg_weights=[1.0, 1.0, 0.0])
    np.testing.assert_allclose(one.se, frame.loc["a", "se"])
