"""Item response models of the references through `IRT`: with default settings, and converged further."""

from functools import cache

import numpy as np
import pandas as pd
import pytest

import sm_gllamm.api as smg
from sm_gllamm import datasets
from tests.reference import load_cases, load_data

CASES = load_cases("irt")
DIMENSIONS = {
    "F1": [f"item_{k}" for k in (7, 9, 10, 11, 13, 15, 17, 18)],
    "F2": [f"item_{k}" for k in (2, 4, 5, 12, 14, 19, 20, 23)],
}
PUBLISHED = ["masc1_2pl"]
COMPUTED = [name for name in CASES if name not in PUBLISHED]


def verbal_aggression():
    data = datasets.verbagg.load_pandas().data
    items = data.drop_duplicates("item").set_index("item")[["btype", "situ", "mode"]]
    graded = data["resp"].map({"no": 0, "perhaps": 1, "yes": 2})
    # the reference's categories are in alphabetical order
    items["mode"] = items["mode"].astype(str)
    return data.assign(male=(data["Gender"] == "M") * 1.0, graded=graded), items


def model(name):
    case = CASES[name]
    if case["data"] == "verbagg":
        data, items = verbal_aggression()
        response = "graded" if name == "verbagg_grm" else "y"
        right = "Anger + male" if name.endswith("latreg") else "1"
        options = {}
        if "lltm" in name:
            options = {"item_formula": "~ btype + situ + mode", "item_data": items}
        return smg.IRT.from_formula(
            f"{response} ~ {right}", data, "id", "item", model=case["model"], **options
        )
    if case["data"] == "irtsim":
        data = load_data("irtsim")
        return smg.IRT.from_formula("y ~ 1", data, "sid", "item", clusters="school")
    if case["data"] == "science":
        data = datasets.science.load_pandas().data
        items = ["comfort", "work", "future", "benefit"] if name.endswith("4") else None
        return smg.IRT(data, case["model"], items=items)
    data = load_data(case["data"])
    items = [column for column in data if column.startswith(("item", "q"))]
    options = {}
    for column in ("freq", "frequency"):
        if column in data:
            options["freq_weights"] = column
    if case["data"] == "asvab":
        options["regression"] = "~ black * female"
        if "dif" in name:
            options["dif"] = {"item_1": "~ black"}
    if name == "lsat_missing_2pl":
        row = np.arange(1, len(data) + 1)
        for item, factor, divisor in (("item_2", 7, 11), ("item_4", 5, 13), ("item_5", 3, 17)):
            data[item] = data[item].astype(float).mask(factor * row % divisor == 0)
    if "2dim" in name:
        items, options["dimensions"] = sum(DIMENSIONS.values(), []), DIMENSIONS
    return smg.IRT(data, case["model"], items=items, **options)


@cache
def fitted(name, tol=None, cov_type=None):
    """Fit of a case, with default settings unless `tol` is given."""
    options = {} if tol is None else {"quadrature_tol": tol}
    if name == "lsat_rasch_unit":
        # a latent variance of one and slopes of one
        return model(name).fit_constrained("var(theta|person) = 1")
    return model(name).fit(cov_type=cov_type, **options)


def schools(result):
    """PLmixed's parameters of the model of persons in schools, by the delta method."""
    p, names = result.params, [f"slope[{k}]" for k in range(1, 6)]
    of_school = "var(theta(school)|school)"

    def values(params):
        first = params["slope[1]"]
        return np.array(
            [params[f"intercept[{k}]"] for k in range(1, 6)]
            + [np.log(first * np.sqrt(params[of_school])), np.log(first)]
            + [params[name] / first for name in names[1:]]
        )

    gradient = np.zeros((11, len(p)))
    for k, name in enumerate(p.index):
        for sign in (1, -1):
            moved = p.copy()
            moved[name] += sign * 1e-5
            gradient[:, k] += sign * values(moved) / 2e-5
    se = np.sqrt(np.diag(gradient @ result.cov_params().to_numpy() @ gradient.T))
    labels = [f"d{k}" for k in range(1, 6)] + ["log_sd_school", "log_sd_person"]
    return pd.DataFrame(
        {"est": values(p), "se": se}, index=labels + [f"lambda{k}" for k in range(2, 6)]
    )


def derived(name, result):
    """Discriminations and difficulties by ``item/parameter``."""
    if name == "irtsim_3level_2pl":
        return schools(result)
    table = result.item_table("difficulty")
    table = table.rename(columns={"estimate": "est", "std_err": "se"})[["est", "se"]]
    return table.set_axis([f"{item}/{what}" for item, what in table.index], axis=0)


