"""Fit of item response models against direct computations, and clear refusals."""

import itertools

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from scipy.stats import chi2

import sm_gllamm.api as smg
from sm_gllamm.datasets import lsat, science
from sm_gllamm.exceptions import SpecificationError

DATA = lsat.load_pandas().data
ORDINAL = ["comfort", "work", "future", "benefit"]
INFIT = ["infit", "outfit", "zh"]


@pytest.fixture(scope="module")
def two():
    return smg.IRT(DATA).fit()


@pytest.fixture(scope="module")
def science_data():
    return science.load_pandas().data[ORDINAL]


@pytest.fixture(scope="module")
def simulated():
    """Six binary items, two groups, a covariate with a direct effect on the first item, schools."""
    rng = np.random.default_rng(5)
    n = 600
    x, group = rng.integers(0, 3, n).astype(float), rng.integers(0, 2, n)
    school = rng.integers(0, 30, n)
    theta = 0.4 * x + 0.5 * group + rng.normal(size=n) + 0.6 * rng.normal(size=30)[school]
    a, d = np.array([1.0, 1.4, 0.8, 1.2, 1.0, 1.6]), np.linspace(-1, 1, 6)
    nu = a * theta[:, None] + d
    nu[:, 0] += 0.7 * x
    data = pd.DataFrame(
        (rng.random(nu.shape) < 1 / (1 + np.exp(-nu))).astype(float),
        columns=[f"y{j}" for j in range(6)],
    )
    data["x"], data["group"] = x, np.where(group, "b", "a")
    data["school"], data["w"] = school, rng.uniform(0.5, 2, n)
    return data


ITEMS = [f"y{j}" for j in range(6)]


def fitted(data, model="2PL", **options):
    return smg.IRT(data, model, items=ITEMS, data=data, **options).fit()


def scored(result):
    """EAP scores, shape (n_persons, q)."""
    return result.scores()[list(result.bank.dimensions)].to_numpy()


# ------------------------------------------------------------ items
def parameters_of_items(result):
    """Estimated parameters of items that S-X2 takes off."""
    fits = result._sum_score_fits()
    return [
        [
            len(t.cells) - len({row for row, _ in t.cells}) - df
            for t, df in zip(f.tables, f.df, strict=True)
        ]
        for f in fits
    ]


@pytest.mark.parametrize("model, number", [("Rasch", 1), ("1PL", 2), ("2PL", 2), ("3PL", 3)])
def test_parameters_of_binary_items(model, number):
    priors = {"lower": ("beta", 5, 17)} if model == "3PL" else None
    result = smg.IRT(DATA, model, priors=priors).fit()
    assert parameters_of_items(result) == [[number] * 5]


@pytest.mark.parametrize(
    "model, number", [("graded", 4), ("PCM", 3), ("GPCM", 4), ("RSM", 3), ("nominal", 6)]
)
def test_parameters_of_ordinal_items(science_data, model, number):
    result = smg.IRT(science_data, model).fit()
    assert parameters_of_items(result) == [[number] * 4]


def test_fixed_and_constrained_parameters_are_not_estimated():
    known = smg.IRT(DATA, fixed={"item_1": {"slope": 1.0, "intercept": 2.5}}).fit()
    assert parameters_of_items(known)[0][:2] == [0, 2]
    held = smg.IRT(DATA).fit_constrained("slope[item_2] = 0.7")
    assert parameters_of_items(held)[0][:2] == [2, 1]


def test_sum_scores_of_weighted_patterns_are_those_of_persons(two):
    counts = DATA.groupby(list(DATA), as_index=False).size()
    weighted = smg.IRT(counts, items=list(DATA), freq_weights="size").fit()
    pd.testing.assert_frame_equal(weighted.item_fit(), two.item_fit(), rtol=1e-6)
    pd.testing.assert_frame_equal(weighted.item_fit("infit"), two.item_fit("infit"), rtol=1e-5)
    pd.testing.assert_frame_equal(weighted.m2(), two.m2(), rtol=1e-6)
    pd.testing.assert_frame_equal(
        weighted.local_dependence(), two.local_dependence(), rtol=1e-5, atol=1e-8
    )


