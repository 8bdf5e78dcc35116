"""Posterior class probabilities written out; new cases; classification; criteria."""

import pickle

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import sm_gllamm.api as smg
from sm_gllamm.exceptions import SpecificationError
from tests.reference import load_data
from tests.results.latent_class_cases import CHEATING, fitted, mixed, nested, simulated, two_levels


def densities(params, row, c):
    """Density of the responses of a row of the simulated data in a class, with scipy."""
    p = {k.removeprefix(f"class{c}:"): v for k, v in params.items()}
    out = 1.0

    def logistic(z):
        return 1.0 / (1.0 + np.exp(-z))

    if row["A"] == row["A"]:
        out *= logistic(p["A[1]"]) if row["A"] == 1 else 1.0 - logistic(p["A[1]"])
    logits = np.array([0.0, p["B[b]"], p["B[c]"]])
    out *= np.exp(logits)["abc".index(row["B"])] / np.exp(logits).sum()
    nu = p["C"] + p["C:x"] * row["x"]
    out *= logistic(nu) if row["C"] == 1 else 1.0 - logistic(nu)
    logits = np.array([0.0] + [p[f"D:const:{k}"] + p[f"D:x:{k}"] * row["x"] for k in (1, 2)])
    out *= np.exp(logits)["uvw".index(row["D"])] / np.exp(logits).sum()
    if row["g"] == row["g"]:
        out *= stats.norm.pdf(row["g"], p["g"] + p["g:x"] * row["x"], np.sqrt(p["var(g)"]))
    out *= stats.poisson.pmf(row["p"], np.exp(p["p"]))
    if row["o"] == row["o"]:
        cuts = [-np.inf, p["o:threshold(1|2)"], p["o:threshold(2|3)"], np.inf]
        k = int(row["o"])
        out *= logistic(cuts[k]) - logistic(cuts[k - 1])
    shape = 1.0 / p["G:dispersion"]
    return out * stats.gamma.pdf(row["G"], shape, scale=1.0 / p["G"] / shape)


def test_posteriors_are_bayes_theorem_for_all_kinds_of_indicators():
    result, data = mixed(), simulated().iloc[:40]
    params = dict(result.params)
    rho = params["logit(class2):Intercept"] + params["logit(class2):x"] * data["x"]
    expected = []
    for (_, row), logit in zip(data.iterrows(), rho, strict=True):
        joint = [densities(params, row, 1), np.exp(logit) * densities(params, row, 2)]
        expected.append(np.array(joint) / sum(joint))
    np.testing.assert_allclose(result.posterior().iloc[:40], expected, rtol=1e-6, atol=1e-12)


def test_posteriors_of_two_levels_are_sums_over_both_classes():
    result, data = nested(), two_levels()
    params = result.params
    upper = np.array([0.0, params["logit(upper2):Intercept"]])
    upper = np.exp(upper) / np.exp(upper).sum()
    y = data[[f"y{j}" for j in range(6)]].to_numpy()
    like = np.empty((len(data), 2))
    for c in range(2):
        p = 1 / (1 + np.exp(-np.array([params[f"class{c + 1}:y{j}[1]"] for j in range(6)])))
        like[:, c] = np.prod(np.where(y == 1, p, 1 - p), axis=1)
    joint = np.empty((len(data), 2, 2))
    for h in range(2):
        nu = params[f"logit(class2):upper{h + 1}"] + params["logit(class2):x"] * data["x"]
        prior = np.column_stack([1 / (1 + np.exp(nu)), 1 / (1 + np.exp(-nu))])
        joint[:, h] = prior * like
    by_school = joint.sum(axis=2)
    above, units = [], []
    for school in np.unique(data["school"]):
        own = np.flatnonzero(data["school"] == school)
        both = upper * np.prod(by_school[own], axis=0)
        above.append(both / both.sum())
        given = joint[own] / by_school[own][:, :, None]
        units.append(np.einsum("h,nhc->nc", above[-1], given))
    np.testing.assert_allclose(result.upper_posterior(), above, rtol=1e-7, atol=1e-12)
    np.testing.assert_allclose(result.posterior(), np.concatenate(units), rtol=1e-7, atol=1e-12)
    assert list(result.upper_posterior().index) == [f"s{k:02d}" for k in range(24)]


