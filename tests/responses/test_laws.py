"""Every response of the registry: its law against the density that the kernel has of it, and its draws."""

from types import SimpleNamespace

import numpy as np
import pytest
from scipy import stats
from scipy.special import expit

from sm_gllamm.engine.dispatch import density_rows
from sm_gllamm.responses.densities import SETS
from sm_gllamm.responses.durations import Survival
from sm_gllamm.responses.forms import Function
from sm_gllamm.responses.laws import Composite
from sm_gllamm.responses.registry import RESPONSES

#: Predictors, positive ones where others have no mean.
NU, POSITIVE = np.array([-0.7, 0.1, 0.9]), np.array([0.6, 1.1, 1.9])
SLOTS = {
    "dispersion": -0.6, "zero": -0.4, "scale": 0.3, "precision": 3.0, "lower": -1.6, "upper": 2.2
}  # fmt: skip
THRESHOLDS = np.array([-0.8, 0.2, 1.1])
TRIALS = 6.0
N_DRAWS = 20_000

LAWS = [r for r in RESPONSES.values() if r.kind != "mixed"]
ONE_MEAN = [r for r in LAWS if not r.law.categorical and r.density not in SETS]
DURATIONS = [r for r in ONE_MEAN if isinstance(r.law, Survival)]
CATEGORICAL = [r for r in LAWS if r.law.categorical]


def name(response):
    return f"{response.family} {response.link}"


def slot_values(response):
    """Values of the slots by name; proportions get a precision with which the density is bounded."""
    keys = {
        slot.name: "precision" if slot.label == "precision" else slot.name
        for slot in response.slots
    }
    return {slot: SLOTS[key] for slot, key in keys.items()}


def given_for(response, nu):
    """What the law asks for, the same in all rows."""
    n, slots = len(nu), slot_values(response)
    return SimpleNamespace(
        n=n, link=response.link, categories=tuple("abcd"), entry=None, y=np.zeros(n),
        dispersion=np.full(n, np.exp(slots.get("dispersion", 0.0))),
        passed=np.full(n, expit(-slots["zero"]) if "zero" in slots else 1.0),
        lower=np.full(n, expit(slots.get("lower", -np.inf))),
        upper=np.full(n, expit(slots.get("upper", np.inf))),
        scale=np.full(n, np.exp(slots.get("scale", 0.0))),
        thresholds=np.tile(THRESHOLDS, (n, 1)),
        trials=np.full(n, TRIALS if response.kind == "binomial" else 1.0),
        groups=[np.arange(n)[None]], parts=np.full(n, 0.5), links=np.full(n, response.link),
    )  # fmt: skip


def density(response, y, m, nu):
    """What the kernel and the constant of the response make of its density, shape (len(y),)."""
    slots = [*slot_values(response).values(), 0.0, 0.0, 0.0]
    y, m = np.broadcast_arrays(np.asarray(y, dtype=float), m)
    none = -np.inf if response.kind == "interval" else 0.0
    log = density_rows(response.density, y, m, none, nu, *slots[:3])[:, 0]
    return np.exp(log + response.constant(y, m))


def support(response):
    """Values, upper bounds as the density takes them, and weights of an integral or a sum over them."""
    reach = {"duration": 60.0, "proportion": 33.0}.get(response.kind, 38.0)
    s = np.linspace(-reach, reach, 40_001)
    if response.kind == "binomial":
        y = np.arange(TRIALS + 1.0)
        return y, TRIALS, np.ones_like(y)
    if "count" in response.kind:
        y = np.arange(0.0 if response.kind == "count" else 1.0, 3000.0)
        return y, 1.0, np.ones_like(y)
    if response.kind in ("gaussian", "interval"):
        y, weight = s, np.full_like(s, s[1] - s[0])
    elif response.kind == "proportion":
        y = expit(s)
        weight = y * expit(-s) * (s[1] - s[0])
    else:
        y = np.exp(s)
        weight = y * (s[1] - s[0])
    return y, y if response.kind in ("interval", "duration") else 1.0, weight


def predictors(response):
    return POSITIVE if response.law.restricted(response.link) else NU


