"""Bad input to item response models: an error or a warning that names the item, person or option."""

import numpy as np
import pandas as pd
import pytest
from statsmodels.tools.sm_exceptions import SpecificationWarning

import sm_gllamm.api as smg
from sm_gllamm.datasets import lsat
from sm_gllamm.exceptions import (
    BoundaryWarning,
    ConvergenceWarning,
    IdentificationWarning,
    QuadratureWarning,
    SpecificationError,
)

BINARY = [f"b{j}" for j in range(5)]
GRADED = [f"p{j}" for j in range(4)]
ITEM_DATA = pd.DataFrame({"a": [1.0, 2, 3, 4, 5], "twice": [2.0, 4, 6, 8, 10]}, index=BINARY)


def people(n=300, seed=5):
    rng = np.random.default_rng(seed)
    theta = rng.normal(size=n)
    data = {
        b: ((0.8 + 0.3 * j) * theta - 0.4 * j + 0.8 + rng.logistic(size=n) > 0) * 1
        for j, b in enumerate(BINARY)
    }
    for p in GRADED:
        data[p] = np.clip(np.round(theta + 0.7 * rng.logistic(size=n) + 1.5), 0, 3).astype(int)
    return pd.DataFrame(data).assign(
        sex=rng.choice(["f", "m"], n),
        x=rng.normal(size=n),
        school=rng.integers(0, 30, n),
        weight=rng.integers(1, 4, n),
    )


DATA = people()
ITEMS = DATA[BINARY]


def refused(match):
    return pytest.raises(SpecificationError, match=match)


