"""Which disturbances covary where nothing is said."""

import numpy as np
import pandas as pd
import pytest

import sm_gllamm.api as smg

# Where lavaan 0.6.14 (sem) has other covariances, its list stands beside ours.
CASES = [
    ((), "fg fe ge", None),
    (("f ~ g", "e ~ g"), "fe", None),
    (("e ~ f + g",), "fg", None),
    (("f ~ x", "g ~ x", "e ~ x"), "fg fe ge", None),
    (("f ~ x",), "fg fe ge", "ge"),
    (("f ~ x", "g ~ x", "e ~ f + g"), "fg", ""),
]


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(1)
    rows = pd.DataFrame({"person": np.repeat(np.arange(50), 9), "item": np.tile(range(9), 50)})
    rows["x"] = rng.normal(size=50)[rows["person"]]
    return rows.assign(y=rng.normal(size=450))


@pytest.mark.parametrize(("regressions", "pairs", "lavaan"), CASES)
def test_default(data, regressions, pairs, lavaan):
    latent = [
        smg.Latent(name, "person", f"0 + I(item == {k}) + I(item == {k + 1}) + I(item == {k + 2})")
        for name, k in (("f", 0), ("g", 3), ("e", 6))
    ]

    def covariances(given=None):
        model = smg.GLLAMM.from_formula(
            "y ~ 0 + C(item)", data, latent, regressions=regressions, covariance=given
        )
        return {name for name in model.param_names if name.startswith("cov")}

    def named(text):
        return {f"cov({a},{b}|person)" for a, b in text.split()}

    assert covariances() == named(pairs)
    if lavaan is not None:
        assert covariances([tuple(pair) for pair in lavaan.split()]) == named(lavaan)
