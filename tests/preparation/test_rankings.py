"""Exploded rankings against probabilities of rankings written out directly."""

from itertools import combinations, permutations

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from statsmodels.tools.sm_exceptions import ModelWarning

from sm_gllamm.exceptions import SpecificationError
from sm_gllamm.preparation.best_worst import expand_best_worst
from sm_gllamm.preparation.rankings import expand_rankings


def log_likelihood(stages, nu):
    """Log-likelihood of all stages, as ChoiceStages states it."""
    utility = stages.sign * nu[stages.source] + stages.offset
    denominator = np.log(np.bincount(stages.codes, np.exp(utility)))
    return np.sum(stages.constant + utility[stages.chosen] - denominator)


def plackett_luce(order, weights):
    """Probability that alternatives come in this order, before any others."""
    left = weights.sum()
    probability = 1.0
    for alternative in order:
        probability *= weights[alternative] / left
        left -= weights[alternative]
    return probability


def before_the_rest(tied, weights):
    """Probability that all of a tie come before the rest, by inclusion and exclusion."""
    rest = weights.sum() - weights[list(tied)].sum()
    subsets = (s for size in range(len(tied) + 1) for s in combinations(tied, size))
    return sum((-1) ** len(s) * rest / (rest + weights[list(s)].sum()) for s in subsets)


NU = np.array([0.3, -1.2, 0.8, 0.1, -0.4])
WEIGHTS = np.exp(NU)
ONE = np.zeros(5, dtype=int)

# Error of Efron's log-probability, for ties of two or three whose utilities differ by 1.3 at most.
EFRON = 0.1


@pytest.mark.parametrize("best", [(0, 1, 2, 3, 4), (3, 1, 4, 0, 2)])
@pytest.mark.parametrize("n_ranked", [1, 2, 4, 5])
@pytest.mark.parametrize("unranked", [0, np.nan])
def test_rankings_without_ties(best, n_ranked, unranked):
    rank = np.full(5, float(unranked))
    rank[list(best[:n_ranked])] = np.arange(n_ranked) + 1
    stages = expand_rankings(rank, ONE, ties=None)
    expected = np.log(plackett_luce(best[:n_ranked], WEIGHTS))
    assert_allclose(log_likelihood(stages, NU), expected)
    assert_array_equal(stages.sizes, 5 - np.arange(min(n_ranked, 4)))
    assert not stages.offset.any() and not stages.constant.any()


def test_probabilities_of_all_partial_rankings_sum_to_one():
    total = 0.0
    for best in permutations(range(5), 2):
        rank = np.zeros(5)
        rank[list(best)] = [1, 2]
        total += np.exp(log_likelihood(expand_rankings(rank, ONE), NU))
    assert_allclose(total, 1.0)


def test_inclusion_exclusion_is_the_sum_over_orders():
    for tied in [(0,), (1, 3), (0, 2, 4)]:
        orders = sum(plackett_luce(order, WEIGHTS) for order in permutations(tied))
        assert_allclose(before_the_rest(tied, WEIGHTS), orders)


@pytest.mark.parametrize("size", [2, 3, 4])
def test_efron_is_exact_for_equal_utilities(size):
    nu = np.array([0.7] * size + [-0.2] * (5 - size))
    rank = np.where(np.arange(5) < size, 1, np.nan)
    exact = before_the_rest(range(size), np.exp(nu))
    assert_allclose(log_likelihood(expand_rankings(rank, ONE), nu), np.log(exact))


@pytest.mark.parametrize("tied", [(1, 3), (0, 2, 4)])
def test_approximations_of_ties(tied):
    rank = np.full(5, np.nan)
    rank[list(tied)] = 1
    exact = np.log(before_the_rest(tied, WEIGHTS))
    efron = log_likelihood(expand_rankings(rank, ONE, ties="efron"), NU)
    breslow = log_likelihood(expand_rankings(rank, ONE, ties="breslow"), NU)
    assert abs(efron - exact) < EFRON
    assert breslow < efron - EFRON
    # formulas of the docstring
    w, d = WEIGHTS, len(tied)
    own = w[list(tied)].sum()
    log_factorial = np.log(np.arange(1, d + 1)).sum()
    numerator = log_factorial + NU[list(tied)].sum()
    assert_allclose(efron, numerator - np.log(w.sum() - np.arange(d) / d * own).sum())
    assert_allclose(breslow, numerator - d * np.log(w.sum()))


@pytest.mark.parametrize("ties", ["efron", "breslow"])
@pytest.mark.parametrize("rank", [[1, 2, 2, 3, 4], [1, 2, 2, 4, 5]])
def test_ties_in_the_middle_by_both_ways_of_counting(ties, rank):
    stages = expand_rankings(rank, ONE, ties=ties)
    first = np.log(plackett_luce([0], WEIGHTS))
    rest = WEIGHTS[1:]
    tie = expand_rankings([1, 1, 0, 0], np.zeros(4), ties=ties)
    last = np.log(rest[2] / rest[2:].sum())
    assert_allclose(log_likelihood(stages, NU), first + log_likelihood(tie, NU[1:]) + last)


