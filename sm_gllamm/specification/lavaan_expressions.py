"""Arithmetic of parameters: defined parameters and constraints, with their derivatives."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import special

from sm_gllamm.exceptions import SpecificationError
from sm_gllamm.specification.evaluation import did_you_mean
from sm_gllamm.specification.lavaan_tokens import Cursor

__all__ = ["FUNCTIONS", "Expression", "Name", "Number", "expression", "quotient"]

_ROOT_2PI = np.sqrt(2 * np.pi)


def _normal_density(x: Any) -> Any:
    return np.exp(-0.5 * np.square(x)) / _ROOT_2PI


#: Functions of one argument and their derivatives, named as in R.
FUNCTIONS: dict[str, tuple[Callable, Callable]] = {
    "exp": (np.exp, np.exp),
    "expm1": (np.expm1, np.exp),
    "log": (np.log, lambda x: 1 / x),
    "log2": (np.log2, lambda x: 1 / (x * np.log(2))),
    "log10": (np.log10, lambda x: 1 / (x * np.log(10))),
    "log1p": (np.log1p, lambda x: 1 / (1 + x)),
    "sqrt": (np.sqrt, lambda x: 0.5 / np.sqrt(x)),
    "abs": (np.abs, np.sign),
    "sin": (np.sin, np.cos),
    "cos": (np.cos, lambda x: -np.sin(x)),
    "tan": (np.tan, lambda x: 1 / np.cos(x) ** 2),
    "asin": (np.arcsin, lambda x: 1 / np.sqrt(1 - x * x)),
    "acos": (np.arccos, lambda x: -1 / np.sqrt(1 - x * x)),
    "atan": (np.arctan, lambda x: 1 / (1 + x * x)),
    "sinh": (np.sinh, np.cosh),
    "cosh": (np.cosh, np.sinh),
    "tanh": (np.tanh, lambda x: 1 / np.cosh(x) ** 2),
    "atanh": (np.arctanh, lambda x: 1 / (1 - x * x)),
    "plogis": (special.expit, lambda x: special.expit(x) * special.expit(-x)),
    "qlogis": (special.logit, lambda x: 1 / (x * (1 - x))),
    "pnorm": (special.ndtr, _normal_density),
    "qnorm": (special.ndtri, lambda x: 1 / _normal_density(special.ndtri(x))),
    "dnorm": (_normal_density, lambda x: -x * _normal_density(x)),
}

#: An affine form: coefficients of names, and the constant.
Affine = tuple[dict[str, float], float]


class Expression:
    """A node of a syntax tree; its place in the text serves errors."""

    place: int

    def names(self) -> Iterator[Name]:
        """Each occurrence of a name, from left to right."""
        raise NotImplementedError

    def differentiate(self, values: Mapping[str, Any]) -> tuple[Any, dict[str, Any]]:
        """Value and derivatives.

        Parameters
        ----------
        values : dict of name to float or ndarray
            Arrays are broadcast: a draw of the parameters an element.

        Returns
        -------
        value : float or ndarray
        gradient : dict of name to float or ndarray
            Partial derivatives by the names that occur.
        """
        raise NotImplementedError

    def evaluate(self, values: Mapping[str, Any]) -> Any:
        """The value alone."""
        return self.differentiate(values)[0]

    def affine(self) -> Affine | None:
        """Coefficients and constant, or None if the expression is not linear in the names."""
        raise NotImplementedError


@dataclass(frozen=True, slots=True)
class Number(Expression):
    """A constant."""

    value: float
    place: int

    def names(self) -> Iterator[Name]:
        return iter(())

    def differentiate(self, values: Mapping[str, Any]) -> tuple[Any, dict[str, Any]]:
        return self.value, {}

    def affine(self) -> Affine | None:
        return {}, self.value


@dataclass(frozen=True, slots=True)
class Name(Expression):
    """A parameter's label, or a defined parameter."""

    name: str
    place: int

    def names(self) -> Iterator[Name]:
        yield self

    def differentiate(self, values: Mapping[str, Any]) -> tuple[Any, dict[str, Any]]:
        return values[self.name], {self.name: 1.0}

    def affine(self) -> Affine | None:
        return {self.name: 1.0}, 0.0


@dataclass(frozen=True, slots=True)
class Call(Expression):
    """A function of one argument; its name is a key of FUNCTIONS, or "-" for the negative."""

    function: str
    argument: Expression
    place: int

    def names(self) -> Iterator[Name]:
        return self.argument.names()

    def differentiate(self, values: Mapping[str, Any]) -> tuple[Any, dict[str, Any]]:
        inner, gradient = self.argument.differentiate(values)
        if self.function == "-":
            return -inner, _scaled(gradient, -1.0)
        function, derivative = FUNCTIONS[self.function]
        # numpy warns of a value out of a function's domain and gives NaN, which is the answer
        return function(inner), _scaled(gradient, derivative(inner)) if gradient else {}

    def affine(self) -> Affine | None:
        inner = self.argument.affine()
        if inner is None:
            return None
        if self.function == "-":
            return _scaled(inner[0], -1.0), -inner[1]
        if inner[0]:
            return None
        return {}, float(FUNCTIONS[self.function][0](inner[1]))


