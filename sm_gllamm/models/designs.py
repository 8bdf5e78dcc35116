"""Designs of predictors that have no random effects, of one of several families by its rows."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pandas as pd

from sm_gllamm.exceptions import SpecificationError
from sm_gllamm.specification.evaluation import FormulaEngine, did_you_mean
from sm_gllamm.specification.formula import has_bars
from sm_gllamm.specification.row_arrays import align

__all__ = ["array_design", "design_of", "formula_design", "rows_of_member", "shown"]

#: Predictors that have a constant of their own elsewhere.
_NO_CONSTANT = ("thresholds", "scale")


def shown(key: Any) -> str:
    """A predictor for messages: ``dispersion=``, or ``dispersion= of family 'count'``."""
    return f"{key[0]}= of family {key[1]!r}" if isinstance(key, tuple) else f"{key}="


def design_of(
    keyword: str, formula: str, data: pd.DataFrame, frame: pd.DataFrame | None = None, engine=None
):
    """Design matrix of a one-sided formula, missing values as NaN.

    Parameters
    ----------
    keyword : str
        For messages.
    formula : str
    data : DataFrame
        Rows wanted.
    frame : DataFrame, optional
        Data from which the coding of categories was learned; default `data`.
    engine : FormulaEngine, optional
        With the functions that the formula uses; default numpy's, as ``np``.

    Returns
    -------
    matrix : ndarray, shape (n, r)
    names : list of str

    Raises
    ------
    SpecificationError
    """
    if not formula.lstrip().startswith("~"):
        raise SpecificationError(f"{keyword}={formula!r} must be a formula that starts with '~'")
    if has_bars(formula):
        raise SpecificationError(
            f"{keyword}={formula!r} has a random-effects term; random effects are in the formula of the "
            "linear predictor only"
        )
    engine = FormulaEngine("patsy", {"np": np}) if engine is None else engine
    learned = data if frame is None else frame
    try:
        result = engine.evaluate(formula, learned)
        if frame is not None:
            result = engine.apply(result.spec, formula, data)
    except SpecificationError as error:
        # patsy's error, and what was behind it
        name = getattr(getattr(error.__cause__, "__cause__", None), "name", None)
        what = str(error)
        if name is not None:
            what = f"the data have no column {name!r}{did_you_mean(name, learned.columns)}"
        raise SpecificationError(f"{keyword}={formula!r}: {what}") from None
    names = list(map(str, result.right.columns))
    table = np.full((len(data), len(names)), np.nan)
    table[~result.missing] = result.right.to_numpy(dtype=float)
    if result.missing.any():
        _show_what_is_missing(table, names, data, result.missing)
    if keyword in _NO_CONSTANT and "Intercept" in names:
        kept = [k for k, name in enumerate(names) if name != "Intercept"]
        table, names = table[:, kept], [names[k] for k in kept]
    if not names:
        raise SpecificationError(f"{keyword}={formula!r} has no columns")
    return table, names


def _show_what_is_missing(table, names, data: pd.DataFrame, missing: np.ndarray) -> None:
    """In incomplete rows zeros for columns of the design that nothing is missing in, for messages."""
    lacking = data[missing].isna()
    known = {str(column): lacking[column].to_numpy() for column in data.columns}
    bad = np.zeros((len(lacking), len(names)), dtype=bool)
    for j, name in enumerate(names):
        for word in re.findall(r"[^\W\d]\w*", name):
            if word in known:
                bad[:, j] |= known[word]
    # a transformation may be at fault as well: then it is not known which
    bad[~bad.any(axis=1)] = True
    table[missing] = np.where(bad, np.nan, 0.0)


def rows_of_member(by: Any, label: Any) -> np.ndarray:
    """Rows of one of several families, a boolean array."""
    return (pd.Series(np.asarray(by, dtype=object)) == label).to_numpy(dtype=bool)


def formula_design(key, formula, data, by, engine, frame=None, frame_by=None):
    """Design and names of a predictor; that of one of several families has zeros in other rows."""
    if not isinstance(key, tuple):
        return design_of(key, formula, data, frame, engine)
    keyword, label = key
    here = rows_of_member(by, label)
    learned = None if frame is None else frame[rows_of_member(frame_by, label)]
    if not here.any():
        # new data without rows of this family
        names = design_of(keyword, formula, learned, None, engine)[1]
        return np.zeros((len(data), len(names))), names
    matrix, names = design_of(keyword, formula, data[here], learned, engine)
    return _spread(matrix, here), names


def _spread(matrix: np.ndarray, here: np.ndarray) -> np.ndarray:
    """Rows at the places that are true, zeros elsewhere."""
    out = np.zeros((len(here), matrix.shape[1]))
    out[here] = matrix
    return out


def array_design(key, value, index, n: int, by) -> tuple[np.ndarray, list[str]]:
    """An array as the design of a predictor, with its names."""
    table = value.to_frame() if isinstance(value, pd.Series) else value
    if np.ndim(table) == 0 or len(table) != n:
        have = "no" if np.ndim(table) == 0 else len(table)
        raise SpecificationError(f"{shown(key)} has {have} rows, the response {n}")
    table = align(table, index, n, shown(key))
    names = list(map(str, getattr(table, "columns", [])))
    try:
        matrix = np.asarray(table, dtype=float)
    except (TypeError, ValueError):
        raise SpecificationError(f"{shown(key)} is not numeric") from None
    matrix = matrix.reshape(n, -1)
    if isinstance(key, tuple) and by is not None:
        here = rows_of_member(by, key[1])
        matrix = _spread(matrix[here], here)
    return matrix, names or [f"x{k + 1}" for k in range(matrix.shape[1])]
