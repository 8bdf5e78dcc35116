"""Every reference case with loadings or regressions among latent variables, through the public API."""

import numpy as np
import pytest

from tests.models.latent_cases import CASES, fitted, quantities

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