def test_groups_come_below_each_other(simulated):
    result = fitted(simulated, groups="group", group_equal=())
    table = result.item_fit()
    assert table.index.names == ["group", "item"] and len(table) == 12
    alone = fitted(simulated[simulated["group"] == "b"])
    assert_allclose(table.loc["b", "statistic"], alone.item_fit()["statistic"], rtol=1e-4)
    assert_allclose(
        result.local_dependence("residual").loc["b"], alone.local_dependence("residual"), atol=1e-5
    )
    assert_allclose(
        result.item_fit("infit").loc["b", INFIT], alone.item_fit("infit")[INFIT], rtol=1e-4
    )


def direct_moments(result, theta):
    """Probabilities and codes of all persons, item by item, each with the bank of the person."""
    p = np.full(result.model.codes.shape, np.nan)
    for bank, here in result.model.banks_of_persons(np.asarray(result.params)):
        for j, item in enumerate(bank.items):
            p[here, j] = item.probabilities(theta[here])[:, 1]
    return p, result.model.codes


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"regression": "~ x", "dif": {"y0": "~ x"}, "dif_slopes": {"y0": "~ x", "y2": "~ x"}},
        {"groups": "group"},
        {"clusters": "school"},
    ],
    ids=["plain", "dif", "groups", "clusters"],
)
def test_residual_statistics_are_those_of_a_direct_computation(simulated, options):
    result = fitted(simulated, **options)
    theta = scored(result)
    p, y = direct_moments(result, theta)
    v, log_p = p * (1 - p), np.where(y == 1, np.log(p), np.log1p(-p))
    entropy = p * np.log(p) + (1 - p) * np.log1p(-p)
    spread = v * np.log(p / (1 - p)) ** 2
    persons = result.person_fit()
    assert_allclose(persons["outfit"], ((y - p) ** 2 / v).mean(axis=1), rtol=1e-8)
    assert_allclose(persons["infit"], ((y - p) ** 2).sum(axis=1) / v.sum(axis=1), rtol=1e-8)
    zh = (log_p - entropy).sum(axis=1) / np.sqrt(spread.sum(axis=1))
    assert_allclose(persons["zh"], zh, rtol=1e-8)
    items, q3 = result.item_fit("infit"), result.local_dependence()
    several = "groups" in options
    for g, label in enumerate(result.model.group_labels):
        here = result.model.groups == g
        own = items.loc[label] if several else items
        assert_allclose(own["outfit"], ((y - p) ** 2 / v)[here].mean(axis=0), rtol=1e-8)
        infit = ((y - p) ** 2)[here].sum(axis=0) / v[here].sum(axis=0)
        assert_allclose(own["infit"], infit, rtol=1e-8)
        expected = np.corrcoef((y - p)[here].T)
        np.fill_diagonal(expected, np.nan)
        assert_allclose(q3.loc[label] if several else q3, expected, atol=1e-9)


def test_direct_effects_on_ordinal_items(science_data):
    data = science_data.assign(x=np.tile([0.0, 1.0, 2.5, -1.0], 98))
    for model in ("graded", "GPCM", "nominal"):
        result = smg.IRT(
            data, model, items=ORDINAL, data=data, regression="~ x", dif={"work": "~ x"},
            dif_slopes={"comfort": "~ x"},
        ).fit()  # fmt: skip
        theta = scored(result)
        expected = np.zeros(theta.shape[0])
        variance = expected.copy()
        square = expected.copy()
        for bank, here in result.model.banks_of_persons(np.asarray(result.params)):
            for j, item in enumerate(bank.items):
                p = item.probabilities(theta[here])
                mean = p @ np.arange(4)
                variance[here] += p @ np.arange(4) ** 2 - mean**2
                square[here] += (result.model.codes[here, j] - mean) ** 2
        assert_allclose(result.person_fit()["infit"], square / variance, rtol=1e-8)


