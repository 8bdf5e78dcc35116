"""Item probabilities and their derivatives, also where probabilities are tiny."""

import mpmath
import numpy as np
import pytest

from sm_gllamm.exceptions import SpecificationError
from sm_gllamm.items.bank import Item, ItemBank
from tests.items.banks import ITEMS, all_patterns, one_dimension, simulated, two_dimensions

mpmath.mp.dps = 60


def exact_log_probabilities(item, theta):
    """By the definitions in the docstring of Item, with 60 digits; one latent variable."""
    theta = mpmath.mpf(theta)

    def cdf(x):
        return 1 / (1 + mpmath.exp(-x)) if item.link == "logit" else mpmath.ncdf(x)

    c = [mpmath.mpf(float(x)) for x in item.intercepts]
    if item.form == "divide":
        e = [
            mpmath.exp(mpmath.mpf(float(a)) * theta + b)
            for a, b in zip(item.slopes[:, 0], c, strict=True)
        ]
        p = [x / sum(e) for x in e]
    else:
        a = mpmath.mpf(float(item.slopes[0]))
        tails = [cdf(a * theta + b) for b in c]
        if item.form == "binary":
            lower, upper = mpmath.mpf(item.lower), mpmath.mpf(item.upper)
            wrong = (1 - upper) + (upper - lower) * cdf(-(a * theta + c[0]))
            p = [wrong, lower + (upper - lower) * tails[0]]
        else:
            below = [cdf(-(a * theta + b)) for b in c]
            # from the tail in which they are small, so that 60 digits suffice
            p = [below[0]]
            for k in range(1, len(c)):
                p.append(tails[k - 1] - tails[k] if tails[k - 1] < 0.5 else below[k] - below[k - 1])
            p.append(tails[-1])
    return [mpmath.log(x) for x in p]


@pytest.mark.parametrize("name", ITEMS)
@pytest.mark.parametrize("theta", [-25.0, -6.0, -0.7, 0.0, 1.3, 8.0, 22.0])
def test_probabilities_have_full_relative_accuracy(name, theta):
    item = ITEMS[name]
    got = item.log_probabilities(np.array([[theta]]))[0]
    expected = [float(x) for x in exact_log_probabilities(item, theta)]
    np.testing.assert_allclose(got, expected, rtol=2e-13, atol=2e-14)
    np.testing.assert_allclose(item.probabilities([[theta]])[0].sum(), 1.0, rtol=1e-13)


@pytest.mark.parametrize("name", ITEMS)
@pytest.mark.parametrize("theta", [-12.0, -2.0, 0.3, 9.0])
def test_derivatives_of_log_probabilities_are_those_of_exact_ones(name, theta):
    item = ITEMS[name]
    _, gradient, hessian = item.log_derivatives(np.array([[theta]]))
    for k in range(item.n_categories):
        exact = [
            float(mpmath.diff(lambda x, k=k: exact_log_probabilities(item, x)[k], theta, n))
            for n in (1, 2)
        ]
        np.testing.assert_allclose(gradient[0, k, 0], exact[0], rtol=1e-10, atol=1e-15)
        np.testing.assert_allclose(hessian[0, k, 0, 0], exact[1], rtol=1e-9, atol=1e-15)


@pytest.mark.parametrize("asymptote", [0.0, 0.2])
def test_derivatives_of_several_dimensions_by_differences(asymptote):
    bank = two_dimensions(asymptote)
    theta = np.array([[0.3, -0.8], [1.5, 0.4]])
    step = 1e-5
    for item in bank.items:
        p, slope, curvature = item.derivatives(theta)
        np.testing.assert_allclose(p, item.probabilities(theta))
        for r in range(2):
            move = step * np.eye(2)[r]
            up, down = item.derivatives(theta + move), item.derivatives(theta - move)
            np.testing.assert_allclose((up[0] - down[0]) / (2 * step), slope[..., r], atol=1e-9)
            np.testing.assert_allclose((up[1] - down[1]) / (2 * step), curvature[..., r], atol=1e-9)


@pytest.mark.parametrize("asymptote", [0.0, 0.2])
def test_information_is_minus_the_expected_hessian(asymptote):
    bank = two_dimensions(asymptote)
    theta = np.array([[0.3, -0.8], [-6.0, 0.4], [9.0, 9.0]])
    for item in bank.items:
        log_p, _, hessian = item.log_derivatives(theta)
        expected = -np.einsum("mk,mkrs->mrs", np.exp(log_p), hessian)
        np.testing.assert_allclose(item.information(theta), expected, rtol=1e-8, atol=1e-14)


