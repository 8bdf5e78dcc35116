"""What must not change a result of ordinal, nominal, count, positive, censored and mixed responses."""

from functools import cache

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm

import sm_gllamm.api as smg
import sm_gllamm.formula.api as smgf
from sm_gllamm import datasets
from sm_gllamm.exceptions import SpecificationError
from sm_gllamm.preparation.expansions import sequential_rows
from tests.models.response_cases import aggression, crackers

families = smg.families
LINKS = {
    "logit": sm.families.links.Logit,
    "probit": sm.families.links.Probit,
    "cloglog": sm.families.links.CLogLog,
    "loglog": sm.families.links.LogLog,
    "cauchit": sm.families.links.Cauchy,
}
BINOMIAL, POISSON = sm.families.Binomial(), sm.families.Poisson()

# Sums run in another order, nothing else differs.
SAME = 1e-9
# Threads must not even change the order of the sums.
IDENTICAL = 1e-12
NODES = 9
# The posteriors of households that buy by price have several modes.
MORE_NODES = {"choice": 25}


def nodes_for(link):
    """Return options of fit; the heavy tails of the Cauchy law need many nodes."""
    return {} if link == "cauchit" else {"n_points": NODES}


@cache
def _read(name):
    """Return a data set with what the cases need beside its columns."""
    if name == "crackers":
        data = crackers()
        return data[data["id"] <= 30].reset_index(drop=True)
    if name == "aggression":
        data = aggression()
        data = data[data["id"] <= 40].reset_index(drop=True)
        return data.assign(resp=data["resp"].astype(str))
    data = getattr(datasets, name).load_pandas().data
    if name == "wine":
        data["temperature"] = (data["temp"] == "warm").astype(float)
        data["touch"] = (data["contact"] == "yes").astype(float)
        data["share"] = (data["response"] + 0.5) / 101
    if name == "kidney":
        data["female"] = (data["sex"] == "female").astype(float)
    if name == "epil":
        data["trt"] = (data["trt"] == "progabide").astype(float)
        data["lbase"] = np.log(data["base"] / 4)
        data["visit"] = data["period"] / 4
    return data


def load(name):
    """Return a data set that the caller may change."""
    return _read(name).copy()


# name: data, formula, family, options
CASES = {
    "ordinal": ("wine", "rating ~ temp + contact + (1 | judge)", families.Ordinal(), {}),
    "ordinal_thresholds": (
        "wine",
        "rating ~ temp + (1 | judge)",
        families.Ordinal("probit"),
        {"thresholds": "~ contact", "scale": "~ temp"},
    ),
    "continuation": ("wine", "rating ~ temp + (1 | judge)", families.ContinuationRatio(), {}),
    "adjacent": ("wine", "rating ~ temp + (1 | judge)", families.AdjacentCategory(), {}),
    "nominal": ("aggression", "resp ~ do_want + (1 | id)", families.Multinomial(), {}),
    "negative_binomial": ("epil", "y ~ trt + (1 | subject)", families.NegativeBinomial(), {}),
    "zero_inflated": (
        "epil",
        "y ~ trt + (1 | subject)",
        families.ZeroInflated(),
        {"zero": "~ lbase"},
    ),
    "hurdle": ("epil", "y ~ trt + (1 | subject)", families.Hurdle("nb2"), {"zero": "~ trt"}),
    "beta": ("wine", "share ~ temp + (1 | judge)", families.Beta(), {}),
    "gamma": (
        "sleepstudy",
        "Reaction ~ Days + (1 | Subject)",
        sm.families.Gamma(sm.families.links.Log()),
        {"dispersion": "~ Days"},
    ),
    "choice": (
        "crackers",
        "choice ~ 0 + Sunshine + Keebler + Nabisco + price + (0 + price | id)",
        families.Choice(),
        {"sets": ["id", "occasion"]},
    ),
    "duration": ("kidney", "time + status ~ age + sex + (1 | id)", families.Weibull(), {}),
    "tobit": (
        "sleepstudy",
        "Reaction ~ Days + (1 | Subject)",
        families.CensoredGaussian(lower=220, upper=400),
        {},
    ),
}
GROUP = {
    "aggression": "id",
    "wine": "judge",
    "epil": "subject",
    "sleepstudy": "Subject",
    "crackers": "id",
    "kidney": "id",
}


def fit(name, data=None, **options):
    """Fit a case with a fixed number of nodes."""
    source, formula, family, settings = CASES[name]
    data = load(source) if data is None else data
    model = smgf.glmm(formula, data, family=family, **settings)
    return model.fit(n_points=MORE_NODES.get(name, NODES), **options)


@cache
def direct(name):
    """Return the fit of a case to its own data."""
    return fit(name)


