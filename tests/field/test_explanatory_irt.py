"""Explanatory item response models against converged references and a dense grid."""

import numpy as np
import pandas as pd
import pytest

from tests.field import evaluator
from tests.field.peers import assert_agrees, negative, root
from tests.reference import load_cases
from tests.test_examples import load_example

example = load_example("field_explanatory_irt")
CASES = load_cases("field")

# the reference compares wanting with doing, and codes persons as we do
NAMES = {
    "(Intercept)": "Intercept",
    "btypescold": "btype[T.scold]",
    "btypeshout": "btype[T.shout]",
    "situself": "situ[T.self]",
    "Anger": "aggression ~ Anger",
    "male": "aggression ~ man",
}


@pytest.fixture(scope="module")
def data():
    return example.load()


def translate(name):
    if name == "sd_id":
        return root("var(aggression|id)")
    if name.startswith("item"):
        return f"C(item)[{name[4:]}]"
    return negative("mode[T.do]") if name == "modewant" else NAMES[name]


@pytest.mark.parametrize(
    ("case", "name"),
    [
        ("verbagg_rasch", "Rasch"),
        ("verbagg_lltm", "LLTM"),
        ("verbagg_lltm_latreg", "LLTM, latent regression"),
    ],
)
def test_agrees_with_the_reference(case, name, data):
    result = example.MODELS[name](data)
    reference = dict(CASES[case])
    if "(Intercept)" in reference["params"]:
        # our constant is that of wanting, the reference's that of doing
        params = dict(reference["params"])
        constant = params.pop("(Intercept)")["est"]
        reference["params"] = params
        ours = result.params["Intercept"] + result.params["mode[T.do]"]
        assert ours == pytest.approx(constant, abs=1e-4)
    assert_agrees(reference, result, translate)
    assert round(result.llf, 3) == pytest.approx(example.REFERENCE[name], abs=0.0011)


def test_printed_estimates_of_the_reference(data):
    result = example.fit_latent_regression(data)
    known = pd.Series(example.REFERENCE_ESTIMATES)
    np.testing.assert_allclose(result.params[known.index], known, atol=0.00051)


def test_explained_discriminations_by_brute_force(data):
    result = example.fit_explained_discriminations(data)
    wide = data.pivot(index="id", columns="item", values="y")
    columns = ["Intercept", "btype[T.scold]", "btype[T.shout]", "situ[T.self]", "mode[T.do]"]
    items = data.groupby("item")[["btype", "situ", "mode"]].first().loc[wide.columns]
    x = np.column_stack(
        [
            np.ones(len(items)),
            items["btype"] == "scold",
            items["btype"] == "shout",
            items["situ"] == "self",
            items["mode"] == "do",
        ]
    ).astype(float)

    def loglike(params):
        constants = x @ params[columns]
        slopes = x @ params[[f"loading(aggression: {name})" for name in columns]]
        answers = [
            evaluator.logit_item(wide[item], constants[k], {"aggression": slopes[k]})
            for k, item in enumerate(wide)
        ]
        return evaluator.one_factor(answers, "aggression").sum()

    assert result.verdict.ok
    evaluator.assert_maximum(loglike, result)


def test_models_contain_each_other(data):
    llf = {name: fit(data).llf for name, fit in example.MODELS.items()}
    assert llf["LLTM"] < llf["Rasch"] < llf["two parameters"]
    assert llf["LLTM"] < llf["LLTM, discriminations by properties"] < llf["two parameters"]
    assert 0.85 < example.explained_variance(data) < 0.95


def test_script_runs(capsys):
    example.main()
    printed = capsys.readouterr().out
    assert all(title in printed for title in example.SECTIONS)
