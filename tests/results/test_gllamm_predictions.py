"""Predictions of models with latent variables for new data, with standard errors."""

import warnings

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from scipy import stats

import sm_gllamm.api as smg
from sm_gllamm.exceptions import SpecificationError
from sm_gllamm.prediction.latent_design import LatentParts
from tests.mapping.test_structural import ITEMS, build, items

KINDS = ["linear", "conditional", "marginal", "posterior"]


def expit(x):
    return 1 / (1 + np.exp(-x))


def fit(y, latent, regressions=(), formula="0 + C(item)", data=None, n_points=15, **options):
    data = items(30, 4, seed=6) if data is None else data
    return smg.GLLAMM.from_formula(
        f"{y} ~ {formula}", data, latent, regressions=regressions, **options
    ).fit(n_points=n_points)


@pytest.fixture(scope="module")
def linear():
    """Two levels of gaussian items with a path between the levels."""
    latent = [smg.Latent("within", "person", ITEMS), smg.Latent("between", "cluster")]
    return fit("gaussian", latent, ["within ~ between + x", "between ~ w"])


@pytest.fixture(scope="module")
def binary():
    """A factor that is regressed on a transformed covariate, by logits."""
    latent = [smg.Latent("f", "person", ITEMS)]
    return fit("binary", latent, ["f ~ center(x)"], n_points=31, family="binomial")


@pytest.fixture(scope="module")
def levels():
    """Two levels of binary items, the lower regressed on the higher one; parameters are no maximum."""
    latent = [smg.Latent("within", "person", ITEMS), smg.Latent("between", "cluster", "0 + d1")]
    model = smg.GLLAMM.from_formula(
        "binary ~ 0 + C(item)", items(30, 4, seed=6), latent,
        regressions=["within ~ between + x"], family="binomial",
    )  # fmt: skip
    start = dict(zip(model.param_names, model.start_params, strict=True))
    start |= {"var(between|cluster)": 0.6, "var(within|person)": 1.3, "within ~ between": 0.8}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return model.fit(start, n_points=31, maxiter=0, warn_convergence=False)


def by_hand(result, rows, params=None):
    """Linear predictor of `binary` without disturbance, and the loading times its SD."""
    p = result.params if params is None else pd.Series(params, result.params.index)
    item = rows["item"].to_numpy() - 1
    loadings = np.array([1.0, *(p[f"loading(f: C(item)[{k}])"] for k in (2, 3, 4))])[item]
    x = rows["x"] - result.model.data.frame["x"].mean()
    return p.iloc[:4].to_numpy()[item] + loadings * p["f ~ center(x)"] * x.to_numpy(), (
        loadings * np.sqrt(p["var(f|person)"])
    )


def marginal_by_hand(result, rows, params=None):
    nu, spread = by_hand(result, rows, params)
    node, weight = np.polynomial.hermite_e.hermegauss(80)
    return expit(nu[:, None] + spread[:, None] * node) @ weight / weight.sum()


def posterior_by_hand(result, rows, person, params=None):
    """Mean of new rows of a known person, by a fine grid."""
    frame = result.model.data.frame
    own = frame[frame["person"] == person]
    zeta = np.linspace(-9, 9, 1201)[:, None]
    nu, spread = by_hand(result, own, params)
    share, y = expit(nu + spread * zeta), own["binary"].to_numpy()
    weight = stats.norm.pdf(zeta[:, 0]) * np.prod(np.where(y == 1, share, 1 - share), axis=1)
    nu, spread = by_hand(result, rows, params)
    return weight @ expit(nu + spread * zeta) / weight.sum()


def delta_method(result, function):
    """Standard errors of a function of the published parameters, by central differences."""
    params = np.asarray(result.params)
    columns = []
    for k, value in enumerate(params):
        step = np.zeros(len(params))
        step[k] = 1e-5 * (1 + abs(value))
        columns.append((function(params + step) - function(params - step)) / (2 * step[k]))
    gradient = np.column_stack(columns)
    return np.sqrt(np.einsum("np,pq,nq->n", gradient, np.asarray(result.cov_params()), gradient))


