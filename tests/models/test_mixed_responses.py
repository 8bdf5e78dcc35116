"""Families of mixed responses with predictors of their own: each member is the model it is alone."""

import warnings
from functools import cache

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm

import sm_gllamm.api as smg
import sm_gllamm.formula.api as smgf
from sm_gllamm.exceptions import SpecificationError
from sm_gllamm.results.summary import family_name

F = smg.families
CLUSTERS, ROWS, NODES = 50, 6, 9
# Sums run in another order, nothing else differs.
SAME = 1e-8


@cache
def simulated():
    rng = np.random.default_rng(7)
    n = CLUSTERS * ROWS
    g = np.repeat(np.arange(CLUSTERS), ROWS)
    x, w = rng.normal(size=n), rng.normal(size=n)
    u = 0.8 * rng.normal(size=CLUSTERS)[g]
    count = rng.poisson(np.exp(0.5 + 0.4 * x + u) * rng.gamma(2, 0.5, n))
    latent = 0.6 * x + u + np.exp(0.3 * w) * rng.logistic(size=n)
    time = rng.weibull(np.exp(0.3 + 0.2 * w)) * np.exp(0.4 * x + u)
    end = rng.exponential(6, n)
    return {
        "count": (count, None),
        "rating": (1 + np.digitize(latent - 0.3 * (latent > 0) * w, [-1.0, 0.5, 2.0]), None),
        "score": (2 + x + u + np.exp(-0.3 + 0.4 * w) * rng.normal(size=n), None),
        "zeros": (count * rng.binomial(1, 1 / (1 + np.exp(-1 - w))), None),
        "time": (np.minimum(time, end), (time <= end).astype(float)),
        "cost": (np.exp(1 + 0.5 * x + u) * rng.gamma(2, 0.5, n), None),
    }, pd.DataFrame({"g": g, "x": x, "w": w})


def stacked(*kinds, only=()):
    """Rows of several responses; w and the second column are missing where they have no part."""
    values, frame = simulated()
    parts = []
    for kind in kinds:
        y, event = values[kind]
        part = frame.assign(kind=kind, y=y, event=np.nan if event is None else event)
        if only and kind not in only:
            part["w"] = np.nan
        parts.append(part)
    return pd.concat(parts, ignore_index=True)


FAMILIES = {
    "count": F.NegativeBinomial(),
    "rating": F.Ordinal(),
    "score": sm.families.Gaussian(),
    "zeros": F.ZeroInflated("poisson"),
    "time": F.Weibull(),
    "cost": sm.families.Gamma(sm.families.links.Log()),
}
# kinds, and what each predictor depends on
CASES = {
    "dispersions": ("count", "score", {"dispersion": {"count": "~ w", "score": "~ w"}}),
    "one of two": ("count", "score", {"dispersion": {"count": "~ w"}}),
    "thresholds and scale": ("rating", "cost", {"thresholds": {"rating": "~ w"},
                                                "scale": {"rating": "~ x"}}),
    "scale before a dispersion": ("rating", "score", {"scale": {"rating": "~ w"},
                                                      "dispersion": {"score": "~ x"}}),
    "zeros": ("zeros", "cost", {"zero": {"zeros": "~ w"}, "dispersion": {"cost": "~ x"}}),
    "duration": ("time", "count", {"dispersion": {"time": "~ w"}}),
}  # fmt: skip


def together(case, covariance="||", **changes):
    first, second, options = CASES[case]
    using = [label for formulas in options.values() for label, f in formulas.items() if "w" in f]
    data = stacked(first, second, only=using)
    left = "y + event" if "time" in (first, second) else "y"
    return smgf.glmm(
        f"{left} ~ 0 + kind + kind:x + (0 + kind {covariance} g)", data,
        family={kind: FAMILIES[kind] for kind in (first, second)}, family_by="kind",
        **{**options, **changes},
    )  # fmt: skip


@cache
def fitted(case):
    return together(case).fit(n_points=NODES)


