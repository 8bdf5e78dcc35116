import numpy as np
import pytest

from sm_gllamm.specification.separation import separated_columns, separated_ordered

NAMES = ["const", "x", "z", "female"]


def design(n=60, seed=5):
    rng = np.random.default_rng(seed)
    x, z = rng.normal(size=(2, n))
    return np.column_stack([np.ones(n), x, z, np.arange(n) % 2])


def test_overlap():
    exog = design()
    y = np.random.default_rng(6).integers(0, 2, size=60)
    assert separated_columns(y, exog, NAMES) == ()


def test_complete_separation_by_one_column():
    exog = design()
    assert separated_columns(exog[:, 1] > 0.3, exog, NAMES) == ("x",)
    scaled = exog * [1, 1e6, 1, 1]
    assert separated_columns(exog[:, 1] > 0.3, scaled, NAMES) == ("x",)


def test_separation_by_a_combination():
    exog = design()
    assert separated_columns(exog[:, 1] > exog[:, 2], exog, NAMES) == ("x", "z")


def test_quasi_complete_separation_by_a_dummy_variable():
    exog = design()
    y = np.random.default_rng(6).integers(0, 2, size=60)
    y[exog[:, 3] == 1] = 1
    assert separated_columns(y, exog, NAMES) == ("female",)
    assert separated_columns(1 - y, exog, NAMES) == ("female",)


def test_each_separating_column_is_named():
    exog = design()
    exog[:, 2] = exog[:, 1] ** 3
    assert separated_columns(exog[:, 1] > 0, exog, NAMES) == ("x", "z")


def test_successes_and_failures():
    exog = np.column_stack([np.ones(4), [0, 0, 1, 1]])
    names = ["const", "treated"]
    assert separated_columns(np.array([[1, 3], [2, 2], [0, 4], [0, 5]]), exog, names) == (
        "treated",
    )
    assert separated_columns(np.array([[1, 3], [2, 2], [0, 4], [1, 4]]), exog, names) == ()


def test_response_without_variation():
    assert separated_columns(np.ones(5), np.ones((5, 1)), ["const"]) == ("const",)


def test_many_columns_in_one_linear_program():
    cluster = np.arange(600) % 100
    exog = (cluster[:, None] == np.arange(100)).astype(float)
    y = np.arange(600) // 100 % 2
    y[cluster == 7] = 1
    assert separated_columns(y, exog, [f"x{j}" for j in range(100)]) == ("x7",)
    y[cluster == 7] = [0, 1, 0, 1, 0, 1]
    assert separated_columns(y, exog, [f"x{j}" for j in range(100)]) == ()


class TestOrderedCategories:
    def codes(self, exog):
        return np.digitize(exog[:, 1], np.quantile(exog[:, 1], [0.3, 0.7]))

    @pytest.mark.parametrize("sequential", [False, True])
    def test_complete(self, sequential):
        exog = design()[:, 1:]
        x = exog[:, [0]]
        assert separated_ordered(self.codes(design()), x, ["x"], sequential) == ("x",)
        assert separated_ordered(self.codes(design()), exog, NAMES[1:], sequential) == ("x",)

    @pytest.mark.parametrize("sequential", [False, True])
    def test_none(self, sequential):
        exog = design()[:, 1:]
        codes = np.random.default_rng(3).integers(0, 3, size=len(exog))
        assert separated_ordered(codes, exog, NAMES[1:], sequential) == ()

    def test_between_all_categories_or_none(self):
        # the upper two categories overlap: the lowest alone is told apart, which is quasi-complete
        x = np.array([[-3.0], [-2.0], [1.0], [2.0], [1.5], [2.5]])
        codes = np.array([0, 0, 1, 1, 2, 2])
        assert separated_ordered(codes, x, ["x"]) == ()
        # unless the effect on higher categories is another one
        apart = np.column_stack([x[:, 0] > 0, x[:, 0]]).astype(float)
        assert separated_ordered(codes, apart, ["above", "x"]) == ("above",)
