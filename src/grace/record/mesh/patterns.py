"""Which event types a subscriber means: `run.settled`, `run.*`, `*.opened` or `*`.

A pattern is compared part by part: a `*` stands for one whole part, and a lone `*` for every type. Parts of parts
(`run.set*`) mean nothing, and neither does a part too few or too many; what means nothing is refused.
"""

from collections.abc import Collection, Iterable
from difflib import get_close_matches

from grace.model.events import EventType


class PatternUnknownError(ValueError):
    """A pattern that no event type can ever match: a typing error would otherwise be silence for ever."""

    def __init__(self, pattern: str, known: Collection[str]) -> None:
        self.pattern = pattern
        near = get_close_matches(pattern, list(known), n=3)
        self.what = f"no event type matches {pattern!r}"
        self.hint = f"Did you mean {', '.join(near)}?" if near else f"There are: {', '.join(sorted(known))}."
        super().__init__(f"No event type matches {pattern!r}. {self.hint}")


def matching_types(patterns: Iterable[str], known: Collection[EventType]) -> frozenset[EventType]:
    """Return every known type that some pattern means; raise PatternUnknownError for a pattern that means none."""
    return frozenset(event_type for pattern in patterns for event_type in _meant_by(pattern, known))


def _meant_by(pattern: str, known: Collection[EventType]) -> frozenset[EventType]:
    meant = frozenset(event_type for event_type in known if _matches(pattern, event_type.value))
    if not meant:
        raise PatternUnknownError(pattern, [event_type.value for event_type in known])
    return meant


def _matches(pattern: str, event_type: str) -> bool:
    if pattern == "*":
        return True
    wanted, parts = pattern.split("."), event_type.split(".")
    return len(wanted) == len(parts) and all(want in {"*", part} for want, part in zip(wanted, parts, strict=True))