@dataclass(frozen=True, slots=True)
class Binary(Expression):
    """Two expressions joined by ``+ - * / ^``."""

    operator: str
    left: Expression
    right: Expression
    place: int

    def names(self) -> Iterator[Name]:
        yield from self.left.names()
        yield from self.right.names()

    def differentiate(self, values: Mapping[str, Any]) -> tuple[Any, dict[str, Any]]:
        a, da = self.left.differentiate(values)
        b, db = self.right.differentiate(values)
        if self.operator == "+":
            return a + b, _added(da, db)
        if self.operator == "-":
            return a - b, _added(da, _scaled(db, -1.0))
        if self.operator == "*":
            return a * b, _added(_scaled(da, b), _scaled(db, a))
        if self.operator == "/":
            value = np.divide(a, b)
            return value, _added(_scaled(da, np.divide(1.0, b)), _scaled(db, np.divide(-value, b)))
        value = np.power(np.asarray(a, dtype=float), b)[()]
        gradient = _scaled(da, b * np.power(np.asarray(a, dtype=float), b - 1)[()]) if da else {}
        # the logarithm of the base matters, and has to exist, only if the exponent varies
        return value, _added(gradient, _scaled(db, value * np.log(a))) if db else gradient

    def affine(self) -> Affine | None:
        left, right = self.left.affine(), self.right.affine()
        if left is None or right is None:
            return None
        (a, a0), (b, b0) = left, right
        if self.operator == "+":
            return _added(a, b), a0 + b0
        if self.operator == "-":
            return _added(a, _scaled(b, -1.0)), a0 - b0
        if self.operator == "*" and not (a and b):
            return (_scaled(a, b0), a0 * b0) if a else (_scaled(b, a0), a0 * b0)
        if b:
            return None
        if self.operator == "/":
            return _scaled(a, float(np.divide(1.0, b0))), float(np.divide(a0, b0))
        return None if a else ({}, float(np.power(a0, b0)))


def _scaled(gradient: dict[str, Any], factor: Any) -> dict[str, Any]:
    return {name: partial * factor for name, partial in gradient.items()}


def _added(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    total = dict(one)
    for name, partial in other.items():
        total[name] = total[name] + partial if name in total else partial
    return total


def expression(cursor: Cursor) -> Expression:
    """Read an expression: sums of products of powers.

    Parameters
    ----------
    cursor : Cursor

    Raises
    ------
    SpecificationError
        Something else than a number, a name, a known function or a bracket.
    """
    found = _product(cursor)
    while cursor.at("+", "-"):
        token = cursor.take()
        found = Binary(token.text, found, _product(cursor), token.place)
    return found


def _product(cursor: Cursor) -> Expression:
    found = _signed(cursor)
    while cursor.at("*", "/"):
        token = cursor.take()
        found = Binary(token.text, found, _signed(cursor), token.place)
    return found


def quotient(cursor: Cursor) -> Expression:
    """Read what may stand before the ``*`` of a term, such as ``1/3`` in ``1/3*x``."""
    found = _signed(cursor)
    while cursor.at("/"):
        token = cursor.take()
        found = Binary("/", found, _signed(cursor), token.place)
    return found


def _signed(cursor: Cursor) -> Expression:
    if cursor.at("-", "+"):
        token = cursor.take()
        inner = _signed(cursor)
        return inner if token.text == "+" else Call("-", inner, token.place)
    return _power(cursor)


def _power(cursor: Cursor) -> Expression:
    base = _primary(cursor)
    if not cursor.at("^", "**"):
        return base
    token = cursor.take()
    # the power binds stronger than a sign before it, weaker than one in the exponent: -a^-b^2
    return Binary("^", base, _signed(cursor), token.place)


def _primary(cursor: Cursor) -> Expression:
    token = cursor.token
    if cursor.at("("):
        cursor.take()
        inner = expression(cursor)
        cursor.expect(")")
        return inner
    if token.kind == "number":
        cursor.take()
        return Number(float(token.text), token.place)
    if token.kind not in ("name", "string"):
        raise cursor.wrong("a number, a label, a function or '('")
    cursor.take()
    if token.kind == "string" or not cursor.at("("):
        return Name(token.text, token.place)
    if token.text not in FUNCTIONS:
        raise _no_function(cursor, token.text, token.place)
    cursor.take()
    inner = expression(cursor)
    if cursor.at(","):
        raise cursor.source.error(f"{token.text}() takes one argument", cursor.token.place)
    cursor.expect(")")
    return Call(token.text, inner, token.place)


def _no_function(cursor: Cursor, name: str, place: int) -> SpecificationError:
    hint = did_you_mean(name, FUNCTIONS)
    if hint == ".":
        hint = "; there are " + ", ".join(FUNCTIONS)
    return cursor.source.error(f"there is no function {name!r}{hint}", place)