# ------------------------------------------------------------ rows
@pytest.mark.parametrize("which", KINDS)
@pytest.mark.parametrize("name", ["linear", "binary", "levels"])
def test_rows_of_the_fit_as_new_data(name, which, request):
    result = request.getfixturevalue(name)
    frame = result.model.data.frame
    at = np.random.default_rng(2).permutation(len(frame))[:37]
    new = result.predict(frame.iloc[at], which=which)
    assert new.index.equals(frame.index[at])
    np.testing.assert_allclose(new, result.predict(which=which)[at], rtol=1e-7)


@pytest.mark.parametrize("which", KINDS)
def test_missing_values_and_single_rows(binary, which):
    frame = binary.model.data.frame.head(3).copy()
    frame.loc[1, "x"] = np.nan
    values = binary.predict(frame, which=which)
    np.testing.assert_array_equal(np.isnan(values), [False, True, False])
    one = binary.predict({"item": 2, "x": 0.3, "person": 5}, which=which)
    assert len(one) == 1 and np.isfinite(one).all()


def test_new_data_that_do_not_fit(binary):
    frame = binary.model.data.frame.head(3)
    for new, match in (
        (frame.drop(columns="x"), "no column 'x'|'x', which is no column"),
        (frame.assign(item=9), "levels|expected"),
        (frame.drop(columns="person"), "no column 'person'"),
    ):
        with pytest.raises(SpecificationError, match=match):
            binary.predict(new, which="posterior")


@pytest.mark.parametrize("case", ["ordinal items", "choices", "mixed families"])
@pytest.mark.parametrize("which", ["conditional", "marginal", "posterior"])
def test_other_responses(case, which):
    result = build(case).fit(maxiter=20, warn_convergence=False)
    frame = result.model.data.frame.iloc[:36]
    new = np.asarray(result.predict(frame, which=which))
    np.testing.assert_allclose(new, np.asarray(result.predict(which=which))[:36], rtol=1e-6)
    # predictions of categories stand one below the other
    assert result.get_prediction(frame, which=which).se.shape == (new.size,)


LAYOUTS = {
    "sequential": ("ordinal ~ d2 + d3 + d4", smg.families.ContinuationRatio()),
    "adjacent": ("ordinal ~ d2 + d3 + d4", smg.families.AdjacentCategory()),
    "hurdle": ("count ~ 0 + C(item)", smg.families.Hurdle("poisson")),
    "truncated": ("positive ~ 0 + C(item)", smg.families.ZeroTruncated("poisson")),
    "duration": ("time + event ~ 0 + C(item)", smg.families.Weibull()),
}


@pytest.mark.parametrize("name", LAYOUTS)
def test_rows_of_one_predictor_and_several_rows_of_the_likelihood(name):
    """New data are the rows of the fit; with the responses of some clusters they are scored alike."""
    formula, family = LAYOUTS[name]
    rng, data = np.random.default_rng(1), items(30, 4, seed=6)
    data["count"] = rng.poisson(np.exp(0.3 * data["gaussian"])).astype(float)
    data["time"] = rng.exponential(np.exp(0.3 * data["gaussian"]))
    data = data.assign(positive=data["count"] + 1, event=(data["z"] > -1).astype(float))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        result = smg.GLLAMM.from_formula(
            formula, data, [smg.Latent("f", "person", ITEMS)], regressions=["f ~ x"], family=family
        ).fit(maxiter=3, n_points=9, warn_convergence=False)
    for which in ("conditional", "marginal", "posterior"):
        new = np.asarray(result.predict(data.head(12), which=which))
        np.testing.assert_allclose(new, np.asarray(result.predict(which=which))[:12], rtol=1e-8)
    scores = result.apply(data.head(40)).latent_scores
    pd.testing.assert_frame_equal(scores, result.latent_scores.loc[:9], rtol=1e-8)


