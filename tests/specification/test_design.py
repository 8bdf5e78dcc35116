import pickle
import warnings

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from statsmodels.tools.sm_exceptions import ModelWarning

from sm_gllamm.exceptions import CrossedDesignError, SpecificationError
from sm_gllamm.specification.design import build_design


def double(values):
    return 2 * values


def level_names(design):
    return [level.name for level in design.levels]


class TestBars:
    def test_nested_levels_and_columns(self, engine, schools):
        design = build_design("y ~ x + track + (1 + x | school/klass)", schools)
        assert design.engine == engine
        assert design.fixed_formula == "y ~ x + track"
        assert level_names(design) == ["school:klass", "school"]
        bottom, top = design.levels
        assert bottom.n_clusters == 6 and top.n_clusters == 3
        assert top.labels.tolist() == ["east", "north", "south"]
        assert bottom.labels.tolist()[0] == ("east", 1)
        assert top.names == ("Intercept", "x")
        assert top.terms[0].structure == "unstructured"
        assert_array_equal(top.columns, np.column_stack([np.ones(24), schools.x]))
        assert_array_equal(top.labels[top.codes], schools.school)
        assert set(design.exog.columns) == {"Intercept", "x", "track[T.b]", "track[T.c]"}
        assert_array_equal(design.endog.iloc[:, 0], schools.y)
        assert design.n_dropped == 0
        assert design.frame is schools

    def test_structures(self, engine, schools):
        design = build_design("y ~ (x || school) + (0 + x | school:klass)", schools)
        inner, outer = design.levels
        assert outer.terms[0].structure == "diagonal"
        assert inner.terms[0].structure == "unstructured" and inner.names == ("x",)
        design = build_design("y ~ (1 + x | school)", schools, covariance={"school": "diagonal"})
        assert design.levels[0].terms[0].structure == "diagonal"
        design = build_design("y ~ (0 + track | school)", schools, covariance="equal")
        term = design.levels[0].terms[0]
        assert (term.structure, term.label) == ("equal", "0 + track")
        assert term.names == ("track[a]", "track[b]", "track[c]")

    def test_two_terms_of_one_level(self, engine, schools):
        (level,) = build_design("y ~ (1 | school) + (0 + x | school)", schools).levels
        assert [term.names for term in level.terms] == [("Intercept",), ("x",)]
        with pytest.raises(SpecificationError, match="'Intercept' occurs in two terms"):
            build_design("y ~ (1 | school) + (1 + x | school)", schools)

    def test_separately_named_nested_factor(self, engine, schools):
        data = schools.assign(room=schools.school + schools.klass.astype(str))
        design = build_design("y ~ (1 | school) + (1 | room)", data)
        assert level_names(design) == ["room", "school"]

    def test_crossed(self, engine, schools):
        with pytest.raises(CrossedDesignError, match="crossed"):
            build_design("y ~ (1 | school) + (1 | klass)", schools)

    def test_functions_of_the_caller(self, engine, schools):
        def triple(values):
            return 3 * values

        design = build_design("y ~ double(x) + (0 + triple(x) | school)", schools)
        assert set(design.environment) == {"double", "triple"}
        assert_allclose(design.levels[0].columns[:, 0], 3 * schools.x)
        new = design.random.transform(schools.iloc[:3])
        assert_allclose(new[0].columns[:, 0], 3 * schools.x.iloc[:3])

        def from_formula():
            return build_design("y ~ (0 + triple(x) | school)", schools, eval_env=1)

        assert_allclose(from_formula().levels[0].columns[:, 0], 3 * schools.x)
        env = {"scale": lambda values: 5 * values}
        design = build_design("y ~ (0 + scale(x) | school)", schools, eval_env=env)
        assert_allclose(design.levels[0].columns[:, 0], 5 * schools.x)
        with pytest.raises(SpecificationError, match="'triple'"):
            build_design("y ~ triple(x) + (1 | school)", schools, eval_env=-1)

    def test_drop_cols(self, engine, schools):
        design = build_design("y ~ x + hours + (1 | school)", schools, drop_cols=["hours"])
        assert list(design.exog.columns) == ["Intercept", "x"]
        with pytest.raises(SpecificationError, match="drop_cols.*'hour'.*'hours'"):
            build_design("y ~ x + hours + (1 | school)", schools, drop_cols=["hour"])

    def test_boolean_response(self, engine, schools):
        design = build_design("I(y > 0) ~ x + (1 | school)", schools)
        assert list(design.endog.columns) == ["I(y > 0)"]
        assert_array_equal(design.endog.iloc[:, 0], schools.y > 0)
        schools["yes"] = (schools.y > 0).astype("boolean")
        schools.iloc[3, schools.columns.get_loc("yes")] = pd.NA
        design = build_design("yes ~ x + (1 | school)", schools)
        assert_array_equal(design.endog.iloc[:, 0], np.delete(np.asarray(schools.y > 0), 3))

    @pytest.mark.parametrize("dtype", [str, "category"])
    def test_response_of_words(self, engine, schools, dtype):
        schools["answer"] = np.where(schools.y > 0, "yes", "no")
        schools["answer"] = schools.answer.astype(dtype)
        with pytest.raises(SpecificationError, match=r"'answer' .*write I\(answer == 'yes'\)"):
            build_design("answer ~ x + (1 | school)", schools)
        design = build_design("I(answer == 'yes') ~ x + (1 | school)", schools)
        assert_array_equal(design.endog.iloc[:, 0], schools.y > 0)
        with pytest.raises(SpecificationError, match="is 'a', 'b', 'c'; code it as numbers"):
            build_design("track ~ x + (1 | school)", schools)

    def test_two_column_response(self, engine, schools):
        design = build_design("klass + hours ~ x + (1 | school)", schools)
        assert list(design.endog.columns) == ["klass", "hours"]

    @pytest.mark.parametrize("dtype", [bool, "boolean", "category"])
    def test_two_columns_one_of_them_boolean(self, engine, schools, dtype):
        # patsy has a Boolean in two columns, before those that are numbers
        happened = (schools.y > 0).astype(int)
        for event in (happened, 0 * happened + 1):
            data = schools.assign(event=event.astype(bool if dtype != "category" else int))
            data["event"] = data["event"].astype(dtype)
            design = build_design("hours + event ~ x + (1 | school)", data)
            assert list(design.endog.columns) == ["hours", "event"]
            assert_array_equal(design.endog, np.column_stack([schools.hours, event]))
        data["other"] = schools.y < 0
        design = build_design("event + other ~ x + (1 | school)", data)
        assert_array_equal(design.endog, np.column_stack([event, schools.y < 0]))