def test_a_tie_at_the_end_is_the_same_as_no_rank():
    tied = expand_rankings([1, 2, 3, 3, 3], ONE)
    unranked = expand_rankings([1, 2, 0, 0, 0], ONE, ties=None)
    for name in ("source", "chosen", "codes", "sizes", "offset", "constant"):
        assert_array_equal(getattr(tied, name), getattr(unranked, name))


def test_rankings_of_any_order_and_size():
    rng = np.random.default_rng(12)
    sets = rng.integers(0, 30, size=200)
    scores = pd.Series(rng.integers(0, 6, size=200))
    rank = scores.groupby(sets).rank(method="dense").to_numpy()
    nu = rng.normal(size=200)
    stages = expand_rankings(rank, sets)
    total = 0.0
    for label in np.unique(sets):
        rows = np.flatnonzero(sets == label)
        if len(np.unique(rank[rows])) == 1:
            continue
        own = expand_rankings(rank[rows], sets[rows])
        total += log_likelihood(own, nu[rows])
    assert_allclose(log_likelihood(stages, nu), total)
    assert_array_equal(stages.labels[stages.sets[stages.codes]], sets[stages.source])
    assert_array_equal(np.bincount(stages.codes), stages.sizes)
    assert_array_equal(np.bincount(stages.codes, stages.chosen), np.ones(len(stages.sizes)))


@pytest.mark.parametrize(
    ("rank", "message"),
    [
        ([1, 2, 4], "Ranking 7 has a gap: after 'rank' = 2 comes 4"),
        ([1, 1, 4], "Ranking 7 has a gap: after 'rank' = 1 comes 4"),
        ([2, 3, 4], "Ranking 7 begins with 'rank' = 2"),
        ([0, 0, np.nan], "No alternative of ranking 7 is ranked"),
        ([1, 2.5, 2.5], "'rank' is 2.5 in row 3"),
        ([1, -2, 3], "'rank' is -2 in row 3"),
        ([1, np.inf, 2], "'rank' is infinite in row 3"),
    ],
)
def test_bad_rankings(rank, message):
    with pytest.raises(SpecificationError, match=message):
        expand_rankings([2, 1, *rank], [5, 5, 7, 7, 7])


def test_ties_are_refused_or_of_a_known_kind():
    with pytest.raises(SpecificationError, match="Ranking 0 has 2 alternatives with 'rank' = 2"):
        expand_rankings([1, 2, 2, 3, 4], ONE, ties=None)
    with pytest.raises(SpecificationError, match="ties='exact' is not known"):
        expand_rankings([1, 2, 2, 3, 4], ONE, ties="exact")


def test_rankings_that_say_nothing():
    with pytest.warns(ModelWarning, match="2 rankings have .*, for instance 'b'"):
        stages = expand_rankings([1, 2, 1, 1, 1], ["a", "a", "b", "b", "c"])
    assert_array_equal(stages.sets, [0])
    with pytest.raises(SpecificationError, match="Every ranking has"):
        expand_rankings([1, 1], ["b", "b"])


def test_best_and_worst():
    rng = np.random.default_rng(4)
    sets = np.repeat([0, 1, 2], [4, 2, 3])
    best = np.array([0, 1, 0, 0, 1, 0, 0, 0, 1])
    worst = np.array([0, 0, 0, 1, 0, 1, 1, 0, 0])
    nu = rng.normal(size=9)
    expected = 0.0
    for label in range(3):
        own = sets == label
        w, b, v = np.exp(nu[own]), best[own] == 1, worst[own] == 1
        expected += np.log(w[b] / w.sum())[0] + np.log(1 / w[v] / (1 / w[~b]).sum())[0]
    mixed = rng.permutation(9)
    stages = expand_best_worst(best[mixed], worst[mixed], sets[mixed])
    assert_allclose(log_likelihood(stages, nu[mixed]), expected)
    assert len(stages.sizes) == 5
    assert_array_equal(np.bincount(stages.codes), stages.sizes)
    assert_array_equal(stages.labels[stages.sets[stages.codes]], sets[mixed][stages.source])


def test_bad_best_and_worst():
    with pytest.raises(SpecificationError, match="row 1 is both the best and the worst .* set 'a'"):
        expand_best_worst([0, 1, 0], [0, 1, 0], ["a"] * 3)
    with pytest.raises(SpecificationError, match="'worst' is 0 in all of its 3 rows"):
        expand_best_worst([0, 1, 0], [0, 0, 0], ["a"] * 3)
    with pytest.raises(SpecificationError, match="'best' is 1 in rows 0 and 1"):
        expand_best_worst([1, 1, 0], [0, 0, 1], ["a"] * 3)
