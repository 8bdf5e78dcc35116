"""Covariance matrices of estimates: inverse information, sandwich, clustered sandwich."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from sm_gllamm.exceptions import SpecificationError

__all__ = [
    "condition_number",
    "flat_directions",
    "gaussian_inverse_information",
    "inverse_information",
    "null_space",
    "sandwich",
]

#: Eigenvalues of the scaled information below this share of the largest count as zero.
RANK_TOL = 1e-13
#: Decompositions of matrices up to this size are kept.
MOST_KEPT = 300
#: Singular values of scaled scores below this share of the largest count as zero: quadrature leaves 1e-7.
SCORE_RANK_TOL = 1e-5


def _scaled(information: np.ndarray):
    """Scale, and eigenvalues and -vectors of the information with unit diagonal."""
    if len(information) > MOST_KEPT:
        return _eigen(information)
    return _kept(np.ascontiguousarray(information, dtype=float).tobytes(), len(information))


def _eigen(information: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    scale = np.sqrt(np.maximum(information.diagonal(), 0.0))
    scale = np.where(scale > 0, scale, 1.0)
    values, vectors = np.linalg.eigh(information / (scale[:, None] * scale))
    return scale, values, vectors


@lru_cache(maxsize=4)
def _kept(numbers: bytes, n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of one matrix inverse, null space and condition number are asked for in a row."""
    found = _eigen(np.frombuffer(numbers).reshape(n, n))
    for array in found:
        array.flags.writeable = False
    return found


def inverse_information(information: np.ndarray) -> np.ndarray:
    """Inverse of the observed information, a pseudo-inverse where it is singular.

    Parameters
    ----------
    information : ndarray, shape (p, p)
        Minus the Hessian.

    Returns
    -------
    ndarray, shape (p, p)
    """
    scale, values, vectors = _scaled(information)
    keep = values > RANK_TOL * max(values[-1], 1e-300)
    root = vectors[:, keep] / np.sqrt(values[keep])
    inverse = root @ root.T
    return inverse / np.outer(scale, scale)


def gaussian_inverse_information(information: np.ndarray, k: int) -> np.ndarray:
    """Inverse information of a linear mixed model, coefficients and variances uncorrelated.

    Parameters
    ----------
    information : ndarray, shape (p, p)
        Observed information; the first k parameters are coefficients.
    k : int

    Returns
    -------
    ndarray, shape (p, p)
        Coefficients: (X'V^-1 X)^-1, as lme4, Stata's mixed and MixedLM report. Variances: the inverse
        curvature of their profile likelihood. The expected information between the two is zero.
    """
    inverse = inverse_information(information)
    inverse[:k, k:] = inverse[k:, :k] = 0.0
    inverse[:k, :k] = inverse_information(information[:k, :k])
    return inverse


def condition_number(information: np.ndarray) -> float:
    """Square root of the ratio of the largest to the smallest eigenvalue, columns scaled to unit diagonal.

    gllamm prints the same figure for its own parametrisation; infinite where not positive definite.
    """
    _, values, _ = _scaled(information)
    return float(np.sqrt(values[-1] / values[0])) if values[0] > 0 else np.inf


def null_space(information: np.ndarray) -> list[np.ndarray]:
    """Directions in which the log-likelihood is flat or not concave; indices of the parameters involved."""
    _, values, vectors = _scaled(information)
    flat = values <= RANK_TOL * max(values[-1], 1e-300)
    return [np.flatnonzero(np.abs(v) > 0.1) for v in vectors[:, flat].T]


def flat_directions(scores: np.ndarray) -> list[np.ndarray]:
    """Directions in which no cluster's log-likelihood changes; indices of the parameters involved.

    Along a curve on which the likelihood is constant the scores of all clusters are zero, at any point
    and to rounding, where the sum's Hessian is indefinite by what is left of the gradient.

    Parameters
    ----------
    scores : ndarray, shape (J, p)
    """
    size = np.linalg.norm(scores, axis=0)
    _, values, directions = np.linalg.svd(
        scores / np.where(size > 0, size, 1.0), full_matrices=False
    )
    flat = values <= SCORE_RANK_TOL * max(values[0], 1e-300)
    return [np.flatnonzero(np.abs(v) > 0.1) for v in directions[flat]]


def sandwich(
    bread: np.ndarray, scores: np.ndarray, groups: np.ndarray | None = None, factor: bool = False
):
    """H^-1 (sum_g s_g s_g') H^-1 (Huber 1967; White 1982; for weighted models Rabe-Hesketh & Skrondal 2006).

    Parameters
    ----------
    bread : ndarray, shape (p, p)
        Inverse information.
    scores : ndarray, shape (J, p)
        Score of each top-level cluster.
    groups : ndarray of int, shape (J,), optional
        Groups whose scores are added first; None: each cluster its own.
    factor : bool
        Multiply by G / (G - 1).
    """
    if groups is not None:
        sums = np.zeros((groups.max() + 1, scores.shape[1]))
        np.add.at(sums, groups, scores)
        scores = sums
    meat = scores.T @ scores
    if factor and len(scores) == 1:
        raise SpecificationError("a cluster-robust covariance matrix needs several groups, not one")
    if factor:
        meat *= len(scores) / (len(scores) - 1)
    return bread @ meat @ bread
