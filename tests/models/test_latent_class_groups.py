"""Observed groups: sizes by group, and items that differ, against separate fits."""

import numpy as np
import pandas as pd
import pytest

import sm_gllamm.api as smg
from sm_gllamm.exceptions import SpecificationError

ITEMS = list("ABCDE")


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(5)
    sex = rng.integers(0, 2, 1200)
    member = (rng.random(1200) < np.array([0.3, 0.6])[sex]).astype(int)
    share = np.array([[0.85] * 5, [0.2] * 5])[member]
    out = pd.DataFrame((rng.random((1200, 5)) < share).astype(int), columns=ITEMS)
    return out.assign(sex=np.where(sex == 1, "f", "m"))


def test_everything_free_is_a_fit_in_each_group(data):
    both = smg.LatentClass(data, 2, groups="sex", free=True).fit(n_starts=8)
    alone = [
        smg.LatentClass(part, 2, items=ITEMS).fit(n_starts=4).llf for _, part in data.groupby("sex")
    ]
    share = data["sex"].value_counts(normalize=True)
    assert len(share) == 2
    assert both.llf == pytest.approx(sum(alone), abs=1e-6)
    assert both.df_modelwc == 2 * 11


def test_equal_measurement_is_sizes_by_group(data):
    equal = smg.LatentClass(data, 2, groups="sex").fit(n_starts=4)
    formula = smg.LatentClass.from_formula("A + B + C + D + E ~ sex", data, 2).fit(n_starts=4)
    assert equal.llf == pytest.approx(formula.llf, abs=1e-8)
    free = smg.LatentClass(data, 2, groups="sex", free=["B"]).fit(n_starts=4)
    assert free.df_modelwc == equal.df_modelwc + 2
    assert 0 <= free.llf - equal.llf < 6
    assert "class1:B|sex=f[1]" in free.params.index
    test = free.compare_lr_test(equal)
    assert test.df_diff == 2 and test.statistic == pytest.approx(2 * (free.llf - equal.llf))
    none = smg.LatentClass(data, 2, items=ITEMS).fit(n_starts=4)
    assert free.compare_lr_test(none).df_diff == 3
    with pytest.raises(SpecificationError, match=r"\['B'\] differ between groups"):
        equal.compare_lr_test(free)


def test_new_cases(data):
    result = smg.LatentClass(data, 2, groups="sex", free=["B"]).fit(n_starts=4)
    new = result.posterior(data.iloc[:20])
    np.testing.assert_allclose(new, result.posterior().iloc[:20], atol=1e-12)
    with pytest.raises(SpecificationError, match="group 'x' in row 0"):
        result.posterior(data.iloc[:2].assign(sex="x"))


@pytest.mark.parametrize(
    ("keyword", "message"),
    [
        ({"groups": "gender"}, "no column of the data"),
        ({"groups": "sex", "free": ["Z"]}, "free names 'Z'"),
        ({"items": ITEMS, "free": ["A"]}, "give groups="),
    ],
)
def test_bad_groups(data, keyword, message):
    with pytest.raises(SpecificationError, match=message):
        smg.LatentClass(data, 2, **keyword)


def test_bad_columns_of_groups(data):
    with pytest.raises(SpecificationError, match="one group"):
        smg.LatentClass(data.assign(sex="f"), 2, groups="sex")
    with pytest.raises(SpecificationError, match="missing in row 3"):
        smg.LatentClass(data.assign(sex=data["sex"].mask(data.index == 3)), 2, groups="sex")
    gap = data.assign(A=data["A"].where(data["sex"] == "f"))
    with pytest.raises(SpecificationError, match="nobody in group 'm' responded to 'A'"):
        smg.LatentClass(gap, 2, groups="sex", free=["A"])
