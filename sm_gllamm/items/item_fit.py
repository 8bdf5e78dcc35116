"""Fit of items: S-X2 from sum scores, infit and outfit at given latent variables."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.stats import chi2, false_discovery_control

from sm_gllamm.exceptions import SpecificationError
from sm_gllamm.items.bank import ItemBank
from sm_gllamm.items.latent_quadrature import ConditionalItems, conditional_items
from sm_gllamm.items.person_fit import response_moments, standardised

__all__ = ["ItemMeanSquares", "ScoreTable", "SumScoreFit", "item_mean_squares", "sum_score_fit"]

#: Probabilities of scores that are held at a time.
BLOCK = 4_000_000


@dataclass(frozen=True, slots=True)
class ScoreTable:
    """Responses to an item by sum scores.

    Attributes
    ----------
    scores : ndarray of int, shape (S,)
        Sum scores, without the lowest and the highest.
    observed, expected : ndarray, shape (S, K)
        Frequencies of persons.
    cells : tuple of tuple
        Cells after collapsing: (rows, categories) of the table that a cell adds up.
    """

    scores: np.ndarray
    observed: np.ndarray
    expected: np.ndarray
    cells: tuple[tuple[tuple[int, ...], tuple[int, ...]], ...]


@dataclass(frozen=True, slots=True)
class SumScoreFit:
    """S-X2 of all items; p-values and RMSEA are NaN where no degrees of freedom remain.

    Attributes
    ----------
    statistic : ndarray, shape (I,)
    df : ndarray of int, shape (I,)
        Cells less rows less estimated parameters of the item.
    p_value, p_adjusted : ndarray, shape (I,)
        The second after Benjamini and Hochberg (1995), for the false discovery rate.
    rmsea : ndarray, shape (I,)
        sqrt(max(S-X2 - df, 0) / (N df)).
    tables : tuple of ScoreTable
    n_persons : float
        Persons used: the sum of their frequencies.
    n_dropped : float
        Persons left out because a response is missing.
    """

    statistic: np.ndarray
    df: np.ndarray
    p_value: np.ndarray
    p_adjusted: np.ndarray
    rmsea: np.ndarray
    tables: tuple[ScoreTable, ...]
    n_persons: float
    n_dropped: float


@dataclass(frozen=True, slots=True)
class ItemMeanSquares:
    """Infit, outfit and Zh of items; NaN of items without responses.

    Attributes
    ----------
    zh : ndarray, shape (I,)
        Standardised log-likelihood of the responses to the item.
    outfit, infit : ndarray, shape (I,)
        Mean squares, expectation 1.
    z_outfit, z_infit : ndarray, shape (I,)
        The mean squares, transformed to be about standard normal.
    n_responses : ndarray, shape (I,)
    """

    zh: np.ndarray
    outfit: np.ndarray
    z_outfit: np.ndarray
    infit: np.ndarray
    z_infit: np.ndarray
    n_responses: np.ndarray


def _convolve(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Distributions of sums of two independent scores, node by node: last axes are scores."""
    total = np.zeros((*a.shape[:-1], a.shape[-1] + b.shape[-1] - 1))
    for k in range(b.shape[-1]):
        total[..., k : k + a.shape[-1]] += a * b[..., k, None]
    return total


def _all_but_one(distributions: list[np.ndarray]) -> list[np.ndarray]:
    """Distributions of the sum of all scores but one, for each of them."""
    one = np.ones((*distributions[0].shape[:-1], 1))
    before, after = [one], [one]
    for d in distributions[:-1]:
        before.append(_convolve(before[-1], d))
    for d in distributions[:0:-1]:
        after.append(_convolve(after[-1], d))
    return [_convolve(left, right) for left, right in zip(before, reversed(after), strict=True)]


