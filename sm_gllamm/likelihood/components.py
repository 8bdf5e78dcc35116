"""What a mixture knows of the responses of a class: their log-likelihood by unit, and its derivatives."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
from scipy import sparse

from sm_gllamm.engine.integrator import Integrator
from sm_gllamm.engine.problem import Problem
from sm_gllamm.engine.rules import LevelRule
from sm_gllamm.likelihood.marginal import MarginalLikelihood, Quadrature

__all__ = [
    "NO_QUADRATURE",
    "ClusterComponent",
    "Component",
    "ResponseComponent",
    "ResponsePart",
    "UnitScores",
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


class ClusterComponent:
    """Units that are the top-level clusters of a marginal likelihood.

    Parameters
    ----------
    problem : Problem
    mapping : ParameterBlocks
        Of the parameters of the class.
    n_threads : int, optional
    """

    def __init__(self, problem: Problem, mapping, n_threads: int | None = None):
        #: weights of the clusters, other ones at every evaluation
        self._weight = np.ones(problem.n_top)
        problem = replace(problem, cluster_weights=(*problem.cluster_weights[:-1], self._weight))
        self.likelihood = MarginalLikelihood(problem, mapping, n_threads)
        self.n_units = problem.n_top

    def loglike(self, theta: np.ndarray) -> np.ndarray:
        self._weigh(1.0)
        return self.likelihood.evaluate(theta).loglike

    def derivatives(self, theta: np.ndarray, weight: np.ndarray):
        # scores come multiplied by the weights
        weight = np.maximum(weight, NOTHING)
        self._weigh(weight)
        result = self.likelihood.evaluate(theta, 2)
        self._weigh(1.0)
        return _Dense(result.score / weight[:, None]), result.hessian

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
        self._responses = [_Responses(part, n_threads) for part in self.parts]
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
            scores.append((part.members, score))
        return _OfResponses(tuple(scores)), hessian


class _Responses:
    """Log-densities of different responses, and their derivatives."""

    def __init__(self, part: ResponsePart, n_threads: int | None):
        self._weight = np.ones(part.problem.n_top)
        problem = replace(part.problem, cluster_weights=(self._weight,))
        self.mapping = part.mapping
        # nodes need no placement
        self._integrator = Integrator(problem, n_threads)
        self._integrator.set_rules([NO_INTEGRAL])

    def loglike(self, theta: np.ndarray) -> np.ndarray:
        self._weight[:] = 1.0
        self._integrator.set_phi(self.mapping.phi(theta))
        return self._integrator.evaluate(0).loglike

    def derivatives(self, theta: np.ndarray, weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        self._weight[:] = np.maximum(weight, NOTHING)
        self._integrator.set_phi(self.mapping.phi(theta))
        result = self._integrator.evaluate(2)
        score = self.mapping.score_in_theta(result.score, theta) / self._weight[:, None]
        return score, self.mapping.hessian_in_theta(result, theta)
