"""One door for predictions: which rows, which mean, and derivatives for standard errors."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from sm_gllamm.exceptions import SpecificationError
from sm_gllamm.prediction.averaging import averages
from sm_gllamm.prediction.means import (
    MeanWithGradient,
    conditional_mean,
    linear_predictor,
    marginal_mean,
    random_part,
)
from sm_gllamm.prediction.posterior_mean import posterior_response
from sm_gllamm.prediction.rows import (
    PredictionRows,
    as_frame,
    frame_rows,
    matrix_rows,
    model_rows,
)

__all__ = ["predicted", "predicted_with_gradient", "rows_for"]

#: Step of central differences in theta, in units of 1 + |theta|.
STEP = 1e-4


def rows_for(
    model, kind: str, exog=None, transform: bool = True, index=None, groups=None, exog_re=None,
    offset=None, exposure=None, random_effects=None,
) -> PredictionRows:  # fmt: skip
    """The rows that a call of ``predict`` is about, with as much of the random part as it needs.

    Parameters
    ----------
    model : GLMM
    kind : {"linear", "conditional", "posterior", "marginal"}
    exog : None, DataFrame, or array_like of shape (n, k)
    transform : bool
        Whether `exog` goes through the formula.
    index : pandas.Index, optional
        Row labels of arrays.
    groups, exog_re, offset, exposure, random_effects
        As in ``GLMMResults.predict``.

    Returns
    -------
    PredictionRows

    Raises
    ------
    SpecificationError
    """
    random = {
        "linear": False,
        "conditional": random_effects is not None,
        "posterior": True,
        "marginal": model.response.link != "Identity",
    }[kind]
    if random_effects is not None and kind != "conditional":
        raise SpecificationError("random_effects goes with which='conditional'")
    by_level = random_effects if isinstance(random_effects, Mapping) else {"": random_effects}
    clusters = kind == "posterior" or any(isinstance(v, pd.DataFrame) for v in by_level.values())
    if exog is None:
        if groups is not None or exog_re is not None:
            raise SpecificationError("groups and exog_re describe new rows; pass exog, too")
        return model_rows(model, offset, exposure)
    if transform and hasattr(model, "formula"):
        if groups is not None or exog_re is not None:
            raise SpecificationError(
                "groups and exog_re go with arrays; the formula takes them from the data's columns"
            )
        return frame_rows(model, as_frame(exog), random, clusters, offset, exposure)
    if clusters and groups is None:
        raise SpecificationError(
            f"which={kind!r} needs the clusters of the new rows: pass groups as for the model"
        )
    groups = groups if clusters else None
    return matrix_rows(model, exog, index, random, groups, exog_re, offset, exposure)


def predicted(
    model, params, rows: PredictionRows, kind: str, random_effects=None, quadrature=None
) -> np.ndarray:
    """Predictions of one kind.

    Parameters
    ----------
    model : GLMM
    params : array_like, shape (p,)
        Published parameters.
    rows : PredictionRows
    kind : {"linear", "conditional", "posterior", "marginal"}
    random_effects : optional
        For "conditional"; see `random_part`.
    quadrature : Quadrature, optional
        For "posterior".

    Returns
    -------
    ndarray, shape (n,)
        NaN for rows with missing values.
    """
    params = np.asarray(params, dtype=float)
    if kind == "marginal":
        return marginal_mean(model.mapping, model.response.link, params, rows).value
    if kind == "posterior":
        if model.assembly is None:
            model_rows(model)  # says that the data are gone
        return posterior_response(model, rows, quadrature)(model.mapping.theta(params))
    linear = linear_predictor(params, rows)
    if kind == "linear":
        return linear
    if random_effects is not None:
        linear = linear + random_part(random_effects, rows)
    return conditional_mean(model.response.link, linear)


def predicted_with_gradient(
    model, params, rows: PredictionRows, kind: str, random_effects=None, quadrature=None
) -> MeanWithGradient:
    """Predictions and their derivatives in the published parameters.

    Parameters
    ----------
    model, params, rows, kind, random_effects, quadrature
        As in `predicted`; given random effects are treated as known numbers.

    Returns
    -------
    MeanWithGradient

    Notes
    -----
    Derivatives are analytic except for "posterior", where central differences in the internal
    parameters are used.
    """
    params = np.asarray(params, dtype=float)
    mapping, link = model.mapping, model.response.link
    if kind == "marginal":
        return marginal_mean(mapping, link, params, rows, gradient=True)
    if kind == "posterior":
        return _posterior_with_gradient(model, params, rows, quadrature)
    linear = linear_predictor(params, rows)
    gradient = np.zeros((len(linear), mapping.k_params))
    gradient[:, : mapping.k_exog] = rows.exog
    if kind == "linear":
        return MeanWithGradient(linear, gradient)
    if random_effects is not None:
        linear = linear + random_part(random_effects, rows)
    mean, slope = averages(link, linear, np.zeros_like(linear), 1)
    return MeanWithGradient(mean, slope[:, None] * gradient)


def _posterior_with_gradient(model, params, rows, quadrature) -> MeanWithGradient:
    theta = model.mapping.theta(params)
    response = posterior_response(model, rows, quadrature)
    value = response(theta)
    slopes = np.empty((len(value), len(theta)))
    for t in range(len(theta)):
        step = np.zeros(len(theta))
        step[t] = STEP * (1.0 + abs(theta[t]))
        slopes[:, t] = (response(theta + step) - response(theta - step)) / (2.0 * step[t])
    return MeanWithGradient(value, slopes @ np.linalg.pinv(model.mapping.jacobian(theta)))
