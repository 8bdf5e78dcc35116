"""M2, M2* and C2 against enumeration of all response patterns and the null distribution."""

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from scipy.linalg import null_space
from scipy.stats import chi2, kstest, ncx2

from sm_gllamm.datasets import lsat as lsat6
from sm_gllamm.exceptions import SpecificationError
from sm_gllamm.items.bank import Item, ItemBank
from sm_gllamm.items.latent_quadrature import conditional_items, pair_probabilities
from sm_gllamm.items.limited_information import _jacobian, limited_information_fit
from sm_gllamm.items.marginal_moments import Margins, ResponseVariables
from tests.items import lsat


def binary(name, slopes, intercept, lower=0.0, link="logit"):
    return Item(
        name, "binary", "2PL", np.array(slopes, float), np.array([intercept]), lower, 1.0, link
    )


def graded(name, slopes, intercepts):
    return Item(name, "graded", "graded", np.array(slopes, float), np.array(intercepts, float))


def nominal(name, slopes, intercepts):
    return Item(
        name, "divide", "nominal", np.array(slopes, float)[:, None], np.array(intercepts, float)
    )


MIXED = ItemBank(
    (
        binary("a", [1.2], 0.3),
        graded("b", [0.8], [1.0, -0.5]),
        nominal("c", [0.0, 0.4, 1.7], [0.0, 0.5, -0.6]),
        binary("d", [2.5], -0.9, lower=0.2),
        binary("e", [0.7], 0.1, link="probit"),
    ),
    mean=np.array([0.3]),
    covariance=np.array([[1.4]]),
)
BIFACTOR = ItemBank(
    (
        binary("a", [1.2, 0.9, 0.0], 0.3),
        graded("b", [0.8, 1.1, 0.0], [1.0, -0.5]),
        binary("c", [1.0, 0.0, 0.7], 0.4),
        binary("d", [1.5, 0.0, 0.8], -0.9),
        binary("e", [0.7, 0.0, 0.0], 0.1),
    ),
    ("general", "first", "second"),
    np.array([0.1, 0.0, -0.2]),
    np.diag([1.2, 0.8, 1.0]),
)
CORRELATED = ItemBank(
    (
        binary("a", [1.2, 0.0], 0.3),
        graded("b", [0.8, 0.3], [1.0, -0.5]),
        binary("c", [0.0, 1.0], 0.4),
        binary("d", [0.0, 1.5], -0.9),
    ),
    ("x", "y"),
    np.zeros(2),
    np.array([[1.0, 0.5], [0.5, 1.3]]),
)


SEPARATE = ItemBank(
    tuple(CORRELATED.items[j] for j in (0, 2, 3)), ("x", "y"), np.zeros(2), np.diag([1.0, 1.3])
)


def pattern_probabilities(bank, patterns, points):
    """Probabilities of response patterns by a product Gauss-Hermite rule."""
    q = len(bank.mean)
    x, w = np.polynomial.hermite_e.hermegauss(points)
    z = np.array(list(product(x, repeat=q)))
    weights = np.array([np.prod(v) for v in product(w / w.sum(), repeat=q)])
    theta = bank.mean + z @ np.linalg.cholesky(bank.covariance).T
    return np.exp(bank.log_likelihood(patterns, theta)) @ weights


def all_patterns(bank):
    return np.array(list(product(*[range(item.n_categories) for item in bank.items])))


def moment_functions(bank, name, patterns):
    """The functions of response patterns whose expectations are the moments."""
    indicators, scores = [], []
    for j, item in enumerate(bank.items):
        indicators.append([(patterns[:, j] == c) * 1.0 for c in range(1, item.n_categories)])
        scores.append([patterns[:, j] * 1.0])
    single = scores if name == "M2*" else indicators
    paired = indicators if name == "M2" else scores
    columns = [x for own in single for x in own]
    for i in range(len(paired)):
        for x in paired[i]:
            columns += [x * y for j in range(i + 1, len(paired)) for y in paired[j]]
    return np.column_stack(columns)


def direct_statistic(functions, p, observed, jacobian, n):
    """N e' D (D' X D)^-1 D' e, D an orthogonal complement of the Jacobian, and its df."""
    mean = p @ functions
    covariance = (functions * p[:, None]).T @ functions - np.outer(mean, mean)
    complement = null_space(jacobian.T)
    v = complement.T @ (observed @ functions - mean)
    return n * v @ np.linalg.solve(complement.T @ covariance @ complement, v), complement.shape[1]


