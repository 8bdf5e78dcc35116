"""Responses drawn from item response models, and persons drawn with replacement."""

from __future__ import annotations

import numpy as np

from sm_gllamm.models.item_bank import with_effects

__all__ = ["draw_responses", "draw_weights"]


def draw_responses(model, params: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Responses of the model's persons with new latent variables.

    Parameters
    ----------
    model : IRT
    params : ndarray, shape (k_params,)
        Published parameters.
    rng : numpy.random.Generator

    Returns
    -------
    ndarray of int, shape (n_persons, n_items)
        Codes, -1 where the data are missing.
    """
    codes = model.codes
    out = np.full(codes.shape, -1, dtype=np.int16)
    theta = np.array(model.latent_means(params), dtype=float)
    within, between = _roots(model, params)
    for g, root in enumerate(within):
        here = model.groups == g
        theta[here] += rng.normal(size=(int(here.sum()), len(root))) @ root.T
    parts = model.banks_of_persons(params)
    if between is not None:
        above = rng.normal(size=(len(model.cluster_labels), len(between))) @ between.T
        q = len(model.layout.design.dimensions)
        theta[:, :q] += above[model.cluster][:, :q]
        if above.shape[1] > q:
            parts = [
                (with_effects(model.layout.design, bank, above[k, q:]), rows)
                for bank, here in parts
                for k, rows in _by_cluster(model.cluster, here)
            ]
    for bank, here in parts:
        for j, item in enumerate(bank.items):
            below = np.cumsum(item.probabilities(theta[here]), axis=1)[:, :-1]
            out[here, j] = (rng.random(len(here))[:, None] > below).sum(axis=1)
    return np.where(codes < 0, -1, out)


def _by_cluster(cluster: np.ndarray, rows: np.ndarray):
    """Clusters of some persons, and who of them is in each."""
    rows = rows[np.argsort(cluster[rows], kind="stable")]
    numbers, first = np.unique(cluster[rows], return_index=True)
    return zip(numbers.tolist(), np.split(rows, first[1:]), strict=True)


def _roots(model, params) -> tuple[list[np.ndarray], np.ndarray | None]:
    """Roots of the covariance matrices within clusters, by group, and between them."""
    q = len(model.layout.design.dimensions)
    between = None if model.cluster is None else model.cluster_covariance(params)
    within = []
    for g in range(len(model.group_labels)):
        covariance = model.bank_at(params, g).covariance.copy()
        if between is not None:
            covariance[:q, :q] -= between[:q, :q]
        within.append(_root(covariance))
    return within, None if between is None else _root(between)


def _root(covariance: np.ndarray) -> np.ndarray:
    values, vectors = np.linalg.eigh(covariance)
    return vectors * np.sqrt(np.maximum(values, 0.0))


def draw_weights(model, rng: np.random.Generator) -> np.ndarray:
    """Weights of the patterns of responses when persons are drawn with replacement.

    Parameters
    ----------
    model : IRT
        Without clusters of persons.
    rng : numpy.random.Generator

    Returns
    -------
    ndarray, shape (n_patterns,)
    """
    patterns = model.assembly.patterns
    frequency, n = model.weights.frequency, model.item_responses.n_persons
    if frequency is not None:
        times = rng.multinomial(int(round(frequency.sum())), frequency / frequency.sum())
    else:
        times = rng.multinomial(n, np.full(n, 1.0 / n)) * model.person_weights
    return np.bincount(patterns.of_person, times, len(patterns.first))
