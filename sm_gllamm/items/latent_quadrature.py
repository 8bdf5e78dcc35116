"""Response probabilities given the latent variables, on nodes of their distribution in the population."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.stats import norm, qmc

from sm_gllamm.exceptions import SpecificationError
from sm_gllamm.items.bank import Item, ItemBank
from sm_gllamm.items.equally_spaced import normal_nodes

__all__ = ["ConditionalItems", "Testlet", "conditional_items", "dependence", "pair_probabilities"]

#: Largest and least distance of nodes by the number of dimensions, and the outermost node.
SPACING = {1: (0.1, 0.004), 2: (0.2, 0.1), 3: (0.4, 0.3), 4: (0.7, 0.6), 5: (0.9, 0.9)}
OUTERMOST = {1: 8.0, 2: 7.0, 3: 6.4, 4: 5.6, 5: 4.5}
#: Of more dimensions the nodes are 2 to this power quasi-random ones.
LOG2_QUASI_RANDOM = 16


@dataclass(frozen=True, slots=True)
class Testlet:
    """Items that share a latent variable no other item depends on, or none such.

    Attributes
    ----------
    items : tuple of int
        Their positions in the bank, ascending.
    weights : ndarray, shape (m,)
        Weights of the nodes of the latent variable they share; m = 1 if they share none.
    theta : ndarray, shape (n m, q)
        All latent variables at the n nodes of those that are shared by testlets and at those m; what
        is another testlet's own is at its mean.
    probabilities : tuple of ndarray, shape (n, m, K)
        By item.
    """

    items: tuple[int, ...]
    weights: np.ndarray
    theta: np.ndarray
    probabilities: tuple[np.ndarray, ...]


@dataclass(frozen=True, slots=True)
class ConditionalItems:
    """Probabilities of responses given latent variables on nodes.

    Given a node, testlets are independent; given a node of the testlet too, so are its items.

    Attributes
    ----------
    weights : ndarray, shape (n,)
        Weights of the nodes of the latent variables that are not a testlet's own; they sum to one.
    testlets : tuple of Testlet
    """

    weights: np.ndarray
    testlets: tuple[Testlet, ...]

    def by_item(self) -> list[np.ndarray]:
        """Probabilities given the nodes, testlets' own variables integrated out; shape (n, K) each."""
        pairs = [
            (j, np.tensordot(p, testlet.weights, axes=([1], [0])))
            for testlet in self.testlets
            for j, p in zip(testlet.items, testlet.probabilities, strict=True)
        ]
        return [p for _, p in sorted(pairs, key=lambda pair: pair[0])]


def dependence(item: Item) -> np.ndarray:
    """Which latent variables the responses to an item depend on, shape (q,)."""
    return np.ptp(item.slopes, axis=0) != 0.0 if item.form == "divide" else item.slopes != 0.0


def _own_dimensions(depends: np.ndarray, covariance: np.ndarray) -> list[int]:
    """Dimensions that can be integrated out within testlets, given all the others.

    Each is uncorrelated with all the others, and no item depends on two of them: the structure of
    bifactor and two-tier models (Cai 2010, Psychometrika 75:581).
    """
    off_diagonal = covariance - np.diag(np.diag(covariance))
    own = [d for d in range(len(covariance)) if not off_diagonal[d].any()]
    while own:
        shared = depends[:, own].sum(axis=1) > 1
        if not shared.any():
            break
        # the one in most conflicts is the general dimension
        own.pop(int(np.argmax(depends[shared][:, own].sum(axis=0))))
    # one dimension alone costs the same inside as outside
    return own if len(own) > 1 else []


def _steepness(bank: ItemBank) -> float:
    """Largest SD of an item's linear predictors, differences of them for "divide"."""
    most = 0.0
    for item in bank.items:
        slopes = np.atleast_2d(item.slopes)
        steps = np.diff(slopes, axis=0) if item.form == "divide" else slopes
        variance = np.einsum("kr,rs,ks->k", steps, bank.covariance, steps).max()
        most = max(most, float(np.sqrt(max(variance, 0.0))))
    return most


