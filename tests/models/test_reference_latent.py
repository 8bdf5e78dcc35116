"""Every reference case with loadings or regressions among latent variables, through the public API."""

import numpy as np
import pytest

from tests.models.latent_cases import CASES, democracy, fitted, quantities, second_order

GAUSSIAN = ["hs_cfa1", "hs_cfa3", "hs_mimic", "poldem_sem_nocor", "demo_twolevel_eqload"]
ROBUST = ["hs_cfa1", "hs_cfa3", "hs_mimic", "poldem_sem_nocor"]

LLF_RTOL = {name: 1e-8 if name in GAUSSIAN else 1e-6 for name in CASES}
# Differences of estimates are judged in units of the standard error. lavaan stops at gradients of 1e-6
# to 1e-2 (two levels), the evaluators at 1e-7 or less.
ESTIMATE_SE = {name: 1e-4 if name in GAUSSIAN else 2e-6 for name in CASES}
SE_RTOL = {name: 2e-5 if name in GAUSSIAN else 2e-6 for name in CASES}
ESTIMATE_SE["demo_twolevel_eqload"], SE_RTOL["demo_twolevel_eqload"] = 3e-4, 5e-5


@pytest.mark.parametrize("name", CASES)
def test_loglike_and_number_of_parameters(name):
    result = fitted(name)
    assert result.verdict.ok
    assert len(result.params) == CASES[name]["n_params"]
    np.testing.assert_allclose(result.llf, CASES[name]["loglike"], rtol=LLF_RTOL[name])


@pytest.mark.parametrize("name", CASES)
def test_estimates(name):
    table = quantities(name, fitted(name))
    deviation = (table["est"] - table["ref_est"]) / table["se"]
    np.testing.assert_allclose(deviation, 0, atol=ESTIMATE_SE[name])


@pytest.mark.parametrize("name", CASES)
def test_standard_errors(name):
    table = quantities(name, fitted(name)).dropna(subset="ref_se")
    np.testing.assert_allclose(table["se"], table["ref_se"], rtol=SE_RTOL[name])


@pytest.mark.parametrize("name", ROBUST)
def test_robust_standard_errors(name):
    table = quantities(name, fitted(name, cov_type="robust"))
    np.testing.assert_allclose(table["se"], table["ref_robust_se"], rtol=SE_RTOL[name])


def test_correlated_residuals():
    # lavaan 0.6.14, ML with observed information: Bollen (1989) with his six residual covariances, all
    # positive, which are variances of latent variables here: nine dimensions
    published = {
        ("y1", "y5"): (0.623671074030225, 0.368992919157649),
        ("y2", "y4"): (1.31311257673291, 0.698784412297923),
        ("y2", "y6"): (2.15286126610351, 0.726296431713006),
        ("y3", "y7"): (0.794960276374888, 0.621162045876435),
        ("y4", "y8"): (0.348226039083801, 0.457860353289621),
        ("y6", "y8"): (1.35616712069039, 0.571980974983596),
    }
    result = democracy(list(published)).fit()
    assert result.verdict.ok
    np.testing.assert_allclose(result.llf, -1547.79094340271, rtol=1e-10)
    for (a, b), (estimate, std_err) in published.items():
        name = f"var({a}_{b}|person)"
        assert result.params[name] == pytest.approx(estimate, abs=1e-4 * std_err)
        assert result.bse[name] == pytest.approx(std_err, rel=1e-5)
    assert result.bse["dem65 ~ ind60"] == pytest.approx(0.233732608674569, rel=1e-5)


def test_factor_of_second_order_is_three_correlated_factors():
    result = second_order().fit()
    assert result.verdict.ok
    np.testing.assert_allclose(result.llf, CASES["hs_cfa3"]["loglike"], rtol=1e-10)
    assert len(result.params) == CASES["hs_cfa3"]["n_params"]
    # correlations of the factors by their paths
    paths = result.params[[f"{name} ~ general" for name in ("visual", "textual", "speed")]]
    standard = (paths / np.sqrt(1 + paths**2)).to_numpy()
    factors = fitted("hs_cfa3").cov_re.to_numpy()
    sd = np.sqrt(np.diag(factors))
    implied = np.outer(standard, standard)[np.tril_indices(3, -1)]
    np.testing.assert_allclose(
        implied, (factors / np.outer(sd, sd))[np.tril_indices(3, -1)], rtol=1e-5
    )


@pytest.mark.parametrize("name", [name for name in CASES if "posterior" in CASES[name]])
def test_latent_scores(name):
    reference, result = CASES[name]["posterior"], fitted(name)
    scores = result.latent_scores
    if isinstance(scores, dict):
        scores = scores["person"]
    means = np.array(reference["mean"]).reshape(5, -1)
    factors = [column for column in scores.columns if not column.startswith("sd(")]
    if name.startswith("sat12"):
        # the reference has variances of one
        scores = scores / np.sqrt([result.params[f"var({f}|person)"] for f in factors]).repeat(2)
    factors = reference.get("factors", factors)
    np.testing.assert_allclose(scores[factors].iloc[:5], means, atol=2e-5)
    if "sd" in reference:
        sds = [f"sd({factor})" for factor in factors]
        reference_sds = np.array(reference["sd"]).reshape(5, -1)
        np.testing.assert_allclose(scores[sds].iloc[:5], reference_sds, rtol=1e-5)