class TestMixedLMArguments:
    def test_groups(self, engine, schools):
        for given in ("school", schools.school.rename("g"), schools.school.to_numpy()):
            design = build_design("y ~ x", schools, groups=given)
            assert design.levels[0].names == ("Intercept",)
            assert_array_equal(
                design.levels[0].labels[design.levels[0].codes], schools.school.to_numpy()
            )
        shuffled = schools.school.sort_values()
        design = build_design("y ~ x", schools, groups=shuffled.rename("g"))
        assert_array_equal(design.levels[0].labels[design.levels[0].codes], schools.school)

    def test_nested_groups_and_re_formula(self, engine, schools):
        design = build_design(
            "y ~ x", schools, groups=["school", "klass"], re_formula={"school": "~ x"}
        )
        assert level_names(design) == ["school:klass", "school"]
        assert design.levels[1].names == ("Intercept", "x")
        assert design.levels[0].names == ("Intercept",)
        with pytest.raises(SpecificationError, match="must be a dict"):
            build_design("y ~ x", schools, groups=["school", "klass"], re_formula="x")

    @pytest.mark.parametrize("text", ["0 + C(klass)", "-1 + C(klass)", "C(klass) - 1"])
    def test_dummy_variables_are_a_nested_level(self, engine, schools, text):
        design = build_design(
            "y ~ x", schools, groups="school", re_formula="1", vc_formula={"room": text}
        )
        reference = build_design("y ~ x + (1 | school/klass)", schools)
        assert level_names(design) == ["school:room", "school"]
        for level, expected in zip(design.levels, reference.levels, strict=True):
            assert_array_equal(level.codes, expected.codes)
            assert level.names == ("Intercept",)
        again = design.random.transform(schools)
        assert_array_equal(again[0].codes, design.levels[0].codes)

    def test_components_alone_leave_out_the_intercept(self, engine, schools):
        design = build_design(
            "y ~ x", schools, groups="school", vc_formula={"room": "0 + C(klass)"}
        )
        assert level_names(design) == ["school:room"]

    def test_other_components_share_a_variance(self, engine, schools):
        design = build_design(
            "y ~ x",
            schools,
            groups="school",
            re_formula="1",
            vc_formula={"slope": "0 + x", "pair": "0 + hours + w_school"},
        )
        (level,) = design.levels
        assert [term.label for term in level.terms] == ["1", "slope", "pair"]
        assert [term.structure for term in level.terms] == ["unstructured", "equal", "equal"]
        assert level.names == ("Intercept", "x", "hours", "w_school")
        with pytest.raises(SpecificationError, match="'x' occurs in two terms"):
            build_design(
                "y ~ x", schools, groups="school", re_formula="x", vc_formula={"a": "0 + x"}
            )

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            ({"groups": []}, "groups is empty"),
            ({"groups": ["school", "school"]}, "names a column twice"),
            ({"groups": "school", "re_formula": {"skool": "x"}}, "did you mean 'school'"),
            ({"groups": "school", "re_formula": "y ~ x"}, "right-hand side"),
            ({"groups": "school", "re_formula": 1}, "must be strings"),
            ({"groups": "school", "re_formula": "0"}, "has no columns"),
            ({"groups": "school", "vc_formula": "0 + C(klass)"}, "must be a dict"),
            ({"groups": ["school", "klass"], "vc_formula": {"a": "x"}}, "one grouping column"),
            ({"groups": np.zeros((24, 2))}, "column names, or one label"),
            ({"groups": np.zeros(3)}, "groups has 3 entries"),
        ],
    )
    def test_errors(self, engine, schools, arguments, message):
        with pytest.raises(SpecificationError, match=message):
            build_design("y ~ x", schools, **arguments)

    def test_mixing_with_bars(self, schools):
        with pytest.raises(SpecificationError, match="leave out groups"):
            build_design("y ~ (1 | school)", schools, groups="school")

    def test_no_random_effects(self, schools):
        with pytest.raises(SpecificationError, match=r"\(1 \| g\)"):
            build_design("y ~ x", schools)


