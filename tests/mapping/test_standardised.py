"""Covariates far from zero, or in large units, are nobody's business but the covariates' own."""

import numpy as np
import pandas as pd
import pytest

import sm_gllamm.api as smg
from sm_gllamm.mapping.standardised import Standard, StandardisedMapping

BINARY, FOUR = ["b1", "b2", "b3", "b4"], ["p1", "p2", "p3"]


def responses(n=120, seed=5):
    rng = np.random.default_rng(seed)
    x, z = rng.normal(size=n), rng.normal(size=n)
    theta = rng.normal(size=n) + 0.5 * x
    data = {b: (theta + rng.logistic(size=n) > 0.3 * k) * 1 for k, b in enumerate(BINARY)}
    for p in FOUR:
        data[p] = np.clip(np.round(theta + rng.normal(size=n) + 1.5), 0, 3).astype(int)
    return pd.DataFrame(data).assign(
        x=x, z=z, far=8.0 * x + 2000.0, tiny=1e-4 * z - 0.02, group=np.resize(["u", "v"], n),
        school=np.sort(rng.integers(0, 8, n)),
    )  # fmt: skip


DATA = responses()
ITEM_DATA = pd.DataFrame({"a": [0.0, 1.0, 0.5, 2.0]}, index=BINARY)
BOTH = {"regression": "~ far + tiny"}
HALVES = {"A": BINARY[:2], "B": BINARY[1:]}
# items, model, options, and whether intercepts can take up another origin
CASES = {
    "2PL": (BINARY, "2PL", BOTH, True),
    "1PL": (BINARY, "1PL", BOTH, True),
    "graded": (FOUR, "graded", BOTH, True),
    "GPCM": (FOUR, "GPCM", BOTH, True),
    "RSM": (FOUR, "RSM", BOTH, True),
    "nominal": (FOUR, "nominal", BOTH, True),
    "dimensions": (BINARY, "2PL", {**BOTH, "dimensions": HALVES}, True),
    "direct effects": (BINARY + FOUR, None, {**BOTH, "dif": {"b2": "~ far", "p1": "~ far"}}, True),
    "groups": (BINARY, "2PL", {**BOTH, "groups": "group"}, True),
    "own slopes of groups": (
        BINARY, "2PL", {**BOTH, "groups": "group", "group_equal": ["intercepts"]}, False,
    ),
    "known items": (
        BINARY, "2PL", {**BOTH, "fixed": {"b1": {"slope": 1.0, "intercept": 0.2}}}, True,
    ),
    "schools": (BINARY, "2PL", {**BOTH, "clusters": "school", "random_items": "b1"}, True),
    "slopes of schools": (
        BINARY, "2PL", {**BOTH, "clusters": "school", "random_item_slopes": "b1"}, False,
    ),
    "LLTM": (
        BINARY, "Rasch", {**BOTH, "item_formula": "~ a", "item_data": ITEM_DATA}, False,
    ),
    "non-uniform": (BINARY, "2PL", {**BOTH, "dif_slopes": {"b2": "~ far"}}, False),
    "testlets": (BINARY, "2PL", {**BOTH, "specific": {"s": BINARY[:2]}, "testlets": True}, True),
}  # fmt: skip


def built(case, monkeypatch):
    """Return the model, and the same with covariates as they are."""
    items, names, options, _ = CASES[case]
    inside = smg.IRT(DATA, names, items=items, **options)
    with monkeypatch.context() as patch:
        patch.setattr(Standard, "of", classmethod(lambda cls, values: None))
        plain = smg.IRT(DATA, names, items=items, **options)
    return inside, plain


def somewhere(model):
    """Return parameters in the interior, for which covariates far away are no matter."""
    theta = model._starting_theta(model.likelihood)
    rng = np.random.default_rng(1)
    for k, name in enumerate(model.param_names):
        if "~" in name or name.startswith("dif"):
            theta[k] = rng.normal(0.0, 0.2)
    if model.layout.standard.centre.any():
        return model.mapping.params(theta)
    # intercepts that make up for the covariate
    params = model.mapping.params(theta)
    params[[k for k, name in enumerate(model.param_names) if "far" in name]] = 1e-4
    return params