@pytest.mark.parametrize("fit, data", [(mixed, simulated), (nested, two_levels)])
def test_new_cases_have_the_posteriors_of_equal_ones_in_the_fit(fit, data):
    result, frame = fit(), data()
    some = frame.iloc[:30]  # whole clusters
    np.testing.assert_allclose(
        result.posterior(some), result.posterior().iloc[:30], rtol=1e-8, atol=1e-14
    )
    assert (result.assigned_class(some) == result.assigned_class().iloc[:30]).all()
    if fit is nested:
        np.testing.assert_allclose(result.upper_posterior(some), result.upper_posterior().iloc[:2])


def test_new_responses_that_the_fit_has_not_seen_have_densities_of_their_own():
    result = mixed()
    new = simulated(40, seed=9)
    params = dict(result.params)
    rho = params["logit(class2):Intercept"] + params["logit(class2):x"] * new["x"]
    for (_, row), logit, found in zip(
        new.iterrows(), rho, result.posterior(new).to_numpy(), strict=True
    ):
        joint = [densities(params, row, 1), np.exp(logit) * densities(params, row, 2)]
        np.testing.assert_allclose(found, np.array(joint) / sum(joint), rtol=1e-6, atol=1e-12)


def test_a_case_without_responses_has_its_prior_probabilities():
    result = fitted("cheating_lca2_gpa")
    nobody = pd.DataFrame({name: [np.nan] for name in CHEATING}).assign(GPA=2.0)
    prior = result.class_probabilities(nobody)["predicted"].to_numpy()
    np.testing.assert_allclose(result.posterior(nobody).iloc[0], prior)


@pytest.mark.parametrize(
    "change, message",
    [
        (
            {"B": "z"},
            "indicator 'B' is 'z' in row 7 of the new data; the categories .*'a', 'b', 'c'",
        ),
        ({"D": "z"}, "indicator 'D' is 'z' in row 7"),
        ({"o": 9.0}, "indicator 'o' has responses that the data of the fit have not: .9.0."),
        ({"p": -1}, "indicator 'p'"),
        ({"x": np.nan}, "'x' is missing in row 7 of the new data"),
    ],
)
def test_bad_new_cases_are_named(change, message):
    new = simulated().iloc[:10].astype({"B": object})
    new.loc[7, list(change)] = list(change.values())
    with pytest.raises(SpecificationError, match=message):
        mixed().posterior(new)


def test_new_cases_need_all_columns():
    with pytest.raises(SpecificationError, match="no column 'A'"):
        mixed().posterior(simulated().drop(columns="A"))
    with pytest.raises(SpecificationError, match="'x', which is no column of the data"):
        mixed().posterior(simulated().drop(columns="x"))
    with pytest.raises(SpecificationError, match="no column 'school'"):
        nested().posterior(two_levels().drop(columns="school"))
    with pytest.raises(SpecificationError, match="must be a DataFrame"):
        mixed().posterior(np.zeros((3, 8)))
    with pytest.raises(SpecificationError, match="no rows"):
        mixed().posterior(simulated().iloc[:0])


