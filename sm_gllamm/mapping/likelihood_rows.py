"""Rows of the likelihood, and those of several families put together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from sm_gllamm.mapping.slots import SlotBlock

__all__ = ["Copy", "Rows", "concatenated"]


@dataclass(frozen=True, slots=True)
class Copy:
    """How a covariate enters the predictor of a row: times a factor, under a name of its own.

    Attributes
    ----------
    suffix : str
        Added to the names of coefficients and random effects.
    factor : ndarray, shape (n_rows,), or None
        None: one.
    """

    suffix: str = ""
    factor: np.ndarray | None = None


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows of the likelihood, those of a response together.

    Attributes
    ----------
    source : ndarray of intp, shape (n_rows,), or None
        Row of the data behind each; None: they are the same.
    code : ndarray of intc, shape (n_rows,)
        Density.
    y, m, constant : ndarray, shape (n_rows,)
    slots : tuple of SlotBlock
    n_slots, n_constants : int
    slot_channel : ndarray of intc, shape (n_rows, n_slots), or None
        Number of the predictor that each slot reads, -1 for none; None: the slot's own number.
    copies : tuple of Copy
        How covariates and random effects enter.
    extra : ndarray, shape (n_rows, r), or None
        Columns with coefficients of their own (thresholds of sequential models), after the covariates.
    extra_names : tuple of str
    set_size : ndarray of intc, shape (n_rows,), or None
    offset : ndarray, shape (n_rows,), or None
        Beside that of the data.
    slot_base : ndarray, shape (n_rows, n_slots), or None
    entry, part, link : ndarray, shape (n_rows,), or None
    used : dict of str or (level, number of the term) to ndarray of bool, shape (number of copies, r)
        Of the designs "exog" and those of random-effects terms the columns that each copy has; all
        columns of a design that is not in it.
    """

    source: np.ndarray | None
    code: np.ndarray
    y: np.ndarray
    m: np.ndarray
    constant: np.ndarray
    slots: tuple[SlotBlock, ...] = ()
    n_slots: int = 0
    n_constants: int = 0
    slot_channel: np.ndarray | None = None
    copies: tuple[Copy, ...] = (Copy(),)
    extra: np.ndarray | None = None
    extra_names: tuple[str, ...] = ()
    set_size: np.ndarray | None = None
    offset: np.ndarray | None = None
    slot_base: np.ndarray | None = None
    entry: np.ndarray | None = None
    part: np.ndarray | None = None
    link: np.ndarray | None = None
    used: dict[Any, np.ndarray] = field(default_factory=dict)

    @property
    def n(self) -> int:
        return len(self.y)

    @property
    def sources(self) -> np.ndarray:
        """Row of the data behind each, shape (n_rows,)."""
        return np.arange(self.n) if self.source is None else self.source

    def take(self, values):
        """Values by row of the data, one for each row of the likelihood."""
        return values if values is None or self.source is None else values[self.source]

    def in_predictor(self, values):
        """Parts of the predictor by row of the data, as they enter those of the rows, like covariates."""
        taken = self.take(values)
        if taken is None or self.copies[0].factor is None:
            return taken
        return taken * np.sum([copy.factor for copy in self.copies], axis=0)

    def columns(
        self, design: np.ndarray, suffix_names: list[str], key: Any = None
    ) -> tuple[np.ndarray, list[str]]:
        """A design with its names as the rows have it: taken, multiplied, side by side.

        `key` says which of the designs in `used` it is.
        """
        taken, used = self.take(design), self.used.get(key)
        blocks, names = [], []
        for k, copy in enumerate(self.copies):
            block, own = taken, suffix_names
            if used is not None:
                block, own = taken[:, used[k]], [suffix_names[j] for j in np.flatnonzero(used[k])]
            blocks.append(block if copy.factor is None else block * copy.factor[:, None])
            names += [f"{name}{copy.suffix}" if copy.suffix else name for name in own]
        return blocks[0] if len(blocks) == 1 else np.column_stack(blocks), names

    def exog(self, design: np.ndarray, names: list[str]) -> tuple[np.ndarray, list[str]]:
        """Design of the predictor with random effects, extra columns included."""
        columns, labels = self.columns(design, names, "exog")
        if self.extra is None:
            return columns, labels
        return np.column_stack([columns, self.extra]), labels + list(self.extra_names)

    def columns_in_use(self, exog: np.ndarray, levels) -> dict[Any, np.ndarray]:
        """Columns that are not zero in all rows, by copy, as `used` has them.

        Parameters
        ----------
        exog : ndarray, shape (n, k)
        levels : sequence of Level
        """
        designs = {"exog": exog}
        for level in levels:
            for number, term in enumerate(level.terms):
                designs[level.name, number] = term.columns
        factors = [1.0 if c.factor is None else c.factor[:, None] for c in self.copies]
        return {
            key: np.array([np.any(self.take(design) * one != 0.0, axis=0) for one in factors])
            for key, design in designs.items()
        }

    def at(self, which: np.ndarray) -> Rows:
        """Some rows of the likelihood, whole responses."""
        values = {name: getattr(self, name) for name in _BY_ROW}
        values["source"] = self.sources
        copies = tuple(
            replace(copy, factor=None if copy.factor is None else copy.factor[which])
            for copy in self.copies
        )
        taken = {name: None if value is None else value[which] for name, value in values.items()}
        return replace(self, copies=copies, **taken)

    def of_member(self, label: Any, first: int) -> Rows:
        """The rows as those of one of several families, whose slots' predictors begin at `first`."""
        channel = _with_slots(self, self.n_slots)[0]
        return replace(
            self,
            slots=tuple(block.of_member(label, first) for block in self.slots),
            slot_channel=np.where(channel >= 0, channel + first, -1).astype(np.intc),
            copies=tuple(
                replace(copy, suffix=f"{copy.suffix}[{label}]") if copy.suffix else copy
                for copy in self.copies
            ),
            extra_names=tuple(f"{name}[{label}]" for name in self.extra_names),
        )

    def in_order_of_source(self, n: int) -> Rows:
        """The rows with responses in the order of the n rows of data, those of a response together."""
        key = self.sources
        if self.set_size is not None:
            first = self.set_size > 0
            key = key[first][np.cumsum(first) - 1]
        rows = self.at(np.argsort(key, kind="stable"))
        same = rows.n == n and np.array_equal(rows.source, np.arange(n))
        return replace(rows, source=None) if same else rows


