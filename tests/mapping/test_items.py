"""Where the parameters of item response models are, and persons counted by pattern."""

import numpy as np
import pandas as pd
import pytest

import sm_gllamm.api as smg
from sm_gllamm.mapping.item_design import dif_name, specific_name
from sm_gllamm.mapping.item_rows import asymptotic, collapse, item_problem

BINARY, FOUR = ["a", "b", "c", "d"], ["p", "q"]


def data(n=60):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.integers(0, 2, (n, 4)), columns=BINARY)
    for name in FOUR:
        frame[name] = np.resize([0, 1, 2, 3], n)
    return frame.assign(g=np.resize(["u"] * 5 + ["v"] * 5, n), x=rng.normal(size=n))


DATA = data()


def layout(model=None, items=BINARY, **options):
    return smg.IRT(DATA, model, items=items, **options).layout


def names(*args, **options):
    return layout(*args, **options).mapping.param_names


class TestNames:
    @pytest.mark.parametrize(
        ("model", "expected"),
        [
            ("Rasch", ["var(theta|person)"]),
            ("1PL", ["slope"]),
            ("2PL", [f"slope[{i}]" for i in BINARY]),
            ("3PLu", [f"logit_upper[{i}]" for i in BINARY] + [f"slope[{i}]" for i in BINARY]),
        ],
    )
    def test_binary(self, model, expected):
        assert names(model) == [f"intercept[{i}]" for i in BINARY] + expected

    def test_polytomous(self):
        steps = [f"intercept[{i}:{c}]" for i in FOUR for c in (1, 2, 3)]
        assert names("GPCM", FOUR) == [*steps, "slope[p]", "slope[q]"]
        assert set(names("graded", FOUR)) == {*steps, "slope[p]", "slope[q]"}
        by_category = [f"slope[{i}:{c}]" for i in FOUR for c in (1, 2, 3)]
        assert names("nominal", FOUR) == [*steps, *by_category]
        rating = names("RSM", FOUR)
        assert set(rating) == {"intercept[p]", "intercept[q]", "step[1]", "step[2]",
                               "var(theta|person)"}  # fmt: skip

    def test_dimensions(self):
        own = names("2PL", dimensions={"A": ["a", "b"], "B": ["b", "c", "d"]})
        assert [n for n in own if n.startswith("slope")] == [
            "slope[a, A]", "slope[b, A]", "slope[b, B]", "slope[c, B]", "slope[d, B]",
        ]  # fmt: skip
        assert "corr(A,B|person)" in own
        uncorrelated = {"dimensions": {"A": ["a", "b"], "B": ["c", "d"]}, "correlated": False}
        assert not [n for n in names("2PL", **uncorrelated) if n.startswith("corr")]
        exploratory = names(None, dimensions=2, items=[*BINARY, "p"])
        assert "slope[a, theta2]" not in exploratory
        assert "slope[b, theta2]" in exploratory

    def test_groups(self):
        assert names("2PL", groups="g")[-2:] == ["mean(theta|v)", "scale(theta|v)"]
        free = names("2PL", groups="g", free_items=["b"])
        assert {"intercept[b|u]", "slope[b|v]", "slope[a]"} <= set(free)
        apart = names("2PL", groups="g", group_equal=())
        assert not [n for n in apart if n.startswith(("mean", "scale"))]
        metric = names("2PL", groups="g", group_equal="slopes")
        assert "scale(theta|v)" in metric
        assert "mean(theta|v)" not in metric

    @pytest.mark.parametrize(
        ("model", "items"), [("Rasch", BINARY), ("1PL", BINARY), ("RSM", FOUR)]
    )
    def test_variances_of_groups_are_free_where_slopes_are_one(self, model, items):
        assert "scale(theta|v)" in names(model, items, groups="g", group_equal=())

    def test_steps_of_groups(self):
        apart = names("RSM", FOUR, groups="g", group_equal=())
        assert {"step[1|u]", "step[1|v]", "step[2|u]", "step[2|v]"} <= set(apart)
        # steps are those of all items as long as one has the same in all groups
        assert "step[1]" in names("RSM", FOUR, groups="g", free_items=["p"])

    def test_known_values(self):
        known = {"a": {"slope": 1.0, "intercept": 0.5}, "b": {"slope": 2.0}}
        own = names("2PL", fixed=known)
        assert not {"slope[a]", "intercept[a]", "slope[b]"} & set(own)
        assert {"intercept[b]", "mean(theta)", "var(theta|person)"} <= set(own)
        # a known item anchors the groups
        anchored = names("2PL", groups="g", group_equal=(), fixed=known)
        assert {"mean(theta|v)", "scale(theta|v)"} <= set(anchored)

    def test_specific_dimensions(self):
        specific = {"s": ["a", "c"], "t": ["b", "d"]}
        own = layout("2PL", specific=specific)
        found = [n for n in own.mapping.param_names if n.endswith((", s]", ", t]"))]
        assert sorted(found) == ["slope[a, s]", "slope[b, t]", "slope[c, s]", "slope[d, t]"]
        assert specific_name(own.design, 0, None, None) == "slope[a, s]"
        assert {"sd(s)", "sd(t)"} < set(names("2PL", specific=specific, testlets=True))
        # items of a second general dimension have theirs, too
        two = names("2PL", dimensions={"A": ["a", "b"], "B": ["c", "d"]}, specific=specific)
        assert {"slope[c, s]", "slope[d, t]"} < set(two)
        by_group = layout("2PL", specific=specific, groups="g", group_equal=())
        assert "slope[a|v, s]" in by_group.mapping.param_names
        assert specific_name(by_group.design, 0, None, 1) == "slope[a|v, s]"
        nominal = names("nominal", FOUR, specific={"s": FOUR})
        assert {"slope[p:1, s]", "slope[q:3, s]"} < set(nominal)

    def test_direct_effects(self):
        own = layout("2PL", regression="~ x", dif={"a": "~ x"}, dif_slopes={"b": "~ x"})
        assert {"theta ~ x", "dif[a: x]", "dif_slope[b: x]"} < set(own.mapping.param_names)
        assert dif_name(own.design, 0, 0) == "dif[a: x]"
        assert dif_name(own.design, 1, 0, 0) == "dif_slope[b: x]"


