"""Models with latent variables said in several ways, and changes of the data that change nothing."""

import numpy as np
import pandas as pd
import pytest

import sm_gllamm.api as smg
from tests.mapping.test_structural import ITEMS, items

FACTOR = smg.Latent("f", "person", ITEMS)


@pytest.fixture(scope="module")
def data():
    return items(40, 4)


def fit(data, latent=(FACTOR,), y="binary", regressions=("f ~ x",), **options):
    family = "gaussian" if y == "gaussian" else "binomial"
    return smg.GLLAMM.from_formula(
        f"{y} ~ 0 + C(item)", data, list(latent), regressions=regressions, family=family, **options
    ).fit(n_points=15)


@pytest.mark.parametrize("y", ["binary", "gaussian"])
def test_without_free_loadings_it_is_a_mixed_model(data, y):
    latent = [
        smg.Latent("a", "person"),
        smg.Latent("b", "person", "0 + z"),
        smg.Latent("c", "cluster"),
    ]
    slopes = np.random.default_rng(8).normal(size=160)[data["person"]]
    data = data.assign(gaussian=data["gaussian"] + slopes * data["z"])
    ours = fit(data, latent, y, regressions=())
    formula = f"{y} ~ 0 + C(item) + (1 + z | person) + (1 | cluster)"
    mixed = smg.GLMM.from_formula(formula, data, family=ours.model.family).fit(n_points=15)
    assert ours.llf == pytest.approx(mixed.llf, abs=1e-8)
    np.testing.assert_allclose(ours.params, mixed.params, rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(ours.bse, mixed.bse, rtol=1e-5)
    np.testing.assert_allclose(ours.predict(), mixed.predict(), rtol=1e-6)
    np.testing.assert_allclose(
        ours.predict(which="posterior"), mixed.predict(which="posterior"), rtol=1e-5
    )


def test_regression_is_direct_effects_in_proportion_to_loadings(data):
    # with known loadings, a latent regression is a covariate
    latent = smg.Latent("f", "person", ITEMS, fixed={"1": 1.0, "2": 0.5, "3": 2.0, "4": 1.5})
    ours = fit(data, [latent])
    scaled = data.assign(zx=data["x"] * np.array([1.0, 0.5, 2.0, 1.5])[data["item"] - 1])
    mixed = smg.GLLAMM.from_formula(
        "binary ~ 0 + C(item) + zx", scaled, [latent], family="binomial"
    ).fit(n_points=15)
    assert ours.llf == pytest.approx(mixed.llf, abs=1e-8)
    assert ours.params["f ~ x"] == pytest.approx(mixed.params["zx"], rel=1e-5)
    assert ours.bse["f ~ x"] == pytest.approx(mixed.bse["zx"], rel=1e-5)


def test_identification(data):
    first, variance = fit(data), fit(data, identification="variance")
    other = fit(data, [smg.Latent("f", "person", ITEMS, fixed={"3": 2.0})])
    for result in (variance, other):
        assert result.llf == pytest.approx(first.llf, abs=1e-8)
        np.testing.assert_allclose(result.predict(), first.predict(), rtol=1e-5)
    sd = np.sqrt(first.params["var(f|person)"])
    assert abs(variance.params["loading(f: C(item)[1])"]) == pytest.approx(sd, rel=1e-5)
    scores = variance.latent_scores["f"] * sd
    np.testing.assert_allclose(np.abs(scores), np.abs(first.latent_scores["f"]), rtol=1e-4)


def test_order_of_latent_variables_and_rows(data):
    pair = [smg.Latent("f", "person", "0 + d1 + d2"), smg.Latent("g", "person", "0 + d3 + d4")]
    # two of the items measure something else
    other = items(40, 4, seed=11)["binary"]
    data = data.assign(binary=data["binary"].where(data["item"] <= 2, other))
    one = fit(data, pair)
    other = fit(data.sample(frac=1, random_state=2), pair[::-1])
    # nodes are placed along other axes
    assert other.llf == pytest.approx(one.llf, abs=1e-5)
    np.testing.assert_allclose(other.params["f ~ x"], one.params["f ~ x"], rtol=1e-4)


def test_item_turned_round(data):
    one = fit(data)
    turned = fit(data.assign(binary=data["binary"].where(data["item"] != 3, 1 - data["binary"])))
    assert turned.llf == pytest.approx(one.llf, abs=1e-8)
    name = "loading(f: C(item)[3])"
    assert turned.params[name] == pytest.approx(-one.params[name], rel=1e-4)


def test_frequency_weights_are_copies(data):
    times = np.random.default_rng(2).integers(1, 4, 160)
    weighted = fit(data.assign(times=times[data["person"]]), freq_weights={"person": "times"})
    copies = [
        data[times[data["person"]] > k].assign(person=lambda d, k=k: d["person"] + 1000 * k)
        for k in range(3)
    ]
    repeated = fit(pd.concat(copies))
    assert weighted.llf == pytest.approx(repeated.llf, abs=1e-7)
    np.testing.assert_allclose(weighted.params, repeated.params, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(weighted.bse, repeated.bse, rtol=1e-5)


def test_missing_responses_are_left_out(data):
    gaps = data.assign(binary=data["binary"].where(data.index % 7 != 0))
    whole = data[data.index % 7 != 0]
    np.testing.assert_allclose(fit(gaps).params, fit(whole).params, rtol=1e-12)
