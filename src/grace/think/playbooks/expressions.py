"""The expressions in a playbook: paths, literals, filters and conditions. Parsed into values, never evaluated as code.

template    text with any number of `${{ piped }}`
piped       operand { "|" filter }
condition   or, and, not, comparisons, parentheses over `piped`
path        ROOT { "." NAME | "[" literal "]" }
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, TypeAlias, TypeVar

OPEN: Final = "${{"
CLOSE: Final = "}}"
_LONGEST: Final = 2000
_DEEPEST: Final = 20
_REMEMBERED: Final = 1024
"""So many expressions are kept as they were parsed: a playbook is rendered from the same ones each time."""
_COMPARISONS: Final = ("==", "!=", "<=", ">=", "<", ">")
_WORDS: Final = {"true": True, "false": False, "null": None}
_RESERVED: Final = frozenset({"and", "or", "not", *_WORDS})

Scalar: TypeAlias = str | int | float | bool | None
_Parsed = TypeVar("_Parsed")


@dataclass(frozen=True, slots=True)
class Literal:
    value: Scalar

    def __str__(self) -> str:
        return json.dumps(self.value)


@dataclass(frozen=True, slots=True)
class Reference:
    """A path such as `find.holder.pid`: the root, then names and indexes."""

    steps: tuple[str | int, ...]

    def __str__(self) -> str:
        text = str(self.steps[0])
        for step in self.steps[1:]:
            is_name = isinstance(step, str) and _NAME.fullmatch(step)
            text += f".{step}" if is_name else f"[{step}]" if isinstance(step, int) else f'["{step}"]'
        return text


@dataclass(frozen=True, slots=True)
class Filter:
    name: str
    arguments: tuple[Scalar, ...] = ()

    def __str__(self) -> str:
        return f"{self.name}({', '.join(json.dumps(one) for one in self.arguments)})" if self.arguments else self.name


@dataclass(frozen=True, slots=True)
class Piped:
    operand: Literal | Reference
    filters: tuple[Filter, ...] = ()

    def __str__(self) -> str:
        return " | ".join((str(self.operand), *(str(one) for one in self.filters)))

    @property
    def root(self) -> str | None:
        """Return where the value comes from: `inputs`, `find`, …; None for a literal."""
        return str(self.operand.steps[0]) if isinstance(self.operand, Reference) else None


@dataclass(frozen=True, slots=True)
class Comparison:
    left: Condition
    operator: str
    right: Condition


@dataclass(frozen=True, slots=True)
class Negation:
    of: Condition


@dataclass(frozen=True, slots=True)
class Junction:
    """`and` (all) or `or` (any) over two or more."""

    word: str
    parts: tuple[Condition, ...]


Condition: TypeAlias = Piped | Comparison | Negation | Junction


def references_of(condition: Condition) -> tuple[Piped, ...]:
    """Return every path and literal of a condition, from left to right."""
    match condition:
        case Piped():
            return (condition,)
        case Comparison(left, _, right):
            return (*references_of(left), *references_of(right))
        case Negation(of):
            return references_of(of)
        case Junction(_, parts):
            return tuple(one for part in parts for one in references_of(part))


@dataclass(frozen=True, slots=True)
class Template:
    """Text with references in it; a lone reference keeps its type."""

    parts: tuple[str | Piped, ...]

    @property
    def lone(self) -> Piped | None:
        """Return the reference that is the whole template, if it is one."""
        only = self.parts[0] if len(self.parts) == 1 else None
        return only if isinstance(only, Piped) else None

    @property
    def references(self) -> tuple[Piped, ...]:
        return tuple(part for part in self.parts if isinstance(part, Piped))


class ExpressionInvalidError(ValueError):
    """Text that is no expression, and why."""


_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")
_TOKEN: Final = re.compile(
    r"""\s*(?:
        (?P<number>-?\d{1,15}(?:\.\d{1,15})?(?![A-Za-z0-9_.]))
      | (?P<text>'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")
      | (?P<name>[A-Za-z_][A-Za-z0-9_-]*)
      | (?P<sign>==|!=|<=|>=|<|>|\||\(|\)|\[|\]|,|\.)
      | (?P<end>\Z)
    )""",
    re.VERBOSE,
)


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str


@lru_cache(_REMEMBERED)
def parse_condition(text: str) -> Condition:
    """Return the condition; raise ExpressionInvalidError with what is wrong and where."""
    if OPEN in text:
        message = f"an `if` is an expression already: write it without {OPEN} {CLOSE}"
        raise ExpressionInvalidError(message)
    return _Parsing(text).whole(_Parsing.condition)


@lru_cache(_REMEMBERED)
def parse_piped(text: str) -> Piped:
    """Return a path or literal with its filters; raise ExpressionInvalidError."""
    return _Parsing(text).whole(_Parsing.piped)


def parse_template(text: str) -> Template | None:
    """Return the template, or None for text without a reference; raise ExpressionInvalidError."""
    if OPEN not in text:
        return None
    parts: list[str | Piped] = []
    rest = text
    while OPEN in rest:
        before, _, after = rest.partition(OPEN)
        end = _end_of_reference(after)
        parts += [before] if before else []
        parts.append(parse_piped(after[:end]))
        rest = after[end + len(CLOSE) :]
    return Template((*parts, rest) if rest else tuple(parts))


def _end_of_reference(text: str) -> int:
    quote = ""
    position = 0
    while position < len(text):
        character = text[position]
        if quote:
            if character == "\\":
                position += 1
            elif character == quote:
                quote = ""
        elif character in "'\"":
            quote = character
        elif text.startswith(CLOSE, position):
            return position
        position += 1
    message = f"`{OPEN}` has no `{CLOSE}`"
    raise ExpressionInvalidError(message)


class _Parsing:
    """Recursive descent over the tokens of one expression."""

    def __init__(self, text: str) -> None:
        self._tokens = _tokens(text)
        self._next = 0
        self._depth = 0

    def whole(self, rule: Callable[[_Parsing], _Parsed]) -> _Parsed:
        value = rule(self)
        if self._token.kind != "end":
            message = f"`{self._token.text}` is not expected here"
            raise ExpressionInvalidError(message)
        return value

    def condition(self) -> Condition:
        return self._junction("or", lambda: self._junction("and", self._negation))

    def piped(self) -> Piped:
        operand = self._operand()
        filters: list[Filter] = []
        while self._took("|"):
            filters.append(self._filter())
        return Piped(operand, tuple(filters))

    def _junction(self, word: str, part: Callable[[], Condition]) -> Condition:
        parts = [part()]
        while self._token == _Token("name", word):
            self._next += 1
            parts.append(part())
        return parts[0] if len(parts) == 1 else Junction(word, tuple(parts))

    def _negation(self) -> Condition:
        if self._token == _Token("name", "not"):
            self._next += 1
            return self._deeper(lambda: Negation(self._negation()))
        return self._comparison()

    def _comparison(self) -> Condition:
        left = self._side()
        if self._token.text in _COMPARISONS and self._token.kind == "sign":
            operator = self._take().text
            return Comparison(left, operator, self._side())
        return left

    def _side(self) -> Condition:
        if not self._took("("):
            return self.piped()
        inner = self._deeper(self.condition)
        self._expect(")")
        return inner

    def _deeper(self, rule: Callable[[], Condition]) -> Condition:
        self._depth += 1
        if self._depth > _DEEPEST:
            message = "it is nested too deep"
            raise ExpressionInvalidError(message)
        value = rule()
        self._depth -= 1
        return value

    def _operand(self) -> Literal | Reference:
        token = self._token
        if token.kind in ("number", "text") or (token.kind == "name" and token.text in _WORDS):
            return Literal(self._literal())
        if token.kind != "name" or token.text in _RESERVED:
            message = (
                f"a path or a value is expected, not `{token.text}`" if token.text else "a path or a value is missing"
            )
            raise ExpressionInvalidError(message)
        return self._path()

    def _path(self) -> Reference:
        steps: list[str | int] = [self._take().text]
        while self._token.kind == "sign" and self._token.text in (".", "["):
            steps.append(self._step())
        return Reference(tuple(steps))

    def _step(self) -> str | int:
        if self._took("."):
            if self._token.kind != "name":
                message = "a name is expected after the dot"
                raise ExpressionInvalidError(message)
            return self._take().text
        self._expect("[")
        step = self._literal()
        self._expect("]")
        if isinstance(step, bool) or not isinstance(step, str | int):
            message = "an index is a whole number or a name in quotes"
            raise ExpressionInvalidError(message)
        return step

    def _filter(self) -> Filter:
        if self._token.kind != "name":
            message = "a filter's name is expected after `|`"
            raise ExpressionInvalidError(message)
        name = self._take().text
        arguments: list[Scalar] = []
        if self._took("("):
            arguments.append(self._literal())
            while self._took(","):
                arguments.append(self._literal())
            self._expect(")")
        return Filter(name, tuple(arguments))

    def _literal(self) -> Scalar:
        token = self._take()
        match token.kind:
            case "number":
                return float(token.text) if "." in token.text else int(token.text)
            case "text":
                return re.sub(r"\\(.)", r"\1", token.text[1:-1], flags=re.DOTALL)
            case "name" if token.text in _WORDS:
                return _WORDS[token.text]
            case _:
                message = f"a number, a text in quotes, true, false or null is expected, not `{token.text}`"
                raise ExpressionInvalidError(message)

    @property
    def _token(self) -> _Token:
        return self._tokens[self._next]

    def _take(self) -> _Token:
        token = self._token
        self._next = min(self._next + 1, len(self._tokens) - 1)
        return token

    def _took(self, sign: str) -> bool:
        found = self._token == _Token("sign", sign)
        self._next += found
        return found

    def _expect(self, sign: str) -> None:
        if not self._took(sign):
            message = f"`{sign}` is expected" + (f" before `{self._token.text}`" if self._token.text else " at the end")
            raise ExpressionInvalidError(message)


def _tokens(text: str) -> list[_Token]:
    if len(text) > _LONGEST:
        message = f"an expression has at most {_LONGEST} characters"
        raise ExpressionInvalidError(message)
    tokens: list[_Token] = []
    position = 0
    while not tokens or tokens[-1].kind != "end":
        found = _TOKEN.match(text, position)
        if not found or not found.lastgroup:
            message = f"`{text[position:].strip()[:20]}` is not part of an expression"
            raise ExpressionInvalidError(message)
        tokens.append(_Token(found.lastgroup, found[found.lastgroup]))
        position = found.end()
    return tokens
