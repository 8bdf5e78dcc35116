"""Random small problems for the engine, and a brute-force likelihood that shares no code with it."""

from dataclasses import replace

import numpy as np
from scipy import stats
from scipy.special import gammaln, log_ndtr

from sm_gllamm.engine.problem import Problem
from sm_gllamm.responses.densities import CODES

FAMILIES = {
    "logit": CODES["binomial_logit"],
    "probit": CODES["binomial_probit"],
    "cloglog": CODES["binomial_cloglog"],
    "poisson": CODES["poisson_log"],
    "gaussian": CODES["gaussian_identity"],
    "gaussian_log": CODES["gaussian_log"],
}
POISSON, GAUSSIAN = FAMILIES["poisson"], FAMILIES["gaussian"]


def tree(rng, levels, n_top=3, max_units=3):
    """Offsets of a random tree, lowest level first."""
    sizes = rng.integers(1, max_units + 1, n_top)
    offsets = [np.concatenate([[0], np.cumsum(sizes)]).astype(np.intp)]
    for _ in range(levels - 1):
        sizes = rng.integers(1, max_units + 1, offsets[0][-1])
        offsets.insert(0, np.concatenate([[0], np.cumsum(sizes)]).astype(np.intp))
    return offsets


def make(rng, family, dimensions, weighted=False, d=3, n_top=3, max_units=3):
    """A problem whose Phi has fixed effects, a lower triangle a level and, for gaussian, log sigma."""
    offsets = tree(rng, len(dimensions), n_top, max_units)
    n = offsets[0][-1]
    codes = np.array([FAMILIES[f] for f in np.resize(np.atleast_1d(family), n)], dtype=np.intc)
    design = np.column_stack([np.ones(n), rng.normal(size=(n, d - 1))])
    trials = np.where(codes <= 2, rng.integers(1, 4, n), 1).astype(float)
    y = np.where(
        codes <= 2, rng.binomial(trials.astype(int), 0.5),
        np.where(codes == POISSON, rng.poisson(1.5, n), rng.normal(1, 1, n)),
    ).astype(float)  # fmt: skip
    constant = np.where(
        codes <= 2, gammaln(trials + 1) - gammaln(y + 1) - gammaln(trials - y + 1), 0.0
    )
    constant = np.where(codes == POISSON, -gammaln(np.abs(y) + 1), constant)
    dispersion = bool((codes >= GAUSSIAN).any())
    column, channel = list(range(d)), [0] * d
    first = 1
    for q in dimensions:
        for c in range(q):
            for r in range(c, q):
                column.append(r)
                channel.append(first + c)
        first += q
    if dispersion:
        column.append(-1)
        channel.append(first)
    weight = [None] * len(dimensions)
    row_weight = None
    if weighted:
        weight = [rng.uniform(0.5, 2.0, len(o) - 1) for o in offsets]
        row_weight = rng.uniform(0.5, 2.0, n)
    problem = Problem(
        codes, y, trials, constant, row_weight, design, rng.normal(0, 0.1, n),
        np.array(column, np.intp), np.array(channel, np.intp), tuple(offsets), tuple(weight),
        tuple(dimensions), bool((codes == GAUSSIAN).all()), int(dispersion), int(dispersion),
    )  # fmt: skip
    phi = rng.normal(0, 0.5, len(column))
    return problem, phi


def with_products(rng, problem, phi, products):
    """The same problem with products of latent variables, each with a constant and a covariate."""
    q, more = sum(problem.dimensions), len(products)
    channel = problem.active_channel + more * (problem.active_channel > q)
    added = np.repeat(np.arange(q + 1, q + 1 + more), 2)
    slot_channel = problem.slot_channel
    if slot_channel is not None:
        slot_channel = (slot_channel + more * (slot_channel > q)).astype(np.intc)
    problem = replace(
        problem,
        exact=False,
        active_column=np.append(problem.active_column, np.tile([-1, 1], more)).astype(np.intp),
        active_channel=np.append(channel, added).astype(np.intp),
        slot_channel=slot_channel,
        products=tuple(products),
    )
    return problem, np.append(phi, rng.normal(0, 0.3, 2 * more))


def log_density(code, y, m, constant, nu, tau):
    """log f(y | nu) from scipy, elementwise over nu."""
    if code <= 2:
        if code == 0:
            log_p, log_q = -np.logaddexp(0, -nu), -np.logaddexp(0, nu)
        elif code == 1:
            log_p, log_q = log_ndtr(nu), log_ndtr(-nu)
        else:
            log_q = -np.exp(nu)
            log_p = np.log(-np.expm1(log_q))
        return constant + y * log_p + (m - y) * log_q
    if code == POISSON:
        return stats.poisson.logpmf(y, np.exp(nu))
    mean = nu if code == GAUSSIAN else np.exp(nu)
    return stats.norm.logpdf(y, mean, np.exp(tau))


def brute_force(problem, phi, points=61, width=8.0):
    """Log-likelihood of each top cluster on a dense tensor grid over all u of each level in turn."""
    q = sum(problem.dimensions)
    products = np.array(problem.products, dtype=int).reshape(-1, 2)
    latent = q + len(products)
    table = np.zeros((problem.design.shape[1] + 1, 2 + latent))
    for c, ch, v in zip(problem.active_column, problem.active_channel, phi, strict=True):
        table[c, ch] += v
    predictors = problem.design @ table[:-1] + table[-1]
    a, b, tau = (
        predictors[:, 0] + problem.offset,
        predictors[:, 1 : latent + 1],
        predictors[:, latent + 1],
    )
    grid1 = np.linspace(-width, width, points)
    first = np.concatenate([[0], np.cumsum(problem.dimensions)])

    def level_loglike(level, j, above):
        """above: (m, q_above) values; returns (m,)."""
        ql = problem.dimensions[level]
        mesh = np.array(np.meshgrid(*[grid1] * ql, indexing="ij")).reshape(ql, -1).T
        log_w = stats.norm.logpdf(mesh).sum(1) + ql * np.log(grid1[1] - grid1[0])
        m = len(above)
        u = np.concatenate([np.tile(mesh, (m, 1)), np.repeat(above, len(mesh), 0)], 1)
        total = np.tile(log_w, m)
        lo, hi = problem.cluster_offsets[level][j : j + 2]
        for i in range(lo, hi):
            if level == 0:
                w = 1.0 if problem.row_weight is None else problem.row_weight[i]
                # products are asked for in whole predictors only
                nu = a[i] + u @ b[i, :q]
                for (r, c), coefficient in zip(products, b[i, q:], strict=True):
                    nu = nu + coefficient * u[:, r] * u[:, c]
                total += w * log_density(
                    problem.family[i],
                    problem.y[i],
                    problem.trials[i],
                    problem.constant[i],
                    nu,
                    tau[i],
                )
            else:
                weights = problem.cluster_weights[level - 1]
                total += (1.0 if weights is None else weights[i]) * level_loglike(level - 1, i, u)
        return np.logaddexp.reduce(total.reshape(m, -1), axis=1)

    top = len(problem.dimensions) - 1
    assert first[-1] == q
    weights = problem.cluster_weights[top]
    values = [level_loglike(top, j, np.zeros((1, 0)))[0] for j in range(problem.n_top)]
    return np.array(values) * (1.0 if weights is None else weights)