class TestResponses:
    def test_one_category(self):
        with refused(r"item 'b0' has one category \(1\): .* leave it out"):
            smg.IRT(ITEMS.assign(b0=1))

    def test_category_that_nobody_chose(self):
        with refused("item 'p1' has a category that nobody chose: 2 lies between 0 and 3"):
            smg.IRT(DATA[GRADED].assign(p1=DATA["p1"].replace(2, 3)))
        levels = pd.Categorical(DATA["p1"].replace(2, 3), categories=[0, 1, 2, 3], ordered=True)
        with refused("item 'p1' has a category that nobody chose: 2; .*remove_unused_categories"):
            smg.IRT(DATA[GRADED].assign(p1=levels))

    @pytest.mark.parametrize("kind", [int, float])
    def test_codes_of_missing_responses(self, kind):
        data = ITEMS.astype(kind)
        data.loc[4, "b1"] = -1
        with pytest.warns(SpecificationWarning, match="'b1' has the response -1, which counts as"):
            model = smg.IRT(data)
        assert model.item_responses.n_categories.tolist() == [2, 3, 2, 2, 2]
        # said to be a category
        levels = pd.Categorical(data["b1"].astype(int), categories=[-1, 0, 1], ordered=True)
        smg.IRT(ITEMS.assign(b1=levels))

    def test_persons_without_responses(self):
        gaps = ITEMS.astype(float)
        gaps.iloc[[3, 7]] = np.nan
        with pytest.warns(SpecificationWarning, match="left out: 2, the first of them is 3"):
            model = smg.IRT(gaps)
        assert model.fit().nobs == len(ITEMS) - 2
        with refused("nobody responded to item 'b0'"):
            smg.IRT(gaps * np.nan)
        with refused("nobody responded to item 'b2'; leave it out"):
            smg.IRT(gaps.assign(b2=np.nan))

    @pytest.mark.parametrize(
        ("value", "match"),
        [
            (lambda y: y.astype(str), "'b0' has responses that are no numbers, such as '[01]'"),
            (lambda y: y + 0.5, r"'b0' has the response 0.5 \(person \d+\), which is no code"),
            (lambda y: y.astype(float).replace(1, np.inf), "'b0' has the response inf"),
            (lambda y: y.iloc[:0], r"responses have shape \(0, 5\); there is nothing to fit"),
            (lambda y: y["b0"].to_numpy(), "must have a row a person and a column an item"),
            (lambda y: pd.concat([y, y[["b1"]]], axis=1), "item 'b1' occurs twice"),
            (
                lambda y: y.assign(b0=np.arange(len(y))),
                "item 'b0' has 300 different responses; more than 50",
            ),
            (
                lambda y: y.assign(b0=pd.Categorical(DATA["p0"].map(dict(enumerate("wxyz"))))),
                "item 'b0' is a categorical without an order",
            ),
        ],
    )
    def test_no_codes(self, value, match):
        with refused(match):
            smg.IRT(value(ITEMS))

    def test_persons_with_all_or_no_items_right(self):
        extremes = pd.concat([ITEMS, ITEMS * 0, ITEMS * 0 + 1], ignore_index=True)
        result = smg.IRT(extremes).fit()
        assert result.verdict.ok
        scores = result.scores("EAP")
        assert np.isfinite(scores["theta"]).all()

    @pytest.mark.filterwarnings("ignore")
    @pytest.mark.parametrize("other", [lambda y: y, lambda y: 1 - y])
    def test_items_perfectly_correlated(self, other):
        result = smg.IRT(ITEMS.assign(copy=other(DATA["b0"]))).fit()
        assert not result.verdict.ok
        assert set(result.verdict.runaway) == {"slope[b0]", "slope[copy]"}
        text = result.summary().as_text()
        assert "Runs away: slope[b0], slope[copy]" in " ".join(text.split())

    def test_items_perfectly_correlated_are_warned_of(self):
        with (
            pytest.warns(ConvergenceWarning, match="runs away"),
            pytest.warns(IdentificationWarning, match=r"slope\[b0\], slope\[copy\] runs away"),
            pytest.warns(QuadratureWarning),
        ):
            smg.IRT(ITEMS.assign(copy=DATA["b0"])).fit()

    def test_testlets_of_too_few_items_end_soon(self):
        data = lsat.load_pandas().data
        items = [f"item_{j}" for j in range(1, 6)]
        model = smg.IRT(data, items=items, specific={"s": items[:3], "t": items[3:]})
        with (
            pytest.warns(ConvergenceWarning, match="runs away"),
            pytest.warns(IdentificationWarning, match=r"slope\[item_2, s\].* runs away"),
        ):
            result = model.fit()
        assert not result.converged
        # iterations that gain nothing are not gone on with up to the limit
        assert result.verdict.iterations < 80
        assert result.llf == pytest.approx(-2465.141, abs=2e-3)

    @pytest.mark.filterwarnings("ignore:the log-likelihood is off")
    def test_guttman_scale(self):
        theta = np.random.default_rng(1).normal(size=200)
        perfect = pd.DataFrame({f"g{k}": (theta > c) * 1 for k, c in enumerate([-1, -0.3, 0.4, 1])})
        with (
            pytest.warns(ConvergenceWarning),
            pytest.warns(IdentificationWarning, match=r"slope\[g0\].* runs away"),
        ):
            result = smg.IRT(perfect).fit()
        assert not result.converged