def assert_same(first, second, rtol=SAME):
    np.testing.assert_allclose(first.llf, second.llf, rtol=rtol)
    assert list(first.params.index) == list(second.params.index)
    np.testing.assert_allclose(first.params, second.params, rtol=1e-6, atol=1e-7)
    np.testing.assert_allclose(first.bse, second.bse, rtol=1e-5)


# ---------------------------------------------------------------------------- every response
@pytest.mark.parametrize("name", CASES)
def test_row_order(name):
    data = load(CASES[name][0])
    assert_same(direct(name), fit(name, data.sample(frac=1, random_state=3)))


@pytest.mark.parametrize("name", CASES)
def test_cluster_labels(name):
    data = load(CASES[name][0])
    group = GROUP[CASES[name][0]]
    data[group] = [f"g{(37 * code) % 1009}" for code in pd.factorize(data[group])[0]]
    assert_same(direct(name), fit(name, data))


@pytest.mark.parametrize("name", CASES)
def test_number_of_threads(name):
    one, two = (fit(name, n_threads=threads) for threads in (1, 2))
    np.testing.assert_allclose(two.llf, one.llf, rtol=IDENTICAL)
    np.testing.assert_allclose(two.params, one.params, rtol=IDENTICAL, atol=IDENTICAL)
    np.testing.assert_allclose(two.bse, one.bse, rtol=1e-10)


@pytest.mark.parametrize("name", CASES)
def test_starting_values(name):
    start = direct(name).params.copy()
    start[[label.startswith("var") for label in start.index]] *= 1.5
    start.iloc[0] += 0.1
    assert_same(direct(name), fit(name, start_params=start))


@pytest.mark.parametrize("name", CASES)
def test_offset_is_a_covariate_with_coefficient_one(name):
    source, formula, family, settings = CASES[name]
    data = load(source)
    data["known"] = np.sin(np.arange(len(data)))
    offset = smgf.glmm(formula, data, family=family, offset="known", **settings)
    covariate = smgf.glmm(formula.replace("(", "known + (", 1), data, family=family, **settings)
    params = [
        1.0 if label.startswith("known") else direct(name).params[label]
        for label in covariate.mapping.param_names
    ]
    np.testing.assert_allclose(
        offset.loglike_at(direct(name).params, n_points=NODES),
        covariate.loglike_at(params, n_points=NODES),
        rtol=1e-12,
    )


WEIGHTED = ["ordinal", "negative_binomial", "zero_inflated", "hurdle", "choice", "duration", "beta"]


@pytest.mark.parametrize("name", WEIGHTED)
def test_frequency_weights_equal_duplicated_responses(name):
    source, formula, family, settings = CASES[name]
    data = load(source)
    unit = data.index if name != "choice" else pd.factorize(data["id"] * 1000 + data["occasion"])[0]
    data["times"] = 1 + np.asarray(unit) % 3
    copies = [data[data["times"] > copy] for copy in range(3)]
    if name == "choice":
        copies = [
            part.assign(occasion=part["occasion"] + 100 * copy) for copy, part in enumerate(copies)
        ]
    repeated = pd.concat(copies, ignore_index=True)
    weighted = smgf.glmm(formula, data, family=family, freq_weights="times", **settings)
    duplicated = smgf.glmm(formula, repeated, family=family, **settings)
    options = {"n_points": MORE_NODES.get(name, 15)}
    assert_same(weighted.fit(**options), duplicated.fit(**options))


# ---------------------------------------------------------------------------- ordered categories
@pytest.mark.parametrize(
    ("link", "mirrored"),
    [("logit", "logit"), ("probit", "probit"), ("cauchit", "cauchit"), ("cloglog", "loglog")],
)
def test_reversed_categories(link, mirrored):
    data, formula = load("wine"), CASES["ordinal"][1]
    up = smgf.glmm(formula, data, family=families.Ordinal(link)).fit(**nodes_for(link))
    order = [5, 4, 3, 2, 1]
    down = smgf.glmm(formula, data, family=families.Ordinal(mirrored, order=order))
    down = down.fit(**nodes_for(link))
    np.testing.assert_allclose(down.llf, up.llf, rtol=SAME)
    np.testing.assert_allclose(down.params[:2], -up.params[:2], rtol=1e-6)
    np.testing.assert_allclose(down.params.iloc[2], up.params.iloc[2], rtol=1e-6)
    np.testing.assert_allclose(down.params[3:], -up.params[:2:-1], rtol=1e-6)
    np.testing.assert_allclose(down.bse[3:], up.bse[:2:-1], rtol=1e-5)