@pytest.mark.parametrize(
    "bank, points",
    [(MIXED, 200), (BIFACTOR, 36), (CORRELATED, 80), (SEPARATE, 60)],
    ids=["mixed", "bifactor", "correlated", "separate"],
)
def test_moments_and_covariances_are_those_of_enumerated_patterns(bank, points):
    patterns = all_patterns(bank)
    p = pattern_probabilities(bank, patterns, points)
    conditional = conditional_items(bank)
    for name in ("M2", "M2*", "C2"):
        functions = moment_functions(bank, name, patterns)
        mean = p @ functions
        covariance = (functions * p[:, None]).T @ functions - np.outer(mean, mean)
        variables = ResponseVariables.of(bank, name)
        expected = Margins(variables, conditional).expected()
        got = variables.covariance(conditional, expected)
        wanted = variables.wanted
        np.testing.assert_allclose(expected[wanted], mean, rtol=0, atol=2e-9)
        np.testing.assert_allclose(got[np.ix_(wanted, wanted)], covariance, rtol=0, atol=4e-9)
        counts = np.arange(1.0, len(patterns) + 1)
        np.testing.assert_allclose(
            variables.observed(patterns, counts)[wanted],
            counts @ functions / counts.sum(),
            rtol=1e-12,
        )


@pytest.mark.parametrize(
    "bank, points", [(MIXED, 200), (BIFACTOR, 30), (CORRELATED, 60)], ids=["mixed", "bi", "2d"]
)
def test_pair_probabilities_are_margins_of_patterns(bank, points):
    patterns = all_patterns(bank)
    p = pattern_probabilities(bank, patterns, points)
    x = np.hstack(
        [patterns[:, [j]] == np.arange(item.n_categories) for j, item in enumerate(bank.items)]
    ).astype(float)
    joint, item = pair_probabilities(bank)
    assert item.tolist() == sum(([j] * i.n_categories for j, i in enumerate(bank.items)), [])
    np.testing.assert_allclose(joint, (x * p[:, None]).T @ x, rtol=0, atol=1e-8)


def test_bifactor_structure_is_found_and_does_not_change_the_answer():
    assert sorted(len(t.weights) > 1 for t in conditional_items(BIFACTOR).testlets) == [
        False,
        True,
        True,
    ]
    # a correlation of the group factors too small to matter, but the structure is gone
    covariance = BIFACTOR.covariance + 1e-13 * (1 - np.eye(3))
    full = ItemBank(BIFACTOR.items, BIFACTOR.dimensions, BIFACTOR.mean, covariance)
    assert [len(t.weights) for t in conditional_items(full).testlets] == [1]
    answers = []
    for bank in (BIFACTOR, full):
        variables = ResponseVariables.of(bank, "C2")
        conditional = conditional_items(bank)
        expected = Margins(variables, conditional).expected()
        answers.append((expected, variables.covariance(conditional, expected)))
    np.testing.assert_allclose(answers[0][0], answers[1][0], atol=1e-9)
    np.testing.assert_allclose(answers[0][1], answers[1][1], atol=1e-9)


@pytest.mark.parametrize("slope", [3.0, 12.0, 40.0])
def test_steep_items_are_integrated_accurately(slope):
    """P(all of two equal items) against a grid of a million points."""
    bank = ItemBank(tuple(binary(f"i{j}", [slope], 0.4 * slope) for j in range(2)))
    joint, _ = pair_probabilities(bank)
    x = np.linspace(-9, 9, 1_000_001)
    density = np.exp(-0.5 * x**2)
    p = 0.5 * (1 + np.tanh(0.5 * slope * (x + 0.4)))
    assert joint[1, 3] == pytest.approx((density @ p**2) / density.sum(), abs=1e-12)


def test_six_dimensions_take_quasi_random_nodes():
    rng = np.random.default_rng(3)
    root = rng.normal(size=(6, 6)) * 0.5
    slopes = rng.uniform(0, 1, (3, 6))
    items = tuple(binary(f"i{j}", slopes[j], 0.2 * j) for j in range(3))
    bank = ItemBank(items, tuple("uvwxyz"), np.zeros(6), root @ root.T)
    joint, _ = pair_probabilities(bank)
    # two items: an integral over two predictors
    spread = slopes[:2] @ bank.covariance @ slopes[:2].T
    two = ItemBank(
        (binary("a", [1, 0], 0.0), binary("b", [0, 1], 0.2)), ("u", "v"), np.zeros(2), spread
    )
    np.testing.assert_allclose(joint[:4, :4], pair_probabilities(two)[0], atol=2e-5)