class TestItems:
    @pytest.mark.parametrize(
        ("options", "match"),
        [
            ({"items": ["b0", "zz"]}, "item 'zz' is no column of the data"),
            ({"model": "5PL"}, r"model='5PL' \(item 'b0'\) is not known; use one of"),
            ({"model": {"zz": "2PL"}}, "model names 'zz', which is no item"),
            ({"items": GRADED, "model": "2PL"}, "item 'p0' has 4 categories, model '2PL' is for two"),
            ({"dimensions": {"A": ["b0", "zz"]}}, "dimension 'A' names 'zz', which is no item"),
            ({"dimensions": {"A": ["b0", "b1"]}}, "item 'b2' measures no dimension"),
            ({"dimensions": 3}, "dimensions=3 is not possible with 5 items"),
            ({"dimensions": 0}, "dimensions=0 is not possible"),
            ({"dimensions": "A"}, "dimensions must be a number or a dict"),
            ({"specific": {"s": ["b0"]}}, "specific dimension 's' has 1 items; it needs two"),
            ({"specific": {"s": "b0"}}, "specific dimension 's' has 1 items"),
            ({"specific": [["b0", "b1"]]}, "specific must be a dict"),
            ({"specific": {"s": ["b0", "zz"]}}, r"specific\['s'\] names 'zz', which is no item"),
            (
                {"specific": {"s": ["b0", "b1"], "t": ["b1", "b2"]}},
                "item 'b1' belongs to 's' and to 't'",
            ),
            ({"specific": {"theta": ["b0", "b1"]}}, "'theta' is the name of a dimension and of a"),
            ({"testlets": True}, "testlets=True needs specific="),
            ({"mdoel": "2PL"}, "no argument 'mdoel'"),
            ({"link": "cloglog"}, "link='cloglog' is not known"),
            ({"model": "3PL", "link": "probit"}, "link='probit' is for"),
            ({"free_items": ["zz"]}, "free_items names 'zz'"),
            ({"item_formula": "~ a"}, "item_formula= needs item_data="),
            (
                {"item_formula": "~ a", "item_data": ITEM_DATA.iloc[:2], "model": "Rasch"},
                "item_data has no row for item 'b2'",
            ),
            (
                {"item_formula": "~ a + twice", "item_data": ITEM_DATA, "model": "Rasch"},
                "covariates of the 5 items are collinear",
            ),
            (
                {"item_formula": "~ a", "item_data": ITEM_DATA.replace(3.0, np.nan), "model": "1PL"},
                "covariates of item 'b2' are missing",
            ),
            (
                {"item_formula": "~ a", "item_data": ITEM_DATA, "items": GRADED},
                "'p0' is neither",
            ),
            (
                {"item_formula": "~ a", "item_data": ITEM_DATA, "model": "1PL", "groups": "sex",
                 "group_equal": "slopes"},
                "explains intercepts in all groups alike",
            ),
        ],
    )  # fmt: skip
    def test_options(self, options, match):
        with refused(match):
            smg.IRT(DATA, **{"items": BINARY, **options})

    @pytest.mark.parametrize(
        ("known", "match"),
        [
            ({"zz": {"slope": 1.0}}, "fixed names 'zz'"),
            ({"b0": 1.0}, r"fixed\['b0'\] must be a dict such as"),
            ({"b0": {"a": 1.0}}, r"fixed\['b0'\] names 'a'; it knows 'slope'"),
            (
                {"b0": {"slope": [1.0, 2.0]}},
                r"the slope on theta must be one number, not \[1.0, 2.0\]",
            ),
            ({"b0": {"slope": {"A": 1.0}}}, "has a slope on 'A'; the item measures"),
            ({"b0": {"slope": np.nan}}, "the slope on theta must be one number, not nan"),
            ({"b0": {"intercept": "easy"}}, "the intercept must be one number, not 'easy'"),
            ({"b0": {"lower": 1.2}}, "lower asymptote of item 'b0' is 1.2"),
            ({"p0": {"intercept": [1.0, 0.0]}}, "the intercept must be 3 numbers"),
            ({"p0": {"intercept": [0.0, 1.0, 2.0]}}, "intercepts of a graded item must descend"),
            ({"p0": {"lower": 0.2}}, "lower asymptote of item 'p0'"),
        ],
    )
    def test_known_parameters(self, known, match):
        with refused(match):
            smg.IRT(DATA, items=BINARY + GRADED, fixed=known)

    def test_known_nominal_slopes(self):
        with refused("the slope on theta must be 3 numbers, not 1.0"):
            smg.IRT(DATA, "nominal", items=GRADED, fixed={"p0": {"slope": 1.0}})

    @pytest.mark.parametrize(
        ("priors", "match"),
        [
            ({"zz": ("normal", 0, 1)}, "priors names 'zz', which is no free parameter"),
            ({"lower": ("beta", 5, 17)}, "priors names 'lower', which is no free parameter"),
            (
                {"slope": ("beta", 1, 2)},
                r"beta densities are for asymptotes, not for 'slope\[b0\]'",
            ),
            ({"slope": ("normal", 0, -1)}, "is no density"),
            ({"slope": ("normal", "a", 1)}, "is no density"),
            ({"slope": ("normal", 0, np.nan)}, "is no density"),
            ({"slope": ("gamma", 1, 1)}, r"must be \('normal', mean, sd\)"),
            ({"slope": 3}, r"must be \('normal', mean, sd\)"),
            ([1], "priors must be a dict such as"),
        ],
    )
    def test_priors(self, priors, match):
        with refused(match):
            smg.IRT(ITEMS, priors=priors)

    def test_priors_of_variances(self):
        with refused("latent variances and correlations take no prior densities"):
            smg.IRT(ITEMS, "Rasch", priors={"var(theta|person)": ("normal", 1, 1)})


