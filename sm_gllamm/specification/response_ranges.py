"""Checks of responses that are positive, proportions, durations or bounds."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from sm_gllamm.exceptions import SpecificationError

__all__ = ["bounds_of", "check_range", "durations_of", "limited"]

_NEEDS = {
    "positive": (lambda y: y > 0, "positive"),
    "proportion": (lambda y: (y > 0) & (y < 1), "between 0 and 1, both excluded"),
    "positive count": (lambda y: (y >= 1) & (y == np.rint(y)), "a whole number from 1 on"),
    "best-worst": (lambda y: np.isin(y, (-1, 0, 1)), "1 (best), -1 (worst) or 0"),
}
_HINTS = {
    "positive": "Use another family, or leave the row out.",
    "proportion": "Counts of successes and failures have the binomial family; for exact zeros and ones "
    "there is no beta density.",
    "positive count": "Counts with zeros have an untruncated family.",
    "best-worst": "Correct the row.",
}


def check_range(y: np.ndarray, kind: str, name: str, rows: pd.Index | None) -> None:
    """Refuse values that a density does not have.

    Parameters
    ----------
    y : ndarray, shape (n,)
    kind : {"positive", "proportion", "positive count", "best-worst"}
    name : str
        Of the response.
    rows : pandas.Index or None
        Row labels.

    Raises
    ------
    SpecificationError
    """
    good, need = _NEEDS[kind]
    bad = ~good(y)
    if bad.any():
        row = int(np.argmax(bad))
        raise SpecificationError(
            f"The response '{name}' is {y[row]:g} in row {_label(row, rows)}; it must be {need}. "
            + _HINTS[kind]
        )
    if kind != "best-worst" and np.all(y == y[0]):
        raise SpecificationError(
            f"The response '{name}' is {y[0]:g} in every row: there is nothing to model."
        )


def durations_of(
    endog: np.ndarray, name: str, rows: pd.Index | None
) -> tuple[np.ndarray, np.ndarray]:
    """Lower and upper bounds from durations and event indicators.

    Parameters
    ----------
    endog : ndarray, shape (n,) or (n, 2)
        Durations, and events (1, or 0 if censored at the duration); one column: all are events.
    name : str
    rows : pandas.Index or None

    Returns
    -------
    lower, upper : ndarray, shape (n,)

    Raises
    ------
    SpecificationError
    """
    table = endog.reshape(len(endog), -1)
    if table.shape[1] > 2:
        raise SpecificationError(
            f"The response '{name}' has {table.shape[1]} columns; a censored duration has two: "
            "duration and event (1, or 0 if censored)."
        )
    time = table[:, 0]
    event = table[:, 1] if table.shape[1] == 2 else np.ones(len(time))
    _refuse(~(time > 0), time, rows, f"The duration '{name}'", "must be positive")
    _refuse(
        np.isinf(time),
        time,
        rows,
        f"The duration '{name}'",
        "must be finite: the time to which it was observed, and event 0",
    )
    _refuse(
        ~np.isin(event, (0, 1)), event, rows, f"The event indicator of '{name}'",
        "must be 1 (event) or 0 (censored)",
    )  # fmt: skip
    if not event.any():
        raise SpecificationError(
            f"The response '{name}' has no events: all durations are censored."
        )
    return time, np.where(event == 1, time, np.inf)


def bounds_of(
    endog: np.ndarray, positive: bool, name: str, rows: pd.Index | None
) -> tuple[np.ndarray, np.ndarray]:
    """Lower and upper bounds, checked.

    Parameters
    ----------
    endog : ndarray, shape (n, 2)
    positive : bool
        Whether the response is positive: no lower bound is 0, otherwise minus infinity.
    name : str
    rows : pandas.Index or None

    Raises
    ------
    SpecificationError
    """
    table = endog.reshape(len(endog), -1)
    if table.shape[1] != 2:
        raise SpecificationError(
            f"The response '{name}' has {table.shape[1]} column; interval censoring needs two: lower "
            "and upper bound."
        )
    lower, upper = table[:, 0].copy(), table[:, 1].copy()
    least = 0.0 if positive else -np.inf
    lower[np.isnan(lower)], upper[np.isnan(upper)] = least, np.inf
    _refuse(np.isposinf(lower), lower, rows, f"The lower bound of '{name}'", "must be finite")
    if positive:
        _refuse(lower < 0, lower, rows, f"The lower bound of '{name}'", "must not be negative")
        _refuse(~(upper > 0), upper, rows, f"The upper bound of '{name}'", "must be positive")
    _refuse(
        lower > upper,
        lower,
        rows,
        f"The lower bound of '{name}'",
        "must not be above the upper one",
    )
    empty = (lower == least) & np.isposinf(upper)
    _refuse(empty, lower, rows, f"'{name}'", "has neither bound, which says nothing: leave it out")
    return lower, upper


def limited(y: np.ndarray, lower: float, upper: float) -> tuple[np.ndarray, np.ndarray]:
    """Bounds of responses that are censored where they reach a limit of observation."""
    return np.where(y <= lower, -np.inf, np.minimum(y, upper)), np.where(
        y >= upper, np.inf, np.maximum(y, lower)
    )


def _refuse(bad: np.ndarray, values: np.ndarray, rows, what: str, need: str) -> None:
    if bad.any():
        row = int(np.argmax(bad))
        raise SpecificationError(
            f"{what} is {values[row]:g} in row {_label(row, rows)}; it {need}."
        )


def _label(row: int, rows: pd.Index | None) -> Any:
    return repr(row if rows is None else rows[row])
