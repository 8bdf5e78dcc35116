"""Differential item functioning: curves of items in two groups."""

from __future__ import annotations

import numpy as np
import pandas as pd

from sm_gllamm.exceptions import SpecificationError
from sm_gllamm.plotting.item_curves import latent_label, same_scale, scale_scores
from sm_gllamm.plotting.panels import Panels
from sm_gllamm.plotting.styles import curve_style, draw_curve
from sm_gllamm.plotting.tables import checked_table

__all__ = ["plot_dif_curves"]

#: Colour of the area between curves where the focal group is densest.
DENSEST = np.array([0.45, 0.45, 0.45])
#: Strips in which the area is drawn.
STRIPS = 240


def plot_dif_curves(
    table: pd.DataFrame,
    density: pd.DataFrame | None = None,
    dimension: str = "theta",
    ylabel: str = "expected score",
    axes=None,
):
    """Draw curves of items in a reference and a focal group, and the area between them.

    Parameters
    ----------
    table : DataFrame
        Columns ``item`` (a panel for each), ``group`` (the reference group first), ``theta`` (the same
        in both groups), ``predicted``, and optionally ``ci_lower`` and ``ci_upper`` of pointwise
        intervals, and ``maximum``, the largest score that is possible, to which the scale then goes.
    density : DataFrame, optional
        Distribution of the latent variable in the focal group: columns ``theta`` and ``density``. The
        area between the curves is the darker the denser it is.
    dimension : str
        Name of the latent variable.
    ylabel : str
        What the curves are: "probability" of binary items.
    axes : matplotlib.axes.Axes or sequence of them, optional
        One for each item.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    SpecificationError
        Missing columns, other than two groups, curves at different values of theta, or axes that are
        not as many as items.

    Notes
    -----
    The shading shows where a difference concerns persons of the focal group: the weighted area is
    their mean difference in expected scores, conditional on the latent variable (Wainer 1993, in
    Holland & Wainer, Differential Item Functioning, pp. 123-135).

    Examples
    --------
    >>> import pandas as pd
    >>> from sm_gllamm.plotting.dif_curves import plot_dif_curves
    >>> table = pd.DataFrame({"item": "y1", "group": ["a", "a", "b", "b"],
    ...                       "theta": [-1.0, 1.0, -1.0, 1.0], "predicted": [0.3, 0.7, 0.2, 0.6]})
    >>> figure = plot_dif_curves(table)
    """
    table = checked_table(table, ["item", "group", "theta", "predicted"], "the table of curves")
    groups = list(table["group"].unique())
    if len(groups) != 2:
        raise SpecificationError(
            f"a reference and a focal group are compared; the table of curves has {len(groups)} "
            f"groups: {groups[:6]}; choose two"
        )
    if density is not None:
        density = checked_table(density, ["theta", "density"], "the table of the density")
        density = density.sort_values("theta")
    parts = list(table.groupby("item", sort=False, observed=True))
    frame = Panels([str(item) for item, _ in parts], axes, sharey=same_scale(table))
    for ax, (item, part) in zip(frame.axes, parts, strict=True):
        curves = [part[part["group"] == group].sort_values("theta") for group in groups]
        theta = curves[0]["theta"].to_numpy(dtype=float)
        if not np.array_equal(theta, curves[1]["theta"].to_numpy(dtype=float)):
            raise SpecificationError(
                f"item {item!r}: the curves of groups {groups[0]!r} and {groups[1]!r} must be at the "
                "same values of theta"
            )
        first, second = (curve["predicted"].to_numpy(dtype=float) for curve in curves)
        _shade(ax, theta, first, second, density)
        lines = [
            draw_curve(ax, curve, "predicted", curve_style(k), f"{role}: {group}")
            for k, (role, group, curve) in enumerate(
                zip(("reference", "focal"), groups, curves, strict=True)
            )
        ]
        scale_scores(ax, part)
    frame.legend([*lines, _area_key(density is not None)])
    frame.label(latent_label(dimension), ylabel)
    return frame.figure


def _shade(ax, theta, first, second, density) -> None:
    """Fill the area between two curves with strips that are as dark as the density is high."""
    from matplotlib.collections import PolyCollection

    edges = np.linspace(theta[0], theta[-1], STRIPS + 1)
    one, two = np.interp(edges, theta, first), np.interp(edges, theta, second)
    if density is None:
        share = np.full(STRIPS, 0.5)
    else:
        middle = (edges[:-1] + edges[1:]) / 2
        share = np.interp(middle, density["theta"], density["density"], left=0.0, right=0.0)
        share = share / density["density"].max()
    # mixed with white, not transparent: overlapping edges of transparent strips would be seen
    colors = 1.0 - share[:, None] * (1.0 - DENSEST)
    corners = np.stack(
        [
            np.column_stack([edges[:-1], one[:-1]]),
            np.column_stack([edges[1:], one[1:]]),
            np.column_stack([edges[1:], two[1:]]),
            np.column_stack([edges[:-1], two[:-1]]),
        ],
        axis=1,
    )
    ax.add_collection(
        PolyCollection(corners, facecolor=colors, edgecolor="face", linewidth=0.4, zorder=1)
    )


def _area_key(weighted: bool):
    """The area in the legend."""
    from matplotlib.patches import Patch

    share = 1.0 if weighted else 0.5
    label = "difference, the darker\nthe denser the focal group" if weighted else "difference"
    return Patch(facecolor=1.0 - share * (1.0 - DENSEST), label=label)
