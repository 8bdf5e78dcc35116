"""Posterior moments of what persons and clusters have, in models whose items vary between clusters."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sm_gllamm.likelihood.marginal import MarginalLikelihood, Quadrature
from sm_gllamm.mapping.latent_rows import with_latent_rows
from sm_gllamm.models.item_bank import scale_of_group

__all__ = ["ClusterPosterior", "posterior_in_clusters"]


@dataclass(frozen=True, slots=True)
class ClusterPosterior:
    """Means and covariances given the responses of everybody in a cluster.

    Attributes
    ----------
    mean : ndarray, shape (n_persons, q)
        Of the persons' latent variables.
    covariance : ndarray, shape (n_persons, q, q)
    effects : ndarray, shape (n_clusters, r)
        Means of what varies between clusters: the latent variables, and of items what is random.
    effects_covariance : ndarray, shape (n_clusters, r, r)
    """

    mean: np.ndarray
    covariance: np.ndarray
    effects: np.ndarray
    effects_covariance: np.ndarray


def posterior_in_clusters(model, theta: np.ndarray, quadrature: Quadrature) -> ClusterPosterior:
    """Posterior moments by the rules of a fit.

    Parameters
    ----------
    model : IRT
        With clusters of persons and without specific dimensions.
    theta : ndarray, shape (p,)
        Internal parameters.
    quadrature : Quadrature

    Returns
    -------
    ClusterPosterior
    """
    mapping, assembly = model.mapping, model.assembly
    params = mapping.params(theta)
    q = len(model.layout.design.dimensions)
    within, between = mapping.factor(theta, 0), mapping.factor(theta, 1)
    roots = np.array(
        [
            np.hstack([scale_of_group(model.layout, params, g) @ within, between[:q]])
            for g in range(len(model.group_labels))
        ]
    )
    order = assembly.source
    rows = with_latent_rows(assembly.problem, mapping.phi(theta), roots, model.groups[order])
    likelihood = MarginalLikelihood(rows.problem, rows, model.n_threads)
    likelihood.use(quadrature)
    posterior = likelihood.posterior(theta)
    mean, covariance = rows.moments(posterior)
    back = np.argsort(order)
    mean, covariance = mean[back], covariance[back]
    return ClusterPosterior(
        mean + model.latent_means(params), covariance, posterior.mean[1] @ between.T,
        between @ posterior.covariance[1] @ between.T,
    )  # fmt: skip