@pytest.mark.parametrize("response", ONE_MEAN, ids=name)
def test_mean_and_variance_are_those_of_the_density(response):
    nu = predictors(response)
    given, (y, m, weight) = given_for(response, nu), support(response)
    mean = response.law.at(nu, given)
    variance = response.law.variance(mean, given)
    for i in range(len(nu)):
        p = density(response, y, m, nu[i]) * weight
        assert abs(p.sum() - 1.0) < 1e-9
        if response.family == "LogLogistic":
            continue  # heavy tails: see below
        value = y / given.trials[0]
        np.testing.assert_allclose(mean[i], p @ value, rtol=1e-8)
        np.testing.assert_allclose(variance[i], p @ value**2 - (p @ value) ** 2, rtol=1e-6)


def test_moments_of_the_log_logistic():
    response = RESPONSES["LogLogistic", "Log"]
    given = given_for(response, NU)
    given.dispersion = scale = np.array([0.3, 0.7, 1.2])
    mean = response.law.at(NU, given)
    variance = response.law.variance(mean, given)
    law = stats.fisk(1.0 / scale, scale=np.exp(NU))
    np.testing.assert_allclose(mean[:2], law.mean()[:2], rtol=1e-12)
    np.testing.assert_allclose(variance[0], law.var()[0], rtol=1e-12)
    assert np.isinf(mean[2]) and np.isinf(variance[1]) and np.isinf(variance[2])


@pytest.mark.parametrize("response", DURATIONS, ids=name)
def test_survival(response):
    given = given_for(response, NU)
    time = np.array([0.4, 1.0, 2.5])
    form = response.law.survival(time, given)
    expected = [density(response, [t], np.inf, nu)[0] for t, nu in zip(time, NU, strict=True)]
    np.testing.assert_allclose(form.at(NU), expected, rtol=1e-11)
    exceeded = response.law.exceeded(form.at(NU), NU, given)
    np.testing.assert_allclose(exceeded, time, rtol=1e-10)
    given.entry = np.array([0.3, 1.5, 0.7])
    late = np.array([response.law.draw(np.random.default_rng(k), NU, given) for k in range(1000)])
    assert (late > given.entry).all()
    alive = response.law.survival(given.entry, given).at(NU)
    share = np.minimum(form.at(NU) / alive, 1.0)
    assert np.abs((late > time).mean(axis=0) - share).max() < 0.06


@pytest.mark.parametrize("response", ONE_MEAN, ids=name)
def test_functions_are_the_sums_of_their_events(response):
    given = given_for(response, NU)
    forms = response.law.forms(given)
    if isinstance(response.law, Survival) and response.law.lowest == 0.0:
        forms.append(response.law.survival(np.full(3, 1.3), given))
    for form in forms:
        if not isinstance(form, Function):
            continue
        total = np.zeros(3)
        for event in form.events:
            y = np.broadcast_to(event.y, 3)
            p = [density(response, [y[i]], event.m, NU[i])[0] for i in range(3)]
            total += event.factor * np.array(p) * (np.exp(NU) if event.rate else 1.0)
        np.testing.assert_allclose(form.at(NU), total, rtol=1e-11)


@pytest.mark.parametrize("response", ONE_MEAN, ids=name)
def test_draws(response):
    for nu in predictors(response):
        nu = np.full(N_DRAWS, nu)
        given = given_for(response, nu)
        if response.family == "LogLogistic":
            given.dispersion = np.full(N_DRAWS, 0.2)
        y = response.law.draw(np.random.default_rng(4), nu, given) / given.trials
        mean = response.law.at(nu, given)
        variance = response.law.variance(mean, given)
        assert abs(y.mean() - mean[0]) < 4.0 * np.sqrt(variance[0] / N_DRAWS)
        spread = (y - mean[0]) ** 2
        assert abs(spread.mean() - variance[0]) < 5.0 * spread.std() / np.sqrt(N_DRAWS)