def test_classification_table():
    result = mixed()
    p = result.posterior().to_numpy()
    modal = p.argmax(axis=1)
    table = result.classification()
    for c in range(2):
        np.testing.assert_allclose(table.average_posterior.iloc[c], p[modal == c].mean(axis=0))
        share = [p[modal == d, c].sum() / p[:, c].sum() for d in range(2)]
        np.testing.assert_allclose(table.assignment.iloc[c], share)
    assert table.counts.to_numpy().sum() == pytest.approx(len(p))
    assert table.errors == pytest.approx(1 - p.max(axis=1).mean())
    entropy = -(p * np.log(np.maximum(p, 1e-300))).sum() / (len(p) * np.log(2))
    assert table.entropy_r2 == pytest.approx(1 - entropy)
    assert table.error_reduction == pytest.approx(1 - table.errors / (1 - p.mean(axis=0).max()))
    assert result.entropy_r2 == table.entropy_r2
    assert "Entropy R2" in str(table)
    assert nested().classification(upper=True).entropy_r2 > 0.7
    with pytest.raises(SpecificationError, match="no classes of clusters"):
        result.classification(upper=True)


def test_information_criteria():
    result = fitted("dentistry_lca2")
    k, n, deviance = 11, 3869, -2 * result.llf
    p = result.posterior().to_numpy()
    weight = load_data("dentistry")["freq"].to_numpy()
    entropy = -(weight[:, None] * p * np.log(p)).sum()
    expected = {
        "aic": deviance + 2 * k,
        "aic3": deviance + 3 * k,
        "bic": deviance + k * np.log(n),
        "sabic": deviance + k * np.log((n + 2) / 24),
        "caic": deviance + k * (np.log(n) + 1),
        "icl": deviance + k * np.log(n) + 2 * entropy,
    }
    for name, value in expected.items():
        assert result.info_criteria(name) == pytest.approx(value)
    assert result.info_criteria("sabic", n=100) == pytest.approx(deviance + k * np.log(102 / 24))
    by_school = nested().info_criteria("sabic", n="school")
    assert by_school == pytest.approx(-2 * nested().llf + 16 * np.log(26 / 24))
    with pytest.raises(SpecificationError, match="'dic' is not known"):
        result.info_criteria("dic")


def test_one_class_is_certain():
    data = load_data("carcinoma")
    result = smg.LatentClass(data, 1).fit()
    row = result.class_sizes().iloc[0]
    assert row["estimate"] == row["lower"] == row["upper"] == 1.0 and row["std_err"] == 0.0
    assert result.entropy_r2 == 1.0
    assert result.info_criteria("icl") == pytest.approx(result.bic)


@pytest.mark.parametrize(
    "make, data",
    [
        (mixed, simulated),
        (nested, two_levels),
        (lambda: fitted("carcinoma_lca2"), lambda: load_data("carcinoma")),
    ],
)
def test_pickled_results_and_results_without_data_know_the_same(make, data):
    original, frame = make(), data()
    some = frame.iloc[:30]
    copy = pickle.loads(pickle.dumps(original))
    np.testing.assert_allclose(copy.posterior(), original.posterior())
    size = len(pickle.dumps(copy))
    copy.remove_data()
    assert len(pickle.dumps(copy)) < size
    for result in (copy, pickle.loads(pickle.dumps(copy))):
        pd.testing.assert_frame_equal(result.class_sizes(), original.class_sizes())
        pd.testing.assert_frame_equal(result.profiles(), original.profiles())
        np.testing.assert_allclose(result.posterior(some), original.posterior(some))
        assert result.info_criteria("icl") == original.info_criteria("icl")
        one, other = (str(r.summary()).split("\n") for r in (original, result))
        clock = ("Date:", "Time:")
        assert [x for x in one if not x.startswith(clock)] == [
            x for x in other if not x.startswith(clock)
        ]
    gone = ("posterior", "bivariate_residuals", "goodness_of_fit", "pattern_table", "residuals",
            "predict", "simulate", "plot_posterior", "bootstrap")  # fmt: skip
    for method in gone:
        with pytest.raises(SpecificationError, match="remove_data|not available"):
            getattr(copy, method)()
    assert len(copy.plot_profiles().axes) >= 1
    assert not copy.predict(some, "marginal").isna().to_numpy().any()
