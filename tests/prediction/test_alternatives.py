"""Predictions of unordered categories, choices, rankings, composite and mixed responses."""

from functools import cache

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from scipy import stats
from scipy.special import expit, logsumexp, softmax

import sm_gllamm.api as smg
import sm_gllamm.formula.api as smgf
from sm_gllamm.exceptions import SpecificationError
from sm_gllamm.prediction import shares
from sm_gllamm.responses import families as smf

# two random effects a cluster: a grid of 101 x 101, fits with 21 x 21 nodes
GRID = np.linspace(-7.0, 7.0, 101)
Z = np.stack([axis.ravel() for axis in np.meshgrid(GRID, GRID)])
PRIOR = np.exp(-0.5 * (Z**2).sum(axis=0))
KINDS = ["conditional", "marginal", "posterior"]


@cache
def nominal_data():
    rng = np.random.default_rng(4)
    g, x = np.repeat(np.arange(40), 8), rng.standard_normal(320)
    u = rng.standard_normal((40, 2))
    utility = np.column_stack([np.zeros(320), 0.5 + x + u[g, 0], -0.5 * x + u[g, 1]])
    chosen = np.argmax(utility + rng.gumbel(size=(320, 3)), axis=1)
    return pd.DataFrame({"y": np.array(["bus", "car", "walk"])[chosen], "x": x, "g": g})


@cache
def nominal():
    return smgf.glmm("y ~ x + (1 | g)", nominal_data(), family=smf.Multinomial()).fit(n_points=21)


def nominal_probabilities(result, x):
    """Probabilities at the nodes of Z, shape (rows, categories, nodes)."""
    p = result.params
    beta = np.array([[p[f"Intercept:{c}"], p[f"x:{c}"]] for c in ("car", "walk")])
    linear = np.column_stack([np.ones(len(x)), x]) @ beta.T
    u = np.linalg.cholesky(result.cov_re.to_numpy()) @ Z
    nu = linear[:, :, None] + u
    return softmax(np.concatenate([0.0 * nu[:, :1], nu], axis=1), axis=1)


def test_multinomial_probabilities():
    result, data = nominal(), nominal_data()
    new = pd.DataFrame({"x": [0.4, -1.0], "g": [3, 3]}, index=["a", "b"])
    of_new = nominal_probabilities(result, new["x"])
    own = data[data["g"] == 3]
    of_own = nominal_probabilities(result, own["x"])
    code = own["y"].map({"bus": 0, "car": 1, "walk": 2})
    posterior = PRIOR * of_own[np.arange(len(own)), code].prod(axis=0)
    for which, weight in (("marginal", PRIOR), ("posterior", posterior)):
        got = result.predict(new, which=which)
        assert got.columns.tolist() == ["bus", "car", "walk"]
        np.testing.assert_allclose(got, of_new @ (weight / weight.sum()), rtol=1e-6)
    got = result.predict(new, which="conditional", random_effects=[0.2, -0.3])
    linear = result.predict(new, which="linear")
    assert linear.columns.tolist() == ["car", "walk"]
    expected = softmax(np.column_stack([[0, 0], linear + [0.2, -0.3]]), axis=1)
    np.testing.assert_allclose(got, expected)
    table = result.get_prediction(new, which="linear").summary_frame()
    np.testing.assert_allclose(table["predicted"].unstack(), linear)


@pytest.mark.parametrize("which", KINDS)
def test_multinomial_rows_of_the_fit_as_new_data(which):
    result = nominal()
    some = nominal_data().iloc[[3, 80, 319]]
    everywhere = result.predict(which=which)
    np.testing.assert_allclose(everywhere.sum(axis=1), 1.0)
    got = result.predict(some, which=which)
    np.testing.assert_allclose(got, everywhere.iloc[[3, 80, 319]], rtol=1e-9)
    effects = result.random_effects
    assert effects.columns.tolist() == ["Intercept:car", "Intercept:walk"]
    got = result.predict(some, which="conditional", random_effects=effects)
    np.testing.assert_allclose(got.sum(axis=1), 1.0)