def test_sampling_weights_have_mean_squares_without_tests(simulated):
    result = fitted(simulated, weights="w")
    table = result.item_fit("infit")
    assert table[["infit", "outfit"]].notna().all(axis=None)
    assert table[["z_infit", "z_outfit", "zh"]].isna().all(axis=None)
    p, y = direct_moments(result, scored(result))
    w = simulated["w"].to_numpy()
    assert_allclose(table["infit"], w @ (y - p) ** 2 / (w @ (p * (1 - p))), rtol=1e-8)


def test_persons_keep_their_labels_and_missing_responses_count(simulated):
    data = simulated.copy()
    data.index = [f"p{i}" for i in range(len(data))]
    data.iloc[:50, 2] = np.nan
    table = fitted(data).person_fit()
    assert list(table.index) == list(data.index)
    assert set(table["n_responses"][:50]) == {5} and set(table["n_responses"][50:]) == {6}


# ------------------------------------------------------------ pairs of items
def test_residual_correlations_against_all_patterns(two):
    """Expected correlations from the probabilities of all 32 patterns."""
    patterns = np.array(list(itertools.product([0, 1], repeat=5)))
    nodes = np.linspace(-9, 9, 401)
    weights = np.exp(-0.5 * nodes**2)
    weights /= weights.sum()
    p = np.exp(two.bank.log_likelihood(patterns, nodes[:, None])) @ weights
    mean = p @ patterns
    covariance = (patterns - mean).T @ ((patterns - mean) * p[:, None])
    sd = np.sqrt(np.diag(covariance))
    expected = np.corrcoef(DATA.to_numpy().T) - covariance / np.outer(sd, sd)
    np.fill_diagonal(expected, np.nan)
    found = two.local_dependence("residual")
    assert_allclose(found, expected, atol=1e-9)
    assert list(found.index) == list(found.columns) == list(DATA)


def test_statistics_of_pairs_belong_together(two):
    away = ~np.eye(5, dtype=bool)
    x2, p, v, plain, adjusted = (
        two.local_dependence(name).to_numpy()
        for name in ("ldx2", "p_value", "cramers_v", "q3", "q3*")
    )
    assert_allclose(chi2.sf(np.abs(x2), 1)[away], p[away])
    assert_allclose(np.sign(x2) * np.sqrt(np.abs(x2) / 1000), v)
    assert_allclose(plain - adjusted, np.where(away, plain[away].mean(), np.nan))


# ------------------------------------------------------------ the whole model
def test_m2_of_lsat(two):
    row = two.m2().loc["M2"]
    # mirt 1.41: M2(mirt(expand.table(LSAT6), 1))
    assert_allclose(row[["statistic", "df", "p_value"]], [4.737141, 5, 0.449], rtol=1e-3)
    assert row["rmsea"] == 0.0 and row["rmsea_upper"] > 0.03


def test_m2_under_constraints_is_that_of_the_equal_model():
    common = smg.IRT(DATA, "1PL").fit().m2()
    equal = " = ".join(f"slope[item_{j}]" for j in range(1, 6))
    held = smg.IRT(DATA).fit_constrained(equal).m2()
    pd.testing.assert_frame_equal(held, common, rtol=1e-5, atol=1e-6)


def test_m2_of_separate_groups_adds_up(simulated):
    result = fitted(simulated, groups="group", group_equal=())
    both = result.m2().loc["M2"]
    parts = [fitted(part).m2().loc["M2"] for _, part in simulated.groupby("group")]
    assert_allclose(both["statistic"], sum(part["statistic"] for part in parts), rtol=1e-3)
    assert both["df"] == sum(part["df"] for part in parts)
    assert_allclose(both["srmsr[b]"], parts[1]["srmsr"], rtol=1e-3)


