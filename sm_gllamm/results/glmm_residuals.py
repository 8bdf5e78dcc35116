"""Residuals of results, and responses simulated from them."""

from __future__ import annotations

import numpy as np
import pandas as pd

from sm_gllamm.prediction.residuals import residuals, simulated_residuals
from sm_gllamm.prediction.simulate import response_draws
from sm_gllamm.results.base import LatentVariableResults

__all__ = ["ResidualMethods"]


class ResidualMethods(LatentVariableResults):
    """Residuals and simulation; part of :class:`sm_gllamm.results.glmm.GLMMResults`."""

    def _responses(self) -> tuple[np.ndarray, np.ndarray]:
        """Responses (counts of successes) and trials of the rows, each of shape (nobs,)."""
        assembly = self._with_data().assembly
        return assembly.unsort(assembly.problem.y), assembly.unsort(assembly.problem.trials)

    def get_resid(self, kind: str = "pearson", which: str = "posterior") -> np.ndarray:
        """Residuals about a mean of choice.

        Parameters
        ----------
        kind : {"response", "pearson", "deviance", "anscombe"}
            Raw; divided by the standard deviation given the random effects; signed square root of
            the deviance contribution; transformed to near normality.
        which : {"posterior", "conditional", "marginal"}
            The mean, as in :meth:`predict`. "posterior" leaves the deviations of rows within their
            clusters, "marginal" those from the population, clusters' random effects included.

        Returns
        -------
        ndarray, shape (nobs,)
            For binomial counts residuals of proportions.

        Notes
        -----
        Pearson, deviance and Anscombe residuals are scaled by the residual SD of gaussian models.
        """
        y, trials = self._responses()
        params = np.asarray(self.params)
        dispersion = float(params[-1]) if self.model.mapping.dispersion else 1.0
        mean = self.predict(which=which)
        return residuals(kind, self.model.family, y / trials, trials, mean, dispersion)

    @property
    def resid_response(self) -> np.ndarray:
        """Responses minus their posterior means, shape (nobs,)."""
        return self.get_resid("response")

    @property
    def resid_pearson(self) -> np.ndarray:
        """Pearson residuals about the posterior mean, shape (nobs,)."""
        return self.get_resid("pearson")

    @property
    def resid_deviance(self) -> np.ndarray:
        """Deviance residuals about the posterior mean, shape (nobs,)."""
        return self.get_resid("deviance")

    @property
    def resid_anscombe(self) -> np.ndarray:
        """Anscombe residuals about the posterior mean, shape (nobs,)."""
        return self.get_resid("anscombe")

    def _effects_by_code(self):
        return [effects.values for effects in self._cluster_effects("mean")]

    def resid_simulated(
        self, n_sim: int = 250, seed=None, conditional: bool = False
    ) -> np.ndarray | pd.Series:
        """Simulated (DHARMa-like) residuals, uniform on (0, 1) if the model holds.

        Parameters
        ----------
        n_sim : int
            Responses drawn for each row.
        seed : int or numpy.random.Generator, optional
        conditional : bool
            Keep the random effects at their posterior means instead of drawing new ones.

        Returns
        -------
        ndarray, shape (nobs,)
            Rank of the response among its draws, ties broken at random. Rows of a cluster are
            dependent unless `conditional`.

        References
        ----------
        Dunn, P. K. & Smyth, G. K. (1996). Randomized quantile residuals. Journal of Computational
        and Graphical Statistics 5, 236-244.
        Hartig, F. DHARMa: residual diagnostics for hierarchical regression models. R package.

        Examples
        --------
        >>> import sm_gllamm.formula.api as smgf
        >>> from sm_gllamm.datasets import bacteria
        >>> data = bacteria.load_pandas().data
        >>> result = smgf.glmm("y ~ week + (1 | ID)", data, family="binomial").fit()
        >>> residual = result.resid_simulated(n_sim=100, seed=1)
        >>> bool(((residual > 0) & (residual < 1)).all())
        True
        """
        rng = np.random.default_rng(seed)
        y, _ = self._responses()
        effects = self._effects_by_code() if conditional else None
        draws = response_draws(self.model, self.params, n_sim, rng, effects)
        return simulated_residuals(y, draws, rng)

    def simulate(
        self, n: int = 1, seed=None, conditional: bool = False
    ) -> pd.Series | pd.DataFrame:
        """Responses drawn from the fitted model, for the rows of the fit.

        Parameters
        ----------
        n : int
            Number of draws.
        seed : int or numpy.random.Generator, optional
        conditional : bool
            Keep the random effects at their posterior means instead of drawing new ones.

        Returns
        -------
        Series, shape (nobs,), or DataFrame, shape (nobs, n) for n > 1
            Counts of successes for binomial responses.

        Examples
        --------
        >>> import sm_gllamm.formula.api as smgf
        >>> from sm_gllamm.datasets import epil
        >>> data = epil.load_pandas().data
        >>> result = smgf.glmm("y ~ V4 + (1 | subject)", data, family="poisson").fit()
        >>> result.simulate(n=3, seed=1).shape
        (236, 3)
        """
        model = self._with_data()
        effects = self._effects_by_code() if conditional else None
        rng = np.random.default_rng(seed)
        draws = np.column_stack(list(response_draws(model, self.params, n, rng, effects)))
        index = model.data.row_labels
        if n == 1:
            name = model.endog_names if isinstance(model.endog_names, str) else model.endog_names[0]
            return pd.Series(draws[:, 0], index=index, name=name)
        return pd.DataFrame(draws, index=index)
