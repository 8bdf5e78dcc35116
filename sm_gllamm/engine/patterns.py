"""Which columns of the design are zero in which rows, so that the kernel goes through the others only."""

from __future__ import annotations

import numpy as np

__all__ = ["code_patterns", "row_patterns"]

#: Rows looked at to see whether patterns are worth it, and the share of zeros that makes them so.
SAMPLE, WORTH = 2000, 0.5
#: More patterns than this are none.
MOST = 4096
#: Columns looked at in one go: bits of a number.
BITS = 32


def row_patterns(design: np.ndarray, active_column: np.ndarray):
    """Number of each row's pattern of zeros, and the active entries of every pattern.

    Parameters
    ----------
    design : ndarray, shape (n, d)
    active_column : ndarray of intp, shape (n_active,)
        Column of each active entry, -1 for the constant.

    Returns
    -------
    pattern : ndarray of intc, shape (n,), or None
        None: a single pattern, with all entries.
    entries : list of ndarray of intp
        Ascending positions among the active entries, by pattern.
    """
    everything = None, [np.arange(len(active_column), dtype=np.intp)]
    columns = np.unique(active_column[active_column >= 0])
    n = len(design)
    if n == 0 or len(columns) < 4:
        return everything
    sample = design[:: max(1, n // SAMPLE)][:, columns]
    if np.mean(sample == 0.0) < WORTH:
        return everything
    codes = np.zeros(n, dtype=np.int64)
    for first in range(0, len(columns), BITS):
        # a few columns more: old number and new bits make new numbers
        word = np.zeros(n, dtype=np.int64)
        for k, column in enumerate(columns[first : first + BITS]):
            word |= (design[:, column] != 0.0).astype(np.int64) << k
        distinct, codes = np.unique(codes << BITS | word, return_inverse=True)
        if len(distinct) > min(MOST, max(1, n // 4)):
            return everything
    _, where = np.unique(codes, return_index=True)
    entries = []
    for row in where:
        nonzero = np.append(design[row] != 0.0, True)
        entries.append(np.flatnonzero(nonzero[active_column]).astype(np.intp))
    return codes.astype(np.intc), entries


def code_patterns(code_table: np.ndarray, active_column: np.ndarray) -> list[np.ndarray]:
    """Active entries that are not zero in the rows of each code of a factored design.

    Parameters
    ----------
    code_table : ndarray, shape (n_codes, d)
    active_column : ndarray of intp, shape (n_active,)
        Column of each active entry, -1 for the constant.

    Returns
    -------
    entries : list of ndarray of intp
        Ascending positions among the active entries, by code.
    """
    nonzero = np.column_stack([code_table != 0.0, np.ones(len(code_table), dtype=bool)])
    return [np.flatnonzero(row[active_column]).astype(np.intp) for row in nonzero]
