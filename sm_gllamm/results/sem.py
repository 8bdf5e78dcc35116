"""Results of structural equation models."""

from __future__ import annotations

import numpy as np
import pandas as pd
from statsmodels.base.wrapper import populate_wrapper

from sm_gllamm.exceptions import SpecificationError
from sm_gllamm.results.base import LatentVariableResultsWrapper
from sm_gllamm.results.sem_comparison import SemComparison
from sm_gllamm.results.sem_diagnostics import SemDiagnostics
from sm_gllamm.results.sem_path_diagram import SemDiagrams
from sm_gllamm.results.sem_scores import SemScores
from sm_gllamm.results.sem_summary import sem_summary, sem_summary2
from sm_gllamm.results.sem_tables import SemTables

__all__ = ["SEMResults", "SEMResultsWrapper"]


class SEMResults(SemComparison, SemDiagnostics, SemTables, SemScores, SemDiagrams):
    """Results of :meth:`sm_gllamm.models.sem.SEM.fit`."""

    title = "Structural Equation Model Results"

    def __init__(self, model, mlefit, *, information, restriction, **kwargs):
        super().__init__(model, mlefit, **kwargs)
        #: "observed" or "expected": what standard errors are made of
        self.information_kind = information
        #: constraints that hold at the estimates, None where there are none
        self.restriction = restriction

    def conf_int(self, alpha: float = 0.05, method: str | None = None) -> np.ndarray:
        """Confidence intervals of all parameters.

        Parameters
        ----------
        alpha : float
            One minus the confidence level.
        method : {None, "transformed", "profile"}
            None: estimate plus or minus a multiple of the standard error. "transformed": the same on the log
            scale for variances, where they are positive. "profile": values that a likelihood-ratio test does
            not reject.

        Returns
        -------
        ndarray or DataFrame, shape (k_params, 2)

        Examples
        --------
        >>> import sm_gllamm.api as smg
        >>> from sm_gllamm.datasets import holzinger
        >>> data = holzinger.load_pandas().data
        >>> result = smg.SEM("visual =~ x1 + x2 + x3", data).fit()
        >>> bool((result.conf_int(method="transformed").loc["visual~~visual"] > 0).all())
        True
        """
        limits = np.array(super().conf_int(alpha, method))
        if method != "transformed":
            return limits
        params, se, q = np.asarray(self.params), np.asarray(self.bse), self._quantile(alpha)
        table = self.model.table
        for row in table.rows:
            if row.free and row.op == "~~" and row.lhs == row.rhs:
                k = table.distinct[row.free - 1]
                if params[k] > 0.0:
                    factor = np.exp(q * se[k] / params[k])
                    limits[k] = params[k] / factor, params[k] * factor
        return limits

    def simulate(self, n: int = 1, seed=None):
        """Responses drawn at the estimates, with the covariates and missing values of the data.

        Parameters
        ----------
        n : int
        seed : int or numpy.random.Generator, optional

        Returns
        -------
        DataFrame, or list of n DataFrames
            As the data that were fitted.

        Examples
        --------
        >>> import sm_gllamm.api as smg
        >>> from sm_gllamm.datasets import holzinger
        >>> data = holzinger.load_pandas().data
        >>> result = smg.SEM("visual =~ x1 + x2 + x3", data).fit()
        >>> result.simulate(seed=1).shape
        (301, 3)
        """
        return self.model.simulate(np.asarray(self.params), n, seed)

    def get_prediction(self, *args, **kwargs):
        """Not available: predictions have several outcomes, whose errors `predict` has."""
        raise SpecificationError(
            "structural equation models have several outcomes: predict(outcomes=[...], se=True) has their "
            "means and standard deviations given others"
        )

    def random_effects_table(self, *args, **kwargs):
        """Not available: `parameter_table` has all variances and covariances."""
        raise SpecificationError(
            "variances and covariances of structural equation models are in parameter_table() and "
            "standardized()"
        )

    @property
    def cov_re(self):
        """Implied covariance matrix of the latent variables, of several groups or levels a dict.

        Returns
        -------
        DataFrame, or dict of DataFrame
        """
        out = {}
        for b, block in enumerate(self.model.mapping.implied(np.asarray(self.params))):
            n = block.block.n_observed
            names = list(block.block.variables[n:])
            if names:
                label = ", ".join(self._block_labels(b).values())
                out[label] = pd.DataFrame(block.covariance[n:, n:], names, names)
        return next(iter(out.values())) if len(out) == 1 else out

    def remove_data(self) -> None:
        """Remove everything that has the length of the data, here and on the model.

        Estimates, tests, intervals (but profiles), fit measures, standardised solutions, summaries and scores
        of new persons remain.
        """
        self.fit_or_nothing()
        kept = self.model.inputs.without_rows()
        super().remove_data()
        self.model.inputs = kept

    def fit_or_nothing(self):
        """`fit_measures`, or None where there is no saturated model."""
        try:
            return self.fit_measures()
        except SpecificationError:
            return None

    def summary(self, yname=None, xname=None, title=None, alpha: float = 0.05):
        """Fit, parameters in sections, and everything the verdict has against the fit.

        Parameters
        ----------
        yname, xname
            Not used.
        title : str, optional
        alpha : float
            One minus the confidence level.

        Returns
        -------
        statsmodels.iolib.summary.Summary
        """
        return sem_summary(self, title, alpha)

    def summary2(self, title=None, alpha: float = 0.05, float_format: str = "%.4f"):
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
        return sem_summary2(self, title, alpha, float_format)


class SEMResultsWrapper(LatentVariableResultsWrapper):
    """Results with pandas labels."""


populate_wrapper(SEMResultsWrapper, SEMResults)
