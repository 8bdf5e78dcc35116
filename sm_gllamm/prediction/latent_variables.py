"""Latent variables after the structural model, and predictors of rows that depend on them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from sm_gllamm.exceptions import SpecificationError
from sm_gllamm.prediction.mean_form import TruncatedMean
from sm_gllamm.prediction.posterior_mean import posterior_prediction
from sm_gllamm.prediction.predict import targets_of
from sm_gllamm.prediction.rows import model_rows
from sm_gllamm.prediction.targets import Target

__all__ = ["latent_predictions", "latent_scores", "predictor_parts"]

#: Layouts in which a row of data has a predictor of its own.
_ONE_PREDICTOR = ("plain", "cumulative", "interval", "composite", "choice", "mixed")


def predictor_parts(model, theta: np.ndarray) -> tuple[np.ndarray, list[np.ndarray]]:
    """Linear predictors without disturbances, and what the standardised disturbances multiply.

    Parameters
    ----------
    model : GLLAMM
    theta : ndarray, shape (p,)

    Returns
    -------
    fixed : ndarray, shape (n,)
        ``x'beta + offset + lambda' (I - B)^-1 Gamma w``, by row of the data.
    loadings : list of ndarray, each of shape (n, q_l)
        Lowest level first.

    Raises
    ------
    SpecificationError
        Responses of which a row of data has several predictors.
    """
    layouts = [getattr(model.family, "layout", "plain")]
    layouts += [getattr(member[1], "layout", "plain") for member in model.responses.members]
    if other := [layout for layout in layouts if layout not in _ONE_PREDICTOR]:
        raise SpecificationError(
            f"predictions of {other[0]} responses are not available for models with latent variables"
        )
    assembly, mapping = model.assembly, model.mapping
    problem = assembly.problem
    width = 1 + sum(mapping.dimensions)
    values = np.zeros((len(problem.y), width))
    active = zip(problem.active_column, problem.active_channel, mapping.phi(theta), strict=True)
    for column, channel, value in active:
        if channel < width:
            values[:, channel] += value if column < 0 else value * problem.design[:, column]
    if problem.offset is not None:
        values[:, 0] += problem.offset
    if assembly.source is not None:
        sorted_values, values = values, np.empty_like(values)
        values[assembly.source] = sorted_values
    return values[:, 0], np.split(values[:, 1:], np.cumsum(mapping.dimensions)[:-1], axis=1)


def _check_posterior(target: Target, slots) -> None:
    """Refuse posterior means that are no inverse link."""
    if target.by_shares:
        return
    if any(isinstance(form, TruncatedMean) for form in target.forms(slots)):
        raise SpecificationError(
            "posterior means of zero-truncated counts are not available for models with latent variables"
        )


def latent_predictions(model, params, kind: str, quadrature=None) -> np.ndarray:
    """Predictions for the rows of the fit.

    Parameters
    ----------
    model : GLLAMM
    params : array_like, shape (p,)
        Published parameters.
    kind : {"linear", "conditional", "marginal", "posterior"}
    quadrature : Quadrature, optional
        Of the fit, for "posterior".

    Returns
    -------
    ndarray, shape (n,), or (n, K) for ordered categories
    """
    theta, rows = model.mapping.theta(params), model_rows(model)
    nu, loadings = predictor_parts(model, theta)
    if kind == "linear":
        return nu
    spread, parts = np.concatenate(loadings, axis=1), []
    for target, at in targets_of(model, rows):
        own = rows.take(at)
        slots = target.slots(theta, own)
        if kind == "conditional":
            value = target.at(nu[at], slots)
        elif kind == "marginal":
            value = target.averaged(nu[at], theta, own, spread[at])
        else:
            _check_posterior(target, slots)
            value = posterior_prediction(model, target, own, quadrature)(theta)
        parts.append((at, value))
    out = np.empty((rows.n, *parts[0][1].shape[1:]))
    for at, value in parts:
        out[at] = value
    return out


def _ancestors(latents, m: int, index: dict[str, int]) -> set[int]:
    """The latent variables that one depends on, itself included."""
    found = {m}
    for parent in latents[m].parents:
        found |= _ancestors(latents, index[parent], index)
    return found


def latent_scores(model, effects, params: Mapping[str, float]) -> dict[str, pd.DataFrame]:
    """Posterior means and standard deviations of the latent variables.

    Parameters
    ----------
    model : GLLAMM
    effects : sequence of ClusterEffects
        Disturbances, lowest level first.
    params : dict of str to float

    Returns
    -------
    dict of level name to DataFrame
        From the top level down. No SD where a latent variable depends on one of another level.
    """
    latents, names = model.latents, [level.name for level in model.random]
    index = {latent.name: m for m, latent in enumerate(latents)}
    paths = np.zeros((len(latents), len(latents)))
    for m, latent in enumerate(latents):
        for parent in latent.parents:
            paths[m, index[parent]] = params[f"{latent.name} ~ {parent}"]
    total = np.linalg.inv(np.eye(len(latents)) - paths)
    level_of = [names.index(latent.level) for latent in latents]
    inside = [[m for m, at in enumerate(level_of) if at == level] for level in range(len(names))]

    def means(m: int, rows: np.ndarray) -> np.ndarray:
        """Disturbance plus Gamma w in the clusters of the given rows."""
        level, latent = level_of[m], latents[m]
        out = effects[level].values[model.random[level].codes[rows], inside[level].index(m)]
        for k, covariate in enumerate(latent.covariate_names):
            out = out + params[f"{latent.name} ~ {covariate}"] * latent.covariates[rows, k]
        return out

    frames = {}
    for level in reversed(range(len(names))):
        here = model.random[level]
        rows = np.empty(here.n_clusters, dtype=np.intp)
        rows[here.codes] = np.arange(len(here.codes))
        frame = pd.DataFrame(index=here.labels)
        for m in inside[level]:
            sources = sorted(_ancestors(latents, m, index))
            frame[latents[m].name] = sum(total[m, s] * means(s, rows) for s in sources)
            if all(level_of[s] == level for s in sources):
                weights = total[m, inside[level]]
                variance = np.einsum("q,jqr,r->j", weights, effects[level].covariance, weights)
                frame[f"sd({latents[m].name})"] = np.sqrt(np.maximum(variance, 0.0))
        frames[here.name] = frame
    return frames
