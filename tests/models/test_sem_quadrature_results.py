"""Results of structural equation models by quadrature, and what they refuse."""

import pickle
import warnings

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from scipy import stats

import sm_gllamm.api as smg
import sm_gllamm.formula.api as smgf
from sm_gllamm.datasets import asvab, holzinger, lsat
from sm_gllamm.exceptions import BoundaryWarning, IdentificationWarning, SpecificationError
from sm_gllamm.models.sem_quadrature import QuadratureSEM

ITEMS = [f"item_{k}" for k in range(1, 6)]
TEXT = "f =~ " + " + ".join(ITEMS)


def lsat_data():
    return lsat.load_pandas().data


@pytest.fixture(scope="module")
def result():
    return smg.SEM(TEXT, lsat_data(), ordered=True).fit()


def test_which_models_integrate():
    data = lsat_data()
    assert isinstance(smg.SEM(TEXT, data, ordered=ITEMS[:1]), QuadratureSEM)
    assert isinstance(smg.SEM(TEXT + "\n item_1 | t1", data), QuadratureSEM)
    assert not isinstance(smg.SEM(TEXT, data), QuadratureSEM)
    assert isinstance(smg.SEM("f =~ item_1 + item_2 \n item_3 ~ f + f:f", data), QuadratureSEM)


def test_standardised_solution(result):
    table = result.standardized().set_index(["lhs", "op", "rhs"])["est"]
    params = result.params
    variance = params["f~~f"]
    loading = params["f=~item_3"]
    total = loading**2 * variance + 1.0
    assert table["f", "=~", "item_3"] == pytest.approx(loading * np.sqrt(variance / total))
    assert table["item_3", "|", "t1"] == pytest.approx(params["item_3|t1"] / np.sqrt(total))
    share = result.r_squared().set_index("variable")["rsquared"]["item_3"]
    assert share == pytest.approx(1.0 - 1.0 / total)
    unit = smg.SEM(TEXT, lsat_data(), ordered=True, std_lv=True).fit().standardized()
    np.testing.assert_allclose(unit["est"], table.to_numpy(), atol=1e-4)
    np.testing.assert_allclose(unit["se"].iloc[:5], result.standardized()["se"].iloc[:5], rtol=1e-2)


def test_logits_have_their_residual_variance():
    result = smg.SEM(TEXT, lsat_data(), ordered=True, link="logit").fit()
    table = result.parameter_table()
    residual = table[(table["op"] == "~~") & (table["lhs"] == "item_1")]["est"].iloc[0]
    assert residual == pytest.approx(np.pi**2 / 3)


def test_scores_of_known_and_new_persons(result):
    data = lsat_data()
    scores = result.factor_scores(se=True)
    assert scores.shape == (1000, 2) and scores.index.equals(data.index)
    new = result.factor_scores(data.iloc[[0, 500, 999]], se=True)
    np.testing.assert_allclose(new, scores.iloc[[0, 500, 999]], atol=1e-5)
    # brute force
    params = result.params
    node, weight = np.polynomial.hermite_e.hermegauss(60)
    f = np.sqrt(params["f~~f"]) * node
    row, density = data.iloc[0], weight.copy()
    for k, name in enumerate(ITEMS):
        loading = 1.0 if k == 0 else params[f"f=~{name}"]
        p = stats.norm.cdf(loading * f - params[f"{name}|t1"])
        density = density * (p if row[name] else 1 - p)
    mean = density @ f / density.sum()
    sd = np.sqrt(density @ (f - mean) ** 2 / density.sum())
    np.testing.assert_allclose(scores.iloc[0], [mean, sd], atol=1e-5)
    lacking = result.factor_scores(data[["item_1"]].iloc[:2], se=True)
    assert lacking["f.se"].iloc[0] > scores["f.se"].iloc[0]
    with pytest.raises(SpecificationError, match="no category of"):
        result.factor_scores(data.replace({"item_1": {0: 7}}))


