"""What of the data belongs to which of several families: columns of the response, constants, entry times."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from sm_gllamm.responses.registry import response_for

__all__ = [
    "columns_of",
    "filled_entry",
    "filled_second_column",
    "has_bounds",
    "without_constants_of_members",
]


def has_bounds(family) -> bool:
    """Whether a response has two columns: a duration and an event, or bounds."""
    return getattr(family, "layout", "plain") == "interval" and family.censoring != "limits"


def filled_second_column(family, second: Any, by: Any):
    """The second column of a mixed response without missing values where families have none.

    Parameters
    ----------
    family : Mixed
    second : Series or ndarray, shape (n,)
    by : array_like, shape (n,)
        Label of each row's family.

    Returns
    -------
    As `second`, with 0 in place of missing values in the rows of families that have a single column.
    """
    lacking, family_of = np.asarray(pd.isna(second)), np.asarray(by, dtype=object)
    unused = np.zeros(len(lacking), dtype=bool)
    for label, member in family.members.items():
        here = family_of == label
        if has_bounds(member):
            continue
        if response_for(member)[1].kind == "binomial" and not lacking[here].all():
            # failures
            continue
        unused |= here
    if not (lacking & unused).any():
        return second
    if isinstance(second, pd.Series):
        return pd.to_numeric(second.astype(object).mask(lacking & unused, 0))
    return np.where(lacking & unused, 0.0, second)


def filled_entry(family, entry: Any, by: Any):
    """Times of late entry without missing values in the rows of families that have no durations.

    Parameters
    ----------
    family : statsmodels family or Family
    entry : Series or array_like, shape (n,)
    by : array_like, shape (n,), or None
        Label of each row's family, of mixed responses.
    """
    members = getattr(family, "members", None)
    if members is None or by is None:
        return entry
    timed = [k for k, one in members.items() if getattr(one, "layout", "plain") == "interval"]
    other = ~pd.Series(np.asarray(by, dtype=object)).isin(timed).to_numpy()
    return np.where(other, 0.0, np.asarray(entry, dtype=float))


def columns_of(member, values: np.ndarray, bounds: bool) -> np.ndarray:
    """Of two columns those that a family has.

    Failures of binomial counts are told from numbers that fill the column up, which are the same in
    all rows, by what else would make no sense: `bounds` says that other families need two columns.
    """
    if values.ndim == 1 or has_bounds(member):
        return values
    if response_for(member)[1].kind == "binomial":
        first, second = values.T
        single = bool(np.isin(first, (0, 1)).all() and (second == second[:1]).all())
        if second.any() and not (bounds and single):
            return values
    return values[:, 0]


def without_constants_of_members(family, exog: np.ndarray, by: np.ndarray) -> np.ndarray:
    """Columns but for the constants of ordinal families, whose constants are their thresholds.

    A column that is constant in the rows of every family is left out if it says nothing new about the
    families without thresholds.
    """
    keep = np.ones(exog.shape[1], dtype=bool)
    rows = {label: exog[by == label] for label in family.members}
    ordinal = [
        label for label in rows if getattr(family.members[label], "layout", "") == "cumulative"
    ]
    if not ordinal or any(len(block) == 0 for block in rows.values()):
        return keep
    constant = np.all([np.all(block == block[:1], axis=0) for block in rows.values()], axis=0)
    values = {label: block[0] for label, block in rows.items()}
    others = np.array([values[label] for label in rows if label not in ordinal])
    others = others.reshape(len(rows) - len(ordinal), exog.shape[1])
    inside = np.any([values[label] != 0 for label in ordinal], axis=0)
    chosen = np.flatnonzero(constant & ~inside)
    for k in np.flatnonzero(constant & inside):
        with_it = np.append(chosen, k)
        if _rank(others[:, with_it]) > _rank(others[:, chosen]):
            chosen = with_it
        else:
            keep[k] = False
    return keep


def _rank(values: np.ndarray) -> int:
    return int(np.linalg.matrix_rank(values)) if values.size else 0
