"""Results of structural equation models."""

from __future__ import annotations

from statsmodels.base.wrapper import populate_wrapper

from sm_gllamm.exceptions import SpecificationError
from sm_gllamm.results.base import LatentVariableResultsWrapper
from sm_gllamm.results.sem_comparison import SemComparison
from sm_gllamm.results.sem_diagnostics import SemDiagnostics
from sm_gllamm.results.sem_scores import SemScores
from sm_gllamm.results.sem_summary import sem_summary, sem_summary2
from sm_gllamm.results.sem_tables import SemTables

__all__ = ["SEMResults", "SEMResultsWrapper"]


class SEMResults(SemComparison, SemDiagnostics, SemTables, SemScores):
    """Results of :meth:`sm_gllamm.models.sem.SEM.fit`."""

    title = "Structural Equation Model Results"

    def __init__(self, model, mlefit, *, information, restriction, **kwargs):
        super().__init__(model, mlefit, **kwargs)
        #: "observed" or "expected": what standard errors are made of
        self.information_kind = information
        #: constraints that hold at the estimates, None where there are none
        self.restriction = restriction

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
