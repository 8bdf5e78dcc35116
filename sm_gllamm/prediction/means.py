"""Linear predictor, conditional and population-averaged means, and their derivatives."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from sm_gllamm.exceptions import SpecificationError
from sm_gllamm.prediction.averaging import averages
from sm_gllamm.prediction.random_effects import effect_names, level_position
from sm_gllamm.prediction.rows import PredictionRows
from sm_gllamm.specification.grouping import show_label

__all__ = [
    "ONE",
    "WHICH",
    "MeanWithGradient",
    "PredictorLayout",
    "given_effects",
    "kind_of_prediction",
    "linear_predictor",
    "loadings",
    "plain_latent_mean",
    "plain_marginal_mean",
    "random_columns",
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
    value : ndarray, shape (n,) or (n, m)
    gradient : ndarray, shape (n, p) or (n, m, p)
    """

    value: np.ndarray
    gradient: np.ndarray

    def take(self, at: np.ndarray) -> MeanWithGradient:
        """Predictions at some positions."""
        return MeanWithGradient(self.value[at], self.gradient[at])


@dataclass(frozen=True, slots=True)
class PredictorLayout:
    """Which coefficients and random effects the linear predictors of a row have.

    Attributes
    ----------
    copies : int
        Number of predictors of a row, one for each category but the base of unordered categories; 0
        for responses with a single predictor.
    fixed : ndarray of intp, shape (max(copies, 1), k), or None
        Position of the coefficient of each covariate, -1 where there is none. None: copy after copy.
    random : tuple of ndarray of intp, each of shape (max(copies, 1), columns of a level)
        Number of the random effect of each column of a level, -1 where there is none; lowest level
        first. Empty: term after term, copy after copy.
    """

    copies: int = 0
    fixed: np.ndarray | None = None
    random: tuple[np.ndarray, ...] = ()


#: A single predictor with all coefficients and random effects in their order.
ONE = PredictorLayout()


def linear_predictor(
    params: np.ndarray, rows: PredictionRows, layout: PredictorLayout = ONE
) -> np.ndarray:
    """Linear predictor with random effects, or disturbances of latent variables, of zero.

    Parameters
    ----------
    params : ndarray, shape (p,)
        Published or internal: coefficients, loadings and regressions are the same.
    rows : PredictionRows
    layout : PredictorLayout

    Returns
    -------
    ndarray, shape (n,) or (n, copies)
    """
    k, copies = rows.exog.shape[1], layout.copies
    if layout.fixed is not None:
        # the last one is where there is no coefficient
        coefficients = np.append(params, 0.0)[layout.fixed]
    else:
        size = max(copies, 1)
        coefficients = params[: k * size].reshape(size, k)
    if copies:
        linear = rows.exog @ coefficients.T
        return linear if rows.offset is None else linear + rows.offset[:, None]
    linear = rows.exog @ coefficients[0]
    if rows.latents is not None:
        linear = linear + rows.latents.parts(params).fixed
    return linear if rows.offset is None else linear + rows.offset


def random_columns(
    mapping, rows: PredictionRows, level: int, layout: PredictorLayout = ONE
) -> np.ndarray:
    """Random-effects design of a level for each predictor of a row, shape (n, max(copies, 1), q)."""
    size = max(layout.copies, 1)
    out = np.zeros((rows.n, size, mapping.dimensions[level]))
    if layout.random:
        columns = rows.levels[level].columns
        for copy, places in enumerate(layout.random[level]):
            out[:, copy, places[places >= 0]] = columns[:, places >= 0]
        return out
    position = 0
    for term in rows.levels[level].terms:
        q = term.columns.shape[1]
        for copy in range(size):
            start = position + copy * q
            out[:, copy, start : start + q] = term.columns
        position += size * q
    return out


def loadings(
    mapping, theta: np.ndarray, rows: PredictionRows, layout: PredictorLayout = ONE
) -> np.ndarray:
    """Coefficients of the standard normal latent variables of all levels in the predictors of rows.

    Returns
    -------
    ndarray, shape (n, max(copies, 1), total number of random effects)
    """
    return np.concatenate(
        [
            random_columns(mapping, rows, level, layout) @ mapping.factor(theta, level)
            for level in range(len(mapping.dimensions))
        ],
        axis=2,
    )


def variance_columns(mapping, rows: PredictionRows) -> np.ndarray:
    """Derivatives of the random part's variance in the published parameters, shape (n, p).

    The variance ``sum_l z_l' Psi_l z_l`` is linear in the variances and covariances, so these
    columns times the parameters are the variance itself.
    """
    columns = np.zeros((rows.n, mapping.k_params))
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


