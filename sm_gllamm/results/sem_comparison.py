"""Comparison of nested structural equation models."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy import stats

from sm_gllamm.exceptions import SpecificationError
from sm_gllamm.inference.likelihood_ratio import LikelihoodRatioTest, likelihood_ratio_test
from sm_gllamm.results.sem_fit_measures import SemFitMeasures

__all__ = ["SemComparison"]

#: Log-likelihoods may be the wrong way round by this much before it is an error.
SLACK = 1e-4


def _plain(result):
    return getattr(result, "_results", result)


def _check(full, restricted) -> None:
    """Same data, and one model within the other."""
    ours, theirs = full.model.inputs, restricted.model.inputs
    same = ours.n_observations == theirs.n_observations and np.isclose(
        ours.problem.constant, theirs.problem.constant, rtol=1e-8
    )
    one, other = full._saturated, restricted._saturated
    if not same or set(_variables(full)) != set(_variables(restricted)):
        raise SpecificationError(
            "the models have different variables, covariates or rows; a likelihood-ratio test needs the same"
        )
    if full.model.inputs.mean_structure == restricted.model.inputs.mean_structure and not (
        np.isclose(one.llf, other.llf, rtol=1e-6, equal_nan=True)
    ):
        raise SpecificationError("the models are fitted to different data")


def _variables(result) -> list[str]:
    return [name for roles in result.model.table.roles for name in roles.observed]


class SemComparison(SemFitMeasures):
    """Likelihood-ratio tests, plain and scaled, and tables of several models."""

    def compare_lr_test(self, restricted) -> LikelihoodRatioTest:
        """Likelihood-ratio test of a restricted model, scaled with robust standard errors.

        Parameters
        ----------
        restricted : SEMResults
            Of a model nested in this one, of the same variables and rows.

        Returns
        -------
        LikelihoodRatioTest
            Unpacks to (statistic, p-value, degrees of freedom).

        Raises
        ------
        SpecificationError
            Other data, or a restricted model with more parameters or a higher log-likelihood.

        Notes
        -----
        With robust standard errors of both, the difference is divided by ``(tr0 - tr1) / (k0 - k1)`` of the
        traces ``tr(A^-1 B)`` of both models (Satorra & Bentler 2001, *Psychometrika* 66, 507-514; for maximum
        likelihood with robust standard errors Asparouhov & Muthen 2005). Whether models are nested cannot be
        told from their tables; that is for the user to know.

        Examples
        --------
        >>> import sm_gllamm.api as smg
        >>> from sm_gllamm.datasets import holzinger
        >>> data = holzinger.load_pandas().data
        >>> full = smg.SEM("visual =~ x1 + x2 + x3 + x9", data).fit()
        >>> equal = smg.SEM("visual =~ x1 + a*x2 + a*x3 + x9", data).fit()
        >>> round(float(full.compare_lr_test(equal).statistic), 3)
        4.017
        """
        restricted = _plain(restricted)
        if not isinstance(restricted, SemComparison):
            raise SpecificationError("compare with results of another SEM")
        _check(self, restricted)
        df = self.df_modelwc - restricted.df_modelwc
        if df < 0:
            raise SpecificationError(
                f"the restricted model has {-df} more parameters than this one; compare the other way round"
            )
        statistic = 2.0 * (self.llf - restricted.llf)
        if statistic < -SLACK:
            raise SpecificationError(
                f"the restricted model has the higher log-likelihood ({restricted.llf:.6f} against "
                f"{self.llf:.6f}): one of the fits has not converged, or they are not nested"
            )
        if self.robust and restricted.robust and df > 0:
            factor = (self._traces[1] - restricted._traces[1]) / df
            statistic = statistic / factor if factor > 0.0 else np.nan
        return likelihood_ratio_test(max(statistic, 0.0), df, 0)

    def compare(self, *others, names=None) -> pd.DataFrame:
        """Table of nested models, each tested against the one before it.

        Parameters
        ----------
        *others : SEMResults
        names : list of str, optional
            Of this model and the others.

        Returns
        -------
        DataFrame
            A row a model, by degrees of freedom: ``df``, ``aic``, ``bic``, ``chisq``, ``cfi``, ``rmsea``,
            ``srmr``; ``chisq_diff``, ``df_diff``, ``pvalue`` of the test against the row above (scaled with
            robust standard errors), and the change of ``cfi`` and ``rmsea``.

        Examples
        --------
        >>> import sm_gllamm.api as smg
        >>> from sm_gllamm.datasets import holzinger
        >>> data = holzinger.load_pandas().data
        >>> full = smg.SEM("visual =~ x1 + x2 + x3 + x9", data).fit()
        >>> equal = smg.SEM("visual =~ x1 + a*x2 + a*x3 + x9", data).fit()
        >>> full.compare(equal, names=["free", "equal"])["df_diff"].tolist()
        [nan, 1.0]
        """
        models = [self, *map(_plain, others)]
        names = [f"model {k}" for k in range(1, len(models) + 1)] if names is None else list(names)
        if len(names) != len(models):
            raise SpecificationError(f"{len(names)} names for {len(models)} models")
        order = np.argsort([result.df for result in models], kind="stable")
        rows, before = [], None
        for k in order:
            result, fit = models[k], models[k].fit_measures()
            kind = "_scaled" if "chisq_scaled" in fit else ""
            row = {
                "df": result.df, "aic": result.aic, "bic": result.bic, "chisq": fit["chisq" + kind],
                "cfi": fit.get("cfi_robust", fit["cfi"]),
                "rmsea": fit.get("rmsea_robust", fit["rmsea"]), "srmr": fit["srmr"],
                "chisq_diff": np.nan, "df_diff": np.nan, "pvalue": np.nan,
                "cfi_change": np.nan, "rmsea_change": np.nan,
            }  # fmt: skip
            if before is not None:
                test = before[0].compare_lr_test(result)
                df = before[0].df_modelwc - result.df_modelwc
                statistic = float(test.statistic)
                row |= {
                    "chisq_diff": statistic, "df_diff": df,
                    "pvalue": float(stats.chi2.sf(statistic, df)) if df else np.nan,
                    "cfi_change": row["cfi"] - before[1]["cfi"],
                    "rmsea_change": row["rmsea"] - before[1]["rmsea"],
                }  # fmt: skip
            rows.append(row)
            before = result, row
        return pd.DataFrame(rows, [names[k] for k in order])
