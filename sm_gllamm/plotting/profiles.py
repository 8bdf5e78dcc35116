"""Plots of profile likelihoods."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy.interpolate import PchipInterpolator
from scipy.stats import norm

from sm_gllamm.plotting.axes import new_axes

__all__ = ["plot_zeta"]


def plot_zeta(
    table: pd.DataFrame,
    limits: Sequence[float],
    estimate: float,
    alpha: float = 0.05,
    xlabel: str = "",
    ax=None,
):
    """Draw the signed root of a parameter's deviance and the interval that it gives.

    Parameters
    ----------
    table : DataFrame
        Columns ``value`` (increasing) and ``zeta``.
    limits : sequence of two floats
        Profile interval; NaN where there is none.
    estimate : float
    alpha : float
        One minus the confidence level of the interval.
    xlabel : str
        Name of the parameter.
    ax : matplotlib.axes.Axes, optional

    Returns
    -------
    matplotlib.figure.Figure

    Notes
    -----
    A straight line means that intervals symmetric about the estimate would do as well (Bates & Watts
    1988, Nonlinear Regression Analysis and Its Applications, ch. 6).

    Examples
    --------
    >>> import pandas as pd
    >>> from sm_gllamm.plotting.profiles import plot_zeta
    >>> table = pd.DataFrame({"value": [0.0, 1.0, 2.0], "zeta": [-2.2, 0.0, 2.2]})
    >>> figure = plot_zeta(table, [0.11, 1.89], 1.0)
    """
    figure, (ax,) = new_axes(ax)
    value, zeta = table["value"].to_numpy(), table["zeta"].to_numpy()
    if len(value) > 1:
        fine = np.linspace(value[0], value[-1], 201)
        ax.plot(fine, PchipInterpolator(value, zeta)(fine), color="C0")
    ax.plot(estimate, 0.0, "o", color="C0")
    quantile = norm.ppf(1 - alpha / 2)
    for limit, height in zip(limits, (-quantile, quantile), strict=True):
        ax.axhline(height, color="0.7", linewidth=0.8, linestyle=":")
        if np.isfinite(limit):
            ax.plot([limit, limit], [0.0, height], color="C1", linewidth=1)
    shown = [limit if np.isfinite(limit) else estimate for limit in limits]
    ax.plot(shown, [0.0, 0.0], color="C1", linewidth=2, label=f"{100 * (1 - alpha):g}% interval")
    ax.set(xlabel=xlabel, ylabel="signed root of the deviance")
    ax.legend(frameon=False)
    return figure