def plain_marginal_mean(
    mapping, link: str, params: np.ndarray, rows: PredictionRows
) -> MeanWithGradient:
    """Population-averaged inverse link, with its derivatives.

    Parameters
    ----------
    mapping : GLMMMapping
    link : str
        Name of statsmodels' link class.
    params : ndarray, shape (p,)
        Published parameters.
    rows : PredictionRows
        With levels, except for the identity link.

    Returns
    -------
    MeanWithGradient
    """
    eta = linear_predictor(params, rows)
    if link == "Identity":
        columns, variance = np.zeros((len(eta), mapping.k_params)), np.zeros(len(eta))
    else:
        columns = variance_columns(mapping, rows)
        variance = np.maximum(columns @ params, 0.0)
    moments = averages(link, eta, variance, 2)
    derivative = 0.5 * moments[2][:, None] * columns
    derivative[:, : rows.exog.shape[1]] += moments[1][:, None] * rows.exog
    return MeanWithGradient(moments[0], derivative)


def plain_latent_mean(mapping, link: str, params, rows: PredictionRows, random: bool):
    """Inverse link of a predictor with latent variables, or its average, with derivatives.

    Parameters
    ----------
    mapping : StructuralMapping
    link : str
        Name of statsmodels' link class.
    params : ndarray, shape (p,)
        Published parameters.
    rows : PredictionRows
        With equations of latent variables, without products of them.
    random : bool
        Whether to average over the disturbances; otherwise they are zero.

    Returns
    -------
    MeanWithGradient

    Notes
    -----
    The predictor is normal; its mean and variance are polynomials in the internal parameters.
    """
    theta = mapping.theta(params)
    variance, along, across = rows.latents.moment_gradients(theta)
    along[:, : rows.exog.shape[1]] += rows.exog
    if not random:
        variance = np.zeros(rows.n)
    average = averages(link, linear_predictor(theta, rows), variance, 2)
    gradient = average[1][:, None] * along
    if random:
        gradient += 0.5 * average[2][:, None] * across
    return MeanWithGradient(average[0], gradient @ np.linalg.pinv(mapping.jacobian(theta)))


def given_effects(mapping, random_effects, rows: PredictionRows) -> list[np.ndarray]:
    """Given random effects, or disturbances of latent variables, of each row.

    Parameters
    ----------
    mapping : ParameterBlocks
    random_effects : DataFrame, array_like, or dict of level name to these
        A DataFrame with a row a cluster, such as ``results.random_effects``, is looked up by the
        cluster of each row; q numbers (a Series is taken by name) hold for all rows; an array of
        shape (n, q) has a line for each row.
    rows : PredictionRows
        With levels.

    Returns
    -------
    list of ndarray, each of shape (n, q_l)
        Lowest level first, zero where a level is not given.

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
    effects = [np.zeros((rows.n, q)) for q in mapping.dimensions]
    for name, values in random_effects.items():
        position = level_position(names, name)
        effects[position] = _by_row(values, rows.levels[position], effect_names(mapping, position))
    return effects


def random_part(
    mapping, theta: np.ndarray, effects: list[np.ndarray], rows: PredictionRows,
    layout: PredictorLayout = ONE,
) -> np.ndarray:  # fmt: skip
    """Random part of the linear predictor for given random effects.

    Parameters
    ----------
    mapping : ParameterBlocks
    theta : ndarray, shape (p,)
        Published or internal.
    effects : list of ndarray, each of shape (n, q_l)
        From :func:`given_effects`.
    rows : PredictionRows
        With levels.
    layout : PredictorLayout

    Returns
    -------
    ndarray, shape (n,) or (n, copies)
    """
    if rows.latents is not None:
        return rows.latents.parts_of_disturbances(theta).random(np.concatenate(effects, axis=1))
    total = np.zeros((rows.n, max(layout.copies, 1)))
    for level, values in enumerate(effects):
        total += np.einsum("ncq,nq->nc", random_columns(mapping, rows, level, layout), values)
    return total if layout.copies else total[:, 0]


def _by_row(values, level, names: tuple[str, ...]) -> np.ndarray:
    """Random effects of a level for each row, shape (n, q)."""
    n, q = len(level.codes), len(names)
    if isinstance(values, (pd.DataFrame, pd.Series)):
        columns = values.columns if isinstance(values, pd.DataFrame) else values.index
        if lacking := [name for name in names if name not in columns]:
            raise SpecificationError(f"random_effects of {level.name} lack {lacking}")
        values = values[list(names)]
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
        f"({', '.join(names)}) or one such line for each of {n} rows"
    )
