"""Lavaan model syntax: text to terms, blocks, defined parameters and constraints.

The language is that of Rosseel (2012), lavaan: An R package for structural equation modeling, Journal of
Statistical Software 48(2), section 3 and the help page ``model.syntax``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sm_gllamm.exceptions import SpecificationError
from sm_gllamm.specification.lavaan_expressions import (
    FUNCTIONS,
    Call,
    Expression,
    Name,
    Number,
    expression,
    quotient,
)
from sm_gllamm.specification.lavaan_tokens import Cursor, Source, Token

__all__ = ["Block", "Modifier", "Relation", "Syntax", "Term", "parse"]

_FORMULAS = ("=~", "~~", "~", "|", "~*~")
_RELATIONS = (":=", "==", "<", ">", "<=", ">=")
_LISTS = {"c": "value", "start": "start", "label": "label", "equal": "equal", "rv": "rv"}


@dataclass(frozen=True, slots=True)
class Modifier:
    """What is written before the ``*`` of a term.

    Attributes
    ----------
    kind : {"fixed", "free", "label", "start", "equal", "rv"}
        ``"equal"``: equal to the parameter of that label or name, ``equal("f=~x1")``; ``"rv"``: a random
        coefficient, a latent variable of that name at a level above.
    value : float, str or None
    place : int
        Offset in the text.
    """

    kind: str
    value: Any
    place: int


@dataclass(frozen=True, slots=True)
class Term:
    """One parameter as it is written.

    Attributes
    ----------
    lhs, op, rhs : str
        ``op`` is ``"~1"`` for an intercept, with an empty ``rhs``.
    modifiers : tuple of tuple of Modifier
        In each, one for all groups or one for each group.
    block : int
        Index of the block in `Syntax.blocks`.
    statement : int
        Number of the statement; a term written again in one statement adds modifiers.
    place, lhs_place : int
        Offsets in the text, of the right and of the left side.
    """

    lhs: str
    op: str
    rhs: str
    modifiers: tuple[tuple[Modifier, ...], ...]
    block: int
    statement: int
    place: int
    lhs_place: int

    def __str__(self) -> str:
        return f"{self.lhs} ~ 1" if self.op == "~1" else f"{self.lhs} {self.op} {self.rhs}"


@dataclass(frozen=True, slots=True)
class Relation:
    """A defined parameter or a constraint.

    Attributes
    ----------
    op : {":=", "==", "<", ">"}
    left, right : Expression
        `left` is a `Name` for ``":="``.
    left_text, right_text : str
        As written, without spaces.
    place : int
    """

    op: str
    left: Expression
    right: Expression
    left_text: str
    right_text: str
    place: int

    def __str__(self) -> str:
        return f"{self.left_text} {self.op} {self.right_text}"


@dataclass(frozen=True, slots=True)
class Block:
    """The group and the level of a part of the text, None where the text names none."""

    group: str | None = None
    level: str | None = None
    place: int = 0

    @property
    def named(self) -> bool:
        """Whether the text names the block: a model without blocks is one that is not named."""
        return self.group is not None or self.level is not None


@dataclass(frozen=True, slots=True)
class Syntax:
    """A model as it is written: the result of `parse`."""

    source: Source
    blocks: tuple[Block, ...]
    terms: tuple[Term, ...]
    relations: tuple[Relation, ...]

    def place_of(self, name: str) -> int:
        """Where a variable is first written, alone or in a product; 0 if nowhere."""
        for term in self.terms:
            if name == term.lhs:
                return term.lhs_place
            if name in (term.rhs, *term.rhs.split(":")):
                return term.place
        return 0


def parse(text: str) -> Syntax:
    """Read a model in lavaan syntax.

    Operators are ``=~`` (is measured by), ``~`` (is regressed on), ``~~`` (covaries with), ``~ 1``
    (intercept), ``|`` (thresholds t1, t2, ...), ``~*~`` (scale), ``:=`` (defined parameter) and ``==``,
    ``<``, ``>`` (constraints). Modifiers stand before ``*``: a number, ``NA``, a label, ``start()``,
    ``label()``, ``equal()``, ``rv()`` (random coefficient), or ``c()`` of them with one for each group; for
    two modifiers the term is written twice, ``a*x + start(0.5)*x``. Blocks begin with ``group: name`` and
    ``level: name``, the lowest level first. Comments begin with ``#`` or ``!``; a statement ends with its
    line or a semicolon, and goes on behind an operator at the end of a line or before one at the beginning of
    the next.

    Parameters
    ----------
    text : str

    Returns
    -------
    Syntax

    Raises
    ------
    SpecificationError
        With line, column, the line and a caret.

    Examples
    --------
    >>> syntax = parse("f =~ x1 + a*x2\\nf ~ z  # regression\\ndouble := 2*a")
    >>> [str(term) for term in syntax.terms]
    ['f =~ x1', 'f =~ x2', 'f ~ z']
    >>> str(syntax.relations[0])
    'double := 2*a'
    >>> parse("f =~ x1 + + x2")
    Traceback (most recent call last):
        ...
    sm_gllamm.exceptions.SpecificationError: line 1, column 11: expected a variable, found '+'
        f =~ x1 + + x2
                  ^
    """
    if not isinstance(text, str):
        raise SpecificationError(
            f"the model must be a string in lavaan syntax, not a {type(text).__name__}"
        )
    return _Parser(Source(text)).parse()


class _Parser:
    """Recursive descent, a method a rule of the grammar."""

    def __init__(self, source: Source):
        self.source = source
        self.cursor = Cursor(source)
        self.blocks: list[Block] = []
        self.header = Block()
        self.terms: list[Term] = []
        self.relations: list[Relation] = []
        self.statement = 0

    def parse(self) -> Syntax:
        cursor = self.cursor
        while cursor.token.kind != "stop":
            if cursor.token.kind == "end":
                cursor.take()
                continue
            self.statement += 1
            self._statement()
            if cursor.token.kind not in ("end", "stop"):
                raise cursor.wrong("an operator or the end of the statement")
        if not self.terms:
            raise SpecificationError(
                "the model is empty; write formulas such as 'f =~ x1 + x2 + x3' or 'y ~ x'"
            )
        self._check_header()
        self._check_blocks()
        return Syntax(self.source, tuple(self.blocks), tuple(self.terms), tuple(self.relations))

    def _statement(self) -> None:
        token = self.cursor.token
        if token.kind == "name" and self.cursor.ahead(":"):
            self._header()
        elif self._operator() in _RELATIONS:
            self._relation()
        else:
            self._formula()

    def _operator(self) -> str | None:
        """The operator of the statement that begins here: the first outside of brackets."""
        depth = 0
        for token in self.cursor.statement():
            depth += (token.text == "(") - (token.text == ")")
            if token.kind == "operator" and depth == 0:
                if token.text in (*_FORMULAS, *_RELATIONS, "<~", "="):
                    return token.text
        return None

    # blocks

    def _header(self) -> None:
        cursor = self.cursor
        token = cursor.take()
        cursor.take()
        word = token.text.lower()
        if word not in ("group", "level"):
            raise self.source.error(
                f"a block begins with 'group:' or 'level:', not with '{token.text}:'; a product "
                "of variables stands on the right of '~'",
                token.place,
            )
        if self.terms and not self.blocks[0].named:
            raise self.source.error(
                "formulas above the first block; every formula belongs to a block",
                self.terms[0].place,
            )
        if cursor.token.kind not in ("name", "number", "string"):
            raise cursor.wrong(f"the name of a {word}")
        label = cursor.take().text
        nested = word == "level" and self.header.level is None
        if not nested or self.header.group is None:
            self._check_header()
        self.header = (
            Block(label, None, token.place)
            if word == "group"
            else Block(self.header.group, label, token.place)
        )

    def _block(self) -> int:
        """The block that a formula belongs to; blocks of the same name are one."""
        for index, block in enumerate(self.blocks):
            if (block.group, block.level) == (self.header.group, self.header.level):
                return index
        self.blocks.append(self.header)
        return len(self.blocks) - 1

    def _check_header(self) -> None:
        """The block that ends here has formulas."""
        named = (self.header.group, self.header.level)
        if self.header.named and named not in ((b.group, b.level) for b in self.blocks):
            raise self.source.error("this block has no formulas", self.header.place)

    def _check_blocks(self) -> None:
        """Every group has the same levels in the same order."""
        levels: dict[str | None, list[str | None]] = {}
        for block in self.blocks:
            levels.setdefault(block.group, []).append(block.level)
        if None in levels and len(levels) > 1:
            first = next(block for block in self.blocks if block.group is None)
            raise self.source.error(
                "levels stand within groups: write 'group:' above 'level:'", first.place
            )
        first_levels = next(iter(levels.values()))
        for group, found in levels.items():
            if None in found and len(found) > 1:
                place = next(block.place for block in self.blocks if block.group == group)
                raise self.source.error(
                    f"group '{group}' has formulas within and outside of levels", place
                )
            if found != first_levels:
                place = next(block.place for block in self.blocks if block.group == group)
                raise self.source.error(
                    f"group '{group}' has levels {found}, the first group has {first_levels}; "
                    "every group needs the same levels in the same order",
                    place,
                )

    # defined parameters and constraints

    def _relation(self) -> None:
        cursor = self.cursor
        start = cursor.token.place
        left = expression(cursor)
        if not cursor.at(*_RELATIONS):
            raise cursor.wrong("an operator")
        token = cursor.take()
        if token.text == ":=" and not isinstance(left, Name):
            raise self.source.error("the left side of ':=' is the name of a new parameter", start)
        begin = cursor.token.place
        right = expression(cursor)
        if cursor.at(*_RELATIONS, *_FORMULAS):
            raise self.source.error(
                f"a second operator in one statement, '{cursor.token.text}'; write one statement "
                "a line",
                cursor.token.place,
            )
        self.relations.append(
            Relation(
                token.text.removesuffix("=") if token.text in ("<=", ">=") else token.text,
                left,
                right,
                left.name if isinstance(left, Name) else self._written(start, token.place),
                self._written(begin, cursor.token.place),
                start,
            )
        )

    def _written(self, start: int, stop: int) -> str:
        """Text between two places, without spaces and comments."""
        lines = self.source.text[start:stop].split("\n")
        kept = (line.split("#")[0].split("!")[0] for line in lines)
        return "".join("".join(kept).split())

    # formulas

    def _formula(self) -> None:
        cursor = self.cursor
        responses = [self._response()]
        while cursor.at("+"):
            cursor.take()
            responses.append(self._response())
        operator = cursor.token
        if not cursor.at(*_FORMULAS):
            raise self._no_formula(operator)
        cursor.take()
        right = [self._term(operator.text)]
        while cursor.at("+"):
            cursor.take()
            right.append(self._term(operator.text))
        if cursor.at(*_FORMULAS, *_RELATIONS, "<~"):
            raise self.source.error(
                f"a second operator in one statement, '{cursor.token.text}'; write one statement "
                "a line",
                cursor.token.place,
            )
        if cursor.at("-"):
            raise self.source.error(
                "terms are joined by '+'; 'y ~ 0 + x' leaves out the intercept", cursor.token.place
            )
        if cursor.token.kind not in ("end", "stop"):
            raise cursor.wrong("'+' or the end of the statement")
        for response in responses:
            for rhs, modifiers, place in right:
                self._add(response, operator.text, rhs, modifiers, place)

    def _no_formula(self, found: Token) -> SpecificationError:
        if found.kind == "operator" and found.text == "<~":
            return self.source.error(
                "formative variables ('<~') are not estimated; write the sum as a regression of an "
                "observed variable, or measure the latent variable with '=~'",
                found.place,
            )
        if found.kind == "operator" and found.text == "=":
            return self.source.error(
                "'=' is no operator: '=~' measures, '~' regresses, '==' constrains, ':=' defines",
                found.place,
            )
        if found.kind == "operator" and found.text in (":", "*"):
            return self.source.error(
                "modifiers and products stand on the right of an operator", found.place
            )
        return self.cursor.wrong("one of the operators =~ ~ ~~ | ~*~ := == < >")

    def _response(self) -> Token:
        if self.cursor.token.kind not in ("name", "string"):
            raise self.cursor.wrong("a variable")
        return self.cursor.take()

    def _term(self, op: str) -> tuple[str | float, tuple[tuple[Modifier, ...], ...], int]:
        """Variable (or the number of an intercept), modifiers and place."""
        modifiers: list[tuple[Modifier, ...]] = []
        while True:
            token = self.cursor.token
            factor = self._factor()
            if not self.cursor.at("*"):
                break
            self.cursor.take()
            modifiers.append(self._modifier(factor, token))
        kinds = {modifier.kind for several in modifiers for modifier in several}
        if "fixed" in kinds and len(modifiers) > 1:
            raise self.source.error(
                "a number times something else; write 'a*x + 2*x' to label a coefficient fixed at "
                "2, or 'a == 2*b' for a constraint",
                token.place,
            )
        if isinstance(factor, Number) and op == "~" and factor.value in (0, 1):
            return factor.value, tuple(modifiers), token.place
        if isinstance(factor, Name) and factor.name != "NA":
            if op != "~" and ":" in factor.name and token.kind == "name":
                raise self.source.error(
                    "products of variables stand on the right of '~' only", token.place
                )
            return factor.name, tuple(modifiers), token.place
        if isinstance(factor, Call):
            raise self.source.error(
                "signs and functions belong to numbers; compute a transformed variable as a "
                "column of the data",
                token.place,
            )
        raise self.source.error(f"expected a variable, found {token}", token.place)

    def _factor(self) -> Expression | tuple[Modifier, ...]:
        """A number, a variable or product, a label, or modifiers in a list."""
        cursor = self.cursor
        token = cursor.token
        if token.kind in ("name", "string") and not cursor.ahead("("):
            cursor.take()
            if not cursor.at(":"):
                return Name(token.text, token.place)
            cursor.take()
            if cursor.token.kind not in ("name", "string"):
                raise cursor.wrong("a variable")
            second = cursor.take()
            if cursor.at(":"):
                raise self.source.error(
                    "products of three variables; compute one of them as a column of the data",
                    cursor.token.place,
                )
            return Name(f"{token.text}:{second.text}", token.place)
        if token.kind == "name" and token.text in _LISTS:
            return tuple(self._list(_LISTS[token.text]))
        if token.kind == "name" and token.text not in FUNCTIONS:
            raise self.source.error(
                f"there is no modifier '{token.text}()'; there are {', '.join(_LISTS)}", token.place
            )
        if token.kind not in ("number", "name") and not cursor.at("(", "-"):
            raise cursor.wrong("a variable")
        return quotient(cursor)

    def _modifier(self, factor: Any, token: Token) -> tuple[Modifier, ...]:
        """What stands before a ``*``."""
        if isinstance(factor, tuple):
            return factor
        return (self._value(factor, token),)

    def _value(self, factor: Expression, token: Token) -> Modifier:
        """A number, NA or a label."""
        if isinstance(factor, Name):
            if factor.name == "NA" and token.kind == "name":
                return Modifier("free", None, token.place)
            return Modifier("label", factor.name, token.place)
        form = factor.affine()
        if form is None or form[0]:
            raise self.source.error(
                "a modifier is a number, NA or a label; constraints such as 'a == 2*b' have a "
                "statement of their own",
                token.place,
            )
        return Modifier("fixed", form[1], token.place)

    def _list(self, kind: str) -> Iterator[Modifier]:
        """The elements of ``c(...)``, ``start(...)``, ``label(...)``, ``equal(...)``."""
        cursor = self.cursor
        cursor.take()
        cursor.expect("(")
        while True:
            token = cursor.token
            if token.kind == "name" and token.text == "c" and cursor.ahead("("):
                yield from self._list(kind)
            elif token.kind in ("name", "string") and not cursor.ahead("("):
                cursor.take()
                yield self._element(kind, Name(token.text, token.place), token)
            else:
                yield self._element(kind, expression(cursor), token)
            if not cursor.at(","):
                break
            cursor.take()
        cursor.expect(")")

    def _element(self, kind: str, factor: Expression, token: Token) -> Modifier:
        value = self._value(factor, token)
        if kind == "value":
            return value
        if kind == "start" and value.kind == "free":
            return Modifier("start", None, token.place)
        wanted = "fixed" if kind == "start" else "label"
        if value.kind != wanted:
            what = "numbers" if kind == "start" else "names"
            raise self.source.error(f"{kind}() takes {what}", token.place)
        return Modifier(kind, value.value, token.place)

    def _add(
        self,
        response: Token,
        op: str,
        rhs: str | float,
        modifiers: tuple[tuple[Modifier, ...], ...],
        place: int,
    ) -> None:
        lhs = response.text
        if not isinstance(rhs, str):
            # "y ~ 0" fixes the intercept at zero, "y ~ 1" is the intercept
            op = "~1"
            if rhs == 0:
                if modifiers:
                    raise self.source.error("expected a variable or 1 after '*'", place)
                modifiers = ((Modifier("fixed", 0.0, place),),)
            rhs = ""
        elif lhs in rhs.split(":") and op in ("=~", "~"):
            what = "measure" if op == "=~" else "be regressed on"
            raise self.source.error(f"'{lhs}' cannot {what} itself", place)
        elif op == "~*~" and rhs != lhs:
            raise self.source.error("'~*~' has the same variable on both sides", place)
        elif op == "|" and not (rhs[:1] == "t" and rhs[1:].isdigit() and int(rhs[1:]) > 0):
            raise self.source.error("thresholds are named t1, t2, ...", place)
        term = Term(lhs, op, rhs, modifiers, self._block(), self.statement, place, response.place)
        self._check_repetition(term)
        self.terms.append(term)

    def _check_repetition(self, term: Term) -> None:
        """A term may be written again in its statement, to give it another modifier."""
        pair = {(term.lhs, term.rhs)} | ({(term.rhs, term.lhs)} if term.op == "~~" else set())
        for known in self.terms:
            if known.block != term.block or known.op != term.op:
                continue
            if (known.lhs, known.rhs) in pair:
                if known.statement == term.statement and term.modifiers:
                    continue
                raise self.source.error(
                    f"'{term}' is given twice; a second modifier is added in the same statement, "
                    "as in 'y ~ a*x + start(0.5)*x'",
                    term.place,
                )
