"""What docs/explanation/adding_a_response.rst promises: a family and a line of the registry are enough.

Responses of all kinds are registered here, with laws written from scratch where a law is new, on densities
that the kernel has. Everything that results do must work, and agree with the package's own family of that
density.
"""

import numpy as np
import pandas as pd
import pytest
from scipy.special import gammaln

import sm_gllamm.formula.api as smgf
from sm_gllamm.exceptions import SpecificationError
from sm_gllamm.responses import families as smf
from sm_gllamm.responses import registry
from sm_gllamm.responses.base import Response, Slot
from sm_gllamm.responses.categories import Categories
from sm_gllamm.responses.durations import Survival
from sm_gllamm.responses.forms import Event, Function, InverseLink
from sm_gllamm.responses.laws import Law, MeanLaw
from tests.prediction.responses import data


def log_factorial(y, m):
    return -gammaln(y + 1.0)


class Calls(MeanLaw):
    """Counts: a mean, so a variance and a way to draw do."""

    def variance(self, mean, given):
        return mean

    def draw_given(self, rng, mean, given):
        return rng.poisson(mean).astype(float)


class Visits(Law):
    """Counts of those who came at all: the mean is no inverse link."""

    def forms(self, given):
        def one(nu, rows):
            mu = np.exp(np.minimum(nu, 6.0))  # beyond there are no zeros to truncate
            return mu / np.expm1(mu)

        return [InverseLink("Log"), Function(one, (Event(1.0),))]

    def combined(self, values, given):
        return values[0] + values[1]

    def variance(self, mean, given):
        mu = np.array([self._root(value) for value in mean])
        return mean * (1.0 + mu - mean)

    def _root(self, mean):
        mu = mean
        for _ in range(200):
            mu = mean * -np.expm1(-mu)
        return mu

    def draw(self, rng, nu, given):
        y = np.zeros(given.n)
        while (y == 0).any():
            y = np.where(y == 0, rng.poisson(np.exp(nu)), y)
        return y.astype(float)


class VisitsAsTheyAre(Visits):
    """The same without saying that the function is a density."""

    def forms(self, given):
        own = super().forms(given)
        return [own[0], Function(own[1].function)]


class Excess(Law):
    """Zeros beyond those of the counts."""

    needs = ("zero",)

    def forms(self, given):
        return [InverseLink("Log", factor=given.passed)]

    def variance(self, mean, given):
        mu = mean / given.passed
        return mean * (1.0 + mu - mean)

    def draw(self, rng, nu, given):
        return rng.poisson(np.exp(nu)) * (rng.random(given.n) < given.passed) * 1.0


class Lifetime(Survival):
    """Exponential durations by their hazard; the survival function as a function of any kind."""

    def forms(self, given):
        return [InverseLink("Log", slope=-1.0)]

    def variance(self, mean, given):
        return mean**2

    def survival(self, time, given):
        def alive(nu, rows):
            return np.exp(-time[rows, None] * np.exp(nu))

        return Function(alive, (Event(time, np.inf),))

    def exceeded(self, survival, nu, given):
        return -np.log(survival) / np.exp(nu)


class Grade(Categories):
    """Ordered categories by a cumulative logit."""

    needs = ("thresholds", "scale")

    def forms(self, given):
        return [InverseLink("Logit", shift=cut, slope=-1.0) for cut in given.thresholds.T]

    def combined(self, values, given):
        below = np.column_stack([0.0 * values[0], *values, 0.0 * values[0] + 1.0])
        return np.diff(below, axis=1)


class ToyCount(smf.Family):
    name = "ToyCount"


class ToyVisits(smf.Family):
    name = "ToyVisits"


class ToyExcess(smf.Family):
    name = "ToyExcess"


class ToyLifetime(smf.Family):
    name, layout, censoring = "ToyLifetime", "interval", "right"


class ToyGrade(smf.Family):
    name, layout, thresholds, order = "ToyGrade", "cumulative", "free", None

    def __init__(self):
        super().__init__("logit")


def duration_constant(y, m):
    return np.where(y == m, -np.log(y), 0.0)


