"""What must not change a result: order, labels, units, coding, weights for rows, threads."""

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm

import sm_gllamm.formula.api as smgf
from tests.models.cache import LINKS
from tests.reference import load_data

# Sums run in another order, nothing else differs.
SAME = 1e-9
# Threads must not even change the order of the sums.
IDENTICAL = 1e-12

CASES = {
    "binary": ("bacteria", "y ~ trt + wk2 + (1 | ID)", sm.families.Binomial()),
    "count_slope": (
        "epilepsy",
        "y ~ lbas + treat + visit + (1 + visit | subj)",
        sm.families.Poisson(),
    ),
    "three_level_count": (
        "grouseticks",
        "TICKS ~ C(YEAR) + cHEIGHT + (1 | LOCATION/BROOD)",
        sm.families.Poisson(),
    ),
    "three_level_gaussian": ("oxide", "Thickness ~ 1 + (1 | Lot/Wafer)", sm.families.Gaussian()),
}
GROUPS = {
    "binary": ["ID"],
    "count_slope": ["subj"],
    "three_level_count": ["LOCATION", "BROOD"],
    "three_level_gaussian": ["Lot", "Wafer"],
}


def fit(name, data=None, **options):
    source, formula, family = CASES[name]
    data = load_data(source) if data is None else data
    if name != "three_level_gaussian":
        options.setdefault("n_points", 9)
    return smgf.glmm(formula, data, family=family).fit(**options)


def assert_same(first, second, rtol=SAME):
    np.testing.assert_allclose(first.llf, second.llf, rtol=rtol)
    np.testing.assert_allclose(first.params, second.params, rtol=1e-6, atol=1e-8)
    np.testing.assert_allclose(first.bse, second.bse, rtol=1e-6)


@pytest.mark.parametrize("name", CASES)
def test_row_order(name):
    data = load_data(CASES[name][0])
    shuffled = data.sample(frac=1, random_state=3)
    assert_same(fit(name), fit(name, shuffled))


@pytest.mark.parametrize("name", CASES)
def test_cluster_labels(name):
    data = load_data(CASES[name][0])
    for column in GROUPS[name]:
        codes = pd.factorize(data[column])[0]
        # Text labels whose sorted order differs from the order of the numbers.
        data[column] = [f"g{(37 * code) % 1009}" for code in codes]
    assert_same(fit(name), fit(name, data))


@pytest.mark.parametrize("name", CASES)
def test_categorical_cluster_labels_with_unused_level(name):
    data = load_data(CASES[name][0])
    for column in GROUPS[name]:
        labels = pd.unique(data[column])
        data[column] = pd.Categorical(data[column], categories=[*labels[::-1], "unused"])
    assert_same(fit(name), fit(name, data))


@pytest.mark.parametrize("index", [range(1000, 1220), [f"row {i}" for i in range(220)]])
def test_index_of_the_frame(index):
    data = load_data("bacteria")
    data.index = pd.Index(index)
    assert_same(fit("binary"), fit("binary", data))


def test_exchanged_outcomes_of_a_symmetric_link():
    data = load_data("bacteria")
    direct = fit("binary")
    flipped = fit("binary", data.assign(y=1 - data["y"]))
    np.testing.assert_allclose(flipped.llf, direct.llf, rtol=SAME)
    fixed = direct.model.k_exog
    np.testing.assert_allclose(flipped.params[:fixed], -direct.params[:fixed], rtol=1e-6)
    np.testing.assert_allclose(flipped.params[fixed:], direct.params[fixed:], rtol=1e-6)
    np.testing.assert_allclose(flipped.bse, direct.bse, rtol=1e-6)


