"""Codes of ordered and of nominal categories."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from sm_gllamm.exceptions import SpecificationError
from sm_gllamm.preparation.columns import first_row, missing_values, refuse_missing, show

__all__ = ["category_codes", "nominal_codes"]


def category_codes(
    values: Any, order: Sequence[Any] | None = None, name: str = "endog"
) -> tuple[np.ndarray, pd.Index]:
    """Codes of ordered categories.

    Parameters
    ----------
    values : array_like, shape (nobs,)
        An ordered categorical; whole numbers or Booleans, which are ordered by size; strings (or
        anything else) with a stated `order`.
    order : sequence, optional
        All categories, lowest first; overrides the order that `values` have of themselves.
    name : str
        Of the response, for messages.

    Returns
    -------
    codes : ndarray of intp, shape (nobs,)
        0 for the lowest category.
    labels : pandas.Index
        Categories, lowest first.

    Raises
    ------
    SpecificationError
        Strings or unordered categories without a stated order; numbers with fractions; a value that
        is not in the order; a category that does not occur; fewer than 2 categories; missing values.

    See Also
    --------
    nominal_codes : For categories without an order.

    Notes
    -----
    A category that does not occur is refused because the threshold below it cannot be told from the
    one above. Whole numbers that do not occur between others are no categories: 1, 2 and 4 are three
    categories, unless `order` says that there is a 3.

    Examples
    --------
    >>> from sm_gllamm.preparation.categories import category_codes
    >>> codes, labels = category_codes(
    ...     ["often", "never", "often", "rarely"], order=["never", "rarely", "often"]
    ... )
    >>> codes
    array([2, 0, 2, 1])
    >>> list(labels)
    ['never', 'rarely', 'often']
    >>> category_codes([3, 1, 4, 1])[0]
    array([1, 0, 2, 0])
    """
    series = _read_values(values, name)
    if order is None and isinstance(series.dtype, np.dtype) and series.dtype.kind in "iu":
        found, codes = np.unique(series.to_numpy(), return_inverse=True)
        if len(found) > 1:
            return codes.astype(np.intp, copy=False), pd.Index(found)
    if order is not None:
        categories = _read_order(order)
    elif isinstance(series.dtype, pd.CategoricalDtype) and series.dtype.ordered:
        categories = pd.Index(series.dtype.categories)
    else:
        plain = _plain(series)
        if plain.dtype.kind not in "iufb":
            raise SpecificationError(
                f"The categories of '{name}' have no order, for instance {show(plain[0])}; state it, "
                "lowest first: order=[...], or make an ordered pandas.Categorical."
            )
        categories = _whole(plain, name, series.index).unique().sort_values()
    return _encode(series, categories, name)


def nominal_codes(
    values: Any, base: Any = None, name: str = "endog"
) -> tuple[np.ndarray, pd.Index]:
    """Codes of unordered categories, the base category first.

    Parameters
    ----------
    values : array_like, shape (nobs,)
        A categorical, strings, whole numbers or Booleans.
    base : object, optional
        Category that the others are compared with; the first one if not given, in the order of a
        categorical or else of the sorted values.
    name : str
        Of the response, for messages.

    Returns
    -------
    codes : ndarray of intp, shape (nobs,)
        0 for the base category.
    labels : pandas.Index
        Categories, the base first.

    Raises
    ------
    SpecificationError
        A base that is no category; numbers with fractions; a category that does not occur; fewer
        than 2 categories; missing values.

    See Also
    --------
    category_codes : For ordered categories.

    Examples
    --------
    >>> from sm_gllamm.preparation.categories import nominal_codes
    >>> codes, labels = nominal_codes(["bus", "car", "train", "car"], base="car")
    >>> codes
    array([1, 0, 2, 0])
    >>> list(labels)
    ['car', 'bus', 'train']
    """
    series = _read_values(values, name)
    if isinstance(series.dtype, pd.CategoricalDtype):
        categories = pd.Index(series.dtype.categories)
    else:
        plain = _whole(_plain(series), name, series.index)
        try:
            categories = plain.unique().sort_values()
        except TypeError:
            raise SpecificationError(
                f"The categories of '{name}' are of different types, for instance "
                f"{show(plain[0])}; make them all strings or all numbers."
            ) from None
    if base is not None:
        if base not in categories:
            known = ", ".join(map(show, categories[:20]))
            raise SpecificationError(
                f"The base category {show(base)} is not among those of '{name}': {known}."
            )
        at = int(categories.get_indexer([base])[0])
        categories = categories[[at]].append(categories.delete(at))
    return _encode(series, categories, name)


def _read_values(values: Any, name: str) -> pd.Series:
    if np.ndim(values) != 1:
        raise SpecificationError(
            f"'{name}' must be one column of categories; it has {np.ndim(values)} dimensions."
        )
    series = values if isinstance(values, pd.Series) else pd.Series(values)
    if len(series) == 0:
        raise SpecificationError(f"'{name}' has no rows.")
    refuse_missing(missing_values(series), name, series.index)
    return series


def _read_order(order: Sequence[Any]) -> pd.Index:
    if isinstance(order, str):
        raise SpecificationError(f"order must be a list of categories, not {order!r}.")
    categories = pd.Index(order)
    if categories.hasnans:
        raise SpecificationError("order has a missing category; leave it out.")
    if categories.has_duplicates:
        repeated = categories[categories.duplicated()][0]
        raise SpecificationError(f"order names category {show(repeated)} twice; name it once.")
    return categories


def _plain(series: pd.Series) -> pd.Index:
    """Values without a categorical's categories, of the simplest type that holds them."""
    return pd.Index(np.asarray(series)).infer_objects()


def _whole(values: pd.Index, name: str, rows: pd.Index) -> pd.Index:
    """Floating-point categories as integers; others as they are."""
    if values.dtype.kind != "f":
        return values
    bad = ~np.isfinite(values) | (values != np.rint(values))
    if bad.any():
        raise SpecificationError(
            f"'{name}' is {values[int(np.argmax(bad))]:g} in row {first_row(bad, rows)}: a category is "
            "a whole number or a string. A continuous response needs another family."
        )
    return values.astype(np.int64)


def _encode(series: pd.Series, categories: pd.Index, name: str) -> tuple[np.ndarray, pd.Index]:
    codes = np.asarray(categories.get_indexer(_plain(series)), dtype=np.intp)
    if (codes < 0).any():
        value = series.iloc[int(np.argmax(codes < 0))]
        known = ", ".join(map(show, categories[:20]))
        raise SpecificationError(
            f"'{name}' is {show(value)} in row {first_row(codes < 0, series.index)}, which is not "
            f"among the categories {known}; add it to order, or correct the row."
        )
    empty = np.bincount(codes, minlength=len(categories)) == 0
    if empty.any():
        raise SpecificationError(
            f"No row of '{name}' is in category {show(categories[int(np.argmax(empty))])}; leave the "
            "category out (of a categorical by .cat.remove_unused_categories())."
        )
    if len(categories) < 2:
        raise SpecificationError(
            f"'{name}' is {show(categories[0])} in every row: there is nothing to model."
        )
    return codes, categories
