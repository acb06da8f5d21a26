"""Take secrets out of a value: by the name they stand under, and by what they look like.

It errs on the side of silence: a word too many is lost sooner than a password shown. What it cannot look at, because it
is too deep, too long or too much, does not pass.
"""

from dataclasses import dataclass
from typing import Final

from pydantic import JsonValue

from grace.kit.secret_blocks import hide_flows, hide_lines
from grace.kit.secret_letters import masked, plain
from grace.kit.secret_phrases import hide_elements, hide_named, hide_phrases
from grace.kit.secrets import CUT, EMAIL, MARK, SHAPES, Shape, introduces_a_secret, may_hold_a_secret, names_a_secret

TOO_DEEP: Final = "[too deep]"
TOO_MUCH: Final = "[too much]"
_CUT: Final = f" {CUT}"
_MARKS: Final = (MARK, CUT, f"{MARK}{_CUT}")
_NAMES: Final = ("name", "key", "header")
_MOST_KNOWN: Final = 8_192
_LONGEST_KNOWN: Final = 256


@dataclass(frozen=True, slots=True)
class Limits:
    """How far a value is looked into; what lies beyond is replaced, not passed on."""

    depth: int = 32
    items: int = 20_000
    text: int = 65_536


@dataclass(frozen=True, slots=True)
class Redacted:
    """A value without its secrets, and in how many places it was changed."""

    value: JsonValue
    count: int


DEFAULT_LIMITS: Final = Limits()


def redact(value: JsonValue, *, limits: Limits = DEFAULT_LIMITS, emails: bool = False) -> Redacted:
    """Return a new value without secrets; doing it again changes nothing."""
    walk = _Walk(limits, (*SHAPES, EMAIL) if emails else SHAPES)
    return Redacted(walk.value(value, 0), walk.count)


def redact_text(text: str, *, limits: Limits = DEFAULT_LIMITS, emails: bool = False) -> str:
    """Return a text without what looks like a secret."""
    return _Walk(limits, (*SHAPES, EMAIL) if emails else SHAPES).text(text)


class _CleanTexts:
    """Short texts that were searched and hold no secret: the same few pass a door again and again."""

    def __init__(self) -> None:
        self.texts: set[str] = set()

    def add(self, text: str) -> None:
        if len(text) > _LONGEST_KNOWN:
            return
        if len(self.texts) >= _MOST_KNOWN:
            self.texts = set()
        self.texts.add(text)


_clean: Final = _CleanTexts()


class _Walk:
    """One walk over one value."""

    def __init__(self, limits: Limits, shapes: tuple[Shape, ...]) -> None:
        self._limits = limits
        self._shapes = shapes
        # What is known to be clean is known under the usual shapes, and is never long enough to be cut.
        self._is_usual = shapes is SHAPES and limits.text >= _LONGEST_KNOWN
        self._items = 0
        self.count = 0

    def value(self, value: JsonValue, depth: int) -> JsonValue:
        self._items += 1
        if isinstance(value, str):
            return self.text(value)
        if not isinstance(value, dict | list):
            return value
        if depth >= self._limits.depth:
            return self._replaced(TOO_DEEP)
        return self._members(value, depth) if isinstance(value, dict) else self._list(value, depth)

    def text(self, text: str) -> str:
        is_usual = self._is_usual
        if is_usual and text in _clean.texts:
            return text
        cut = self._cut(text)
        redacted = self._searched(cut) if not is_usual or may_hold_a_secret(cut.lower()) else cut
        if not redacted.isascii():
            redacted = self._without_look_alikes(redacted)
        if is_usual and redacted == cut:
            _clean.add(cut)
        # A mark may be longer than what it replaced.
        return self._cut(redacted)

    def _searched(self, text: str) -> str:
        """Hide each kind of secret in its turn; lines after words, because a quoted word may span lines."""
        folded = text.lower()
        redacted, found = hide_flows(text, introduces_a_secret, _MARKS)
        self.count += found
        redacted, found = hide_phrases(redacted, folded, _MARKS)
        self.count += found
        for shape in self._shapes:
            if shape.may_be_in(folded):
                redacted, found = shape.redact(redacted)
                self.count += found
        for hide in (hide_elements, hide_named, hide_lines):
            redacted, found = hide(redacted, introduces_a_secret, _MARKS)
            self.count += found
        return redacted

    def _without_look_alikes(self, text: str) -> str:
        """Hide what is a secret to an eye alone; the rest stays as it was written."""
        shown = plain(text)
        if shown == text or (self._is_usual and not may_hold_a_secret(shown.lower())):
            return text
        found = self._searched(shown)
        return text if found == shown else masked(text, found, MARK)

    def _members(self, value: dict[str, JsonValue], depth: int) -> JsonValue:
        named = not value.keys().isdisjoint(_NAMES) and self._is_named_secret(value)
        redacted: dict[str, JsonValue] = {}
        for key, item in value.items():
            if self._items >= self._limits.items:
                redacted[TOO_MUCH] = self._replaced(TOO_MUCH, standing=value.get(TOO_MUCH))
                break
            if names_a_secret(key) or (named and key == "value"):
                redacted[self.text(key)] = self._secret(item)
            elif self._is_usual and isinstance(item, str) and item in _clean.texts and key in _clean.texts:
                self._items += 1  # what `value` would find, without asking it
                redacted[key] = item
            else:
                redacted[self.text(key)] = self.value(item, depth + 1)
        return redacted

    def _is_named_secret(self, value: dict[str, JsonValue]) -> bool:
        """Say whether a member names what the value is, and names a secret."""
        return any(isinstance(name := value.get(key), str) and names_a_secret(name) for key in _NAMES)

    def _list(self, value: list[JsonValue], depth: int) -> JsonValue:
        match value:
            case [str(name), item] if names_a_secret(shown := self.text(name)):
                return [shown, self._secret(item)]
            case _:
                pass
        redacted: list[JsonValue] = []
        for item in value:
            if self._items >= self._limits.items:
                redacted.append(self._replaced(TOO_MUCH, standing=item))
                break
            redacted.append(self.value(item, depth + 1))
        return redacted

    def _secret(self, item: JsonValue) -> JsonValue:
        """Replace what stands under a secret's name; nothing, yes and no are no secrets."""
        self._items += 1
        if item is None or isinstance(item, bool) or item in ("", MARK, TOO_DEEP, TOO_MUCH):
            return item
        return self._replaced(MARK)

    def _cut(self, text: str) -> str:
        """Shorten a text at a space, so that no half of a secret stays behind unrecognised."""
        if len(text) <= self._limits.text:
            return text
        kept = text[: max(0, self._limits.text - len(_CUT))]
        space = max(kept.rfind(" "), kept.rfind("\n"))
        self.count += 1
        return kept[: max(space, 0)] + _CUT

    def _replaced(self, mark: str, standing: JsonValue = None) -> str:
        self.count += standing != mark
        return mark