def test_averages_over_many_dimensions(monkeypatch):
    rng = np.random.default_rng(0)
    utilities, loadings = rng.standard_normal((3, 4)), rng.standard_normal((3, 4, 3))
    monkeypatch.setattr(shares, "MAX_NODES", 10**7)
    product = shares.averaged_shares(utilities, loadings)
    monkeypatch.setattr(shares, "MAX_NODES", 0)
    np.testing.assert_allclose(shares.averaged_shares(utilities, loadings), product, atol=5e-4)


@cache
def choice_data():
    rng = np.random.default_rng(1)
    frames = []
    for person in range(30):
        taste = 0.8 * rng.standard_normal(2)
        for occasion in range(4):
            alternative = rng.permutation(4)[: rng.integers(3, 5)]
            x = rng.standard_normal(len(alternative))
            nu = 0.7 * x + np.select([alternative == 1, alternative == 2], taste)
            place = np.argsort(np.argsort(-(nu + rng.gumbel(size=len(x))))) + 1
            frames.append(
                pd.DataFrame(
                    {"person": person, "occasion": occasion, "x": x, "rank": place,
                     "a": (alternative == 1) * 1.0, "b": (alternative == 2) * 1.0}
                )
            )  # fmt: skip
    data = pd.concat(frames, ignore_index=True)
    size = data.groupby(["person", "occasion"])["x"].transform("size")
    data["chosen"] = (data["rank"] == 1) * 1.0
    data["extreme"] = data["chosen"] - (data["rank"] == size)
    return data.sample(frac=1, random_state=3)


FAMILIES = {"chosen": smf.Choice(), "rank": smf.Ranking(), "extreme": smf.BestWorst()}


@cache
def choices(endog):
    formula = f"{endog} ~ 0 + x + (0 + a + b | person)"
    return smgf.glmm(
        formula, choice_data(), family=FAMILIES[endog], sets=["person", "occasion"]
    ).fit(n_points=15)


def choice_probabilities(result, data):
    """Probabilities at the nodes of Z by row, shape (rows, nodes)."""
    u = np.linalg.cholesky(result.cov_re.to_numpy()) @ Z
    nu = result.params["x"] * data["x"].to_numpy()[:, None] + data[["a", "b"]].to_numpy() @ u
    out = np.empty_like(nu)
    for rows in data.reset_index(drop=True).groupby(["person", "occasion"]).indices.values():
        out[rows] = softmax(nu[rows], axis=0)
    return out


def test_choice_probabilities():
    result, data = choices("chosen"), choice_data()
    own = data[data["person"] == 7]
    p = choice_probabilities(result, own)
    posterior = PRIOR * p[own["chosen"] == 1].prod(axis=0)
    for which, weight in (("marginal", PRIOR), ("posterior", posterior)):
        got = result.predict(own, which=which)
        np.testing.assert_allclose(got, p @ (weight / weight.sum()), rtol=1e-6)
        assert got.index.equals(own.index)
    unknown = own.assign(person=99)
    np.testing.assert_allclose(
        result.predict(unknown, which="posterior"), result.predict(own), rtol=1e-9
    )
    part = own.assign(x=own["x"].where(np.arange(len(own)) > 0))
    lost = result.predict(part).isna()
    first = own["occasion"] == own["occasion"].iloc[0]
    np.testing.assert_array_equal(lost, first)


@pytest.mark.parametrize("endog", FAMILIES)
@pytest.mark.parametrize("which", KINDS)
def test_probabilities_of_the_first_choice(endog, which):
    result, data = choices(endog), choice_data()
    got = pd.Series(result.predict(which=which), data.index)
    sums = got.groupby([data["person"], data["occasion"]]).sum()
    np.testing.assert_allclose(sums, 1.0)
    np.testing.assert_allclose(result.predict(data, which=which), got, rtol=1e-9)
    table = result.get_prediction(data[data["person"] == 2], which=which).summary_frame()
    assert ((table["ci_lower"] > 0) & (table["ci_upper"] < 1)).all()


