"""Formulas, events, bounds and groups of new data that would be misread without a word."""

import numpy as np
import pandas as pd
import pytest

import sm_gllamm.api as smg
import sm_gllamm.formula.api as smgf
from sm_gllamm.exceptions import SpecificationError


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(11)
    g = np.repeat(np.arange(30), 4)
    effect = 0.6 * rng.normal(size=30)[g]
    frame = pd.DataFrame({"g": g, "x": rng.normal(size=120), "group": np.where(g % 2, "a", "b")})
    frame["y"] = frame["x"] + effect + rng.normal(size=120)
    frame["count"] = rng.poisson(np.exp(0.5 + effect))
    frame["time"] = rng.weibull(1.3, 120) * np.exp(effect)
    frame["event"] = rng.integers(0, 2, 120)
    return frame


@pytest.mark.parametrize("formula", ["~ (1 | g)", "~ x + (x || g)", "~ 1 | g"])
def test_random_effects_of_a_dispersion_are_refused(data, formula):
    # patsy takes the bar for Python's: 1 | g is a number
    with pytest.raises(SpecificationError, match="dispersion=.* has a random-effects term"):
        smgf.glmm("y ~ x + (1 | g)", data, dispersion=formula)


def test_a_bar_within_a_function_is_pythons(data):
    model = smgf.glmm("y ~ x + (1 | g)", data, dispersion="~ I((x > 0) | (g > 20))")
    assert sum(name.startswith("log_sd:") for name in model.param_names) == 2


def test_new_group_of_clusters(data):
    model = smgf.glmm("count ~ 1 + (1 | g)", data, family="poisson", variance_by={"g": "group"})
    result = model.fit()
    assert len(result.predict(data.head(2))) == 2
    new = data.head(2).assign(group=["a", "c"])
    with pytest.raises(SpecificationError, match=r"row 1 of the new data.* groups, 'a', 'b'"):
        result.predict(new)


def test_infinite_durations(data):
    forever = data.assign(time=data["time"].where(data.index != 3, np.inf))
    with pytest.raises(SpecificationError, match=r"duration .* is inf in row 3; it must be finite"):
        smgf.glmm("time + event ~ x + (1 | g)", forever, family=smg.families.Weibull())
    bounds = forever.assign(upper=np.inf)
    family = smg.families.Weibull(censoring="interval")
    with pytest.raises(SpecificationError, match=r"lower bound .* is inf in row 3"):
        smgf.glmm("time + upper ~ x + (1 | g)", bounds, family=family)


def test_events_may_be_boolean(data):
    happened = data.assign(happened=data["event"] == 1)
    family = smg.families.Weibull()
    fits = [
        smgf.glmm(f"time + {event} ~ x + (1 | g)", happened, family=family).fit()
        for event in ("event", "happened", "I(event == 1)")
    ]
    assert fits[1].llf == fits[0].llf == fits[2].llf


def test_an_effect_of_each_censored_response(data):
    rows = data.assign(row=np.arange(len(data)))
    family = smg.families.CensoredGaussian(lower=0)
    with pytest.raises(SpecificationError, match="cannot be told from the residual"):
        smgf.glmm("y ~ x + (1 | row)", rows, family=family)


def test_successes_and_failures_of_single_trials(data):
    # two columns, but no more than 0/1 responses
    rows = data.assign(row=np.arange(len(data)), other=1 - data["event"])
    with pytest.raises(SpecificationError, match="variation of a single 0/1 response"):
        smgf.glmm("event + other ~ x + (1 | g/row)", rows, family="binomial")
    model = smgf.glmm("event + other ~ x + (1 | g)", rows, family="binomial")
    with pytest.raises(SpecificationError, match="a single trial has no overdispersion"):
        model.fit(scale="X2")
    several = rows.assign(other=rows["other"] + rows.index % 3)
    assert smgf.glmm("event + other ~ x + (1 | g)", several, family="binomial").kind == "binomial"


def test_marginal_effects_without_covariates(data):
    result = smgf.glmm("count ~ 1 + (1 | g)", data, family="poisson").fit()
    with pytest.raises(SpecificationError, match="no covariates"):
        result.get_margeff()


def test_profiles_of_a_quasi_likelihood(data):
    result = smgf.glmm("count ~ x + (1 | g)", data, family="poisson").fit(scale="X2")
    with pytest.raises(SpecificationError, match="quasi-likelihood"):
        result.profile("x")
    with pytest.raises(SpecificationError, match="quasi-likelihood"):
        result.conf_int(method="profile")
