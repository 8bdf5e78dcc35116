"""Factor models of the nine tests of Holzinger and Swineford against lavaan."""

import numpy as np
import pandas as pd
import pytest

from tests.field.peers import assert_agrees
from tests.reference import load_cases
from tests.test_examples import load_example

example = load_example("field_factor_continuous")
CASES = load_cases("latent") | load_cases("field")
FIT = {
    "hs_cfa1": example.fit_one,
    "hs_cfa2": example.fit_two,
    "hs_cfa3": example.fit_three,
    "hs_bifactor": example.fit_bifactor,
}
# lavaan's names of factors are ours but for these
FACTORS = {"f": "ability", "ability": "power"}


@pytest.fixture(scope="module")
def results():
    rows = example.load()
    return {name: fit(rows) for name, fit in FIT.items()}


def translator(case):
    def translate(name):
        left, _, right = name.replace("=~", "~").replace("~~", "~").partition("~")
        left, right = (x if case == "hs_bifactor" else FACTORS.get(x, x) for x in (left, right))
        if "=~" in name:
            return f"loading({left}: {right})"
        if right == "1":
            return f"C(response)[{left}]"
        if left != right:
            return f"cov({left},{right}|child)"
        if left.startswith("x"):
            return f"log_sd:C(response)[{left}]", lambda value: np.exp(2 * value)
        return f"var({left}|child)"

    return translate


@pytest.mark.parametrize("name", FIT)
def test_agrees_with_lavaan(name, results):
    assert_agrees(CASES[name], results[name], translator(name))


@pytest.mark.parametrize("name", ["hs_cfa2", "hs_bifactor"])
def test_scores_are_those_of_lavaan(name, results):
    reference = CASES[name]["posterior"]
    factors = [FACTORS.get(x, x) if name == "hs_cfa2" else x for x in reference["factors"]]
    scores = results[name].latent_scores[factors].iloc[:5]
    np.testing.assert_allclose(scores, np.reshape(reference["mean"], (5, -1)), atol=1e-4)


def test_estimates_and_fit_as_published(results):
    result = results["hs_cfa3"]
    published = pd.Series(example.PUBLISHED)
    np.testing.assert_allclose(result.params[published.index], published, atol=0.00051)
    table = example.goodness_of_fit(example.load(), {"three": result})
    assert round(table.loc["three", "chi2"], 3) == example.PUBLISHED_CHI2
    assert table.loc["three", "df"] == example.PUBLISHED_DF
    # as lavaan prints it
    assert round(table.loc["three", "RMSEA"], 3) == 0.092


def test_standardised_loadings_reproduce_the_variances(results):
    result = results["hs_bifactor"]
    table = example.standardized_loadings(result)
    shares = (table.drop(columns="residual") ** 2).sum(axis=1) + table["residual"]
    np.testing.assert_allclose(shares, 1, rtol=1e-12)
    # the model has the observed variances of the items
    raw = example.load().pivot(index="child", columns="response", values="y")
    residual = np.exp(2 * result.params[[f"log_sd:C(response)[{x}]" for x in example.ITEMS]])
    variance = residual.to_numpy() / table["residual"]
    np.testing.assert_allclose(variance, raw.var(ddof=0)[table.index], rtol=1e-4)
    total, hierarchical = example.reliability(result)
    assert 0.5 < hierarchical < total < 0.9


def test_script_runs(capsys):
    example.main()
    printed = capsys.readouterr().out
    assert all(title in printed for title in example.SECTIONS)
