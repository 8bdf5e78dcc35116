"""Prediction curves."""

from __future__ import annotations

import pandas as pd

from sm_gllamm.plotting.axes import new_axes

__all__ = ["plot_curves"]

_STYLES = {"marginal": "-", "conditional": "--", "posterior": ":", "linear": "-."}


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
        Colours tell the values of `by` apart, line styles the kinds of prediction.
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
    groups = [None] if by is None else table[by].drop_duplicates().tolist()
    kinds = table["which"].drop_duplicates().tolist()
    categories = not pd.api.types.is_numeric_dtype(table[x])
    for g, group in enumerate(groups):
        part = table if by is None else table[table[by] == group]
        for which in kinds:
            curve = part[part["which"] == which]
            names = [] if by is None else [f"{by} = {_shown(group)}"]
            if len(kinds) > 1 or by is None:
                names.append(which)
            style = "o" if categories else _STYLES.get(which, "-")
            along = curve[x].astype(str) if categories else curve[x]
            ax.plot(along, curve["predicted"], style, color=f"C{g % 10}", label=", ".join(names))
            if "ci_lower" in curve:
                draw = ax.vlines if categories else ax.fill_between
                options = {} if categories else {"alpha": 0.15, "linewidth": 0}
                draw(along, curve["ci_lower"], curve["ci_upper"], color=f"C{g % 10}", **options)
    ax.set(xlabel=x, ylabel=ylabel)
    ax.legend(frameon=False)
    return figure


def _shown(value) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)
