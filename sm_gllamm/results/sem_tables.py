"""Tables of the parameters of structural equation models."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy import stats

from sm_gllamm.exceptions import SpecificationError
from sm_gllamm.results.base import LatentVariableResults
from sm_gllamm.results.sem_standardized import KINDS, numerical_jacobian, standardized_values

__all__ = ["SemTables"]

#: Operators of rows that have values.
VALUED = ("=~", "~", "~~", "~1", ":=")


class SemTables(LatentVariableResults):
    """Parameter tables, standardised solutions and defined parameters."""

    def _rows(self) -> list[int]:
        """Rows of the table that have values, defined parameters last."""
        return [k for k, row in enumerate(self.model.table.rows) if row.op in VALUED]

    def _labels(self, which: list[int]) -> pd.DataFrame:
        """What identifies rows of the table."""
        table = self.model.table
        rows = [table.rows[k] for k in which]
        frame = pd.DataFrame(
            {"lhs": [r.lhs for r in rows], "op": [r.op for r in rows], "rhs": [r.rhs for r in rows]}
        )
        if len(table.groups) > 1:
            frame["group"] = [table.groups[r.group - 1] if r.group else "" for r in rows]
        if len(table.levels) > 1:
            frame["level"] = [table.levels[r.level - 1] if r.level else "" for r in rows]
        if any(r.label for r in rows if r.op != ":="):
            frame["label"] = ["" if r.label.startswith(".p") else r.label for r in rows]
        return frame

    def _tested(self, which, estimate, variance, alpha: float, freely: np.ndarray) -> pd.DataFrame:
        """Estimates with standard errors, tests and limits; nothing of these for what is not free."""
        frame = self._labels(which)
        se = np.where(freely, np.sqrt(np.maximum(variance, 0.0)), 0.0)
        with np.errstate(divide="ignore", invalid="ignore"):
            z = np.where(se > 0.0, estimate / se, np.nan)
        law = stats.t(self.df_resid) if self.use_t else stats.norm
        q = self._quantile(alpha)
        frame["est"], frame["se"], frame["z"] = estimate, se, z
        frame["pvalue"] = 2.0 * law.sf(np.abs(z))
        frame["lower"], frame["upper"] = estimate - q * se, estimate + q * se
        return frame

    def parameter_table(self, standardized: bool = False, alpha: float = 0.05) -> pd.DataFrame:
        """Every parameter of the model, free, fixed or defined.

        Parameters
        ----------
        standardized : bool
            Whether to add the columns ``std_lv`` and ``std_all``.
        alpha : float
            One minus the confidence level.

        Returns
        -------
        DataFrame
            Columns ``lhs``, ``op``, ``rhs`` (with ``group``, ``level`` and ``label`` where there are any),
            ``est``, ``se`` (0 where fixed), ``z``, ``pvalue``, ``lower``, ``upper``.

        Examples
        --------
        >>> import sm_gllamm.api as smg
        >>> from sm_gllamm.datasets import holzinger
        >>> data = holzinger.load_pandas().data
        >>> result = smg.SEM("visual =~ x1 + x2 + x3", data).fit()
        >>> print(result.parameter_table()[["lhs", "op", "rhs", "est"]].round(3).head(3))
              lhs  op rhs    est
        0  visual  =~  x1  1.000
        1  visual  =~  x2  0.778
        2  visual  =~  x3  1.107
        """
        which = self._rows()
        params = np.asarray(self.params)
        values, slopes = self.model.row_values(params)
        covariance = np.asarray(self.cov_params())
        part = slopes[which]
        variance = np.einsum("ri,ij,rj->r", part, covariance, part)
        frame = self._tested(which, values[which], variance, alpha, part.any(1))
        if standardized:
            for kind in KINDS:
                frame[f"std_{kind}"] = self._standardized(params, kind)[which]
        return frame

    def _standardized(self, params: np.ndarray, kind: str) -> np.ndarray:
        model = self.model
        return standardized_values(
            model.table, model.row_values(params)[0], model.implied_variances(params), kind
        )

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

        Notes
        -----
        Covariances of residuals become correlations of residuals. Variances of given covariates count as
        known.

        Examples
        --------
        >>> import sm_gllamm.api as smg
        >>> from sm_gllamm.datasets import holzinger
        >>> data = holzinger.load_pandas().data
        >>> result = smg.SEM("visual =~ x1 + x2 + x3", data).fit()
        >>> result.standardized()["est"].round(3).head(3).tolist()
        [0.621, 0.479, 0.71]
        """
        if kind not in KINDS:
            raise SpecificationError(f"kind={kind!r} is not known; use 'all' or 'lv'")
        which = self._rows()
        params = np.asarray(self.params)
        jacobian = numerical_jacobian(lambda at: self._standardized(at, kind)[which], params)
        covariance = np.asarray(self.cov_params())
        variance = np.einsum("ri,ij,rj->r", jacobian, covariance, jacobian)
        freely = np.abs(jacobian).max(1, initial=0.0) > 1e-9
        return self._tested(which, self._standardized(params, kind)[which], variance, alpha, freely)

    def defined_parameters(
        self, alpha: float = 0.05, bootstrap: int | None = None, seed=None
    ) -> pd.DataFrame:
        """Parameters that the text defines by ``:=``, such as indirect effects.

        Parameters
        ----------
        alpha : float
            One minus the confidence level.
        bootstrap : int, optional
            Number of bootstrap samples of rows; their percentiles are the limits then, and their standard
            deviation the standard error. Default: the delta method.
        seed : int or numpy.random.Generator, optional

        Returns
        -------
        DataFrame
            Indexed by name: ``est``, ``se``, ``z``, ``pvalue``, ``lower``, ``upper``.

        Examples
        --------
        >>> import sm_gllamm.api as smg
        >>> from sm_gllamm.datasets import holzinger
        >>> data = holzinger.load_pandas().data
        >>> text = "x4 ~ a*x1 \\n x7 ~ b*x4 \\n indirect := a*b"
        >>> result = smg.SEM(text, data).fit()
        >>> print(result.defined_parameters().round(4))
                     est      se       z  pvalue   lower   upper
        indirect  0.0605  0.0216  2.8036  0.0051  0.0182  0.1027
        """
        table = self.model.table
        frame = self.parameter_table(alpha=alpha)
        frame = frame[frame["op"] == ":="].set_index("lhs")
        frame = frame[["est", "se", "z", "pvalue", "lower", "upper"]].rename_axis(index=None)
        if bootstrap is None or not len(frame):
            return frame
        draws = self.bootstrap(bootstrap, seed=seed).params.to_numpy()
        values = table.evaluate(draws[:, table.distinct], ":=")[0]
        frame["se"] = values.std(axis=0, ddof=1)
        frame["z"] = frame["est"] / frame["se"]
        frame["pvalue"] = 2.0 * stats.norm.sf(np.abs(frame["z"]))
        frame["lower"], frame["upper"] = np.quantile(values, [alpha / 2, 1 - alpha / 2], axis=0)
        return frame
