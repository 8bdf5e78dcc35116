"""Predictions of rows with a mean and of rows with categories in one model, against direct integrals."""

from functools import cache

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from scipy import stats
from scipy.special import expit, logsumexp, ndtr
from statsmodels.genmod.families import links

import sm_gllamm.formula.api as smgf
from sm_gllamm.exceptions import SpecificationError
from sm_gllamm.prediction.predict import predicted, rows_for
from sm_gllamm.responses import families as smf

Z = np.linspace(-9.0, 9.0, 2001)
#: Two families with categories, of which one label is the same: 2.
FAMILIES = {
    "visits": sm.families.Poisson(), "score": sm.families.Gaussian(), "rating": smf.Ordinal(),
    "grade": smf.Ordinal("probit"),
}  # fmt: skip
LABELS = {"rating": [1.0, 2.0, 4.0], "grade": [2.0, 3.0]}
COLUMNS = ["mean", 1.0, 2.0, 4.0, 3.0]


@cache
def data():
    rng = np.random.default_rng(8)
    n = 360
    g, x = np.repeat(np.arange(45), 8), rng.standard_normal(n)
    kind = np.tile(list(FAMILIES), n // 4)
    nu = 0.2 + 0.4 * x + 0.7 * rng.standard_normal(45)[g]
    y = np.select(
        [kind == "visits", kind == "score", kind == "rating"],
        [
            rng.poisson(np.exp(nu)), nu + 0.6 * rng.standard_normal(n),
            np.array(LABELS["rating"])[np.digitize(nu + rng.logistic(size=n), [-0.3, 1.0])],
        ],
        np.array(LABELS["grade"])[np.digitize(nu + rng.standard_normal(n), [0.2])],
    )  # fmt: skip
    return pd.DataFrame({"y": y, "x": x, "g": g, "kind": kind})


@cache
def fitted():
    model = smgf.glmm("y ~ 0 + x + (1 | g)", data(), family=dict(FAMILIES), family_by="kind")
    return model.fit(n_points=31)


def probabilities(cuts, distribution, nu):
    below = [distribution(cut - nu) for cut in cuts]
    return np.diff(np.stack([0.0 * nu, *below, 0.0 * nu + 1.0], axis=-1), axis=-1)


def expected_row(kind, nu, p):
    """What is expected of one row, by column, at predictors of any shape."""
    if kind == "visits":
        return {"mean": np.exp(nu)}
    if kind == "score":
        return {"mean": nu}
    distribution = expit if kind == "rating" else ndtr
    labels = LABELS[kind]
    ends = zip(labels, labels[1:], strict=False)
    cuts = [p[f"threshold({a:g}|{b:g})[{kind}]"] for a, b in ends]
    return dict(zip(labels, np.moveaxis(probabilities(cuts, distribution, nu), -1, 0), strict=True))


def log_density(row, nu, p):
    if row["kind"] == "visits":
        return stats.poisson.logpmf(row["y"], np.exp(nu))
    if row["kind"] == "score":
        return stats.norm.logpdf(row["y"], nu, np.sqrt(p["var(Residual)[score]"]))
    return np.log(expected_row(row["kind"], nu, p)[row["y"]])


@pytest.mark.parametrize("which", ["conditional", "marginal", "posterior"])
def test_predictions_against_integrals(which):
    result = fitted()
    p, sd = result.params, np.sqrt(result.params["var(Intercept|g)"])
    new = data()[data()["g"] == 7].iloc[:5].set_index(pd.Index(list("abcde")))
    u = sd * Z if which != "conditional" else np.zeros(1)
    log = -0.5 * (u / sd) ** 2
    if which == "posterior":
        own = data()[data()["g"] == 7]
        log = log + sum(log_density(row, p["x"] * row["x"] + u, p) for _, row in own.iterrows())
    weights = np.exp(log - logsumexp(log))
    got = result.predict(new, which=which)
    assert got.columns.tolist() == COLUMNS and got.index.tolist() == list("abcde")
    for label, row in new.iterrows():
        expected = expected_row(row["kind"], p["x"] * row["x"] + u, p)
        np.testing.assert_allclose(
            got.loc[label, list(expected)].to_numpy(dtype=float),
            [value @ weights for value in expected.values()], rtol=1e-6,
        )  # fmt: skip
        assert got.loc[label].drop(list(expected)).isna().all()
    everywhere = result.predict(which=which)
    np.testing.assert_allclose(everywhere.loc[data()["g"] == 7].iloc[:5], got, rtol=1e-8)
    ratings = data()["kind"] == "rating"
    alone = result.predict(data()[ratings], which=which)
    np.testing.assert_allclose(everywhere.loc[ratings, alone.columns], alone, rtol=1e-8)


@pytest.mark.parametrize("which", ["marginal", "posterior"])
def test_standard_errors(which):
    result, new = fitted(), data().iloc[[0, 1, 2, 3]]
    model, params = result.model, np.asarray(result.params)
    got = result.get_prediction(new, which=which)
    assert got.row_labels.tolist() == [
        (0, "mean"), (1, "mean"), (2, 1.0), (2, 2.0), (2, 4.0), (3, 2.0), (3, 3.0)
    ]  # fmt: skip
    table = result.predict(new, which=which)
    np.testing.assert_allclose(got.predicted, table.stack().dropna().to_numpy(), rtol=1e-12)
    rows, columns = rows_for(model, which, new), []
    for t, value in enumerate(params):
        step = np.zeros(len(params))
        step[t] = 1e-5 * max(abs(value), 0.1)
        ends = [predicted(model, params + s * step, rows, which) for s in (1, -1)]
        columns.append(((ends[0] - ends[1]) / (2 * step[t])).ravel())
    gradient = np.column_stack(columns)
    gradient = gradient[np.isfinite(gradient).all(axis=1)]
    expected = np.sqrt(np.einsum("np,pq,nq->n", gradient, result.cov_params(), gradient))
    np.testing.assert_allclose(got.se, expected, rtol=1e-4)
    # every family has intervals on the scale of its own link
    low, high = got.conf_int().T
    for link, at in ((links.Log(), [0]), (links.Identity(), [1]), (links.Logit(), range(2, 7))):
        at = list(at)
        np.testing.assert_allclose(
            link(low[at]) + link(high[at]), 2 * link(got.predicted[at]), atol=1e-8
        )


def test_averages_are_over_the_rows_that_have_a_column():
    result = fitted()
    average = result.get_prediction(average=True)
    assert average.row_labels.tolist() == COLUMNS
    np.testing.assert_allclose(average.predicted, result.predict().mean(), rtol=1e-12)
    assert (average.se > 0).all()
    weights = np.where(data()["kind"] == "rating", 2.0, 1.0)
    weighted = result.get_prediction(average=True, agg_weights=weights).predicted
    table = result.predict()
    known = table[2.0].notna()
    assert abs(weighted[2] - np.average(table.loc[known, 2.0], weights=weights[known])) < 1e-12


def test_missing_values():
    some = data().iloc[:8].copy()
    some.loc[1, "x"] = np.nan
    some.loc[2, "kind"] = None
    table = fitted().predict(some)
    assert table.columns.tolist() == COLUMNS
    assert table.isna().all(axis=1).tolist() == [False, True, True] + [False] * 5
    frame = fitted().get_prediction(some).summary_frame()
    assert np.isnan(frame.loc[(1, "mean"), "predicted"]) and 2 not in frame.index.get_level_values(
        0
    )
    with pytest.raises(SpecificationError, match="families are"):
        fitted().predict(some.assign(kind="other"))


def test_residuals_and_draws():
    result = fitted()
    rows, table = data(), result.predict(which="posterior")
    pearson = result.get_resid("pearson")
    assert pearson.columns.tolist() == COLUMNS
    assert (pearson.notna() == table.notna()).all(axis=None)
    for label in LABELS["rating"]:
        own = rows["kind"] == "rating"
        share = table.loc[own, label]
        expected = ((rows.loc[own, "y"] == label) - share) / np.sqrt(share * (1 - share))
        np.testing.assert_allclose(pearson.loc[own, label], expected, rtol=1e-12)
    own = rows["kind"] == "visits"
    mean = table.loc[own, "mean"]
    np.testing.assert_allclose(
        pearson.loc[own, "mean"], (rows.loc[own, "y"] - mean) / np.sqrt(mean), rtol=1e-12
    )
    with pytest.raises(SpecificationError, match="deviance"):
        result.get_resid("deviance")
    assert abs(result.resid_simulated(50, seed=1).mean() - 0.5) < 0.1
    draws = result.simulate(200, seed=2)
    marginal = result.predict()
    for kind, labels in LABELS.items():
        own = rows["kind"] == kind
        for label in labels:
            share = (draws.loc[own] == label).mean(axis=None)
            assert abs(share - marginal.loc[own, label].mean()) < 0.02
        assert draws.loc[own].isin(labels).all(axis=None)
    assert result.fittedvalues.shape == (len(rows), len(COLUMNS))
    assert result.bootstrap(2, method="parametric", seed=1).n_failed == 0


def test_draws_of_categories_that_are_words():
    words = {1.0: "low", 2.0: "mid", 4.0: "high"}
    rows = data()[data()["kind"].isin(["rating", "visits"])].reset_index(drop=True)
    is_rating = rows["kind"] == "rating"
    rows["y"] = rows["y"].astype(object).where(~is_rating, rows["y"].map(words))
    family = {"rating": smf.Ordinal(order=list(words.values())), "visits": "poisson"}
    result = smgf.glmm("y ~ 0 + x + (1 | g)", rows, family=family, family_by="kind").fit()
    assert result.predict().columns.tolist() == ["mean", "low", "mid", "high"]
    draw = result.simulate(seed=1)
    assert set(draw[is_rating]) == set(words.values())
    assert draw[~is_rating].astype(float).min() >= 0.0
    assert result.get_resid("response")["high"].notna().equals(is_rating)
