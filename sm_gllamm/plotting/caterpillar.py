"""Caterpillar plots of random effects."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from sm_gllamm.plotting.axes import new_axes

__all__ = ["plot_caterpillar"]

#: Clusters up to which their labels are written.
LABELS = 60


def plot_caterpillar(
    table: pd.DataFrame, effects: Sequence[str], multiple: float = 1.96, ylabel: str = "", ax=None
):
    """Draw random effects in order of size with their intervals.

    Parameters
    ----------
    table : DataFrame
        A row a cluster: columns for the effects and ``sd(<effect>)``.
    effects : sequence of str
        An axes for each.
    multiple : float
        Half-width of the intervals in standard deviations.
    ylabel : str
        Name of the level.
    ax : matplotlib.axes.Axes, optional
        For a single effect.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ValueError
        `ax` is given for several effects.

    Examples
    --------
    >>> import pandas as pd
    >>> from sm_gllamm.plotting.caterpillar import plot_caterpillar
    >>> table = pd.DataFrame({"Intercept": [0.3, -0.2], "sd(Intercept)": [0.1, 0.1]})
    >>> figure = plot_caterpillar(table, ["Intercept"])
    """
    if ax is not None and len(effects) > 1:
        raise ValueError(f"ax is for one random effect; choose one of {list(effects)} by effect=")
    figure, axes = new_axes(ax, len(effects))
    for axis, effect in zip(axes, effects, strict=True):
        ordered = table.sort_values(effect)
        values, sd = ordered[effect].to_numpy(), ordered[f"sd({effect})"].to_numpy()
        place = np.arange(len(ordered))
        axis.hlines(place, values - multiple * sd, values + multiple * sd, color="C0", linewidth=1)
        axis.plot(values, place, "o", color="C0", markersize=3)
        axis.axvline(0.0, color="0.5", linewidth=0.8)
        axis.set(xlabel=effect, ylim=(-1, len(ordered)))
        axis.set_yticks([])
        if len(ordered) <= LABELS:
            labels = [
                "/".join(map(str, label)) if isinstance(label, tuple) else str(label)
                for label in ordered.index
            ]
            axis.set_yticks(place, labels, fontsize="x-small")
    axes[0].set_ylabel(ylabel)
    return figure
