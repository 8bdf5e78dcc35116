"""Latent class models of data and options that make no sense: named errors and warnings."""

import numpy as np
import pandas as pd
import pytest
from statsmodels.tools.sm_exceptions import SpecificationWarning

import sm_gllamm.api as smg
from sm_gllamm.datasets import lsat
from sm_gllamm.exceptions import BoundaryWarning, IdentificationWarning, SpecificationError

ITEMS = [f"item_{j}" for j in range(1, 6)]


@pytest.fixture(scope="module")
def data():
    return lsat.load_pandas().data[ITEMS]


@pytest.mark.parametrize("n_classes", [-1, 0, 2.5, 2.0, True, "2", None, float("nan"), [0, 1]])
def test_number_of_classes(data, n_classes):
    with pytest.raises(SpecificationError, match="n_classes must be a whole number from 1 on"):
        smg.LatentClass(data, n_classes)


def test_no_number_of_classes(data):
    with pytest.raises(SpecificationError, match="n_classes is empty"):
        smg.LatentClass(data, range(0))


def test_more_classes_than_patterns_support(data):
    with pytest.raises(SpecificationError, match="4 classes have 15 parameters"):
        smg.LatentClass(data[ITEMS[:3]], 4).fit()
    two = pd.DataFrame([[0] * 5, [1] * 5] * 20, columns=ITEMS)
    with pytest.raises(SpecificationError, match="3 classes for 2 different response patterns"):
        smg.LatentClass(two, 3).fit()


def test_constant_indicators(data):
    with pytest.raises(SpecificationError, match=r"'item_2' has one category \(1\)"):
        smg.LatentClass(data.assign(item_2=1), 2)
    with pytest.raises(SpecificationError, match=r"'y' is constant \(0.5\)"):
        smg.LatentClass(data.assign(y=0.5), 2)


def test_missing_responses(data):
    with pytest.raises(SpecificationError, match="no row has a response"):
        smg.LatentClass(data * np.nan, 2)
    with pytest.raises(SpecificationError, match="nobody responded to indicator 'item_3'"):
        smg.LatentClass(data.assign(item_3=np.nan), 2)
    gap = data.astype(float)
    gap.iloc[7] = np.nan
    with pytest.warns(SpecificationWarning, match="left out: 1, the first of them is 7"):
        smg.LatentClass(gap, 2)
    with pytest.raises(SpecificationError, match="no indicators"):
        smg.LatentClass(data[[]], 2)


def test_known_classes(data):
    n = len(data)
    with pytest.raises(SpecificationError, match="known is 3 in row 0"):
        smg.LatentClass(data, 2, known=np.full(n, 3))
    table = np.ones((n, 2), dtype=bool)
    table[11] = False
    with pytest.raises(SpecificationError, match="known leaves no class for row 11"):
        smg.LatentClass(data, 2, known=table)
    with pytest.raises(SpecificationError, match="row 4 that is neither true nor false"):
        smg.LatentClass(data, 2, known=np.where(np.arange(2 * n).reshape(n, 2) == 9, 0.5, 1.0))
    with pytest.raises(SpecificationError, match="numbers of classes"):
        smg.LatentClass(data, 2, known=["first"] * n)
    with pytest.raises(SpecificationError, match="entries for 1000 rows"):
        smg.LatentClass(data, 2, known=[1, 2])
    with pytest.raises(SpecificationError, match="no column of the data"):
        smg.LatentClass(data, 2, known="group")
    # a category that is impossible in the class of a row that has it
    first = int(np.flatnonzero(data["item_1"] == 1)[0])
    known = np.full(n, np.nan)
    known[first] = 1
    with pytest.raises(SpecificationError, match=f"zeros leave no class for row {first}"):
        smg.LatentClass(data, 2, known=known, zeros=["class1:item_1[1]"])


def test_known_classes_keep_their_numbers():
    """Starts respect what is known, and so do the labels, whatever the sizes."""
    rng = np.random.default_rng(3)
    member = (rng.random(1500) < 0.75).astype(int)
    share = np.array([[0.85] * 6, [0.25] * 6])[member]
    data = pd.DataFrame((rng.random((1500, 6)) < share).astype(int)).add_prefix("y")
    known = np.where(np.arange(1500) < 100, member + 1.0, np.nan)
    result = smg.LatentClass(data, 2, known=known).fit(n_starts=5)
    sizes = result.class_sizes()["estimate"]
    assert sizes["class1"] < 0.35 < sizes["class2"]
    assert result.params["class1:y0[1]"] > 0 > result.params["class2:y0[1]"]
    posterior = result.posterior().to_numpy()
    assert (posterior[np.arange(100), member[:100]] == 1.0).all()
    # the likelihood of a known unit is that of its class
    p = 1 / (1 + np.exp(-result.params.iloc[:12].to_numpy().reshape(2, 6)))
    y = data.to_numpy()
    logs = y @ np.log(p).T + (1 - y) @ np.log(1 - p).T
    pi = np.exp(np.append(0.0, result.params.iloc[12]))
    logs += np.log(pi / pi.sum())
    own = np.where(np.arange(1500) < 100, logs[np.arange(1500), member], np.logaddexp(*logs.T))
    assert result.llf == pytest.approx(own.sum(), abs=1e-8)
    table = np.ones((1500, 2), dtype=bool)
    table[:100] = np.eye(2, dtype=bool)[member[:100]]
    again = smg.LatentClass(data, 2, known=table).fit(n_starts=5)
    assert again.llf == pytest.approx(result.llf, abs=1e-8)


