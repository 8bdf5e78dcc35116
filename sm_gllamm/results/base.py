"""Results of models with latent variables: what statsmodels' results do, and a verdict."""

from __future__ import annotations

import numpy as np
from statsmodels.base.model import GenericLikelihoodModelResults, LikelihoodResultsWrapper
from statsmodels.base.wrapper import populate_wrapper

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
    """

    def __init__(self, model, mlefit, verdict, settings, quadrature, llf, path):
        super().__init__(model, mlefit)
        self._data_attr = ["endog", "exog"]
        self.verdict = verdict
        self.settings = settings
        self.quadrature = quadrature
        self.path = path
        self._llf = llf

    @property
    def llf(self) -> float:
        """Log-likelihood at the estimates (REML criterion after ``reml=True``)."""
        return self._llf

    @property
    def converged(self) -> bool:
        """Whether the optimiser met its criterion; see `verdict` for everything else."""
        return self.verdict.converged

    @property
    def theta(self) -> np.ndarray:
        """Internal parameters: coefficients, Cholesky factors, log residual SD."""
        return self.model.mapping.theta(np.asarray(self.params))

    def _at_boundary(self) -> np.ndarray:
        """Which parameters have no standard error."""
        names = self.model.mapping.param_names
        return np.isin(names, self.verdict.boundary)

    @property
    def bse(self) -> np.ndarray:
        """Standard errors; NaN for variances estimated as zero."""
        se = np.sqrt(np.maximum(np.diag(self.cov_params()), 0.0))
        return np.where(self._at_boundary(), np.nan, se)


class LatentVariableResultsWrapper(LikelihoodResultsWrapper):
    pass


populate_wrapper(LatentVariableResultsWrapper, LatentVariableResults)
