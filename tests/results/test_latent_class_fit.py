"""Fit of patterns and of pairs of indicators, written out and by simulation."""

import warnings
from itertools import product

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from statsmodels.tools.sm_exceptions import ModelWarning

import sm_gllamm.api as smg
from sm_gllamm.exceptions import SpecificationError
from tests.reference import load_data
from tests.results.latent_class_cases import fitted, mixed, nested, simulated, two_levels
from tests.results.test_latent_class_profiles import differences


def every_pattern(result, items):
    """Probabilities of all patterns from class sizes and profiles."""
    sizes, table = result.class_sizes()["estimate"], result.profiles()["estimate"]
    labels = [list(dict.fromkeys(table.loc[item].index.get_level_values(0))) for item in items]
    out = {}
    for pattern in product(*labels):
        out[pattern] = sum(
            sizes[c] * np.prod([table[(i, r, c)] for i, r in zip(items, pattern, strict=True)])
            for c in sizes.index
        )
    return out


def test_statistics_of_patterns_are_sums_over_all_cells():
    result, data = fitted("dentistry_lca2"), load_data("dentistry")
    items = [f"V{j}" for j in range(1, 6)]
    p = every_pattern(result, items)
    n = data["freq"].sum()
    observed = {tuple(row[:5]): row[5] for row in data.to_numpy()}
    o = np.array([observed.get(key, 0.0) for key in p])
    e = n * np.array(list(p.values()))
    assert e.sum() == pytest.approx(n)
    table = result.goodness_of_fit()
    for name, power in (
        ("G2", "log-likelihood"),
        ("X2", "pearson"),
        ("Cressie-Read", "cressie-read"),
    ):
        statistic = stats.power_divergence(o, e * o.sum() / e.sum(), lambda_=power).statistic
        assert table.loc[name, "statistic"] == pytest.approx(statistic)
        assert table.loc[name, "df"] == 31 - 11
        assert table.loc[name, "p_value"] == pytest.approx(stats.chi2.sf(statistic, 20))
    assert list(table.columns) == ["statistic", "df", "p_value"]


def test_pattern_table():
    result, data = fitted("carcinoma_lca2"), load_data("carcinoma")
    table = result.pattern_table()
    p = every_pattern(result, list("ABCDEFG"))
    for _, row in table.iterrows():
        pattern = tuple(row[list("ABCDEFG")])
        assert row["expected"] == pytest.approx(118 * p[pattern])
        assert row["observed"] == (data == list(pattern)).all(axis=1).sum()
        case = pd.DataFrame([pattern], columns=list("ABCDEFG"))
        assert row["class"] == result.assigned_class(case).iloc[0]
    np.testing.assert_allclose(
        table["residual"], (table["observed"] - table["expected"]) / np.sqrt(table["expected"])
    )
    assert table["observed"].is_monotonic_decreasing
    worst = result.pattern_table("residual")["standardized"].abs()
    assert worst.is_monotonic_decreasing
    assert len(result.pattern_table("pattern")) == len(table)
    with pytest.raises(SpecificationError, match="sort='size'"):
        result.pattern_table("size")


def test_derivatives_of_patterns_and_standardized_residuals():
    result = fitted("cheating_lca2")
    inside = result._results
    patterns, observed, expected = inside._cells()
    found = differences(result, lambda r: r._pattern_probabilities(patterns))
    np.testing.assert_allclose(inside._pattern_gradient(patterns), found, atol=1e-9)
    everything = np.indices([2] * 4).reshape(4, -1).T
    jacobian = differences(result, lambda r: r._pattern_probabilities(everything))
    p = inside._pattern_probabilities(everything)
    # of all cells: projection on what is orthogonal to the derivatives (Bishop, Fienberg & Holland 1975)
    scaled = jacobian / np.sqrt(p)[:, None]
    hat = scaled @ np.linalg.inv(scaled.T @ scaled) @ scaled.T
    left = 1 - p - np.diag(hat)
    seen = {tuple(row): k for k, row in enumerate(everything)}
    at = [seen[tuple(row)] for row in patterns]
    table = result.pattern_table("pattern")
    np.testing.assert_allclose(
        table["standardized"], (observed - expected) / np.sqrt(expected * left[at]), rtol=1e-4
    )
    assert "standardized" not in result.pattern_table("residual", standardize=False)


