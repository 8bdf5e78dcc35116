"""Starting values of loadings, paths and covariances, from the covariances of rows in clusters.

First each latent variable alone: loadings of one factor by alternating least squares on the covariances
of its rows (minres, Harman & Jones 1966; the diagonal is not used). Then all parameters of the latent
variables together, by unweighted least squares on the same moments: they depend on the parameters
through Phi alone, so this holds for any model.
"""

from __future__ import annotations

import numpy as np
from scipy.optimize import least_squares

from sm_gllamm.models.moments import PairMoments

__all__ = ["latent_by_latent", "moment_fit"]

#: Smallest loading of the reference, as a share of the largest one.
LEAST = 0.1
#: Start of paths from a factor of second order, whose disturbance has a variance of one.
PATH = 0.5
#: Weight of the start in the least-squares fit, for parameters that the moments say nothing about.
RIDGE = 0.03
#: Relative change of sum of squares or parameters at which the least-squares fit is near enough.
NEAR = 1e-3


def _one_factor(products: np.ndarray, pairs: np.ndarray, sd: np.ndarray) -> np.ndarray | None:
    """Loadings g of a factor with unit variance, products being about g g'; None without a factor."""
    weight = np.sqrt(pairs)
    correlation = products / np.outer(sd, sd)
    if not np.any(weight > 0):
        return None
    values, vectors = np.linalg.eigh(np.where(pairs > 0, correlation, 0.0))
    if not values[-1] > 0:
        return None
    g = vectors[:, -1] * np.sqrt(values[-1])
    for _ in range(50):
        old = g.copy()
        for a in range(len(g)):
            others = weight[a] ** 2 * g
            below = others @ g - weight[a, a] ** 2 * g[a] ** 2
            above = others @ correlation[a] - weight[a, a] ** 2 * g[a] * correlation[a, a]
            if below > 0:
                # a loading cannot explain more than there is
                g[a] = np.clip(above / below, -1.0, 1.0)
        if np.abs(g - old).max() < 1e-3:
            break
    return g * sd if np.any(np.abs(g) > 1e-6) else None


def latent_by_latent(mapping, moments: PairMoments | None, theta, effects) -> np.ndarray:
    """Parameters with starting values for loadings and disturbance variances, factor by factor.

    Parameters
    ----------
    mapping : StructuralMapping
    moments : PairMoments or None
    theta : ndarray, shape (p,)
        Everything else at its start.
    effects : callable
        From a column of the design to the coefficient that is a moderate effect in its rows, where the
        moments say nothing.
    """
    theta = theta.copy()
    unmeasured = {latent.name for latent in mapping.latents if not latent.loadings}
    diagonal = {
        covariance.names[row]: block.start + k
        for _, _, block, covariance in mapping.terms
        for row, column, k in covariance.entries
        if row == column
    }
    for latent in mapping.latents:
        free = [(c, x) for c, x in latent.loadings if x.name is not None]
        fixed = [(c, x) for c, x in latent.loadings if x.name is None and x.value]
        values = _loadings(moments, latent)
        scale = values.get(fixed[0][0]) if fixed else 1.0
        if values and scale is not None:
            largest = max(abs(value) for value in values.values())
            scale = scale / fixed[0][1].value if fixed else 1.0
            if fixed and abs(scale) < LEAST * largest:
                scale = LEAST * largest * (1.0 if scale >= 0 else -1.0)
        else:
            values = {}
            scale = effects(fixed[0][0]) / fixed[0][1].value if fixed else 1.0
        for column, coefficient in free:
            given = values.get(column)
            if given is None:
                given = effects(column) if not fixed or scale > 0 else -effects(column)
            theta[mapping.position(coefficient.name)] = given / scale if fixed else given
        if latent.name in diagonal:
            theta[diagonal[latent.name]] = abs(scale) if fixed else 1.0
        for path in latent.paths:
            if unmeasured.intersection(path.factors) and path.coefficient.name is not None:
                # paths of zero would be a saddle
                theta[mapping.position(path.coefficient.name)] = PATH
    return theta