class TestTables:
    def test_columns_are_values_by_code(self):
        own = layout("GPCM", FOUR)
        assert own.table.shape[0] == 8
        # the slope of an item is loaded 0, 1, 2, 3 times
        assert any(np.array_equal(column, [0, 1, 2, 3, 0, 0, 0, 0]) for column in own.table.T)
        np.testing.assert_array_equal(own.first_code, [[0, 4]])
        assert not own.offset.any()

    def test_known_intercepts_are_offsets_or_thresholds(self):
        known = {"a": {"intercept": 0.5}, "p": {"intercept": [1.0, 0.0, -1.0]}}
        own = layout(None, ["a", "b", "p"], fixed=known)
        np.testing.assert_array_equal(own.offset, [0.5, 0.0, 0.0])
        np.testing.assert_array_equal(own.threshold_base[2], [-1.0, 0.0, 1.0])
        assert (own.threshold_channel[2] == -1).all()

    def test_asymptotes(self):
        own = layout({"a": "3PL", "b": "2PL", "c": "2PL", "d": "4PL"}, fixed={"b": {"lower": 0.25}})
        assert [asymptotic(own, j) for j in range(4)] == [True, True, False, True]
        assert own.asymptote_base[1, 0] == pytest.approx(np.log(0.25 / 0.75))
        assert (own.asymptote_channel[3] >= 0).all()
        assert own.asymptote_channel[0, 1] == -1

    def test_rows(self):
        own = layout(None, ["p", "a"], fixed=None)
        codes = np.array([[2, 1], [-1, 0], [0, -1]])
        problem = item_problem(own, codes, np.zeros(3, dtype=int), None, None, None)
        assert len(problem.y) == 4
        np.testing.assert_array_equal(problem.cluster_offsets[0], [0, 2, 3, 4])
        nominal = layout("nominal", ["p"])
        problem = item_problem(nominal, codes[[0, 2], :1], np.zeros(2, dtype=int), None, None, None)
        np.testing.assert_array_equal(problem.y, [0, 0, 1, 0, 1, 0, 0, 0])
        np.testing.assert_array_equal(problem.set_size, [4, 0, 0, 0, 4, 0, 0, 0])


class TestCollapse:
    @pytest.mark.parametrize("n_items", [3, 8, 150])
    def test_patterns(self, n_items):
        rng = np.random.default_rng(n_items)
        kinds = rng.integers(-1, 3, (40, n_items))
        codes = kinds[rng.integers(0, 40, 500)]
        group, x = rng.integers(0, 2, 500), rng.integers(0, 3, 500) / 3
        weight = rng.uniform(size=500)
        found = collapse(codes, [group, x], weight)
        everything = np.column_stack([codes, group, x])
        distinct = np.unique(everything, axis=0)
        assert len(found.first) == len(distinct)
        np.testing.assert_array_equal(everything[found.first][found.of_person], everything)
        expected = [weight[found.of_person == k].sum() for k in range(len(found.first))]
        np.testing.assert_allclose(found.weight, expected)
        counts = collapse(codes, [group, x], None).weight
        assert counts.sum() == 500

    def test_a_likelihood_of_patterns_is_one_of_persons(self):
        repeated = pd.concat([DATA] * 4, ignore_index=True)
        once, often = smg.IRT(DATA, items=BINARY), smg.IRT(repeated, items=BINARY)
        assert often.assembly.problem.n_top == once.assembly.problem.n_top <= 16
        p = once.start_params
        np.testing.assert_allclose(4 * once.loglike(p), often.loglike(p), rtol=1e-12)
        np.testing.assert_allclose(4 * once.score(p), often.score(p), rtol=1e-9, atol=1e-9)
        parts = often.loglikeobs(p)
        assert parts.shape == (240,)
        np.testing.assert_allclose(parts[:60], parts[60:120])
        assert parts.sum() == pytest.approx(often.loglike(p))
