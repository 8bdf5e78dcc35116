"""Results of generalized linear mixed models."""

from __future__ import annotations

import numpy as np
from statsmodels.base.wrapper import populate_wrapper, union_dicts
from statsmodels.tools._decorators import cached_data

from sm_gllamm.results.base import LatentVariableResultsWrapper
from sm_gllamm.results.glmm_clusters import ClusterMethods
from sm_gllamm.results.glmm_effects import EffectMethods
from sm_gllamm.results.glmm_plots import PlotMethods
from sm_gllamm.results.glmm_predictions import PredictionMethods
from sm_gllamm.results.glmm_residuals import ResidualMethods

__all__ = ["GLMMResults", "GLMMResultsWrapper"]


class GLMMResults(
    ClusterMethods,
    PredictionMethods,
    EffectMethods,
    ResidualMethods,
    PlotMethods,
):
    """Results of :meth:`sm_gllamm.models.glmm.GLMM.fit`."""

    title = "Generalized Linear Mixed Model Results"

    @cached_data
    def _posterior(self):
        """Posterior moments of the standardised random effects at the estimates."""
        return self._with_data()._ready(self.quadrature).posterior(self.theta)

    @cached_data
    def fittedvalues(self) -> np.ndarray:
        """Marginal (population-averaged) means of the rows, ``predict()``; shape (nobs,).

        Means in the rows' own clusters are ``predict(which="posterior")``.
        """
        return self.predict()

    @cached_data
    def resid(self) -> np.ndarray:
        """Responses minus `fittedvalues`, shape (nobs,); for binomial counts, of proportions.

        Residuals within clusters are `resid_response`, `resid_pearson` and `resid_deviance`.
        """
        return self.get_resid("response", "marginal")


class GLMMResultsWrapper(LatentVariableResultsWrapper):
    _attrs = {
        "resid_response": "rows",
        "resid_pearson": "rows",
        "resid_deviance": "rows",
        "resid_anscombe": "rows",
    }
    _wrap_attrs = union_dicts(LatentVariableResultsWrapper._wrap_attrs, _attrs)
    _methods = {"resid_simulated": "rows", "get_resid": "rows"}
    _wrap_methods = union_dicts(LatentVariableResultsWrapper._wrap_methods, _methods)


populate_wrapper(GLMMResultsWrapper, GLMMResults)
