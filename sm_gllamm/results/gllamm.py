"""Results of the general model."""

from __future__ import annotations

from statsmodels.base.wrapper import populate_wrapper
from statsmodels.tools._decorators import cached_data

from sm_gllamm.results.base import LatentVariableResultsWrapper
from sm_gllamm.results.glmm_clusters import ClusterMethods

__all__ = ["GLLAMMResults", "GLLAMMResultsWrapper"]


class GLLAMMResults(ClusterMethods):
    """Results of :meth:`sm_gllamm.models.gllamm.GLLAMM.fit`."""

    title = "Generalized Linear Latent and Mixed Model Results"

    @cached_data
    def _posterior(self):
        """Posterior moments of the standardised disturbances at the estimates."""
        return self._with_data()._ready(self.quadrature).posterior(self.theta)


class GLLAMMResultsWrapper(LatentVariableResultsWrapper):
    """Results with pandas labels."""


populate_wrapper(GLLAMMResultsWrapper, GLLAMMResults)
