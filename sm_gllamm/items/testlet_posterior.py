"""Means and covariances of latent variables given responses, testlet by testlet."""

from __future__ import annotations

import numpy as np

from sm_gllamm.exceptions import SpecificationError
from sm_gllamm.items.bank import ItemBank
from sm_gllamm.items.equally_spaced import equally_spaced
from sm_gllamm.items.posterior import PosteriorMoments

__all__ = ["MOST_GENERAL", "testlet_moments", "testlet_of"]

#: General latent variables that are possible.
MOST_GENERAL = 2
#: Distances of the nodes in prior SDs, finer until nothing changes, and the outermost nodes of general
#: and specific latent variables.
SPACINGS = tuple(0.5 * 2.0 ** (-k / 2) for k in range(10))
REACH, INNER_REACH = 7.5, 6.5
#: Change of the moments, in posterior SDs, that ends the search. The error of the trapezoidal rule is
#: squared when the distance is halved.
AGREEMENT = 1e-5
#: Values of densities that are held at a time.
HELD = 4_000_000


def testlet_moments(
    bank: ItemBank, codes: np.ndarray, mean: np.ndarray, n_specific: int
) -> PosteriorMoments:
    """Posterior means and covariances of bifactor and testlet models by dimension reduction.

    Given the general latent variables, specific ones are independent a posteriori: their integrals
    are one by one (Gibbons & Hedeker 1992, Psychometrika 57:423), however many there are.

    Parameters
    ----------
    bank : ItemBank
        The specific latent variables last, uncorrelated with all others; every item depends on at
        most one of them.
    codes : ndarray of int, shape (n, number of items)
        -1 for a missing response.
    mean : ndarray, shape (n, q)
        Mean of each person's prior; its covariance is the bank's.
    n_specific : int

    Returns
    -------
    PosteriorMoments

    Raises
    ------
    SpecificationError
        If there are more than two general latent variables.

    Examples
    --------
    >>> import numpy as np
    >>> from sm_gllamm.items.bank import Item, ItemBank
    >>> from sm_gllamm.items.testlet_posterior import testlet_moments
    >>> slopes = [[1.0, 0.5, 0.0], [1.0, 0.5, 0.0], [1.0, 0.0, 0.8], [1.0, 0.0, 0.8]]
    >>> bank = ItemBank(
    ...     tuple(Item(f"i{j}", "binary", "2PL", a, [0.0]) for j, a in enumerate(slopes)),
    ...     ("g", "s1", "s2"), np.zeros(3), np.eye(3))
    >>> testlet_moments(bank, np.array([[1, 1, 0, 0]]), np.zeros((1, 3)), 2).mean.round(3) + 0.0
    array([[ 0.066,  0.439, -0.649]])
    """
    q = len(bank.dimensions)
    general = q - n_specific
    if general > MOST_GENERAL:
        raise SpecificationError(
            f"Posterior moments by testlets are for up to {MOST_GENERAL} general latent variables, not "
            f"{general}."
        )
    key = np.column_stack([codes, mean])
    _, first, which = np.unique(key, axis=0, return_index=True, return_inverse=True)
    which = which.reshape(-1)
    codes, mean = codes[first], mean[first]
    n = len(codes)
    found = PosteriorMoments(
        np.empty((n, q)), np.empty((n, q, q)), np.empty(n), np.zeros(n, dtype=bool)
    )
    left, before = np.arange(n), None
    for spacing in SPACINGS:
        m, v, log_marginal = _moments(bank, codes[left], mean[left], general, spacing)
        found.mean[left], found.covariance[left] = m, v
        found.log_marginal[left] = log_marginal
        if before is not None:
            sd = np.sqrt(np.einsum("nrr->nr", v))
            gap = np.maximum(
                (np.abs(m - before[0]) / sd).max(axis=1),
                (np.abs(v - before[1]) / (sd[:, :, None] * sd[:, None, :])).max(axis=(1, 2)),
            )
            done = gap < AGREEMENT
            found.accurate[left[done]] = True
            left, m, v = left[~done], m[~done], v[~done]
        if not len(left):
            break
        before = m, v
    return PosteriorMoments(
        found.mean[which], found.covariance[which], found.log_marginal[which], found.accurate[which]
    )


