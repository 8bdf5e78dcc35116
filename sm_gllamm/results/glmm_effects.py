"""Effects of covariates and of clusters: marginal effects, ratios, intraclass correlations."""

from __future__ import annotations

import numpy as np
import pandas as pd

from sm_gllamm.exceptions import SpecificationError
from sm_gllamm.prediction.covariate_effects import CovariateEffects
from sm_gllamm.prediction.heterogeneity import (
    intraclass_correlations,
    level_variances,
    median_ratios,
    residual_variance,
)
from sm_gllamm.prediction.marginal_effects import MarginalEffects
from sm_gllamm.prediction.means import kind_of_prediction
from sm_gllamm.prediction.members import members_of
from sm_gllamm.prediction.ratios import RATIO_NAMES, ratio_table
from sm_gllamm.prediction.rows import model_rows
from sm_gllamm.results.base import LatentVariableResults

__all__ = ["EffectMethods"]


class EffectMethods(LatentVariableResults):
    """Effect measures; part of :class:`sm_gllamm.results.glmm.GLMMResults`."""

    def get_margeff(
        self, at: str = "overall", method: str = "dydx", atexog=None, dummy: bool = False,
        count: bool = False, which: str = "marginal",
    ) -> MarginalEffects | CovariateEffects:  # fmt: skip
        """Marginal effects of the covariates on the mean response.

        Parameters
        ----------
        at : {"overall", "mean", "median", "zero", "all"}
            Averaged over the rows of the fit; at the means, medians or zeros of the covariates; or
            for every row.
        method : {"dydx", "eyex", "dyex", "eydx"}
            Derivative, elasticity, semi-elasticities.
        atexog : dict of int to float, optional
            Values for columns of exog by position.
        dummy, count : bool
            Treat 0/1 covariates as changing from 0 to 1, whole numbers as changing by one.
        which : {"marginal", "conditional"}
            Effects on the mean over the population of clusters, or on the mean with random effects
            zero.

        Returns
        -------
        MarginalEffects
            With ``summary()``, ``summary_frame()``, ``margeff``, ``margeff_se``, ``conf_int()``.

        Raises
        ------
        SpecificationError
            Responses with several rows, categories or families, and means that depend on covariates
            in other predictors (zero inflation, shape of durations).

        Notes
        -----
        Columns of exog are taken one at a time, as in statsmodels' discrete models; a column that
        has a random slope changes in both places. Standard errors are by the delta method.

        Examples
        --------
        >>> import sm_gllamm.formula.api as smgf
        >>> from sm_gllamm.datasets import bacteria
        >>> data = bacteria.load_pandas().data
        >>> result = smgf.glmm("y ~ week + (1 | ID)", data, family="binomial").fit()
        >>> print(result.get_margeff().summary_frame().round(4).iloc[0, :2].tolist())
        [-0.0176, 0.0058]
        """
        rows = model_rows(self.model)
        kind = kind_of_prediction(which)
        options = {"rows": rows, "kind": kind}
        return MarginalEffects(self, (at, method, atexog, dummy, count), options)

    def ratios(self, alpha: float = 0.05, *, wanted: str | None = None) -> pd.DataFrame:
        """Exponentiated coefficients with confidence intervals.

        Parameters
        ----------
        alpha : float
            The intervals have coverage 1 - alpha.
        wanted : {"OR", "IRR", "HR", "TR", "RRR", "RM"}, optional
            The kind that is meant; an error if the model's link makes it another.

        Returns
        -------
        DataFrame
            Odds ratios ("OR") with a logit link, of ordinal models cumulative ones (odds of a higher
            category), with continuation ratios those of going on; incidence-rate ratios ("IRR") of
            counts; hazard ratios ("HR") with a complementary log-log link and of proportional
            hazards; time ratios ("TR") of accelerated durations; relative-risk ratios ("RRR") of
            multinomial models; ratios of means ("RM") with log link. They hold conditional on the
            random effects. Thresholds and coefficients of other predictors are left out.

        Raises
        ------
        SpecificationError
            With other links.

        Notes
        -----
        Ordinal models with a complementary log-log link have P(y <= s) = 1 - exp(-exp(threshold -
        nu)), so that the hazard ratio is the exponential of minus the coefficient.
        """
        model, response = self.model, self.model.response
        k = int(model.kept_columns.sum())
        if response.family == "Multinomial":
            k *= len(model.extras.labels) - 1
        return ratio_table(
            model.mapping.param_names[:k], np.asarray(self.params)[:k], np.asarray(self.bse)[:k],
            np.asarray(self.pvalues)[:k], np.asarray(self.conf_int(alpha=alpha))[:k],
            response.family, response.link, wanted, alpha, "t" if self.use_t else "z",
        )  # fmt: skip

    def odds_ratios(self, alpha: float = 0.05) -> pd.DataFrame:
        """Odds ratios given the random effects, with confidence intervals; logit link only.

        Examples
        --------
        >>> import sm_gllamm.formula.api as smgf
        >>> from sm_gllamm.datasets import bacteria
        >>> data = bacteria.load_pandas().data
        >>> result = smgf.glmm("y ~ week + (1 | ID)", data, family="binomial").fit()
        >>> round(float(result.odds_ratios().loc["week", "OR"]), 2)
        0.86
        """
        return self.ratios(alpha, wanted="OR")

    def incidence_rate_ratios(self, alpha: float = 0.05) -> pd.DataFrame:
        """Incidence-rate ratios given the random effects; models of counts with log link only."""
        return self.ratios(alpha, wanted="IRR")

    def icc(self, at: dict[str, float] | None = None, alpha: float = 0.05) -> pd.DataFrame:
        """Residual intraclass correlation of the (latent) responses.

        Parameters
        ----------
        at : dict of str to float, optional
            Values of covariates with random slopes, on which the correlation then depends; 0 where
            not given.
        alpha : float
            The intervals, symmetric for the logit, have coverage 1 - alpha.

        Returns
        -------
        DataFrame
            A row for each level from the top down: the correlation of two rows in the same cluster
            of that level, given the covariates; standard error and interval.

        Raises
        ------
        SpecificationError
            For counts and others without a latent response, and where its variance depends on
            covariates.

        Notes
        -----
        Binary and ordinal responses are seen as categorised latent ones with residual variance pi^2/3
        (logit), 1 (probit) or pi^2/6 (complementary log-log and log-log). Log-normal, log-logistic
        and accelerated Weibull durations have the correlation of their logarithms; proportional
        hazards are linear in a latent response with variance pi^2/6.

        Examples
        --------
        >>> import sm_gllamm.formula.api as smgf
        >>> from sm_gllamm.datasets import oxide
        >>> data = oxide.load_pandas().data
        >>> result = smgf.glmm("Thickness ~ 1 + (1 | Lot/Wafer)", data).fit()
        >>> print(result.icc()["icc"].round(3).to_dict())
        {'Lot': 0.698, 'Lot:Wafer': 0.922}
        """
        model, params = self.model, np.asarray(self.params)
        residual = residual_variance(model.mapping, model.response, params)
        weights = level_variances(model.mapping, model.level_names, at)
        cov = np.asarray(self.cov_params())
        return intraclass_correlations(params, cov, weights, model.level_names, residual, alpha)

    def median_odds_ratio(
        self, at: dict[str, float] | None = None, alpha: float = 0.05
    ) -> pd.DataFrame:
        """Median odds ratio; of counts the median incidence-rate ratio, and so on.

        Parameters
        ----------
        at, alpha
            As in :meth:`icc`.

        Returns
        -------
        DataFrame
            Column "MOR": the median ratio of the odds of two rows with equal covariates in two random
            clusters of the level, the higher over the lower. "MRR" of counts: the rates; "MHR" the
            hazards, "MTR" the times of durations.

        Raises
        ------
        SpecificationError
            Exponentials of coefficients are no such ratios, or there are several predictors.

        References
        ----------
        Larsen, K. & Merlo, J. (2005). Appropriate assessment of neighborhood effects on individual
        health. American Journal of Epidemiology 161, 81-88.

        Examples
        --------
        >>> import sm_gllamm.formula.api as smgf
        >>> from sm_gllamm.datasets import bacteria
        >>> data = bacteria.load_pandas().data
        >>> result = smgf.glmm("y ~ week + (1 | ID)", data, family="binomial").fit()
        >>> round(float(result.median_odds_ratio().loc["ID", "MOR"]), 1)
        3.6
        """
        model = self.model
        ratio = RATIO_NAMES.get((model.response.family, model.response.link), "")
        label = {"OR": "MOR", "IRR": "MRR", "HR": "MHR", "TR": "MTR"}.get(ratio)
        if label is None or members_of(model)[0].law.alternatives:
            raise SpecificationError(
                "the median odds ratio is for logit links (for counts the rate ratio, for durations "
                f"the hazard or time ratio), not for {model.response.family} models with "
                f"{model.response.link} link"
            )
        weights = level_variances(model.mapping, model.level_names, at)
        cov = np.asarray(self.cov_params())
        return median_ratios(self.params, cov, weights, model.level_names, label, alpha)