@cache
def alone(case, kind):
    own = {key: formulas[kind] for key, formulas in CASES[case][2].items() if kind in formulas}
    left = "y + event" if kind == "time" else "y"
    model = smgf.glmm(f"{left} ~ x + (1 | g)", stacked(kind), family=FAMILIES[kind], **own)
    return model.fit(n_points=NODES)


@pytest.mark.parametrize("case", CASES)
def test_members_that_share_nothing_are_separate_models(case):
    result, separate = fitted(case), {kind: alone(case, kind) for kind in CASES[case][:2]}
    assert result.llf == pytest.approx(sum(one.llf for one in separate.values()), rel=SAME)
    expected = {}
    for kind, one in separate.items():
        for name, value in one.params.items():
            name = {"Intercept": f"kind[{kind}]", "x": f"kind[{kind}]:x",
                    "var(Intercept|g)": f"var(kind[{kind}]|g)"}.get(name, f"{name}[{kind}]")  # fmt: skip
            expected[name] = value, one.bse[name_of(name, kind)]
    assert set(expected) == set(result.params.index)
    for name, (value, se) in expected.items():
        assert result.params[name] == pytest.approx(value, rel=1e-5, abs=1e-6), name
        # linear mixed models alone leave out cross-derivatives of coefficients and variances
        assert result.bse[name] == pytest.approx(se, rel=1e-2 if "score" in name else 1e-4), name


def name_of(name, kind):
    """Name in the model of one response of a parameter of the mixed model."""
    short = {f"kind[{kind}]": "Intercept", f"kind[{kind}]:x": "x",
             f"var(kind[{kind}]|g)": "var(Intercept|g)"}  # fmt: skip
    return short.get(name, name.removesuffix(f"[{kind}]"))


@pytest.mark.parametrize("case", CASES)
def test_gradient(case):
    model = together(case, covariance="|")
    params = fitted(case).params
    at = pd.Series(0.0, model.param_names)
    at[params.index] = params
    at += 0.03 * np.cos(np.arange(len(at)))
    model.fit(start_params=at, maxiter=0, n_points=15, warn_convergence=False)
    score, h = model.score(at), 1e-5
    for k in range(len(at)):
        step = h * np.eye(len(at))[k]
        slope = (model.loglike(at + step) - model.loglike(at - step)) / (2 * h)
        assert score[k] == pytest.approx(slope, rel=2e-4, abs=2e-4), model.param_names[k]


@pytest.mark.parametrize("which", ["conditional", "marginal", "posterior"])
@pytest.mark.parametrize("case", ["thresholds and scale", "zeros", "duration"])
def test_predictions_are_those_of_the_separate_models(case, which):
    result = fitted(case)
    for kind in CASES[case][:2]:
        rows = result.model.data.frame
        own = rows[rows["kind"] == kind].head(40)
        np.testing.assert_allclose(
            result.predict(own, which=which),
            alone(case, kind).predict(own, which=which),
            rtol=1e-4,
            atol=1e-5,
        )
    if case == "thresholds and scale":
        # both families in one data frame: each takes its own covariates
        kept = rows.groupby("kind").head(3)
        assert np.isfinite(result.predict(kept, which="linear")).all()


def test_draws_and_residuals():
    result = fitted("zeros")
    draws = result.simulate(n=200, seed=1).to_numpy()
    is_zeros = (result.model.data.frame["kind"] == "zeros").to_numpy()
    own = alone("zeros", "zeros").simulate(n=200, seed=2).to_numpy()
    assert abs((draws[is_zeros] == 0).mean() - (own == 0).mean()) < 0.02
    assert 0.8 < result.resid_pearson[is_zeros].std() < 1.2
    assert result.bootstrap(1, method="parametric", seed=2).params.shape[0] == 1


