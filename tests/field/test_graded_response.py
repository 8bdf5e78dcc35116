"""Graded response models against converged references, mirt's printed numbers and a dense grid."""

import numpy as np
import pytest
from scipy.special import expit

import sm_gllamm.api as smg
from sm_gllamm import datasets
from tests.field import evaluator
from tests.field.peers import assert_agrees, negative
from tests.reference import load_cases
from tests.test_examples import load_example

example = load_example("field_graded_response")
CASES = load_cases("field")


@pytest.fixture(scope="module")
def graded():
    return example.fit(example.load())


def translator(latent):
    """mirt's slopes are loadings; its intercepts d1, d2, ... are thresholds with the other sign."""

    def translate(name):
        kind, _, item = name.partition("_")
        if kind == "a":
            return f"loading({latent}: C(item)[{item}])"
        upper = int(kind[1:])
        return negative(f"threshold({upper - 1}|{upper})[{item}]")

    return translate


def test_four_items(graded):
    assert_agrees(CASES["science_grm4"], graded, translator("attitude"))


def test_seven_items_of_which_two_hardly_discriminate():
    rows = example.load(list(datasets.science.load_pandas().data))
    # Three statements are worded against science and hang together, too: the likelihood has a second
    # maximum, 1.3 lower, at which they measure the attitude and the others hardly do.
    start = example.fit(rows).params
    for name in start.index[start.index.str.startswith("loading")]:
        start[name] = float(any(f"[{item}]" in name for item in example.ITEMS))
    result = example.fit(rows, start_params=start.to_numpy())
    assert_agrees(CASES["science_grm7"], result, translator("attitude"))


def test_verbal_aggression_in_three_categories():
    data = datasets.verbagg.load_pandas().data
    data["y"] = data["resp"].cat.codes
    model = smg.GLLAMM.from_formula(
        "y ~ 0", data, latent=[smg.Latent("theta", "id", "0 + C(item)")],
        family={item: smg.families.Ordinal("logit") for item in data["item"].unique()},
        family_by="item", identification="variance",
    )  # fmt: skip
    assert_agrees(CASES["verbagg_grm"], model.fit(), translator("theta"))


def test_comparison_as_published(graded):
    published, equal = example.PUBLISHED, example.fit(example.load(), equal=True)
    test = graded.compare_lr_test(equal)
    assert equal.llf == pytest.approx(published["equal"], abs=0.0006)
    # mirt stops 5e-4 before the maximum
    assert graded.llf == pytest.approx(published["graded"], abs=0.0011)
    assert test.statistic == pytest.approx(published["statistic"], abs=0.0011)
    assert round(test.pvalue, 3) == published["p"]


def test_items_with_different_numbers_of_categories():
    rows = example.merge_lowest(example.load())
    result = example.fit(rows)
    y = rows.pivot(index="person", columns="item", values="y")
    y["comfort"] -= 1

    def loglike(params):
        items = []
        for item in example.ITEMS:
            loading = params[f"loading(attitude: C(item)[{item}])"]
            cuts = [value for name, value in params.items() if name.endswith(f")[{item}]")]
            items.append(evaluator.ordinal_item(y[item], cuts, {"attitude": loading}))
        return evaluator.one_factor(items, "attitude").sum()

    assert result.verdict.ok and len(result.params) == 15
    evaluator.assert_maximum(loglike, result)
    # thresholds are named after the categories that the item has
    assert list(example.thresholds(result, "comfort").index) == ["1|2", "2|3"]


def test_category_probabilities(graded):
    table = example.category_probabilities(graded, "future", [-1.0, 0.0, 2.5])
    np.testing.assert_allclose(table.sum(axis=1), 1, rtol=1e-12)
    assert list(table.columns) == ["0", "1", "2", "3"]
    a = graded.params["loading(attitude: C(item)[future])"]
    above = expit(2.5 * a - graded.params["threshold(2|3)[future]"])
    assert table.loc[2.5, "3"] == pytest.approx(above, rel=1e-12)
    parameters = example.item_parameters(graded)
    # half answer above a category where the attitude is its b
    half = example.category_probabilities(graded, "work", [parameters.loc["work", "1|2"]])
    assert half[["2", "3"]].sum(axis=1).item() == pytest.approx(0.5, rel=1e-12)


def test_script_runs(capsys):
    example.main()
    printed = capsys.readouterr().out
    assert all(title in printed for title in example.SECTIONS)
