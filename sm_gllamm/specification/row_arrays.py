"""Values with one entry a row (offset, exposure, weights): column names or arrays, aligned."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from sm_gllamm.exceptions import SpecificationError
from sm_gllamm.specification.evaluation import did_you_mean

__all__ = ["align", "column", "numeric_rows", "select_rows", "weights_by_level"]


def column(data: pd.DataFrame, name: Any, role: str) -> pd.Series:
    """A column of a data frame, or an error that names its role and similar columns."""
    if name not in data.columns:
        raise SpecificationError(
            f"{role}: the data have no column {name!r}{did_you_mean(str(name), data.columns)}"
        )
    values = data[name]
    if values.ndim > 1:
        raise SpecificationError(
            f"{role}: the data have more than one column {name!r}; rename one."
        )
    return values


def align(values: Any, index: pd.Index | None, nobs: int, role: str) -> Any:
    """Put a Series or DataFrame in the order of an index; check the length of anything else.

    Parameters
    ----------
    values : array_like, Series, or DataFrame
    index : pandas.Index or None
        Row labels of the data; None when they have none.
    nobs : int
    role : str
        What the values are, for messages.

    Returns
    -------
    The values, a Series or DataFrame with rows in the order of `index`.

    Raises
    ------
    SpecificationError
        Wrong length, or row labels other than the data's.
    """
    if isinstance(values, str) or not hasattr(values, "__len__") or np.ndim(values) == 0:
        raise SpecificationError(
            f"{role} is {values!r}; give one value for each of the {nobs} rows of the data."
        )
    length = len(values)
    if length != nobs:
        raise SpecificationError(
            f"{role} has {length} entries, the data have {nobs} rows; give one for each row of the "
            "data (before any subset or dropping of missing rows)."
        )
    if index is None or not isinstance(values, (pd.Series, pd.DataFrame)):
        return values
    if values.index.equals(index):
        return values
    if not (values.index.is_unique and index.is_unique):
        raise SpecificationError(
            f"{role} has row labels other than the data's, and labels occur more than once, so "
            "that the two cannot be matched. Use a column of the data, or pass the values as an "
            "array."
        )
    unmatched = index.difference(values.index, sort=False)
    if len(unmatched):
        raise SpecificationError(
            f"{role} has row labels other than the data's: it lacks {unmatched[0]!r}. Use a column "
            "of the data, or pass the values as an array."
        )
    return values.reindex(index)


def numeric_rows(value: Any, data: pd.DataFrame, role: str) -> np.ndarray:
    """One float for each row of the data, from a column name or from values.

    Parameters
    ----------
    value : str, Series, or array_like of shape (nobs,)
        A Series is aligned on its index.
    data : DataFrame, nobs rows
    role : str
        What the values are, for messages.

    Returns
    -------
    ndarray of float64, shape (nobs,)
        NaN where a value is missing.

    Raises
    ------
    SpecificationError
        No such column, wrong length, not numeric, or infinite.
    """
    if isinstance(value, str):
        role = f"{role} '{value}'"
        value = column(data, value, role)
    elif np.ndim(value) != 1:
        raise SpecificationError(
            f"{role} must be the name of a column or one-dimensional, with one value for each row."
        )
    value = align(value, data.index, len(data), role)
    try:
        numbers = pd.Series(np.asarray(value) if not isinstance(value, pd.Series) else value)
        array = numbers.to_numpy(dtype=np.float64, na_value=np.nan)
    except (TypeError, ValueError):
        raise SpecificationError(f"{role} is not numeric; convert it by pd.to_numeric.") from None
    infinite = np.isinf(array)
    if infinite.any():
        row = data.index[int(np.argmax(infinite))]
        raise SpecificationError(f"{role} is infinite in row {row!r}.")
    return array


def weights_by_level(
    weights: Any, data: pd.DataFrame, levels: Sequence[str], role: str
) -> dict[str, np.ndarray]:
    """Weights of rows and clusters as arrays with one entry a row.

    Parameters
    ----------
    weights : None, str, array_like of shape (n,), or dict of level name to either
    data : DataFrame, n rows
    levels : sequence of str
        Names of the model's levels; a nested level ``"a:b"`` may be called ``"b"``, too.
    role : str
        Name of the argument, for messages.

    Returns
    -------
    dict of str to ndarray of float64, shape (n,)

    Raises
    ------
    SpecificationError
    """
    if weights is None:
        return {}
    if not isinstance(weights, Mapping):
        weights = {"row": weights}
    resolved = {}
    for key, value in weights.items():
        matching = [name for name in levels if name == key or name.rsplit(":", 1)[-1] == key]
        if key in levels or key == "row":
            matching = [key]
        if len(matching) != 1:
            raise SpecificationError(
                f"{role} names level {key!r}, which the model does not have"
                f"{did_you_mean(str(key), ['row', *levels])}"
            )
        if matching[0] in resolved:
            raise SpecificationError(f"{role} names level {matching[0]!r} twice.")
        resolved[matching[0]] = numeric_rows(value, data, f"{role}[{key!r}]")
    return resolved


def select_rows(data: pd.DataFrame, subset: Any) -> np.ndarray:
    """Positions of the rows that `subset` keeps.

    Parameters
    ----------
    data : DataFrame
    subset : None, str, or anything ``data.loc`` takes
        A string is an expression such as ``"age > 20"``, true for the rows to keep; otherwise
        booleans or row labels.

    Returns
    -------
    ndarray of intp
    """
    if not len(data):
        raise SpecificationError("The data have no rows.")
    positions = np.arange(len(data), dtype=np.intp)
    if subset is None:
        return positions
    try:
        chosen = data.eval(subset) if isinstance(subset, str) else subset
        kept = pd.Series(positions, index=data.index).loc[chosen]
    except Exception as error:  # pandas raises anything from KeyError to SyntaxError here
        raise SpecificationError(f"subset cannot be applied to the data: {error}") from error
    kept = np.atleast_1d(np.asarray(kept, dtype=np.intp))
    if not kept.size:
        raise SpecificationError("subset leaves no row of the data.")
    return kept
