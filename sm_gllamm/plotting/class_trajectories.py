"""Plots of the means of latent classes along a covariate."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from sm_gllamm.plotting.panels import Panels
from sm_gllamm.plotting.styles import curve_style, draw_curve

__all__ = ["plot_trajectories"]


def plot_trajectories(
    table: pd.DataFrame, x: str, by: str | None, sizes: Mapping[str, float], ylabel: str = "", ax=None
):  # fmt: skip
    """Draw a curve a class, with its band.

    Parameters
    ----------
    table : DataFrame
        Columns ``class``, `x`, `by`, ``predicted``, ``ci_lower``, ``ci_upper``.
    x : str
    by : str or None
        Column of which each value has a panel.
    sizes : dict of str to float
        Sizes of the classes, shown in the legend.
    ylabel : str
    ax : matplotlib.axes.Axes, optional
        Only for a single panel.

    Returns
    -------
    matplotlib.figure.Figure

    Examples
    --------
    >>> import pandas as pd
    >>> from sm_gllamm.plotting.class_trajectories import plot_trajectories
    >>> table = pd.DataFrame({"class": ["a", "a"], "time": [0, 1], "predicted": [1.0, 2.0],
    ...                       "ci_lower": [0.5, 1.2], "ci_upper": [1.5, 2.8]})
    >>> figure = plot_trajectories(table, "time", None, {"a": 1.0}, "y")
    """
    values = [None] if by is None else list(dict.fromkeys(table[by]))
    titles = [""] if by is None else [f"{by} = {value}" for value in values]
    panels = Panels(titles, ax, size=(3.2, 3.0))
    handles = []
    for axes, value in zip(panels.axes, values, strict=True):
        part = table if by is None else table[table[by] == value]
        handles = []
        for k, (name, own) in enumerate(part.groupby("class", sort=False)):
            label = f"{name} ({100 * sizes[name]:.0f}%)" if name in sizes else str(name)
            handles.append(draw_curve(axes, own, "predicted", curve_style(k), label, x))
    panels.legend(handles)
    panels.label(x, ylabel)
    return panels.figure