@pytest.mark.parametrize("order", [None, ("a", "b", "c", "d", "e")])
def test_labels_of_categories(order):
    data = load("wine")
    data["rating"] = np.array(list("abcde"))[data["rating"] - 1]
    if order is None:
        data["rating"] = pd.Categorical(data["rating"], ordered=True)
    model = smgf.glmm(CASES["ordinal"][1], data, family=families.Ordinal(order=order))
    result = model.fit(n_points=NODES)
    np.testing.assert_allclose(result.llf, direct("ordinal").llf, rtol=SAME)
    np.testing.assert_allclose(result.params.to_numpy(), direct("ordinal").params, rtol=1e-6)


@pytest.mark.parametrize(
    ("family", "link"),
    [
        (families.Ordinal("logit"), "logit"),
        (families.Ordinal("probit"), "probit"),
        (families.Ordinal("cauchit"), "cauchit"),
        # The upper category has the probability 1 - F(threshold - nu): the mirrored link.
        (families.Ordinal("cloglog"), "loglog"),
        (families.Ordinal("loglog"), "cloglog"),
        (families.ContinuationRatio("logit"), "logit"),
        (families.AdjacentCategory(), "logit"),
    ],
)
def test_two_categories_are_binary(family, link):
    data = load("wine").assign(bitter=lambda frame: (frame["rating"] > 3).astype(int))
    formula = "bitter ~ temp + contact + (1 | judge)"
    ordered = smgf.glmm(formula, data, family=family).fit(**nodes_for(link))
    binary = smgf.glmm(formula, data, family=sm.families.Binomial(LINKS[link]()))
    binary = binary.fit(**nodes_for(link))
    np.testing.assert_allclose(ordered.llf, binary.llf, rtol=SAME)
    same = ["temp[T.warm]", "contact[T.yes]", "var(Intercept|judge)"]
    np.testing.assert_allclose(ordered.params[same], binary.params[same], rtol=1e-6)
    np.testing.assert_allclose(ordered.bse[same], binary.bse[same], rtol=1e-5)
    np.testing.assert_allclose(
        ordered.params["threshold(0|1)"], -binary.params["Intercept"], rtol=1e-6
    )
    np.testing.assert_allclose(ordered.bse["threshold(0|1)"], binary.bse["Intercept"], rtol=1e-5)


@pytest.mark.parametrize("link", ["logit", "probit", "cloglog"])
def test_continuation_ratio_is_binary_in_its_stages(link):
    data = load("wine")
    ratio = smgf.glmm(CASES["continuation"][1], data, family=families.ContinuationRatio(link))
    ratio = ratio.fit(n_points=NODES)
    stages = sequential_rows(data["rating"].to_numpy() - 1, 5)
    rows = data.iloc[stages.source].reset_index(drop=True)
    rows = rows.assign(stop=stages.y, stage=stages.stage, cold=(rows["temp"] == "cold") * 1.0)
    binary = smgf.glmm(
        "stop ~ 0 + C(stage) + temp + (1 | judge)", rows, family=sm.families.Binomial(LINKS[link]())
    ).fit(n_points=NODES)
    np.testing.assert_allclose(ratio.llf, binary.llf, rtol=SAME)
    thresholds = [label for label in ratio.params.index if label.startswith("threshold")]
    stage = [f"C(stage)[{code}]" for code in range(4)]
    np.testing.assert_allclose(ratio.params[thresholds], binary.params[stage], rtol=1e-6)
    np.testing.assert_allclose(
        ratio.params["temp[T.warm]"], -binary.params["temp[T.warm]"], rtol=1e-6
    )
    np.testing.assert_allclose(
        ratio.params["var(Intercept|judge)"], binary.params["var(Intercept|judge)"], rtol=1e-6
    )


def test_structures_of_thresholds_that_do_not_restrict():
    data = load("wine").assign(level=lambda frame: np.clip(frame["rating"], 2, 4))
    free, equidistant, symmetric = (
        smgf.glmm(
            "level ~ temp + (1 | judge)", data, family=families.Ordinal(thresholds=structure)
        ).fit(n_points=NODES)
        for structure in ("free", "equidistant", "symmetric")
    )
    np.testing.assert_allclose([equidistant.llf, symmetric.llf], free.llf, rtol=SAME)
    first, second = free.params["threshold(2|3)"], free.params["threshold(3|4)"]
    np.testing.assert_allclose(equidistant.params["threshold spacing"], second - first, rtol=1e-6)


def test_thresholds_with_a_covariate_of_equal_effects():
    # The same shift of all thresholds is a coefficient with the other sign.
    data = load("wine")
    plain = smgf.glmm("rating ~ temperature + touch + (1 | judge)", data, family=families.Ordinal())
    nested = smgf.glmm(
        "rating ~ temperature + (1 | judge)", data, family=families.Ordinal(), thresholds="~ touch"
    )
    estimates = plain.fit(n_points=NODES).params
    params = [
        -estimates["touch"] if label.endswith(":touch") else estimates[label]
        for label in nested.mapping.param_names
    ]
    np.testing.assert_allclose(
        nested.loglike_at(params, n_points=NODES),
        plain.loglike_at(estimates, n_points=NODES),
        rtol=1e-12,
    )
    assert nested.fit(n_points=NODES).llf > plain.fit(n_points=NODES).llf


