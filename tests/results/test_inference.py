"""Intervals, criteria, tests and comparisons of fitted models."""

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from scipy import stats
from statsmodels.tools.sm_exceptions import InvalidTestWarning

import sm_gllamm.api as smg
import sm_gllamm.formula.api as smgf
from sm_gllamm.datasets import wine
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


def test_transformed_interval_of_a_covariance_near_correlation_one():
    rng = np.random.default_rng(8)
    g = np.repeat(np.arange(60), 8)
    x = np.tile(np.linspace(-1, 1, 8), 60)
    u = rng.normal(size=60)
    slopes = 0.7 * u + 0.25 * rng.normal(size=60)
    y = 1 + x + u[g] + slopes[g] * x + 0.5 * rng.normal(size=480)
    data = pd.DataFrame({"y": y, "x": x, "g": g})
    result = smgf.glmm("y ~ x + (1 + x | g)", data).fit()
    name = "cov(Intercept,x|g)"
    assert result.random_effects_table().loc[name, "sd_corr"] > 0.9
    transformed = result.conf_int(method="transformed").loc[name]
    # the profile likelihood is the better interval; the symmetric one misses it on both sides
    profile = result.conf_int(method="profile").loc[name]
    np.testing.assert_allclose(transformed, profile, rtol=0.1)
    assert np.all(np.abs(transformed - profile) < np.abs(result.conf_int().loc[name] - profile))


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


def test_terms_are_those_of_coefficients(counts, no_effects, recwarn):
    # an ordinal model has no constant: the columns of its design are not its parameters
    data = counts.assign(
        y=np.digitize(counts["x"] + counts["y"] + np.tile([0.0, 0.5, -0.5], 80), [0, 1])
    )
    ordinal = smgf.glmm("y ~ C(f) + x + (1 | g)", data, family="ordinal").fit()
    table = ordinal.wald_test_terms().table
    assert list(table.index) == ["C(f)", "x"]
    names = ["C(f)[T.b]", "C(f)[T.c]"]
    block = ordinal.cov_params().loc[names, names]
    b = ordinal.params[names].to_numpy()
    assert table.loc["C(f)", "statistic"] == pytest.approx(b @ np.linalg.solve(block, b))
    assert table.loc["C(f)", "df_constraint"] == 2
    assert table.loc["x", "statistic"] == pytest.approx(ordinal.tvalues["x"] ** 2)
    assert list(ordinal.wald_test_terms(skip_single=True).table.index) == ["C(f)"]
    assert ordinal.wald_test_terms(combine_terms=["f"]).table.loc["f", "df_constraint"] == 2
    with pytest.raises(SpecificationError, match="no term contains 'ff'"):
        ordinal.wald_test_terms(combine_terms=["ff"])
    pairs = ordinal.t_test_pairwise("C(f)").result_frame
    np.testing.assert_allclose(pairs["coef"], [b[0], b[1], b[1] - b[0]])
    with pytest.raises(SpecificationError, match="no term 'f'"):
        ordinal.t_test_pairwise("f")
    less = smgf.glmm(
        "y ~ C(f) + x + (1 | g)", data, family="ordinal", drop_cols=["C(f)[T.b]"]
    ).fit()
    assert less.wald_test_terms().table["df_constraint"].tolist() == [1, 1]
    np.testing.assert_allclose(less.predict(data), less.predict(), rtol=1e-12)
    nominal = smgf.glmm("y ~ C(f) + (1 | g)", data, family="multinomial").fit(n_points=5)
    assert nominal.wald_test_terms().table["df_constraint"].tolist() == [2, 4]
    recwarn.clear()
    with pytest.warns(BoundaryWarning):
        zero = smg.GLMM(
            no_effects["y"], sm.add_constant(no_effects[["x"]]), groups=no_effects["g"],
            family="binomial",
        ).fit()  # fmt: skip
    assert list(zero.wald_test_terms().table.index) == ["const", "x"]
    assert not recwarn.list


