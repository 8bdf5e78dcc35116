"""Lines, bands and points of plots of items: told apart by colour, and in grey by dashes and markers."""

from __future__ import annotations

import numpy as np
import pandas as pd

__all__ = [
    "LINES",
    "MARKERS",
    "curve_style",
    "draw_curve",
    "draw_points",
    "ordered_styles",
    "size_keys",
]

#: Colours that people with any kind of colour blindness tell apart (Okabe & Ito 2008, Color Universal
#: Design), without the yellow, which is too light for a line.
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#000000", "#E69F00", "#56B4E9")
LINES = ("-", (0, (5, 1.5)), (0, (1.2, 1.2)), (0, (6, 1.5, 1.2, 1.5)))
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
#: Area in square points of the mark of the largest group.
LARGEST = 110.0
BAND = 0.18


def curve_style(k: int) -> dict:
    """Colour and dashes of the k-th of several curves without an order; 28 are different.

    Examples
    --------
    >>> from sm_gllamm.plotting.styles import curve_style
    >>> curve_style(0)
    {'color': '#0072B2', 'linestyle': '-'}
    """
    return {"color": COLORS[k % len(COLORS)], "linestyle": LINES[k % len(LINES)]}


def ordered_styles(n: int) -> list[dict]:
    """Colours from dark to light, and dashes, of `n` ordered categories."""
    from matplotlib import colormaps

    shades = colormaps["viridis"](np.linspace(0.0, 0.82, n))
    return [{"color": shades[k], "linestyle": LINES[k % len(LINES)]} for k in range(n)]


def draw_curve(ax, part: pd.DataFrame, y: str, style: dict, label: str = "", x: str = "theta"):
    """A line, with its band where the table has ``ci_lower`` and ``ci_upper``.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
    part : DataFrame
        Rows of one curve, in any order.
    y, x : str
        Its columns.
    style : dict
        ``color`` and ``linestyle``.
    label : str
        For the legend.

    Returns
    -------
    matplotlib.lines.Line2D
    """
    part = part.sort_values(x)
    if "ci_lower" in part:
        ax.fill_between(
            part[x], part["ci_lower"], part["ci_upper"],
            color=style["color"], alpha=BAND, linewidth=0, zorder=1.5,
        )  # fmt: skip
    (line,) = ax.plot(part[x], part[y], label=label or None, linewidth=1.6, **style)
    return line


def draw_points(ax, x, y, n, largest: float, color, marker: str = "o") -> None:
    """Points whose areas are as their numbers of persons, `largest` being the largest in the figure."""
    ax.scatter(
        x, y, s=LARGEST * np.asarray(n, dtype=float) / largest, marker=marker,
        facecolor=color, edgecolor="black", alpha=0.55, linewidth=0.7, zorder=3,
    )  # fmt: skip


def size_keys(largest: float) -> list:
    """What a legend says about the sizes of points.

    Parameters
    ----------
    largest : float
        Largest number of persons of a point of the figure.

    Returns
    -------
    list of matplotlib.lines.Line2D
    """
    from matplotlib.lines import Line2D

    # one digit, and not above the largest one
    power = 10.0 ** np.floor(np.log10(largest))
    upper = np.floor(largest / power + 1e-9) * power
    return [
        Line2D(
            [], [], linestyle="none", marker="o", markersize=np.sqrt(LARGEST * number / largest),
            markerfacecolor="0.6", markeredgecolor="black", markeredgewidth=0.7, alpha=0.55,
            label=f"observed, n = {number:g}",
        )
        for number in ([upper / 10, upper] if upper >= 10 else [upper])
    ]  # fmt: skip
