"""Results of generalized linear mixed models."""

from __future__ import annotations

import numpy as np
from statsmodels.base.wrapper import populate_wrapper, union_dicts
from statsmodels.tools._decorators import cached_data

from sm_gllamm.results.base import LatentVariableResultsWrapper
from sm_gllamm.results.glmm_applied import ApplyMethods
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
    ApplyMethods,
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

        Means in the rows' own clusters are ``predict(which="posterior")``. Of categorical responses
        the probabilities of the categories, a DataFrame.
        """
        return self._by_row(self.predict())

    @cached_data
    def resid(self) -> np.ndarray:
        """Responses minus `fittedvalues`, shape (nobs,); for binomial counts, of proportions.

        Residuals within clusters are `resid_response`, `resid_pearson` and `resid_deviance`.
        """
        return self.get_resid("response", "marginal")

    def remove_data(self) -> None:
        """Remove everything that has the length of the data, here and on the model.

        Estimates, tests, intervals (but profiles), summaries and predictions for new data remain.
        """
        extras = self.model.extras
        super().remove_data()
        self.model.extras = extras.without_data()


class GLMMResultsWrapper(LatentVariableResultsWrapper):
    # labelled by the results themselves: a frame for categorical responses
    _attrs = {"fittedvalues": None, "resid": None}
    _wrap_attrs = union_dicts(LatentVariableResultsWrapper._wrap_attrs, _attrs)


populate_wrapper(GLMMResultsWrapper, GLMMResults)