def test_predicted_probabilities(result):
    found = result.predict(outcomes="item_2")
    params = result.params
    total = np.sqrt(1.0 + params["f=~item_2"] ** 2 * params["f~~f"])
    expected = stats.norm.cdf(-params["item_2|t1"] / total)
    np.testing.assert_allclose(found["item_2=1"], expected, atol=1e-8)
    posterior = result.predict(which="posterior")
    assert posterior.shape == (1000, 10)
    assert posterior["item_2=1"].mean() == pytest.approx(lsat_data()["item_2"].mean(), abs=1e-3)
    with pytest.raises(SpecificationError, match="no response"):
        result.predict(outcomes="item_9")


def test_simulated_data_have_the_moments_of_the_model(result):
    frames = result.model.simulate(result.params, n=3, seed=2)
    assert len(frames) == 3 and list(frames[0].columns) == ITEMS
    means = pd.concat(frames).mean()
    np.testing.assert_allclose(means, lsat_data().mean(), atol=0.03)


def test_pickle_and_remove_data():
    result = smg.SEM(TEXT, lsat_data(), ordered=True).fit()
    again = pickle.loads(pickle.dumps(result))
    assert again.llf == result.llf
    assert again.factor_scores().shape == (1000, 1)
    lines = str(result.summary()).splitlines()
    result.remove_data()
    after = str(result.summary()).splitlines()
    assert [line for line in after if "Date" not in line] == [
        line for line in lines if "Date" not in line
    ]
    assert result.factor_scores(lsat_data().iloc[:3]).shape == (3, 1)


def test_summary_speaks_of_the_quadrature(result):
    text = str(result.summary())
    for expected in ("Quadrature Error", "Nodes, row", "Ordinal, Probit", "Thresholds", "std.all"):
        assert expected in text
    assert "nan" not in text.lower()
    assert "Quadrature Error" in str(result.summary2())


def test_weights():
    data = lsat_data().iloc[::7]
    counted = data.assign(n=1 + np.arange(len(data)) % 3)
    repeated = counted.loc[counted.index.repeat(counted["n"])].reset_index(drop=True)
    text = "f =~ item_1 + a*item_2 + a*item_3 + a*item_4"
    for cov_type in ("nonrobust", "robust"):
        one = smg.SEM(text, counted, ordered=True, freq_weights="n").fit(cov_type=cov_type)
        other = smg.SEM(text, repeated, ordered=True).fit(cov_type=cov_type)
        assert one.llf == pytest.approx(other.llf, rel=1e-9)
        np.testing.assert_allclose(one.bse, other.bse, rtol=1e-4)
        assert one.nobs == len(repeated)
    sampling = smg.SEM(text, counted, ordered=True, weights="n").fit()
    assert sampling.cov_type == "robust"
    np.testing.assert_allclose(sampling.params, one.params, atol=1e-4)
    with pytest.raises(SpecificationError, match="wald_test"):
        sampling.compare_lr_test(sampling)


def test_comparison(result):
    equal = smg.SEM("f =~ item_1 + a*item_2 + a*item_3 + a*item_4 + a*item_5", lsat_data(),
                    ordered=True).fit()  # fmt: skip
    test = result.compare_lr_test(equal)
    assert test.df_diff == 3 and 0.0 < test.statistic < 3.0
    table = result.compare(equal, names=["free", "equal"])
    assert table["df_diff"].iloc[1] == 3
    held = result.model.fit_constrained("f=~item_2 = f=~item_3, f=~item_3 = f=~item_4, "
                                        "f=~item_4 = f=~item_5")  # fmt: skip
    assert held.llf == pytest.approx(equal.llf, abs=1e-5)
    with pytest.raises(SpecificationError, match="other way round"):
        equal.compare_lr_test(result)
    binomial = smg.SEM(TEXT, lsat_data(), families=dict.fromkeys(ITEMS, "binomial")).fit()
    with pytest.raises(SpecificationError, match="different families"):
        binomial.compare_lr_test(result)


