"""Several response columns in one, for models of mixed responses."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np
import pandas as pd

from sm_gllamm.exceptions import SpecificationError
from sm_gllamm.preparation.columns import column, expand, numbers, show

__all__ = ["stack_responses"]


def stack_responses(
    data: pd.DataFrame,
    responses: Sequence[Hashable],
    id_vars: Sequence[Hashable] | None = None,
    *,
    id: Hashable | None = None,
) -> pd.DataFrame:
    """Stack several responses of each row, with a column that says which is which.

    Parameters
    ----------
    data : DataFrame
        One row for each unit.
    responses : sequence of str
        Numeric or Boolean columns, two or more. Missing values are left out, other responses of the
        same row are kept.
    id_vars : sequence of str, optional
        Columns to keep; all but the responses if not given.
    id : str, optional
        Name of the new column with the row label in `data`. The name of the index, or "row", if not
        given.

    Returns
    -------
    DataFrame
        Responses of a row one after the other, rows numbered anew, with columns

        `id`
            row label in `data`, so that results map back;
        ``response``
            name of the response: a categorical with categories in the order of `responses`;
        ``y``
            its value as float;

        and those of `id_vars`.

    Raises
    ------
    SpecificationError
        A column that is absent, named twice or not numeric; a response that is missing in every row;
        a column to be kept that is named as one of the new ones.

    Examples
    --------
    >>> import pandas as pd
    >>> from sm_gllamm.preparation.stack_responses import stack_responses
    >>> visits = pd.DataFrame(
    ...     {"clinic": ["a", "a", "b"], "pain": [1, 0, 1], "pills": [4, 7, None]},
    ...     index=pd.Index([11, 12, 13], name="visit"),
    ... )
    >>> stack_responses(visits, ["pain", "pills"])
       visit response    y clinic
    0     11     pain  1.0      a
    1     11    pills  4.0      a
    2     12     pain  0.0      a
    3     12    pills  7.0      a
    4     13     pain  1.0      b
    """
    names = _read_names(responses, "responses")
    if len(names) < 2:
        raise SpecificationError(
            f"responses must be two columns or more, not {names}; a single response needs no stacking."
        )
    kept = None if id_vars is None else _read_names(id_vars, "id_vars")
    _refuse_repeated([*names, *(kept or [])])
    values = np.column_stack([numbers(column(data, name), name, missing=True) for name in names])
    present = ~np.isnan(values)
    if not present.any(axis=0).all():
        name = names[int(np.argmin(present.any(axis=0)))]
        raise SpecificationError(
            f"The response {show(name)} is missing in every row; leave it out of responses."
        )
    without = set(names)
    if kept is not None:
        without = set(data.columns) - {column(data, name).name for name in kept}
    source, which = np.nonzero(present)
    made = {
        "response": pd.Categorical.from_codes(which, names),
        "y": values[source, which],
    }
    return expand(data, source, made, id, without)


def _read_names(names: Sequence[Hashable], what: str) -> list[Hashable]:
    if isinstance(names, str):
        raise SpecificationError(f"{what} must be a list of columns, not {names!r}.")
    return list(names)


def _refuse_repeated(names: list[Hashable]) -> None:
    for position, name in enumerate(names):
        if name in names[:position]:
            raise SpecificationError(
                f"Column {show(name)} is named twice among responses and id_vars; name it once."
            )
