"""Parameters of the predictors that have no latent variables: dispersions, thresholds, log scales."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

__all__ = ["SlotBlock", "SlotEntry", "constant_block", "formula_block", "threshold_block"]


@dataclass(frozen=True, slots=True)
class SlotEntry:
    """One term of a predictor: coefficient times parameter times a column.

    Attributes
    ----------
    design : str, (str, label) or None
        Which matrix of the rows the column is in, of mixed responses with the label of the family; None
        for the constant 1.
    column : int
    channel : int
        Number of the predictor among those without latent variables.
    parameter : int
        Position in the block.
    coefficient : float
    """

    design: str | tuple[str, Any] | None
    column: int
    channel: int
    parameter: int
    coefficient: float = 1.0


@dataclass(frozen=True, slots=True)
class SlotBlock:
    """Consecutive parameters of such predictors.

    Attributes
    ----------
    slot : str
        "dispersion", "zero", "scale", "lower", "upper" or "threshold".
    names : tuple of str
    published : {"variance", "exp", "identity"}
        What is published of the internal parameter t: exp(2 t), exp(t) or t.
    entries : tuple of SlotEntry
    """

    slot: str
    names: tuple[str, ...]
    published: str
    entries: tuple[SlotEntry, ...]

    def of_member(self, label: Any, first: int) -> SlotBlock:
        """The same block as that of one of several families, with channels from `first` on."""
        entries = tuple(
            replace(
                entry,
                channel=entry.channel + first,
                design=None if entry.design is None else (entry.design, label),
            )
            for entry in self.entries
        )
        names = tuple(f"{name}[{label}]" for name in self.names)
        return replace(self, names=names, entries=entries)

    def publish(self, theta: np.ndarray) -> np.ndarray:
        """Published parameters of internal ones."""
        if self.published == "identity":
            return theta
        return np.exp((2.0 if self.published == "variance" else 1.0) * theta)

    def internal(self, params: np.ndarray) -> np.ndarray:
        """Internal parameters of published ones; positive where they must be (the caller checks)."""
        if self.published == "identity":
            return params
        return np.log(params) / (2.0 if self.published == "variance" else 1.0)

    def slope(self, theta: np.ndarray) -> np.ndarray:
        """First derivatives of the published parameters in the internal ones."""
        if self.published == "identity":
            return np.ones_like(theta)
        return (2.0 if self.published == "variance" else 1.0) * self.publish(theta)

    def bend(self, theta: np.ndarray) -> np.ndarray:
        """Second derivatives of the published parameters in the internal ones."""
        if self.published == "identity":
            return np.zeros_like(theta)
        return (4.0 if self.published == "variance" else 1.0) * self.publish(theta)


def constant_block(slot, channel: int) -> SlotBlock:
    """One parameter for all rows, named by the slot."""
    entry = SlotEntry(None, -1, channel, 0)
    return SlotBlock(slot.name, (slot.label,), slot.published, (entry,))


def formula_block(slot, channel: int, names: Sequence[str]) -> SlotBlock:
    """A linear predictor: log dispersion, logit of a zero probability, log scale."""
    entries = tuple(SlotEntry(slot.name, k, channel, k) for k in range(len(names)))
    return SlotBlock(
        slot.name, tuple(f"{slot.prefix}:{name}" for name in names), "identity", entries
    )


def threshold_block(labels: Sequence, structure: str, covariates: Sequence[str] = ()) -> SlotBlock:
    """Thresholds of ordered categories, with a channel each.

    Parameters
    ----------
    labels : sequence
        K categories from lowest to highest.
    structure : {"free", "equidistant", "symmetric"}
        Equidistant: the first and the distance. Symmetric: the central ones (one or two) and
        distances from them, as in R's ordinal package.
    covariates : sequence of str
        Columns of the rows' design "thresholds", with coefficients of their own in every threshold.
    """
    k = len(labels) - 1
    between = [f"{labels[s]}|{labels[s + 1]}" for s in range(k)]
    if structure == "free" or k == 1:
        names = [f"threshold({name})" for name in between]
        weights = np.eye(k)
    elif structure == "equidistant":
        names = [f"threshold({between[0]})", "threshold spacing"]
        weights = np.column_stack([np.ones(k), np.arange(k)])
    else:
        names, weights = _symmetric(between)
    entries = [
        SlotEntry(None, -1, s, t, float(weights[s, t]))
        for s, t in zip(*np.nonzero(weights), strict=True)
    ]
    for s in range(k):
        for j, name in enumerate(covariates):
            entries.append(SlotEntry("thresholds", j, s, len(names)))
            names.append(f"threshold({between[s]}):{name}")
    return SlotBlock("threshold", tuple(names), "identity", tuple(entries))


def _symmetric(between: list[str]) -> tuple[list[str], np.ndarray]:
    """Names and weights of thresholds that mirror each other about their centre."""
    k = len(between)
    centre = [k // 2] if k % 2 else [k // 2 - 1, k // 2]
    names = [f"threshold({between[s]})" for s in centre]
    steps = centre[0]
    names += [f"threshold distance {step + 1}" for step in range(steps)]
    weights = np.zeros((k, len(names)))
    weights[centre[0], 0] = 1.0
    weights[centre[-1], len(centre) - 1] = 1.0
    for step in range(steps):
        below, above = centre[0] - step - 1, centre[-1] + step + 1
        weights[below, 0], weights[below, len(centre) + step] = 1.0, -1.0
        weights[above, len(centre) - 1], weights[above, len(centre) + step] = 1.0, 1.0
    return names, weights
