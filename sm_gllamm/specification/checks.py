"""Checks of covariates, weights, exposure and keywords; messages name the culprit."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from sm_gllamm.exceptions import SpecificationError
from sm_gllamm.specification.elements import Level
from sm_gllamm.specification.evaluation import did_you_mean
from sm_gllamm.specification.grouping import show_label

__all__ = ["check_covariates", "check_exposure", "check_keywords", "check_level_weights"]


#: Sizes of covariates whose squares, summed, are still numbers.
EXTREME = 1e100


def check_covariates(
    exog: Any, names: Sequence[str] | None = None, rows: pd.Index | None = None, role: str = "exog"
) -> None:
    """Refuse covariates that are not numbers, missing or infinite.

    Parameters
    ----------
    exog : array_like or DataFrame, shape (nobs, k)
    names : sequence of str, optional
        Column names, for messages; a DataFrame has its own.
    rows : pandas.Index, optional
        Row labels, for messages; a DataFrame has its own.
    role : str
        Name of the argument, for messages.

    Raises
    ------
    SpecificationError
        Also for values beyond 1e100, and for as many columns of `exog` as rows.
    """
    # NumPy takes its time over a data frame
    array = exog.to_numpy() if isinstance(exog, pd.DataFrame) else np.asarray(exog)
    if not 1 <= array.ndim <= 2:
        raise SpecificationError(
            f"{role} must be an array with one row for each observation and one column for "
            f"each covariate; it has {array.ndim} dimensions."
        )
    array = array[:, np.newaxis] if array.ndim == 1 else array
    n_rows, n_columns = array.shape
    if not _in_range(array):
        if isinstance(exog, pd.DataFrame):
            names, rows = [str(name) for name in exog.columns], exog.index
        names = names or [f"column {position}" for position in range(n_columns)]
        for j, name in enumerate(names):
            values = exog.iloc[:, j] if isinstance(exog, pd.DataFrame) else array[:, j]
            _check_covariate(values, f"{role} '{name}'", rows)
    if role == "exog" and 0 < n_rows <= n_columns:
        raise SpecificationError(
            f"exog has {n_columns} columns for {n_rows} rows: that many coefficients fit the rows "
            "perfectly and leave nothing for the random effects. Leave out columns."
        )


def _in_range(array: np.ndarray) -> bool:
    """Whether the sums of squares say that all numbers are finite and none is of extreme size."""
    if array.dtype != np.float64:
        return False
    with np.errstate(all="ignore"):
        squares = np.einsum("ij,ij->j", array, array)
    return bool(((len(array) / EXTREME**2 < squares) & (squares < EXTREME**2)).all())


def _check_covariate(values: Any, what: str, rows: pd.Index | None) -> None:
    """Refuse one column, by its name `what`."""
    numbers = _numbers(values, what)
    bad = ~np.isfinite(numbers)
    if bad.any():
        row = int(np.argmax(bad))
        shown = row if rows is None else rows[row]
        kind = "missing" if np.isnan(numbers[row]) else "infinite"
        remedy = "use missing='drop'" if kind == "missing" else "correct or leave out the row"
        raise SpecificationError(f"{what} is {kind} in row {shown!r}; {remedy}.")
    largest = max(numbers.max(initial=0.0), -numbers.min(initial=0.0))
    if largest > 0 and not 1 / EXTREME < largest < EXTREME:
        raise SpecificationError(
            f"{what} has no value larger than {largest:g}, out of the range that can be "
            "squared; choose another unit of measurement."
        )


def check_keywords(given: Iterable[str], allowed: Iterable[str], where: str) -> None:
    """Refuse keywords that nothing would read.

    Parameters
    ----------
    given : iterable of str
    allowed : iterable of str
    where : str
        Name of the function, for the message.

    Raises
    ------
    SpecificationError
    """
    known = list(allowed)
    for name in given:
        if name not in known:
            raise SpecificationError(
                f"{where} has no argument {name!r}{did_you_mean(str(name), known)}"
            )


def check_exposure(exposure: np.ndarray, rows: pd.Index) -> None:
    """Refuse an exposure that has no logarithm.

    Parameters
    ----------
    exposure : ndarray, shape (nobs,)
    rows : pandas.Index, length nobs
        Row labels for the message.

    Raises
    ------
    SpecificationError
    """
    bad = ~(exposure > 0)
    if bad.any():
        row = int(np.argmax(bad))
        raise SpecificationError(
            f"exposure must be positive; it is {exposure[row]:g} in row {rows[row]!r}. "
            "Leave out rows without exposure."
        )


def check_level_weights(
    weights: Mapping[str, np.ndarray], levels: Sequence[Level], rows: pd.Index, role: str
) -> None:
    """Refuse weights that are negative, missing, all zero, or vary within a cluster of their level.

    Parameters
    ----------
    weights : mapping of level name to ndarray of shape (nobs,)
        ``"row"`` for the rows.
    levels : sequence of Level
    rows : pandas.Index, length nobs
        Row labels for the message.
    role : {"weights", "freq_weights"}
        Name of the argument, for the message.

    Raises
    ------
    SpecificationError
    """
    by_name = {level.name: level for level in levels}
    for name, values in weights.items():
        what = f"{role}[{name!r}]"
        if len(values) != len(rows):
            raise SpecificationError(f"{what} has {len(values)} entries for {len(rows)} rows.")
        bad = ~(values >= 0) | np.isinf(values)
        if bad.any():
            row = int(np.argmax(bad))
            raise SpecificationError(
                f"{what} is {values[row]:g} in row {rows[row]!r}; weights must be finite and not "
                "negative."
            )
        if not values.any():
            raise SpecificationError(f"{what} is zero in every row.")
        if name == "row":
            continue
        if name not in by_name:
            raise SpecificationError(
                f"{role} names level {name!r}, which the model does not have; its levels are "
                f"{', '.join(['row', *by_name])}."
            )
        _check_constant_in_clusters(values, by_name[name], what)


def _check_constant_in_clusters(values: np.ndarray, level: Level, what: str) -> None:
    by_cluster = np.empty(level.n_clusters)
    by_cluster[level.codes] = values
    differs = by_cluster[level.codes] != values
    if differs.any():
        row = int(np.argmax(differs))
        cluster = level.codes[row]
        raise SpecificationError(
            f"{what} must be the same in all rows of a cluster; in {level.name} = "
            f"{show_label(level.labels[cluster])} it is {values[row]:g} and "
            f"{by_cluster[cluster]:g}. Weights of rows go under 'row'."
        )


def _numbers(values: Any, what: str) -> np.ndarray:
    try:
        if np.asarray(values).dtype.kind in "cmM":
            raise TypeError("complex numbers and dates")
        if isinstance(values, pd.Series):
            return values.to_numpy(dtype=np.float64, na_value=np.nan)
        return np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError):
        items = list(values)
        example = next((item for item in items if not isinstance(item, (int, float))), items[0])
        raise SpecificationError(
            f"{what} is not numeric, for instance {show_label(example)}; convert it by pd.to_numeric, or "
            "use a formula, which makes dummy variables of it."
        ) from None
