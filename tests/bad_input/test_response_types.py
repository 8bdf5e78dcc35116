"""Responses that a family cannot have, and keywords that do not go with it, are refused by name."""

import warnings

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from statsmodels.tools.sm_exceptions import ModelWarning, SpecificationWarning

import sm_gllamm.api as smg
import sm_gllamm.formula.api as smgf
from sm_gllamm.exceptions import SpecificationError

F = smg.families


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    g = np.repeat(np.arange(20), 6)
    n = len(g)
    return pd.DataFrame(
        {
            "g": g,
            "x": rng.normal(size=n),
            "count": rng.poisson(2.0, n),
            "share": rng.uniform(0.1, 0.9, n),
            "time": rng.exponential(1.0, n) + 0.01,
            "event": rng.binomial(1, 0.7, n),
            "grade": rng.integers(1, 5, n),
            "word": np.resize(["low", "mid", "high"], n),
            "set": np.repeat(np.arange(n // 3), 3),
            "chosen": np.tile([1, 0, 0], n // 3),
            "rank": np.tile([1, 2, 3], n // 3),
            "kind": np.resize(["a", "b"], n),
        }
    )


def changed(data, column, row, value):
    out = data.copy()
    out[column] = out[column].astype(float)
    out.loc[row, column] = value
    return out


def refused(message, formula, data, **options):
    with pytest.raises(SpecificationError, match=message):
        smgf.glmm(formula, data, **options)


GAMMA = sm.families.Gamma(sm.families.links.Log())


@pytest.mark.parametrize(
    "column,row,value,family,message",
    [
        ("time", 5, 0.0, GAMMA, "'time' is 0 in row 5; it must be positive"),
        ("time", 7, -1.0, sm.families.InverseGaussian(sm.families.links.Log()), "-1 in row 7"),
        ("share", 3, 1.0, F.Beta(), "'share' is 1 in row 3; it must be between 0 and 1"),
        ("share", 3, 4.0, F.Beta(), "Counts of successes and failures have the binomial"),
        ("count", 2, 1.5, F.NegativeBinomial(), "must be integers.* is 1.5 in row 2"),
        ("count", 2, -1, F.ZeroInflated(), "must not be negative"),
        (
            "count",
            4,
            0,
            F.ZeroTruncated(),
            "'count' is 0 in row 4; it must be a whole number from 1",
        ),
    ],
)
def test_values_outside_the_range(data, column, row, value, family, message):
    base = data.assign(count=data["count"] + (1 if "Truncated" in str(family) else 0))
    refused(message, f"{column} ~ x + (1 | g)", changed(base, column, row, value), family=family)


def test_hurdle_without_zeros(data):
    refused(
        "has no zeros",
        "count ~ x + (1 | g)",
        data.assign(count=data["count"] + 1),
        family=F.Hurdle(),
    )


class TestDurations:
    def test_zero(self, data):
        frame = changed(data, "time", 9, 0.0)
        message = "duration 'time, event' is 0 in row 9; it must be positive"
        refused(message, "time + event ~ x + (1 | g)", frame, family=F.Weibull())

    def test_event(self, data):
        frame = changed(data, "event", 9, 2.0)
        refused("must be 1 .event. or 0", "time + event ~ x + (1 | g)", frame, family=F.Weibull())

    def test_no_events(self, data):
        frame = data.assign(event=0)
        refused("has no events", "time + event ~ x + (1 | g)", frame, family=F.LogNormal())

    def test_late_entry_after_the_end(self, data):
        frame = data.assign(start=0.0)
        frame.loc[11, "start"] = 100.0
        refused(
            "entry is 100 in row 11",
            "time + event ~ x + (1 | g)",
            frame,
            family=F.Weibull(),
            entry="start",
        )

    def test_bounds(self, data):
        frame = data.assign(low=data.time, high=data.time + 1.0)
        frame.loc[4, "high"] = 0.0
        family = F.Weibull(censoring="interval")
        refused(
            "upper bound of 'low, high' is 0 in row 4",
            "low + high ~ x + (1 | g)",
            frame,
            family=family,
        )

    def test_entry_without_durations(self, data):
        refused("entry .late entry. goes with durations", "count ~ x + (1 | g)", data, family="poisson",
                entry="time")  # fmt: skip

    def test_limits(self):
        with pytest.raises(SpecificationError, match="lower=2 must be below upper=1"):
            F.CensoredGaussian(lower=2, upper=1)


class TestCategories:
    def test_empty_category(self, data):
        levels = pd.CategoricalDtype([1, 2, 3, 4, 5], ordered=True)
        frame = data.assign(grade=data.grade.astype(levels))
        refused("5", "grade ~ x + (1 | g)", frame, family=F.Ordinal())

    def test_category_emptied_by_subset(self, data):
        refused("Category 4 of the response 'grade' does not occur", "grade ~ x + (1 | g)", data,
                family=F.Ordinal(), subset=data.grade < 4)  # fmt: skip

    def test_strings_without_order(self, data):
        refused("order", "word ~ x + (1 | g)", data, family=F.Ordinal())

    def test_order_that_lacks_a_category(self, data):
        refused("high", "word ~ x + (1 | g)", data, family=F.Ordinal(order=["low", "mid"]))

    def test_unknown_thresholds(self):
        with pytest.raises(SpecificationError, match="thresholds='even' is not known"):
            F.Ordinal(thresholds="even")

    def test_covariates_that_thresholds_have(self, data):
        message = (
            "formula and thresholds= are not independent: 'x' is a multiple of 'x in thresholds='"
        )
        options = {"family": F.Ordinal(), "thresholds": "~ x"}
        refused(message, "grade ~ x + (1 | g)", data, **options)
        frame = data.assign(z=np.sin(np.arange(len(data))))
        frame["v"] = 2.0 - frame["x"] + 3.0 * frame["z"]
        message = "'v' is a linear combination of a constant, 'x in thresholds=', 'z'"
        refused(message, "grade ~ z + v + (1 | g)", frame, **options)
        with pytest.raises(SpecificationError, match="x1.* in thresholds="):
            smg.GLMM(data["grade"], data[["x"]], groups=data["g"], family=F.Ordinal(),
                     thresholds=data["x"].to_numpy())  # fmt: skip

    def test_covariates_that_thresholds_have_among_several_families(self, data):
        options = {"family": {"a": F.Ordinal(), "b": "gaussian"}, "family_by": "kind",
                   "thresholds": {"a": "~ x"}}  # fmt: skip
        frame = data.assign(z=np.where(data.kind == "a", data.x, 0.0))
        refused(
            "'z' is a multiple of 'x in thresholds='",
            "grade ~ kind + z + (1 | g)",
            frame,
            **options,
        )
        # the other family needs it
        model = smgf.glmm("grade ~ kind + x + (1 | g)", data, **options)
        assert {"x", "threshold(1|2):x[a]"} <= set(model.param_names)

    def test_constants_of_categories(self, data):
        frame = data.assign(kind=np.where(data.index % 3, "a", "b"))
        message = "thresholds of an ordinal model are its constants: leave 'kind.b.' out"
        refused(message, "grade ~ 0 + kind + (1 | g)", frame, family=F.Ordinal())
        refused("the scale of the reference rows is one", "grade ~ x + (1 | g)", frame, family=F.Ordinal(),
                scale="~ 0 + kind")  # fmt: skip
        refused("the thresholds are constants themselves", "grade ~ x + (1 | g)", frame,
                family=F.Ordinal(), thresholds="~ 0 + kind")  # fmt: skip

    def test_an_effect_of_every_row(self, data):
        frame = data.assign(row=np.arange(len(data)))
        refused(
            "variation of a single category", "grade ~ x + (1 | row)", frame, family=F.Ordinal()
        )

    def test_unknown_base(self, data):
        refused("none", "word ~ x + (1 | g)", data, family=F.Multinomial(base="none"))

    def test_crossing_thresholds_are_named(self):
        rng = np.random.default_rng(4)
        x = np.repeat([0.0, 1.0], 300)
        # few in the middle at x = 1, outlier at x = -8
        y = np.where(x == 0, rng.choice([0, 1, 2], 600, p=[0.3, 0.4, 0.3]),
                     rng.choice([0, 1, 2], 600, p=[0.45, 0.1, 0.45]))  # fmt: skip
        frame = pd.DataFrame({"y": y, "x": x, "z": rng.normal(size=600), "g": np.arange(600) % 30})
        frame.loc[0, ["x", "y"]] = [4.0, 2]
        with pytest.warns(UserWarning, match="cross") as caught:
            result = smgf.glmm("y ~ z + (1 | g)", frame, family=F.Ordinal(), thresholds="~ x").fit()
        assert any("thresholds cross" in str(w.message) for w in caught)
        assert result.verdict.crossing == ("0|1 and 1|2",)
        assert "Thresholds cross" in str(result.summary())


class TestChoices:
    def choose(self, data, message, **options):
        refused(message, "chosen ~ x + (0 + x | g)", data, family=F.Choice(), **options)

    def test_no_choice(self, data):
        self.choose(data.assign(chosen=data.chosen.where(data.set != 3, 0)), "No alternative of choice set 3",
                    sets="set")  # fmt: skip

    def test_two_choices(self, data):
        self.choose(changed(data, "chosen", 10, 1.0), "2 alternatives of choice set 3", sets="set")

    def test_no_sets(self, data):
        self.choose(data, "Choice needs sets")

    def test_unknown_column(self, data):
        self.choose(data, "no column 'sett'", sets="sett")

    def test_set_in_two_clusters(self, data):
        self.choose(
            data.assign(g=np.arange(len(data)) % 7), "a set lies within one cluster", sets="set"
        )

    def test_weights_within_a_set(self, data):
        frame = data.assign(w=1.0 + np.arange(len(data)) % 2)
        self.choose(frame, "rows of a set are one response", sets="set", freq_weights="w")

    def test_what_drops_out(self, data):
        options = {"family": F.Choice(), "sets": "set"}
        frame = data.assign(same=data.set.astype(float))
        refused("covariate 'same' of the fixed part is the same for all", "chosen ~ x + same + (0 + x | g)",
                frame, **options)  # fmt: skip
        refused(
            "random effect 'Intercept' of level 'g' is the same",
            "chosen ~ x + (1 | g)",
            data,
            **options,
        )
        brand = data.assign(brand=np.resize(["a", "b", "c"], len(data)))
        refused(
            "only differences between alternatives count",
            "chosen ~ x + (0 + brand | g)",
            brand,
            **options,
        )

    def test_dropped_alternatives(self, data):
        frame = data.assign(x=data.x.where(data.index != 9))
        self.choose(frame, "1 rows had missing values and were dropped", sets="set")

    def test_gap_in_a_ranking(self, data):
        refused("rank", "rank ~ x + (0 + x | g)", changed(data, "rank", 5, 4.0), family=F.Ranking(),
                sets="set")  # fmt: skip

    def test_alternatives_that_were_not_ranked(self, data):
        frame = data.assign(rank=data["rank"].where(data["rank"] < 2))
        options = {"family": F.Ranking(), "sets": "set"}
        formula = "rank ~ x + (0 + x | g)"
        zeros = smgf.glmm(formula, frame.fillna({"rank": 0}), **options)
        missing = smgf.glmm(formula, frame, **options)
        assert len(missing.exog) == len(data)
        params = [0.3, 0.5]
        assert missing.loglike(params) == pytest.approx(zeros.loglike(params), rel=1e-12)
        chosen = smgf.glmm("chosen ~ x + (0 + x | g)", data, family=F.Choice(), sets="set")
        assert missing.loglike(params) == pytest.approx(chosen.loglike(params), rel=1e-12)
        arrays = smg.GLMM(
            frame["rank"].to_numpy(), frame[["x"]], groups=frame["g"], exog_re=frame[["x"]], **{
                **options, "sets": frame["set"].to_numpy()}
        )  # fmt: skip
        assert arrays.loglike(params) == pytest.approx(zeros.loglike(params), rel=1e-12)

    def test_best_worst_values(self, data):
        refused(
            "must be 1 .best., -1", "rank ~ x + (0 + x | g)", data, family=F.BestWorst(), sets="set"
        )

    def test_sets_for_counts(self, data):
        refused("sets goes with choices", "count ~ x + (1 | g)", data, family="poisson", sets="set")


class TestSeveralFamilies:
    families = {"a": "gaussian", "b": "poisson"}

    def test_no_column(self, data):
        refused("needs family_by", "count ~ x + (1 | g)", data, family=self.families)

    def test_unknown_label(self, data):
        frame = data.assign(kind=data.kind.where(data.index != 6, "c"))
        refused("family_by is 'c' in row 6", "count ~ x + (1 | g)", frame, family=self.families,
                family_by="kind")  # fmt: skip

    def test_family_without_rows(self, data):
        refused("no row has family_by 'b'", "count ~ x + (1 | g)", data.assign(kind="a"),
                family=self.families, family_by="kind")  # fmt: skip

    def test_families_of_several_rows(self, data):
        refused("Choice needs sets", "count ~ x + (1 | g)", data,
                family={"a": F.Choice(), "b": "poisson"}, family_by="kind")  # fmt: skip
        refused("is a dict of families itself", "count ~ x + (1 | g)", data,
                family={"a": {"c": "binomial"}, "b": "poisson"}, family_by="kind")  # fmt: skip

    def test_checks_by_family(self, data):
        refused("count .b.", "x ~ x + (1 | g)".replace("x ~", "count ~"), changed(data, "count", 1, 0.5),
                family=self.families, family_by="kind")  # fmt: skip


class TestOtherPredictors:
    @pytest.mark.parametrize(
        "options,message",
        [
            ({"zero": "~ x"}, "zero= does not go with the Poisson family"),
            ({"dispersion": "~ x"}, "dispersion= does not go with the Poisson family"),
            ({"thresholds": "~ x"}, "thresholds= does not go with the Poisson family"),
        ],
    )
    def test_not_in_this_family(self, data, options, message):
        refused(message, "count ~ x + (1 | g)", data, family="poisson", **options)

    def test_a_dispersion_that_is_known(self, data):
        with pytest.warns(UserWarning):
            family = sm.families.NegativeBinomial()
        refused("dispersion= does not go with the NegativeBinomial family", "count ~ x + (1 | g)", data,
                family=family, dispersion="~ x")  # fmt: skip

    def test_collinear_columns(self, data):
        refused("dispersion=: 'I.2 . x.' is a multiple of 'x'", "x ~ 1 + (1 | g)", data,
                dispersion="~ x + I(2 * x)")  # fmt: skip

    def test_no_formula(self, data):
        refused("must be a formula that starts with '~'", "x ~ 1 + (1 | g)", data, dispersion="x")

    def test_unknown_column(self, data):
        message = "dispersion='~ contt': the data have no column 'contt'; did you mean 'count'"
        refused(message, "x ~ 1 + (1 | g)", data, dispersion="~ contt")

    def test_missing_values(self, data):
        frame = data.assign(z=data.x.where(data.index != 3))
        assert smgf.glmm("x ~ 1 + (1 | g)", frame, dispersion="~ z").nobs == len(data) - 1
        refused(
            "row 3 has missing values", "x ~ 1 + (1 | g)", frame, dispersion="~ z", missing="raise"
        )


class TestVarianceBy:
    def test_varies_within_clusters(self, data):
        refused("varies within cluster 0", "x ~ 1 + (1 | g)", data, variance_by={"g": "kind"})

    def test_unknown_level(self, data):
        refused("names level 'h'", "x ~ 1 + (1 | g)", data, variance_by={"h": "kind"})

    def test_single_group(self, data):
        refused("single group", "x ~ 1 + (1 | g)", data.assign(kind="a"), variance_by={"g": "kind"})

    def test_no_dict(self, data):
        refused("must be a dict", "x ~ 1 + (1 | g)", data, variance_by="kind")


def test_quasi_likelihood_is_for_counts(data):
    with pytest.raises(SpecificationError, match="only 'X2'"):
        smgf.glmm("x ~ 1 + (1 | g)", data).fit(scale="X2")
    with pytest.raises(SpecificationError, match="only 'X2'"):
        smgf.glmm("count ~ x + (1 | g)", data, family="poisson").fit(scale=2.0)


def test_quasi_likelihood_has_no_likelihood(data):
    model = smgf.glmm("count ~ x + (1 | g)", data, family="poisson")
    plain, quasi = model.fit(), model.fit(scale="X2")
    np.testing.assert_allclose(quasi.bse, plain.bse * np.sqrt(quasi.scale))
    np.testing.assert_allclose(quasi.params, plain.params, rtol=1e-12)
    assert np.isnan(quasi.llf)
    text = str(quasi.summary())
    assert "Dispersion (X2/df)" in text and "Log-Likelihood" not in text and "nan" not in text
    with pytest.raises(SpecificationError, match="no log-likelihood"):
        plain.compare_lr_test(quasi)


def test_overdispersion_that_is_not_there():
    rng = np.random.default_rng(3)
    g = np.repeat(np.arange(60), 4)
    y = rng.binomial(20, 0.2, 240)
    frame = pd.DataFrame({"y": y, "g": g})
    with pytest.warns(smg.BoundaryWarning, match="alpha"):
        result = smgf.glmm("y ~ 1 + (1 | g)", frame, family=F.NegativeBinomial()).fit()
    assert np.isnan(result.bse["alpha"])
    assert "alpha" in result.verdict.boundary
    with pytest.warns(smg.BoundaryWarning):
        plain = smgf.glmm("y ~ 1 + (1 | g)", frame, family="poisson").fit()
    assert result.llf == pytest.approx(plain.llf, abs=1e-4)


def test_zeros_that_are_not_there():
    rng = np.random.default_rng(3)
    frame = pd.DataFrame({"y": 1 + rng.poisson(3.0, 240), "g": np.repeat(np.arange(60), 4)})
    with pytest.warns(smg.BoundaryWarning, match="zero"):
        result = smgf.glmm("y ~ 1 + (1 | g)", frame, family=F.ZeroInflated()).fit()
    assert "zero" in result.verdict.boundary


class TestSetsWithMissingValues:
    @pytest.fixture
    def data(self):
        rng = np.random.default_rng(3)
        frame = pd.DataFrame({"g": np.repeat(np.arange(40), 6), "set": np.repeat(np.arange(80), 3)})
        frame["x"], frame["y"] = rng.normal(size=240), np.tile([1.0, 0.0, 0.0], 80)
        frame.loc[4, "x"] = np.nan
        return frame

    def test_choice_among_fewer_alternatives(self, data):
        family = smg.families.Choice()
        with pytest.warns(
            ModelWarning, match="1 sets, the first of them 1, have rows with missing"
        ):
            model = smgf.glmm("y ~ 0 + x + (0 + x | g)", data, family=family, sets="set")
        assert len(model.endog) == 239
        whole = data[data["set"] != 1]
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            smgf.glmm("y ~ 0 + x + (0 + x | g)", whole, family=family, sets="set")

    def test_composite_mean_of_fewer_rows(self, data):
        data["y"] = data["set"] % 3.0
        family = smg.families.Composite("poisson")
        with pytest.raises(SpecificationError, match="the first of them 1, have rows with missing"):
            smgf.glmm("y ~ x + (1 | g)", data, family=family, sets="set")

    def test_weights_of_zero(self, data):
        data = data.fillna(0.0).assign(y=data["set"] % 3.0, w=np.where(data["set"] == 7, 0.0, 1.0))
        family = smg.families.Composite("poisson")
        with pytest.raises(SpecificationError, match="parts= has no positive weight .* of row 21"):
            smgf.glmm("y ~ x + (1 | g)", data, family=family, sets="set", parts="w")


def test_predicted_thresholds_that_cross():
    rng = np.random.default_rng(1)
    data = pd.DataFrame({"g": np.repeat(np.arange(60), 4), "z": rng.normal(size=240)})
    latent = rng.logistic(size=240) * np.exp(0.3 * data["z"]) + rng.normal(size=60)[data["g"]]
    data["y"] = np.digitize(latent, [-1, 0, 1])
    result = smgf.glmm("y ~ 1 + (1 | g)", data, family="ordinal", thresholds="~ z").fit()
    slopes = result.params[[name for name in result.params.index if name.endswith(":z")]]
    crossing = -100.0 if slopes.iloc[-1] > slopes.iloc[0] else 100.0
    with pytest.warns(
        SpecificationWarning, match="thresholds cross in 1 rows, the first of them number 1"
    ):
        new = pd.DataFrame({"g": 0, "z": [0.0, crossing]})
        shares = result.predict(new, which="conditional")
    assert np.isclose(shares.iloc[0].sum(), 1.0) and shares.iloc[1].isna().all()