class TestRows:
    def test_one_mask_for_all(self, engine, schools):
        data = schools.copy()
        data.loc["pupil0", "x"] = np.nan
        data.loc["pupil1", "school"] = None
        data.loc["pupil2", "y"] = np.nan
        data.loc["pupil3", "hours"] = np.nan
        data.loc["pupil4", "w_school"] = np.nan
        data.loc["pupil5", "track"] = None
        data["unused"] = np.nan
        weights = {"school": "w_school"}
        formula = "y ~ track + (1 + x | school)"
        design = build_design(formula, data, offset="hours", weights=weights)
        gone = [f"pupil{i}" for i in range(6)]
        expected = data.drop(index=gone)
        assert design.n_dropped == 6
        assert list(design.frame.index) == list(expected.index)
        assert_array_equal(data.index[design.kept], expected.index)
        clean = build_design(formula, expected, offset="hours", weights=weights)
        assert_array_equal(design.exog, clean.exog)
        assert_array_equal(design.endog, clean.endog)
        assert_array_equal(design.offset, expected.hours)
        assert_array_equal(design.weights["school"], expected.w_school)
        assert_array_equal(design.levels[0].codes, clean.levels[0].codes)
        assert_array_equal(design.levels[0].columns, clean.levels[0].columns)
        for missing in ("raise", "none"):
            with pytest.raises(SpecificationError, match="Missing values in .*missing='drop'"):
                build_design(formula, data, missing=missing)
        with pytest.raises(SpecificationError, match="missing='dorp'.*'drop'"):
            build_design(formula, data, missing="dorp")

    def test_missing_label_is_named(self, engine, schools):
        data = schools.copy()
        data.loc["pupil7", "school"] = None
        with pytest.raises(SpecificationError, match="grouping factor 'school', rows 'pupil7'"):
            build_design("y ~ x + (1 | school)", data, missing="raise")

    def test_levels_of_dropped_rows_leave_no_column(self, engine, schools):
        data = schools.copy()
        data.loc["pupil0", ["track", "y"]] = ["only here", np.nan]
        design = build_design("y ~ track + (1 | school)", data)
        assert not any("only here" in name for name in design.exog.columns)

    @pytest.mark.parametrize("kind", ["mask", "array", "labels", "text"])
    def test_subset(self, engine, schools, kind):
        mask = schools.x > 0
        subset = {
            "mask": mask,
            "array": mask.to_numpy(),
            "labels": schools.index[mask],
            "text": "x > 0",
        }[kind]
        offset = pd.Series(np.arange(24.0), index=schools.index).iloc[::-1]
        design = build_design("y ~ x + (1 | school)", schools, subset=subset, offset=offset)
        assert list(design.frame.index) == list(schools.index[mask])
        assert_array_equal(design.offset, np.arange(24.0)[mask.to_numpy()])
        assert_array_equal(design.kept, np.flatnonzero(mask))
        assert design.n_dropped == 0

    def test_bad_subset(self, schools):
        with pytest.raises(SpecificationError, match="subset"):
            build_design("y ~ x + (1 | school)", schools, subset="nothing > 0")
        with pytest.raises(SpecificationError, match="no row"):
            build_design("y ~ x + (1 | school)", schools, subset="x > 100")
        with pytest.raises(SpecificationError, match="subset"):
            build_design("y ~ x + (1 | school)", schools, subset=[True, False])

    def test_repeated_row_labels(self, engine, schools):
        data = schools.set_index("klass", drop=False).rename_axis(None)
        design = build_design("y ~ x + (1 | school)", data, offset="hours", subset="x > 0")
        assert_array_equal(design.offset, data.hours[data.x > 0])
        with pytest.raises(SpecificationError, match="more than once"):
            build_design("y ~ x + (1 | school)", data, offset=schools.hours)

    def test_series_are_aligned(self, schools):
        offset = schools.hours.sort_index()
        design = build_design("y ~ x + (1 | school)", schools, offset=offset, exposure=offset + 1)
        assert_array_equal(design.offset, schools.hours)
        assert_array_equal(design.exposure, schools.hours + 1)
        with pytest.raises(SpecificationError, match="offset has row labels.*pupil"):
            build_design("y ~ x + (1 | school)", schools, offset=offset.reset_index(drop=True))

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            ({"offset": np.ones(5)}, "offset has 5 entries, the data have 24 rows"),
            ({"exposure": [1.0] * 25}, "exposure has 25 entries"),
            ({"offset": "hour"}, "offset 'hour'.*did you mean 'hours'"),
            ({"offset": "track"}, "offset 'track' is not numeric"),
            ({"offset": 3.0}, "one-dimensional"),
            ({"offset": np.full(24, np.inf)}, "offset is infinite in row"),
            ({"exposure": "x"}, "exposure must be positive"),
            ({"weights": "x"}, r"weights\['row'\] is -.* in row 'pupil"),
            ({"weights": {"school": "hours"}}, "same in all rows of a cluster; in school = "),
            ({"weights": {"scool": "hours"}}, "level 'scool'.*did you mean 'school'"),
            ({"freq_weights": np.ones(3)}, r"freq_weights\['row'\] has 3 entries"),
            ({"covariance": "digonal"}, "did you mean 'diagonal'"),
            ({"covariance": {"klass": "diagonal"}}, "covariance names level 'klass'"),
        ],
    )
    def test_errors_name_the_culprit(self, schools, arguments, message):
        with pytest.raises(SpecificationError, match=message):
            build_design("y ~ x + (1 | school)", schools, **arguments)

    def test_weights_of_a_nested_level(self, schools):
        data = schools.assign(w=schools.klass * 1.0)
        for key in ("klass", "school:klass"):
            design = build_design(
                "y ~ (1 | school/klass)", data, weights={key: "w", "row": "hours"}
            )
            assert set(design.weights) == {"row", "school:klass"}


