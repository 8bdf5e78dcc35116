"""The rows of a parameter table: what the text says of each block, and the defaults for the rest."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import combinations, combinations_with_replacement

from sm_gllamm.exceptions import SpecificationError
from sm_gllamm.specification.lavaan_blocks import Place
from sm_gllamm.specification.lavaan_roles import Roles
from sm_gllamm.specification.lavaan_syntax import Modifier, Syntax, Term

__all__ = ["Defaults", "Draft", "block_drafts", "check_thresholds", "is_plabel"]


@dataclass(frozen=True, slots=True)
class Defaults:
    """What a model has without being told, named as lavaan's arguments.

    Attributes
    ----------
    int_ov_free, int_lv_free : bool
        Intercepts of observed variables, means of latent variables.
    auto_fix_first, auto_fix_single : bool
        First loadings of one; residual variances of sole indicators of zero.
    auto_var, auto_cov_lv_x, auto_cov_y : bool
        Free (residual) variances; covariances of exogenous latent variables, of dependent variables.
    std_lv, orthogonal, fixed_x, meanstructure : bool
        Variances of latent variables of one; their covariances zero; covariates given, not modelled.
    ordered : dict of str to int
        Numbers of thresholds of ordered variables.
    residual_variance : dict of str to float or None
        Residual variances that the response's distribution gives, None where it has no such thing.
    """

    int_ov_free: bool = True
    int_lv_free: bool = False
    auto_fix_first: bool = True
    auto_fix_single: bool = True
    auto_var: bool = True
    auto_cov_lv_x: bool = True
    auto_cov_y: bool = True
    std_lv: bool = False
    orthogonal: bool = False
    fixed_x: bool = True
    meanstructure: bool = False
    ordered: Mapping[str, int] = field(default_factory=dict)
    residual_variance: Mapping[str, float | None] = field(default_factory=dict)


def is_plabel(label: str) -> bool:
    """Whether a label is one that the table gives: ``".p1."``."""
    return re.fullmatch(r"\.p\d+\.", label) is not None


@dataclass(slots=True)
class Draft:
    """A row that may still change; attributes as those of a row of the table."""

    lhs: str
    op: str
    rhs: str
    user: int
    free: bool = True
    ustart: float | None = None
    label: str = ""
    exo: int = 0
    equal: str = ""
    #: name of the random coefficient that it is
    rv: str = ""
    #: whether it is a moment of a covariate of which the text does not speak
    given: bool = False
    #: whether the text fixes or frees it
    settled: bool = False
    group: int = 1
    level: int = 1
    block: int = 1
    term: Term | None = None

    @property
    def key(self) -> tuple[str, str, str]:
        """What identifies a parameter within its block; covariances have no direction."""
        if self.op == "~~" and self.rhs < self.lhs:
            return self.rhs, self.op, self.lhs
        return self.lhs, self.op, self.rhs

    @property
    def name(self) -> str:
        """lavaan's name of the parameter: ``"f=~x2"``, in other groups ``"f=~x2.g2"``."""
        level = f".l{self.level}" if self.level > 1 else ""
        return f"{self.lhs}{self.op}{self.rhs}{level}" + (f".g{self.group}" * (self.group > 1))

    def fix(self, value: float) -> None:
        """Fix at a value."""
        self.free, self.ustart = False, value


def block_drafts(syntax: Syntax, place: Place, n_groups: int, defaults: Defaults) -> list[Draft]:
    """The rows of a block, those of the text before those by default.

    Parameters
    ----------
    syntax : Syntax
    place : Place
    n_groups : int
        Lengths that lists of modifiers may have besides one; one if the text has blocks of groups.
    defaults : Defaults

    Raises
    ------
    SpecificationError
        Modifiers that contradict one another, lists of the wrong length, residual variances of
        distributions that have none.
    """
    drafts: dict[tuple[str, str, str], Draft] = {}
    for term in place.terms:
        draft = Draft(term.lhs, term.op, term.rhs, user=1, term=term)
        draft = drafts.setdefault(draft.key, draft)
        for modifiers in term.modifiers:
            if len(modifiers) not in (1, n_groups):
                raise syntax.source.error(
                    f"{len(modifiers)} modifiers for {n_groups} group{'s' * (n_groups > 1)}; give "
                    "one, or one for each group",
                    modifiers[0].place,
                )
            several = len(modifiers) > 1
            _modify(syntax, draft, modifiers[place.group - 1 if several else 0])
    _check_residuals(syntax, place, drafts.values(), defaults)
    _fix_loadings(place, list(drafts.values()), defaults)
    _fix_written(place, drafts.values(), defaults)
    for default in _defaults(place, set(drafts), defaults):
        drafts.setdefault(default.key, default)
    for draft in drafts.values():
        draft.group, draft.level = place.group, place.level
    return list(drafts.values())


