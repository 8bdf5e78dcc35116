"""Predictions for new data that lack something, or have something the model has not seen."""

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
import statsmodels.formula
from numpy.testing import assert_allclose
from statsmodels.tools.sm_exceptions import ModelWarning

from sm_gllamm.exceptions import SpecificationError
from tests.bad_input.data import from_arrays, from_formula, simulate

ALL = ["marginal", "conditional", "posterior", "linear"]


@pytest.fixture(scope="module")
def data():
    return simulate().assign(track=np.array(list("abcd"))[np.arange(320) % 4])


@pytest.fixture(scope="module", params=["patsy", "formulaic"])
def result(request, data):
    before = statsmodels.formula.options.formula_engine
    statsmodels.formula.options.formula_engine = request.param
    yield from_formula(data, "y ~ x + track + (1 | g)").fit()
    statsmodels.formula.options.formula_engine = before


@pytest.fixture
def new(data):
    return data.iloc[:5].drop(columns="y")


@pytest.mark.parametrize("which", ALL)
class TestFormulas:
    def test_lacking_columns(self, which, result, new):
        for column in ("x", "track"):
            with pytest.raises(
                SpecificationError, match=f"'{column}', which is no column of the data"
            ):
                result.predict(new.drop(columns=column), which=which)
        if which == "posterior":
            with pytest.raises(SpecificationError, match="no column 'g'"):
                result.predict(new.drop(columns="g"), which=which)
        else:
            result.predict(new[["x", "track"]], which=which)

    def test_new_levels(self, which, result, new):
        for level in ("z", 1.5):
            with pytest.raises(
                SpecificationError, match=f"level of factor 'track'.*{level}'?; they had 'a'"
            ):
                result.predict(new.assign(track=level), which=which)

    def test_new_clusters(self, which, result, new):
        unknown = result.predict(new.assign(g=999), which=which)
        assert np.isfinite(unknown).all()
        if which == "posterior":
            # nothing is known of a new cluster: its mean is the population's
            assert_allclose(unknown, result.predict(new, which="marginal"), rtol=1e-5)
            assert not np.allclose(unknown, result.predict(new, which=which))
        else:
            assert_allclose(unknown, result.predict(new, which=which))

    def test_missing_values(self, which, result, new):
        holes = new.assign(x=[np.nan, 0, 0, 0, 0], track=["a", None, "a", "a", "a"])
        holes["g"] = [0, 0, np.nan, 0, 0]
        got = result.predict(holes, which=which)
        assert np.isnan(got).tolist() == [True, True, False, False, False]
        whole = result.predict(new.assign(x=0, track="a"), which=which)
        assert_allclose(got.iloc[3:], whole.iloc[3:])
        assert list(got.index) == list(new.index)

    def test_text_in_place_of_numbers(self, which, result, new):
        with pytest.raises(SpecificationError, match="'x' of the new data is not numeric"):
            result.predict(new.assign(x="low"), which=which)

    def test_no_rows(self, which, result, new):
        assert len(result.predict(new.iloc[:0], which=which)) == 0


def test_labels_of_another_type(result, new):
    with pytest.warns(ModelWarning, match="such as '0' in the new data and 0 in the model's"):
        result.predict(new.assign(g=new.g.astype(str)), which="posterior")


def test_arguments(result, new):
    with pytest.raises(SpecificationError, match="which='marginall' is not known; use"):
        result.predict(new, which="marginall")
    with pytest.raises(SpecificationError, match="predict needs a DataFrame with the columns"):
        result.predict(np.ones((5, 5)))
    with pytest.raises(SpecificationError, match="offset has 2 entries, the data have 5 rows"):
        result.predict(new, offset=[1.0, 2.0])
    with pytest.raises(SpecificationError, match="exposure must be positive"):
        result.predict(new, exposure=0.0)
    with pytest.raises(SpecificationError, match="the data have no column 'log_n'"):
        result.predict(new, offset="log_n")
    with pytest.raises(SpecificationError, match="more than one column 'x'"):
        result.predict(pd.concat([new, new[["x"]]], axis=1))


def test_one_row(result, new):
    row = {"x": 0.3, "track": "b", "g": 3}
    expected = result.predict(new.iloc[:1].assign(**row), which="posterior").to_numpy()
    assert_allclose(result.predict(row, which="posterior"), expected)
    assert_allclose(result.predict(pd.Series(row), which="posterior"), expected)


@pytest.fixture(scope="module")
def fitted():
    data, rng = simulate("poisson"), np.random.default_rng(2)
    u, v = rng.normal(size=(2, 40))[:, data.g]
    data["y"] = rng.poisson(np.exp(0.5 + u + (0.5 + 0.7 * v) * data.x)).astype(float)
    return from_arrays(data, "poisson", exog_re=sm.add_constant(data[["x"]])).fit()


@pytest.fixture(scope="module")
def exog(data):
    return sm.add_constant(data[["x"]])[:5]


class TestArrays:
    def test_shapes(self, fitted, exog, data):
        with pytest.raises(SpecificationError, match=r"shape \(5, 3\); the model has 2 columns"):
            fitted.predict(np.ones((5, 3)))
        with pytest.raises(SpecificationError, match="groups has 3 rows"):
            fitted.predict(exog, which="posterior", groups=data.g[:3], exog_re=exog)

    def test_what_is_lacking(self, fitted, exog, data):
        with pytest.raises(SpecificationError, match="pass groups"):
            fitted.predict(exog, which="posterior", exog_re=exog)
        with pytest.raises(SpecificationError, match="exog_re is missing for level 'g'"):
            fitted.predict(exog, which="marginal")
        with pytest.raises(
            SpecificationError, match="exog_re of level 'g' has 1 columns, the model has 2"
        ):
            fitted.predict(exog, which="marginal", exog_re=exog[["x"]])

    def test_new_clusters(self, fitted, exog):
        new = fitted.predict(exog, which="posterior", groups=[999] * 5, exog_re=exog)
        assert_allclose(new, fitted.predict(exog, which="marginal", exog_re=exog), rtol=1e-5)


def test_nested_clusters(data):
    rng = np.random.default_rng(1)
    half = rng.normal(size=80)[data.h]
    data = data.assign(y=data.y + half + rng.normal(size=len(data)))
    result = from_formula(data, "y ~ x + (1 | g/h)", "gaussian").fit()
    new = data.iloc[:5]
    known = result.predict(new, which="posterior")
    half_known = result.predict(new.assign(h=9999), which="posterior")
    unknown = result.predict(new.assign(g=9999), which="posterior")
    assert_allclose(unknown, result.predict(new, which="marginal"), rtol=1e-5)
    assert np.isfinite(known).all() and np.isfinite(half_known).all()


def test_after_the_data_are_gone(data):
    result = from_formula(data).fit()
    expected = result.predict(data.iloc[:5])
    result.remove_data()
    assert_allclose(result.predict(data.iloc[:5]), expected)
    assert "nan" not in str(result.summary())
    for attempt in (
        lambda: result.predict(),
        lambda: result.random_effects,
        lambda: result.model.loglike(result.params),
        lambda: result.model.fit(),
    ):
        with pytest.raises(SpecificationError, match="removed by remove_data"):
            attempt()