# ------------------------------------------------------------ values and standard errors
def test_marginal_and_conditional_by_hand(binary):
    new = pd.DataFrame({"item": [1, 2, 3, 4], "x": [0.5, -1.0, 0.0, 2.0]})
    np.testing.assert_allclose(binary.predict(new), marginal_by_hand(binary, new), rtol=1e-9)
    nu, _ = by_hand(binary, new)
    np.testing.assert_allclose(binary.predict(new, which="linear"), nu, rtol=1e-12)
    for which, function in (
        ("marginal", lambda p: marginal_by_hand(binary, new, p)),
        ("conditional", lambda p: expit(by_hand(binary, new, p)[0])),
        ("linear", lambda p: by_hand(binary, new, p)[0]),
    ):
        prediction = binary.get_prediction(new, which=which)
        np.testing.assert_allclose(prediction.predicted, function(np.asarray(binary.params)))
        np.testing.assert_allclose(prediction.se, delta_method(binary, function), rtol=1e-5)
        low, high = prediction.conf_int().T
        assert np.all((low < prediction.predicted) & (prediction.predicted < high))


def test_posterior_by_hand(binary):
    new = pd.DataFrame({"item": [1, 4], "x": [0.5, 0.5], "person": 7})
    prediction = binary.get_prediction(new, which="posterior")
    expected = posterior_by_hand(binary, new, 7)
    np.testing.assert_allclose(prediction.predicted, expected, rtol=1e-7)
    errors = delta_method(binary, lambda p: posterior_by_hand(binary, new, 7, p))
    np.testing.assert_allclose(prediction.se, errors, rtol=1e-4)


def test_unknown_persons_have_the_marginal_mean(binary):
    new = pd.DataFrame({"item": [1, 4], "x": [0.5, 0.5], "person": [7, -1]})
    values = binary.predict(new, which="posterior")
    assert values[1] == pytest.approx(binary.predict(new)[1], rel=1e-10)
    assert abs(values[0] - binary.predict(new)[0]) > 1e-3


def test_unknown_person_in_a_known_cluster(linear):
    """Gaussian: the expectation is linear in the posterior mean of the cluster."""
    new = pd.DataFrame({"item": [2], "x": [1.3], "w": [0.2], "person": [-1], "cluster": [3]})
    p, scores = linear.params, linear.latent_scores
    zeta = linear.random_effects["cluster"].loc[3, "between"]
    between = p["between ~ w"] * 0.2 + zeta
    within = p["within ~ between"] * between + p["within ~ x"] * 1.3
    expected = p["C(item)[2]"] + p["loading(within: C(item)[2])"] * within + between
    assert linear.predict(new, which="posterior")[0] == pytest.approx(expected, rel=1e-9)
    assert set(scores) == {"cluster", "person"}


def test_averages_and_aggregates(binary):
    frame = binary.model.data.frame.head(8)
    whole = binary.get_prediction(frame, average=True)
    assert whole.predicted[0] == pytest.approx(binary.predict(frame).mean(), rel=1e-12)


# ------------------------------------------------------------ given disturbances
def test_given_disturbances(levels):
    frame = levels.model.data.frame.head(9)
    p, item = levels.params, frame["item"].to_numpy() - 1
    loadings = np.array([1.0, *(p[f"loading(within: C(item)[{k}])"] for k in (2, 3, 4))])[item]
    effects = levels.random_effects
    within = effects["person"]["within"].reindex(frame["person"]).to_numpy()
    between = effects["cluster"]["between"].reindex(frame["cluster"]).to_numpy()
    eta = within + p["within ~ x"] * frame["x"].to_numpy() + p["within ~ between"] * between
    nu = p.iloc[:4].to_numpy()[item] + loadings * eta + frame["d1"].to_numpy() * between
    given = levels.predict(frame, which="conditional", random_effects=effects)
    np.testing.assert_allclose(given, expit(nu), rtol=1e-10)
    numbers = {"cluster": [0.7], "person": [-0.2]}
    some = levels.predict(frame, which="conditional", random_effects=numbers)
    eta = -0.2 + p["within ~ x"] * frame["x"].to_numpy() + p["within ~ between"] * 0.7
    nu = p.iloc[:4].to_numpy()[item] + loadings * eta + frame["d1"].to_numpy() * 0.7
    np.testing.assert_allclose(some, expit(nu), rtol=1e-10)


