"""Q3, LD X2 and residual correlations against their definitions and published values."""

import numpy as np
import pytest
from scipy.stats import chi2

from sm_gllamm.exceptions import SpecificationError
from sm_gllamm.items.bank import ItemBank
from sm_gllamm.items.local_dependence import pair_fit, q3
from tests.items import lsat
from tests.items.test_limited_information import (
    MIXED,
    all_patterns,
    binary,
    pattern_probabilities,
    simulated,
)


def test_q3_is_the_weighted_correlation_of_residuals():
    rng = np.random.default_rng(1)
    theta = rng.normal(size=(50, 1))
    codes = np.column_stack([rng.integers(0, i.n_categories, 50) for i in MIXED.items])
    codes[rng.uniform(size=codes.shape) < 0.2] = -1
    weights = rng.integers(1, 4, 50)
    fit = q3(MIXED, codes, theta, weights)
    residuals = codes - np.column_stack([i.expected_score(theta) for i in MIXED.items])
    for i in range(5):
        assert np.isnan(fit.q3[i, i])
        for j in range(i):
            both = (codes[:, i] >= 0) & (codes[:, j] >= 0)
            repeated = np.repeat(residuals[both][:, [i, j]], weights[both], axis=0)
            assert fit.n_persons[i, j] == len(repeated)
            assert fit.q3[i, j] == pytest.approx(np.corrcoef(repeated.T)[0, 1])
            assert fit.q3[j, i] == fit.q3[i, j]
    pairs = fit.q3[np.triu_indices(5, 1)]
    assert fit.mean == pytest.approx(pairs.mean())
    assert fit.maximum == pytest.approx(pairs.max() - pairs.mean())
    np.testing.assert_allclose(fit.adjusted, fit.q3 - fit.mean)


def test_q3_of_items_nobody_answered_together_is_nan():
    codes = np.array([[0, 1, -1], [1, -1, 0], [1, 0, -1], [0, -1, 1], [1, 1, -1]])
    bank = lsat.bank_at(np.concatenate([np.zeros(3), np.ones(3)]), 3)
    fit = q3(bank, codes, np.linspace(-1, 1, 5)[:, None])
    assert np.isnan(fit.q3[1, 2]) and fit.n_persons[1, 2] == 0
    assert np.isfinite([fit.q3[0, 1], fit.q3[0, 2], fit.mean, fit.maximum]).all()


def test_lsat7_agrees_with_mirt():
    """LD X2 and signed Cramer's V that R's mirt is tested for."""
    params = lsat.fit(lsat.PATTERNS, lsat.LSAT7_WEIGHTS)
    fit = pair_fit(lsat.bank_at(params), lsat.PATTERNS, lsat.LSAT7_WEIGHTS)
    below = np.tril_indices(5, -1)
    by_column = np.lexsort(below)
    x2 = (fit.x2 * fit.sign)[below][by_column]
    mirt = [0.451213, 0.8562096, 2.577395, 2.392183, 1.053826, 0.2662122, 1.383089]
    mirt += [0.1542321, 0.002940504, 9.962506e-06]
    np.testing.assert_allclose(np.abs(x2), mirt, atol=3e-3)
    assert np.sign(x2[:-1]).tolist() == [-1, -1, 1, 1, 1, -1, -1, -1, -1]
    v = [-0.02124177, -0.02926106, 0.03246269, 0.05076805, -0.01631601, -0.01241902]
    np.testing.assert_allclose(
        [fit.cramers_v[i, j] for i, j in ((0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3))],
        v,
        atol=1e-4,
    )


def test_tables_of_pairs_are_those_of_enumerated_patterns():
    patterns = all_patterns(MIXED)
    p = pattern_probabilities(MIXED, patterns, 200)
    counts = np.random.default_rng(3).poisson(500 * p).astype(float)
    fit = pair_fit(MIXED, patterns, counts)
    n = counts.sum()
    for i in range(5):
        for j in range(i + 1, 5):
            x2, g2 = 0.0, 0.0
            for a in range(MIXED.items[i].n_categories):
                for b in range(MIXED.items[j].n_categories):
                    cell = (patterns[:, i] == a) & (patterns[:, j] == b)
                    o, e = counts[cell].sum(), n * p[cell].sum()
                    x2 += (o - e) ** 2 / e
                    g2 += 2 * o * np.log(o / e)
            df = (MIXED.items[i].n_categories - 1) * (MIXED.items[j].n_categories - 1)
            assert fit.x2[i, j] == pytest.approx(x2, rel=1e-6)
            assert fit.g2[i, j] == pytest.approx(g2, rel=1e-6)
            assert fit.df[i, j] == df
            assert fit.p_value[i, j] == pytest.approx(chi2.sf(x2, df), rel=1e-6)
            assert fit.standardised[i, j] == pytest.approx((x2 - df) / np.sqrt(2 * df), rel=1e-6)
            repeated = np.repeat(patterns, counts.astype(int), axis=0)
            observed = np.corrcoef(repeated[:, i], repeated[:, j])[0, 1]
            centred = patterns - p @ patterns
            cov = (centred * p[:, None]).T @ centred
            expected = cov[i, j] / np.sqrt(cov[i, i] * cov[j, j])
            assert fit.observed[i, j] == pytest.approx(observed)
            assert fit.expected[i, j] == pytest.approx(expected, abs=1e-8)
            assert fit.residual[j, i] == pytest.approx(observed - expected, abs=1e-8)
            assert fit.n_persons[i, j] == n


def test_missing_responses_leave_pairs_out():
    codes = np.array([[0, 1, -1], [1, -1, -1], [1, 0, -1], [0, 0, -1], [1, 1, -1]])
    bank = lsat.bank_at(np.concatenate([np.zeros(3), np.ones(3)]), 3)
    fit = pair_fit(bank, codes)
    two = pair_fit(bank.select([0, 1]), codes[[0, 2, 3, 4]][:, :2])
    assert fit.x2[0, 1] == pytest.approx(two.x2[0, 1])
    assert np.isnan(fit.x2[0, 2]) and np.isnan(fit.sign[0, 2]) and fit.n_persons[0, 2] == 0


def test_local_dependence_is_found_where_it_is():
    """Two of six items share a second latent variable."""
    shared = [1.5, 1.5, 0, 0, 0, 0]
    true = ItemBank(
        tuple(binary(f"i{j}", [1.3, s], 0.2 * j - 0.5) for j, s in enumerate(shared)),
        ("theta", "pair"),
        np.zeros(2),
        np.eye(2),
    )
    codes = simulated(true, 1500, 8)
    params = lsat.fit(codes, np.ones(1500))
    bank = lsat.bank_at(params, 6)
    fit = pair_fit(bank, codes)
    residuals = q3(bank, codes, lsat.eap(params, codes))
    assert np.nanargmax(residuals.q3) == 1 and residuals.maximum > 0.15
    assert np.nanargmax(fit.residual) == 1 and fit.sign[0, 1] == 1


def test_one_item_has_no_pairs():
    bank = ItemBank(MIXED.items[:1])
    with pytest.raises(SpecificationError, match="one item"):
        q3(bank, np.zeros((2, 1), int), np.zeros((2, 1)))
    with pytest.raises(SpecificationError, match="one item"):
        pair_fit(bank, np.zeros((2, 1), int))
