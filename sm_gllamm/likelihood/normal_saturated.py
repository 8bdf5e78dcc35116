"""Means and covariances without a model, of data with missing values: the EM algorithm."""

from __future__ import annotations

import numpy as np

from sm_gllamm.likelihood.normal_moments import PieceSet

__all__ = ["unrestricted_moments"]

#: Change of the log-likelihood, per row, at which the algorithm stops; most iterations.
TOL, ITERATIONS = 1e-12, 2000


def unrestricted_moments(
    pieces: PieceSet, mean: np.ndarray, covariance: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Maximum likelihood estimates of mean and covariance matrix from patterns of missing values.

    Parameters
    ----------
    pieces : PieceSet
        One piece a pattern.
    mean : ndarray, shape (p,)
        Where to start; so is `covariance`, whose diagonal counts if it is not positive definite.
    covariance : ndarray, shape (p, p)

    Returns
    -------
    mean : ndarray, shape (p,)
    covariance : ndarray, shape (p, p)

    Notes
    -----
    EM (Dempster, Laird & Rubin 1977) on the sufficient statistics of the patterns, extrapolated (squared
    iterations, Varadhan & Roland 2008, *Scandinavian Journal of Statistics* 35, 335-353, scheme S3) where
    that raises the log-likelihood.
    """
    p = len(mean)
    upper = np.triu_indices(p)

    def pack(mean, covariance):
        return np.concatenate([mean, covariance[upper]])

    def unpack(vector):
        covariance = np.zeros((p, p))
        covariance[upper] = vector[p:]
        return vector[:p], covariance + np.triu(covariance, 1).T

    if np.linalg.eigvalsh(covariance)[0] <= 1e-8 * np.diag(covariance).min():
        covariance = np.diag(np.diag(covariance))
    now, value = pack(mean, covariance), -np.inf
    for _ in range(ITERATIONS):
        first, value_now = _em_step(pieces, *unpack(now))
        if first is None:
            break
        once = pack(*first)
        second, value_once = _em_step(pieces, *first)
        twice = pack(*second)
        if value_once - value < TOL * pieces.count.sum():
            now = twice
            break
        step, bend = once - now, twice - 2.0 * once + now
        length = np.linalg.norm(step) / max(np.linalg.norm(bend), 1e-300)
        leap = now + 2.0 * max(length, 1.0) * step + max(length, 1.0) ** 2 * bend
        trial, leapt = _em_step(pieces, *unpack(leap)) if length > 1.0 else (None, -np.inf)
        now, value = (pack(*trial), leapt) if trial is not None and leapt > value_once else (
            twice, value_once
        )  # fmt: skip
    return unpack(now)


def _em_step(pieces: PieceSet, mean: np.ndarray, covariance: np.ndarray):
    """Moments after a step, and the log-likelihood before it but for a constant; None outside the space."""
    present = pieces.present
    both = present[:, :, None] & present[:, None, :]
    sigma = np.where(both, covariance, 0.0)
    diagonal = np.arange(len(mean))
    sigma[:, diagonal, diagonal] += ~present
    try:
        factor = np.linalg.cholesky(sigma)
        np.linalg.cholesky(covariance)
    except np.linalg.LinAlgError:
        return None, -np.inf
    inverse = np.where(both, np.linalg.inv(sigma), 0.0)
    logdet = 2.0 * np.log(np.diagonal(factor, axis1=1, axis2=2)).sum(1)
    deviation = np.where(present, pieces.mean - mean, 0.0)
    spread = pieces.covariance + deviation[:, :, None] * deviation[:, None, :]
    value = -0.5 * pieces.count @ (logdet + np.einsum("kij,kij->k", inverse, spread))
    share = pieces.count / pieces.count.sum()
    move = covariance @ np.einsum("k,kij,kj->i", share, inverse, deviation)
    inner = np.einsum("k,kij->ij", share, inverse @ spread @ inverse - inverse)
    # the sum of what is known and of conditional covariances, around the old mean
    total = covariance + covariance @ inner @ covariance
    return (mean + move, total - np.outer(move, move)), float(value)