@pytest.mark.parametrize("factor", [1e-4, 1e3])
def test_rescaled_covariate_with_a_random_slope(factor):
    data = load_data("epilepsy")
    direct = fit("count_slope")
    scaled = fit("count_slope", data.assign(visit=data["visit"] * factor))
    np.testing.assert_allclose(scaled.llf, direct.llf, rtol=SAME)
    power = {"visit": 1, "cov(Intercept,visit|subj)": 1, "var(visit|subj)": 2}
    units = np.array([factor ** power.get(label, 0) for label in direct.params.index])
    np.testing.assert_allclose(scaled.params * units, direct.params, rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(scaled.bse * units, direct.bse, rtol=1e-5)


def test_rescaled_gaussian_outcome():
    data = load_data("oxide")
    direct = fit("three_level_gaussian")
    scaled = fit("three_level_gaussian", data.assign(Thickness=data["Thickness"] * 1e3))
    np.testing.assert_allclose(scaled.llf, direct.llf - len(data) * np.log(1e3), rtol=1e-8)
    units = np.array([1e3] + [1e6] * 3)
    np.testing.assert_allclose(scaled.params / units, direct.params, rtol=1e-6)


@pytest.mark.parametrize("link", ["logit", "probit", "cloglog"])
def test_frequency_weights_equal_duplicated_rows(link):
    family = sm.families.Binomial(link=LINKS[link]())
    data = load_data("bacteria")
    data["times"] = 1 + np.arange(len(data)) % 3
    repeated = data.loc[data.index.repeat(data["times"])].reset_index(drop=True)
    formula = "y ~ trt + wk2 + (1 | ID)"
    weighted = smgf.glmm(formula, data, family=family, freq_weights="times").fit(n_points=25)
    duplicated = smgf.glmm(formula, repeated, family=family).fit(n_points=25)
    assert_same(weighted, duplicated)


def test_level_weight_equals_duplicated_clusters():
    data = load_data("bacteria")
    codes = pd.factorize(data["ID"])[0]
    data["times"] = 1.0 + codes % 2
    twins = data[data["times"] == 2].assign(ID=lambda frame: frame["ID"] + "twin")
    formula, family = "y ~ trt + wk2 + (1 | ID)", sm.families.Binomial()
    model = smgf.glmm(formula, data, family=family, freq_weights={"ID": "times"})
    weighted = model.fit(n_points=9)
    duplicated = smgf.glmm(formula, pd.concat([data, twins]), family=family).fit(n_points=9)
    assert_same(weighted, duplicated)


def test_trials_equal_bernoulli_rows_up_to_the_binomial_coefficients():
    data = load_data("cbpp")
    trials = smgf.glmm(
        "incidence + healthy ~ C(period) + (1 | herd)", data, family=sm.families.Binomial()
    ).fit(n_points=9)
    parts = [
        data.loc[data.index.repeat(data[column]), ["herd", "period"]].assign(y=outcome)
        for column, outcome in (("incidence", 1), ("healthy", 0))
    ]
    rows = smgf.glmm(
        "y ~ C(period) + (1 | herd)", pd.concat(parts), family=sm.families.Binomial()
    ).fit(n_points=9)
    np.testing.assert_allclose(trials.params, rows.params, rtol=1e-6)
    np.testing.assert_allclose(trials.bse, rows.bse, rtol=1e-6)


def test_exposure_equals_offset_of_its_logarithm():
    data = load_data("melanoma")
    data["log_expected"] = np.log(data["expected"])
    formula, family = "deaths ~ uvb + (1 | region)", sm.families.Poisson()
    exposure = smgf.glmm(formula, data, family=family, exposure="expected").fit(n_points=9)
    offset = smgf.glmm(formula, data, family=family, offset="log_expected").fit(n_points=9)
    assert_same(exposure, offset)


@pytest.mark.parametrize("name", CASES)
def test_number_of_threads(name):
    one, two, three = (fit(name, n_threads=threads) for threads in (1, 2, 3))
    for other in (two, three):
        np.testing.assert_allclose(other.llf, one.llf, rtol=IDENTICAL)
        np.testing.assert_allclose(other.params, one.params, rtol=IDENTICAL, atol=IDENTICAL)
        np.testing.assert_allclose(other.bse, one.bse, rtol=1e-10)


@pytest.mark.parametrize("name", CASES)
def test_starting_values(name):
    direct = fit(name)
    assert_same(direct, fit(name, start_params=direct.params * 1.3 + 0.05))


def test_order_of_bars_and_of_terms():
    data, family = load_data("grouseticks"), sm.families.Poisson()
    fits = [
        smgf.glmm(f"TICKS ~ C(YEAR) + cHEIGHT + {bars}", data, family=family).fit(n_points=7)
        for bars in (
            "(1 | LOCATION/BROOD)",
            "(1 | LOCATION) + (1 | LOCATION:BROOD)",
            "(1 | LOCATION:BROOD) + (1 | LOCATION)",
        )
    ]
    for other in fits[1:]:
        assert list(other.params.index) == list(fits[0].params.index)
        assert_same(fits[0], other)
