"""Estimates of the latent variable from sum scores."""

from __future__ import annotations

import numpy as np
import pandas as pd

from sm_gllamm.plotting.axes import new_axes, new_grid
from sm_gllamm.plotting.item_curves import latent_label
from sm_gllamm.plotting.styles import COLORS, MARKERS
from sm_gllamm.plotting.tables import checked_table

__all__ = ["plot_sum_scores"]


def plot_sum_scores(table: pd.DataFrame, multiple: float = 1.0, dimension: str = "theta", ax=None):
    """Draw posterior means of the latent variable by sum score, with their standard deviations.

    Parameters
    ----------
    table : DataFrame
        Columns ``score``, ``eap``, ``sd``, and optionally ``group`` (points for each), ``expected``
        and ``observed``: proportions of persons with the score, that of the model and that of the
        data, which are drawn below.
    multiple : float
        Half-width of the bars in standard deviations.
    dimension : str
        Name of the latent variable.
    ax : matplotlib.axes.Axes, optional
        For the estimates alone.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    SpecificationError
        Missing columns.

    Examples
    --------
    >>> import pandas as pd
    >>> from sm_gllamm.plotting.sum_scores import plot_sum_scores
    >>> table = pd.DataFrame({"score": [0, 1, 2], "eap": [-0.8, 0.0, 0.8], "sd": [0.8, 0.7, 0.8]})
    >>> figure = plot_sum_scores(table)
    """
    table = checked_table(table, ["score", "eap", "sd"], "the table of sum scores")
    shares = [name for name in ("expected", "observed") if name in table]
    lower = None
    if ax is None and shares:
        options = {"sharex": True, "height_ratios": [3, 1]}
        figure, grid = new_grid(2, 1, (6.4, 5.6), **options)
        top, lower = grid[:, 0]
    else:
        figure, (top,) = new_axes(ax)
    groups = list(table["group"].unique()) if "group" in table else [None]
    # groups stand side by side
    step = 0.6 * np.diff(np.unique(table["score"])).min(initial=1.0)
    shifts = step * (np.arange(len(groups)) - (len(groups) - 1) / 2) / len(groups)
    for k, group in enumerate(groups):
        part = (table if group is None else table[table["group"] == group]).sort_values("score")
        color, marker = COLORS[k % len(COLORS)], MARKERS[k % len(MARKERS)]
        top.errorbar(
            part["score"] + shifts[k], part["eap"], multiple * part["sd"], fmt=marker, color=color,
            markersize=4.5, elinewidth=1.0, label=group,
        )  # fmt: skip
        if lower is not None:
            _draw_shares(lower, part, shares, color, marker, shifts[k], step / len(groups))
    bars = "SD" if multiple == 1.0 else f"{multiple:g} SD"
    top.set_ylabel(f"{latent_label(dimension)},\nposterior mean ± {bars}")
    if groups != [None]:
        top.legend(frameon=False, title="group")
    (top if lower is None else lower).set_xlabel("sum score")
    top.xaxis.get_major_locator().set_params(integer=True)
    if lower is not None:
        lower.set_ylabel("proportion of\npersons")
        lower.set_ylim(bottom=0.0)
        if len(shares) == 2:
            lower.legend(frameon=False, fontsize="small")
    return figure


def _draw_shares(ax, part, shares, color, marker, shift, width) -> None:
    """Observed proportions as bars, expected ones as points on a line."""
    if "observed" in shares:
        ax.bar(
            part["score"] + shift, part["observed"], width, color=color, alpha=0.35,
            label="observed" if not ax.patches else None,
        )  # fmt: skip
    if "expected" in shares:
        ax.plot(
            part["score"] + shift, part["expected"], marker=marker, color=color, markersize=3,
            linewidth=1.0, label="expected" if not ax.lines else None,
        )  # fmt: skip
