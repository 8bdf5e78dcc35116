"""How well structural equation models fit: chi-square and indices made of it."""

from __future__ import annotations

from functools import cached_property
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import stats

from sm_gllamm.exceptions import SpecificationError
from sm_gllamm.inference.covariance import inverse_information
from sm_gllamm.inference.sem_fit_indices import (
    comparative_indices,
    rmsea,
    rmsea_interval,
    rmsea_pvalue,
    root_mean_squares,
)
from sm_gllamm.results.base import LatentVariableResults

__all__ = ["ChiSquare", "SemFitMeasures"]


class ChiSquare(NamedTuple):
    """A test against the saturated model.

    Attributes
    ----------
    statistic, df, pvalue : float
    scaling : float
        Factor that the likelihood-ratio statistic was divided by; 1 if it was not.
    """

    statistic: float
    df: float
    pvalue: float
    scaling: float = 1.0


class SemFitMeasures(LatentVariableResults):
    """Chi-square, fit indices and information criteria."""

    @cached_property
    def _saturated(self):
        return self.model.saturated()

    @cached_property
    def _baseline(self):
        return self.model.baseline()

    @property
    def df(self) -> int:
        """Degrees of freedom: moments less free parameters."""
        return self._saturated.k_params - self.df_modelwc

    @property
    def robust(self) -> bool:
        """Whether standard errors, and tests, do not take the responses for normal."""
        return self.cov_type != "nonrobust"

    @cached_property
    def _traces(self) -> tuple[float, float, float]:
        """tr(A^-1 B) of the saturated model, of this one, and of that without associations."""
        model, params = self.model, np.asarray(self.params)
        how = self.cov_type, self.cov_kwds
        products = model.score_products(model.likelihood, params, *how)
        own = float(np.sum(products * np.asarray(self.normalized_cov_params)))
        out = []
        for other in (self._saturated, self._baseline):
            expected = self.information_kind == "expected"
            hessian = other.likelihood.evaluate(other.theta, 2, expected).hessian
            products = model.score_products(other.likelihood, other.theta, *how)
            out.append(float(np.sum(products * inverse_information(-hessian))))
        return out[0], own, out[1]

    def chisquare(self, scaled: bool | None = None) -> ChiSquare:
        """Likelihood-ratio test against the saturated model.

        Parameters
        ----------
        scaled : bool, optional
            Whether the statistic is scaled for responses that are not normal (Yuan & Bentler 2000, as in
            Mplus' MLR). Default: with robust standard errors.

        Returns
        -------
        ChiSquare

        Notes
        -----
        Twice the difference of log-likelihoods is divided by ``(tr(A1^-1 B1) - tr(A0^-1 B0)) / df``, with A
        the information and B the sum of products of scores, of the saturated model (1) and of this one (0)
        (Yuan & Bentler 2000, *Sociological Methodology* 30, 165-200; Asparouhov & Muthen 2005).

        Examples
        --------
        >>> import sm_gllamm.api as smg
        >>> from sm_gllamm.datasets import holzinger
        >>> data = holzinger.load_pandas().data
        >>> result = smg.SEM("visual =~ x1 + x2 + x3 + x9", data).fit()
        >>> test = result.chisquare()
        >>> round(test.statistic, 2), test.df
        (2.76, 2)
        """
        self._needs_saturated()
        scaled = self.robust if scaled is None else scaled
        statistic = max(2.0 * (self._saturated.llf - self.llf), 0.0)
        return self._test(statistic, self.df, self._traces[0] - self._traces[1] if scaled else None)

    @staticmethod
    def _test(statistic: float, df: float, trace: float | None) -> ChiSquare:
        factor = 1.0 if trace is None or df == 0 else trace / df
        if factor <= 0.0:
            return ChiSquare(np.nan, df, np.nan, np.nan)
        pvalue = float(stats.chi2.sf(statistic / factor, df)) if df > 0 else np.nan
        return ChiSquare(statistic / factor, df, pvalue, factor)

    def baseline_chisquare(self, scaled: bool | None = None) -> ChiSquare:
        """The same test of the model in which variables have no covariances."""
        scaled = self.robust if scaled is None else scaled
        saturated, baseline = self._saturated, self._baseline
        df = saturated.k_params - baseline.k_params
        statistic = 2.0 * (saturated.llf - baseline.llf)
        return self._test(statistic, df, self._traces[0] - self._traces[2] if scaled else None)

    def fit_measures(self) -> pd.Series:
        """Chi-square, baseline, CFI, TLI, RMSEA, SRMR, information criteria and others.

        Returns
        -------
        Series
            Named as in lavaan, with ``_`` for ``.``; ``*_scaled`` and ``*_robust`` with robust standard
            errors.

        Raises
        ------
        SpecificationError
            There is no saturated model: fewer rows (or clusters) than variables.

        Notes
        -----
        RMSEA intervals have a level of 90 %; ``rmsea_pvalue`` tests a close fit (RMSEA <= 0.05). The sample
        size is the number of rows. With missing values the moments of the saturated model take the place of
        those of the sample.

        Examples
        --------
        >>> import sm_gllamm.api as smg
        >>> from sm_gllamm.datasets import holzinger
        >>> data = holzinger.load_pandas().data
        >>> result = smg.SEM("visual =~ x1 + x2 + x3 + x9", data).fit()
        >>> result.fit_measures()[["cfi", "tli", "rmsea", "srmr"]].round(3).tolist()
        [0.995, 0.986, 0.035, 0.021]
        """
        return self._measures.copy()

    @cached_property
    def _measures(self) -> pd.Series:
        """Fit measures, which need the data once."""
        self._needs_saturated()
        n, groups = self.nobs, len(self.model.table.groups)
        test, base = self.chisquare(False), self.baseline_chisquare(False)
        out: dict[str, float] = {"npar": self.df_modelwc, "logl": self.llf}
        out["unrestricted_logl"] = self._saturated.llf
        out |= {"chisq": test.statistic, "df": test.df, "pvalue": test.pvalue}
        out |= {
            "baseline_chisq": base.statistic, "baseline_df": base.df, "baseline_pvalue": base.pvalue
        }  # fmt: skip
        out |= comparative_indices(test.statistic, test.df, base.statistic, base.df)
        out["nnfi"] = out["tli"]
        out |= {"aic": self.aic, "bic": self.bic, "bic2": self._adjusted_bic()}
        out |= self._rmsea_family(test.statistic, test.statistic, test.df, "", 1.0, n, groups)
        if self.robust:
            out |= self._scaled_measures(test, base, n, groups)
        if not self.model.inputs.complete:
            out |= self._incomplete_measures(test, base, n, groups)
        out |= self._residual_measures()
        out["mfi"] = float(np.exp(-0.5 * (test.statistic - test.df) / n))
        out["ecvi"] = test.statistic / n + 2.0 * self.df_modelwc / n
        return pd.Series(out)

    def _needs_saturated(self) -> None:
        if not np.isfinite(self._saturated.llf):
            raise SpecificationError(
                "there is no saturated model to compare with: "
                + (
                    "the unrestricted model of both levels has no maximum; there are too few clusters or rows"
                    if self.model.inputs.levels
                    else "the covariance matrix of the sample is singular"
                )
            )

    def _adjusted_bic(self) -> float:
        """BIC with the sample size that Sclove (1987) suggests."""
        return -2.0 * self.llf + self.df_modelwc * float(np.log((self.nobs + 2.0) / 24.0))

    @staticmethod
    def _rmsea_family(point, statistic, df, suffix, scale, n, groups) -> dict[str, float]:
        lower, upper = rmsea_interval(statistic, df, n, groups, scale)
        return {
            f"rmsea{suffix}": rmsea(point, df, n, groups, scale),
            f"rmsea_ci_lower{suffix}": lower,
            f"rmsea_ci_upper{suffix}": upper,
            f"rmsea_pvalue{suffix}": rmsea_pvalue(statistic, df, n, groups, scale),
            f"rmsea_notclose_pvalue{suffix}":
                1.0 - rmsea_pvalue(statistic, df, n, groups, scale, 0.08) if df > 0 else np.nan,
        }  # fmt: skip

    def _scaled_measures(self, test, base, n, groups) -> dict[str, float]:
        scaled, base_scaled = self.chisquare(True), self.baseline_chisquare(True)
        out = {
            "chisq_scaled": scaled.statistic, "df_scaled": scaled.df,
            "pvalue_scaled": scaled.pvalue, "chisq_scaling_factor": scaled.scaling,
            "baseline_chisq_scaled": base_scaled.statistic,
            "baseline_chisq_scaling_factor": base_scaled.scaling,
            "scaling_factor_h1": self._traces[0] / self._saturated.k_params,
            "scaling_factor_h0": self._traces[1] / max(self.df_modelwc, 1),
        }  # fmt: skip
        plain = comparative_indices(
            scaled.statistic, scaled.df, base_scaled.statistic, base_scaled.df
        )
        out |= {f"{name}_scaled": plain[name] for name in ("cfi", "tli")}
        if self.model.inputs.complete:
            factors = scaled.scaling, base_scaled.scaling
            robust = comparative_indices(test.statistic, test.df, base.statistic, base.df, *factors)
            out |= {f"{name}_robust": robust[name] for name in ("cfi", "tli")}
            out |= self._rmsea_family(
                test.statistic, scaled.statistic, test.df, "_robust", scaled.scaling, n, groups
            )
        # the scaled one counts the degrees of freedom as the trace
        out["rmsea_scaled"] = rmsea(test.statistic, scaled.scaling * test.df, n, groups)
        return out

    def _incomplete_measures(self, test, base, n, groups) -> dict[str, float]:
        """CFI, TLI and RMSEA for the population without missing values (Zhang & Savalei 2020)."""
        own, null = self.model.complete_tests(
            np.asarray(self.params), self.restriction, self._saturated, self._baseline,
            (test.df, base.df), self.cov_type, self.cov_kwds,
        )  # fmt: skip
        indices = comparative_indices(
            own.statistic, test.df, null.statistic, base.df, own.scaling, null.scaling
        )
        out = {f"{name}_robust": indices[name] for name in ("cfi", "tli")}
        scaled = own.statistic / own.scaling
        return out | self._rmsea_family(
            own.statistic, scaled, test.df, "_robust", own.scaling, n, groups
        )

    def _residual_measures(self) -> dict[str, float]:
        """Root mean squares of residuals, averaged over groups by size."""
        model = self.model
        implied = model.implied_moments(np.asarray(self.params))
        sizes = model.inputs.group_sizes
        if model.inputs.levels:
            return self._residuals_by_level(implied, sizes)
        total = dict.fromkeys(("rmr", "srmr", "crmr"), 0.0)
        for size, sample, (mean, covariance) in zip(
            sizes, self._saturated.moments, implied, strict=True
        ):
            values = root_mean_squares(
                sample, (mean.to_numpy(), covariance.to_numpy()), model.inputs.mean_structure
            )
            for name, value in values.items():
                total[name] += size / sum(sizes) * value
        return total

    def _residuals_by_level(self, implied, sizes) -> dict[str, float]:
        """SRMR of the within and the between part, of correlations, and their sum."""
        total = [0.0, 0.0]
        for b, (sample, (_, hat)) in enumerate(zip(self._saturated.moments, implied, strict=True)):
            seen = hat.shape[0]
            covariance, other = sample[1][:seen, :seen], hat.to_numpy()
            with np.errstate(invalid="ignore"):
                sd, sd_hat = np.sqrt(np.diag(covariance)), np.sqrt(np.diag(other))
                left = covariance / np.outer(sd, sd) - other / np.outer(sd_hat, sd_hat)
            value = np.sqrt((left[np.tril_indices(seen)] ** 2).mean())
            total[b % 2] += sizes[b // 2] / sum(sizes) * float(value)
        within, between = total
        return {"srmr": within + between, "srmr_within": within, "srmr_between": between}
