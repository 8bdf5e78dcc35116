"""Distribution of sum scores, and what a sum score says about the latent variables."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import logsumexp

from sm_gllamm.exceptions import SpecificationError
from sm_gllamm.items.bank import ItemBank
from sm_gllamm.items.equally_spaced import equally_spaced

__all__ = [
    "SumScores",
    "expected_score",
    "log_score_probabilities",
    "score_probabilities",
    "sum_scores",
    "theta_at_score",
]

#: By number of latent variables, in prior SDs: first and least distance of nodes, the outermost one.
SPACING = {1: (0.2, 0.002), 2: (0.4, 0.05), 3: (0.6, 0.15), 4: (0.9, 0.55), 5: (1.1, 0.85)}
REACH = {1: 9.0, 2: 8.0, 3: 7.0, 4: 6.0, 5: 5.2}
#: Logarithm of the largest posterior density, relative to the highest, at which nodes may end.
EDGE = {1: -27.0, 2: -25.0, 3: -20.0, 4: -14.0, 5: -10.0}
#: Change of moments in prior SDs, from one spacing to the next, that ends the search.
AGREEMENT = 1e-8
#: Prior SDs beyond which nodes never go.
FARTHEST = 60.0
#: Expected scores this near to their limits have no finite latent variable.
AT_LIMIT = 1e-12


@dataclass(frozen=True, slots=True)
class SumScores:
    """All sum scores of a bank, from 0 to the largest, S in number; q latent variables.

    Attributes
    ----------
    score : ndarray of int, shape (S,)
    probability : ndarray, shape (S,)
        In the population.
    eap : ndarray, shape (S, q)
        Mean of the latent variables given the sum score.
    sd : ndarray, shape (S, q)
        Their SD given the sum score.
    covariance : ndarray, shape (S, q, q)
    """

    score: np.ndarray
    probability: np.ndarray
    eap: np.ndarray
    sd: np.ndarray
    covariance: np.ndarray


def log_score_probabilities(bank: ItemBank, theta: np.ndarray) -> np.ndarray:
    """Log-probabilities of sum scores given the latent variables.

    The recursion of Lord & Wingersky (1984), for polytomous items as in Thissen, Pommerich, Billeaud
    & Williams (1995, Applied Psychological Measurement 19:39): scores of the first j items are sums
    of those of the first j - 1 and of the code of item j. On the scale of logarithms, so that scores
    that are next to impossible keep their relative accuracy.

    Parameters
    ----------
    bank : ItemBank
    theta : array_like, shape (m, q)

    Returns
    -------
    ndarray, shape (m, S)
        Of the scores 0, ..., S - 1, the sum of the largest codes.
    """
    theta = _points(bank, theta)
    total = np.zeros((len(theta), 1))
    for item in bank.items:
        log_p = item.log_probabilities(theta)
        longer = np.full((len(theta), total.shape[1] + item.n_categories - 1), -np.inf)
        for k in range(item.n_categories):
            part = longer[:, k : k + total.shape[1]]
            np.logaddexp(part, total + log_p[:, k : k + 1], out=part)
        total = longer
    return total


def score_probabilities(bank: ItemBank, theta: np.ndarray) -> np.ndarray:
    """Probabilities of sum scores given the latent variables; see :func:`log_score_probabilities`.

    Parameters
    ----------
    bank : ItemBank
    theta : array_like, shape (m, q)

    Returns
    -------
    ndarray, shape (m, S)
    """
    return np.exp(log_score_probabilities(bank, theta))


def sum_scores(
    bank: ItemBank, mean: np.ndarray | None = None, covariance: np.ndarray | None = None
) -> SumScores:
    """Probability of each sum score, and mean and SD of the latent variables given it.

    Parameters
    ----------
    bank : ItemBank
    mean : ndarray, shape (q,), optional
        Of the latent variables in the population; the bank's by default.
    covariance : ndarray, shape (q, q), optional
        The bank's by default; it may be singular.

    Returns
    -------
    SumScores

    Raises
    ------
    SpecificationError
        If there are more than five latent variables.

    Notes
    -----
    The sum score is that of complete responses. Integrals are sums over equally spaced nodes that
    get denser, and reach further, until nothing changes: to 1e-8 with up to three latent variables,
    about 1e-4 with five.

    References
    ----------
    Thissen, D., Pommerich, M., Billeaud, K. & Williams, V. S. L. (1995). Item response theory for
    scores on tests including polytomous items with ordered responses. Applied Psychological
    Measurement, 19, 39-49.

    Examples
    --------
    >>> from sm_gllamm.items.bank import Item, ItemBank
    >>> from sm_gllamm.items.sum_scores import sum_scores
    >>> bank = ItemBank(tuple(
    ...     Item(f"i{j}", "binary", "Rasch", [1.0], [1.0 - j]) for j in range(3)))
    >>> table = sum_scores(bank)
    >>> table.eap.ravel().round(3)
    array([-0.959, -0.315,  0.315,  0.959])
    >>> table.probability.round(3)
    array([0.158, 0.342, 0.342, 0.158])
    """
    q = len(bank.dimensions)
    if q not in SPACING:
        raise SpecificationError(
            f"Sum scores of a bank of {q} latent variables need integrals of {q} dimensions; up to "
            f"{max(SPACING)} are possible. Select the items of some of them."
        )
    mean = bank.mean if mean is None else np.asarray(mean, dtype=float)
    covariance = bank.covariance if covariance is None else np.asarray(covariance, dtype=float)
    if mean.shape != (q,) or covariance.shape != (q, q):
        raise SpecificationError(
            f"Mean and covariance of {q} latent variables have the shapes ({q},) and ({q}, {q}), not "
            f"{mean.shape} and {covariance.shape}."
        )
    values, vectors = np.linalg.eigh(covariance)
    root = vectors * np.sqrt(np.maximum(values, 0.0))
    spacing, least = SPACING[q]
    reach, before = REACH[q], None
    while True:
        log_sum, m, v, ends = _by_lattice(bank, mean, root, spacing, reach)
        if ends and reach < FARTHEST:
            reach *= 1.25
            continue
        if before is not None:
            gap = max(np.abs(m - before[0]).max(), np.abs(v - before[1]).max())
            if gap < AGREEMENT or spacing * 0.7 < least:
                break
        before, spacing = (m, v), spacing * 0.7
    covariances = root @ v @ root.T
    sd = np.sqrt(np.maximum(np.einsum("srr->sr", covariances), 0.0))
    # nodes have no weights of their own: their sum is that of all scores
    probability = np.exp(log_sum - logsumexp(log_sum))
    return SumScores(np.arange(len(m)), probability, mean + m @ root.T, sd, covariances)


def _by_lattice(bank, mean, root, spacing, reach):
    """Log-sums by score with means and covariances of z, and whether densities go on at the edge."""
    q = len(mean)
    log_sum = first = second = highest = edge = None
    for z in equally_spaced(q, spacing, reach):
        log_p = log_score_probabilities(bank, mean + z @ root.T)
        log_p -= 0.5 * (z**2).sum(axis=1, keepdims=True)
        outer = np.linalg.norm(z, axis=1) > reach - spacing
        top, last = log_p.max(axis=0), log_p[outer].max(axis=0, initial=-np.inf)
        part = logsumexp(log_p, axis=0)
        share = np.exp(log_p - part)
        m = share.T @ z
        mm = np.einsum("ms,mr,mt->srt", share, z, z, optimize=True)
        if log_sum is None:
            log_sum, first, second, highest, edge = part, m, mm, top, last
            continue
        total = np.logaddexp(log_sum, part)
        old, new = np.exp(log_sum - total), np.exp(part - total)
        first = old[:, None] * first + new[:, None] * m
        second = old[:, None, None] * second + new[:, None, None] * mm
        log_sum, highest, edge = total, np.maximum(highest, top), np.maximum(edge, last)
    shift = first[:, :, None] * first[:, None, :]
    return log_sum, first, second - shift, bool((edge - highest > EDGE[q]).any())


def expected_score(bank: ItemBank, theta: np.ndarray) -> np.ndarray:
    """Expected sum score given the latent variables: the test characteristic curve.

    Parameters
    ----------
    bank : ItemBank
    theta : array_like, shape (m, q)

    Returns
    -------
    ndarray, shape (m,)
    """
    theta = _points(bank, theta)
    total = np.zeros(len(theta))
    for item in bank.items:
        total += item.expected_score(theta)
    return total


def theta_at_score(bank: ItemBank, score: np.ndarray) -> np.ndarray:
    """The latent variable at which a sum score is expected: the inverse of :func:`expected_score`.

    Parameters
    ----------
    bank : ItemBank
        Of one latent variable, on which expected scores of all items increase.
    score : array_like, shape (m,)
        Between 0 and the largest sum score; not necessarily whole numbers.

    Returns
    -------
    ndarray, shape (m,)
        Infinite at and beyond the limits of the curve: 0, or the sum of lower asymptotes, and the
        largest score, or the sum of upper asymptotes.

    Raises
    ------
    SpecificationError
        If there are several latent variables, the expected score of an item does not increase, or a
        score is none of the test's.

    Examples
    --------
    >>> from sm_gllamm.items.bank import Item, ItemBank
    >>> from sm_gllamm.items.sum_scores import theta_at_score
    >>> bank = ItemBank(tuple(
    ...     Item(f"i{j}", "binary", "Rasch", [1.0], [1.0 - j]) for j in range(3)))
    >>> theta_at_score(bank, [0.0, 1.0, 1.5]).round(3) + 0.0
    array([ -inf, -0.803,  0.   ])
    """
    if len(bank.dimensions) > 1:
        raise SpecificationError(
            f"Expected scores have no inverse for {len(bank.dimensions)} latent variables: many of "
            "their values have the same expected score."
        )
    score = np.asarray(score, dtype=float)
    largest = sum(item.n_categories - 1 for item in bank.items)
    if score.ndim != 1 or not ((score >= 0.0) & (score <= largest)).all():
        raise SpecificationError(f"Scores must be a list of numbers between 0 and {largest}.")
    for item in bank.items:
        slopes = np.diff(item.slopes[:, 0]) if item.form == "divide" else item.slopes
        # the slope of E(y) of "divide" is the covariance of codes and slopes
        if np.any(slopes < 0.0) or not np.any(slopes > 0.0):
            raise SpecificationError(
                f"The expected score of item {item.name!r} does not increase with the latent "
                "variable: there may be no inverse. Recode the item, or leave it out."
            )
    floor = sum(item.lower for item in bank.items if item.form == "binary")
    ceiling = largest - sum(1.0 - item.upper for item in bank.items if item.form == "binary")
    slack = AT_LIMIT * max(largest, 1)
    below, above = score <= floor + slack, score >= ceiling - slack
    inside = ~below & ~above
    low, high = np.full(len(score), -1.0), np.full(len(score), 1.0)
    for _ in range(60):
        far = inside & (expected_score(bank, low[:, None]) > score)
        near = inside & (expected_score(bank, high[:, None]) < score)
        if not far.any() and not near.any():
            break
        low[far] *= 2.0
        high[near] *= 2.0
    # 200 halvings of any bracket end at neighbouring numbers, most of them long before
    for _ in range(200):
        middle = 0.5 * (low + high)
        if np.all((middle == low) | (middle == high) | ~inside):
            break
        less = expected_score(bank, middle[:, None]) < score
        low, high = np.where(less, middle, low), np.where(less, high, middle)
    return np.where(below, -np.inf, np.where(above, np.inf, 0.5 * (low + high)))


def _points(bank, theta):
    theta = np.asarray(theta, dtype=float)
    if theta.ndim != 2 or theta.shape[1] != len(bank.dimensions):
        raise SpecificationError(
            f"theta of shape {theta.shape} must have the shape (m, {len(bank.dimensions)}): one row a "
            "point, one column a latent variable."
        )
    return theta
