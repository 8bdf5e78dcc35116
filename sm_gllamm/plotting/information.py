"""Information of items and of the test, and the standard error of measurement."""

from __future__ import annotations

import numpy as np
import pandas as pd

from sm_gllamm.plotting.item_curves import TOGETHER, latent_label
from sm_gllamm.plotting.panels import Panels
from sm_gllamm.plotting.styles import curve_style, draw_curve
from sm_gllamm.plotting.tables import checked_table

__all__ = ["plot_item_information", "plot_test_information"]

#: Standard errors are shown up to this multiple of the smallest one: beyond the items they have no end.
SHOWN = 6.0


def plot_item_information(
    table: pd.DataFrame, panels: bool | None = None, dimension: str = "theta", axes=None
):
    """Draw the information of items by the latent variable.

    Parameters
    ----------
    table : DataFrame
        Columns ``item``, ``theta``, ``information``, and optionally ``ci_lower`` and ``ci_upper`` of
        pointwise intervals.
    panels : bool, optional
        Whether each item has its own panel, all on the same scale; default for more than eight items.
    dimension : str
        Name of the latent variable.
    axes : matplotlib.axes.Axes or sequence of them, optional
        One axes, or one for each item if `panels`.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    SpecificationError
        Missing columns, or axes that are not as many as panels.

    Examples
    --------
    >>> import pandas as pd
    >>> from sm_gllamm.plotting.information import plot_item_information
    >>> table = pd.DataFrame({"item": "y1", "theta": [-1.0, 0.0, 1.0],
    ...                       "information": [0.20, 0.25, 0.20]})
    >>> figure = plot_item_information(table)
    """
    required = ["item", "theta", "information"]
    table = checked_table(table, required, "the table of item information")
    items = list(table["item"].unique())
    if panels is None:
        panels = len(items) > TOGETHER
    single = not panels and len(items) == 1
    frame = Panels([str(item) for item in items] if panels or single else [""], axes)
    lines = []
    for k, (_, part) in enumerate(table.groupby("item", sort=False, observed=True)):
        ax = frame.axes[k if panels else 0]
        style = curve_style(0 if panels else k)
        lines.append(draw_curve(ax, part, "information", style, str(items[k])))
    for ax in frame.axes:
        ax.set_ylim(bottom=0.0)
    if not panels and not single:
        frame.legend(lines)
    frame.label(latent_label(dimension), "information")
    return frame.figure


def plot_test_information(
    table: pd.DataFrame, items: pd.DataFrame | None = None, dimension: str = "theta", ax=None
):
    """Draw the information of the test and, on a second axis, the standard error that it gives.

    Parameters
    ----------
    table : DataFrame
        Columns ``theta``, ``information``, and optionally ``ci_lower`` and ``ci_upper`` of pointwise
        intervals of the information, ``se`` (a standard error; without it there is no second axis), and
        ``group`` (curves for each).
    items : DataFrame, optional
        Information of items, drawn as thin lines below that of the test: columns ``item``, ``theta``
        and ``information``.
    dimension : str
        Name of the latent variable.
    ax : matplotlib.axes.Axes, optional

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    SpecificationError
        Missing columns.

    Notes
    -----
    The axis of standard errors ends at six times the smallest one.

    Examples
    --------
    >>> import pandas as pd
    >>> from sm_gllamm.plotting.information import plot_test_information
    >>> table = pd.DataFrame({"theta": [-1.0, 0.0, 1.0], "information": [3.0, 4.0, 3.0],
    ...                       "se": [0.577, 0.5, 0.577]})
    >>> figure = plot_test_information(table)
    >>> [ax.get_ylabel() for ax in figure.axes]
    ['information', 'standard error']
    """
    table = checked_table(table, ["theta", "information"], "the table of test information")
    frame = Panels([""], ax)
    (ax,) = frame.axes
    keys = []
    if items is not None:
        items = checked_table(
            items, ["item", "theta", "information"], "the table of item information"
        )
        for _, part in items.groupby("item", sort=False, observed=True):
            part = part.sort_values("theta")
            (of_item,) = ax.plot(
                part["theta"], part["information"], color="0.6", linewidth=0.7, zorder=1.8
            )
        of_item.set_label("information of items")
    groups = list(table["group"].unique()) if "group" in table else [None]
    right = ax.twinx() if "se" in table else None
    for k, group in enumerate(groups):
        part = table if group is None else table[table["group"] == group]
        name = "" if group is None else f", {group}"
        style = curve_style(k)
        keys.append(draw_curve(ax, part, "information", style, f"information{name}"))
        if right is not None:
            if group is None:
                style = curve_style(1)
            plain = part[["theta", "se"]]
            line = draw_curve(right, plain, "se", style, f"standard error{name}")
            if group is not None:
                # the dashes tell groups apart, rings the standard errors
                line.set(marker="o", markersize=4, markerfacecolor="white", markevery=0.08)
            keys.append(line)
    ax.set_ylim(bottom=0.0)
    if right is not None:
        finite = table["se"][np.isfinite(table["se"])]
        if len(finite):
            right.set_ylim(0.0, 1.05 * min(finite.max(), SHOWN * finite.min()))
        right.set_ylabel("standard error")
    if items is not None:
        keys.append(of_item)
    if len(keys) > 1:
        frame.legend(keys)
    frame.label(latent_label(dimension), "information")
    return frame.figure
