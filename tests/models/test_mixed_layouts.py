"""Mixed responses of which some are several rows of the likelihood: choices, hurdles, categories."""

import numpy as np
import pandas as pd
import pytest
from scipy.special import logsumexp, roots_hermitenorm

import sm_gllamm.api as smg
import sm_gllamm.formula.api as smgf
from sm_gllamm.exceptions import SpecificationError
from tests.models.mixed_layouts import (
    CHOICES,
    CLUSTERS,
    FAMILIES,
    NODES,
    SETS,
    F,
    alone,
    fitted,
    linked,
    log_density,
    options,
    responses,
    responses_of,
    softmax,
    stacked,
    together,
)

KINDS = [kind for kind in FAMILIES if kind != "count"]


def name_alone(name, kind):
    """Name in the model of one response of a parameter of the mixed model."""
    for long, short in ((f"one:kind[{kind}]", "Intercept"), (f"kind[{kind}]:x", "x"),
                        (f"kind[{kind}]", "Intercept")):  # fmt: skip
        name = name.replace(long, short)
    return name.removesuffix(f"[{kind}]").replace(f"[{kind}]|g", "|g")


@pytest.mark.parametrize("kind", KINDS)
def test_members_that_share_nothing_are_separate_models(kind):
    result, own = fitted(kind)
    count = alone("count").fit(n_points=NODES)
    assert result.converged
    assert result.llf == pytest.approx(count.llf + own.llf, abs=1e-7)
    for one, label in ((count, "count"), (own, kind)):
        found = {name_alone(name, label): name for name in result.params.index
                 if label in name or kind in CHOICES}  # fmt: skip
        if kind in CHOICES and label == "count":
            found["var(Intercept|g)"] = "var(one|g)"
        for name in one.params.index:
            params = [one.params[name], result.params[found[name]]]
            assert params[1] == pytest.approx(params[0], rel=1e-5, abs=1e-6), name
            assert result.bse[found[name]] == pytest.approx(one.bse[name], rel=1e-4), name
    assert len(result.params) == len(count.params) + len(own.params)


@pytest.mark.parametrize("kind", KINDS)
def test_gradient(kind):
    model = together("count", kind, covariance="|")
    at = pd.Series(fitted(kind)[0].params, model.param_names).fillna(0.0)
    at += 0.03 * np.cos(np.arange(len(at)))
    model.fit(start_params=at, maxiter=0, n_points=15, warn_convergence=False)
    score, h = model.score(at), 1e-5
    for k, step in enumerate(h * np.eye(len(at))):
        slope = (model.loglike(at + step) - model.loglike(at - step)) / (2 * h)
        assert score[k] == pytest.approx(slope, rel=2e-4, abs=2e-4), model.param_names[k]


def test_one_random_effect_in_all_layouts_is_the_integral():
    model, p = linked()
    data, node = model.data.frame, np.linspace(-7.0, 7.0, 701)
    u = np.sqrt(p["var(z|g)"]) * node
    few = smgf.glmm(model.random_formula, data[data["g"] < 8], **options(*model.family.members))
    total = 0.0
    for g in range(8):
        log = -0.5 * node**2 - logsumexp(-0.5 * node**2)
        log = log + sum(log_density(kind, rows, p, u) for kind, rows in responses_of(data, g))
        total += logsumexp(log)
    assert few.loglike_at(p, n_points=31) == pytest.approx(total, rel=1e-9)
    # whatever the order of the rows
    data = data.sample(frac=1, random_state=1)
    again = smgf.glmm(model.random_formula, data, **options(*model.family.members))
    assert again.loglike_at(p, n_points=15) == pytest.approx(model.loglike_at(p, n_points=15))