def _modify(syntax: Syntax, draft: Draft, modifier: Modifier) -> None:
    """Give a row what a modifier says, unless another one says something else."""
    kind, value = modifier.kind, modifier.value
    if kind == "label" and is_plabel(value):
        raise syntax.source.error(
            "labels such as '.p1.' belong to the table; use another", modifier.place
        )
    clash = False
    if kind == "fixed":
        clash = draft.settled and (draft.free or draft.ustart != value)
        clash |= not draft.settled and draft.ustart is not None
        draft.fix(value)
        draft.settled = True
    elif kind == "free":
        clash = not draft.free
        draft.settled = True
    elif kind == "start" and value is not None:
        clash = draft.ustart is not None or bool(draft.rv)
        draft.ustart = value
    elif kind == "rv":
        clash = draft.settled or draft.ustart is not None or bool(draft.label)
        draft.rv, draft.free, draft.settled = value, False, True
        if draft.op not in ("=~", "~"):
            raise syntax.source.error("rv() belongs to '=~' and '~'", modifier.place)
    elif kind in ("label", "equal"):
        clash = bool(draft.rv) or bool(draft.label) and draft.label != value
        draft.label = value
        draft.equal = value if kind == "equal" else ""
    if clash:
        raise syntax.source.error(
            f"this contradicts another modifier of '{draft.term}' in the same statement",
            modifier.place,
        )


def _check_residuals(
    syntax: Syntax, place: Place, drafts: Iterable[Draft], defaults: Defaults
) -> None:
    """No (co)variances of residuals that do not exist, and no more thresholds than there are."""
    none = {n for n, v in defaults.residual_variance.items() if v is None} - place.below
    for draft in drafts:
        at = draft.term.place if draft.term else 0
        if draft.op == "~~" and (wrong := none & {draft.lhs, draft.rhs}):
            raise syntax.source.error(
                f"the distribution of '{min(wrong)}' has no residual variance; give it a latent "
                "variable of its own to let it covary",
                at,
            )
        if draft.op == "|" and draft.lhs in defaults.ordered:
            number = defaults.ordered[draft.lhs]
            if int(draft.rhs[1:]) > number:
                raise syntax.source.error(
                    f"'{draft.lhs}' has {number + 1} categories, therefore thresholds "
                    f"t1 to t{number}",
                    at,
                )


def _fix_loadings(place: Place, drafts: list[Draft], defaults: Defaults) -> None:
    """First loadings are one, as far as the text does not say otherwise."""
    if not defaults.auto_fix_first:
        return
    for factor in place.roles.latent:
        if factor in place.roles.coefficients:
            continue
        first = next(draft for draft in drafts if draft.op == "=~" and draft.lhs == factor)
        if not first.settled:
            _fix_unless_started(first, 1.0)


def _fix_written(place: Place, drafts: Iterable[Draft], defaults: Defaults) -> None:
    """What would not be identified if free stays fixed where the text only names it."""
    for draft in drafts:
        if draft.settled:
            continue
        if draft.op == "~1" and draft.lhs in place.above:
            _fix_unless_started(draft, 0.0)
        elif draft.op == "~~" and draft.lhs == draft.rhs and defaults.std_lv:
            if draft.lhs in place.roles.latent and draft.lhs not in place.roles.coefficients:
                _fix_unless_started(draft, 1.0)


def _fix_unless_started(draft: Draft, value: float) -> None:
    """Fix at a value; a starting value of what is fixed is the value it is fixed at, as in lavaan."""
    draft.fix(value if draft.ustart is None else draft.ustart)


