"""Nodes for classes with continuous latent variables: as many as the log-likelihood needs."""

from __future__ import annotations

from dataclasses import replace

from sm_gllamm.estimation.mixture_search import Found, climb
from sm_gllamm.estimation.newton import LITTLE_GAIN
from sm_gllamm.models.fitting import error_budget

__all__ = ["rough_controls", "with_enough_nodes"]

#: Absolute error of the log-likelihood aimed at when nodes are chosen.
QUADRATURE_TOL = 1e-6
#: Decrement, and iterations with little gain, at which runs from random starts end.
ROUGH, PATIENCE = 1e-4, 8
#: Rounds of choosing nodes.
ROUNDS = 8


def rough_controls(likelihood, controls):
    """Settings for runs from random starts, with the coarsest rules.

    With few nodes the last digits are noise; the best maximum is climbed again with enough of them.
    """
    for component in likelihood.components:
        component.coarsen()
    return replace(controls, tol=max(controls.tol, ROUGH), patience=PATIENCE)


def with_enough_nodes(likelihood, found: Found, controls, edges) -> tuple[Found, float]:
    """Climb on with finer rules, until the estimated error of the log-likelihood is small.

    Parameters
    ----------
    likelihood : MixtureLikelihood
        Of components with latent variables.
    found : Found
    controls : Controls
    edges : callable
        See :func:`sm_gllamm.estimation.mixture_search.climb`.

    Returns
    -------
    found : Found
    error : float
        Estimated absolute error of the log-likelihood.
    """

    def climbed(found: Found, patience: int) -> Found:
        before, its = found.outcome, replace(controls, patience=patience)
        found = climb(likelihood, found.theta, its, edges, 0, found.held)
        found.outcome.iterations += before.iterations
        found.outcome.path = [*before.path, *found.outcome.path]
        return found

    error = 0.0
    for _ in range(ROUNDS):
        # a coarse rule may be what keeps the iterations from converging
        found = climbed(found, PATIENCE)
        weight = likelihood.weights(likelihood.posterior(found.theta))
        budget = error_budget(QUADRATURE_TOL, found.value)
        errors = [
            component.errors(found.theta[place]) * weight[:, m : m + 1]
            for m, (component, place) in enumerate(
                zip(likelihood.components, likelihood.places, strict=True)
            )
        ]
        error = float(sum(its.sum() for its in errors))
        if error <= budget or found.outcome.interrupted:
            break
        refined = [
            component.refine(its, budget / len(errors))
            for component, its in zip(likelihood.components, errors, strict=True)
        ]
        if not any(refined):
            break
    if found.outcome.reason == LITTLE_GAIN:
        found = climbed(found, 0)
    return found, error
