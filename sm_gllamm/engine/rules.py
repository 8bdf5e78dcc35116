"""Quadrature rules for standardised latent variables.

A rule of one level is an array of nodes ``z``, shape (q, K), and log weights such that

    integral phi(u) f(u) du  ~  sum_k sign_k exp(log_weight_k + log|det S| - |u_k|^2 / 2) f(u_k),
    u_k = c + S z_k,

for any centre c and scale S: the weights are for the Lebesgue measure of z with the constant of the
normal density included, so one formula serves Gauss-Hermite, trapezoidal and sparse rules alike.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import product
from math import comb

import numpy as np
from scipy.special import roots_hermitenorm

__all__ = ["LevelRule", "gauss_hermite", "nodes_of", "smolyak", "trapezoid"]

#: How far below its maximum (in log units) the posterior is cut off by the trapezoidal rule.
TRAPEZOID_DEPTH = 32.0


@dataclass(frozen=True, slots=True)
class LevelRule:
    """Rule of one level.

    Attributes
    ----------
    kind : {"hermite", "trapezoid", "sparse"}
    points : int
        Nodes per dimension; for ``"sparse"`` the points of the longest one-dimensional rule (odd).
    """

    kind: str
    points: int

    def __str__(self) -> str:
        name = {"hermite": "Gauss-Hermite", "trapezoid": "trapezoid", "sparse": "sparse grid"}
        return f"{name[self.kind]}, {self.points}"


@lru_cache(maxsize=64)
def _hermite(points: int) -> tuple[np.ndarray, np.ndarray]:
    z, w = roots_hermitenorm(points)
    return z, w / np.sqrt(2 * np.pi)


@lru_cache(maxsize=128)
def gauss_hermite(points: int, dimension: int) -> tuple[np.ndarray, np.ndarray, None]:
    """Product Gauss-Hermite rule.

    Parameters
    ----------
    points : int
        Nodes per dimension; 1 is the Laplace approximation.
    dimension : int
        Number of latent variables q.

    Returns
    -------
    z : ndarray, shape (q, points ** q)
    log_weight : ndarray, shape (points ** q,)
    sign : None
        All weights are positive.

    Examples
    --------
    >>> z, log_weight, _ = gauss_hermite(5, 1)
    >>> round(float((z[0] ** 2 * np.exp(log_weight - z[0] ** 2 / 2)).sum()), 12)
    1.0
    """
    z1, w1 = _hermite(points)
    keep = w1 > 1e-300
    z1, log_w1 = z1[keep], np.log(w1[keep])
    z = np.array(list(product(z1, repeat=dimension))).T
    log_w = np.array([sum(w) for w in product(log_w1, repeat=dimension)])
    return np.ascontiguousarray(z), log_w + 0.5 * (z**2).sum(0), None


@lru_cache(maxsize=64)
def trapezoid(points: int) -> tuple[np.ndarray, np.ndarray, None]:
    """Trapezoidal rule on [-1, 1], which placement stretches over the bulk of the posterior.

    For analytic integrands that vanish at both ends it converges geometrically and, unlike
    Gauss-Hermite, does not suffer from the poles of the logistic (Trefethen & Weideman 2014).
    """
    z = np.linspace(-1.0, 1.0, points)[None, :]
    return z, np.full(points, np.log(2.0 / (points - 1)) - 0.5 * np.log(2 * np.pi)), None


def _indices(level: int, dimension: int) -> Iterator[tuple[int, ...]]:
    """Tuples of whole numbers from zero whose sum is at most `level`, in lexical order."""
    if dimension == 0:
        yield ()
        return
    for first in range(level + 1):
        for rest in _indices(level - first, dimension - 1):
            yield (first, *rest)


@lru_cache(maxsize=32)
def smolyak(level: int, dimension: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Sparse Gauss-Hermite grid: exact for polynomials of total degree 2 * level + 1.

    Combination technique over one-dimensional rules of 1, 3, 5, ... points (Smolyak 1963; Heiss &
    Winschel 2008, eq. 11). Some weights are negative.

    Returns
    -------
    z : ndarray, shape (q, K)
    log_weight : ndarray, shape (K,)
        Log of the absolute weight.
    sign : ndarray, shape (K,)
        1.0 or -1.0.
    """
    total: dict[tuple, float] = {}
    for index in _indices(level, dimension):
        height = sum(index)
        if height < level - dimension + 1:
            continue
        factor = (-1) ** (level - height) * comb(dimension - 1, level - height)
        rules = [_hermite(2 * i + 1) for i in index]
        for position in product(*(range(len(z)) for z, _ in rules)):
            node = tuple(
                round(float(rule[0][k]), 13) + 0.0 for rule, k in zip(rules, position, strict=True)
            )
            weight = factor * np.prod([rule[1][k] for rule, k in zip(rules, position, strict=True)])
            total[node] = total.get(node, 0.0) + weight
    total = {node: w for node, w in total.items() if abs(w) > 1e-16}
    z = np.array(list(total)).T
    w = np.array(list(total.values()))
    return np.ascontiguousarray(z), np.log(np.abs(w)) + 0.5 * (z**2).sum(0), np.sign(w)


def nodes_of(rule: LevelRule, dimension: int):
    """Nodes, log weights and signs of a rule for q = `dimension` latent variables."""
    if rule.kind == "trapezoid":
        return trapezoid(rule.points)
    if rule.kind == "sparse":
        return smolyak((rule.points - 1) // 2, dimension)
    return gauss_hermite(rule.points, dimension)