def test_constraints_of_the_text():
    data = lsat_data()
    free = smg.SEM("f =~ item_1 + a*item_2 + b*item_3 + item_4", data, ordered=True).fit()
    text = "f =~ item_1 + a*item_2 + b*item_3 + item_4 \n a == b"
    equal = smg.SEM(text, data, ordered=True).fit()
    labels = smg.SEM("f =~ item_1 + a*item_2 + a*item_3 + item_4", data, ordered=True).fit()
    assert equal.llf == pytest.approx(labels.llf, abs=1e-5)
    assert equal.bse["a"] == pytest.approx(labels.bse["a"], rel=1e-3)
    inside = smg.SEM(text.replace("a == b", "a < 20"), data, ordered=True).fit()
    assert inside.llf == pytest.approx(free.llf, abs=1e-5)
    edge = smg.SEM(text.replace("a == b", "a > b"), data, ordered=True).fit()
    assert edge.llf == pytest.approx(labels.llf, abs=1e-5)
    assert "On the edge" in str(edge.verdict)


def test_defined_parameters_and_profiles():
    text = "f =~ item_1 + item_2 + item_3 \n item_5 ~ a*f \n twice := 2*a"
    result = smg.SEM(text, lsat_data(), ordered=True).fit()
    twice = result.defined_parameters().loc["twice"]
    assert twice["est"] == pytest.approx(2 * result.params["a"])
    assert twice["se"] == pytest.approx(2 * result.bse["a"])
    low, high = result.profile("item_5|t1").limits
    assert low < result.params["item_5|t1"] < high
    drawn = result.bootstrap(3, seed=1).params
    assert drawn.shape == (3, len(result.params))
    assert result.bootstrap(2, method="parametric", seed=1).params.notna().all().all()
    assert "digraph" in result.path_diagram()


def test_invariance_of_thresholds():
    data = lsat_data().assign(half=np.where(np.arange(1000) % 2, "odd", "even"))
    table, fits = smg.SEM.invariance(TEXT, data, groups="half", ordered=True,
                                     stages={"configural": (), "metric": ("loadings",),
                                             "scalar": ("loadings", "thresholds")})  # fmt: skip
    assert table["n_params"].tolist() == [20, 16, 12]
    pooled = smg.IRT(data, items=ITEMS, groups="half", link="probit").fit()
    assert fits["scalar"].llf == pytest.approx(pooled.llf, abs=1e-4)


def test_growth_of_a_binary_outcome():
    rng = np.random.default_rng(4)
    level, slope = rng.normal(size=400), 0.3 * rng.normal(size=400)
    times = np.arange(4)
    nu = level[:, None] + (0.4 + slope)[:, None] * times
    wide = pd.DataFrame((nu + rng.normal(size=nu.shape) > 0.5).astype(int), columns=list("abcd"))
    text = """
      level =~ 1*a + 1*b + 1*c + 1*d
      slope =~ 0*a + 1*b + 2*c + 3*d
      a | t*t1; b | t*t1; c | t*t1; d | t*t1
    """
    result = smg.SEM(text + "level ~ 0*1", wide, style="growth").fit(n_points=11)
    long = wide.assign(id=wide.index).melt("id", var_name="time", value_name="y")
    long["time"] = long["time"].map(dict(zip("abcd", times, strict=True)))
    family = sm.families.Binomial(sm.families.links.Probit())
    mixed = smgf.glmm("y ~ time + (1 + time | id)", long, family=family).fit(n_points=11)
    assert result.llf == pytest.approx(mixed.llf, rel=1e-8)
    assert result.params["slope~1"] == pytest.approx(mixed.params["time"], abs=1e-3)
    # the threshold and the mean level are the same thing
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        smg.SEM(text, wide, style="growth").fit(maxiter=2, warn_convergence=False)
    said = next(str(w.message) for w in caught if w.category is IdentificationWarning)
    assert "these cannot be told apart: " in said and "level~1" in said


