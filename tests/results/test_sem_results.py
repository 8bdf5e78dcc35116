"""Modification indices, scores and the rest of the results against lavaan and direct computations."""

import numpy as np
import pandas as pd
import pytest

from sm_gllamm.exceptions import SpecificationError
from sm_gllamm.models.sem import SEM
from tests.models.sem_cases import CASES, data, fit

WITH_MODS = [case for case in CASES if "mods" in CASES[case]]
WITH_SCORES = [case for case in CASES if "regression" in CASES[case]]


@pytest.mark.parametrize("case", WITH_MODS)
def test_modification_indices(case):
    result = fit(case)
    groups = list(result.model.table.groups)
    table = result.modification_indices()
    ours = {}
    for row in table.to_dict("records"):
        group = groups.index(row.get("group", groups[0])) + 1
        lhs, rhs = (
            sorted([row["lhs"], row["rhs"]]) if row["op"] == "~~" else (row["lhs"], row["rhs"])
        )
        ours[lhs, row["op"], rhs, group] = row
    assert len(CASES[case]["mods"]) > 10
    for lhs, op, rhs, group, mi, epc, epc_lv, epc_all in CASES[case]["mods"]:
        if op == "~~":
            lhs, rhs = sorted([lhs, rhs])
        if lhs in ("female", "age"):
            # given covariates have no equations
            continue
        row = ours[lhs, op, rhs, int(group)]
        assert row["mi"] == pytest.approx(mi, rel=2e-4, abs=2e-3)
        if mi > 0.01:
            assert row["epc"] == pytest.approx(epc, rel=1e-3, abs=2e-4)
            assert row["epc_lv"] == pytest.approx(epc_lv, rel=1e-3, abs=2e-4)
            assert row["epc_all"] == pytest.approx(epc_all, rel=1e-3, abs=2e-4)


def test_a_score_test_is_near_the_likelihood_ratio():
    text = "visual =~ x1 + x2 + x3 \n speed =~ x7 + x8 + x9"
    result = SEM(text, data("holzinger")).fit()
    top = result.modification_indices(information="observed").iloc[0]
    larger = SEM(f"{text} \n {top['lhs']} {top['op']} {top['rhs']}", data("holzinger")).fit()
    ratio = 2 * (larger.llf - result.llf)
    assert top["mi"] == pytest.approx(ratio, rel=0.35)


@pytest.mark.parametrize("case", WITH_SCORES)
def test_regression_scores(case):
    known = CASES[case]
    scores = fit(case).factor_scores(se=True).to_numpy()
    q = scores.shape[1] // 2
    np.testing.assert_allclose(scores[:4, :q], known["regression"], atol=2e-4, rtol=2e-4)
    if "regression_se" in known and dict(known["options"]).get("missing") is None:
        np.testing.assert_allclose(scores[0, q:], known["regression_se"], atol=2e-4)


@pytest.mark.parametrize("case", [c for c in WITH_SCORES if c != "second_order"])
def test_bartlett_scores(case):
    scores = fit(case).factor_scores(method="bartlett").to_numpy()
    np.testing.assert_allclose(scores[:4], CASES[case]["bartlett"], atol=3e-4, rtol=3e-4)


def test_bartlett_scores_need_indicators():
    with pytest.raises(SpecificationError, match="no observed variable measures 'g'"):
        fit("second_order").factor_scores(method="bartlett")


def test_scores_of_new_persons():
    for case in ("cfa", "mimic", "groups"):
        result = fit(case)
        frame = data(CASES[case]["data"])
        known = result.factor_scores().iloc[[3, 200]]
        again = result.factor_scores(frame.iloc[[3, 200]])
        pd.testing.assert_frame_equal(known, again)


def test_scores_with_missing_values():
    result = fit("cfa")
    new = data("holzinger").iloc[:3].drop(columns=["sex", "ageyr", "agemo"])
    new.loc[1, ["x1", "x2", "x3"]] = np.nan
    scores = result.factor_scores(new, se=True)
    assert scores["se(visual)"].iloc[1] > scores["se(visual)"].iloc[0]
    assert np.isnan(result.factor_scores(new, method="bartlett")["visual"].iloc[1])