# ---------------------------------------------------------------------------- unordered categories
def test_reference_category():
    data, formula = load("aggression"), CASES["nominal"][1]
    no, yes = (
        smgf.glmm(formula, data, family=families.Multinomial(base)).fit(n_points=15)
        for base in ("no", "yes")
    )
    # The nodes of correlated random effects lie elsewhere.
    np.testing.assert_allclose(no.llf, yes.llf, rtol=1e-6)
    no, yes = no.params, yes.params
    for term in ("Intercept", "do_want"):
        np.testing.assert_allclose(yes[f"{term}:no"], -no[f"{term}:yes"], rtol=1e-3)
        difference = no[f"{term}:perhaps"] - no[f"{term}:yes"]
        np.testing.assert_allclose(yes[f"{term}:perhaps"], difference, rtol=1e-3)
    # Random effects of the contrasts with another category are differences.
    covariance = np.diag([no["var(Intercept:perhaps|id)"], no["var(Intercept:yes|id)"]])
    covariance[0, 1] = covariance[1, 0] = no["cov(Intercept:perhaps,Intercept:yes|id)"]
    change = np.array([[0.0, -1.0], [1.0, -1.0]])
    expected = (change @ covariance @ change.T)[[0, 1, 1], [0, 0, 1]]
    ours = [
        yes["var(Intercept:no|id)"],
        yes["cov(Intercept:no,Intercept:perhaps|id)"],
        yes["var(Intercept:perhaps|id)"],
    ]
    np.testing.assert_allclose(ours, expected, rtol=2e-3)


def test_two_unordered_categories_are_binary():
    data = load("wine").assign(bitter=lambda frame: (frame["rating"] > 3).astype(int))
    formula = "bitter ~ temp + (1 | judge)"
    nominal = smgf.glmm(formula, data, family=families.Multinomial()).fit(n_points=NODES)
    binary = smgf.glmm(formula, data, family=BINOMIAL).fit(n_points=NODES)
    np.testing.assert_allclose(nominal.llf, binary.llf, rtol=SAME)
    np.testing.assert_allclose(nominal.params.to_numpy(), binary.params, rtol=1e-6)
    np.testing.assert_allclose(nominal.bse.to_numpy(), binary.bse, rtol=1e-5)


def test_unordered_categories_as_alternatives():
    data = load("aggression")
    nominal = direct("nominal")
    rows = data.loc[data.index.repeat(3)].assign(row=np.repeat(data.index, 3))
    rows["alternative"] = np.tile(["no", "perhaps", "yes"], len(data))
    rows = rows.assign(
        chosen=(rows["alternative"] == rows["resp"]).astype(int),
        perhaps=(rows["alternative"] == "perhaps").astype(float),
        yes=(rows["alternative"] == "yes").astype(float),
    )
    choice = smgf.glmm(
        "chosen ~ 0 + perhaps + perhaps:do_want + yes + yes:do_want + (0 + perhaps + yes | id)",
        rows.reset_index(drop=True), family=families.Choice(), sets="row",
    ).fit(n_points=NODES)  # fmt: skip
    np.testing.assert_allclose(choice.llf, nominal.llf, rtol=SAME)
    for category in ("perhaps", "yes"):
        for theirs, ours in (("Intercept", category), ("do_want", f"{category}:do_want")):
            np.testing.assert_allclose(
                choice.params[ours], nominal.params[f"{theirs}:{category}"], rtol=1e-5
            )
    np.testing.assert_allclose(choice.params[-3:], nominal.params[-3:], rtol=1e-5)


# ---------------------------------------------------------------------------- choices and rankings
def test_labels_and_order_of_choice_sets():
    data = load("crackers")
    code = pd.factorize(data["id"] * 1000 + data["occasion"])[0]
    data["set"] = [f"set {(101 * c) % 7919}" for c in code]
    source, formula, family, _ = CASES["choice"]
    data = data.sample(frac=1, random_state=1)
    named = smgf.glmm(formula, data, family=family, sets="set").fit(n_points=25)
    assert_same(direct("choice"), named)


def test_constant_of_a_choice_set_drops_out():
    data = load("crackers")
    data["price"] += 0.1 * data["occasion"]
    data["Nabisco"] += data["id"]
    shifted = fit("choice", data)
    # A random coefficient of the price shifts all utilities of a set alike.
    assert_same(direct("choice"), shifted, rtol=1e-8)


