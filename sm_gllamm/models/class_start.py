"""Starting values of latent class models whose indicators are not all nominal, and of upper classes."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from sm_gllamm.estimation.newton import Controls, maximize

__all__ = ["measured_start", "membership_start", "memberships", "upper_start"]

#: Spread of the logits of classes in different upper classes.
APART = 1.0
#: Weight of the units that are in all classes, and Newton steps towards a start.
BACKGROUND, STEPS = 0.05, 8


def memberships(n: int, n_classes: int, size: int, allowed, rng: np.random.Generator) -> np.ndarray:
    """Class memberships, shape (n, C): a few units at random are in each class, the others in all a little.

    Few units differ from the average: classes that are alike would stay so for long.
    """
    share = np.full((n, n_classes), BACKGROUND)
    some = rng.choice(n, min(n, size * n_classes), replace=False)
    share[some, np.arange(len(some)) % n_classes] = 1.0
    if allowed is not None:
        share = np.where(allowed, share, 0.0)
    return (
        share
        / share.sum(axis=1, keepdims=True)
        * np.maximum(share.max(axis=1), BACKGROUND)[:, None]
    )


def upper_start(model, theta: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Logits of the classes that differ at random between the upper classes."""
    theta = theta.copy()
    width = len(model._class_columns)
    for c in range(model.n_classes - 1):
        own = model.mapping.class_places[c * width : (c + 1) * width][-model.n_upper :]
        theta[own] += APART * rng.normal(size=model.n_upper)
    return theta


def membership_start(likelihood, theta: np.ndarray, share: np.ndarray) -> np.ndarray:
    """Parameters that fit given memberships.

    Parameters
    ----------
    likelihood : MixtureLikelihood
    theta : ndarray, shape (p,)
        To begin with, the same in all classes.
    share : ndarray, shape (n, C)

    Returns
    -------
    ndarray, shape (p,)
    """
    known = np.diag(likelihood.given_memberships(theta, share, 2).hessian) < 0.0
    free = np.flatnonzero(known)

    def evaluate(values, want):
        full = theta.copy()
        full[free] = values
        result = likelihood.given_memberships(full, share, want)
        if not want or not np.isfinite(result.total):
            return result.total, None, None
        return result.total, result.gradient[free], result.hessian[np.ix_(free, free)]

    outcome = maximize(evaluate, theta[free], Controls(maxiter=STEPS, tol=1e-2))
    out = theta.copy()
    out[free] = outcome.theta
    return out


def measured_start(model, likelihood, n_starts: int, rng) -> Iterator[np.ndarray]:
    """Starting values from random memberships."""
    theta = model._one_class_theta()
    k = max(len(place) for place in model.mapping.places)
    n = likelihood.components[0].n_units
    size = max(2 * k, int(np.ceil(n / (8 * model.n_classes))))
    for _ in range(n_starts):
        share = memberships(
            n, model.n_classes, min(size, n // model.n_classes), likelihood.units.allowed, rng
        )
        start = membership_start(likelihood, theta, share)
        yield upper_start(model, start, rng) if model.n_upper > 1 else start
