"""The kept encoding of formulas whose factors are columns: what patsy makes of the same data."""

import numpy as np
import pandas as pd
import patsy
import pytest

from sm_gllamm.specification.evaluation import FormulaEngine

ENGINE = FormulaEngine("patsy", {})


@pytest.fixture
def frame():
    rng = np.random.default_rng(5)
    return pd.DataFrame(
        {
            "y": rng.normal(size=40),
            "x": rng.normal(size=40),
            "n": rng.integers(1, 4, 40),
            "text": rng.choice(["b", "a", "c"], 40),
            "thing": np.array(rng.choice(["u", "v"], 40), dtype=object),
            "yes": rng.random(40) < 0.5,
            "level": pd.Categorical(
                rng.choice(["lo", "hi"], 40), ["lo", "mid", "hi"], ordered=True
            ),
        }
    )


FORMULAS = ("y ~ x", "y ~ x + text", "y ~ 0 + text + x:text", "y ~ C(n) * x", "y ~ level + thing",
            "y ~ 0 + level:thing", "y ~ yes + C(text)", "y ~ n + I(x ** 2)", "y ~ np.log(n)")  # fmt: skip


@pytest.mark.parametrize("formula", FORMULAS)
def test_as_patsy(frame, formula):
    engine = FormulaEngine("patsy", {"np": np})
    for data in (frame, frame.iloc[::-1], frame.assign(x=frame["x"].where(frame["n"] > 1))):
        left, right = patsy.dmatrices(formula, data, return_type="dataframe")
        # what is kept from the first call serves the others
        for _ in range(2):
            found = engine.evaluate(formula, data)
            pd.testing.assert_frame_equal(found.right, right)
            pd.testing.assert_frame_equal(found.left, left)
        new = data.iloc[:5].dropna()
        applied = engine.apply(found.spec, formula.partition("~")[2], new)
        assert np.allclose(applied.right, right.loc[new.index])


def test_other_levels_are_another_encoding(frame):
    few = frame[frame["text"] != "c"]
    assert list(ENGINE.evaluate("y ~ text", frame).right) == ["Intercept", "text[T.b]", "text[T.c]"]
    assert list(ENGINE.evaluate("y ~ text", few).right) == ["Intercept", "text[T.b]"]
    assert list(ENGINE.evaluate("y ~ text", frame.assign(text=frame["n"])).right) == [
        "Intercept",
        "text",
    ]


def test_numbers_of_other_types_are_other_levels(frame):
    whole = ENGINE.evaluate("y ~ C(n)", frame)
    real = ENGINE.evaluate("y ~ C(n)", frame.assign(n=frame["n"].astype(float)))
    assert list(whole.right)[1:] == ["C(n)[T.2]", "C(n)[T.3]"]
    assert list(real.right)[1:] == ["C(n)[T.2.0]", "C(n)[T.3.0]"]


def test_levels_in_another_order_are_other_levels(frame):
    one, other = (
        frame["text"].astype(pd.CategoricalDtype(list(order))) for order in ("abc", "cab")
    )
    for values in (one, other, one):
        found = ENGINE.evaluate("y ~ text", frame.assign(text=values))
        left, right = patsy.dmatrices(
            "y ~ text", frame.assign(text=values), return_type="dataframe"
        )
        pd.testing.assert_frame_equal(found.right, right)