def test_two_alternatives_are_binary_in_the_differences():
    data = load("crackers")
    data = data[data["brand"].isin(["nabisco", "private"])]
    taken = data.groupby(["id", "occasion"])["choice"].transform("sum")
    data = data[taken == 1].reset_index(drop=True)
    choice = smgf.glmm(
        "choice ~ 0 + Nabisco + price + (0 + price | id)", data, family=families.Choice(),
        sets=["id", "occasion"],
    ).fit()  # fmt: skip
    pair = data.pivot(index=["id", "occasion"], columns="brand", values=["choice", "price"])
    rows = pd.DataFrame(
        {
            "id": pair.index.get_level_values("id"),
            "choice": pair["choice", "nabisco"].to_numpy(),
            "price": (pair["price", "nabisco"] - pair["price", "private"]).to_numpy(),
        }
    )
    binary = smgf.glmm("choice ~ price + (0 + price | id)", rows, family=BINOMIAL)
    binary = binary.fit()
    np.testing.assert_allclose(choice.llf, binary.llf, rtol=SAME)
    np.testing.assert_allclose(choice.params["Nabisco"], binary.params["Intercept"], rtol=1e-6)
    np.testing.assert_allclose(choice.params["price"], binary.params["price"], rtol=1e-6)
    np.testing.assert_allclose(choice.params.iloc[-1], binary.params.iloc[-1], rtol=1e-6)


@pytest.mark.parametrize("family", [families.Ranking(), families.Ranking("breslow")])
def test_ranking_of_the_best_alternative_only_is_a_choice(family):
    source, formula, _, settings = CASES["choice"]
    ranked = smgf.glmm(formula, load(source), family=family, **settings).fit(n_points=25)
    assert_same(direct("choice"), ranked)


def test_ranking_is_a_sequence_of_choices():
    rng = np.random.default_rng(5)
    n, size = 120, 4
    x = rng.normal(size=(n, size))
    group = np.arange(n) // 6
    slope = 1 + rng.normal(size=group.max() + 1)[group]
    utility = slope[:, None] * x + rng.gumbel(size=(n, size))
    rank = size - utility.argsort(1).argsort(1)
    rows = pd.DataFrame(
        {"g": np.repeat(group, size), "set": np.repeat(np.arange(n), size),
         "x": x.ravel(), "rank": rank.ravel()}
    )  # fmt: skip
    stages = pd.concat(
        rows[rows["rank"] >= stage].assign(
            chosen=lambda frame, stage=stage: (frame["rank"] == stage).astype(int), stage=stage
        )
        for stage in range(1, size)
    ).reset_index(drop=True)
    formula = "{} ~ 0 + x + (0 + x | g)"
    ranking = smgf.glmm(formula.format("rank"), rows, family=families.Ranking(), sets="set")
    choices = smgf.glmm(
        formula.format("chosen"), stages, family=families.Choice(), sets=["set", "stage"]
    )
    assert_same(ranking.fit(n_points=NODES), choices.fit(n_points=NODES))
    # Best of all, then worst of the rest: a choice with utilities of the other sign.
    rows["best_worst"] = (rows["rank"] == 1).astype(int) - (rows["rank"] == size)
    rest = rows[rows["rank"] > 1].assign(
        chosen=lambda frame: (frame["rank"] == size).astype(int), stage=2, x=lambda f: -f["x"]
    )
    first = rows.assign(chosen=(rows["rank"] == 1).astype(int), stage=1)
    stages = pd.concat([first, rest], ignore_index=True)
    best_worst = smgf.glmm(
        formula.format("best_worst"), rows, family=families.BestWorst(), sets="set"
    )
    choices = smgf.glmm(
        formula.format("chosen"), stages, family=families.Choice(), sets=["set", "stage"]
    )
    assert_same(best_worst.fit(n_points=NODES), choices.fit(n_points=NODES))


# ---------------------------------------------------------------------------- counts
def poisson_params(model, estimates, **others):
    """Return estimates of a Poisson model in the order of a model that contains it."""
    return [
        others[label] if label in others else estimates[label]
        for label in model.mapping.param_names
    ]


@pytest.mark.parametrize(
    ("family", "others"),
    [
        (families.NegativeBinomial(), {"alpha": 1e-11}),
        (families.NegativeBinomial(kind="nb1"), {"alpha": 1e-11}),
        (families.ZeroInflated(), {"zero": -40.0}),
        (families.ZeroInflated("nb2"), {"zero": -40.0, "alpha": 1e-11}),
    ],
)
def test_poisson_as_a_limit(family, others):
    data, formula = load("epil"), CASES["negative_binomial"][1]
    poisson = smgf.glmm(formula, data, family=POISSON).fit(n_points=NODES)
    model = smgf.glmm(formula, data, family=family)
    params = poisson_params(model, poisson.params, **others)
    np.testing.assert_allclose(model.loglike_at(params, n_points=NODES), poisson.llf, rtol=1e-8)


