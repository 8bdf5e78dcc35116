"""Mixtures fitted again: to independent units drawn with replacement, and under constraints for profiles."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from sm_gllamm.estimation.constrained import maximize_under
from sm_gllamm.estimation.mixture_search import Found, climb
from sm_gllamm.estimation.newton import Controls
from sm_gllamm.exceptions import SpecificationError
from sm_gllamm.inference.constrained import LinearConstraints
from sm_gllamm.models.discrete import DiscreteModel
from sm_gllamm.models.restrictions import ParameterRestriction

__all__ = ["CONTROLS", "MixtureRefitMethods"]

#: Iterations and tolerance of a fit to a sample.
CONTROLS = Controls(maxiter=200, tol=1e-8)


class MixtureRefitMethods(DiscreteModel):
    """Fits to bootstrap samples and profiles; part of models with discrete latent variables."""

    # ------------------------------------------------------------ hooks
    def _drawn_in(self, theta: np.ndarray) -> np.ndarray:
        """Starting values near given parameters, away from where the likelihood is flat."""
        return theta

    def _far_out(self, theta: np.ndarray) -> np.ndarray:
        """Which parameters are held at infinity."""
        return np.zeros(len(theta), dtype=bool)

    def _resampled_weights(self, rng: np.random.Generator) -> np.ndarray:
        """Weights of the independent units, each times how often it was drawn."""
        units = self.likelihood.units
        weight = units.group_weight
        if units.code is None and not self.weights.sampling:
            # a weight is a number of units
            n = int(round(weight.sum()))
            return rng.multinomial(n, weight / weight.sum()).astype(float)
        k = len(weight)
        return weight * rng.multinomial(k, np.full(k, 1.0 / k))

    def _simulated_model(self, params, rng: np.random.Generator) -> MixtureRefitMethods:
        """The same model for responses drawn from it."""
        raise SpecificationError(
            f"method='parametric' is not available for {type(self).__name__}; use method='cluster'"
        )

    # ------------------------------------------------------------ bootstrap
    def resampled_likelihood(self, rng: np.random.Generator):
        """The likelihood of independent units drawn with replacement; m draws of one count m times.

        Parameters
        ----------
        rng : numpy.random.Generator

        Returns
        -------
        MixtureLikelihood
        """
        new = copy.copy(self.likelihood)
        new.units = replace(new.units, group_weight=self._resampled_weights(rng))
        return new

    def refitted(self, theta: np.ndarray) -> Found:
        """The maximum that is reached from given parameters.

        Parameters
        ----------
        theta : ndarray, shape (p,)

        Returns
        -------
        Found
        """
        return self._climbed(self.likelihood, theta)

    def _climbed(self, likelihood, theta: np.ndarray) -> Found:
        start = self._with_fixed(self._drawn_in(theta))
        found = climb(likelihood, start, CONTROLS, self._edges, held=self._fixed_mask)
        if found.outcome.interrupted:
            raise KeyboardInterrupt
        return found

    def bootstrap_estimates(
        self, params, theta, quadrature, method, rng, n_rep, reml=False, constraints=None
    ) -> Iterator[np.ndarray | None]:  # fmt: skip
        """Estimates of bootstrap samples, each fitted from the estimates so that classes keep their names.

        Parameters
        ----------
        params, theta : ndarray, shape (p,)
            Published and internal estimates.
        quadrature, reml, constraints
            Not used.
        method : {"cluster", "parametric"}
            Independent units drawn with replacement, or responses simulated.
        rng : numpy.random.Generator
        n_rep : int

        Yields
        ------
        ndarray, shape (p,), or None
            Published parameters; None where the fit did not converge.
        """
        for _ in range(n_rep):
            if method == "cluster":
                found = self._climbed(self.resampled_likelihood(rng), theta)
            else:
                found = self._simulated_model(params, rng).refitted(theta)
            yield self.mapping.params(found.theta) if found.outcome.converged else None

    # ------------------------------------------------------------ profiles
    def maximum_under(self, constraints, theta, quadrature, maxiter=50, tol=1e-8):
        """Maximum of the log-likelihood under constraints, for profiles.

        Parameters
        ----------
        constraints : LinearConstraints
            On published parameters.
        theta : ndarray, shape (p,)
            Internal parameters to start from; probabilities that are zero there stay zero.
        quadrature : Quadrature
            Not used: nodes are those of the fit.
        maxiter : int
        tol : float

        Returns
        -------
        theta : ndarray, shape (p,)
        value : float
            -inf where the maximum was not found.
        """
        at = np.flatnonzero(self._far_out(theta))
        matrix = np.vstack([constraints.matrix, np.eye(len(theta))[at]])
        values = np.append(constraints.values, theta[at])
        together = LinearConstraints.of(matrix, values, tuple(self.param_names))
        likelihood = self.likelihood

        def evaluate(point, want):
            result = likelihood.evaluate(point, want, by_cluster=False)
            if not want or not np.isfinite(result.total):
                return result.total, None, None
            return result.total, result.gradient, result.hessian

        outcome = maximize_under(
            evaluate, theta, ParameterRestriction(self.mapping, together), Controls(maxiter, tol)
        )
        if outcome.interrupted:
            raise KeyboardInterrupt
        return outcome.theta, outcome.value if outcome.converged else -np.inf