@pytest.mark.parametrize("case", CASES)
def test_same_likelihood(case, monkeypatch):
    inside, plain = built(case, monkeypatch)
    assert isinstance(inside.mapping, StandardisedMapping)
    assert inside.layout.standard.centre.any() == CASES[case][-1]
    assert inside.param_names == plain.param_names
    params = somewhere(inside)
    n_points = 9 if "school" in case else 25
    assert inside.loglike_at(params, n_points) == pytest.approx(
        plain.loglike_at(params, n_points), abs=1e-7
    )
    for model in (inside, plain):
        model.fit(params, maxiter=0, n_points=n_points, warn_convergence=False)
    # of the size of the covariate, to which a derivative is proportional
    size = np.abs(plain.score_obs(params)).sum(axis=0) + 1e-8
    np.testing.assert_allclose(inside.score(params) / size, plain.score(params) / size, atol=1e-7)
    bend = np.sqrt(np.abs(np.diag(plain.hessian(params)))) + 1e-8
    scaled = [model.hessian(params) / np.outer(bend, bend) for model in (inside, plain)]
    np.testing.assert_allclose(*scaled, atol=5e-5)


@pytest.mark.parametrize("case", CASES)
def test_mapping(case, monkeypatch):
    model, _ = built(case, monkeypatch)
    mapping, rng = model.mapping, np.random.default_rng(0)
    theta = model._starting_theta(model.likelihood) + rng.uniform(0.0, 0.2, mapping.k_params)
    params = mapping.params(theta)
    np.testing.assert_allclose(mapping.theta(params), theta, rtol=1e-9, atol=1e-9)
    step, gradient = 1e-4 * rng.normal(size=len(theta)), rng.normal(size=len(theta))
    slope = (mapping.params(theta + step) - mapping.params(theta - step)) / 2
    size = np.abs(mapping.jacobian(theta)) @ np.abs(step)
    np.testing.assert_allclose(mapping.jacobian(theta) @ step / size, slope / size, atol=1e-5)
    bend = gradient @ (mapping.jacobian(theta + step) - mapping.jacobian(theta - step)) / 2
    found = mapping.curvature(theta, gradient) @ step
    np.testing.assert_allclose(found, bend, rtol=1e-5, atol=1e-5 * np.abs(bend).max() + 1e-12)


class TestFits:
    def test_origin_and_unit_do_not_matter(self):
        near = smg.IRT(DATA, items=BINARY, regression="~ x + z").fit(quadrature_tol=1e-9)
        far = smg.IRT(DATA, items=BINARY, **BOTH).fit(quadrature_tol=1e-9)
        assert far.llf == pytest.approx(near.llf, abs=1e-6)
        slope = far.params["theta ~ far"]
        assert slope == pytest.approx(near.params["theta ~ x"] / 8.0, rel=1e-5)
        assert far.bse["theta ~ far"] == pytest.approx(near.bse["theta ~ x"] / 8.0, rel=1e-5)
        other = far.params["theta ~ tiny"]
        assert other == pytest.approx(near.params["theta ~ z"] * 1e4, rel=1e-5)
        for item in BINARY:
            a = far.params[f"slope[{item}]"]
            assert a == pytest.approx(near.params[f"slope[{item}]"], rel=1e-5)
            at = far.params[f"intercept[{item}]"] + a * (2000.0 * slope - 0.02 * other)
            assert at == pytest.approx(near.params[f"intercept[{item}]"], abs=1e-5)
        mean = 2000.0 * slope - 0.02 * other
        np.testing.assert_allclose(far.scores()["theta"] - mean, near.scores()["theta"], atol=1e-4)
        robust = [result.model.fit(cov_type="robust").bse for result in (near, far)]
        assert robust[1]["theta ~ far"] == pytest.approx(robust[0]["theta ~ x"] / 8, rel=1e-4)
        np.testing.assert_allclose(
            far.scores(data=DATA.head())["theta"] - mean,
            near.scores(data=DATA.head())["theta"],
            atol=1e-4,
        )

    def test_constraints_and_profiles(self):
        data = responses(300, seed=1)
        model = smg.IRT(data, items=BINARY, regression="~ far")
        result = model.fit()
        none = model.fit_constrained({"theta ~ far": 0.0})
        assert none.llf == pytest.approx(smg.IRT(data, items=BINARY).fit().llf, abs=1e-5)
        near = smg.IRT(data, items=BINARY, regression="~ x").fit()
        low, high = result.profile("theta ~ far").limits
        expected = near.profile("theta ~ x").limits
        assert (8 * low, 8 * high) == pytest.approx(tuple(expected), rel=1e-3)

    def test_priors_are_of_parameters_as_they_are(self):
        model = smg.IRT(
            DATA, items=BINARY, regression="~ far", priors={"slope": ("normal", 1.0, 0.5)}
        )
        assert model.layout.standard is None
