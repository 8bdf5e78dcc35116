"""Overview of differential item functioning: effect sizes of all items."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from sm_gllamm.exceptions import SpecificationError
from sm_gllamm.plotting.axes import new_axes
from sm_gllamm.plotting.tables import checked_table

__all__ = ["plot_dif_effects"]

#: Colours, markers and faces of flags from none to most serious.
FLAGS = (
    ("0.35", "o", "white"),
    ("#0072B2", "D", "#0072B2"),
    ("#D55E00", "s", "#D55E00"),
    ("#000000", "X", "#000000"),
)
#: Inches for an item.
STEP = 0.22


def plot_dif_effects(
    table: pd.DataFrame,
    limits: Sequence[float] = (),
    sort: bool = True,
    xlabel: str = "effect size",
    ax=None,
):
    """Draw effect sizes of items with their intervals and flags.

    Parameters
    ----------
    table : DataFrame
        A row an item: columns ``item``, ``effect``, and optionally ``ci_lower`` and ``ci_upper``, and
        ``flag``: True or False, or up to four classes such as "A", "B" and "C", which in their sorted
        order are ever more serious.
    limits : sequence of float
        Magnitudes between classes, drawn as dotted lines on both sides of zero.
    sort : bool
        Whether items are in order of their effects, the largest at the top; otherwise in the order of
        the table from the top.
    xlabel : str
        Name and unit of the effect size.
    ax : matplotlib.axes.Axes, optional

    Returns
    -------
    matplotlib.figure.Figure
        Of a height for the number of items, unless `ax` is given.

    Raises
    ------
    SpecificationError
        Missing columns, an item twice, an effect that is not finite, an item without a flag, or more
        than four classes.

    Examples
    --------
    >>> import pandas as pd
    >>> from sm_gllamm.plotting.dif_effects import plot_dif_effects
    >>> table = pd.DataFrame({"item": ["y1", "y2"], "effect": [0.1, -0.8],
    ...                       "ci_lower": [-0.2, -1.1], "ci_upper": [0.4, -0.5], "flag": [False, True]})
    >>> figure = plot_dif_effects(table, limits=[0.64])
    """
    table = checked_table(table, ["item", "effect"], "the table of effects")
    twice = table["item"][table["item"].duplicated()]
    if len(twice):
        raise SpecificationError(
            f"the table of effects has item {twice.iloc[0]!r} twice; give one row an item"
        )
    bad = table["item"][~np.isfinite(table["effect"].to_numpy(dtype=float))]
    if len(bad):
        raise SpecificationError(f"the effect of item {bad.iloc[0]!r} is not finite; leave it out")
    if "flag" in table and table["flag"].isna().any():
        lacking = table["item"][table["flag"].isna()].iloc[0]
        raise SpecificationError(f"item {lacking!r} has no flag; give one to each item or none")
    # places count from the bottom
    table = table.sort_values("effect") if sort else table.iloc[::-1]
    classes = sorted(table["flag"].unique()) if "flag" in table else [None]
    if len(classes) > len(FLAGS):
        raise SpecificationError(f"flag has {len(classes)} classes; at most {len(FLAGS)} are drawn")
    figure, (axes,) = new_axes(ax)
    if ax is None:
        figure.set_figheight(max(2.4, STEP * len(table) + 1.1))
    place = np.arange(len(table))
    for magnitude in limits:
        for sign in (-1.0, 1.0):
            axes.axvline(sign * magnitude, color="0.6", linewidth=0.9, linestyle=":")
    axes.axvline(0.0, color="0.5", linewidth=0.8)
    for k, flag in enumerate(classes):
        # a flag that is True is as serious as can be, also when all are
        truth = isinstance(flag, bool | np.bool_)
        color, marker, face = FLAGS[2 if truth and flag else k]
        of_class = np.ones(len(table), bool) if flag is None else (table["flag"] == flag).to_numpy()
        part, at = table[of_class], place[of_class]
        if "ci_lower" in part:
            axes.hlines(at, part["ci_lower"], part["ci_upper"], color=color, linewidth=1.2)
        label = None if flag is None else str(flag)
        if truth:
            label = "flagged" if flag else "not flagged"
        axes.plot(
            part["effect"],
            at,
            marker,
            color=color,
            markerfacecolor=face,
            markersize=5.5,
            label=label,
        )
    axes.set_yticks(place, table["item"].astype(str), fontsize="small")
    axes.set(xlabel=xlabel, ylim=(-0.7, len(table) - 0.3))
    axes.tick_params(axis="y", length=0)
    if classes != [None]:
        if ax is None:
            figure.legend(loc="outside right upper", frameon=False)
        else:
            axes.legend(frameon=False, fontsize="small")
    return figure
