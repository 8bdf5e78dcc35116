"""Wright maps: persons and items on the same scale."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from sm_gllamm.exceptions import SpecificationError
from sm_gllamm.plotting.axes import new_grid
from sm_gllamm.plotting.item_curves import latent_label
from sm_gllamm.plotting.styles import COLORS
from sm_gllamm.plotting.tables import checked_table

__all__ = ["plot_wright_map"]

#: Height of a new figure, and width of its side of persons, in inches.
HEIGHT, PERSONS = 6.4, 2.2
#: Size of names beside their locations, and of numbers of thresholds, in points.
NAME, NUMBER = 8.0, 7.0
#: Diameter of the ring around the number of a threshold, in points.
RING = 11.0
#: Inches between columns of names; narrowest column of an item.
GAP, NARROW = 0.14, 0.26


def plot_wright_map(
    persons,
    items: pd.DataFrame,
    weights=None,
    density: pd.DataFrame | None = None,
    layout: str | None = None,
    bins: int | str | Sequence[float] = "auto",
    limits: Sequence[float] | None = None,
    dimension: str = "theta",
    axes=None,
):
    """Draw the distribution of persons beside the locations of items.

    Parameters
    ----------
    persons : array_like, shape (n,), or None
        Scores of persons, such as EAP; None draws the density alone.
    items : DataFrame
        A row a difficulty or threshold: columns ``item`` and ``location``, optionally ``threshold``
        (a number or label, for items with several) and ``ci_lower`` and ``ci_upper`` of intervals. An
        item without a location (NaN) is named below without a mark.
    weights : array_like, shape (n,), optional
        Weights of persons.
    density : DataFrame, optional
        Distribution of the latent variable: columns ``theta`` and ``density``.
    layout : {"names", "columns"}, optional
        - "names": names beside marks at their locations, as ``item`` or ``item.threshold``,
        - "columns": a column for each item, with its name below, the numbers of thresholds and the
          intervals.

        Default "names" if no item has several locations and there are no intervals.
    bins : int, str or sequence of float
        Of the histogram, as in ``numpy.histogram``; with weights a number or edges ("auto" is then
        30 bins).
    limits : sequence of two floats, optional
        Of the scale; default all persons and locations. Locations beyond are drawn as triangles on
        the edge.
    dimension : str
        Name of the latent variable.
    axes : sequence of two matplotlib.axes.Axes, optional
        For persons and for items; default a new figure, wide enough for the labels.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    SpecificationError
        Neither persons nor a density, persons or weights of a wrong shape or not finite, missing
        columns, or no locations.

    Notes
    -----
    Marks stand exactly at their locations: labels that would overlap move sideways (Wilson 2005,
    Constructing Measures, ch. 5).

    Examples
    --------
    >>> import pandas as pd
    >>> from sm_gllamm.plotting.wright_map import plot_wright_map
    >>> items = pd.DataFrame({"item": ["y1", "y2"], "location": [-0.5, 0.7]})
    >>> figure = plot_wright_map([-1.0, 0.0, 0.2, 1.1], items)
    """
    items = checked_table(items, ["item", "location"], "the table of locations")
    if not np.isfinite(items["location"].to_numpy(dtype=float)).any():
        raise SpecificationError("the table of locations has no finite location")
    persons, weights = _checked_persons(persons, weights)
    if density is not None:
        density = checked_table(density, ["theta", "density"], "the table of the density")
        density = density.sort_values("theta")
    elif persons is None:
        raise SpecificationError(
            "persons=None needs density=: there is nothing to draw for persons"
        )
    if layout is None:
        plain = items["item"].is_unique and "ci_lower" not in items
        layout = "names" if plain else "columns"
    if layout not in ("names", "columns"):
        raise SpecificationError(f"layout must be 'names' or 'columns', not {layout!r}")
    if axes is None:
        figure, grid = new_grid(1, 2, (6.4, HEIGHT), sharey=True)
        left, right = grid[0]
    else:
        if len(np.ravel(axes)) != 2:
            raise SpecificationError("axes must be two: for persons and for items")
        left, right = np.ravel(axes)
        figure = left.figure
    low, high = _scale(persons, items, density) if limits is None else limits
    left.set(ylim=(low, high), ylabel=latent_label(dimension))
    right.set_ylim(low, high)
    _draw_persons(left, persons, weights, density, bins)
    draw = _draw_names if layout == "names" else _draw_columns
    # places of labels depend on the height of the axes, which their labels below have no part in yet
    if layout == "columns":
        right.set_xticks([0.0], [max(items["item"].astype(str), key=len)], rotation=90)
    figure.draw_without_rendering()
    inch = right.get_window_extent().height / figure.dpi / (high - low)
    room = np.inf if axes is None else right.get_window_extent().width / figure.dpi
    width = draw(right, items, inch, room)
    if axes is None:
        right.tick_params(labelleft=False, left=False)
        grid[0, 0].get_gridspec().set_width_ratios([PERSONS, width])
        figure.set_figwidth(PERSONS + width + 0.9)
    for side in ("top", "left"):
        left.spines[side].set_visible(side == "left")
        right.spines[side].set_visible(False)
    right.spines["right"].set_visible(False)
    for ax in (left, right):
        ax.grid(axis="y", color="0.9", linewidth=0.6)
        ax.set_axisbelow(True)
    return figure


def _checked_persons(persons, weights):
    """Scores and weights as finite vectors of one length."""
    if persons is None:
        return None, None
    persons = np.asarray(persons, dtype=float)
    weights = np.ones(len(persons)) if weights is None else np.asarray(weights, dtype=float)
    if persons.ndim != 1 or not len(persons) or weights.shape != persons.shape:
        raise SpecificationError(
            "persons must be a vector, and weights as long as it; got shapes "
            f"{persons.shape} and {weights.shape}"
        )
    for what, values in (("persons", persons), ("weights", weights)):
        bad = np.flatnonzero(~np.isfinite(values))
        if len(bad):
            raise SpecificationError(
                f"{what}[{bad[0]}] is {values[bad[0]]}; leave out persons without a finite score"
            )
    return persons, weights


def _scale(persons, items: pd.DataFrame, density) -> tuple[float, float]:
    """Limits that hold all persons, locations and intervals, and the body of the density."""
    columns = [name for name in ("location", "ci_lower", "ci_upper") if name in items]
    shown = [items[columns].to_numpy(dtype=float).ravel()]
    if persons is not None:
        shown.append(persons)
    if density is not None:
        body = density["density"] > 1e-3 * density["density"].max()
        shown.append(density["theta"][body].to_numpy(dtype=float))
    values = np.concatenate(shown)
    values = values[np.isfinite(values)]
    low, high = values.min(), values.max()
    margin = 0.05 * (high - low) or 1.0
    return low - margin, high + margin


def _draw_persons(ax, persons, weights, density, bins) -> None:
    """The histogram, its bars growing to the left, and the density."""
    if persons is not None:
        if isinstance(bins, str) and not np.all(weights == 1.0):
            bins = 30
        # with a density both are densities, otherwise bars are numbers of persons
        counts = {} if np.all(weights == 1.0) else {"weights": weights}
        heights, edges = np.histogram(persons, bins, density=density is not None, **counts)
        ax.barh(
            edges[:-1], heights, np.diff(edges), align="edge",
            color="0.75", edgecolor="white", linewidth=0.5, zorder=2,
        )  # fmt: skip
        _count_beyond(ax, persons, weights)
    if density is not None:
        ax.plot(density["density"], density["theta"], color=COLORS[0], linewidth=1.6, zorder=3)
        ax.set_xlabel("density of persons")
    else:
        ax.set_xlabel("persons" if np.all(weights == 1.0) else "weight of persons")
    ax.set_xlim(ax.get_xlim()[1], 0.0)


def _count_beyond(ax, persons, weights) -> None:
    """Say how many persons the limits leave out."""
    low, high = ax.get_ylim()
    for beyond, y, side in ((persons > high, 0.99, "top"), (persons < low, 0.01, "bottom")):
        if beyond.any():
            where = "above" if side == "top" else "below"
            ax.text(
                0.03, y, f"{weights[beyond].sum():g} {where}", va=side,
                fontsize=NUMBER, transform=ax.transAxes,
            )  # fmt: skip


def _marks(items: pd.DataFrame, limits: tuple[float, float], edge: float) -> pd.DataFrame:
    """Places of marks: within the limits, with what to draw for those beyond."""
    low, high = limits
    table = items.assign(location=items["location"].astype(float))
    table["marker"] = np.select(
        [table["location"] > high, table["location"] < low], ["^", "v"], "o"
    )
    table["place"] = (
        table["location"]
        .clip(low + edge, high - edge)
        .where(table["marker"] != "o", table["location"])
    )
    by_item = table.groupby("item", sort=False, observed=True)
    if "threshold" not in table:
        table["threshold"] = by_item.cumcount() + 1
    # numbers are floats where the column has gaps for items with one location
    labels = [f"{x:g}" if isinstance(x, float) else str(x) for x in table["threshold"]]
    table["threshold"] = np.where(by_item["location"].transform("size") > 1, labels, "")
    return table


def _slots(places: np.ndarray, height: float) -> np.ndarray:
    """Columns 0, 1, ... of labels, so that those in a column are at least `height` apart."""
    tops: list[float] = []
    slots = np.empty(len(places), dtype=int)
    for position in np.argsort(places, kind="stable"):
        free = [k for k, top in enumerate(tops) if places[position] - top >= height]
        slot = free[0] if free else len(tops)
        tops[slot : slot + 1] = [places[position]]
        slots[position] = slot
    return slots


def _draw_names(ax, items: pd.DataFrame, inch: float, room: float) -> float:
    """Names at their locations; returns the width that they take, in inches.

    `inch` is the length of a unit of the scale in inches, `room` the width that there is: names are
    made smaller until they fit.
    """
    dpi = ax.figure.dpi
    for size in (NAME, 7.0, 6.0, 5.0, 4.0):
        height = 1.25 * size / 72
        marks = _marks(items, ax.get_ylim(), 0.6 * height / inch)
        names = [
            f"{item}.{threshold}" if threshold else str(item)
            for item, threshold in zip(marks["item"], marks["threshold"], strict=True)
        ]
        seen = np.isfinite(marks["location"].to_numpy())
        # names without a location are said below
        texts = [
            ax.text(0.0, y, name, fontsize=size, va="center_baseline")
            for name, y in zip(
                np.array(names, dtype=object)[seen], marks["place"][seen], strict=True
            )
        ]
        widths = np.array([text.get_window_extent().width / dpi for text in texts])
        slots = _slots(marks["place"][seen].to_numpy(), height / inch)
        wide = [widths[slots == k].max() + GAP for k in range(slots.max() + 1)]
        starts = 0.08 + np.concatenate([[0.0], np.cumsum(wide)])
        if starts[-1] <= room or size == 4.0:
            break
        for text in texts:
            text.remove()
    for text, slot in zip(texts, slots, strict=True):
        text.set_x(starts[slot] + 0.6 * GAP)
    for marker, part in marks[seen].groupby("marker"):
        x = starts[slots[(marks["marker"][seen] == marker).to_numpy()]]
        ax.plot(x + 0.03, part["place"], marker, color=COLORS[0], markersize=0.4 * size)
    width = max(float(starts[-1]), 1.2 if np.isinf(room) else room)
    ax.set(xlim=(0.0, width), xticks=[], xlabel="items")
    if not seen.all():
        lacking = ", ".join(np.array(names, dtype=object)[~seen])
        ax.set_xlabel(f"items\n(no location: {lacking})")
    return width


def _draw_columns(ax, items: pd.DataFrame, inch: float, room: float) -> float:
    """A column for each item, with its thresholds; returns the width of all, in inches."""
    step = 1.08 * RING / 72
    marks = _marks(items, ax.get_ylim(), 0.8 * step / inch)
    columns = []
    for item, part in marks.groupby("item", sort=False, observed=True):
        part = part[np.isfinite(part["location"])]
        slots = _slots(part["place"].to_numpy(), step / inch)
        columns.append(
            (str(item), part, slots, max(NARROW, step * (slots.max(initial=0) + 1) + 0.09))
        )
    wide = np.array([column[-1] for column in columns])
    scale = min(1.0, room / wide.sum())
    wide = wide * scale if np.isinf(room) else wide * room / wide.sum()
    centres = np.cumsum(wide) - wide / 2
    for k, (_, part, slots, _) in enumerate(columns):
        if k % 2:
            ax.axvspan(centres[k] - wide[k] / 2, centres[k] + wide[k] / 2, color="0.96", zorder=0)
        x = centres[k] + scale * step * (slots - slots.max(initial=0) / 2)
        if "ci_lower" in part:
            ax.vlines(
                x, part["ci_lower"], part["ci_upper"], color=COLORS[0], linewidth=1.2, zorder=2
            )
        for at, place, marker, threshold in zip(
            x, part["place"], part["marker"], part["threshold"], strict=True
        ):
            bare = not threshold
            # a triangle has less room for its number than a ring
            size = 5.0 if bare else RING if marker == "o" else 1.5 * RING
            ax.plot(
                at, place, marker, color=COLORS[0], markersize=scale * size,
                markerfacecolor=COLORS[0] if bare else "white", zorder=3,
            )  # fmt: skip
            if not bare:
                lift = {"o": 0.0, "^": -0.17, "v": 0.17}[marker] * step / inch
                ax.text(
                    at, place + lift, threshold, ha="center", va="center_baseline",
                    fontsize=scale * NUMBER, zorder=4,
                )  # fmt: skip
    # beside each other where all have room, else upright and not thicker than the narrowest column
    size = min(NAME, 72 * wide.min() / 1.3)
    ax.set_xticks(centres, [column[0] for column in columns], rotation=0, fontsize=size)
    needed = [name.get_window_extent().width / ax.figure.dpi for name in ax.get_xticklabels()]
    if (needed > wide - 0.05).any():
        ax.set_xticks(centres, [column[0] for column in columns], rotation=90, fontsize=size)
    ax.tick_params(axis="x", length=0)
    ax.set(xlim=(0.0, wide.sum()), xlabel="items")
    return float(wide.sum())
