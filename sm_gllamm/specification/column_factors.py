"""Factors of patsy formulas that are columns of the data, read without evaluating any code."""

from __future__ import annotations

import keyword
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd
import patsy
from patsy.builtins import C
from patsy.desc import Term

from sm_gllamm.specification.formula_columns import framed

__all__ = ["ColumnFactor", "encoded", "encoded_as", "kinds_of", "patsy_data", "with_columns"]

#: Types of factors with more levels than this are not kept.
MOST_KNOWN = 100
_COLUMN = re.compile(r"(?P<call>C\()?(?P<name>[^\W\d]\w*)(?(call)\))")


@dataclass(frozen=True)
class ColumnFactor:
    """A column of the data in a patsy formula: ``x``, or ``C(x)``.

    patsy takes every factor for Python code, which it analyses and compiles, and goes through the
    rows of text and of ``C(x)`` one by one. A column can be read as it is, and patsy takes a pandas
    categorical as a whole.

    Attributes
    ----------
    column : str
    categorical : bool
        Whether this is ``C(column)``.
    origin : patsy.origin.Origin
        Where it is in the formula, for messages.
    """

    column: str
    categorical: bool
    origin: Any = field(default=None, compare=False)

    def name(self) -> str:
        """The factor as it is written."""
        return f"C({self.column})" if self.categorical else self.column

    def memorize_passes_needed(self, state: dict[str, Any], eval_env: Any) -> int:
        """None: a column has no state."""
        return 0

    def eval(self, state: dict[str, Any], data: Any) -> Any:
        """The column of the data; or, where the data have one, the entry for this factor itself."""
        if self in data:
            return data[self]
        try:
            values = data[self.column]
        except KeyError as error:
            raise patsy.PatsyError(f"There is no column {self.column!r}", self) from error
        return C(values) if self.categorical else values


def with_columns(
    model: patsy.ModelDesc, columns: Iterable[Any], environment: Mapping[str, Any]
) -> patsy.ModelDesc:
    """A model description with a `ColumnFactor` for each factor that is no more than a column.

    Parameters
    ----------
    model : patsy.ModelDesc
    columns : iterable
        Columns of the data.
    environment : mapping
        Names that formulas may use besides; a ``C`` of the user's own is left alone.

    Returns
    -------
    patsy.ModelDesc
    """
    known = set(columns)
    patsys_own = "C" not in known and environment.get("C", C) is C

    def read(factor: Any) -> Any:
        match = _COLUMN.fullmatch(factor.name())
        if match is None or match["name"] not in known or keyword.iskeyword(match["name"]):
            return factor
        if match["call"] and not patsys_own:
            return factor
        return ColumnFactor(match["name"], match["call"] is not None, factor.origin)

    sides = (model.lhs_termlist, model.rhs_termlist)
    return patsy.ModelDesc(
        *([Term([read(factor) for factor in term.factors]) for term in side] for side in sides)
    )


def encoded(
    factors: Iterable[Any], columns: Mapping[Any, pd.Series]
) -> dict[ColumnFactor, pd.Categorical]:
    """Columns of text, and of numbers in ``C(x)``, as categoricals of their sorted values.

    Parameters
    ----------
    factors : iterable
        Factors of a model description.
    columns : mapping of column name to Series

    Returns
    -------
    dict of ColumnFactor to Categorical
    """
    return {
        factor: _categorical(columns[factor.column])
        for factor in factors
        if isinstance(factor, ColumnFactor)
        and (_is_text(columns[factor.column]) or _is_code(factor, columns[factor.column]))
    }


def _categorical(values: pd.Series) -> pd.Categorical:
    """Text or numbers as a categorical of the sorted values; what pandas makes of them, but faster."""
    text = values.dtype.kind not in "iuf"
    codes, found = pd.factorize(values.to_numpy(dtype=object) if text else values.to_numpy())
    if len(found) > MOST_KNOWN:
        return pd.Categorical(values)
    order = np.argsort(found)
    rank = np.append(np.argsort(order), -1).astype(np.int8)
    levels = tuple(found[order].tolist())
    return pd.Categorical.from_codes(rank[codes], dtype=_levels_type(found.dtype.str, levels))


