"""Information criteria by number of classes."""

from __future__ import annotations

import pandas as pd

from sm_gllamm.plotting.axes import new_axes
from sm_gllamm.plotting.styles import MARKERS, curve_style

__all__ = ["plot_criteria"]


def plot_criteria(table: pd.DataFrame, ax=None):
    """Draw information criteria by number of classes, the smallest of each marked.

    Parameters
    ----------
    table : DataFrame
        A row a number of classes, a column a criterion.
    ax : matplotlib.axes.Axes, optional

    Returns
    -------
    matplotlib.figure.Figure

    Examples
    --------
    >>> import pandas as pd
    >>> from sm_gllamm.plotting.class_enumeration import plot_criteria
    >>> table = pd.DataFrame({"bic": [5149.8, 5010.8, 5045.6]}, index=[1, 2, 3])
    >>> figure = plot_criteria(table)
    """
    figure, (ax,) = new_axes(ax)
    for k, (name, values) in enumerate(table.items()):
        style = curve_style(k)
        ax.plot(
            values.index, values, marker=MARKERS[k % len(MARKERS)], label=str(name).upper(), **style
        )
        ax.plot(
            [values.idxmin()], [values.min()], marker="o", markersize=13, fillstyle="none",
            color=style["color"],
        )  # fmt: skip
    ax.set_xticks(list(table.index))
    ax.set(xlabel="number of classes", ylabel="information criterion")
    if table.shape[1] > 1:
        ax.legend(frameon=False)
    return figure
