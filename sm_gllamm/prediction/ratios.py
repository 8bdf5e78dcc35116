"""Exponentiated coefficients: odds ratios, incidence-rate ratios, hazard ratios."""

from __future__ import annotations

import numpy as np
import pandas as pd

from sm_gllamm.exceptions import SpecificationError

__all__ = ["RATIO_NAMES", "ratio_table"]

#: What the exponential of a coefficient is, by family and link, and the short name of the column.
RATIO_NAMES = {
    ("Binomial", "Logit"): "OR",
    ("Binomial", "CLogLog"): "HR",
    ("Gaussian", "Log"): "RM",
    ("Gamma", "Log"): "RM",
    ("InverseGaussian", "Log"): "RM",
    ("Ordinal", "Logit"): "OR",
    ("Ordinal", "CLogLog"): "HR",
    ("ContinuationRatio", "Logit"): "OR",
    ("ContinuationRatio", "CLogLog"): "HR",
    ("AdjacentCategory", "Logit"): "OR",
    ("Multinomial", "Logit"): "RRR",
    ("Choice", "Logit"): "OR",
    ("Ranking", "Logit"): "OR",
    ("BestWorst", "Logit"): "OR",
    ("WeibullPH", "Log"): "HR",
    ("ExponentialPH", "Log"): "HR",
    **{
        (family, "Log"): "TR"
        for family in ("LogNormal", "LogLogistic", "WeibullAFT", "ExponentialAFT", "GammaDuration")
    },
    **{
        (form + count, "Log"): "IRR"
        for form in ("", "ZeroInflated", "ZeroTruncated")
        for count in ("Poisson", "NegativeBinomial", "NegativeBinomial1")
    },
}
#: Families whose predictor has the other sign in the hazard: P(y <= s) = 1 - exp(-exp(threshold - nu)).
_NEGATIVE = {("Ordinal", "CLogLog"), ("ContinuationRatio", "CLogLog")}


def ratio_table(
    names, estimates, errors, pvalues, intervals, family: str, link: str, wanted: str | None = None,
    alpha: float = 0.05, statistic: str = "z",
) -> pd.DataFrame:  # fmt: skip
    """Exponentials of coefficients with intervals transformed likewise.

    Parameters
    ----------
    names : list of str
    estimates, errors, pvalues : ndarray, shape (k,)
        Coefficients, their standard errors, and p-values of zero coefficients (ratios of one).
    intervals : ndarray, shape (k, 2)
        Of the coefficients.
    family, link : str
    wanted : str, optional
        The ratio asked for, such as ``"OR"``.
    alpha : float
    statistic : {"z", "t"}

    Returns
    -------
    DataFrame
        Columns: the ratio ("OR", "IRR", "HR" hazard ratio, "TR" time ratio, "RRR" relative-risk
        ratio, "RM" ratio of means), its delta-method standard error, the p-value, and the interval.

    Raises
    ------
    SpecificationError
        The link does not make exponentials of coefficients ratios, or not those asked for.
    """
    label = RATIO_NAMES.get((family, link))
    if label is None or wanted not in (None, label):
        raise SpecificationError(
            f"exponentials of coefficients are not {wanted or 'ratios'} in {family} models with "
            f"{link} link" + (f"; they are {label}: use ratios()" if label else "")
        )
    if (family, link) in _NEGATIVE:
        estimates, intervals = -estimates, -intervals[:, ::-1]
    ratio = np.exp(estimates)
    columns = {
        label: ratio,
        "std err": ratio * errors,
        f"P>|{statistic}|": pvalues,
        f"[{alpha / 2:g}": np.exp(intervals[:, 0]),
        f"{1 - alpha / 2:g}]": np.exp(intervals[:, 1]),
    }
    return pd.DataFrame(columns, index=list(names))