class TestTypos:
    def test_similar_columns_are_named(self, engine, schools):
        with pytest.raises(SpecificationError, match="'hors'.*did you mean 'hours'"):
            build_design("y ~ hors + (1 | school)", schools)
        with pytest.raises(SpecificationError, match="'Track'.*did you mean 'track'"):
            build_design("y ~ x + (1 + Track | school)", schools)
        with pytest.raises(SpecificationError, match="Grouping.*'skool'.*did you mean 'school'"):
            build_design("y ~ x + (1 | skool)", schools)

    def test_syntax(self, engine, schools):
        with pytest.raises(SpecificationError, match="cannot be evaluated"):
            build_design("y ~ x +* 3 + (1 | school)", schools)
        with pytest.raises(SpecificationError, match="cannot be evaluated"):
            build_design("y ~ np.nothing(x) + (1 | school)", schools)

    def test_numbers_as_objects(self, engine, schools):
        data = schools.assign(x=schools.x.astype(object))
        with pytest.raises(SpecificationError, match="'x' holds numbers but has dtype object"):
            build_design("y ~ x + (1 | school)", data)

    def test_column_twice(self, engine, schools):
        for name in ("x", "school"):
            data = pd.concat([schools, schools[[name]]], axis=1)
            with pytest.raises(SpecificationError, match=f"more than one column '{name}'"):
                build_design("y ~ x + (1 | school)", data)

    def test_no_rows(self, schools):
        with pytest.raises(SpecificationError, match="no rows"):
            build_design("y ~ x + (1 | school)", schools.iloc[:0])
        with pytest.raises(SpecificationError, match="Every row has a missing value"):
            build_design("y ~ x + (1 | school)", schools.assign(y=np.nan))

    def test_nullable_columns(self, engine, schools):
        data = schools.assign(even=schools.hours % 2 == 0).convert_dtypes()
        formula = "y ~ hours + track + even + (1 | school)"
        plain = build_design(formula, schools.assign(even=schools.hours % 2 == 0))
        design = build_design(formula, data)
        assert list(design.exog.columns) == list(plain.exog.columns)
        assert_array_equal(design.exog.astype(float), plain.exog.astype(float))
        data.loc["pupil0", "hours"] = pd.NA
        data.loc["pupil1", "track"] = pd.NA
        data.loc["pupil2", "school"] = pd.NA
        data.loc["pupil3", "even"] = pd.NA
        assert build_design(formula, data).n_dropped == 4

    def test_no_frame(self):
        with pytest.raises(SpecificationError, match="DataFrame"):
            build_design("y ~ (1 | g)", 3)


