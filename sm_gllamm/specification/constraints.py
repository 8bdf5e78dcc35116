"""Linear constraints on parameters, as users write them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from statsmodels.formula._manager import FormulaManager

from sm_gllamm.exceptions import SpecificationError
from sm_gllamm.specification.evaluation import did_you_mean

__all__ = ["constraint_arrays"]


def constraint_arrays(constraints: Any, names: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Matrix R and values q of the constraints R params = q.

    Parameters
    ----------
    constraints : str, list of str, dict of str to float, ndarray or (R, q)
        ``"x = z, var(Intercept|g) = 1"``; a dict fixes parameters at values; an array is R, with
        q = 0.
    names : sequence of str
        The parameters.

    Returns
    -------
    matrix : ndarray, shape (m, p)
    values : ndarray, shape (m,)

    Raises
    ------
    SpecificationError
        Unknown parameters, equations that are not linear, arrays of the wrong shape.

    Examples
    --------
    >>> matrix, values = constraint_arrays("a = 2 * b", ["a", "b"])
    >>> matrix.tolist(), values.tolist()
    ([[1.0, -2.0]], [0.0])
    """
    names = list(names)
    if isinstance(constraints, (Mapping, pd.Series)):
        return _fixed(dict(constraints), names)
    if isinstance(constraints, str):
        return _equations(constraints, names)
    if isinstance(constraints, (list, tuple)) and constraints:
        if all(isinstance(item, str) for item in constraints):
            return _equations(", ".join(constraints), names)
    matrix, values = constraints, None
    if isinstance(constraints, tuple) and len(constraints) == 2:
        matrix, values = constraints
    try:
        matrix = np.atleast_2d(np.asarray(matrix, dtype=float))
        values = np.zeros(len(matrix)) if values is None else np.asarray(values, dtype=float)
        values = np.broadcast_to(values.reshape(-1), (len(matrix),))
    except (TypeError, ValueError) as error:
        raise SpecificationError(
            "constraints must be equations in a string, a dict of values, a matrix R or (R, q): "
            f"{error}"
        ) from error
    if matrix.ndim != 2 or matrix.shape[1] != len(names):
        raise SpecificationError(
            f"constraints have shape {matrix.shape}; a column is needed for each of {names}"
        )
    return matrix, values


def _fixed(values: dict, names: list[str]) -> tuple[np.ndarray, np.ndarray]:
    for name in values:
        if name not in names:
            raise SpecificationError(f"no parameter {name!r}{did_you_mean(name, names)}")
    chosen = [names.index(name) for name in values]
    return np.eye(len(names))[chosen], np.array([float(v) for v in values.values()])


def _equations(text: str, names: list[str]) -> tuple[np.ndarray, np.ndarray]:
    try:
        found = FormulaManager().get_linear_constraints(text, names)
    except Exception as error:  # noqa: BLE001, the libraries raise errors of many classes
        raise SpecificationError(
            f"the constraints {text!r} are not understood ({str(error).splitlines()[0]}); "
            f"the parameters are {names}"
        ) from error
    matrix = np.atleast_2d(np.asarray(found.constraint_matrix, dtype=float))
    return matrix, np.asarray(found.constraint_values, dtype=float).reshape(-1)
