"""Columns of a data frame as the formula libraries ought to see them, on both sides of a formula."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from sm_gllamm.exceptions import SpecificationError
from sm_gllamm.specification.grouping import show_label

__all__ = [
    "as_fitted",
    "framed",
    "numeric_response",
    "plain_columns",
    "refuse_numbers_as_objects",
    "used_columns",
]

# formulaic's wildcard "all other columns": a full stop that belongs to no name and no number
_WILDCARD = re.compile(r"(?<![\w.)\]])\.(?![\w.])")


def used_columns(formula: str, frame: pd.DataFrame) -> list[Any]:
    """Columns that a formula may refer to; the libraries copy what they are given."""
    if _WILDCARD.search(formula):
        used = list(frame.columns)
    else:
        used = [column for column in frame.columns if str(column) in formula]
    for column in used:
        if used.count(column) > 1:
            raise SpecificationError(f"The data have more than one column {column!r}; rename one.")
    return used


def plain_columns(frame: pd.DataFrame, names: Iterable[Any]) -> dict[Any, pd.Series]:
    """Columns by name, pandas' nullable ones as NumPy's, which patsy can read: it stops at NA."""
    return {name: _plain(frame[name]) for name in names}


def _plain(values: pd.Series) -> pd.Series:
    dtype = values.dtype
    if isinstance(dtype, np.dtype):
        if dtype.kind == "O" and len(values) and values.isna().all():
            return pd.Series(np.nan, index=values.index)
        return values
    if getattr(dtype, "na_value", None) is not pd.NA:
        return values
    if pd.api.types.is_numeric_dtype(dtype) and not pd.api.types.is_bool_dtype(dtype):
        return pd.Series(values.to_numpy(dtype=np.float64, na_value=np.nan), index=values.index)
    plain = pd.Series(
        values.to_numpy(dtype=object, na_value=None), index=values.index, dtype=object
    )
    return plain if values.isna().any() else plain.infer_objects()


def framed(columns: Mapping[Any, pd.Series], index: pd.Index) -> pd.DataFrame:
    """Columns as a data frame, on the same memory."""
    return pd.DataFrame(dict(columns), index=index, copy=False)


def refuse_numbers_as_objects(values: pd.Series, column: Any) -> None:
    """Numbers in an object column would silently become a factor with a level for each value."""
    if values.dtype != object:
        return
    kind = pd.api.types.infer_dtype(values, skipna=True)
    if kind in ("integer", "floating", "mixed-integer-float", "decimal"):
        raise SpecificationError(
            f"Column {column!r} holds numbers but has dtype object, so that formulas take it for a "
            f"factor. Convert it: data[{column!r}] = pd.to_numeric(data[{column!r}]), or to "
            "'category' if it is one."
        )


def numeric_response(left: pd.DataFrame, spec: Any, order: Sequence[str]) -> pd.DataFrame:
    """The response as numbers, its columns in the order of the formula.

    Parameters
    ----------
    left : DataFrame
        The formula library's columns: patsy turns a Boolean into two, and puts them first.
    spec : object
        The library's record of them.
    order : sequence of str
        Terms of the left-hand side as they stand in the formula.

    Returns
    -------
    DataFrame
        One column a term; Booleans and factors with the levels 0 and 1 are numbers.

    Raises
    ------
    SpecificationError
        Another factor.
    """
    factors = {name: levels for name, levels in _factors(spec) if levels is not None}
    for name, levels in factors.items():
        if not set(levels) <= {False, True}:
            raise SpecificationError(_not_numeric(name, levels))
    if not factors:
        return left
    # a constant column stands for it if only the level 0 is there
    zero = pd.Series(0.0, index=left.index)
    columns = {}
    for name in order:
        if name in factors:
            codes = (f"{name}[{x}{level}]" for level in factors[name] if level for x in ("", "T."))
            values = next((left[code] for code in codes if code in left.columns), zero)
        elif name in left.columns:
            values = left[name]
        else:
            raise SpecificationError(
                f"The left-hand side of the formula has {name!r}, which is not a single column of "
                "numbers; list columns with '+' between them."
            )
        columns[name] = np.asarray(values, dtype=np.float64)
    return pd.DataFrame(columns, index=left.index)


def _not_numeric(name: str, levels: list[Any]) -> str:
    shown = ", ".join(repr(level) for level in levels[:3]) + (", ..." if len(levels) > 3 else "")
    remedy = (
        f"write I({name} == {levels[-1]!r}) for the probability of {levels[-1]!r}"
        if len(levels) == 2
        else "code it as numbers"
    )
    return f"The response '{name}' is not numeric, it is {shown}; {remedy}."


def as_fitted(spec: Any, columns: Mapping[Any, pd.Series]) -> dict[Any, pd.Series]:
    """New data of the kinds of the model's data: floats for booleans where the model had numbers.

    The libraries do not always notice: patsy breaks down at text in place of numbers, formulaic
    takes a number in place of a factor's level for the reference level.

    Parameters
    ----------
    spec : object
        The formula library's record of the model's data.
    columns : mapping of column name to Series
        The new data.

    Returns
    -------
    dict of column name to Series

    Raises
    ------
    SpecificationError
        Text where the model had numbers, or a level of a factor that the model's data did not have.
    """
    fitted = dict(columns)
    for column, levels in _factors(spec):
        if column not in columns:
            continue
        values = columns[column]
        if levels is not None:
            unseen = [value for value in values.dropna().unique() if value not in levels]
            if unseen:
                raise SpecificationError(
                    f"The new data have a level of factor '{column}' that the model's data did not "
                    f"have, {show_label(unseen[0])}; they had {', '.join(map(repr, levels))}."
                )
        elif pd.api.types.is_bool_dtype(values):
            fitted[column] = values.astype(np.float64)
        elif not pd.api.types.is_numeric_dtype(values) and values.notna().any():
            raise SpecificationError(
                f"Column {column!r} of the new data is not numeric as in the model's data, for "
                f"instance {values.dropna().iloc[0]!r}; convert it by pd.to_numeric."
            )
    return fitted


def _factors(spec: Any) -> Iterator[tuple[str, list[Any] | None]]:
    """Factors of the model's data by name, with the levels of the categorical ones."""
    if hasattr(spec, "factor_infos"):
        for factor, info in spec.factor_infos.items():
            yield factor.name(), list(info.categories) if info.type == "categorical" else None
        return
    for factor in dict.fromkeys(factor for term in spec.terms for factor in term.factors):
        state = spec.factor_contrasts.get(factor)
        yield str(factor), None if state is None else list(state.levels)
