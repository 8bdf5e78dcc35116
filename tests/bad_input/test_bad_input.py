"""Every kind of bad input ends in an error or warning that names the thing and the remedy."""

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm

import sm_gllamm.api as smg
from sm_gllamm.exceptions import CrossedDesignError, SpecificationError
from tests.bad_input.data import BOTH, changed, from_arrays, from_formula, simulate

links = sm.families.links


@pytest.fixture(scope="module")
def data():
    return simulate()


def refused(match, error=SpecificationError):
    return pytest.raises(error, match=match)


class TestGroups:
    def test_missing_column(self, data):
        with refused("no column 'gg'; did you mean 'g'"):
            from_formula(data, "y ~ x + (1 | gg)")
        with refused("no column 'school'"):
            from_formula(data, "y ~ x", groups="school")
        with refused(r"no random effects: add a term such as \(1 \| g\)"):
            from_formula(data, "y ~ x")
        with refused("groups is missing"):
            smg.GLMM(data.y, sm.add_constant(data.x), family="binomial")
        with refused("groups is 'g'; give one value for each of the 320 rows"):
            from_arrays(data, groups="g")

    @pytest.mark.parametrize("model", BOTH)
    @pytest.mark.parametrize("family", ["binomial", "gaussian"])
    def test_all_distinct(self, model, family):
        data = simulate(family)
        data["g"] = np.arange(len(data))
        with refused("Every row is a cluster of its own in grouping factor 'g'.*Group by"):
            model(data, family=family)

    @pytest.mark.parametrize("model", BOTH)
    def test_single(self, model, data):
        with refused("'g' has a single cluster.*Leave out"):
            model(data.assign(g="the only one"))

    def test_crossed(self, data):
        with refused(
            "'t' and 'g' are crossed.*crossed random effects come in a later", CrossedDesignError
        ):
            from_formula(data, "y ~ x + (1 | g) + (1 | t)")
        with refused("If its factors are crossed"):
            from_arrays(data, groups={"g": data.g, "t": data.t})

    def test_the_same_clusters_twice(self, data):
        data = data.assign(copy=data.g + 100)
        with refused("define the same 40 clusters"):
            from_formula(data, "y ~ x + (1 | g) + (1 | copy)")
        with refused("define the same 80 clusters.*from the largest to the smallest"):
            from_arrays(data, groups={"h": data.h, "g": data.g})

    def test_missing_labels(self, data):
        bad = data.assign(g=changed(data.g, 3, np.nan))
        clean = from_formula(data.drop(index=3)).fit()
        assert from_formula(bad).fit().llf == pytest.approx(clean.llf, abs=1e-9)
        assert from_arrays(bad, missing="drop").fit().llf == pytest.approx(clean.llf, abs=1e-9)
        for model in BOTH:
            with refused("3.*missing='drop'"):
                model(bad, missing="raise")
        with refused("3.*missing='drop'"):
            from_arrays(bad)

    def test_length_and_kind(self, data):
        with refused("groups has 5 entries, the data have 320 rows"):
            from_arrays(data, groups=np.arange(5))
        with refused("Labels of clusters must be numbers, strings"):
            from_formula(data.assign(g=[[label] for label in data.g]))


class TestResponse:
    @pytest.mark.parametrize("model", BOTH)
    @pytest.mark.parametrize(
        "family,bad,message",
        [
            ("binomial", 2, "'y' is 2 in row 5.*must be 0 or 1"),
            ("binomial", 0.5, "'y' is 0.5 in row 5.*must be 0 or 1"),
            ("poisson", -1, "must not be negative.*'y' is -1 in row 5"),
            ("poisson", 1.5, "must be integers.*'y' is 1.5 in row 5"),
            ("gaussian", np.inf, "'y' is missing or infinite in row 5"),
        ],
    )
    def test_impossible_values(self, model, family, bad, message):
        data = simulate(family)
        with refused(message):
            model(data.assign(y=changed(data.y, 5, bad)), family=family)

    @pytest.mark.parametrize("model", BOTH)
    @pytest.mark.parametrize(
        "family,value,message",
        [
            ("binomial", 1, "no probability"),
            ("gaussian", 3, "nothing to model"),
            ("poisson", 0, "no logarithm"),
        ],
    )
    def test_constant(self, model, family, value, message, data):
        with refused(f"'y' is {value} in every row: .*{message}"):
            model(data.assign(y=float(value)), family=family)

    def test_more_successes_than_trials(self, data):
        data = data.assign(s=3.0, f=changed(np.ones(len(data)), 7, -1))
        with refused("-1, in row 7: more successes than trials"):
            from_formula(data, "s + f ~ x + (1 | g)")
        with refused("-1, in row 7: more successes than trials"):
            from_arrays(data, endog=data[["s", "f"]].to_numpy())

    def test_columns(self, data):
        two = np.ones((len(data), 2))
        with refused("2 columns, the gaussian distribution needs 1"):
            from_arrays(data, family="gaussian", endog=two)
        with refused("3 columns, the binomial distribution needs 2"):
            from_arrays(data, endog=np.ones((len(data), 3)))

    def test_text(self, data):
        data = data.assign(y=np.where(data.y > 0, "Y", "N"))
        with refused(r"'y' is not numeric, it is 'N', 'Y'; write I\(y == 'Y'\)"):
            from_formula(data)
        with refused("is not numeric, for instance 'N'; code it as numbers"):
            from_arrays(data, endog=data.y.to_numpy(dtype="U1"))
        with refused("not numeric"):
            from_arrays(data)


