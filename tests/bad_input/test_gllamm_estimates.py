"""Latent variables that the data or the model do not support: each is named, and named in the summary."""

import re
import warnings
from dataclasses import replace

import numpy as np
import pytest

from sm_gllamm.estimation.verdict import Verdict
from sm_gllamm.exceptions import (
    BoundaryWarning,
    IdentificationWarning,
    QuadratureWarning,
    SpecificationError,
)
from sm_gllamm.models.fitting import objective, within_limits
from sm_gllamm.specification.latent import Latent
from tests.bad_input.test_latent import FACTOR, build
from tests.mapping.test_structural import LEVELS, PAIR, items
from tests.models.gllamm_start_cases import ITEMS, model, responses
from tests.models.gllamm_start_cases import build as build_items


@pytest.fixture(scope="module")
def data():
    return items(40, 4)


def summary_of(result):
    return re.sub(r"\s+", " ", str(result.summary()))


class TestFewIndicators:
    @pytest.mark.parametrize("y", ["binary", "gaussian"])
    def test_two_items(self, data, y):
        built = build(data, [Latent("f", "person", "0 + d1 + d2")], y)
        with pytest.warns(
            IdentificationWarning, match="whatever the data.*loading.f: d2."
        ) as caught:
            result = built.fit(warn_convergence=False)
        assert caught[0].filename == __file__
        assert "Not identified by the data: " in summary_of(result)

    def test_two_items_with_one_residual_variance(self, data):
        built = build(data, [Latent("f", "person", "0 + d1 + d2", equal={})], "gaussian",
                      dispersion=None)  # fmt: skip
        assert built.check_identification().identified

    def test_one_row_in_every_cluster(self, data):
        rows = data[data["item"] == 1]
        with pytest.raises(SpecificationError, match="Every row is a cluster of its own"):
            build(rows, [Latent("u", "person")], "gaussian", "gaussian ~ x", dispersion=None)


class TestContradictions:
    @pytest.mark.parametrize(
        ("constraints", "named"),
        [
            (
                "loading(f: C(item)[2]) = 1, C(item)[1] = 0, loading(f: C(item)[2]) = 2",
                ["loading(f: C(item)[2]) = 1", "loading(f: C(item)[2]) = 2"],
            ),
            (
                "loading(f: C(item)[2]) = loading(f: C(item)[3]), loading(f: C(item)[2]) = 1, "
                "loading(f: C(item)[3]) = 0.5, C(item)[4] = 0",
                ["loading(f: C(item)[2]) = loading(f: C(item)[3])", "loading(f: C(item)[2]) = 1",
                 "loading(f: C(item)[3]) = 0.5"],
            ),
            ((np.zeros((1, 8)), [1.0]), ["0 = 1"]),
        ],
    )  # fmt: skip
    def test_the_fewest_are_named(self, data, constraints, named):
        with pytest.raises(SpecificationError, match="contradict each other") as error:
            build(data, [FACTOR]).fit_constrained(constraints)
        listed = str(error.value).partition(": ")[2].removesuffix(". Leave one out.")
        assert listed.split("; ") == named

    def test_what_is_said_twice_is_no_contradiction(self, data):
        constraints = "loading(f: C(item)[2]) = 1, 2 * loading(f: C(item)[2]) = 2"
        assert build(data, [FACTOR]).fit_constrained(constraints).converged

    def test_negative_variance(self, data):
        with pytest.raises(SpecificationError, match="no parameters were found that meet"):
            build(data, [FACTOR]).fit_constrained("var(f|person) = -1")

    def test_fixed_and_equal(self, data):
        latent = Latent("f", "person", ITEMS, fixed={"2": 1.0}, equal={"2": "a", "3": "a"})
        with pytest.raises(SpecificationError, match="'f'.*both fixed and equal to others"):
            build(data, [latent])


class TestCovariances:
    def test_between_levels(self, data):
        with pytest.raises(SpecificationError, match="different levels are independent"):
            build(data, LEVELS, covariance=[("within", "between")])

    def test_with_itself(self, data):
        with pytest.raises(SpecificationError, match=r"\('f', 'f'\).*variance is free"):
            build(data, PAIR, covariance=[("f", "f")])


def heywood(scale=1.0):
    """Return rows of four items of which the first is the factor itself."""
    rng = np.random.default_rng(3)
    f = rng.normal(size=60)
    others = [
        share * f + sd * rng.normal(size=60) for share, sd in ((0.6, 0.8), (0.3, 1), (0.3, 1))
    ]
    data = responses(rng, np.ones((4, 1)), np.zeros((60, 1)))
    data["y"] = scale * np.column_stack([f, *others]).ravel()
    return data


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e3])
def test_residual_variance_of_zero(scale):
    built = build_items(heywood(scale), [Latent("f", "person", ITEMS)])
    with pytest.warns(BoundaryWarning, match=r"log_sd:C\(item\)\[i1\]"):
        result = built.fit()
    assert result.converged and result.verdict.iterations < 40
    assert result.verdict.boundary == ("log_sd:C(item)[i1]",)
    assert not result.verdict.unidentified
    assert np.isnan(result.bse["log_sd:C(item)[i1]"])
    assert "Residual variance of zero (a Heywood case): log_sd:C(item)[i1]" in summary_of(result)
    assert "one residual variance for several items" in " ".join(result.verdict.advice)
    # the loadings are regressions on the item that is the factor
    wide = built.data.frame.pivot(index="person", columns="item", values="y")
    slope = np.cov(wide["i1"], wide["i2"])[0, 1] / wide["i1"].var()
    assert result.params["loading(f: C(item)[i2])"] == pytest.approx(slope, rel=1e-3)


