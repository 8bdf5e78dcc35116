"""Latent class results against poLCA and published numbers."""

import numpy as np
import pytest

from tests.reference import load_data
from tests.results.latent_class_cases import CASES, CHEATING, fitted

WITHOUT_COVARIATES = [name for name in CASES if not name.endswith("_gpa")]

# Linzer & Lewis (2011, Journal of Statistical Software 42(10), section 5.1) and the output of poLCA 1.6.0.2
PUBLISHED = {
    "carcinoma_lca2": {"G2": 62.36543, "X2": 92.64814, "aic": 664.5137, "bic": 706.0739},
    "carcinoma_lca3": {"G2": 15.26171, "X2": 20.50336, "aic": 633.4100, "bic": 697.1357},
}


@pytest.mark.parametrize("name", list(CASES))
def test_log_likelihoods_are_those_of_the_reference(name):
    assert fitted(name).llf == pytest.approx(CASES[name]["loglik"], abs=1e-6)


@pytest.mark.parametrize("name", WITHOUT_COVARIATES)
def test_class_sizes_and_their_standard_errors_are_those_of_the_reference(name):
    result, params = fitted(name), CASES[name]["params"]
    table = result.class_sizes()
    for number, (_, row) in enumerate(table.iterrows(), 1):
        estimate, se = params[f"P_class{number}"]
        assert row["estimate"] == pytest.approx(estimate, abs=2e-6)
        assert row["std_err"] == pytest.approx(se, rel=1e-4)


@pytest.mark.parametrize("name", WITHOUT_COVARIATES)
def test_profiles_and_their_standard_errors_are_those_of_the_reference(name):
    table = fitted(name).profiles()
    # the reference has the categories in their order from 0
    seen = 0
    for key, (estimate, se) in CASES[name]["params"].items():
        if not key.startswith("P_") or key.startswith("P_class"):
            continue
        item, _, rest = key[2:].partition("=")
        category, _, number = rest.partition("_c")
        own = table.loc[item]
        labels = list(dict.fromkeys(own.index.get_level_values("response")))
        row = own.loc[(labels[int(category)], f"class{number}")]
        assert row["estimate"] == pytest.approx(estimate, abs=5e-6)
        if se < 1e-8:
            assert row["status"] == "boundary" and np.isnan(row["std_err"])
        else:
            assert row["std_err"] == pytest.approx(se, rel=2e-4, abs=1e-7)
        seen += 1
    assert seen == len([k for k in CASES[name]["params"] if k.startswith("P_")]) - len(
        fitted(name).class_sizes()
    )


@pytest.mark.parametrize("name", WITHOUT_COVARIATES)
def test_posteriors_are_those_of_the_reference(name):
    found = fitted(name).posterior().to_numpy()[:5]
    np.testing.assert_allclose(found, CASES[name]["posterior_first5"], atol=2e-6)


@pytest.mark.parametrize("name", list(PUBLISHED))
def test_fit_statistics_are_as_printed(name):
    result, printed = fitted(name), PUBLISHED[name]
    with pytest.warns(UserWarning, match="sparse"):
        table = result.goodness_of_fit()
    assert table.loc["G2", "statistic"] == pytest.approx(printed["G2"], abs=1e-5)
    assert table.loc["X2", "statistic"] == pytest.approx(printed["X2"], abs=1e-5)
    assert result.aic == pytest.approx(printed["aic"], abs=1e-4)
    assert result.bic == pytest.approx(printed["bic"], abs=1e-4)


def test_class_probabilities_fall_with_gpa_as_in_the_reference():
    result, params = fitted("cheating_lca2_gpa"), CASES["cheating_lca2_gpa"]["params"]
    data = load_data("cheating")
    table = result.class_probabilities(data[["GPA"]].dropna().drop_duplicates())
    a, b = params["const.(Intercept)"][0], params["GPA.GPA"][0]
    gpa = data["GPA"].dropna().drop_duplicates().to_numpy()
    second = table.xs("class2", level="class")["predicted"].to_numpy()
    np.testing.assert_allclose(second, 1 / (1 + np.exp(-(a + b * gpa))), atol=1e-5)
    for item in CHEATING:
        for c in (1, 2):
            estimate, se = params[f"logit_{item}_c{c}"]
            row = result.profiles(item, scale="logit").loc[(item, 2, f"class{c}")]
            assert row["estimate"] == pytest.approx(estimate, abs=1e-5)
            assert row["std_err"] == pytest.approx(se, rel=1e-4)
