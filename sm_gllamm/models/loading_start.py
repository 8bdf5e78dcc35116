"""Starting values of loadings, from the spread and the signs of cluster means."""

from __future__ import annotations

import numpy as np

__all__ = ["loading_start"]

#: Ratios of loadings that a start may have.
LEAST, MOST = 0.2, 5.0
#: Start of paths from a factor of second order, whose disturbance has a variance of one.
PATH = 0.5


def _cluster_of_rows(problem, level: int) -> np.ndarray:
    """Cluster of each sorted row at a level."""
    edges = problem.cluster_offsets[level]
    for below in problem.cluster_offsets[:level][::-1]:
        edges = below[edges]
    return np.repeat(np.arange(len(edges) - 1), np.diff(edges))


def _cluster_means(values, column, cluster, n_clusters) -> np.ndarray:
    """Least-squares slopes of the values on the column within each cluster; NaN without data."""
    weight = np.bincount(cluster, column**2, n_clusters)
    total = np.bincount(cluster, column * values, n_clusters)
    return np.divide(total, weight, out=np.full(n_clusters, np.nan), where=weight > 0)


def loading_start(mapping, problem, theta, residual, unit: float) -> np.ndarray:
    """Parameters with starting values for the free loadings.

    Parameters
    ----------
    mapping : StructuralMapping
    problem : Problem
    theta : ndarray, shape (p,)
        Everything else at its start.
    residual : ndarray, shape (n,)
        Link-scale responses minus the fixed part.
    unit : float
        Size of a moderate effect, for latent variables with unit variance.
    """
    theta = theta.copy()
    unmeasured = {latent.name for latent in mapping.latents if not latent.loadings}
    for latent in mapping.latents:
        cluster = _cluster_of_rows(problem, latent.level)
        n_clusters = cluster[-1] + 1
        means = [
            _cluster_means(
                residual,
                np.ones(len(residual)) if column < 0 else problem.design[:, column],
                cluster,
                n_clusters,
            )
            for column, _ in latent.loadings
        ]
        fixed = [k for k, (_, c) in enumerate(latent.loadings) if c.name is None and c.value]
        reference = fixed[0] if fixed else 0
        scale = latent.loadings[reference][1].value if fixed else unit
        for k, (_, coefficient) in enumerate(latent.loadings):
            if coefficient.name is not None:
                ratio = 1.0 if k == reference else _ratio(means[k], means[reference])
                theta[mapping.position(coefficient.name)] = scale * ratio
        for parent, coefficient in latent.parents:
            if parent in unmeasured:
                # paths of zero would be a saddle
                theta[mapping.position(coefficient.name)] = PATH
    return theta


def _ratio(values: np.ndarray, reference: np.ndarray) -> float:
    """Ratio of spreads with the sign of the covariance, one where there is too little to go by."""
    both = np.isfinite(values) & np.isfinite(reference)
    if both.sum() < 5:
        return 1.0
    spread, other = np.std(values[both]), np.std(reference[both])
    if not other > 0.0 or not spread > 0.0:
        return 1.0
    sign = 1.0 if np.cov(values[both], reference[both])[0, 1] >= 0.0 else -1.0
    return sign * float(np.clip(spread / other, LEAST, MOST))
