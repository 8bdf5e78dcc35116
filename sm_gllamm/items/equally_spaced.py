"""Nodes of the trapezoidal rule in several dimensions."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

__all__ = ["equally_spaced", "normal_nodes"]


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


def normal_nodes(q: int, spacing: float, reach: float) -> tuple[np.ndarray, np.ndarray]:
    """Equally spaced nodes in a cube around zero, weighted as q independent standard normal variables.

    Parameters
    ----------
    q : int
        Dimensions, at least one.
    spacing, reach : float
        Distance of the nodes, and that of the outermost ones from zero at least.

    Returns
    -------
    nodes : ndarray, shape (m, q)
    weights : ndarray, shape (m,)
        They sum to one.

    Examples
    --------
    >>> nodes, weights = normal_nodes(2, 0.5, 6.0)
    >>> round(float(weights @ nodes[:, 0] ** 2), 6)
    1.0
    """
    # rounding makes no further node
    many = int(np.ceil(reach / spacing - 1e-9))
    line = np.arange(-many, many + 1) * spacing
    nodes = np.stack(np.meshgrid(*[line] * q, indexing="ij"), axis=-1).reshape(-1, q)
    weights = np.exp(-0.5 * (nodes**2).sum(axis=1))
    return nodes, weights / weights.sum()
