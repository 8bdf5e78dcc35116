"""Starting values of structural equation models for any response, from moments of what lies behind them."""

from __future__ import annotations

import numpy as np
from scipy import stats

from sm_gllamm.models.sem_quadrature_inputs import QuadratureInputs
from sm_gllamm.models.sem_responses import SemResponse
from sm_gllamm.models.sem_start import sem_start

__all__ = ["quadrature_start"]

#: Correlation of a response in categories relative to that of what lies behind it.
COARSE = 0.8
#: Communalities between which those of responses start.
LEAST, MOST = 0.1, 0.75
#: Share of an indicator's variance that a latent variable starts with at most.
EXPLAINED = 0.8
#: Variance of random coefficients, relative to the residual's.
RANDOM = 0.1
#: Share of a response's variance between clusters that it has at least.
BETWEEN = 0.05


def _scores(response: SemResponse) -> tuple[np.ndarray, float, float]:
    """Responses on the scale of the predictor, a share of attenuation, and residual variance there."""
    y = response.values
    known = ~np.isnan(y)
    own = y[known]
    out = np.full(len(y), np.nan)
    residual = response.response.latent_variance if not response.normal else None
    if response.normal:
        out[known] = own if response.response.link == "Identity" else _linked(response, own)
        return out, 1.0, np.nan
    if response.layout == "cumulative" or response.response.kind == "binomial":
        codes, ranks = np.unique(own, return_inverse=True)
        share = np.bincount(ranks) / len(ranks)
        edges = stats.norm.ppf(np.clip(np.cumsum(share), 1e-6, 1 - 1e-6))
        density = (
            np.append(0.0, stats.norm.pdf(edges[:-1])),
            np.append(stats.norm.pdf(edges[:-1]), 0.0),
        )
        # means of a normal variable within the categories
        scores = (density[0] - density[1]) / share
        out[known] = (scores / max(np.sqrt(share @ scores**2), 1e-8))[ranks]
        return out, COARSE, residual if residual else 1.0
    linked = _linked(response, own)
    out[known] = linked
    return out, 1.0, np.nan


def _linked(response: SemResponse, own: np.ndarray) -> np.ndarray:
    """Link of the responses, drawn towards their mean so that it exists."""
    mean = float(np.mean(own))
    with np.errstate(all="ignore"):
        linked = np.asarray(response.family.link(0.7 * own + 0.3 * mean), dtype=float)
    typical = np.nanmean(linked[np.isfinite(linked)]) if np.isfinite(linked).any() else 0.0
    return np.where(np.isfinite(linked), linked, typical) / (0.7 if mean else 1.0)


def _covariance(values: np.ndarray) -> np.ndarray:
    """Covariances from pairs of observed values."""
    there = ~np.isnan(values)
    centred = np.where(there, values - np.nanmean(values, axis=0), 0.0)
    pairs = there.T.astype(float) @ there
    return centred.T @ centred / np.maximum(pairs, 1.0)


def _means(values: np.ndarray, units: np.ndarray) -> np.ndarray:
    """Means of observed values by cluster, NaN where there are none."""
    there = ~np.isnan(values)
    sums = np.zeros((int(units.max()) + 1, values.shape[1]))
    counts = np.zeros_like(sums)
    np.add.at(sums, units, np.where(there, values, 0.0))
    np.add.at(counts, units, there)
    with np.errstate(invalid="ignore"):
        return sums / counts


def _behind(covariance: np.ndarray, attenuation: np.ndarray, residual: np.ndarray):
    """Covariance matrix of what lies behind, with residual variances that are known, and scale factors."""
    sd = np.sqrt(np.maximum(np.diag(covariance), 1e-12))
    correlation = covariance / np.outer(sd, sd) / np.outer(attenuation, attenuation)
    np.fill_diagonal(correlation, 1.0)
    p = len(sd)
    safe = 0.9 * correlation + 0.1 * np.eye(p)
    explained = 1.0 - 1.0 / np.diag(np.linalg.pinv(safe)) if p > 1 else np.full(p, 0.5)
    share = np.clip(explained, LEAST, MOST)
    scale = np.where(np.isnan(residual), sd, np.sqrt(np.nan_to_num(residual) / (1.0 - share)))
    return correlation * np.outer(scale, scale), scale


