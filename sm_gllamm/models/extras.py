"""What a formula model has beside its formula: designs of other predictors, choice sets, entry times."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd

from sm_gllamm.exceptions import SpecificationError
from sm_gllamm.models.designs import array_design, formula_design, rows_of_member, shown
from sm_gllamm.models.member_rows import filled_ranks, filled_rows, filled_second_column
from sm_gllamm.models.responses import (
    CATEGORICAL,
    DESIGNS,
    encode_categories,
    encode_members,
    predictors_of,
)
from sm_gllamm.specification.evaluation import FormulaEngine, did_you_mean, names_in_scope
from sm_gllamm.specification.row_arrays import align, column
from sm_gllamm.specification.variance_by import variance_groups

__all__ = ["ROWS", "Extras", "extras_from_arrays", "extras_from_frame"]

#: Keywords of values with one entry a row.
ROWS = ("sets", "entry", "parts", "links", "family_by")


@dataclass(frozen=True, slots=True)
class Extras:
    """Designs and row values beside the formula's, one entry a row of data.

    Attributes
    ----------
    designs : dict of str to (ndarray of shape (n, r), list of str)
        By keyword; with several families by (keyword, label of the family), with zeros in the rows of
        other families.
    rows : dict of str to Series, DataFrame or ndarray
        "sets", "entry", "parts", "links", "family_by", as far as given.
    formulas : dict of str to str
        Where the designs come from, under the same keys.
    labels : tuple, or dict of label to tuple
        Categories of the response; with several families by family, where they are no numbers.
    groups : dict of str to Categorical
        By level, the groups whose random effects have variances of their own.
    names : dict of str to str or sequence of str
        Columns that `rows` were taken from, as far as they were.
    engine : FormulaEngine
        With the functions that the formulas use.
    members : tuple
        Labels of several families.
    """

    designs: dict[Any, tuple[np.ndarray, list[str]]] = field(default_factory=dict)
    rows: dict[str, Any] = field(default_factory=dict)
    formulas: dict[Any, str] = field(default_factory=dict)
    labels: Any = ()
    groups: dict[str, pd.Categorical] = field(default_factory=dict)
    names: dict[str, Any] = field(default_factory=dict)
    engine: FormulaEngine | None = None
    members: tuple = ()

    def missing(self) -> np.ndarray | None:
        """Rows in which something is missing, a boolean array of shape (n,); None if there are none."""
        lacking = [~np.isfinite(matrix).all(axis=1) for matrix, _ in self.designs.values()]
        lacking += [pd.DataFrame(x).isna().any(axis=1).to_numpy() for x in self.rows.values()]
        bad = np.logical_or.reduce(lacking) if lacking else np.zeros(0, dtype=bool)
        return bad if bad.any() else None

    def missing_in(self, row: int) -> str:
        """Which of the keywords lack a value in a row, for messages."""
        lacking = [
            shown(key)
            for key, (matrix, _) in self.designs.items()
            if not np.isfinite(matrix[row]).all()
        ]
        lacking += [
            f"{key}=" for key, x in self.rows.items() if pd.DataFrame(x).iloc[row].isna().any()
        ]
        return ", ".join(lacking)

    def take(self, kept: np.ndarray) -> Extras:
        """The chosen rows; SpecificationError if one of several families has none of them."""
        designs = {key: (matrix[kept], names) for key, (matrix, names) in self.designs.items()}
        rows = {
            key: values.iloc[kept] if hasattr(values, "iloc") else np.asarray(values)[kept]
            for key, values in self.rows.items()
        }
        groups = {level: values[kept] for level, values in self.groups.items()}
        if "family_by" in rows:
            before, left = (
                set(pd.unique(np.asarray(values, dtype=object)))
                for values in (self.rows["family_by"], rows["family_by"])
            )
            if gone := [label for label in self.members if label in before - left]:
                raise SpecificationError(
                    f"all rows of family {gone[0]!r} are left out, by subset or because they have missing "
                    "values in something that the model uses; what goes with other families alone is 0 in "
                    "these rows, not missing"
                )
        return replace(self, designs=designs, rows=rows, groups=groups)

    def in_use(self, kept: np.ndarray, frame: pd.DataFrame) -> Extras:
        """The rows of a model, with categories and transformations learned from these alone.

        Parameters
        ----------
        kept : ndarray of intp, shape (m,)
        frame : DataFrame, m rows
            These rows of the data.
        """
        taken = self.take(kept)
        if all(len(matrix) == len(kept) for matrix, _ in self.designs.values()):
            return taken
        by = taken.rows.get("family_by")
        designs = {
            key: formula_design(key, text, frame, by, self.engine)
            for key, text in self.formulas.items()
        }
        return replace(taken, designs=designs)

    def without_data(self) -> Extras:
        """What does not have the length of the data."""
        return replace(self, designs={}, rows={}, groups={})

    def design(self, key: Any, data: pd.DataFrame, frame: pd.DataFrame) -> np.ndarray | None:
        """Design of a predictor for new data, coded as in `frame`; None if it has no formula."""
        if key not in self.formulas:
            return None
        by = [
            self.row_values("family_by", rows) if isinstance(key, tuple) else None
            for rows in (data, frame)
        ]
        return formula_design(key, self.formulas[key], data, by[0], self.engine, frame, by[1])[0]

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


def _by_member(keyword: str, value: Any, family) -> dict[Any, Any]:
    """What is given for a predictor, by keyword or, with several families, by (keyword, label)."""
    members = getattr(family, "members", None)
    if members is None:
        if isinstance(value, Mapping):
            raise SpecificationError(
                f"{keyword}={{...}} goes with several families, family={{...}}; give a formula or an array"
            )
        return {keyword: value}
    if not isinstance(value, Mapping):
        having = [label for label, member in members.items() if keyword in predictors_of(member)]
        if not having:
            raise SpecificationError(
                f"{keyword}= does not go with any of the families {[*members]}"
            )
        return {(keyword, label): value for label in having}
    for label in value:
        if label not in members:
            raise SpecificationError(
                f"{keyword} names family {label!r}, which the model does not have"
                f"{did_you_mean(str(label), list(members))}"
            )
        if keyword not in predictors_of(members[label]):
            known = sorted(predictors_of(members[label]))
            raise SpecificationError(
                f"{shown((keyword, label))} does not go with {type(members[label]).__name__}"
                + (f"; it has {known}" if known else "")
            )
    return {(keyword, label): one for label, one in value.items()}


def extras_from_frame(
    family, formula: str, data: pd.DataFrame, given: Mapping[str, Any], eval_env=-1
):
    """Extras of a formula model, and the data with a categorical response coded.

    Parameters
    ----------
    family : statsmodels family or Family
    formula : str
    data : DataFrame
    given : dict
        Keywords of :data:`DESIGNS` (formulas, with several families a dict of formulas), "sets",
        "entry", "parts", "links", "family_by" (names of columns, several for sets, or values); None
        where not given.
    eval_env : int or dict
        Frames to go up from the caller to find functions that the formulas use; or these.

    Returns
    -------
    extras : Extras
    data : DataFrame
    """
    designs, rows, names = {}, {}, {}
    for keyword in ROWS:
        value = given.get(keyword)
        if value is not None:
            rows[keyword] = _row_values(keyword, value, data)
            if isinstance(value, str) or _several_columns(keyword, value):
                names[keyword] = value
    by, formulas = rows.get("family_by"), _formulas(family, given, by=rows.get("family_by"))
    engine = None
    if formulas:
        environment = names_in_scope(eval_env, formulas.values(), map(str, data.columns), depth=1)
        engine = FormulaEngine("patsy", environment)
        for key, text in formulas.items():
            designs[key] = formula_design(key, text, data, by, engine)
    data, labels = _coded(family, formula, data, by)
    groups = variance_groups(given.get("variance_by") or {}, data)
    rows = _filled(family, rows)
    members = tuple(getattr(family, "members", ()))
    return Extras(designs, rows, formulas, labels, groups, names, engine, members), data


def _formulas(family, given: Mapping[str, Any], by) -> dict[Any, str]:
    """Formulas of the other predictors by key; those of families that no row has are left out."""
    found = {}
    for keyword in DESIGNS:
        value = given.get(keyword)
        if value is None:
            continue
        for key, text in _by_member(keyword, value, family).items():
            if not isinstance(text, str):
                raise SpecificationError(
                    f"{shown(key)} must be a formula such as '~ x', not {text!r}"
                )
            # that a family has no rows, or family_by is lacking, is said where responses are checked
            if not isinstance(key, tuple) or (by is not None and rows_of_member(by, key[1]).any()):
                found[key] = text
    return found


def _coded(family, formula: str, data: pd.DataFrame, by):
    """The data with categories as codes and zeros where a row has no second column; the categories."""
    layout = getattr(family, "layout", "plain")
    left, _, right = str(formula).partition("~")
    columns = [name.strip() for name in left.split("+")]
    first = columns[0]
    if layout in CATEGORICAL and len(columns) == 1 and first in data.columns:
        codes, labels = encode_categories(family, data[first], first)
        return data.assign(**{first: codes}), labels
    if layout == "ranking" and len(columns) == 1 and first in data.columns:
        return data.assign(**{first: filled_ranks(family, data[first])}), ()
    if layout != "mixed" or by is None:
        return data, ()
    if first in data.columns:
        data = data.assign(**{first: filled_ranks(family, data[first], by)})
    changed: dict[str, Any] = {}
    by_family: dict[Any, tuple] = {}
    if first in data.columns and not pd.api.types.is_numeric_dtype(data[first].dtype):
        changed[first], by_family = encode_members(family, data[first], by, first)
    if len(columns) == 2 and columns[1] in data.columns:
        # unless it is a covariate, too
        if columns[1] not in re.findall(r"[^\W\d]\w*", right):
            changed[columns[1]] = filled_second_column(family, data[columns[1]], by)
    return (data.assign(**changed) if changed else data), by_family


def _filled(family, rows: dict[str, Any]) -> dict[str, Any]:
    """Row values without missing ones in the rows of families that do not use them."""
    by = rows.get("family_by")
    return {
        keyword: values if keyword == "family_by" else filled_rows(keyword, family, values, by)
        for keyword, values in rows.items()
    }


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
    return align(value, data.index, len(data), keyword)


def extras_from_arrays(given: Mapping[str, Any], endog: Any, family=None) -> Extras:
    """Extras of an array model.

    Parameters
    ----------
    given : dict
        Keywords of :data:`DESIGNS` (arrays of shape (n, r), with several families a dict of these),
        "sets", "entry", "parts", "links", "family_by".
    endog : array_like, shape (n,) or (n, 2)
        Response.
    family : statsmodels family or Family
    """
    if all(value is None for value in given.values()):
        return Extras()
    designs, rows, n = {}, {}, len(endog)
    index = endog.index if isinstance(endog, (pd.Series, pd.DataFrame)) else None
    for keyword in ROWS:
        value = given.get(keyword)
        if value is not None:
            if np.ndim(value) == 0 or len(value) != n:
                raise SpecificationError(f"{keyword} needs one value for each of {n} rows")
            rows[keyword] = align(value, index, n, keyword)
    for keyword in DESIGNS:
        value = given.get(keyword)
        if value is None:
            continue
        for key, one in _by_member(keyword, value, family).items():
            designs[key] = array_design(key, one, index, n, rows.get("family_by"))
    groups = {}
    for level, labels in (given.get("variance_by") or {}).items():
        if np.ndim(labels) == 0 or len(labels) != n:
            raise SpecificationError(f"variance_by[{level!r}] needs one group for each of {n} rows")
        groups[level] = pd.Categorical(align(labels, index, n, f"variance_by[{level!r}]"))
    rows = _filled(family, rows)
    return Extras(designs, rows, groups=groups, members=tuple(getattr(family, "members", ())))
