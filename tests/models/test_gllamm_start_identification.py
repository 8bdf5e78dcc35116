"""Rank before the fit: what is not identified is named, what is identified is not."""

import warnings

import numpy as np
import pytest

import sm_gllamm.api as smg
from sm_gllamm.exceptions import IdentificationWarning
from sm_gllamm.models.identification import Identification, moderate_steps
from sm_gllamm.specification.latent import Latent
from tests.bad_input.test_latent import FACTOR, ITEMS, NOT_IDENTIFIED, build
from tests.mapping.test_structural import items
from tests.models.gllamm_start_cases import KINDS, model
from tests.models.latent_cases import BUILD, second_order


@pytest.fixture(scope="module")
def data():
    return items(40, 4, n_items=6)


@pytest.mark.parametrize("case", [*BUILD, "second order"])
def test_reference_models_are_identified(case):
    built = second_order() if case == "second order" else BUILD[case]()
    found = built.check_identification()
    assert found.identified and found.rank == found.k_params == len(built.param_names)


@pytest.mark.parametrize("kind", KINDS)
def test_random_models_are_identified(kind):
    assert model(kind, 4).check_identification().identified


@pytest.mark.parametrize("case", NOT_IDENTIFIED)
def test_not_identified(case):
    options, named = NOT_IDENTIFIED[case]
    found = build(items(40, 4), **options).check_identification()
    assert not found.identified
    assert named <= set(found.parameters)


TWICE = [Latent("f", "person", ITEMS), Latent("g", "person", ITEMS)]
SIX = [Latent("f", "person", "0 + d1 + d2 + d3"), Latent("g", "person", "0 + d4 + d5 + d6")]
TWO_OF_SIX = [
    Latent("f", "person", "0 + d1 + d2"),
    Latent("g", "person", "0 + d3 + d4 + d5 + d6"),
]

# model, number of flat directions, parameters that are named among others
CASES = {
    "the same loadings twice": ({"latent": TWICE}, 2, {"var(f|person)", "loading(g: C(item)[2])"}),
    "the same loadings twice, uncorrelated": (
        {"latent": TWICE, "covariance": "diagonal"},
        1,
        {"var(f|person)", "var(g|person)"},
    ),
    "two items that nothing else correlates with": (
        {"latent": TWO_OF_SIX, "covariance": "diagonal"},
        1,
        {"var(f|person)", "loading(f: d2)"},
    ),
    "two items of a factor that correlates": ({"latent": TWO_OF_SIX}, 0, set()),
    "path and covariance": (
        {"latent": SIX, "regressions": ["g ~ f"], "covariance": "unstructured"},
        1,
        {"cov(f,g|person)", "g ~ f"},
    ),
    "path": ({"latent": SIX, "regressions": ["g ~ f"], "covariance": "diagonal"}, 0, set()),
    "mean of a latent variable": (
        {"latent": SIX, "regressions": ["f ~ 1"]},
        1,
        {"f ~ Intercept", "C(item)[1]", "C(item)[2]", "C(item)[3]"},
    ),
    "intercept and slope": ({"latent": [Latent("i", "person"), Latent("s", "person", "0 + z")],
                             "formula": "{} ~ z"}, 0, set()),
}  # fmt: skip


@pytest.mark.parametrize("y", ["binary", "gaussian"])
@pytest.mark.parametrize("case", CASES)
def test_directions(case, y, data):
    options, n, named = CASES[case]
    options = dict(options)
    if "formula" in options:
        options["formula"] = options["formula"].format(y)
    found = build(data, y=y, **options).check_identification()
    assert len(found.directions) == n
    assert named <= set(found.parameters)
    assert found.rank == found.k_params - n


@pytest.mark.parametrize("y", ["binary", "gaussian"])
def test_few_clusters_are_no_reason(y):
    few = items(4, 5)
    latent = [FACTOR, Latent("h", "cluster")]
    assert build(few, latent, y).check_identification().identified
    assert build(items(6, 2), [FACTOR], y).check_identification().identified


def test_scales_of_items_do_not_matter(data):
    scaled = data.assign(gaussian=data["gaussian"] * 10.0 ** (2.0 * data["item"] - 6.0))
    assert build(scaled, [FACTOR], "gaussian").check_identification().identified
    found = build(
        scaled, **{**CASES["path and covariance"][0], "y": "gaussian"}
    ).check_identification()
    assert set(found.parameters) == {"cov(f,g|person)", "g ~ f"}


def test_products(data):
    latent = [*SIX, Latent("h", "person", "0 + d1 + d4")]
    options = {"regressions": ["h ~ f:g"], "covariance": "diagonal", "y": "gaussian"}
    assert build(data, latent, **options).check_identification().rank > 0


@pytest.fixture(scope="module")
def built():
    data = model("paths", 0).data.frame.rename(columns={"y": "gaussian"})
    latent = [Latent("f", "person", "0 + i1 + i2 + i3"), Latent("g", "person", "0 + i4 + i5 + i6")]
    rows = data[data["item"].isin([f"i{k}" for k in range(1, 7)])]
    return build(rows, latent, "gaussian", regressions=["g ~ f"], covariance="unstructured")


class TestFit:
    def test_warning_before_the_fit(self, built):
        with pytest.warns(
            IdentificationWarning, match="whatever the data: cov.* cannot be told"
        ) as w:
            result = built.fit(warn_convergence=False)
        assert w[0].filename == __file__
        # the same is not said twice
        assert sum(issubclass(one.category, IdentificationWarning) for one in w) == 1
        assert {"cov(f,g|person)", "g ~ f"} <= set(result.verdict.unidentified)
        assert "Not identified" in str(result.summary())

    def test_constraints_identify(self, built):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            result = built.fit_constrained("cov(f,g|person) = 0")
        assert result.verdict.ok

    def test_constraints_that_do_not(self, built):
        with pytest.warns(IdentificationWarning, match="whatever the data") as w:
            result = built.fit_constrained("loading(f: i2) = 0.9", warn_convergence=False)
        assert w[0].filename == __file__
        assert {"cov(f,g|person)", "g ~ f"} <= set(result.verdict.unidentified)

    def test_no_check_of_mixed_models(self):
        data = items(20, 4)
        model = smg.GLMM.from_formula("gaussian ~ x + (1 | person)", data)
        assert model.check_identification().identified


def test_text():
    assert str(Identification(3)) == "identified: all 3 parameters are known"
    found = Identification(3, (("a", "b"), ("b", "c")))
    assert found.parameters == ("a", "b", "c") and found.rank == 1
    assert "1 of 3 parameters" in str(found)


def test_steps_are_in_the_units_of_rows(data):
    built = build(data, [FACTOR], "gaussian")
    theta = built.mapping.theta(built.start_params)
    one = moderate_steps(built._ready(), theta, np.ones(len(data)))
    two = moderate_steps(built._ready(), theta, np.full(len(data), 2.0))
    coefficients = slice(0, built.k_exog)
    np.testing.assert_allclose(two[coefficients], 2.0 * one[coefficients])
