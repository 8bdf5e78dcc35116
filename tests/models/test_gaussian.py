"""Gaussian models: exact, so that every peer must agree to the digits of its optimiser."""

import numpy as np
import pytest
import statsmodels.api as sm
import statsmodels.formula.api as smf
from scipy import stats

import sm_gllamm.formula.api as smgf
from tests.reference import load_data

SLEEP = "Reaction ~ Days + (1 + Days | Subject)"


def marginal_loglike(y, exog, designs, covariances, sigma2, coefficients):
    """Log-likelihood from the marginal covariance matrix of all rows, the direct way."""
    covariance = sigma2 * np.eye(len(y))
    for design, block in zip(designs, covariances, strict=True):
        n_clusters = design.shape[1] // len(block)
        covariance += design @ np.kron(np.eye(n_clusters), block) @ design.T
    return stats.multivariate_normal(exog @ coefficients, covariance).logpdf(y)


def cluster_design(codes, columns):
    """Return the random-effects design with one block of columns per cluster."""
    design = np.zeros((len(codes), (codes.max() + 1) * columns.shape[1]))
    for row, code in enumerate(codes):
        start = code * columns.shape[1]
        design[row, start : start + columns.shape[1]] = columns[row]
    return design


def test_loglike_is_the_multivariate_normal_density():
    data = load_data("sleepstudy")
    result = smgf.glmm(SLEEP, data).fit()
    columns = np.column_stack([np.ones(len(data)), data["Days"]])
    design = cluster_design(data["Subject"].factorize()[0], columns)
    a, c, b, sigma2 = result.params.to_numpy()[2:]
    direct = marginal_loglike(
        data["Reaction"],
        columns,
        [design],
        [np.array([[a, c], [c, b]])],
        sigma2,
        result.params.to_numpy()[:2],
    )
    assert result.llf == pytest.approx(direct, rel=1e-12)


def test_three_level_loglike_is_the_multivariate_normal_density():
    data = load_data("oxide")
    model = smgf.glmm("Thickness ~ 1 + (1 | Lot/Wafer)", data)
    params = np.array([1999.0, 80.0, 30.0, 15.0])
    ones = np.ones((len(data), 1))
    lots = cluster_design(data["Lot"].factorize()[0], ones)
    wafers = cluster_design(data.groupby(["Lot", "Wafer"]).ngroup().to_numpy(), ones)
    blocks = [np.array([[80.0]]), np.array([[30.0]])]
    direct = marginal_loglike(data["Thickness"], ones, [lots, wafers], blocks, 15.0, params[:1])
    assert model.loglike_at(params) == pytest.approx(direct, rel=1e-12)


def test_exact_standard_errors_of_variances():
    # MixedLM's own are wrong; these are lmer's, from the Hessian of the deviance.
    result = smgf.glmm(SLEEP, load_data("sleepstudy")).fit()
    errors = result.bse[
        ["var(Intercept|Subject)", "cov(Intercept,Days|Subject)", "var(Days|Subject)"]
    ]
    np.testing.assert_allclose(errors, [265.3, 42.9, 13.6], atol=0.05)


@pytest.mark.parametrize("reml", [False, True])
@pytest.mark.parametrize(
    ("source", "fixed", "random", "groups"),
    [
        ("sleepstudy", "Reaction ~ Days", "~ Days", "Subject"),
        ("ratpup", "weight ~ female + low + high + litter_size", "~ 1", "Litter"),
    ],
)
def test_mixedlm(source, fixed, random, groups, reml):
    data = load_data(source)
    peer = smf.mixedlm(fixed, data, groups=groups, re_formula=random).fit(reml=reml)
    ours = smgf.glmm(fixed, data, groups=groups, re_formula=random).fit(reml=reml)
    assert ours.llf == pytest.approx(peer.llf, abs=1e-7)
    k = len(peer.fe_params)
    np.testing.assert_allclose(ours.params[:k], peer.fe_params, rtol=1e-5)
    # MixedLM takes in the cross-derivatives of coefficients and variances.
    np.testing.assert_allclose(ours.bse[:k], peer.bse_fe, rtol=5e-3)
    if not reml:
        full = np.linalg.inv(ours.model.information(ours.params.to_numpy()))
        np.testing.assert_allclose(np.sqrt(np.diag(full))[:k], peer.bse_fe, rtol=1e-5)
    block = [
        peer.cov_re.iloc[row, col]
        for col in range(len(peer.cov_re))
        for row in range(col, len(peer.cov_re))
    ]
    np.testing.assert_allclose(ours.params[k:-1], block, rtol=1e-4)
    assert ours.params["var(Residual)"] == pytest.approx(peer.scale, rel=1e-4)


