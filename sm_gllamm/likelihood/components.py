"""What a mixture knows of the responses of a class: their log-likelihood by unit, and its derivatives."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
from scipy import sparse

from sm_gllamm.engine.integrator import Integrator
from sm_gllamm.engine.problem import Posterior, Problem
from sm_gllamm.engine.rules import LevelRule
from sm_gllamm.likelihood.marginal import MarginalLikelihood, Quadrature
from sm_gllamm.likelihood.quadrature import Ladders, exact_quadrature

__all__ = [
    "NO_QUADRATURE",
    "ClusterComponent",
    "Component",
    "PlainComponent",
    "ResponseComponent",
    "ResponsePart",
    "UnitScores",
    "empty_levels",
]

#: Weights below this have no part in sums of squares.
NOTHING = 1e-100
#: For rows without latent variables: the integral over a variable that nothing depends on.
NO_INTEGRAL = (LevelRule("hermite", 1),)
NO_QUADRATURE = Quadrature("mode", (NO_INTEGRAL,))


class UnitScores(Protocol):
    """Scores of units, made for some of them at a time."""

    def rows(self, span: slice) -> np.ndarray:
        """Scores of a run of units, shape (m, k)."""


class Component(Protocol):
    """The responses of units given their class."""

    n_units: int

    def loglike(self, theta: np.ndarray) -> np.ndarray:
        """Log-likelihood of every unit, shape (n_units,)."""

    def derivatives(self, theta: np.ndarray, weight: np.ndarray) -> tuple[UnitScores, np.ndarray]:
        """Scores of the units, and the sum of their Hessians, each with its weight, shape (k, k)."""

    def sums(self, theta: np.ndarray, weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Weighted sums of scores, shape (k,), and of Hessians, shape (k, k)."""


@dataclass(frozen=True, slots=True)
class _Dense:
    """Scores that are written down."""

    values: np.ndarray

    def rows(self, span: slice) -> np.ndarray:
        return self.values[span]


@dataclass(frozen=True, slots=True)
class _OfResponses:
    """Scores of units that are sums of scores of their responses."""

    parts: tuple

    def rows(self, span: slice) -> np.ndarray:
        return np.hstack([members[span] @ score for members, score in self.parts])


def empty_levels(problem: Problem) -> tuple[bool, ...]:
    """Whether nothing depends on the latent variables of each level, lowest first."""
    used = set(np.asarray(problem.active_channel).tolist())
    for number, pair in enumerate(problem.products):
        if 1 + sum(problem.dimensions) + number in used:
            used.update(1 + k for k in pair)
    out, first = [], 1
    for q in problem.dimensions:
        out.append(not any(first + k in used for k in range(q)))
        first += q
    return tuple(out)


