"""Lavaan model syntax to a parameter table, with the defaults of lavaan's functions.

The table is that of lavaan (Rosseel, 2012, Journal of Statistical Software 48(2)): a row a parameter, those
the text has before those by default, block by block.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

import numpy as np
import pandas as pd

from sm_gllamm.exceptions import SpecificationError
from sm_gllamm.specification.evaluation import did_you_mean
from sm_gllamm.specification.lavaan_blocks import places
from sm_gllamm.specification.lavaan_equality import (
    equal_in_groups,
    equal_pairs,
    freed_by_equality,
    share_labels,
)
from sm_gllamm.specification.lavaan_relations import check_feasible, check_names, differentiate
from sm_gllamm.specification.lavaan_roles import Roles, variable_roles
from sm_gllamm.specification.lavaan_rows import (
    Defaults,
    Draft,
    block_drafts,
    check_thresholds,
    is_plabel,
)
from sm_gllamm.specification.lavaan_syntax import Syntax, parse

__all__ = ["LavaanTable", "Row", "lavaan_table"]

_STYLES = {
    "sem": {},
    "cfa": {},
    "growth": {"int_ov_free": False, "int_lv_free": True},
    "lavaan": {
        "int_ov_free": False,
        "auto_fix_first": False,
        "auto_fix_single": False,
        "auto_var": False,
        "auto_cov_lv_x": False,
        "auto_cov_y": False,
    },
}


@dataclass(frozen=True, slots=True)
class Row:
    """A row of the table.

    Attributes
    ----------
    id : int
        From 1.
    lhs, op, rhs : str
        The parameter; `op` is ``"~1"`` for intercepts, with an empty `rhs`. Constraints have labels or
        expressions on both sides.
    user : int
        1 from the text, 0 by default, 2 for the equality that labels imply.
    block, group, level : int
        From 1; 0 for defined parameters and constraints.
    free : int
        Number of the free parameter from 1, 0 if fixed.
    ustart : float or None
        Value of a fixed parameter, starting value of a free one; None for moments of covariates.
    label, plabel : str
        The user's label, and the one every parameter has: ``".p1."``.
    exo : int
        1 for moments of covariates that are not modelled.
    rv : str
        Name of the random coefficient that stands here in place of a parameter, a latent variable of a higher
        level.
    """

    id: int
    lhs: str
    op: str
    rhs: str
    user: int
    block: int
    group: int
    level: int
    free: int
    ustart: float | None
    label: str
    plabel: str
    exo: int
    rv: str = ""


@dataclass(frozen=True)
class LavaanTable:
    """A structural equation model as a table of parameters: the result of `lavaan_table`.

    Attributes
    ----------
    syntax : Syntax
        The text; `syntax.source.error` makes errors that point into it.
    rows : tuple of Row
    groups, levels : tuple of str
        Labels as in the text or as given; ``("1",)`` where there is one only.
    roles : tuple of Roles
        Of the variables of each block.
    names : tuple of str
        Names of the free parameters: labels, or such as ``"f=~x2"``, ``"f=~x2.g2"``.
    distinct : ndarray of int, shape (n_free,)
        Which parameter each free one is if those with equal labels are one, from 0.
    """

    syntax: Syntax
    rows: tuple[Row, ...]
    groups: tuple[str, ...]
    levels: tuple[str, ...]
    roles: tuple[Roles, ...]
    names: tuple[str, ...]
    distinct: np.ndarray

    @property
    def n_free(self) -> int:
        """Number of free parameters, equal ones counted each."""
        return len(self.names)

    @property
    def defined(self) -> tuple[str, ...]:
        """Names of the defined parameters."""
        return tuple(row.lhs for row in self.rows if row.op == ":=")

    def frame(self) -> pd.DataFrame:
        """The table as a DataFrame, a column an attribute of `Row`."""
        frame = pd.DataFrame([asdict(row) for row in self.rows], columns=_COLUMNS)
        return frame.astype({"ustart": float})

    def evaluate(self, params: Any, op: str) -> tuple[np.ndarray, np.ndarray]:
        """Defined parameters or constraints of the text, at values of the free parameters.

        Parameters
        ----------
        params : array_like, shape (..., n_free)
            A row a draw, if several.
        op : {":=", "==", "<"}
            ``"=="`` gives left minus right (equal labels are not among them, see `distinct`); ``"<"`` gives
            what must not be negative, of inequalities in both directions.

        Returns
        -------
        values : ndarray, shape (..., m)
        jacobian : ndarray, shape (..., m, n_free)
            Derivatives by the free parameters.

        Raises
        ------
        SpecificationError
            Another operator, or another number of parameters.

        Examples
        --------
        >>> table = lavaan_table("m ~ a*x \\n y ~ b*m \\n ab := a*b")
        >>> values, jacobian = table.evaluate([0.5, 0.4, 1, 1], ":=")
        >>> values.tolist(), jacobian.tolist()
        ([0.2], [[0.4, 0.5, 0.0, 0.0]])
        """
        if op not in (":=", "==", "<"):
            raise SpecificationError(f"op must be ':=', '==' or '<', not {op!r}")
        params = np.asarray(params, dtype=float)
        if params.ndim == 0 or params.shape[-1] != self.n_free:
            raise SpecificationError(
                f"params have shape {params.shape}; the table has {self.n_free} free parameters"
            )
        values: dict[str, Any] = {}
        slopes: dict[str, np.ndarray] = {}
        unit, nothing = np.eye(self.n_free), np.zeros(self.n_free)
        for row in self.rows:
            if not row.plabel or row.ustart is None and not row.free:
                continue
            for name in {row.label or row.plabel, row.plabel}:
                if name not in values:
                    values[name] = params[..., row.free - 1] if row.free else row.ustart
                    slopes[name] = unit[row.free - 1] if row.free else nothing
        return differentiate(self.syntax.relations, op, values, slopes)


_COLUMNS = [attribute.name for attribute in fields(Row)]


def lavaan_table(
    text: str,
    *,
    style: str = "sem",
    groups: Sequence[Any] | None = None,
    group_equal: Iterable[str] = (),
    group_partial: Iterable[str] = (),
    std_lv: bool = False,
    orthogonal: bool = False,
    fixed_x: bool = True,
    meanstructure: bool | None = None,
    ordered: Mapping[str, int] | None = None,
    residual_variance: Mapping[str, float | None] | None = None,
    columns: Iterable[str] | None = None,
    **switches: bool,
) -> LavaanTable:
    """The parameter table of a model in lavaan syntax.

    Parameters
    ----------
    text : str
        See `sm_gllamm.specification.lavaan_syntax.parse`.
    style : {"sem", "cfa", "growth", "lavaan"}
        Whose defaults: those of lavaan's function of that name.
    groups : sequence, optional
        Labels of the groups.
    group_equal : iterable of str
        What is equal in all groups: "loadings", "intercepts", "means", "thresholds", "regressions",
        "residuals", "residual.covariances", "lv.variances", "lv.covariances".
    group_partial : iterable of str
        Exceptions, such as ``"f =~ x2"``.
    std_lv : bool
        Latent variables have (residual) variances of one, and no loading is fixed.
    orthogonal : bool
        Latent variables have covariances of zero.
    fixed_x : bool
        Covariates are taken as given: their moments are no parameters.
    meanstructure : bool, optional
        Whether there are intercepts. By default if the text has any, with several groups or levels, and with
        responses that are not continuous.
    ordered : dict of str to int, optional
        Ordered variables and their numbers of thresholds, one less than categories. Variables with thresholds
        in the text are ordered in any case. Their intercepts are zero; thresholds stand at the highest level.
    residual_variance : dict of str to float or None, optional
        Residual variances, at the lowest level of a variable, that its distribution gives: pi**2/3 with a
        logit link, 1 with a probit link, which is the default for ordered variables, None if it has none.
    columns : iterable of str, optional
        Names in the data, which every observed variable must be among.
    **switches : bool
        ``int_ov_free``, ``int_lv_free``, ``auto_fix_first``, ``auto_fix_single``, ``auto_var``,
        ``auto_cov_lv_x``, ``auto_cov_y``, to depart from the style.

    Returns
    -------
    LavaanTable

    Raises
    ------
    SpecificationError
        What is wrong in the text is shown with line, column and a caret.

    Notes
    -----
    Where lavaan 0.6-14 differs: products with a latent variable are no variables with moments of their own;
    scales of ordered responses (``~*~``) are no rows by default and do not differ between groups, nor have
    their residuals covariances by default; with ``group:`` blocks and equal intercepts the means of latent
    variables are free as without the blocks; growth models of several levels have free means at the highest
    level only; ``c(a, NA)`` gives a label to the first group only; ``equal()`` finds parameters that have
    labels; random coefficients (``rv()``) have no row in which they measure themselves; latent variables of
    higher levels may stand right of ``~``.

    Examples
    --------
    >>> table = lavaan_table("f =~ x1 + x2 + x3")
    >>> table.frame()[["lhs", "op", "rhs", "free", "ustart"]].head(4)
      lhs  op rhs  free  ustart
    0   f  =~  x1     0     1.0
    1   f  =~  x2     1     NaN
    2   f  =~  x3     2     NaN
    3  x1  ~~  x1     3     NaN
    """
    syntax = _ordered_covariances(parse(text))
    labels = _group_labels(syntax, groups)
    levels = tuple(dict.fromkeys(b.level for b in syntax.blocks if b.level is not None)) or ("1",)
    group_equal, group_partial = _strings(group_equal), _strings(group_partial)
    numbers: dict[str, int] = {}
    for term in syntax.terms:
        if term.op == "|":
            numbers[term.lhs] = max(int(term.rhs[1:]), numbers.get(term.lhs, 0))
    numbers |= dict(ordered or {})
    variances = {name: 1.0 for name in numbers} | dict(residual_variance or {})
    blocks = places(syntax, len(labels), numbers)
    whole = variable_roles(syntax.terms, (n for b in blocks for n in b.roles.coefficients))
    if meanstructure is None:
        modelled = {*whole.indicators, *whole.outcomes, *whole.others}
        meanstructure = max(len(labels), len(levels)) > 1 or not modelled.isdisjoint(variances)
    defaults = _defaults(
        style,
        switches,
        std_lv=std_lv,
        orthogonal=orthogonal,
        fixed_x=fixed_x,
        meanstructure=meanstructure or any(term.op == "~1" for term in syntax.terms),
        ordered=numbers,
        residual_variance=variances,
    )
    in_text = any(block.group is not None for block in syntax.blocks)
    if columns is not None:
        for place in blocks:
            _check_columns(syntax, place.roles, whole, list(columns))
    drafts: list[Draft] = []
    for number, place in enumerate(blocks, 1):
        rows = block_drafts(syntax, place, 1 if in_text else len(labels), defaults)
        if place.group > 1:
            freed_by_equality(rows, place.roles, group_equal, std_lv, place.top)
        for row in rows:
            row.block = number
        drafts += rows
    equal_in_groups(syntax, drafts, whole, group_equal, group_partial)
    shared = share_labels(drafts, syntax)
    check_thresholds(drafts, syntax)
    return _table(syntax, drafts, shared, labels, levels, tuple(place.roles for place in blocks))


def _ordered_covariances(syntax: Syntax) -> Syntax:
    """Covariances with the variable first that comes first, as lavaan writes them.

    Latent variables come before others, those of the first block before those of the second.
    """
    roles = [
        variable_roles(term for term in syntax.terms if term.block == block)
        for block in range(len(syntax.blocks))
    ]
    random = (m for t in syntax.terms for listed in t.modifiers for m in listed if m.kind == "rv")
    names = [*(n for r in roles for n in r.latent), *(m.value for m in random)]
    names += [n for r in roles for n in r.observed]
    order = {name: i for i, name in enumerate(dict.fromkeys(names))}
    terms = [
        replace(t, lhs=t.rhs, rhs=t.lhs, place=t.lhs_place, lhs_place=t.place)
        if t.op == "~~" and order.get(t.lhs, -1) > order.get(t.rhs, len(order))
        else t
        for t in syntax.terms
    ]
    return replace(syntax, terms=tuple(terms))


def _strings(names: Iterable[str]) -> tuple[str, ...]:
    return (names,) if isinstance(names, str) else tuple(names)


def _defaults(style: str, switches: Mapping[str, bool], **options: Any) -> Defaults:
    if style not in _STYLES:
        raise SpecificationError(f"style: there is no {style!r}{did_you_mean(style, _STYLES)}")
    known = [f.name for f in fields(Defaults) if f.name.startswith(("auto_", "int_"))]
    for name in switches:
        if name not in known:
            raise SpecificationError(f"there is no option {name!r}{did_you_mean(name, known)}")
    chosen: dict[str, Any] = {**_STYLES[style], **switches}
    # a scale is set once: by the variance or by a loading
    chosen.setdefault("auto_fix_first", not options["std_lv"])
    return Defaults(**chosen, **options)


def _group_labels(syntax: Syntax, groups: Sequence[Any] | None) -> tuple[str, ...]:
    """Labels of the groups in the order of the table."""
    in_text = tuple(dict.fromkeys(b.group for b in syntax.blocks if b.group is not None))
    if groups is None:
        return in_text or ("1",)
    given = tuple(str(group) for group in groups)
    if not given:
        raise SpecificationError("groups is empty; give the labels of the groups")
    if not in_text:
        return given
    if sorted(in_text) == sorted(given):
        return in_text
    # "group: 1" may also be the first of the groups, whatever its label
    if in_text == tuple(str(i) for i in range(1, len(given) + 1)):
        return given
    wrong = next((label for label in in_text if label not in given), None)
    if wrong is None:
        missing = next(label for label in given if label not in in_text)
        raise SpecificationError(
            f"the model has no block 'group: {missing}'; every group needs one"
        )
    place = next(block.place for block in syntax.blocks if block.group == wrong)
    raise syntax.source.error(f"there is no group '{wrong}'{did_you_mean(wrong, given)}", place)


def _check_columns(syntax: Syntax, roles: Roles, whole: Roles, columns: list[str]) -> None:
    """Observed variables are in the data, latent variables are not."""
    names = [
        part
        for name in (*roles.observed, *roles.products)
        for part in ([name] if name in columns else name.split(":"))
    ]
    for name in dict.fromkeys(names):
        if name not in (*columns, *roles.latent, *roles.higher):
            where = "at this level or above" if name in whole.latent else "by '=~'"
            raise syntax.source.error(
                f"'{name}' is neither in the data nor measured {where}"
                f"{did_you_mean(name, [n for n in (*columns, *whole.latent) if n != name])}",
                syntax.place_of(name),
            )
    for name in roles.latent:
        if name in columns:
            raise syntax.source.error(
                f"the latent variable '{name}' has the name of a column; call it something else",
                syntax.place_of(name),
            )


def _table(
    syntax: Syntax,
    drafts: list[Draft],
    shared: list[list[int]],
    groups: tuple[str, ...],
    levels: tuple[str, ...],
    roles: tuple[Roles, ...],
) -> LavaanTable:
    rows, names, position = [], [], {}
    for index, draft in enumerate(drafts):
        if draft.free:
            own = draft.label and not is_plabel(draft.label) and not draft.equal
            names.append(draft.label if own else draft.name)
            position[index] = len(names)
        rows.append(
            Row(
                index + 1,
                draft.lhs,
                draft.op,
                draft.rhs,
                draft.user,
                draft.block,
                draft.group,
                draft.level,
                position.get(index, 0),
                draft.ustart,
                draft.label,
                f".p{index + 1}.",
                draft.exo,
                draft.rv,
            )
        )
    first = {i: several[0] for several in shared for i in several}
    kept = sorted({first.get(i, i) for i in position})
    distinct = np.array([kept.index(first.get(i, i)) for i in position], dtype=int)
    _check_relations(syntax, rows, distinct)
    relations = [
        (r.left_text, r.op, r.right_text, 1, r.left_text * (r.op == ":=")) for r in syntax.relations
    ]
    relations += [
        (rows[i].plabel, "==", rows[j].plabel, 2, "") for i, j in equal_pairs(drafts, shared)
    ]
    for lhs, op, rhs, user, label in relations:
        rows.append(Row(len(rows) + 1, lhs, op, rhs, user, 0, 0, 0, 0, None, label, "", 0))
    return LavaanTable(syntax, tuple(rows), groups, levels, roles, tuple(names), distinct)


def _check_relations(syntax: Syntax, rows: list[Row], distinct: np.ndarray) -> None:
    """Names in constraints are labels, and constraints do not contradict one another."""
    constants: dict[str, float] = {}
    parameters: dict[str, int] = {}
    for row in rows:
        for name in (row.label, row.plabel):
            if row.free and name:
                parameters.setdefault(name, int(distinct[row.free - 1]))
            elif name and row.ustart is not None and not row.exo:
                constants.setdefault(name, row.ustart)
    check_names(syntax, {*constants, *parameters})
    check_feasible(syntax, constants, parameters)
