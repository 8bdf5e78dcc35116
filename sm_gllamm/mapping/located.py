"""Latent variables at given places: mass points, or nodes of a rule, in place of a normal distribution.

With the latent variables u of a level at e, its entries of Phi move to the constant's channel, multiplied
by e: nu = a + b'e. The level's standard deviations and correlations are absorbed by the places; where
these are nodes of a standard normal distribution they stay parameters.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from sm_gllamm.engine.problem import Evaluation, Problem

__all__ = ["LocatedLevel", "LocatedMapping", "located_problem"]


@dataclass(frozen=True, slots=True)
class LocatedLevel:
    """Where the latent variables of a level are.

    Attributes
    ----------
    level : int
        Lowest first.
    names : tuple of str, length q
        Names of the places that are parameters, empty where one is known.
    known : ndarray, shape (q,)
        Places that are known.
    absorbs : bool
        Whether the places take the part of standard deviations and correlations, which are then none of the
        parameters.
    """

    level: int
    names: tuple[str, ...]
    known: np.ndarray
    absorbs: bool


def _channels(problem: Problem, levels: Sequence[int]):
    """New channel of each old one, and which latent variables it is to be multiplied with."""
    dimensions = problem.dimensions
    first = np.concatenate([[0], np.cumsum(dimensions)]).astype(int)
    moved = {first[lv] + r for lv in levels for r in range(dimensions[lv])}
    new_of: dict[int, int] = {}
    number = 1
    for lv, q in enumerate(dimensions):
        if lv in levels:
            # what stays of the level is a latent variable that nothing depends on
            number += 1
            continue
        for r in range(q):
            new_of[first[lv] + r] = number
            number += 1
    channel: list[int] = [0]
    factors: list[tuple[int, ...]] = [()]
    for u in range(first[-1]):
        channel.append(0 if u in moved else new_of[u])
        factors.append((u,) if u in moved else ())
    products: list[tuple[int, int]] = []
    for r, s in problem.products:
        inside = tuple(u for u in (r, s) if u in moved)
        factors.append(inside)
        if len(inside) == 2:
            channel.append(0)
        elif inside:
            channel.append(new_of[s if r in moved else r])
        else:
            channel.append(number + len(products))
            products.append((new_of[r] - 1, new_of[s] - 1))
    behind = number + len(products)
    old_behind = 1 + first[-1] + len(problem.products)
    return np.array(channel), factors, tuple(products), behind - old_behind


def located_problem(problem: Problem, levels: Sequence[int], drop_top: bool = False) -> Problem:
    """The problem without the latent variables of some levels.

    Parameters
    ----------
    problem : Problem
    levels : sequence of int
        Levels whose latent variables are at given places.
    drop_top : bool
        Whether the top level goes, so that the clusters of the level below are the independent ones.

    Returns
    -------
    Problem
    """
    channel, _, products, shift = _channels(problem, levels)
    active = problem.active_channel
    old = len(channel)
    inside = active < old
    new = np.where(inside, channel[np.where(inside, active, 0)], active + shift)
    slot = problem.slot_channel
    if slot is not None:
        slot = np.where(slot >= 0, slot + shift, slot).astype(np.intc)
    dimensions = tuple(1 if lv in levels else q for lv, q in enumerate(problem.dimensions))
    offsets, weights = problem.cluster_offsets, problem.cluster_weights
    if drop_top:
        # the latent variable of the level that goes was the last one
        new = np.where(inside, new, new - 1)
        if slot is not None:
            slot = np.where(slot >= 0, slot - 1, slot).astype(np.intc)
        dimensions, offsets, weights = dimensions[:-1], offsets[:-1], weights[:-1]
    return replace(
        problem, active_channel=new.astype(np.intp), slot_channel=slot, dimensions=dimensions,
        cluster_offsets=offsets, cluster_weights=weights, products=products, exact=False,
    )  # fmt: skip


class LocatedMapping:
    """Parameters of a model some of whose latent variables are at given places.

    Parameters
    ----------
    inner : ParameterBlocks
        Of the model with all its latent variables.
    problem : Problem
        Of that model.
    levels : sequence of LocatedLevel

    Attributes
    ----------
    param_names : list of str
        Those of the model that are left, then places.
    """

    def __init__(self, inner, problem: Problem, levels: Sequence[LocatedLevel]):
        self.inner, self.levels = inner, tuple(levels)
        first = np.concatenate([[0], np.cumsum(problem.dimensions)]).astype(int)
        channel, factors, _, _ = _channels(problem, [lv.level for lv in levels])
        gone = np.zeros(inner.k_params, dtype=bool)
        self._full = np.zeros(inner.k_params)
        absorbing = {lv.level for lv in levels if lv.absorbs}
        for level, _, block, covariance in inner.terms:
            if level in absorbing:
                gone[block] = True
                for row, col, k in covariance.entries:
                    self._full[block.start + k] = float(row == col)
        self._kept = np.flatnonzero(~gone)
        self.param_names = [inner.param_names[k] for k in self._kept]
        n_inner = len(self._kept)
        #: place of each latent variable: position among the parameters, or a known value
        self._where: dict[int, int] = {}
        self._value = np.zeros(first[-1])
        for located in levels:
            for r, name in enumerate(located.names):
                u = first[located.level] + r
                self._value[u] = located.known[r]
                if name:
                    self._where[u] = len(self.param_names)
                    self.param_names.append(name)
        self.n_inner = n_inner
        self._factors = [
            factors[c] if c < len(factors) else () for c in problem.active_channel.tolist()
        ]
        self._moved = np.flatnonzero([len(f) > 0 for f in self._factors])

    @property
    def k_params(self) -> int:
        return len(self.param_names)

    def _inner_theta(self, theta) -> np.ndarray:
        full = self._full.copy()
        full[self._kept] = theta[: self.n_inner]
        return full

    def _places(self, theta) -> np.ndarray:
        value = self._value.copy()
        for u, k in self._where.items():
            value[u] = theta[k]
        return value

    def places_of(self, theta) -> np.ndarray:
        """Places of all latent variables, those at no given place zero."""
        return self._places(np.asarray(theta, dtype=float))

    def assembled(self, inner_theta, places) -> np.ndarray:
        """Parameters from those of the model with all latent variables, and places of these."""
        theta = np.zeros(self.k_params)
        theta[: self.n_inner] = np.asarray(inner_theta, dtype=float)[self._kept]
        for u, k in self._where.items():
            theta[k] = places[u]
        return theta

    def inner_theta(self, theta) -> np.ndarray:
        """Parameters of the model with all latent variables, those absorbed by places at one or zero."""
        return self._inner_theta(np.asarray(theta, dtype=float))

    def _multipliers(self, theta) -> np.ndarray:
        places = self._places(theta)
        out = np.ones(len(self._factors))
        for t in self._moved:
            out[t] = np.prod(places[list(self._factors[t])])
        return out

    def phi(self, theta) -> np.ndarray:
        """Values of the engine's active entries."""
        return self.inner.phi(self._inner_theta(theta)) * self._multipliers(theta)

    def _slopes(self, theta) -> np.ndarray:
        """Derivatives of the multipliers in the places that are parameters, shape (n_active, k_places)."""
        places = self._places(theta)
        out = np.zeros((len(self._factors), self.k_params - self.n_inner))
        for t in self._moved:
            factors = self._factors[t]
            for position, u in enumerate(factors):
                if u in self._where:
                    others = [places[v] for j, v in enumerate(factors) if j != position]
                    out[t, self._where[u] - self.n_inner] += np.prod(others)
        return out

    def score_in_theta(self, score, theta) -> np.ndarray:
        """Chain rule for scores, (J, n_active) to (J, p)."""
        theta = np.asarray(theta, dtype=float)
        full = self._inner_theta(theta)
        inner = self.inner.score_in_theta(score * self._multipliers(theta), full)[:, self._kept]
        phi = self.inner.phi(full)
        return np.hstack([inner, (score * phi) @ self._slopes(theta)])

    def hessian_in_theta(self, evaluation, theta) -> np.ndarray:
        """Chain rule for the Hessian of an Evaluation, (n_active, n_active) to (p, p)."""
        theta = np.asarray(theta, dtype=float)
        full, multiplier = self._inner_theta(theta), self._multipliers(theta)
        score, hessian = evaluation.score.sum(axis=0), evaluation.hessian
        scaled = Evaluation(
            evaluation.loglike,
            (score * multiplier)[None],
            hessian * np.outer(multiplier, multiplier),
        )
        kept, n = self._kept, self.n_inner
        out = np.zeros((self.k_params, self.k_params))
        out[:n, :n] = self.inner.hessian_in_theta(scaled, full)[np.ix_(kept, kept)]
        if self.k_params == n:
            return out
        phi, slopes = self.inner.phi(full), self._slopes(theta)
        jacobian = self.inner.score_in_theta(np.eye(len(phi)), full)[:, kept]
        by_place = slopes * phi[:, None]
        cross = (jacobian * multiplier[:, None]).T @ hessian @ by_place
        cross += jacobian.T @ (slopes * score[:, None])
        out[:n, n:], out[n:, :n] = cross, cross.T
        out[n:, n:] = by_place.T @ hessian @ by_place
        for t in self._moved:
            factors = self._factors[t]
            if len(factors) == 2 and all(u in self._where for u in factors):
                a, b = (self._where[u] for u in factors)
                bend = score[t] * phi[t] * (2.0 if a == b else 1.0)
                out[a, b] += bend
                if a != b:
                    out[b, a] += bend
        return out

    def theta(self, params) -> np.ndarray:
        """Internal parameters of published ones."""
        params = np.asarray(params, dtype=float)
        full = self.inner.params(self._full)
        full[self._kept] = params[: self.n_inner]
        return np.concatenate([self.inner.theta(full)[self._kept], params[self.n_inner :]])

    def params(self, theta) -> np.ndarray:
        """Published parameters."""
        theta = np.asarray(theta, dtype=float)
        inner = self.inner.params(self._inner_theta(theta))[self._kept]
        return np.concatenate([inner, theta[self.n_inner :]])

    def jacobian(self, theta) -> np.ndarray:
        """d params / d theta, shape (p, p)."""
        out = np.eye(self.k_params)
        inner = self.inner.jacobian(self._inner_theta(np.asarray(theta, dtype=float)))
        out[: self.n_inner, : self.n_inner] = inner[np.ix_(self._kept, self._kept)]
        return out

    def curvature(self, theta, gradient) -> np.ndarray:
        """sum_t gradient_t d2 params_t / d theta d theta', shape (p, p)."""
        theta = np.asarray(theta, dtype=float)
        full = np.zeros(self.inner.k_params)
        full[self._kept] = gradient[: self.n_inner]
        bend = self.inner.curvature(self._inner_theta(theta), full)
        out = np.zeros((self.k_params, self.k_params))
        out[: self.n_inner, : self.n_inner] = bend[np.ix_(self._kept, self._kept)]
        return out

    def normalised(self, theta) -> np.ndarray:
        """The same model with non-negative diagonals of Cholesky factors."""
        theta = np.array(theta, dtype=float)
        theta[: self.n_inner] = self.inner.normalised(self._inner_theta(theta))[self._kept]
        return theta
