"""Mixtures fitted again: to units drawn with replacement, or to simulated responses."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from sm_gllamm.estimation.constrained import maximize_under
from sm_gllamm.estimation.mixture_search import Found, climb
from sm_gllamm.estimation.newton import Controls
from sm_gllamm.inference.constrained import LinearConstraints
from sm_gllamm.models.class_boundary import canonical_logits
from sm_gllamm.models.class_simulation import SimulationMethods
from sm_gllamm.models.restrictions import ParameterRestriction

__all__ = ["RefitMethods"]

#: Logits beyond this are drawn in before a fit: a probability may be zero in one sample only.
WITHIN = 6.0
#: Probabilities below this are held at zero.
NOTHING = 1e-9
#: Iterations and tolerance of a fit to a sample.
CONTROLS = Controls(maxiter=200, tol=1e-8)


class RefitMethods(SimulationMethods):
    """Fits to bootstrap samples; part of :class:`sm_gllamm.models.latent_class.LatentClass`."""

    def resampled_likelihood(self, rng: np.random.Generator):
        """The likelihood of independent units drawn with replacement; m draws of one count m times.

        Parameters
        ----------
        rng : numpy.random.Generator

        Returns
        -------
        MixtureLikelihood
        """
        new, layout = copy.copy(self.likelihood), self.assembly.layout
        units, weight = new.units, layout.row_weight
        if units.code is not None:
            k = len(units.group_weight)
            times = units.group_weight * rng.multinomial(k, np.full(k, 1.0 / k))
        elif self.weights.sampling:
            n = len(weight)
            drawn = weight * rng.multinomial(n, np.full(n, 1.0 / n))
            times = np.bincount(layout.of_row, drawn, len(layout.first))
        else:
            n = int(round(layout.weight.sum()))
            times = rng.multinomial(n, layout.weight / layout.weight.sum()).astype(float)
        new.units = replace(units, group_weight=times)
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
        start = self._drawn_in(theta)
        found = climb(likelihood, start, CONTROLS, self._edges, held=self._fixed_mask)
        if found.outcome.interrupted:
            raise KeyboardInterrupt
        return found

    def _drawn_in(self, theta: np.ndarray) -> np.ndarray:
        """Parameters with the logits of response probabilities away from infinity."""
        out = np.array(theta, dtype=float)
        if self.nominal:
            for _, _, place in self._nominal_blocks():
                full = np.concatenate([[0.0], out[place]])
                full = np.maximum(full - full.max(), -WITHIN)
                out[place] = full[1:] - full[0]
        return self._with_fixed(out)

    def maximum_under(self, constraints, theta, quadrature, maxiter=50, tol=1e-8):
        """Maximum of the log-likelihood under constraints, for profiles.

        Parameters
        ----------
        constraints : LinearConstraints
            On published parameters.
        theta : ndarray, shape (p,)
            Internal parameters to start from; probabilities that are zero there stay zero.
        quadrature : Quadrature
            Not used.
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

    def _far_out(self, theta: np.ndarray) -> np.ndarray:
        """Which parameters are held because a probability is zero."""
        held = np.zeros(len(theta), dtype=bool)
        for _, _, place in self._nominal_blocks() if self.nominal else ():
            full = np.concatenate([[0.0], theta[place]])
            shares = np.exp(full - full.max())
            zero = shares / shares.sum() < NOTHING
            if zero.any():
                held[place] = canonical_logits(theta[place], zero)[1]
        return held

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
                found = self.with_responses(self.draw(params, rng)).refitted(theta)
            yield self.mapping.params(found.theta) if found.outcome.converged else None
