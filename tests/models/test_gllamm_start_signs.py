"""Signs of latent variables whose scale is their variance."""

import numpy as np
import pytest

import sm_gllamm.api as smg
from sm_gllamm.models import signs
from sm_gllamm.models.signs import oriented
from sm_gllamm.specification.latent import Latent
from tests.mapping.test_structural import EQUAL, items
from tests.models.gllamm_start_cases import ITEMS, model

FACTORS = [Latent("f", "person", "0 + d1 + d2"), Latent("g", "person", "0 + d3 + d4")]


def build(latent, y="gaussian", **options):
    options.setdefault("identification", "variance")
    return smg.GLLAMM.from_formula(f"{y} ~ 0 + C(item)", items(20, 4), latent, **options)


CASES = {
    "one factor": {"latent": [Latent("f", "person", ITEMS)], "regressions": ["f ~ x"]},
    "correlated factors": {"latent": FACTORS},
    "path": {"latent": FACTORS, "regressions": ["g ~ f + x"], "covariance": "diagonal"},
    "product": {
        "latent": [*FACTORS, Latent("h", "person", ITEMS)],
        "regressions": ["h ~ f + g + f:g"],
        "covariance": "diagonal",
    },
    "second order": {
        "latent": [Latent("h", "person", "0"), *FACTORS],
        "regressions": ["f ~ h", "g ~ h"],
        "covariance": "diagonal",
    },
    "equal loadings at two levels": {
        "latent": [
            Latent(name, level, ITEMS, equal={"1": "one", **EQUAL})
            for name, level in (("f", "person"), ("g", "cluster"))
        ]
    },
}


@pytest.mark.parametrize("case", CASES)
def test_likelihood_is_the_same_and_the_convention_holds(case):
    built = build(**CASES[case])
    rng = np.random.default_rng(3)
    for _ in range(4):
        theta = 0.5 * rng.normal(size=len(built.param_names))
        turned = oriented(built.mapping, theta)
        before, after = (built.loglike(built.mapping.params(t)) for t in (theta, turned))
        assert after == pytest.approx(before, abs=1e-8)
        np.testing.assert_allclose(np.abs(turned), np.abs(theta))
        by_name = dict(zip(built.param_names, turned, strict=True))
        for latent in built.mapping.latents:
            own = [by_name[c.name] for _, c in latent.loadings]
            own = own or [by_name[f"{child} ~ {latent.name}"] for child in ("f", "g")]
            assert sum(own) > 0
        assert oriented(built.mapping, turned) is turned


def test_fixed_coefficients_give_directions():
    by_loading = build(FACTORS, identification="loading")
    theta = -np.ones(len(by_loading.param_names))
    assert oriented(by_loading.mapping, theta) is theta


def test_a_fixed_path_ties_directions():
    tie = smg.Regression("g", "f", fixed={"f": -1.0})
    built = build(FACTORS, regressions=[tie], covariance="diagonal")
    theta = -np.ones(len(built.param_names))
    loadings = [k for k, name in enumerate(built.param_names) if name.startswith("loading")]
    turned = oriented(built.mapping, theta)
    np.testing.assert_array_equal(turned[loadings], 1.0)
    params = built.mapping.params
    assert built.loglike(params(turned)) == pytest.approx(built.loglike(params(theta)), abs=1e-9)


def test_models_without_latent_variables_are_left_alone():
    built = smg.GLMM.from_formula("gaussian ~ x + (1 | person)", items(20, 4))
    theta = -np.ones(4)
    assert oriented(built.mapping, theta) is theta


def test_turns_that_would_change_the_distribution_are_refused(monkeypatch):
    built = build(**CASES["one factor"])
    theta = -np.ones(len(built.param_names))
    monkeypatch.setattr(signs, "_turned", lambda mapping, theta, names: theta * 0.5)
    assert oriented(built.mapping, theta) is theta


@pytest.mark.parametrize("kind", ["second_order", "bifactor"])
def test_fits_from_opposite_starts_are_the_same(kind):
    built = model(kind, 1)
    result = built.fit()
    opposite = result.params.copy()
    for name in opposite.index:
        if name.startswith("loading") or " ~ " in name:
            opposite[name] *= -1
    if kind == "second_order":
        # loadings and paths together: the general factor turns back
        opposite[[name for name in opposite.index if " ~ " in name]] *= -1
    again = built.fit(start_params=opposite)
    assert again.llf == pytest.approx(result.llf, abs=1e-7)
    np.testing.assert_allclose(again.params, result.params, atol=1e-5)


def test_constraints_are_kept():
    built = build([Latent("f", "person", ITEMS)])
    name = "loading(f: C(item)[1])"
    result = built.fit_constrained({name: -0.8})
    assert result.converged and result.params[name] == pytest.approx(-0.8)
    free = built.fit_constrained("loading(f: C(item)[1]) = loading(f: C(item)[2])")
    assert free.params[name] > 0
