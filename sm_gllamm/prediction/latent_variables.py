"""Scores of latent variables: their posterior distribution after the structural model."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from sm_gllamm.mapping.structural import Coefficient
from sm_gllamm.prediction.latent_design import LatentDesign
from sm_gllamm.prediction.posterior_mean import posterior_predictors
from sm_gllamm.prediction.rows import PredictionRows
from sm_gllamm.specification.elements import Level

__all__ = ["latent_scores"]


def _score_rows(model) -> tuple[PredictionRows, list[int]]:
    """A row for each latent variable in each of its clusters, whose predictor is the latent variable.

    Returns
    -------
    rows : PredictionRows
    counts : list of int
        Number of clusters of each latent variable.
    """
    levels = {level.name: level for level in model.random}
    at, counts = [], []
    for latent in model.latents:
        codes = levels[latent.level].codes
        first = np.empty(levels[latent.level].n_clusters, dtype=np.intp)
        first[codes[::-1]] = np.arange(len(codes))[::-1]
        at.append(first)
        counts.append(len(first))
    rows, of_latent = np.concatenate(at), np.repeat(np.arange(len(counts)), counts)
    columns = []
    for m, latent in enumerate(model.latents):
        loadings = np.zeros((len(rows), latent.loadings.shape[1] + 1))
        loadings[:, -1] = of_latent == m
        columns.append(
            replace(
                latent,
                loadings=loadings,
                loading_names=[*latent.loading_names, latent.name],
                coefficients=[*latent.coefficients, Coefficient(None, 1.0)],
                covariates=None if latent.covariates is None else latent.covariates[rows],
            )
        )
    taken = tuple(
        Level(
            level.name,
            level.codes[rows],
            level.labels,
            tuple(replace(term, columns=term.columns[rows]) for term in level.terms),
        )
        for level in model.random
    )
    exog = np.zeros((len(rows), model.responses.exog.shape[1]))
    return PredictionRows(
        exog, None, taken, None, latents=LatentDesign.of(model, columns)
    ), counts  # fmt: skip


def latent_scores(model, theta: np.ndarray, quadrature=None) -> dict[str, pd.DataFrame]:
    """Posterior means and standard deviations of the latent variables.

    Parameters
    ----------
    model : GLLAMM
        With its data.
    theta : ndarray, shape (p,)
        Internal parameters, treated as known.
    quadrature : Quadrature, optional
        Of the fit.

    Returns
    -------
    dict of level name to DataFrame
        From the top level down: a row a cluster, columns ``name`` and ``sd(name)``.

    Notes
    -----
    A latent variable is the linear predictor of a row that loads on it alone. Such rows join their
    clusters with weight zero, so that the engine integrates over all that the latent variable depends
    on, disturbances of other levels and products included.
    """
    rows, counts = _score_rows(model)
    mean, variance = posterior_predictors(model, rows, theta, quadrature)
    edges = np.cumsum(counts)[:-1]
    moments = zip(
        model.latents, np.split(mean, edges), np.split(np.sqrt(np.maximum(variance, 0.0)), edges),
        strict=True,
    )  # fmt: skip
    frames = {level.name: pd.DataFrame(index=level.labels) for level in reversed(model.random)}
    for latent, value, sd in moments:
        frames[latent.level][latent.name] = value
        frames[latent.level][f"sd({latent.name})"] = sd
    return frames