ZERO = (Slot("zero", "zero", "zero", "identity"),)
#: family, its line of the registry, the package's own family, response
TOYS = {
    "a mean": (
        ToyCount, Response("ToyCount", "Log", "poisson_log", Calls(), (), None, log_factorial, "count"),
        "poisson", "count",
    ),
    "a mean that is no inverse link": (
        ToyVisits,
        Response("ToyVisits", "Log", "truncated_poisson_log", Visits(), (), None, log_factorial,
                 "positive count"),
        smf.ZeroTruncated(), "some",
    ),
    "a further predictor": (
        ToyExcess,
        Response("ToyExcess", "Log", "zip_log", Excess(), ZERO, None, log_factorial, "count"),
        smf.ZeroInflated(), "count",
    ),
    "a duration": (
        ToyLifetime,
        Response("ToyLifetime", "Log", "exponential_ph", Lifetime(), (), None, duration_constant,
                 "duration"),
        smf.Exponential(), "time + event",
    ),
    "categories": (
        ToyGrade, Response("ToyGrade", "Logit", "cumulative_logit", Grade(), kind="ordinal"),
        smf.Ordinal(), "level",
    ),
}  # fmt: skip


@pytest.fixture
def registered(monkeypatch):
    for _, response, _, _ in TOYS.values():
        monkeypatch.setitem(registry.RESPONSES, (response.family, response.link), response)


@pytest.mark.parametrize("kind", TOYS)
def test_a_family_and_a_line_are_enough(kind, registered):
    family, _, own, endog = TOYS[kind]
    formula = f"{endog} ~ x + (1 | g)"
    toy = smgf.glmm(formula, data(), family=family()).fit()
    known = smgf.glmm(formula, data(), family=own).fit()
    assert abs(toy.llf - known.llf) < 1e-8
    np.testing.assert_allclose(toy.params, known.params, rtol=1e-6, atol=1e-8)
    new = pd.DataFrame({"x": [0.7, -1.2], "g": [4, 99]}, index=["a", "b"])
    for which in ("conditional", "marginal", "posterior"):
        for options in ({}, {"survival": [0.5, 2.0]}) if kind == "a duration" else ({},):
            one, other = (r.get_prediction(new, which=which, **options) for r in (toy, known))
            np.testing.assert_allclose(one.predicted, other.predicted, rtol=1e-6)
            np.testing.assert_allclose(one.se, other.se, rtol=1e-4)
            assert one.row_labels.equals(other.row_labels)
    for residual in ("response", "pearson"):
        np.testing.assert_allclose(
            toy.get_resid(residual), known.get_resid(residual), rtol=1e-5, atol=1e-8
        )
    assert toy.resid_simulated(50, seed=1).between(0, 1).all()
    draws = [r.simulate(300, seed=3) for r in (toy, known)]
    if kind == "categories":
        draws = [pd.concat([frame[k].cat.codes for k in frame], axis=1) for frame in draws]
    values = [frame.to_numpy(dtype=float).mean(axis=0) for frame in draws]
    assert abs(values[0].mean() - values[1].mean()) < 6.0 * values[1].std() / np.sqrt(300)
    assert toy.bootstrap(2, method="parametric", seed=1).n_failed == 0


def test_functions_that_are_no_densities_have_no_posterior_mean(monkeypatch):
    response = Response(
        "ToyVisits", "Log", "truncated_poisson_log", VisitsAsTheyAre(), (), None, log_factorial,
        "positive count",
    )  # fmt: skip
    monkeypatch.setitem(registry.RESPONSES, ("ToyVisits", "Log"), response)
    toy = smgf.glmm("some ~ x + (1 | g)", data(), family=ToyVisits()).fit()
    known = smgf.glmm("some ~ x + (1 | g)", data(), family=smf.ZeroTruncated()).fit()
    np.testing.assert_allclose(toy.predict(), known.predict(), rtol=1e-6)
    with pytest.raises(SpecificationError, match="neither an inverse link nor a sum of densities"):
        toy.predict(which="posterior")


def test_toys_among_several_families(registered):
    rows = data()
    kind = np.where(np.arange(len(rows)) % 2 == 0, "a", "b")
    y = np.where(kind == "a", rows["count"], rows["some"])
    both = rows.assign(y=y, kind=kind)
    toy, known = (
        smgf.glmm("y ~ x + (1 | g)", both, family=family, family_by="kind").fit()
        for family in (
            {"a": ToyCount(), "b": ToyVisits()},
            {"a": "poisson", "b": smf.ZeroTruncated()},
        )
    )
    for which in ("conditional", "marginal", "posterior"):
        np.testing.assert_allclose(toy.predict(which=which), known.predict(which=which), rtol=1e-5)
