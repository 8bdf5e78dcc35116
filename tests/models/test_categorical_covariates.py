"""Coding of categorical covariates in regressions of latent variables."""

import numpy as np
import pandas as pd
import pytest

import sm_gllamm.api as smg

LATENT = [
    smg.Latent("f", "person", "0 + i0 + i1 + i2"),
    smg.Latent("g", "person", "0 + i3 + i4 + i5"),
]


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(1)
    person, item = np.repeat(np.arange(150), 6), np.tile(range(6), 150)
    group = np.array(["a", "b", "c"])[np.arange(150) % 3]
    f = 0.5 * (group == "b") + rng.normal(size=150)
    g = 0.7 * f + 0.6 * f * (group == "c") + rng.normal(size=150)
    y = np.where(item < 3, f[person], g[person]) + rng.normal(size=900)
    rows = pd.DataFrame({"person": person, "item": item, "y": y, "group": group[person]})
    rows["x"] = rng.normal(size=150)[person]
    return rows.assign(**{f"i{k}": (item == k).astype(float) for k in range(6)})


def build(data, *regressions):
    return smg.GLLAMM.from_formula("y ~ 0 + C(item)", data, LATENT, regressions=regressions)


@pytest.mark.parametrize(
    ("regression", "terms"),
    [
        ("f ~ group", "group[T.b] group[T.c]"),
        ("f ~ x + group", "group[T.b] group[T.c] x"),
        ("f ~ 0 + group", "group[a] group[b] group[c]"),
        ("f ~ 1 + group", "Intercept group[T.b] group[T.c]"),
        ("f ~ group * x", "group[T.b] group[T.c] x group[T.b]:x group[T.c]:x"),
        ("g ~ f + f:group", "f f:group[T.b] f:group[T.c]"),
        ("g ~ f:group", "f:group[a] f:group[b] f:group[c]"),
        ("g ~ f + f:x", "f f:x"),
        ("g ~ f + 0", "f"),
    ],
)
def test_coding(data, regression, terms):
    response = regression[0]
    names = [name for name in build(data, regression).param_names if " ~ " in name]
    assert names == [f"{response} ~ {term}" for term in terms.split()]


def test_slopes_of_groups(data):
    contrasts = build(data, "g ~ f + f:group + group", "f ~ group").fit()
    slopes = build(data, "g ~ f:group + group", "f ~ group").fit()
    assert contrasts.verdict.ok and slopes.verdict.ok
    assert slopes.llf == pytest.approx(contrasts.llf, rel=1e-10)
    p, q = contrasts.params, slopes.params
    assert q["g ~ f:group[a]"] == pytest.approx(p["g ~ f"], rel=1e-5)
    assert q["g ~ f:group[c]"] == pytest.approx(p["g ~ f"] + p["g ~ f:group[T.c]"], rel=1e-5)
    # new rows are coded as those of the fit, whatever groups they have
    rows = data[data["group"] == "c"]
    here = (data["group"] == "c").to_numpy()
    np.testing.assert_allclose(contrasts.predict(rows), np.asarray(contrasts.predict())[here])


def test_functions_of_the_caller(data):
    def half(values):
        return values / 2

    latent = [smg.Latent("f", "person", "0 + i0 + half(i1) + i2"), LATENT[1]]
    model = smg.GLLAMM.from_formula(
        "y ~ 0 + C(item)", data, latent, regressions=["g ~ f + half(x)"]
    )
    result, plain = model.fit(), build(data, "g ~ f + x").fit()
    assert result.llf == pytest.approx(plain.llf, rel=1e-10)
    assert result.params["g ~ half(x)"] == pytest.approx(2 * plain.params["g ~ x"], rel=1e-5)
    np.testing.assert_allclose(result.predict(data[:12]), plain.predict(data[:12]), rtol=1e-6)
    given = smg.GLLAMM.from_formula(
        "y ~ 0 + C(item)", data, latent, regressions=["g ~ f + half(x)"], eval_env={"half": half}
    )
    assert given.param_names == model.param_names
    with pytest.raises(smg.SpecificationError, match="half"):
        smg.GLLAMM.from_formula("y ~ 0 + C(item)", data, latent, eval_env=-1)
