"""The one place that imports matplotlib, when a plot is asked for."""

from __future__ import annotations

__all__ = ["new_axes", "new_grid"]


def _pyplot():
    """pyplot, or an error that says how to get it."""
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise ImportError(
            "plots need matplotlib, which is not installed; install it with the extra 'plot': "
            "pip install 'sm_gllamm[plot]'"
        ) from error
    return plt


def new_axes(ax=None, n: int = 1):
    """A figure and its axes.

    Parameters
    ----------
    ax : matplotlib.axes.Axes, optional
        Axes to draw in.
    n : int
        Number of axes side by side in a new figure.

    Returns
    -------
    figure : matplotlib.figure.Figure
    axes : list of matplotlib.axes.Axes

    Raises
    ------
    ImportError
        Without matplotlib.
    """
    if ax is not None:
        return ax.figure, [ax]
    figure, axes = _pyplot().subplots(1, n, squeeze=False, layout="constrained")
    if n > 1:
        figure.set_size_inches(4.0 * n, 4.8)
    return figure, list(axes[0])


def new_grid(rows: int, columns: int, size: tuple[float, float], **options):
    """A new figure and its axes in rows and columns.

    Parameters
    ----------
    rows, columns : int
    size : tuple of two floats
        Width and height of the figure in inches.
    **options
        Further options of ``matplotlib.pyplot.subplots``.

    Returns
    -------
    figure : matplotlib.figure.Figure
    axes : ndarray of matplotlib.axes.Axes, shape (rows, columns)

    Raises
    ------
    ImportError
        Without matplotlib.
    """
    options = {"squeeze": False, "layout": "constrained", "figsize": size} | options
    return _pyplot().subplots(rows, columns, **options)