def test_information_of_the_3pl_is_birnbaums():
    item = ITEMS["3PL"]
    theta = np.linspace(-4, 4, 9)[:, None]
    p = item.probabilities(theta)[:, 1]
    a, c = item.slopes[0], item.lower
    expected = a**2 * (1 - p) / p * ((p - c) / (1 - c)) ** 2
    np.testing.assert_allclose(item.information(theta)[:, 0, 0], expected, rtol=1e-12)


def test_log_likelihood_of_patterns_sums_to_one_and_skips_missing_responses():
    bank = two_dimensions(0.2)
    theta = np.array([[0.1, 0.2], [-2.0, 1.0]])
    patterns = all_patterns(bank)
    np.testing.assert_allclose(np.exp(bank.log_likelihood(patterns, theta)).sum(axis=0), 1.0)
    codes = patterns[[17]].copy()
    codes[0, [1, 4]] = -1
    rest = [0, 2, 3, 5]
    np.testing.assert_allclose(
        bank.log_likelihood(codes, theta), bank.select(rest).log_likelihood(codes[:, rest], theta)
    )


@pytest.mark.parametrize("bank", [one_dimension(), two_dimensions(0.1)], ids=["all", "two"])
def test_derivatives_by_person_are_those_of_the_log_likelihood(bank):
    codes, theta = simulated(bank, 40)
    codes[::3, 1] = -1
    value, gradient, hessian = bank.person_derivatives(codes, theta)
    np.testing.assert_allclose(value, np.diag(bank.log_likelihood(codes, theta)))
    for r in range(theta.shape[1]):
        move = 1e-5 * np.eye(theta.shape[1])[r]
        up = bank.person_derivatives(codes, theta + move)
        down = bank.person_derivatives(codes, theta - move)
        np.testing.assert_allclose((up[0] - down[0]) / 2e-5, gradient[:, r], atol=1e-8)
        np.testing.assert_allclose((up[1] - down[1]) / 2e-5, hessian[:, :, r], atol=1e-8)
    nodes = bank.items
    total = sum(
        item.information(theta) * (codes[:, [j]] >= 0)[:, :, None] for j, item in enumerate(nodes)
    )
    np.testing.assert_allclose(bank.person_information(codes, theta), total)


@pytest.mark.parametrize("name", ITEMS)
def test_responses_at_nodes_of_each_person(name):
    item = ITEMS[name]
    theta = np.linspace(-3, 3, 12).reshape(4, 3, 1)
    codes = np.array([0, 1, item.n_categories - 1, 0])
    got = item.response_log_probabilities(codes, theta)
    for i, code in enumerate(codes):
        np.testing.assert_allclose(got[i], item.log_probabilities(theta[i])[:, code])


def test_a_category_between_equal_thresholds_is_not_nan():
    for link in ("logit", "probit"):
        item = Item("g", "graded", "graded", [1.0], [0.5, 0.5], link=link)
        p = item.probabilities([[0.3], [-40.0]])
        assert np.all(p[:, 1] == 0.0) and np.all(np.isfinite(item.log_probabilities([[0.3]])))
        assert np.all(np.isfinite(item.information(np.array([[0.3]]))))


@pytest.mark.parametrize(
    "change, message",
    [
        (dict(slopes=[np.nan]), "Item 'x': slopes must be finite"),
        (dict(form="ordinal"), "form must be"),
        (dict(link="cloglog"), "link must be"),
        (dict(intercepts=[0.0, 1.0]), "not those of a 'binary' item"),
        (dict(form="graded", intercepts=[0.0, 1.0]), "must not ascend"),
        (dict(form="divide", intercepts=[0.0, 1.0]), "not those of a 'divide' item"),
        (dict(lower=0.5, upper=0.5), "asymptotes must be"),
        (dict(upper=1.1), "asymptotes must be"),
    ],
)
def test_items_that_are_none(change, message):
    item = dict(name="x", form="binary", model="2PL", slopes=[1.0], intercepts=[0.0])
    with pytest.raises(SpecificationError, match=message):
        Item(**(item | change))


def test_banks_and_codes_that_do_not_fit():
    bank = one_dimension("2PL", "graded")
    with pytest.raises(SpecificationError, match="mean of shape"):
        ItemBank(bank.items, ("a", "b"))
    with pytest.raises(SpecificationError, match="Item 'binary' has slopes of shape"):
        ItemBank(bank.items, ("a", "b"), np.zeros(2), np.eye(2))
    with pytest.raises(SpecificationError, match="do not fit 2 items"):
        bank.checked_codes([[0, 1, 0]])
    with pytest.raises(SpecificationError, match="Person 1 has the code 4 on item 'graded'"):
        bank.checked_codes([[0, 3], [1, 4]])
    with pytest.raises(SpecificationError, match="Person 0 has the code nan"):
        bank.checked_codes([[np.nan, 3]])
    assert bank.checked_codes([[1.0, -1.0]]).dtype.kind == "i"
