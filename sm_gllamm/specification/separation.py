"""Perfect separation of binary and of ordered responses, found by linear programming."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.optimize import linprog

__all__ = ["separated_columns", "separated_ordered"]

# of covariates scaled to a largest absolute value of one; the solver keeps constraints to 1e-7
_MARGIN = 1e-5
# Distinct rows times squared columns up to which columns are left out one at a time: a second's work.
_BUDGET = 200_000


def separated_columns(endog: np.ndarray, exog: np.ndarray, names: Sequence[str]) -> tuple[str, ...]:
    """Name the covariates that predict a binary response perfectly, at least in some rows.

    Parameters
    ----------
    endog : ndarray, shape (nobs,) of 0 and 1, or (nobs, 2) of successes and failures
    exog : ndarray, shape (nobs, k)
    names : sequence of str, length k

    Returns
    -------
    tuple of str
        Columns with a combination that separates; empty if there is none. A constant column is
        left out unless it is the only one.

    Notes
    -----
    The response is separated, completely or quasi-completely (Albert & Anderson, 1984, Biometrika
    71, 1-10), if and only if some b has s_i x_i'b >= 0 in every row and > 0 in one, with s_i = 1
    for rows of successes, -1 for rows of failures, and x_i'b = 0 in rows that have both. It is
    found by maximising the sum of s_i x_i'b over -1 <= b <= 1 (Konis, 2007, Linear programming
    algorithms for detecting separated data in binary logistic regression models, DPhil thesis,
    University of Oxford). Then columns are left out as long as a separating combination remains,
    so that only those needed are named; in large problems, all columns of the combination are.

    Call this when coefficients run away in a fit: it solves up to k + 1 linear programs for each
    separating combination.

    Examples
    --------
    >>> import numpy as np
    >>> from sm_gllamm.specification.separation import separated_columns
    >>> x = np.column_stack([np.ones(6), [1, 2, 3, 4, 5, 6], [0, 1, 0, 1, 0, 1]])
    >>> separated_columns(np.array([0, 0, 0, 1, 1, 1]), x, ["const", "dose", "female"])
    ('dose',)
    """
    signed, mixed = _distinct_rows(
        np.asarray(endog, dtype=np.float64), np.asarray(exog, np.float64)
    )
    k = len(names)
    constant = {j for j in range(k) if np.ptp(exog[:, j]) == 0} if len(exog) else set()
    available = list(range(k))
    involved: set[int] = set()
    if (len(signed) + len(mixed)) * k**2 > _BUDGET:
        combination = _separating(signed, mixed, available)
        involved = set() if combination is None else set(np.flatnonzero(combination).tolist())
        available = []
    while _separates(signed, mixed, available):
        needed = _minimal(signed, mixed, available, constant)
        involved.update(needed)
        if not needed - constant:
            break
        available = [j for j in available if j not in needed - constant]
    shown = involved - constant or involved
    return tuple(names[j] for j in sorted(shown))


def separated_ordered(
    codes: np.ndarray, exog: np.ndarray, names: Sequence[str], sequential: bool = False
) -> tuple[str, ...]:
    """Name the covariates that predict ordered categories perfectly, at least in some rows.

    Parameters
    ----------
    codes : ndarray, shape (nobs,)
        Categories from 0 on, each of which occurs.
    exog : ndarray, shape (nobs, k)
        Without a constant.
    names : sequence of str, length k
    sequential : bool
        Whether the model is one of continuation ratios, not of cumulative probabilities.

    Returns
    -------
    tuple of str
        Empty if there is no combination of the columns that separates.

    Notes
    -----
    The likelihood of a row in category c rises for ever with the distances of its predictor to the
    thresholds below and above, and with them that of the binary responses "beyond c - 1" and "beyond c"
    (of continuation ratios, "beyond s" for all s up to c), each with a constant of its own. So the
    responses are separated if these binary ones are.

    Examples
    --------
    >>> import numpy as np
    >>> from sm_gllamm.specification.separation import separated_ordered
    >>> x = np.column_stack([[1, 2, 3, 4, 5, 6], [0, 1, 0, 1, 0, 1]])
    >>> separated_ordered(np.array([0, 0, 1, 1, 2, 2]), x, ["dose", "female"])
    ('dose',)
    """
    codes = np.asarray(codes, dtype=np.intp)
    steps = np.arange(codes.max())
    first = np.zeros(len(codes)) if sequential else codes - 1
    row, step = np.nonzero((steps >= first[:, None]) & (steps <= codes[:, None]))
    constants = -(step[:, None] == steps).astype(float)
    stacked = np.column_stack([np.asarray(exog, dtype=float)[row], constants])
    labels = [*names, *([""] * len(steps))]
    found = separated_columns((codes[row] > step).astype(float), stacked, labels)
    return tuple(name for name in found if name)


def _minimal(
    signed: np.ndarray, mixed: np.ndarray, available: Sequence[int], constant: set[int]
) -> set[int]:
    """A smallest separating set of columns, in that none can be left out."""
    needed = list(available)
    # constants last: with them goes the threshold that lets a single covariate separate
    for j in sorted(available, key=lambda column: column in constant):
        fewer = [column for column in needed if column != j]
        if fewer and _separates(signed, mixed, fewer):
            needed = fewer
    return set(needed)


def _separates(signed: np.ndarray, mixed: np.ndarray, columns: Sequence[int]) -> bool:
    """Whether a combination of the columns separates; rows are s_i x_i, and x_i of mixed rows."""
    return _separating(signed, mixed, columns) is not None


def _separating(signed: np.ndarray, mixed: np.ndarray, columns: Sequence[int]) -> np.ndarray | None:
    """Coefficients of a separating combination of the columns, None if there is none."""
    if not columns or not len(signed):
        return None
    margins = signed[:, columns]
    solution = linprog(
        -margins.sum(axis=0),
        A_ub=-margins,
        b_ub=np.zeros(len(margins)),
        A_eq=mixed[:, columns] if len(mixed) else None,
        b_eq=np.zeros(len(mixed)) if len(mixed) else None,
        bounds=(-1.0, 1.0),
        method="highs",
    )
    if not solution.success or (margins @ solution.x).max() <= _MARGIN:
        return None
    return np.where(np.abs(solution.x) > _MARGIN, solution.x, 0.0)


def _distinct_rows(endog: np.ndarray, exog: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Distinct rows s_i x_i of one-sided rows and x_i of mixed ones, columns scaled to one."""
    scale = np.abs(exog).max(axis=0, initial=0.0)
    scaled = exog / np.where(scale > 0, scale, 1.0)
    if endog.ndim == 2:
        successes, failures = endog.T
    else:
        successes, failures = endog, 1 - endog
    sign = (successes > 0).astype(np.float64) - (failures > 0)
    mixed = scaled[(successes > 0) & (failures > 0)]
    one_sided = sign != 0
    signed = scaled[one_sided] * sign[one_sided, None]
    return np.unique(signed, axis=0), np.unique(mixed, axis=0)
