"""A fit applied to other data: scores of new persons, and what else depends on the data."""

import pickle
import warnings

import numpy as np
import pandas as pd
import pytest

import sm_gllamm.api as smg
import sm_gllamm.formula.api as smgf
from sm_gllamm.exceptions import CrossedDesignError, SpecificationError
from tests.mapping.test_structural import ITEMS, build, choices, items

CASES = [
    "factor", "path to the cluster", "ordinal items", "choices", "mixed families", "regressions"
]  # fmt: skip


def rough(model, n_points=9):
    with warnings.catch_warnings():
        # whether this is a maximum does not matter
        warnings.simplefilter("ignore")
        return model.fit(maxiter=5, n_points=n_points, warn_convergence=False)


@pytest.fixture(scope="module")
def old():
    return items(40, 3, seed=3)


@pytest.fixture(scope="module")
def gaussian(old):
    factor = smg.Latent("f", "person", ITEMS)
    return smg.GLLAMM.from_formula(
        "gaussian ~ 0 + C(item)", old, [factor], regressions=["f ~ center(x)"],
        dispersion="~ 0 + C(item)",
    ).fit()  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_the_data_of_the_fit_and_some_of_its_clusters(case):
    result = rough(build(case))
    frame = choices() if case == "choices" else items()
    again = result.apply(frame)
    assert again.llf == pytest.approx(result.llf, rel=1e-8)
    some = frame[frame["person"].isin([3, 4, 5])].iloc[::-1]  # all of a cluster
    part = result.apply(some)
    for now, then in (
        (part.latent_scores, result.latent_scores),
        (part.random_effects, result.random_effects),
    ):
        now, then = (x if isinstance(x, dict) else {"": x} for x in (now, then))
        for level in now:
            expected = then[level].loc[now[level].index]
            pd.testing.assert_frame_equal(now[level], expected, rtol=1e-5, atol=1e-7)
    for which in ("linear", "conditional", "marginal", "posterior"):
        before = np.asarray(result.predict(which=which))[some.index]
        np.testing.assert_allclose(part.predict(which=which), before, rtol=1e-5)
    assert len(part.fittedvalues) == len(part.simulate(seed=1)) == len(some)
    np.testing.assert_allclose(
        np.asarray(part.resid_pearson), np.asarray(result.resid_pearson)[some.index], rtol=1e-4
    )


def test_regression_scores_of_new_persons(gaussian, old):
    """Gaussian items: prior mean plus Psi Lambda' Sigma^-1 times the residual, with missing items."""
    new = items(2, 3, seed=9)
    new = new.assign(person=new["person"] + 1000).iloc[:-1]
    applied, p = gaussian.apply(new), gaussian.params
    loadings = np.array([1.0, *(p[f"loading(f: C(item)[{k}])"] for k in (2, 3, 4))])
    theta = np.exp(2 * p[[f"log_sd:C(item)[{k}]" for k in range(1, 5)]].to_numpy())
    psi, scores = p["var(f|person)"], applied.latent_scores
    for person, own in new.groupby("person"):
        item = own["item"].to_numpy() - 1
        prior = p["f ~ center(x)"] * (own["x"].iloc[0] - old["x"].mean())
        sigma = psi * np.outer(loadings[item], loadings[item]) + np.diag(theta[item])
        residual = own["gaussian"].to_numpy() - p.iloc[:4].to_numpy()[item] - loadings[item] * prior
        gain = psi * loadings[item] @ np.linalg.inv(sigma)
        assert scores.loc[person, "f"] == pytest.approx(prior + gain @ residual, abs=1e-8)
        variance = psi - gain @ loadings[item] * psi
        assert scores.loc[person, "sd(f)"] == pytest.approx(np.sqrt(variance), rel=1e-8)
        llf = applied.loglike_by_cluster[person]
        expected = -0.5 * (
            len(own) * np.log(2 * np.pi)
            + np.linalg.slogdet(sigma)[1]
            + residual @ np.linalg.solve(sigma, residual)
        )
        assert llf == pytest.approx(expected, rel=1e-8)
    assert applied.llf == pytest.approx(applied.loglike_by_cluster.sum())


def test_one_person_with_the_same_answer_everywhere():
    result = build("binary factor").fit()
    new = pd.DataFrame({"item": [1, 2, 3, 4], "binary": 1.0, "person": "new"})
    high = result.apply(new).latent_scores
    low = result.apply(new.assign(binary=0.0)).latent_scores
    assert list(high.index) == ["new"]
    assert high["f"].iloc[0] > 0 > low["f"].iloc[0]
    assert result.apply(new.head(1)).latent_scores["sd(f)"].iloc[0] > high["sd(f)"].iloc[0]


