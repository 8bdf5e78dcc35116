import numpy as np
import pytest

from sm_gllamm.specification import collinearity
from sm_gllamm.specification.collinearity import Dependence, collinear_columns


def test_dependences_are_named():
    rng = np.random.default_rng(1)
    x, z = rng.normal(size=(2, 500))
    exog = np.column_stack([np.ones(500), x, 3 * x, z, x - z + 2, np.zeros(500)])
    found = collinear_columns(exog, ["const", "x", "triple", "z", "mix", "nil"])
    assert found == (
        Dependence("triple", ("x",)),
        Dependence("mix", ("const", "x", "z")),
        Dependence("nil", ()),
    )
    assert [str(item) for item in found] == [
        "'triple' is a multiple of 'x'",
        "'mix' is a linear combination of 'const', 'x', 'z'",
        "'nil' is zero in every row",
    ]


def test_independent_columns_of_unlike_scales():
    year = np.arange(1990.0, 2020.0)
    exog = np.column_stack([np.ones(30), year, year**2, 1e-9 * np.sin(year), 1e9 * np.cos(year)])
    assert collinear_columns(exog, list("abcde")) == ()


def test_blocks_of_rows_make_no_difference(monkeypatch):
    rng = np.random.default_rng(2)
    x = rng.normal(size=(100, 3))
    exog = np.column_stack([x, x.sum(axis=1)])
    whole = collinear_columns(exog, list("abcd"))
    monkeypatch.setattr(collinearity, "_CHUNK", 7)
    assert collinear_columns(exog, list("abcd")) == whole == (Dependence("d", ("a", "b", "c")),)


def test_more_columns_than_rows():
    exog = np.array([[1.0, 2.0, 0.5], [1.0, 3.0, 0.1]])
    assert [item.column for item in collinear_columns(exog, list("abc"))] == ["c"]


def test_no_columns():
    assert collinear_columns(np.ones((4, 0)), []) == ()


@pytest.mark.parametrize("scale", [1e-200, 1e200])
def test_squares_out_of_range(scale):
    exog = np.column_stack([np.ones(5), scale * np.arange(5), scale * np.arange(1, 6)])
    assert collinear_columns(exog, list("abc")) == (Dependence("c", ("a", "b")),)
    assert collinear_columns(exog[:, :2], list("ab")) == ()
