"""Information, standard errors and reliability against formulas, integrals and simulation."""

import numpy as np
import pytest
from scipy import integrate
from scipy.stats import multivariate_normal, norm

from sm_gllamm.exceptions import SpecificationError
from sm_gllamm.items.bank import Item, ItemBank
from sm_gllamm.items.information import (
    along,
    empirical_reliability,
    information_matrices,
    item_information,
    marginal_reliability,
    maximum_information,
    standard_error,
    total_information,
)
from sm_gllamm.items.scoring import Scores, scores
from tests.items.banks import ITEMS, all_patterns, one_dimension, simulated, two_dimensions


def test_information_is_the_variance_of_the_score_over_all_patterns():
    bank = one_dimension("3PL", "graded", "nominal", "probit")
    patterns, theta = all_patterns(bank), np.array([[0.4]])
    p = np.exp(bank.log_likelihood(patterns, theta)[:, 0])
    gradient = bank.person_derivatives(patterns, np.repeat(theta, len(patterns), axis=0))[1][:, 0]
    np.testing.assert_allclose(total_information(bank, theta), p @ gradient**2, rtol=1e-12)
    each = item_information(bank, theta)
    assert each.shape == (1, 4)
    np.testing.assert_allclose(each.sum(), p @ gradient**2, rtol=1e-12)
    np.testing.assert_allclose(standard_error(bank, theta), (p @ gradient**2) ** -0.5)


def test_directions():
    bank = two_dimensions()
    theta = np.array([[0.2, -0.4], [1.0, 1.0]])
    matrix = information_matrices(bank, theta)
    assert matrix.shape == (2, 6, 2, 2)
    np.testing.assert_allclose(item_information(bank, theta, "number"), matrix[:, :, 1, 1])
    np.testing.assert_allclose(item_information(bank, theta, 0), matrix[:, :, 0, 0])
    d = np.array([3.0, 4.0]) / 5
    expected = np.einsum("r,mjrs,s->mj", d, matrix, d)
    np.testing.assert_allclose(item_information(bank, theta, [3.0, 4.0]), expected)
    np.testing.assert_allclose(along(bank, [1.5], "number"), [[0.2, 1.5]])
    np.testing.assert_allclose(along(bank, [5.0], [3.0, 4.0]), [[3.2, 3.9]])
    np.testing.assert_allclose(along(one_dimension("2PL"), [5.0]), [[5.0]])


def test_marginal_reliability_is_the_integral():
    bank = one_dimension("2PL", "3PL", "graded", "partial", mean=0.5, variance=1.8)
    sd = np.sqrt(1.8)

    def mean_of(f):
        def density(x):
            value = total_information(bank, np.array([[x]]))[0]
            return f(value) * norm.pdf(x, 0.5, sd)

        return sum(
            integrate.quad(density, a, b, epsabs=1e-13, epsrel=1e-10, limit=200)[0]
            for a, b in ((-30, -4), (-4, 5), (5, 30))
        )

    posterior = mean_of(lambda i: i / (i + 1 / 1.8))
    np.testing.assert_allclose(marginal_reliability(bank), posterior, rtol=1e-8)
    green = 1 - mean_of(lambda i: 1 / i) / 1.8
    got = marginal_reliability(bank, definition="green")
    np.testing.assert_allclose(got, green, rtol=1e-6)


def test_marginal_reliability_of_two_dimensions_is_the_double_integral():
    bank = two_dimensions()
    line = np.linspace(-9, 9, 241)
    grid = np.stack(np.meshgrid(line, line, indexing="ij"), axis=-1).reshape(-1, 2)
    p = multivariate_normal(bank.mean, bank.covariance).pdf(grid)
    p /= p.sum()
    total = information_matrices(bank, grid).sum(axis=1)
    error = p @ np.linalg.inv(total + np.linalg.inv(bank.covariance))[:, 1, 1]
    np.testing.assert_allclose(marginal_reliability(bank, "number"), 1 - error / 1.3, rtol=1e-8)
    # the items of one dimension do not identify the other without a prior
    assert marginal_reliability(bank.select([0]), 0, definition="green") == -np.inf


