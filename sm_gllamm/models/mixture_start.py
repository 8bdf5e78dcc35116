"""Starting values of mixtures of models, from memberships at random."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from sm_gllamm.likelihood.mixture import ClassLogits, MixtureLikelihood, Units
from sm_gllamm.models.class_start import measured_start, membership_start, memberships

__all__ = ["mixture_starts"]


def mixture_starts(model, likelihood, n_starts: int, rng) -> Iterator[np.ndarray]:
    """Starting values from random memberships of units, or of clusters where these have parameters.

    Parameters
    ----------
    model : Mixture
    likelihood : MixtureLikelihood
    n_starts : int
    rng : numpy.random.Generator

    Yields
    ------
    ndarray, shape (p,)
    """
    if len(model.mapping.places) == 1:
        # a single class has a single maximum to be found
        yield model._one_class_theta()
    elif len(likelihood.index[0]) == 1:
        yield from _starts_of_clusters(model, likelihood, n_starts, rng)
    else:
        yield from measured_start(model, likelihood, n_starts, rng)


def _starts_of_clusters(model, likelihood, n_starts: int, rng) -> Iterator[np.ndarray]:
    """Whole clusters are in classes at random."""
    theta, units = model._one_class_theta(), likelihood.units
    n, n_upper = len(units.weight), len(likelihood.index)
    n_groups = len(units.group_weight)
    flat = MixtureLikelihood(
        likelihood.components, likelihood.places, np.arange(n_upper)[None],
        ClassLogits(np.ones((n, 1)), likelihood.upper.places), None,
        Units(units.weight, None, np.ones(n)), likelihood.k_params,
    )  # fmt: skip
    for _ in range(n_starts):
        size = max(n_groups // (2 * n_upper), 1)
        share = memberships(n_groups, n_upper, size, None, rng)
        yield membership_start(flat, theta, share[units.code])