class PlainComponent:
    """Units that are the top-level clusters of a problem without latent variables.

    Parameters
    ----------
    problem : Problem
        With latent variables that nothing depends on.
    mapping : object with ``phi``, ``score_in_theta``, ``hessian_in_theta``
    n_threads : int, optional
    """

    def __init__(self, problem: Problem, mapping, n_threads: int | None = None):
        #: weights of the units, other ones at every evaluation
        self._weight = np.ones(problem.n_top)
        problem = replace(problem, cluster_weights=(*problem.cluster_weights[:-1], self._weight))
        self.mapping, self.n_units = mapping, problem.n_top
        # nodes need no placement
        self._integrator = Integrator(problem, n_threads)
        self._integrator.set_rules([NO_INTEGRAL * len(problem.dimensions)])

    def loglike(self, theta: np.ndarray) -> np.ndarray:
        self._weight[:] = 1.0
        phi = self.mapping.phi(theta)
        if self._integrator.problem.set_size is None:
            # row by row takes a third of the time
            return self._integrator.evaluate_at_zero(phi, 0).loglike
        self._integrator.set_phi(phi)
        return self._integrator.evaluate(0).loglike

    def derivatives(self, theta: np.ndarray, weight: np.ndarray):
        # scores come multiplied by the weights
        self._weight[:] = np.maximum(weight, NOTHING)
        self._integrator.set_phi(self.mapping.phi(theta))
        result = self._integrator.evaluate(2)
        score = self.mapping.score_in_theta(result.score, theta) / self._weight[:, None]
        return _Dense(score), self.mapping.hessian_in_theta(result, theta)

    def sums(self, theta: np.ndarray, weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        self._weight[:] = 1.0
        result = self._integrator.evaluate_at_zero(self.mapping.phi(theta), 2, weight)
        score = self.mapping.score_in_theta(result.score, theta)[0]
        return score, self.mapping.hessian_in_theta(result, theta)


class ClusterComponent:
    """Units that are the top-level clusters of a marginal likelihood, with latent variables of their own.

    Parameters
    ----------
    problem : Problem
    mapping : ParameterBlocks
        Of the parameters of the class.
    n_threads : int, optional
    """

    def __init__(self, problem: Problem, mapping, n_threads: int | None = None):
        self._weight = np.ones(problem.n_top)
        problem = replace(problem, cluster_weights=(*problem.cluster_weights[:-1], self._weight))
        self.likelihood = MarginalLikelihood(problem, mapping, n_threads)
        self.mapping, self.n_units = mapping, problem.n_top
        self._ladders = Ladders(problem)
        if problem.exact:
            # gaussian responses are integrated exactly, by the same few nodes everywhere
            (rules,) = exact_quadrature(problem).rules
            self._ladders.rules = [[rule, rule] for rule in rules]
        for level, empty in enumerate(empty_levels(problem)):
            if empty:
                self._ladders.rules[level] = [*NO_INTEGRAL, *NO_INTEGRAL]
        self.likelihood.use(self._ladders.quadrature())

    @property
    def quadrature(self) -> Quadrature:
        """Rules in force."""
        return self.likelihood.quadrature

    def loglike(self, theta: np.ndarray) -> np.ndarray:
        self._weigh(1.0)
        return self.likelihood.evaluate(theta).loglike

    def derivatives(self, theta: np.ndarray, weight: np.ndarray):
        weight = np.maximum(weight, NOTHING)
        self._weigh(weight)
        # a level with one node is one without latent variables: no Laplace approximation
        self.likelihood.place(theta)
        result = self.likelihood.integrator.evaluate(2)
        self._weigh(1.0)
        score = self.mapping.score_in_theta(result.score, theta) / weight[:, None]
        return _Dense(score), self.mapping.hessian_in_theta(result, theta)

    def sums(self, theta: np.ndarray, weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        self._weigh(weight)
        self.likelihood.place(theta)
        result = self.likelihood.integrator.evaluate(2, by_cluster=False)
        self._weigh(1.0)
        score = self.mapping.score_in_theta(result.score, theta)[0]
        return score, self.mapping.hessian_in_theta(result, theta)

    def posterior(self, theta: np.ndarray) -> Posterior:
        """Posterior moments of the standardised latent variables, given the class."""
        self._weigh(1.0)
        return self.likelihood.posterior(theta)

    def errors(self, theta: np.ndarray) -> np.ndarray:
        """Estimated error of each unit's log-likelihood by level, shape (n_units, n_levels)."""
        if self.likelihood.problem.exact:
            return np.zeros((self.n_units, len(self.likelihood.problem.dimensions)))
        self._weigh(1.0)
        return self._ladders.errors(self.likelihood, theta)

    def refine(self, errors: np.ndarray, tol: float) -> bool:
        """Use finer rules for the units that make up more than `tol` of the errors. False if none are."""
        if not self._ladders.raise_rungs(errors, tol):
            return False
        self.likelihood.use(self._ladders.quadrature())
        return True

    def coarsen(self) -> None:
        """Go back to the coarsest rules."""
        self._ladders.rung[:] = 0
        self.likelihood.use(self._ladders.quadrature())

    def _weigh(self, weight) -> None:
        self._weight[:] = weight
        self.likelihood.forget()


@dataclass(frozen=True, slots=True)
class ResponsePart:
    """Different responses, each a cluster of its own, and which of them the units have.

    Attributes
    ----------
    problem : Problem
        One level, whose latent variable nothing depends on.
    mapping : object with ``phi``, ``score_in_theta``, ``hessian_in_theta``
    members : sparse matrix, shape (n_units, number of responses)
        How often a unit has a response.
    """

    problem: Problem
    mapping: Any
    members: sparse.csr_matrix


class ResponseComponent:
    """Units whose responses are independent given the class: sums over different responses.

    Parameters
    ----------
    parts : sequence of ResponsePart
        Their parameters follow one another.
    n_threads : int, optional
    """

    def __init__(self, parts: Sequence[ResponsePart], n_threads: int | None = None):
        self.parts = tuple(parts)
        self.n_units = self.parts[0].members.shape[0]
        self._responses = [
            PlainComponent(part.problem, part.mapping, n_threads) for part in self.parts
        ]
        self._spans, first = [], 0
        for part in self.parts:
            self._spans.append(slice(first, first + part.mapping.k_params))
            first = self._spans[-1].stop
        self.k_params = first

    def loglike(self, theta: np.ndarray) -> np.ndarray:
        out = np.zeros(self.n_units)
        for part, responses, span in zip(self.parts, self._responses, self._spans, strict=True):
            value = responses.loglike(theta[span])
            possible = np.isfinite(value)
            if possible.all():
                out += part.members @ value
            else:
                # of impossible responses only those count that a unit has
                out += part.members @ np.where(possible, value, 0.0)
                out[(part.members @ (~possible).astype(float)) > 0] = -np.inf
        return out

    def derivatives(self, theta: np.ndarray, weight: np.ndarray):
        hessian = np.zeros((self.k_params, self.k_params))
        scores = []
        for part, responses, span in zip(self.parts, self._responses, self._spans, strict=True):
            of_response = part.members.T @ weight
            score, hessian[span, span] = responses.derivatives(theta[span], of_response)
            scores.append((part.members, score.values))
        return _OfResponses(tuple(scores)), hessian

    def sums(self, theta: np.ndarray, weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        score, hessian = np.zeros(self.k_params), np.zeros((self.k_params, self.k_params))
        for part, responses, span in zip(self.parts, self._responses, self._spans, strict=True):
            of_response = part.members.T @ weight
            score[span], hessian[span, span] = responses.sums(theta[span], of_response)
        return score, hessian