def _standard_nodes(q: int, steepness: float, coarser: bool) -> tuple[np.ndarray, np.ndarray]:
    """Nodes and weights for q independent standard normal variables.

    Equally spaced nodes: a logistic curve of slope a has poles at the distance pi / a from the real
    line, so that the error falls as exp(-2 pi^2 / (a h)) with the spacing h, much faster than that
    of Gauss-Hermite nodes as many; h makes it 1e-13 where that many nodes are affordable.
    """
    if q == 0:
        return np.zeros((1, 0)), np.ones(1)
    if q not in SPACING:
        n = 2**LOG2_QUASI_RANDOM
        # the points are multiples of 1 / n: shifted to the middle of their intervals
        draws = qmc.Sobol(q, scramble=False).random_base2(LOG2_QUASI_RANDOM) + 0.5 / n
        return norm.ppf(draws), np.full(n, 1.0 / n)
    widest, narrowest = SPACING[min(q + coarser, max(SPACING))]
    spacing = np.clip(0.66 / max(steepness, 1e-6), narrowest, widest)
    return normal_nodes(q, float(spacing), OUTERMOST[q])


def conditional_items(bank: ItemBank) -> ConditionalItems:
    """Probabilities of responses on nodes of the latent distribution.

    Latent variables that are uncorrelated with all others and matter for a testlet only are
    integrated out in a sum of their own, so that a bifactor model takes sums over two dimensions
    however many testlets it has.

    Parameters
    ----------
    bank : ItemBank

    Returns
    -------
    ConditionalItems

    Raises
    ------
    SpecificationError
        If the latent covariance matrix is not positive semidefinite.

    Notes
    -----
    Up to 5 dimensions at once are summed over products of equally spaced nodes, more of them over
    quasi-random ones (relative error of about 1e-4).
    """
    mean, covariance = np.asarray(bank.mean, float), np.asarray(bank.covariance, float)
    if not np.isfinite(covariance).all() or np.linalg.eigvalsh(covariance).min() < -1e-8:
        raise SpecificationError(
            f"the covariance matrix of the latent variables {', '.join(bank.dimensions)} is not "
            "positive semidefinite: no population has it"
        )
    depends = np.array([dependence(item) for item in bank.items])
    own = _own_dimensions(depends, covariance)
    general = [d for d in range(len(mean)) if d not in own]
    steepness = _steepness(bank)
    z, weights = _standard_nodes(len(general), steepness, coarser=bool(own))
    values, vectors = np.linalg.eigh(covariance[np.ix_(general, general)])
    # the symmetric root, which is smooth in the covariances
    root = (vectors * np.sqrt(np.maximum(values, 0.0))) @ vectors.T
    theta = np.tile(mean, (len(z), 1))
    theta[:, general] += z @ root
    testlets = []
    free = np.flatnonzero(~depends[:, own].any(axis=1))
    if len(free):
        probabilities = tuple(bank.items[j].probabilities(theta)[:, None, :] for j in free)
        testlets.append(Testlet(tuple(free.tolist()), np.ones(1), theta, probabilities))
    for d in own:
        members = np.flatnonzero(depends[:, d])
        if not len(members):
            continue
        inner, inner_weights = _standard_nodes(1, steepness, coarser=True)
        full = np.repeat(theta, len(inner), axis=0)
        full[:, d] = mean[d] + np.sqrt(max(covariance[d, d], 0.0)) * np.tile(
            inner[:, 0], len(theta)
        )
        probabilities = tuple(
            bank.items[j].probabilities(full).reshape(len(theta), len(inner), -1) for j in members
        )
        testlets.append(Testlet(tuple(members.tolist()), inner_weights, full, probabilities))
    return ConditionalItems(weights, tuple(testlets))


def pair_probabilities(bank: ItemBank) -> tuple[np.ndarray, np.ndarray]:
    """Model-implied probabilities of pairs of responses in the population.

    Parameters
    ----------
    bank : ItemBank

    Returns
    -------
    joint : ndarray, shape (C, C)
        ``P(response a and response b)``, responses being all categories of the first item, then
        all of the second, and so on; two categories of one item: zero, of one with itself its own
        probability.
    item : ndarray of int, shape (C,)
        The item each response belongs to.
    """
    conditional = conditional_items(bank)
    p = np.column_stack(conditional.by_item())
    item = np.repeat(np.arange(len(bank.items)), [i.n_categories for i in bank.items])
    joint = (p * conditional.weights[:, None]).T @ p
    for testlet in conditional.testlets:
        if len(testlet.weights) > 1:
            together = np.concatenate(testlet.probabilities, axis=2)
            together = together.reshape(-1, together.shape[2])
            w = np.outer(conditional.weights, testlet.weights).ravel()
            where = np.flatnonzero(np.isin(item, testlet.items))
            joint[np.ix_(where, where)] = (together * w[:, None]).T @ together
    same = item[:, None] == item
    joint[same] = 0.0
    np.fill_diagonal(joint, conditional.weights @ p)
    return joint, item
