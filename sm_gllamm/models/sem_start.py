"""Starting values of structural equation models for normal responses, from sample moments."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sm_gllamm.models.sem_blocks import block_variables, entry_of
from sm_gllamm.specification.lavaan_table import LavaanTable, Row

__all__ = ["StartMoments", "sem_start"]

#: Means (None where unknown) and covariances of the observed variables of a block.
StartMoments = tuple[np.ndarray | None, np.ndarray]

#: Shares of a variable's variance between which that of its residual starts.
LEAST, MOST = 0.1, 0.9


def sem_start(table: LavaanTable, moments: Sequence[StartMoments]) -> np.ndarray:
    """Starting values of all distinct parameters.

    Parameters
    ----------
    table : LavaanTable
    moments : sequence of (mean, covariance)
        Of each block.

    Returns
    -------
    ndarray, shape (number of distinct parameters,)

    Notes
    -----
    Loadings by instrumental variables, the other indicators of a latent variable being the instruments
    (Hagglund 1982, *Psychometrika* 47, 209-222, eq. 16), its variance by least squares for the covariances of
    its indicators. Regressions and covariances of residuals start at zero.
    """
    out = np.full(int(table.distinct.max(initial=-1)) + 1, np.nan)
    for b, (mean, covariance) in enumerate(moments):
        rows = [row for row in table.rows if row.block == b + 1]
        values = _block_values(table, b, rows, mean, covariance)
        for row, value in zip(rows, values, strict=True):
            if row.free:
                at = table.distinct[row.free - 1]
                if row.ustart is not None:
                    out[at] = row.ustart
                elif np.isnan(out[at]):
                    out[at] = value
    return np.where(np.isnan(out), 0.0, out)


def _factor(own: list[Row], place: dict[str, int], covariance: np.ndarray, variance: float | None):
    """Loadings on a latent variable by indicator, and its variance."""
    observed = [row for row in own if row.rhs in place]
    loading = {row.rhs: row.ustart for row in own if not row.free and row.ustart is not None}
    if not observed:
        return {row.rhs: loading.get(row.rhs, 1.0) for row in own}, variance or 1.0
    fixed = [row for row in observed if loading.get(row.rhs)]
    marker = place[(fixed or observed)[0].rhs]
    unit = loading[fixed[0].rhs] if fixed else 1.0
    at = [place[row.rhs] for row in observed]
    scale = np.sqrt(np.diag(covariance))
    found = {}
    for row in own:
        if row.rhs not in place:
            found[row.rhs] = loading.get(row.rhs, 1.0)
            continue
        j = place[row.rhs]
        if row.rhs in loading and loading[row.rhs] is not None:
            found[row.rhs] = float(loading[row.rhs])
            continue
        others = [k for k in at if k not in (j, marker)]
        usual = scale[j] / scale[marker] * unit
        weight = 1.0 / scale[others] ** 2
        below = float((weight * covariance[marker, others] ** 2).sum()) if others else 0.0
        if j == marker:
            ratio = unit
        elif below > 1e-8 * scale[marker] ** 2 * max(len(others), 1):
            above = float((weight * covariance[j, others] * covariance[marker, others]).sum())
            ratio = unit * above / below
        else:
            ratio = usual * (np.sign(covariance[j, marker]) or 1.0)
        size = min(max(abs(ratio), 0.1 * abs(usual)), 3.0 * abs(usual))
        found[row.rhs] = float(np.copysign(size, ratio))
    psi = _variance(at, [found[row.rhs] for row in observed], covariance)
    if variance is not None and not fixed:
        # loadings of a latent variable whose variance is fixed
        for name in found:
            if name not in loading:
                found[name] *= np.sqrt(psi / max(variance, 1e-8))
        psi = variance
    return found, psi


def _variance(at: list[int], loadings: list[float], covariance: np.ndarray) -> float:
    """Variance of a latent variable by least squares for the covariances of its indicators."""
    size = np.asarray(loadings)
    part = covariance[np.ix_(at, at)]
    off = ~np.eye(len(at), dtype=bool)
    outer = np.outer(size, size)
    below = (outer[off] ** 2).sum()
    first = part[0, 0] / max(size[0] ** 2, 1e-8)
    psi = (part[off] * outer[off]).sum() / below if below > 0.0 else 0.5 * first
    return float(min(max(psi, LEAST * first), MOST * first))


def _block_values(
    table: LavaanTable, b: int, rows: list[Row], mean: np.ndarray | None, covariance: np.ndarray
) -> list[float]:
    variables, n_observed = block_variables(table, b)
    place = {name: i for i, name in enumerate(variables[:n_observed])}
    by_factor: dict[str, list[Row]] = {}
    fixed_variance: dict[str, float] = {}
    explained = {row.rhs for row in rows if row.op == "=~"}
    regressed = {row.lhs for row in rows if row.op == "~"}
    for row in rows:
        if row.op == "=~":
            by_factor.setdefault(row.lhs, []).append(row)
        elif row.op == "~~" and row.lhs == row.rhs and not row.free and row.ustart is not None:
            fixed_variance[row.lhs] = row.ustart
    loadings, psi = {}, {}
    communality = np.zeros(n_observed)
    for name in table.roles[b].latent:
        own = by_factor.get(name, [])
        if not own:
            psi[name] = fixed_variance.get(name, 1.0)
            continue
        loadings[name], psi[name] = _factor(own, place, covariance, fixed_variance.get(name))
        for indicator, value in loadings[name].items():
            if indicator in place:
                communality[place[indicator]] += value**2 * psi[name]

    def variance(name: str) -> float:
        if name not in place:
            return psi[name] * (0.5 if name in regressed | explained else 1.0)
        own = covariance[place[name], place[name]]
        if name in explained:
            left = own - communality[place[name]]
            return float(min(max(left, LEAST * own), MOST * own))
        return float(own * (0.5 if name in regressed else 1.0))

    means = _latent_means(rows, loadings, place, mean)

    def started(row: Row) -> float:
        kind, to, source = entry_of(row)
        if row.op == "=~":
            return loadings[row.lhs][row.rhs]
        if row.op == "~":
            return 0.0
        if row.op == "~~":
            if to == source:
                return variance(to)
            outside = {to, source} - explained - regressed
            if len(outside) == 2 and to in place and source in place:
                return float(covariance[place[to], place[source]])
            return 0.0
        if to in place and mean is not None:
            return float(mean[place[to]])
        return means.get(to, 0.0)

    return [started(row) if row.op in ("=~", "~", "~~", "~1") else 0.0 for row in rows]


def _latent_means(rows, loadings, place, mean) -> dict[str, float]:
    """Free means of latent variables by least squares, where their indicators have no intercepts."""
    if mean is None:
        return {}
    free = [row.lhs for row in rows if row.op == "~1" and row.free and row.lhs in loadings]
    bare = [
        row.lhs for row in rows if row.op == "~1" and not row.free and row.ustart == 0.0
        and row.lhs in place
    ]  # fmt: skip
    if not free or not bare:
        return {}
    design = np.array([[loadings[f].get(name, 0.0) for f in free] for name in bare])
    found = np.linalg.lstsq(design, mean[[place[name] for name in bare]], rcond=None)[0]
    return dict(zip(free, found.tolist(), strict=True))