@lru_cache(maxsize=256)
def _levels_type(kind: str, levels: tuple) -> pd.CategoricalDtype:
    """pandas' type of a categorical with these levels; that they are no numbers twice takes a while."""
    return pd.CategoricalDtype(pd.Index(levels, dtype="str" if kind == "|O" else kind))


def encoded_as(
    spec: patsy.DesignInfo, columns: Mapping[Any, pd.Series]
) -> dict[ColumnFactor, pd.Categorical]:
    """Columns of new data as categoricals with the levels of the model's data.

    Parameters
    ----------
    spec : patsy.DesignInfo
        Record of the model's data.
    columns : mapping of column name to Series

    Returns
    -------
    dict of ColumnFactor to Categorical
        Without columns that have other values, which patsy complains of.
    """
    categoricals = {}
    for factor, info in spec.factor_infos.items():
        if not isinstance(factor, ColumnFactor) or info.type != "categorical":
            continue
        values = columns.get(factor.column)
        if values is None or set(info.categories) <= {False, True}:
            continue
        levels = pd.Index(info.categories, tupleize_cols=False)
        codes = levels.get_indexer(values)
        if np.array_equal(codes < 0, values.isna()):
            categoricals[factor] = pd.Categorical.from_codes(codes, levels)
    return categoricals


def patsy_data(
    factors: Collection[Any],
    columns: Mapping[Any, pd.Series],
    categoricals: dict[ColumnFactor, pd.Categorical],
    index: pd.Index,
) -> Any:
    """What patsy is to read factors from: a data frame, or where none of them is code, a dict.

    Arrays in a dict are several times faster than Series, but code could tell the difference, and
    patsy counts the rows of a constant alone only in a data frame.

    Parameters
    ----------
    factors : collection
        Factors of a model description.
    columns : mapping of column name to Series
    categoricals : dict of ColumnFactor to Categorical
        From `encoded` or `encoded_as`.
    index : pandas.Index
        Row labels.

    Returns
    -------
    dict or DataFrame
    """
    if factors and all(isinstance(factor, ColumnFactor) for factor in factors):
        return {name: _array(values) for name, values in columns.items()} | categoricals
    frame = framed({name: _as_objects(values) for name, values in columns.items()}, index)
    for factor, categorical in categoricals.items():
        frame[factor] = categorical
    return frame


def kinds_of(data: Any, factors: Iterable[ColumnFactor]) -> tuple[Any, ...] | None:
    """What a formula library's encoding of columns depends on: their types, with the levels.

    Parameters
    ----------
    data : dict
        From `patsy_data`, of factors that are columns.
    factors : iterable of ColumnFactor

    Returns
    -------
    tuple, one entry a factor, or None
        "number", or the levels of a categorical, their types and whether they have an order. None
        where a column is neither a number nor a categorical with few levels.
    """
    kinds: list[Any] = []
    for factor in factors:
        values = data[factor] if factor in data else data[factor.column]
        kind = values.dtype
        if isinstance(kind, pd.CategoricalDtype) and len(kind.categories) <= MOST_KNOWN:
            # pandas' types of unordered categoricals are equal whatever the order of their levels
            levels = tuple(kind.categories)
            kinds.append((levels, tuple(map(type, levels)), kind.ordered))
        elif factor.categorical or not isinstance(kind, np.dtype) or kind.kind not in "iuf":
            return None
        else:
            kinds.append("number")
    return tuple(kinds)


def _array(values: pd.Series) -> Any:
    """Numbers and booleans as an array, anything else as it is."""
    plain = isinstance(values.dtype, np.dtype) and values.dtype.kind in "biuf"
    return values.to_numpy() if plain else values


def _as_objects(values: pd.Series) -> pd.Series:
    """Text as Python's strings: patsy does not know pandas' own."""
    return values.astype(object) if isinstance(values.dtype, pd.StringDtype) else values


def _is_text(values: pd.Series) -> bool:
    if isinstance(values.dtype, pd.StringDtype):
        return True
    return values.dtype.kind == "O" and pd.api.types.infer_dtype(values, skipna=True) == "string"


def _is_code(factor: ColumnFactor, values: pd.Series) -> bool:
    return factor.categorical and isinstance(values.dtype, np.dtype) and values.dtype.kind in "iuf"
