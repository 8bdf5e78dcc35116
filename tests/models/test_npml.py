"""Mass points: references, the directional derivative, and what is refused."""

import numpy as np
import pandas as pd
import pytest

from sm_gllamm.datasets import epil, gu_immun, lsat, verbagg
from sm_gllamm.exceptions import BoundaryWarning, SpecificationError
from sm_gllamm.models.glmm import GLMM
from sm_gllamm.models.irt import IRT
from sm_gllamm.models.npml import NPML


@pytest.fixture(scope="module")
def aggression():
    data = verbagg.load_pandas().data
    data["yes"] = (data["r2"] == "Y").astype(int)
    return GLMM.from_formula("yes ~ btype + situ + mode + (1 | id)", data, family="binomial")


@pytest.fixture(scope="module")
def counts():
    data = epil.load_pandas().data
    return GLMM.from_formula("y ~ trt + V4 + (1 | subject)", data, family="poisson")


def test_three_masses_agree_with_npmlreg(aggression):
    # npmlreg's optimum refined by Newton's method, tests/reference/PROVENANCE.md
    result = aggression.fit(random="npml", n_masses=3)
    assert result.converged
    assert result.llf == pytest.approx(-4151.78678940142, rel=1e-9)
    assert result.masses()["probability"].sum() == pytest.approx(1.0)


def test_number_of_masses_is_found_where_no_direction_leads_up(counts):
    # a patient without any seizure has a mass point of his own
    with pytest.warns(BoundaryWarning, match="-infinity"):
        result = counts.fit(random="npml")
    assert result.converged and len(result.search) > 1
    values = [value for _, value in result.search]
    assert values == sorted(values)
    assert result.largest_derivative < 1e-3
    curve = result.gateaux()
    assert curve["derivative"].max() < 1e-2
    # at the mass points themselves the derivative is zero
    masses = result.masses()["Intercept"].to_numpy()
    finite = masses[np.abs(masses) < 20]
    np.testing.assert_allclose(result.gateaux(finite)["derivative"], 0.0, atol=1e-4)


def test_directional_derivative_is_that_of_a_difference(counts):
    result = counts.fit(random="npml", n_masses=2)
    model, theta = result.model, result._results.theta
    place = model.places(theta)[1] + 1e-3
    slope = model.gateaux(theta, place[None])[0]
    larger, start = model.with_one_more(theta, place)
    shares = model.mass_shares(theta)

    def value(share):
        at = start.copy()
        logs = np.log(np.append(shares * (1.0 - share), share))
        at[larger.mapping.class_places] = logs[1:] - logs[0]
        return larger.likelihood.evaluate(at).total

    eps = 1e-7
    numerical = (value(2 * eps) - value(eps)) / eps
    assert slope == pytest.approx(numerical, rel=1e-3)


def test_moments_are_those_of_the_masses(counts):
    result = counts.fit(random="npml", n_masses=3)
    masses = result.masses()
    share, at = masses["probability"], masses["Intercept"]
    mean = (share * at).sum()
    moments = result.moments().iloc[0]
    assert moments["mean"] == pytest.approx(mean)
    assert moments["variance"] == pytest.approx((share * (at - mean) ** 2).sum())
    assert moments["std_err(mean)"] > 0


def test_several_latent_variables():
    data = epil.load_pandas().data
    model = GLMM.from_formula("y ~ trt + V4 + (1 + V4 | subject)", data, family="poisson")
    result = model.fit(random="npml", n_masses=3)
    assert result.converged
    assert list(result.moments().index) == ["Intercept", "V4"]


def test_item_response_model():
    data = lsat.load_pandas().data
    model = IRT(data, "Rasch", items=[c for c in data if c.startswith("item")])
    with pytest.warns(BoundaryWarning, match="infinity"):
        result = model.fit(random="npml")
    # higher than with a normal distribution, whose model is not nested
    assert result.llf > model.fit().llf
    assert result.largest_derivative < 1e-3