class TestCovariates:
    @pytest.mark.parametrize("model", BOTH)
    def test_infinite(self, model, data):
        with refused("exog 'x' is infinite in row 7"):
            model(data.assign(x=changed(data.x, 7, -np.inf)))

    @pytest.mark.parametrize("model", BOTH)
    @pytest.mark.parametrize("factor", [1e-200, 1e200])
    def test_out_of_range(self, model, factor, data):
        with refused("exog 'x' has no value larger than .*; choose another unit"):
            model(data.assign(x=factor * data.x))

    def test_text(self, data):
        exog = sm.add_constant(data[["x"]]).assign(z="a")
        with refused("exog 'z' is not numeric, for instance 'a'; convert it by pd.to_numeric"):
            from_arrays(data, exog=exog)
        with refused("not numeric, for instance 'a'"):
            from_arrays(data, exog=exog.to_numpy(dtype=object))
        with refused("'x' holds numbers but has dtype object.*pd.to_numeric"):
            from_formula(data.assign(x=data.x.astype(object)))

    def test_dates_and_complex_numbers(self, data):
        exog = sm.add_constant(data[["x"]])
        with refused("'day' is not numeric, for instance Timestamp"):
            from_arrays(data, exog=exog.assign(day=pd.Timestamp("2020-01-01")))
        with refused("not numeric, for instance"):
            from_arrays(data, exog=exog.to_numpy() + 1j)
        with refused("exog has 320 columns for 320 rows.*Leave out columns"):
            from_formula(
                data.assign(day=pd.date_range("2020", periods=len(data))), "y ~ day + (1 | g)"
            )

    def test_collinear(self, data):
        data = data.assign(twice=2 * data.x + 1, zero=0.0)
        with refused("'twice' is a linear combination of 'Intercept', 'x'. Leave out twice"):
            from_formula(data, "y ~ x + twice + (1 | g)").fit()
        with refused("'zero' is zero in every row. Leave out zero"):
            from_formula(data, "y ~ x + zero + (1 | g)").fit()
        with refused("'twice' is a linear combination of 'const', 'x'"):
            from_arrays(data, exog=sm.add_constant(data[["x", "twice"]])).fit()
        unused = pd.Categorical(np.where(data.x > 0, "a", "b"), categories=list("abc"))
        with refused(r"'track\[T.c\]' is zero in every row"):
            from_formula(data.assign(track=unused), "y ~ track + (1 | g)").fit()

    @pytest.mark.parametrize("family", ["binomial", "gaussian", "poisson"])
    @pytest.mark.parametrize("columns", [6, 8])
    def test_as_many_as_rows(self, family, columns):
        exog = np.random.default_rng(0).normal(size=(6, columns))
        with refused(f"exog has {columns} columns for 6 rows"):
            smg.GLMM([0, 1, 1, 0, 1, 1], exog, groups=[0, 0, 0, 1, 1, 1], family=family)

    def test_shapes(self, data):
        with refused("exog has 5 entries, the data have 320 rows"):
            from_arrays(data, exog=np.ones((5, 2)))
        with refused("exog has row labels other than the data's"):
            from_arrays(data, exog=data[["x"]].set_axis(range(1000, 1320)))
        with refused("exog must be an array with one row for each observation"):
            from_arrays(data, exog=np.ones((320, 1, 1)))


