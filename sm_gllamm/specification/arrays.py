"""Levels of a model from arrays of labels and columns, without formulas."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from sm_gllamm.exceptions import SpecificationError
from sm_gllamm.specification.elements import Level, RandomTerm, constant_column
from sm_gllamm.specification.evaluation import did_you_mean
from sm_gllamm.specification.grouping import encode, order_by_nesting, recode
from sm_gllamm.specification.random_plan import structure_of
from sm_gllamm.specification.row_arrays import align

__all__ = [
    "align_inputs",
    "group_columns",
    "levels_for_new_arrays",
    "levels_from_arrays",
    "missing_rows",
    "take_rows",
]


def levels_from_arrays(
    groups: Any,
    exog_re: Any = None,
    nobs: int | None = None,
    covariance: str | Mapping[str, str] = "unstructured",
    rows: pd.Index | None = None,
) -> tuple[Level, ...]:
    """Levels of a model from cluster labels and random-effects columns.

    Parameters
    ----------
    groups : array_like of shape (nobs,) or (nobs, n_levels), DataFrame, or dict of name to labels
        Cluster labels. Several columns run from top to bottom, each nested in those before it, so
        that labels may be used again in another cluster of the level above. A Series' name or a
        DataFrame's columns name the levels, else ``"group"``, or ``"group1"``, ``"group2"``, ...
    exog_re : array_like of shape (nobs,) or (nobs, q), Series, DataFrame, or dict of level to such
        Columns whose coefficients vary between clusters; a random intercept where not given. With
        several levels, a dict by level name. Names are those of a Series or DataFrame, otherwise
        ``"Intercept"`` for a column of ones and ``"x_re1"``, ``"x_re2"``, ... by position.
    nobs : int, optional
        Number of rows to expect.
    covariance : {"unstructured", "diagonal", "equal"} or dict of level name to such
    rows : pandas.Index, optional
        Row labels, for messages.

    Returns
    -------
    tuple of Level
        Bottom to top; level b nested in a is named ``"a:b"``.

    Raises
    ------
    SpecificationError
        Wrong lengths, missing labels or values (with their rows), unknown level names.

    Examples
    --------
    >>> import numpy as np
    >>> from sm_gllamm.specification.arrays import levels_from_arrays
    >>> school = ["u", "u", "u", "v", "v", "v"]
    >>> klass = [1, 1, 2, 1, 2, 2]
    >>> for level in levels_from_arrays({"school": school, "class": klass}):
    ...     print(level.name, level.n_clusters, level.codes)
    school:class 4 [0 0 1 2 3 3]
    school 2 [0 0 0 1 1 1]
    """
    columns = group_columns(groups)
    names = list(columns)
    expected = nobs if nobs is not None else len(columns[names[0]])
    if expected == 0:
        raise SpecificationError("groups is empty: there are no rows.")
    for name, labels in columns.items():
        _check_labels(name, labels, expected, rows)
    level_names = [":".join(names[: depth + 1]) for depth in range(len(names))]
    designs = _columns_by_level(exog_re, level_names)
    if isinstance(covariance, Mapping):
        _check_level_names(covariance, level_names, "covariance")
    factors = []
    for depth, level_name in enumerate(level_names):
        keys = [columns[name] for name in names[: depth + 1]]
        factors.append((level_name, *encode(keys, names[: depth + 1])))
    levels = []
    for position in order_by_nesting(factors):
        name, codes, labels = factors[position]
        term = _term(name, designs[name], expected, structure_of(name, covariance), rows)
        levels.append(Level(name, codes, labels, (term,)))
    return tuple(levels)


def levels_for_new_arrays(
    levels: Sequence[Level], groups: Any = None, exog_re: Any = None, nobs: int | None = None
) -> tuple[Level, ...]:
    """Levels of new rows for a model whose levels came from `levels_from_arrays`.

    Parameters
    ----------
    levels : sequence of Level
        Of the model, bottom to top.
    groups : as in `levels_from_arrays`, optional
        Labels of the new rows; None puts them all in unknown clusters.
    exog_re : as in `levels_from_arrays`, optional
        May be left out where a level has a random intercept only.
    nobs : int, optional
        Number of new rows; needed when `groups` and `exog_re` are None.

    Returns
    -------
    tuple of Level
        With the model's names, labels and structures; codes are -1 in unknown clusters.

    Raises
    ------
    SpecificationError
    """
    top_down = list(reversed(levels))
    keys = None if groups is None else list(group_columns(groups).values())
    if keys is not None and len(keys) != len(levels):
        raise SpecificationError(
            f"groups has {len(keys)} columns, the model has {len(levels)} levels."
        )
    designs = _columns_by_level(exog_re, [level.name for level in top_down])
    if nobs is None:
        given = [value for value in (*(keys or ()), *designs.values()) if value is not None]
        if not given:
            raise SpecificationError("Give groups, exog_re, or the number of new rows.")
        nobs = len(given[0])
    built = []
    for depth, level in enumerate(top_down):
        codes = np.full(nobs, -1, dtype=np.intp)
        if keys is not None:
            codes = recode([_of_length(key, nobs) for key in keys[: depth + 1]], level.labels)
        built.append(Level(level.name, codes, level.labels, (_new_term(level, designs, nobs),)))
    return tuple(reversed(built))


def group_columns(groups: Any) -> dict[str, Any]:
    """Cluster labels as one column a level, top to bottom, by name.

    Parameters
    ----------
    groups : as in `levels_from_arrays`

    Returns
    -------
    dict of str to array_like of shape (nobs,)
    """
    if groups is None:
        raise SpecificationError("groups is missing: a mixed model needs labels of clusters.")
    if isinstance(groups, str):
        raise SpecificationError(
            f"groups={groups!r} is a column name, which only from_formula understands; pass the "
            "labels."
        )
    if isinstance(groups, pd.DataFrame):
        return {str(name): groups[name] for name in groups.columns}
    if isinstance(groups, Mapping):
        if not groups:
            raise SpecificationError("groups is an empty dict; give labels for at least one level.")
        return {str(name): labels for name, labels in groups.items()}
    if isinstance(groups, (pd.Series, pd.Index, pd.Categorical)):
        name = getattr(groups, "name", None)
        return {"group" if name is None else str(name): groups}
    labels = np.asarray(groups)
    if labels.dtype.kind in "US" and not isinstance(groups, np.ndarray):
        # a list with None or numbers among strings must not become the text "None" or "1"
        labels = np.asarray(groups, dtype=object)
    if labels.ndim == 1 or (labels.ndim == 2 and labels.shape[1] == 1):
        return {"group": labels.reshape(-1)}
    if labels.ndim != 2:
        raise SpecificationError(f"groups must have one or two dimensions, not {labels.ndim}.")
    return {f"group{depth + 1}": labels[:, depth] for depth in range(labels.shape[1])}


def missing_rows(nobs: int, **inputs: Any) -> np.ndarray:
    """Rows in which any of a model's inputs has a missing value.

    Parameters
    ----------
    nobs : int
    **inputs : None, array_like, Series, DataFrame, or dict of such
        With nobs rows each: endog, exog, groups, exog_re, offset, exposure, weights, ...

    Returns
    -------
    ndarray of bool, shape (nobs,)

    Raises
    ------
    SpecificationError
        An input has another number of rows; it is named.
    """
    mask = np.zeros(nobs, dtype=bool)
    for role, value in inputs.items():
        for key, part in _parts(value, role):
            part = _of_length(part, nobs, key)
            missing = np.asarray(pd.isna(part))
            if isinstance(part, np.ma.MaskedArray):
                missing = missing | np.ma.getmaskarray(part)
            mask |= missing.reshape(nobs, -1).any(axis=1) if missing.size else False
    return mask


def take_rows(value: Any, keep: np.ndarray) -> Any:
    """The chosen rows of an input, in the type it came in.

    Parameters
    ----------
    value : None, array_like, Series, DataFrame, or dict of such
    keep : ndarray of bool or intp
        Mask or positions of rows.

    Returns
    -------
    As `value`; lists become arrays.
    """
    if value is None:
        return None
    if isinstance(value, Mapping):
        return {key: take_rows(part, keep) for key, part in value.items()}
    if isinstance(value, (pd.Series, pd.DataFrame)):
        return value.iloc[np.flatnonzero(keep) if keep.dtype == bool else keep]
    if isinstance(value, (pd.Index, pd.Categorical, np.ndarray)):
        return value[keep]
    return _as_array(value)[keep]


def align_inputs(index: pd.Index | None, nobs: int, **inputs: Any) -> dict[str, Any]:
    """Inputs with pandas labels in the order of the response's rows.

    Parameters
    ----------
    index : pandas.Index or None
        Row labels of the response; None if it is an array.
    nobs : int
    **inputs : None, array_like, Series, DataFrame, or dict of such

    Returns
    -------
    dict
        The inputs by name.

    Raises
    ------
    SpecificationError
        Wrong length, or row labels that do not match; the input is named.
    """
    aligned: dict[str, Any] = {}
    for role, value in inputs.items():
        if isinstance(value, Mapping):
            aligned[role] = {
                key: align(part, index, nobs, f"{role}[{key!r}]") for key, part in value.items()
            }
        else:
            aligned[role] = None if value is None else align(value, index, nobs, role)
    return aligned


def _parts(value: Any, role: str) -> list[tuple[str, Any]]:
    if value is None:
        return []
    if isinstance(value, Mapping):
        return [(f"{role}[{key!r}]", part) for key, part in value.items() if part is not None]
    return [(role, value)]


def _as_array(value: Any) -> Any:
    if hasattr(value, "dtype") or isinstance(value, pd.DataFrame):
        return value
    array = np.asarray(value)
    return np.asarray(value, dtype=object) if array.dtype.kind in "US" else array


def _of_length(value: Any, nobs: int, role: str = "groups") -> Any:
    value = _as_array(value)
    if np.ndim(value) == 0 or len(value) != nobs:
        found = "a single value" if np.ndim(value) == 0 else f"{len(value)} rows"
        raise SpecificationError(f"{role} has {found} where the response has {nobs} rows.")
    return value


def _check_labels(name: str, labels: Any, nobs: int, rows: pd.Index | None) -> None:
    missing = np.asarray(pd.isna(_of_length(labels, nobs, f"groups[{name!r}]")))
    if missing.any():
        positions = np.flatnonzero(missing)[:5]
        shown = positions if rows is None else rows[positions]
        more = ", ..." if np.count_nonzero(missing) > 5 else ""
        raise SpecificationError(
            f"Grouping factor '{name}' is missing in rows "
            f"{', '.join(repr(row) for row in shown.tolist())}{more}. "
            "Use missing='drop' to leave out such rows."
        )


def _check_level_names(given: Mapping[str, Any], levels: Sequence[str], role: str) -> None:
    for key in given:
        if key not in levels:
            raise SpecificationError(
                f"{role} names level {key!r}, which the model does not have"
                f"{did_you_mean(str(key), levels)}"
            )


def _columns_by_level(exog_re: Any, levels: Sequence[str]) -> dict[str, Any]:
    if exog_re is None:
        return dict.fromkeys(levels)
    if isinstance(exog_re, Mapping):
        _check_level_names(exog_re, levels, "exog_re")
        return {level: exog_re.get(level) for level in levels}
    if len(levels) > 1:
        raise SpecificationError(
            "With several levels exog_re must be a dict of level names and columns; the levels are "
            f"{', '.join(levels)}."
        )
    return {levels[0]: exog_re}


def _term(level: str, exog_re: Any, nobs: int, structure: str, rows: pd.Index | None) -> RandomTerm:
    if exog_re is None:
        return RandomTerm(("Intercept",), constant_column(nobs), "unstructured", "1", structure)
    columns, names = _float_columns(level, exog_re, nobs)
    bad = ~np.isfinite(columns).all(axis=1)
    if bad.any():
        row = int(np.argmax(bad))
        column = names[int(np.argmax(~np.isfinite(columns[row])))]
        shown = row if rows is None else rows[row]
        raise SpecificationError(
            f"exog_re column '{column}' of level '{level}' is missing or infinite in row {shown!r}."
        )
    moot = len(names) == 1
    return RandomTerm(
        names, columns, "unstructured" if moot else structure, " + ".join(names), structure
    )


def _new_term(level: Level, designs: Mapping[str, Any], nobs: int) -> RandomTerm:
    known = level.terms[0]
    given = designs[level.name]
    if given is None:
        if known.names != ("Intercept",):
            raise SpecificationError(
                f"exog_re is missing for level '{level.name}', whose random effects are those of "
                f"{', '.join(known.names)}."
            )
        columns = constant_column(nobs)
    else:
        columns, names = _float_columns(level.name, given, nobs)
        if columns.shape[1] != len(known.names):
            raise SpecificationError(
                f"exog_re of level '{level.name}' has {columns.shape[1]} columns, the model has "
                f"{len(known.names)}: {', '.join(known.names)}."
            )
        if isinstance(given, pd.DataFrame) and set(names) == set(known.names):
            columns = columns[:, [names.index(name) for name in known.names]]
    return RandomTerm(known.names, columns, known.structure, known.label, known.asked)


def _float_columns(level: str, exog_re: Any, nobs: int) -> tuple[np.ndarray, tuple[str, ...]]:
    values = _of_length(exog_re, nobs, f"exog_re of level '{level}'")
    try:
        columns = np.array(values, dtype=np.float64, order="C")
    except (TypeError, ValueError):
        raise SpecificationError(f"exog_re of level '{level}' is not numeric.") from None
    columns = columns.reshape(nobs, -1) if columns.ndim == 1 else columns
    if columns.ndim != 2 or columns.shape[1] == 0:
        raise SpecificationError(
            f"exog_re of level '{level}' must have one or two dimensions and at least one column."
        )
    if isinstance(exog_re, pd.DataFrame):
        names = tuple(str(name) for name in exog_re.columns)
    elif isinstance(exog_re, pd.Series) and exog_re.name is not None:
        names = (str(exog_re.name),)
    else:
        names = tuple(
            "Intercept" if (column == 1).all() else f"x_re{position + 1}"
            for position, column in enumerate(columns.T)
        )
    if len(set(names)) < len(names):
        raise SpecificationError(
            f"exog_re of level '{level}' has two columns of one name: {', '.join(names)}."
        )
    return columns, names
