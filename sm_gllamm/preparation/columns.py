"""Columns read from data and columns added to data; messages name the column and the row."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from sm_gllamm.exceptions import SpecificationError

__all__ = [
    "column",
    "expand",
    "first_row",
    "missing_values",
    "numbers",
    "refuse_missing",
    "row_labels",
    "show",
]


def column(data: pd.DataFrame, name: Hashable) -> pd.Series:
    """A column of a data frame.

    Parameters
    ----------
    data : DataFrame
    name : hashable

    Returns
    -------
    Series

    Raises
    ------
    SpecificationError
        `data` is no data frame, has no such column, or several.
    """
    if not isinstance(data, pd.DataFrame):
        raise SpecificationError(
            f"data must be a pandas DataFrame, not {type(data).__name__}; convert it."
        )
    n_found = int((data.columns == name).sum())
    if n_found != 1:
        known = ", ".join(map(show, data.columns[:20]))
        raise SpecificationError(
            f"data has no column {show(name)}; its columns are {known}."
            if n_found == 0
            else f"data has {n_found} columns {show(name)}; rename them."
        )
    return data[name]


def missing_values(values: pd.Series) -> np.ndarray:
    """Where values are missing, a boolean array; whole numbers never are, which pandas goes to see."""
    if isinstance(values.dtype, np.dtype) and values.dtype.kind in "biu":
        return np.zeros(len(values), dtype=bool)
    return values.isna().to_numpy()


def numbers(values: Any, name: Hashable, missing: bool = False) -> np.ndarray:
    """Values as floating-point numbers.

    Parameters
    ----------
    values : array_like, shape (n,)
    name : hashable
        Of the variable, for messages.
    missing : bool
        Whether values may be missing.

    Returns
    -------
    ndarray of float64, shape (n,)
        NaN where a value is missing.

    Raises
    ------
    SpecificationError
        Not one column, not numeric, infinite, or missing where it may not.
    """
    series = values if isinstance(values, pd.Series) else _series(values, name)
    if series.dtype.kind in "cmM":
        raise SpecificationError(
            f"'{name}' is not numeric, for instance {show(series.iloc[0])}; convert it to numbers."
        )
    try:
        result = series.to_numpy(dtype=np.float64, na_value=np.nan)
    except (TypeError, ValueError):
        parsed = pd.to_numeric(series.astype(object), errors="coerce")
        example = series[(parsed.isna() & series.notna()).to_numpy()]
        shown = show((example if len(example) else series).iloc[0])
        raise SpecificationError(
            f"'{name}' is not numeric, for instance {shown}; convert it to numbers."
        ) from None
    if not missing:
        refuse_missing(np.isnan(result), name, series.index)
    if np.isinf(result).any():
        row = first_row(np.isinf(result), series.index)
        raise SpecificationError(
            f"'{name}' is infinite in row {row}; correct or leave out the row."
        )
    return result


def refuse_missing(missing: np.ndarray, name: Hashable, rows: pd.Index) -> None:
    """Refuse missing values.

    Parameters
    ----------
    missing : ndarray of bool, shape (n,)
    name : hashable
        Of the variable, for the message.
    rows : pandas.Index, length n
        Row labels, for the message.

    Raises
    ------
    SpecificationError
    """
    if missing.any():
        raise SpecificationError(
            f"'{name}' is missing in row {first_row(missing, rows)}; leave out the row."
        )


def row_labels(values: Any) -> pd.Index:
    """Row labels of a Series or data frame, row numbers of anything else.

    Parameters
    ----------
    values : array_like, shape (n,) or (n, k)

    Returns
    -------
    pandas.Index, length n
    """
    if isinstance(values, (pd.Series, pd.DataFrame)):
        return values.index
    return pd.RangeIndex(len(values))


def first_row(bad: np.ndarray, rows: pd.Index) -> str:
    """Label of the first bad row, as it reads in a message.

    Parameters
    ----------
    bad : ndarray of bool, shape (n,)
    rows : pandas.Index, length n

    Returns
    -------
    str
    """
    return show(rows[int(np.argmax(bad))])


def show(label: Any) -> str:
    """A label or value as it reads in a message.

    Parameters
    ----------
    label : object

    Returns
    -------
    str
    """
    if isinstance(label, tuple):
        return "(" + ", ".join(map(show, label)) + ")"
    return repr(label.item() if isinstance(label, np.generic) else label)


def expand(
    data: pd.DataFrame,
    source: np.ndarray,
    made: Mapping[str, Any],
    id: Hashable | None = None,
    without: Collection[Hashable] = (),
) -> pd.DataFrame:
    """Repeat rows of data and add columns.

    Parameters
    ----------
    data : DataFrame
    source : ndarray of intp, shape (n,)
        Position in `data` of each row of the result.
    made : mapping of name to array_like of shape (n,)
        Columns to add.
    id : hashable, optional
        Name of the column that gets the row label in `data`; the name of the index, or "row", if
        not given.
    without : collection of hashable
        Columns to leave out.

    Returns
    -------
    DataFrame
        Row label, columns made and columns kept, with rows numbered anew.

    Raises
    ------
    SpecificationError
        Data has a column of the name of one to be made.
    """
    if id is None:
        id = "row" if data.index.name is None else data.index.name
    kept = data.loc[:, [name not in without for name in data.columns]]
    for name in (id, *made):
        if name in kept.columns or (name == id and id in made):
            remedy = "give the column for row labels another name by id=, or " if name == id else ""
            raise SpecificationError(
                f"A column {show(name)} is to be made, but there is one already; {remedy}rename it."
            )
    labels = data.index.to_flat_index() if data.index.nlevels > 1 else data.index
    added = pd.DataFrame(dict(made))
    added.insert(0, id, labels.take(source))
    repeated = kept.take(source)
    repeated.index = added.index
    return pd.concat([added, repeated], axis=1)


def _series(values: Any, name: Hashable) -> pd.Series:
    if np.ndim(values) != 1:
        raise SpecificationError(
            f"'{name}' must be one column; it has {np.ndim(values)} dimensions."
        )
    return pd.Series(values)
