"""Every data set loads, says where it comes from, and agrees with its codebook."""

import importlib
import re

import numpy as np
import pandas as pd
import pytest

from sm_gllamm import datasets

TEXTS = ("TITLE", "SOURCE", "COPYRIGHT", "DESCRSHORT", "DESCRLONG", "NOTE")


@pytest.fixture(params=datasets.__all__)
def module(request):
    return importlib.import_module(f"sm_gllamm.datasets.{request.param}")


def test_texts_are_given(module):
    for name in TEXTS:
        assert getattr(module, name).strip(), name


def test_loads_as_in_statsmodels(module):
    dataset = module.load_pandas()
    assert isinstance(dataset.data, pd.DataFrame)
    assert list(dataset.data.columns) == dataset.names
    assert dataset.endog.equals(dataset.data[dataset.endog_name])
    assert dataset.exog_name == [name for name in dataset.names if name != dataset.endog_name]
    assert not dataset.data.isna().any(axis=None)
    assert module.load().data.equals(dataset.data)


def test_codebook_lists_every_column_and_the_rows(module):
    data = module.load_pandas().data
    rows = re.search(r"Number of observations - ([\d,]+)", module.NOTE).group(1)
    assert int(rows.replace(",", "")) == len(data)
    for name in data.columns:
        assert re.search(rf"\b{name}\b", module.NOTE), name


def test_loading_twice_gives_independent_frames(module):
    first = module.load_pandas()
    first.data.iloc[:, 0] = first.data.iloc[::-1, 0].to_numpy()
    first.data["new"] = 0
    assert "new" not in module.load_pandas().data


def test_reference_levels_are_those_of_the_source():
    assert datasets.bacteria.load_pandas().data["trt"].cat.categories[0] == "placebo"
    assert list(datasets.cbpp.load_pandas().data["period"].cat.categories) == ["1", "2", "3", "4"]


def test_constructed_columns_of_pisa():
    data = datasets.pisa.load_pandas().data
    ses = (data["isei"] - data["isei"].mean()) / 20
    np.testing.assert_allclose(data["ses"], ses, atol=1e-12)
    school_mean = data.groupby("id_school")["ses"].transform("mean")
    np.testing.assert_allclose(data["mses"], school_mean, atol=1e-12)
    np.testing.assert_allclose(data["wt1"] * data["wt2"], data["w_fstuwt"], rtol=1e-12)
    size = data.groupby("id_school")["wt1_size"].agg(["sum", "size"])
    np.testing.assert_allclose(size["sum"], size["size"], rtol=1e-12)


def test_one_brand_is_bought_at_each_purchase():
    data = datasets.crackers.load_pandas().data
    purchases = data.groupby(["id", "occasion"], sort=False)
    assert (purchases["choice"].sum() == 1).all()
    assert (purchases["brand"].nunique() == 4).all()


def test_rating_of_wine_groups_the_response():
    data = datasets.wine.load_pandas().data
    assert (data["rating"] == 1 + data["response"] // 20).all()


def test_one_eye_of_each_patient_is_treated():
    data = datasets.retinopathy.load_pandas().data
    assert (data.groupby("id")["trt"].agg(["sum", "size"]) == [1, 2]).all(axis=None)
