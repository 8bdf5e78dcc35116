"""Two levels: missing values, and covariates with parts at both levels, against lavaan and whole clusters."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import multivariate_normal

from sm_gllamm.exceptions import SpecificationError
from sm_gllamm.models.sem import SEM
from tests.likelihood.test_normal_clusters import holes, joint
from tests.likelihood.test_normal_two_levels import away, differences, frame
from tests.models.sem_cases import APART, EVERY, fit
from tests.models.test_sem_lavaan import ours

BOTH = """level: 1
y1 + y2 ~ x
y1 ~~ y2
level: 2
y1 + y2 ~ x + w
y1 ~~ y2"""


def contextual(make=frame, **options):
    """Data whose covariate has a between part."""
    data = make(**options)
    rng = np.random.default_rng(9)
    return data.assign(x=data["x"] + rng.normal(size=data["g"].max() + 1)[data["g"]])


@pytest.mark.parametrize("case", APART)
def test_estimates_and_standard_errors(case):
    found = ours(fit(case), fit(case).parameter_table())
    compared = 0
    for lhs, op, rhs, group, level, est, se, *_ in EVERY[case]["params"]:
        if not se:
            continue
        row = found[lhs, op, rhs or "", max(int(group or 0), 1), max(int(level or 0), 1)]
        # lavaan stops where the log-likelihood is 3e-5 below
        assert abs(row["est"] - est) < 6e-3 * se, (lhs, op, rhs)
        assert row["se"] == pytest.approx(se, rel=3e-4)
        compared += 1
    assert compared == fit(case).df_modelwc


def test_log_likelihood_with_missing_values():
    known = EVERY["twolevel_fiml"]["fit"]
    result = fit("twolevel_fiml")
    assert result.llf == pytest.approx(known["logl"], rel=1e-8)
    assert result.llf > known["logl"]
    # the EM algorithm of lavaan's saturated model ends below its maximum
    saturated = result.model.saturated().llf
    assert known["unrestricted.logl"] < saturated < known["unrestricted.logl"] + 3e-3


@pytest.mark.parametrize("case", APART)
def test_fit_measures(case):
    found, known = fit(case).fit_measures(), EVERY[case]["fit"]
    assert found["df"] == known["df"]
    assert found["chisq"] == pytest.approx(known["chisq"], abs=5e-3)
    assert found["baseline_chisq"] == pytest.approx(known["baseline.chisq"], abs=5e-3)
    for name in ("cfi", "tli", "rmsea", "srmr_within", "srmr_between"):
        assert found[name] == pytest.approx(known[name], abs=5e-4)


@pytest.mark.parametrize("make", [frame, holes])
def test_density_given_covariates_at_both_levels(make):
    """That of whole clusters, less that of their covariates with the moments that the model has of them."""
    data = contextual(make)
    model = SEM(BOTH, data, cluster="g")
    at = away(model)
    low, high = model.implied_moments(at)
    total = 0.0
    for _, rows in data.groupby("g"):
        e, v = joint(rows, low, high)
        total += multivariate_normal(np.zeros(len(e)), v).logpdf(e)
        own = rows.assign(y1=np.nan, y2=np.nan)
        e, v = joint(own, low, high)
        total -= multivariate_normal(np.zeros(len(e)), v).logpdf(e)
    assert model.loglike(at) == pytest.approx(total, rel=1e-10)
    np.testing.assert_allclose(
        model.score(at), differences(model.loglike, at), rtol=1e-6, atol=1e-5
    )
    assert model.loglikeobs(at).sum() == pytest.approx(model.loglike(at), rel=1e-12)


def test_moments_of_covariates_are_those_of_the_unrestricted_model():
    data = contextual(n_clusters=60)
    known = SEM(BOTH, data, cluster="g").inputs.given
    every = "level: 1 \n y1 ~~ y2 + x \n y2 ~~ x \n level: 2 \n y1 ~~ y2 + x + w \n y2 ~~ x + w \n x ~~ w"
    free = SEM(every, data, cluster="g").fit().params
    assert known[0]["x", "x"] == pytest.approx(free["x~~x"], rel=1e-6)
    assert known[1]["x", "w"] == pytest.approx(free["x~~w.l2"], rel=1e-5)
    assert known[1]["x",] == pytest.approx(free["x~1.l2"], rel=1e-5)


@pytest.mark.filterwarnings("ignore:Improper solution")
def test_frequencies_count_for_covariates_of_both_levels():
    data = contextual(n_clusters=50)
    often = 1 + np.arange(len(data)) % 3
    copies = data.loc[np.repeat(np.arange(len(data)), often)].reset_index(drop=True)
    one = SEM(BOTH, data.assign(n=often), cluster="g", freq_weights="n").fit()
    other = SEM(BOTH, copies, cluster="g").fit()
    assert one.llf == pytest.approx(other.llf, rel=1e-11)
    np.testing.assert_allclose(one.params, other.params, rtol=1e-6, atol=1e-8)
    assert one.chisquare().statistic == pytest.approx(other.chisquare().statistic, abs=1e-6)


def test_contextual_effects_are_found():
    rng = np.random.default_rng(0)
    g = np.repeat(np.arange(400), 8)
    above, inside = rng.normal(size=400)[g], rng.normal(size=3200)
    y = 0.3 * inside + 1.2 * above + 0.5 * rng.normal(size=400)[g] + rng.normal(size=3200)
    data = pd.DataFrame({"y": y, "x": above + inside, "g": g})
    result = SEM("level: 1 \n y ~ x \n level: 2 \n y ~ x", data, cluster="g").fit()
    assert abs(result.params["y~x"] - 0.3) < 4 * result.bse["y~x"]
    assert abs(result.params["y~x.l2"] - 1.2) < 4 * result.bse["y~x.l2"]


def test_simulated_data_keep_covariates_of_both_levels():
    model = SEM(BOTH, contextual(n_clusters=200), cluster="g")
    at = model.fit().params.to_numpy()
    rng = np.random.default_rng(1)
    draws = [model.with_inputs(model.inputs.with_values(d)) for d in model.simulate(at, 20, rng)]
    # the draws have other moments of x and y: scores at these of the model
    scores = np.array([sample.score(at) for sample in draws])
    z = scores.mean(0) / np.sqrt(np.diag(model.expected_information(at)) / len(scores))
    assert np.abs(z).max() < 4.5
    assert draws[0].inputs.endog["x"].equals(model.inputs.endog["x"])


def test_covariate_of_one_level_that_is_modelled_at_the_other():
    with pytest.raises(SpecificationError, match="'y2' is a covariate at one level"):
        SEM("level: 1 \n y1 ~~ y2 \n level: 2 \n y1 ~ y2", frame(), cluster="g")
    SEM("level: 1 \n y1 ~~ y2 \n level: 2 \n y1 ~ y2", frame(), cluster="g", fixed_x=False)


@pytest.mark.study
@pytest.mark.filterwarnings("ignore:Improper solution")
def test_intervals_cover_with_values_missing_at_random():
    text = """level: 1
    fw =~ y1 + y2 + y3
    fw ~ a*x
    level: 2
    fb =~ y1 + y2 + y3
    fb ~ b*w"""
    true = pd.Series({"a": 0.4, "b": 0.5, "fw=~y2": 0.8, "fb=~y3.l2": 1.2})
    inside, errors = [], []
    for seed in range(300):
        rng = np.random.default_rng(seed + 120)
        g = np.repeat(np.arange(100), 8)
        w, x = rng.normal(size=100), rng.normal(size=800)
        low = 0.4 * x + rng.normal(size=800)
        high = (0.5 * w + 0.8 * rng.normal(size=100))[g]
        data = pd.DataFrame({"g": g, "w": w[g], "x": x})
        for k, (b, c) in enumerate([(1.0, 1.0), (0.8, 0.9), (1.1, 1.2)], 1):
            own = 0.4 * rng.normal(size=100)[g] + rng.normal(size=800)
            data[f"y{k}"] = b * low + c * high + own
        data["y2"] = data["y2"].mask(data["y1"] > 1)
        data["y3"] = data["y3"].mask(data["y1"] < -1)
        result = SEM(text, data, cluster="g").fit()
        error = (result.params - true)[true.index] / result.bse[true.index]
        inside.append(error.abs() < 1.96)
        errors.append(error)
    share = pd.DataFrame(inside).mean()
    assert share.between(0.91, 0.985).all()
    assert (pd.DataFrame(errors).mean().abs() < 0.25).all()
