"""What options of latent class models say about parameters: order of the classes, zeros, thresholds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sm_gllamm.exceptions import SpecificationError
from sm_gllamm.inference.constrained import LinearConstraints
from sm_gllamm.models.class_boundary import FAR

__all__ = ["ClassOrder", "class_restrictions"]


@dataclass(frozen=True, slots=True)
class ClassOrder:
    """Parameters that do not fall from class to class, a pair for each step.

    Attributes
    ----------
    pairs : tuple of (int, int)
        Positions: the first is not larger than the second.
    """

    pairs: tuple[tuple[int, int], ...] = ()


def class_restrictions(model, order: Sequence[str], zeros: Sequence[str]):
    """Order restrictions and equations that options of a model amount to.

    Parameters
    ----------
    model : LatentClass
    order : sequence of str
        Indicators.
    zeros : sequence of str
        Categories in classes, ``"class1:A[2]"``.

    Returns
    -------
    ClassOrder, LinearConstraints

    Raises
    ------
    SpecificationError
        Unknown indicators, categories or classes, or more than two categories.
    """
    names = model.mapping.param_names
    pairs = []
    for item in order:
        names_of = [f"{c}:{item}" for c in model.class_names]
        indicator = next((i for i in model.inputs.indicators if i.name == item), None)
        if indicator is None:
            raise SpecificationError(
                f"order names {item!r}, which is no indicator: {model.data.ynames}"
            )
        if indicator.template is None:
            if indicator.n_responses > 2:
                raise SpecificationError(
                    f"order names {item!r}, which has {indicator.n_responses} categories; nominal "
                    "indicators have no order of more than two"
                )
            names_of = [f"{name}[{indicator.categories[1]}]" for name in names_of]
        if any(name not in names for name in names_of):
            raise SpecificationError(
                f"order names {item!r}, which has no level of its own in classes"
            )
        at = [names.index(name) for name in names_of]
        pairs += list(zip(at[:-1], at[1:], strict=True))
    rows: list[np.ndarray] = []
    values: list[float] = []
    inputs = model.inputs
    possible = np.ones((len(inputs.frame), model.n_classes), dtype=bool)
    if inputs.allowed is not None:
        possible = inputs.allowed.copy()
    for text in zeros:
        row, value, c, seen = _zero(model, text)
        rows.append(row)
        values.append(value)
        possible[seen, c] = False
    if not possible.any(axis=1).all():
        first = int(np.argmin(possible.any(axis=1)))
        raise SpecificationError(
            f"zeros leave no class for row {inputs.frame.index[first]!r}, "
            f"{inputs.frame[model.data.ynames].iloc[first].to_dict()}"
        )
    for indicator in model.inputs.indicators:
        if "thresholds" in model.equal and "ordinal" in str(indicator.family).lower():
            shifts = _common_thresholds(model, indicator.name)
            rows += shifts
            values += [0.0] * len(shifts)
    matrix = np.array(rows).reshape(len(rows), len(names))
    constraints = LinearConstraints(np.zeros((0, len(names))), np.zeros(0), tuple(names))
    if rows:
        constraints = LinearConstraints.of(matrix, np.array(values), tuple(names))
    return ClassOrder(tuple(pairs)), constraints


def _zero(model, text: str) -> tuple[np.ndarray, float, int, np.ndarray]:
    """The equation of a category that does not occur in a class, the class, and rows that have it."""
    names = model.mapping.param_names
    row = np.zeros(len(names))
    for number, c in enumerate(model.class_names):
        for indicator in model.nominal:
            for k, category in enumerate(indicator.categories):
                if text != f"{c}:{indicator.name}[{category}]":
                    continue
                seen = indicator.codes == k
                if k:
                    row[names.index(text)] = 1.0
                    return row, -FAR, number, seen
                if indicator.n_responses > 2:
                    raise SpecificationError(
                        f"zeros: {text} is the reference category; make it another one, or merge"
                    )
                row[names.index(f"{c}:{indicator.name}[{indicator.categories[1]}]")] = 1.0
                return row, FAR, number, seen
    raise SpecificationError(
        f"zeros: {text!r} is no category of a nominal indicator in a class, such as {names[0]!r}"
    )


def _common_thresholds(model, item: str) -> list[np.ndarray]:
    """Equations for thresholds that all classes share but for a shift."""
    names = model.mapping.param_names
    first = f"class1:{item}:threshold("
    own = [name for name in names if name.startswith(first)]
    out = []
    for c in model.class_names[1:]:
        for one, other in zip(own[:-1], own[1:], strict=True):
            row = np.zeros(len(names))
            for name, sign in ((one, 1.0), (other, -1.0)):
                row[names.index(name)] += sign
                row[names.index(name.replace("class1:", f"{c}:", 1))] -= sign
            out.append(row)
    return out