def test_predictions_are_regressions():
    result = SEM("x1 ~ x2 + x3", data("holzinger")).fit()
    frame = data("holzinger")
    design = np.column_stack([np.ones(len(frame)), frame["x2"], frame["x3"]])
    slopes = np.linalg.lstsq(design, frame["x1"], rcond=None)[0]
    np.testing.assert_allclose(result.predict()["x1"], design @ slopes, rtol=1e-6)
    new = result.predict(frame.iloc[:5][["x2", "x3"]], outcomes=["x1"])
    np.testing.assert_allclose(new["x1"], (design @ slopes)[:5], rtol=1e-6)


def test_rsquared():
    table = fit("cfa").standardized("all").set_index(["lhs", "op", "rhs"])["est"]
    shares = fit("cfa").r_squared().set_index("variable")["rsquared"]
    assert shares["x4"] == pytest.approx(table["textual", "=~", "x4"] ** 2)
    assert fit("democracy").r_squared().set_index("variable").loc["dem65", "rsquared"] == (
        pytest.approx(0.961, abs=1e-3)
    )


def test_reliability():
    # semTools::compRelSEM prints 0.612, 0.885, 0.686 for the variance of the sample
    found = fit("cfa").reliability()
    assert found["omega"].round(2).tolist() == [0.63, 0.89, 0.69]
    assert (found["omega"] >= found["alpha"] - 1e-12).all()
    assert (found["se"] > 0).all()


def test_residuals():
    result = fit("cfa_means")
    raw = result.residuals()
    frame = data("holzinger")[list(raw.columns)]
    sample = frame.cov() * (len(frame) - 1) / len(frame)
    implied = result.model.implied_moments(np.asarray(result.params))[0][1]
    np.testing.assert_allclose(raw.loc[raw.columns], sample - implied, atol=1e-9)
    assert np.abs(raw.loc["mean"]).max() < 1e-6
    assert np.diag(result.residuals("correlation")) == pytest.approx(0.0, abs=1e-12)
    assert set(fit("groups").residuals()) == {"Pasteur", "Grant-White"}


TWO = "visual =~ x1 + x2 + x3 \n textual =~ x4 + x5 + x6"
#: residuals(cfa(TWO, HolzingerSwineford1939), type = ...) of lavaan 0.6.14: x2, x3, x4, x5 and x6 with x1, x3
#: with x2, x5 with x4; of x1 missing where ageyr < 13 (missing = "ml") after the mean and variance of x1.
RESIDUALS = {
    "normalized": (
        [-0.632, -0.024, 1.094, -0.210, 0.923, 1.557, 0.071],
        [0.205, 0.059, -0.818, 0.092, 1.004, 0.008, 1.289, 1.593, 0.087],
    ),
    "standardized": (
        [-3.236, -0.224, 2.653, -0.518, 2.111, 2.941, 1.637],
        [2.793, 0.473, -3.034, 0.440, 2.267, 0.021, 2.570, 2.812, 0.682],
    ),
}


@pytest.mark.parametrize("kind", list(RESIDUALS))
def test_normalized_and_standardized_residuals(kind):
    frame = data("holzinger")
    pairs = [("x1", f"x{k}") for k in range(2, 7)] + [("x2", "x3"), ("x4", "x5")]
    complete, incomplete = RESIDUALS[kind]
    found = SEM(TWO, frame).fit().residuals(kind)
    np.testing.assert_allclose([found.loc[pair] for pair in pairs], complete, atol=6e-4)
    holes = frame.assign(x1=frame["x1"].where(frame["ageyr"] >= 13))
    found = SEM(TWO, holes).fit().residuals(kind)
    ours = [found.loc["mean", "x1"], found.loc["x1", "x1"], *(found.loc[pair] for pair in pairs)]
    np.testing.assert_allclose(ours, incomplete, atol=2e-3)


def test_standardized_residuals_of_two_levels_are_scores():
    """With one degree of freedom, the square of what a path leaves is the test of this path."""
    text = "level: 1 \n y1 ~~ y2 \n level: 2 \n y1 ~ w1 + 0*w2 \n y2 ~ w1 + w2 \n y1 ~~ y2"
    result = SEM(text, data("twolevel"), cluster="cluster").fit()
    z = result.residuals("standardized")["2"].loc["y1", "w2"]
    assert z**2 == pytest.approx(result.chisquare().statistic, rel=0.02)


def test_summary():
    text = str(fit("mimic_robust").summary())
    for part in ("Robust CFI", "Latent variables", "Regressions", "Covariances", "Variances"):
        assert part in text
    assert "female ~~ female" not in text
    text = str(fit("democracy_equal").summary2())
    assert "Defined parameters" in text and "dem60 =~ y2 (a)" in text
    assert "a = 1.2" not in text
    assert "Subject to" in str(fit("bound").summary())


