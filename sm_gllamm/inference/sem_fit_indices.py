"""Indices of fit of models of means and covariances, from chi-square statistics."""

from __future__ import annotations

import numpy as np
from scipy import optimize, stats

__all__ = [
    "comparative_indices",
    "rmsea",
    "rmsea_interval",
    "rmsea_pvalue",
    "root_mean_squares",
]


def comparative_indices(
    chisq: float, df: float, baseline: float, baseline_df: float, scale: float = 1.0,
    baseline_scale: float = 1.0,
) -> dict[str, float]:  # fmt: skip
    """Indices that compare a model with one without associations.

    Parameters
    ----------
    chisq, df, baseline, baseline_df : float
    scale, baseline_scale : float
        Scaling factors of robust statistics: CFI and TLI are then the "robust" ones of Brosseau-Liard &
        Savalei (2014, *Multivariate Behavioral Research* 49, 460-470), of unscaled statistics.

    Returns
    -------
    dict
        ``cfi``, ``tli`` (Tucker & Lewis 1973, not normed), ``nfi``, ``rfi``, ``pnfi``, ``ifi``, ``rni``.
    """
    excess, worst = chisq - scale * df, baseline - baseline_scale * baseline_df
    below = max(excess, worst, 0.0)
    out = {"cfi": 1.0 - max(excess, 0.0) / below if below > 0.0 else 1.0}
    out["tli"] = 1.0 - excess * baseline_df / (worst * df) if df > 0 and worst != 0.0 else 1.0
    out["nfi"] = (baseline - chisq) / baseline if baseline else 1.0
    out["pnfi"] = df / baseline_df * out["nfi"] if baseline_df else np.nan
    ratio = baseline / baseline_df if baseline_df else np.nan
    out["rfi"] = (ratio - chisq / df) / ratio if df > 0 else 1.0
    out["ifi"] = (baseline - chisq) / (baseline - df) if baseline != df else 1.0
    out["rni"] = 1.0 - excess / worst if worst != 0.0 else 1.0
    return out


def rmsea(chisq: float, df: float, n: float, n_groups: int = 1, scale: float = 1.0) -> float:
    """Root mean square error of approximation (Steiger 1998 for several groups); `scale` as above."""
    if not df > 0:
        return 0.0
    return float(np.sqrt(max(chisq / (n * df) - scale / n, 0.0) * n_groups))


def rmsea_interval(
    chisq: float, df: float, n: float, n_groups: int = 1, scale: float = 1.0, level: float = 0.9
) -> tuple[float, float]:
    """Confidence limits of the RMSEA from the noncentral chi-square distribution.

    Parameters
    ----------
    chisq : float
        Scaled, if `scale` is a scaling factor.
    df, n : float
    n_groups : int
    scale : float
    level : float

    Returns
    -------
    tuple of float
    """
    if df < 1:
        return 0.0, 0.0

    def limit(share: float, most: float) -> float:
        def miss(lam: float) -> float:
            return float(_noncentral(chisq, df, lam)) - share

        if miss(0.0) < 0.0:
            return 0.0
        while miss(most) > 0.0 and most < 1e12:
            most *= 4.0
        return float(optimize.brentq(miss, 0.0, most, xtol=1e-10 * max(most, 1.0), rtol=1e-13))

    most = max(n, 4.0 * chisq, 1.0)
    lower, upper = limit((1.0 + level) / 2.0, most), limit((1.0 - level) / 2.0, most)
    factor = scale * n_groups / (n * df)
    return float(np.sqrt(lower * factor)), float(np.sqrt(upper * factor))


def _noncentral(x: float, df: float, lam: float) -> float:
    return stats.chi2.cdf(x, df) if lam <= 0.0 else stats.ncx2.cdf(x, df, lam)


def rmsea_pvalue(
    chisq: float, df: float, n: float, n_groups: int = 1, scale: float = 1.0, null: float = 0.05
) -> float:
    """Probability of a larger chi-square if the RMSEA were `null`; of a close fit with 0.05."""
    if not df > 0:
        return float("nan")
    lam = n * df / scale * null**2 / n_groups
    return float(1.0 - _noncentral(chisq, df, lam))


def root_mean_squares(sample, implied, with_means: bool) -> dict[str, float]:
    """Root mean squares of residuals of one group.

    Parameters
    ----------
    sample, implied : tuple of (mean, covariance)
    with_means : bool

    Returns
    -------
    dict
        ``rmr`` of covariances, ``srmr`` of covariances divided by the sample's standard deviations (Bentler
        1995), ``crmr`` of correlations (Bollen 1989).
    """
    (mean, covariance), (mean_hat, covariance_hat) = sample, implied
    p = len(covariance)
    lower = np.tril_indices(p)
    strictly = np.tril_indices(p, -1)
    sd, sd_hat = np.sqrt(np.diag(covariance)), np.sqrt(np.diag(covariance_hat))
    residual = covariance - covariance_hat
    scaled = residual / np.outer(sd, sd)
    correlation = covariance / np.outer(sd, sd) - covariance_hat / np.outer(sd_hat, sd_hat)
    sums = {
        "rmr": (residual[lower] ** 2).sum(), "srmr": (scaled[lower] ** 2).sum(),
        "crmr": (correlation[strictly] ** 2).sum(),
    }  # fmt: skip
    counts = {"rmr": len(lower[0]), "srmr": len(lower[0]), "crmr": len(strictly[0])}
    if with_means:
        off = np.asarray(mean) - np.asarray(mean_hat)
        sums["rmr"] += (off**2).sum()
        sums["srmr"] += ((off / sd) ** 2).sum()
        sums["crmr"] += ((off / sd) ** 2).sum()
        counts = {name: count + p for name, count in counts.items()}
    return {name: float(np.sqrt(sums[name] / max(counts[name], 1))) for name in sums}