@pytest.mark.parametrize("endog", FAMILIES)
def test_draws_of_choices(endog):
    result, data = choices(endog), choice_data()
    draws = result.simulate(n=300, seed=1)
    groups = draws.groupby([data["person"], data["occasion"]])
    if endog == "rank":
        size = data.groupby(["person", "occasion"])["x"].size()
        np.testing.assert_array_equal(groups.max(), np.tile(size.to_numpy()[:, None], 300))
    else:
        assert (groups.max() == 1).all(axis=None)
        assert (groups.sum() == (1 if endog == "chosen" else 0)).all(axis=None)
    first = (draws == 1).mean(axis=1)
    assert np.abs(first - result.predict()).max() < 0.13
    assert abs(np.mean((first - result.predict()) * data["x"])) < 0.01
    assert result.bootstrap(1, method="parametric", seed=2).n_failed == 0


def test_residuals_of_choices():
    result = choices("chosen")
    p = result.predict(which="marginal")
    expected = (result.model.endog - p) / np.sqrt(p * (1 - p))
    np.testing.assert_allclose(result.get_resid("pearson", "marginal"), expected)
    assert nominal().resid_pearson.shape == (320, 3)
    for endog in ("rank", "extreme"):
        with pytest.raises(SpecificationError, match="no residuals"):
            choices(endog).get_resid("pearson")
    for model in (nominal(), result):
        with pytest.raises(SpecificationError, match="no order"):
            model.resid_simulated()
        with pytest.raises(SpecificationError, match="deviance"):
            model.get_resid("deviance")


def test_choices_from_arrays():
    data = choice_data()
    result = smg.GLMM(
        data["chosen"], data[["x"]], groups=data["person"], exog_re=data[["a", "b"]],
        family=smf.Choice(), sets=data[["person", "occasion"]],
    ).fit(n_points=15)  # fmt: skip
    own = data[data["person"] == 7]
    options = {"exog_re": own[["a", "b"]], "extras": {"sets": own["occasion"]}}
    got = result.predict(own[["x"]], **options)
    np.testing.assert_allclose(got, choices("chosen").predict(own), rtol=1e-6)
    with pytest.raises(SpecificationError, match="need sets"):
        result.predict(own[["x"]], exog_re=own[["a", "b"]])
    with pytest.raises(SpecificationError, match="new rows"):
        result.predict(extras={"sets": data["occasion"]})


@cache
def composite():
    """Counts that are sums of two, one of which counts twice."""
    rng = np.random.default_rng(3)
    n = 180
    g, x = np.repeat(np.arange(30), 6), rng.standard_normal((n, 2))
    mean = np.exp(0.3 + 0.5 * x + 0.5 * rng.standard_normal(30)[g][:, None]) @ [1.0, 2.0]
    data = pd.DataFrame(
        {"y": np.repeat(rng.poisson(mean), 2), "x": x.ravel(), "g": np.repeat(g, 2),
         "s": np.repeat(np.arange(n), 2), "w": np.tile([1.0, 2.0], n)}
    ).sample(frac=1, random_state=2)  # fmt: skip
    result = smgf.glmm("y ~ x + (1 | g)", data, family=smf.Composite(), sets="s", parts="w")
    return result.fit(n_points=21), data


