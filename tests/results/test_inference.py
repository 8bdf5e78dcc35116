"""Intervals, criteria, tests and comparisons of fitted models."""

import numpy as np
import pytest
import statsmodels.api as sm
from scipy import stats
from statsmodels.tools.sm_exceptions import InvalidTestWarning

import sm_gllamm.formula.api as smgf
from sm_gllamm.exceptions import BoundaryWarning, SpecificationError


def test_symmetric_intervals_agree_with_t_test(slope):
    test = slope.t_test(np.eye(len(slope.params)))
    np.testing.assert_allclose(test.conf_int(), slope.conf_int(), rtol=1e-12)


def test_equations_in_tests(slope):
    names = list(slope.params.index)
    row = np.eye(len(names))[names.index("Days")]
    values = (row[np.newaxis], np.array([10.0]))
    for test in (slope.t_test, slope.wald_test, slope.f_test):
        assert np.allclose(test("Days = 10").statistic, test(values).statistic, rtol=1e-12)
        with pytest.raises(SpecificationError, match="no parameter 'Day'; did you mean 'Days'"):
            test("Day = 10")


def test_transformed_intervals(slope):
    limits, symmetric = slope.conf_int(method="transformed"), slope.conf_int()
    np.testing.assert_allclose(limits.iloc[:2], symmetric.iloc[:2])
    v, se = slope.params["var(Residual)"], slope.bse["var(Residual)"]
    np.testing.assert_allclose(
        limits.loc["var(Residual)"], v * np.exp(np.array([-1, 1]) * stats.norm.ppf(0.975) * se / v)
    )
    bound = np.sqrt(slope.params["var(Intercept|Subject)"] * slope.params["var(Days|Subject)"])
    assert np.all(np.abs(limits.loc["cov(Intercept,Days|Subject)"]) < bound)


def test_unknown_method_of_intervals(slope):
    with pytest.raises(SpecificationError, match="'profile'"):
        slope.conf_int(method="wald")


def test_random_part(slope):
    covariance = slope.cov_re
    assert list(covariance.index) == list(covariance.columns) == ["Intercept", "Days"]
    table = slope.random_effects_table()
    assert table.loc["var(Days|Subject)", "sd_corr"] == pytest.approx(
        np.sqrt(covariance.loc["Days", "Days"])
    )
    r = covariance.loc["Intercept", "Days"] / np.sqrt(np.prod(np.diag(covariance)))
    assert table.loc["cov(Intercept,Days|Subject)", "sd_corr"] == pytest.approx(r)
    assert table.loc["var(Residual)", "lower"] == pytest.approx(
        table.loc["var(Residual)", "sd_corr_lower"] ** 2
    )


