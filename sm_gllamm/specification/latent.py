"""Latent variables and the regressions among them, as a user says them."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from numbers import Real

from sm_gllamm.exceptions import SpecificationError
from sm_gllamm.specification.evaluation import did_you_mean

__all__ = ["Equation", "Latent", "Regression", "Term", "parse_regressions", "short_name"]


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
        "0 + x" a random coefficient, ``"0 + C(item)"`` a factor measured by items (without the 0 there
        is a constant besides); "0" a factor of second order, which others are regressed on.
    fixed : dict of str to float
        Columns, by name or by what stands in the brackets of their names, whose loadings are known.
    equal : dict of str to str
        Columns that share a loading: those with the same label here, or in other latent variables.
    variance : float, optional
        Known variance of the disturbance; it covaries with no other then. 0: there is no disturbance,
        the latent variable is what its regression says, as for the predictor of a single response.

    Notes
    -----
    The model's `identification` decides on the scale: the first loading is one (so that a single one is
    known), or the variance of the disturbance is. Where `variance` is known and positive, all loadings
    are free; where it is zero, the first loading is one in any case.

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
    variance: float | None = None

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
        for key, label in self.equal.items():
            if not isinstance(label, str) or not re.fullmatch(r"\w+", label):
                raise SpecificationError(
                    f"latent variable {self.name!r}: the label {label!r} of loading {key!r} must be a name "
                    "without spaces"
                )
        variance = self.variance
        number = isinstance(variance, Real) and not isinstance(variance, bool)
        if variance is not None and not (number and 0.0 <= variance < math.inf):
            raise SpecificationError(
                f"latent variable {self.name!r}: variance={variance!r} must be a number, zero or positive"
            )

    @property
    def measured(self) -> bool:
        """Whether there are any loadings."""
        return self.loadings.strip().removeprefix("~").strip() != "0"


@dataclass(frozen=True)
class Regression:
    """A latent variable regressed on latent variables, products of two of them, and covariates.

    Parameters
    ----------
    response : str
        The latent variable.
    terms : str
        Right-hand side of a formula: latent variables of the same or higher levels, products such as
        ``"f:g"``, ``"f*g"`` (both and their product) or ``"f:f"``, covariates, and latent variables
        times a covariate, ``"f:x"``. There is no constant unless it is written, ``"1 + x"``: means of
        latent variables are in the constants of the items. Categorical covariates are contrasts with
        their first level; with ``"0 + c"``, and in ``"f:c"`` without ``f``, all levels have coefficients.
    fixed : dict of str to float
        Terms whose coefficients are known.
    equal : dict of str to str
        Terms that share a coefficient: those with the same label here, or in other regressions.

    Notes
    -----
    The string ``"eta ~ f + x"`` says the same as ``Regression("eta", "f + x")``.

    Examples
    --------
    >>> Regression("eta", "f + g", equal={"f": "b", "g": "b"}).response
    'eta'
    """

    response: str
    terms: str
    fixed: Mapping[str, float] = field(default_factory=dict)
    equal: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self):
        for what in ("response", "terms"):
            if not isinstance(getattr(self, what), str):
                raise SpecificationError(
                    f"Regression({self.response!r}, {self.terms!r}): {what} must be a string"
                )
        for what, meant in (("fixed", "term to its value"), ("equal", "term to a label")):
            if not isinstance(getattr(self, what), Mapping):
                raise SpecificationError(
                    f"regression of {self.response!r}: {what} must be a dict of {meant}, not "
                    f"{getattr(self, what)!r}"
                )
        for key, value in self.fixed.items():
            if not isinstance(value, Real) or not math.isfinite(value):
                raise SpecificationError(
                    f"regression of {self.response!r}: {key!r} is fixed at {value!r}, which is no number"
                )
        if clash := sorted(set(self.fixed) & set(self.equal)):
            raise SpecificationError(
                f"regression of {self.response!r}: {clash[0]!r} is both fixed and equal to others"
            )


@dataclass(frozen=True, slots=True)
class Term:
    """A term with latent variables.

    Attributes
    ----------
    label : str
        ``f``, ``f:g`` or ``f:x``.
    factors : tuple of str
        One or two latent variables.
    covariate : str or None
        What they are multiplied with, as in a formula.
    """

    label: str
    factors: tuple[str, ...]
    covariate: str | None = None


@dataclass(frozen=True, slots=True)
class Equation:
    """A regression as it was read.

    Attributes
    ----------
    regression : Regression
    terms : tuple of Term
        Those with latent variables.
    covariates : str or None
        Right-hand side of a formula.
    constant : bool
        Whether the formula says something about a constant, ``1`` or ``0``. Otherwise there is none, and
        categorical covariates are contrasts all the same.
    """

    regression: Regression
    terms: tuple[Term, ...]
    covariates: str | None
    constant: bool = False

    @property
    def response(self) -> str:
        return self.regression.response

    @property
    def parents(self) -> tuple[str, ...]:
        """Latent variables on the right-hand side, each once."""
        return tuple(dict.fromkeys(name for term in self.terms for name in term.factors))


def short_name(column: str) -> str:
    """What stands in the brackets of a column's name, ``x1`` of ``C(item)[x1]``; else the name itself."""
    if not column.endswith("]"):
        return column
    return column[column.rindex("[") + 1 : -1].removeprefix("T.")


