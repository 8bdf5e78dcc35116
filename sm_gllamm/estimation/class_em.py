"""EM for latent classes with categorical indicators, from many starts at once.

Both steps are closed: posterior class probabilities, then shares (Goodman 1974, *Biometrika* 61). All
starts are one matrix product a step, and are accelerated by squared extrapolation (Varadhan & Roland
2008, *Scandinavian Journal of Statistics* 35, scheme S3) where that raises the log-likelihood.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse

__all__ = ["ClassTable", "em_from_random_starts", "polished"]

#: Smallest probability on the way: an exact zero would never rise again.
FLOOR = 1e-12
#: A probability below this that EM makes smaller, by this factor or more, goes to zero.
SMALL, SHRINKS = 1e-3, 0.98


@dataclass(frozen=True, slots=True)
class ClassTable:
    """What runs of EM came to, the best first.

    Attributes
    ----------
    loglike : ndarray, shape (S,)
    sizes : ndarray, shape (S, C)
        Class probabilities.
    shares : ndarray, shape (S, C, R)
        Probabilities of the responses, item by item; zero where they go to zero (of polished ends).
    order : ndarray of intp, shape (S,)
        Numbers of the runs.
    """

    loglike: np.ndarray
    sizes: np.ndarray
    shares: np.ndarray
    order: np.ndarray

    def extended(self, sizes, shares) -> ClassTable:
        """With other starts, shapes (S, C) and (S, C, R), behind those of the table."""
        n = len(sizes)
        return ClassTable(
            np.append(self.loglike, np.full(n, np.nan)), np.concatenate([self.sizes, sizes]),
            np.concatenate([self.shares, shares]), np.append(self.order, np.full(n, -1)),
        )  # fmt: skip


class _Steps:
    """Steps of EM for several starts, in log probabilities of shape (S, C, 1 + R)."""

    def __init__(self, members, counts: np.ndarray, weight: np.ndarray, allowed):
        self.members = members.toarray() if members.shape[1] <= 400 else members
        self.first = np.concatenate([[0], np.cumsum(counts)[:-1]]).astype(np.intp)
        self.counts, self.weight, self.allowed = np.asarray(counts), weight, allowed

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
        out, loglike = self.probabilities(logs)
        return np.log(np.maximum(out, FLOOR)), loglike

    def probabilities(self, logs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Probabilities after one step, and the log-likelihoods before it."""
        s, c, _ = logs.shape
        # classes first: sums over them are sums of long arrays
        joint = np.empty((c, len(self.weight), s))
        for k in range(c):
            joint[k] = self.members @ logs[:, k, 1:].T
            joint[k] += logs[:, k, 0]
            if self.allowed is not None:
                joint[k, ~self.allowed[:, k]] = -1e300
        highest = joint.max(axis=0)
        joint -= highest
        np.exp(joint, out=joint)
        total = joint.sum(axis=0)
        loglike = self.weight @ (highest + np.log(total))
        joint *= self.weight[:, None] / total
        sizes = joint.sum(axis=1).T
        counts = np.stack([(self.members.T @ its).T for its in joint], axis=1)
        totals = self.expand(np.add.reduceat(counts, self.first, axis=-1))
        shares = counts / np.maximum(totals, 1e-300)
        # a class that nobody with a response to an item is in keeps its probabilities
        shares = np.where(totals <= 0, np.exp(logs[..., 1:]), shares)
        sizes = sizes / sizes.sum(axis=1, keepdims=True)
        return np.concatenate([sizes[..., None], shares], axis=-1), loglike


def em_from_random_starts(
    members: sparse.csr_matrix, counts: np.ndarray, weight: np.ndarray, n_classes: int,
    n_starts: int, rng: np.random.Generator, maxiter: int = 200, tol: float = 1e-4,
    allowed: np.ndarray | None = None,
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

    Returns
    -------
    ClassTable
    """
    step = _Steps(members, counts, weight, allowed)
    marginal = np.asarray(weight @ members).ravel()
    marginal = marginal / np.maximum(step.expand(np.add.reduceat(marginal, step.first)), 1e-300)
    # around what is seen, so that no start has a class that nobody fits
    draw = rng.gamma(1.0, size=(n_starts, n_classes, len(marginal)))
    draw *= 0.5 + marginal
    sizes = rng.dirichlet(np.full(n_classes, 5.0), size=n_starts)
    start = step.normalise(np.log(np.concatenate([sizes[..., None], draw], axis=-1)))
    logs, value = _accelerated(step, start, maxiter, tol)
    order = np.argsort(-value, kind="stable")
    probabilities = np.exp(logs[order])
    return ClassTable(value[order], probabilities[..., 0], probabilities[..., 1:], order)


def polished(
    table: ClassTable, members: sparse.csr_matrix, counts: np.ndarray, weight: np.ndarray,
    maxiter: int = 60, tol: float = 1e-7, allowed: np.ndarray | None = None,
) -> ClassTable:  # fmt: skip
    """Runs of EM continued to a smaller tolerance; probabilities on their way to zero are made zero.

    Parameters
    ----------
    table : ClassTable
        Where the runs ended.
    members, counts, weight, maxiter, tol, allowed
        As for :func:`em_from_random_starts`.

    Returns
    -------
    ClassTable
        In the order of `table`.
    """
    step = _Steps(members, counts, weight, allowed)
    start = np.concatenate([table.sizes[..., None], table.shares], axis=-1)
    logs, value = _accelerated(step, np.log(np.maximum(start, FLOOR)), maxiter, tol)
    after, _ = step.probabilities(logs)
    now = np.exp(logs)
    shares = now[..., 1:].copy()
    shares[(shares < SMALL) & (after[..., 1:] < SHRINKS * shares)] = 0.0
    return ClassTable(value, now[..., 0], shares, table.order)


def _accelerated(step: _Steps, logs: np.ndarray, maxiter: int, tol: float):
    """EM with squared extrapolation: log probabilities at the end, and log-likelihoods there."""
    logs = logs.copy()
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
    return logs, value
