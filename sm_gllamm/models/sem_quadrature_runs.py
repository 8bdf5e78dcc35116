"""How a structural equation model is fitted by quadrature; part of :class:`QuadratureSEM`."""

from __future__ import annotations

import warnings
from dataclasses import replace
from typing import Any

import numpy as np

from sm_gllamm.exceptions import IdentificationWarning, SpecificationError
from sm_gllamm.inference.constrained import LinearConstraints
from sm_gllamm.models.fitting import FitSettings
from sm_gllamm.models.identification import Identification
from sm_gllamm.models.sem_quadrature_fit import (
    flat_names,
    quadrature_maximum,
    quadrature_verdict,
    refuse_infinite,
)
from sm_gllamm.models.sem_quadrature_start import quadrature_start
from sm_gllamm.specification.constraints import constraint_arrays

__all__ = ["QuadratureRuns"]

#: Top-level clusters from which on the error of quadrature in each matters less.
MANY = 2000
#: Relative distance from starting values at which rank says what is identified.
NEAR = 0.1
#: Spread of the logarithms of random starts.
SPREAD = 0.5


class QuadratureRuns:
    """Starting values, runs of the optimiser, and what is made of their end."""

    inputs: Any
    table: Any
    mapping: Any
    assembly: Any
    likelihood: Any
    n_threads: Any
    wrapper_class: Any
    default_quadrature: Any
    _quadrature: Any
    _quadrature_for: Any
    _ready: Any
    _results: Any
    _start: Any
    _warn: Any
    _default_cov_type: Any

    def _starting_theta(self, likelihood) -> np.ndarray:
        return self._tamed(self.mapping.theta, quadrature_start(self.inputs))

    def _tamed(self, theta_of, start: np.ndarray) -> np.ndarray:
        """Internal starting values, with covariances nearer to zero where there is no likelihood."""
        off = np.zeros(len(start), dtype=bool)
        for row in self.table.rows:
            if row.free and row.op == "~~" and row.lhs != row.rhs and row.ustart is None:
                off[self.table.distinct[row.free - 1]] = True
        for share in (1.0, 0.7, 0.3, 0.0):
            try:
                theta = theta_of(np.where(off, share * start, start))
            except SpecificationError:
                if not share:
                    raise
                continue
            if self.mapping.feasible(theta) and np.isfinite(self._ready().evaluate(theta).total):
                return theta
        raise SpecificationError(
            "there is no likelihood at the starting values: give others by start(...) or start_params="
        )

    def _linear(self, constraints) -> LinearConstraints:
        if isinstance(constraints, LinearConstraints):
            return constraints
        names = self.mapping.param_names
        matrix, values = constraint_arrays(constraints, names)
        return LinearConstraints.of(matrix, values, names)

    def _integrate(self, linear, start_params, maxiter, disp, cov, options, warn_convergence):
        n_points, integration, tol, quadrature_tol, n_threads, n_starts = options
        if quadrature_tol is None:
            quadrature_tol = self._usual_tolerance()
        settings = FitSettings(
            n_points=n_points, integration=integration, maxiter=maxiter, tol=tol, disp=disp,
            quadrature_tol=quadrature_tol, n_starts=n_starts,
            n_threads=self.n_threads if n_threads is None else n_threads,
        )  # fmt: skip
        self.n_threads = settings.n_threads
        quadrature = self._quadrature_for(n_points, integration)
        if quadrature is None and self.assembly.problem.exact:
            quadrature = self.default_quadrature()
        self._quadrature = None
        likelihood = self._ready(quadrature)
        start = (
            self._starting_theta(likelihood) if start_params is None else self._start(start_params)
        )
        if maxiter == 0 and start_params is None:
            raise SpecificationError("maxiter=0 evaluates at start_params, which are missing")
        placement = "meansd" if integration == "meansd" else "mode"
        flat: tuple[str, ...] = ()
        if maxiter > 0 and linear is None:
            flat = self._identification(start).parameters
        if flat:
            warnings.warn(
                f"the model is not identified by these data; these cannot be told apart: {', '.join(flat)}",
                IdentificationWarning,
                stacklevel=4,
            )

        def run(theta):
            likelihood.use(quadrature or self.default_quadrature())
            return quadrature_maximum(
                likelihood, self.table, theta, linear, quadrature, placement, settings
            )

        found, values = run(start), []
        if n_starts > 1 or (start_params is None and not found.outcome.converged and maxiter >= 50):
            values = [found.outcome.value if found.outcome.converged else float("nan")]
            for seed in range(1, max(n_starts, 3)):
                if found.outcome.interrupted or (n_starts == 1 and found.outcome.converged):
                    break
                other = run(self._random_start(start, seed))
                values.append(other.outcome.value if other.outcome.converged else float("nan"))
                better = other.outcome.converged, other.outcome.value
                if better > (found.outcome.converged, found.outcome.value):
                    found = other
        refuse_infinite(found.outcome)
        return self._finished(
            found,
            linear,
            start,
            settings,
            cov,
            tuple(values) if n_starts > 1 else (),
            warn_convergence,
            flat,
        )

    def check_identification(self) -> Identification:
        """Whether the model's parameters can be told apart, by rank and before any fit.

        Returns
        -------
        Identification
            With ``identified``, ``rank``, and the parameters of each direction in which the likelihood of
            these data is flat.

        Notes
        -----
        The rank of the scores of persons, or of clusters, near the starting values. Of models with ``==``
        constraints, and where there are fewer clusters than parameters, nothing is said.

        Examples
        --------
        >>> import sm_gllamm.api as smg
        >>> from sm_gllamm.datasets import lsat
        >>> data = lsat.load_pandas().data
        >>> smg.SEM("f =~ item_1 + item_2 + item_3", data, ordered=True).check_identification().identified
        True
        """
        return self._identification(self._starting_theta(self.likelihood))

    def _identification(self, theta: np.ndarray) -> Identification:
        """Parameters that cannot be told apart near some values, whatever comes out of the fit."""
        stated = any(relation.op == "==" for relation in self.table.syntax.relations)
        counted = self.assembly.pattern is not None
        if stated or not counted and self.assembly.problem.n_top <= len(theta):
            return Identification(len(theta))
        z = np.random.default_rng(0).normal(size=len(theta))
        # zeros are special values
        near = np.where(theta == 0.0, NEAR * z, theta * (1.0 + NEAR * np.clip(z, -2.0, 2.0)))
        if not self.mapping.feasible(near) or not np.isfinite(self._ready().evaluate(near).total):
            return Identification(len(theta))
        return Identification(len(theta), tuple(flat_names(self.likelihood, near)))

    def _usual_tolerance(self) -> float:
        """Error of the log-likelihood aimed at: what nested rules with many nodes can afford."""
        problem = self.assembly.problem
        if len(problem.dimensions) > 1 and (problem.products or sum(problem.dimensions) > 2):
            return 1e-4
        return 1e-6 if problem.n_top < MANY else 1e-5

    def _random_start(self, theta: np.ndarray, seed: int) -> np.ndarray:
        """Starting values at random around given ones, where there is a likelihood."""
        rng = np.random.default_rng(seed)
        for _ in range(20):
            trial = theta * np.exp(SPREAD * rng.normal(size=len(theta)))
            if self.mapping.feasible(trial) and np.isfinite(self.likelihood.evaluate(trial).total):
                return trial
        return theta

    def _finished(self, found, linear, start, settings, cov, values, warn_convergence, flat=()):
        """Verdict, covariance matrix and results."""
        fit = found.fit
        theta = self.mapping.normalised(fit.outcome.theta)
        if found.restriction is None and linear is None:
            theta = self._positive(theta)
        self._quadrature = fit.quadrature
        likelihood = self._ready(fit.quadrature)
        evaluation = likelihood.evaluate(theta, 2)
        fit.outcome.theta, fit.outcome.value = theta, evaluation.total
        fit.outcome.gradient, fit.outcome.hessian = evaluation.gradient, evaluation.hessian
        jacobian = basis = None
        if found.restriction is not None:
            evaluation = replace(
                evaluation,
                hessian=evaluation.hessian + found.restriction.bend(theta, evaluation.gradient),
            )
            fit.outcome.hessian = evaluation.hessian
            jacobian = found.restriction.jacobian(theta)
            basis = found.restriction.tangent(theta)
        params = self.mapping.params(theta)
        counted = self.assembly.pattern is not None
        verdict = quadrature_verdict(
            likelihood, found, settings, self.disturbances(params), counted
        )
        unidentified = tuple(dict.fromkeys((*flat, *verdict.unidentified)))
        verdict = replace(verdict, starts=values, unidentified=unidentified)
        cov_type = self._default_cov_type() if cov[0] is None else cov[0]
        result = self._results(
            theta, evaluation, verdict, cov_type, cov[1], cov[2], settings,
            self.mapping.params(start),
            {
                "quadrature": fit.quadrature, "llf": evaluation.total, "path": fit.outcome.path,
                "constraints": linear, "k_free": None if basis is None else basis.shape[1],
                "restriction": found.restriction,
            },
            jacobian,
        )  # fmt: skip
        # what the start shows was said before the fit
        news = () if flat else verdict.unidentified
        self._warn(replace(verdict, unidentified=news), warn_convergence)
        return self.wrapper_class(result)

    def _positive(self, theta: np.ndarray) -> np.ndarray:
        """The same distribution with latent variables of fixed variance that point where their loadings
        do."""
        params = self.mapping.params(theta)
        for b, roles in enumerate(self.table.roles):
            rows = [row for row in self.table.rows if row.block == b + 1]
            for name in roles.latent:
                own = [r for r in rows if r.op == "=~" and r.lhs == name]
                touched = [
                    r for r in rows
                    if name in (r.lhs, r.rhs, *r.rhs.split(":")) and r.lhs != r.rhs and r.op in ("~", "~~",
                    "~1")
                ]  # fmt: skip
                if (
                    not own
                    or not all(r.free and not r.rv for r in own)
                    or len(self.table.groups) > 1
                ):
                    continue
                odd = [r for r in touched if r.op != "~" or r.rhs.split(":").count(name) < 2]
                if (
                    any(not r.free and (r.ustart or 0.0) or r.rv for r in odd)
                    or len(self.table.levels) > 1
                ):
                    continue
                at = self.table.distinct[[r.free - 1 for r in own]]
                if params[at].sum() >= 0.0:
                    continue
                flipped = params.copy()
                turned = {int(self.table.distinct[r.free - 1]) for r in (*own, *odd) if r.free}
                flipped[sorted(turned)] *= -1.0
                new = self.mapping.theta(flipped)
                if np.isclose(self._ready(self._quadrature).evaluate(new).total,
                              self._ready(self._quadrature).evaluate(theta).total, atol=1e-6):  # fmt: skip
                    theta, params = new, flipped
        return theta

    def disturbances(self, params) -> list[tuple[tuple[str, ...], np.ndarray]]:
        """Names and covariance matrix of the disturbances of each part that covaries."""
        params = np.asarray(params, dtype=float)
        return [
            (component.names[: component.n_latent], component.matrix(params)[
                : component.n_latent, : component.n_latent])
            for group in self.mapping.groups
            for _, component, _ in group.disturbances
        ]  # fmt: skip