_BY_ROW = (
    "source", "code", "y", "m", "constant", "slot_channel", "extra", "set_size", "offset", "slot_base",
    "entry", "part", "link",
)  # fmt: skip


def _with_slots(rows: Rows, width: int) -> tuple[np.ndarray, np.ndarray | None]:
    """Predictors and fixed parts of the slots, as many as `width`."""
    channel = np.full((rows.n, width), -1, dtype=np.intc)
    channel[:, : rows.n_slots] = (
        np.arange(rows.n_slots) if rows.slot_channel is None else rows.slot_channel
    )
    if rows.slot_base is None:
        return channel, None
    base = np.zeros((rows.n, width))
    base[:, : rows.n_slots] = rows.slot_base
    return channel, base


def _padded(parts: Sequence[Rows], values: list, default: float) -> np.ndarray | None:
    """Arrays one below the other, a default where a part has none; None if no part has any."""
    known = [value for value in values if value is not None]
    if not known:
        return None
    shape = known[0].shape[1:]
    return np.concatenate(
        [
            np.full((part.n, *shape), default, dtype=known[0].dtype) if value is None else value
            for part, value in zip(parts, values, strict=True)
        ]
    )


def _copies(parts: Sequence[Rows]) -> tuple[Copy, ...]:
    """Copies by suffix, that without one first; zero in the rows of parts that do not have them."""
    suffixes = dict.fromkeys(copy.suffix for part in parts for copy in part.copies)
    by_suffix = [{copy.suffix: copy for copy in part.copies} for part in parts]
    out = []
    for suffix in sorted(suffixes, key=bool):
        factors = []
        for part, own in zip(parts, by_suffix, strict=True):
            if suffix not in own:
                factors.append(np.zeros(part.n))
            else:
                given = own[suffix].factor
                factors.append(np.ones(part.n) if given is None else given)
        factor = np.concatenate(factors)
        alone = len(suffixes) == 1 and all(own[suffix].factor is None for own in by_suffix)
        out.append(Copy(suffix, None if alone else factor))
    return tuple(out)


def concatenated(parts: Sequence[Rows]) -> Rows:
    """Rows one part below the other, each with its own slots, copies and extra columns.

    Copies are told apart by their suffixes, extra columns by their names: what a part does not have is
    zero in its rows.

    Parameters
    ----------
    parts : sequence of Rows
        Sources are rows of the same data. Numbers of predictors are those of all parts together.
    """
    width = max(part.n_slots for part in parts)
    slots = [_with_slots(part, width) for part in parts]
    names = list(dict.fromkeys(name for part in parts for name in part.extra_names))
    extra = np.zeros((sum(part.n for part in parts), len(names)))
    first = 0
    for part in parts:
        if part.extra is not None:
            at = [names.index(name) for name in part.extra_names]
            extra[first : first + part.n, at] = part.extra
        first += part.n

    def joined(name: str, default: float = 0.0):
        return _padded(parts, [getattr(part, name) for part in parts], default)

    return Rows(
        np.concatenate([part.sources for part in parts]), joined("code"), joined("y"), joined("m"),
        joined("constant"), tuple(block for part in parts for block in part.slots), width,
        sum(part.n_constants for part in parts), np.concatenate([channel for channel, _ in slots]),
        _copies(parts), extra if names else None, tuple(names), joined("set_size", 1),
        joined("offset"), _padded(parts, [base for _, base in slots], 0.0), joined("entry"),
        joined("part", 1.0), joined("link"),
    )  # fmt: skip
