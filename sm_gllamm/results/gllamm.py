"""Results of the general model."""

from __future__ import annotations

import numpy as np
import pandas as pd
from statsmodels.base.wrapper import populate_wrapper, union_dicts
from statsmodels.tools._decorators import cached_data

from sm_gllamm.exceptions import SpecificationError
from sm_gllamm.prediction.latent_variables import latent_predictions, latent_scores
from sm_gllamm.prediction.means import kind_of_prediction
from sm_gllamm.prediction.predict import targets_of
from sm_gllamm.prediction.rows import model_rows
from sm_gllamm.results.base import LatentVariableResultsWrapper
from sm_gllamm.results.glmm_clusters import ClusterMethods
from sm_gllamm.results.path_diagram import dot_source
from sm_gllamm.results.random_part import covariance_frames

__all__ = ["GLLAMMResults", "GLLAMMResultsWrapper"]


class GLLAMMResults(ClusterMethods):
    """Results of :meth:`sm_gllamm.models.gllamm.GLLAMM.fit`.

    Notes
    -----
    :attr:`random_effects` and :meth:`ranef` are about the disturbances zeta of the latent variables;
    :attr:`latent_scores` is about the latent variables themselves, after the structural model.
    """

    title = "Generalized Linear Latent and Mixed Model Results"

    @cached_data
    def _posterior(self):
        """Posterior moments of the standardised disturbances at the estimates."""
        return self._with_data()._ready(self.quadrature).posterior(self.theta)

    def _by_name(self) -> dict[str, float]:
        """Estimates by the names of parameters."""
        values = np.asarray(self.params, dtype=float).tolist()
        return dict(zip(self.model.mapping.param_names, values, strict=True))

    def _maximum_likelihood_effects(self):
        raise SpecificationError(
            "kind='ml' is not available for latent variables; use 'mean' or 'mode'"
        )

    @property
    def latent_scores(self) -> pd.DataFrame | dict[str, pd.DataFrame]:
        """Empirical Bayes scores: posterior means and SDs of the latent variables.

        Returns
        -------
        DataFrame, or dict of level name to DataFrame
            Rows are clusters by label; columns ``name`` and ``sd(name)`` for each latent variable of
            the level. With several levels a dict from the top level down.

        Notes
        -----
        Of ``eta = (I - B)^-1 (Gamma w + zeta)`` given the responses and the estimates, zeta having the
        posterior moments of :attr:`random_effects`. The SD of a latent variable that is regressed,
        directly or not, on one of another level needs posterior covariances between levels, which are
        not computed: it is left out.

        Examples
        --------
        >>> import numpy as np, pandas as pd
        >>> import sm_gllamm.api as smg
        >>> rng = np.random.default_rng(1)
        >>> person, item = np.repeat(np.arange(300), 4), np.tile(np.arange(4), 300)
        >>> y = item + rng.normal(size=300)[person] + rng.normal(size=1200)
        >>> data = pd.DataFrame({"y": y, "item": item, "person": person})
        >>> factor = smg.Latent("ability", "person", loadings="0 + C(item)")
        >>> result = smg.GLLAMM.from_formula("y ~ 0 + C(item)", data, latent=[factor]).fit()
        >>> list(result.latent_scores.columns)
        ['ability', 'sd(ability)']
        """
        frames = latent_scores(self._with_data(), self._cluster_effects("mean"), self._by_name())
        return next(iter(frames.values())) if len(frames) == 1 else frames

    @property
    def param_table(self) -> pd.DataFrame:
        """Every coefficient of the model's equations with its estimate and standard error.

        Returns
        -------
        DataFrame
            The model's table with columns ``estimate`` and ``std_err``; fixed coefficients have no
            standard error.
        """
        table = self.model.param_table
        errors = dict(zip(self.model.mapping.param_names, np.asarray(self.bse), strict=True))
        estimates = table["parameter"].map(self._by_name())
        return table.assign(
            estimate=estimates.where(table["fixed"].isna(), table["fixed"]),
            std_err=table["parameter"].map(errors),
        )

    def predict(self, exog=None, transform: bool = True, which: str = "marginal"):
        """Predicted means, probabilities or linear predictors for the rows of the fit.

        Parameters
        ----------
        exog, transform : None
            Predictions for new data are not available.
        which : {"marginal", "conditional", "posterior", "linear"}
            * "marginal" (also "mean"): the mean response given the covariates, over the distribution
              of all disturbances;
            * "conditional" (also "median"): the mean response where all disturbances are zero;
            * "posterior": the mean response over the posterior distribution of the disturbances of the
              row's clusters;
            * "linear" (also "linpred"): the linear predictor where all disturbances are zero,
              ``x'beta + offset + lambda' (I - B)^-1 Gamma w``.

        Returns
        -------
        ndarray, shape (n,), or DataFrame with a column a category

        Raises
        ------
        SpecificationError
            New data, or a response for which there is no such prediction.
        """
        if exog is not None:
            raise SpecificationError(
                "predictions of a GLLAMM are for the rows of the fit; leave out exog"
            )
        model, kind = self._with_data(), kind_of_prediction(which)
        values = latent_predictions(model, self.params, kind, self.quadrature)
        if values.ndim == 1:
            return values
        rows = model_rows(model)
        columns = pd.Index(targets_of(model, rows)[0][0].columns)
        return pd.DataFrame(values, index=rows.index, columns=columns)

    def get_prediction(self, exog=None, which: str = "marginal", **kwargs):
        """Predictions with standard errors, which a GLLAMM does not offer; see :meth:`predict`."""
        raise SpecificationError(
            "standard errors of predictions are not available for a GLLAMM; use predict(which=...)"
        )

    @cached_data
    def fittedvalues(self):
        """Means of the rows given the covariates, ``predict()``."""
        return self.predict()

    @cached_data
    def resid(self) -> np.ndarray:
        """Responses minus `fittedvalues`, shape (nobs,)."""
        fitted, endog = self.fittedvalues, np.asarray(self.model.endog)
        if fitted.ndim > 1 or endog.ndim > 1:
            raise SpecificationError(
                "resid is for responses that are one number; see predict(which='marginal')"
            )
        return endog - fitted

    def path_diagram(self, digits: int = 2) -> str:
        """Path diagram with the estimates as Graphviz source (DOT).

        Parameters
        ----------
        digits : int

        Returns
        -------
        str
            Ellipses are latent variables, with the variance of the disturbance, in a frame for each
            level; boxes are items and covariates; dashed arrows are covariances of disturbances. What
            random intercepts act on is named after the response.
        """
        model = self.model
        frames = covariance_frames(model.mapping, model.level_names, np.asarray(self.params))
        name = model.endog_names
        return dot_source(
            model.latents, frames, name if isinstance(name, str) else ", ".join(name),
            self._by_name(), digits,
        )  # fmt: skip

    def remove_data(self) -> None:
        """Remove everything that has the length of the data, here and on the model.

        Estimates, tests, intervals (but profiles), summaries, the table of parameters and the path
        diagram remain.
        """
        extras, latents = self.model.extras, self.model.latents
        super().remove_data()
        self.model.extras = extras.without_data()
        self.model.latents = tuple(latent.without_data() for latent in latents)


class GLLAMMResultsWrapper(LatentVariableResultsWrapper):
    """Results with pandas labels."""

    _attrs = {"fittedvalues": None, "resid": None}
    _wrap_attrs = union_dicts(LatentVariableResultsWrapper._wrap_attrs, _attrs)


populate_wrapper(GLLAMMResultsWrapper, GLLAMMResults)
