"""Structural equation models of several levels for responses of any type."""

import warnings

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from scipy.stats import norm

import sm_gllamm.api as smg
import sm_gllamm.formula.api as smgf
from sm_gllamm.exceptions import SpecificationError
from tests.models.test_sem_quadrature import check_derivatives

PROBIT = sm.families.Binomial(sm.families.links.Probit())
ITEMS = ["b0", "b1", "b2"]


@pytest.fixture(scope="module")
def pupils():
    """Pupils of schools of districts: binary and continuous items, covariates of both levels."""
    rng = np.random.default_rng(5)
    schools, size = 40, 8
    n = schools * size
    school = np.repeat(np.arange(schools), size)
    w = rng.normal(size=schools)
    between = 0.5 * w + 0.6 * rng.normal(size=schools)
    x = rng.normal(size=n)
    ability = between[school] + rng.normal(size=n) + 0.4 * x
    data = pd.DataFrame({"school": school, "district": school // 5, "w": w[school], "x": x})
    for k in range(3):
        nu = (0.8 + 0.2 * k) * ability
        data[f"b{k}"] = (nu + rng.normal(size=n) > 0.3 * k - 0.3).astype(int)
        own = 0.3 * rng.normal(size=schools)[school]
        data[f"y{k}"] = 0.3 * k + nu + 0.7 * rng.normal(size=n) + own
    data["climate"] = (between + 0.5 * rng.normal(size=schools))[school]
    slope = 0.3 + 0.2 * w + 0.4 * rng.normal(size=schools)
    base = slope[school] * x + 0.5 * between[school] + rng.normal(size=n)
    data["r"], data["rb"] = 1 + base, (base > 0).astype(int)
    return data


@pytest.mark.parametrize(
    "text",
    [
        "level: 1\n fw =~ y0 + a*y1 + b*y2 \n fw ~ x \nlevel: 2\n fb =~ y0 + a*y1 + b*y2 \n fb ~ w",
        "level: 1\n fw =~ y0 + y1 + y2 \n level: 2\n fb =~ y0 + y1 + y2 \n fb ~ w \n climate ~ fb \n"
        "y0 ~~ 0*y0 \n y1 ~~ 0*y1 \n y2 ~~ 0*y2",
        "level: 1\n y0 ~ y1 + x \n y1 ~~ y1 \n level: 2\n y0 ~ y1 + w \n y1 ~~ y1",
    ],
    ids=["factors", "outcome of clusters", "parts between as predictors"],
)
def test_continuous_models_integrate_to_the_closed_form(pupils, text):
    closed = smg.SEM(text, pupils, cluster="school").fit()
    result = smg.SEM(text, pupils, cluster="school", families={"y0": "gaussian"}).fit()
    assert result.llf == pytest.approx(closed.llf, rel=1e-10)
    np.testing.assert_allclose(result.params[closed.params.index], closed.params, atol=1e-4)


def test_a_random_intercept_is_that_of_a_mixed_model(pupils):
    text = "level: 1\n b0 ~ x \n level: 2\n b0 ~ w \n b0 ~~ b0"
    result = smg.SEM(text, pupils, cluster="school", ordered=["b0"]).fit(n_points=15)
    other = smgf.glmm("b0 ~ x + w + (1 | school)", pupils, family=PROBIT).fit(n_points=15)
    assert result.llf == pytest.approx(other.llf, rel=1e-11)
    assert result.params["b0~w.l2"] == pytest.approx(other.params["w"], abs=1e-5)
    assert result.bse["b0~~b0.l2"] == pytest.approx(other.bse["var(Intercept|school)"], rel=1e-3)
    without = smg.SEM(text.replace("b0 ~~ b0", ""), pupils, cluster="school", ordered=["b0"]).fit()
    assert len(without.params) == len(result.params) - 1
    test = result.compare_lr_test(without)
    assert test.n_zero == 1 and test.statistic > 0


def test_random_slopes_are_those_of_a_mixed_model(pupils):
    text = "level: 1\n r ~ rv('s')*x \n level: 2\n r ~ w \n s ~ w \n s ~~ r"
    model = smg.SEM(text, pupils, cluster="school")
    result = model.fit()
    other = smgf.glmm("r ~ x*w + (1 + x | school)", pupils).fit()
    assert result.quadrature_exact
    assert result.llf == pytest.approx(other.llf, rel=1e-11)
    assert result.params["s~w.l2"] == pytest.approx(other.params["x:w"], abs=1e-5)
    assert result.params["s~~r.l2"] == pytest.approx(
        other.params["cov(Intercept,x|school)"], abs=1e-5
    )
    check_derivatives(model, result.params)
    with pytest.raises(SpecificationError, match="no standardised solution with random coef"):
        result.standardized()
    assert "Dimensions" in str(result.summary())


def test_random_slopes_of_binary_responses(pupils):
    text = "level: 1\n rb ~ rv(s)*x \n level: 2\n rb ~ w \n s ~ w \n rb ~~ rb \n s ~~ rb"
    result = smg.SEM(text, pupils, cluster="school", ordered="rb").fit(n_points=11)
    other = smgf.glmm("rb ~ x*w + (1 + x | school)", pupils, family=PROBIT).fit(n_points=11)
    assert result.llf == pytest.approx(other.llf, rel=1e-8)


TWO = """
level: 1
  fw =~ b0 + a*b1 + b*b2
  fw ~ x
level: 2
  fb =~ b0 + a*b1 + b*b2
  fb ~ w
"""


def test_factors_within_and_between_are_an_item_response_model_with_clusters(pupils):
    result = smg.SEM(TWO, pupils, cluster="school", ordered=ITEMS).fit(n_points=9)
    other = smg.IRT(
        pupils, items=ITEMS, link="probit", clusters="school", regression="~ x + w"
    ).fit(n_points=9)
    assert result.llf == pytest.approx(other.llf, rel=1e-9)
    assert len(result.params) == len(other.params)
    scores = result.factor_scores(se=True)
    assert scores["school"].shape == (40, 2) and scores["row"].shape == (len(pupils), 2)
    assert np.isfinite(scores["row"].to_numpy()).all()
    table = result.standardized()
    assert set(table["level"]) == {"1", "2"}
    new = result.factor_scores(pupils.iloc[:16], se=True)
    assert new["school"].shape == (2, 2)
    np.testing.assert_allclose(new["school"], scores["school"].iloc[:2], atol=1e-3)
    drawn = result.model.simulate(result.params, seed=1)
    assert list(drawn[ITEMS].iloc[0].unique()) and drawn.shape[0] == len(pupils)
    assert smg.SEM(TWO, drawn, cluster="school", ordered=ITEMS).loglike(result.params) < 0


def test_variances_between_are_dimensions(pupils):
    plain = smg.SEM(TWO, pupils, cluster="school", ordered=ITEMS)
    more = smg.SEM(TWO + "b1 ~~ b1", pupils, cluster="school", ordered=ITEMS)
    assert plain.mapping.dimensions == (1, 1) and more.mapping.dimensions == (1, 2)
    items = " \n ".join(f"b{k} ~~ b{k} \n r{k} ~~ r{k}" for k in range(3))
    for k in range(3):
        pupils[f"r{k}"] = pupils[f"b{k}"]
    text = TWO.replace("b*b2", "b*b2 + r0 + r1 + r2") + items
    with pytest.warns(UserWarning, match="integrates over 7 variables in every school"):
        smg.SEM(text, pupils, cluster="school", ordered=[*ITEMS, "r0", "r1", "r2"])


@pytest.mark.parametrize(
    "text, nodes",
    [
        ("level: 1\n fw =~ b0 + rv(l)*b1 + b2 \n level: 2\n fb =~ b0 + b1 + b2 \n l ~ w", 11),
        ("level: 1\n fw =~ b0 + b1 + b2 \n r ~ fw + fb \n level: 2\n fb =~ b0 + b1 + b2", 15),
        ("level: 1\n fw =~ b0 + b1 + b2 \n r ~ rv(s)*fw \n level: 2\n s ~ w \n r ~~ r", 11),
    ],
    ids=["random loading", "cross-level path", "random slope of a latent variable"],
)
def test_derivatives(pupils, text, nodes):
    model = smg.SEM(text, pupils.iloc[:80], cluster="school", ordered=ITEMS)
    model._quadrature = model._quadrature_for(nodes, None)
    theta = model._starting_theta(model.likelihood)
    # nodes move with the parameters
    check_derivatives(model, model.mapping.params(theta), rtol=1e-3)


def test_a_random_loading_by_brute_force(pupils):
    data = pupils.iloc[:24]
    text = "level: 1\n fw =~ b0 + rv(l)*b1 \n level: 2\n l ~ w \n b0 ~~ b0 \n l ~~ 0*b0"
    model = smg.SEM(text, data, cluster="school", ordered=["b0", "b1"])
    params = pd.Series(
        model.mapping.params(model._starting_theta(model.likelihood)), model.param_names
    )
    node, weight = np.polynomial.hermite_e.hermegauss(40)
    weight = weight / weight.sum()
    total = 0.0
    for _, own in data.groupby("school"):
        loading = params["l~1.l2"] + params["l~w.l2"] * own["w"].iloc[0]
        loading = loading + np.sqrt(params["l~~l.l2"]) * node
        part = np.sqrt(params["b0~~b0.l2"]) * node
        inner = np.ones((40, 40))
        for row in own.itertuples():
            f = np.sqrt(params["fw~~fw"]) * node
            p = norm.cdf(f[None, :] + part[:, None] - params["b0|t1.l2"])
            q = norm.cdf(f[None, :] * loading[:, None] - params["b1|t1"])
            p, q = (np.where(y, v, 1 - v) for y, v in ((row.b0, p), (row.b1, q)))
            inner *= np.einsum("lf,sf,f->ls", q, p, weight)
        total += np.log(weight @ inner @ weight)
    assert model.loglike_at(params, n_points=24) == pytest.approx(total, abs=1e-4)


def test_three_levels(pupils):
    text = "level: 1\n b0 ~ x \n level: 2\n b0 ~ w \n b0 ~~ b0 \n level: 3\n b0 ~~ b0"
    model = smg.SEM(text, pupils, cluster=["school", "district"], ordered=["b0"])
    assert model.level_names == ("school", "district")
    other = smgf.glmm("b0 ~ x + w + (1 | district/school)", pupils, family=PROBIT)
    params = {"b0~x": 0.3, "b0~w.l2": 0.4, "b0~~b0.l2": 0.5, "b0|t1.l3": 0.1, "b0~~b0.l3": 0.3}
    value = model.loglike_at([params[name] for name in model.param_names], n_points=11)
    assert [name.split("|")[0] for name in other.param_names[3:]] == ["var(Intercept"] * 2
    variances = [0.3 if name.endswith("|district)") else 0.5 for name in other.param_names[3:]]
    theirs = other.loglike_at([-0.1, 0.3, 0.4, *variances], n_points=11)
    assert value == pytest.approx(theirs, rel=1e-9)


@pytest.mark.parametrize(
    "text, options, match",
    [
        (TWO, {}, "say which rows belong together"),
        (TWO.replace("fb ~ w", "fb ~ x"), {"cluster": "school"}, "'x' varies within cluster 0 of"),
        (TWO, {"cluster": ["school", "district"]}, "must name 1 columns"),
        (TWO.replace("fb ~ w", "y0 ~ fb"), {"cluster": "school"}, "'y0' varies within cluster"),
        ("level: 1\n b0 ~ x \n level: 2\n b0 ~ w", {"cluster": "row", "ordered": "b0"}, "one row"),
    ],
)
def test_wrong_input(pupils, text, options, match):
    data = pupils.assign(row=np.arange(len(pupils)))
    with pytest.raises(SpecificationError, match=match):
        smg.SEM(text, data, **({"ordered": ITEMS} | options))


def test_weights_of_levels(pupils):
    text = "level: 1\n b0 ~ x \n level: 2\n b0 ~ w \n b0 ~~ b0"
    data = pupils.assign(pupil=1.0 + pupils.index % 3, place=1.0 + pupils["school"] % 2)
    result = smg.SEM(
        text, data, cluster="school", ordered="b0", weights={"row": "pupil", "school": "place"},
        weight_scaling="size",
    ).fit(n_points=15)  # fmt: skip
    other = smgf.glmm(
        "b0 ~ x + w + (1 | school)", data, family=PROBIT,
        weights={"row": "pupil", "school": "place"}, weight_scaling="size",
    ).fit(n_points=15)  # fmt: skip
    assert result.cov_type == "robust" and result.sampling_weights
    assert result.params["b0~w.l2"] == pytest.approx(other.params["w"], abs=1e-5)
    assert result.bse["b0~x"] == pytest.approx(other.bse["x"], rel=1e-4)


def test_frequencies_of_rows_and_clusters(pupils):
    text = "level: 1\n b0 ~ x \n level: 2\n b0 ~ w \n b0 ~~ b0"
    data = pupils.assign(times=1 + pupils["school"] % 2, n=1 + pupils.index % 2)
    copies = [data, data[data["times"] == 2].assign(school=lambda d: d["school"] + 1000)]
    whole = pd.concat(copies, ignore_index=True)
    whole = whole.loc[whole.index.repeat(whole["n"])].reset_index(drop=True)
    options = {"cluster": "school", "ordered": "b0"}
    counted = smg.SEM(text, data, freq_weights={"row": "n", "school": "times"}, **options)
    for cov_type in ("nonrobust", "robust"):
        one = counted.fit(cov_type=cov_type)
        other = smg.SEM(text, whole, **options).fit(cov_type=cov_type)
        assert one.llf == pytest.approx(other.llf, rel=1e-8)
        np.testing.assert_allclose(one.bse, other.bse, rtol=1e-4)
        assert one.nobs == len(whole)
    with pytest.raises(SpecificationError, match="names 'class'; the levels are"):
        smg.SEM(text, data, freq_weights={"class": "n"}, **options)


def test_path_diagrams_of_random_coefficients(pupils):
    text = (
        "level: 1\n fw =~ b0 + b1 + b2 \n r ~ fw + fb + fw:x + rv(s)*x \n"
        "level: 2\n fb =~ b0 + b1 + b2 \n s ~ w"
    )
    model = smg.SEM(text, pupils.iloc[:160], cluster="school", ordered=ITEMS)
    start = model.mapping.params(model._starting_theta(model.likelihood))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        result = model.fit(start, maxiter=0, n_points=3)
    source = result.path_diagram()
    assert '"covariate x" -> "item r" [label="s"]' in source
    assert '"fb" -> "item r"' in source and '"fw:x" -> "item r"' in source
    assert "nan" not in source
    assert not result.parameter_table()["est"].isna().any()