# ------------------------------------------------------------ products of latent variables
def test_mixtures_of_normal_predictors():
    """u'D u + b'u + a with two products and a square, against a grid in three dimensions."""
    parts = LatentParts(
        np.array([0.3, -1.0]),
        np.array([[0.8, -0.5, 0.4], [0.2, 0.9, 0.0]]),
        np.array([[0.6, -0.3, 0.25], [0.0, 0.5, -0.4]]),
        ((0, 1), (1, 1), (1, 2)),
    )
    node, weight = np.polynomial.hermite_e.hermegauss(40)
    grid = np.stack(np.meshgrid(node, node, node, indexing="ij"), axis=-1).reshape(-1, 3)
    weights = np.prod(np.stack(np.meshgrid(weight, weight, weight, indexing="ij")), axis=0).ravel()
    weights = weights / weights.sum()
    expected = [
        weights @ expit(
            parts.fixed[i] + grid @ parts.loadings[i]
            + sum(parts.products[i, p] * grid[:, r] * grid[:, s]
                  for p, (r, s) in enumerate(parts.pairs))
        )
        for i in range(2)
    ]  # fmt: skip
    total = np.zeros(2)
    for share, shift, loadings in parts.normal_pieces():
        spread = np.sqrt((loadings**2).sum(axis=1))
        values = expit((parts.fixed + shift)[:, None] + spread[:, None] * node)
        total += share * (values @ weight) / weight.sum()
    np.testing.assert_allclose(total, expected, rtol=1e-9)
    point = grid[[123, 4567]]
    by_hand = (parts.loadings * point).sum(axis=1) + (
        parts.products * np.column_stack([point[:, r] * point[:, s] for r, s in parts.pairs])
    ).sum(axis=1)
    np.testing.assert_allclose(parts.random(point), by_hand, rtol=1e-12)


# ------------------------------------------------------------ scores
def test_scores_across_levels_by_brute_force(levels):
    """Posterior mean and SD of a person's latent variable, integrals over both levels by grids."""
    p, frame = levels.params, levels.model.data.frame
    inside = frame[frame["cluster"] == 2]
    item = inside["item"].to_numpy() - 1
    loadings = np.array([1.0, *(p[f"loading(within: C(item)[{k}])"] for k in (2, 3, 4))])[item]
    sd = np.sqrt(p[["var(within|person)", "var(between|cluster)"]]).to_numpy()
    u = np.linspace(-8, 8, 321)
    y = inside["binary"].to_numpy()
    x = inside["x"].to_numpy()
    eta = (
        p["within ~ between"] * sd[1] * u[:, None, None]
        + p["within ~ x"] * x
        + sd[0] * u[None, :, None]
    )
    nu = p.iloc[:4].to_numpy()[item] + loadings * eta
    nu = nu + inside["d1"].to_numpy() * sd[1] * u[:, None, None]
    logs = np.where(y == 1, -np.log1p(np.exp(-nu)), -np.log1p(np.exp(nu)))
    prior, shares, moments = stats.norm.pdf(u), [], []
    for person in inside["person"].unique():
        own = (inside["person"] == person).to_numpy()
        joint = np.exp(logs[:, :, own].sum(axis=2)) * prior
        shares.append(joint.sum(axis=1))
        value = eta[:, :, np.flatnonzero(own)[0]]
        moments.append([(joint * value**k).sum(axis=1) / shares[-1] for k in (1, 2)])
    top = prior * np.prod(shares, axis=0)
    top = top / top.sum()
    scores = levels.latent_scores["person"].loc[inside["person"].unique()]
    mean, square = (np.array([top @ m[k] for m in moments]) for k in (0, 1))
    np.testing.assert_allclose(scores["within"], mean, atol=1e-6)
    np.testing.assert_allclose(scores["sd(within)"], np.sqrt(square - mean**2), rtol=1e-5)


def test_scores_are_posterior_predictions_of_the_latent_variable(levels):
    """A person's mean linear predictor, item by item, is the intercept plus loading times the score."""
    frame, p = levels.model.data.frame, levels.params
    scores = levels.latent_scores["person"]["within"].reindex(frame["person"]).to_numpy()
    linear = levels.model._ready(levels.quadrature).posterior(levels.theta).nu
    linear = levels.model.assembly.unsort(linear)
    item = frame["item"].to_numpy() - 1
    loadings = np.array([1.0, *(p[f"loading(within: C(item)[{k}])"] for k in (2, 3, 4))])[item]
    rest = frame["item"].to_numpy() > 1
    expected = p.iloc[:4].to_numpy()[item] + loadings * scores
    np.testing.assert_allclose(linear[rest], expected[rest], atol=1e-6)


