"""One door for predictions: which rows, which mean, and derivatives for standard errors."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pandas as pd

from sm_gllamm.exceptions import SpecificationError
from sm_gllamm.prediction.averaging import averages
from sm_gllamm.prediction.means import (
    MeanWithGradient,
    PredictorLayout,
    given_effects,
    linear_predictor,
    plain_latent_mean,
    plain_marginal_mean,
    random_part,
)
from sm_gllamm.prediction.members import member_rows, members_of
from sm_gllamm.prediction.posterior_mean import posterior_prediction
from sm_gllamm.prediction.rows import (
    PredictionRows,
    as_frame,
    frame_rows,
    matrix_rows,
    model_rows,
)
from sm_gllamm.prediction.targets import Target

__all__ = [
    "cells",
    "prediction_columns",
    "prediction_function",
    "predicted",
    "predicted_with_gradient",
    "rows_for",
    "targets_of",
]

#: Step of central differences in theta, in units of 1 + |theta|.
STEP = 1e-4
#: Column of means where other rows have probabilities of categories, and of the linear predictors of rows
#: that have one where others have several.
MEAN, LINEAR = "mean", "linear"


def rows_for(
    model, kind: str, exog=None, transform: bool = True, index=None, groups=None, exog_re=None,
    offset=None, exposure=None, random_effects=None, extras=None,
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
    groups, exog_re, offset, exposure, random_effects, extras
        As in ``GLMMResults.predict``.

    Returns
    -------
    PredictionRows

    Raises
    ------
    SpecificationError
    """
    layout = getattr(model.family, "layout", "plain")
    identity = model.response.link == "Identity" and layout in ("plain", "interval")
    random = {
        "linear": False,
        "conditional": random_effects is not None,
        "posterior": True,
        "marginal": not identity,
    }[kind]
    if random_effects is not None and kind != "conditional":
        raise SpecificationError("random_effects goes with which='conditional'")
    by_level = random_effects if isinstance(random_effects, Mapping) else {"": random_effects}
    clusters = kind == "posterior" or any(isinstance(v, pd.DataFrame) for v in by_level.values())
    if exog is None:
        if groups is not None or exog_re is not None or extras is not None:
            raise SpecificationError("groups, exog_re and extras describe new rows; pass exog, too")
        return model_rows(model, offset, exposure)
    wanted: list = []
    # which family a row has decides how many linear predictors it has
    values = kind != "linear" or _several_predictors(model)
    if kind != "linear":
        wanted = [key for member in members_of(model) for key in member.needed]
    if transform and hasattr(model, "formula"):
        if groups is not None or exog_re is not None or extras is not None:
            raise SpecificationError(
                "groups, exog_re and extras go with arrays; the model takes them from the data's columns"
            )
        return frame_rows(model, as_frame(exog), random, clusters, offset, exposure, wanted, values)
    if clusters and groups is None:
        raise SpecificationError(
            f"which={kind!r} needs the clusters of the new rows: pass groups as for the model"
        )
    groups = groups if clusters else None
    return matrix_rows(
        model, exog, index, random, groups, exog_re, offset, exposure, wanted, extras, values,
    )  # fmt: skip


def targets_of(
    model, rows: PredictionRows, survival: Sequence[float] | None = None
) -> list[tuple[Target, np.ndarray]]:
    """What is predicted of each family, with the positions of its rows.

    Parameters
    ----------
    model : GLMM
    rows : PredictionRows
    survival : sequence of float, optional
        Times at which survival probabilities are wanted.
    """
    times = None if survival is None else tuple(np.atleast_1d(survival).tolist())
    return [
        (Target(model.mapping, member, times), at)
        for member, at in member_rows(members_of(model), rows)
    ]


def _several_predictors(model) -> bool:
    """Whether rows of some family have several linear predictors, one a category."""
    families = getattr(model.family, "members", {None: model.family}).values()
    return any(getattr(family, "layout", "plain") == "nominal" for family in families)