# Values that R's mirt is tested for (LSAT6 and LSAT7 in its tests of one dimension); its EM algorithm
# stops where parameters change by less than 1e-4, hence the tolerances. The direct formula has none.
@pytest.mark.parametrize(
    "data, common_slope, statistic, df, tolerance",
    [
        ("7", False, 11.93841, 5, 1e-4),
        ("6", True, 5.291576, 9, 1e-3),
        ("6", False, 4.737141, 5, 3e-3),
    ],
)
def test_lsat_agrees_with_mirt_and_with_the_direct_formula(
    data, common_slope, statistic, df, tolerance
):
    if data == "7":
        codes, weights = lsat.PATTERNS, lsat.LSAT7_WEIGHTS
    else:
        responses = lsat6.load_pandas().data.to_numpy()
        codes = lsat.PATTERNS
        weights = np.bincount(responses @ [16, 8, 4, 2, 1], minlength=32).astype(float)
    params = lsat.fit(codes, weights, common_slope)
    fit = limited_information_fit(lsat.bank_at, params, codes, weights=weights)
    assert fit.statistic == pytest.approx(statistic, abs=tolerance)
    assert fit.df == df
    functions = moment_functions(lsat.bank_at(params), "M2", lsat.PATTERNS)

    def probabilities(values):
        return pattern_probabilities(lsat.bank_at(values), lsat.PATTERNS, 150)

    jacobian = np.column_stack(
        [
            (probabilities(params + h) - probabilities(params - h)) @ functions / 2e-5
            for h in 1e-5 * np.eye(len(params))
        ]
    )
    at = codes @ [16, 8, 4, 2, 1]
    observed = np.bincount(at, weights, 32) / weights.sum()
    direct, degrees = direct_statistic(
        functions, probabilities(params), observed, jacobian, weights.sum()
    )
    assert (fit.statistic, fit.df) == (pytest.approx(direct, rel=1e-7), degrees)
    assert fit.p_value == pytest.approx(chi2.sf(fit.statistic, fit.df))
    # independent items
    means = observed @ functions[:, :5]
    independent = np.prod(np.where(lsat.PATTERNS == 1, means, 1 - means), axis=1)
    null_jacobian = np.vstack([np.eye(5), np.zeros((10, 5))])
    for row, (i, j) in enumerate(zip(*np.triu_indices(5, 1), strict=True)):
        null_jacobian[5 + row, [i, j]] = means[[j, i]]
    null, null_df = direct_statistic(functions, independent, observed, null_jacobian, weights.sum())
    assert (fit.null_statistic, fit.null_df) == (pytest.approx(null, rel=1e-9), null_df)
    excess, null_excess = max(direct - df, 0), null - null_df
    assert fit.cfi == pytest.approx(1 - excess / null_excess)
    assert fit.tli == pytest.approx((null / null_df - direct / df) / (null / null_df - 1), rel=1e-6)
    assert fit.rmsea == pytest.approx(np.sqrt(excess / df / 1000), rel=1e-6)


def test_interval_of_the_rmsea_inverts_the_noncentral_distribution():
    params = lsat.fit(lsat.PATTERNS, lsat.LSAT7_WEIGHTS)
    for confidence in (0.9, 0.5):
        fit = limited_information_fit(
            lsat.bank_at,
            params,
            lsat.PATTERNS,
            weights=lsat.LSAT7_WEIGHTS,
            confidence=confidence,
        )
        tails = [
            ncx2.cdf(fit.statistic, fit.df, fit.df * 1000 * bound**2)
            for bound in (fit.rmsea_lower, fit.rmsea_upper)
        ]
        assert tails == pytest.approx([(1 + confidence) / 2, (1 - confidence) / 2], abs=1e-8)


def test_srmsr_is_the_root_mean_square_of_residual_correlations():
    params = lsat.fit(lsat.PATTERNS, lsat.LSAT7_WEIGHTS)
    fit = limited_information_fit(lsat.bank_at, params, lsat.PATTERNS, weights=lsat.LSAT7_WEIGHTS)
    p = pattern_probabilities(lsat.bank_at(params), lsat.PATTERNS, 100)

    def correlations(w):
        centred = lsat.PATTERNS - w @ lsat.PATTERNS
        covariance = (centred * w[:, None]).T @ centred
        sd = np.sqrt(np.diag(covariance))
        return (covariance / np.outer(sd, sd))[np.triu_indices(5, 1)]

    difference = correlations(lsat.LSAT7_WEIGHTS / 1000) - correlations(p)
    assert fit.srmsr == pytest.approx(np.sqrt(np.mean(difference**2)), rel=1e-8)