def _communities(number):
    data = gu_immun.load_pandas().data
    chosen = data["comm"].drop_duplicates().iloc[:number]
    data = data[data["comm"].isin(chosen)]
    return GLMM.from_formula("immun ~ kid2p + (1 | comm/mom)", data, family="binomial")


@pytest.fixture(scope="module")
def immunisation():
    return _communities(40)


def test_masses_at_the_top_with_normal_effects_below(immunisation):
    result = immunisation.fit(random="npml", n_masses=2, npml_levels="comm", n_starts=5)
    assert result.converged
    assert "var(Intercept|comm:mom)" in result.params.index
    assert result.verdict.quadrature_error < 1e-4


def test_masses_at_both_levels(immunisation):
    result = immunisation.fit(random="npml", n_masses={"comm": 2, "comm:mom": 2})
    assert result.converged
    model, theta = result.model, result._results.theta
    assert model.likelihood.index.shape == (2, 2)
    h, p = 1e-5, len(theta)
    score = model.likelihood.evaluate(theta + 0.1, 2)
    steps = h * np.eye(p)
    at = theta + 0.1
    numerical = [
        (model.likelihood.evaluate(at + e).total - model.likelihood.evaluate(at - e).total)
        / (2 * h)
        for e in steps
    ]
    np.testing.assert_allclose(score.gradient, numerical, atol=1e-4)


def test_normal_distribution_above_masses():
    template = _communities(15)
    model = NPML(template, {"comm:mom": 2}, "comm:mom")
    assert "var(Intercept|comm)" in model.param_names
    result = template.fit(random="npml", n_masses=2, npml_levels="comm:mom")
    assert result.converged and np.isfinite(result.bse["var(Intercept|comm)"])
    assert 0.0 < result.verdict.quadrature_error < 1e-3


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"random": "gamma"}, "random='gamma'"),
        ({"n_masses": 3}, "without random='npml'"),
        ({"random": "npml", "n_masses": 0}, "whole numbers"),
        ({"random": "npml", "n_masses": 2.5}, "whole numbers"),
        ({"random": "npml", "n_points": 5}, "leave out"),
        ({"random": "npml", "npml_levels": "school"}, "school"),
        ({"random": "npml", "n_masses": {"x": 2}}, "'x'"),
    ],
)
def test_what_is_refused(counts, options, text):
    with pytest.raises(SpecificationError, match=text):
        counts.fit(**options)


def test_priors_and_testlets_are_refused():
    data = lsat.load_pandas().data
    items = [c for c in data if c.startswith("item")]
    with pytest.raises(SpecificationError, match="priors"):
        IRT(data, "2PL", items=items, priors={"slope": ("lognormal", 0.0, 0.5)}).fit(random="npml")
    with pytest.raises(SpecificationError, match="specific"):
        IRT(data, "2PL", items=items, specific={"s": items[:3]}).fit(random="npml")


def test_fabric_has_two_masses():
    # Hinde (1982), fabric faults; npmlreg's optimum refined by Newton's method
    length = [551, 651, 832, 375, 715, 868, 271, 630, 491, 372, 645, 441, 895, 458, 642, 492, 543, 842,
              905, 542, 522, 122, 657, 170, 738, 371, 735, 749, 495, 716, 952, 417]  # fmt: skip
    faults = [6, 4, 17, 9, 14, 8, 5, 7, 7, 7, 6, 8, 28, 4, 10, 4, 8, 9, 23, 9, 6, 1, 9, 4, 9, 14, 17, 10,
              7, 3, 9, 2]  # fmt: skip
    data = pd.DataFrame({"y": faults, "x": np.log(length), "roll": range(32)})
    model = GLMM.from_formula("y ~ x + (1 | roll)", data, family="poisson")
    result = model.fit(random="npml", n_masses=2)
    assert result.llf == pytest.approx(-86.3310865211136, abs=1e-8)
    assert result.params["x"] == pytest.approx(0.799138519648956, rel=1e-6)