class TestRandomPart:
    def test_slope_without_variation(self, data):
        with pytest.warns(
            sm.tools.sm_exceptions.ModelWarning, match="'c'.*does not vary within any cluster"
        ):
            from_formula(data.assign(c=data.g / 10), "y ~ x + (1 + c | g)")
        with pytest.warns(
            sm.tools.sm_exceptions.ModelWarning, match="'c'.*does not vary within any cluster"
        ):
            columns = pd.DataFrame({"Intercept": 1.0, "c": data.g / 10})
            from_arrays(data, exog_re=columns)
        with refused("random slope of 'z'.*is 0 in every row; leave it out"):
            from_formula(data.assign(z=0.0), "y ~ x + (1 + z | g)")

    def test_too_many(self):
        data = simulate("gaussian")
        data["pair"] = np.arange(len(data)) // 2
        with refused("has 320 random effects .* for 320 rows.*Leave out random slopes"):
            from_formula(data, "y ~ x + (1 + x | pair)", "gaussian")
        with refused("has 320 random effects .* for 320 rows.*Leave out random slopes"):
            from_arrays(data, "gaussian", groups=data.pair, exog_re=sm.add_constant(data[["x"]]))

    def test_collinear(self, data):
        data = data.assign(twice=2 * data.x - 1)
        with refused("Random effects of level 'g' are collinear: 'twice'.*Leave it out"):
            from_formula(data, "y ~ x + (1 + x + twice | g)")
        with refused("'Intercept' occurs in two terms"):
            from_formula(data, "y ~ x + (1 + x | g) + (x | g)")
        with refused("is given twice; remove one"):
            from_formula(data, "y ~ x + (1 | g) + (1 | g)")

    def test_columns(self, data):
        with refused("exog_re has 5 entries"):
            from_arrays(data, exog_re=np.ones(5))
        with refused("exog_re of level 'g' is not numeric"):
            from_arrays(data, exog_re=["a"] * len(data))
        with refused("missing='drop'"):
            from_arrays(data, exog_re=changed(data.x, 0, np.nan))
        with refused("must be a dict of level names.*the levels are g, g:h"):
            from_arrays(data, groups={"g": data.g, "h": data.h}, exog_re=data.x)

    def test_structure(self, data):
        for model in BOTH:
            with refused("covariance 'diag' is not known; did you mean 'diagonal'"):
                model(data, covariance="diag")


class TestWeightsAndOffsets:
    @pytest.mark.parametrize("model", BOTH)
    @pytest.mark.parametrize("role", ["weights", "freq_weights"])
    def test_bad_values(self, model, role, data):
        ones = np.ones(len(data))
        with refused(rf"{role}\['row'\] is -1 in row 3; weights must be finite and not negative"):
            model(data, **{role: changed(ones, 3, -1)})
        with refused(rf"{role}\['row'\] is infinite in row 3"):
            model(data, **{role: changed(ones, 3, np.inf)})
        with refused(rf"{role}\['row'\] is zero in every row"):
            model(data, **{role: 0 * ones})
        with refused("3.*missing='drop'"):
            model(data, **{role: changed(ones, 3, np.nan)}, missing="raise")
        with refused("has 5 entries, the data have 320 rows"):
            model(data, **{role: ones[:5]})
        with refused("not numeric"):
            model(data, **{role: ["a"] * len(data)})
        with refused("names level 'school', which the model does not have; there are 'row', 'g'"):
            model(data, **{role: {"school": ones}})
        with refused(r"must be the same in all rows of a cluster; in g = 0"):
            model(data, **{role: {"g": np.arange(len(data)) + 1.0}})

    def test_single_values_and_columns(self, data):
        with refused("weights is 2.0; give one value for each of the 320 rows"):
            from_arrays(data, weights=2.0)
        with refused("the data have no column 'w'"):
            from_formula(data, weights="w")
        with refused("'sizes' is not known; there are 'size' and 'effective'"):
            from_arrays(data, weights=np.ones(len(data)), weight_scaling="sizes")

    @pytest.mark.parametrize("model", BOTH)
    def test_offset(self, model, data):
        with refused("offset has 5 entries, the data have 320 rows"):
            model(data, offset=np.ones(5))
        with refused("offset is infinite in row 0"):
            model(data, offset=changed(np.ones(len(data)), 0, np.inf))
        with refused("2.*missing='drop'"):
            model(data, offset=changed(np.ones(len(data)), 2, np.nan), missing="raise")
        with refused("offset"):
            model(data, offset=1.0)

    @pytest.mark.parametrize("model", BOTH)
    def test_exposure(self, model):
        data = simulate("poisson")
        with refused(
            "exposure must be positive; it is 0 in row 4. Leave out rows without exposure"
        ):
            model(data, family="poisson", exposure=changed(np.ones(len(data)), 4, 0))


