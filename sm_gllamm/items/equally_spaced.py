"""Nodes of the trapezoidal rule in several dimensions."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

__all__ = ["equally_spaced"]


def equally_spaced(q: int, spacing: float, reach: float) -> Iterator[np.ndarray]:
    """Equally spaced nodes within a ball around zero, slice by slice.

    Parameters
    ----------
    q : int
        Dimensions.
    spacing, reach : float
        Distance of the nodes, and radius of the ball.

    Yields
    ------
    ndarray, shape (m, q)
        The nodes of a slice of one or two dimensions.
    """
    line = np.arange(-np.floor(reach / spacing), np.floor(reach / spacing) + 1.0) * spacing
    if q <= 2:
        inner, outer = q, [()]
    else:
        # slices of two dimensions
        inner = 2
        grid = np.stack(np.meshgrid(*[line] * (q - 2), indexing="ij"), axis=-1).reshape(-1, q - 2)
        outer = grid[(grid**2).sum(axis=1) <= reach**2]
    plane = np.stack(np.meshgrid(*[line] * inner, indexing="ij"), axis=-1).reshape(-1, inner)
    squared = (plane**2).sum(axis=1)
    for rest in outer:
        rest = np.asarray(rest, dtype=float)
        kept = plane[squared + (rest**2).sum() <= reach**2]
        yield np.column_stack([np.tile(rest, (len(kept), 1)), kept])
