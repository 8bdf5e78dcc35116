"""Profile likelihoods against lme4 and against models with the parameter built in."""

import numpy as np
import pytest
from scipy import stats
from scipy.optimize import minimize

import sm_gllamm.formula.api as smgf
from sm_gllamm.exceptions import BoundaryWarning, SpecificationError

# R 4.2, lme4 1.1-31: confint(lmer(Reaction ~ Days + (1 + Days | Subject), sleepstudy, REML = FALSE)),
# which interpolates between the points of its profile: agreement to four digits is what it has.
LME4 = {
    "var(Intercept|Subject)": (14.38148112, 37.71601874),
    "var(Days|Subject)": (3.80116476, 8.75336666),
    "var(Residual)": (22.89826622, 28.85799732),
    "Intercept": (237.68069547, 265.12951469),
    "Days": (7.35865330, 13.57591874),
}


def test_intervals_of_lme4(slope):
    limits = slope.conf_int(method="profile")
    for name, expected in LME4.items():
        found = limits.loc[name]
        np.testing.assert_allclose(
            np.sqrt(found) if name.startswith("var") else found, expected, rtol=2e-5, err_msg=name
        )


def test_a_coefficient_is_profiled_as_by_offsets(counts, binary):
    profile = binary.profile("x", alpha=0.1)
    for limit in profile.limits:
        reference = smgf.glmm(
            "y ~ C(f) + (1 | g)", counts, family="binomial", offset=limit * counts["x"]
        ).fit()
        assert 2 * (binary.llf - reference.llf) == pytest.approx(stats.chi2.ppf(0.9, 1), abs=1e-3)


def test_a_variance_is_profiled_as_on_a_grid(binary):
    profile = binary.profile("var(Intercept|g)")
    table = profile.table
    assert (table["value"].diff()[1:] > 0).all() and (table["zeta"].diff()[1:] > 0).all()
    # the other parameters at each value by brute force
    row = table.iloc[-1]

    def minus(coefficients):
        return -binary.model.loglike(np.append(coefficients, row["value"]))

    best = minimize(minus, row.iloc[3:].to_numpy(float) * 0.9, method="Nelder-Mead",
                    options={"xatol": 1e-6, "fatol": 1e-9, "maxiter": 4000})  # fmt: skip
    assert -best.fun == pytest.approx(row["llf"], abs=1e-4)


def test_limits_have_the_deviance_of_the_quantile(slope):
    profile = slope.profile("cov(Intercept,Days|Subject)")
    at = profile.table.set_index("value").loc[profile.limits, "zeta"]
    np.testing.assert_allclose(at, [-1.959964, 1.959964], atol=1e-5)
    assert profile.estimate == slope.params["cov(Intercept,Days|Subject)"]


def test_a_variance_of_zero_has_an_upper_limit(no_effects):
    with pytest.warns(BoundaryWarning):
        result = smgf.glmm("y ~ x + (1 | g)", no_effects, family="binomial").fit()
    lower, upper = result.profile("var(Intercept|g)").limits
    assert lower == 0.0 and 0 < upper < 5
    assert np.isfinite(result.conf_int(method="profile")).all(axis=None)


def test_a_small_variance_has_zero_in_its_interval(counts):
    rng = np.random.default_rng(6)
    data = counts.assign(z=rng.normal(size=240) + 0.15 * rng.normal(size=40)[counts["g"]])
    result = smgf.glmm("z ~ x + (1 | g)", data).fit()
    profile = result.profile("var(Intercept|g)")
    zero = smgf.glmm("z ~ x + (1 | g)", data).fit_constrained("var(Intercept|g) = 0")
    deviance = 2 * (result.llf - zero.llf)
    assert deviance < 3.84, "choose another seed"
    assert profile.limits[0] == 0.0
    assert profile.table["zeta"].iloc[0] == pytest.approx(-np.sqrt(deviance), rel=1e-6)


def test_profiles_under_constraints(sleep):
    model = smgf.glmm("Reaction ~ Days + (1 + Days | Subject)", sleep)
    held = model.fit_constrained("cov(Intercept,Days|Subject) = 0")
    diagonal = smgf.glmm("Reaction ~ Days + (1 + Days || Subject)", sleep).fit()
    np.testing.assert_allclose(
        held.profile("var(Days|Subject)").limits,
        diagonal.profile("var(Days|Subject)").limits,
        rtol=1e-5,
    )
    assert np.isnan(held.conf_int(method="profile").loc["cov(Intercept,Days|Subject)"]).all()
    with pytest.raises(SpecificationError, match="fixed by the constraints"):
        held.profile("cov(Intercept,Days|Subject)")


def test_what_cannot_be_profiled(sleep, slope):
    model = smgf.glmm("Reaction ~ Days + (1 | Subject)", sleep)
    with pytest.raises(SpecificationError, match="ML"):
        model.fit(reml=True).profile("Days")
    with pytest.raises(SpecificationError, match="var"):
        slope.profile("var(x)")
    gone = model.fit()
    gone.remove_data()
    with pytest.raises(SpecificationError, match="remove_data"):
        gone.profile("Days")