class TestFormulas:
    @pytest.mark.parametrize(
        "formula,message",
        [
            ("y ~ xx + (1 | g)", "uses 'xx', which is no column of the data; did you mean 'x'"),
            ("y ~ lg(x) + (1 | g)", "uses 'lg'"),
            ("yy ~ x + (1 | g)", "uses 'yy', which is no column of the data; did you mean 'y'"),
            ("y ~ x + (1 + z | g)", "uses 'z'"),
            ("y ~ x + (1 | g", "'[(]' is never closed"),
            ("y ~ x + (1 | )", "no grouping factor after '|'"),
            ("y ~ x + 1 | g", "Put the random-effects term in parentheses"),
            ("y + x + (1 | g)", "lacks '~'"),
            ("y ~ x * (1 | g)", "Join random-effects terms to the others by '[+]'"),
            ("y ~ x + (1 | C(g))", "not a column name"),
            ("", "lacks '~'"),
            (3, "must be a string"),
        ],
    )
    def test_typos(self, formula, message, data):
        with refused(message):
            from_formula(data, formula)

    def test_subset_and_columns(self, data):
        with refused("subset leaves no row"):
            from_formula(data, subset="x > 100")
        with refused("subset cannot be applied.*'z'"):
            from_formula(data, subset="z > 0")
        with refused("no column 'zz'; there are 'Intercept', 'x'"):
            from_formula(data, drop_cols=["zz"])
        with refused("The data have no rows"):
            from_formula(data.iloc[:0])


class TestArguments:
    def test_unknown_keywords(self, data):
        with refused("GLMM has no argument 'wieghts'; did you mean 'weights'"):
            from_arrays(data, wieghts=1)
        with refused("GLMM.from_formula has no argument 'wieghts'; did you mean 'weights'"):
            from_formula(data, wieghts=1)
        with refused("GLMM.fit has no argument 'npoints'; did you mean 'n_points'"):
            from_formula(data).fit(npoints=7)

    @pytest.mark.parametrize(
        "start,message",
        [
            ([0.0, 0.0], r"shape \(2,\); one value is needed for each of \['Intercept'"),
            ({"x": 1.0}, r"lacks \['Intercept', 'var\(Intercept\|g\)'\]"),
            (
                {"Intercept": 0, "xx": 1, "var(Intercept|g)": 1},
                r"names \['xx'\]; the parameters are",
            ),
            (pd.Series([0, 1, 1.0], index=["Intercept", "x", "var(g)"]), r"names \['var\(g\)'\]"),
            ([0.0, np.nan, 1.0], "not finite"),
            ([0.0, 0.0, -1.0], "not positive semidefinite"),
            ("abc", "start_params"),
            ({"Intercept": "a", "x": 1, "var(Intercept|g)": 1}, "start_params"),
        ],
    )
    def test_start_values(self, start, message, data):
        with refused(message):
            from_formula(data).fit(start_params=start)

    @pytest.mark.parametrize(
        "options,message",
        [
            ({"method": "bogus"}, "method='bogus'"),
            ({"maxiter": -1}, "maxiter"),
            ({"maxiter": 1.5}, "maxiter"),
            ({"tol": -1.0}, "tol"),
            ({"tol": np.nan}, "tol"),
            ({"n_threads": "2"}, "n_threads"),
            ({"n_threads": 0}, "n_threads"),
            ({"n_points": 0}, "whole numbers from 1 to 1000, not 0"),
            ({"n_points": 2.5}, "whole numbers from 1 to 1000, not 2.5"),
            ({"n_points": [3, 3]}, "2 entries for 1 levels"),
            ({"n_points": {"gg": 3}}, "one entry for each of .'g'."),
            ({"integration": "mod"}, "integration='mod' is not known; use None, 'mode'"),
            ({"integration": "laplace", "n_points": 3}, "is one node; leave n_points out"),
            ({"integration": "trapezoid"}, "needs n_points"),
            ({"cov_type": "HC9"}, "use 'nonrobust', 'robust' or 'cluster'"),
            ({"cov_type": "cluster"}, "needs cov_kwds={'groups'"),
            ({"cov_type": "cluster", "cov_kwds": {"groups": [1, 2]}}, "2 entries for 320 rows"),
            ({"cov_type": "cluster", "cov_kwds": {"groups": np.ones(320)}}, "group"),
            (
                {"cov_type": "cluster", "cov_kwds": {"groups": np.arange(320)}},
                "whole clusters of g",
            ),
            ({"reml": True}, "reml=True is for gaussian models"),
            ({"maxiter": 0}, "start_params, which are missing"),
        ],
    )
    def test_fit(self, options, message, data):
        with refused(message):
            from_formula(data).fit(**options)

    @pytest.mark.parametrize(
        "family,message",
        [
            ("tweedie", "family='tweedie' is not known; use one of"),
            (sm.families.Tweedie(), "Tweedie with Log link is not available; known: Binomial"),
            (sm.families.Binomial(links.Log()), "Log link is not available; known"),
            (3, "must be a statsmodels family, one of sm_gllamm's families or a name, not int"),
        ],
    )
    def test_families(self, family, message, data):
        for model in BOTH:
            with refused(message):
                model(data, family=family)

    def test_missing(self, data):
        with refused("missing='dropp' is not known; did you mean 'drop'"):
            from_formula(data, missing="dropp")
        with refused("missing='dropp' is not known; use 'none', 'drop' or 'raise'"):
            from_arrays(data, missing="dropp")