def test_categories_have_random_effects_that_covary_with_others():
    data = stacked("binary", "vote", "trip")
    data = data[data["g"] < 12]
    data = data.assign(z=(data["kind"] == "binary") + data["bus"], v=(data["kind"] == "vote") * 1.0)
    model = smgf.glmm(
        "y ~ 0 + kind + x + price + bus + (0 + z + v | g)", data, **options("binary", "vote", "trip")
    )  # fmt: skip
    assert model.param_names == [
        "kind[binary]", "x", "price", "bus", "kind[vote]:2[vote]", "x:2[vote]",
        "kind[vote]:3[vote]", "x:3[vote]", "var(z|g)", "cov(z,v:2[vote]|g)", "cov(z,v:3[vote]|g)",
        "var(v:2[vote]|g)", "cov(v:2[vote],v:3[vote]|g)", "var(v:3[vote]|g)",
    ]  # fmt: skip
    psi = np.array([[0.8, 0.3, -0.2], [0.3, 0.6, 0.1], [-0.2, 0.1, 0.5]])
    p = np.concatenate([[0.2, 0.4, 0.7, -0.3, 0.1, 0.3, -0.4, 0.2], psi[np.triu_indices(3)]])
    node, weight = roots_hermitenorm(31)
    grid = np.stack([axis.ravel() for axis in np.meshgrid(node, node, node)])
    log_weight = np.log(weight / weight.sum())
    prior = np.sum([axis.ravel() for axis in np.meshgrid(*[log_weight] * 3)], axis=0)
    u, total = np.linalg.cholesky(psi) @ grid, 0.0
    for g in range(12):
        log = prior.copy()
        for kind, rows in responses_of(data, g):
            x, y = rows["x"].to_numpy()[:, None], rows["y"].to_numpy()
            if kind == "binary":
                log += -np.log1p(np.exp((1 - 2 * y)[:, None] * (p[0] + p[1] * x + u[0]))).sum(0)
            elif kind == "vote":
                nu = np.stack([0 * u[0], (p[4] + p[5] * x + u[1])[0], (p[6] + p[7] * x + u[2])[0]])
                log += np.log(softmax(nu)[int(y[0]) - 1])
            else:
                bus = rows["bus"].to_numpy()[:, None]
                nu = p[2] * rows["price"].to_numpy()[:, None] + bus * (p[3] + u[0])
                log += np.log(softmax(nu)[y == 1][0])
        total += logsumexp(log)
    assert model.loglike_at(p, n_points=15) == pytest.approx(total, rel=1e-6)


def test_loadings_of_choices_and_counts():
    model, p = linked()
    data = model.data.frame
    latent = smg.Latent("f", "g", loadings="0 + one + bus")
    more = options(*model.family.members)
    general = smg.GLLAMM.from_formula(
        "y ~ 0 + kind + x + price + bus", data, latent=[latent], **more
    )
    assert set(general.param_names) - set(p.index) == {"loading(f: bus)", "var(f|g)"}
    at = pd.Series({**p, "loading(f: bus)": 1.0, "var(f|g)": p["var(z|g)"]})[general.param_names]
    expected = model.loglike_at(p, n_points=15)
    assert general.loglike_at(at, n_points=15) == pytest.approx(expected, rel=1e-10)
    score = general.score(at)
    step = 1e-5 * (np.array(general.param_names) == "loading(f: bus)")
    slope = (general.loglike(at + step) - general.loglike(at - step)) / 2e-5
    assert score[step > 0][0] == pytest.approx(slope, rel=1e-3)
    with pytest.raises(SpecificationError, match="loadings of the categories of an unordered"):
        smg.GLLAMM.from_formula("y ~ 0 + kind", stacked("count", "vote"), **options("count", "vote"),
                                latent=[smg.Latent("f", "g", loadings="0 + kind")])  # fmt: skip


def test_a_latent_variable_is_estimated():
    data = stacked("count", "trip", "stage")
    data["stop"] = (data["kind"] == "stage") * 1.0
    result = smg.GLLAMM.from_formula(
        "y ~ 0 + kind + x + price + bus", data, **options("count", "trip", "stage"),
        latent=[smg.Latent("f", "g", loadings="0 + one + stop + bus")],
    ).fit()  # fmt: skip
    assert result.converged
    # simulated with loadings of 1.5, and of 1 on counts and stages
    assert abs(result.params["loading(f: bus)"] - 1.5) < 2.5 * result.bse["loading(f: bus)"]
    assert abs(result.params["loading(f: stop)"]) < 2.5 * result.bse["loading(f: stop)"]
    assert result.random_effects.shape == (CLUSTERS, 1)
    probabilities = result.predict(data[data["kind"] == "stage"], which="posterior")
    np.testing.assert_allclose(probabilities.sum(axis=1), 1.0)


