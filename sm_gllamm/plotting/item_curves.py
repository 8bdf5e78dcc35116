"""Curves of items along a latent variable: characteristic, category and expected score curves."""

from __future__ import annotations

import textwrap

import pandas as pd

from sm_gllamm.exceptions import SpecificationError
from sm_gllamm.plotting.panels import Panels
from sm_gllamm.plotting.styles import (
    MARKERS,
    curve_style,
    draw_curve,
    draw_points,
    ordered_styles,
    size_keys,
)
from sm_gllamm.plotting.tables import checked_table, known_items, largest_number

__all__ = [
    "latent_label",
    "plot_category_curves",
    "plot_expected_scores",
    "plot_item_curves",
    "same_scale",
    "scale_scores",
]

#: Items up to which one axes holds all curves.
TOGETHER = 8


def latent_label(dimension: str = "theta") -> str:
    """Label of the axis of a latent variable.

    Examples
    --------
    >>> from sm_gllamm.plotting.item_curves import latent_label
    >>> latent_label()
    'latent variable (theta)'
    """
    return f"latent variable ({dimension})"


def plot_item_curves(
    table: pd.DataFrame,
    observed: pd.DataFrame | None = None,
    panels: bool | None = None,
    dimension: str = "theta",
    ylabel: str = "probability",
    axes=None,
):
    """Draw item characteristic curves: the probability of one category by the latent variable.

    Parameters
    ----------
    table : DataFrame
        Columns ``item``, ``theta``, ``predicted``, and optionally ``ci_lower`` and ``ci_upper`` of
        pointwise intervals.
    observed : DataFrame, optional
        Proportions in groups of persons: columns ``item``, ``theta``, ``proportion`` and ``n``, the
        number of persons, to which the areas of the points are proportional.
    panels : bool, optional
        Whether each item has its own panel; default for more than eight items.
    dimension : str
        Name of the latent variable.
    ylabel : str
    axes : matplotlib.axes.Axes or sequence of them, optional
        One axes, or one for each item if `panels`.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    SpecificationError
        Missing columns, observed items without a curve, or axes that are not as many as panels.

    Examples
    --------
    >>> import pandas as pd
    >>> from sm_gllamm.plotting.item_curves import plot_item_curves
    >>> table = pd.DataFrame({"item": "y1", "theta": [-1.0, 0.0, 1.0], "predicted": [0.3, 0.5, 0.7]})
    >>> figure = plot_item_curves(table)
    >>> figure.axes[0].get_ylabel()
    'probability'
    """
    table = checked_table(table, ["item", "theta", "predicted"], "the table of item curves")
    items = list(table["item"].unique())
    if panels is None:
        panels = len(items) > TOGETHER
    single = not panels and len(items) == 1
    frame = Panels([str(item) for item in items] if panels or single else [""], axes)
    lines = []
    for k, (_, part) in enumerate(table.groupby("item", sort=False, observed=True)):
        style = curve_style(0 if panels else k)
        ax = frame.axes[k if panels else 0]
        lines.append(draw_curve(ax, part, "predicted", style, str(items[k])))
    keys = [] if panels or single else lines
    if observed is not None:
        keys = keys + _draw_observed(frame, observed, items, lines)
    if keys:
        frame.legend(keys)
    for ax in frame.axes:
        ax.set_ylim(-0.03, 1.03)
    frame.label(latent_label(dimension), ylabel)
    return frame.figure


def _draw_observed(frame: Panels, observed: pd.DataFrame, items: list, lines: list) -> list:
    """Observed proportions in the colours of the curves; returns what the legend says of them."""
    what = "the table of observed proportions"
    observed = checked_table(observed, ["item", "theta", "proportion", "n"], what)
    known_items(observed, items, what)
    largest = largest_number(observed, what)
    together = len(frame.axes) < len(items)
    for item, part in observed.groupby("item", sort=False, observed=True):
        k = items.index(item)
        color, marker = lines[k].get_color(), MARKERS[k % len(MARKERS)] if together else "o"
        draw_points(
            frame.axes[0 if together else k], part["theta"], part["proportion"], part["n"],
            largest, color, marker,
        )  # fmt: skip
    return size_keys(largest)