def test_covariance_matrices_of_several_levels(counts):
    data = counts.assign(top=counts["g"] // 4)
    data["z"] = np.random.default_rng(0).normal(size=10)[data["top"]] + 0.3 * data["x"] + data["y"]
    result = smgf.glmm("z ~ x + (1 | top/g)", data).fit()
    assert list(result.cov_re) == ["top", "top:g"]
    assert list(result.n_clusters.items()) == [("top", 10), ("top:g", 40)]


def test_criteria(intercept, binary):
    assert intercept.df_modelwc == 4
    assert intercept.aic == pytest.approx(-2 * intercept.llf + 8)
    assert intercept.bic == pytest.approx(-2 * intercept.llf + 4 * np.log(180))
    assert intercept.info_criteria("bic", n="Subject") == pytest.approx(
        -2 * intercept.llf + 4 * np.log(18)
    )
    assert intercept.info_criteria("aicc") == pytest.approx(intercept.aic + 2 * 4 * 5 / (180 - 5))
    with pytest.raises(SpecificationError, match="school"):
        intercept.info_criteria("bic", n="school")
    with pytest.raises(SpecificationError, match="'aic'"):
        intercept.info_criteria("dic")


def test_frequency_weights_count(counts, binary):
    once = counts.assign(w=1.0)
    double = smgf.glmm(
        "y ~ x + C(f) + (1 | g)", once.assign(w=2.0), family="binomial", freq_weights={"g": "w"}
    ).fit()
    assert double.nobs == 480
    assert double.df_resid == 480 - 5
    np.testing.assert_allclose(double.bse, binary.bse / np.sqrt(2), rtol=1e-3)
    assert double.bic == pytest.approx(-2 * double.llf + 5 * np.log(480))


def test_boundary_has_no_standard_error_and_harms_nobody(no_effects):
    model = smgf.glmm("y ~ x + (1 | g)", no_effects, family="binomial")
    with pytest.warns(BoundaryWarning):
        result = model.fit()
    assert np.isnan(result.bse["var(Intercept|g)"])
    assert np.isfinite(result.bse.iloc[:2]).all()
    logit = sm.Logit.from_formula("y ~ x", no_effects).fit(disp=0)
    np.testing.assert_allclose(
        result.wald_test("x = 0.1", scalar=True).pvalue,
        logit.wald_test("x = 0.1", scalar=True).pvalue,
        rtol=1e-5,
    )
    assert np.isnan(result.conf_int(method="transformed").loc["var(Intercept|g)"]).all()
    assert result.compare_lr_test(logit).pvalue == pytest.approx(1.0)


def test_terms_and_pairs(binary):
    table = binary.wald_test_terms(scalar=True).table
    z = binary.params["x"] / binary.bse["x"]
    assert table.loc["x", "statistic" if "statistic" in table else "chi2"] == pytest.approx(z**2)
    pairs = binary.t_test_pairwise("C(f)").result_frame
    assert pairs.loc["b-a", "coef"] == pytest.approx(binary.params["C(f)[T.b]"])


def test_lr_test_of_a_random_slope(slope, intercept):
    test = slope.compare_lr_test(intercept)
    statistic, pvalue, df = test
    assert df == 2
    # lme4: anova() gives 42.139 for the two maximum likelihood fits
    assert statistic == pytest.approx(42.1393, abs=1e-3)
    assert pvalue == pytest.approx((stats.chi2.sf(statistic, 1) + stats.chi2.sf(statistic, 2)) / 2)


def test_lr_test_of_the_only_random_effect(sleep, intercept, counts, binary):
    ols = sm.OLS.from_formula("Reaction ~ Days", sleep).fit()
    test = intercept.compare_lr_test(ols)
    assert test.df_diff == 1
    assert test.pvalue == pytest.approx(stats.chi2.sf(test.statistic, 1) / 2)
    for other in (
        sm.Logit.from_formula("y ~ x + C(f)", counts).fit(disp=0),
        sm.GLM.from_formula("y ~ x + C(f)", counts, family=sm.families.Binomial()).fit(),
    ):
        test = binary.compare_lr_test(other)
        assert test.df_diff == 1 and test.statistic == pytest.approx(
            2 * (binary.llf - other.llf), rel=1e-10
        )


def test_lr_test_of_coefficients_is_regular(counts, binary):
    smaller = smgf.glmm("y ~ x + (1 | g)", counts, family="binomial").fit()
    test = binary.compare_lr_test(smaller)
    assert test.df_diff == 2 and test.weights == ((2, 1.0),)


def test_what_is_not_nested_is_refused(sleep, counts, slope, intercept, binary):
    with pytest.raises(SpecificationError, match="cov|not nested"):
        intercept.compare_lr_test(slope)
    with pytest.raises(SpecificationError, match="different data"):
        slope.compare_lr_test(smgf.glmm("Reaction ~ Days + (1 | Subject)", sleep[:170]).fit())
    other = smgf.glmm("y ~ np.sin(x) + (1 | g)", counts, family="binomial").fit()
    with pytest.raises(SpecificationError, match="sin"):
        binary.compare_lr_test(other)
    probit = sm.GLM.from_formula(
        "y ~ x", counts, family=sm.families.Binomial(sm.families.links.Probit())
    ).fit()
    with pytest.raises(SpecificationError, match="families differ"):
        binary.compare_lr_test(probit)


def test_lr_test_with_robust_covariance_warns(counts, binary):
    robust = smgf.glmm("y ~ x + (1 | g)", counts, family="binomial").fit(cov_type="robust")
    with pytest.warns(InvalidTestWarning):
        binary.compare_lr_test(robust)


def test_reml_is_comparable_with_the_same_coefficients_only(sleep, intercept):
    big = smgf.glmm("Reaction ~ Days + (1 + Days | Subject)", sleep).fit(reml=True)
    small = smgf.glmm("Reaction ~ Days + (1 | Subject)", sleep).fit(reml=True)
    assert big.compare_lr_test(small).df_diff == 2
    without = smgf.glmm("Reaction ~ 1 + (1 | Subject)", sleep).fit(reml=True)
    with pytest.raises(SpecificationError, match="reml=False"):
        small.compare_lr_test(without)
    with pytest.raises(SpecificationError, match="by ML"):
        big.compare_lr_test(intercept)


def test_no_likelihood_ratio_with_sampling_weights(counts, binary):
    weighted = smgf.glmm(
        "y ~ x + (1 | g)", counts.assign(w=1.5), family="binomial", weights={"g": "w"}
    ).fit()
    with pytest.raises(SpecificationError, match="sampling weights"):
        binary.compare_lr_test(weighted)