def test_what_needs_moments_is_refused_by_name(result):
    for name in ("fit_measures", "chisquare", "residuals", "reliability",
                 "get_prediction"):  # fmt: skip
        with pytest.raises(SpecificationError, match=name):
            getattr(result, name)()
    with pytest.raises(SpecificationError, match="observed one"):
        result.model.fit(information="expected")
    with pytest.raises(SpecificationError, match="use 'eb'"):
        result.factor_scores(method="bartlett")


# ---------------------------------------------------------------- fits that are no good
def test_a_heywood_case_is_named():
    data = lsat_data().assign(again=lsat_data()["item_2"])
    data.loc[:3, "again"] = 1 - data.loc[:3, "again"]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        result = smg.SEM("f =~ item_1 + item_2 + again", data, ordered=True).fit()
    assert not result.verdict.ok
    assert any("runs away" in str(w.message) for w in caught) or result.params.max() > 5.0


def test_what_is_not_identified_is_named():
    model = smg.SEM("f =~ item_1 + item_2", lsat_data(), ordered=True)
    assert model.check_identification().rank == 3
    assert smg.SEM(TEXT, lsat_data(), ordered=True).check_identification().identified
    with pytest.warns(IdentificationWarning, match="not identified"):
        smg.SEM("f =~ item_1 + item_2", lsat_data(), ordered=True).fit()


def test_a_variance_of_zero_is_named():
    rng = np.random.default_rng(1)
    data = pd.DataFrame(rng.integers(0, 2, (300, 3)), columns=list("abc"))
    data["c"] = 1 - data["a"]
    with pytest.warns(BoundaryWarning, match="f~~f"):
        result = smg.SEM("f =~ 1*a + 1*b + 1*c", data, ordered=True).fit()
    assert result.params["f~~f"] == 0.0
    assert "On the boundary" in str(result.summary())


def test_a_dispersion_of_zero_is_named():
    rng = np.random.default_rng(1)
    f = rng.normal(size=400)
    data = pd.DataFrame({f"y{k}": f + rng.normal(size=400) for k in range(3)})
    data["count"] = rng.binomial(20, 1 / (1 + np.exp(-0.3 * f)))
    with pytest.warns(BoundaryWarning, match="alpha\\(count\\)"):
        smg.SEM(
            "f =~ y0 + y1 + y2 \n count ~ f", data,
            families={"count": smg.families.NegativeBinomial()},
        ).fit()  # fmt: skip


def wrong(match, text=TEXT, **options):
    with pytest.raises((SpecificationError, TypeError), match=match):
        smg.SEM(text, lsat_data().assign(word="a"), **options)


@pytest.mark.parametrize(
    "text, options, match",
    [
        ("item_1 ~~ item_2", {"ordered": True}, "cannot covary.*latent variable in common"),
        ("item_1 ~~ NA*item_1", {"ordered": True}, "scale of what lies behind 'item_1'"),
        ("item_1 ~~ 2*item_1", {"ordered": True}, "is 1, fixed by the link"),
        ("item_1 | t2", {"ordered": True}, "2 categories, therefore thresholds t1 to t1"),
        ("item_1 ~*~ NA*item_1", {"ordered": True}, "scales of ordered responses"),
        ("item_1 ~ item_2 \n item_2 ~ item_1", {"ordered": True}, "form a circle, item_1 <-"),
        ("g =~ 1*word", {}, "no numbers"),
        ("", {"ordered": ["item_9"]}, "no response of the model.*did you mean"),
        ("", {"families": {"item_1": "poison"}}, "not known"),
        ("", {"families": {"item_1": "poisson"}, "ordered": ["item_1"]}, "say one of the two"),
        ("", {"families": {"item_1": smg.families.Hurdle()}}, "smg.GLLAMM"),
        ("", {"families": "ordinal"}, "must be a dict"),
        ("", {"ordered": True, "link": "cloglog"}, "use 'probit' or 'logit'"),
        ("", {"ordered": True, "meanstructure": False}, "without means"),
        ("", {"ordered": True, "orderd": True}, "did you mean|orderd"),
        ("h =~ 1*item_5 \n f =~ 0*item_5", {"families": {"item_1": "binomial"}}, "alone measures"),
    ],
)
def test_wrong_input(text, options, match):
    if "word" in text:
        options = {"families": {"item_1": "binomial"}}
    body = TEXT.replace(" + item_5", "") if "h =~" in text else TEXT
    text = text.replace(" \n f =~ 0*item_5", "")
    wrong(match, f"{body} \n {text}", **options)


