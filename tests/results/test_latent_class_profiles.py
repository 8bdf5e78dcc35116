"""Class sizes and profiles: derivatives against differences, values written out."""

import numpy as np
import pytest
from scipy import stats

import sm_gllamm.api as smg
from sm_gllamm.exceptions import SpecificationError
from tests.results.latent_class_cases import fitted, mixed, nested, simulated

STEP = 1e-5


def differences(result, function):
    """Derivatives of something that results know in the published parameters."""
    result = result._results
    columns = []
    for k in range(len(result.params)):
        up, down = (np.array(result.params, dtype=float) for _ in range(2))
        step = STEP * (1.0 + abs(up[k]))
        up[k], down[k] = up[k] + step, down[k] - step
        values = [
            function(result._at(result.model, result.model.mapping.theta(p))) for p in (up, down)
        ]
        columns.append((values[0] - values[1]) / (2.0 * step))
    return np.stack(columns, axis=-1)


def test_gradients_of_profiles():
    result = mixed()

    def values(r):
        return np.hstack([profile.value for profile in r._profiles().values()])

    found = [profile.gradient for profile in result._results._profiles().values()]
    np.testing.assert_allclose(
        np.concatenate(found, axis=1), differences(result, values), atol=2e-7
    )


@pytest.mark.parametrize("fit", [mixed, nested], ids=["covariate", "clusters"])
def test_gradients_of_class_sizes(fit):
    result = fit()
    facts = result._results._class_facts()
    for value, gradient in (
        ("sizes", facts.gradient),
        ("given_upper", facts.given_upper_gradient),
        ("upper", facts.upper_gradient),
    ):
        found = differences(result, lambda r, value=value: getattr(r._class_facts(), value))
        np.testing.assert_allclose(gradient, found, atol=1e-8)


def test_sizes_are_averages_of_class_probabilities():
    result = mixed()
    a, b = (result.params[f"logit(class2):{x}"] for x in ("Intercept", "x"))
    p = 1 / (1 + np.exp(-(a + b * simulated()["x"])))
    table = result.class_sizes(alpha=0.1)
    assert table.loc["class2", "estimate"] == pytest.approx(p.mean())
    gradient = np.array([np.mean(p * (1 - p)), np.mean(p * (1 - p) * simulated()["x"])])
    names = ["logit(class2):Intercept", "logit(class2):x"]
    cov = result.cov_params().loc[names, names].to_numpy()
    se = np.sqrt(gradient @ cov @ gradient)
    assert table.loc["class2", "std_err"] == pytest.approx(se)
    estimate = p.mean()
    half = stats.norm.ppf(0.95) * se / (estimate * (1 - estimate))
    centre = np.log(estimate / (1 - estimate))
    expected = 1 / (1 + np.exp(-(centre + np.array([-half, half]))))
    np.testing.assert_allclose(table.loc["class2", ["lower", "upper"]].astype(float), expected)
    assert table["assigned"].sum() == 320


def test_sizes_of_upper_classes_add_up():
    result = nested()
    given, above = result.class_sizes(given_upper=True), result.upper_class_sizes()
    total = (
        given["estimate"].unstack("class").mul(above["estimate"], axis=0).sum()
    )  # law of total probability
    np.testing.assert_allclose(total, result.class_sizes()["estimate"])
    assert above["assigned"].sum() == 24
    assert above["estimate"].sum() == pytest.approx(1.0)
    with pytest.raises(SpecificationError, match="no classes of clusters"):
        mixed().upper_class_sizes()


def test_wide_profiles_have_marginals_and_observed_shares():
    result, data = mixed(), simulated()
    table = result.profiles(wide=True)
    assert table.loc[("A", 1), "observed"] == pytest.approx(data["A"].mean())
    assert table.loc[("g", "sd"), "observed"] == pytest.approx(data["g"].std(ddof=0))
    assert table.loc[("o", 2), "observed"] == pytest.approx((data["o"].dropna() == 2).mean())
    np.testing.assert_allclose(
        table.loc[("p", "mean"), ["class1", "class2"]].astype(float),
        np.exp([result.params["class1:p"], result.params["class2:p"]]),
    )
    assert not table.isna().to_numpy().any()
    # maximum likelihood fits margins of indicators whose probabilities are free; some are missing
    np.testing.assert_allclose(table["marginal"], table["observed"], atol=0.04)


