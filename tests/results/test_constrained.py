"""Fits under linear constraints, against models that have them built in and against derivatives."""

import numpy as np
import pytest
from scipy import stats

import sm_gllamm.formula.api as smgf
from sm_gllamm.exceptions import SpecificationError


@pytest.fixture(scope="module")
def slope_model(sleep):
    return smgf.glmm("Reaction ~ Days + (1 + Days | Subject)", sleep)


def test_no_covariance_is_the_diagonal_model(slope_model, sleep, slope):
    held = slope_model.fit_constrained("cov(Intercept,Days|Subject) = 0")
    diagonal = smgf.glmm("Reaction ~ Days + (1 + Days || Subject)", sleep).fit()
    assert held.llf == pytest.approx(diagonal.llf, abs=1e-8)
    kept = diagonal.params.index
    np.testing.assert_allclose(held.params[kept], diagonal.params, rtol=1e-5)
    np.testing.assert_allclose(held.bse[kept], diagonal.bse, rtol=1e-5)
    assert held.bse["cov(Intercept,Days|Subject)"] == 0
    assert (held.df_modelwc, held.df_resid, held.k_constr) == (5, 175, 1)
    assert slope.compare_lr_test(held).weights == ((1, 1.0),)


@pytest.mark.parametrize(
    "constraint, smaller",
    [
        ("var(Days|Subject) = 0", "Reaction ~ Days + (1 | Subject)"),
        ("var(Intercept|Subject) = 0", "Reaction ~ Days + (0 + Days | Subject)"),
    ],
)
def test_a_variance_of_zero_takes_its_covariance_with_it(
    slope_model, sleep, slope, constraint, smaller
):
    held = slope_model.fit_constrained(constraint)
    reference = smgf.glmm(smaller, sleep).fit()
    assert held.llf == pytest.approx(reference.llf, abs=1e-8)
    np.testing.assert_allclose(held.bse[reference.params.index], reference.bse, rtol=1e-4)
    assert held.verdict.ok
    test = slope.compare_lr_test(held)
    assert test.df_diff == 2 and test.weights == ((1, 0.5), (2, 0.5))


def test_equal_variances_of_two_levels(counts):
    rng = np.random.default_rng(8)
    data = counts.assign(top=counts["g"] // 4)
    data["z"] = (
        rng.normal(size=10)[data["top"]] + rng.normal(size=40)[data["g"]] + rng.normal(size=240)
    )
    model = smgf.glmm("z ~ x + (1 | top/g)", data)
    held = model.fit_constrained("var(Intercept|top) = var(Intercept|top:g)")
    a, b = held.params[["var(Intercept|top)", "var(Intercept|top:g)"]]
    assert a == pytest.approx(b, rel=1e-10)
    assert held.bse["var(Intercept|top)"] == pytest.approx(held.bse["var(Intercept|top:g)"])
    assert "var(Intercept|top) = var(Intercept|top:g)" in str(held.summary())

    # along the constraint the log-likelihood has its maximum there, with this curvature
    def along(v):
        params = held.params.copy()
        params[["var(Intercept|top)", "var(Intercept|top:g)"]] = v
        return model.maximum_under(dict(params.iloc[2:4]), held.theta, held.quadrature)[1]

    h = 0.02 * a
    curvature = (along(a + h) - 2 * along(a) + along(a - h)) / h**2
    assert held.bse["var(Intercept|top)"] == pytest.approx(np.sqrt(-1 / curvature), rel=2e-2)
    assert along(a + h) < held.llf and along(a - h) < held.llf


def test_fixed_coefficients_are_an_offset(counts):
    model = smgf.glmm("y ~ x + C(f) + (1 | g)", counts, family="binomial")
    held = model.fit_constrained({"x": 0.3})
    reference = smgf.glmm(
        "y ~ C(f) + (1 | g)", counts, family="binomial", offset=0.3 * counts["x"]
    ).fit()
    assert held.llf == pytest.approx(reference.llf, abs=1e-5)
    np.testing.assert_allclose(held.params[reference.params.index], reference.params, rtol=1e-3)
    np.testing.assert_allclose(held.bse[reference.params.index], reference.bse, rtol=1e-3)


def test_equal_coefficients_are_a_sum_of_columns(counts):
    model = smgf.glmm("y ~ x + C(f) + (1 | g)", counts, family="binomial")
    data = counts.assign(bc=counts["f"] != "a")
    reference = smgf.glmm("y ~ x + bc + (1 | g)", data, family="binomial")
    for cov_type in ("nonrobust", "robust"):
        held = model.fit_constrained("C(f)[T.b] = C(f)[T.c]", cov_type=cov_type)
        fit = reference.fit(cov_type=cov_type)
        np.testing.assert_allclose(held.bse["C(f)[T.b]"], fit.bse["bc[T.True]"], rtol=1e-4)
        np.testing.assert_allclose(held.bse["x"], fit.bse["x"], rtol=1e-4)
    statistic, pvalue, df = model.fit().compare_lr_test(
        model.fit_constrained("C(f)[T.b]=C(f)[T.c]")
    )
    assert df == 1 and pvalue == pytest.approx(stats.chi2.sf(statistic, 1))


def test_several_ways_to_say_it(slope_model):
    names = slope_model.mapping.param_names
    row = np.eye(len(names))[names.index("Days")]
    results = [
        slope_model.fit_constrained(c)
        for c in ("Days = 10", ["Days = 10"], {"Days": 10}, (row, 10.0), (row[None], [10.0]))
    ]
    assert len({round(r.llf, 9) for r in results}) == 1
    at_zero = slope_model.fit_constrained(row)
    assert at_zero.params["Days"] == pytest.approx(0.0, abs=1e-12)


@pytest.mark.parametrize(
    "constraint, message",
    [
        ("var(Days|Subject) = -1", "no parameters were found"),
        ("Days = 1, Days = 2", "contradict"),
        ("Dayz = 1", "Dayz"),
        ({"Dayz": 1}, "did you mean 'Days'"),
        (np.eye(3), "column"),
        ("var(Days|Subject) = 0, cov(Intercept,Days|Subject) = 1", "not its covariances"),
    ],
)
def test_what_cannot_be_is_refused(slope_model, constraint, message):
    with pytest.raises(SpecificationError, match=message):
        slope_model.fit_constrained(constraint)


def test_everything_fixed(slope_model, slope):
    held = slope_model.fit_constrained(dict(slope.params))
    assert held.llf == pytest.approx(slope.llf, abs=1e-9)
    assert held.df_modelwc == 0 and (held.bse == 0).all()


def test_unconstrained_models_are_not_nested_in_constrained_ones(slope_model, slope):
    held = slope_model.fit_constrained("Days = 10")
    tighter = slope_model.fit_constrained("Days = 10, Intercept = 250")
    assert held.compare_lr_test(tighter).df_diff == 1
    with pytest.raises(SpecificationError):
        held.compare_lr_test(slope)
