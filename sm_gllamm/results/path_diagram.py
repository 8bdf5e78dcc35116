"""Path diagrams of models with latent variables as Graphviz source."""

from __future__ import annotations

import numpy as np

from sm_gllamm.specification.latent import short_name

__all__ = ["dot_source"]


def _quoted(text: object) -> str:
    """A string of the DOT language; line breaks stay."""
    return '"' + str(text).replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'


def dot_source(latents, covariances, response: str, params, digits: int) -> str:
    """Path diagram in the DOT language.

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
    str
    """
    lines = ["digraph {", "  rankdir=LR; node [fontname=Helvetica]; edge [fontname=Helvetica];"]

    def number(value: float) -> str:
        return f"{value:.{digits}f}"

    for level, matrix in covariances.items():
        lines.append(f"  subgraph {_quoted('cluster_' + level)} {{")
        lines.append(f"    label={_quoted(level)}; style=rounded;")
        for name in matrix.index:
            label = f"{name}\n({number(matrix.loc[name, name])})"
            lines.append(f"    {_quoted(name)} [shape=ellipse, label={_quoted(label)}];")
        lines.append("  }")
    boxes: dict[str, str] = {}
    edges = []
    for latent in latents:
        for name, c in zip(latent.loading_names, latent.coefficients, strict=True):
            value = c.value if c.name is None else params[c.name]
            if c.name is None and value == 0.0:
                continue
            constant = name in ("Intercept", "1")
            target = f"item {response}" if constant else f"item {name}"
            boxes[target] = response if constant else short_name(name)
            label = f"{value:g}" if c.name is None else number(value)
            edges.append((latent.name, target, f"label={_quoted(label)}"))
        for path in latent.paths:
            name = path.coefficient.name
            label = f"{path.coefficient.value:g}" if name is None else number(params[name])
            source = path.factors[0] if path.factors == (path.label,) else f"covariate {path.label}"
            if source != path.label:
                boxes[source] = path.label
            edges.append((source, latent.name, f"label={_quoted(label)}"))
    for matrix in covariances.values():
        names = list(matrix.index)
        for r, s in zip(*np.tril_indices(len(names), -1), strict=True):
            if matrix.iloc[r, s] != 0.0:
                style = f"dir=both, style=dashed, label={_quoted(number(matrix.iloc[r, s]))}"
                edges.append((names[s], names[r], style))
    lines += [
        f"  {_quoted(node)} [shape=box, label={_quoted(label)}];" for node, label in boxes.items()
    ]
    lines += [f"  {_quoted(a)} -> {_quoted(b)} [{style}];" for a, b, style in edges]
    return "\n".join([*lines, "}"])
