"""Sizes of latent classes, and how certain units are of theirs."""

from __future__ import annotations

import numpy as np
import pandas as pd

from sm_gllamm.plotting.axes import new_axes
from sm_gllamm.plotting.panels import Panels
from sm_gllamm.plotting.styles import curve_style
from sm_gllamm.plotting.tables import checked_table

__all__ = ["plot_class_sizes", "plot_posteriors"]


def plot_class_sizes(table: pd.DataFrame, xlabel: str = "class", ax=None):
    """Draw class sizes as bars with intervals.

    Parameters
    ----------
    table : DataFrame
        A row a class: columns ``estimate``, and optionally ``ci_lower`` and ``ci_upper``.
    xlabel : str
    ax : matplotlib.axes.Axes, optional

    Returns
    -------
    matplotlib.figure.Figure

    Examples
    --------
    >>> import pandas as pd
    >>> from sm_gllamm.plotting.class_sizes import plot_class_sizes
    >>> figure = plot_class_sizes(pd.DataFrame({"estimate": [0.7, 0.3]}, index=["a", "b"]))
    """
    table = checked_table(table, ["estimate"], "the table of class sizes")
    figure, (ax,) = new_axes(ax)
    at = np.arange(len(table))
    colors = [curve_style(k)["color"] for k in at]
    ax.bar(at, table["estimate"], width=0.6, color=colors, alpha=0.55)
    if "ci_lower" in table:
        ax.vlines(at, table["ci_lower"], table["ci_upper"], color="black", linewidth=1.2)
    ax.set_xticks(at, [str(name) for name in table.index])
    ax.set(xlabel=xlabel, ylabel="size", ylim=(0.0, None))
    return figure


def plot_posteriors(posterior: pd.DataFrame, weights=None, bins: int = 20, axes=None):
    """Draw histograms of posterior class probabilities, a panel for each class.

    Parameters
    ----------
    posterior : DataFrame, shape (n, C)
        A column a class.
    weights : array_like, shape (n,), optional
    bins : int
    axes : sequence of matplotlib.axes.Axes, optional
        One for each class.

    Returns
    -------
    matplotlib.figure.Figure
        The units assigned to the class are in colour, the others are grey.

    Examples
    --------
    >>> import pandas as pd
    >>> from sm_gllamm.plotting.class_sizes import plot_posteriors
    >>> figure = plot_posteriors(pd.DataFrame({"a": [0.9, 0.2], "b": [0.1, 0.8]}))
    """
    panels = Panels([str(name) for name in posterior.columns], axes)
    values = posterior.to_numpy()
    weights = np.ones(len(values)) if weights is None else np.asarray(weights, dtype=float)
    modal, edges = values.argmax(axis=1), np.linspace(0.0, 1.0, bins + 1)
    for k, ax in enumerate(panels.axes):
        own = modal == k
        ax.hist(
            [values[own, k], values[~own, k]], edges, weights=[weights[own], weights[~own]],
            stacked=True, color=[curve_style(k)["color"], "0.75"], edgecolor="white", linewidth=0.4,
        )  # fmt: skip
    panels.label("posterior probability", "units")
    return panels.figure