def compared(name, result):
    """Estimates and standard errors beside those of the reference."""
    case = CASES[name]
    own = pd.DataFrame({"est": result.params, "se": result.bse})
    if "derived" in case:
        own = pd.concat([own, derived(name, result)])
    reference = pd.DataFrame({**case["params"], **case.get("derived", {})}).T.add_prefix("ref_")
    return own.join(reference, how="inner"), len(reference)


@pytest.mark.parametrize("name", COMPUTED)
def test_default_fit(name):
    case, result = CASES[name], fitted(name)
    assert result.converged
    assert result.nobs == np.ravel(case["n_persons"])[-2 if case["data"] == "irtsim" else -1]
    assert result.df_modelwc == case["n_params"]
    assert result.llf == pytest.approx(case["loglike"], rel=1e-8)
    table, count = compared(name, result)
    assert len(table) == count
    deviation = (table["est"] - table["ref_est"]) / np.maximum(table["ref_se"], 0.05)
    assert np.abs(deviation).max() < 4e-4
    np.testing.assert_allclose(table["se"], table["ref_se"], rtol=3e-4)


@pytest.mark.parametrize("name", [n for n in COMPUTED if n != "lsat_rasch_unit"])
def test_finer_quadrature(name):
    result = fitted(name, tol=1e-8)
    assert result.verdict.ok
    assert result.llf == pytest.approx(CASES[name]["loglike"], rel=1e-10)
    table, _ = compared(name, result)
    np.testing.assert_allclose((table["est"] - table["ref_est"]) / table["se"], 0, atol=2e-5)
    np.testing.assert_allclose(table["se"], table["ref_se"], rtol=3e-5)


def test_robust_standard_errors():
    name = "lsat_2pl_robust"
    reference = pd.Series(CASES[name]["robust_se"])
    result = fitted(name, 1e-8, "robust")
    np.testing.assert_allclose(result.bse[reference.index], reference, rtol=1e-6)


@pytest.mark.parametrize(
    "name", [n for n in COMPUTED if "eap_first5" in CASES[n] and not n.endswith(("16", "unit"))]
)
def test_expected_a_posteriori_scores(name):
    reference, result = CASES[name]["eap_first5"], fitted(name, tol=1e-8)
    scores = result.scores("EAP").iloc[:5]
    # the reference has a latent variance of one
    scale = np.sqrt(result.params.get("var(theta|person)", 1.0))
    np.testing.assert_allclose(scores["theta"] / scale, reference["eap"], atol=2e-6)
    np.testing.assert_allclose(scores["se"] / scale, reference["se"], rtol=2e-6)


def test_printed_by_stata():
    # printed estimates are those of 7 ordinary nodes, whose log-likelihood is 0.27 off
    case, result = CASES["masc1_2pl"], fitted("masc1_2pl")
    assert result.llf == pytest.approx(case["loglike"], abs=2e-5)
    table, count = compared("masc1_2pl", result)
    assert len(table) == count == 18
    assert np.abs((table["est"] - table["ref_est"]) / table["ref_se"]).max() < 0.15


def test_item_residuals_in_two_stages_are_nearly_the_joint_fit():
    # glmer of lme4 1.1-31, Laplace: y ~ Anger + Gender + btype + situ + mode + (1 | id) + (1 | item)
    data = datasets.verbagg.load_pandas().data
    wide = data.pivot(index="id", columns="item", values="y")
    items = [str(name) for name in wide]
    persons = data.drop_duplicates("id").set_index("id")[["Anger", "Gender"]]
    result = smg.IRT(wide.join(persons), "Rasch", items=items, regression="~ Anger + Gender").fit()
    design = data.drop_duplicates("item").set_index("item")
    table = result.explain_items("~ btype + situ + mode", design, reml=False)
    assert table.variance == pytest.approx(0.11711, rel=0.05)
    joint = {"scold": (-1.05954, 0.18448), "shout": (-2.10324, 0.18720)}
    for label, (estimate, error) in joint.items():
        own = table.table.loc[f"btype[T.{label}]"]
        assert own["coef"] == pytest.approx(estimate, rel=0.005)
        assert own["std_err"] == pytest.approx(error, rel=0.02)
    assert result.params["theta ~ Anger"] == pytest.approx(0.05739, rel=0.01)
    assert result.bse["theta ~ Anger"] == pytest.approx(0.01678, rel=0.02)
