"""Cluster codes from labels, and the order of grouping factors from bottom to top."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from statsmodels.tools.sm_exceptions import ModelWarning

from sm_gllamm.exceptions import CrossedDesignError, SpecificationError

__all__ = ["encode", "order_by_nesting", "recode", "show_label"]

#: Up to this many rows sorting numbers is faster than hashing them.
FEW_ROWS = 5000


def encode(keys: Sequence[Any], names: Sequence[str]) -> tuple[np.ndarray, pd.Index]:
    """Number the clusters that combinations of labels define.

    Parameters
    ----------
    keys : sequence of array_like, each of shape (nobs,)
        Labels, top to bottom; numbers, strings, or categoricals, none missing.
    names : sequence of str
        Name of each key.

    Returns
    -------
    codes : ndarray of intp, shape (nobs,)
        0 .. n_clusters - 1 in the order of the sorted labels (of a categorical's categories).
    labels : pandas.Index or, for several keys, pandas.MultiIndex, length n_clusters
    """
    codes, labels = _encode_one(keys[0])
    if len(keys) == 1:
        return codes, labels.rename(names[0])
    all_codes, all_labels = [codes], [labels]
    for key in keys[1:]:
        inner, inner_labels = _encode_one(key)
        all_codes.append(inner)
        all_labels.append(inner_labels)
        # codes stay below nobs * n_labels: re-numbering after each key rules out overflow
        codes = np.unique(codes * len(inner_labels) + inner, return_inverse=True)[1].reshape(-1)
    first = _first_rows(codes)
    combinations = pd.MultiIndex(
        levels=all_labels, codes=[part[first] for part in all_codes], names=list(names)
    )
    return codes.astype(np.intp, copy=False), combinations


def recode(keys: Sequence[Any], labels: pd.Index) -> np.ndarray:
    """Cluster numbers of new rows.

    Parameters
    ----------
    keys : sequence of array_like, each of shape (n,)
        Labels of the new rows, as in `encode`; missing ones belong to no known cluster.
    labels : pandas.Index
        Labels of the known clusters.

    Returns
    -------
    ndarray of intp, shape (n,)
        -1 for clusters that are not known.

    Warns
    -----
    ModelWarning
        No cluster is known, and one side's labels are numbers, the other's text.
    """
    plain = [_plain(key) for key in keys]
    wanted = plain[0] if len(plain) == 1 else pd.MultiIndex.from_arrays(plain)
    codes = np.asarray(labels.get_indexer(wanted), dtype=np.intp)
    if len(codes) and (codes < 0).all():
        _warn_of_other_kind(plain[-1], labels)
    return codes


def _warn_of_other_kind(wanted: pd.Index, labels: pd.Index) -> None:
    """Warn where no cluster is known because the labels of one side are text, of the other numbers."""
    known = labels.get_level_values(-1)
    kinds = [
        pd.api.types.is_numeric_dtype(index.dropna().infer_objects()) for index in (wanted, known)
    ]
    if kinds[0] != kinds[1] and wanted.notna().any():
        new, old = wanted.dropna()[0], known[0]
        warnings.warn(
            f"No cluster of the new data is known to the model: labels of '{labels.names[-1]}' are "
            f"such as {show_label(new)} in the new data and {show_label(old)} in the model's. "
            "Convert them to the same type.",
            ModelWarning,
            stacklevel=2,
        )


def order_by_nesting(factors: Sequence[tuple[str, np.ndarray, pd.Index]]) -> list[int]:
    """Order grouping factors from the smallest clusters to the largest.

    Parameters
    ----------
    factors : sequence of (name, codes, labels)

    Returns
    -------
    list of int
        Positions in `factors`, bottom to top.

    Raises
    ------
    CrossedDesignError
        A cluster of one factor lies in several clusters of another and conversely.
    SpecificationError
        Two factors define the same clusters.
    """
    order = sorted(range(len(factors)), key=lambda i: -len(factors[i][2]))
    for inner, outer in zip(order, order[1:], strict=False):
        _check_nested(factors[inner], factors[outer])
    return order


def _check_nested(
    inner: tuple[str, np.ndarray, pd.Index], outer: tuple[str, np.ndarray, pd.Index]
) -> None:
    inner_name, inner_codes, inner_labels = inner
    outer_name, outer_codes, outer_labels = outer
    owner = outer_codes[_first_rows(inner_codes)]
    elsewhere = owner[inner_codes] != outer_codes
    if elsewhere.any():
        row = int(np.argmax(elsewhere))
        cluster = inner_codes[row]
        own, other = outer_labels[owner[cluster]], outer_labels[outer_codes[row]]
        raise CrossedDesignError(
            f"Grouping factors '{outer_name}' and '{inner_name}' are crossed: "
            f"{inner_name} = {show_label(inner_labels[cluster])} has rows in "
            f"{outer_name} = {show_label(own)} and in {outer_name} = {show_label(other)}. "
            "Only nested factors can be fitted so far; crossed random effects come in a later "
            "version. If labels of one factor are merely used again within each cluster of the "
            "other, say that it is nested: (1 | outer/inner)."
        )
    if len(inner_labels) == len(outer_labels):
        raise SpecificationError(
            f"Grouping factors '{outer_name}' and '{inner_name}' define the same "
            f"{len(inner_labels)} clusters, so that their random effects cannot be told apart; "
            "leave one of them out. (Several groups run from the largest to the smallest clusters.)"
        )


def show_label(label: Any) -> str:
    """A cluster's label as it reads in a message.

    Parameters
    ----------
    label : object
        A tuple for nested factors.

    Returns
    -------
    str
    """
    if isinstance(label, tuple):
        return "(" + ", ".join(map(show_label, label)) + ")"
    return repr(label.item() if isinstance(label, np.generic) else label)


def _first_rows(codes: np.ndarray) -> np.ndarray:
    """First row of each cluster, for codes that have no gaps."""
    return np.unique(codes, return_index=True)[1]


def _encode_one(key: Any) -> tuple[np.ndarray, pd.Index]:
    if isinstance(getattr(key, "dtype", None), pd.CategoricalDtype):
        categorical = pd.Categorical(key)
        present, codes = np.unique(categorical.codes, return_inverse=True)
        return codes.astype(np.intp), pd.Index(categorical.categories[present])
    kind = getattr(key, "dtype", None)
    if isinstance(kind, np.dtype) and kind.kind in "iu" and len(key) <= FEW_ROWS:
        found, codes = np.unique(np.asarray(key), return_inverse=True)
        return codes.astype(np.intp, copy=False), pd.Index(found)
    try:
        codes, labels = pd.factorize(_plain(key), sort=True)
    except TypeError as error:
        raise SpecificationError(
            f"Labels of clusters must be numbers, strings or the like: {error}."
        ) from None
    return codes.astype(np.intp, copy=False), pd.Index(labels)


def _plain(key: Any) -> pd.Index:
    """Labels as an index without a categorical's categories, which new data need not share."""
    if isinstance(getattr(key, "dtype", None), pd.CategoricalDtype):
        return pd.Index(np.asarray(pd.Categorical(key)))
    return pd.Index(key)
