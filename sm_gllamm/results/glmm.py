"""Results of generalized linear mixed models."""

from __future__ import annotations

from statsmodels.base.wrapper import populate_wrapper

from sm_gllamm.results.base import LatentVariableResults, LatentVariableResultsWrapper

__all__ = ["GLMMResults", "GLMMResultsWrapper"]


class GLMMResults(LatentVariableResults):
    """Results of :meth:`sm_gllamm.models.glmm.GLMM.fit`."""


class GLMMResultsWrapper(LatentVariableResultsWrapper):
    pass


populate_wrapper(GLMMResultsWrapper, GLMMResults)
