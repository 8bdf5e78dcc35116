"""Marginal reliabilities of all latent variables of a bank."""

from __future__ import annotations

import numpy as np
from scipy.stats import norm, qmc

from sm_gllamm.items.bank import ItemBank
from sm_gllamm.items.information import information_matrices, marginal_reliability

__all__ = ["marginal_reliabilities"]

#: Latent variables up to which integrals are by equally spaced nodes.
MOST_SPACED = 2
#: Binary logarithm of the number of quasi-random nodes for more.
LOG2_NODES, BLOCK = 13, 1024


def marginal_reliabilities(bank: ItemBank) -> np.ndarray:
    """``1 - E[(I(theta) + Psi^-1)^-1]_dd / Psi_dd`` for each latent variable d.

    Parameters
    ----------
    bank : ItemBank

    Returns
    -------
    ndarray, shape (q,)
        Of more than two latent variables by quasi-random nodes, to three or four digits.

    See Also
    --------
    sm_gllamm.items.information.marginal_reliability
    """
    q = len(bank.dimensions)
    if q <= MOST_SPACED:
        return np.array([marginal_reliability(bank, d) for d in range(q)])
    root, prior = np.linalg.cholesky(bank.covariance), np.linalg.inv(bank.covariance)
    # the points are multiples of 1 / n: shifted to the middle of their intervals
    points = qmc.Sobol(q, scramble=False).random_base2(LOG2_NODES) + 0.5 / 2**LOG2_NODES
    theta = bank.mean + norm.ppf(points) @ root.T
    error = np.zeros(q)
    for start in range(0, len(theta), BLOCK):
        matrices = information_matrices(bank, theta[start : start + BLOCK]).sum(axis=1) + prior
        error += np.einsum("mrr->r", np.linalg.inv(matrices))
    return 1.0 - error / len(theta) / np.diag(bank.covariance)