def testlet_of(bank: ItemBank, general: int) -> np.ndarray:
    """Number of the specific latent variable that each item depends on, -1 for none.

    Parameters
    ----------
    bank : ItemBank
    general : int
        Number of the latent variables that are not specific, which come first.

    Returns
    -------
    ndarray of int, shape (number of items,)
    """
    out = []
    for item in bank.items:
        own = np.atleast_2d(item.slopes)[:, general:]
        depends = np.flatnonzero((own != 0.0).any(axis=0))
        out.append(int(depends[0]) if len(depends) else -1)
    return np.array(out)


def _moments(bank, codes, mean, general, spacing):
    """Moments and log-integrals by nodes at one distance."""
    q = len(bank.dimensions)
    testlet = testlet_of(bank, general)
    covariance = bank.covariance[:general, :general]
    root = np.linalg.cholesky(covariance)
    inverse = np.linalg.inv(root)
    centre = mean[:, :general].mean(axis=0)
    from_centre = (mean[:, :general] - centre) @ inverse.T
    reach = REACH + np.abs(from_centre).max(initial=0.0)
    z = np.concatenate(list(equally_spaced(general, spacing, reach)))
    nodes = centre + z @ root.T
    inner = np.concatenate(list(equally_spaced(1, spacing, INNER_REACH)))[:, 0]
    inner_sd = np.sqrt(np.diag(bank.covariance)[general:])
    tables = {
        t: _table(bank, np.flatnonzero(testlet == t), nodes, general, t, inner, inner_sd)
        for t in sorted(set(testlet.tolist()))
    }
    step = max(1, HELD // (len(nodes) * len(inner)))
    parts = []
    for start in range(0, len(codes), step):
        who = slice(start, start + step)
        parts.append(
            _of_some(bank, codes[who], from_centre[who], testlet, tables, nodes, z, inner, inner_sd)
        )
    m, v, log_integral = (np.concatenate(part) for part in zip(*parts, strict=True))
    # each direction: spacing over the square root of 2 pi, the constant of the normal density
    used = general + len({t for t in tables if t >= 0})
    log_integral = log_integral + used * (np.log(spacing) - 0.5 * np.log(2.0 * np.pi))
    return m.reshape(-1, q), v, log_integral


def _table(bank, items, nodes, general, t, inner, inner_sd):
    """Log-probabilities of the categories of a testlet's items at all its nodes."""
    part = bank.select(items.tolist())
    many = len(inner) if t >= 0 else 1
    theta = np.zeros((len(nodes) * many, len(bank.dimensions)))
    theta[:, :general] = np.repeat(nodes, many, axis=0)
    if t >= 0:
        theta[:, general + t] = np.tile(inner * inner_sd[t], len(nodes))
    return part, part.category_log_probabilities(theta)


def _of_some(bank, codes, from_centre, testlet, tables, nodes, z, inner, inner_sd):
    """Moments of a few persons."""
    n, m, general = len(codes), len(nodes), nodes.shape[1]
    log_density = -0.5 * ((z[None] - from_centre[:, None]) ** 2).sum(axis=2)
    features = np.zeros((n, m, len(bank.dimensions)))
    features[:, :, :general] = nodes
    variances = np.zeros((n, m, len(bank.dimensions)))
    for s in range(general, len(bank.dimensions)):
        # of testlets without responses
        variances[:, :, s] = inner_sd[s - general] ** 2
    for t, (part, table) in tables.items():
        log_p = part.indicators(codes[:, testlet == t]) @ table
        if t < 0:
            log_density += log_p
            continue
        log_p = log_p.reshape(n, m, len(inner)) - 0.5 * inner**2
        largest = log_p.max(axis=2)
        share = np.exp(log_p - largest[:, :, None])
        total = share.sum(axis=2)
        log_density += largest + np.log(total)
        first, second = share @ inner / total, share @ inner**2 / total
        features[:, :, general + t] = inner_sd[t] * first
        variances[:, :, general + t] = inner_sd[t] ** 2 * (second - first**2)
    largest = log_density.max(axis=1)
    share = np.exp(log_density - largest[:, None])
    total = share.sum(axis=1)
    share /= total[:, None]
    mean = np.einsum("nm,nmr->nr", share, features)
    away = features - mean[:, None, :]
    spread = np.einsum("nm,nmr,nms->nrs", share, away, away, optimize=True)
    diagonal = np.arange(spread.shape[1])
    spread[:, diagonal, diagonal] += np.einsum("nm,nmr->nr", share, variances)
    return mean, spread, largest + np.log(total)