def prediction_columns(model, rows: PredictionRows, kind: str, survival=None) -> tuple | None:
    """Labels of the columns where predictions of a row are several numbers, otherwise None.

    Where some rows have categories and others, of other families, a mean: "mean" and all categories. Of
    linear predictors: "linear" and the categories that have one of their own.
    """
    if kind == "linear":
        if not _several_predictors(model):
            return None
        own, single = [m.own_predictors for m, _ in member_rows(members_of(model), rows)], LINEAR
    else:
        own, single = [t.columns for t, _ in targets_of(model, rows, survival)], MEAN
    labels = dict.fromkeys(label for columns in own for label in columns or ())
    if not labels:
        return None
    return (single, *labels) if None in own else tuple(labels)


def cells(labels: tuple | None, at: np.ndarray, columns: tuple | None):
    """Where predictions of the rows `at` of a family stand in an array of all rows and `columns`.

    `labels` are the family's own columns; None: it has a single number a row, in the first of `columns`.
    """
    if columns is None:
        return at
    if labels is None:
        return at, 0
    return np.ix_(at, [columns.index(label) for label in labels])


def prediction_function(
    model, rows: PredictionRows, kind: str, random_effects=None, quadrature=None, survival=None
) -> Callable[[np.ndarray], np.ndarray]:
    """Predictions of one kind as a function of the internal parameters.

    Parameters
    ----------
    model : GLMM
    rows : PredictionRows
    kind : {"linear", "conditional", "posterior", "marginal"}
    random_effects : optional
        For "conditional"; see `random_part`.
    quadrature : Quadrature, optional
        For "posterior".
    survival : sequence of float, optional
        Times at which survival probabilities are wanted instead of the mean.

    Returns
    -------
    callable
        Takes theta, shape (p,), and returns shape (n,) or (n, number of columns), NaN for rows with
        missing values and in columns that are not the row's family's.
    """
    if kind == "linear":
        if survival is not None:
            raise SpecificationError("survival goes with means, not with which='linear'")
        return _linear_predictors(model, rows)
    if kind == "posterior" and model.assembly is None:
        model_rows(model)  # says that the data are gone
    _refuse_unknown_columns(model, rows)
    complete, parts = rows.complete, []
    columns = prediction_columns(model, rows, kind, survival)
    for target, at in targets_of(model, rows, survival):
        if len(known := at[complete[at]]):
            one = _one(model, target, rows.take(known), kind, random_effects, quadrature)
            parts.append((cells(target.columns, known, columns), one))

    def everything(theta):
        out = np.full(rows.n if columns is None else (rows.n, len(columns)), np.nan)
        for where, function in parts:
            out[where] = function(theta)
        return out

    return everything


def _refuse_unknown_columns(model, rows: PredictionRows) -> None:
    """Refuse rows with values in columns that are zero in all rows of their family in the fit."""
    if rows.member is None or not _several_predictors(model):
        return
    for member, at in member_rows(members_of(model), rows):
        layout, names = member.predictors, model.responses.exog_names
        given = [(layout.fixed, rows.exog[at], names)]
        for places, level in zip(layout.random, rows.levels or (), strict=False):
            given.append((places, level.columns[at], level.names))
        for places, values, labels in given:
            unknown = (places < 0).all(axis=0)
            found = np.isfinite(values) & (values != 0.0) & unknown
            if found.any():
                row, column = np.argwhere(found)[0]
                raise SpecificationError(
                    f"'{labels[column]}' is {values[row, column]:g} in row {at[row]} of the new data; it was "
                    f"0 in all rows of family {member.label!r} of the fit, and has no coefficient there"
                )


def _linear_predictors(model, rows: PredictionRows) -> Callable[[np.ndarray], np.ndarray]:
    """Linear predictors without random effects as a function of theta."""
    if not _several_predictors(model):
        return lambda theta: linear_predictor(theta, rows)
    _refuse_unknown_columns(model, rows)
    columns = prediction_columns(model, rows, "linear")
    parts = [
        (member.predictors, cells(member.own_predictors, at, columns), rows.take(at))
        for member, at in member_rows(members_of(model), rows)
    ]

    def everything(theta):
        out = np.full(rows.n if columns is None else (rows.n, len(columns)), np.nan)
        for layout, where, own in parts:
            out[where] = linear_predictor(theta, own, layout)
        return out

    return everything


