"""Repetition of rows a different number of times each."""

from __future__ import annotations

import numpy as np

__all__ = ["repeat_rows"]


def repeat_rows(counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Repeat rows and number their copies.

    Parameters
    ----------
    counts : ndarray of int, shape (n,)
        How often each row is repeated; may be 0.

    Returns
    -------
    source : ndarray of intp, shape (sum of counts,)
        Row of each copy, ascending.
    position : ndarray of intp, shape (sum of counts,)
        Number of the copy among those of its row: 0, 1, ...

    Examples
    --------
    >>> import numpy as np
    >>> from sm_gllamm.preparation.ragged import repeat_rows
    >>> repeat_rows(np.array([2, 0, 3]))
    (array([0, 0, 2, 2, 2]), array([0, 1, 0, 1, 2]))
    """
    source = np.repeat(np.arange(len(counts)), counts)
    first = np.cumsum(counts) - counts
    return source, np.arange(len(source)) - first[source]