def test_all_classes_known(data):
    known = 1 + (data["item_1"] == data["item_2"]).to_numpy()
    result = smg.LatentClass(data, 2, known=known).fit()
    for c in (1, 2):
        share = data[known == c].mean()
        p = 1 / (1 + np.exp(-result.params[[f"class{c}:{j}[1]" for j in ITEMS]].to_numpy()))
        np.testing.assert_allclose(p, share, atol=1e-6)


def test_one_category_in_a_class():
    rng = np.random.default_rng(1)
    member = rng.integers(0, 2, 500)
    share = np.array([[0.8] * 6, [0.2] * 6])[member]
    data = pd.DataFrame((rng.random((500, 6)) < share).astype(int)).add_prefix("y")
    data["y0"] = np.where(member == 0, 1, data["y0"])
    known = member + 1.0
    with pytest.warns(BoundaryWarning, match=r"P\(y0=0\|class1\) = 0"):
        result = smg.LatentClass(data, 2, known=known).fit()
    assert result.verdict.held == ("P(y0=0|class1) = 0",)
    assert "P(y0=0|class1) = 0" in str(result.summary()).replace("\n   ", "")
    assert result.converged and result.held.sum() == 1


def test_empty_and_equal_classes(data):
    with pytest.warns(IdentificationWarning, match="class2 is empty"):
        result = smg.LatentClass(data, 2, known=np.ones(len(data))).fit()
    assert result.verdict.empty == ("class2",)
    two = pd.DataFrame([[0, 0, 0], [1, 1, 1], [0, 1, 0], [1, 0, 1]] * 25)
    with pytest.warns(Warning) as heard:
        result = smg.LatentClass(two, 2, known=np.tile([1, 1, 2, 2], 25)).fit()
    assert any("boundary" in str(w.message) or "equal" in str(w.message) for w in heard)


def test_variance_that_goes_to_zero():
    rng = np.random.default_rng(0)
    y = np.append(np.full(60, 1.5), rng.normal(4.0, 1.0, 60))
    data = pd.DataFrame({"a": y, "b": rng.normal(size=120)})
    known = np.append(np.ones(60), np.full(60, 2))
    with pytest.warns(Warning) as heard:
        result = smg.LatentClass(data, 2, known=known).fit(n_starts=3)
    assert any("unbounded" in str(warning.message) for warning in heard)
    assert not result.converged and result.verdict.degenerate == ("class1:var(a)",)
    assert "class1:var(a) goes to zero" in str(result.summary()).replace("\n    ", " ")


def test_weights(data):
    for keyword in ("weights", "freq_weights"):
        with pytest.raises(SpecificationError, match=f"{keyword} of row 0 is -1"):
            smg.LatentClass(data, 2, **{keyword: -np.ones(len(data))})
        with pytest.raises(SpecificationError, match="entries for 1000 rows"):
            smg.LatentClass(data, 2, **{keyword: [1.0]})
    with pytest.raises(SpecificationError, match="not both"):
        smg.LatentClass(data, 2, weights=np.ones(1000), freq_weights=np.ones(1000))


def test_one_class(data):
    result = smg.LatentClass(data, 1).fit()
    p = data.mean()
    expected = 1000 * (p * np.log(p) + (1 - p) * np.log(1 - p)).sum()
    assert result.llf == pytest.approx(expected)
    np.testing.assert_allclose(result.bse, 1 / np.sqrt(1000 * p * (1 - p)), rtol=1e-6)
    assert result.entropy_r2 == 1.0 and "class1" in str(result.summary())


@pytest.mark.parametrize("n_starts", [0, -1, 2.5])
def test_number_of_starts(data, n_starts):
    with pytest.raises(SpecificationError, match="n_starts"):
        smg.LatentClass(data, 2).fit(n_starts=n_starts)


def test_every_start_is_counted(data, capsys):
    with pytest.warns(BoundaryWarning):
        result = smg.LatentClass(data, 3).fit(n_starts=12, disp=1)
    assert len(result.verdict.starts) == 12
    assert max(result.verdict.starts) == pytest.approx(result.llf, abs=1e-7)
    assert 1 <= result.verdict.replicated <= 12
    assert capsys.readouterr().out.count("\nstart ") >= 11


def test_starts_that_meet_are_followed_once(data):
    """Ends of EM that continue to one maximum count for it, all of them."""
    model = smg.LatentClass(data, 2)
    result = model.fit(n_starts=15)
    assert len(result.verdict.starts) == result.verdict.replicated == 15
    model.fixed = {}
    rng = np.random.default_rng(0)
    found = model.highest(5, rng, result.theta)
    assert found.value == pytest.approx(result.llf, abs=1e-7)


def test_a_zero_that_would_rise_is_let_go(data):
    """A probability of zero is kept only where the log-likelihood falls when it becomes positive."""
    model = smg.LatentClass(data, 2)
    result = model.fit(n_starts=4)
    start = np.array(result.theta)
    start[0] = -40.0
    again = model.fit(start_params=start)
    assert again.llf == pytest.approx(result.llf, abs=1e-7) and not again.held.any()