def test_arrays():
    result = fitted("trip")[0]
    data = result.model.data.frame
    exog = np.column_stack([data["kind"] == "count", data[["x", "price", "bus"]]]).astype(float)
    model = smg.GLMM(
        data["y"], exog, groups=data["g"], exog_re=data[["one", "bus"]], covariance="diagonal",
        family={kind: FAMILIES[kind] for kind in ("count", "trip")}, family_by=data["kind"],
        sets=data["set"],
    )  # fmt: skip
    at = np.asarray(result.params)
    assert model.loglike_at(at, n_points=NODES) == pytest.approx(result.llf, rel=1e-9)
    named = data.assign(a=data["set"] // 10, b=data["set"] % 10)
    several = smgf.glmm(
        result.model.random_formula, named, **{**options("count", "trip"), "sets": ["a", "b"]}
    )
    assert several.loglike_at(at, n_points=NODES) == pytest.approx(result.llf, rel=1e-9)
    # a choice is one observation
    assert result.nobs == len(responses()["count"]) + len(responses()["trip"]) // 3


def test_sets_of_two_families_may_have_the_same_labels():
    data = stacked("trip", "rank")
    options_of = options("trip", "rank")
    formula = "y ~ 0 + price + bus + (0 + bus | g)"
    model = smgf.glmm(formula, data, **options_of)
    params = pd.Series([0.8, 0.4, 0.5], model.param_names)
    other = data.assign(set=data["set"] + 1000 * (data["kind"] == "rank"))
    assert smgf.glmm(formula, other, **options_of).loglike(params) == pytest.approx(
        model.loglike(params), rel=1e-12
    )


def test_categories_as_strings():
    data = stacked("count", "vote", "grade")
    words = {1.0: "bus", 2.0: "car", 3.0: "walk"}
    is_vote = data["kind"] == "vote"
    named = data.assign(y=data["y"].astype(object).where(~is_vote, data["y"].map(words)))
    formula = "y ~ 0 + kind + kind:x + (0 + one | g)"
    model = smgf.glmm(formula, data, **options("count", "vote", "grade"))
    worded = smgf.glmm(formula, named, **options("count", "vote", "grade"))
    assert "kind[vote]:x:walk[vote]" in worded.param_names
    at = model.start_params
    assert worded.loglike(at) == pytest.approx(model.loglike(at), rel=1e-12)


def test_missing_values_matter_where_they_are_used():
    data = stacked("count", "trip")
    formula = "y ~ 0 + kind + x + price + bus + (0 + one || g) + (0 + bus || g)"
    assert data["set"].isna().any()
    model = smgf.glmm(formula, data, missing="raise", **options("count", "trip"))
    assert len(model.endog) == len(data)
    last = data.index[data["kind"] == "trip"][0]
    lacking = data.assign(set=data["set"].where(data.index != last))
    with pytest.raises(SpecificationError, match=f"row {last} has missing values in sets="):
        smgf.glmm(formula, lacking, missing="raise", **options("count", "trip"))


CASES = {
    "a set without a choice": ("trip", {"y": 0.0}, "No alternative of choice set"),
    "a set with two choices": ("trip", {"y": 1.0}, "3 alternatives of choice set"),
    "a ranking with a gap": ("rank", {"y": [1.0, 3.0, 4.0]}, "rank"),
    "no best": ("extreme", {"y": [0.0, 0.0, -1.0]}, "best"),
    "values in a composite": ("total", {"y": [1.0, 2.0]}, "another value than in the first row"),
    "another cluster": ("trip", {"g": [3, 3, 4]}, "a set lies within one cluster"),
}


@pytest.mark.parametrize("case", CASES)
def test_bad_sets(case):
    kind, changes, message = CASES[case]
    data = stacked("count", kind)
    at = data.index[(data["kind"] == kind) & (data["set"] == 7)]
    for column, values in changes.items():
        data.loc[at, column] = values
    model = together("count", kind)
    with pytest.raises(SpecificationError, match=message):
        smgf.glmm(model.random_formula, data, **options("count", kind))


@pytest.mark.parametrize(
    ("kinds", "formula", "changes", "message"),
    [
        (("count", "trip"), "y ~ 0 + kind + price + (1 | g)", {},
         "random effect 'Intercept' of level 'g' is the same .* of family 'trip'.*families"),
        (("count", "trip"), "y ~ 0 + kind + kind:g + (0 + one | g)", {},
         r"covariate 'kind\[trip\]:g' .* of family 'trip'"),
        (("count", "trip"), "y ~ 0 + kind + price + bus + I(bus + one) + (0 + one | g)", {},
         "differences between alternatives"),
        (("count", "grade"), "y ~ 0 + kind:x + C(g % 2):kind + (1 | g)", {}, "thresholds of an ordinal"),
        (("count", "trip"), "y ~ 0 + kind + price + (0 + one | g)", {"sets": None}, "Choice needs sets"),
        (("count", "vote"), "y ~ kind + (1 | g)", {"sets": "g"}, "none of the families"),
        (("count", "vote"), "y ~ kind + (1 | g)", {"zero": {"vote": "~ x"}},
         "zero= of family 'vote' does not go with Multinomial"),
        (("count", "vote"), "y ~ kind + (1 | g)",
         {"family": {"count": "poisson", "vote": {"a": "poisson"}}}, "dict of families itself"),
    ],
)  # fmt: skip
def test_what_is_refused(kinds, formula, changes, message):
    with pytest.raises(SpecificationError, match=message):
        smgf.glmm(formula, stacked(*kinds), **{**options(*kinds), **changes})


def test_tests_of_terms_are_those_of_the_separate_models():
    result, own = fitted("vote")
    terms, wanted = result.wald_test_terms().table, own.wald_test_terms().table
    count = alone("count").fit(n_points=NODES).wald_test_terms().table
    both = wanted.loc["x", "statistic"] + count.loc["x", "statistic"]
    assert terms.loc["kind:x", "statistic"] == pytest.approx(both, rel=1e-4)
    assert terms.loc["kind:x", "df_constraint"] == 3
    with pytest.raises(SpecificationError, match="one coefficient a column"):
        result.t_test_pairwise("kind")


def test_nested_models_are_compared():
    tests = []
    for result in fitted("trip"):
        formula = result.model.random_formula.replace("price + ", "")
        of_both = "family_by" in result.model.extras.names
        data = stacked("count", "trip") if of_both else responses()["trip"]
        more = options("count", "trip") if of_both else {"family": F.Choice(), "sets": "set"}
        tests.append(result.compare_lr_test(smgf.glmm(formula, data, **more).fit(n_points=NODES)))
    assert tests[0].df_diff == tests[1].df_diff == 1
    assert tests[0].statistic == pytest.approx(tests[1].statistic, rel=1e-6)


def test_hurdles_and_empty_categories_are_checked_by_family():
    data = stacked("count", "visits")
    none = data.assign(y=data["y"].where(data["kind"] != "visits", data["y"] + 1))
    formula = "y ~ 0 + kind + kind:x + (1 | g)"
    with pytest.raises(SpecificationError, match="'y .visits.' has no zeros"):
        smgf.glmm(formula, none, **options("count", "visits"))
    data = stacked("count", "vote")
    fixed = {**options("count", "vote"),
             "family": {"count": "poisson", "vote": F.Multinomial(order=[1.0, 2.0, 3.0, 4.0])}}  # fmt: skip
    with pytest.raises(SpecificationError, match="4.0"):
        smgf.glmm(formula, data, **fixed)


def test_every_kind_with_sets_is_listed():
    layouts = {kind: getattr(FAMILIES[kind], "layout", "plain") for kind in FAMILIES}
    assert {k for k, layout in layouts.items() if layout in ("choice", "ranking", "best_worst",
                                                             "composite")} == set(SETS)  # fmt: skip