def _loadings(moments: PairMoments | None, latent) -> dict[int, float]:
    """Loadings by column of a latent variable with unit variance, by minres; empty without moments."""
    columns = [column for column, _ in latent.loadings]
    if moments is None or not columns:
        return {}
    where = [int(np.flatnonzero(moments.columns == column)[0]) for column in columns]
    z = moments.kinds[:, where]
    # kinds of rows on which one loading acts
    kinds = np.flatnonzero((z != 0).sum(1) == 1)
    at_level, level = moments.products[latent.level], latent.level
    pairs = moments.pairs[level]
    if level + 1 < len(moments.products):
        # pairs in different clusters of this level have what higher levels give
        at_level = at_level - moments.products[level + 1]
    inside = np.ix_(kinds, kinds)
    if not len(kinds) or np.count_nonzero(pairs[inside]) < 2:
        return {}
    g = _one_factor(at_level[inside], pairs[inside], moments.sd[kinds])
    if g is None:
        return {}
    out: dict[int, float] = {}
    for k, column in enumerate(columns):
        own = z[kinds, k] != 0
        if own.any():
            out[column] = float(np.mean(g[own] / z[kinds[own], k]))
    return out


def moment_fit(mapping, problem, moments: PairMoments, theta, factor: float = 1.0):
    """Least-squares fit of the parameters of the latent variables to the moments.

    Parameters
    ----------
    mapping : StructuralMapping
    problem : Problem
    moments : PairMoments
    theta : ndarray, shape (p,)
    factor : float
        What the products are multiplied with.

    Returns
    -------
    theta : ndarray, shape (p,)
    misfit : float
        Weighted sum of squares.
    """
    theta = np.array(theta, dtype=float)
    q = sum(problem.dimensions)
    entry = np.flatnonzero((problem.active_channel >= 1) & (problem.active_channel <= q))
    row = np.searchsorted(moments.columns, problem.active_column[entry])
    channel = problem.active_channel[entry] - 1
    edges = np.concatenate([[0], np.cumsum(problem.dimensions)])
    upper = np.triu_indices(len(moments.kinds))
    spread = np.outer(moments.sd, moments.sd)
    parts = []
    for level, (products, pairs) in enumerate(zip(moments.products, moments.pairs, strict=True)):
        number = pairs / (1.0 + np.eye(len(pairs)))
        weight = np.sqrt(number) / np.where(spread > 0, spread, 1.0)
        used = weight[upper] > 0
        at = (upper[0][used], upper[1][used])
        parts.append((slice(edges[level], None), at, weight[at], factor * products[at]))
    identity = np.eye(len(problem.active_channel))

    def predictors(values, want_slopes):
        phi = mapping.phi(values)[entry]
        b = np.zeros((len(moments.columns), q))
        np.add.at(b, (row, channel), phi)
        slopes = None
        if want_slopes:
            inner = mapping.score_in_theta(identity, values)[entry]
            slopes = np.zeros((len(moments.columns), q, inner.shape[1]))
            np.add.at(slopes, (row, channel), inner)
            slopes = np.einsum("kd,dqp->kqp", moments.kinds, slopes)
        return moments.kinds @ b, slopes

    touched = np.any(mapping.score_in_theta(identity, theta + 0.1)[entry] != 0, axis=0)
    free = np.flatnonzero(touched)
    centre = theta[free]
    ridge = RIDGE / np.maximum(np.abs(centre), 0.1 * np.median(np.abs(centre)) + 1e-8)

    def full(values):
        out = theta.copy()
        out[free] = values
        return out

    def misfit(values):
        b, _ = predictors(full(values), False)
        out = [
            weight * (target - np.einsum("nq,nq->n", b[at[0], span], b[at[1], span]))
            for span, at, weight, target in parts
        ]
        return np.concatenate([*out, ridge * (values - centre)])

    def slopes(values):
        b, db = predictors(full(values), True)
        db = db[:, :, free]
        out = [
            -weight[:, None]
            * (
                np.einsum("nqp,nq->np", db[at[0], span], b[at[1], span])
                + np.einsum("nq,nqp->np", b[at[0], span], db[at[1], span])
            )
            for span, at, weight, _ in parts
        ]
        return np.concatenate([*out, np.diag(ridge)])

    found = least_squares(
        misfit, centre, slopes, method="lm", x_scale="jac", ftol=NEAR, xtol=NEAR, max_nfev=30
    )
    n = len(found.fun) - len(free)
    return full(found.x), float(found.fun[:n] @ found.fun[:n])
