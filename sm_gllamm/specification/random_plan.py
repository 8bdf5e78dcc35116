"""What the random part consists of, before any data are read: bars, or MixedLM's arguments."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from sm_gllamm.exceptions import SpecificationError
from sm_gllamm.specification.evaluation import did_you_mean
from sm_gllamm.specification.formula import Bar

__all__ = [
    "STRUCTURES",
    "FactorPlan",
    "RandomPlan",
    "TermPlan",
    "is_constant",
    "plan_from_bars",
    "plan_from_groups",
    "structure_of",
]

STRUCTURES = ("unstructured", "diagonal", "equal")


@dataclass(frozen=True, slots=True)
class FactorPlan:
    """A grouping factor: its name and the columns, top to bottom, that define its clusters."""

    name: str
    columns: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TermPlan:
    """A random-effects term: right-hand side, structure and label, of the factor named `level`."""

    level: str
    expression: str
    structure: str
    label: str


@dataclass(frozen=True, slots=True)
class RandomPlan:
    """Grouping factors and terms; variance components wait for data to show what they are.

    Attributes
    ----------
    factors : tuple of FactorPlan
    terms : tuple of TermPlan
    components : tuple of (str, str)
        Name and right-hand side of each entry of `vc_formula`; they belong to ``factors[0]``.
    bare : tuple of str
        Factors without random effects, whose clusters may differ by class.
    """

    factors: tuple[FactorPlan, ...]
    terms: tuple[TermPlan, ...]
    components: tuple[tuple[str, str], ...] = ()
    bare: tuple[str, ...] = ()

    @property
    def expressions(self) -> tuple[str, ...]:
        """Distinct right-hand sides that need evaluation (a constant needs none)."""
        texts = [term.expression for term in self.terms] + [text for _, text in self.components]
        return tuple(dict.fromkeys(text for text in texts if not is_constant(text)))


def is_constant(expression: str) -> bool:
    """Whether a right-hand side is the random intercept alone."""
    return expression.strip() == "1"


def plan_from_bars(bars: Sequence[Bar], covariance: str | Mapping[str, str]) -> RandomPlan:
    """Random part of a formula with bars; a double bar makes its term diagonal.

    Parameters
    ----------
    bars : sequence of Bar
    covariance : str or mapping of level name to str
        Structure of the terms with a single bar.

    Returns
    -------
    RandomPlan
    """
    factors = {bar.name: FactorPlan(bar.name, bar.groups) for bar in bars}
    _check_covariance_keys(covariance, factors)
    terms = tuple(
        TermPlan(
            bar.name,
            bar.expression,
            structure_of(bar.name, covariance) if bar.correlated else "diagonal",
            bar.expression,
        )
        for bar in bars
    )
    return RandomPlan(tuple(factors.values()), terms)


def plan_from_groups(
    groups: str | Sequence[str],
    re_formula: str | Mapping[str, str] | Literal[False] | None,
    vc_formula: Mapping[str, str] | None,
    covariance: str | Mapping[str, str],
) -> RandomPlan:
    """Random part from the arguments that MixedLM takes, and nested factors.

    Parameters
    ----------
    groups : str or sequence of str
        Column, or columns from top to bottom of which each is nested in those before it.
    re_formula : str, mapping of level name to str, False or None
        Right-hand side of the random effects. None is a random intercept, except beside
        `vc_formula`, where it is nothing, as in MixedLM; False is none at all, where clusters differ by
        class.
    vc_formula : mapping of str to str, or None
        Variance components within the clusters of `groups`.
    covariance : str or mapping of level name to str

    Returns
    -------
    RandomPlan
    """
    columns = (groups,) if isinstance(groups, str) else tuple(groups)
    if not columns:
        raise SpecificationError("groups is empty; name at least one grouping column.")
    if len(set(columns)) < len(columns):
        raise SpecificationError(f"groups names a column twice: {', '.join(map(str, columns))}.")
    factors = tuple(
        FactorPlan(":".join(map(str, columns[:depth])), columns[:depth])
        for depth in range(1, len(columns) + 1)
    )
    names = [factor.name for factor in factors]
    _check_covariance_keys(covariance, names)
    if re_formula is False:
        return RandomPlan(factors, (), bare=tuple(names))
    formulas = _formulas_by_level(re_formula, names, default=None if vc_formula else "1")
    terms = tuple(
        TermPlan(name, text, structure_of(name, covariance), text)
        for name, text in formulas.items()
    )
    if vc_formula is None:
        return RandomPlan(factors, terms)
    if not isinstance(vc_formula, Mapping):
        raise SpecificationError(
            "vc_formula must be a dict such as {'classroom': '0 + C(classroom)'}, not "
            f"{type(vc_formula).__name__}."
        )
    if len(columns) > 1:
        raise SpecificationError(
            "vc_formula goes with one grouping column; give the nested factors in groups, or write "
            "them as bars, (1 | a/b)."
        )
    components = tuple((str(name), _right_hand_side(text)) for name, text in vc_formula.items())
    return RandomPlan(factors, terms, components)


def structure_of(level: str, covariance: str | Mapping[str, str]) -> str:
    """Covariance structure of a level's correlated terms.

    Parameters
    ----------
    level : str
    covariance : str or mapping of level name to str
        Levels that a mapping leaves out are unstructured.

    Returns
    -------
    {"unstructured", "diagonal", "equal"}
    """
    chosen = covariance
    if isinstance(covariance, Mapping):
        chosen = covariance.get(level, "unstructured")
    if chosen not in STRUCTURES:
        raise SpecificationError(
            f"covariance {chosen!r} is not known{did_you_mean(str(chosen), STRUCTURES)}"
        )
    return str(chosen)


def _check_covariance_keys(covariance: Any, levels: Sequence[str] | Mapping[str, Any]) -> None:
    if isinstance(covariance, Mapping):
        for key in covariance:
            if key not in levels:
                raise SpecificationError(
                    f"covariance names level {key!r}, which the model does not have"
                    f"{did_you_mean(str(key), levels)}"
                )


def _formulas_by_level(
    re_formula: str | Mapping[str, str] | None, levels: Sequence[str], default: str | None
) -> dict[str, str]:
    if re_formula is None:
        return {} if default is None else dict.fromkeys(levels, default)
    if not isinstance(re_formula, Mapping):
        if len(levels) > 1:
            raise SpecificationError(
                "With several levels re_formula must be a dict of level names and formulas; the "
                f"levels are {', '.join(levels)}."
            )
        return {levels[0]: _right_hand_side(re_formula)}
    for key in re_formula:
        if key not in levels:
            raise SpecificationError(
                f"re_formula names level {key!r}, which the model does not have"
                f"{did_you_mean(str(key), levels)}"
            )
    return {level: _right_hand_side(re_formula.get(level, "1")) for level in levels}


def _right_hand_side(text: Any) -> str:
    if not isinstance(text, str):
        raise SpecificationError(
            f"Formulas of random effects must be strings, not {type(text).__name__}."
        )
    stripped = re.sub(r"\A\s*~", "", text).strip()
    if not stripped or "~" in stripped:
        raise SpecificationError(
            f"'{text}' must be a right-hand side such as '1 + x', with nothing before '~'."
        )
    return stripped
