"""Probabilities of responses averaged over the distribution of the latent variables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from sm_gllamm.exceptions import SpecificationError
from sm_gllamm.items.bank import Item
from sm_gllamm.items.equally_spaced import normal_nodes

__all__ = ["marginal_probabilities"]

#: Distance of nodes by dimensions, and standard deviations that they reach: steep items are no problem.
SPACING, REACH = {1: 0.04, 2: 2.0 / 15.0}, 8.0
#: Share of the largest singular value from which on slopes have a direction more.
RANK = 1e-10
#: Gauss-Hermite nodes for a slope that varies.
SLOPE_NODES = 31


def marginal_probabilities(
    item: Item,
    mean: np.ndarray,
    covariance: np.ndarray,
    varying: Sequence[tuple[int | None, float]] = (),
) -> np.ndarray:
    """Shares of the categories in a population with normal latent variables.

    Parameters
    ----------
    item : Item
    mean : ndarray, shape (q,)
    covariance : ndarray, shape (q, q)
    varying : sequence of (int or None, float)
        Variances of slopes, by latent variable, and of the intercepts (None) of an item that differs
        between persons' clusters, normally and independently of the latent variables.

    Returns
    -------
    ndarray, shape (K,)

    Raises
    ------
    SpecificationError
        A nominal item whose slopes span more than two directions.

    Notes
    -----
    Only the projection of the latent variables on the slopes matters, which is normal, too: one dimension
    for all but nominal items.

    Examples
    --------
    >>> import numpy as np
    >>> item = Item("x", "binary", "2PL", np.array([1.0, 2.0]), np.array([0.0]))
    >>> marginal_probabilities(item, np.zeros(2), np.eye(2)).round(3)
    array([0.5, 0.5])
    """
    for d, variance in varying:
        if d is not None and variance > 0.0:
            others = [pair for pair in varying if pair[0] != d]
            x, weight = np.polynomial.hermite_e.hermegauss(SLOPE_NODES)
            shares = [
                marginal_probabilities(item.shifted(move, d), mean, covariance, others)
                for move in np.sqrt(variance) * x
            ]
            return (weight / weight.sum()) @ np.array(shares)
    extra = sum(variance for d, variance in varying if d is None)
    if extra > 0.0:
        # what shifts the predictors is a latent variable like the others
        steps = np.arange(len(item.slopes))[:, None] if item.form == "divide" else np.ones(1)
        item = replace(item, slopes=np.concatenate([item.slopes, steps], axis=-1))
        mean = np.append(mean, 0.0)
        covariance = np.pad(covariance, (0, 1))
        covariance[-1, -1] = extra
    slopes = np.atleast_2d(item.slopes)
    _, values, directions = np.linalg.svd(slopes, full_matrices=False)
    span = directions[values > RANK * max(values[0], 1e-300)]
    if len(span) == 0:
        return item.probabilities(np.asarray(mean, dtype=float)[None, :])[0]
    if len(span) > 2:
        raise SpecificationError(
            f"the slopes of item {item.name!r} span {len(span)} directions; probabilities averaged over "
            "them are not available, give theta"
        )
    grid, weight = normal_nodes(len(span), SPACING[len(span)], REACH)
    own, vectors = np.linalg.eigh(span @ covariance @ span.T)
    root = vectors * np.sqrt(np.maximum(own, 0.0))
    at = (span @ mean + grid @ root.T) @ span
    return weight @ item.probabilities(at)
