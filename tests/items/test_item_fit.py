"""S-X2 against enumeration of all response patterns, infit and outfit against their definitions."""

from itertools import product

import numpy as np
import pytest
from scipy.stats import chi2, kstest

from sm_gllamm.exceptions import SpecificationError
from sm_gllamm.items.bank import ItemBank
from sm_gllamm.items.item_fit import _collapse, _partition, item_mean_squares, sum_score_fit
from tests.items import lsat
from tests.items.test_limited_information import (
    BIFACTOR,
    CORRELATED,
    MIXED,
    all_patterns,
    graded,
    pattern_probabilities,
    simulated,
)


@pytest.mark.parametrize(
    "bank, points", [(MIXED, 200), (BIFACTOR, 36), (CORRELATED, 80)], ids=["mixed", "bi", "2d"]
)
def test_expected_frequencies_are_those_of_enumerated_patterns(bank, points):
    patterns = all_patterns(bank)
    p = pattern_probabilities(bank, patterns, points)
    score = patterns.sum(axis=1)
    weights = np.random.default_rng(0).poisson(300 * p).astype(float)
    fit = sum_score_fit(bank, patterns, np.ones(len(bank.items), int), weights=weights)
    for j, table in enumerate(fit.tables):
        assert table.scores.tolist() == list(range(1, score.max()))
        for s, observed, expected in zip(table.scores, table.observed, table.expected, strict=True):
            here = score == s
            for k in range(bank.items[j].n_categories):
                both = here & (patterns[:, j] == k)
                assert observed[k] == weights[both].sum()
                share = p[both].sum() / p[here].sum()
                assert expected[k] == pytest.approx(share * weights[here].sum(), abs=1e-6)
        cells = [
            [sum(t[r][k] for r in rows for k in within) for t in (table.observed, table.expected)]
            for rows, within in table.cells
        ]
        assert min(e for _, e in cells) >= 1
        assert sum(e for _, e in cells) == pytest.approx(table.expected.sum())
        assert fit.statistic[j] == pytest.approx(sum((o - e) ** 2 / e for o, e in cells))
        groups = {rows for rows, _ in table.cells}
        assert fit.df[j] == len(cells) - len(groups) - 1


def test_lsat7_agrees_with_mirt():
    """Values that R's mirt is tested for, with a tolerance of 0.01."""
    params = lsat.fit(lsat.PATTERNS, lsat.LSAT7_WEIGHTS)
    bank = lsat.bank_at(params)
    fit = sum_score_fit(bank, lsat.PATTERNS, np.full(5, 2), weights=lsat.LSAT7_WEIGHTS)
    np.testing.assert_allclose(
        fit.statistic, [4.749440, 14.451071, 1.270381, 5.237400, 0.941125], atol=3e-3
    )
    assert fit.df.tolist() == [2] * 5
    np.testing.assert_allclose(fit.p_value, chi2.sf(fit.statistic, 2))
    excess = np.maximum(fit.statistic - 2, 0)
    np.testing.assert_allclose(fit.rmsea, np.sqrt(excess / 2 / 1000))
    # Benjamini-Hochberg: p times 5 / rank, made monotone
    order = np.argsort(fit.p_value)
    stepped = np.minimum.accumulate((fit.p_value[order] * 5 / np.arange(1, 6))[::-1])[::-1]
    np.testing.assert_allclose(fit.p_adjusted[order], stepped)
    theta = lsat.eap(params, lsat.PATTERNS)
    squares = item_mean_squares(bank, lsat.PATTERNS, theta, lsat.LSAT7_WEIGHTS)
    np.testing.assert_allclose(
        squares.zh, [1.431838, 6.354917, 5.310844, 5.804449, 0.696139], atol=5e-3
    )


def test_adjacent_categories_are_joined_smallest_first():
    assert _partition(np.array([5.0, 0.2, 3.0, 9.0]), 1.0) == [[0], [1, 2], [3]]
    assert _partition(np.array([0.1, 0.2, 0.3, 9.0]), 1.0) == [[0, 1, 2, 3]]
    assert _partition(np.array([2.0, 2.0]), 1.0) == [[0], [1]]


def test_rows_that_tell_nothing_are_joined_towards_the_middle():
    expected = np.array([[0.5, 0.2], [0.5, 0.9], [4.0, 5.0], [2.0, 8.0], [0.3, 4.0], [0.1, 2.0]])
    rows = [row for row, _ in _collapse(expected, 1.0)]
    # 0 and 1 make one good row; 4 and 5 do not, and go to 3
    assert rows == [[0, 1], [2], [3, 4, 5]]
    assert _collapse(np.array([[0.3, 0.4], [0.1, 0.5]]), 1.0) == []


