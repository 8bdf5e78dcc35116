"""The blocks of a parameter table: a level of a group each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from sm_gllamm.specification.lavaan_roles import Roles, variable_roles
from sm_gllamm.specification.lavaan_syntax import Syntax, Term

__all__ = ["Place", "places"]


@dataclass(frozen=True, slots=True)
class Place:
    """A block of the table.

    Attributes
    ----------
    group, level : int
        From 1, the lowest level first.
    terms : tuple of Term
    roles : Roles
    above, below : frozenset of str
        Observed variables of the same group at higher and at lower levels.
    thresholds : dict of str to int
        Thresholds to be added here.
    top : bool
        Whether no level is above.
    """

    group: int
    level: int
    terms: tuple[Term, ...]
    roles: Roles
    above: frozenset[str]
    below: frozenset[str]
    thresholds: Mapping[str, int]
    top: bool


def places(syntax: Syntax, n_groups: int, ordered: Mapping[str, int]) -> list[Place]:
    """The blocks of the table: those of the text, repeated for each group if the text names none.

    Parameters
    ----------
    syntax : Syntax
    n_groups : int
    ordered : dict of str to int
        Numbers of thresholds of ordered variables.

    Raises
    ------
    SpecificationError
        Random coefficients without a level above, latent variables of a level above that do not predict.
    """
    found = []
    for group in range(1, n_groups + 1):
        blocks = [i for i, b in enumerate(syntax.blocks) if b.group is None] or [
            i
            for i, b in enumerate(syntax.blocks)
            if b.group == list(dict.fromkeys(b.group for b in syntax.blocks))[group - 1]
        ]
        terms = [tuple(t for t in syntax.terms if t.block == index) for index in blocks]
        random = _coefficients(syntax, terms)
        roles: list[Roles] = []
        for several, names in zip(reversed(terms), reversed(random), strict=True):
            latent = {name for higher in roles for name in higher.latent}
            roles.insert(0, variable_roles(several, names, latent))
        observed = [frozenset(several.observed) for several in roles]
        above = [frozenset().union(*observed[i + 1 :]) for i in range(len(terms))]
        below = [frozenset().union(*observed[:i]) for i in range(len(terms))]
        written = {t.lhs for several in terms for t in several if t.op == "|"}
        for index, several in enumerate(terms):
            _check_levels(syntax, several, roles[index])
            here = {t.lhs for t in several if t.op == "|"}
            found.append(
                Place(
                    group,
                    index + 1,
                    several,
                    roles[index],
                    above[index],
                    below[index],
                    # thresholds belong to the highest level, unless the text has them elsewhere
                    {
                        name: number
                        for name, number in ordered.items()
                        if name in observed[index]
                        and (name in here or name not in written and name not in above[index])
                    },
                    index == len(terms) - 1,
                )
            )
    return found


def _check_levels(syntax: Syntax, terms: Iterable[Term], roles: Roles) -> None:
    """Latent variables of higher levels only predict."""
    for term in terms:
        for name in set(roles.higher) & {term.lhs, term.rhs}:
            if term.op != "~" or name == term.lhs:
                raise syntax.source.error(
                    f"'{name}' is a latent variable of a level above; here it stands right of '~' "
                    "only",
                    term.lhs_place if name == term.lhs else term.place,
                )


def _coefficients(syntax: Syntax, terms: list[tuple[Term, ...]]) -> list[list[str]]:
    """Random coefficients by the level at which they are latent variables.

    That is the highest level with formulas of theirs, or the one above the level of the coefficient.
    """
    found: list[list[str]] = [[] for _ in terms]
    for index, several in enumerate(terms):
        modifiers = (m for term in several for listed in term.modifiers for m in listed)
        for modifier in (m for m in modifiers if m.kind == "rv"):
            if index + 1 == len(terms):
                raise syntax.source.error(
                    f"a random coefficient varies at a level above; add a block 'level:' for "
                    f"'{modifier.value}' below this one",
                    modifier.place,
                )
            above = [
                j
                for j in range(index + 1, len(terms))
                if any(modifier.value in (t.lhs, *t.rhs.split(":")) for t in terms[j])
            ]
            found[max(above, default=index + 1)].append(modifier.value)
    return found
