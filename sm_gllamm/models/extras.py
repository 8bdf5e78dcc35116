"""What a formula model has beside its formula: designs of other predictors, choice sets, entry times."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd
import patsy

from sm_gllamm.exceptions import SpecificationError
from sm_gllamm.models.responses import CATEGORICAL, DESIGNS, encode_categories
from sm_gllamm.specification.evaluation import did_you_mean
from sm_gllamm.specification.row_arrays import column
from sm_gllamm.specification.variance_by import variance_groups

__all__ = ["ROWS", "Extras", "design_of", "extras_from_arrays", "extras_from_frame"]

#: Predictors that have a constant of their own elsewhere.
_NO_CONSTANT = ("thresholds", "scale")
#: Keywords of values with one entry a row.
ROWS = ("sets", "entry", "parts", "links", "family_by")


@dataclass(frozen=True, slots=True)
class Extras:
    """Designs and row values beside the formula's, one entry a row of data.

    Attributes
    ----------
    designs : dict of str to (ndarray of shape (n, r), list of str)
    rows : dict of str to Series, DataFrame or ndarray
        "sets", "entry", "parts", "links", as far as given.
    formulas : dict of str to str
        Where the designs come from.
    labels : tuple
        Categories of the response.
    groups : dict of str to Categorical
        By level, the groups whose random effects have variances of their own.
    names : dict of str to str or sequence of str
        Columns that `rows` were taken from, as far as they were.
    """

    designs: dict[str, tuple[np.ndarray, list[str]]] = field(default_factory=dict)
    rows: dict[str, Any] = field(default_factory=dict)
    formulas: dict[str, str] = field(default_factory=dict)
    labels: tuple = ()
    groups: dict[str, pd.Categorical] = field(default_factory=dict)
    names: dict[str, Any] = field(default_factory=dict)

    def missing(self) -> np.ndarray | None:
        """Rows in which something is missing, a boolean array of shape (n,); None if there are none."""
        lacking = [~np.isfinite(matrix).all(axis=1) for matrix, _ in self.designs.values()]
        lacking += [pd.DataFrame(x).isna().any(axis=1).to_numpy() for x in self.rows.values()]
        bad = np.logical_or.reduce(lacking) if lacking else np.zeros(0, dtype=bool)
        return bad if bad.any() else None

    def take(self, kept: np.ndarray) -> Extras:
        """The chosen rows."""
        designs = {key: (matrix[kept], names) for key, (matrix, names) in self.designs.items()}
        rows = {
            key: values.iloc[kept] if hasattr(values, "iloc") else np.asarray(values)[kept]
            for key, values in self.rows.items()
        }
        groups = {level: values[kept] for level, values in self.groups.items()}
        return replace(self, designs=designs, rows=rows, groups=groups)

    def without_data(self) -> Extras:
        """What does not have the length of the data."""
        return replace(self, designs={}, rows={}, groups={})

    def design(self, keyword: str, data: pd.DataFrame, frame: pd.DataFrame) -> np.ndarray | None:
        """Design of a predictor for new data, coded as in `frame`; None if it has no formula."""
        if keyword not in self.formulas:
            return None
        return design_of(keyword, self.formulas[keyword], data, frame)[0]

    def row_values(self, keyword: str, data: pd.DataFrame) -> Any:
        """Values of "sets", "family_by" and the like in new data, from the model's column.

        Raises
        ------
        SpecificationError
            The model had values, not a column; or the column is lacking.
        """
        if keyword not in self.names:
            raise SpecificationError(
                f"{keyword} of the model were values, not a column of its data; for predictions for new "
                f"data give the model the name of a column, or pass extras={{{keyword!r}: ...}}"
            )
        return _row_values(keyword, self.names[keyword], data)


def design_of(keyword: str, formula: str, data: pd.DataFrame, frame: pd.DataFrame | None = None):
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
    keep = patsy.NAAction(on_NA="drop", NA_types=[])
    try:
        matrix = patsy.dmatrix(formula, data if frame is None else frame, NA_action=keep)
        info = matrix.design_info
        if frame is not None:
            matrix = patsy.build_design_matrices([info], data, NA_action=keep)[0]
    except patsy.PatsyError as error:
        unknown = re.search(r"name '(\w+)' is not defined", str(error.message))
        what = error.message
        if unknown:
            near = did_you_mean(unknown[1], data.columns)
            what = f"the data have no column {unknown[1]!r}{near}"
        raise SpecificationError(f"{keyword}={formula!r}: {what}") from None
    names = list(info.column_names)
    table = np.asarray(matrix, dtype=float)
    if keyword in _NO_CONSTANT and "Intercept" in names:
        kept = [k for k, name in enumerate(names) if name != "Intercept"]
        table, names = table[:, kept], [names[k] for k in kept]
    if not names:
        raise SpecificationError(f"{keyword}={formula!r} has no columns")
    return table, names


def extras_from_frame(family, formula: str, data: pd.DataFrame, given: Mapping[str, Any]):
    """Extras of a formula model, and the data with a categorical response coded.

    Parameters
    ----------
    family : statsmodels family or Family
    formula : str
    data : DataFrame
    given : dict
        Keywords of :data:`DESIGNS` (formulas), "sets", "entry", "parts", "links" (names of columns,
        several for sets, or values); None where not given.

    Returns
    -------
    extras : Extras
    data : DataFrame
    """
    designs, rows, formulas, labels, names = {}, {}, {}, (), {}
    for keyword in DESIGNS:
        value = given.get(keyword)
        if value is None:
            continue
        if not isinstance(value, str):
            raise SpecificationError(f"{keyword} must be a formula such as '~ x', not {value!r}")
        formulas[keyword] = value
        designs[keyword] = design_of(keyword, value, data)
    for keyword in ROWS:
        value = given.get(keyword)
        if value is not None:
            rows[keyword] = _row_values(keyword, value, data)
            if isinstance(value, str) or _several_columns(keyword, value):
                names[keyword] = value
    layout, left = getattr(family, "layout", "plain"), str(formula).split("~", 1)[0].strip()
    if layout in CATEGORICAL and left in data.columns:
        codes, labels = encode_categories(family, data[left], left)
        data = data.assign(**{left: codes})
    elif layout == "ranking" and left in data.columns:
        # not ranked, which is no missing value: the alternative stays in its set
        data = data.assign(**{left: data[left].fillna(0)})
    groups = variance_groups(given.get("variance_by") or {}, data)
    return Extras(designs, rows, formulas, labels, groups, names), data


def _several_columns(keyword: str, value: Any) -> bool:
    """Whether choice sets are given by the names of several columns."""
    return (
        keyword == "sets"
        and isinstance(value, Sequence)
        and all(isinstance(name, str) for name in value)
    )


def _row_values(keyword: str, value: Any, data: pd.DataFrame) -> Any:
    """A column, several columns, or values with one entry a row."""
    if isinstance(value, str):
        return column(data, value, keyword)
    if _several_columns(keyword, value):
        return pd.concat([column(data, name, keyword) for name in value], axis=1)
    if np.ndim(value) == 0 or len(value) != len(data):
        raise SpecificationError(
            f"{keyword} must be a column of the data or one value for each of its {len(data)} rows"
        )
    return value


def extras_from_arrays(given: Mapping[str, Any], endog: Any) -> Extras:
    """Extras of an array model.

    Parameters
    ----------
    given : dict
        Keywords of :data:`DESIGNS` (arrays of shape (n, r)), "sets", "entry", "parts", "links".
    endog : array_like, shape (n,) or (n, 2)
        Response.
    """
    if all(value is None for value in given.values()):
        return Extras()
    designs, rows, n = {}, {}, len(endog)
    for keyword in DESIGNS:
        value = given.get(keyword)
        if value is None:
            continue
        table = value.to_frame() if isinstance(value, pd.Series) else value
        names = list(map(str, getattr(table, "columns", [])))
        matrix = np.asarray(table, dtype=float)
        matrix = matrix.reshape(len(matrix), -1)
        if len(matrix) != n:
            raise SpecificationError(f"{keyword} has {len(matrix)} rows, the response {n}")
        designs[keyword] = (matrix, names or [f"x{k + 1}" for k in range(matrix.shape[1])])
    for keyword in ROWS:
        value = given.get(keyword)
        if value is not None:
            if np.ndim(value) == 0 or len(value) != n:
                raise SpecificationError(f"{keyword} needs one value for each of {n} rows")
            rows[keyword] = value
    groups = {}
    for level, labels in (given.get("variance_by") or {}).items():
        if np.ndim(labels) == 0 or len(labels) != n:
            raise SpecificationError(f"variance_by[{level!r}] needs one group for each of {n} rows")
        groups[level] = pd.Categorical(labels)
    return Extras(designs, rows, groups=groups)
