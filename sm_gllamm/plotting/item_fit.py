"""Fit of items: observed and expected proportions in groups of persons with the same score."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from sm_gllamm.plotting.panels import Panels
from sm_gllamm.plotting.styles import (
    MARKERS,
    curve_style,
    draw_points,
    ordered_styles,
    size_keys,
)
from sm_gllamm.plotting.tables import checked_table, known_items, largest_number

__all__ = ["plot_item_fit"]


def plot_item_fit(
    table: pd.DataFrame,
    notes: Mapping | None = None,
    xlabel: str = "sum score",
    ylabel: str = "proportion",
    axes=None,
):
    """Draw observed proportions as points and expected ones as lines, a panel for each item.

    Parameters
    ----------
    table : DataFrame
        A row a group of persons: columns ``item``, ``score`` (the group: a sum score, or a mean of the
        latent variable), ``observed``, ``expected``, ``n`` (number of persons, to which the areas of
        the points are proportional), and optionally ``category`` (curves for each, in their order) and
        ``ci_lower`` and ``ci_upper`` of intervals of the observed proportions.
    notes : dict of item to str, optional
        Written in the panels, such as a test of fit.
    xlabel, ylabel : str
    axes : matplotlib.axes.Axes or sequence of them, optional
        One for each item.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    SpecificationError
        Missing columns, groups without persons, notes on unknown items, or axes that are not as many
        as items.

    Examples
    --------
    >>> import pandas as pd
    >>> from sm_gllamm.plotting.item_fit import plot_item_fit
    >>> table = pd.DataFrame({"item": "y1", "score": [1, 2, 3], "observed": [0.3, 0.4, 0.8],
    ...                       "expected": [0.25, 0.5, 0.75], "n": [20, 40, 15]})
    >>> figure = plot_item_fit(table)
    """
    required = ["item", "score", "observed", "expected", "n"]
    table = checked_table(table, required, "the table of item fit")
    parts = list(table.groupby("item", sort=False, observed=True))
    notes = dict(notes or {})
    if notes:
        known_items(pd.DataFrame({"item": list(notes)}), [item for item, _ in parts], "notes=")
    frame = Panels([str(item) for item, _ in parts], axes)
    scale = list(table["category"].unique()) if "category" in table else [None]
    styles = [curve_style(0)] if scale == [None] else ordered_styles(len(scale))
    largest = largest_number(table, "the table of item fit")
    keys: dict = {}
    for ax, (item, part) in zip(frame.axes, parts, strict=True):
        for k, category in enumerate(scale):
            curve = part if category is None else part[part["category"] == category]
            if curve.empty:
                continue
            curve, style = curve.sort_values("score"), styles[k]
            label = "expected" if category is None else str(category)
            (line,) = ax.plot(
                curve["score"], curve["expected"], linewidth=1.6, label=label, **style
            )
            keys.setdefault(k, line)
            if "ci_lower" in curve:
                ax.vlines(
                    curve["score"], curve["ci_lower"], curve["ci_upper"],
                    color=style["color"], linewidth=0.9,
                )  # fmt: skip
            draw_points(
                ax, curve["score"], curve["observed"], curve["n"], largest, style["color"],
                MARKERS[k % len(MARKERS)],
            )  # fmt: skip
        if item in notes:
            _write(ax, notes[item], part)
        ax.set_ylim(-0.03, 1.03)
        if (part["score"] % 1 == 0).all():
            ax.xaxis.get_major_locator().set_params(integer=True)
    handles = [keys[k] for k in sorted(keys)] + size_keys(largest)
    frame.legend(handles, None if scale == [None] else "category")
    frame.label(xlabel, ylabel)
    return frame.figure


def _write(ax, note: str, part: pd.DataFrame) -> None:
    """Write a note in the corner in which there is least."""
    score = part["score"].to_numpy(dtype=float)
    x = (score - score.min()) / max(np.ptp(score), 1e-300)
    corners = [(0.04, 0.96), (0.96, 0.04), (0.04, 0.04), (0.96, 0.96)]
    crowds = []
    for right, top in corners:
        beside = x < 0.7 if right < 0.5 else x > 0.3
        heights = part.loc[beside, ["observed", "expected"]].to_numpy()
        crowds.append(np.sum(np.abs(heights - top) < 0.15))
    right, top = corners[int(np.argmin(crowds))]
    ax.text(
        right, top, note, transform=ax.transAxes, fontsize="x-small", zorder=4,
        ha="left" if right < 0.5 else "right", va="bottom" if top < 0.5 else "top",
        bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.7, "pad": 1.0},
    )  # fmt: skip
