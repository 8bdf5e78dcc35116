"""Grids of covariate values for prediction curves."""

from __future__ import annotations

import re
from collections.abc import Mapping

import numpy as np
import pandas as pd

from sm_gllamm.exceptions import SpecificationError

__all__ = ["curve_grid", "random_columns", "typical_values"]

#: More distinct values than this, and a numeric `by` is shown at its mean and one SD either side.
MANY = 6


def _check(frame: pd.DataFrame, name: str, role: str) -> None:
    if name not in frame.columns:
        columns = [str(column) for column in frame.columns]
        raise SpecificationError(f"{role}={name!r} is no column of the data; there are {columns}")


def _as_factor(values: pd.Series, formula: str) -> bool:
    """Whether a column stands for categories, by its type or by ``C(...)`` in the formula."""
    if not pd.api.types.is_numeric_dtype(values) or pd.api.types.is_bool_dtype(values):
        return True
    return re.search(rf"C\(\s*{re.escape(str(values.name))}\b", formula) is not None


def typical_values(frame: pd.DataFrame, formula: str = "") -> dict[str, object]:
    """Means of numeric columns, most frequent values of the others.

    Parameters
    ----------
    frame : DataFrame
    formula : str
        Numeric columns that it wraps in ``C(...)`` count as categories.

    Returns
    -------
    dict of str to value
    """
    typical: dict[str, object] = {}
    for name in frame.columns:
        values = frame[name].dropna()
        if values.empty:
            continue
        factor = _as_factor(values, formula)
        typical[name] = values.mode().iloc[0] if factor else float(values.mean())
    return typical


def _levels(values: pd.Series, formula: str, by: bool, n: int) -> np.ndarray:
    """Values of a covariate that varies along (or between) the curves."""
    values = values.dropna()
    distinct = values.drop_duplicates().sort_values()
    if _as_factor(values, formula) or (by and len(distinct) <= MANY):
        return distinct.to_numpy()
    if by:
        return float(values.mean()) + float(values.std()) * np.array([-1.0, 0.0, 1.0])
    return np.linspace(float(values.min()), float(values.max()), n)


def curve_grid(
    frame: pd.DataFrame, x: str, by: str | None = None, at: Mapping[str, object] | None = None,
    n: int = 101, formula: str = "",
) -> pd.DataFrame:  # fmt: skip
    """Rows along a covariate, for each value of another, everything else held fixed.

    Parameters
    ----------
    frame : DataFrame
        The data that typical values are of.
    x, by : str
        Columns.
    at : dict of str to value, optional
        Values of other columns; means and most frequent values where not given.
    n : int
        Points along a numeric `x`.
    formula : str
        Numeric columns that it wraps in ``C(...)`` count as categories.

    Returns
    -------
    DataFrame

    Raises
    ------
    SpecificationError
        Unknown columns.

    Examples
    --------
    >>> import pandas as pd
    >>> from sm_gllamm.prediction.grid import curve_grid
    >>> data = pd.DataFrame({"x": [0.0, 2.0], "sex": ["f", "m"], "age": [20, 30]})
    >>> print(curve_grid(data, "x", by="sex", n=2))
         x sex   age
    0  0.0   f  25.0
    1  2.0   f  25.0
    2  0.0   m  25.0
    3  2.0   m  25.0
    """
    at = dict(at or {})
    for role, name in (("x", x), ("by", by), *(("at", key) for key in at)):
        if name is not None:
            _check(frame, name, role)
    along = _levels(frame[x], formula, False, n)
    between = [None] if by is None else _levels(frame[by], formula, True, n)
    fixed = {**typical_values(frame, formula), **at}
    parts = []
    for value in between:
        part = pd.DataFrame({x: along})
        if by is not None:
            part[by] = value
        for name, constant in fixed.items():
            if name not in part:
                part[name] = constant
        parts.append(part)
    grid = pd.concat(parts, ignore_index=True)
    return grid[[name for name in frame.columns if name in grid]]


def random_columns(levels, exog: np.ndarray, grid: np.ndarray) -> dict[str, np.ndarray]:
    """Random-effects columns that go with a grid of exog, for models from arrays.

    Parameters
    ----------
    levels : tuple of Level
    exog : ndarray, shape (nobs, k)
        Of the model: a random-effects column equal to one of these follows it in the grid, any
        other is held at its mean.
    grid : ndarray, shape (n, k)

    Returns
    -------
    dict of level name to ndarray, shape (n, q)
    """
    out = {}
    for level in levels:
        columns = []
        for z in level.columns.T:
            same = [k for k in range(exog.shape[1]) if np.array_equal(exog[:, k], z)]
            columns.append(grid[:, same[0]] if same else np.full(len(grid), z.mean()))
        out[level.name] = np.column_stack(columns)
    return out