def test_lr_test_of_proportional_odds():
    data = wine.load_pandas().data
    family = smg.families.Ordinal()
    partial = smgf.glmm(
        "rating ~ temp + (1 | judge)", data, family=family, thresholds="~ contact"
    ).fit()
    odds = smgf.glmm("rating ~ temp + contact + (1 | judge)", data, family=family).fit()
    statistic, pvalue, df = partial.compare_lr_test(odds)
    assert statistic == pytest.approx(2 * (partial.llf - odds.llf)) and df == 3
    assert pvalue == pytest.approx(stats.chi2.sf(statistic, 3))
    with pytest.raises(SpecificationError, match="not nested|combinations"):
        odds.compare_lr_test(partial)
    other = smgf.glmm(
        "rating ~ contact + (1 | judge)", data, family=family, thresholds="~ temp"
    ).fit()
    with pytest.raises(SpecificationError, match="not nested"):
        partial.compare_lr_test(other)
    # with several families the thresholds are those of one
    rows = pd.concat([data.assign(kind="rating", y=data["rating"].astype(float)),
                      data.assign(kind="score", y=data["response"] / 10)], ignore_index=True)  # fmt: skip
    rows["touch"] = (rows["contact"] == "yes").astype(float)
    fixed = "y ~ 0 + kind + kind:temp + kind:touch + (1 | judge)"
    options = {"family": {"rating": family, "score": "gaussian"}, "family_by": "kind"}
    narrow = smgf.glmm(fixed, rows, **options).fit()
    rows["score_touch"] = rows["touch"] * (rows["kind"] == "score")
    fixed = "y ~ 0 + kind + kind:temp + score_touch + (1 | judge)"
    wide = smgf.glmm(fixed, rows, thresholds={"rating": "~ touch"}, **options).fit()
    assert wide.compare_lr_test(narrow).df_diff == 3


def test_lr_test_of_variances_by_group(counts):
    rng = np.random.default_rng(3)
    data = counts.assign(kind=np.where(counts["g"] % 2, "odd", "even"), part=counts["g"] % 4)
    u = rng.normal(size=(40, 2)) * np.array([0.8, 1.6])[np.arange(40) % 2][:, None]
    data["z"] = data["x"] + u[data["g"], 0] + u[data["g"], 1] * data["x"] + rng.normal(size=240)
    one = smgf.glmm("z ~ x + (1 | g)", data).fit()
    two = smgf.glmm("z ~ x + (1 | g)", data, variance_by={"g": "kind"}).fit()
    test = two.compare_lr_test(one)
    assert (test.df_diff, test.n_zero) == (1, 0)
    assert test.pvalue == pytest.approx(stats.chi2.sf(2 * (two.llf - one.llf), 1))
    slopes = smgf.glmm("z ~ x + (1 + x | g)", data).fit()
    by_group = smgf.glmm("z ~ x + (1 + x | g)", data, variance_by={"g": "kind"}).fit()
    test = by_group.compare_lr_test(slopes)
    assert (test.df_diff, test.n_zero) == (3, 0)
    test = by_group.compare_lr_test(one)
    assert (test.df_diff, test.n_zero) == (5, 2)
    test = by_group.compare_lr_test(two)
    assert (test.df_diff, test.n_zero) == (4, 2)
    # groups within groups
    four = smgf.glmm("z ~ x + (1 | g)", data, variance_by={"g": "part"}).fit()
    assert four.compare_lr_test(two).df_diff == 2
    # rows in another order, or gone
    shuffled = smgf.glmm("z ~ x + (1 | g)", data.sample(frac=1, random_state=1)).fit()
    assert two.compare_lr_test(shuffled).df_diff == 1
    with pytest.raises(SpecificationError, match="not nested"):
        two.compare_lr_test(slopes)
    third = smgf.glmm(
        "z ~ x + (1 | g)", data.assign(third=data["g"] % 3), variance_by={"g": "third"}
    )
    with pytest.raises(SpecificationError, match="not nested"):
        third.fit().compare_lr_test(two)


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
