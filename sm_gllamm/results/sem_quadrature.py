"""Results of structural equation models whose likelihood is an integral."""

from __future__ import annotations

import numpy as np
import pandas as pd
from statsmodels.base.wrapper import populate_wrapper

from sm_gllamm.exceptions import SpecificationError
from sm_gllamm.results.base import LatentVariableResultsWrapper
from sm_gllamm.results.sem_path_diagram import SemDiagrams
from sm_gllamm.results.sem_quadrature_comparison import QuadratureComparison
from sm_gllamm.results.sem_quadrature_summary import quadrature_summary, quadrature_summary2
from sm_gllamm.results.sem_tables import VALUED, SemTables

__all__ = ["QuadratureSEMResults", "QuadratureSEMResultsWrapper"]


class QuadratureSEMResults(QuadratureComparison, SemTables, SemDiagrams):
    """Results of :meth:`sm_gllamm.models.sem_quadrature.QuadratureSEM.fit`."""

    title = "Structural Equation Model Results"
    information_kind = "observed"

    def __init__(self, model, mlefit, *, restriction, **kwargs):
        super().__init__(model, mlefit, **kwargs)
        #: constraints that hold at the estimates, None where there are none
        self.restriction = restriction

    # ------------------------------------------------------------ tables
    def _rows(self) -> list[int]:
        """Rows of the table that have values: not those in which a random coefficient stands."""
        rows = self.model.table.rows
        return [k for k, row in enumerate(rows) if row.op in (*VALUED, "|") and not row.rv]

    def _standardized(self, params: np.ndarray, kind: str) -> np.ndarray:
        values = super()._standardized(params, kind)
        rows = self.model.table.rows
        at = [k for k, row in enumerate(rows) if row.op == "|"]
        if at:
            # thresholds are on the scale of what lies behind the response
            variances = self.model.implied_variances(params)
            raw = self.model.row_values(params)[0]
            for k in at:
                variance = variances[self._home_block(rows[k])].get(rows[k].lhs, np.nan)
                sd = np.sqrt(variance) if kind == "all" else 1.0
                values[k] = raw[k] / sd
        return values

    def _home_block(self, row) -> int:
        """Block, from 0, in which a variable is a response."""
        level = self.model.inputs.translation.nodes[row.group - 1].home[row.lhs]
        return (row.group - 1) * len(self.model.table.levels) + level

    def _safe_standardized(self, params: np.ndarray, kind: str) -> np.ndarray:
        """Standardised values, NaN where there are none."""
        try:
            return self._standardized(params, kind)
        except SpecificationError:
            return np.full(len(self.model.table.rows), np.nan)

    def parameter_table(self, standardized: bool = False, alpha: float = 0.05) -> pd.DataFrame:
        """Every parameter of the model, free, fixed or defined.

        Parameters
        ----------
        standardized : bool
            Whether to add the columns ``std_lv`` and ``std_all``; NaN where there is no such thing.
        alpha : float
            One minus the confidence level.

        Returns
        -------
        DataFrame
            As :meth:`sm_gllamm.results.sem_tables.SemTables.parameter_table`; dispersions of responses, which
            lavaan does not have, have the operator ``"family"``.

        Examples
        --------
        >>> import sm_gllamm.api as smg
        >>> from sm_gllamm.datasets import lsat
        >>> data = lsat.load_pandas().data
        >>> result = smg.SEM("f =~ item_1 + item_2 + item_3", data, ordered=True).fit()
        >>> result.parameter_table()[["lhs", "op", "rhs"]].head(4).agg(" ".join, axis=1).tolist()
        ['f =~ item_1', 'f =~ item_2', 'f =~ item_3', 'item_1 | t1']
        """
        which = self._rows()
        params = np.asarray(self.params)
        values, slopes = self.model.row_values(params)
        covariance = np.asarray(self.cov_params())
        part = slopes[which]
        variance = np.einsum("ri,ij,rj->r", part, covariance, part)
        frame = self._tested(which, values[which], variance, alpha, part.any(1))
        if standardized:
            for kind in ("lv", "all"):
                frame[f"std_{kind}"] = self._safe_standardized(params, kind)[which]
        extras = self.model.inputs.translation.extras
        if not extras:
            return frame
        names = self.model.mapping.param_names
        at = [names.index(name) for name, *_ in extras]
        se, q = np.sqrt(np.maximum(np.diag(covariance)[at], 0.0)), self._quantile(alpha)
        more = pd.DataFrame(
            {"lhs": [e[2] for e in extras], "op": "family", "rhs": [e[3] for e in extras]}
        )
        if "group" in frame:
            more["group"] = [self.model.table.groups[e[1]] for e in extras]
        for column in ("level", "label"):
            if column in frame:
                more[column] = ""
        more["est"], more["se"] = params[at], se
        more["z"] = more["pvalue"] = np.nan
        more["lower"], more["upper"] = params[at] - q * se, params[at] + q * se
        return pd.concat([frame, more], ignore_index=True)

    def conf_int(self, alpha: float = 0.05, method: str | None = None) -> np.ndarray:
        """Confidence intervals of all parameters.

        Parameters
        ----------
        alpha : float
            One minus the confidence level.
        method : {None, "transformed", "profile"}
            None: estimate plus or minus a multiple of the standard error. "transformed": the same on the log
            scale for variances and dispersions. "profile": values that a likelihood-ratio test does not
            reject.

        Returns
        -------
        ndarray or DataFrame, shape (k_params, 2)
        """
        limits = np.array(super().conf_int(alpha, method))
        if method != "transformed":
            return limits
        params, se, q = np.asarray(self.params), np.asarray(self.bse), self._quantile(alpha)
        table = self.model.table
        positive = {
            int(table.distinct[row.free - 1])
            for row in table.rows
            if row.free and row.op == "~~" and row.lhs == row.rhs
        }
        positive |= set(range(int(table.distinct.max(initial=-1)) + 1, len(params)))
        for k in positive:
            if params[k] > 0.0:
                factor = np.exp(q * se[k] / params[k])
                limits[k] = params[k] / factor, params[k] * factor
        return limits

    def standardized(self, kind: str = "all", alpha: float = 0.05) -> pd.DataFrame:
        """Standardised solution with standard errors by the delta method.

        Parameters
        ----------
        kind : {"all", "lv"}
            All variables have a variance of one, or latent variables have.
        alpha : float
            One minus the confidence level.

        Returns
        -------
        DataFrame
            As :meth:`parameter_table`.

        Raises
        ------
        SpecificationError
            There is none: products of latent variables, random coefficients.

        Notes
        -----
        Of categorical responses the variance is that of what lies behind them, with a residual variance of 1
        (probit) or pi^2 / 3 (logit).
        """
        # said before anything is differentiated
        self.model.implied_variances(np.asarray(self.params))
        return super().standardized(kind, alpha)

    def r_squared(self) -> pd.DataFrame:
        """Share of the variance of each dependent variable that the model explains.

        Returns
        -------
        DataFrame
            Columns ``variable`` (with ``group`` and ``level`` where there are several) and ``rsquared``; of
            categorical responses that of what lies behind them. Responses without a residual variance, such
            as counts, are left out.

        Examples
        --------
        >>> import sm_gllamm.api as smg
        >>> from sm_gllamm.datasets import lsat
        >>> data = lsat.load_pandas().data
        >>> result = smg.SEM("f =~ item_1 + item_2 + item_3", data, ordered=True).fit()
        >>> result.r_squared()["rsquared"].between(0, 1).all().item()
        True
        """
        model, params = self.model, np.asarray(self.params)
        table = model.table
        variances = model.implied_variances(params)
        values = model.row_values(params)[0]
        residual = {
            (row.block, row.lhs): values[k]
            for k, row in enumerate(table.rows)
            if row.op == "~~" and row.lhs == row.rhs
        }
        rows = []
        for b, roles in enumerate(table.roles):
            dependent = {
                r.rhs if r.op == "=~" else r.lhs
                for r in table.rows
                if r.block == b + 1 and r.op in ("=~", "~")
            }
            for name in (*roles.observed, *roles.latent):
                variance = variances[b].get(name, np.nan)
                if name in dependent and variance > 0.0:
                    share = 1.0 - residual.get((b + 1, name), 0.0) / variance
                    rows.append(self._block_labels(b) | {"variable": name, "rsquared": share})
        return pd.DataFrame(rows)

    def _block_labels(self, b: int) -> dict[str, str]:
        """Group and level of a block, where there are several."""
        table = self.model.table
        group, level = divmod(b, len(table.levels))
        out = {}
        if len(table.groups) > 1:
            out["group"] = table.groups[group]
        if len(table.levels) > 1:
            out["level"] = table.levels[level]
        return out

    @property
    def cov_re(self) -> pd.DataFrame | dict[str, pd.DataFrame]:
        """Covariance matrix of the disturbances, of several groups or levels a dict.

        Returns
        -------
        DataFrame, or dict of DataFrame
        """
        model = self.model
        out, n_levels = {}, len(model.table.levels)
        for g, group in enumerate(model.mapping.groups):
            for level in range(n_levels):
                own = [
                    (c.names[: c.n_latent], c.matrix(np.asarray(self.params))[: c.n_latent, : c.n_latent])
                    for at, c, _ in group.disturbances
                    if at == level
                ]  # fmt: skip
                names = [name for part, _ in own for name in part]
                if not names:
                    continue
                frame = pd.DataFrame(0.0, names, names)
                for part, matrix in own:
                    frame.loc[list(part), list(part)] = matrix
                out[", ".join(self._block_labels(g * n_levels + level).values())] = frame
        return next(iter(out.values())) if len(out) == 1 else out

    # ------------------------------------------------------------ persons
    def factor_scores(
        self, data: pd.DataFrame | None = None, method: str = "eb", se: bool = False
    ) -> pd.DataFrame | dict[str, pd.DataFrame]:
        """Empirical Bayes scores: posterior means of the latent variables.

        Parameters
        ----------
        data : DataFrame, optional
            New persons, with the columns of covariates and of the responses that are known, and of clusters
            and groups. Default: those of the fit.
        method : {"eb", "regression"}
            Names of the same thing.
        se : bool
            Whether to add posterior standard deviations, ``name.se``.

        Returns
        -------
        DataFrame, or dict of level name to DataFrame
            A row a person; of models with several levels a dict from the top level down, with a row a
            cluster.

        Examples
        --------
        >>> import sm_gllamm.api as smg
        >>> from sm_gllamm.datasets import lsat
        >>> data = lsat.load_pandas().data
        >>> result = smg.SEM("f =~ item_1 + item_2 + item_3", data, ordered=True).fit()
        >>> list(result.factor_scores(data.iloc[:5], se=True).columns)
        ['f', 'f.se']
        """
        if method not in ("eb", "regression"):
            raise SpecificationError(
                f"method={method!r} is not available for responses by quadrature; use 'eb'"
            )
        model = self.model
        persons = model.persons_of(data, "factor_scores")
        scores = model.latent_scores(np.asarray(self.params), self.quadrature, data)
        frames: dict[int, pd.DataFrame] = {}
        for level, name, person, mean, sd in scores:
            if level not in frames:
                labels = persons.index if level == 0 else persons.labels[level - 1]
                frames[level] = pd.DataFrame(index=labels)
            place = persons.units(level)[person]
            for column, values in ((name, mean), (f"{name}.se", sd)):
                if column != name and not se:
                    continue
                if column not in frames[level]:
                    frames[level][column] = np.nan
                frames[level].iloc[place, frames[level].columns.get_loc(column)] = values
        if len(model.table.levels) == 1:
            return frames.get(0, pd.DataFrame(index=persons.index))
        names = model.inputs.level_names
        return {names[level]: frames[level] for level in sorted(frames, reverse=True)}

    def predict(
        self, data: pd.DataFrame | None = None, outcomes=None, which="marginal", transform=True
    ):
        """Expected responses, of ordered ones the probabilities of the categories.

        Parameters
        ----------
        data : DataFrame, optional
            New persons. Default: those of the fit.
        outcomes : str or list of str, optional
            Responses; default all.
        which : {"marginal", "posterior"}
            Averaged over the distribution of the latent variables given covariates; or given all responses of
            the person (and the cluster), the outcome itself among them where it is known.
        transform : bool
            For statsmodels' sake.

        Returns
        -------
        DataFrame
            A row a person; columns ``name``, or ``name=category``.

        Notes
        -----
        Observed variables that predict others have the values in the data.

        Examples
        --------
        >>> import sm_gllamm.api as smg
        >>> from sm_gllamm.datasets import lsat
        >>> data = lsat.load_pandas().data
        >>> result = smg.SEM("f =~ item_1 + item_2 + item_3", data, ordered=True).fit()
        >>> result.predict(data.iloc[:2], "item_1").round(2).iloc[0].tolist()
        [0.08, 0.92]
        """
        if which not in ("marginal", "posterior"):
            raise SpecificationError(f"which={which!r} is not known; use 'marginal' or 'posterior'")
        return self.model.expected_responses(
            np.asarray(self.params), self.quadrature, data, outcomes, which
        )

    # ------------------------------------------------------------ presentation
    def remove_data(self) -> None:
        """Remove everything that has the length of the data, here and on the model.

        Estimates, tests, intervals (but profiles), standardised solutions and summaries remain.
        """
        kept = self.model.inputs.without_rows()
        super().remove_data()
        self.model.inputs = kept

    def summary(self, yname=None, xname=None, title=None, alpha: float = 0.05):
        """Quadrature, parameters in sections, and everything the verdict has against the fit.

        Parameters
        ----------
        yname, xname
            Not used.
        title : str, optional
        alpha : float
            One minus the confidence level.

        Returns
        -------
        statsmodels.iolib.summary.Summary
        """
        return quadrature_summary(self, title, alpha)

    def summary2(self, title=None, alpha: float = 0.05, float_format: str = "%.4f"):
        """The same content as `summary` in statsmodels' other layout.

        Parameters
        ----------
        title : str, optional
        alpha : float
        float_format : str

        Returns
        -------
        statsmodels.iolib.summary2.Summary
        """
        return quadrature_summary2(self, title, alpha, float_format)


class QuadratureSEMResultsWrapper(LatentVariableResultsWrapper):
    """Results with pandas labels."""


populate_wrapper(QuadratureSEMResultsWrapper, QuadratureSEMResults)
