"""Local dependence of pairs of items: Q3, LD X2 and residual correlations."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import xlogy
from scipy.stats import chi2

from sm_gllamm.exceptions import SpecificationError
from sm_gllamm.items.bank import ItemBank
from sm_gllamm.items.latent_quadrature import pair_probabilities
from sm_gllamm.items.person_fit import response_moments

__all__ = ["LocalDependence", "PairFit", "pair_fit", "q3"]


@dataclass(frozen=True, slots=True)
class LocalDependence:
    """Correlations of residuals at estimated latent variables; NaN on diagonals.

    Attributes
    ----------
    q3 : ndarray, shape (I, I)
        NaN too for items that less than two persons answered both.
    mean : float
        Mean over pairs of items: about -1 / (I - 1) without local dependence.
    adjusted : ndarray, shape (I, I)
        Q3 minus the mean.
    maximum : float
        Largest adjusted value, Q3,* of Christensen, Makransky & Horton (2017).
    n_persons : ndarray, shape (I, I)
        Persons with both responses.
    """

    q3: np.ndarray
    mean: float
    adjusted: np.ndarray
    maximum: float
    n_persons: np.ndarray


@dataclass(frozen=True, slots=True)
class PairFit:
    """Fit to the two-way tables of pairs of items; NaN on diagonals, shape (I, I) all.

    Attributes
    ----------
    x2, g2 : ndarray
        Pearson's and the likelihood-ratio statistic of Chen & Thissen (1997).
    df : ndarray of int
        (K_i - 1)(K_j - 1), which is approximate as parameters are estimated.
    p_value : ndarray
        Of x2.
    sign : ndarray
        1 if scores are more correlated than the model implies, else -1.
    standardised : ndarray
        (x2 - df) / sqrt(2 df).
    cramers_v : ndarray
        Signed.
    observed, expected, residual : ndarray
        Correlations of scores in the data and under the model, and the difference.
    n_persons : ndarray
        Persons with both responses.
    """

    x2: np.ndarray
    g2: np.ndarray
    df: np.ndarray
    p_value: np.ndarray
    sign: np.ndarray
    standardised: np.ndarray
    cramers_v: np.ndarray
    observed: np.ndarray
    expected: np.ndarray
    residual: np.ndarray
    n_persons: np.ndarray


def _several_items(bank: ItemBank) -> None:
    if len(bank.items) < 2:
        raise SpecificationError(
            "local dependence is one of pairs of items: there is one item only"
        )


def _without_diagonal(matrix: np.ndarray) -> np.ndarray:
    np.fill_diagonal(matrix, np.nan)
    return matrix


def q3(
    bank: ItemBank, codes: np.ndarray, theta: np.ndarray, weights: np.ndarray | None = None
) -> LocalDependence:
    """Correlations of residuals of pairs of items.

    Parameters
    ----------
    bank : ItemBank
    codes : ndarray of int, shape (N, number of items)
        -1 for a missing response; of each pair of items persons with both responses are used.
    theta : ndarray, shape (N, q)
        Latent variables of the persons: EAP scores.
    weights : ndarray, shape (N,), optional
        Frequencies of persons.

    Returns
    -------
    LocalDependence

    Raises
    ------
    SpecificationError
        If there is one item only, or latent variables are not finite.

    References
    ----------
    Yen, W. M. (1984). Applied Psychological Measurement 8:125. Christensen, K. B., Makransky, G. &
    Horton, M. (2017). Applied Psychological Measurement 41:178.

    Examples
    --------
    >>> import numpy as np
    >>> from sm_gllamm.items.bank import Item, ItemBank
    >>> from sm_gllamm.items.local_dependence import q3
    >>> bank = ItemBank(tuple(
    ...     Item(f"i{j}", "binary", "Rasch", np.ones(1), np.zeros(1)) for j in range(3)))
    >>> codes = np.array([[1, 1, 0], [0, 0, 1], [1, 1, 1], [0, 0, 0]])
    >>> theta = np.array([[0.3], [-0.3], [1.0], [-1.0]])
    >>> bool(q3(bank, codes, theta).q3[0, 1] > 0.99)
    True
    """
    _several_items(bank)
    w = np.ones(len(codes)) if weights is None else np.asarray(weights, dtype=float)
    residuals = np.zeros(codes.shape)
    for j, item in enumerate(bank.items):
        m = response_moments(item, codes[:, j], theta)
        residuals[m.persons, j] = m.residual
    present = (codes >= 0).astype(float)
    weighted = w[:, None] * present
    n = weighted.T @ present
    # sums over persons with both responses
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = (w[:, None] * residuals).T @ present / n
        square = (w[:, None] * residuals**2).T @ present / n - mean**2
        product = (w[:, None] * residuals).T @ residuals / n - mean * mean.T
        correlation = product / np.sqrt(square * square.T)
    correlation[n < 2] = np.nan
    correlation = 0.5 * (correlation + correlation.T)  # equal but for rounding
    _without_diagonal(correlation)
    pairs = correlation[np.triu_indices(len(correlation), 1)]
    pairs = pairs[~np.isnan(pairs)]
    average = float(pairs.mean()) if len(pairs) else np.nan
    maximum = float(pairs.max()) - average if len(pairs) else np.nan
    return LocalDependence(correlation, average, correlation - average, maximum, n)


def pair_fit(bank: ItemBank, codes: np.ndarray, weights: np.ndarray | None = None) -> PairFit:
    """Compares two-way tables of pairs of items with those the model implies.

    Parameters
    ----------
    bank : ItemBank
    codes : ndarray of int, shape (N, number of items)
        -1 for a missing response; of each pair of items persons with both responses are used,
        which is right if responses are missing completely at random.
    weights : ndarray, shape (N,), optional
        Frequencies of persons.

    Returns
    -------
    PairFit

    Raises
    ------
    SpecificationError
        If there is one item only.

    References
    ----------
    Chen, W.-H. & Thissen, D. (1997). Journal of Educational and Behavioral Statistics 22:265.

    Examples
    --------
    >>> import numpy as np
    >>> from sm_gllamm.items.bank import Item, ItemBank
    >>> from sm_gllamm.items.local_dependence import pair_fit
    >>> bank = ItemBank(tuple(
    ...     Item(f"i{j}", "binary", "Rasch", np.zeros(1), np.zeros(1)) for j in range(2)))
    >>> codes = np.repeat([[0, 0], [0, 1], [1, 0], [1, 1]], [30, 20, 20, 30], axis=0)
    >>> float(pair_fit(bank, codes).x2[0, 1].round(6))  # 4 cells: 5^2 / 25 each
    4.0
    """
    _several_items(bank)
    w = np.ones(len(codes)) if weights is None else np.asarray(weights, dtype=float)
    joint, item = pair_probabilities(bank)
    size = len(bank.items)
    categories = [np.arange(i.n_categories) for i in bank.items]
    indicators = np.hstack([codes[:, j, None] == k for j, k in enumerate(categories)]).astype(float)
    counts = (indicators * w[:, None]).T @ indicators
    columns = [np.flatnonzero(item == j) for j in range(size)]
    out = {
        name: np.full((size, size), np.nan) for name in ("x2", "g2", "observed", "expected", "n")
    }
    df = np.zeros((size, size), dtype=int)
    least = np.zeros((size, size))
    for i in range(size):
        for j in range(i + 1, size):
            observed = counts[np.ix_(columns[i], columns[j])]
            p = joint[np.ix_(columns[i], columns[j])]
            n = observed.sum()
            with np.errstate(divide="ignore", invalid="ignore"):
                values = {
                    "x2": np.sum((observed - n * p) ** 2 / (n * p)),
                    "g2": 2.0 * np.sum(xlogy(observed, observed / (n * p))),
                    "observed": _correlation(observed / n),
                    "expected": _correlation(p),
                    "n": n,
                }
            for name, value in values.items():
                out[name][i, j] = out[name][j, i] = value if n > 0 or name == "n" else np.nan
            df[i, j] = df[j, i] = (len(columns[i]) - 1) * (len(columns[j]) - 1)
            least[i, j] = least[j, i] = min(len(columns[i]), len(columns[j])) - 1
    residual = out["observed"] - out["expected"]
    sign = np.where(np.isnan(residual), np.nan, np.where(residual >= 0.0, 1.0, -1.0))
    with np.errstate(divide="ignore", invalid="ignore"):
        return PairFit(
            x2=out["x2"],
            g2=out["g2"],
            df=df,
            p_value=chi2.sf(out["x2"], df),
            sign=sign,
            standardised=(out["x2"] - df) / np.sqrt(2.0 * df),
            cramers_v=sign * np.sqrt(out["x2"] / (out["n"] * least)),
            observed=out["observed"],
            expected=out["expected"],
            residual=residual,
            n_persons=out["n"],
        )


def _correlation(table: np.ndarray) -> float:
    """Correlation of the codes of rows and columns of a table of proportions; NaN if one is constant."""
    a, b = np.arange(table.shape[0]), np.arange(table.shape[1])
    p, q = table.sum(axis=1), table.sum(axis=0)
    covariance = a @ table @ b - (a @ p) * (b @ q)
    return covariance / np.sqrt((a**2 @ p - (a @ p) ** 2) * (b**2 @ q - (b @ q) ** 2))