@pytest.mark.parametrize("response", CATEGORICAL, ids=name)
def test_categories(response):
    law = response.law
    copies = law.copies(4)
    nu = np.full((N_DRAWS, copies) if copies else N_DRAWS, 0.4)
    given = given_for(response, nu)
    p = law.at(nu, given)
    assert p.shape == (N_DRAWS, 4)
    np.testing.assert_allclose(p.sum(axis=1), 1.0, rtol=1e-12)
    share = np.bincount(law.draw(np.random.default_rng(1), nu, given).astype(int), minlength=4)
    assert np.abs(share / N_DRAWS - p[0]).max() < 0.01
    if response.family == "Ordinal":
        upper, lower = np.append(THRESHOLDS, 0.0), np.append(0.0, THRESHOLDS)
        expected = density_rows(
            response.density, [-1.0, 0.0, 0.0, 1.0], 1.0, 0.0, 0.4, upper, lower, SLOTS["scale"]
        )[:, 0]
    elif response.family == "ContinuationRatio":
        # rows of the stages have the other sign of the predictor
        go, stop = (
            density_rows(response.density, y, 1.0, 0.0, THRESHOLDS - 0.4, 0.0, 0.0, 0.0)[:, 0]
            for y in (0.0, 1.0)
        )
        expected = np.append(stop, 0.0) + np.append(0.0, np.cumsum(go))
    elif response.family == "AdjacentCategory":
        expected = np.append(0.0, np.cumsum(0.4 - THRESHOLDS))
    else:
        expected = np.array([0.0, 0.4, 0.4, 0.4])
    expected = np.exp(expected)
    np.testing.assert_allclose(p[0], expected / expected.sum(), rtol=1e-10)


@pytest.mark.parametrize("family", ["Choice", "Ranking", "BestWorst"])
def test_alternatives(family):
    response = RESPONSES[family, "Logit"]
    sets = N_DRAWS // 4
    nu = np.tile([0.0, 0.5, -0.3, 1.0], sets)
    given = given_for(response, nu)
    given.groups = [np.arange(N_DRAWS).reshape(sets, 4)]
    given.y = np.tile([1.0, 2.0, 0.0, 0.0], sets)  # two of them are ranked
    p = response.law.at(nu, given)[:4]
    np.testing.assert_allclose(p, np.exp(nu[:4]) / np.exp(nu[:4]).sum(), rtol=1e-12)
    y = response.law.draw(np.random.default_rng(2), nu, given).reshape(sets, 4)
    assert np.abs((y == 1.0).mean(axis=0) - p).max() < 0.02
    if family == "Ranking":
        assert (np.sort(y, axis=1) == [0.0, 0.0, 1.0, 2.0]).all()
        # second of those that are left
        left = p[[0, 1, 2]] / p[[0, 1, 2]].sum()
        assert np.abs((y[y[:, 3] == 1.0, :3] == 2.0).mean(axis=0) - left).max() < 0.03
    if family == "BestWorst":
        assert (np.sort(y, axis=1) == [-1.0, 0.0, 0.0, 1.0]).all()
        worst = np.exp(-nu[:3])
        share = (y[y[:, 3] == 1.0, :3] == -1.0).mean(axis=0)
        assert np.abs(share - worst / worst.sum()).max() < 0.03


@pytest.mark.parametrize("family", ["CompositePoisson", "CompositeBinomial", "CompositeGaussian"])
def test_composite_responses(family):
    response = RESPONSES[family, "Identity" if family == "CompositeGaussian" else "Logit"]
    assert isinstance(response.law, Composite)
    sets = N_DRAWS // 2
    nu = np.tile([0.2, 0.8], sets)
    given = given_for(response, nu)
    given.groups = [np.arange(N_DRAWS).reshape(sets, 2)]
    mean = response.law.at(nu, given)
    parts = nu[:2] if family == "CompositeGaussian" else expit(nu[:2])
    np.testing.assert_allclose(mean, 0.5 * parts.sum(), rtol=1e-12)
    y = response.law.draw(np.random.default_rng(3), nu, given)
    np.testing.assert_array_equal(y[::2], y[1::2])
    variance = response.law.variance(mean, given)[0]
    assert abs((y / given.trials)[::2].mean() - mean[0]) < 4.0 * np.sqrt(variance / sets)