def test_a_string_is_for_every_family_that_has_the_predictor():
    both = fitted("dispersions")
    data = stacked("count", "score")
    model = smgf.glmm(
        "y ~ 0 + kind + kind:x + (0 + kind || g)", data, family_by="kind", dispersion="~ w",
        family={kind: FAMILIES[kind] for kind in ("count", "score")},
    )  # fmt: skip
    assert model.loglike(both.params) == pytest.approx(both.llf, rel=1e-5)
    data = stacked("count", "rating")
    model = smgf.glmm(
        "y ~ kind:x + (1 | g)", data, family_by="kind", dispersion="~ w",
        family={"count": FAMILIES["count"], "rating": FAMILIES["rating"]},
    )  # fmt: skip
    assert "log_alpha:w[count]" in model.param_names


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"dispersion": {"cuont": "~ w"}}, "names family 'cuont'.*did you mean 'count'"),
        (
            {"dispersion": {"rating": "~ w"}},
            "dispersion= of family 'rating' does not go with Ordinal",
        ),
        ({"zero": "~ w"}, "zero= does not go with any of the families"),
        ({"dispersion": {"count": 3}}, "dispersion= of family 'count' must be a formula"),
        ({"dispersion": {"count": "~ ww"}}, "no column 'ww'; did you mean 'w'"),
        ({"dispersion": {"count": "~ w + I(2 * w)"}}, "'I.2 . w.' is a multiple of 'w'"),
    ],
)
def test_what_is_refused(options, message):
    family = {"count": FAMILIES["count"], "rating": FAMILIES["rating"]}
    with pytest.raises(SpecificationError, match=message):
        smgf.glmm("y ~ kind:x + (1 | g)", stacked("count", "rating"), family=family,
                  family_by="kind", **options)  # fmt: skip
    with pytest.raises(SpecificationError, match="goes with several families"):
        smgf.glmm("y ~ x + (1 | g)", stacked("count"), family=FAMILIES["count"],
                  dispersion={"count": "~ w"})  # fmt: skip


def test_missing_values_in_the_rows_of_the_family_count():
    data = stacked("count", "score", only=["count"])
    options = {
        "family": {"count": FAMILIES["count"], "score": "gaussian"}, "family_by": "kind",
        "dispersion": {"count": "~ w"},
    }  # fmt: skip
    formula = "y ~ 0 + kind + kind:x + (1 | g)"
    assert smgf.glmm(formula, data, **options).nobs == len(data)
    data.loc[4, "w"] = np.nan
    assert smgf.glmm(formula, data, **options).nobs == len(data) - 1
    with pytest.raises(SpecificationError, match="row 4 .*dispersion= of family 'count'"):
        smgf.glmm(formula, data, missing="raise", **options)

    with pytest.raises(SpecificationError, match="all rows of family 'score' are left out"):
        smgf.glmm(formula, data, **{**options, "dispersion": "~ w"})
    # rows that are left out may be of other families
    extra = pd.concat([data, data.iloc[:3].assign(kind="other")], ignore_index=True)
    assert smgf.glmm(formula, extra, subset="kind != 'other'", **options).nobs == len(data) - 1
    data["v"] = data["x"].where(data["kind"] == "count")
    with pytest.raises(SpecificationError, match="all rows of family 'score' are left out"):
        smgf.glmm("y ~ 0 + kind + kind:x + v + (1 | g)", data, **options)


def test_crossing_thresholds_are_those_of_one_family():
    rng = np.random.default_rng(4)
    age = np.repeat([20.0, 21.0], 300)
    y = np.where(age == 20, rng.choice([0, 1, 2], 600, p=[0.45, 0.1, 0.45]),
                 rng.choice([0, 1, 2], 600, p=[0.3, 0.4, 0.3]))  # fmt: skip
    u = rng.normal(size=30)[np.arange(600) % 30]
    frame = pd.DataFrame({"age": age, "g": np.arange(600) % 30})
    data = pd.concat([frame.assign(kind="a", y=1.0 * (u + rng.normal(size=600) > 0)),
                      frame.assign(kind="b", y=y)], ignore_index=True)  # fmt: skip
    model = smgf.glmm(
        "y ~ kind + (0 + C(kind) || g)", data, family={"a": "binomial", "b": F.Ordinal()},
        family_by="kind", thresholds={"b": "~ age"},
    )  # fmt: skip
    # thresholds cross at age 0, where nobody is, but not among the rows
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        result = model.fit(n_points=3)
        assert result.params["threshold(0|1)[b]"] > result.params["threshold(1|2)[b]"]
        assert result.verdict.crossing == ()
        outlier = data.copy()
        outlier.loc[600, ["age", "y"]] = [17.0, 2]
        assert smgf.glmm(
            "y ~ kind + (0 + C(kind) || g)", outlier, family={"a": "binomial", "b": F.Ordinal()},
            family_by="kind", thresholds={"b": "~ age"},
        ).fit(n_points=3).verdict.crossing == ("0|1 and 1|2",)  # fmt: skip


