"""Profiles of latent classes: response probabilities and means, with intervals."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from sm_gllamm.plotting.axes import new_grid
from sm_gllamm.plotting.styles import MARKERS, curve_style
from sm_gllamm.plotting.tables import checked_table

__all__ = ["plot_class_profiles"]

#: Distance between the classes' marks at one place, of which a place has one unit.
APART = 0.09
#: Inches for a place, and around.
STEP, AROUND = 0.42, 1.8
WIDEST = 14.0


def plot_class_profiles(
    tables: Sequence[pd.DataFrame], ylabels: Sequence[str], legend: dict | None = None, axes=None
):
    """Draw a line for each class across indicators, with intervals, a panel for each table.

    Parameters
    ----------
    tables : sequence of DataFrame
        A row an indicator (or category of one) and class: columns ``item``, ``label`` (on the axis),
        ``class``, ``estimate``, and optionally ``ci_lower`` and ``ci_upper``, missing where there is no
        interval. Lines connect the categories of an item, and items with one row.
    ylabels : sequence of str
        Of the panels.
    legend : dict of class to str, optional
        Default the classes.
    axes : matplotlib.axes.Axes or sequence of them, optional
        One for each table.

    Returns
    -------
    matplotlib.figure.Figure

    Examples
    --------
    >>> import pandas as pd
    >>> from sm_gllamm.plotting.class_profiles import plot_class_profiles
    >>> table = pd.DataFrame({"item": ["A", "B"] * 2, "label": ["A", "B"] * 2,
    ...                       "class": ["class1"] * 2 + ["class2"] * 2,
    ...                       "estimate": [0.9, 0.8, 0.2, 0.1]})
    >>> figure = plot_class_profiles([table], ["probability"])
    """
    required = ["item", "label", "class", "estimate"]
    tables = [checked_table(table, required, "the table of profiles") for table in tables]
    counts = [len(table[["item", "label"]].drop_duplicates()) for table in tables]
    own = axes is None
    if own:
        width = min(STEP * sum(counts) + AROUND * len(tables), WIDEST)
        ratios = [count + 2.0 for count in counts]
        figure, grid = new_grid(
            1, len(tables), (max(width, 4.5), 4.2), gridspec_kw={"width_ratios": ratios}
        )
        axes = list(grid[0])
    else:
        axes = list(np.ravel(axes))
        figure = axes[0].figure
    for ax, table, ylabel in zip(axes, tables, ylabels, strict=True):
        _draw(ax, table, legend or {})
        ax.set_ylabel(ylabel)
        if table["estimate"].between(0.0, 1.0).all() and ylabel.startswith("prob"):
            ax.set_ylim(-0.03, 1.03)
    handles, labels = axes[0].get_legend_handles_labels()
    if own:
        figure.legend(
            handles, labels, loc="outside upper center", ncols=min(len(labels), 4), frameon=False
        )
    else:
        axes[0].legend(handles, labels, frameon=False, fontsize="small")
    return figure


def _apart(items: np.ndarray) -> np.ndarray:
    """Whether no line goes from a place to the next: where categories of an indicator begin or end."""
    several = np.array([np.sum(items == item) > 1 for item in items])
    return (items[1:] != items[:-1]) & (several[1:] | several[:-1])


def _draw(ax, table: pd.DataFrame, legend: dict) -> None:
    places = table[["item", "label"]].drop_duplicates().reset_index(drop=True)
    position = {tuple(row): k for k, row in enumerate(places.itertuples(index=False))}
    classes = list(dict.fromkeys(table["class"]))
    for c, name in enumerate(classes):
        part = table[table["class"] == name]
        x = np.array([position[key] for key in zip(part["item"], part["label"], strict=True)])
        at = x + APART * (c - (len(classes) - 1) / 2)
        style = curve_style(c)
        if "ci_lower" in part:
            known = part["ci_lower"].notna().to_numpy()
            ax.vlines(
                at[known], part["ci_lower"][known], part["ci_upper"][known],
                color=style["color"], linewidth=1.0,
            )  # fmt: skip
        gaps = np.flatnonzero(_apart(part["item"].to_numpy())) + 1
        ax.plot(
            np.insert(at, gaps, np.nan), np.insert(part["estimate"].to_numpy(), gaps, np.nan),
            marker=MARKERS[c % len(MARKERS)], markersize=4.5, linewidth=1.3,
            label=legend.get(name, str(name)), **style,
        )  # fmt: skip
    ax.set_xticks(range(len(places)), places["label"])
    if places["label"].astype(str).str.len().sum() > 2.5 * STEP * 10 * len(places) / 2:
        ax.tick_params(axis="x", labelrotation=90, labelsize="small")
    change = np.flatnonzero(places["item"].to_numpy()[1:] != places["item"].to_numpy()[:-1])
    if len(change) + 1 < len(places):
        # several categories of an indicator: where one ends
        for k in change:
            ax.axvline(k + 0.5, color="0.85", linewidth=0.8, zorder=0)