def response_and_rest_score(conditional: ConditionalItems) -> dict[int, np.ndarray]:
    """Joint distributions of the response to an item and the sum score of all other items.

    Lord and Wingersky's recursion (1984), within testlets, then over testlets (Cai 2015,
    Psychometrika 80:535).

    Parameters
    ----------
    conditional : ConditionalItems

    Returns
    -------
    dict of ndarray, shape (K, R + 1)
        By the position of the item; R is the highest score on the other items.
    """
    n_scores = sum(p.shape[2] for t in conditional.testlets for p in t.probabilities)
    per_node = n_scores * sum(len(t.items) * len(t.weights) for t in conditional.testlets)
    step = max(1, BLOCK // per_node)
    total: dict[int, np.ndarray] = {}
    for start in range(0, len(conditional.weights), step):
        nodes = slice(start, start + step)
        for j, joint in _given_nodes(conditional, nodes):
            total[j] = total[j] + joint if j in total else joint
    return total


def _given_nodes(conditional: ConditionalItems, nodes: slice):
    """The part of the joint distributions that some nodes contribute: pairs of item and array."""
    weights = conditional.weights[nodes]
    inner, whole = [], []
    for t in conditional.testlets:
        here = [p[nodes] for p in t.probabilities]
        rests = _all_but_one(here)
        inner.append((here, rests))
        whole.append(np.einsum("nms,m->ns", _convolve(rests[0], here[0]), t.weights))
    others = _all_but_one(whole)
    for t, (probabilities, rests), other in zip(conditional.testlets, inner, others, strict=True):
        for j, p, rest in zip(t.items, probabilities, rests, strict=True):
            given = np.einsum("nmk,nms,m->kns", p, rest, t.weights, optimize=True)
            yield j, np.stack([weights @ _convolve(other, of_category) for of_category in given])


def _partition(expected: np.ndarray, minimum: float) -> list[list[int]]:
    """Adjacent categories joined until no cell expects less: the smallest with its smaller neighbour."""
    cells = [[k] for k in range(len(expected))]
    sizes = list(expected)
    while len(cells) > 1 and min(sizes) < minimum:
        at = int(np.argmin(sizes))
        neighbours = [k for k in (at - 1, at + 1) if 0 <= k < len(cells)]
        to = min(neighbours, key=lambda k: sizes[k])
        low, high = min(at, to), max(at, to)
        cells[low : high + 1] = [cells[low] + cells[high]]
        sizes[low : high + 1] = [sizes[low] + sizes[high]]
    return cells


def _collapse(expected: np.ndarray, minimum: float) -> list[tuple[list[int], list[list[int]]]]:
    """Rows of sum scores and cells within them, such that every cell expects enough persons.

    Categories are joined first (Kang & Chen 2008). A row left with one cell is joined with a
    neighbour: the outermost with the next towards the middle (Orlando & Thissen 2000), others with
    the neighbour with fewer persons.
    """
    rows = [[r] for r in range(len(expected))]
    while True:
        tables = [expected[row].sum(axis=0) for row in rows]
        cells = [_partition(table, minimum) for table in tables]
        poor = [r for r, cell in enumerate(cells) if len(cell) == 1]
        if not poor or len(rows) == 1:
            return [] if poor else list(zip(rows, cells, strict=True))
        at = poor[0]
        neighbours = [r for r in (at - 1, at + 1) if 0 <= r < len(rows)]
        to = min(neighbours, key=lambda r: tables[r].sum())
        low, high = min(at, to), max(at, to)
        rows[low : high + 1] = [rows[low] + rows[high]]


def sum_score_fit(
    bank: ItemBank,
    codes: np.ndarray,
    n_parameters: np.ndarray,
    *,
    weights: np.ndarray | None = None,
    min_expected: float = 1.0,
) -> SumScoreFit:
    """S-X2: responses to each item by sum score against their expectation.

    Parameters
    ----------
    bank : ItemBank
        Of one group.
    codes : ndarray of int, shape (N, number of items)
        Persons with a missing response, -1, are left out.
    n_parameters : ndarray of int, shape (number of items,)
        Estimated parameters of each item.
    weights : ndarray, shape (N,), optional
        Frequencies of persons.
    min_expected : float
        Cells that expect fewer persons are joined with neighbours.

    Returns
    -------
    SumScoreFit

    Raises
    ------
    SpecificationError
        If no person has all responses or there are less than three items.

    Notes
    -----
    With N_s persons of sum score s the expected frequency of category k is
    ``N_s integral P_k(theta) f(s - k | theta) / f(s)``, f the distribution of the score on the other
    items and of that on all of them (Orlando & Thissen 2000; Kang & Chen 2008). The
    lowest and the highest score are left out: they fix all responses.

    References
    ----------
    Orlando, M. & Thissen, D. (2000). Applied Psychological Measurement 24:50. (2003). Applied
    Psychological Measurement 27:289. Kang, T. & Chen, T. T. (2008). Journal of Educational
    Measurement 45:391.

    Examples
    --------
    >>> import numpy as np
    >>> from sm_gllamm.items.bank import Item, ItemBank
    >>> from sm_gllamm.items.item_fit import sum_score_fit
    >>> bank = ItemBank(tuple(
    ...     Item(f"i{j}", "binary", "Rasch", np.ones(1), np.zeros(1)) for j in range(3)))
    >>> codes = np.repeat(np.eye(3, dtype=int), [10, 10, 10], axis=0)
    >>> fit = sum_score_fit(bank, codes, np.ones(3, int))
    >>> fit.tables[0].expected[0]  # equal items: one third of those with score 1
    array([20., 10.])
    """
    codes = np.asarray(codes)
    if len(bank.items) < 3:
        raise SpecificationError(
            "S-X2 needs three items or more: with fewer, sum scores tell nothing"
        )
    w = np.ones(len(codes)) if weights is None else np.asarray(weights, dtype=float)
    complete = (codes >= 0).all(axis=1)
    dropped = float(w[~complete].sum())
    codes, w = codes[complete], w[complete]
    n = float(w.sum())
    if n == 0.0:
        raise SpecificationError(
            "S-X2 compares persons with equal sum scores: no person has responses to all items"
        )
    total = codes.sum(axis=1)
    highest = sum(item.n_categories - 1 for item in bank.items)
    frequencies = np.bincount(total, w, highest + 1)
    joint = response_and_rest_score(conditional_items(bank))
    statistic, df, tables = np.zeros(len(bank.items)), np.zeros(len(bank.items), int), []
    for j, item in enumerate(bank.items):
        probability = np.zeros((highest + 1, item.n_categories))
        observed = np.zeros_like(probability)
        for k in range(item.n_categories):
            probability[k : k + joint[j].shape[1], k] = joint[j][k]
            observed[:, k] = np.bincount(total, w * (codes[:, j] == k), highest + 1)
        # nobody has a score so improbable that its probability is zero in floating point
        margin = np.maximum(probability.sum(axis=1, keepdims=True), np.finfo(float).tiny)
        expected = frequencies[:, None] * probability / margin
        observed, expected = observed[1:-1], expected[1:-1]
        rows = _collapse(expected, min_expected)
        cells = [(tuple(row), tuple(cell)) for row, within in rows for cell in within]
        for row, cell in cells:
            where = np.ix_(row, cell)
            e = expected[where].sum()
            statistic[j] += (observed[where].sum() - e) ** 2 / e
        df[j] = len(cells) - len(rows) - n_parameters[j]
        tables.append(ScoreTable(np.arange(1, highest), observed, expected, tuple(cells)))
    known = df > 0
    p_value, p_adjusted, rmsea = (np.full(len(df), np.nan) for _ in range(3))
    p_value[known] = chi2.sf(statistic[known], df[known])
    rmsea[known] = np.sqrt(np.maximum(statistic - df, 0.0)[known] / (n * df[known]))
    if known.any():
        p_adjusted[known] = false_discovery_control(p_value[known])
    return SumScoreFit(statistic, df, p_value, p_adjusted, rmsea, tuple(tables), n, dropped)


def item_mean_squares(
    bank: ItemBank, codes: np.ndarray, theta: np.ndarray, weights: np.ndarray | None = None
) -> ItemMeanSquares:
    """Infit, outfit and Zh of items at given latent variables of the persons.

    Parameters
    ----------
    bank : ItemBank
    codes : ndarray of int, shape (N, number of items)
        -1 for a missing response, which is left out.
    theta : ndarray, shape (N, q)
        Latent variables of the persons, such as their EAP scores.
    weights : ndarray, shape (N,), optional
        Frequencies of persons.

    Returns
    -------
    ItemMeanSquares

    Raises
    ------
    SpecificationError
        If the latent variables of a person with responses are not finite.

    Notes
    -----
    Mean squares are those of the codes as scores; of nominal items these are arbitrary.

    References
    ----------
    Wright, B. D. & Masters, G. N. (1982). Rating Scale Analysis, ch. 5. Drasgow, F., Levine, M. V. &
    Williams, E. A. (1985). British Journal of Mathematical and Statistical Psychology 38:67.

    Examples
    --------
    >>> import numpy as np
    >>> from sm_gllamm.items.bank import Item, ItemBank
    >>> from sm_gllamm.items.item_fit import item_mean_squares
    >>> bank = ItemBank((Item("i", "binary", "Rasch", np.ones(1), np.zeros(1)),))
    >>> fit = item_mean_squares(bank, np.array([[0], [1]]), np.array([[0.0], [0.0]]))
    >>> fit.outfit
    array([1.])
    """
    w = np.ones(len(codes)) if weights is None else np.asarray(weights, dtype=float)
    columns = []
    for j, item in enumerate(bank.items):
        m = response_moments(item, codes[:, j], theta)
        own = w[m.persons]
        n, information = own.sum(), own @ m.variance
        with np.errstate(divide="ignore", invalid="ignore"):
            outfit = own @ (m.residual**2 / m.variance) / n
            infit = own @ m.residual**2 / information
            columns.append(
                (
                    (own @ (m.log_probability - m.log_mean)) / np.sqrt(own @ m.log_variance),
                    outfit,
                    standardised(outfit, (own @ (m.fourth / m.variance**2) / n - 1.0) / n),
                    infit,
                    standardised(infit, own @ (m.fourth - m.variance**2) / information**2),
                    n,
                )
            )
    return ItemMeanSquares(*np.array(columns).T)
