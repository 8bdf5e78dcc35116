"""Data of a structural equation model: rows or moments of each group, as the likelihood needs them."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from statsmodels.tools.sm_exceptions import SpecificationWarning

from sm_gllamm.exceptions import SpecificationError
from sm_gllamm.specification.evaluation import did_you_mean

__all__ = [
    "GroupMoments",
    "GroupRows",
    "check_moments",
    "column_values",
    "group_moments",
    "group_rows",
    "numeric",
]

#: Share of a variable's variance that may be left when all others are given: less is collinear.
COLLINEAR = 1e-10


@dataclass(frozen=True)
class GroupRows:
    """Rows of one group.

    Attributes
    ----------
    label : str
    variables : tuple of str
    values : ndarray, shape (n, p)
        NaN where missing.
    rows : ndarray of int, shape (n,)
        Positions in the data in use.
    weight : ndarray, shape (n,)
    """

    label: str
    variables: tuple[str, ...]
    values: np.ndarray
    rows: np.ndarray
    weight: np.ndarray


@dataclass(frozen=True)
class GroupMoments:
    """Sufficient statistics of one group.

    Attributes
    ----------
    label : str
    variables : tuple of str
    n : float
        Number of rows, sum of the weights.
    mean : ndarray, shape (p,), or None
        None where only covariances are known.
    covariance : ndarray, shape (p, p)
        Divided by n.
    """

    label: str
    variables: tuple[str, ...]
    n: float
    mean: np.ndarray | None
    covariance: np.ndarray


def numeric(data: pd.DataFrame, name: str) -> np.ndarray:
    """A column, or the product of columns that ``"x:z"`` names, as numbers.

    Raises
    ------
    SpecificationError
        Text, categories or complex numbers, infinite values.
    """
    if name not in data and ":" in name:
        return np.prod([numeric(data, part) for part in name.split(":")], axis=0)
    column = data[name]
    if isinstance(column, pd.DataFrame):
        raise SpecificationError(f"the data have several columns {name!r}; rename them")
    if isinstance(column.dtype, pd.CategoricalDtype):
        raise SpecificationError(
            f"column {name!r} has categories, not numbers; give it numbers or leave it out"
        )
    try:
        values = column.to_numpy(dtype=float, na_value=np.nan)
    except (TypeError, ValueError):
        raise SpecificationError(
            f"column {name!r} of type {column.dtype} has values that are no numbers"
        ) from None
    if np.isinf(values).any():
        row = data.index[int(np.argmax(np.isinf(values)))]
        raise SpecificationError(f"column {name!r} is infinite in row {row!r}")
    return values


def column_values(data: pd.DataFrame, value, what: str) -> pd.Series | None:
    """A column that is named, or one value a row."""
    if value is None:
        return None
    if isinstance(value, str):
        if value not in data:
            raise SpecificationError(
                f"{what}={value!r} is no column of the data{did_you_mean(value, list(data.columns))}"
            )
        series = data[value]
    else:
        if len(value) != len(data):
            raise SpecificationError(f"{what} has {len(value)} values for {len(data)} rows")
        series = value if isinstance(value, pd.Series) else pd.Series(value)
    series = series.reset_index(drop=True)
    if series.isna().any():
        row = data.index[int(np.argmax(series.isna()))]
        raise SpecificationError(f"{what} is missing in row {row!r}; drop the row")
    return series


def group_rows(
    values: Mapping[str, np.ndarray],
    variables: Sequence[Sequence[str]],
    given: Sequence[Sequence[str]],
    labels: Sequence[str],
    codes: np.ndarray,
    weight: np.ndarray,
    listwise: bool,
) -> list[GroupRows]:
    """Rows of each group that say something about its variables.

    Parameters
    ----------
    values : dict of str to ndarray, shape (n,)
    variables, given : sequence of sequence of str
        Of each group: all observed variables, and covariates that are given.
    labels : sequence of str
    codes : ndarray of int, shape (n,)
    weight : ndarray, shape (n,)
    listwise : bool
        Whether rows with any missing value are left out.

    Raises
    ------
    SpecificationError
        No row is left, or a variable is missing in all rows of a group.

    Warns
    -----
    SpecificationWarning
        Rows are left out because all variables or a given covariate are missing.
    """
    out = []
    for g, label in enumerate(labels):
        rows = np.flatnonzero(codes == g)
        matrix = np.column_stack([values[name][rows] for name in variables[g]])
        absent = np.isnan(matrix)
        if absent.any():
            fixed = np.array([name in given[g] for name in variables[g]])
            lost = absent.any(1) if listwise else absent.all(1) | absent[:, fixed].any(1)
            if lost.any():
                why = "with missing values" if listwise else "without any value or covariate"
                warnings.warn(
                    f"{int(lost.sum())} rows {why} are left out"
                    + (f" of group {label}" if len(labels) > 1 else ""),
                    SpecificationWarning,
                    stacklevel=4,
                )
            rows, matrix = rows[~lost], matrix[~lost]
        if not len(rows):
            raise SpecificationError(f"no rows are left in group {label!r}")
        gone = np.isnan(matrix).all(0)
        if gone.any():
            name = variables[g][int(np.argmax(gone))]
            raise SpecificationError(f"{name!r} is missing in all rows of group {label!r}")
        out.append(GroupRows(label, tuple(variables[g]), matrix, rows, weight[rows]))
    return out


def group_moments(group: GroupRows) -> GroupMoments:
    """Weighted mean and covariance matrix of complete rows."""
    total = float(group.weight.sum())
    if np.ptp(group.weight) == 0.0:
        mean = group.values.mean(0)
        centred = group.values - mean
        covariance = centred.T @ centred / len(centred)
    else:
        mean = group.weight @ group.values / total
        centred = group.values - mean
        covariance = (centred * group.weight[:, None]).T @ centred / total
    return GroupMoments(group.label, group.variables, total, mean, covariance)


def check_moments(moments: GroupMoments) -> None:
    """Refuse a covariance matrix that is not positive definite; the variable that is to blame is named.

    Raises
    ------
    SpecificationError
        A constant variable, or one that is a combination of others.

    Warns
    -----
    SpecificationWarning
        There are fewer rows than variables: no saturated model exists to compare with.
    """
    variance = np.diag(moments.covariance)
    where = "" if moments.label == "1" else f" in group {moments.label!r}"
    if not np.isfinite(moments.covariance).all():
        raise SpecificationError(f"the covariance matrix of the responses is not finite{where}")
    if variance.min() <= 0.0:
        name = moments.variables[int(np.argmin(variance))]
        raise SpecificationError(f"{name!r} is constant{where}: its variance is {variance.min():g}")
    if moments.n <= len(variance):
        warnings.warn(
            f"{moments.n:g} rows{where} are too few for the covariance matrix of {len(variance)} variables, "
            "which is singular; there is no saturated model to compare with",
            SpecificationWarning,
            stacklevel=4,
        )
        return
    sd = np.sqrt(variance)
    factor = np.zeros_like(moments.covariance)
    correlation = moments.covariance / np.outer(sd, sd)
    for k in range(len(sd)):
        # Cholesky, row by row: the first variable without anything of its own
        left = correlation[k, k] - factor[k, :k] @ factor[k, :k]
        if left < COLLINEAR:
            others = np.linalg.lstsq(correlation[:k, :k], correlation[:k, k], rcond=None)[0]
            names = [moments.variables[j] for j in np.flatnonzero(np.abs(others) > 1e-6)]
            raise SpecificationError(
                f"the covariance matrix of the responses is singular{where}: {moments.variables[k]!r} is a "
                f"combination of {', '.join(map(repr, names))}. Leave one of them out."
            )
        factor[k, k] = np.sqrt(left)
        rest = slice(k + 1, None)
        factor[rest, k] = (correlation[rest, k] - factor[rest, :k] @ factor[k, :k]) / factor[k, k]
