"""Which levels have mass points, and what becomes of the one above."""

from __future__ import annotations

from dataclasses import dataclass

from sm_gllamm.exceptions import SpecificationError

__all__ = ["MassPlan", "mass_plan"]


@dataclass(frozen=True, slots=True)
class MassPlan:
    """Which levels have mass points, and what becomes of the one above.

    Attributes
    ----------
    masses : tuple of int
        Levels with mass points, lowest first.
    nodes : tuple of int
        Levels with a normal distribution above one with mass points, integrated over fixed nodes.
    drop_top : bool
        Whether units are clusters of the level below the top.
    """

    masses: tuple[int, ...]
    nodes: tuple[int, ...]
    drop_top: bool


def mass_plan(model, levels) -> MassPlan:
    """Which levels of a model have mass points, and what becomes of the others.

    Parameters
    ----------
    model : GLMM, GLLAMM or IRT
    levels : str, sequence of str or None
        Levels with mass points; None for all.

    Raises
    ------
    SpecificationError
    """
    names = list(model.level_names)
    if levels is None:
        chosen = list(range(len(names)))
    else:
        levels = (levels,) if isinstance(levels, str) else tuple(levels)
        if unknown := [name for name in levels if name not in names]:
            raise SpecificationError(
                f"npml_levels names {unknown[0]!r}; the levels are {names[::-1]}"
            )
        chosen = sorted(names.index(name) for name in levels)
    if not chosen:
        raise SpecificationError("npml_levels is empty; name a level")
    lowest, top = chosen[0], len(names) - 1
    if top - lowest > 1 or (levels is None and len(names) > 2):
        raise SpecificationError(
            "mass points are for the top level, or for the top two; name the level, npml_levels="
            f"{names[top]!r}"
        )
    nodes = tuple(lv for lv in range(lowest, top + 1) if lv not in chosen)
    return MassPlan(tuple(chosen), nodes, lowest < top)
