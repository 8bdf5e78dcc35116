"""The marginal log-likelihood as a function of the internal parameters theta."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from sm_gllamm.engine.integrator import Integrator
from sm_gllamm.engine.problem import Posterior, Problem
from sm_gllamm.engine.rules import LevelRule

__all__ = ["MarginalLikelihood", "Quadrature", "ThetaEvaluation"]


@dataclass(frozen=True, slots=True)
class Quadrature:
    """How the random effects are integrated out.

    Attributes
    ----------
    placement : {"mode", "meansd"}
    rules : tuple of tuple of LevelRule
        Rules in use, each with one entry a level, lowest level first.
    assignment : ndarray of intp, shape (n_top,), or None
        Rule of each top-level cluster; None: the first for all.
    """

    placement: str
    rules: tuple[tuple[LevelRule, ...], ...]
    assignment: np.ndarray | None = None

    def of(self, problem: Problem) -> Quadrature:
        """The same for other data: where clusters are others, all have the finest of the rules."""
        if self.assignment is None or len(self.assignment) == problem.n_top:
            return self
        return Quadrature(self.placement, self.rules[-1:])

    @property
    def laplace(self) -> bool:
        """Whether a single node stands for the integral at some level."""
        return any(rule.points == 1 for rules in self.rules for rule in rules)


@dataclass(frozen=True, slots=True)
class ThetaEvaluation:
    """Log-likelihood by top-level cluster, and derivatives in theta as wanted.

    Attributes
    ----------
    loglike : ndarray, shape (n_top,)
    score : ndarray, shape (n_top, p), or None
    hessian : ndarray, shape (p, p), or None
        With that of the log prior density, where there is one.
    prior : tuple of (float, ndarray of shape (p,)), or None
        Log prior density and its gradient, parts of `total` and `gradient`.
    """

    loglike: np.ndarray
    score: Any = None
    hessian: Any = None
    prior: Any = None

    @property
    def total(self) -> float:
        total = float(self.loglike.sum())
        return total if self.prior is None else total + self.prior[0]

    @property
    def gradient(self) -> np.ndarray:
        gradient = self.score.sum(0)
        return gradient if self.prior is None else gradient + self.prior[1]


class MarginalLikelihood:
    """Problem (data), mapping (parameters) and integrator (nodes) joined.

    Parameters
    ----------
    problem : Problem
    mapping : object with ``phi``, ``score_in_theta``, ``hessian_in_theta``
    n_threads : int, optional

    Notes
    -----
    Derivatives hold the nodes fixed; the nodes are placed anew at every theta. With a single node
    (Laplace) the derivative of the placement is not negligible, and derivatives are taken numerically
    on the re-placed objective.
    """

    def __init__(self, problem: Problem, mapping, n_threads: int | None = None):
        self.problem = problem
        self.mapping = mapping
        self.integrator = Integrator(problem, n_threads)
        self.n_evaluations = 0
        #: theta, quadrature and log-likelihood of the latest evaluation, often asked for again
        self._latest: tuple | None = None
        #: theta that the nodes are placed for
        self._placed: np.ndarray | None = None
        self.quadrature: Any = None
        #: log prior density of theta with gradient and Hessian, for penalised (posterior mode) estimates
        self.prior: Callable | None = None
        self._column_moments: dict[int, tuple[float, float]] = {}

    def column_moments(self, column: int) -> tuple[float, float]:
        """Root mean square of a column of the design, -1 for the constant, and share of its rows that
        are not zero."""
        if column < 0:
            return 1.0, 1.0
        if column not in self._column_moments:
            problem, count = self.problem, None
            if problem.row_code is None or problem.column_source[column] >= 0:
                values = problem.column(column)
            else:
                # as many values as codes, not as rows
                values, count = problem.code_table[:, column], self._rows_of_code
            size = np.sqrt(np.average(values**2, weights=count))
            share = np.average(values != 0.0, weights=count)
            self._column_moments[column] = float(size), float(share)
        return self._column_moments[column]

    @cached_property
    def _rows_of_code(self) -> np.ndarray:
        """Number of rows with each code of a factored design."""
        return np.bincount(self.problem.row_code, minlength=len(self.problem.code_table))

    def use(self, quadrature: Quadrature):
        """Put rules in force."""
        if quadrature is self.quadrature:
            return
        self.quadrature = quadrature
        self.integrator.placement_rule = quadrature.placement
        self.integrator.set_rules(list(quadrature.rules), quadrature.assignment)

    def forget(self) -> None:
        """Evaluate anew even at the parameters of the latest evaluation: weights have changed."""
        self._latest = None

    def place(self, theta):
        """Predictors and nodes for theta, unless they are there already."""
        integrator = self.integrator
        if integrator.placed and self._placed is not None and np.array_equal(self._placed, theta):
            return
        integrator.set_phi(self.mapping.phi(theta))
        integrator.adapt()
        self._placed = np.array(theta, dtype=float)

    def evaluate(self, theta, want: int = 0, by_cluster: bool = True) -> ThetaEvaluation:
        """Log-likelihood, score (want >= 1) and Hessian (2) at theta.

        Without `by_cluster` the score is the sum over clusters, shape (1, p).
        """
        theta = np.array(theta, dtype=float)
        if not want and self._latest is not None:
            at, quadrature, loglike = self._latest
            if quadrature is self.quadrature and np.array_equal(at, theta):
                return self._penalized(ThetaEvaluation(loglike), theta)
        self.n_evaluations += 1
        if want and self.quadrature.laplace:
            return self._penalized(self._numerical(theta, want), theta)
        self.place(theta)
        result = self.integrator.evaluate(want, by_cluster)
        self._latest = theta, self.quadrature, result.loglike
        evaluation = ThetaEvaluation(
            result.loglike,
            None if want < 1 else self.mapping.score_in_theta(result.score, theta),
            None if want < 2 else self.mapping.hessian_in_theta(result, theta),
        )
        return self._penalized(evaluation, theta)

    def _penalized(self, evaluation: ThetaEvaluation, theta) -> ThetaEvaluation:
        """The evaluation with the log prior density, if there is one."""
        if self.prior is None:
            return evaluation
        value, gradient, bend = self.prior(theta)
        hessian = None if evaluation.hessian is None else evaluation.hessian + bend
        return ThetaEvaluation(evaluation.loglike, evaluation.score, hessian, (value, gradient))

    def _numerical(self, theta, want: int) -> ThetaEvaluation:
        """Central differences of the re-placed objective."""
        theta = np.asarray(theta, dtype=float)
        p = len(theta)

        def value(move):
            self.place(theta + move)
            return self.integrator.evaluate(0).loglike

        centre = value(np.zeros(p))
        h = 1e-3 * (1.0 + 0.1 * np.abs(theta))
        unit = np.diag(h)
        up = [value(unit[t]) for t in range(p)]
        down = [value(-unit[t]) for t in range(p)]
        score = np.column_stack(
            [(u - d) / (2 * h[t]) for t, (u, d) in enumerate(zip(up, down, strict=True))]
        )
        hessian = None
        if want >= 2:
            hessian = np.empty((p, p))
            for t in range(p):
                hessian[t, t] = (up[t] - 2 * centre + down[t]).sum() / h[t] ** 2
                for s in range(t):
                    both = (
                        value(unit[t] + unit[s]) - value(unit[t] - unit[s])
                        - value(unit[s] - unit[t]) + value(-unit[t] - unit[s])
                    ).sum()  # fmt: skip
                    hessian[t, s] = hessian[s, t] = both / (4 * h[t] * h[s])
        return ThetaEvaluation(centre, score, hessian)

    @contextmanager
    def only(self, chosen: np.ndarray):
        """Sums are over some top-level clusters, a boolean array, within the context."""
        self._latest = None
        with self.integrator.only(chosen):
            yield
        self._latest = None

    def sample(self, n_clusters: int):
        """The same with some top-level clusters spread over the data."""
        return self.only(self.integrator.spread(n_clusters))

    def pooled(self, theta, want: int) -> ThetaEvaluation:
        """The same with all random effects at zero: an ordinary generalized linear model."""
        result = self.integrator.evaluate_at_zero(self.mapping.phi(theta), want)
        return ThetaEvaluation(
            result.loglike,
            None if want < 1 else self.mapping.score_in_theta(result.score, theta),
            None if want < 2 else self.mapping.hessian_in_theta(result, theta),
        )

    def posterior(self, theta, link=None, shift=None, slope=None) -> Posterior:
        """Posterior moments of the standardised latent variables at theta.

        `link`, `shift` and `slope` are those of :meth:`Integrator.posterior`.
        """
        self.place(theta)
        return self.integrator.posterior(link, shift, slope)

    def modes(self, theta):
        """Joint posterior modes and conditional curvature covariances, lowest level first."""
        self.place(theta)
        return self.integrator.modes()
