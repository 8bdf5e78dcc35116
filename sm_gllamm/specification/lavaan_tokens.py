"""The words of lavaan model syntax, and errors that point at them."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass

from sm_gllamm.exceptions import SpecificationError

__all__ = ["Cursor", "Source", "Token"]

# Longer operators first: "~*~" is one word, not "~", "*" and "~".
_WORDS = re.compile(
    r"""
    (?P<space>[^\S\n]+)
  | (?P<comment>[#!][^\n]*)
  | (?P<newline>\n)
  | (?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)
  | (?P<name>(?:[^\W\d]|\.(?!\d))[\w.]*)
  | (?P<string>"[^"\n]*"|'[^'\n]*'|`[^`\n]*`)
  | (?P<operator>~\*~|=~|<~|~~|:=|==|>=|<=|\*\*|[~<>=+\-*/^|:(),;])
    """,
    re.VERBOSE,
)


@dataclass(frozen=True, slots=True)
class Token:
    """A word of the text.

    Attributes
    ----------
    kind : {"number", "name", "string", "operator", "end", "stop"}
        ``"end"`` ends a statement, ``"stop"`` the text.
    text : str
        As written, a string without its quotation marks.
    place : int
        Where it begins: offset in the text.
    """

    kind: str
    text: str
    place: int

    def __str__(self) -> str:
        return {"end": "the end of the line", "stop": "the end of the text"}.get(
            self.kind, f"'{self.text}'"
        )


@dataclass(frozen=True, slots=True)
class Source:
    """A model as text; makes errors that show where in the text something is wrong.

    Examples
    --------
    >>> print(Source("y ~ x\\ny ~ ?").error("no variable", 10))
    line 2, column 5: no variable
        y ~ ?
            ^
    """

    text: str

    def error(self, message: str, place: int) -> SpecificationError:
        """An error with line, column, the line itself and a caret under the column."""
        place = min(place, len(self.text))
        before = self.text[:place]
        line, start = before.count("\n") + 1, before.rfind("\n") + 1
        shown = self.text[start:].split("\n", 1)[0].rstrip()
        column = place - start
        # tabs take the same room in the caret's line as in the line above it
        lead = "".join("\t" if mark == "\t" else " " for mark in shown[:column].ljust(column))
        return SpecificationError(
            f"line {line}, column {column + 1}: {message}\n    {shown}\n    {lead}^"
        )


class Cursor:
    """The tokens of a model, read one after the other.

    A statement goes on in the next line where a line ends in an operator, the next begins with one, or
    a bracket is open.

    Parameters
    ----------
    source : Source

    Raises
    ------
    SpecificationError
        Characters that mean nothing, quotation marks or brackets without their other half.
    """

    def __init__(self, source: Source):
        self.source = source
        self._tokens = _joined(source, _words(source))
        self._next = 0

    @property
    def token(self) -> Token:
        """The token to be read next."""
        return self._tokens[self._next]

    def at(self, *operators: str) -> bool:
        """Whether the next token is one of some operators."""
        return self.token.kind == "operator" and self.token.text in operators

    def ahead(self, *operators: str) -> bool:
        """Whether the token after the next is one of some operators."""
        following = self._tokens[min(self._next + 1, len(self._tokens) - 1)]
        return following.kind == "operator" and following.text in operators

    def statement(self) -> Iterator[Token]:
        """The tokens up to the end of the statement, unread."""
        return itertools.takewhile(
            lambda token: token.kind not in ("end", "stop"), self._tokens[self._next :]
        )

    def take(self) -> Token:
        """Read a token."""
        token = self.token
        if token.kind != "stop":
            self._next += 1
        return token

    def expect(self, operator: str) -> Token:
        """Read an operator that has to be there."""
        if not self.at(operator):
            raise self.wrong(f"'{operator}'")
        return self.take()

    def wrong(self, expected: str) -> SpecificationError:
        """The error of a token where something else was expected."""
        return self.source.error(f"expected {expected}, found {self.token}", self.token.place)


def _words(source: Source) -> list[Token]:
    """All words; ends of lines are of kind "newline", spaces and comments are left out."""
    words, place, text = [], 0, source.text
    while place < len(text):
        match = _WORDS.match(text, place)
        if match is None:
            mark = text[place]
            what = (
                "a quotation mark without its other half in the same line"
                if mark in "\"'`"
                else f"the character {mark!r} means nothing here"
            )
            raise source.error(what, place)
        kind = str(match.lastgroup)
        word = match.group()
        if kind == "number" and text[match.end() : match.end() + 1].isidentifier():
            raise source.error(
                f"a name cannot begin with a digit; put it in quotation marks, or write '{word}*' "
                "for a number before a variable",
                place,
            )
        if kind not in ("space", "comment"):
            words.append(Token(kind, word[1:-1] if kind == "string" else word, place))
        place = match.end()
    return words


def _joined(source: Source, words: list[Token]) -> list[Token]:
    """Words with the ends of statements: newlines where no statement goes on, and semicolons."""
    tokens: list[Token] = []
    brackets: list[Token] = []
    for index, word in enumerate(words):
        if word.kind == "newline":
            later = next((other for other in words[index:] if other.kind != "newline"), None)
            if not brackets and not _goes_on(tokens[-1:], closing=")"):
                if later is None or not _goes_on([later], closing="("):
                    tokens.append(Token("end", word.text, word.place))
        elif word.kind == "operator" and word.text == ";":
            tokens.append(Token("end", word.text, word.place))
        else:
            if word.kind == "operator" and word.text == "(":
                brackets.append(word)
            elif word.kind == "operator" and word.text == ")":
                if not brackets:
                    raise source.error("a bracket is closed that was never opened", word.place)
                brackets.pop()
            tokens.append(word)
    if brackets:
        raise source.error("this bracket is never closed", brackets[-1].place)
    return [*tokens, Token("stop", "", len(source.text.rstrip()))]


def _goes_on(tokens: list[Token], closing: str) -> bool:
    """Whether a statement goes on behind (or before) an operator; brackets at its edge do not count."""
    return any(t.kind == "operator" and t.text not in (closing, ";") for t in tokens)
