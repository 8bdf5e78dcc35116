"""Results of structural equation models."""

from __future__ import annotations

from statsmodels.base.wrapper import populate_wrapper

from sm_gllamm.results.base import LatentVariableResultsWrapper
from sm_gllamm.results.sem_tables import SemTables

__all__ = ["SEMResults", "SEMResultsWrapper"]


class SEMResults(SemTables):
    """Results of :meth:`sm_gllamm.models.sem.SEM.fit`."""

    title = "Structural Equation Model Results"

    def __init__(self, model, mlefit, *, information, restriction, **kwargs):
        super().__init__(model, mlefit, **kwargs)
        #: "observed" or "expected": what standard errors are made of
        self.information_kind = information
        #: constraints that hold at the estimates, None where there are none
        self.restriction = restriction


class SEMResultsWrapper(LatentVariableResultsWrapper):
    """Results with pandas labels."""


populate_wrapper(SEMResultsWrapper, SEMResults)
