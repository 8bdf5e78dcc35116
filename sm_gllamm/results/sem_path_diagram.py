"""Path diagrams of structural equation models."""

from __future__ import annotations

import numpy as np
import pandas as pd

from sm_gllamm.exceptions import SpecificationError
from sm_gllamm.plotting.path_diagrams import plot_path_diagram
from sm_gllamm.results.base import LatentVariableResults
from sm_gllamm.results.path_diagram import dot_source
from sm_gllamm.results.sem_standardized import KINDS

__all__ = ["SemDiagrams"]


class SemDiagrams(LatentVariableResults):
    """Path diagrams with the estimates."""

    def _diagram(
        self, digits: int, standardized, group
    ) -> tuple[list[str], pd.DataFrame, pd.DataFrame]:
        """Levels from the top down, nodes and edges."""
        model = self.model
        table = model.table
        if standardized not in (False, *KINDS):
            raise SpecificationError(f"standardized={standardized!r}; use False, 'lv' or 'all'")
        label = table.groups[0] if group is None else str(group)
        if label not in table.groups:
            raise SpecificationError(f"there is no group {label!r}; they are {list(table.groups)}")
        params = np.asarray(self.params)
        values = model.row_values(params)[0]
        if standardized:
            values = self._standardized(params, standardized)
        levels = [str(name) for name in table.levels] if len(table.levels) > 1 else ["model"]
        nodes: dict[str, tuple[str, str, str]] = {}
        edges: list[tuple[str, str, str, str]] = []
        blocks = range(table.groups.index(label) * len(levels), len(table.roles))
        for b, level in zip(blocks, levels, strict=False):
            rows = [(r, v) for r, v in zip(table.rows, values, strict=True) if r.block == b + 1]
            self._add_block(table.roles[b], rows, level, levels, digits, nodes, edges)
        frame = pd.DataFrame.from_dict(nodes, orient="index", columns=["label", "kind", "level"])
        return (
            levels[::-1], frame,
            pd.DataFrame(edges, columns=["source", "target", "label", "kind"]),
        )  # fmt: skip

    @staticmethod
    def _add_block(roles, rows, level, levels, digits, nodes, edges) -> None:
        """Nodes and edges of a block: loadings and effects on observed variables end at their boxes."""

        def number(value: float) -> str:
            return f"{value:.{digits}f}"

        variance = {r.lhs: v for r, v in rows if r.op == "~~" and r.lhs == r.rhs}

        def node(name: str) -> str:
            if name in roles.higher:
                # a node of the level above
                return name
            if name in roles.products:
                nodes.setdefault(name, (name, "latent", level))
                return name
            if name in roles.latent:
                text = f"{name}\n({number(variance[name])})" if name in variance else name
                nodes.setdefault(name, (text, "latent", level))
                return name
            kind = "covariate" if name in roles.covariates else "item"
            key = f"{kind} {name}"
            # boxes of variables at several levels stand in the lowest
            nodes.setdefault(key, (name, kind, level if kind == "covariate" else levels[0]))
            return key

        for name in roles.latent:
            node(name)
        # latent targets first: covariates stand beside what they act on
        paths = [(r, v) for r, v in rows if r.op in ("=~", "~") and (r.free or r.rv or v != 0.0)]
        paths.sort(key=lambda one: one[0].op == "~" and one[0].lhs not in roles.latent)
        for row, value in paths:
            source, target = (row.lhs, row.rhs) if row.op == "=~" else (row.rhs, row.lhs)
            measured = source in roles.latent and target not in roles.latent
            kind = "loading" if measured else "regression"
            # a random coefficient stands by its name, and is a node of the level above
            edges.append((node(source), node(target), row.rv or number(value), kind))
        for row, value in rows:
            covary = row.op == "~~" and row.lhs != row.rhs and not row.exo
            if covary and (row.free or value != 0.0):
                edges.append((node(row.lhs), node(row.rhs), number(value), "covariance"))

    def path_diagram(self, digits: int = 2, standardized=False, group=None) -> str:
        """Path diagram with the estimates as Graphviz source (DOT).

        Parameters
        ----------
        digits : int
        standardized : {False, "lv", "all"}
            Whether numbers are those of a standardised solution.
        group : str, optional
            Of several groups; default the first.

        Returns
        -------
        str
            Ellipses are latent variables, with their (residual) variances; boxes are observed variables;
            dashed arrows are covariances. :meth:`plot_path_diagram` draws it.

        Examples
        --------
        >>> import sm_gllamm.api as smg
        >>> from sm_gllamm.datasets import holzinger
        >>> data = holzinger.load_pandas().data
        >>> result = smg.SEM("visual =~ x1 + x2 + x3", data).fit()
        >>> result.path_diagram().splitlines()[0]
        'digraph {'
        """
        return dot_source(*self._diagram(digits, standardized, group))

    def plot_path_diagram(self, digits: int = 2, standardized=False, group=None, ax=None):
        """Path diagram with the estimates, drawn by matplotlib.

        Parameters
        ----------
        digits, standardized, group
            As for :meth:`path_diagram`.
        ax : matplotlib.axes.Axes, optional

        Returns
        -------
        matplotlib.figure.Figure

        Notes
        -----
        Items stand in the middle, latent variables beside them and covariates outside; models with other
        paths from observed variables are drawn in columns from left to right.

        Examples
        --------
        >>> import sm_gllamm.api as smg
        >>> from sm_gllamm.datasets import holzinger
        >>> data = holzinger.load_pandas().data
        >>> result = smg.SEM("x4 ~ x1 + ageyr; x7 ~ x4", data).fit()
        >>> figure = result.plot_path_diagram()
        """
        levels, nodes, edges = self._diagram(digits, standardized, group)
        return plot_path_diagram(levels, nodes, edges, ax=ax)
