"""Class probabilities as functions of a covariate."""

from __future__ import annotations

import numpy as np
import pandas as pd

from sm_gllamm.plotting.axes import new_axes
from sm_gllamm.plotting.styles import MARKERS, curve_style, draw_curve
from sm_gllamm.plotting.tables import checked_table

__all__ = ["plot_class_curves"]


def plot_class_curves(table: pd.DataFrame, xlabel: str = "", ax=None):
    """Draw the probability of each class against a covariate, with bands, or bars for categories.

    Parameters
    ----------
    table : DataFrame
        A row a value and class: columns ``x`` (numbers, or categories in their order), ``class``,
        ``predicted``, and optionally ``ci_lower`` and ``ci_upper``.
    xlabel : str
    ax : matplotlib.axes.Axes, optional

    Returns
    -------
    matplotlib.figure.Figure

    Examples
    --------
    >>> import pandas as pd
    >>> from sm_gllamm.plotting.class_curves import plot_class_curves
    >>> table = pd.DataFrame({"x": [0.0, 1.0] * 2, "class": ["a", "a", "b", "b"],
    ...                       "predicted": [0.3, 0.6, 0.7, 0.4]})
    >>> figure = plot_class_curves(table, "age")
    """
    table = checked_table(table, ["x", "class", "predicted"], "the table of class probabilities")
    figure, (ax,) = new_axes(ax)
    numeric = pd.api.types.is_numeric_dtype(table["x"]) and not pd.api.types.is_bool_dtype(
        table["x"]
    )
    labels = list(dict.fromkeys(table["x"]))
    for c, (name, part) in enumerate(table.groupby("class", sort=False, observed=True)):
        style = curve_style(c)
        if numeric:
            draw_curve(ax, part, "predicted", style, str(name), "x")
            continue
        at = np.array([labels.index(x) for x in part["x"]]) + 0.08 * c
        if "ci_lower" in part:
            ax.vlines(at, part["ci_lower"], part["ci_upper"], color=style["color"], linewidth=1.0)
        ax.plot(
            at, part["predicted"], linestyle="none", marker=MARKERS[c % len(MARKERS)],
            color=style["color"], label=str(name),
        )  # fmt: skip
    if not numeric:
        ax.set_xticks(range(len(labels)), [str(label) for label in labels])
    ax.set(xlabel=xlabel, ylabel="probability of the class", ylim=(-0.03, 1.03))
    ax.legend(frameon=False, fontsize="small")
    return figure