def graded_bank(params):
    """Three graded items of three categories, slopes and differences of intercepts."""
    return ItemBank(
        tuple(
            graded(
                f"i{j}", params[[3 * j]], [params[3 * j + 1], params[3 * j + 1] - params[3 * j + 2]]
            )
            for j in range(4)
        )
    )


def simulated(bank, n, seed):
    rng = np.random.default_rng(seed)
    theta = rng.multivariate_normal(bank.mean, bank.covariance, n)
    draws = rng.uniform(size=(n, len(bank.items), 1))
    return np.column_stack(
        [
            (draws[:, j] > item.probabilities(theta).cumsum(axis=1)[:, :-1]).sum(axis=1)
            for j, item in enumerate(bank.items)
        ]
    )


GRADED = np.array([1.2, 0.8, 1.5, 0.7, 1.0, 2.0, 1.6, 0.2, 1.1, 1.0, -0.3, 0.9])


@pytest.mark.parametrize("name, df", [("M2", 20), ("C2", 2)])
def test_polytomous_statistics_are_those_of_the_direct_formula(name, df):
    codes = simulated(graded_bank(GRADED), 400, 5)
    fit = limited_information_fit(graded_bank, GRADED, codes, statistic=name)
    assert fit.df == df
    patterns = all_patterns(graded_bank(GRADED))
    functions = moment_functions(graded_bank(GRADED), name, patterns)

    def probabilities(values):
        return pattern_probabilities(graded_bank(values), patterns, 60)

    jacobian = np.column_stack(
        [
            (probabilities(GRADED + h) - probabilities(GRADED - h)) @ functions / 2e-5
            for h in 1e-5 * np.eye(12)
        ]
    )
    observed = (codes[:, None] == patterns).all(axis=2).mean(axis=0)
    direct, degrees = direct_statistic(functions, probabilities(GRADED), observed, jacobian, 400)
    assert (fit.statistic, fit.df) == (pytest.approx(direct, rel=1e-6), degrees)


def test_without_degrees_of_freedom_there_is_no_test():
    codes = simulated(graded_bank(GRADED), 100, 5)
    with pytest.raises(SpecificationError, match="no degrees of freedom.*C2"):
        limited_information_fit(graded_bank, GRADED, codes)


def test_groups_with_parameters_of_their_own_add_up():
    first = lsat.fit(lsat.PATTERNS, lsat.LSAT7_WEIGHTS)
    other = lsat.LSAT7_WEIGHTS[::-1].copy()
    second = lsat.fit(1 - lsat.PATTERNS, other)
    codes = np.vstack([lsat.PATTERNS, 1 - lsat.PATTERNS])
    weights = np.concatenate([lsat.LSAT7_WEIGHTS, other])
    fit = limited_information_fit(
        lambda values, g: lsat.bank_at(values[10 * g : 10 * g + 10]),
        np.concatenate([first, second]),
        codes,
        weights=weights,
        groups=np.repeat([0, 1], 32),
    )
    alone = [
        limited_information_fit(lsat.bank_at, p, y, weights=w)
        for p, y, w in (
            (first, lsat.PATTERNS, lsat.LSAT7_WEIGHTS),
            (second, 1 - lsat.PATTERNS, other),
        )
    ]
    assert fit.statistic == pytest.approx(sum(f.statistic for f in alone), rel=1e-9)
    assert (fit.df, fit.null_df) == (10, 20)
    assert fit.null_statistic == pytest.approx(sum(f.null_statistic for f in alone), rel=1e-9)
    np.testing.assert_allclose(fit.srmsr, [f.srmsr[0] for f in alone])


def test_parameters_common_to_groups_are_counted_once():
    params = lsat.fit(lsat.PATTERNS, lsat.LSAT7_WEIGHTS)
    fit = limited_information_fit(
        lambda values, g: lsat.bank_at(values),
        params,
        np.vstack([lsat.PATTERNS] * 2),
        weights=np.tile(lsat.LSAT7_WEIGHTS, 2),
        groups=np.repeat([0, 1], 32),
    )
    alone = limited_information_fit(lsat.bank_at, params, lsat.PATTERNS, weights=lsat.LSAT7_WEIGHTS)
    # the same residuals twice: the part explained by parameters is the same share
    assert fit.df == 20
    assert fit.statistic == pytest.approx(2 * alone.statistic, rel=1e-8)