class TestPersons:
    @pytest.mark.parametrize(
        ("change", "options", "match"),
        [
            ({}, {"groups": "zz"}, "groups='zz' is no column of the data"),
            ({}, {"groups": "b0"}, "groups='b0' is one of the items"),
            ({}, {"groups": [1, 2]}, "groups has 2 values for 300 persons"),
            ({"sex": "f"}, {"groups": "sex"}, "groups has one group, 'f'"),
            ({"sex": np.where(DATA.index == 5, None, DATA["sex"])}, {"groups": "sex"},
             "groups is missing for person 5"),
            ({"sex": [1, "a"] * 150}, {"groups": "sex"}, "labels that cannot be sorted"),
            ({}, {"groups": "sex", "group_equal": ["loadings"]}, "group_equal names 'loadings'"),
            ({"b0": DATA["b0"].where(DATA["sex"] == "f")}, {"groups": "sex"},
             "nobody of group 'm' responded to item 'b0'"),
            ({"b0": DATA["b0"].where(DATA["sex"] == "f", 1)},
             {"groups": "sex", "free_items": ["b0"]},
             "nobody of group 'm' chose category 0 of item 'b0', whose intercepts"),
            ({"school": 1}, {"clusters": "school"}, "clusters has one cluster, '1'"),
            ({"school": np.arange(300)}, {"clusters": "school"}, "every cluster .* one person"),
            ({"school": np.where(DATA.index == 2, np.nan, 1)}, {"clusters": "school"},
             "clusters is missing for person 2"),
            ({"x": 1.0}, {"regression": "~ x"}, "collinear or constant"),
            ({"x": np.where(DATA.index == 4, np.nan, DATA["x"])}, {"regression": "~ x"},
             "covariates of person 4 are missing"),
            ({}, {"regression": "~ zz"}, "no column 'zz'"),
            ({}, {"regression": "~ x + I(2 * x)"}, "collinear or constant"),
            ({}, {"regression": "~ x +* 3"}, "cannot be evaluated"),
            ({}, {"regression": "~ 1"}, "has no covariates"),
            ({}, {"dif": {"zz": "~ x"}}, "dif names 'zz', which is no item"),
            ({"weight": -1}, {"weights": "weight"}, "weights of person 0 is -1"),
            ({"weight": 0}, {"freq_weights": "weight"}, "all freq_weights are zero"),
            ({"weight": "a"}, {"weights": "weight"}, "weights are not numeric"),
            ({"weight": np.where(DATA.index == 3, np.nan, 1)}, {"weights": "weight"},
             "weights is missing for person 3"),
            ({}, {"weights": "weight", "freq_weights": "weight"}, "not both"),
        ],
    )  # fmt: skip
    def test_named(self, change, options, match):
        with refused(match):
            smg.IRT(DATA.assign(**change), items=BINARY, **options)

    def test_arrays_have_no_covariates(self):
        with refused("need data="):
            smg.IRT(ITEMS.to_numpy(), regression="~ x")
        with refused("data has 10 rows for 300 persons"):
            smg.IRT(ITEMS, data=DATA.iloc[:10], regression="~ x")

    def test_categories_lacking_in_a_group_where_intercepts_are_equal(self):
        few = DATA.assign(b0=DATA["b0"].where(DATA["sex"] == "f", 1))
        assert smg.IRT(few, items=BINARY, groups="sex").fit().converged