def test_empirical_reliability_is_near_the_squared_correlation_with_the_truth():
    bank = one_dimension("2PL", "2PL negative", "graded", "partial", "probit", "3PL")
    codes, theta = simulated(bank, 20_000, seed=8)
    got = scores(bank, codes)
    correlation = np.corrcoef(got.estimate[:, 0], theta[:, 0])[0, 1]
    np.testing.assert_allclose(empirical_reliability(got), correlation**2, atol=0.015)
    variance = np.var(got.estimate[:, 0], ddof=1)
    expected = variance / (variance + np.mean(got.std_err**2))
    np.testing.assert_allclose(empirical_reliability(got), expected)
    wle = scores(bank, codes, "WLE")
    expected = 1 - np.mean(wle.std_err**2) / np.var(wle.estimate, ddof=1)
    np.testing.assert_allclose(empirical_reliability(wle), expected)


def test_weights_of_empirical_reliability_are_frequencies():
    bank = one_dimension("2PL", "graded", "3PL")
    codes, _ = simulated(bank, 30)
    weights = np.arange(30) % 4
    each = scores(bank, np.repeat(codes, weights, axis=0))
    np.testing.assert_allclose(
        empirical_reliability(scores(bank, codes), weights), empirical_reliability(each)
    )


def test_places_of_maximum_information():
    items = (
        Item("2PL", "binary", "2PL", [2.0], [1.0]),
        Item("3PL", "binary", "3PL", [1.7], [-0.5], lower=0.2),
        Item("flat", "binary", "2PL", [0.0], [1.0]),
        ITEMS["graded"],
        ITEMS["nominal"],
    )
    bank = ItemBank(items)
    place, information, at, most = maximum_information(bank)
    # Birnbaum (1968): the 3PL's maximum is log((1 + sqrt(1 + 8 c)) / 2) / a above its difficulty
    expected = 0.5 / 1.7 + np.log((1 + np.sqrt(1 + 8 * 0.2)) / 2) / 1.7
    np.testing.assert_allclose(place[:2], [-0.5, expected], atol=1e-6)
    assert np.isnan(place[2]) and information[2] == 0.0
    x = np.linspace(-8, 8, 160_001)
    each = item_information(bank, x[:, None])
    np.testing.assert_allclose(information, each.max(axis=0), rtol=1e-8)
    np.testing.assert_allclose(place[3:], x[each[:, 3:].argmax(axis=0)], atol=2e-4)
    np.testing.assert_allclose([at, most], [x[each.sum(axis=1).argmax()], each.sum(axis=1).max()],
                               atol=2e-4)  # fmt: skip


def test_place_of_maximum_information_of_two_dimensions():
    bank = two_dimensions()
    place, information, at, most = maximum_information(bank, "verbal")
    x = np.linspace(-8, 8, 16_001)
    each = item_information(bank, along(bank, x, "verbal"), "verbal")
    np.testing.assert_allclose(information, each.max(axis=0), rtol=1e-6)
    np.testing.assert_allclose(most, each.sum(axis=1).max(), rtol=1e-6)
    np.testing.assert_allclose(at, x[each.sum(axis=1).argmax()], atol=1e-3)
    assert np.isnan(place[2])


def test_what_cannot_be_informed():
    bank = two_dimensions()
    theta = np.zeros((1, 2))
    with pytest.raises(SpecificationError, match="name one of verbal, number"):
        total_information(bank, theta)
    with pytest.raises(SpecificationError, match="no latent variable 'music'"):
        total_information(bank, theta, "music")
    with pytest.raises(SpecificationError, match="no latent variable 2"):
        total_information(bank, theta, 2)
    with pytest.raises(SpecificationError, match="vector of 2 finite numbers"):
        total_information(bank, theta, [0.0, 0.0])
    with pytest.raises(SpecificationError, match="must have the shape"):
        total_information(bank, np.zeros(3), 0)
    with pytest.raises(SpecificationError, match="'posterior' or 'green'"):
        marginal_reliability(bank, 0, definition="mirt")
    one = one_dimension("2PL", "graded")
    with pytest.raises(SpecificationError, match="first is person 1: all responses extreme"):
        empirical_reliability(scores(one, [[0, 2], [0, 0]], "ML"))
    with pytest.raises(SpecificationError, match="more than one person"):
        empirical_reliability(scores(one, [[0, 2]]))
    assert isinstance(scores(one, [[0, 2]]), Scores)
