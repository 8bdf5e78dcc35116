"""Defined parameters and constraints at values of the parameters, and whether constraints agree."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from scipy.optimize import linprog

from sm_gllamm.exceptions import SpecificationError
from sm_gllamm.specification.evaluation import did_you_mean
from sm_gllamm.specification.lavaan_expressions import Binary, Expression
from sm_gllamm.specification.lavaan_syntax import Relation, Syntax

__all__ = ["check_names", "check_feasible", "differentiate", "difference"]


def difference(relation: Relation) -> Expression:
    """What a constraint says is zero (``==``) or not negative (``<``, ``>``); a definition's value."""
    if relation.op == ":=":
        return relation.right
    sides = (relation.left, relation.right)
    first, second = sides[::-1] if relation.op == "<" else sides
    return Binary("-", first, second, relation.place)


def check_names(syntax: Syntax, known: Iterable[str]) -> None:
    """Every name is a parameter's, or that of a parameter defined above.

    Parameters
    ----------
    syntax : Syntax
    known : iterable of str
        Labels of parameters.

    Raises
    ------
    SpecificationError
    """
    labels = set(known)
    every = {r.left_text: r.place for r in syntax.relations if r.op == ":="}
    defined: set[str] = set()
    for relation in syntax.relations:
        sides = [relation.right] if relation.op == ":=" else [relation.left, relation.right]
        for name in (name for side in sides for name in side.names()):
            if name.name in labels or name.name in defined:
                continue
            if relation.op == ":=" and name.name in every:
                raise syntax.source.error(
                    f"'{name.name}' is defined below; move its definition up", name.place
                )
            if name.name not in every:
                shown = [n for n in (*labels, *defined) if not n.endswith(".")]
                hint = did_you_mean(name.name, shown) if shown else "; the model has no labels"
                raise syntax.source.error(
                    f"no parameter is labelled '{name.name}'{hint}", name.place
                )
        if relation.op == ":=":
            if relation.left_text in labels or relation.left_text in defined:
                raise syntax.source.error(
                    f"'{relation.left_text}' is the label of another parameter", relation.place
                )
            defined.add(relation.left_text)


def differentiate(
    relations: Sequence[Relation],
    op: str,
    values: Mapping[str, np.ndarray | float],
    slopes: Mapping[str, np.ndarray],
) -> tuple[np.ndarray, np.ndarray]:
    """Values and derivatives of defined parameters or constraints.

    Parameters
    ----------
    relations : sequence of Relation
    op : {":=", "==", "<"}
        ``"<"`` are inequalities of both directions, as differences that must not be negative.
    values : dict of label to float or ndarray, shape (...)
    slopes : dict of label to ndarray, shape (..., p)
        Derivatives of `values` by p parameters.

    Returns
    -------
    found : ndarray, shape (..., m)
    jacobian : ndarray, shape (..., m, p)
    """
    values, slopes = dict(values), dict(slopes)
    size = next(iter(slopes.values())).shape[-1]
    shape = np.broadcast_shapes(*(np.shape(value) for value in values.values()))
    wanted = ("<", ">") if op == "<" else (op,)
    found, jacobian = [], []
    for relation in (*[r for r in relations if r.op == ":="], *relations):
        if relation.op == ":=" and relation.left_text in values and op != ":=":
            continue
        value, gradient = difference(relation).differentiate(values)
        slope = np.zeros((*shape, size))
        for name, partial in gradient.items():
            slope = slope + np.asarray(partial)[..., None] * slopes[name]
        if relation.op == ":=" and relation.left_text not in values:
            values[relation.left_text], slopes[relation.left_text] = value, slope
        elif relation.op in wanted:
            found.append(np.broadcast_to(value, shape))
            jacobian.append(slope)
    if not found:
        return np.zeros((*shape, 0)), np.zeros((*shape, 0, size))
    return np.stack(found, axis=-1), np.stack(jacobian, axis=-2)


def check_feasible(
    syntax: Syntax, constants: Mapping[str, float], parameters: Mapping[str, int]
) -> None:
    """Linear constraints can hold together; those that are not linear are left to the optimiser.

    Parameters
    ----------
    syntax : Syntax
    constants : dict of label to float
        Parameters fixed at values.
    parameters : dict of label to int
        Positions of the parameters that are estimated; equal parameters share one.

    Raises
    ------
    SpecificationError
        Points at the first constraint that contradicts those above it.
    """
    names = {n.name for r in syntax.relations for side in (r.left, r.right) for n in side.names()}
    columns = sorted({parameters[name] for name in names if name in parameters})
    count = len(columns)
    known: dict[str, tuple[np.ndarray, float] | None] = {}
    for name in names:
        if name in parameters:
            known[name] = (np.eye(count)[columns.index(parameters[name])], 0.0)
        elif name in constants:
            known[name] = (np.zeros(count), constants[name])
    equal: list[np.ndarray] = []
    above: list[np.ndarray] = []
    definitions = [r for r in syntax.relations if r.op == ":="]
    for relation in (*definitions, *(r for r in syntax.relations if r.op != ":=")):
        form = _linear(difference(relation), known, count)
        if relation.op == ":=":
            known[relation.left_text] = form
            continue
        if form is None:
            continue
        (equal if relation.op == "==" else above).append(np.append(form[0], -form[1]))
        if not _feasible(equal, above, count):
            raise _contradiction(syntax, relation)


def _contradiction(syntax: Syntax, relation: Relation) -> SpecificationError:
    return syntax.source.error(
        f"'{relation}' contradicts the values and constraints of the other parameters",
        relation.place,
    )


def _linear(
    expression: Expression, known: Mapping[str, tuple[np.ndarray, float] | None], count: int
) -> tuple[np.ndarray, float] | None:
    """Coefficients of the parameters and constant, None if not linear."""
    form = expression.affine()
    if form is None or not np.isfinite([form[1], *form[0].values()]).all():
        return None
    slope, constant = np.zeros(count), form[1]
    for name, coefficient in form[0].items():
        inner = known[name]
        if inner is None:
            return None
        slope = slope + coefficient * inner[0]
        constant += coefficient * inner[1]
    return slope, constant


def _feasible(equal: list[np.ndarray], above: list[np.ndarray], count: int) -> bool:
    """Whether some parameters satisfy A x = b and C x >= d; rows are (A, b), (C, d)."""
    rows = np.array([*equal, *above])
    # a column of zeros, so that there is something to solve for in constraints of constants
    rows = np.insert(rows, count, 0.0, axis=1)
    first, second = rows[: len(equal)], rows[len(equal) :]
    solution = linprog(
        np.zeros(count + 1),
        A_ub=-second[:, :-1] if above else None,
        b_ub=-second[:, -1] if above else None,
        A_eq=first[:, :-1] if equal else None,
        b_eq=first[:, -1] if equal else None,
        bounds=(None, None),
    )
    return solution.status != 2
