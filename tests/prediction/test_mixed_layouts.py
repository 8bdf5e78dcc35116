"""Predictions of mixed responses with choices, hurdles, categories: those of each response, and integrals."""

from functools import cache

import numpy as np
import pandas as pd
import pytest
from scipy.special import logsumexp

import sm_gllamm.formula.api as smgf
from sm_gllamm.exceptions import SpecificationError
from tests.models.mixed_layouts import (
    CHOICES,
    FAMILIES,
    NODES,
    expected,
    fitted,
    linked,
    log_density,
    options,
    responses,
    responses_of,
    stacked,
)

KINDS = [kind for kind in FAMILIES if kind != "count"]
WHICH = ["linear", "conditional", "marginal", "posterior"]
CATEGORICAL = ("vote", "grade", "stage")


def own_rows(result, kind):
    """Rows of one response in the data of the model."""
    return result.model.data.frame[lambda data: data["kind"] == kind]


def new_data(kind):
    """Whole sets of two clusters, as the model of one response has them."""
    return responses()[kind][lambda data: data["g"].isin([3, 8])]


@pytest.mark.parametrize("which", WHICH)
@pytest.mark.parametrize("kind", KINDS)
def test_predictions_are_those_of_the_separate_models(kind, which):
    result, own = fitted(kind)
    rows = own_rows(result, kind)
    got = result.predict(rows[rows["g"].isin([3, 8])], which=which)
    wanted = own.predict(new_data(kind), which=which)
    np.testing.assert_allclose(got, wanted, rtol=1e-5, atol=1e-6)
    if wanted.ndim == 2:
        assert got.columns.tolist() == wanted.columns.tolist()
    everywhere = result.predict(which=which)
    if isinstance(everywhere, pd.DataFrame):
        single = "linear" if which == "linear" else "mean"
        assert everywhere.columns[0] == single
        is_own = result.model.data.frame["kind"] == kind
        assert everywhere.loc[is_own, single].isna().all()
        assert everywhere.loc[~is_own, single].notna().all()
        everywhere = everywhere.drop(columns=single)
    of_own = np.asarray(everywhere)[(result.model.data.frame["kind"] == kind).to_numpy()]
    np.testing.assert_allclose(of_own, own.predict(which=which), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("which", WHICH)
@pytest.mark.parametrize("kind", ["vote", "stage", "visits", "trip", "level"])
def test_standard_errors_are_those_of_the_separate_models(kind, which):
    result, own = fitted(kind)
    rows = own_rows(result, kind)
    got = result.get_prediction(rows[rows["g"].isin([3, 8])], which=which)
    wanted = own.get_prediction(new_data(kind), which=which)
    np.testing.assert_allclose(got.se, wanted.se, rtol=2e-3)
    np.testing.assert_allclose(got.conf_int(), wanted.conf_int(), rtol=2e-3)
    # a line for each number that a row has
    mixed = result.model.data.frame.groupby("kind").head(3)
    mixed = mixed if kind != "trip" else result.model.data.frame[lambda d: d["g"] == 3]
    table = result.get_prediction(mixed, which=which)
    values = result.predict(mixed, which=which)
    if isinstance(values, pd.DataFrame):
        values = values.stack().dropna()
    np.testing.assert_allclose(table.predicted, values)


@pytest.mark.parametrize("which", WHICH[1:])
def test_one_random_effect_in_all_layouts(which):
    model, p = linked()
    result = at_params()
    data, node = model.data.frame, np.linspace(-7.0, 7.0, 701)
    u, log = np.sqrt(p["var(z|g)"]) * node, -0.5 * node**2
    if which == "conditional":
        u, log = np.zeros(1), np.zeros(1)
    elif which == "posterior":
        log = log + sum(log_density(kind, rows, p, u) for kind, rows in responses_of(data, 5))
    weight = np.exp(log - logsumexp(log))
    everywhere = result.predict(which=which)
    assert everywhere.columns.tolist() == ["mean", 1.0, 2.0, 3.0]
    new = result.predict(data[data["g"] == 5], which=which)
    np.testing.assert_allclose(everywhere[data["g"] == 5], new, rtol=1e-7)
    for kind, rows in responses_of(data, 5):
        columns = [1.0, 2.0, 3.0] if kind in CATEGORICAL else "mean"
        wanted = expected(kind, rows, p, u) @ weight
        np.testing.assert_allclose(new.loc[rows.index, columns], wanted, rtol=2e-6, err_msg=kind)


@cache
def at_params():
    model, p = linked()
    return model.fit(start_params=p, maxiter=0, n_points=31, warn_convergence=False)


def test_new_rows_of_one_response_need_what_it_uses():
    result = fitted("trip")[0]
    counts = own_rows(result, "count").head(4).drop(columns=["set", "bus"]).assign(bus=0.0)
    got = result.predict(counts)
    np.testing.assert_allclose(
        got, result.predict()[result.model.data.frame["kind"] == "count"][:4]
    )
    trips = own_rows(result, "trip").head(6)
    with pytest.raises(SpecificationError, match="sets: the data have no column 'set'"):
        result.predict(trips.drop(columns="set"))
    missing = own_rows(result, "trip")[lambda data: data["g"] == 3].copy()
    missing.iloc[0, missing.columns.get_loc("price")] = np.nan
    lacking = result.predict(missing).isna()
    assert (lacking == (missing["set"] == missing["set"].iloc[0])).all()


def test_columns_that_a_family_did_not_have():
    result = fitted("vote")[0]
    new = own_rows(result, "vote").head(2).assign(one=1.0)
    assert result.predict(new).shape == (2, 3)
    data = stacked("count", "vote")
    data["only"] = data["x"] * (data["kind"] == "vote")
    model = smgf.glmm("y ~ 0 + kind + only + (0 + one || g)", data, **options("count", "vote"))
    assert "only:2[vote]" in model.param_names and "only" not in model.param_names
    fit = model.fit(n_points=NODES)
    assert np.isfinite(fit.predict(data.head(2))).all()
    with pytest.raises(SpecificationError, match="'only' is 1 in row 0 of the new data.*'count'"):
        fit.predict(data.head(2).assign(only=1.0))


@pytest.mark.parametrize("kind", ["vote", "stage", "visits", "trip", "rank", "extreme", "total"])
def test_draws(kind):
    result, own = fitted(kind)
    rows = own_rows(result, kind)
    draws = result.simulate(60, seed=1).loc[rows.index].to_numpy(dtype=float)
    wanted = np.asarray(own.simulate(60, seed=2), dtype=float)
    values = np.unique(wanted)
    for value in values[:4]:
        assert abs((draws == value).mean() - (wanted == value).mean()) < 0.03
    if kind == "trip":
        totals = pd.DataFrame(draws).groupby(rows["set"].to_numpy()).sum()
        assert (totals == 1).all(axis=None)
    if kind == "rank":
        assert np.isin(draws, [0, 1, 2]).all()
    assert result.bootstrap(1, method="parametric", seed=2).n_failed == 0


@pytest.mark.parametrize("kind", ["vote", "grade", "stage", "visits", "trip", "total"])
def test_residuals(kind):
    result, own = fitted(kind)
    rows = own_rows(result, kind)
    for residual in ("response", "pearson"):
        got = result.get_resid(residual).loc[rows.index].dropna(axis="columns") if kind in CATEGORICAL \
            else result.get_resid(residual).loc[rows.index]  # fmt: skip
        np.testing.assert_allclose(got, own.get_resid(residual), rtol=1e-4, atol=1e-5)
    if kind in ("vote", "trip"):
        with pytest.raises(SpecificationError, match="have no order"):
            result.resid_simulated(5, seed=1)
    else:
        assert abs(result.resid_simulated(40, seed=1).mean() - 0.5) < 0.1


@pytest.mark.parametrize("kind", ["rank", "extreme"])
def test_rankings_have_no_residuals(kind):
    with pytest.raises(SpecificationError, match="responses have no residuals"):
        fitted(kind)[0].get_resid()


@pytest.mark.parametrize("kind", ["vote", *CHOICES, "visits", "level"])
def test_other_clusters(kind):
    result = fitted(kind)[0]
    data = result.model.data.frame
    applied = result.apply(data[data["g"] < 5].assign(g=lambda d: d["g"] + 100))
    effects = applied.random_effects.to_numpy()
    np.testing.assert_allclose(effects, result.random_effects.iloc[:5], rtol=1e-4, atol=1e-5)
    total = result.loglike_by_cluster.iloc[:5].sum()
    assert applied.llf == pytest.approx(total, rel=1e-6)


def test_linear_predictors_of_categories():
    result = fitted("vote")[0]
    data = result.model.data.frame.groupby("kind").head(2)
    p, got = result.params, result.predict(data, which="linear")
    assert got.columns.tolist() == ["linear", 2, 3]
    for row, values in got.iterrows():
        x, kind = data.loc[row, "x"], data.loc[row, "kind"]
        if kind == "count":
            wanted = [p["kind[count]"] + p["kind[count]:x"] * x, np.nan, np.nan]
        else:
            names = [(f"kind[vote]:{c}[vote]", f"kind[vote]:x:{c}[vote]") for c in (2, 3)]
            wanted = [np.nan, *(p[a] + p[b] * x for a, b in names)]
        np.testing.assert_allclose(values.to_numpy(), wanted)
    counts = result.predict(data[data["kind"] == "count"], which="linear")
    np.testing.assert_allclose(counts, got["linear"].dropna())