@pytest.mark.study
def test_standardized_residuals_have_variance_one():
    truth, found = fitted("dentistry_lca2"), []
    for seed in range(60):
        result = smg.LatentClass(truth.simulate(seed=seed), 2).fit(n_starts=2)
        table = result.pattern_table("pattern").set_index([f"V{j}" for j in range(1, 6)])
        found.append(table["standardized"])
    spread = pd.concat(found, axis=1).dropna().std(axis=1)
    assert spread.mean() == pytest.approx(1.0, abs=0.1)


@pytest.mark.parametrize(
    "fit, reason",
    [
        (mixed, "indicator 'C' is measured or has direct effects"),
        (lambda: fitted("cheating_lca2_gpa"), "depend on covariates"),
        (lambda: fitted("election_lca3_missing"), "responses to 'MORALG' are missing"),
    ],
)
def test_what_there_is_no_table_of_patterns_of(fit, reason):
    for method in ("goodness_of_fit", "pattern_table"):
        with pytest.raises(SpecificationError, match=f"{method} is not available.*{reason}"):
            getattr(fit(), method)()
    assert "G2" not in str(fit().summary())


def test_clusters_weights_and_known_classes_have_no_chi_square():
    data = two_levels()
    items = [f"y{j}" for j in range(4)]
    clusters = smg.LatentClass(data, 2, items=items, clusters="school", cluster_classes=2)
    with pytest.raises(SpecificationError, match="units in clusters are dependent"):
        clusters.fit(n_starts=2).goodness_of_fit()
    weights = smg.LatentClass(data, 2, items=items, weights=np.linspace(0.5, 1.5, len(data)))
    result = weights.fit(n_starts=2)
    with pytest.raises(SpecificationError, match="sampling weights"):
        result.goodness_of_fit()
    with pytest.raises(SpecificationError, match="sampling weights"):
        result.bivariate_residuals(n_rep=2)
    assert result.bivariate_residuals()["residual"].notna().all()
    known = np.where(np.arange(len(data)) < 20, 1.0, np.nan)
    result = smg.LatentClass(data, 2, items=items, known=known).fit(n_starts=2)
    with pytest.raises(SpecificationError, match="known classes"):
        result.goodness_of_fit()


def test_sparse_tables_are_named_and_the_bootstrap_is_reproducible():
    result = fitted("carcinoma_lca2")
    with pytest.warns(UserWarning, match=r"0.92 units a cell.*n_rep=500"):
        result.goodness_of_fit()
    one, other = (result.goodness_of_fit(n_rep=9, seed=4) for _ in range(2))
    pd.testing.assert_frame_equal(one, other)
    # the two-class model of these data is far off: no sample is as bad
    np.testing.assert_allclose(one["p_bootstrap"], 0.1)


def test_bootstrap_reports_progress(capsys):
    fitted("hivtests_lca2").goodness_of_fit(n_rep=2, seed=1, disp=1)
    assert "sample     2 of 2" in capsys.readouterr().out


def test_residuals_of_pairs_are_those_of_two_way_tables():
    result, data = fitted("cheating_lca2"), load_data("cheating")
    found = result.bivariate_residuals()
    sizes, table = result.class_sizes()["estimate"], result.profiles()["estimate"]
    for (one, other), row in found.iterrows():
        observed = pd.crosstab(data[one], data[other]).to_numpy()
        expected = np.zeros((2, 2))
        for c in sizes.index:
            p = table.loc[one].xs(c, level="class").to_numpy()
            q = table.loc[other].xs(c, level="class").to_numpy()
            expected += 319 * sizes[c] * np.outer(p, q)
        assert row["x2"] == pytest.approx(((observed - expected) ** 2 / expected).sum())
        assert row["df"] == 1
    assert found["residual"].is_monotonic_decreasing