def test_missing_responses_are_refused_or_dropped():
    params = lsat.fit(lsat.PATTERNS, lsat.LSAT7_WEIGHTS)
    codes = lsat.PATTERNS.copy()
    codes[3, 2] = -1
    with pytest.raises(SpecificationError, match="7 persons have missing responses"):
        limited_information_fit(lsat.bank_at, params, codes, weights=lsat.LSAT7_WEIGHTS)
    fit = limited_information_fit(
        lsat.bank_at, params, codes, weights=lsat.LSAT7_WEIGHTS, missing="drop"
    )
    kept = np.arange(32) != 3
    same = limited_information_fit(
        lsat.bank_at, params, codes[kept], weights=lsat.LSAT7_WEIGHTS[kept]
    )
    assert (fit.n_dropped, fit.n_persons) == (7, 993)
    assert fit.statistic == pytest.approx(same.statistic)


def test_bad_input_is_named():
    params = lsat.fit(lsat.PATTERNS, lsat.LSAT7_WEIGHTS)
    arguments = (lsat.bank_at, params, lsat.PATTERNS)
    with pytest.raises(SpecificationError, match="frequencies"):
        limited_information_fit(*arguments, weights=np.full(32, 1.5))
    with pytest.raises(SpecificationError, match="statistic='M3'"):
        limited_information_fit(*arguments, statistic="M3")
    with pytest.raises(SpecificationError, match="missing='skip'"):
        limited_information_fit(*arguments, missing="skip")
    with pytest.raises(SpecificationError, match="no person"):
        limited_information_fit(*arguments[:2], np.full((3, 5), -1), missing="drop")
    indefinite = ItemBank(
        CORRELATED.items, CORRELATED.dimensions, CORRELATED.mean, np.array([[1.0, 2.0], [2.0, 1.0]])
    )
    with pytest.raises(SpecificationError, match="positive semidefinite"):
        conditional_items(indefinite)


def test_parameters_near_a_bound_get_short_steps_and_at_it_an_error():
    def bank_of(params):
        if params[1] < 0:
            raise SpecificationError("a variance is negative")
        return ItemBank(
            tuple(binary(f"i{j}", [1.0], 0.3 * j) for j in range(5)),
            mean=params[:1],
            covariance=params[1:, None],
        )

    near = limited_information_fit(bank_of, np.array([0.0, 5e-4]), lsat.PATTERNS)
    assert near.df == 13
    with pytest.raises(SpecificationError, match="edge of its range"):
        limited_information_fit(bank_of, np.array([0.0, 0.0]), lsat.PATTERNS)


@pytest.mark.parametrize("bank", [MIXED, BIFACTOR, CORRELATED], ids=["mixed", "bi", "2d"])
def test_derivatives_by_nodes_are_those_of_moments(bank):
    """Items that change alone, at given nodes, against differences of all moments."""

    def bank_of(params):
        items = list(bank.items)
        for j in (0, 1):
            items[j] = replace(items[j], intercepts=bank.items[j].intercepts + params[j])
        items[2] = replace(items[2], slopes=bank.items[2].slopes * (1 + params[2]))
        items[3] = replace(items[3], slopes=bank.items[3].slopes * (1 + params[2]))
        return ItemBank(tuple(items), bank.dimensions, bank.mean + params[3], bank.covariance)

    variables = ResponseVariables.of(bank, "C2")
    margins = Margins(variables, conditional_items(bank))
    jacobian = _jacobian(margins, bank_of, np.zeros(4))
    for k, h in enumerate(1e-5 * np.eye(4)):
        up, down = (
            Margins(variables, conditional_items(bank_of(sign * h))).expected() for sign in (1, -1)
        )
        column = ((up - down) / 2e-5)[variables.wanted]
        np.testing.assert_allclose(jacobian[:, k], column, atol=2e-9)
        assert np.abs(column).max() > 0.01


@pytest.mark.study
def test_m2_has_its_chi_square_distribution():
    params = lsat.fit(lsat.PATTERNS, lsat.LSAT7_WEIGHTS)
    statistics = []
    for seed in range(400):
        codes = simulated(lsat.bank_at(params), 5000, seed)
        weights = np.bincount(codes @ [16, 8, 4, 2, 1], minlength=32).astype(float)
        estimates = lsat.fit(lsat.PATTERNS, weights)
        fit = limited_information_fit(lsat.bank_at, estimates, lsat.PATTERNS, weights=weights)
        statistics.append(fit.statistic)
    assert kstest(statistics, chi2(5).cdf).pvalue > 0.01
    assert np.mean(statistics) == pytest.approx(5, abs=4 * np.sqrt(10 / 400))
