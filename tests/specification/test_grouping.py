import numpy as np
import pandas as pd
import pytest

from sm_gllamm.exceptions import CrossedDesignError, SpecificationError
from sm_gllamm.specification.grouping import encode, order_by_nesting, recode

LABELS = ["v", "u", "v", "w"]


@pytest.mark.parametrize(
    "key",
    [
        LABELS,
        np.array(LABELS),
        np.array(LABELS, dtype=object),
        pd.Series(LABELS),
        pd.Series(LABELS, dtype="category"),
        pd.Series(LABELS, dtype="string"),
    ],
    ids=["list", "str", "object", "series", "category", "string"],
)
def test_codes_follow_sorted_labels(key):
    codes, labels = encode([key], ["g"])
    assert codes.dtype == np.intp
    assert codes.tolist() == [1, 0, 1, 2]
    assert labels.tolist() == ["u", "v", "w"]
    assert recode([pd.Series(["w", "q", "u"])], labels).tolist() == [2, -1, 0]
    assert recode([pd.Categorical(["w", None, "u"])], labels).tolist() == [2, -1, 0]


def test_categories_order_and_unused_ones_vanish():
    key = pd.Categorical(LABELS, categories=["w", "unused", "v", "u"])
    codes, labels = encode([key], ["g"])
    assert labels.tolist() == ["w", "v", "u"]
    assert codes.tolist() == [1, 2, 1, 0]


@pytest.mark.parametrize("key", [[True, False, True], [1, "b", 1], [2.5, 1.5, 2.5]])
def test_other_labels(key):
    codes, labels = encode([pd.Series(key, dtype=object)], ["g"])
    assert codes[0] == codes[2] != codes[1]
    assert recode([key], labels).tolist() == codes.tolist()


def test_combinations():
    outer, inner = ["b", "a", "b", "a", "b"], [1, 1, 2, 1, 1]
    codes, labels = encode([outer, inner], ["o", "i"])
    assert labels.tolist() == [("a", 1), ("b", 1), ("b", 2)]
    assert labels.names == ["o", "i"]
    assert codes.tolist() == [1, 0, 2, 0, 1]
    assert recode([["a", "a", None], [1, 2, 1]], labels).tolist() == [0, -1, -1]


def test_many_combinations_do_not_overflow():
    rng = np.random.default_rng(0)
    keys = [rng.integers(0, 10**6, size=2000) for _ in range(5)]
    codes, labels = encode(keys, list("abcde"))
    assert len(labels) == len(set(zip(*keys, strict=True)))
    assert codes.max() == len(labels) - 1


def factor(name, key):
    return (name, *encode([key], [name]))


def test_order_is_bottom_to_top():
    top, middle, low = [0, 0, 0, 0, 1, 1], list("aabbcc"), [1, 2, 3, 3, 4, 5]
    factors = [factor("middle", middle), factor("top", top), factor("low", low)]
    assert order_by_nesting(factors) == [2, 0, 1]


def test_crossed_factors_are_refused():
    factors = [factor("school", list("aabb")), factor("area", list("xyzx"))]
    with pytest.raises(CrossedDesignError, match="crossed") as caught:
        order_by_nesting(factors)
    message = str(caught.value)
    for part in ("area = 'x'", "school = 'a'", "school = 'b'", "later version"):
        assert part in message


def test_same_clusters_twice():
    factors = [factor("a", [0, 0, 1]), factor("b", list("yyx"))]
    with pytest.raises(SpecificationError, match="same 2 clusters"):
        order_by_nesting(factors)