def parse_regressions(
    regressions: Sequence[str | Regression], latents: Sequence[Latent]
) -> list[Equation]:
    """Read regressions such as ``"ability ~ motivation + age"``.

    Parameters
    ----------
    regressions : sequence of str or Regression
    latents : sequence of Latent

    Raises
    ------
    SpecificationError
        Not an equation, an unknown latent variable, one equation too many for it.
    """
    if isinstance(regressions, (str, Regression)):
        regressions = [regressions]
    names = [latent.name for latent in latents]
    if twice := {name for name in names if names.count(name) > 1}:
        raise SpecificationError(f"latent variables named twice: {sorted(twice)}")
    out: list[Equation] = []
    for given in regressions:
        regression = given if isinstance(given, Regression) else _split_equation(given)
        response = regression.response
        text = f"{response} ~ {regression.terms}"
        if response not in names:
            raise SpecificationError(
                f"{text!r}: there is no latent variable {response!r}{did_you_mean(response, names)}"
            )
        if any(known.response == response for known in out):
            raise SpecificationError(
                f"{response!r} has two equations; write one with all its terms"
            )
        terms: list[Term] = []
        rest = []
        for piece in _split(regression.terms, "+"):
            read = _latent_terms(piece, names, text)
            terms += [term for term in read if term not in terms or len(read) == 1]
            if not read:
                rest.append(piece)
        labels = [term.label for term in terms]
        if again := sorted({label for label in labels if labels.count(label) > 1}):
            raise SpecificationError(f"{text!r} has {again[0]!r} twice")
        constant = any(piece in ("0", "1") for piece in rest)
        covariates = " + ".join(rest) if any(piece != "0" for piece in rest) else None
        out.append(Equation(regression, tuple(terms), covariates, constant))
    return out


def _split_equation(text) -> Regression:
    if not isinstance(text, str):
        raise SpecificationError(f"{text!r} is no equation such as 'eta ~ x'")
    left, tilde, right = text.partition("~")
    if not tilde or not right.strip():
        raise SpecificationError(f"{text!r} is no equation such as 'eta ~ x'")
    return Regression(left.strip(), right.strip())


def _latent_terms(piece: str, names: Sequence[str], text: str) -> list[Term]:
    """Terms with latent variables that a piece of a sum stands for; none for covariates."""
    if not any(re.search(rf"\b{name}\b", piece) for name in names):
        return []
    square = re.fullmatch(r"I\(\s*(\w+)\s*\*\*\s*2\s*\)", piece)
    if "**" in piece and not square:
        raise SpecificationError(f"{text!r}: {piece!r} is no product; write a square as 'f:f'")
    crossed = "*" in piece and not square
    factors = [square[1]] * 2 if square else _split(piece, "*" if crossed else ":")
    latent = [factor for factor in factors if factor in names]
    other = [factor for factor in factors if factor not in names]
    if any(re.search(rf"\b{name}\b", factor) for factor in other for name in names):
        raise SpecificationError(
            f"{text!r}: {piece!r} is no product; latent variables go into products such as 'f:g', 'f*g', "
            "'f:f' or 'f:x', and into no functions"
        )
    if len(latent) > 2 or len(other) > 1 or (len(latent) == 2 and other):
        raise SpecificationError(
            f"{text!r}: {piece!r} has too many factors; a term is a product of two latent variables, or of "
            "a latent variable and a covariate"
        )
    if crossed and other:
        raise SpecificationError(
            f"{text!r}: write {' + '.join([*other, *latent, ':'.join([*latent, *other])])!r} for {piece!r}"
        )
    product = Term(":".join([*latent, *other]), tuple(latent), other[0] if other else None)
    if not crossed:
        return [product]
    return [*(Term(name, (name,)) for name in dict.fromkeys(latent)), product]


def _split(text: str, separator: str) -> list[str]:
    """Pieces between separators outside parentheses, stripped, without empty ones."""
    pieces, depth, start = [], 0, 0
    for position, sign in enumerate(text):
        depth += (sign in "([") - (sign in ")]")
        if sign == separator and depth == 0:
            pieces.append(text[start:position])
            start = position + 1
    return [piece.strip() for piece in (*pieces, text[start:]) if piece.strip()]