def test_composite_means():
    result, data = composite()
    v = result.params["var(Intercept|g)"]
    linear = result.predict(data, which="linear")
    for which, shift in (("conditional", 0.0), ("marginal", v / 2)):
        parts = data["w"] * np.exp(linear + shift)
        expected = parts.groupby(data["s"]).transform("sum")
        np.testing.assert_allclose(result.predict(which=which), expected)
        np.testing.assert_allclose(result.predict(data, which=which), expected)
    own = data[data["g"] == 5]
    u = np.sqrt(v) * np.linspace(-8, 8, 1001)
    mean = own["w"].to_numpy()[:, None] * np.exp(linear[own.index].to_numpy()[:, None] + u)
    mean = pd.DataFrame(mean).groupby(own["s"].to_numpy()).transform("sum").to_numpy()
    once = ~own["s"].duplicated().to_numpy()
    log = stats.poisson(mean[once]).logpmf(own["y"].to_numpy()[once][:, None]).sum(axis=0)
    log += stats.norm.logpdf(u / np.sqrt(v))
    expected = mean @ np.exp(log - logsumexp(log))
    np.testing.assert_allclose(result.predict(own, which="posterior"), expected, rtol=1e-6)
    draws = result.simulate(n=300, seed=5)
    assert (draws.groupby(data["s"]).nunique() == 1).all(axis=None)
    assert abs(draws.to_numpy().mean() / result.predict().mean() - 1) < 0.03
    assert 0.7 < result.resid_pearson.std() < 1.2


@cache
def mixed(ordinal):
    rng = np.random.default_rng(1)
    n = 320
    g, x, kind = np.repeat(np.arange(40), 8), rng.standard_normal(n), np.tile(list("abcd"), n // 4)
    nu = 0.3 + 0.5 * x + 0.6 * rng.standard_normal(40)[g]
    values = {
        "a": nu + 0.5 * rng.standard_normal(n), "b": rng.poisson(np.exp(nu) * rng.gamma(1.0, 1.0, n)),
        "c": rng.binomial(1, expit(nu)), "d": np.digitize(nu + rng.logistic(size=n), [0, 1]),
    }  # fmt: skip
    y = np.select([kind == key for key in values], list(values.values()))
    data = pd.DataFrame({"y": y, "x": x, "g": g, "kind": kind})
    family = {"a": "gaussian", "b": smf.NegativeBinomial(), "c": "binomial", "d": smf.Ordinal()}
    if not ordinal:
        data = data[data["kind"] != "d"]
        family["b"] = sm.families.Poisson()
        del family["d"]
    model = smgf.glmm("y ~ x + (1 | g)", data, family=family, family_by="kind")
    return model.fit(n_points=15, warn_convergence=False), data


def test_means_of_mixed_responses():
    result, data = mixed(False)
    linear, v = result.predict(which="linear"), result.params["var(Intercept|g)"]
    is_a, is_b = data["kind"] == "a", data["kind"] == "b"
    expected = np.select([is_a, is_b], [linear, np.exp(linear)], expit(linear))
    np.testing.assert_allclose(result.predict(which="conditional"), expected)
    marginal = result.predict()
    np.testing.assert_allclose(marginal[is_b], np.exp(linear + v / 2)[is_b])
    posterior = result.predict(which="posterior")
    np.testing.assert_allclose(result.predict(data, which="posterior"), posterior, rtol=1e-9)
    effects = result.random_effects["Intercept"].reindex(data["g"]).to_numpy()
    np.testing.assert_allclose(posterior[is_a], (linear + effects)[is_a])
    assert result.get_prediction(data.head(3)).summary_frame().shape == (3, 4)
    assert 0.8 < result.resid_pearson.std() < 1.2
    assert abs(result.resid_simulated(50, seed=1).mean() - 0.5) < 0.05
    draws = result.simulate(n=200, seed=1).to_numpy().mean(axis=1)
    assert abs(np.mean(draws - marginal)) < 0.05
    with pytest.raises(SpecificationError, match="families are"):
        result.predict(data.assign(kind="z"))


def test_mixed_responses_with_categories():
    result, data = mixed(True)
    only = data[data["kind"] == "d"]
    for which in KINDS:
        table = result.predict(only, which=which)
        assert table.columns.tolist() == [0.0, 1.0, 2.0]
        np.testing.assert_allclose(table.sum(axis=1), 1.0)
    assert result.predict(data[data["kind"] == "b"]).ndim == 1
    assert result.predict().columns.tolist() == ["mean", 0.0, 1.0, 2.0]
    assert set(np.unique(result.simulate(seed=1)[data["kind"] == "d"])) <= {0.0, 1.0, 2.0}
    assert result.bootstrap(1, method="parametric", seed=2).params.shape[0] <= 1