def test_moments_have_no_categories():
    with pytest.raises(SpecificationError, match="families= and ordered= need data"):
        smg.SEM("f =~ a + b + c", cov=np.eye(3), nobs=100, ordered=["a"])
    with pytest.raises(SpecificationError, match="cov= is for continuous"):
        smg.SEM(TEXT, lsat_data(), cov=np.eye(5), nobs=100, ordered=True)


def test_rows_that_are_left_out():
    data = lsat_data().assign(x=1.0 * (np.arange(1000) % 3))
    data.loc[3, "x"] = np.nan
    data.loc[5, ITEMS] = np.nan
    with pytest.warns(UserWarning, match="2 rows without any response or without a covariate"):
        model = smg.SEM(TEXT + "\n f ~ x", data, ordered=True)
    assert model.n_observations == 998


# ---------------------------------------------------------------- further parameters
def test_modification_indices_are_those_of_the_closed_form():
    data = holzinger.load_pandas().data
    text = "f =~ x1 + x2 + x3 \n g =~ x7 + x8 + x9 \n f ~ ageyr \n g ~ ageyr"
    closed = smg.SEM(text, data).fit().modification_indices(information="observed")
    found = smg.SEM(text, data, families={"x1": "gaussian"}).fit().modification_indices()
    keys = ["lhs", "op", "rhs"]
    both = closed.merge(found, on=keys, suffixes=("", "_found"))
    assert len(both) == len(closed)
    np.testing.assert_allclose(both["mi_found"], both["mi"], rtol=1e-4)
    np.testing.assert_allclose(both["epc_found"], both["epc"], rtol=1e-4)


def test_score_tests_are_near_likelihood_ratio_tests():
    data = asvab.load_pandas().data
    items = [f"item_{k}" for k in range(1, 5)]
    text = f"f =~ {' + '.join(items)} \n f ~ black + female"
    options = {"ordered": items, "freq_weights": "freq", "std_lv": True}
    result = smg.SEM(text, data, **options).fit()
    larger = smg.SEM(text + "\n item_1 ~ female", data, **options).fit()
    test = result.score_test("item_1 ~ female")
    assert test["statistic"].iloc[0] == pytest.approx(
        larger.compare_lr_test(result).statistic, rel=0.1
    )
    assert test["epc"].iloc[0] == pytest.approx(larger.params["item_1~female"], rel=0.2)
    table = result.modification_indices()
    row = table[(table["lhs"] == "item_1") & (table["rhs"] == "female")].iloc[0]
    assert row["mi"] == pytest.approx(test["statistic"].iloc[0])
    both = result.score_test("item_1 ~ female \n item_2 ~ female")
    assert both["df"].tolist() == [2, 2] and both["statistic"].iloc[0] > row["mi"]
    with pytest.raises(SpecificationError, match="given twice"):
        result.score_test("f ~ black")
    with pytest.raises(SpecificationError, match="predicts nothing"):
        result.score_test("item_1 ~ freq")


def test_modification_indices_of_groups():
    data = lsat_data().assign(half=np.arange(1000) % 2, x=np.arange(1000) % 3)
    options = {"ordered": ITEMS, "groups": "half", "group_equal": ["loadings", "thresholds"]}
    result = smg.SEM(TEXT + "\n f ~ x", data, **options).fit()
    table = result.modification_indices()
    assert set(table["group"]) == {"0", "1"} and set(table["op"]) == {"~"}
    assert (table["mi"] >= 0).all() and table["mi"].is_monotonic_decreasing
