"""Random effects against references, brute force, and fits of single clusters."""

import numpy as np
import pytest
import statsmodels.api as sm
from scipy.optimize import minimize
from scipy.stats import norm

import sm_gllamm.formula.api as smgf
from sm_gllamm.exceptions import SpecificationError
from tests.models.cache import NODES, model, params_in_order
from tests.reference import load_cases

# Ten digits are printed, at estimates of which ten digits are printed.
POSTERIOR_RTOL = 1e-6
# Three-level references have 15 to 20 nodes a level, lme4's posteriors those of its optimiser.
POSTERIOR_RTOL_LOOSE = 2e-4
CASES = [
    (source, name)
    for source in ("quadrature", "lme4")
    for name, case in load_cases(source).items()
    if case.get("posterior")
]


def at_reference(source, name):
    """Results at the reference's estimates; nothing is fitted."""
    case = load_cases(source)[name]
    options = {} if case["family"] == "gaussian" else {"n_points": NODES.get(name, 25)}
    return model(source, name).fit(
        start_params=params_in_order(source, name), maxiter=0, warn_convergence=False, **options
    )


def label_of(cluster, index):
    """A reference's label, text, as the label in an index."""
    for label in index:
        parts = label if isinstance(label, tuple) else (label,)
        if [str(part) for part in parts] == list(np.atleast_1d(cluster)):
            return label
    raise KeyError(cluster)


@pytest.mark.parametrize(("source", "name"), CASES)
def test_posterior_means_and_sds_of_references(source, name):
    loose = source == "lme4" or "/" in load_cases(source)[name]["formula"]
    rtol = POSTERIOR_RTOL_LOOSE if loose else POSTERIOR_RTOL
    result = at_reference(source, name)
    for entry in load_cases(source)[name]["posterior"]:
        frame = result.ranef(level=entry["level"])
        row = frame.loc[label_of(entry["cluster"], frame.index)].to_numpy()
        # lme4's cases list the first random effect only
        k, q = len(row) // 2, len(entry["mean"])
        np.testing.assert_allclose(row[:q], entry["mean"], rtol=rtol, atol=rtol)
        np.testing.assert_allclose(row[k : k + q], entry["sd"], rtol=rtol)


def cluster(result, label):
    """Responses and fixed parts of a cluster of a one-level model."""
    level = result.model.random[0]
    rows = level.codes == level.labels.get_loc(label)
    return np.asarray(result.model.endog)[rows], result.predict(which="linear")[rows]


def test_posterior_moments_by_brute_force(binary):
    y, fixed = cluster(binary, "X02")
    sd = np.sqrt(binary.params["var(Intercept|ID)"])
    grid = np.linspace(-8 * sd, 8 * sd, 20_001)
    p = 1 / (1 + np.exp(-(fixed[:, None] + grid)))
    density = np.prod(np.where(y[:, None] == 1, p, 1 - p), axis=0) * norm.pdf(grid, scale=sd)
    density /= density.sum()
    mean = density @ grid
    variance = density @ (grid - mean) ** 2
    frame = binary.ranef().loc["X02"]
    np.testing.assert_allclose(frame.to_numpy(), [mean, np.sqrt(variance)], rtol=1e-8)
    assert binary.random_effects.loc["X02", "Intercept"] == frame["Intercept"]
    assert binary.random_effects_cov.loc["X02"].shape == (1, 1)
    prior = binary.params["var(Intercept|ID)"]
    diagnostic = binary.ranef(se="diagnostic").loc["X02", "sd(Intercept)"]
    np.testing.assert_allclose(diagnostic, np.sqrt(prior - variance), rtol=1e-8)


def test_modes_maximise_the_joint_density(slopes):
    y, fixed = cluster(slopes, 3)
    x = slopes.model.exog[slopes.model.random[0].codes == 3, 1]
    psi = np.array(slopes.params[2:])[[0, 1, 1, 2]].reshape(2, 2)

    def negative(zeta):
        linear = fixed + zeta[0] + zeta[1] * x
        loglike = (y * linear - np.logaddexp(0, linear)).sum()
        return -loglike + 0.5 * zeta @ np.linalg.solve(psi, zeta)

    best = minimize(negative, np.zeros(2), tol=1e-12)
    frame = slopes.ranef("mode").loc[3]
    np.testing.assert_allclose(frame[["Intercept", "x"]], best.x, atol=1e-5)
    p = 1 / (1 + np.exp(-(fixed + best.x[0] + best.x[1] * x)))
    z = np.column_stack([np.ones_like(x), x])
    curvature = (z * (p * (1 - p))[:, None]).T @ z + np.linalg.inv(psi)
    sd = np.sqrt(np.diag(np.linalg.inv(curvature)))
    np.testing.assert_allclose(frame[["sd(Intercept)", "sd(x)"]], sd, rtol=1e-5)


def test_gaussian_modes_are_means_and_ml_is_least_squares(gaussian):
    np.testing.assert_allclose(gaussian.ranef("mode"), gaussian.ranef("mean"), rtol=1e-7, atol=1e-8)
    y, fixed = cluster(gaussian, 308)
    design = gaussian.model.exog[gaussian.model.random[0].codes == 0]
    own = sm.OLS(y - fixed, design).fit()
    row = gaussian.ranef("ml").loc[308]
    np.testing.assert_allclose(row[["Intercept", "Days"]], own.params, rtol=1e-8)
    se = own.bse * np.sqrt(gaussian.params["var(Residual)"] / own.scale)
    np.testing.assert_allclose(row[["sd(Intercept)", "sd(Days)"]], se, rtol=1e-8)


