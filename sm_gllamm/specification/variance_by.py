"""Random effects whose variances differ between groups of clusters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from sm_gllamm.exceptions import SpecificationError
from sm_gllamm.specification.elements import Level, RandomTerm
from sm_gllamm.specification.grouping import show_label
from sm_gllamm.specification.row_arrays import column

__all__ = ["variance_groups", "with_variances_by_group"]

#: Random effects of a level, groups times effects, beyond which quadrature is hopeless.
MOST = 6


def variance_groups(
    variance_by: Mapping[str, Any], data: pd.DataFrame
) -> dict[str, pd.Categorical]:
    """The groups of each row, by level.

    Parameters
    ----------
    variance_by : dict of level name to name of a column
    data : DataFrame

    Raises
    ------
    SpecificationError
    """
    if not isinstance(variance_by, Mapping):
        raise SpecificationError(
            f"variance_by must be a dict such as {{'school': 'type'}}, not {variance_by!r}"
        )
    groups = {}
    for level, name in variance_by.items():
        values = pd.Categorical(column(data, name, "variance_by"))
        if (values.codes < 0).any():
            row = data.index[int(np.argmin(values.codes))]
            raise SpecificationError(f"variance_by: '{name}' is missing in row {row!r}; drop it")
        groups[level] = values
    return groups


def with_variances_by_group(
    levels: tuple[Level, ...], groups: Mapping[str, pd.Categorical], check: bool = True
) -> tuple[Level, ...]:
    """Levels in which every group of clusters has random effects, and variances, of its own.

    Parameters
    ----------
    levels : tuple of Level
    groups : dict of level name to Categorical with one entry a row
    check : bool
        Whether groups must be constant within clusters.

    Returns
    -------
    tuple of Level
        Where there are groups each term stands once for each group, with columns that are zero
        outside of it and names such as ``Intercept[public]``.

    Raises
    ------
    SpecificationError
        Unknown level, groups that vary within clusters, a single group, too many random effects; new
        data with another group.
    """
    names = [level.name for level in levels]
    for name in groups:
        if name not in names:
            raise SpecificationError(
                f"variance_by names level {name!r}, which the model does not have; it has {names}"
            )
    return tuple(
        _split(level, groups[level.name], check) if level.name in groups else level
        for level in levels
    )


def _split(level: Level, groups: pd.Categorical, check: bool) -> Level:
    labels = groups.categories
    if check:
        if len(labels) < 2:
            raise SpecificationError(f"variance_by of level '{level.name}' has a single group")
        if len(labels) * len(level.names) > MOST:
            raise SpecificationError(
                f"level '{level.name}' would have {len(labels) * len(level.names)} random effects "
                f"({len(labels)} groups); at most {MOST} can be integrated out. Merge groups."
            )
        first = np.full(level.n_clusters, -1, dtype=np.intp)
        first[level.codes[::-1]] = groups.codes[::-1]
        differs = first[level.codes] != groups.codes
        if differs.any():
            cluster = level.labels[level.codes[int(np.argmax(differs))]]
            raise SpecificationError(
                f"variance_by varies within cluster {show_label(cluster)} of '{level.name}'; groups "
                "consist of whole clusters"
            )
    elif (groups.codes < 0).any():
        raise SpecificationError(
            f"variance_by of level '{level.name}': row {int(np.argmin(groups.codes))} of the new data "
            f"(counted from 0) is in none of the model's groups, {', '.join(map(repr, labels))}"
        )
    terms = []
    for code, label in enumerate(labels):
        inside = (groups.codes == code)[:, None]
        for term in level.terms:
            terms.append(
                RandomTerm(
                    tuple(f"{name}[{label}]" for name in term.names),
                    np.where(inside, term.columns, 0.0),
                    term.structure,
                    f"{term.label}[{label}]",
                )
            )
    return replace(level, terms=tuple(terms))