def plot_category_curves(
    table: pd.DataFrame,
    observed: pd.DataFrame | None = None,
    dimension: str = "theta",
    ylabel: str = "probability",
    axes=None,
):
    """Draw the probabilities of all categories by the latent variable, a panel for each item.

    Parameters
    ----------
    table : DataFrame
        Columns ``item``, ``category`` (a label; an item's categories in their order), ``theta``,
        ``predicted``, and optionally ``ci_lower`` and ``ci_upper`` of pointwise intervals.
    observed : DataFrame, optional
        Proportions in groups of persons: columns ``item``, ``category``, ``theta``, ``proportion``
        and ``n``, the number of persons, to which the areas of the points are proportional.
    dimension : str
        Name of the latent variable.
    ylabel : str
    axes : matplotlib.axes.Axes or sequence of them, optional
        One for each item.

    Returns
    -------
    matplotlib.figure.Figure
        Categories of items whose labels are among those of another item have the same colours; the
        legend has a part for each of the sets of labels that remain.

    Raises
    ------
    SpecificationError
        Missing columns, observed items or categories without a curve, or axes that are not as many as
        items.

    Examples
    --------
    >>> import pandas as pd
    >>> from sm_gllamm.plotting.item_curves import plot_category_curves
    >>> table = pd.DataFrame({"item": "y1", "category": ["no", "no", "yes", "yes"],
    ...                       "theta": [-1.0, 1.0, -1.0, 1.0], "predicted": [0.7, 0.3, 0.3, 0.7]})
    >>> figure = plot_category_curves(table)
    >>> len(figure.axes[0].lines)
    2
    """
    required = ["item", "category", "theta", "predicted"]
    table = checked_table(table, required, "the table of category curves")
    parts = dict(list(table.groupby("item", sort=False, observed=True)))
    labels = {item: list(part["category"].unique()) for item, part in parts.items()}
    if observed is not None:
        observed = _checked_categories(observed, labels)
        largest = largest_number(observed, "the table of observed proportions")
    frame = Panels([str(item) for item in parts], axes, size=(2.5, 2.1))
    scales = _scales(labels)
    keys: dict[tuple, dict] = {}
    for ax, (item, part) in zip(frame.axes, parts.items(), strict=True):
        scale = scales[item]
        styles = dict(zip(scale, ordered_styles(len(scale)), strict=True))
        for category, curve in part.groupby("category", sort=False, observed=True):
            line = draw_curve(ax, curve, "predicted", styles[category], str(category))
            keys.setdefault(scale, {}).setdefault(category, line)
        if observed is not None:
            seen = observed[observed["item"] == item]
            for category, points in seen.groupby("category", sort=False, observed=True):
                draw_points(
                    ax, points["theta"], points["proportion"], points["n"], largest,
                    styles[category]["color"], MARKERS[scale.index(category) % len(MARKERS)],
                )  # fmt: skip
        ax.set_ylim(-0.03, 1.03)
    handles = []
    for scale, lines in keys.items():
        if len(keys) > 1:
            handles.append(_heading([str(item) for item in parts if scales[item] == scale]))
        handles += [lines[category] for category in scale]
    if observed is not None:
        handles += size_keys(largest)
    frame.legend(handles, "category" if len(keys) == 1 else None)
    frame.label(latent_label(dimension), ylabel)
    return frame.figure


def _scales(labels: dict) -> dict:
    """For each item the longest of the sets of labels that hold its own."""
    scales: list[tuple] = []
    for own in sorted(labels.values(), key=len, reverse=True):
        if not any(set(own) <= set(scale) for scale in scales):
            scales.append(tuple(own))
    return {
        item: next(scale for scale in scales if set(own) <= set(scale))
        for item, own in labels.items()
    }


def _heading(items: list[str]):
    """A line of a legend that names items."""
    from matplotlib.lines import Line2D

    return Line2D(
        [], [], linestyle="none", label=textwrap.shorten(", ".join(items), 30, placeholder=" ...")
    )


def _checked_categories(observed: pd.DataFrame, labels: dict) -> pd.DataFrame:
    """Observed proportions of categories that have curves."""
    what = "the table of observed proportions"
    observed = checked_table(observed, ["item", "category", "theta", "proportion", "n"], what)
    known_items(observed, list(labels), what)
    for item, category in observed[["item", "category"]].drop_duplicates().itertuples(index=False):
        if category not in labels[item]:
            raise SpecificationError(
                f"{what} has category {category!r} of item {item!r}, which has no curve; the item's "
                f"categories are {labels[item]}"
            )
    return observed


def plot_expected_scores(
    table: pd.DataFrame, dimension: str = "theta", ylabel: str = "expected score", axes=None
):
    """Draw expected scores by the latent variable: the test characteristic curve, or curves of items.

    Parameters
    ----------
    table : DataFrame
        Columns ``theta``, ``predicted``, and optionally ``ci_lower`` and ``ci_upper`` of pointwise
        intervals, ``item`` (a panel for each), ``group`` (a curve for each), and ``maximum``, the
        largest score that is possible, to which the scale then goes.
    dimension : str
        Name of the latent variable.
    ylabel : str
    axes : matplotlib.axes.Axes or sequence of them, optional
        One for each item, or one.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    SpecificationError
        Missing columns, or axes that are not as many as items.

    Examples
    --------
    >>> import pandas as pd
    >>> from sm_gllamm.plotting.item_curves import plot_expected_scores
    >>> table = pd.DataFrame({"theta": [-1.0, 0.0, 1.0], "predicted": [2.0, 5.0, 8.0]})
    >>> figure = plot_expected_scores(table)
    """
    table = checked_table(table, ["theta", "predicted"], "the table of expected scores")
    if "item" in table:
        parts = list(table.groupby("item", sort=False, observed=True))
    else:
        parts = [("", table)]
    frame = Panels([str(item) for item, _ in parts], axes, sharey=same_scale(table))
    groups = list(table["group"].unique()) if "group" in table else []
    keys: dict = {}
    for ax, (_, part) in zip(frame.axes, parts, strict=True):
        curves = part.groupby("group", sort=False, observed=True) if groups else [(None, part)]
        for group, curve in curves:
            style = curve_style(groups.index(group) if groups else 0)
            line = draw_curve(ax, curve, "predicted", style, str(group) if groups else "")
            keys.setdefault(group, line)
        scale_scores(ax, part)
    if groups:
        frame.legend([keys[group] for group in groups], "group")
    frame.label(latent_label(dimension), ylabel)
    return frame.figure


def same_scale(table: pd.DataFrame) -> bool:
    """Whether all items are known to have the same largest score."""
    return "maximum" in table and table["maximum"].nunique() == 1


def scale_scores(ax, part: pd.DataFrame) -> None:
    """Let an axis of scores go from zero to the largest one, where the table has it as ``maximum``."""
    if "maximum" in part:
        largest = float(part["maximum"].max())
        ax.set_ylim(-0.03 * largest, 1.03 * largest)
