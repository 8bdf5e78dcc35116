"""Random small problems with slots and with responses of several rows, and densities from scipy."""

import numpy as np
from scipy import special, stats

from sm_gllamm.engine.problem import Problem
from sm_gllamm.responses.densities import CODES, SLOTS
from sm_gllamm.responses.links import LINK_CODES
from tests.engine.problems import tree

INVERSE = {
    LINK_CODES["Identity"]: lambda nu: nu,
    LINK_CODES["Log"]: np.exp,
    LINK_CODES["Logit"]: special.expit,
    LINK_CODES["Probit"]: special.ndtr,
    LINK_CODES["CLogLog"]: lambda nu: -np.expm1(-np.exp(nu)),
    LINK_CODES["LogLog"]: lambda nu: np.exp(-np.exp(-nu)),
    LINK_CODES["Cauchy"]: lambda nu: stats.cauchy.cdf(nu),
    LINK_CODES["Sqrt"]: lambda nu: nu**2,
}
COMPOSITE_LINKS = {
    "composite_poisson": ["Log", "Sqrt"],
    "composite_binomial": ["Logit", "Probit", "CLogLog", "LogLog", "Cauchy"],
    "composite_gaussian": ["Identity", "Log", "Logit"],
}


def responses(rng, name, n):
    """y and m of n rows of one density."""
    y, m = rng.poisson(2.0, n).astype(float), np.ones(n)
    if name.startswith("binomial"):
        m = rng.integers(1, 4, n).astype(float)
        y = rng.binomial(m.astype(int), 0.5).astype(float)
    elif name.startswith(("gamma", "inverse_gaussian")):
        y = rng.gamma(3.0, 0.5, n)
    elif name.startswith("truncated"):
        y = y + 1.0
    elif name.startswith("beta"):
        y = rng.beta(2.0, 3.0, n)
    elif name.startswith("cumulative"):
        y = rng.integers(-1, 2, n).astype(float)
    return y, m


def sets_of(rng, offsets, name):
    """Sizes of responses of several rows within leaves, by row."""
    size = np.zeros(offsets[-1], dtype=np.intc)
    for start, stop in zip(offsets, offsets[1:], strict=False):
        at = start
        while at < stop:
            length = min(int(rng.integers(1, 4)), stop - at)
            size[at] = length
            at += length
    return size


def make_wide(rng, name, dimensions, weighted=False, d=3, n_top=3):
    """A problem of one density; slots have a constant and a covariate each."""
    offsets = tree(rng, len(dimensions), n_top, 4)
    n = offsets[0][-1]
    design = np.column_stack([np.ones(n), rng.normal(0, 0.5, size=(n, d - 1))])
    y, m = responses(rng, name, n)
    size = link = part = channel = None
    if CODES[name] < 0:
        size = sets_of(rng, offsets[0], name)
        owner = np.repeat(np.flatnonzero(size), size[size > 0])
        if name == "choice":
            y = np.zeros(n)
            first = np.flatnonzero(size)
            y[first + (rng.uniform(size=len(first)) * size[first]).astype(int)] = 1.0
        else:
            y = (rng.normal(1, 1, n) if name.endswith("gaussian") else rng.poisson(2.0, n))[owner]
            y = y.astype(float)
            links = [LINK_CODES[x] for x in COMPOSITE_LINKS[name]]
            link = rng.choice(links, n).astype(np.intc)
            part = rng.uniform(0.2, 1.0, n)
            if name == "composite_binomial":
                part /= np.add.reduceat(part, np.flatnonzero(size))[
                    np.cumsum(size > 0) - 1
                ] * rng.uniform(1.0, 1.5)
                m = np.full(n, 4.0)
                y = rng.binomial(4, 0.5, n)[owner].astype(float)
    column, chan = list(range(d)), [0] * d
    first = 1
    for q in dimensions:
        for c in range(q):
            for r in range(c, q):
                column.append(r)
                chan.append(first + c)
        first += q
    slots = SLOTS[name]
    constants = slots
    if name.startswith("cumulative"):
        # four categories, three thresholds, a log scale
        y = rng.integers(0, 4, n)
        channel = np.column_stack(
            [
                np.where(y < 3, first + y, -1),
                np.where(y > 0, first + y - 1, -1),
                np.full(n, first + 3),
            ]
        ).astype(np.intc)
        y = np.where(y == 0, -1.0, np.where(y == 3, 1.0, 0.0))
        constants = 4
    for s in range(constants):
        column += [-1, 1]
        chan += [first + s] * 2
    if size is not None and slots:
        # all rows of a response have the same slots
        design[:, 1] = design[owner, 1]
    row_weight = rng.uniform(0.5, 2.0, n) if weighted else None
    if weighted and size is not None:
        row_weight = row_weight[owner]
    weights = tuple(rng.uniform(0.5, 2, len(o) - 1) if weighted else None for o in offsets)
    problem = Problem(
        np.full(n, CODES[name], dtype=np.intc), y, m, np.zeros(n), row_weight, design,
        rng.normal(0, 0.1, n), np.array(column, np.intp), np.array(chan, np.intp), tuple(offsets),
        weights, tuple(dimensions), False, slots, constants, channel, None, size, None, link, part,
    )  # fmt: skip
    phi = rng.normal(0, 0.4, len(column))
    if name.startswith("cumulative"):
        phi[-8::2] = [-1.0, 0.2, 1.3, 0.1]
        phi[-7::2] = [0.1, 0.15, 0.1, 0.2]
    return problem, phi


def nothing_left_out(name, y, m):
    """What the kernel's density leaves out, so that scipy's can be compared."""
    if name.startswith("binomial"):
        return special.gammaln(m + 1) - special.gammaln(y + 1) - special.gammaln(m - y + 1)
    if name.startswith(("poisson", "nb", "z", "truncated")):
        return -special.gammaln(y + 1)
    return np.zeros_like(y)


def set_density(name, y, m, nu, link, part, tau):
    """Log density of one response of several rows at given predictors (rows first)."""
    if name == "choice":
        return (y[:, None] * nu).sum(0) - y.sum() * special.logsumexp(nu, axis=0)
    mean = sum(w * INVERSE[k](row) for w, k, row in zip(part, link, nu, strict=True))
    if name == "composite_poisson":
        return y[0] * np.log(mean) - mean
    if name == "composite_binomial":
        return y[0] * np.log(mean) + (m[0] - y[0]) * np.log1p(-mean)
    return stats.norm.logpdf(y[0], mean, np.exp(tau))
