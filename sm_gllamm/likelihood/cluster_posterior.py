"""What observations of clusters of normal rows say about their parts: products with V^-1, row by row."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sm_gllamm.likelihood.normal_clusters import ClusterState
from sm_gllamm.likelihood.normal_moments import times

__all__ = ["ClusterPosterior", "cluster_posterior"]


@dataclass(frozen=True)
class ClusterPosterior:
    """With V the covariance matrix of all observations of a cluster and e their deviations from the mean.

    A normal variable that has covariances c with the within parts of a row has the conditional mean
    ``mean + c' row_pull`` and the variance ``variance - c' row_middle c``; the same for between parts.

    Attributes
    ----------
    row_pull : ndarray, shape (n, p)
        V^-1 e of each row.
    row_middle : ndarray, shape (C, p, p)
        Diagonal blocks of V^-1 of the rows of each cell.
    row_cross : ndarray, shape (C, q, p)
        F' V^-1 of a row, with F what takes between parts to observations.
    cluster_pull : ndarray, shape (J, q)
        F' V^-1 e.
    cluster_middle : ndarray, shape (J, q, q)
        F' V^-1 F.
    within : ndarray, shape (n, p)
        Values of the rows, NaN where missing.
    cell : ndarray of int, shape (n,)
        Of each row.
    cluster : ndarray of int, shape (n,)
    """

    row_pull: np.ndarray
    row_middle: np.ndarray
    row_cross: np.ndarray
    cluster_pull: np.ndarray
    cluster_middle: np.ndarray
    within: np.ndarray
    cell: np.ndarray
    cluster: np.ndarray


def cluster_posterior(
    state: ClusterState, within: np.ndarray, cell: np.ndarray
) -> ClusterPosterior:
    """From a set of clusters at moments to what is known about each of its rows and clusters.

    Parameters
    ----------
    state : ClusterState
    within : ndarray, shape (n, p)
        Values of the rows, NaN where missing.
    cell : ndarray of int, shape (n,)
        Of each row.

    Returns
    -------
    ClusterPosterior
    """
    data = state.set
    pattern = data.pattern[cell]
    # residuals of cells are their means less what is expected
    expected = data.mean - state.residual
    residual = np.where(data.present[pattern], within - expected[cell], 0.0)
    raised = data.raised(state.inverse, 1)[data.pattern]
    middle = state.inverse[data.pattern] - raised.transpose(0, 2, 1) @ (
        state.posterior[data.cluster] @ raised
    )
    cross = state.turn[data.cluster].transpose(0, 2, 1) @ raised
    return ClusterPosterior(
        times(state.inverse, pattern, residual), middle, cross, state.pull, state.middle, within,
        cell, data.cluster[cell],
    )  # fmt: skip
