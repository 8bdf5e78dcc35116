"""Observed groups in latent class models: class sizes by group, and items that differ between groups.

An item whose response probabilities differ between groups is one item for each group, to which the others
did not respond.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from sm_gllamm.exceptions import SpecificationError
from sm_gllamm.specification.evaluation import did_you_mean

__all__ = ["ObservedGroups"]


@dataclass(frozen=True, slots=True)
class ObservedGroups:
    """Groups of units, and which items differ between them.

    Attributes
    ----------
    column : str
    labels : tuple
    items : tuple of str
        As the user names them.
    free : tuple of str
        Those of them that have parameters of their own in each group.
    """

    column: str
    labels: tuple
    items: tuple[str, ...]
    free: tuple[str, ...]

    @classmethod
    def of(cls, data: pd.DataFrame, groups, items: Sequence[str], free) -> ObservedGroups:
        """Groups from a column of the data.

        Raises
        ------
        SpecificationError
            Unknown columns or items, missing labels, a single group.
        """
        if not isinstance(groups, str) or groups not in data:
            raise SpecificationError(
                f"groups={groups!r} is no column of the data{did_you_mean(str(groups), data.columns)}"
            )
        missing = data[groups].isna().to_numpy()
        if missing.any():
            raise SpecificationError(
                f"groups: {groups!r} is missing in row {data.index[int(np.argmax(missing))]!r}"
            )
        labels = tuple(pd.unique(data[groups].sort_values()).tolist())
        if len(labels) < 2:
            raise SpecificationError(f"groups: {groups!r} has one group; leave it out")
        items = tuple(name for name in items if name != groups)
        named = items if free is True else (free,) if isinstance(free, str) else tuple(free or ())
        if unknown := [name for name in named if name not in items]:
            raise SpecificationError(
                f"free names {unknown[0]!r}, which is no indicator{did_you_mean(unknown[0], items)}"
            )
        for name in named:
            for label in labels:
                if not data.loc[data[groups] == label, name].notna().any():
                    raise SpecificationError(
                        f"free: nobody in group {label!r} responded to {name!r}; leave it out of free"
                    )
        return cls(groups, labels, items, named)

    def name(self, item: str, label) -> str:
        """Name of an item in a group."""
        return f"{item}|{self.column}={label}"

    @property
    def split_items(self) -> list[str]:
        """All items, those that differ once for each group."""
        out: list[str] = []
        for item in self.items:
            if item in self.free:
                out += [self.name(item, label) for label in self.labels]
            else:
                out.append(item)
        return out

    def split_names(self, names: Sequence[str]) -> list[str]:
        """Names of items as the likelihood has them; other names stay."""
        out: list[str] = []
        for item in names:
            split = item in self.free
            out += [self.name(item, label) for label in self.labels] if split else [item]
        return out

    def split_options(self, options) -> dict:
        """Options by item."""
        return {
            name: value
            for item, value in (options or {}).items()
            for name in self.split_names([item])
        }

    def expanded(self, data: pd.DataFrame) -> pd.DataFrame:
        """Data with a column for each item and group that differ, and groups as categories.

        Raises
        ------
        SpecificationError
            Unknown groups.
        """
        if self.column not in data:
            raise SpecificationError(f"the data have no column {self.column!r} of groups")
        group = data[self.column]
        strange = ~group.isin(self.labels).to_numpy()
        if strange.any():
            row = int(np.argmax(strange))
            raise SpecificationError(
                f"group {group.iloc[row]!r} in row {data.index[row]!r} is not among {list(self.labels)}"
            )
        return data.assign(
            **{self.column: pd.Categorical(group, list(self.labels))},
            **{
                self.name(item, label): data[item].where(group == label)
                for item in self.free
                for label in self.labels
            }
        )

    @property
    def formula(self) -> str:
        """The groups as a covariate of the classes."""
        return self.column if self.column.isidentifier() else f'Q("{self.column}")'
