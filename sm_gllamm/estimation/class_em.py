"""EM for latent classes with categorical indicators, from many starts at once.

Both steps are closed: posterior class probabilities, then shares (Goodman 1974, *Biometrika* 61). All
starts are one matrix product a step, and are accelerated by squared extrapolation (Varadhan & Roland
2008, *Scandinavian Journal of Statistics* 35, scheme S3) where that raises the log-likelihood.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse

__all__ = ["ClassTable", "em_from_random_starts"]

#: Smallest probability on the way: an exact zero would never rise again.
FLOOR = 1e-12


@dataclass(frozen=True, slots=True)
class ClassTable:
    """What runs of EM came to, the best first.

    Attributes
    ----------
    loglike : ndarray, shape (S,)
    sizes : ndarray, shape (S, C)
        Class probabilities.
    shares : ndarray, shape (S, C, R)
        Probabilities of the responses, item by item.
    """

    loglike: np.ndarray
    sizes: np.ndarray
    shares: np.ndarray


class _Steps:
    """Steps of EM for several starts, in log probabilities of shape (S, C, 1 + R)."""

    def __init__(self, members, first: np.ndarray, weight: np.ndarray, allowed, prior):
        self.members = members.toarray() if members.shape[1] <= 400 else members
        self.first, self.weight, self.allowed = first, weight, allowed
        self.counts = np.diff(np.append(first, members.shape[1]))
        self.prior = prior

    def expand(self, totals: np.ndarray) -> np.ndarray:
        return np.repeat(totals, self.counts, axis=-1)

    def normalise(self, logs: np.ndarray) -> np.ndarray:
        """Log probabilities that add up to one, after an extrapolation."""
        logs = np.maximum(logs, np.log(FLOOR))
        sizes = logs[..., :1] - np.log(np.exp(logs[..., :1]).sum(axis=1, keepdims=True))
        totals = np.add.reduceat(np.exp(logs[..., 1:]), self.first, axis=-1)
        return np.concatenate([sizes, logs[..., 1:] - np.log(self.expand(totals))], axis=-1)

    def __call__(self, logs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """One step from given log probabilities, and the log-likelihoods there."""
        s, c, _ = logs.shape
        flat = logs.reshape(s * c, -1)
        joint = self.members @ flat[:, 1:].T + flat[:, 0]
        joint = joint.reshape(-1, s, c)
        if self.allowed is not None:
            joint = np.where(self.allowed[:, None, :], joint, -1e300)
        highest = joint.max(axis=2, keepdims=True)
        np.subtract(joint, highest, out=joint)
        np.exp(joint, out=joint)
        total = joint.sum(axis=2, keepdims=True)
        loglike = self.weight @ (highest + np.log(total))[:, :, 0]
        joint *= self.weight[:, None, None] / total
        flat = joint.reshape(len(joint), -1)
        sizes = flat.sum(axis=0)
        counts = (self.members.T @ flat).T
        totals = np.add.reduceat(counts, self.first, axis=-1)
        shares = counts / np.maximum(self.expand(totals), 1e-300)
        empty = self.expand(totals) <= 0
        shares = np.where(empty, np.exp(logs.reshape(s * c, -1)[:, 1:]), shares)
        sizes = sizes.reshape(s, c)
        sizes = sizes / sizes.sum(axis=1, keepdims=True)
        out = np.concatenate([sizes[..., None], shares.reshape(s, c, -1)], axis=-1)
        return np.log(np.maximum(out, FLOOR)), loglike


def em_from_random_starts(
    members: sparse.csr_matrix, counts: np.ndarray, weight: np.ndarray, n_classes: int,
    n_starts: int, rng: np.random.Generator, maxiter: int = 200, tol: float = 1e-4,
    allowed: np.ndarray | None = None, start: np.ndarray | None = None,
) -> ClassTable:  # fmt: skip
    """Runs of EM from random response probabilities.

    Parameters
    ----------
    members : sparse matrix, shape (n, R)
        Which responses a unit has.
    counts : ndarray of int
        Categories of each item; their sum is R.
    weight : ndarray, shape (n,)
    n_classes, n_starts : int
    rng : numpy.random.Generator
    maxiter : int
        Accelerated iterations, of three steps each.
    tol : float
        A run ends when an iteration gains less than this in log-likelihood units.
    allowed : ndarray of bool, shape (n, C), optional
        Classes that a unit may be in.
    start : ndarray, shape (S, C, 1 + R), optional
        Log probabilities to start from instead.

    Returns
    -------
    ClassTable
    """
    first = np.concatenate([[0], np.cumsum(counts)[:-1]]).astype(np.intp)
    step = _Steps(members, first, weight, allowed, None)
    if start is None:
        marginal = np.asarray(weight @ members).ravel()
        marginal = marginal / np.maximum(step.expand(np.add.reduceat(marginal, first)), 1e-300)
        # around what is seen, so that no start has a class that nobody fits
        draw = rng.gamma(1.0, size=(n_starts, n_classes, len(marginal)))
        draw *= 0.5 + marginal
        sizes = rng.dirichlet(np.full(n_classes, 5.0), size=n_starts)
        start = step.normalise(np.log(np.concatenate([sizes[..., None], draw], axis=-1)))
    logs = start
    done = np.zeros(len(logs), dtype=bool)
    value = np.full(len(logs), -np.inf)
    for _ in range(maxiter):
        active = np.flatnonzero(~done)
        one, before = step(logs[active])
        two, _ = step(one)
        change = one - logs[active]
        bend = (two - one) - change
        length = np.sqrt((change**2).sum(axis=(1, 2)))
        curve = np.sqrt((bend**2).sum(axis=(1, 2)))
        factor = -np.maximum(length / np.maximum(curve, 1e-300), 1.0)
        factor = np.maximum(factor, -64.0)[:, None, None]
        jump = step.normalise(logs[active] - 2.0 * factor * change + factor**2 * bend)
        three, reached = step(jump)
        back, plain = step(two)
        worse = ~(reached >= plain)
        logs[active] = np.where(worse[:, None, None], back, three)
        now = np.where(worse, plain, reached)
        done[active] = now - before < tol
        value[active] = now
        if done.all():
            break
    order = np.argsort(-value, kind="stable")
    probabilities = np.exp(logs[order])
    return ClassTable(value[order], probabilities[..., 0], probabilities[..., 1:])
