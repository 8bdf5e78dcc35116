"""Prediction curves."""

from __future__ import annotations

import numpy as np
import pandas as pd

from sm_gllamm.plotting.axes import new_axes

__all__ = ["plot_curves"]

#: Line styles and markers of the kinds of prediction.
_STYLES = {"marginal": "-", "conditional": "--", "posterior": ":", "linear": "-."}
_MARKERS = {"marginal": "o", "conditional": "D", "posterior": "^", "linear": "s"}


def plot_curves(
    table: pd.DataFrame, x: str, by: str | None = None, ylabel: str = "predicted", ax=None
):
    """Draw predictions against a covariate.

    Parameters
    ----------
    table : DataFrame
        Columns `x`, `by`, ``which`` (the kind of prediction), ``predicted``, and optionally
        ``ci_lower`` and ``ci_upper``.
    x, by : str
        Colours tell the values of `by` apart, line styles (markers for categories) the kinds of
        prediction.
    ylabel : str
    ax : matplotlib.axes.Axes, optional

    Returns
    -------
    matplotlib.figure.Figure

    Examples
    --------
    >>> import pandas as pd
    >>> from sm_gllamm.plotting.curves import plot_curves
    >>> table = pd.DataFrame({"x": [0, 1], "which": "marginal", "predicted": [0.2, 0.4]})
    >>> figure = plot_curves(table, "x")
    >>> figure.axes[0].get_xlabel()
    'x'
    """
    figure, (ax,) = new_axes(ax)
    draw = _draw_curve if pd.api.types.is_numeric_dtype(table[x]) else _draw_points
    keys = ["which"] if by is None else [by, "which"]
    several = table["which"].nunique() > 1
    parts = table.groupby(keys, sort=False, observed=True)
    colors: dict[object, str] = {}
    for place, (key, part) in enumerate(parts):
        which = key[-1]
        color = colors.setdefault(key[:-1], f"C{len(colors) % 10}")
        names = [] if by is None else [f"{by} = {_shown(key[0])}"]
        names += [which] if several or by is None else []
        shift = 0.12 * (place - (len(parts) - 1) / 2)
        draw(ax, part, x, which, color, ", ".join(names), shift)
    ax.set(xlabel=x, ylabel=ylabel)
    ax.legend(frameon=False)
    return figure


def _draw_curve(ax, part: pd.DataFrame, x: str, which: str, color: str, label: str, shift: float):
    """A line with its band."""
    ax.plot(part[x], part["predicted"], _STYLES.get(which, "-"), color=color, label=label)
    if "ci_lower" in part:
        band = {"color": color, "alpha": 0.15, "linewidth": 0}
        ax.fill_between(part[x], part["ci_lower"], part["ci_upper"], **band)


def _draw_points(ax, part: pd.DataFrame, x: str, which: str, color: str, label: str, shift: float):
    """Points with their intervals, shifted so that several kinds do not hide each other."""
    place = np.arange(len(part)) + shift
    ax.plot(place, part["predicted"], _MARKERS.get(which, "o"), color=color, label=label)
    if "ci_lower" in part:
        ax.vlines(place, part["ci_lower"], part["ci_upper"], color=color)
    ax.set_xticks(np.arange(len(part)), part[x].astype(str))


def _shown(value) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)
