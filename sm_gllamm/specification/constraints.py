"""Linear constraints on parameters, as users write them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from statsmodels.formula._manager import FormulaManager

from sm_gllamm.exceptions import SpecificationError
from sm_gllamm.specification.evaluation import did_you_mean

__all__ = ["constraint_arrays", "contrast"]

# a word with what follows it in brackets, or after a colon: "var(x|g)", "C(z)[T.b]:x"
_NAME = r"[^\W\d]\w*(?:\([^()]*\)|\[[^\[\]]*\]|[.:]\w+)*"


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


def contrast(tested: Any, names: Sequence[str]) -> Any:
    """What to test, as statsmodels takes it: equations become matrix and values.

    Parameters
    ----------
    tested : str, list of str, or anything else that statsmodels' tests take
    names : sequence of str
        The parameters.

    Returns
    -------
    (R, q), or `tested`

    Raises
    ------
    SpecificationError
        Equations that are not understood.
    """
    texts = [tested] if isinstance(tested, str) else tested
    if isinstance(texts, (list, tuple)) and texts and all(isinstance(t, str) for t in texts):
        return constraint_arrays(tested, names)
    return tested


def _fixed(values: dict, names: list[str]) -> tuple[np.ndarray, np.ndarray]:
    for name in values:
        if name not in names:
            raise SpecificationError(f"no parameter {name!r}{did_you_mean(name, names)}")
    chosen = [names.index(name) for name in values]
    return np.eye(len(names))[chosen], np.array([float(v) for v in values.values()])


def _equations(text: str, names: list[str]) -> tuple[np.ndarray, np.ndarray]:
    if not text.strip():
        raise SpecificationError("the constraints are empty; give equations such as 'x = z'")
    try:
        found = FormulaManager().get_linear_constraints(text, names)
    except Exception as error:  # noqa: BLE001, the libraries raise errors of many classes
        if unknown := _unknown_name(text, names):
            raise SpecificationError(
                f"the constraints {text!r} are not understood: there is no parameter {unknown!r}"
                f"{did_you_mean(unknown, names)}"
            ) from error
        raise SpecificationError(
            f"the constraints {text!r} are not understood ({str(error).splitlines()[0]}); "
            f"the parameters are {names}"
        ) from error
    matrix = np.atleast_2d(np.asarray(found.constraint_matrix, dtype=float))
    return matrix, np.asarray(found.constraint_values, dtype=float).reshape(-1)


def _unknown_name(text: str, names: list[str]) -> str | None:
    """The first thing in equations that looks like a parameter's name and is none."""
    known = "|".join(re.escape(name) for name in sorted(names, key=len, reverse=True))
    number = r"[0-9.]+(?:[eE][-+]?[0-9]+)?"
    pieces = re.finditer(rf"(?:{known})(?![\w(\[])|{number}|(?P<unknown>{_NAME})", text)
    return next((piece["unknown"] for piece in pieces if piece["unknown"]), None)
