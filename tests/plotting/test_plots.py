"""Plots show the numbers that the results give."""

import sys

import numpy as np
import pandas as pd
import pytest

import sm_gllamm.api as smg
import sm_gllamm.formula.api as smgf
from sm_gllamm.datasets import bacteria, sleepstudy
from sm_gllamm.exceptions import SpecificationError
from sm_gllamm.prediction.grid import curve_grid

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("Agg")


@pytest.fixture(autouse=True)
def closed_figures():
    yield
    from matplotlib import pyplot

    pyplot.close("all")


@pytest.fixture(scope="module")
def binary():
    data = bacteria.load_pandas().data
    return smgf.glmm("y ~ week + trt + (1 | ID)", data, family="binomial").fit(n_points=11)


@pytest.fixture(scope="module")
def gaussian():
    data = sleepstudy.load_pandas().data
    return smgf.glmm("Reaction ~ Days + (1 + Days | Subject)", data).fit()


def test_prediction_curves(binary):
    figure = binary.plot_prediction("week", by="trt", n=5)
    (axes,) = figure.axes
    assert axes.get_xlabel() == "week"
    assert len(axes.lines) == 6
    week = np.linspace(0, 11, 5)
    trt = list(binary.model.data.frame["trt"].cat.categories)
    expected = binary.predict(pd.DataFrame({"week": week, "trt": trt[0]}), which="conditional")
    np.testing.assert_allclose(axes.lines[0].get_xdata(), week)
    np.testing.assert_allclose(axes.lines[0].get_ydata(), expected)
    assert axes.lines[0].get_label() == f"trt = {trt[0]}, conditional"
    assert len(axes.collections) == 6


def test_prediction_curves_in_given_axes_and_at_given_values(binary):
    from matplotlib import pyplot

    _, axes = pyplot.subplots()
    figure = binary.plot_prediction("trt", which="linear", at={"week": 2}, ci=False, ax=axes)
    assert figure is axes.figure and not axes.collections
    trt = list(binary.model.data.frame["trt"].cat.categories)
    expected = binary.predict(pd.DataFrame({"week": 2, "trt": trt}), which="linear")
    np.testing.assert_allclose(axes.lines[0].get_ydata(), expected)
    with pytest.raises(SpecificationError, match="'weeks'"):
        binary.plot_prediction("weeks")


def test_prediction_curves_of_an_array_model(gaussian):
    exog = gaussian.model.exog
    groups = np.repeat(np.arange(18), 10)
    model = smg.GLMM(gaussian.model.endog, exog, groups=groups, exog_re=exog)
    (axes,) = model.fit().plot_prediction("x1", n=3, which="marginal").axes
    np.testing.assert_allclose(
        axes.lines[0].get_ydata(), gaussian.predict(pd.DataFrame({"Days": [0, 4.5, 9]})), rtol=1e-6
    )


def test_grid_of_typical_values():
    data = pd.DataFrame(
        {"x": [1.0, 2.0, 4.0], "k": [1, 1, 2], "sex": ["m", "f", "f"], "z": [0.0, 3.0, np.nan]}
    )
    grid = curve_grid(data, "x", by="z", n=3, formula="y ~ x + C(k) + z")
    assert grid["x"].tolist() == [1.0, 2.5, 4.0] * 2
    assert grid["z"].tolist() == [0.0] * 3 + [3.0] * 3
    assert set(grid["k"]) == {1} and set(grid["sex"]) == {"f"}
    many = pd.DataFrame({"x": np.arange(20.0), "z": np.arange(20.0)})
    at = curve_grid(many, "x", by="z", n=2)["z"].unique()
    np.testing.assert_allclose(at, 9.5 + many["z"].std() * np.array([-1, 0, 1]))


def test_caterpillar(gaussian, binary):
    figure = gaussian.plot_random_effects()
    assert [axes.get_xlabel() for axes in figure.axes] == ["Intercept", "Days"]
    np.testing.assert_allclose(
        figure.axes[1].lines[0].get_xdata(), np.sort(gaussian.random_effects["Days"])
    )
    figure = gaussian.plot_random_effects(effect="Days", alpha=0.5)
    assert len(figure.axes) == 1
    with pytest.raises(SpecificationError, match="'Day'"):
        gaussian.plot_random_effects(effect="Day")
    with pytest.raises(ValueError, match="one random effect"):
        gaussian.plot_random_effects(ax=figure.axes[0])
    shown = binary.plot_random_effects(kind="ml").axes[0].lines[0].get_xdata()
    assert len(shown) == np.isfinite(binary.ranef("ml")["Intercept"]).sum()


def test_without_matplotlib(binary, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    with pytest.raises(ImportError, match=r"sm_gllamm\[plot\]"):
        binary.plot_prediction("week")


def test_profile(gaussian):
    profile = gaussian.profile("Days", alpha=0.1)
    (axes,) = gaussian.plot_profile("Days", alpha=0.1).axes
    curve = axes.lines[0]
    np.testing.assert_allclose(
        np.interp(profile.table["value"], curve.get_xdata(), curve.get_ydata()),
        profile.table["zeta"],
        atol=1e-3,
    )
    np.testing.assert_allclose(axes.lines[-1].get_xdata(), profile.limits)
    assert axes.lines[-1].get_label() == "90% interval"
    assert axes.get_xlabel() == "Days"
