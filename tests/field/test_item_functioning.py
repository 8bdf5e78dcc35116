"""Differential item functioning against references and dense grids."""

import numpy as np
import pandas as pd
import pytest

from tests.field import evaluator
from tests.reference import load_cases
from tests.test_examples import load_example

example = load_example("field_item_functioning")


@pytest.fixture(scope="module")
def rows():
    return example.load()


def test_direct_effect_against_the_reference(rows):
    without, result = example.fit(rows), example.fit(rows, " + black:item_1")
    reference = pd.Series(example.REFERENCE)
    np.testing.assert_allclose(result.params[reference.index], reference, atol=0.00051)
    cases = load_cases("latent")
    assert without.llf == pytest.approx(cases["asvab_latreg"]["loglike"], rel=1e-7)
    assert result.llf == pytest.approx(cases["asvab_mimic_dif1"]["loglike"], rel=1e-7)
    printed = list(example.REFERENCE_LOGLIKE.values())
    np.testing.assert_allclose([without.llf, result.llf], printed, atol=0.0006)


@pytest.mark.parametrize("item", example.ITEMS)
def test_another_discrimination_by_brute_force(rows, item):
    result = example.fit_other_discrimination(rows, item)
    wide = rows.pivot(index="pattern", columns="item", values="y")
    people = rows.groupby("pattern")[["black", "female", "freq"]].first()
    black, female = people["black"].to_numpy(), people["female"].to_numpy()

    def loglike(params):
        items = []
        for name in example.ITEMS:
            own = black * (name == item)
            constant = params[f"C(item)[{name}]"] + params[f"black:{item}"] * own
            loading = params[f"loading(ability: C(item)[{name}])"]
            loading = loading + params[f"loading(ability: black:{item})"] * own
            items.append(evaluator.logit_item(wide[name], constant, {"ability": loading}))
        mean = params["ability ~ black"] * black + params["ability ~ female"] * female
        mean = mean + params["ability ~ black:female"] * black * female
        return people["freq"] @ evaluator.one_factor(items, "ability", mean=mean)

    assert result.verdict.ok
    evaluator.assert_maximum(loglike, result)


@pytest.mark.parametrize("direct", ["", " + man:doing"], ids=["none", "direct"])
def test_verbal_aggression_by_brute_force(direct):
    data = example.load_aggression()
    result = example.fit_aggression(data, direct)
    wide = data.pivot(index="id", columns="item", values="y")
    man = data.groupby("id")["man"].first().to_numpy()
    doing = data.groupby("item")["doing"].first()

    def loglike(params):
        effect = params.get("man:doing", 0.0)
        items = [
            evaluator.logit_item(
                wide[name],
                params[f"C(item)[{name}]"] + effect * man * doing[name],
                {"aggression": params[f"loading(aggression: C(item)[{name}])"]},
            )
            for name in wide
        ]
        mean = params["aggression ~ man"] * man
        return evaluator.one_factor(items, "aggression", mean=mean).sum()

    assert result.verdict.ok
    evaluator.assert_maximum(loglike, result, directions=2)


def test_script_runs(capsys):
    example.main()
    printed = capsys.readouterr().out
    assert all(title in printed for title in example.SECTIONS)
