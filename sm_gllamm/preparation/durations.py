"""Durations, events, entry times and cut points, read and checked."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from sm_gllamm.exceptions import SpecificationError
from sm_gllamm.preparation.columns import column, first_row, numbers, show

__all__ = ["Episodes", "read_cuts", "read_episodes", "refuse_fractions"]


@dataclass(frozen=True)
class Episodes:
    """Time that each subject was observed, and how it ended.

    Attributes
    ----------
    entry : ndarray of float64, shape (n,)
        Time from which on the subject was observed; 0 or later.
    duration : ndarray of float64, shape (n,)
        Time to which it was observed; later than `entry`.
    event : ndarray of bool, shape (n,)
        Whether it had the event then; else it is censored.
    """

    entry: np.ndarray
    duration: np.ndarray
    event: np.ndarray


def read_episodes(
    data: pd.DataFrame, duration: Hashable, event: Hashable, entry: Hashable | None
) -> Episodes:
    """Read durations, events and entry times.

    Parameters
    ----------
    data : DataFrame
        One row for each subject.
    duration, event : hashable
        Names of columns.
    entry : hashable, optional
        Name of a column; everybody enters at 0 if not given.

    Returns
    -------
    Episodes

    Raises
    ------
    SpecificationError
        A column is absent, not numeric or has missing values; durations are not positive, entry
        times negative or not before the end, events other than 0 and 1.
    """
    end, failed = (numbers(column(data, name), name) for name in (duration, event))
    begin = np.zeros(len(data)) if entry is None else numbers(column(data, entry), entry)
    rows = data.index
    if len(data) == 0:
        raise SpecificationError("data has no rows.")
    if (end <= 0).any():
        at = int(np.argmax(end <= 0))
        raise SpecificationError(
            f"The duration '{duration}' must be positive; it is {end[at]:g} in row "
            f"{show(rows[at])}. Correct or leave out the row: nobody is at risk before time 0."
        )
    bad = (failed != 0) & (failed != 1)
    if bad.any():
        raise SpecificationError(
            f"The event '{event}' must be 1, or 0 where the duration is censored; it is "
            f"{failed[np.argmax(bad)]:g} in row {first_row(bad, rows)}. Recode it."
        )
    if (begin < 0).any():
        at = int(np.argmax(begin < 0))
        raise SpecificationError(
            f"The entry '{entry}' must not be negative; it is {begin[at]:g} in row "
            f"{show(rows[at])}. Count time from where the risk begins."
        )
    late = begin >= end
    if late.any():
        at = int(np.argmax(late))
        raise SpecificationError(
            f"The entry '{entry}' must come before the end of the duration '{duration}'; they are "
            f"{begin[at]:g} and {end[at]:g} in row {show(rows[at])}. Leave out subjects who were "
            "never observed at risk."
        )
    return Episodes(begin, end, failed == 1)


def refuse_fractions(values: np.ndarray, name: Hashable | None, rows: pd.Index) -> None:
    """Refuse times that are no numbers of periods.

    Parameters
    ----------
    values : ndarray of float64, shape (n,)
    name : hashable
        Of the variable, for the message.
    rows : pandas.Index, length n
        Row labels, for the message.

    Raises
    ------
    SpecificationError
    """
    bad = values != np.rint(values)
    if bad.any():
        raise SpecificationError(
            f"'{name}' must be a whole number of periods; it is {values[np.argmax(bad)]:g} in row "
            f"{first_row(bad, rows)}. Say by intervals= where periods end."
        )


def read_cuts(cuts: Sequence[float] | np.ndarray, name: str) -> np.ndarray:
    """Read cut points.

    Parameters
    ----------
    cuts : sequence of float
        The last one may be infinite.
    name : str
        Of the argument, for messages.

    Returns
    -------
    ndarray of float64
        Without a leading 0.

    Raises
    ------
    SpecificationError
        No cut points, not increasing, or negative ones.
    """
    try:
        points = np.asarray(cuts, dtype=np.float64)
    except (TypeError, ValueError):
        raise SpecificationError(f"{name} must be numbers, not {cuts!r}.") from None
    if points.ndim != 1:
        raise SpecificationError(f"{name} must be a list of cut points, not {cuts!r}.")
    if len(points) and points[0] == 0:
        points = points[1:]
    if len(points) == 0:
        raise SpecificationError(f"{name} has no cut point after 0; give at least one.")
    if not ((np.diff(points, prepend=0.0) > 0).all() and not np.isnan(points).any()):
        raise SpecificationError(
            f"{name} must be positive, increasing cut points, not {points.tolist()}; sort them and "
            "leave out repeated ones."
        )
    return points