def test_a_dependence_beyond_the_classes_is_found_for_all_kinds_of_indicators():
    rng = np.random.default_rng(5)
    data = simulated(400, seed=6)
    shared = rng.normal(size=400)
    data["g"] = data["g"] + 1.5 * shared
    data["h"] = rng.normal(size=400) + 1.5 * shared
    data["E"] = (shared + 0.5 * rng.normal(size=400) > 0).astype(int)
    model = smg.LatentClass(
        data, 2, items=["A", "B", "C", "g", "h", "E"], families={"A": "nominal"},
        classes="~ x", direct={"g": "~ x"},
    )  # fmt: skip
    result = model.fit(n_starts=4)
    table = result.bivariate_residuals()
    assert set(table.index[:3]) & {("g", "h"), ("g", "E"), ("h", "E")}
    assert (table["df"] == [2 if "B" in pair else 1 for pair in table.index]).all()
    with_p = result.bivariate_residuals(n_rep=4, seed=1)
    assert with_p["p_bootstrap"].between(0.2, 1.0).all()


@pytest.mark.study
def test_bootstrap_p_values_are_uniform_where_the_model_holds():
    p, truth = [], fitted("dentistry_lca2")
    for seed in range(40):
        data = truth.simulate(seed=seed).sample(300, random_state=seed)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ModelWarning)
            result = smg.LatentClass(data, 2).fit(n_starts=4)
        p.append(result.goodness_of_fit(n_rep=39, seed=seed).loc["G2", "p_bootstrap"])
    assert stats.kstest(p, "uniform").pvalue > 0.01


def test_one_indicator_has_no_pairs():
    data = pd.DataFrame({"y": np.random.default_rng(1).normal(size=60) + np.repeat([0.0, 4.0], 30)})
    result = smg.LatentClass(data, 2, families={"y": "gaussian"}).fit(n_starts=3)
    with pytest.raises(SpecificationError, match="one indicator"):
        result.bivariate_residuals()
    assert nested().bivariate_residuals().shape == (15, 3)


def test_constraints_are_taken_into_account():
    data = load_data("cheating")
    model = smg.LatentClass(data, 2, items=["LIEEXAM", "LIEPAPER", "FRAUD", "COPYEXAM"])
    free = fitted("cheating_lca2")
    equal = model.fit_constrained("class2:LIEEXAM[2] = class2:LIEPAPER[2], class1:FRAUD[2] = -3")
    assert equal.pattern_df == free.pattern_df + 2
    assert (equal.profiles("FRAUD")["status"] == "fixed").sum() == 2
    inside = equal._results
    everything = np.indices([2] * 4).reshape(4, -1).T
    taken = inside._taken_by_estimation(everything, 319.0)
    # what seven parameters take up
    assert (taken / (319 * inside._pattern_probabilities(everything))).sum() == pytest.approx(7.0)
    table = equal.goodness_of_fit(n_rep=3, seed=1)
    assert table["p_bootstrap"].between(0.25, 1.0).all()
    assert free.compare_lr_test(equal).df_diff == 2
    with pytest.raises(SpecificationError, match="this model has constraints"):
        equal.compare_lr_test(free)
    ordered = smg.LatentClass(data, 2, items=model.data.ynames, order="FRAUD").fit(n_starts=4)
    with pytest.raises(SpecificationError, match="order of the classes .*'FRAUD'"):
        free.compare_lr_test(ordered)


def test_pairs_that_nobody_responded_to_both_of_are_left_out():
    data = two_levels().drop(columns=["school", "x"]).astype(float)
    data.loc[::2, "y0"], data.loc[1::2, "y1"] = np.nan, np.nan
    table = smg.LatentClass(data, 2).fit(n_starts=3).bivariate_residuals()
    assert len(table) == 14 and ("y0", "y1") not in table.index