def test_arrays():
    result = fitted("thresholds and scale")
    data = result.model.data.frame
    is_rating = (data["kind"] == "rating").to_numpy(dtype=float)
    exog = np.column_stack([1 - is_rating, (1 - is_rating) * data["x"], is_rating * data["x"]])
    effects = np.column_stack([1 - is_rating, is_rating])
    family = {kind: FAMILIES[kind] for kind in ("cost", "rating")}
    extras = {"thresholds": {"rating": data[["w"]]}, "scale": {"rating": data["x"].to_numpy()}}
    model = smg.GLMM(
        data["y"], exog, groups=data["g"], exog_re=effects, family=family, covariance="diagonal",
        family_by=data["kind"], **extras,
    )  # fmt: skip
    arrays = model.fit(n_points=NODES)
    assert arrays.llf == pytest.approx(result.llf, rel=1e-9)
    assert "threshold(1|2):w[rating]" in arrays.params.index
    at = np.flatnonzero(is_rating)[:20]
    np.testing.assert_allclose(
        arrays.predict(
            exog[at], exog_re=effects[at],
            extras={"family_by": data["kind"].iloc[at], "scale": {"rating": data["x"].iloc[at]},
                    "thresholds": {"rating": data["w"].iloc[at]}},
        ),
        result.predict(data.iloc[at]),
        rtol=1e-5,
    )  # fmt: skip
    with pytest.raises(SpecificationError, match="need scale of family 'rating'"):
        arrays.predict(exog[at], exog_re=effects[at],
                       extras={"family_by": data["kind"].iloc[at], "scale": {},
                               "thresholds": {"rating": data["w"].iloc[at]}})  # fmt: skip


def test_constants_of_ordinal_families_are_their_thresholds():
    data = stacked("count", "rating", "score")
    family = {kind: FAMILIES[kind] for kind in ("count", "rating", "score")}
    llf = []
    for fixed in (
        "0 + kind + kind:x",
        "kind * x",
        "C(kind, Treatment('rating')) + kind:x",
        "kind:x",
    ):
        model = smgf.glmm(f"y ~ {fixed} + (1 | g)", data, family=family, family_by="kind")
        result = model.fit(n_points=NODES)
        assert not result.verdict.unidentified
        llf.append(result.llf)
        assert len(result.predict(data[data["kind"] == "rating"])) == len(data) // 3
    np.testing.assert_allclose(llf[1:3], llf[0], rtol=1e-9)
    # a constant in common of count and score
    assert llf[3] < llf[0] - 1


def test_second_columns_that_families_do_not_have():
    data = stacked("time", "rating", "score")
    formula = "y + event ~ 0 + kind + kind:x + (1 | g)"
    options = {"family": {k: FAMILIES[k] for k in ("time", "rating", "score")}, "family_by": "kind"}
    missing = smgf.glmm(formula, data, missing="raise", **options)
    zeros = smgf.glmm(formula, data.fillna({"event": 0.0}), **options)
    at = zeros.start_params
    assert missing.nobs == zeros.nobs == len(data)
    assert missing.loglike(at) == pytest.approx(zeros.loglike(at), rel=1e-12)
    arrays = smg.GLMM(
        data[["y", "event"]], zeros.exog, groups=data["g"], missing="raise",
        family=options["family"], family_by=data["kind"],
    )  # fmt: skip
    assert arrays.loglike(at) == pytest.approx(zeros.loglike(at), rel=1e-12)
    start = (0.2 * data["y"]).where(data["kind"] == "time")
    late = smgf.glmm(formula, data, entry=start, **options)
    assert late.nobs == len(data)
    assert late.loglike(at) == pytest.approx(
        smgf.glmm(formula, data, entry=start.fillna(0.0), **options).loglike(at), rel=1e-12
    )
    data.loc[2, "event"] = np.nan
    assert smgf.glmm(formula, data, **options).nobs == len(data) - 1
    with pytest.raises(SpecificationError, match="'y [+] event ~.*rows 2"):
        smgf.glmm(formula, data, missing="raise", **options)


