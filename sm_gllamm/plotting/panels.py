"""Small multiples: a panel for each item."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

import numpy as np

from sm_gllamm.exceptions import SpecificationError
from sm_gllamm.plotting.axes import new_axes, new_grid

__all__ = ["Panels"]

#: Most panels in a row.
WIDEST = 6
#: Entries of a legend in a column.
ENTRIES = 24
#: Characters of a title in a line.
CHARACTERS = 28


class Panels:
    """Axes with titles in one figure.

    Parameters
    ----------
    titles : sequence of str
        An axes for each.
    axes : matplotlib.axes.Axes or sequence of them, optional
        To draw in, as many as titles; default a new figure.
    size : tuple of two floats
        Width and height of a panel in inches, where there are several.
    sharey : bool
        Whether all panels have the same scale.

    Attributes
    ----------
    figure : matplotlib.figure.Figure
    axes : list of matplotlib.axes.Axes

    Raises
    ------
    SpecificationError
        Axes are not as many as titles.

    Examples
    --------
    >>> from sm_gllamm.plotting.panels import Panels
    >>> panels = Panels(["y1", "y2", "y3"])
    >>> [ax.get_title() for ax in panels.axes]
    ['y1', 'y2', 'y3']
    """

    def __init__(
        self, titles: Sequence[str], axes=None, size: tuple[float, float] = (2.4, 2.1),
        sharey: bool = True,
    ):  # fmt: skip
        n = len(titles)
        self.own = axes is None
        #: width of the legend beside the panels, in inches
        self.beside = 0.0
        if axes is not None:
            self.axes = list(np.ravel(axes))
            if len(self.axes) != n:
                raise SpecificationError(
                    f"{n} axes are needed, one for each of {', '.join(map(repr, titles[:6]))}"
                    f"{', ...' * (n > 6)}; axes= has {len(self.axes)}"
                )
            self.figure = self.axes[0].figure
        elif n == 1:
            self.figure, self.axes = new_axes()
        else:
            self.figure, self.axes = self._grid(n, size, sharey)
        for ax, title in zip(self.axes, titles, strict=True):
            if title:
                small = "small" if n > 1 else "medium"
                ax.set_title("\n".join(textwrap.wrap(title, CHARACTERS)), fontsize=small)

    def _grid(self, n: int, size: tuple[float, float], sharey: bool):
        """A figure with panels in rows."""
        columns = min(WIDEST, n if n <= 3 else int(np.ceil(np.sqrt(n))))
        rows = -(-n // columns)
        figure, grid = new_grid(
            rows,
            columns,
            (size[0] * columns + 0.6, size[1] * rows + 0.5),
            sharex=True,
            sharey=sharey,
        )
        for ax in grid.flat[n:]:
            ax.remove()
        for column in range(columns):
            # shared axes have numbers at the bottom row only, of which the last panels may be gone
            lowest = rows - 1 if (rows - 1) * columns + column < n else rows - 2
            grid[lowest, column].tick_params(labelbottom=True)
        for ax in grid.flat[:n]:
            ax.tick_params(labelsize="small")
        return figure, list(grid.flat[:n])

    def legend(self, handles: Sequence, title: str | None = None) -> None:
        """A legend for all panels: beside them in a new figure, in the first of given axes."""
        options = {"frameon": False, "title": title, "handlelength": 2.6, "alignment": "left"}
        if not self.own:
            self.axes[0].legend(handles=handles, fontsize="small", **options)
            return
        columns = -(-len(handles) // ENTRIES)
        legend = self.figure.legend(
            handles=handles, loc="outside right upper", ncols=columns, **options
        )
        # the panels keep their width
        self.beside = legend.get_window_extent().width / self.figure.dpi
        self.figure.set_figwidth(self.figure.get_figwidth() + self.beside)

    def label(self, xlabel: str, ylabel: str) -> None:
        """Label the axes; once for the figure where all panels are in a new one."""
        if self.own and len(self.axes) > 1:
            middle = 0.5 * (1.0 - self.beside / self.figure.get_figwidth())
            self.figure.supxlabel(xlabel, x=middle, fontsize="medium")
            self.figure.supylabel(ylabel, fontsize="medium")
            return
        for ax in self.axes:
            ax.set(xlabel=xlabel, ylabel=ylabel)