def test_statsmodels_negative_binomial_keeps_alpha_fixed():
    data, formula = load("epil"), CASES["negative_binomial"][1]
    alpha = direct("negative_binomial").params["alpha"]
    fixed = smgf.glmm(formula, data, family=sm.families.NegativeBinomial(alpha=alpha))
    fixed = fixed.fit(n_points=NODES)
    np.testing.assert_allclose(fixed.llf, direct("negative_binomial").llf, rtol=SAME)
    np.testing.assert_allclose(fixed.params, direct("negative_binomial").params[:-1], rtol=1e-5)


@pytest.mark.parametrize("family", ["poisson", "nb2", "nb1"])
def test_hurdle_is_two_models(family):
    data = load("epil")
    formula = "y ~ trt + lbase + (1 | subject)"
    hurdle = smgf.glmm(formula, data, family=families.Hurdle(family), zero="~ lbase")
    hurdle = hurdle.fit(n_points=NODES)
    positive = smgf.glmm(formula, data[data["y"] > 0], family=families.ZeroTruncated(family))
    positive = positive.fit(n_points=NODES)
    none = sm.GLM(data["y"] == 0, sm.add_constant(data["lbase"]), family=BINOMIAL).fit(tol=1e-12)
    np.testing.assert_allclose(hurdle.llf, positive.llf + none.llf, rtol=SAME)
    np.testing.assert_allclose(hurdle.params[positive.params.index], positive.params, rtol=1e-6)
    np.testing.assert_allclose(hurdle.bse[positive.params.index], positive.bse, rtol=1e-5)
    zero = ["zero:Intercept", "zero:lbase"]
    np.testing.assert_allclose(hurdle.params[zero], none.params, rtol=1e-6)
    np.testing.assert_allclose(hurdle.bse[zero], none.bse, rtol=1e-5)


def test_recoded_covariate_of_the_zeros():
    data = load("epil")
    data["lbase"] = 3 - 2 * data["lbase"]
    recoded, params = fit("zero_inflated", data), direct("zero_inflated").params
    np.testing.assert_allclose(recoded.llf, direct("zero_inflated").llf, rtol=SAME)
    np.testing.assert_allclose(recoded.params["zero:lbase"], -params["zero:lbase"] / 2, rtol=1e-5)
    intercept = params["zero:Intercept"] + 1.5 * params["zero:lbase"]
    np.testing.assert_allclose(recoded.params["zero:Intercept"], intercept, rtol=1e-5)
    np.testing.assert_allclose(recoded.params[:3], params[:3], rtol=1e-5)


# ---------------------------------------------------------------------------- positive responses
def test_mirrored_proportions():
    data = load("wine")
    mirrored = fit("beta", data.assign(share=1 - data["share"]))
    np.testing.assert_allclose(mirrored.llf, direct("beta").llf, rtol=SAME)
    sign = np.array([-1, -1, 1, 1])
    np.testing.assert_allclose(mirrored.params * sign, direct("beta").params, rtol=1e-6)


def test_rescaled_positive_response():
    data = load("sleepstudy")
    rescaled = fit("gamma", data.assign(Reaction=data["Reaction"] / 1000))
    shift = len(data) * np.log(1000)
    np.testing.assert_allclose(rescaled.llf, direct("gamma").llf + shift, rtol=1e-8)
    params = direct("gamma").params
    np.testing.assert_allclose(rescaled.params["Intercept"], params["Intercept"] - np.log(1000))
    np.testing.assert_allclose(rescaled.params[1:], params[1:], rtol=1e-5)


def test_recoded_covariate_of_the_dispersion():
    data = load("sleepstudy").assign(early=lambda frame: (frame["Days"] < 5).astype(float))
    data["late"] = 1 - data["early"]
    formula, family = CASES["gamma"][1], CASES["gamma"][2]
    contrast, separate = (
        smgf.glmm(formula, data, family=family, dispersion=dispersion).fit(n_points=NODES)
        for dispersion in ("~ late", "~ 0 + early + late")
    )
    np.testing.assert_allclose(contrast.llf, separate.llf, rtol=SAME)
    logs = contrast.params[-2:].to_numpy()
    np.testing.assert_allclose(separate.params[-2:], [logs[0], logs.sum()], rtol=1e-6)


