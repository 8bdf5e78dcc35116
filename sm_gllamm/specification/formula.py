"""Random-effects bars of lme4, ``(1 + x | school/class)``, taken out of a model formula.

The scan never interprets what a formula library owns: text in quotes, back-ticks, function calls,
brackets and braces is skipped, so that ``I((x > 0) | (y > 0))`` stays part of the plain formula.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from sm_gllamm.exceptions import SpecificationError

__all__ = ["Bar", "ParsedFormula", "has_bars", "parse"]

_CLOSING = {"(": ")", "[": "]", "{": "}"}
_NAME = re.compile(r"[^\W\d][\w.]*\Z")
_QUOTED_NAME = re.compile(
    r"(?:`(?P<tick>[^`]+)`|Q\(\s*(?P<mark>['\"])(?P<text>.+)(?P=mark)\s*\))\Z"
)


@dataclass(frozen=True, slots=True)
class Bar:
    """One random-effects term of a formula, for one grouping factor.

    Attributes
    ----------
    expression : str
        What stands before the bar, a right-hand side such as ``"1 + x"``.
    groups : tuple of str
        Columns whose combination is the grouping factor, top to bottom: ``("school", "class")``
        for classes within schools.
    correlated : bool
        False for a double bar, ``(x || g)``: the random effects are uncorrelated.
    """

    expression: str
    groups: tuple[str, ...]
    correlated: bool = True

    @property
    def name(self) -> str:
        """Name of the grouping factor, ``"school:class"``."""
        return ":".join(self.groups)


@dataclass(frozen=True, slots=True)
class ParsedFormula:
    """A formula divided into its plain part and its bars.

    Attributes
    ----------
    fixed : str
        A formula without bars, for patsy or formulaic; ``"y ~ 1"`` when there were only bars.
    bars : tuple of Bar
        In the order of the formula, nested factors expanded from top to bottom.
    """

    fixed: str
    bars: tuple[Bar, ...]


@dataclass(frozen=True, slots=True)
class _Scan:
    """A formula with the bracket depth of each character, and where its bars are.

    Quoted characters have depth -1. `bars` are the positions of ``|`` outside function calls,
    brackets, braces and quotes.
    """

    text: str
    depth: tuple[int, ...]
    bars: tuple[int, ...]

    def fail(self, message: str, position: int) -> SpecificationError:
        pointer = " " * position + "^"
        return SpecificationError(
            f"{message} (position {position + 1} of the formula)\n    {self.text}\n    {pointer}"
        )

    def strip(self, start: int, stop: int) -> tuple[int, int]:
        while start < stop and self.text[start].isspace():
            start += 1
        while stop > start and self.text[stop - 1].isspace():
            stop -= 1
        return start, stop

    def bars_between(self, start: int, stop: int) -> list[int]:
        return [bar for bar in self.bars if start <= bar < stop]

    def find(self, characters: str, depth: int, start: int, stop: int) -> list[int]:
        """Positions of any of the characters at one depth of brackets."""
        text, depths = self.text, self.depth
        return [i for i in range(start, stop) if depths[i] == depth and text[i] in characters]


def has_bars(text: str) -> bool:
    """Whether a formula has a bar that is not Python's: outside function calls, brackets and quotes.

    False where brackets do not match, which whoever evaluates the formula has to say.
    """
    try:
        return bool(_scan(text).bars)
    except SpecificationError:
        return False


def parse(formula: str) -> ParsedFormula:
    """Divide a formula into its plain part and its random-effects bars.

    Parameters
    ----------
    formula : str
        Model formula; random effects as in lme4: ``(1 + x | g)``, ``(x || g)`` for uncorrelated
        ones, ``(1 | a/b)`` for ``(1 | a) + (1 | a:b)``. A column whose name is not a Python name is
        written ```school id``` or ``Q("school id")``.

    Returns
    -------
    ParsedFormula

    Raises
    ------
    SpecificationError
        Brackets that do not match, an empty side of a bar, bars joined by anything but ``+``,
        grouping factors that are not column names joined by ``/`` or ``:``. The message points
        at the position.

    Notes
    -----
    The notation is that of Bates, Maechler, Bolker & Walker (2015), Journal of Statistical Software
    67(1), section 2. Unlike in lme4, a double bar makes the dummy variables of a factor
    uncorrelated, too.

    Examples
    --------
    >>> from sm_gllamm.specification.formula import parse
    >>> parsed = parse("y ~ x + (1 + x | school)")
    >>> parsed.fixed
    'y ~ x'
    >>> parsed.bars
    (Bar(expression='1 + x', groups=('school',), correlated=True),)
    >>> [bar.name for bar in parse("y ~ (1 | school/class)").bars]
    ['school', 'school:class']
    """
    if not isinstance(formula, str):
        raise SpecificationError(
            f"The formula must be a string such as 'y ~ x + (1 | g)', not {type(formula).__name__}."
        )
    return _parsed(formula)


@lru_cache(maxsize=256)
def _parsed(formula: str) -> ParsedFormula:
    scan = _scan(re.sub(r"\s", " ", formula.strip()))
    tildes = scan.find("~", 0, 0, len(scan.text))
    if len(tildes) > 1:
        raise scan.fail("A formula has one '~'", tildes[1])
    if not tildes:
        raise scan.fail("The formula lacks '~' and a response before it", 0)
    tilde = tildes[0]
    if not scan.text[:tilde].strip():
        raise scan.fail("The formula lacks a response before '~'", tilde)
    left_bars = scan.bars_between(0, tilde)
    if left_bars:
        raise scan.fail("A random-effects term cannot stand before '~'", left_bars[0])
    if not scan.bars:
        return ParsedFormula(scan.text, ())
    fixed, bars = _divide(scan, tilde + 1, len(scan.text), depth=0)
    _refuse_duplicates(bars)
    return ParsedFormula(f"{scan.text[:tilde].strip()} ~ {fixed or '1'}", tuple(bars))


def _scan(text: str) -> _Scan:
    """Depth of every character and positions of bars that no function call or bracket encloses."""
    depths, bars = [], []
    stack: list[tuple[str, int, bool]] = []  # bracket, position, plain parenthesis
    quote, quote_start = "", 0
    for i, character in enumerate(text):
        if quote:
            depths.append(-1)
            if character == quote and text[i - 1] != "\\":
                quote = ""
        elif character in "'\"`":
            quote, quote_start = character, i
            depths.append(-1)
        elif character in _CLOSING:
            depths.append(len(stack))
            # adjacency decides: "x (1 | g)" is a forgotten "+", not a call of x
            call = i > 0 and (text[i - 1].isalnum() or text[i - 1] in "_.)]`")
            stack.append((character, i, character == "(" and not call))
        elif character in ")]}":
            if not stack or _CLOSING[stack[-1][0]] != character:
                raise _Scan(text, (), ()).fail(f"'{character}' closes nothing", i)
            stack.pop()
            depths.append(len(stack))
        else:
            depths.append(len(stack))
            if character == "|" and all(plain for _, _, plain in stack):
                bars.append(i)
    if quote:
        raise _Scan(text, (), ()).fail(f"The quotation mark {quote} is never closed", quote_start)
    if stack:
        raise _Scan(text, (), ()).fail(f"'{stack[-1][0]}' is never closed", stack[-1][1])
    return _Scan(text, tuple(depths), tuple(bars))


def _divide(scan: _Scan, start: int, stop: int, depth: int) -> tuple[str, list[Bar]]:
    """Plain text and bars of a sum of terms."""
    fixed, bars = "", []
    for sign, first, last in _terms(scan, start, stop, depth):
        inside = scan.bars_between(first, last)
        if not inside:
            plain = scan.text[first:last]
        else:
            plain, found = _divide_term(scan, first, last, depth, inside)
            if found and sign == "-":
                raise scan.fail("A random-effects term cannot be subtracted", first)
            bars += found
        if plain:
            if fixed:
                fixed += f" {sign} {plain}"
            else:
                fixed = plain if sign == "+" else f"-{plain}"
    return fixed, bars


def _terms(scan: _Scan, start: int, stop: int, depth: int) -> list[tuple[str, int, int]]:
    """Sign, start and stop of each summand, stripped; empty ones (as in ``+ -1``) left out."""
    signs = scan.find("+-", depth, start, stop)
    edges = [start, *(i + 1 for i in signs)]
    stops = [*signs, stop]
    symbols = ["+", *(scan.text[i] for i in signs)]
    terms = []
    for symbol, first, last in zip(symbols, edges, stops, strict=True):
        first, last = scan.strip(first, last)
        if first < last:
            terms.append((symbol, first, last))
        elif last == stop or not scan.text[first:stop].strip():
            raise scan.fail(f"Nothing follows '{symbol}'", max(first - 1, 0))
    return terms


def _divide_term(
    scan: _Scan, first: int, last: int, depth: int, inside: list[int]
) -> tuple[str, list[Bar]]:
    """Plain text and bars of one summand that has a bar somewhere."""
    outer = scan.find("()", depth, first, last)
    wrapped = outer[:1] == [first] and len(outer) == 2 and outer[1] == last - 1
    if not wrapped:
        if scan.depth[inside[0]] == depth:
            raise scan.fail("Put the random-effects term in parentheses, (1 | g)", inside[0])
        raise scan.fail("Join random-effects terms to the others by '+'", first)
    own = [bar for bar in inside if scan.depth[bar] == depth + 1]
    if own:
        if len(own) < len(inside):
            raise scan.fail("A random-effects term cannot stand inside another", inside[0])
        return "", _bars(scan, first + 1, last - 1, depth + 1, own)
    plain, bars = _divide(scan, first + 1, last - 1, depth + 1)
    return f"({plain})" if plain else "", bars


def _bars(scan: _Scan, start: int, stop: int, depth: int, bars: list[int]) -> list[Bar]:
    """The bar between `start` and `stop`, one for each factor of a nested pair."""
    double = len(bars) == 2 and bars[1] == bars[0] + 1
    if len(bars) > 1 and not double:
        raise scan.fail("A random-effects term has one '|' (or '||')", bars[-1])
    expression = scan.text[start : bars[0]].strip()
    if not expression:
        raise scan.fail("The random-effects term has nothing before '|'", bars[0])
    if scan.find("~", depth, start, stop):
        raise scan.fail("A random-effects term has no '~'", scan.find("~", depth, start, stop)[0])
    first, last = scan.strip(bars[-1] + 1, stop)
    if first == last:
        raise scan.fail("The random-effects term has no grouping factor after '|'", bars[-1])
    path: list[str] = []
    expanded = []
    for part_first, part_last in _pieces(scan, "/", depth, first, last):
        for name_first, name_last in _pieces(scan, ":", depth, part_first, part_last):
            path.append(_column_name(scan, name_first, name_last))
        if len(set(path)) < len(path):
            raise scan.fail(f"The grouping factor names '{path[-1]}' twice", first)
        expanded.append(Bar(expression, tuple(path), not double))
    return expanded


def _pieces(
    scan: _Scan, separator: str, depth: int, start: int, stop: int
) -> list[tuple[int, int]]:
    cuts = scan.find(separator, depth, start, stop)
    edges = zip([start, *(i + 1 for i in cuts)], [*cuts, stop], strict=True)
    return [scan.strip(first, last) for first, last in edges]


def _column_name(scan: _Scan, first: int, last: int) -> str:
    text = scan.text[first:last]
    quoted = _QUOTED_NAME.match(text)
    if quoted:
        return quoted["tick"] or quoted["text"]
    if not _NAME.match(text):
        what = f"'{text}' is not a column name" if text else "A column name is missing"
        raise scan.fail(f"{what}; grouping factors are columns joined by '/' or ':'", first)
    return text


def _refuse_duplicates(bars: list[Bar]) -> None:
    seen = set()
    for bar in bars:
        key = (re.sub(r"\s", "", bar.expression), frozenset(bar.groups))
        if key in seen:
            raise SpecificationError(
                f"The random-effects term ({bar.expression} | {bar.name}) is given twice; "
                "remove one of them."
            )
        seen.add(key)
