"""Item responses as codes: a matrix with a row a person and a column an item."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from statsmodels.tools.sm_exceptions import SpecificationWarning

from sm_gllamm.exceptions import SpecificationError

__all__ = ["ItemResponses", "code_responses", "item_responses", "wide_responses"]

#: More categories than this in one item are measurements, not responses.
MOST_CATEGORIES = 50


@dataclass(frozen=True, slots=True)
class ItemResponses:
    """Coded responses.

    Attributes
    ----------
    codes : ndarray of int16, shape (n_persons, n_items)
        0, 1, ..., K - 1; -1 where the response is missing.
    items : tuple of str
    categories : tuple of tuple
        Observed responses of each item in order: code k stands for ``categories[j][k]``.
    persons : pandas.Index
    kept : ndarray of intp
        Position of each person in the data given; persons without any response are not among them.
    """

    codes: np.ndarray
    items: tuple[str, ...]
    categories: tuple[tuple, ...]
    persons: pd.Index
    kept: np.ndarray

    @property
    def n_persons(self) -> int:
        return len(self.codes)

    @property
    def n_categories(self) -> np.ndarray:
        return np.array([len(c) for c in self.categories])

    def take(self, which) -> ItemResponses:
        """Some of the persons."""
        return replace(
            self, codes=self.codes[which], persons=self.persons[which], kept=self.kept[which]
        )


def wide_responses(data: pd.DataFrame, response: str, person: str, item: str) -> pd.DataFrame:
    """Long data, a row a response, as a data frame with a row a person and a column an item.

    Parameters
    ----------
    data : DataFrame
    response, person, item : str
        Names of columns.

    Returns
    -------
    DataFrame

    Raises
    ------
    SpecificationError
        A column that is lacking, or two responses of one person to one item.
    """
    for what, column in (("response", response), ("person", person), ("item", item)):
        if column not in data:
            raise SpecificationError(
                f"{what}={column!r} is no column of data; it has {list(data.columns)}"
            )
    for what, column in (("person", person), ("item", item)):
        if data[column].isna().any():
            row = data.index[int(np.argmax(data[column].isna()))]
            raise SpecificationError(f"{what} {column!r} is missing in row {row!r}; drop the row")
    person_code, persons = pd.factorize(data[person])
    labels = data[item]
    if isinstance(labels.dtype, pd.CategoricalDtype):
        items = labels.cat.remove_unused_categories().cat.categories
        item_code = items.get_indexer(labels)
    else:
        item_code, items = pd.factorize(labels)
    cell = person_code.astype(np.int64) * len(items) + item_code
    order = np.argsort(cell, kind="stable")
    again = np.flatnonzero(np.diff(cell[order]) == 0)
    if len(again):
        row = int(order[again[0] + 1])
        raise SpecificationError(
            f"person {data[person].iloc[row]!r} has two responses to item {labels.iloc[row]!r}; the second "
            f"is in row {data.index[row]!r}"
        )
    values = data[response]
    if isinstance(values.dtype, pd.CategoricalDtype):
        table = np.full((len(persons), len(items)), -1)
        table[person_code, item_code] = values.cat.codes
        return pd.DataFrame(
            {
                name: pd.Categorical.from_codes(table[:, j], dtype=values.dtype)
                for j, name in enumerate(items)
            },
            index=pd.Index(persons, name=person),
        )
    kind = float if pd.api.types.is_numeric_dtype(values) else object
    wide = np.full((len(persons), len(items)), np.nan, dtype=kind)
    wide[person_code, item_code] = values.to_numpy(dtype=kind)
    return pd.DataFrame(wide, index=pd.Index(persons, name=person), columns=list(items))


def _as_numbers(values: pd.Series) -> pd.Series:
    """Numbers for objects, or categories without an order, that are numbers."""
    kind = values.dtype
    if isinstance(kind, pd.CategoricalDtype):
        numeric = pd.api.types.is_numeric_dtype(kind.categories.dtype)
        return values.astype(float) if numeric and not kind.ordered else values
    return values.infer_objects()


def _numbers(values: pd.Series) -> np.ndarray:
    """Values as numbers, NaN where missing."""
    if isinstance(values.dtype, np.dtype):
        return np.asarray(values, dtype=float)
    return values.to_numpy(dtype=float, na_value=np.nan)


def _categories(values: pd.Series, name: str) -> tuple:
    """Observed categories of an item in their order."""
    if isinstance(values.dtype, pd.CategoricalDtype):
        if not values.cat.ordered and len(values.cat.categories) > 2:
            raise SpecificationError(
                f"item {name!r} is a categorical without an order; use an ordered one (or integers)"
            )
        categories = list(values.cat.categories)
        seen = set(values.dropna().unique())
        if unused := [c for c in categories if c not in seen]:
            raise SpecificationError(
                f"item {name!r} has a category that nobody chose: {unused[0]!r}; remove it "
                "(.cat.remove_unused_categories()) or merge it with a neighbour"
            )
        return tuple(categories)
    if not pd.api.types.is_numeric_dtype(values.dtype):
        if not values.notna().any():
            return ()
        listed = values.dropna().unique()
        raise SpecificationError(
            f"item {name!r} has responses that are no numbers, such as {listed[0]!r}; use integers or an "
            "ordered categorical, which states the order; if it is no item, name the items with items=[...]"
        )
    array = _numbers(values)
    found = np.unique(array[~np.isnan(array)])
    if not np.all(np.isfinite(found)) or np.any(found != np.round(found)):
        bad = found[~np.isfinite(found) | (found != np.round(found))][0]
        row = values.index[int(np.flatnonzero(array == bad)[0])]
        raise SpecificationError(
            f"item {name!r} has the response {bad:g} (person {row!r}), which is no code; responses are whole "
            "numbers or ordered categories"
        )
    return tuple(int(value) for value in found)


def item_responses(data, items: Sequence[str] | None = None) -> ItemResponses:
    """Codes of wide responses.

    Parameters
    ----------
    data : DataFrame or array_like, shape (n_persons, n_items)
        Whole numbers, booleans or ordered categoricals; NaN where missing.
    items : sequence of str, optional
        The columns that are items; default all.

    Returns
    -------
    ItemResponses
        Persons without any response are left out.

    Raises
    ------
    SpecificationError
        An item that nobody answered or with a single category, a gap between its categories, responses
        that are no codes.

    Warns
    -----
    SpecificationWarning
        Negative numbers, which are responses here and elsewhere codes of missing ones.
    """
    frame = _as_frame(data, items)
    if frame.columns.duplicated().any():
        twice = frame.columns[frame.columns.duplicated()][0]
        raise SpecificationError(f"item {twice!r} occurs twice")
    names = tuple(str(name) for name in frame.columns)
    if not names or not len(frame):
        raise SpecificationError(f"responses have shape {frame.shape}; there is nothing to fit")
    if (whole := _whole_numbers(frame)) is not None:
        _warn_of_negative(names, whole[1])
        return ItemResponses(whole[0], names, whole[1], frame.index, np.arange(len(frame)))
    categories = []
    codes = np.empty(frame.shape, dtype=np.int16)
    for j, name in enumerate(names):
        values = _as_numbers(frame.iloc[:, j])
        found = _categories(values, name)
        if not found:
            raise SpecificationError(f"nobody responded to item {name!r}; leave it out")
        if len(found) == 1:
            raise SpecificationError(
                f"item {name!r} has one category ({found[0]!r}): everybody gave the same response, which "
                "says nothing; leave it out"
            )
        if len(found) > MOST_CATEGORIES:
            raise SpecificationError(
                f"item {name!r} has {len(found)} different responses; more than {MOST_CATEGORIES} categories "
                "are not responses to an item"
            )
        if isinstance(found[0], int) and found[-1] - found[0] != len(found) - 1 and len(found) > 2:
            gap = next(c for c in range(found[0], found[-1]) if c not in found)
            raise SpecificationError(
                f"item {name!r} has a category that nobody chose: {gap} lies between {found[0]} and "
                f"{found[-1]}; recode the responses without gaps"
            )
        categories.append(found)
        codes[:, j] = _codes(values, found)
    _warn_of_negative(names, categories)
    answered = (codes >= 0).any(axis=1)
    kept = np.flatnonzero(answered)
    return ItemResponses(codes[kept], names, tuple(categories), frame.index[kept], kept)


def _warn_of_negative(names: Sequence[str], categories: Sequence[tuple]) -> None:
    """Say that negative numbers are taken for responses: often they stand for missing ones."""
    for name, own in zip(names, categories, strict=True):
        if isinstance(own[0], int) and own[0] < 0:
            warnings.warn(
                f"item {name!r} has the response {own[0]}, which counts as its lowest category; make it NaN "
                "if it stands for a missing response (an ordered categorical says that it does not)",
                SpecificationWarning,
                stacklevel=4,
            )
            return


def _whole_numbers(frame: pd.DataFrame) -> tuple[np.ndarray, tuple[tuple, ...]] | None:
    """Codes and categories of columns of whole numbers, all at once; None where there is anything to say."""
    if not all(isinstance(kind, np.dtype) and kind.kind in "iu" for kind in frame.dtypes):
        return None
    array = frame.to_numpy()
    lowest, highest = array.min(axis=0).astype(float), array.max(axis=0).astype(float)
    if (highest - lowest).max() >= MOST_CATEGORIES or (highest == lowest).any():
        return None
    codes = (array - array.min(axis=0)).astype(np.int16)
    if not all(np.bincount(column).all() for column in codes.T):
        return None
    categories = [
        tuple(range(int(first), int(last) + 1)) for first, last in zip(lowest, highest, strict=True)
    ]
    return codes, tuple(categories)


def _as_frame(data, items) -> pd.DataFrame:
    """Responses as a data frame with the items as columns."""
    if isinstance(data, pd.DataFrame):
        frame = data
        if items is not None:
            items = [items] if isinstance(items, str) else items
            if unknown := [name for name in items if name not in frame]:
                raise SpecificationError(
                    f"item {unknown[0]!r} is no column of the data; it has {list(frame.columns)}"
                )
            frame = frame[list(items)]
        return frame
    array = np.asarray(data)
    if array.ndim != 2:
        raise SpecificationError(
            f"responses must have a row a person and a column an item, not shape {array.shape}"
        )
    names = [f"item_{j + 1}" for j in range(array.shape[1])] if items is None else list(items)
    if len(names) != array.shape[1]:
        raise SpecificationError(f"{len(names)} names of items for {array.shape[1]} columns")
    return pd.DataFrame(array, columns=names).infer_objects()


def _codes(values: pd.Series, categories: tuple) -> np.ndarray:
    """Positions of responses among categories, -1 where missing, -2 where unknown."""
    if isinstance(values.dtype, pd.CategoricalDtype):
        place = {category: k for k, category in enumerate(categories)}
        of_code = np.array([place.get(c, -2) for c in values.cat.categories] + [-1])
        return of_code[values.cat.codes.to_numpy()]
    if not pd.api.types.is_numeric_dtype(values.dtype):
        place = {category: k for k, category in enumerate(categories)}
        return np.array([-1 if pd.isna(v) else place.get(v, -2) for v in values])
    array = _numbers(values)
    missing = np.isnan(array)
    if not all(isinstance(category, int) for category in categories):
        return np.where(missing, -1, -2)
    known = np.asarray(categories, dtype=float)
    filled = np.where(missing, known[0], array)
    nearest = np.searchsorted(known, filled).clip(max=len(known) - 1)
    return np.where(missing, -1, np.where(known[nearest] == filled, nearest, -2))


def code_responses(data, items: Sequence[str], categories: Sequence[tuple]) -> np.ndarray:
    """Codes of new responses to items whose categories are known.

    Parameters
    ----------
    data : DataFrame or array_like
        A data frame may lack items: they are missing.
    items : sequence of str
    categories : sequence of tuple

    Returns
    -------
    ndarray of int16, shape (n_persons, n_items)

    Raises
    ------
    SpecificationError
        A response that is no category of its item, or no item at all.
    """
    if isinstance(data, pd.DataFrame):
        frame = data.rename(columns=str)
    else:
        frame = _as_frame(data, items)
    present = [name for name in items if name in frame]
    if not present:
        raise SpecificationError(
            f"the data have none of the items {list(items)}; their columns are {list(frame.columns)}"
        )
    codes = np.full((len(frame), len(items)), -1, dtype=np.int16)
    for j, (name, known) in enumerate(zip(items, categories, strict=True)):
        if name not in frame:
            continue
        codes[:, j] = _codes(frame[name], known)
        if (codes[:, j] == -2).any():
            row = int(np.argmax(codes[:, j] == -2))
            raise SpecificationError(
                f"the response {frame[name].iloc[row]} of person {frame.index[row]!r} to item {name!r} is "
                f"no category of it; they are {list(known)}"
            )
    return codes
