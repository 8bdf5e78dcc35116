"""Latent variables and the regressions among them, as a user says them."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from numbers import Real

from sm_gllamm.exceptions import SpecificationError
from sm_gllamm.specification.evaluation import did_you_mean

__all__ = ["Latent", "Regression", "parse_regressions", "short_name"]


@dataclass(frozen=True)
class Latent:
    """A latent variable: the level it varies at, and what multiplies it in the linear predictor.

    Parameters
    ----------
    name : str
    level : str
        Grouping column; ``"a:b"`` for b within a.
    loadings : str
        Right-hand side of a formula: one loading for each of its columns. "1" is a random intercept,
        "x" or "0 + x" alone a random coefficient, ``"0 + C(item)"`` a factor measured by items; "0"
        a factor of second order, which others are regressed on.
    fixed : dict of str to float
        Columns, by name or by what stands in the brackets of their names, whose loadings are known.
    equal : dict of str to str
        Columns that share a loading: those with the same label here, or in other latent variables.

    Notes
    -----
    A latent variable with a single loading has it fixed at one. Otherwise the model's
    `identification` decides: the first loading is one, or the variance of the disturbance is.

    Examples
    --------
    >>> Latent("ability", "person", "0 + C(item)").level
    'person'
    """

    name: str
    level: str
    loadings: str = "1"
    fixed: Mapping[str, float] = field(default_factory=dict)
    equal: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self):
        if not isinstance(self.name, str) or not self.name.isidentifier():
            raise SpecificationError(
                f"a latent variable is named {self.name!r}; use a name without spaces"
            )
        for what in ("level", "loadings"):
            if not isinstance(getattr(self, what), str):
                raise SpecificationError(
                    f"latent variable {self.name!r}: {what}={getattr(self, what)!r} must be a string"
                )
        level = ":".join(part.strip() for part in self.level.split(":"))
        if "/" in level:
            raise SpecificationError(
                f"latent variable {self.name!r} varies at one level: write level={level.replace('/', ':')!r}"
            )
        object.__setattr__(self, "level", level)
        for what, meant in (("fixed", "loading to its value"), ("equal", "loading to a label")):
            if not isinstance(getattr(self, what), Mapping):
                raise SpecificationError(
                    f"latent variable {self.name!r}: {what} must be a dict of {meant}, not "
                    f"{getattr(self, what)!r}"
                )
        for key, value in self.fixed.items():
            if not isinstance(value, Real) or not math.isfinite(value):
                raise SpecificationError(
                    f"latent variable {self.name!r}: loading {key!r} is fixed at {value!r}, which is no "
                    "number"
                )

    @property
    def measured(self) -> bool:
        """Whether there are any loadings."""
        return self.loadings.strip().removeprefix("~").strip() != "0"


@dataclass(frozen=True, slots=True)
class Regression:
    """A latent variable regressed on others and on covariates.

    Attributes
    ----------
    response : str
    parents : tuple of str
        Latent variables.
    covariates : str or None
        Right-hand side of a formula without constant.
    """

    response: str
    parents: tuple[str, ...]
    covariates: str | None


def short_name(column: str) -> str:
    """What stands in the brackets of a column's name, ``x1`` of ``C(item)[x1]``; else the name itself."""
    if not column.endswith("]"):
        return column
    return column[column.rindex("[") + 1 : -1].removeprefix("T.")


def parse_regressions(equations: Sequence[str], latents: Sequence[Latent]) -> list[Regression]:
    """Read equations such as ``"ability ~ motivation + age"``.

    Parameters
    ----------
    equations : sequence of str
    latents : sequence of Latent

    Raises
    ------
    SpecificationError
        Not an equation, an unknown latent variable, one equation too many for it.
    """
    if isinstance(equations, str):
        equations = [equations]
    names = [latent.name for latent in latents]
    if twice := {name for name in names if names.count(name) > 1}:
        raise SpecificationError(f"latent variables named twice: {sorted(twice)}")
    out: list[Regression] = []
    for text in equations:
        if not isinstance(text, str):
            raise SpecificationError(f"{text!r} is no equation such as 'eta ~ x'")
        left, tilde, right = text.partition("~")
        response = left.strip()
        if not tilde or not right.strip():
            raise SpecificationError(f"{text!r} is no equation such as 'eta ~ x'")
        if response not in names:
            raise SpecificationError(
                f"{text!r}: there is no latent variable {response!r}{did_you_mean(response, names)}"
            )
        if any(known.response == response for known in out):
            raise SpecificationError(
                f"{response!r} has two equations; write one with all its terms"
            )
        terms = [term.strip() for term in _split_sum(right)]
        parents = tuple(term for term in terms if term in names)
        if again := sorted({name for name in parents if parents.count(name) > 1}):
            raise SpecificationError(f"{text!r} has {again[0]!r} twice")
        rest = [term for term in terms if term not in names]
        for term in rest:
            if inside := [name for name in names if re.search(rf"\b{name}\b", term)]:
                raise SpecificationError(
                    f"{text!r}: {term!r} contains the latent variable {inside[0]!r}; products and "
                    "functions of latent variables are not available"
                )
        out.append(Regression(response, parents, " + ".join(["0", *rest]) if rest else None))
    return out


def _split_sum(text: str) -> list[str]:
    """Terms of a sum, parentheses respected."""
    terms, depth, start = [], 0, 0
    for position, sign in enumerate(text):
        depth += (sign in "([") - (sign in ")]")
        if sign == "+" and depth == 0:
            terms.append(text[start:position])
            start = position + 1
    return [term for term in (*terms, text[start:]) if term.strip()]
