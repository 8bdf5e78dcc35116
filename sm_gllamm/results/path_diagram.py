"""Path diagrams of models with latent variables: what is in them, and as Graphviz source."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from sm_gllamm.specification.latent import short_name

__all__ = ["dot_source", "path_tables"]


def _name_of(constant: str) -> bool:
    """Whether a column is the constant."""
    return constant in ("Intercept", "1")


def _covariate(path) -> str:
    """Covariate of a path, empty if it has none."""
    if path.covariate is None:
        return ""
    return path.label.removeprefix(":".join([*path.factors, ""])) if path.factors else path.label


class _Tables:
    """Nodes and edges as they are found."""

    def __init__(self, digits: int):
        self.digits = digits
        self.nodes: dict[str, tuple[str, str, str]] = {}
        self.edges: list[tuple[str, str, str, str]] = []

    def number(self, value: float) -> str:
        return f"{value:.{self.digits}f}"

    def node(self, key: str, label: str, kind: str, level: str) -> None:
        self.nodes.setdefault(key, (label, kind, level))

    def edge(self, source: str, target: str, label: str, kind: str) -> None:
        self.edges.append((source, target, label, kind))

    def frames(self) -> tuple[pd.DataFrame, pd.DataFrame]:
        nodes = pd.DataFrame.from_dict(
            self.nodes, orient="index", columns=["label", "kind", "level"]
        )
        return nodes, pd.DataFrame(self.edges, columns=["source", "target", "label", "kind"])


def path_tables(
    latents, covariances: Mapping[str, pd.DataFrame], response: str, params, digits: int
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Everything that a path diagram shows.

    Parameters
    ----------
    latents : sequence of LatentColumns
    covariances : dict of str to DataFrame
        Covariance matrix of the disturbances of each level, from the top level down.
    response : str
        Name of what random intercepts and coefficients act on.
    params : dict of str to float
    digits : int

    Returns
    -------
    nodes : DataFrame
        Indexed by identifiers, with columns ``label``, ``kind`` ("latent", "item", "covariate",
        "product") and ``level`` (name of the level; of items the lowest).
    edges : DataFrame
        Columns ``source``, ``target``, ``label`` and ``kind`` ("loading", "regression", "covariance",
        "factor" of a product). Loadings fixed at zero are left out.
    """
    tables, levels = _Tables(digits), list(covariances)
    number, level_of = tables.number, {latent.name: latent.level for latent in latents}

    def estimate(coefficient) -> str:
        if coefficient.name is None:
            return f"{coefficient.value:g}"
        return number(params[coefficient.name])

    for level, matrix in covariances.items():
        for name in matrix.index:
            label = f"{name}\n({number(matrix.loc[name, name])})"
            tables.node(name, label, "latent", level)
    for latent in latents:
        tables.node(latent.name, latent.name, "latent", latent.level)

    def covariate(name: str) -> str:
        # one of latent variables of several levels varies at the highest of them
        targets = [x for x in latents if any(name == _covariate(path) for path in x.paths)]
        level = min((level_of[target.name] for target in targets), key=levels.index)
        tables.node(f"covariate {name}", name, "covariate", level)
        return f"covariate {name}"

    for latent in latents:
        for name, c in zip(latent.loading_names, latent.coefficients, strict=True):
            if c.name is None and c.value == 0.0:
                continue
            target = f"item {response if _name_of(name) else name}"
            label = response if _name_of(name) else short_name(name)
            tables.node(target, label, "item", levels[-1])
            tables.edge(latent.name, target, estimate(c), "loading")
        for path in latent.paths:
            sources = list(path.factors)
            if path.covariate is not None:
                sources.append(covariate(_covariate(path)))
            source = sources[0]
            if len(sources) > 1:
                source = f"product {path.label}"
                tables.node(source, "\u00d7", "product", latent.level)
                for factor in dict.fromkeys(sources):
                    tables.edge(factor, source, "", "factor")
            tables.edge(source, latent.name, estimate(path.coefficient), "regression")
    for matrix in covariances.values():
        names = list(matrix.index)
        for r, s in zip(*np.tril_indices(len(names), -1), strict=True):
            if matrix.iloc[r, s] != 0.0:
                tables.edge(names[s], names[r], number(matrix.iloc[r, s]), "covariance")
    return tables.frames()


def _quoted(text: object) -> str:
    """A string of the DOT language; line breaks stay."""
    return '"' + str(text).replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'


_SHAPES = {"latent": "ellipse", "item": "box", "covariate": "box", "product": "circle"}


def dot_source(levels, nodes: pd.DataFrame, edges: pd.DataFrame) -> str:
    """Path diagram in the DOT language, a frame for each level within that of the level above.

    Parameters
    ----------
    levels : sequence of str
        From the top level down.
    nodes, edges : DataFrame
        From :func:`path_tables`.

    Returns
    -------
    str
    """
    lines = ["digraph {", "  rankdir=LR; node [fontname=Helvetica]; edge [fontname=Helvetica];"]
    for depth, level in enumerate(levels, 1):
        indent = "  " * depth
        lines.append(f"{indent}subgraph {_quoted('cluster_' + level)} {{")
        lines.append(f"{indent}  label={_quoted(level)}; style=rounded;")
        for node, (label, kind, _) in nodes[nodes["level"] == level].iterrows():
            lines.append(
                f"{indent}  {_quoted(node)} [shape={_SHAPES[kind]}, label={_quoted(label)}];"
            )
    lines += ["  " * depth + "}" for depth in range(len(levels), 0, -1)]
    for source, target, label, kind in edges.itertuples(index=False):
        style = "dir=both, style=dashed, " if kind == "covariance" else ""
        lines.append(f"  {_quoted(source)} -> {_quoted(target)} [{style}label={_quoted(label)}];")
    return "\n".join([*lines, "}"])