# ------------------------------------------------------------ effects
def test_marginal_effects_by_hand():
    """Probit: the mean is Phi(nu / sqrt(1 + v)), of which the derivative is known."""
    latent = [smg.Latent("f", "person", ITEMS)]
    family = sm.families.Binomial(sm.families.links.Probit())
    result = fit("binary", latent, ["f ~ x"], "0 + C(item) + z", family=family)
    frame = result.model.data.frame

    def effects(params):
        p = pd.Series(np.asarray(params), result.params.index)
        item = frame["item"].to_numpy() - 1
        loadings = np.array([1.0, *(p[f"loading(f: C(item)[{k}])"] for k in (2, 3, 4))])[item]
        nu = p.iloc[:4].to_numpy()[item] + p["z"] * frame["z"] + loadings * p["f ~ x"] * frame["x"]
        scale = np.sqrt(1 + loadings**2 * p["var(f|person)"])
        density = stats.norm.pdf(nu / scale) / scale
        return np.array([np.mean(density * loadings * p["f ~ x"]), np.mean(density * p["z"])])

    margeff = result.get_margeff()
    assert margeff.names == ["x", "z"]
    np.testing.assert_allclose(margeff.margeff, effects(result.params), rtol=1e-6)
    np.testing.assert_allclose(margeff.margeff_se, delta_method(result, effects), rtol=1e-5)
    table = margeff.summary_frame()
    np.testing.assert_allclose(table["z"], table["dy/dx"] / table["Std. Err."])
    assert "dy/dx" in margeff.summary().as_text()
    every = result.get_margeff(at="all", variables="z")
    assert every.margeff.shape == (len(frame), 1)
    assert every.margeff.mean() == pytest.approx(margeff.margeff[1], rel=1e-9)
    with pytest.raises(SpecificationError, match="no standard errors"):
        every.summary_frame()


def test_steps_elasticities_and_fixed_values(binary):
    frame = binary.model.data.frame
    up, down = (binary.predict(frame.assign(x=value)).mean() for value in (1.0, 0.0))
    step = binary.get_margeff(variables=["x"], atexog={"x": 0.0})
    assert step.margeff[0] == pytest.approx(
        (binary.predict(frame.assign(x=1e-3)).mean() - binary.predict(frame.assign(x=-1e-3)).mean())
        / 2e-3,
        rel=1e-5,
    )
    data = frame.assign(man=(frame["person"] % 2).astype(float))
    result = fit("binary", [smg.Latent("f", "person", ITEMS)], ["f ~ man"], data=data,
                 family="binomial")  # fmt: skip
    effect = result.get_margeff(dummy=True)
    high, low = (result.predict(data.assign(man=value)).mean() for value in (1.0, 0.0))
    assert effect.margeff[0] == pytest.approx(high - low, rel=1e-9)
    elastic = result.get_margeff(method="eydx", dummy=True).margeff[0]
    ratio = np.log(result.predict(data.assign(man=1.0)) / result.predict(data.assign(man=0.0)))
    assert elastic == pytest.approx(ratio.mean(), rel=1e-9)
    assert up != down


def test_effects_that_are_not_there(binary):
    for ask, match in (
        (lambda: binary.get_margeff(at="mean"), "whose items have no mean"),
        (lambda: binary.get_margeff(which="posterior"), "'marginal' or 'conditional'"),
        (lambda: binary.get_margeff(variables="y"), "no column 'y'"),
        (lambda: build("ordinal items").fit(maxiter=3, warn_convergence=False).get_margeff(),
         "not available for Ordinal"),
        (binary.icc, "differs between pairs of items"),
        (binary.median_odds_ratio, "differs between items"),
    ):  # fmt: skip
        with pytest.raises(SpecificationError, match=match):
            ask()


