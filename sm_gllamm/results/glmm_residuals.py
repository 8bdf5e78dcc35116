"""Residuals of results, and responses simulated from them."""

from __future__ import annotations

import numpy as np
import pandas as pd

from sm_gllamm.exceptions import SpecificationError
from sm_gllamm.prediction.means import kind_of_prediction
from sm_gllamm.prediction.members import members_of
from sm_gllamm.prediction.predict import cells, predicted, prediction_columns, targets_of
from sm_gllamm.prediction.residuals import (
    category_residuals,
    compared_bounds,
    residuals,
    simulated_residuals,
)
from sm_gllamm.prediction.rows import model_rows
from sm_gllamm.prediction.simulate import latent_draws, member_data, response_draws
from sm_gllamm.results.base import LatentVariableResults

__all__ = ["ResidualMethods"]


class ResidualMethods(LatentVariableResults):
    """Residuals and simulation; part of :class:`sm_gllamm.results.glmm.GLMMResults`."""

    def _by_row(self, values):
        """Values by row, labelled as the data are."""
        if isinstance(values, (pd.Series, pd.DataFrame)):
            return values
        return self.model.data.wrap_output(values, "rows")

    def get_resid(self, kind: str = "pearson", which: str = "posterior"):
        """Residuals about a mean of choice.

        Parameters
        ----------
        kind : {"response", "pearson", "deviance", "anscombe"}
            Raw; divided by the standard deviation given the random effects; signed square root of
            the deviance contribution; transformed to near normality. The last two are for families
            of statsmodels and the NB2.
        which : {"posterior", "conditional", "marginal"}
            The mean, as in :meth:`predict`. "posterior" leaves the deviations of rows within their
            clusters, "marginal" those from the population, clusters' random effects included.

        Returns
        -------
        ndarray or Series, shape (nobs,), or DataFrame, shape (nobs, K)
            For binomial counts residuals of proportions; for categorical responses those of the
            indicators of the categories, in columns as in :meth:`predict`. NaN where a response is
            censored.

        Raises
        ------
        SpecificationError
            Residuals that the family does not have.

        Notes
        -----
        Pearson, deviance and Anscombe residuals are scaled by the dispersion. For residuals that are
        comparable between all families, censored responses included, see :meth:`resid_simulated`.
        """
        model, rows = self._with_data(), model_rows(self.model)
        kind_of_mean = kind_of_prediction(which)
        if kind_of_mean == "linear":
            raise SpecificationError("residuals are about means; which='linear' is none")
        mean = predicted(model, self.params, rows, kind_of_mean, None, self.quadrature)
        columns, out = prediction_columns(model, rows, kind_of_mean), np.full(mean.shape, np.nan)
        for target, at in targets_of(model, rows):
            data, member = member_data(model, target), target.member
            own = cells(target.columns, at, columns)
            if member.law.categorical or member.law.alternatives:
                out[own] = category_residuals(kind, member, data, mean[own])
            else:
                slots = target.slots(self.theta, rows.take(at), data)
                out[own] = residuals(kind, member, slots, mean[own])
        if columns is None:
            return self._by_row(out)
        return pd.DataFrame(out, index=rows.index, columns=pd.Index(columns))

    @property
    def resid_response(self):
        """Responses minus their posterior means, shape (nobs,)."""
        return self.get_resid("response")

    @property
    def resid_pearson(self):
        """Pearson residuals about the posterior mean, shape (nobs,)."""
        return self.get_resid("pearson")

    @property
    def resid_deviance(self):
        """Deviance residuals about the posterior mean, shape (nobs,)."""
        return self.get_resid("deviance")

    @property
    def resid_anscombe(self):
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
            Rank of the response among its draws, ties broken at random (randomized quantile
            residuals). A censored response gets a random place among the draws that its bounds
            allow. Rows of a cluster are dependent unless `conditional`.

        Raises
        ------
        SpecificationError
            Responses without an order: unordered categories, choices, rankings.

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
        model, rows = self._with_data(), model_rows(self.model)
        lower, upper = np.empty(rows.n), np.empty(rows.n)
        for target, at in targets_of(model, rows):
            lower[at], upper[at] = compared_bounds(target.member, member_data(model, target))
        effects = self._effects_by_code() if conditional else None
        draws = latent_draws(model, self.params, n_sim, rng, effects)
        return self._by_row(simulated_residuals(lower, upper, draws, rng))

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
            Counts of successes for binomial responses, categories for categorical ones. Where endog
            has two columns (durations and events, bounds), a DataFrame with these columns, for n > 1
            with columns (draw, column).

        Notes
        -----
        Durations are drawn given that they exceed the times of entry, and then censored: rows that
        are right-censored in the data are followed up to that time, rows censored to an interval are
        looked at at its ends, the others are seen exactly. Limits of censored gaussian responses
        apply to all rows. Rankings have as many ranks as in the data, without ties.

        Where the link leaves some predictors without a mean (identity and reciprocal links), random
        effects are drawn given that all rows of the cluster have one.

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
        draws = list(response_draws(model, self.params, n, rng, effects))
        index, names = model.data.row_labels, model.endog_names
        if draws[0].ndim == 2:
            frames = [pd.DataFrame(draw, index=index, columns=pd.Index(names)) for draw in draws]
            return frames[0] if n == 1 else pd.concat(dict(enumerate(frames)), axis=1)
        members = members_of(model)
        if members[0].law.categorical and members[0].label is None:
            ordered = members[0].layout != "nominal"
            kind = pd.CategoricalDtype(list(members[0].categories), ordered=ordered)
            draws = [pd.Categorical.from_codes(draw.astype(int), dtype=kind) for draw in draws]
        if n == 1:
            return pd.Series(draws[0], index=index, name=np.atleast_1d(names)[0])
        return pd.DataFrame(dict(enumerate(draws)), index=index)