def test_persons_with_missing_responses_are_left_out_and_counted():
    codes = np.array([[0, 1, 1], [1, 0, 0], [1, 1, 0], [1, -1, 0]])
    bank = lsat.bank_at(np.concatenate([np.zeros(3), np.ones(3)]), 3)
    weights = np.array([30.0, 40.0, 20.0, 3.0])
    fit = sum_score_fit(bank, codes, np.zeros(3, int), weights=weights)
    assert (fit.n_persons, fit.n_dropped) == (90, 3)
    same = sum_score_fit(bank, codes[:3], np.zeros(3, int), weights=weights[:3])
    np.testing.assert_allclose(fit.statistic, same.statistic)
    assert fit.statistic.min() > 1


def test_without_degrees_of_freedom_the_p_value_is_nan():
    bank = lsat.bank_at(np.concatenate([np.zeros(3), np.ones(3)]), 3)
    codes = np.array(list(product([0, 1], repeat=3)))
    fit = sum_score_fit(bank, codes, np.full(3, 2), weights=np.full(8, 20.0))
    assert fit.df.tolist() == [0, 0, 0]
    assert np.isnan(fit.p_value).all() and np.isnan(fit.rmsea).all()


def test_bad_input_is_named():
    bank = lsat.bank_at(np.concatenate([np.zeros(3), np.ones(3)]), 3)
    with pytest.raises(SpecificationError, match="three items"):
        sum_score_fit(bank.select([0, 1]), np.zeros((4, 2), int), np.ones(2, int))
    with pytest.raises(SpecificationError, match="all items"):
        sum_score_fit(bank, np.array([[0, 1, -1]]), np.ones(3, int))


def test_mean_squares_of_items_are_their_definitions():
    rng = np.random.default_rng(1)
    theta = rng.normal(size=(60, 1))
    codes = np.column_stack([rng.integers(0, i.n_categories, 60) for i in MIXED.items])
    codes[rng.uniform(size=codes.shape) < 0.2] = -1
    weights = rng.integers(1, 4, 60).astype(float)
    fit = item_mean_squares(MIXED, codes, theta, weights)
    for j, item in enumerate(MIXED.items):
        z2, variance, square, kurtosis, fourth, n = [], [], [], [], [], 0
        for t, y, w in zip(theta, codes[:, j], weights, strict=True):
            if y < 0:
                continue
            p = item.probabilities(t[None])[0]
            k = np.arange(len(p))
            e = p @ k
            v, c = p @ (k - e) ** 2, p @ (k - e) ** 4
            for _ in range(int(w)):
                z2.append((y - e) ** 2 / v)
                variance.append(v)
                square.append((y - e) ** 2)
                kurtosis.append(c / v**2)
                fourth.append(c)
                n += 1
        variance = np.array(variance)
        assert fit.n_responses[j] == n
        assert fit.outfit[j] == pytest.approx(np.mean(z2))
        assert fit.infit[j] == pytest.approx(np.sum(square) / variance.sum())
        q = np.sqrt(np.sum(kurtosis) / n**2 - 1 / n)
        assert fit.z_outfit[j] == pytest.approx((np.mean(z2) ** (1 / 3) - 1) * 3 / q + q / 3)
        q = np.sqrt(np.sum(np.array(fourth) - variance**2)) / variance.sum()
        assert fit.z_infit[j] == pytest.approx((fit.infit[j] ** (1 / 3) - 1) * 3 / q + q / 3)


def test_item_without_responses_is_nan_and_expected_values_are_one():
    rng = np.random.default_rng(5)
    theta = rng.normal(size=(20000, 1))
    draws = rng.uniform(size=(20000, 1))
    codes = np.column_stack(
        [
            (draws > item.probabilities(theta).cumsum(axis=1)[:, :-1]).sum(axis=1)
            for item in MIXED.items
        ]
    )
    codes[:, 4] = -1
    fit = item_mean_squares(MIXED, codes, theta)
    np.testing.assert_allclose(fit.outfit[:4], 1, atol=0.08)
    np.testing.assert_allclose(fit.infit[:4], 1, atol=0.03)
    assert np.abs(np.concatenate([fit.z_infit[:4], fit.zh[:4]])).max() < 3.5
    assert np.isnan([fit.outfit[4], fit.infit[4], fit.zh[4]]).all()
    assert fit.n_responses[4] == 0


@pytest.mark.study
@pytest.mark.parametrize("kind", ["binary", "graded"])
def test_s_x2_of_known_items_has_its_chi_square_distribution(kind):
    """No parameter is estimated: df are cells less rows."""
    rng = np.random.default_rng(2)
    items = tuple(
        graded(f"i{j}", [a], [d] if kind == "binary" else [d + 0.8, d - 0.8])
        for j, (a, d) in enumerate(zip(rng.uniform(0.8, 2, 10), rng.normal(size=10), strict=True))
    )
    bank = ItemBank(items)
    uniform = []
    for seed in range(60):
        codes = simulated(bank, 2000, seed)
        fit = sum_score_fit(bank, codes, np.zeros(10, int), min_expected=5)
        uniform.append(fit.p_value)
    assert kstest(np.concatenate(uniform), "uniform").pvalue > 0.001
