"""Zh, infit and outfit of persons against enumeration of their response patterns."""

import numpy as np
import pytest

from sm_gllamm.exceptions import SpecificationError
from sm_gllamm.items.person_fit import person_fit, response_moments, standardised
from tests.items.test_limited_information import BIFACTOR, MIXED, all_patterns


@pytest.mark.parametrize("bank", [MIXED, BIFACTOR], ids=["mixed", "bifactor"])
def test_moments_over_patterns_are_those_that_standardise(bank):
    """At the true theta, Zh has mean 0 and variance 1, mean squares have mean 1."""
    patterns = all_patterns(bank)
    for theta in np.random.default_rng(0).normal(size=(3, len(bank.mean))):
        p = np.exp(bank.log_likelihood(patterns, theta[None]))[:, 0]
        assert p.sum() == pytest.approx(1)
        fit = person_fit(bank, patterns, np.tile(theta, (len(patterns), 1)))
        assert p @ fit.zh == pytest.approx(0, abs=1e-12)
        assert p @ fit.zh**2 == pytest.approx(1)
        assert p @ fit.outfit == pytest.approx(1)
        assert p @ fit.infit == pytest.approx(1)
        # the standardisation uses their variances over patterns
        for square, z in ((fit.outfit, fit.z_outfit), (fit.infit, fit.z_infit)):
            variance = p @ (square - 1) ** 2
            np.testing.assert_allclose(z, standardised(square, np.full(len(p), variance)))
        # improbable patterns have low Zh
        order = np.argsort(p)
        assert np.all(np.diff(fit.zh[order]) >= -1e-9)


def test_missing_responses_are_left_out():
    codes = np.array([[1, -1, 2, 0, -1], [-1, -1, -1, -1, -1]])
    theta = np.array([[0.4], [0.0]])
    fit = person_fit(MIXED, codes, theta)
    short = person_fit(MIXED.select([0, 2, 3]), codes[:, [0, 2, 3]], theta)
    for name in ("zh", "outfit", "z_outfit", "infit", "z_infit"):
        assert getattr(fit, name)[0] == pytest.approx(getattr(short, name)[0])
        assert np.isnan(getattr(fit, name)[1])
    assert fit.n_responses.tolist() == [3, 0]


def test_extreme_latent_variables_give_finite_numbers():
    codes = np.array([[1, 2, 2, 1, 1], [0, 0, 0, 0, 0]])
    fit = person_fit(MIXED, codes, np.array([[9.0], [9.0]]))
    assert fit.outfit[0] < 0.1 and fit.zh[0] > 0
    assert np.isfinite(fit.outfit[1]) and fit.outfit[1] > 1e3
    assert fit.zh[1] < -100


def test_infinite_scores_are_refused_with_the_person():
    with pytest.raises(SpecificationError, match="person 1 are not finite"):
        person_fit(MIXED, np.zeros((2, 5), int), np.array([[0.0], [-np.inf]]))


def test_moments_of_a_response():
    m = response_moments(MIXED.items[1], np.array([2, -1, 0]), np.array([[0.5], [np.nan], [-1.0]]))
    assert m.persons.tolist() == [0, 2]
    p = MIXED.items[1].probabilities(np.array([[0.5]]))[0]
    e = p @ [0, 1, 2]
    assert m.residual[0] == pytest.approx(2 - e)
    assert m.variance[0] == pytest.approx(p @ (np.arange(3) - e) ** 2)
    assert m.fourth[0] == pytest.approx(p @ (np.arange(3) - e) ** 4)
