"""Likelihood-ratio tests, with the null distribution that variances of zero call for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from scipy import stats

__all__ = ["LikelihoodRatioTest", "likelihood_ratio_test"]

#: Statistics below this are zero: log-likelihoods of boundary estimates differ in their last digits.
ROUNDING = 1e-6


@dataclass(frozen=True, slots=True)
class LikelihoodRatioTest:
    """Outcome of a likelihood-ratio test; unpacks to (statistic, p-value, degrees of freedom).

    Attributes
    ----------
    statistic : float
        Twice the difference of the log-likelihoods.
    pvalue : float
        Under the distribution described by `weights`.
    df_diff : int
        Number of parameters that the restricted model lacks.
    weights : tuple of (df, weight)
        Mixture of chi-square distributions.
    n_zero : int
        Number of variances, asymptotes or correlations at the edge of their values under the restriction.

    Examples
    --------
    >>> test = likelihood_ratio_test(42.14, 2, n_zero=1)
    >>> statistic, pvalue, df = test
    >>> print(test)
    Likelihood-ratio test: statistic 42.1400, p-value 3.96e-10
    Distribution under the restriction: 1/2 chi2(1) + 1/2 chi2(2)
    """

    statistic: float
    pvalue: float
    df_diff: int
    weights: tuple[tuple[int, float], ...]
    n_zero: int = 0

    def __iter__(self) -> Iterator[float]:
        return iter((self.statistic, self.pvalue, self.df_diff))

    def __getitem__(self, position: int) -> float:
        return (self.statistic, self.pvalue, self.df_diff)[position]

    def __len__(self) -> int:
        return 3

    @property
    def pvalue_naive(self) -> float:
        """P-value that ignores the boundary: chi-square with `df_diff` degrees of freedom."""
        return float(stats.chi2.sf(self.statistic, self.df_diff))

    def __str__(self) -> str:
        parts = [
            f"chi2({df})" if weight == 1 else f"{'1/2' if weight == 0.5 else weight} chi2({df})"
            for df, weight in self.weights
        ]
        lines = [
            f"Likelihood-ratio test: statistic {self.statistic:.4f}, p-value {self.pvalue:.4g}",
            f"Distribution under the restriction: {' + '.join(parts)}",
        ]
        if self.n_zero > 1:
            lines.append(
                f"{self.n_zero} parameters are at the edge of their values under the restriction "
                "(variances of zero, say): the p-value is an upper bound"
            )
        return "\n".join(lines)


def likelihood_ratio_test(statistic: float, df: int, n_zero: int = 0) -> LikelihoodRatioTest:
    """P-value of a likelihood-ratio statistic.

    Parameters
    ----------
    statistic : float
    df : int
        Difference in the number of parameters.
    n_zero : int
        How many parameters are at the edge of their values under the restriction, such as variances of zero.

    Returns
    -------
    LikelihoodRatioTest

    Notes
    -----
    With a variance on the boundary the statistic is, asymptotically, a squared length of the
    projection of a normal vector on a cone (Self & Liang 1987). For one more random effect, with
    covariances with q others, the cone is a half-space and the distribution the 50:50 mixture of
    chi2(q) and chi2(q + 1) (Stram & Lee 1994). For several variances at once the cone depends on the
    information matrix; as it lies within a half-space, the same mixture with df - 1 and df degrees of
    freedom gives an upper bound of the p-value, below that of chi2(df).

    References
    ----------
    Self, S. G., & Liang, K.-Y. (1987). Asymptotic properties of maximum likelihood estimators and
    likelihood ratio tests under nonstandard conditions. JASA 82, 605-610.
    Stram, D. O., & Lee, J. W. (1994). Variance components testing in the longitudinal mixed effects
    model. Biometrics 50, 1171-1177.
    """
    statistic = max(float(statistic), 0.0)
    if df == 0:
        weights: tuple[tuple[int, float], ...] = ((0, 1.0),)
    elif n_zero:
        weights = ((df - 1, 0.5), (df, 0.5))
    else:
        weights = ((df, 1.0),)
    pvalue = sum(weight * _tail(statistic, d) for d, weight in weights)
    return LikelihoodRatioTest(statistic, float(min(pvalue, 1.0)), df, weights, n_zero)


def _tail(statistic: float, df: int) -> float:
    """P(chi2(df) >= statistic); chi2(0) is a point mass at zero."""
    if df == 0:
        return float(statistic <= ROUNDING)
    return float(stats.chi2.sf(statistic, df))
