"""Standard errors of residual means and covariances."""

from __future__ import annotations

from typing import Any

import numpy as np

from sm_gllamm.inference.covariance import inverse_information
from sm_gllamm.likelihood.normal_moments import NormalMoments
from sm_gllamm.mapping.sem_moments import COVARIANCE
from sm_gllamm.models.sem_saturated import MomentModel

__all__ = ["implied_vector", "moment_slopes", "residual_errors"]

#: Step of central differences of implied moments.
STEP = 1e-6
#: Share of the variance of a moment that its residual has at least, if it has any.
NOTHING = 1e-8


def implied_vector(likelihood: NormalMoments, saturated: MomentModel, at: np.ndarray) -> np.ndarray:
    """Implied moments in the order of the saturated model's parameters."""
    found = []
    for block, implied in zip(
        saturated.likelihood.mapping.blocks, likelihood.mapping.implied(at), strict=True
    ):
        of_covariance = implied.covariance[block.row, block.column]
        found.append(np.where(block.kind == COVARIANCE, of_covariance, implied.mean[block.row]))
    return np.concatenate(found)


def moment_slopes(likelihood: NormalMoments, saturated: MomentModel, at: np.ndarray) -> np.ndarray:
    """Derivatives of these moments, shape (n_moments, p)."""
    columns = []
    for t in range(len(at)):
        move = np.zeros(len(at))
        move[t] = STEP * max(1.0, abs(at[t]))
        up, down = (implied_vector(likelihood, saturated, at + s * move) for s in (1.0, -1.0))
        columns.append((up - down) / (2.0 * move[t]))
    return np.stack(columns, axis=1)


def residual_errors(
    likelihood: NormalMoments, saturated: MomentModel, at: np.ndarray, basis: Any, expected: bool,
    fitted: bool,
) -> list[tuple[np.ndarray, np.ndarray]]:  # fmt: skip
    """Standard errors of the residuals of all blocks.

    Parameters
    ----------
    likelihood : NormalMoments
    saturated : MomentModel
    at : ndarray, shape (p,)
        Estimates.
    basis : ndarray or None
        Directions that constraints leave free.
    expected : bool
        Expected or observed information.
    fitted : bool
        Whether estimates are subject to error as well, which makes residuals smaller; otherwise the errors
        are those of the moments.

    Returns
    -------
    list of (mean, covariance)
        NaN for moments that the model fits whatever the data are, and for given ones.

    Notes
    -----
    With G the inverse information on the moments of the saturated model, A that information at the implied
    moments and D their derivatives, residuals have the covariance matrix ``P G P'``,
    ``P = I - D (D' A D)^-1 D' A`` (Browne 1984, *British Journal of Mathematical and Statistical Psychology*
    37, 62-83; as in lavaan).
    """
    covariance = inverse_information(
        -saturated.likelihood.evaluate(saturated.theta, 2, expected).hessian
    )
    variance = np.diag(covariance)
    if fitted:
        implied = implied_vector(likelihood, saturated, at)
        information = -saturated.likelihood.evaluate(implied, 2, expected).hessian
        slopes = moment_slopes(likelihood, saturated, at)
        slopes = slopes if basis is None else slopes @ basis
        inverse = inverse_information(slopes.T @ information @ slopes)
        left = np.eye(len(variance)) - slopes @ inverse @ slopes.T @ information
        own = np.einsum("ij,jk,ik->i", left, covariance, left)
        variance = np.where(own > NOTHING * variance, own, np.nan)
    error = np.sqrt(variance)
    out, start = [], 0
    for block in saturated.likelihood.mapping.blocks:
        part = error[start : start + len(block.kind)]
        start += len(block.kind)
        q = block.n_observed
        of_mean, of_covariance = np.full(q, np.nan), np.full((q, q), np.nan)
        pairs = block.kind == COVARIANCE
        row, column = block.row[pairs], block.column[pairs]
        of_covariance[row, column] = of_covariance[column, row] = part[pairs]
        of_mean[block.row[~pairs]] = part[~pairs]
        out.append((of_mean, of_covariance))
    return out