def test_diagnostic_variance_of_a_balanced_linear_model(gaussian):
    z = gaussian.model.random[0].columns[gaussian.model.random[0].codes == 0]
    psi = np.array(gaussian.params[2:5])[[0, 1, 1, 2]].reshape(2, 2)
    total = z @ psi @ z.T + gaussian.params["var(Residual)"] * np.eye(len(z))
    of_prediction = psi @ z.T @ np.linalg.solve(total, z @ psi)
    row = gaussian.ranef(se="diagnostic").iloc[0]
    sd = np.sqrt(np.diag(of_prediction))
    np.testing.assert_allclose(row[["sd(Intercept)", "sd(Days)"]], sd, rtol=1e-7)


@pytest.mark.parametrize("name", ["binary", "slopes", "counts", "trials"])
def test_ml_values_are_those_of_single_clusters(name, request):
    result = request.getfixturevalue(name)
    level, model_ = result.model.random[0], result.model
    frame, linear = result.ranef("ml"), result.predict(which="linear")
    finite = np.flatnonzero(np.isfinite(frame).all(axis=1))
    assert len(finite) > 5
    for code in finite[:5]:
        rows = level.codes == code
        own = sm.GLM(
            model_.endog[rows], level.columns[rows], family=model_.family, offset=linear[rows]
        ).fit(tol=1e-12)
        np.testing.assert_allclose(frame.iloc[code], [*own.params, *own.bse], rtol=1e-5, atol=1e-6)


def test_ml_values_without_a_maximum(binary, slopes, bacteria_data):
    frame = binary.ranef("ml")
    share = bacteria_data["y"].groupby(bacteria_data["ID"]).mean()
    assert (frame["Intercept"][share == 1] == np.inf).all()
    assert np.isfinite(frame["Intercept"][(share > 0) & (share < 1)]).all()
    assert frame["sd(Intercept)"][share == 1].isna().all()
    constant = [slopes.model.endog[slopes.model.random[0].codes == j].std() == 0 for j in range(60)]
    assert slopes.ranef("ml").loc[constant].isna().all().all()


def test_several_levels(three_level):
    effects = three_level.random_effects
    assert list(effects) == ["school", "school:klass"]
    assert effects["school:klass"].index.names == ["school", "klass"]
    assert three_level.random_effects_cov["school:klass"].loc[("s00", 1)].shape == (1, 1)
    one = three_level.ranef(level="klass")
    np.testing.assert_array_equal(one["Intercept"], effects["school:klass"]["Intercept"])
    with pytest.raises(SpecificationError, match="one level"):
        three_level.ranef("ml")
    with pytest.raises(SpecificationError, match="'school'"):
        three_level.ranef(level="town")


def test_three_level_posterior_by_brute_force(three_level):
    school, klass = three_level.model.random[1], three_level.model.random[0]
    rows = school.codes == 2
    y, fixed = three_level.model.endog[rows], three_level.predict(which="linear")[rows]
    sd_school, sd_class = np.sqrt(three_level.params.iloc[2:4])
    top = np.linspace(-7 * sd_school, 7 * sd_school, 401)
    low = np.linspace(-8 * sd_class, 8 * sd_class, 801)
    weight = norm.logpdf(top, scale=sd_school)
    for code in np.unique(klass.codes[rows]):
        own = klass.codes[rows] == code
        linear = fixed[own][:, None, None] + top[:, None] + low
        sign = np.where(y[own] == 1, 1, -1)[:, None, None]
        loglike = -np.logaddexp(0, -sign * linear).sum(0)
        integral = np.exp(loglike) @ norm.pdf(low, scale=sd_class)
        weight = weight + np.log(integral)
    density = np.exp(weight - weight.max())
    density /= density.sum()
    mean = density @ top
    expected = [mean, np.sqrt(density @ (top - mean) ** 2)]
    np.testing.assert_allclose(three_level.ranef(level="school").iloc[2], expected, rtol=1e-5)


def test_loglike_by_cluster(three_level):
    contributions = three_level.loglike_by_cluster
    assert contributions.index.name == "school"
    np.testing.assert_allclose(contributions.sum(), three_level.llf, rtol=1e-12)


@pytest.mark.parametrize(
    "options", [{"kind": "median"}, {"se": "sd"}, {"kind": "mode", "se": "diagnostic"}]
)
def test_unknown_options(binary, options):
    with pytest.raises(SpecificationError):
        binary.ranef(**options)


def test_after_remove_data(bacteria_data):
    result = smgf.glmm("y ~ week + (1 | ID)", bacteria_data, family="binomial").fit()
    before = result.predict(bacteria_data.head(3))
    result.remove_data()
    np.testing.assert_array_equal(result.predict(bacteria_data.head(3)), before)
    with pytest.raises(SpecificationError, match="remove_data"):
        result.random_effects  # noqa: B018
