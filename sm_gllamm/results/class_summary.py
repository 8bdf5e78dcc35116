"""`summary()` of mixtures: class sizes, and the parameters of each class in a table of their own."""

from __future__ import annotations

import numpy as np
import pandas as pd
from statsmodels.iolib.summary import Summary
from statsmodels.iolib.summary2 import Summary as Summary2
from statsmodels.iolib.tableformatting import fmt_params

from sm_gllamm.results.class_posterior import ClassPosteriorMethods
from sm_gllamm.results.summary import (
    WIDTH,
    _wrapped,
    cell,
    coefficient_titles,
    coefficients,
    header,
    header_table,
    notes,
)
from sm_gllamm.results.tables import PlainTable

__all__ = ["ClassSummaryMethods"]

#: Title of the table of coefficients of class probabilities.
LOGITS = "Class probabilities (logits)"
SHARED = "All classes"


class ClassSummaryMethods(ClassPosteriorMethods):
    """Summaries; part of results of mixtures."""

    @property
    def described(self) -> list[tuple[str, str]]:
        """Numbers of classes, certainty of the classification, and how many starts agree."""
        model, verdict = self.model, self.verdict
        text = str(len(self._class_names))
        if self._upper_names:
            text += f", {len(self._upper_names)} of {model.cluster_name}"
        out = [("No. Classes:", text)]
        if len(self._class_names) > 1:
            out += [("Entropy R2:", f"{self.entropy_r2:.4f}")]
        if model.cluster_effect.n_nodes:
            out += [
                (f"Effect of {model.cluster_name}:", f"normal, {model.cluster_effect.n_nodes} nodes"),
                ("Quadrature Error:", f"{verdict.quadrature_error:.1e}"),
            ]
        if verdict.starts:
            out += [("Starts Agreeing:", f"{verdict.replicated} of {len(verdict.starts)}")]
        return out

    def _boundary_cells(self) -> dict[int, str]:
        """What is printed of parameters without a finite value, by position."""
        return {}

    def _parameter_groups(self) -> list[tuple[str, str, np.ndarray]]:
        """Title, prefix of the names, and positions of the parameters of each table."""
        mapping = self.model.mapping
        names, places = mapping.param_names, mapping.places
        times = np.zeros(len(names), dtype=int)
        for place in places:
            times[place] += 1
        groups, shared = [], np.flatnonzero(times > 1)
        sizes = dict(zip(self._class_names, self._class_facts().sizes, strict=True))
        for place in places:
            own = place[times[place] == 1]
            if not len(own):
                continue
            prefix, colon, _ = names[own[0]].partition(":")
            label = f"{prefix}:" if colon and len(places) > 1 else ""
            title = prefix if label else SHARED
            if title in sizes:
                title = f"{title} (size {sizes[title]:.3f})"
            groups.append((title, label, own))
        if len(shared):
            groups.append((SHARED, "", shared))
        if len(mapping.class_places):
            groups.append((LOGITS, "", mapping.class_places))
        return groups

    def _size_rows(self, alpha: float) -> PlainTable:
        table = self.class_sizes(alpha=alpha)
        rows = [
            [cell(e, 4), cell(s), cell(lo), cell(up), f"{n:.6g}"]
            for e, s, lo, up, n in table.to_numpy().tolist()
        ]
        titles = ["size", "std err", *coefficient_titles(self, alpha)[2:], "assigned"]
        return PlainTable(rows, titles, list(table.index), txt_fmt=fmt_params, title="Class sizes")

    def _upper_rows(self, alpha: float) -> PlainTable:
        table, given = self.upper_class_sizes(alpha), self._class_facts().given_upper
        rows = [
            [cell(e, 4), cell(s), cell(lo), cell(up), *(cell(p) for p in own)]
            for (e, s, lo, up), own in zip(
                table.iloc[:, :4].to_numpy().tolist(), given.tolist(), strict=True
            )
        ]
        titles = ["size", "std err", *coefficient_titles(self, alpha)[2:], *self._class_names]
        title = f"Classes of {self.model.cluster_name}, and class sizes in each"
        return PlainTable(rows, titles, list(table.index), txt_fmt=fmt_params, title=title)

    def _class_tables(self, alpha: float, xname) -> list[PlainTable]:
        """The parameters, a table a class."""
        values, special = coefficients(self, alpha), self._boundary_cells()
        names = list(self.model.mapping.param_names if xname is None else xname)
        titles = ["coef", "std err", *coefficient_titles(self, alpha)]
        tables = []
        for title, prefix, at in self._parameter_groups():
            rows = []
            for k in at:
                estimate, se, t, p, lower, upper = values[k].tolist()
                if k in special or np.isnan(se) or se == 0.0:
                    rows.append([special.get(int(k), cell(estimate, 4)), *[""] * 5])
                    continue
                shown = "" if np.isnan(p) else f"{p:#6.3f}"
                rows.append([cell(estimate, 4), cell(se), cell(t), shown, cell(lower), cell(upper)])
            stubs = [names[k].removeprefix(prefix) for k in at]
            tables.append(PlainTable(rows, titles, stubs, txt_fmt=fmt_params, title=title))
        return tables

    def summary(self, yname=None, xname=None, title=None, alpha: float = 0.05) -> Summary:
        """Header, class sizes, the parameters of each class, and everything the verdict has against the fit.

        Parameters
        ----------
        yname : str, optional
            Name of the response.
        xname : list of str, optional
            Names of all parameters.
        title : str, optional
        alpha : float
            One minus the confidence level.

        Returns
        -------
        statsmodels.iolib.summary.Summary
            Parameters of a class are named without the class in front; ``params`` has the full names.
            Probabilities estimated as zero or one are printed as such, without a standard error.
        """
        out = Summary()
        out.tables = [header_table(self, title or self.title, yname)]
        if len(self._class_names) > 1:
            out.tables.append(self._size_rows(alpha))
        if self._upper_names:
            out.tables.append(self._upper_rows(alpha))
        out.tables += self._class_tables(alpha, xname)
        if lines := notes(self):
            numbered = (_wrapped(f"[{i}] {t}", WIDTH) for i, t in enumerate(lines, 1))
            out.add_extra_txt(["Notes:", *numbered])
        return out

    def summary2(self, title=None, alpha: float = 0.05, float_format: str = "%.4f") -> Summary2:
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

        def shown(frame: pd.DataFrame) -> pd.DataFrame:
            return frame.map(lambda x: "" if np.isnan(x) else float_format % x)

        left, right = header(self)
        out = Summary2()
        out.add_title(title or self.title)
        out.add_dict(dict(left + right), ncols=2)
        if len(self._class_names) > 1:
            out.add_df(shown(self.class_sizes(alpha=alpha)), align="r")
        if self._upper_names:
            given = pd.DataFrame(
                self._class_facts().given_upper, self._upper_names, self._class_names
            )
            out.add_df(shown(self.upper_class_sizes(alpha).join(given)), align="r")
        names = list(self.model.mapping.param_names)
        everything = pd.DataFrame(
            coefficients(self, alpha),
            columns=["Coef.", "Std.Err.", *coefficient_titles(self, alpha)],
        )
        special = self._boundary_cells()
        for _, _, at in self._parameter_groups():
            frame = shown(everything.iloc[at])
            for k in set(special) & set(at.tolist()):
                frame.loc[k] = [special[k], *[""] * 5]
            frame.index = [names[k] for k in at]
            out.add_df(frame, align="r")
        for line in notes(self):
            out.add_text(line)
        return out