def test_mixedlm_variance_components():
    data = load_data("oxide")
    peer = smf.mixedlm(
        "Thickness ~ 1", data, groups="Lot", re_formula="~ 1", vc_formula={"Wafer": "0 + C(Wafer)"}
    ).fit(reml=False, gtol=1e-10)
    ours = smgf.glmm(
        "Thickness ~ 1", data, groups="Lot", re_formula="~ 1", vc_formula={"Wafer": "0 + C(Wafer)"}
    ).fit()
    assert ours.llf == pytest.approx(peer.llf, abs=1e-6)
    bars = smgf.glmm("Thickness ~ 1 + (1 | Lot/Wafer)", data).fit()
    assert ours.llf == pytest.approx(bars.llf, abs=1e-8)


def test_fixed_effects_alone_are_ordinary_least_squares_when_variance_is_zero():
    data = load_data("nlschools").head(400)
    rng = np.random.default_rng(1)
    data = data.assign(lang=rng.permutation(data["lang"]), school=np.arange(len(data)) % 40)
    data["lang"] = data["lang"] - data.groupby("school")["lang"].transform("mean")
    from sm_gllamm.exceptions import BoundaryWarning

    with pytest.warns(BoundaryWarning):
        ours = smgf.glmm("lang ~ iqc + (1 | school)", data).fit()
    peer = smf.ols("lang ~ iqc", data).fit()
    assert ours.params["var(Intercept|school)"] == pytest.approx(0, abs=1e-6)
    np.testing.assert_allclose(ours.params[:2], peer.params, rtol=1e-6, atol=1e-8)
    assert ours.llf == pytest.approx(peer.llf, abs=1e-6)


def test_diagonal_and_equal_structures_are_nested():
    data = load_data("sleepstudy")
    full = smgf.glmm(SLEEP, data).fit()
    diagonal = smgf.glmm("Reaction ~ Days + (1 + Days || Subject)", data).fit()
    keyword = smgf.glmm(SLEEP, data, covariance="diagonal").fit()
    # lmer (Reaction ~ Days + (Days || Subject), REML = FALSE).
    assert diagonal.llf == pytest.approx(-876.00163, abs=2e-5)
    assert keyword.llf == pytest.approx(diagonal.llf, abs=1e-8)
    assert full.llf > diagonal.llf


def test_log_link_against_brute_force():
    rng = np.random.default_rng(5)
    cluster = np.repeat(np.arange(12), 4)
    x = rng.standard_normal(48)
    y = np.exp(0.5 + 0.2 * x + 0.4 * rng.standard_normal(12)[cluster]) + rng.normal(0, 0.3, 48)
    family = sm.families.Gaussian(link=sm.families.links.Log())
    model = smgf.glmm("y ~ x + (1 | g)", {"y": y, "x": x, "g": cluster}, family=family)
    result = model.fit(n_points=31)
    b0, b1, tau2, sigma2 = result.params
    grid = np.linspace(-8, 8, 4001)
    mean = np.exp(b0 + b1 * x[:, None] + np.sqrt(tau2) * grid)
    density = stats.norm.logpdf(y[:, None], mean, np.sqrt(sigma2))
    by_cluster = np.array([density[cluster == j].sum(0) for j in range(12)])
    direct = np.log(np.trapezoid(np.exp(by_cluster + stats.norm.logpdf(grid)), grid)).sum()
    assert result.llf == pytest.approx(direct, abs=1e-8)
