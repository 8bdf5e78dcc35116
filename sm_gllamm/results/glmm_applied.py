"""Results for other data with the parameters of a fit: new clusters whose responses are known."""

from __future__ import annotations

import copy

from sm_gllamm.results.base import LatentVariableResults

__all__ = ["ApplyMethods"]


class ApplyMethods(LatentVariableResults):
    """Application to other data; part of :class:`sm_gllamm.results.glmm.GLMMResults`."""

    def apply(self, data, offset=None, exposure=None):
        """The fitted model applied to other data, such as the responses of new persons.

        Parameters
        ----------
        data : DataFrame
            Responses, clusters and everything else that the model uses, whole clusters of the top
            level. Rows with missing values are left out.
        offset, exposure : str, array_like or float, optional
            Of the new rows.

        Returns
        -------
        results
            Of the same class, parameters and covariance matrix of the parameters, with the new data
            in place of those of the fit: predictions with ``which="posterior"``, random effects, scores
            of latent variables, residuals, simulations and log-likelihood contributions are theirs.

        Raises
        ------
        SpecificationError
            A column is lacking, categories that the model does not know, a model from arrays.

        Notes
        -----
        As in statsmodels' time series models nothing is estimated. Clusters are those of the new data
        alone, whatever their labels, and rows are not weighted. Unless the number of quadrature points
        was chosen by the user, it is chosen anew, as exactly as for the fit.

        Examples
        --------
        >>> import sm_gllamm.formula.api as smgf
        >>> from sm_gllamm.datasets import bacteria
        >>> data = bacteria.load_pandas().data
        >>> old, new = data[data["ID"] < "Y"], data[data["ID"] >= "Y"]
        >>> result = smgf.glmm("y ~ week + (1 | ID)", old, family="binomial").fit()
        >>> print(result.apply(new).random_effects.head(2).round(2))
             Intercept
        ID
        Y01       0.59
        Y02      -1.52
        """
        model = self.model.applied(data, self.params, self.settings, offset, exposure)
        out = copy.copy(self)
        out.model, out.applied, out._cache = model, True, {}
        out.quadrature, out.quadrature_exact = model._quadrature, bool(model.assembly.problem.exact)
        out._llf = model.loglike(self.params)
        out.nobs, out.df_resid = model.nobs, model.df_resid
        out.n_clusters = {level.name: level.n_clusters for level in reversed(model.random)}
        return model.wrapper_class(out)
