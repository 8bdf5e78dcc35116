"""Columns of a data frame as the formula libraries ought to see them, on both sides of a formula."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from sm_gllamm.exceptions import SpecificationError
from sm_gllamm.specification.grouping import show_label

__all__ = [
    "all_numbers",
    "as_fitted",
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


def all_numbers(frame: pd.DataFrame) -> bool:
    """Whether there are columns, and all are plain NumPy integers or floats."""
    kinds = [dtype.kind if isinstance(dtype, np.dtype) else "O" for dtype in frame.dtypes]
    return bool(kinds) and set(kinds) <= set("iuf")


def plain_columns(frame: pd.DataFrame) -> pd.DataFrame:
    """The frame with pandas' nullable columns as NumPy's, which patsy can read: it stops at NA."""
    plain: dict[Any, Any] = {}
    for column in frame.columns:
        dtype = frame[column].dtype
        if pd.api.types.is_object_dtype(dtype) and len(frame) and frame[column].isna().all():
            plain[column] = np.full(len(frame), np.nan)
            continue
        if not isinstance(dtype, pd.api.extensions.ExtensionDtype) or dtype.na_value is not pd.NA:
            continue
        if pd.api.types.is_numeric_dtype(dtype) and not pd.api.types.is_bool_dtype(dtype):
            plain[column] = frame[column].to_numpy(dtype=np.float64, na_value=np.nan)
        else:
            values = frame[column].to_numpy(dtype=object, na_value=None)
            plain[column] = pd.Series(values, index=frame.index, dtype=object)
            if not frame[column].isna().any():
                plain[column] = plain[column].infer_objects()
    return frame.assign(**plain) if plain else frame


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


def numeric_response(left: pd.DataFrame | None) -> pd.DataFrame | None:
    """The response as numbers: booleans are 0 and 1, which patsy turns into two columns."""
    name, levels = ("", []) if left is None else _categories(left)
    if left is None or not levels:
        return left
    if set(levels) <= {False, True}:
        true = f"{name}[True]"
        values = left[true] if true in left.columns else 0.0 * left.iloc[:, 0]
        return pd.DataFrame({name: np.asarray(values, dtype=np.float64)}, index=left.index)
    shown = ", ".join(repr(level) for level in levels[:3]) + (", ..." if len(levels) > 3 else "")
    remedy = (
        f"write I({name} == {levels[-1]!r}) for the probability of {levels[-1]!r}"
        if len(levels) == 2
        else "code it as numbers"
    )
    raise SpecificationError(f"The response '{name}' is not numeric, it is {shown}; {remedy}.")


def _categories(left: Any) -> tuple[str, list[Any]]:
    """Name and levels of a response that the formula library took for a factor, or none."""
    if hasattr(left, "design_info"):
        for factor, info in left.design_info.factor_infos.items():
            if info.type == "categorical":
                return factor.name(), list(info.categories)
    elif hasattr(left, "model_spec"):
        for factor, state in left.model_spec.factor_contrasts.items():
            return str(factor), list(state.levels)
    return "", []


def as_fitted(spec: Any, frame: pd.DataFrame) -> pd.DataFrame:
    """New data of the kinds of the model's data: floats for booleans where the model had numbers.

    The libraries do not always notice: patsy breaks down at text in place of numbers, formulaic
    takes a number in place of a factor's level for the reference level.

    Parameters
    ----------
    spec : object
        The formula library's record of the model's data.
    frame : DataFrame
        Columns of the new data.

    Returns
    -------
    DataFrame

    Raises
    ------
    SpecificationError
        Text where the model had numbers, or a level of a factor that the model's data did not have.
    """
    for column, levels in _factors(spec):
        if column not in frame.columns:
            continue
        values = frame[column]
        if levels is not None:
            unseen = [value for value in values.dropna().unique() if value not in levels]
            if unseen:
                raise SpecificationError(
                    f"The new data have a level of factor '{column}' that the model's data did not "
                    f"have, {show_label(unseen[0])}; they had {', '.join(map(repr, levels))}."
                )
        elif pd.api.types.is_bool_dtype(values):
            frame = frame.assign(**{column: values.astype(np.float64)})
        elif not pd.api.types.is_numeric_dtype(values) and values.notna().any():
            raise SpecificationError(
                f"Column {column!r} of the new data is not numeric as in the model's data, for "
                f"instance {values.dropna().iloc[0]!r}; convert it by pd.to_numeric."
            )
    return frame


def _factors(spec: Any) -> Iterator[tuple[str, list[Any] | None]]:
    """Factors of the model's data by name, with the levels of the categorical ones."""
    if hasattr(spec, "factor_infos"):
        for factor, info in spec.factor_infos.items():
            yield factor.name(), list(info.categories) if info.type == "categorical" else None
        return
    for factor in {factor for term in spec.terms for factor in term.factors}:
        state = spec.factor_contrasts.get(factor)
        yield str(factor), None if state is None else list(state.levels)
