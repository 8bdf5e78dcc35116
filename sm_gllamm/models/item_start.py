"""Starting values of item response models, from proportions and correlations of the responses."""

from __future__ import annotations

import numpy as np
from scipy.special import logit, softmax

from sm_gllamm.items.equally_spaced import normal_nodes
from sm_gllamm.mapping.items import ItemLayout
from sm_gllamm.models.item_ascent import ascended

__all__ = ["item_start"]

#: Correlation of a response with its factor that is not exceeded, and the size of the slopes at least.
LARGEST, SMALLEST = 0.85, 0.25
#: Correlation of responses of two categories relative to that of what lies behind them.
COARSE = 0.75
#: Lower asymptote that free ones start from, and one minus the upper one.
GUESSING = 0.1
#: Slope of a logistic curve that is nearest to a normal one with slope one.
LOGISTIC = 1.7
#: Times that shares are matched.
MATCHES = 30
#: Slopes from here on may be on their way to infinity, in units of slopes.
STEEP = 4.0
#: Standard deviation between clusters of intercepts and slopes that are random, in units of slopes.
VARYING = 0.2
#: Variance of responses below which they have no correlations.
TINY = 1e-12


def _correlations(codes: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Pairwise correlations of responses, missing ones left out in pairs."""
    if codes.min() >= 0:
        centred = codes - (weight @ codes) / weight.sum()
        products = (centred * weight[:, None]).T @ centred / max(weight.sum(), 1.0)
        sd = np.sqrt(np.maximum(np.diag(products), TINY))
        return np.clip(products / np.outer(sd, sd), -1.0, 1.0)
    there = (codes >= 0).astype(float)
    value = np.where(codes >= 0, codes, 0).astype(float)
    mean = (weight @ value) / (weight @ there)
    centred = (value - mean) * there
    weighted = centred * weight[:, None]
    pairs = (there * weight[:, None]).T @ there
    products = weighted.T @ centred / np.maximum(pairs, 1.0)
    sd = np.sqrt(np.maximum(np.diag(products), TINY))
    return np.clip(products / np.outer(sd, sd), -1.0, 1.0)


def _factor(correlation: np.ndarray, pattern: np.ndarray) -> np.ndarray:
    """Correlations of items with the dimensions they measure, by principal factors."""
    n, q = pattern.shape
    out = np.zeros((n, q))
    residual = correlation.copy()
    for d in range(q):
        own = np.flatnonzero(pattern[:, d])
        part = residual[np.ix_(own, own)].copy()
        for _ in range(5):
            values, vectors = np.linalg.eigh(part)
            loading = vectors[:, -1] * np.sqrt(max(values[-1], 0.0))
            np.fill_diagonal(part, np.minimum(loading**2, 0.95))
        if loading.sum() < 0:
            loading = -loading
        out[own, d] = loading
        several = pattern[own].sum(axis=1) > 1
        if several.any():
            # dimensions that share items explain what is left
            residual[np.ix_(own, own)] -= np.outer(loading, loading)
            np.fill_diagonal(residual, 1.0)
    return out


def _rotated_factors(correlation: np.ndarray, q: int) -> np.ndarray:
    """Correlations of items with q principal factors, rotated so that the first items measure fewer."""
    part = correlation.copy()
    for _ in range(10):
        values, vectors = np.linalg.eigh(part)
        loading = vectors[:, ::-1][:, :q] * np.sqrt(np.maximum(values[::-1][:q], 0.0))
        np.fill_diagonal(part, np.minimum((loading**2).sum(axis=1), 0.95))
    rotated = loading @ np.linalg.qr(loading[:q].T)[0]
    return rotated * np.where(rotated.sum(axis=0) < 0, -1.0, 1.0)


def _of_category(slope: float, c: int, k: int) -> float:
    """Slope of category c + 1 of k from that of the item cut in two: a step says less."""
    return slope / (1.0 + 0.5 * (k - 2)) * (c + 1.0)


def _matching(share: np.ndarray, slopes: np.ndarray) -> np.ndarray:
    """Intercepts of a divide-by-total item with which categories have their shares in the population.

    Parameters
    ----------
    share : ndarray, shape (k,)
    slopes : ndarray, shape (k,)
        On a standard normal latent variable.

    Returns
    -------
    ndarray, shape (k - 1,)
        Of the categories beyond the first.
    """
    nodes, weights = normal_nodes(1, 0.25, 5.0)
    intercepts = np.log(share)
    for _ in range(MATCHES):
        implied = weights @ softmax(nodes * slopes + intercepts, axis=1)
        intercepts = intercepts + np.log(share / implied)
    return (intercepts - intercepts[0])[1:]


def item_start(
    layout: ItemLayout, codes: np.ndarray, weight: np.ndarray, group: np.ndarray
) -> np.ndarray:
    """Starting values in theta.

    Parameters
    ----------
    layout : ItemLayout
    codes : ndarray of int, shape (n, n_items)
    weight : ndarray, shape (n,)
    group : ndarray of int, shape (n,)

    Returns
    -------
    ndarray, shape (p,)
    """
    design, mapping = layout.design, layout.mapping
    theta = np.zeros(mapping.k_params)
    place = {name: k for k, name in enumerate(mapping.param_names)}
    for position in mapping.diagonal:
        theta[position] = 1.0
    pattern = design.pattern
    correlation = _correlations(codes, weight)
    n, q = pattern.shape
    exploratory = q > 1 and np.array_equal(pattern, np.tril(np.ones((n, q), dtype=bool)))
    loading = _rotated_factors(correlation, q) if exploratory else _factor(correlation, pattern)
    loading = loading / COARSE
    loading = np.clip(loading, -LARGEST, LARGEST)
    size = np.sqrt((loading**2).sum(axis=1))
    loading *= np.minimum(1.0, LARGEST / np.maximum(size, 1e-9))[:, None]
    unit = LOGISTIC if design.link == "logit" else 1.0
    slope = unit * loading / np.sqrt(1.0 - np.minimum((loading**2).sum(axis=1), 0.9))[:, None]
    least = SMALLEST * unit
    if not exploratory:
        slope = np.where(
            pattern & (np.abs(slope) < least), least * np.where(slope < 0, -1.0, 1.0), slope
        )
    spread = np.sqrt(1.0 + (slope**2).sum(axis=1) / unit**2)
    known: dict[str, list[float]] = {}

    def note(terms, value: float) -> None:
        """A target for one parameter; those of several parameters are shared out by least squares."""
        free = [(c, name) for c, name in terms if name is not None]
        rest = value - sum(c for c, name in terms if name is None)
        if len(free) == 1:
            known.setdefault(free[0][1], []).append(rest / free[0][0])
        elif free:
            several.append((free, rest))

    several: list[tuple[list, float]] = []
    for (g, j), terms in layout.intercepts.items():
        model, k = design.models[j], design.n_categories[j]
        own = codes[(group == g) & (codes[:, j] >= 0), j] if len(design.groups) > 1 else None
        if own is None:
            there = codes[:, j] >= 0
            count = np.bincount(codes[there, j], weights=weight[there], minlength=k)
        else:
            here = (group == g) & (codes[:, j] >= 0)
            count = np.bincount(own, weights=weight[here], minlength=k)
        share = (count + 0.5) / (count.sum() + 0.5 * k)
        if model.form == "divide":
            steps = np.zeros(k)
            for c, by_dimension in enumerate(layout.slopes[g, j]):
                own = [
                    value if name is None else _of_category(slope[j, d], c, k)
                    for d, (value, name) in by_dimension.items()
                ]
                steps[c + 1] = np.sqrt(np.sum(np.square(own)))
            for term, value in zip(terms, _matching(share, steps), strict=True):
                note(term, value)
        else:
            above = 1.0 - np.cumsum(share)[:-1]
            if model.lower:
                above = np.clip((above - GUESSING) / (1.0 - GUESSING), 0.05, 0.95)
            target = logit(above) * (1.0 if design.link == "logit" else 1.0 / LOGISTIC)
            for c, term in enumerate(terms):
                note(term, spread[j] * target[c])
        for c, by_dimension in enumerate(layout.slopes[g, j]):
            for d, (factor, name) in by_dimension.items():
                if name is None:
                    continue
                a = slope[j, d]
                if model.form == "divide":
                    a = _of_category(a, c, k)
                note([(factor, name)], a)
    for name, values in known.items():
        theta[place[name]] = float(np.mean(values))
    if several:
        names = list(dict.fromkeys(name for free, _ in several for _, name in free))
        matrix = np.zeros((len(several), len(names)))
        for row, (free, _) in enumerate(several):
            for c, name in free:
                matrix[row, names.index(name)] += c
        found = np.linalg.lstsq(matrix, np.array([target for _, target in several]), rcond=1e-10)[0]
        for name, value in zip(names, found, strict=True):
            theta[place[name]] = value
    for name, k in place.items():
        if name.startswith(("scale(", "sd(")) and "," not in name.split("|")[0]:
            theta[k] = 1.0 if name.startswith("scale(") else 0.5
        elif name.startswith("logit_lower["):
            theta[k] = logit(GUESSING)
        elif name.startswith("logit_upper["):
            theta[k] = -logit(GUESSING)
        elif name.startswith("slope[") and name not in known:
            theta[k] = 0.5 * unit
        elif name.startswith(("var(intercept", "var(slope")):
            theta[k] = VARYING * unit
    near = ascended(layout, codes, weight, theta)
    slopes = [k for name, k in place.items() if name.startswith("slope[")]
    if np.abs(near[slopes]).max(initial=0.0) > STEEP * unit:
        # slopes that run away are seen from where they do
        return theta
    return near