def test_binomial_counts_have_failures_in_the_second_column():
    values, frame = simulated()
    rng = np.random.default_rng(0)
    trials = rng.integers(1, 6, len(frame))
    u = rng.normal(size=CLUSTERS)[frame["g"]]
    successes = rng.binomial(trials, 1 / (1 + np.exp(-frame["x"] - u)))
    passed = frame.assign(kind="passed", y=successes, rest=trials - successes)
    score = frame.assign(kind="score", y=values["score"][0], rest=np.nan)
    data = pd.concat([passed, score], ignore_index=True)
    result = smgf.glmm(
        "y + rest ~ 0 + kind + kind:x + (0 + kind || g)", data, family_by="kind",
        family={"passed": "binomial", "score": "gaussian"},
    ).fit(n_points=NODES)  # fmt: skip
    separate = [
        smgf.glmm("y + rest ~ x + (1 | g)", passed, family="binomial").fit(n_points=NODES),
        smgf.glmm("y ~ x + (1 | g)", score).fit(),
    ]
    assert result.llf == pytest.approx(sum(one.llf for one in separate), rel=SAME)
    draw = result.model.simulate(result.params, seed=3)
    np.testing.assert_array_equal(draw[: len(passed)].sum(axis=1), trials)
    assert np.isfinite(result.resid_pearson).all()


def test_categories_as_strings():
    data = stacked("count", "rating")
    words = np.array([None, "low", "mid", "high", "top"], dtype=object)
    is_rating = data["kind"] == "rating"
    named = data.assign(y=data["y"].astype(object))
    named.loc[is_rating, "y"] = words[data.loc[is_rating, "y"].astype(int)]
    family = {"count": "poisson", "rating": F.Ordinal(order=["low", "mid", "high", "top"])}
    formula = "y ~ kind:x + (1 | g)"
    result = smgf.glmm(formula, named, family=family, family_by="kind").fit(n_points=NODES)
    numbers = smgf.glmm(
        formula, data, family={"count": "poisson", "rating": F.Ordinal()}, family_by="kind"
    ).fit(n_points=NODES)
    assert result.llf == pytest.approx(numbers.llf, rel=1e-12)
    assert "threshold(low|mid)[rating]" in result.params.index
    assert result.predict(named[is_rating]).columns.tolist() == ["low", "mid", "high", "top"]
    named.loc[1, "y"] = "many"
    with pytest.raises(
        SpecificationError, match="'many' in row 1, where family 'count' needs a num"
    ):
        smgf.glmm(formula, named, family=family, family_by="kind")


def test_scales_of_gaussian_families_may_differ():
    values, frame = simulated()
    rng = np.random.default_rng(5)
    passed = (values["score"][0] + 3 * rng.normal(size=len(frame)) > 2).astype(float)
    parts = []
    for factor in (1.0, 1e4):
        data = pd.concat(
            [frame.assign(kind="cost", y=factor * values["score"][0]),
             frame.assign(kind="small", y=(values["cost"][0] - 5) / factor),
             frame.assign(kind="passed", y=passed)], ignore_index=True,
        )  # fmt: skip
        family = {"cost": "gaussian", "small": "gaussian", "passed": "binomial"}
        model = smgf.glmm(
            "y ~ 0 + kind + kind:x + (0 + kind || g)", data, family=family, family_by="kind"
        )
        parts.append(model.fit(n_points=5))
    plain, scaled = parts
    assert not scaled.verdict.unidentified and not scaled.verdict.boundary
    for kind, factor in (("cost", 1e4), ("small", 1e-4), ("passed", 1.0)):
        for name, power in (
            (f"kind[{kind}]", 1),
            (f"kind[{kind}]:x", 1),
            (f"var(kind[{kind}]|g)", 2),
        ):
            assert scaled.params[name] == pytest.approx(
                plain.params[name] * factor**power, rel=1e-4
            )
            assert scaled.bse[name] == pytest.approx(plain.bse[name] * factor**power, rel=1e-3)