def _one(model, target: Target, rows: PredictionRows, kind: str, random_effects, quadrature):
    """Predictions for complete rows of one family as a function of theta."""
    if kind == "posterior":
        return posterior_prediction(model, target, rows, quadrature)
    effects = None
    if random_effects is not None:
        effects = given_effects(model.mapping, random_effects, rows)

    def values(theta):
        linear = linear_predictor(theta, rows, target.layout)
        if kind == "marginal":
            return target.averaged(linear, theta, rows)
        if effects is not None:
            linear = linear + random_part(model.mapping, theta, effects, rows, target.layout)
        return target.at(linear, target.slots(theta, rows))

    return values


def predicted(
    model, params, rows: PredictionRows, kind: str, random_effects=None, quadrature=None,
    survival=None,
) -> np.ndarray:  # fmt: skip
    """Predictions of one kind.

    Parameters
    ----------
    model, rows, kind, random_effects, quadrature, survival
        As in :func:`prediction_function`.
    params : array_like, shape (p,)
        Published parameters.

    Returns
    -------
    ndarray, shape (n,) or (n, number of columns)
        NaN for rows with missing values and in columns that are not the row's family's.
    """
    theta = model.mapping.theta(params)
    function = prediction_function(model, rows, kind, random_effects, quadrature, survival)
    return function(theta)


def _plain_link(model, rows: PredictionRows) -> str | None:
    """The link, if means are its inverse and no more."""
    members = members_of(model)
    if len(members) > 1 or members[0].label is not None:
        return None
    return Target(model.mapping, members[0]).plain_link(rows)


def predicted_with_gradient(
    model, params, rows: PredictionRows, kind: str, random_effects=None, quadrature=None,
    survival=None,
) -> MeanWithGradient:  # fmt: skip
    """Predictions and their derivatives in the published parameters.

    Parameters
    ----------
    model, params, rows, kind, random_effects, quadrature, survival
        As in `predicted`; given random effects are treated as known numbers.

    Returns
    -------
    MeanWithGradient

    Notes
    -----
    Derivatives are analytic where the prediction is the inverse link of one predictor, or its
    average; otherwise ("posterior", categories, means with further parameters, models with latent
    variables) central differences in the internal parameters are used.
    """
    params = np.asarray(params, dtype=float)
    mapping = model.mapping
    link, latent = None, rows.latents is not None
    if kind not in ("linear", "posterior") and survival is None:
        link = _plain_link(model, rows)
    if latent and link is not None and random_effects is None and not rows.latents.pairs:
        return plain_latent_mean(mapping, link, params, rows, kind == "marginal")
    if latent:
        link = None
    if kind == "marginal" and link is not None:
        return plain_marginal_mean(mapping, link, params, rows)
    in_order = kind == "linear" and survival is None and not latent
    if _several_predictors(model) and rows.member is not None:
        in_order = False
    if in_order or link is not None:
        copies = len(prediction_columns(model, rows, kind) or ()) if in_order else 0
        linear = linear_predictor(params, rows, PredictorLayout(copies))
        k = rows.exog.shape[1]
        gradient = np.zeros((*linear.shape, mapping.k_params))
        for copy in range(copies):
            gradient[:, copy, copy * k : (copy + 1) * k] = rows.exog
        if not copies:
            gradient[:, :k] = rows.exog
        if kind == "linear":
            return MeanWithGradient(linear, gradient)
        if random_effects is not None:
            effects = given_effects(mapping, random_effects, rows)
            linear = linear + random_part(mapping, params, effects, rows)
        mean, slope = averages(link, linear, np.zeros_like(linear), 1)
        return MeanWithGradient(mean, slope[:, None] * gradient)
    function = prediction_function(model, rows, kind, random_effects, quadrature, survival)
    return _differenced(function, mapping, params)


def _differenced(function: Callable, mapping, params: np.ndarray) -> MeanWithGradient:
    """Value and derivatives in the published parameters by central differences in theta."""
    theta = mapping.theta(params)
    value = function(theta)
    slopes = np.empty((*value.shape, len(theta)))
    for t in range(len(theta)):
        step = np.zeros(len(theta))
        step[t] = STEP * (1.0 + abs(theta[t]))
        slopes[..., t] = (function(theta + step) - function(theta - step)) / (2.0 * step[t])
    return MeanWithGradient(value, slopes @ np.linalg.pinv(mapping.jacobian(theta)))
