"""Parameters that are equal: by labels, by ``equal()``, and between groups."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from sm_gllamm.exceptions import SpecificationError
from sm_gllamm.specification.evaluation import did_you_mean
from sm_gllamm.specification.lavaan_roles import Roles
from sm_gllamm.specification.lavaan_rows import Draft, is_plabel
from sm_gllamm.specification.lavaan_syntax import Syntax

__all__ = ["GROUP_EQUAL", "equal_in_groups", "equal_pairs", "freed_by_equality", "share_labels"]

#: What can be equal in all groups.
GROUP_EQUAL = (
    "loadings",
    "intercepts",
    "means",
    "thresholds",
    "regressions",
    "residuals",
    "residual.covariances",
    "lv.variances",
    "lv.covariances",
)


def freed_by_equality(
    drafts: Iterable[Draft], roles: Roles, equal: Collection[str], std_lv: bool, top: bool
) -> None:
    """Free what equality between groups identifies, in a block of a group that is not the first.

    Equal loadings let variances of latent variables differ from one, equal intercepts or thresholds let
    means differ from zero.

    Parameters
    ----------
    drafts : iterable of Draft
        Changed in place; only rows by default.
    roles : Roles
    equal : collection of str
        Of `GROUP_EQUAL`.
    std_lv : bool
    top : bool
        Whether the block is that of the highest level, which has the means.
    """
    variances = std_lv and "loadings" in equal and "lv.variances" not in equal
    means = top and bool({"intercepts", "thresholds"} & set(equal)) and "means" not in equal
    for draft in drafts:
        if draft.user or draft.lhs not in roles.latent:
            continue
        if (variances and draft.op == "~~" and draft.lhs == draft.rhs) or (
            means and draft.op == "~1"
        ):
            draft.free, draft.ustart = True, None


def equal_in_groups(
    syntax: Syntax,
    drafts: list[Draft],
    roles: Roles,
    equal: Collection[str],
    partial: Iterable[str],
) -> None:
    """Label rows of the first group and their equals in the others.

    Rows with labels keep them; where one is fixed, all are.

    Parameters
    ----------
    syntax : Syntax
    drafts : list of Draft
        Of all groups, in the order of the table; changed in place.
    roles : Roles
        Of the whole model.
    equal : collection of str
        Of `GROUP_EQUAL`.
    partial : iterable of str
        Exceptions, such as ``"f =~ x2"`` or ``"x1 ~ 1"``.

    Raises
    ------
    SpecificationError
        Kinds or exceptions that there are not, parameters that the text fixes at different values.
    """
    for kind in equal:
        if kind not in GROUP_EQUAL:
            raise SpecificationError(
                f"group_equal: there is no {kind!r}{did_you_mean(kind, GROUP_EQUAL)}"
            )
    names = {_compact(draft.key): draft.key for draft in drafts}
    names |= {f"{d.lhs}{d.op}{d.rhs}": d.key for d in drafts}
    names |= {f"{d.rhs}~~{d.lhs}": d.key for d in drafts if d.op == "~~"}
    excepted = set()
    for text in partial:
        compact = "".join(text.split())
        if compact not in names:
            raise SpecificationError(
                f"group_partial: the model has no {text!r}{did_you_mean(compact, names)}"
            )
        excepted.add(names[compact])
    first = {(d.level, d.key): (i, d) for i, d in enumerate(drafts, 1) if d.group == 1}
    for draft in drafts:
        if draft.group == 1 or draft.exo or draft.given or (draft.level, draft.key) not in first:
            continue
        if draft.key in excepted or _kind(draft, roles) not in equal:
            continue
        index, model = first[draft.level, draft.key]
        if model.exo or draft.label or model.label not in ("", f".p{index}."):
            continue
        if not (model.free or draft.free) and model.ustart != draft.ustart:
            raise syntax.source.error(
                f"'{draft.lhs}{draft.op}{draft.rhs}' is fixed at values that differ between groups, "
                "but to be equal by group_equal; except it by group_partial",
                draft.term.place if draft.term else 0,
            )
        if model.free or draft.free:
            model.label = draft.label = f".p{index}."


def _compact(key: tuple[str, str, str]) -> str:
    return "".join(key)


def _kind(draft: Draft, roles: Roles) -> str:
    """Which of `GROUP_EQUAL` a row belongs to."""
    if draft.op == "~1":
        return "means" if draft.lhs in roles.latent else "intercepts"
    if draft.op != "~~":
        return {"=~": "loadings", "~": "regressions", "|": "thresholds"}.get(draft.op, "")
    latent = draft.lhs in roles.latent or draft.rhs in roles.latent
    if draft.lhs == draft.rhs:
        return "lv.variances" if latent else "residuals"
    return "lv.covariances" if latent else "residual.covariances"


def share_labels(drafts: list[Draft], syntax: Syntax) -> list[list[int]]:
    """Rows with the same label, after `equal()` has found its parameters; fixed where one is.

    Parameters
    ----------
    drafts : list of Draft
        All rows in the order of the table; changed in place.
    syntax : Syntax

    Returns
    -------
    list of list of int
        Positions of the rows that share a label, of two rows at least.

    Raises
    ------
    SpecificationError
        ``equal()`` of a parameter that there is not, labels fixed at two values.
    """
    labels = {draft.label for draft in drafts if draft.label and not draft.equal}
    names = {draft.name: i for i, draft in enumerate(drafts)}
    names |= {f"{d.rhs}~~{d.lhs}": names[d.name] for d in drafts if d.name == f"{d.lhs}~~{d.rhs}"}
    # what a row shares: its label, or that of the parameter that equal() names
    shares = [draft.label for draft in drafts]
    for index, draft in enumerate(drafts):
        if not draft.equal or draft.equal in labels:
            continue
        wanted = "".join(draft.equal.split())
        if wanted not in names or drafts[names[wanted]].equal:
            place = draft.term.place if draft.term else 0
            raise syntax.source.error(
                f"equal() names no parameter: {draft.equal!r}{did_you_mean(wanted, names)}", place
            )
        goal = names[wanted]
        if not drafts[goal].label:
            drafts[goal].label = shares[goal] = f".p{min(goal, index) + 1}."
        shares[index] = drafts[goal].label
    shared: dict[str, list[int]] = {}
    for index, label in enumerate(shares):
        if label:
            shared.setdefault(label, []).append(index)
    groups = [several for several in shared.values() if len(several) > 1]
    for several in groups:
        _share_values([drafts[i] for i in several], syntax)
    # in the order in which the labels are met again
    return sorted(groups, key=lambda several: several[1])


def _share_values(drafts: list[Draft], syntax: Syntax) -> None:
    """Fix all at the value of one."""
    fixed = [draft for draft in drafts if not draft.free]
    if not fixed:
        return
    value = fixed[0].ustart
    for draft in fixed:
        if draft.ustart != value:
            place = draft.term.place if draft.term else 0
            raise syntax.source.error(
                f"label {draft.label!r} has two values, {value:g} and {draft.ustart:g}", place
            )
    for draft in drafts:
        draft.free, draft.ustart = False, value
        if is_plabel(draft.label):
            draft.label = ""


def equal_pairs(drafts: list[Draft], shared: list[list[int]]) -> list[tuple[int, int]]:
    """Positions of rows that are equal: the first of a label with each of the others.

    Parameters
    ----------
    drafts : list of Draft
    shared : list of list of int
    """
    return [(rows[0], other) for rows in shared if drafts[rows[0]].free for other in rows[1:]]
