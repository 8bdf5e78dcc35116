"""What a structural equation model says at given parameters; part of :class:`sm_gllamm.models.sem.SEM`."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from sm_gllamm.exceptions import SpecificationError
from sm_gllamm.likelihood.cluster_posterior import cluster_posterior
from sm_gllamm.models.glmm_fit import FitMethods
from sm_gllamm.models.sem_incomplete import complete_tests
from sm_gllamm.models.sem_modification import candidates, score_tests
from sm_gllamm.models.sem_releases import release_tests
from sm_gllamm.models.sem_residuals import residual_errors
from sm_gllamm.models.sem_saturated import MomentModel, baseline_model, saturated_model

__all__ = ["SemQuantities"]


class SemQuantities(FitMethods):
    """Implied moments, rows of the table, neighbouring models and simulated data."""

    inputs: Any
    table: Any

    def implied_moments(self, params) -> list[tuple[pd.Series, pd.DataFrame]]:
        """Implied means and covariances of the observed variables of each block.

        Parameters
        ----------
        params : array_like, shape (k_params,)

        Returns
        -------
        list of (Series, DataFrame)
            Means are those of the sample where the model has none.
        """
        out = []
        for b, block in enumerate(self.mapping.implied(self.mapping.theta(params))):
            names = list(block.block.variables[: block.block.n_observed])
            seen = slice(0, block.block.n_observed)
            mean = block.mean[seen]
            if not self.inputs.mean_structure:
                known = self.inputs.start_moments[b][0]
                mean = np.full(len(names), np.nan) if known is None else known
            out.append(
                (pd.Series(mean, names), pd.DataFrame(block.covariance[seen, seen], names, names))
            )
        return out

    def saturated(self) -> MomentModel:
        """The model of all means and covariances at its maximum."""
        return saturated_model(self.inputs)

    def baseline(self) -> MomentModel:
        """The model without covariances, but of given covariates, at its maximum."""
        return baseline_model(self.inputs)

    def modification_scores(self, params, information: str, restriction):
        """Candidates for further parameters, their score tests and expected changes."""
        theta = self.mapping.theta(params)
        expected = information == "expected"
        hessian = None if expected else self.likelihood.evaluate(theta, 2).hessian
        inverse = self._bread(theta, hessian, information, restriction)
        which = candidates(self.table)
        likelihood: Any = self.likelihood
        return which, *score_tests(likelihood, theta, which, inverse, expected)

    def residual_errors(self, params, restriction, saturated, fitted: bool):
        """Standard errors of residuals; see :func:`sm_gllamm.models.sem_residuals.residual_errors`."""
        theta = self.mapping.theta(params)
        basis = None if restriction is None else restriction.tangent(theta)
        expected = self.inputs.complete and not self.inputs.levels
        likelihood: Any = self.likelihood
        return residual_errors(likelihood, saturated, theta, basis, expected, fitted)

    def release_tests(self, params, information: str, restriction):
        """Score tests of the equations that hold; see :func:`sm_gllamm.models.sem_releases.release_tests`."""
        likelihood: Any = self.likelihood
        return release_tests(
            likelihood, self.table, self.inputs.given, self.mapping.theta(params), restriction,
            information == "expected",
        )  # fmt: skip

    def complete_tests(self, params, restriction, saturated, baseline, df, cov_type, cov_kwds):
        """Tests of this model and of the baseline as if no values were missing.

        Parameters
        ----------
        params : array_like, shape (k_params,)
        restriction : SemRestriction or None
            Constraints that hold.
        saturated, baseline : MomentModel
        df : tuple of float
            Degrees of freedom of both tests.
        cov_type, cov_kwds
            As in :meth:`fit`; with robust standard errors responses need not be normal.

        Returns
        -------
        list of CompleteTest
        """
        theta = self.mapping.theta(params)
        basis = None if restriction is None else restriction.tangent(theta)
        parts: list = [
            (self.likelihood, theta, basis, df[0]),
            (baseline.likelihood, baseline.theta, None, df[1]),
        ]

        def products():
            return self.score_products(saturated.likelihood, saturated.theta, cov_type, cov_kwds)

        robust = None if cov_type == "nonrobust" else products
        return complete_tests(self.inputs, saturated, parts, robust)

    def score_products(self, likelihood, theta, cov_type="robust", cov_kwds=None) -> np.ndarray:
        """Sum of the products of scores of independent units, the meat of sandwiches.

        Parameters
        ----------
        likelihood : NormalMoments
            Of this or another model of the same data.
        theta : array_like, shape (p,)
        cov_type : str
            "cluster": scores are added within clusters first.
        cov_kwds : dict, optional
            As in :meth:`fit`.

        Returns
        -------
        ndarray, shape (p, p)
        """
        if not self.inputs.has_rows:
            raise SpecificationError("the model was given moments; robust tests need the data")
        score = likelihood.units(theta, 1).score
        if cov_type != "cluster":
            score = self._scores_of_units(score)
            return score.T @ score
        kwds = dict(cov_kwds or {})
        codes = (
            self._group_of_cluster(kwds) if "groups" in kwds
            else self._group_of_unit(np.asarray(self.inputs.cluster))
        )  # fmt: skip
        sums = np.zeros((codes.max() + 1, score.shape[1]))
        np.add.at(sums, codes, score)
        factor = len(sums) / (len(sums) - 1.0) if kwds.get("use_correction", True) else 1.0
        return factor * sums.T @ sums

    def implied_variances(self, params) -> list[dict[str, float]]:
        """Implied variances of all variables, observed and latent, of each block."""
        return [
            dict(zip(block.block.variables, np.diag(block.covariance).tolist(), strict=True))
            for block in self.mapping.implied(self.mapping.theta(params))
        ]

    def cluster_posteriors(self, params, data, what: str, given=None):
        """What the observations of clusters say about their rows and between parts.

        Parameters
        ----------
        params : array_like, shape (k_params,)
        data : DataFrame or None
            New clusters; None: those of the fit.
        what : str
            For messages.
        given : sequence of str, optional
            Observations that count; default all.

        Yields
        ------
        tuple of (int, Index, ClusterPosterior, ClusterSet, list of ImpliedBlock)
            Number of the group, index of its rows, and implied moments of both levels.
        """
        implied = self.mapping.implied(self.mapping.theta(params))
        for g, index, cells in self.inputs.clusters_of(data, what, given):
            state = cells.clusters.state(implied)
            if state is None:
                raise SpecificationError("the implied covariance matrix is not positive definite")
            posterior = cluster_posterior(state, cells.within, cells.cell)
            yield g, index, posterior, cells.clusters, implied[2 * g : 2 * g + 2]

    def row_values(self, params) -> tuple[np.ndarray, np.ndarray]:
        """Values of the rows of the table, and their derivatives in the parameters.

        Parameters
        ----------
        params : array_like, shape (k_params,)

        Returns
        -------
        values : ndarray, shape (n_rows,)
            NaN in rows of constraints.
        slopes : ndarray, shape (n_rows, k_params)
        """
        table, params = self.table, np.asarray(params, dtype=float)
        values = np.full(len(table.rows), np.nan)
        slopes = np.zeros((len(table.rows), len(params)))
        for k, row in enumerate(table.rows):
            if row.free:
                values[k] = params[table.distinct[row.free - 1]]
                slopes[k, table.distinct[row.free - 1]] = 1.0
            elif row.exo and row.ustart is None:
                key = (row.lhs,) if row.op == "~1" else (row.lhs, row.rhs)
                values[k] = self.inputs.given[row.block - 1][key]
            elif row.ustart is not None:
                values[k] = row.ustart
        if table.defined:
            at = [k for k, row in enumerate(table.rows) if row.op == ":="]
            values[at], by_free = table.evaluate(params[table.distinct], ":=")
            for position, column in zip(table.distinct, by_free.T, strict=True):
                slopes[at, position] += column
        return values, slopes

    def simulate(self, params, n: int = 1, seed=None) -> pd.DataFrame | list[pd.DataFrame]:
        """Responses drawn at given parameters, with the covariates and missing values of the data.

        Parameters
        ----------
        params : array_like, shape (k_params,)
        n : int
        seed : int or numpy.random.Generator, optional

        Returns
        -------
        DataFrame, or list of n DataFrames
        """
        rng = np.random.default_rng(seed)
        implied = self.mapping.implied(self.mapping.theta(params))
        draws = [self.inputs.drawn(implied, rng) for _ in range(n)]
        return draws[0] if n == 1 else draws
