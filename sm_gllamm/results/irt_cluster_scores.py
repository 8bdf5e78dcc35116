"""Scores of persons in clusters, and of the clusters: methods of results of item response models."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from sm_gllamm.exceptions import SpecificationError
from sm_gllamm.items.bank import ItemBank
from sm_gllamm.items.cluster_modes import Branch, modes_in_clusters
from sm_gllamm.items.cluster_posterior import moments_in_clusters
from sm_gllamm.items.modes import modes
from sm_gllamm.items.posterior import posterior_moments
from sm_gllamm.items.scoring import FOUND, UNFINISHED, Scores
from sm_gllamm.items.testlet_posterior import MOST_GENERAL, testlet_moments
from sm_gllamm.results.base import LatentVariableResults

__all__ = ["ClusterScoreMethods", "ScoredPersons", "eap_scores"]


@dataclass(frozen=True, slots=True)
class ScoredPersons:
    """Who is scored.

    Attributes
    ----------
    index : pandas.Index
    codes : ndarray of int, shape (n, n_items)
    mean : ndarray, shape (n, q)
        Means of the priors.
    banks : list of (ItemBank, ndarray of intp)
        Items, with the persons for whom they hold.
    """

    index: pd.Index
    codes: np.ndarray
    mean: np.ndarray
    banks: list[tuple[ItemBank, np.ndarray]]


class ClusterScoreMethods(LatentVariableResults):
    """Scores in clusters of persons; part of :class:`sm_gllamm.results.irt_scores.ScoreMethods`."""

    def _testlets(self, bank: ItemBank) -> int:
        """Number of specific latent variables that can be integrated over one at a time."""
        many = len(self.model.layout.design.specific_names)
        return many if len(bank.dimensions) - many <= MOST_GENERAL else 0

    def _in_clusters(self, who: ScoredPersons) -> Scores:
        """Posterior means given the responses of everybody in a person's cluster."""
        model = self.model
        if not model.layout.design.specific_names:
            found = model.posterior_in_clusters(np.asarray(self.theta), self.quadrature)
            return eap_scores(found.mean, found.covariance, np.full(len(who.codes), FOUND))
        q = len(model.layout.design.dimensions)
        mean, spread, between = self._cluster_moments()

        def given(effects):
            n, k = who.mean.shape
            m, v, log_density = np.empty((n, k)), np.empty((n, k, k)), np.empty(n)
            centre = who.mean.copy()
            centre[:, :q] += effects[:, :q]
            for bank, rows in who.banks:
                within = bank.covariance.copy()
                within[:q, :q] -= between
                own = ItemBank(bank.items, bank.dimensions, bank.mean, within)
                many = self._testlets(own)
                if many:
                    part = testlet_moments(own, who.codes[rows], centre[rows], many)
                else:
                    part = posterior_moments(own, who.codes[rows], centre[rows], within)
                m[rows], v[rows], log_density[rows] = part.mean, part.covariance, part.log_marginal
            return m, v, log_density

        found = moments_in_clusters(
            given, model.cluster, model.person_weights, between, mean, spread
        )
        return eap_scores(*found, np.full(len(who.codes), FOUND))

    def _map_in_clusters(self, who: ScoredPersons) -> Scores:
        """Joint posterior modes of everybody in a cluster, and of the cluster."""
        model, params = self.model, np.asarray(self.params)
        factor = model.mapping.factor(np.asarray(self.theta), len(model.level_names) - 1)
        q = len(model.layout.design.dimensions)
        between = (factor @ factor.T)[:q, :q]
        effects = [(effect.item, effect.dimension) for effect in model.item_effects]
        branches = []
        for bank, rows in model.banks_of_persons(params):
            within = bank.covariance.copy()
            within[:q, :q] -= between
            branches.append(Branch(bank, rows, _root(within)))
        start = None
        if not all(one.bank.log_concave for one in branches) or any(
            dimension is not None for _, dimension in effects
        ):
            # there may be several modes: the one next to the posterior means of clusters
            standardised = self._cluster_posterior()[0]
            centre = who.mean.copy()
            centre[:, :q] += (standardised @ factor.T)[model.cluster, :q]
            start = _own_modes(who, branches, centre), standardised
        found = modes_in_clusters(
            branches,
            who.codes,
            who.mean,
            model.cluster,
            model.person_weights,
            factor,
            effects,
            start,
        )
        status = np.where(found.converged, FOUND, UNFINISHED)[model.cluster]
        std_err = np.sqrt(np.einsum("nrr->nr", found.covariance))
        return Scores("MAP", found.theta, std_err, found.covariance, status)

    def _cluster_posterior(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Posterior means and covariances of the standardised effects of clusters, and their factor."""
        model, theta = self.model, np.asarray(self.theta)
        if getattr(model, "cluster", None) is None:
            raise SpecificationError(
                "the model has no clusters= of persons, or its data were removed"
            )
        top = len(model.level_names) - 1
        posterior = model._ready(self.quadrature).posterior(theta)
        return posterior.mean[-1], posterior.covariance[-1], model.mapping.factor(theta, top)

    def _cluster_moments(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Posterior means and covariances of the effects of clusters, and their covariance matrix."""
        mean, covariance, factor = self._cluster_posterior()
        return mean @ factor.T, factor @ covariance @ factor.T, factor @ factor.T

    @property
    def cluster_scores(self) -> pd.DataFrame:
        """Posterior means of the effects of clusters of persons on the latent variables.

        Returns
        -------
        DataFrame
            A row a cluster, columns ``name`` and ``sd(name)`` for each latent variable.

        Raises
        ------
        SpecificationError
            Models without clusters of persons.
        """
        mean, covariance, _ = self._cluster_moments()
        names = self.model.layout.design.dimensions
        return _effects_frame(self.model.cluster_labels, names, mean, covariance)

    @property
    def item_effects(self) -> pd.DataFrame:
        """Posterior means of what is random of items, by cluster of persons (empirical Bayes).

        Returns
        -------
        DataFrame
            A row a cluster, columns ``intercept[item]`` or ``slope[item]``, the difference from the average
            cluster, and ``sd(...)``, its posterior standard deviation.

        Raises
        ------
        SpecificationError
            Models without `random_items`.
        """
        mean, covariance, _ = self._cluster_moments()
        names = self._item_effect_names()
        if not names:
            raise SpecificationError("the model has no items that vary: see random_items= of IRT")
        q = len(self.model.layout.design.dimensions)
        return _effects_frame(self.model.cluster_labels, names, mean[:, q:], covariance[:, q:, q:])

    def _item_effect_names(self) -> list[str]:
        """Names of what is random of items."""
        return [effect.name for effect in self.model.item_effects]

    def _refuse_random_items(self, what: str) -> None:
        """An error where items differ between clusters."""
        if self._item_effect_names():
            raise SpecificationError(
                f"{what} not available with random_items=: items differ between clusters, and these "
                "differences are known by their distribution only"
            )


def eap_scores(mean: np.ndarray, covariance: np.ndarray, status: np.ndarray) -> Scores:
    return Scores("EAP", mean, np.sqrt(np.einsum("nrr->nr", covariance)), covariance, status)


def _effects_frame(labels, names, mean: np.ndarray, covariance: np.ndarray) -> pd.DataFrame:
    """Posterior means and standard deviations of clusters, a row a cluster."""
    frame = pd.DataFrame(index=labels)
    for d, name in enumerate(names):
        frame[name] = mean[:, d]
        frame[f"sd({name})"] = np.sqrt(np.maximum(covariance[:, d, d], 0.0))
    return frame


def _root(covariance: np.ndarray) -> np.ndarray:
    """A square root, also where a latent variable has no variance within clusters."""
    values, vectors = np.linalg.eigh(covariance)
    values[values < 1e-14 * values[-1]] = 0.0
    return vectors * np.sqrt(values)


def _own_modes(who: ScoredPersons, branches: list[Branch], centre: np.ndarray) -> np.ndarray:
    """Standardised latent variables of persons at their modes, given means in their clusters."""
    roots = np.empty((len(centre), *branches[0].root.shape))
    for one in branches:
        roots[one.persons] = one.root
    z = np.zeros(centre.shape)
    for bank, rows in who.banks:
        root = roots[rows[0]]
        if not bank.log_concave and np.linalg.matrix_rank(root) == len(root):
            found = modes(bank, who.codes[rows], centre[rows], np.linalg.inv(root @ root.T))
            z[rows] = np.linalg.solve(root, (found.theta - centre[rows]).T).T
    return z