def test_residual_variance_of_zero_under_a_constraint():
    built = build_items(heywood(), [Latent("f", "person", ITEMS)])
    with pytest.warns(BoundaryWarning, match="log_sd"):
        result = built.fit_constrained("loading(f: C(item)[i3]) = loading(f: C(item)[i4])")
    assert result.converged and result.verdict.boundary == ("log_sd:C(item)[i1]",)


def test_dispersions_without_an_exponential_are_refused():
    built = model("scales", 0)
    evaluate = objective(built._ready())
    theta = built.mapping.theta(built.start_params)
    last = built.param_names.index("log_sd:C(item)[i6]")
    assert np.isfinite(evaluate(theta, 0)[0])
    theta[last] = -1e6
    assert evaluate(theta, 2) == (-np.inf, None, None)
    assert within_limits(built._ready(), theta)[last] == -300.0


def test_disturbance_without_variance():
    built = model("paths", 0)
    data = built.data.frame.copy()
    # g is all of f
    rng = np.random.default_rng(0)
    second = data["item"].isin(["i4", "i5", "i6"])
    twin = data["item"].isin(["i1", "i2", "i3"])
    data.loc[second, "y"] = data.loc[twin, "y"].to_numpy() + rng.normal(size=twin.sum())
    latent = [Latent("f", "person", "0 + i1 + i2 + i3"), Latent("g", "person", "0 + i4 + i5 + i6")]
    rows = data[second | twin]
    with pytest.warns(BoundaryWarning, match=r"var\(g\|person\)"):
        result = build_items(rows, latent, regressions=["g ~ f"], covariance="diagonal").fit()
    assert result.converged and result.verdict.boundary == ("var(g|person)",)
    assert "var(g|person) estimated as zero; no standard error" in summary_of(result)


class TestRunawayLoading:
    @pytest.fixture(scope="class", name="result")
    @staticmethod
    def fit():
        data = items(40, 4)
        # two items that always agree
        agree = data["binary"].where(data["item"] != 3, data["binary"].shift())
        built = build(data.assign(binary=agree), [FACTOR], identification="variance")
        with pytest.warns(IdentificationWarning) as caught, warnings.catch_warnings():
            # the log-likelihood of where it was stopped is rough
            warnings.simplefilter("ignore", QuadratureWarning)
            result = built.fit(warn_convergence=False)
        assert len(caught) == 1
        assert "runs away: the latent variable predicts" in str(caught[0].message)
        return result

    def test_it_is_named(self, result):
        name = result.verdict.runaway[0]
        assert name in ("loading(f: C(item)[2])", "loading(f: C(item)[3])")
        assert not result.converged and result.verdict.reason == f"{name} runs away"
        assert f"Runs away: {name}" in summary_of(result)
        assert result.verdict.iterations < 60
        assert name in " ".join(result.verdict.advice)

    def test_a_marker_that_the_latent_variable_predicts(self):
        data = items(40, 4)
        agree = data["binary"].where(data["item"] != 2, data["binary"].shift())
        built = build(data.assign(binary=agree), [FACTOR])
        with pytest.warns(IdentificationWarning), warnings.catch_warnings():
            warnings.simplefilter("ignore", QuadratureWarning)
            result = built.fit(warn_convergence=False)
        assert "var(f|person)" in result.verdict.runaway

    def test_large_loadings_are_no_fault_where_they_converge(self):
        rng = np.random.default_rng(0)
        data = responses(
            rng, [[4.0], [3.0], [5.0], [4.0], [3.0]], rng.normal(size=(600, 1)), "binomial"
        )
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            result = build_items(data, [Latent("f", "person", ITEMS)], "binomial",
                                 identification="variance").fit()  # fmt: skip
        assert result.verdict.ok and result.params.max() > 3.0


def test_the_best_of_many_starts_should_be_reached_twice():
    verdict = Verdict(True, "Newton decrement below tolerance", 5, 1e-13)
    once = replace(verdict, starts=(-10.0, -11.0, -12.0, float("nan"), -11.0))
    assert once.replicated == 1 and not once.ok
    assert "reached from one of 5 starts only" in once.messages()[0]
    twice = replace(verdict, starts=(-10.0, -11.0, -12.0, -10.0, -11.0))
    assert twice.replicated == 2 and twice.ok