# ------------------------------------------------------------ a model with a product
@pytest.fixture(scope="module")
def interaction():
    """Three factors of two binary items each, one regressed on the product of the others."""
    latent = [
        smg.Latent("f", "person", "0 + d1 + d2"),
        smg.Latent("g", "person", "0 + d3 + d4"),
        smg.Latent("h", "person", "0 + d5 + d6"),
    ]
    model = smg.GLLAMM.from_formula(
        "binary ~ 0 + C(item)", items(20, 3, 6, seed=2), latent, regressions=["h ~ f*g + f:x + x"],
        family="binomial", covariance="diagonal",
    )  # fmt: skip
    start = dict.fromkeys(model.param_names, 0.4)
    start |= {"h ~ f:g": 0.7, "h ~ g": -0.5, "var(f|person)": 1.2, "h ~ f:x": 0.3}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return model.fit(start, n_points=25, maxiter=0, warn_convergence=False)


def grid_of_interaction(result, rows):
    """Latent variables and predictors of rows at the nodes of a rule in three dimensions."""
    node, weight = np.polynomial.hermite_e.hermegauss(44)
    points = np.stack(np.meshgrid(node, node, node, indexing="ij"), axis=-1).reshape(-1, 3)
    weights = np.prod(np.stack(np.meshgrid(weight, weight, weight, indexing="ij")), axis=0).ravel()
    p = result.params
    sd = np.sqrt([p[f"var({name}|person)"] for name in "fgh"])
    f, g, h = (points * sd).T
    x = rows["x"].to_numpy()[:, None]
    h = h + p["h ~ f"] * f + p["h ~ g"] * g + p["h ~ f:g"] * f * g
    h = h + p["h ~ f:x"] * f * x + p["h ~ x"] * x
    loading = {name: p[f"loading({name[0]}: {name[1:]})"] for name in ("fd2", "gd4", "hd6")}
    of_item = {1: f, 2: loading["fd2"] * f, 3: g, 4: loading["gd4"] * g}
    nu = np.array([
        p[f"C(item)[{i}]"] + (of_item[i] if i < 5 else (1.0 if i == 5 else loading["hd6"]) * h[k])
        for k, i in enumerate(rows["item"])
    ])  # fmt: skip
    return weights / weights.sum(), h, nu


def test_predictions_with_a_product(interaction):
    new = pd.DataFrame({f"d{k}": np.eye(6)[[1, 4, 5]][:, k - 1] for k in range(1, 7)})
    new = new.assign(item=[2, 5, 6], x=[0.0, 0.6, -0.4])
    weights, h, nu = grid_of_interaction(interaction, new)
    np.testing.assert_allclose(interaction.predict(new), expit(nu) @ weights, rtol=1e-7)
    assert interaction.get_prediction(new).se.shape == (3,)


def test_posterior_with_a_product(interaction):
    frame = interaction.model.data.frame
    rows = frame[frame["person"] == 11]
    weights, h, nu = grid_of_interaction(interaction, rows)
    y = rows["binary"].to_numpy()[:, None]
    posterior = weights * np.prod(np.where(y == 1, expit(nu), expit(-nu)), axis=0)
    posterior = posterior / posterior.sum()
    scores = interaction.latent_scores.loc[11]
    mean = h[0] @ posterior
    assert scores["h"] == pytest.approx(mean, abs=2e-6)
    assert scores["sd(h)"] == pytest.approx(np.sqrt(h[0] ** 2 @ posterior - mean**2), rel=1e-5)
    predicted = interaction.predict(rows, which="posterior")
    np.testing.assert_allclose(predicted, expit(nu) @ posterior, rtol=1e-5)


def test_given_disturbances_and_draws_with_a_product(interaction):
    frame = interaction.model.data.frame
    zeta, p = {"f": 0.8, "g": -0.5, "h": 0.2}, interaction.params
    given = interaction.predict(frame.head(6), which="conditional", random_effects=pd.Series(zeta))
    x = frame["x"].iloc[4]
    h = 0.2 + (p["h ~ f"] + p["h ~ f:x"] * x) * 0.8 - p["h ~ g"] * 0.5 + p["h ~ x"] * x
    h = h + p["h ~ f:g"] * 0.8 * -0.5
    assert given[4] == pytest.approx(expit(p["C(item)[5]"] + h), rel=1e-10)
    draws = interaction.simulate(400, seed=2)
    share, expected = draws.mean(axis=1), interaction.predict()
    error = (share - expected) / np.sqrt(expected * (1 - expected) / 400)
    assert abs(error.mean()) < 0.3 and 0.8 < error.std() < 1.2