def _defaults(place: Place, written: set[tuple[str, str, str]], options: Defaults) -> list[Draft]:
    """Rows that the text need not write."""
    roles = place.roles
    random = roles.random_covariates
    given = tuple(name for name in roles.covariates if name not in random)
    modelled = tuple(name for name in roles.observed if name not in given)
    rows = [
        Draft(name, "|", f"t{k}", user=0)
        for name in modelled
        for k in range(1, place.thresholds.get(name, 0) + 1)
    ]
    rows += _variances(place, (*modelled, *roles.latent), options)
    if options.auto_cov_lv_x:
        rows += _covariances(roles, roles.exogenous_latent, options)
    if options.auto_cov_y:
        rows += [
            row
            for row in _covariances(roles, roles.dependent, options)
            if not {row.lhs, row.rhs} & set(options.residual_variance)
        ]
    exo = int(options.fixed_x)
    rows += [
        Draft(one, "~~", other, user=0, free=not exo, exo=exo, given=True)
        for one, other in combinations_with_replacement(given, 2)
    ]
    if options.meanstructure:
        rows += _intercepts(place, given, options)
    return rows


def _without_residual(place: Place, options: Defaults) -> set[str]:
    """Variables whose residual variance at this level their distribution gives."""
    return set(options.residual_variance) - place.below


def _variances(place: Place, names: tuple[str, ...], options: Defaults) -> list[Draft]:
    rows = []
    set_here = _without_residual(place, options)
    for name in names:
        row = Draft(name, "~~", name, user=0)
        if name in set_here:
            value = options.residual_variance[name]
            if value is None:
                continue
            row.fix(value)
        elif name in options.residual_variance:
            # a random effect of its own, and a dimension to integrate over: there if the text has it
            row.fix(0.0)
        elif name in place.roles.sole_indicators and options.auto_fix_single:
            row.fix(0.0)
        elif name in place.roles.coefficients:
            pass
        elif name in place.roles.latent and options.std_lv:
            row.fix(1.0)
        elif not options.auto_var:
            row.fix(0.0)
        rows.append(row)
    return rows


def _covariances(roles: Roles, names: tuple[str, ...], options: Defaults) -> list[Draft]:
    rows = []
    for one, other in combinations(names, 2):
        row = Draft(one, "~~", other, user=0)
        if options.orthogonal and one in roles.latent and other in roles.latent:
            row.fix(0.0)
        rows.append(row)
    return rows


def _intercepts(place: Place, given: tuple[str, ...], options: Defaults) -> list[Draft]:
    rows = []
    for name in place.roles.observed:
        row = Draft(name, "~1", "", user=0, given=name in given)
        if name in given and options.fixed_x:
            row.free, row.exo = False, 1
            # the mean of a variable at two levels belongs to the higher one
            row.ustart = 0.0 if name in place.above else None
        elif name in place.above or name in options.ordered and name not in given:
            row.fix(0.0)
        elif not options.int_ov_free:
            row.fix(0.0)
        rows.append(row)
    for name in place.roles.latent:
        row = Draft(name, "~1", "", user=0)
        # free means at two levels would not be identified
        free = options.int_lv_free and place.top
        if not (free or name in place.roles.coefficients):
            row.fix(0.0)
        rows.append(row)
    return rows


def check_thresholds(drafts: Iterable[Draft], syntax: Syntax) -> None:
    """Thresholds that the text fixes increase.

    Parameters
    ----------
    drafts : iterable of Draft
    syntax : Syntax

    Raises
    ------
    SpecificationError
    """
    last: dict[tuple[int, str], tuple[int, float]] = {}
    fixed = [d for d in drafts if d.op == "|" and not d.free and d.ustart is not None]
    for draft in sorted(fixed, key=lambda d: (d.block, d.lhs, int(d.rhs[1:]))):
        key = (draft.block, draft.lhs)
        value = draft.ustart
        assert value is not None
        if key in last and value <= last[key][1]:
            raise _decreasing(syntax, draft, last[key][0])
        last[key] = (int(draft.rhs[1:]), value)


def _decreasing(syntax: Syntax, draft: Draft, before: int) -> SpecificationError:
    place = draft.term.place if draft.term else 0
    return syntax.source.error(
        f"thresholds increase, but {draft.rhs} of '{draft.lhs}' is not above t{before}", place
    )
