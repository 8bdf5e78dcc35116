"""What a sum score says about the general latent variables of bifactor and testlet models."""

from __future__ import annotations

import numpy as np

from sm_gllamm.items.bank import ItemBank
from sm_gllamm.items.equally_spaced import equally_spaced
from sm_gllamm.items.sum_scores import SumScores, score_probabilities
from sm_gllamm.items.testlet_posterior import testlet_of

__all__ = ["testlet_sum_scores"]

#: Distances of the nodes in prior SDs, finer until nothing changes, and the outermost nodes.
SPACINGS = tuple(0.5 * 2.0 ** (-k / 2) for k in range(8))
REACH = 7.5
AGREEMENT = 1e-7


def testlet_sum_scores(bank: ItemBank, n_specific: int) -> SumScores:
    """Probability of each sum score, and mean and SD of the general latent variables given it.

    Lord and Wingersky's recursion within testlets and then over testlets (Cai 2015, Psychometrika
    80:535), so that their number does not matter.

    Parameters
    ----------
    bank : ItemBank
        The specific latent variables last, uncorrelated with all others; every item depends on at
        most one of them.
    n_specific : int

    Returns
    -------
    SumScores
        Of the general latent variables.
    """
    before = None
    for spacing in SPACINGS:
        found = _by_nodes(bank, len(bank.dimensions) - n_specific, spacing)
        if before is not None:
            gaps = (np.abs(a - b).max() for a, b in zip(found[1:], before[1:], strict=True))
            if max(gaps) < AGREEMENT:
                break
        before = found
    probability, eap, covariance = found
    sd = np.sqrt(np.einsum("srr->sr", covariance))
    return SumScores(np.arange(len(probability)), probability, eap, sd, covariance)


def _by_nodes(bank, general, spacing):
    root = np.linalg.cholesky(bank.covariance[:general, :general])
    z = np.concatenate(list(equally_spaced(general, spacing, REACH)))
    weights = np.exp(-0.5 * (z**2).sum(axis=1))
    nodes = bank.mean[:general] + z @ root.T
    inner = np.concatenate(list(equally_spaced(1, spacing, REACH)))[:, 0]
    inner_weights = np.exp(-0.5 * inner**2)
    inner_weights /= inner_weights.sum()
    total = np.ones((len(nodes), 1))
    testlet = testlet_of(bank, general)
    for s in np.unique(testlet).tolist():
        items = np.flatnonzero(testlet == s).tolist()
        many = 1 if s < 0 else len(inner)
        theta = np.zeros((len(nodes) * many, len(bank.dimensions)))
        theta[:, :general] = np.repeat(nodes, many, axis=0)
        if s >= 0:
            place = general + s
            theta[:, place] = np.tile(inner * np.sqrt(bank.covariance[place, place]), len(nodes))
        own = score_probabilities(bank.select(items), theta).reshape(len(nodes), many, -1)
        own = own[:, 0] if s < 0 else np.einsum("m,nms->ns", inner_weights, own)
        longer = np.zeros((len(nodes), total.shape[1] + own.shape[1] - 1))
        for k in range(own.shape[1]):
            longer[:, k : k + total.shape[1]] += total * own[:, k : k + 1]
        total = longer
    joint = total * (weights / weights.sum())[:, None]
    probability = joint.sum(axis=0)
    share = joint / probability
    eap = share.T @ nodes
    away = nodes[:, None, :] - eap
    return probability, eap, np.einsum("ns,nsr,nst->srt", share, away, away, optimize=True)