class TestLongData:
    ROWS = DATA.assign(person=DATA.index).melt(["person", "x", "sex"], BINARY, "item", "resp")

    @pytest.mark.parametrize(
        ("formula", "change", "match"),
        [
            ("zz ~ 1", lambda d: d, "response='zz' is no column of data"),
            ("resp", lambda d: d, "is no formula such as 'response ~ 1'"),
            ("resp ~ 1", lambda d: pd.concat([d, d.iloc[[5]]]), "has two responses to item 'b0'"),
            ("resp ~ x", lambda d: d.assign(x=np.arange(len(d))), "'x' varies within person"),
            ("resp ~ 1", lambda d: d.assign(item=d["item"].where(d.index > 3)),
             "item 'item' is missing in row 0"),
        ],
    )  # fmt: skip
    def test_named(self, formula, change, match):
        with refused(match):
            smg.IRT.from_formula(formula, change(self.ROWS), "person", "item")

    def test_columns_whose_names_are_part_of_a_covariates(self):
        # 'se' is in 'sex' and varies within persons, which does not matter
        rows = self.ROWS.assign(se=np.arange(len(self.ROWS)))
        model = smg.IRT.from_formula("resp ~ sex", rows, "person", "item")
        assert "theta ~ sex[T.m]" in model.param_names

    def test_covariates_of_direct_effects(self):
        rows = self.ROWS.assign(x=np.arange(len(self.ROWS)))
        with refused("'x' varies within person"):
            smg.IRT.from_formula("resp ~ 1", rows, "person", "item", dif={"b0": "~ x"})


class TestIdentification:
    @pytest.mark.filterwarnings("ignore")
    @pytest.mark.parametrize(
        ("items", "model", "n_params", "n_free"),
        [
            (["b0"], "2PL", 2, 1),
            (["b0", "b1"], "2PL", 4, 3),
            (["b0", "b1", "b2"], "3PL", 9, 7),
            (["p0"], "graded", 4, 3),
        ],
    )
    def test_fewer_responses_than_parameters(self, items, model, n_params, n_free):
        match = f"not identified: it has {n_params} parameters, and .* {n_free} free"
        with pytest.warns(IdentificationWarning, match=match):
            smg.IRT(DATA, model, items=items).fit(maxiter=20)

    @pytest.mark.filterwarnings("ignore")
    def test_dimension_of_one_item(self):
        model = smg.IRT(ITEMS, dimensions={"A": ["b0"], "B": BINARY[1:]})
        match = "dimension 'A' is measured by item 'b0' alone"
        with pytest.warns(IdentificationWarning, match=match):
            model.fit(maxiter=10)

    def test_two_rasch_items_are_enough(self):
        assert smg.IRT(DATA, "Rasch", items=BINARY[:2]).fit().verdict.ok


class TestAsymptotes:
    """Asymptotes at zero and one are on the boundary, and everything else has standard errors."""

    @staticmethod
    def simulated(lower, upper, seed):
        rng = np.random.default_rng(seed)
        theta, n = rng.normal(size=2500), 2500
        p = [1 / (1 + np.exp(-(1.6 * theta + d))) for d in (-1.5, -0.8, 0.0, 0.6, 1.2, 1.8)]
        data = {
            f"i{j}": (rng.random(n) < lower[j] + (upper[j] - lower[j]) * p[j]) * 1 for j in range(6)
        }
        return pd.DataFrame(data)

    def test_lower(self):
        data = self.simulated([0.2] * 5 + [0.0], [1.0] * 6, seed=4)
        model = smg.IRT(data, {f"i{j}": "3PL" if j in (0, 5) else "2PL" for j in range(6)})
        with pytest.warns(BoundaryWarning, match=r"logit_lower\[i5\]"):
            result = model.fit()
        assert result.converged
        assert result.verdict.boundary == ("logit_lower[i5]",)
        assert not result.verdict.unidentified
        assert np.isnan(result.bse["logit_lower[i5]"])
        assert np.isfinite(result.bse.drop("logit_lower[i5]")).all()
        assert "On the boundary: logit_lower[i5]" in " ".join(result.summary().as_text().split())
        # the item is a 2PL item
        plain = smg.IRT(data, {"i0": "3PL"}).fit()
        assert result.llf == pytest.approx(plain.llf, abs=1e-4)
        np.testing.assert_allclose(result.bse[plain.bse.index], plain.bse, rtol=0.02)

    def test_upper(self):
        data = self.simulated([0.0] * 6, [1.0] + [0.8] * 5, seed=4)
        model = smg.IRT(data, {f"i{j}": "3PLu" if j in (0, 5) else "2PL" for j in range(6)})
        with pytest.warns(BoundaryWarning, match=r"logit_upper\[i0\]"):
            result = model.fit()
        assert result.verdict.boundary == ("logit_upper[i0]",)
        assert np.isfinite(result.bse.drop("logit_upper[i0]")).all()
