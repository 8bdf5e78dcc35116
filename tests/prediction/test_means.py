"""Linear, conditional, posterior and marginal predictions against independent integrals."""

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from scipy.integrate import quad
from scipy.stats import norm
from statsmodels.formula import options as formula_options

import sm_gllamm.api as smg
import sm_gllamm.formula.api as smgf
from sm_gllamm.exceptions import SpecificationError
from sm_gllamm.prediction.averaging import averages, inverse_link_derivatives
from tests.prediction.conftest import three_level_frame

ALL = ["linear", "conditional", "posterior", "marginal"]
LINKS = ["Logit", "Probit", "CLogLog", "LogLog", "Cauchy", "Sqrt", "Log", "Identity"]
# Quadrature of scipy on the one side, the rules of a fit on the other.
POSTERIOR_RTOL = 1e-6


def logistic(x):
    return 1 / (1 + np.exp(-x))


@pytest.mark.parametrize("link", LINKS)
@pytest.mark.parametrize("sd", [0.0, 0.3, 2.0, 6.0])
def test_averages_by_adaptive_integration(link, sd):
    if link == "Log":
        sd = min(sd, 1.0)
    eta = np.array([-3.0, 0.2, 4.0])
    moments = averages(link, eta, np.full(3, sd**2), 2)
    for k, moment in enumerate(moments):
        for e, value in zip(eta, moment, strict=True):

            def integrand(z, e=e, k=k):
                return inverse_link_derivatives(link, np.array(e + sd * z), 2)[k] * norm.pdf(z)

            step = [-e / sd] if sd and abs(e / sd) < 9 else None
            expected = quad(integrand, -9, 9, points=step, limit=500, epsabs=1e-13)[0]
            np.testing.assert_allclose(value, expected, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("link", [*LINKS, "InversePower", "InverseSquared"])
def test_derivatives_of_inverse_links(link):
    nu, h = np.linspace(-3, 2, 11), 1e-5
    if link.startswith("Inverse"):
        nu = nu + 4.0
    here = inverse_link_derivatives(link, nu, 4)
    up, down = (inverse_link_derivatives(link, nu + s, 4) for s in (h, -h))
    np.testing.assert_allclose(here[0], getattr(sm.families.links, link)().inverse(nu))
    for k in range(4):
        np.testing.assert_allclose((up[k] - down[k]) / (2 * h), here[k + 1], rtol=1e-7, atol=1e-8)


def test_marginal_mean_of_new_data_with_a_random_slope(slopes):
    new = pd.DataFrame({"x": [-1.0, 0.5, 2.0]}, index=["a", "b", "c"])
    got = slopes.predict(new)
    assert got.index.tolist() == ["a", "b", "c"]
    b, v = np.asarray(slopes.params[:2]), np.asarray(slopes.params[2:])
    for x, value in zip(new["x"], got, strict=True):
        eta, sd = b[0] + b[1] * x, np.sqrt(v[0] + 2 * x * v[1] + x**2 * v[2])
        expected = quad(lambda z, e=eta, s=sd: logistic(e + s * z) * norm.pdf(z), -9, 9)[0]
        np.testing.assert_allclose(value, expected, rtol=1e-8)


def test_marginal_means_in_closed_form(counts, gaussian):
    linear = counts.predict(which="linear")
    expected = np.exp(linear + counts.params["var(Intercept|subject)"] / 2)
    np.testing.assert_allclose(counts.predict(), expected, rtol=1e-12)
    np.testing.assert_allclose(gaussian.predict(), gaussian.predict(which="linear"), rtol=1e-12)


def test_conditional_mean(slopes, three_level):
    new = pd.DataFrame({"x": [0.5, -2.0], "g": [3, 7]})
    b = np.asarray(slopes.params[:2])
    linear = b[0] + b[1] * new["x"]
    got = slopes.predict(new, which="conditional")
    np.testing.assert_allclose(got, logistic(linear), rtol=1e-12)
    got = slopes.predict(new, which="conditional", random_effects=[1.0, -0.5])
    np.testing.assert_allclose(got, logistic(linear + 1 - 0.5 * new["x"]), rtol=1e-12)
    got = slopes.predict(new, which="conditional", random_effects=[[1.0, -0.5], [0.0, 1.0]])
    np.testing.assert_allclose(got, logistic(linear + [1 - 0.25, -2.0]), rtol=1e-12)
    effects = slopes.random_effects
    got = slopes.predict(new, which="conditional", random_effects=effects)
    own = effects.loc[[3, 7]].to_numpy()
    np.testing.assert_allclose(got, logistic(linear + own[:, 0] + own[:, 1] * new["x"]), rtol=1e-12)
    with pytest.raises(SpecificationError, match="no value for 3"):
        slopes.predict(new, which="conditional", random_effects=effects.drop(index=3))
    with pytest.raises(SpecificationError, match="lack"):
        slopes.predict(new, which="conditional", random_effects=effects[["x"]])
    new = three_level_frame().head(3)
    got = three_level.predict(new, which="conditional", random_effects={"school": 0.5})
    linear = three_level.predict(new, which="linear")
    np.testing.assert_allclose(got, logistic(linear + 0.5), rtol=1e-12)


@pytest.mark.parametrize(
    "name", ["binary", "slopes", "three_level", "counts", "gaussian", "trials"]
)
@pytest.mark.parametrize("which", ALL)
def test_data_of_the_fit_as_new_data(name, which, request):
    result = request.getfixturevalue(name)
    frame = result.model.data.frame
    got = result.predict(frame, which=which)
    assert got.index.equals(frame.index)
    np.testing.assert_allclose(got, result.predict(which=which), rtol=1e-10)


def test_posterior_mean_in_a_known_cluster(binary):
    new = pd.DataFrame({"week": [3.0, 30.0], "ID": ["X02", "X02"]})
    rows = binary.model.random[0].codes == binary.model.random[0].labels.get_loc("X02")
    y, fixed = binary.model.endog[rows], binary.predict(which="linear")[rows]
    sd = np.sqrt(binary.params["var(Intercept|ID)"])
    grid = np.linspace(-8 * sd, 8 * sd, 20_001)
    p = logistic(fixed[:, None] + grid)
    density = np.prod(np.where(y[:, None] == 1, p, 1 - p), axis=0) * norm.pdf(grid / sd)
    linear = binary.predict(new, which="linear").to_numpy()
    expected = logistic(linear[:, None] + grid) @ (density / density.sum())
    got = binary.predict(new, which="posterior")
    np.testing.assert_allclose(got, expected, rtol=POSTERIOR_RTOL)


def test_posterior_mean_in_unknown_clusters(binary):
    new = pd.DataFrame({"week": [3.0, 4.0, np.nan, 3.0], "ID": ["X02", "new", "X02", None]})
    got = binary.predict(new, which="posterior")
    marginal = binary.predict(new)
    assert got.isna().tolist() == [False, False, True, False]
    np.testing.assert_allclose(got[[1, 3]], marginal[[1, 3]], rtol=1e-12)
    assert abs(got[0] - marginal[0]) > 0.001


def test_posterior_mean_in_an_unknown_class_of_a_known_school(three_level):
    new = pd.DataFrame({"x": [0.4], "school": ["s02"], "klass": [99]}, index=["r"])
    school, klass = three_level.model.random[1], three_level.model.random[0]
    rows = school.codes == 2
    y, fixed = three_level.model.endog[rows], three_level.predict(which="linear")[rows]
    sd_school, sd_class = np.sqrt(three_level.params.iloc[2:4])
    top = np.linspace(-7 * sd_school, 7 * sd_school, 401)
    low = np.linspace(-8 * sd_class, 8 * sd_class, 801)
    logged = norm.logpdf(top, scale=sd_school)
    for code in np.unique(klass.codes[rows]):
        own = klass.codes[rows] == code
        linear = fixed[own][:, None, None] + top[:, None] + low
        sign = np.where(y[own] == 1, 1, -1)[:, None, None]
        loglike = -np.logaddexp(0, -sign * linear).sum(0)
        logged = logged + np.log(np.exp(loglike) @ norm.pdf(low, scale=sd_class))
    density = np.exp(logged - logged.max())
    prior = norm.pdf(low, scale=sd_class)
    eta = three_level.predict(new, which="linear").iloc[0]
    inside = logistic(eta + top[:, None] + low) @ (prior / prior.sum())
    got = three_level.predict(new, which="posterior")
    np.testing.assert_allclose(got["r"], density @ inside / density.sum(), rtol=1e-5)


def test_known_cluster_in_another_place():
    frame = three_level_frame()
    frame["room"] = frame["school"] + "/" + frame["klass"].astype(str)
    result = smgf.glmm("y ~ x + (1 | school) + (1 | room)", frame, family="binomial").fit(
        n_points=7
    )
    new = pd.DataFrame({"x": [0.0, 0.0], "school": ["s01", "s03"], "room": ["s01/0", "s02/1"]})
    with pytest.raises(SpecificationError, match="'s02/1' belongs to school = 's02'"):
        result.predict(new, which="posterior")


def test_posterior_mean_with_weights():
    frame = three_level_frame()
    frame["w"] = np.where(frame["x"] > 0, 2.0, 1.0)
    frame["v"] = np.where(frame["school"] < "s05", 1.0, 3.0)
    result = smgf.glmm(
        "y ~ x + (1 | school)", frame, family="binomial", weights={"row": "w", "school": "v"}
    ).fit(n_points=15)
    got = result.predict(frame.iloc[:40], which="posterior")
    np.testing.assert_allclose(got, result.predict(which="posterior")[:40], rtol=1e-9)


def arrays():
    rng = np.random.default_rng(4)
    g, x = np.repeat(np.arange(30), 8), rng.standard_normal(240)
    u = rng.standard_normal((2, 30))
    y = rng.binomial(1, logistic((0.5 + u[0, g]) * x + u[1, g]))
    return y, sm.add_constant(x), g


def test_array_models():
    y, exog, g = arrays()
    result = smg.GLMM(y, exog, groups=g, exog_re=exog, family="binomial").fit(n_points=13)
    fitted = {which: result.predict(which=which) for which in ALL}
    new = exog[:5]
    got = result.predict(new, which="posterior", groups=g[:5], exog_re=new)
    np.testing.assert_allclose(got, fitted["posterior"][:5], rtol=1e-10)
    np.testing.assert_allclose(result.predict(new, exog_re=new), fitted["marginal"][:5], rtol=1e-12)
    np.testing.assert_allclose(result.predict(new, which="linear"), new @ result.params[:2])
    frame = pd.DataFrame(new, index=list("abcde"))
    assert result.predict(frame, which="conditional").index.tolist() == list("abcde")
    with pytest.raises(SpecificationError, match="exog_re is missing"):
        result.predict(new)
    with pytest.raises(SpecificationError, match="pass groups"):
        result.predict(new, which="posterior", exog_re=new)
    with pytest.raises(SpecificationError, match="2 columns"):
        result.predict(new[:, :1])


def test_design_rows_of_a_formula_model(binary):
    exog = binary.model.exog[:4]
    np.testing.assert_allclose(binary.predict(exog, transform=False), binary.predict()[:4])
    one = binary.predict({"week": 2.0, "ID": "X02"})
    np.testing.assert_allclose(one, binary.predict(pd.Series({"week": 2.0, "ID": "X02"})))


def test_offset_and_exposure():
    rng = np.random.default_rng(4)
    g, x = np.repeat(np.arange(30), 8), rng.standard_normal(240)
    time = rng.uniform(1, 3, 240)
    frame = pd.DataFrame({"x": x, "g": g, "t": time})
    frame["y"] = rng.poisson(time * np.exp(0.2 * x + 0.5 * rng.standard_normal(30)[g]))
    result = smgf.glmm("y ~ x + (1 | g)", frame, family="poisson", exposure="t").fit(n_points=9)
    rate = result.predict(frame)
    np.testing.assert_allclose(result.predict(), rate * time, rtol=1e-12)
    np.testing.assert_allclose(result.predict(frame, exposure="t"), rate * time, rtol=1e-12)
    np.testing.assert_allclose(result.predict(frame, offset=np.log(time)), rate * time, rtol=1e-12)
    np.testing.assert_allclose(result.predict(exposure=1.0), rate, rtol=1e-12)
    posterior = result.predict(frame, which="posterior", exposure="t")
    np.testing.assert_allclose(posterior, result.predict(which="posterior"), rtol=1e-10)
    with pytest.raises(SpecificationError, match="exposure must be positive"):
        result.predict(frame, exposure=-1.0)
    with pytest.raises(SpecificationError, match="'tt'"):
        result.predict(frame, exposure="tt")


def test_bad_new_data(bacteria_data):
    result = smgf.glmm("y ~ trt + week + (1 | ID)", bacteria_data, family="binomial").fit(
        n_points=7
    )
    head = bacteria_data.head(3)
    with pytest.raises(SpecificationError, match="'week'"):
        result.predict(head.drop(columns="week"))
    with pytest.raises(SpecificationError, match="ID"):
        result.predict(head.drop(columns="ID"), which="posterior")
    with pytest.raises(SpecificationError, match="tea"):
        result.predict(head.assign(trt="tea"))
    with pytest.raises(SpecificationError, match="which"):
        result.predict(head, which="mode")
    with pytest.raises(SpecificationError, match="DataFrame"):
        result.predict(head.to_numpy())
    with pytest.raises(SpecificationError, match="groups"):
        result.predict(groups=head["ID"])
    missing = head.assign(week=[1.0, np.nan, 2.0])
    assert result.predict(missing).isna().tolist() == [False, True, False]
    assert result.predict(head.drop(columns="ID")).notna().all()


@pytest.mark.parametrize("which", ["marginal", "posterior"])
def test_model_predict_at_other_parameters(slopes, which):
    params = np.asarray(slopes.params) * 1.1
    got = slopes.model.predict(params, which=which)
    assert isinstance(got, np.ndarray)
    clone = slopes.model.fit(start_params=params, maxiter=0, n_points=15, warn_convergence=False)
    np.testing.assert_allclose(got, clone.predict(which=which), rtol=1e-6)


def test_predictions_under_formulaic(bacteria_data):
    before = formula_options.formula_engine
    try:
        results = []
        for engine in ("patsy", "formulaic"):
            formula_options.formula_engine = engine
            formula = "y ~ trt * week + (1 | ID)"
            results.append(smgf.glmm(formula, bacteria_data, family="binomial").fit(n_points=9))
        # each model predicts with the engine it was made with, whatever is in force
        new = bacteria_data.iloc[[5, 2, 90]].assign(week=[1.0, np.nan, 3.0])
        for which in ALL:
            patsy, formulaic = (result.predict(new, which=which) for result in results)
            pd.testing.assert_series_equal(patsy, formulaic)
            assert patsy.isna().tolist() == [False, True, False]
        with pytest.raises(SpecificationError, match="tea"):
            results[1].predict(new.assign(trt="tea"))
    finally:
        formula_options.formula_engine = before


@pytest.mark.parametrize("link", ["Probit", "CLogLog"])
def test_other_links(link):
    family = sm.families.Binomial(link=getattr(sm.families.links, link)())
    frame = three_level_frame()
    result = smgf.glmm("y ~ x + (1 | school)", frame, family=family).fit(n_points=15)
    variance = result.params.iloc[2]
    z, w = np.polynomial.hermite_e.hermegauss(60)
    linear = result.predict(which="linear")
    nodes = family.link.inverse(linear[:, None] + np.sqrt(variance) * z)
    np.testing.assert_allclose(result.predict(), nodes @ w / w.sum(), rtol=1e-8)
    got = result.predict(frame.head(9), which="posterior")
    np.testing.assert_allclose(got, result.predict(which="posterior")[:9], rtol=1e-10)


def test_gaussian_with_log_link():
    rng = np.random.default_rng(3)
    g, x = np.repeat(np.arange(40), 6), rng.standard_normal(240)
    frame = pd.DataFrame({"x": x, "g": g})
    frame["y"] = np.exp(1 + 0.3 * x + 0.3 * rng.standard_normal(40)[g]) + 0.5 * rng.normal(size=240)
    family = sm.families.Gaussian(link=sm.families.links.Log())
    result = smgf.glmm("y ~ x + (1 | g)", frame, family=family).fit(n_points=15)
    linear = result.predict(which="linear")
    np.testing.assert_allclose(result.predict(), np.exp(linear + result.params.iloc[2] / 2))
    assert abs(result.resid_pearson.std() - 1) < 0.2
    assert result.ratios().columns[0] == "RM"
