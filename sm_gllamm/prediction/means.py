"""Linear predictor, conditional and population-averaged means, and their derivatives."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from sm_gllamm.exceptions import SpecificationError
from sm_gllamm.prediction.averaging import averages
from sm_gllamm.prediction.random_effects import level_position
from sm_gllamm.prediction.rows import PredictionRows
from sm_gllamm.specification.grouping import show_label

__all__ = [
    "WHICH",
    "MeanWithGradient",
    "conditional_mean",
    "kind_of_prediction",
    "linear_predictor",
    "marginal_mean",
    "random_part",
    "variance_columns",
    "variance_of_random_part",
]

#: Names of the predictions, and the synonyms that statsmodels' classes use.
WHICH = {
    "marginal": "marginal",
    "mean": "marginal",
    "conditional": "conditional",
    "median": "conditional",
    "posterior": "posterior",
    "linear": "linear",
    "linpred": "linear",
}


def kind_of_prediction(which: str) -> str:
    """The prediction that a name or synonym stands for; SpecificationError for any other."""
    if which not in WHICH:
        raise SpecificationError(
            f"which={which!r} is not known; use 'linear', 'conditional', 'posterior' or 'marginal'"
        )
    return WHICH[which]


@dataclass(frozen=True, slots=True)
class MeanWithGradient:
    """Predictions and their derivatives in the published parameters.

    Attributes
    ----------
    value : ndarray, shape (n,)
    gradient : ndarray, shape (n, p)
    """

    value: np.ndarray
    gradient: np.ndarray


def linear_predictor(params: np.ndarray, rows: PredictionRows) -> np.ndarray:
    """Fixed part of the linear predictor, ``x'beta + offset``, shape (n,)."""
    linear = rows.exog @ params[: rows.exog.shape[1]]
    return linear if rows.offset is None else linear + rows.offset


def variance_columns(mapping, rows: PredictionRows) -> np.ndarray:
    """Derivatives of the random part's variance in the published parameters, shape (n, p).

    The variance ``sum_l z_l' Psi_l z_l`` is linear in the variances and covariances, so these
    columns times the parameters are the variance itself.
    """
    columns = np.zeros((len(rows.exog), mapping.k_params))
    for level, position, block, covariance in mapping.terms:
        z = rows.levels[level].columns[:, position : position + len(covariance.names)]
        if covariance.structure == "equal":
            columns[:, block.start] = (z**2).sum(axis=1)
            continue
        for k, (a, b) in enumerate(covariance.params):
            columns[:, block.start + k] = z[:, a] * z[:, b] * (1.0 if a == b else 2.0)
    return columns


def variance_of_random_part(mapping, params: np.ndarray, rows: PredictionRows) -> np.ndarray:
    """Variance of the linear predictor over the population of clusters, shape (n,)."""
    return np.maximum(variance_columns(mapping, rows) @ params, 0.0)


def marginal_mean(
    mapping, link: str, params: np.ndarray, rows: PredictionRows, gradient: bool = False
) -> MeanWithGradient:
    """Population-averaged mean response.

    Parameters
    ----------
    mapping : GLMMMapping
    link : str
        Name of statsmodels' link class.
    params : ndarray, shape (p,)
        Published parameters.
    rows : PredictionRows
        With levels, except for the identity link.
    gradient : bool
        Whether derivatives are wanted.

    Returns
    -------
    MeanWithGradient
        The gradient is empty where not wanted.
    """
    eta = linear_predictor(params, rows)
    if link == "Identity":
        columns, variance = np.zeros((len(eta), mapping.k_params)), np.zeros(len(eta))
    else:
        columns = variance_columns(mapping, rows)
        variance = np.maximum(columns @ params, 0.0)
    moments = averages(link, eta, variance, 2 if gradient else 0)
    if not gradient:
        return MeanWithGradient(moments[0], np.empty((len(eta), 0)))
    derivative = 0.5 * moments[2][:, None] * columns
    derivative[:, : mapping.k_exog] += moments[1][:, None] * rows.exog
    return MeanWithGradient(moments[0], derivative)


def conditional_mean(link: str, linear: np.ndarray) -> np.ndarray:
    """Mean response given a linear predictor, shape (n,)."""
    return averages(link, linear, np.zeros_like(linear))[0]


def random_part(random_effects, rows: PredictionRows) -> np.ndarray:
    """Random part of the linear predictor for given random effects, shape (n,).

    Parameters
    ----------
    random_effects : DataFrame, array_like, or dict of level name to these
        A DataFrame with a row a cluster, such as ``results.random_effects``, is looked up by the
        cluster of each row; q numbers (a Series is taken by name) hold for all rows; an array of
        shape (n, q) has a line for each row.
    rows : PredictionRows
        With levels.

    Raises
    ------
    SpecificationError
        Levels, effects or clusters without a value.
    """
    names = [level.name for level in rows.levels]
    if not isinstance(random_effects, Mapping):
        if len(names) > 1:
            raise SpecificationError(
                f"random_effects must be a dict with the levels {names[::-1]}, or some of them"
            )
        random_effects = {names[0]: random_effects}
    total = np.zeros(len(rows.exog))
    for name, values in random_effects.items():
        level = rows.levels[level_position(names, name)]
        total += np.einsum("nq,nq->n", level.columns, _by_row(values, level))
    return total


def _by_row(values, level) -> np.ndarray:
    """Random effects of a level for each row, shape (n, q)."""
    n, q = len(level.codes), len(level.names)
    if isinstance(values, (pd.DataFrame, pd.Series)):
        columns = values.columns if isinstance(values, pd.DataFrame) else values.index
        if lacking := [name for name in level.names if name not in columns]:
            raise SpecificationError(f"random_effects of {level.name} lack {lacking}")
        values = values[list(level.names)]
    if isinstance(values, pd.DataFrame):
        table = values.reindex(level.labels).to_numpy(dtype=float)
        table = np.vstack([table, np.full(q, np.nan)])  # code -1 is the last row
        chosen = table[level.codes]
        unknown = np.isnan(chosen).any(axis=1)
        if unknown.any():
            row = int(np.argmax(unknown))
            code = level.codes[row]
            cluster = "an unknown cluster" if code < 0 else show_label(level.labels[code])
            raise SpecificationError(
                f"random_effects of {level.name} have no value for {cluster} (row {row})"
            )
        return chosen
    array = np.asarray(values, dtype=float)
    if array.size == n * q and np.shape(array)[:1] == (n,):
        return array.reshape(n, q)
    if array.size == q:
        return np.broadcast_to(array.reshape(q), (n, q))
    raise SpecificationError(
        f"random_effects of {level.name} have shape {array.shape}; needed are {q} numbers "
        f"({', '.join(level.names)}) or one such line for each of {n} rows"
    )