def quadrature_start(inputs: QuadratureInputs) -> np.ndarray:
    """Starting values of the published parameters.

    Parameters
    ----------
    inputs : QuadratureInputs

    Returns
    -------
    ndarray, shape (p,)
    """
    table, persons, translation = inputs.table, inputs.persons, inputs.translation
    n_levels = len(table.levels)
    moments: list = []
    scales: dict[tuple[int, str], float] = {}
    scored = {name: _scores(r) for name, r in persons.responses.items()}
    for b, roles in enumerate(table.roles):
        g, level = divmod(b, n_levels)
        here = persons.group == g
        names = list(roles.observed)
        columns, attenuation, residual = [], [], []
        for name in names:
            if name in scored:
                values, one, known = scored[name]
            else:
                values, one, known = persons.covariates[name], 1.0, np.nan
            columns.append(values[here])
            attenuation.append(one)
            residual.append(known)
        if not names:
            moments.append((np.zeros(0), np.zeros((0, 0))))
            continue
        values = np.column_stack(columns)
        mean = np.nanmean(values, axis=0)
        home = translation.nodes[g].home
        if n_levels > 1:
            covariance = _of_level(values, persons, here, level, names, home)
        else:
            covariance = _covariance(values)
        parts = np.array([home.get(name, level) < level for name in names])
        inside = np.where(parts, np.nan, residual)
        behind, scale = _behind(covariance, np.array(attenuation), inside)
        for k, name in enumerate(names):
            if parts[k] and (0, name) in scales:
                # parts are on the scale of the lowest level
                factor = scales[0, name]
                behind[k, :] *= factor
                behind[:, k] *= factor
            elif not np.isnan(residual[k]):
                scales[level, name] = scale[k]
        moments.append((np.where(np.isnan(residual), mean, 0.0), behind))
    out = np.zeros(len(translation.names))
    out[: len(out) - len(translation.extras)] = sem_start(table, moments)
    _bounded(inputs, moments, out)
    _thresholds(inputs, scored, scales, out)
    _coefficients(inputs, moments, out)
    return out


def _bounded(inputs: QuadratureInputs, moments, out: np.ndarray) -> None:
    """Variances of latent variables that leave something of those of their indicators."""
    table = inputs.table

    def value(row) -> float:
        return out[table.distinct[row.free - 1]] if row.free else float(row.ustart or 0.0)

    for row in table.rows:
        b = row.block - 1
        if row.op != "~~" or row.lhs != row.rhs or not row.free or row.ustart is not None:
            continue
        if row.lhs not in table.roles[b].latent:
            continue
        names = list(table.roles[b].observed)
        limits = [
            EXPLAINED * moments[b][1][at, at] / value(r) ** 2
            for r in table.rows
            if r.block == row.block and r.op == "=~" and r.lhs == row.lhs and r.rhs in names
            for at in [names.index(r.rhs)]
            if value(r) != 0.0
        ]
        k = int(table.distinct[row.free - 1])
        out[k] = min([out[k], *limits])


def _of_level(values, persons, here, level: int, names, home) -> np.ndarray:
    """Covariances within the clusters of the level above, of means of the clusters of a level."""
    if level:
        means = _means(values, persons.units(level)[here])
        means = means[~np.isnan(means).all(axis=1)]
        total = np.nanvar(values, axis=0)
        covariance = _covariance(means)
        size = max(len(values) / max(len(means), 1), 1.0)
        noise = np.where([home.get(name, level) < level for name in names], total / size, 0.0)
        own = np.diag(covariance).copy()
        np.fill_diagonal(covariance, np.maximum(own - noise, BETWEEN * np.maximum(total, 1e-8)))
        return covariance
    above = persons.units(1)[here]
    centred = values - _means(values, above)[above]
    covariance = _covariance(centred)
    alone = np.diag(covariance) < 1e-10
    if alone.any():
        covariance[alone, alone] = np.nanvar(values, axis=0)[alone] + 1e-8
    return covariance


def _thresholds(inputs: QuadratureInputs, scored, scales, out: np.ndarray) -> None:
    """Thresholds and intercepts of categorical and other responses, and dispersions."""
    table, persons = inputs.table, inputs.persons
    sums: dict[int, list[float]] = {}
    for row in table.rows:
        response = persons.responses.get(row.lhs)
        if not row.free or response is None or row.ustart is not None:
            continue
        g, k = row.group - 1, int(table.distinct[row.free - 1])
        own = response.values[(persons.group == g) & ~np.isnan(response.values)]
        home = inputs.translation.nodes[g].home.get(row.lhs, 0)
        scale = scales.get((home, row.lhs), 1.0)
        if row.op == "|":
            t = int(row.rhs[1:])
            below = (np.sum(own < t) + 0.25) / (len(own) + 0.5)
            sums.setdefault(k, []).append(scale * stats.norm.ppf(below))
        elif row.op == "~1" and not response.normal:
            if response.response.kind == "binomial":
                share = (own.sum() + 0.25) / (len(own) + 0.5)
                sums.setdefault(k, []).append(scale * stats.norm.ppf(share))
            else:
                mean = float(np.mean(own))
                sums.setdefault(k, []).append(float(response.family.link(mean)))
        elif row.op == "~~" and row.lhs == row.rhs and response.residual_variance:
            if row.level - 1 == home:
                sums.setdefault(k, []).append(response.residual_variance)
    for k, values in sums.items():
        out[k] = float(np.mean(values))
    for name, *_, slot in inputs.translation.extras:
        out[inputs.translation.names.index(name)] = 0.5 if slot == "alpha" else 1.0


def _coefficients(inputs: QuadratureInputs, moments, out: np.ndarray) -> None:
    """Random coefficients: their means and variances."""
    table = inputs.table
    loadings = {row.rv for row in table.rows if row.rv and row.op == "=~"}
    for row in table.rows:
        if not row.free or row.ustart is not None:
            continue
        if row.lhs not in table.roles[row.block - 1].coefficients:
            continue
        k = int(table.distinct[row.free - 1])
        if row.op == "~1":
            out[k] = 1.0 if row.lhs in loadings else 0.0
        elif row.op == "~~" and row.lhs == row.rhs:
            out[k] = RANDOM