def test_direct_effects_average_over_the_covariates_of_those_who_responded():
    result, data = mixed(), simulated()
    expected = result.params["class1:g"] + result.params["g:x"] * data["x"][data["g"].notna()]
    found = result.profiles("g").loc[("g", "mean", "class1"), "estimate"]
    assert found == pytest.approx(expected.mean())
    nu = result.params["class2:C"] + result.params["C:x"] * data["x"]
    found = result.profiles("C").loc[("C", 1, "class2"), "estimate"]
    assert found == pytest.approx(np.mean(1 / (1 + np.exp(-nu))))


def test_probabilities_on_the_boundary_have_no_standard_error():
    table = fitted("carcinoma_lca2").profiles("A")
    row = table.loc[("A", 2, "class1")]
    assert row["estimate"] == 1.0 and row["status"] == "boundary"
    assert np.isnan(row["std_err"])
    logits = fitted("carcinoma_lca2").profiles("A", scale="logit")
    assert logits.loc[("A", 2, "class1"), "estimate"] == np.inf
    assert logits.loc[("A", 1, "class1"), "estimate"] == -np.inf


def test_logits_agree_with_parameters():
    result = fitted("cheating_lca2")
    row = result.profiles("FRAUD", scale="logit").loc[("FRAUD", 2, "class1")]
    assert row["estimate"] == pytest.approx(result.params["class1:FRAUD[2]"])
    assert row["std_err"] == pytest.approx(result.bse["class1:FRAUD[2]"])
    limits = result.conf_int().loc["class1:FRAUD[2]"]
    np.testing.assert_allclose([row["lower"], row["upper"]], limits)


def test_unknown_items_and_scales_are_refused():
    with pytest.raises(SpecificationError, match="'Q' is no indicator"):
        mixed().profiles("Q")
    with pytest.raises(SpecificationError, match="scale='odds' is not known"):
        mixed().profiles(scale="odds")
    with pytest.raises(SpecificationError, match="indicators with categories"):
        mixed().profiles("g", scale="logit")


def test_weights_count():
    data = simulated()[["A", "B", "g"]].dropna().iloc[:200]
    twice = data.assign(w=1.0 + (np.arange(len(data)) % 2))
    rows = twice.loc[twice.index.repeat(twice["w"].astype(int))]
    options = {"items": ["A", "B", "g"], "families": {"A": "nominal"}}
    weighted = smg.LatentClass(twice, 2, freq_weights="w", **options).fit(n_starts=3)
    repeated = smg.LatentClass(rows, 2, **options).fit(n_starts=3)
    for table in ("class_sizes", "profiles"):
        one, other = getattr(weighted, table)(), getattr(repeated, table)()
        numbers = [c for c in one if c != "status"]
        np.testing.assert_allclose(one[numbers], other[numbers], atol=1e-5)
    assert weighted.entropy_r2 == pytest.approx(repeated.entropy_r2, abs=1e-6)
    assert weighted.info_criteria("icl") == pytest.approx(repeated.info_criteria("icl"), abs=1e-4)


@pytest.mark.study
def test_intervals_of_sizes_and_profiles_cover():
    truth = fitted("dentistry_lca2")
    size = truth.class_sizes().loc["class2", "estimate"]
    share = truth.profiles().loc[("V3", 1, "class2"), "estimate"]
    covered, found = np.zeros(2), []
    for seed in range(150):
        data = truth.simulate(seed=seed).iloc[::4]
        result = smg.LatentClass(data, 2).fit(n_starts=2)
        one = result.class_sizes().loc["class2"]
        other = result.profiles("V3").loc[("V3", 1, "class2")]
        covered += [r["lower"] < t < r["upper"] for r, t in ((one, size), (other, share))]
        found.append([one["estimate"], one["std_err"]])
    # standard errors of 150 shares of 0.95 are 0.018
    np.testing.assert_allclose(covered / 150, 0.95, atol=0.055)
    estimates, errors = np.transpose(found)
    assert estimates.std() == pytest.approx(np.sqrt(np.mean(errors**2)), rel=0.15)