def test_defined_parameters():
    result = fit("democracy_equal")
    found = result.defined_parameters()
    assert found.loc["indirect", "est"] == pytest.approx(1.2728, abs=1e-4)
    drawn = result.defined_parameters(bootstrap=60, seed=1)
    assert drawn.loc["indirect", "se"] == pytest.approx(found.loc["indirect", "se"], rel=0.4)
    assert (
        drawn.loc["indirect", "lower"] < found.loc["indirect", "est"] < drawn.loc["total", "upper"]
    )


def test_models_in_a_table():
    # lavaan::anova of the same models, and of their fits with robust standard errors
    ids = ["groups", "groups_loadings", "groups_loadings_intercepts"]
    table = fit(ids[0]).compare(*map(fit, ids[1:]), names=["free", "loadings", "intercepts"])
    np.testing.assert_allclose(table["chisq_diff"].iloc[1:], [8.192200304, 40.059286745], rtol=1e-7)
    robust = [fit(case).model.fit(cov_type="robust") for case in ids]
    table = robust[0].compare(*robust[1:])
    np.testing.assert_allclose(table["chisq_diff"].iloc[1:], [6.567201737, 40.838391228], rtol=2e-5)


def test_comparisons_that_make_no_sense():
    with pytest.raises(SpecificationError, match="more parameters"):
        fit("groups_loadings").compare_lr_test(fit("groups"))
    with pytest.raises(SpecificationError, match="different variables"):
        fit("cfa").compare_lr_test(fit("mimic"))


def test_intervals():
    result = fit("cfa")
    plain, logs = result.conf_int(), result.conf_int(method="transformed")
    assert (plain.loc["visual=~x2"] == logs.loc["visual=~x2"]).all()
    variance = result.params["visual~~visual"]
    assert logs.loc["visual~~visual"].prod() == pytest.approx(variance**2)
    assert plain.loc["visual~~visual"].mean() == pytest.approx(variance)


def test_summary_of_two_levels():
    text = str(fit("twolevel").summary())
    assert "SRMR within" in text and "Latent variables, level 2" in text
    # means of the lower level are zero by convention
    assert "Intercepts, level 1" not in text and "Intercepts, level 2" in text


def test_statsmodels_tables():
    from statsmodels.iolib.summary2 import summary_col

    text = str(summary_col([fit("cfa"), fit("cfa_std_lv")]))
    assert "visual=~x2" in text and "visual~~textual" in text


def test_what_other_results_have_and_these_have_not():
    result = fit("mimic")
    for name in ("get_prediction", "random_effects_table"):
        with pytest.raises(SpecificationError):
            getattr(result, name)()
    assert result.factor_scores(method="eb").equals(result.factor_scores())
    pd.testing.assert_frame_equal(
        result.simulate(seed=1), result.model.simulate(result.params, seed=1)
    )


def test_standard_deviations_of_predictions():
    """Those of residuals of regressions, by the implied covariance matrix."""
    result = fit("cfa_means")
    covariance = result.model.implied_moments(np.asarray(result.params))[0][1]
    given, outcome = ["x1", "x4"], "x2"
    slope = np.linalg.solve(covariance.loc[given, given], covariance.loc[given, outcome])
    left = covariance.loc[outcome, outcome] - covariance.loc[given, outcome] @ slope
    found = result.predict(outcomes=[outcome], given=given, se=True)
    np.testing.assert_allclose(found["se(x2)"], np.sqrt(left))
    assert found["x2"].equals(result.predict(outcomes=[outcome], given=given)["x2"])


@pytest.mark.parametrize("cov_type", ["nonrobust", "robust"])
def test_fit_measures_of_incomplete_data_outlive_them(cov_type):
    frame = data("holzinger").assign(x1=lambda d: d["x1"].mask(d["ageyr"] > 14))
    result = SEM(TWO, frame).fit(cov_type=cov_type)
    measures, text = result.fit_measures(), result.summary().as_text()
    result = SEM(TWO, frame).fit(cov_type=cov_type)
    result.remove_data()
    pd.testing.assert_series_equal(result.fit_measures(), measures)
    assert text.splitlines()[:8] == result.summary().as_text().splitlines()[:8]