# ---------------------------------------------------------------------------- durations
def test_exponential_durations_are_poisson():
    data = load("kidney").assign(log_time=lambda frame: np.log(frame["time"]))
    formula = "{} ~ age + sex + (1 | id)"
    exponential = smgf.glmm(
        formula.format("time + status"), data, family=families.Exponential()
    ).fit(n_points=NODES)
    poisson = smgf.glmm(formula.format("status"), data, family=POISSON, offset="log_time")
    poisson = poisson.fit(n_points=NODES)
    shift = data["log_time"] @ data["status"]
    np.testing.assert_allclose(exponential.llf + shift, poisson.llf, rtol=SAME)
    np.testing.assert_allclose(exponential.params, poisson.params, rtol=1e-6)
    np.testing.assert_allclose(exponential.bse, poisson.bse, rtol=1e-5)


def test_accelerated_and_proportional_form():
    proportional = direct("duration")
    source, formula, _, _ = CASES["duration"]
    accelerated = smgf.glmm(formula, load(source), family=families.Weibull("aft"))
    accelerated = accelerated.fit(n_points=NODES)
    np.testing.assert_allclose(accelerated.llf, proportional.llf, rtol=1e-8)
    shape = proportional.params["shape"]
    np.testing.assert_allclose(accelerated.params["scale"], 1 / shape, rtol=1e-6)
    np.testing.assert_allclose(accelerated.params[:3], -proportional.params[:3] / shape, rtol=1e-5)
    variance = proportional.params["var(Intercept|id)"] / shape**2
    np.testing.assert_allclose(accelerated.params["var(Intercept|id)"], variance, rtol=1e-5)


def test_weibull_with_unit_shape_is_exponential():
    source, formula, family, _ = CASES["duration"]
    data = load(source)
    exponential = smgf.glmm(formula, data, family=families.Exponential()).fit(n_points=NODES)
    model = smgf.glmm(formula, data, family=family)
    params = poisson_params(model, exponential.params, shape=1.0)
    np.testing.assert_allclose(
        model.loglike_at(params, n_points=NODES), exponential.llf, rtol=1e-12
    )


@pytest.mark.parametrize(
    ("family", "intercept"),
    [
        (families.Weibull("aft"), 1.0),
        (families.LogNormal(), 1.0),
        (families.LogLogistic(), 1.0),
        (families.GammaDuration(), 1.0),
        (families.Exponential(), -1.0),
    ],
)
def test_unit_of_time(family, intercept):
    data, formula = load("kidney"), CASES["duration"][1]
    days = smgf.glmm(formula, data, family=family).fit(n_points=NODES)
    weeks = smgf.glmm(formula, data.assign(time=data["time"] / 7), family=family)
    weeks = weeks.fit(n_points=NODES)
    np.testing.assert_allclose(weeks.llf, days.llf + data["status"].sum() * np.log(7), rtol=1e-8)
    shift = intercept * np.log(7)
    np.testing.assert_allclose(
        weeks.params["Intercept"], days.params["Intercept"] - shift, rtol=1e-5
    )
    np.testing.assert_allclose(weeks.params[1:], days.params[1:], rtol=1e-4)
    np.testing.assert_allclose(weeks.bse, days.bse, rtol=1e-4)


def test_lognormal_durations_are_gaussian_logarithms():
    data = load("kidney").assign(lower=lambda frame: np.log(frame["time"]))
    data["upper"] = np.where(data["status"] == 1, data["lower"], np.inf)
    formula = "{} ~ age + sex + (1 | id)"
    duration = smgf.glmm(formula.format("time + status"), data, family=families.LogNormal())
    duration = duration.fit(n_points=NODES)
    gaussian = smgf.glmm(
        formula.format("lower + upper"),
        data,
        family=families.CensoredGaussian(censoring="interval"),
    ).fit(n_points=NODES)
    shift = data["lower"] @ data["status"]
    np.testing.assert_allclose(duration.llf + shift, gaussian.llf, rtol=SAME)
    np.testing.assert_allclose(duration.params[:4], gaussian.params[:4], rtol=1e-5)
    np.testing.assert_allclose(duration.params["scale"] ** 2, gaussian.params.iloc[-1], rtol=1e-5)


@pytest.mark.parametrize("family", [families.Weibull(), families.LogNormal()])
def test_codings_of_right_censored_durations(family):
    data = load("kidney")
    data["upper"] = np.where(data["status"] == 1, data["time"], np.inf)
    data["lower"] = data["time"]
    bounds = type(family)(censoring="interval")
    formula = "{} ~ age + sex + (1 | id)"
    first = smgf.glmm(formula.format("time + status"), data, family=family).fit(n_points=NODES)
    second = smgf.glmm(formula.format("lower + upper"), data, family=bounds).fit(n_points=NODES)
    assert_same(first, second)