def test_categories_that_new_persons_do_not_use():
    result = rough(build("ordinal items"))
    new = items().head(8).assign(ordinal="a")
    assert np.isfinite(result.apply(new).latent_scores).all().all()
    with pytest.raises(SpecificationError, match="is 'z'; the categories of the model are"):
        result.apply(new.assign(ordinal="z"))


def test_posterior_predictions_within_new_clusters(gaussian):
    """Of further rows of the new persons, and with standard errors of the fit's parameters."""
    new = items(2, 3, seed=9)
    applied = gaussian.apply(new[new["item"] < 3])
    last = new[new["item"] > 2]
    p, scores = gaussian.params, applied.latent_scores["f"].reindex(last["person"]).to_numpy()
    loadings = p[["loading(f: C(item)[3])", "loading(f: C(item)[4])"]].to_numpy()
    expected = p[["C(item)[3]", "C(item)[4]"]].to_numpy()[last["item"] - 3] + (
        loadings[last["item"] - 3] * scores
    )
    prediction = applied.get_prediction(last, which="posterior")
    np.testing.assert_allclose(prediction.predicted, expected, rtol=1e-8)
    assert (prediction.se > 0).all()


def test_missing_values_and_labels(gaussian):
    new = items(2, 3, seed=9)
    new.loc[0, "gaussian"] = np.nan
    new.loc[1, "x"] = np.nan
    applied = gaussian.apply(new)
    assert applied.nobs == len(new) - 2 and list(applied.fittedvalues.index) == list(new.index[2:])
    with pytest.raises(SpecificationError, match="Grouping factor 'person' is missing in row 5"):
        gaussian.apply(new.assign(person=new["person"].where(new.index != 5)))
    with pytest.raises(SpecificationError, match="no row without missing"):
        gaussian.apply(new.assign(gaussian=np.nan))
    with pytest.raises(SpecificationError, match="'x'"):
        gaussian.apply(new.drop(columns="x"))


def test_crossed_clusters():
    result = rough(build("path to the cluster"))
    with pytest.raises(CrossedDesignError, match="has rows in several clusters of cluster"):
        result.apply(items().assign(cluster=np.arange(96) % 2))


def test_what_is_about_the_fit(gaussian):
    applied = gaussian.apply(items(2, 3, seed=9))
    np.testing.assert_array_equal(applied.params, gaussian.params)
    np.testing.assert_array_equal(applied.bse, gaussian.bse)
    assert applied.path_diagram() == gaussian.path_diagram()
    for ask in (
        lambda: applied.profile("f ~ center(x)"),
        lambda: applied.conf_int(method="profile"),
        lambda: applied.bootstrap(2),
        lambda: applied.compare_lr_test(gaussian),
    ):
        with pytest.raises(SpecificationError, match="about the fit"):
            ask()


def test_average_effects_in_the_new_data():
    result = rough(build("regressions"))
    new = items().head(24)
    effect = result.apply(new).get_margeff(variables="x").margeff[0]
    step = 1e-4
    up, down = (result.predict(new.assign(x=new["x"] + h)).mean() for h in (step, -step))
    assert effect == pytest.approx((up - down) / (2 * step), rel=1e-5)


def test_pickled(gaussian):
    applied = gaussian.apply(items(2, 3, seed=9))
    again = pickle.loads(pickle.dumps(applied._results))
    pd.testing.assert_frame_equal(again.latent_scores, applied.latent_scores)
    np.testing.assert_array_equal(again.predict(), applied.predict())


def test_mixed_models_too():
    """Known closed form: the posterior mean of a random intercept shrinks the mean residual."""
    rng = np.random.default_rng(4)
    g = np.repeat(np.arange(30), 5)
    data = pd.DataFrame({"g": g, "x": rng.normal(size=150), "o": rng.normal(size=150)})
    data["y"] = data["o"] + data["x"] + rng.normal(size=30)[g] + rng.normal(size=150)
    result = smgf.glmm("y ~ x + (1 | g)", data, offset="o").fit()
    new = data.head(5).assign(g="other")
    effect = result.apply(new, offset="o").random_effects.iloc[0, 0]
    p = result.params
    residual = (new["y"] - new["o"] - p["Intercept"] - p["x"] * new["x"]).sum()
    psi, sigma = p["var(Intercept|g)"], p["var(Residual)"]
    assert effect == pytest.approx(psi * residual / (5 * psi + sigma), rel=1e-8)


def test_not_from_arrays_and_not_without_data(old):
    model = build("factor")
    clone = type(model)(model.endog, model.exog, **model._get_init_kwds())
    with pytest.raises(SpecificationError, match="from arrays"):
        rough(clone).apply(items())
    result = rough(build("factor"))
    result.remove_data()
    with pytest.raises(SpecificationError, match="removed by remove_data"):
        result.apply(items())
