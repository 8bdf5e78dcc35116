"""Results of the general model."""

from __future__ import annotations

import numpy as np
import pandas as pd
from statsmodels.base.wrapper import populate_wrapper

from sm_gllamm.exceptions import SpecificationError
from sm_gllamm.plotting.path_diagrams import plot_path_diagram
from sm_gllamm.prediction.covariate_effects import CovariateEffects, covariate_effects
from sm_gllamm.prediction.latent_variables import latent_scores
from sm_gllamm.prediction.means import kind_of_prediction
from sm_gllamm.results.glmm import GLMMResults, GLMMResultsWrapper
from sm_gllamm.results.path_diagram import dot_source, path_tables
from sm_gllamm.results.random_part import covariance_frames

__all__ = ["GLLAMMResults", "GLLAMMResultsWrapper"]


class GLLAMMResults(GLMMResults):
    """Results of :meth:`sm_gllamm.models.gllamm.GLLAMM.fit`.

    Notes
    -----
    :attr:`random_effects` and :meth:`ranef` are about the disturbances zeta of the latent variables;
    :attr:`latent_scores` is about the latent variables themselves, after the structural model.
    """

    title = "Generalized Linear Latent and Mixed Model Results"

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
        Of ``eta = (I - B)^-1 (Gamma w + zeta)`` given the responses of the cluster and the estimates;
        :attr:`random_effects` are those of the disturbances zeta. Posterior covariances between levels
        are part of the standard deviations.

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
        frames = latent_scores(self._with_data(), self.theta, self.quadrature)
        return next(iter(frames.values())) if len(frames) == 1 else frames

    @property
    def param_table(self) -> pd.DataFrame:
        """Every coefficient of the model's equations with its estimate and standard error.

        Returns
        -------
        DataFrame
            The model's table with columns ``estimate`` and ``std_err`` instead of starting values; fixed
            coefficients have no standard error.
        """
        table = self.model.coefficients
        errors = dict(zip(self.model.mapping.param_names, np.asarray(self.bse), strict=True))
        estimates = table["parameter"].map(self._by_name())
        return table.assign(
            estimate=estimates.where(table["fixed"].isna(), table["fixed"]),
            std_err=table["parameter"].map(errors),
        )

    def get_margeff(
        self, at: str = "overall", method: str = "dydx", atexog=None, dummy: bool = False,
        count: bool = False, which: str = "marginal", *, variables=None,
    ) -> CovariateEffects:  # fmt: skip
        """Marginal effects of covariates on the mean response, wherever they are in the model.

        Parameters
        ----------
        at : {"overall", "all"}
            Averaged over the rows of the fit, or for every row.
        method : {"dydx", "eyex", "dyex", "eydx"}
            Derivative, elasticity, semi-elasticities.
        atexog : dict of str to value, optional
            Columns of the data that are held at a value.
        dummy, count : bool
            Treat 0/1 covariates as changing from 0 to 1, whole numbers as changing by one.
        which : {"marginal", "conditional"}
            Effects on the mean over the distribution of the disturbances, or on the mean where they are
            zero.
        variables : str or sequence of str, optional
            Columns of the data; default the numeric ones of the fixed part and of the regressions.

        Returns
        -------
        CovariateEffects
            With ``summary()``, ``summary_frame()``, ``margeff``, ``margeff_se``, ``conf_int()``.

        Raises
        ------
        SpecificationError
            Responses with several rows, categories or families; models from arrays.

        Notes
        -----
        A covariate changes in all formulas at once: direct effects, loadings, and regressions of latent
        variables. Of mixed models the effects are those of columns of the design matrix. Standard
        errors are by the delta method.

        Examples
        --------
        >>> import numpy as np, pandas as pd
        >>> import sm_gllamm.api as smg
        >>> rng = np.random.default_rng(1)
        >>> person, item = np.repeat(np.arange(300), 4), np.tile(np.arange(4), 300)
        >>> x = rng.normal(size=300)
        >>> eta = 0.8 * x + rng.normal(size=300)
        >>> y = rng.binomial(1, 1 / (1 + np.exp(-eta[person])))
        >>> data = pd.DataFrame({"y": y, "item": item, "person": person, "x": x[person]})
        >>> factor = smg.Latent("ability", "person", loadings="0 + C(item)")
        >>> model = smg.GLLAMM.from_formula("y ~ 0 + C(item)", data, latent=[factor],
        ...                                 regressions=["ability ~ x"], family="binomial")
        >>> print(model.fit().get_margeff().summary_frame().iloc[:, :2].round(3))
           dy/dx  Std. Err.
        x  0.179      0.017
        """
        return covariate_effects(
            self._with_data(), self.params, np.asarray(self.cov_params()), kind_of_prediction(which),
            variables, at, method, atexog, dummy, count,
        )  # fmt: skip

    def icc(self, at=None, alpha: float = 0.05) -> pd.DataFrame:
        """Not available: with loadings the correlation differs between pairs of items."""
        raise SpecificationError(
            "the intraclass correlation is that of random intercepts; with loadings it differs between "
            "pairs of items: see cov_re and the loadings in param_table"
        )

    def median_odds_ratio(self, at=None, alpha: float = 0.05) -> pd.DataFrame:
        """Not available: with loadings the ratio differs between items."""
        raise SpecificationError(
            "the median odds ratio is that of random intercepts; with loadings it differs between items: "
            "see cov_re and the loadings in param_table"
        )

    def _path_tables(self, digits: int) -> tuple[list[str], pd.DataFrame, pd.DataFrame]:
        """Levels from the top down, nodes and edges of the path diagram."""
        model = self.model
        frames = covariance_frames(model.mapping, model.level_names, np.asarray(self.params))
        name = model.endog_names
        nodes, edges = path_tables(
            model.latents, frames,
            name if isinstance(name, str) else ", ".join(name), self._by_name(), digits,
        )  # fmt: skip
        return list(frames), nodes, edges

    def path_diagram(self, digits: int = 2) -> str:
        """Path diagram with the estimates as Graphviz source (DOT).

        Parameters
        ----------
        digits : int

        Returns
        -------
        str
            Ellipses are latent variables, with the variance of the disturbance, in the frame of their
            level; boxes are items and covariates; dashed arrows are covariances of disturbances. What
            random intercepts act on is named after the response. :meth:`plot_path_diagram` draws it.
        """
        return dot_source(*self._path_tables(digits))

    def plot_path_diagram(self, digits: int = 2, ax=None):
        """Path diagram with the estimates, drawn by matplotlib.

        Parameters
        ----------
        digits : int
        ax : matplotlib.axes.Axes, optional
            Default a figure as large as the diagram needs.

        Returns
        -------
        matplotlib.figure.Figure
            What :meth:`path_diagram` says. Items stand in the middle, latent variables and covariates
            beside them; what is in the frame of a level varies between its clusters.

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
        >>> figure = result.plot_path_diagram()
        """
        return plot_path_diagram(*self._path_tables(digits), ax=ax)

    def remove_data(self) -> None:
        """Remove everything that has the length of the data, here and on the model.

        Estimates, tests, intervals (but profiles), summaries, the table of parameters, the path diagram
        and predictions for new data remain.
        """
        latents = self.model.latents
        super().remove_data()
        self.model.latents = tuple(latent.without_data() for latent in latents)


class GLLAMMResultsWrapper(GLMMResultsWrapper):
    """Results with pandas labels."""


populate_wrapper(GLLAMMResultsWrapper, GLLAMMResults)
