"""Likelihood-ratio tests of the number of classes of a mixture."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from scipy import stats

from sm_gllamm.inference.weighted_chi_square import weighted_chi_square_sf

__all__ = ["BootstrapLikelihoodRatioTest", "LoMendellRubinTest", "lo_mendell_rubin"]


@dataclass(frozen=True)
class BootstrapLikelihoodRatioTest:
    """Parametric-bootstrap likelihood-ratio test of a mixture against one with fewer classes.

    Attributes
    ----------
    statistic : float
        Twice the difference of the log-likelihoods.
    n_classes : tuple of (int, int)
        Numbers of classes, the smaller first.
    samples : ndarray, shape (n_rep,)
        Statistics of samples from the smaller model.
    n_failed : int
        Samples of which a fit did not converge; they are left out.
    interrupted : bool
        Whether the user stopped before all samples were done.
    """

    statistic: float
    n_classes: tuple[int, int]
    samples: np.ndarray = field(repr=False)
    n_failed: int = 0
    interrupted: bool = False

    @property
    def pvalue(self) -> float:
        """(1 + samples with a statistic at least as large) / (1 + samples); NaN without samples."""
        if not len(self.samples):
            return float("nan")
        return float((1 + (self.samples >= self.statistic).sum()) / (1 + len(self.samples)))

    def __str__(self) -> str:
        small, large = self.n_classes
        text = (
            f"Bootstrap likelihood-ratio test of {small} against {large} classes: statistic "
            f"{self.statistic:.4f}, p-value {self.pvalue:.4g} ({len(self.samples)} samples"
        )
        if self.n_failed:
            text += f", {self.n_failed} failed"
        return text + (", interrupted)" if self.interrupted else ")")


@dataclass(frozen=True)
class LoMendellRubinTest:
    """Likelihood-ratio test of Vuong, Lo, Mendell and Rubin.

    Attributes
    ----------
    statistic : float
        Twice the difference of the log-likelihoods.
    pvalue : float
        By the weighted sum of chi-square variables.
    adjusted_statistic : float
        The statistic over 1 + 1 / (df log n).
    adjusted_pvalue : float
        By the same distribution.
    chi2_pvalue : float
        Of the adjusted statistic by chi-square, what tidyLPA and some other programs report.
    df_diff : int
        Difference of the numbers of free parameters.
    weights : ndarray
        Of the chi-square variables.
    n_classes : tuple of (int, int)
    """

    statistic: float
    pvalue: float
    adjusted_statistic: float
    adjusted_pvalue: float
    chi2_pvalue: float
    df_diff: int
    weights: np.ndarray = field(repr=False)
    n_classes: tuple[int, int] = (0, 0)

    @property
    def mean(self) -> float:
        """Mean of the statistic under the smaller model."""
        return float(self.weights.sum())

    @property
    def sd(self) -> float:
        """Standard deviation of the statistic under the smaller model."""
        return float(np.sqrt(2.0 * (self.weights**2).sum()))

    def __str__(self) -> str:
        small, large = self.n_classes
        return (
            f"Lo-Mendell-Rubin test of {small} against {large} classes: statistic {self.statistic:.4f} "
            f"(mean {self.mean:.3f}, sd {self.sd:.3f}), p-value {self.pvalue:.4g}; adjusted "
            f"{self.adjusted_statistic:.4f}, p-value {self.adjusted_pvalue:.4g}"
        )


def lo_mendell_rubin(
    statistic: float, scores: tuple[np.ndarray, np.ndarray],
    hessians: tuple[np.ndarray, np.ndarray], n: float, n_classes: tuple[int, int] = (0, 0),
) -> LoMendellRubinTest:  # fmt: skip
    """The test from scores and Hessians of two models of the same units.

    Parameters
    ----------
    statistic : float
        Twice the log-likelihood of the larger model minus that of the smaller.
    scores : tuple of ndarray, shapes (n, p) and (n, q)
        Of the units, in the larger and the smaller model.
    hessians : tuple of ndarray, shapes (p, p) and (q, q)
    n : float
        Number of units.
    n_classes : tuple of (int, int)

    Returns
    -------
    LoMendellRubinTest

    Notes
    -----
    Where both models are equally near to the truth the statistic has the distribution of a sum of squares
    of standard normal variables with the eigenvalues of

        [ -B_f A_f^-1    -B_fg A_g^-1 ]
        [  B_gf A_f^-1    B_g A_g^-1  ]

    as weights, where A are Hessians and B cross-products of scores (Vuong 1989, theorem 3.3).
    """
    large, small = scores
    a_large, a_small = (
        np.linalg.pinv(hessian, rcond=1e-10, hermitian=True) for hessian in hessians
    )
    cross = large.T @ small
    top = np.hstack([-(large.T @ large) @ a_large, -cross @ a_small])
    bottom = np.hstack([cross.T @ a_large, (small.T @ small) @ a_small])
    weights = np.linalg.eigvals(np.vstack([top, bottom])).real
    df = large.shape[1] - small.shape[1]
    adjusted = statistic / (1.0 + 1.0 / (df * np.log(n))) if df > 0 else statistic
    return LoMendellRubinTest(
        float(statistic), weighted_chi_square_sf(statistic, weights), float(adjusted),
        weighted_chi_square_sf(adjusted, weights),
        float(stats.chi2.sf(adjusted, df)) if df > 0 else float("nan"),
        df, weights, n_classes,
    )  # fmt: skip