def test_m2_chooses_a_statistic(science_data):
    graded = smg.IRT(science_data).fit()
    # 10 means and products for 16 parameters
    assert list(graded.m2().index) == ["C2"]
    with pytest.raises(SpecificationError, match="degrees of freedom"):
        graded.m2("M2*")
    assert list(smg.IRT(science_data, "RSM").fit().m2().index) == ["M2*"]
    assert list(smg.IRT(science_data, "nominal").fit().m2().index) == ["M2"]


def test_m2_and_missing_responses(simulated):
    data = simulated.copy()
    data.iloc[:50, 2] = np.nan
    result = fitted(data)
    with pytest.raises(SpecificationError, match="50 persons have missing responses"):
        result.m2()
    row = result.m2(missing="drop").iloc[0]
    assert (row["n_persons"], row["n_dropped"]) == (550, 50)


# ------------------------------------------------------------ refusals
@pytest.mark.parametrize(
    "options, reason",
    [
        ({"regression": "~ x"}, "regressed on covariates"),
        ({"regression": "~ x", "dif": {"y0": "~ x"}}, "direct effects"),
        ({"weights": "w"}, "sampling weights"),
        ({"clusters": "school"}, "clusters of 'school'"),
    ],
    ids=["regression", "dif", "weights", "clusters"],
)
def test_tests_of_margins_need_one_simple_random_sample(simulated, options, reason):
    result = fitted(simulated, **options)
    calls = [
        result.item_fit, result.m2, result.plot_item_fit,
        lambda: result.local_dependence("ldx2"),
    ]  # fmt: skip
    for call in calls:
        with pytest.raises(SpecificationError, match=reason):
            call()
    assert result.item_fit("infit").notna().any(axis=None)
    if "regression" not in options:
        assert np.isfinite(result.local_dependence("residual").iloc[0, 1])


def test_unknown_options_are_refused(two):
    for call, word in [
        (lambda: two.item_fit("X2"), "S-X2"),
        (lambda: two.local_dependence("g2"), "cramers_v"),
        (lambda: two.m2("G2"), "C2"),
        (lambda: two.m2(missing="ignore"), "drop"),
        (lambda: two.person_fit("plausible"), "EAP"),
    ]:
        with pytest.raises(SpecificationError, match=word):
            call()


def test_ml_scores_at_infinity_are_refused(two):
    with pytest.raises(SpecificationError, match="not finite"):
        two.person_fit("ML")
    assert two.person_fit("WLE").notna().all(axis=None)


def test_nothing_is_left_after_remove_data():
    result = smg.IRT(DATA).fit()
    result.remove_data()
    for call in (result.item_fit, result.person_fit, result.m2, result.local_dependence):
        with pytest.raises(SpecificationError, match="remove_data"):
            call()


# ------------------------------------------------------------ comparison
def test_models_are_compared_in_the_order_of_their_parameters(two):
    one = smg.IRT(DATA, "1PL").fit()
    table = two.compare(one, names=["two", "one"])
    assert list(table.index) == ["one", "two"]
    assert_allclose(table["llf"], [one.llf, two.llf])
    assert_allclose(table.loc["two", "lr"], 2 * (two.llf - one.llf))
    assert table.loc["two", "df"] == 4
    assert_allclose(table.loc["two", "p_value"], chi2.sf(table.loc["two", "lr"], 4))
    assert table.loc["one", ["lr", "df", "p_value"]].isna().all()
    assert_allclose(table["bic"], [one.bic, two.bic])


def test_names_tell_models_apart(two):
    again = smg.IRT(DATA).fit_constrained("slope[item_1] = 1")
    assert list(two.compare(again).index) == ["5 x 2PL (2)", "5 x 2PL (1)"]
    with pytest.raises(SpecificationError, match="1 names for 2"):
        two.compare(again, names=["one"])


def test_other_data_are_not_compared(two, simulated):
    with pytest.raises(SpecificationError, match="different responses"):
        two.compare(smg.IRT(DATA.iloc[:900]).fit())
    with pytest.raises(SpecificationError, match="sampling weights"):
        fitted(simulated, weights="w").compare(fitted(simulated))
    with pytest.raises(SpecificationError, match="not list"):
        two.compare([two])
