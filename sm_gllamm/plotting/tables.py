"""Tables that plots of items take: what must be in them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from sm_gllamm.exceptions import SpecificationError

__all__ = ["checked_table", "known_items", "largest_number"]


def checked_table(table: pd.DataFrame, required: Sequence[str], what: str) -> pd.DataFrame:
    """The table, if it has what is drawn.

    Parameters
    ----------
    table : DataFrame
    required : sequence of str
        Columns.
    what : str
        What the table is, for messages.

    Returns
    -------
    DataFrame

    Raises
    ------
    SpecificationError
        The table is none, is empty, lacks a column, or has one of ``ci_lower`` and ``ci_upper`` alone.

    Examples
    --------
    >>> import pandas as pd
    >>> from sm_gllamm.plotting.tables import checked_table
    >>> checked_table(pd.DataFrame({"theta": [0.0]}), ["theta", "predicted"], "the table of curves")
    Traceback (most recent call last):
        ...
    sm_gllamm.exceptions.SpecificationError: the table of curves lacks the column 'predicted'
    """
    if not isinstance(table, pd.DataFrame):
        raise SpecificationError(f"{what} must be a DataFrame, not {type(table).__name__}")
    required = list(required)
    if ("ci_lower" in table) != ("ci_upper" in table):
        required += ["ci_lower", "ci_upper"]
    lacking = [name for name in required if name not in table]
    if lacking:
        names = ", ".join(repr(name) for name in lacking)
        raise SpecificationError(f"{what} lacks the column{'s' * (len(lacking) > 1)} {names}")
    if table.empty:
        raise SpecificationError(f"{what} has no rows: there is nothing to draw")
    return table


def known_items(table: pd.DataFrame, items: Sequence, what: str) -> None:
    """Refuse items for which there is nothing to draw into.

    Parameters
    ----------
    table : DataFrame
        Column ``item``.
    items : sequence
        Items that are drawn.
    what : str
        What the table is, for messages.

    Raises
    ------
    SpecificationError
        The table has another item.
    """
    unknown = [name for name in table["item"].unique() if name not in items]
    if unknown:
        raise SpecificationError(
            f"{what} has items without a curve: {', '.join(map(repr, unknown))}; "
            "leave them out or give their curves"
        )


def largest_number(table: pd.DataFrame, what: str) -> float:
    """The largest number of persons, to which the areas of points are relative.

    Parameters
    ----------
    table : DataFrame
        Column ``n``.
    what : str
        What the table is, for messages.

    Returns
    -------
    float

    Raises
    ------
    SpecificationError
        A number is not positive and finite.
    """
    n = table["n"].to_numpy(dtype=float)
    if not (np.isfinite(n) & (n > 0)).all():
        raise SpecificationError(
            f"{what} has numbers of persons n that are not positive; leave out groups without persons"
        )
    return float(n.max())