class TestNewData:
    formula = "y ~ x + (1 + center(x) + track | school/klass)"

    @pytest.mark.parametrize("pickled", [False, True])
    def test_encodings_are_remembered(self, engine, schools, pickled):
        design = build_design(self.formula, schools)
        random = pickle.loads(pickle.dumps(design.random)) if pickled else design.random
        new = schools.iloc[[3, 1, 2]].drop(columns="y")
        for level, expected in zip(random.transform(new), design.levels, strict=True):
            assert_array_equal(level.codes, expected.codes[[3, 1, 2]])
            assert_allclose(level.columns, expected.columns[[3, 1, 2]])
            assert level.names == expected.names
            assert level.labels.equals(expected.labels)

    def test_pickles_hold_only_what_formulas_use(self, engine, schools):
        design = build_design("y ~ (1 + double(x) | school)", schools)
        random = pickle.loads(pickle.dumps(design.random))
        assert list(random.training.columns) == ["x"]
        random = pickle.loads(pickle.dumps(build_design("y ~ (1 | school)", schools).random))
        assert list(random.training.columns) == []

    def test_modules_in_formulas_pickle(self, engine, schools):
        design = build_design("y ~ (1 + np.exp(x) | school)", schools)
        random = pickle.loads(pickle.dumps(design.random))
        assert_allclose(random.transform(schools)[0].columns, design.levels[0].columns)

    def test_unknown_clusters_and_missing_values(self, engine, schools):
        design = build_design("y ~ x + (1 + x | school/klass)", schools)
        new = pd.DataFrame(
            {
                "school": ["east", "mars", None, "east"],
                "klass": [1, 1, 1, 9],
                "x": [1, 2, np.nan, 3],
            }
        )
        bottom, top = design.random.transform(new)
        assert top.codes.tolist() == [0, -1, -1, 0]
        assert bottom.codes.tolist() == [0, -1, -1, -1]
        assert_array_equal(top.columns[:, 1], [1, 2, np.nan, 3])
        assert np.isnan(top.columns[2]).all()
        without = design.random.transform(new[["x"]], clusters=False)
        assert (without[0].codes == -1).all()

    def test_lacking_columns_and_unseen_levels_are_named(self, engine, schools):
        design = build_design(self.formula, schools)
        with pytest.raises(SpecificationError, match="'track', which is no column"):
            design.random.transform(schools.drop(columns="track"))
        with pytest.raises(SpecificationError, match="no column 'klass'"):
            design.random.transform(schools.drop(columns="klass"))
        new = schools.assign(track="never seen")
        with pytest.raises(
            SpecificationError,
            match="level of factor 'track'.*'never seen'; they had 'a', 'b', 'c'",
        ):
            design.random.transform(new)

    def test_kinds_of_new_columns(self, engine, schools):
        design = build_design("y ~ x + track + (1 | school)", schools)

        def columns(**changed):
            new = schools.assign(**changed)
            result = design.random.engine.apply(design.model_spec, "y ~ x + track", new)
            return result.right["x"].to_numpy(), result.missing

        with pytest.raises(SpecificationError, match="'x' of the new data is not numeric.*'low'"):
            columns(x="low")
        with pytest.raises(SpecificationError, match="'track'.*did not have, 1.5; they had 'a'"):
            columns(track=1.5)
        assert_array_equal(columns(x=schools.x > 0)[0], schools.x > 0)
        assert columns(x=None)[1].all()

    def test_cluster_labels_of_another_type(self, engine, schools):
        design = build_design("y ~ x + (1 | klass)", schools)
        with pytest.warns(ModelWarning, match="such as '2' in the new data and 1 in the model's"):
            (level,) = design.random.transform(schools.assign(klass="2"))
        assert (level.codes == -1).all()
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            (level,) = design.random.transform(schools.assign(klass=99))
        assert (level.codes == -1).all()
