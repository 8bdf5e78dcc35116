"""Results of models with latent variables: what statsmodels' results do, and a verdict."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy import special, stats
from statsmodels.base.model import GenericLikelihoodModelResults, LikelihoodResultsWrapper
from statsmodels.base.wrapper import populate_wrapper
from statsmodels.iolib.summary import Summary
from statsmodels.iolib.summary2 import Summary as Summary2
from statsmodels.tools import eval_measures

from sm_gllamm.exceptions import SpecificationError
from sm_gllamm.inference.likelihood_ratio import LikelihoodRatioTest
from sm_gllamm.results.bootstrap import BootstrapResults, bootstrap
from sm_gllamm.results.comparison import compare_likelihoods
from sm_gllamm.results.profile import ParameterProfile, profile_limits, profile_parameter
from sm_gllamm.results.random_part import (
    RANDOM_COLUMNS,
    covariance_frames,
    random_effects_rows,
    transformed_limits,
)
from sm_gllamm.results.summary import family_name, link_name, summary_text, wide_summary
from sm_gllamm.results.term_tests import pairwise_tests, wald_tests_of_terms
from sm_gllamm.specification.constraints import contrast

__all__ = ["LatentVariableResults", "LatentVariableResultsWrapper"]


class LatentVariableResults(GenericLikelihoodModelResults):
    """Base class of results.

    Parameters
    ----------
    model : LatentVariableModel
    mlefit : LikelihoodModelResults
        Parameters and covariance matrix.
    verdict : Verdict
    settings : FitSettings
    quadrature : Quadrature
    llf : float
    path : list
        Iterations of the optimiser.
    constraints : LinearConstraints, optional
        What the parameters were held to.
    k_free : int, optional
        Number of free parameters under constraints.

    Attributes
    ----------
    nobs : int or float
        Number of observations, the sum of the frequency weights where there are any.
    n_clusters : dict of str to int
        Number of clusters of each level, from the top level down.
    sampling_weights : bool
        Whether this is a pseudo maximum likelihood fit.
    """

    def __init__(
        self, model, mlefit, verdict, settings, quadrature, llf, path, constraints=None, k_free=None
    ):
        super().__init__(model, mlefit)
        self._data_attr = ["endog", "exog"]
        self._data_in_cache = [*self._data_in_cache, "score_obsv"]
        self.verdict = verdict
        self.settings = settings
        self.quadrature = quadrature
        self.quadrature_exact = bool(model.assembly.problem.exact)
        self.path = path
        self._llf = llf
        #: whether standard errors are scaled by a quasi-likelihood dispersion, `scale`
        self.quasi = False
        self.constraints = constraints
        self.k_constr = 0 if k_free is None else len(self.params) - k_free
        self.sampling_weights = model.weights.sampling
        self.n_clusters = model.cluster_counts
        total = model.n_observations
        self.nobs = int(total) if total.is_integer() else total
        self.df_resid = self.nobs - self.df_modelwc

    #: whether the data are others than those that the parameters were estimated from
    applied = False

    def _estimated(self, what: str) -> None:
        """Refuse what is about the fit where the data are not those of the fit."""
        if self.applied:
            raise SpecificationError(f"{what} is about the fit; ask the results of the fit for it")

    # ------------------------------------------------------------ fit
    @property
    def title(self) -> str:
        """Heading of `summary`."""
        return f"{type(self.model).__name__} Results"

    #: titles of tables of parameters that are others than usual
    slot_titles: dict[str, str] = {}
    #: whether prior densities are part of what was maximised
    penalized = False

    @property
    def random_rows(self) -> bool:
        """Whether there are variances, covariances or dispersions to show."""
        mapping = self.model.mapping
        return any(len(term.params) for *_, term in mapping.terms) or any(
            slot.published != "identity" for _, slot in mapping.slots
        )

    @property
    def remarks(self) -> list[str]:
        """Further notes below the tables of `summary`."""
        return []

    @property
    def described(self) -> list[tuple[str, str]]:
        """What the header of `summary` says of the responses."""
        family = self.model.family
        return [("Family:", family_name(family)), ("Link:", link_name(family))]

    @property
    def llf(self) -> float:
        """Log-likelihood at the estimates (REML criterion after ``reml=True``)."""
        return float("nan") if self.quasi else self._llf

    @property
    def converged(self) -> bool:
        """Whether the optimiser met its criterion; see `verdict` for everything else."""
        return self.verdict.converged

    @property
    def theta(self) -> np.ndarray:
        """Internal parameters: coefficients, Cholesky factors, log residual SD."""
        return self.model.mapping.theta(np.asarray(self.params))

    def _at_boundary(self) -> np.ndarray:
        """Which parameters have no standard error: variances of zero and their covariances."""
        mapping = self.model.mapping
        edge = np.zeros(len(self.params), dtype=bool)
        if not self.verdict.boundary:
            return edge
        edge |= np.isin(mapping.param_names, self.verdict.boundary)
        for _, _, block, covariance in mapping.terms:
            for k, (r, c) in enumerate(covariance.params):
                if r != c and {covariance.variance_name(r), covariance.variance_name(c)} & set(
                    self.verdict.boundary
                ):
                    edge[block.start + k] = True
        return edge

    @property
    def bse(self) -> np.ndarray:
        """Standard errors; NaN for variances estimated as zero, 0 for what a constraint fixes."""
        se = np.sqrt(np.maximum(np.diag(self.cov_params()), 0.0))
        return np.where(self._at_boundary(), np.nan, se)

    @property
    def tvalues(self) -> np.ndarray:
        """Estimates divided by their standard errors; NaN where there is none."""
        se = self.bse
        return np.divide(self.params, se, out=np.full(len(se), np.nan), where=se > 0)

    # ------------------------------------------------------------ criteria
    @property
    def df_modelwc(self) -> int:
        """Number of free parameters: coefficients, variances and covariances."""
        return len(self.params) - self.k_constr

    @property
    def aic(self) -> float:
        """Akaike's criterion, -2 llf + 2 k with k all free parameters."""
        return self.info_criteria("aic")

    @property
    def bic(self) -> float:
        """Bayesian information criterion, -2 llf + k log(nobs); see `info_criteria` for another n."""
        return self.info_criteria("bic")

    def info_criteria(self, crit: str, dk_params: int = 0, n: str | float | None = None) -> float:
        """Information criterion with a stated sample size.

        Parameters
        ----------
        crit : {"aic", "aicc", "bic", "hqic"}
        dk_params : int
            Added to the number of parameters.
        n : str or float, optional
            Sample size: None for rows (sum of the frequency weights), the name of a level for its
            number of clusters, or a number.

        Returns
        -------
        float

        Raises
        ------
        SpecificationError
            Unknown criterion or level.

        Notes
        -----
        For clustered data the sample size in BIC is a matter of debate: rows for parameters that vary
        within clusters, clusters for those that do not (Delattre, Lavielle & Poursat 2014). lme4
        and Stata's mixed use rows.

        Examples
        --------
        >>> import sm_gllamm.formula.api as smgf
        >>> from sm_gllamm.datasets import sleepstudy
        >>> data = sleepstudy.load_pandas().data
        >>> result = smgf.glmm("Reaction ~ Days + (1 | Subject)", data).fit()
        >>> round(result.bic, 2), round(result.info_criteria("bic", n="Subject"), 2)
        (1814.85, 1805.64)
        """
        if crit not in ("aic", "aicc", "bic", "hqic"):
            raise SpecificationError(
                f"crit={crit!r} is not known; use 'aic', 'aicc', 'bic' or 'hqic'"
            )
        if n is None:
            n = self.nobs
        elif isinstance(n, str):
            if n not in self.n_clusters:
                raise SpecificationError(
                    f"n={n!r} is no level; the levels are {list(self.n_clusters)}"
                )
            n = self.n_clusters[n]
        value = getattr(eval_measures, crit)(self.llf, n, self.df_modelwc + dk_params)
        return float(value)

    # ------------------------------------------------------------ intervals
    def _quantile(self, alpha: float) -> float:
        """Two-sided quantile of the reference distribution."""
        if self.use_t:
            return float(
                stats.t.ppf(1 - alpha / 2, getattr(self, "df_resid_inference", self.df_resid))
            )
        # what stats.norm.ppf comes to, without its checks
        return float(special.ndtri(1 - alpha / 2))

    def conf_int(self, alpha: float = 0.05, method: str | None = None) -> np.ndarray:
        """Confidence intervals of all parameters.

        Parameters
        ----------
        alpha : float
            One minus the confidence level.
        method : {None, "transformed", "profile"}
            None: estimate plus or minus a multiple of the standard error, in agreement with
            `t_test`. "transformed": the same on the log scale for variances and on the arsinh scale
            for covariances, Fisher's z of correlations (``identification="variance"``), coefficients as
            before. "profile": values that a likelihood-ratio test does not reject; see `profile`.

        Returns
        -------
        ndarray or DataFrame, shape (k_params, 2)
            NaN for variances estimated as zero, except by "profile".

        Notes
        -----
        "transformed" limits of a covariance are symmetric for arsinh(covariance / (sd1 sd2)) with the
        standard deviations at their estimates, the transformation that makes the variance of a
        covariance constant: between the scale itself near zero and the logarithm near a correlation of
        one. Fisher's z of the correlation is in `random_effects_table`.

        Examples
        --------
        >>> import sm_gllamm.formula.api as smgf
        >>> from sm_gllamm.datasets import sleepstudy
        >>> data = sleepstudy.load_pandas().data
        >>> result = smgf.glmm("Reaction ~ Days + (1 | Subject)", data).fit()
        >>> print(result.conf_int(method="transformed").round(1))
                                    0       1
        Intercept               232.8   270.0
        Days                      8.9    12.0
        var(Intercept|Subject)  643.0  2615.7
        var(Residual)           767.7  1186.8
        """
        if method in (None, "transformed"):
            q, se = self._quantile(alpha), self.bse
            limits = np.column_stack([self.params - q * se, self.params + q * se])
            if method is None:
                return limits
            return transformed_limits(self.model.mapping, self.params, se, limits, q)
        if method == "profile":
            self._estimated("the profile likelihood")
            return profile_limits(self, alpha)
        raise SpecificationError(
            f"method={method!r} is not known; use None, 'transformed' or 'profile'"
        )

    def profile(self, name: str, alpha: float = 0.05) -> ParameterProfile:
        """Profile likelihood of one parameter.

        Parameters
        ----------
        name : str
            Any of the published parameters.
        alpha : float
            One minus the confidence level; the profile goes a little beyond the limits.

        Returns
        -------
        ParameterProfile
            With ``table`` (value, signed root ``zeta``, log-likelihood, other parameters), and
            ``limits``.

        Raises
        ------
        SpecificationError
            Unknown parameter, REML, sampling weights, or data removed.

        Notes
        -----
        At every value the other parameters are estimated anew with the quadrature rules of the fit,
        starting from the estimates at the value before. The lower limit of a variance is 0 where the
        likelihood-ratio test does not reject a variance of 0 (at the quantile of chi2(1)).

        Examples
        --------
        >>> import sm_gllamm.formula.api as smgf
        >>> from sm_gllamm.datasets import sleepstudy
        >>> data = sleepstudy.load_pandas().data
        >>> result = smgf.glmm("Reaction ~ Days + (1 + Days | Subject)", data).fit()
        >>> profile = result.profile("var(Intercept|Subject)")
        >>> print((profile.limits**0.5).round(2))
        [14.38 37.72]
        """
        self._estimated("the profile likelihood")
        return profile_parameter(self, name, alpha)

    # ------------------------------------------------------------ random part
    @property
    def cov_re(self) -> pd.DataFrame | dict[str, pd.DataFrame]:
        """Covariance matrix of the random effects; with several levels a dict from the top level down.

        Examples
        --------
        >>> import sm_gllamm.formula.api as smgf
        >>> from sm_gllamm.datasets import sleepstudy
        >>> data = sleepstudy.load_pandas().data
        >>> result = smgf.glmm("Reaction ~ Days + (1 + Days | Subject)", data).fit()
        >>> print(result.cov_re.round(2))
                   Intercept   Days
        Intercept     565.52  11.06
        Days           11.06  32.68
        """
        frames = covariance_frames(
            self.model.mapping, self.model.level_names, np.asarray(self.params)
        )
        return next(iter(frames.values())) if len(frames) == 1 else frames

    def random_effects_table(self, alpha: float = 0.05) -> pd.DataFrame:
        """Variances, covariances, standard deviations and correlations of the random part.

        Parameters
        ----------
        alpha : float
            One minus the confidence level.

        Returns
        -------
        DataFrame
            A row a parameter. ``estimate``, ``std_err``, ``lower``, ``upper`` are those of the
            variance or covariance; ``sd_corr``, ``sd_corr_lower``, ``sd_corr_upper`` those of the
            standard deviation or correlation. Intervals are symmetric for logarithms of variances
            and standard deviations and for Fisher's z of correlations.

        Examples
        --------
        >>> import sm_gllamm.formula.api as smgf
        >>> from sm_gllamm.datasets import sleepstudy
        >>> data = sleepstudy.load_pandas().data
        >>> result = smgf.glmm("Reaction ~ Days + (1 + Days | Subject)", data).fit()
        >>> table = result.random_effects_table()
        >>> print(table[["sd_corr", "sd_corr_lower", "sd_corr_upper"]].round(2))
                                     sd_corr  sd_corr_lower  sd_corr_upper
        var(Intercept|Subject)         23.78          15.02          37.66
        cov(Intercept,Days|Subject)     0.08          -0.51           0.62
        var(Days|Subject)               5.72           3.81           8.59
        var(Residual)                  25.59          22.80          28.72
        """
        names, values = self._random_part(alpha)
        return pd.DataFrame(values, index=names, columns=list(RANDOM_COLUMNS))

    def _random_part(self, alpha: float) -> tuple[list[str], np.ndarray]:
        """Names and values of `random_effects_table`."""
        return random_effects_rows(
            self.model.mapping,
            np.asarray(self.params),
            self.bse,
            self.cov_params(),
            self._quantile(alpha),
        )

    # ------------------------------------------------------------ tests
    def t_test(self, r_matrix, cov_p=None, use_t=None):
        """t or z test of each of several linear combinations of parameters, as statsmodels has it.

        Parameters
        ----------
        r_matrix : str, list of str, array_like or (R, q)
            Equations such as ``"x = z"``, or a matrix with a column a parameter and values.
        cov_p : ndarray, optional
            Another covariance matrix of the parameters.
        use_t : bool, optional
            Whether the reference distribution is t; default that of the fit.

        Returns
        -------
        ContrastResults

        Raises
        ------
        SpecificationError
            Equations that are not understood; an unknown parameter is named.

        Examples
        --------
        >>> import sm_gllamm.formula.api as smgf
        >>> from sm_gllamm.datasets import sleepstudy
        >>> data = sleepstudy.load_pandas().data
        >>> result = smgf.glmm("Reaction ~ Days + (1 | Subject)", data).fit()
        >>> test = result.t_test("Days = 10")
        >>> round(float(test.statistic.item()), 3), round(float(test.pvalue), 3)
        (0.583, 0.56)
        """
        return super().t_test(contrast(r_matrix, self.model.data.cov_names), cov_p, use_t)

    def wald_test(
        self, r_matrix, cov_p=None, invcov=None, use_f=None, df_constraints=None, scalar=True
    ):
        """Joint Wald test of linear combinations of parameters, as statsmodels has it.

        Parameters
        ----------
        r_matrix : str, list of str, array_like or (R, q)
            As in `t_test`.
        cov_p, invcov : ndarray, optional
            Another covariance matrix of the parameters; inverse of that of the combinations.
        use_f : bool, optional
            Whether the reference distribution is F; default where the fit has t.
        df_constraints : int, optional
            Degrees of freedom instead of the number of combinations.
        scalar : bool
            Whether the statistic is a number rather than an array of one.

        Returns
        -------
        ContrastResults

        Raises
        ------
        SpecificationError
            Equations that are not understood; an unknown parameter is named.

        Examples
        --------
        >>> import sm_gllamm.formula.api as smgf
        >>> from sm_gllamm.datasets import sleepstudy
        >>> data = sleepstudy.load_pandas().data
        >>> result = smgf.glmm("Reaction ~ Days + (1 | Subject)", data).fit()
        >>> round(result.wald_test("Days = 10, Intercept = 250").statistic, 3)
        0.499
        """
        tested = contrast(r_matrix, self.model.data.cov_names)
        return super().wald_test(tested, cov_p, invcov, use_f, df_constraints, scalar)

    def wald_test_terms(
        self, skip_single=False, extra_constraints=None, combine_terms=None, scalar=True
    ):
        """Joint Wald test of the coefficients of each term of the formula.

        Parameters
        ----------
        skip_single : bool
            Whether terms with a single coefficient are left out.
        extra_constraints : list of (name, matrix), optional
            Further tests; a column a parameter.
        combine_terms : list of str, optional
            All terms whose names contain such a string are tested together, too.
        scalar : bool
            Whether statistics are numbers rather than arrays of one.

        Returns
        -------
        WaldTestResults
            With ``table``: statistic, p-value and degrees of freedom. For models from arrays a row a
            coefficient.

        Notes
        -----
        Variances are not tested: zero is on the boundary of their values, where Wald tests do not hold;
        see `compare_lr_test`. Dispersions and thresholds have no hypothesis of zero.

        Examples
        --------
        >>> import sm_gllamm.api as smg
        >>> import sm_gllamm.formula.api as smgf
        >>> from sm_gllamm.datasets import wine
        >>> data = wine.load_pandas().data
        >>> family = smg.families.Ordinal()
        >>> result = smgf.glmm("rating ~ temp + contact + (1 | judge)", data, family=family).fit()
        >>> print(result.wald_test_terms().table.round(4))
                 statistic  pvalue  df_constraint
        temp       26.4749  0.0000              1
        contact    12.8144  0.0003              1
        """
        return wald_tests_of_terms(self, skip_single, extra_constraints, combine_terms, scalar)

    def t_test_pairwise(self, term_name, method="hs", alpha=0.05, factor_labels=None):
        """Differences between the categories of a factor of the formula, p-values adjusted.

        Parameters
        ----------
        term_name : str
            A main effect, as in ``wald_test_terms``: ``"C(f)"``.
        method : str or list of str
            Adjustment for multiple testing, of ``statsmodels.stats.multitest.multipletests``.
        alpha : float
        factor_labels : list of str, optional

        Returns
        -------
        MultiCompResult
            With ``result_frame``, a row a pair.

        Raises
        ------
        SpecificationError
            No such term; models from arrays, or of unordered categories.

        Examples
        --------
        >>> import sm_gllamm.formula.api as smgf
        >>> from sm_gllamm.datasets import cbpp
        >>> data = cbpp.load_pandas().data
        >>> data["rest"] = data["size"] - data["incidence"]
        >>> formula = "incidence + rest ~ C(period) + (1 | herd)"
        >>> result = smgf.glmm(formula, data, family="binomial").fit()
        >>> result.t_test_pairwise("C(period)").result_frame["coef"].round(2).tolist()
        [-0.99, -1.13, -1.58, -0.14, -0.59, -0.45]
        """
        return pairwise_tests(self, term_name, method, alpha, factor_labels)

    # ------------------------------------------------------------ comparison
    def compare_lr_test(self, restricted) -> LikelihoodRatioTest:
        """Likelihood-ratio test of a restricted model.

        Parameters
        ----------
        restricted : results
            Of a model nested in this one: fewer coefficients, fewer random effects, constraints; or
            of a statsmodels model without random effects (Logit, GLM, OLS, ...).

        Returns
        -------
        LikelihoodRatioTest
            Unpacks to (statistic, p-value, degrees of freedom).

        Raises
        ------
        SpecificationError
            If the models are not nested, differ in data or family, or are REML fits with different
            coefficients.

        Notes
        -----
        Where variances are zero in the restricted model, the distribution is the 50:50 mixture of
        chi-squares with df - 1 and df degrees of freedom: exact (asymptotically) for one more random
        effect with its covariances (Stram & Lee 1994), an upper bound of the p-value for more. A
        parametric bootstrap is the alternative.

        Examples
        --------
        >>> import sm_gllamm.formula.api as smgf
        >>> from sm_gllamm.datasets import sleepstudy
        >>> data = sleepstudy.load_pandas().data
        >>> slope = smgf.glmm("Reaction ~ Days + (1 + Days | Subject)", data).fit()
        >>> intercept = smgf.glmm("Reaction ~ Days + (1 | Subject)", data).fit()
        >>> print(slope.compare_lr_test(intercept))
        Likelihood-ratio test: statistic 42.1393, p-value 3.961e-10
        Distribution under the restriction: 1/2 chi2(1) + 1/2 chi2(2)
        """
        self._estimated("the likelihood-ratio test")
        return compare_likelihoods(self, restricted)

    def bootstrap(
        self, n_rep: int = 100, method: str = "cluster", seed=None, disp: int = 0
    ) -> BootstrapResults:
        """Bootstrap distribution of the parameters.

        Parameters
        ----------
        n_rep : int
            Number of samples.
        method : {"cluster", "parametric"}
            Top-level clusters drawn with replacement, or responses simulated from the fitted model
            with new random effects.
        seed : int or numpy.random.Generator, optional
            The same seed gives the same samples, and more of them with a larger `n_rep`.
        disp : int
            1 reports progress.

        Returns
        -------
        BootstrapResults
            With ``params``, ``bse``, ``bias``, ``cov_params()``, ``conf_int()``. If interrupted, with
            the samples done until then.

        Raises
        ------
        SpecificationError
            Unknown method, data removed, or a parametric bootstrap of a weighted fit.

        Notes
        -----
        statsmodels' own bootstrap draws rows, which clustered data do not allow. Samples are fitted
        from the estimates, with the quadrature rules and constraints of the fit. A cluster drawn m
        times enters with weight m, which is the same likelihood as m copies of it.

        Examples
        --------
        >>> import sm_gllamm.formula.api as smgf
        >>> from sm_gllamm.datasets import sleepstudy
        >>> data = sleepstudy.load_pandas().data
        >>> result = smgf.glmm("Reaction ~ Days + (1 | Subject)", data).fit()
        >>> result.bootstrap(20, method="parametric", seed=3).params.shape
        (20, 4)
        """
        self._estimated("the bootstrap")
        return bootstrap(self, n_rep, method, seed, disp)

    # ------------------------------------------------------------ presentation
    def summary(self, yname=None, xname=None, title=None, alpha: float = 0.05) -> Summary:
        """Header, coefficients, random part, and everything the verdict has against the fit.

        Parameters
        ----------
        yname : str, optional
            Name of the response.
        xname : list of str, optional
            Names of the coefficients.
        title : str, optional
        alpha : float
            One minus the confidence level.

        Returns
        -------
        statsmodels.iolib.summary.Summary
        """
        return summary_text(self, yname, xname, title, alpha)

    def summary2(self, title=None, alpha: float = 0.05, float_format: str = "%.4f") -> Summary2:
        """The same content as `summary` in statsmodels' other layout.

        Parameters
        ----------
        title : str, optional
        alpha : float
        float_format : str

        Returns
        -------
        statsmodels.iolib.summary2.Summary
        """
        return wide_summary(self, title, alpha, float_format)

    def remove_data(self) -> None:
        """Remove everything that has the length of the data, here and on the model.

        Estimates, tests, intervals (but profiles), summaries and predictions for new data remain.
        """
        super().remove_data()
        kept = {k: v for k, v in self.__dict__["cov_kwds"].items() if np.ndim(v) == 0}
        self.cov_kwds = kept


class LatentVariableResultsWrapper(LikelihoodResultsWrapper):
    pass


populate_wrapper(LatentVariableResultsWrapper, LatentVariableResults)
