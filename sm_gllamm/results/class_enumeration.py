"""Fits of latent class models with several numbers of classes, compared."""

from __future__ import annotations

import textwrap
from typing import Any

import numpy as np
import pandas as pd
from statsmodels.iolib.summary import Summary
from statsmodels.iolib.table import SimpleTable
from statsmodels.iolib.tableformatting import fmt_params

from sm_gllamm.exceptions import SpecificationError
from sm_gllamm.inference.class_number import BootstrapLikelihoodRatioTest, LoMendellRubinTest
from sm_gllamm.plotting.class_enumeration import plot_criteria

__all__ = ["ClassEnumerationResults"]

CRITERIA = ("aic", "bic", "sabic", "caic", "icl")


class ClassEnumerationResults:
    """Fits by number of classes, and what tells them apart.

    Parameters
    ----------
    results : dict of int to LatentClassResults

    Attributes
    ----------
    results : dict of int to LatentClassResults
        Also ``fits[k]``.

    Examples
    --------
    >>> import sm_gllamm.api as smg
    >>> from sm_gllamm.datasets import lsat
    >>> data = lsat.load_pandas().data
    >>> items = [c for c in data if c.startswith("item")]
    >>> fits = smg.LatentClass(data, range(1, 4), items=items).fit(disp=0)
    >>> fits.best("aic"), fits.best("bic")
    (2, 2)
    >>> round(fits[2].llf, 2)
    -2467.41
    """

    def __init__(self, results: dict[int, Any]):
        self.results = dict(sorted(results.items()))
        self._blrt: dict[int, BootstrapLikelihoodRatioTest] = {}
        self._lmr: dict[int, LoMendellRubinTest] = {}

    def __getitem__(self, k: int):
        if k not in self.results:
            raise SpecificationError(
                f"there is no fit with {k!r} classes; there are {list(self.results)}"
            )
        return self.results[k]

    def __iter__(self):
        return iter(self.results)

    def __len__(self) -> int:
        return len(self.results)

    @property
    def table(self) -> pd.DataFrame:
        """Comparison of the fits, a row a number of classes.

        Returns
        -------
        DataFrame
            ``llf``, ``k_params`` (probabilities of zero count), ``aic``, ``bic``, ``sabic`` (sample-size
            adjusted), ``caic``, ``icl``, ``entropy`` (relative, 1 is certain), ``smallest`` (size of the
            smallest class), ``reached`` and ``starts`` (how many starts reached the log-likelihood),
            ``converged``, ``g2`` with ``df`` where the patterns make a table, and of the tests that were
            made ``blrt_p``, ``vlmr_p`` and ``lmr_p``, each against the next smaller number of classes.
        """
        rows = {k: self._row(results) for k, results in self.results.items()}
        out = pd.DataFrame.from_dict(rows, orient="index").rename_axis("n_classes")
        if out["g2"].isna().all():
            out = out.drop(columns=["g2", "df"])
        if self._blrt:
            out["blrt_p"] = pd.Series({k: test.pvalue for k, test in self._blrt.items()})
        if self._lmr:
            out["vlmr_p"] = pd.Series({k: test.pvalue for k, test in self._lmr.items()})
            out["lmr_p"] = pd.Series({k: test.adjusted_pvalue for k, test in self._lmr.items()})
        return out

    @staticmethod
    def _row(results) -> dict[str, Any]:
        verdict = results.verdict
        out = {"llf": results.llf, "k_params": int(results.df_modelwc)}
        out |= {crit: results.info_criteria(crit) for crit in CRITERIA}
        fit = results._results._pattern_fit_or_nothing()
        return out | {
            "entropy": results.entropy_r2,
            "smallest": float(results.class_sizes()["estimate"].min()),
            "reached": verdict.replicated if verdict.starts else 1,
            "starts": max(len(verdict.starts), 1),
            "converged": bool(results.converged),
            "g2": np.nan if fit is None else fit["g2"],
            "df": np.nan if fit is None else float(results.pattern_df),
        }

    def best(self, crit: str = "bic") -> int:
        """Number of classes with the smallest criterion, among the fits that converged.

        Parameters
        ----------
        crit : {"bic", "aic", "sabic", "caic", "icl", "aic3"}

        Returns
        -------
        int
        """
        able = {k: r for k, r in self.results.items() if r.converged} or self.results
        return min(able, key=lambda k: able[k].info_criteria(crit))

    def _pairs(self) -> list[tuple[int, int]]:
        numbers = list(self.results)
        if len(numbers) < 2:
            raise SpecificationError("tests compare fits; there is one")
        return list(zip(numbers[:-1], numbers[1:], strict=True))

    def blrt(
        self, n_rep: int = 99, seed: int = 0, n_starts: int = 10, disp: int = 0
    ) -> pd.DataFrame:
        """Parametric-bootstrap tests of each number of classes against the next smaller one.

        Parameters
        ----------
        n_rep, seed, n_starts, disp
            As for :meth:`LatentClassResults.compare_blrt`.

        Returns
        -------
        DataFrame
            A row a test: ``statistic``, ``p_value``, ``n_rep`` (samples whose fits converged). The p-values
            are also in :attr:`table`.
        """
        for small, large in self._pairs():
            if disp:
                print(f"bootstrap of {small} against {large} classes")
            test = self[large].compare_blrt(self[small], n_rep, seed, n_starts, disp)
            self._blrt[large] = test
            if test.interrupted:
                break
        return pd.DataFrame(
            {
                k: {"statistic": t.statistic, "p_value": t.pvalue, "n_rep": len(t.samples)}
                for k, t in self._blrt.items()
            }
        ).T.rename_axis("n_classes")

    def lmr(self) -> pd.DataFrame:
        """Lo-Mendell-Rubin tests of each number of classes against the next smaller one.

        Returns
        -------
        DataFrame
            A row a test: ``statistic``, its ``mean`` and ``sd`` under the smaller model, ``vlmr_p``,
            ``adjusted`` statistic, ``lmr_p``. The p-values are also in :attr:`table`.
        """
        for small, large in self._pairs():
            self._lmr[large] = self[large].compare_lmr(self[small])
        return pd.DataFrame(
            {
                k: {
                    "statistic": t.statistic, "mean": t.mean, "sd": t.sd, "vlmr_p": t.pvalue,
                    "adjusted": t.adjusted_statistic, "lmr_p": t.adjusted_pvalue,
                }
                for k, t in self._lmr.items()
            }
        ).T.rename_axis("n_classes")  # fmt: skip

    def plot(self, crit=("aic", "bic", "sabic"), ax=None):
        """Draw information criteria by number of classes.

        Parameters
        ----------
        crit : str or sequence of str
        ax : matplotlib.axes.Axes, optional

        Returns
        -------
        matplotlib.figure.Figure
        """
        names = [crit] if isinstance(crit, str) else list(crit)
        values = {
            name: {k: results.info_criteria(name) for k, results in self.results.items()}
            for name in names
        }
        return plot_criteria(pd.DataFrame(values).rename_axis("n_classes"), ax=ax)

    def summary(self) -> Summary:
        """Table of all fits, with what is to be said about each."""
        table = self.table
        shown = ["llf", "k_params", "aic", "bic", "sabic", "caic", "icl", "entropy", "smallest",
                 "reached", "g2", "df", "blrt_p", "vlmr_p", "lmr_p"]  # fmt: skip
        columns = [name for name in shown if name in table]
        data = [
            [_formatted(name, table.loc[k, name], table.loc[k, "starts"]) for name in columns]
            for k in table.index
        ]
        out = Summary()
        out.tables = [
            SimpleTable(
                data, [_HEADERS.get(name, name.upper()) for name in columns],
                [str(k) for k in table.index], "Numbers of Latent Classes",
                txt_fmt={**fmt_params, "colsep": "  "},
            )
        ]  # fmt: skip
        least = ", ".join(f"{crit.upper()} {self.best(crit)}" for crit in CRITERIA)
        lines = [f"Smallest: {least}."]
        for k, results in self.results.items():
            lines += [f"{k} classes: {message}" for message in results.verdict.messages()]
        out.add_extra_txt([textwrap.fill(line, 100, subsequent_indent="    ") for line in lines])
        return out

    def __str__(self) -> str:
        return str(self.summary())


_HEADERS = {
    "llf": "Log-Lik.", "k_params": "No. Par.", "entropy": "Entropy", "smallest": "Smallest",
    "reached": "Reached", "g2": "G2", "df": "df", "blrt_p": "BLRT p", "vlmr_p": "VLMR p",
    "lmr_p": "LMR p",
}  # fmt: skip


def _formatted(name: str, value, starts) -> str:
    """A cell of the summary."""
    if name == "reached":
        return f"{int(value)}/{int(starts)}"
    if value != value:
        return ""
    if name in ("k_params", "df"):
        return f"{int(value)}"
    return (
        f"{value:.3f}" if name in ("entropy", "smallest") or name.endswith("_p") else f"{value:.2f}"
    )
