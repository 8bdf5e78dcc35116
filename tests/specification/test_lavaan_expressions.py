"""Arithmetic of parameters: values and derivatives."""

import numpy as np
import pytest

from sm_gllamm.specification.lavaan_expressions import FUNCTIONS, expression
from sm_gllamm.specification.lavaan_tokens import Cursor, Source

VALUES = {"a": 0.3, "b": 0.7, "c": -0.4, ".p3.": 2.0}


def read(text):
    return expression(Cursor(Source(text)))


@pytest.mark.parametrize(
    "text, value",
    [
        ("1 + 2*3", 7),
        ("(1 + 2)*3", 9),
        ("-2^2", -4),
        ("2^3^2", 512),
        ("2**-1", 0.5),
        ("8/4/2", 1),
        ("5 - 2 - 1", 2),
        ("-a*b", -0.21),
        ("a - -b", 1.0),
        ("+a", 0.3),
        ("a*b + exp(c)/sqrt(b) - a^2", 0.3 * 0.7 + np.exp(-0.4) / np.sqrt(0.7) - 0.09),
        (".p3./2", 1.0),
        ("'a'*1e1", 3.0),
        ("c^2", 0.16),
        ("log(1/(1 + exp(-a)))", np.log(1 / (1 + np.exp(-0.3)))),
    ],
)
def test_values(text, value):
    assert read(text).evaluate(VALUES) == pytest.approx(value, rel=1e-14)


@pytest.mark.parametrize(
    "text",
    [
        *[f"{name}(a)" for name in FUNCTIONS],
        *[f"b*{name}(a*b)" for name in FUNCTIONS],
        "a*b/c - a^2",
        "a^b",
        "(a*b)^(a + 1)",
        "c^3*a",
        "a/b/c",
        "-(a - b)*(a + b)",
        "exp(a*log(b))^2",
        "1 + 2",
    ],
)
def test_derivatives(text):
    tree = read(text)
    value, gradient = tree.differentiate(VALUES)
    assert value == tree.evaluate(VALUES)
    assert set(gradient) == {name.name for name in tree.names()}
    for name, partial in gradient.items():
        # complex steps would need complex functions; central differences are good to 1e-9 here
        step = 1e-5
        above = tree.evaluate(VALUES | {name: VALUES[name] + step})
        below = tree.evaluate(VALUES | {name: VALUES[name] - step})
        assert partial == pytest.approx((above - below) / (2 * step), rel=1e-7, abs=1e-8)


def test_arrays_are_draws():
    draws = {"a": np.array([0.1, 0.2, 0.3]), "b": np.array([1.0, 2.0, 3.0])}
    value, gradient = read("a*b^2").differentiate(draws)
    np.testing.assert_allclose(value, draws["a"] * draws["b"] ** 2)
    np.testing.assert_allclose(gradient["a"], draws["b"] ** 2)
    np.testing.assert_allclose(gradient["b"], 2 * draws["a"] * draws["b"])


@pytest.mark.parametrize(
    "text, expected",
    [
        ("a", ({"a": 1}, 0)),
        ("2*(a - b/4) + 3 - a", ({"a": 1, "b": -0.5}, 3)),
        ("-a*2^2", ({"a": -4}, 0)),
        ("exp(0) + sqrt(4)*a", ({"a": 2}, 1)),
        ("a*b", None),
        ("1/a", None),
        ("exp(a)", None),
        ("a^2", None),
        ("2^a", None),
    ],
)
def test_affine_forms(text, expected):
    assert read(text).affine() == expected


def test_names_know_their_places():
    assert [(name.name, name.place) for name in read("a + exp(b)*a").names()] == [
        ("a", 0),
        ("b", 8),
        ("a", 11),
    ]