def test_functions_of_the_caller_and_categories_in_use():
    values, frame = simulated()

    def half(values):
        return values / 2

    data = frame.assign(y=values["score"][0], part=np.repeat(list("abc"), 100))
    model = smgf.glmm("y ~ x + (1 | g)", data, dispersion="~ half(w)")
    assert "log_sd:half(w)" in model.param_names
    cut = smgf.glmm("y ~ x + (1 | g)", data, dispersion="~ part", subset="part != 'a'")
    assert cut.param_names[-2:] == ["log_sd:Intercept", "log_sd:part[T.c]"]
    result = cut.fit()
    again = smgf.glmm("y ~ x + (1 | g)", data[data["part"] != "a"], dispersion="~ part").fit()
    assert result.llf == pytest.approx(again.llf, rel=1e-10)


def test_arrays_are_aligned_and_missing_values_dropped():
    values, frame = simulated()
    y = pd.Series(values["score"][0], frame.index + 100, name="y")
    design = pd.DataFrame({"one": 1.0, "w": frame["w"].to_numpy()}, index=y.index)
    exog = sm.add_constant(frame[["x"]].set_axis(y.index))
    groups = frame["g"].set_axis(y.index)
    plain = smg.GLMM(y, exog, groups=groups, dispersion=design)
    at = plain.start_params
    shuffled = design.sample(frac=1, random_state=1)
    again = smg.GLMM(y, exog, groups=groups, dispersion=shuffled)
    assert again.loglike(at) == pytest.approx(plain.loglike(at), rel=1e-12)
    with pytest.raises(SpecificationError, match="row labels other than"):
        smg.GLMM(y, exog, groups=groups, dispersion=design.set_axis(frame.index))
    design.iloc[3, 1] = np.nan
    assert smg.GLMM(y, exog, groups=groups, dispersion=design, missing="drop").nobs == len(y) - 1
    with pytest.raises(SpecificationError, match="1 rows have missing values"):
        smg.GLMM(y, exog, groups=groups, dispersion=design)


def test_one_family_with_parameters_of_its_own_for_every_label():
    data = stacked("count", "zeros")
    each = {"count": F.NegativeBinomial(), "zeros": F.NegativeBinomial()}
    options = {"family_by": "kind"}
    dictionary = smgf.glmm("y ~ kind + (1 | g)", data, family=each, **options).fit()
    single = smgf.glmm("y ~ kind + (1 | g)", data, family=F.NegativeBinomial(), **options).fit()
    assert list(single.params.index) == list(dictionary.params.index)
    np.testing.assert_allclose(single.llf, dictionary.llf, rtol=1e-12)
    arrays = smg.GLMM(
        single.model.endog, single.model.exog, groups=data["g"], family=F.NegativeBinomial(),
        family_by=data["kind"],
    ).fit()  # fmt: skip
    np.testing.assert_allclose(arrays.llf, dictionary.llf, rtol=1e-10)


def test_many_families_are_counted_in_the_header():
    gaussian, binomial = sm.families.Gaussian(), sm.families.Binomial()
    assert family_name(F.Mixed({"a": gaussian, "b": binomial})) == "a: Gaussian, b: Binomial"
    many = F.Mixed({f"item{k}": gaussian if k < 7 else binomial for k in range(9)})
    assert family_name(many) == "7 x Gaussian, 2 x Binomial"