def test_uncensored_gaussian():
    data, formula = load("sleepstudy"), CASES["tobit"][1]
    censored = smgf.glmm(formula, data, family=families.CensoredGaussian()).fit(n_points=NODES)
    plain = smgf.glmm(formula, data).fit()
    np.testing.assert_allclose(censored.llf, plain.llf, rtol=1e-8)
    np.testing.assert_allclose(censored.params, plain.params, rtol=1e-4)


def test_uncensored_gamma_durations():
    data, formula = load("sleepstudy").assign(event=1), "{} ~ Days + (1 | Subject)"
    family = sm.families.Gamma(sm.families.links.Log())
    plain = smgf.glmm(formula.format("Reaction"), data, family=family).fit(n_points=NODES)
    duration = smgf.glmm(formula.format("Reaction + event"), data, family=families.GammaDuration())
    assert_same(plain, duration.fit(n_points=NODES), rtol=1e-8)


@pytest.mark.parametrize(
    "family",
    [families.Exponential(), families.Weibull(), families.LogNormal(), families.LogLogistic()],
)
def test_durations_cut_into_episodes(family):
    data, formula = load("kidney"), "time + status ~ age + sex + (1 | id)"
    whole = smgf.glmm(formula, data, family=family).fit(n_points=NODES)
    cut = 20.0
    longer = data[data["time"] > cut]
    pieces = pd.concat(
        [
            data[data["time"] <= cut].assign(start=0.0),
            longer.assign(start=0.0, time=cut, status=0),
            longer.assign(start=cut),
        ],
        ignore_index=True,
    )
    parts = smgf.glmm(formula, pieces, family=family, entry="start").fit(n_points=NODES)
    assert_same(whole, parts)


# ---------------------------------------------------------------------------- several rows, families
@pytest.mark.parametrize(
    ("name", "link", "family", "source", "formula"),
    [
        ("poisson", "log", POISSON, "epil", "y ~ trt + lbase + (1 | subject)"),
        ("binomial", "logit", BINOMIAL, "bacteria", "y ~ trt + wk2 + (1 | ID)"),
        ("gaussian", "identity", sm.families.Gaussian(), "sleepstudy", CASES["tobit"][1]),
    ],
)
@pytest.mark.parametrize("copies", [1, 2])
def test_composite_response_of_equal_rows(name, link, family, source, formula, copies):
    data = load(source)
    plain = smgf.glmm(formula, data, family=family)
    plain = plain.fit() if name == "gaussian" else plain.fit(n_points=NODES)
    rows = data.loc[data.index.repeat(copies)].assign(
        response=np.repeat(data.index, copies), part=1 / copies
    )
    composite = smgf.glmm(
        formula, rows.reset_index(drop=True), family=families.Composite(name, link),
        sets="response", parts="part",
    ).fit(n_points=NODES)  # fmt: skip
    np.testing.assert_allclose(composite.llf, plain.llf, rtol=1e-8)
    np.testing.assert_allclose(composite.params, plain.params, rtol=1e-4)
    np.testing.assert_allclose(composite.bse, plain.bse, rtol=1e-3)


def test_composite_response_must_be_repeated():
    data = load("epil").assign(response=lambda frame: np.arange(len(frame)) // 2)
    with pytest.raises(SpecificationError, match="'y' is .* in row 1, another value than"):
        smgf.glmm("y ~ trt + (1 | subject)", data, family=families.Composite(), sets="response")


@pytest.mark.parametrize(
    ("member", "source", "formula"),
    [
        ("poisson", "epil", "y ~ trt + lbase + (1 | subject)"),
        ("binomial", "bacteria", "y ~ trt + wk2 + (1 | ID)"),
    ],
)
def test_the_same_family_under_two_labels(member, source, formula):
    data = load(source)
    data["half"] = np.array(["a", "b"])[np.arange(len(data)) % 2]
    plain = smgf.glmm(formula, data, family=member).fit(n_points=NODES)
    mixed = smgf.glmm(formula, data, family={"a": member, "b": member}, family_by="half")
    assert_same(plain, mixed.fit(n_points=NODES))


def test_order_and_labels_of_families():
    data = load("epil").assign(row=lambda frame: np.arange(len(frame)))
    data["any"] = (data["y"] > 2).astype(float)
    rows = pd.concat(
        [data.assign(value=data["y"], kind="count"), data.assign(value=data["any"], kind="binary")]
    ).reset_index(drop=True)
    formula = "value ~ kind + trt + (1 | subject)"
    first = smgf.glmm(
        formula, rows, family={"count": "poisson", "binary": "binomial"}, family_by="kind"
    ).fit(n_points=NODES)
    renamed = rows.assign(which=rows["kind"].map({"count": 2, "binary": 1})).sample(
        frac=1, random_state=2
    )
    second = smgf.glmm(
        formula, renamed, family={1: "binomial", 2: "poisson"}, family_by="which"
    ).fit(n_points=NODES)
    assert_same(first, second)
