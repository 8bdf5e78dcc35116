"""What of the data belongs to which of several families: columns of the response, constants, row values."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from sm_gllamm.responses.registry import response_for

__all__ = [
    "NO_CONSTANT",
    "SETS",
    "USERS",
    "columns_of",
    "filled_ranks",
    "filled_rows",
    "filled_second_column",
    "has_bounds",
    "without_constants_of_members",
]

#: Layouts whose predictor has no constant: thresholds, or differences between alternatives.
NO_CONSTANT = ("cumulative", "sequential", "adjacent", "choice", "ranking", "best_worst")
#: Layouts that need to know which rows are one response.
SETS = ("choice", "ranking", "best_worst", "composite")
#: Layouts that use values with one entry a row.
USERS = {"sets": SETS, "entry": ("interval",), "parts": ("composite",), "links": ("composite",)}


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


def _rows_of_layouts(family, by: Any, layouts: tuple[str, ...]) -> np.ndarray:
    """Rows whose family has one of some layouts, a boolean array."""
    own = [k for k, one in family.members.items() if getattr(one, "layout", "plain") in layouts]
    return pd.Series(np.asarray(by, dtype=object)).isin(own).to_numpy()


def filled_rows(keyword: str, family, values: Any, by: Any):
    """Values with one entry a row without missing ones in the rows of families that do not use them.

    Parameters
    ----------
    keyword : {"sets", "entry", "parts", "links"}
    family : statsmodels family or Family
    values : Series, DataFrame or array_like, n rows
    by : array_like, shape (n,), or None
        Label of each row's family, of mixed responses.

    Returns
    -------
    As `values`, with 0 in the rows of other families where some are missing there.
    """
    if getattr(family, "members", None) is None or by is None:
        return values
    other = ~_rows_of_layouts(family, by, USERS[keyword])
    table = values if isinstance(values, pd.DataFrame) else pd.Series(values)
    lacking = table.isna().to_numpy()
    unused = lacking & (other[:, None] if lacking.ndim == 2 else other)
    if not unused.any():
        return values
    filled = table.astype(object).mask(unused, 0).infer_objects()
    return filled if isinstance(values, (pd.Series, pd.DataFrame)) else filled.to_numpy()


def filled_ranks(family, values: Any, by: Any = None):
    """Responses with 0 for missing ranks: not ranked, which is no missing value.

    Parameters
    ----------
    family : statsmodels family or Family
    values : Series, DataFrame or ndarray, n rows
    by : array_like, shape (n,), optional
        Label of each row's family, of mixed responses.
    """
    layout = getattr(family, "layout", "plain")
    if np.ndim(values) == 0:
        return values
    if layout == "mixed" and by is not None:
        ranks = _rows_of_layouts(family, by, ("ranking",))
    else:
        ranks = np.full(len(values), layout == "ranking")
    first = values
    if np.ndim(values) == 2:
        first = values.iloc[:, 0] if isinstance(values, pd.DataFrame) else values[:, 0]
    lacking = ranks & np.asarray(pd.isna(first))
    if not lacking.any():
        return values
    if isinstance(values, pd.Series):
        return values.mask(lacking, 0)
    if isinstance(values, pd.DataFrame):
        return values.assign(**{values.columns[0]: first.mask(lacking, 0)})
    out = np.array(values)
    out[lacking if out.ndim == 1 else (lacking, 0)] = 0
    return out


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
    """Columns but for the constants of families that have none: thresholds stand in, or they drop out.

    A column that is constant in the rows of every family is left out if it says nothing new about the
    families that have a constant.
    """
    keep = np.ones(exog.shape[1], dtype=bool)
    rows = {label: exog[by == label] for label in family.members}
    without = [
        label for label in rows if getattr(family.members[label], "layout", "") in NO_CONSTANT
    ]
    if not without or any(len(block) == 0 for block in rows.values()):
        return keep
    constant = np.all([np.all(block == block[:1], axis=0) for block in rows.values()], axis=0)
    values = {label: block[0] for label, block in rows.items()}
    others = np.array([values[label] for label in rows if label not in without])
    others = others.reshape(len(rows) - len(without), exog.shape[1])
    inside = np.any([values[label] != 0 for label in without], axis=0)
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
