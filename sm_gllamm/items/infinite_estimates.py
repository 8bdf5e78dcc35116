"""Which maximum likelihood estimates of latent variables are infinite."""

from __future__ import annotations

import numpy as np

from sm_gllamm.items.bank import LOG_ZERO, ItemBank
from sm_gllamm.items.modes import Modes

__all__ = ["limits_at_infinity"]

#: A log-likelihood less than this below its limit at infinity is not larger anywhere.
SLACK = 1e-8


def limits_at_infinity(
    bank: ItemBank, codes: np.ndarray, found: Modes, start: np.ndarray, information: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Signs of the latent variables along which likelihoods rise without end.

    The limit of the log-likelihood along a direction is the sum of the limits of the items: that of
    a response that gets certain is 0, of one that gets impossible minus infinity, with asymptotes
    something between, and of an item with no slope in the direction its value. Directions are both
    of one latent variable; of several that in which the iterations went among those of no
    information.

    Parameters
    ----------
    bank : ItemBank
    codes : ndarray of int, shape (n, number of items)
    found : Modes
        Where iterations without a prior ended.
    start : ndarray, shape (n, q)
        Where they started.
    information : ndarray, shape (n, q, q)
        Expected information where they ended.

    Returns
    -------
    sign : ndarray of int, shape (n, q)
        1 and -1 of infinite estimates, 0 of others.
    extreme : ndarray of bool, shape (n,)
        Whether all responses are the extreme ones in the direction.
    """
    n, q = found.theta.shape
    sign, extreme = np.zeros((n, q), dtype=int), np.zeros(n, bool)
    for direction in _directions(bank, found, start, information):
        limit, top, told = _limit(bank, codes, found.theta, direction)
        rises = told & (limit >= found.value - SLACK)
        # of two ends the higher one; with asymptotes both can be limits
        better = rises & ~((sign != 0).any(axis=1) & (limit <= found.value + SLACK))
        matters = np.abs(direction) > 1e-4
        sign[better] = (np.sign(direction) * matters)[better]
        extreme[better] = (top & matters.all(axis=1))[better]
    # equal at both ends: the responses tell nothing
    return sign, extreme


def _directions(bank, found, start, information):
    n, q = found.theta.shape
    if q == 1:
        return [np.ones((n, 1)), -np.ones((n, 1))]
    squares = sum(
        np.sum(np.ptp(item.slopes, axis=0) ** 2 if item.form == "divide" else item.slopes**2)
        for item in bank.items
    )
    values, vectors = np.linalg.eigh(information)
    null = values <= 1e-7 * squares
    along = np.einsum("nrk,nr->nk", vectors, found.theta - start) * null
    moved = np.einsum("nrk,nk->nr", vectors, along)
    length = np.linalg.norm(moved, axis=1, keepdims=True)
    return [np.where(length > 0.0, moved / np.maximum(length, 1e-300), 0.0)]


def _limit(bank, codes, theta, direction):
    """Limits, whether all responses are extreme, and whether any item has a slope there."""
    n = len(codes)
    total, top, told = np.zeros(n), np.ones(n, bool), np.zeros(n, bool)
    rows = np.arange(n)
    for j, item in enumerate(bank.items):
        answered, code = codes[:, j] >= 0, np.maximum(codes[:, j], 0)
        least = 1e-6 * max(np.abs(item.slopes).max(), 1e-300)
        if item.form == "divide":
            slope = direction @ item.slopes.T
            first = slope >= slope.max(axis=1, keepdims=True) - least
            still = first.all(axis=1)
            log_p = item.log_probabilities(theta)
            rest = np.where(first, log_p, -np.inf).max(axis=1, keepdims=True)
            among = np.where(first, np.exp(np.minimum(log_p - rest, 0.0)), 0.0).sum(axis=1)
            best = first[rows, code]
            limit = np.where(best, log_p[rows, code] - rest[:, 0] - np.log(among), LOG_ZERO)
            value = np.where(still, log_p[rows, code], limit)
        else:
            slope = direction @ item.slopes
            still = np.abs(slope) <= least
            best = code == np.where(slope > 0.0, item.n_categories - 1, 0)
            ends = np.where(slope[:, None] > 0.0, *_end_log_probabilities(item))
            value = np.where(still, item.response_derivatives(code, theta)[0], ends[rows, code])
        total += np.where(answered, value, 0.0)
        top &= best | ~answered | still
        told |= answered & ~still
    return total, top, told


def _end_log_probabilities(item):
    """Log-probabilities of the categories where ``slopes'theta`` is plus, and minus, infinity."""
    plus, minus = np.full((2, item.n_categories), LOG_ZERO)
    plus[-1] = minus[0] = 0.0
    if item.form == "binary":
        with np.errstate(divide="ignore"):
            plus = np.maximum(np.log([1.0 - item.upper, item.upper]), LOG_ZERO)
            minus = np.maximum(np.log([1.0 - item.lower, item.lower]), LOG_ZERO)
    return plus, minus
