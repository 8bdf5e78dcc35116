"""Weighted likelihood estimates of one latent variable, of all persons at once."""

from __future__ import annotations

import numpy as np

from sm_gllamm.items.bank import ItemBank
from sm_gllamm.items.modes import item_places

__all__ = ["estimating_function", "weighted_likelihood"]

MAX_ITERATIONS = 100
#: Changes of an estimate, in standard errors, that are none.
TOLERANCE = 1e-10


def weighted_likelihood(
    bank: ItemBank, codes: np.ndarray, bounds: tuple[float, float] | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Estimates without the bias of order 1 / (number of items) (Warm 1989, eq. 16).

    Roots of ``S(theta) + J(theta) / (2 I(theta))``, where S is the derivative of the log-likelihood,
    I the expected information and ``J = sum_jk P'_jk P''_jk / P_jk``; the same formula for
    polytomous items (Wang & Wang 2001). With asymptotes there can be several roots: the one where
    the integral of the function is largest on a grid.

    Parameters
    ----------
    bank : ItemBank
        Of one latent variable.
    codes : ndarray of int, shape (n, number of items)
        -1 for a missing response; every person has a response to an item with a slope.
    bounds : (float, float), optional
        Where estimates may be.

    Returns
    -------
    theta : ndarray, shape (n,)
    solved : ndarray of bool, shape (n,)
        False where the root is beyond the bounds, theta being the bound.
    """
    # all-0 and all-1 patterns have their root where the rarer response has the odds 1 to 2 I
    nodes = item_places(bank, 12.0 + 2.0 * np.log(len(bank.items) + 1.0))
    if bounds is not None:
        nodes = np.unique(np.clip(np.concatenate([nodes, bounds]), *bounds))
    low, high, at_low, at_high = _brackets(bank, codes, nodes)
    solved = (at_low >= 0.0) & (at_high <= 0.0)
    theta = np.where(at_low < 0.0, low, high)
    active = np.flatnonzero(solved)
    # Illinois' variant of false position: brackets shrink from both sides
    side = np.zeros(len(codes), dtype=int)
    for _ in range(MAX_ITERATIONS):
        if not len(active):
            break
        a, b, fa, fb = low[active], high[active], at_low[active], at_high[active]
        rise = fa - fb
        x = np.where(rise > 0.0, a + (b - a) * fa / np.where(rise > 0.0, rise, 1.0), 0.5 * (a + b))
        theta[active] = x
        f, information = estimating_function(bank, codes[active], x)
        above = f > 0.0
        repeated = np.where(above, 1, -1) == side[active]
        low[active], at_low[active] = np.where(above, x, a), np.where(above, f, fa)
        high[active], at_high[active] = np.where(above, b, x), np.where(above, fb, f)
        at_high[active] *= np.where(repeated & above, 0.5, 1.0)
        at_low[active] *= np.where(repeated & ~above, 0.5, 1.0)
        side[active] = np.where(above, 1, -1)
        close = (np.abs(f) <= TOLERANCE * np.sqrt(information)) | (
            high[active] - low[active] <= 4e-16 * (1.0 + np.abs(x))
        )
        active = active[~close]
    return theta, solved


def _weights(item, theta):
    """Derivatives of all log-probabilities, and I and J of an item; shapes (m, K), (m,), (m,)."""
    log_p, gradient, hessian = item.log_derivatives(theta[:, None])
    p, first, second = np.exp(log_p), gradient[:, :, 0], hessian[:, :, 0, 0]
    information = np.einsum("mk,mk,mk->m", p, first, first)
    # P' P'' / P with P' = P first and P'' = P (second + first^2)
    third = np.einsum("mk,mk,mk->m", p, first, second + first**2)
    return first, information, third


def estimating_function(
    bank: ItemBank, codes: np.ndarray, theta: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """``S + J / (2 I)`` and I of each person at the person's own theta.

    Parameters
    ----------
    bank : ItemBank
    codes : ndarray of int, shape (n, number of items)
    theta : ndarray, shape (n,)

    Returns
    -------
    function, information : ndarray, shape (n,)
    """
    score, information, third = np.zeros((3, len(theta)))
    rows = np.arange(len(theta))
    for j, item in enumerate(bank.items):
        first, i, t = _weights(item, theta)
        answered = codes[:, j] >= 0
        score += np.where(answered, first[rows, codes[:, j]], 0.0)
        information += i * answered
        third += t * answered
    return score + 0.5 * third / np.maximum(information, 1e-300), information


def _brackets(bank, codes, nodes):
    """Neighbouring nodes between which the integrated estimating function has its maximum."""
    parts = [_weights(item, nodes) for item in bank.items]
    first = np.concatenate([part[0].T for part in parts])
    information = np.array([part[1] for part in parts])
    third = np.array([part[2] for part in parts])
    n, last = len(codes), len(nodes) - 1
    low, high, at_low, at_high = np.empty((4, n))
    size = max(1, 4_000_000 // len(nodes))
    for start in range(0, n, size):
        span = slice(start, start + size)
        answered = (codes[span] >= 0).astype(float)
        f = bank.indicators(codes[span]) @ first
        f += 0.5 * (answered @ third) / np.maximum(answered @ information, 1e-300)
        area = 0.5 * (f[:, 1:] + f[:, :-1]) * np.diff(nodes)
        best = np.argmax(np.column_stack([np.zeros(len(f)), np.cumsum(area, axis=1)]), axis=1)
        rows = np.arange(len(f))
        left = np.clip(np.where(f[rows, best] > 0.0, best, best - 1), 0, last - 1)
        low[span], high[span] = nodes[left], nodes[left + 1]
        at_low[span], at_high[span] = f[rows, left], f[rows, left + 1]
    return low, high, at_low, at_high
