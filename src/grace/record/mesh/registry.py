"""The registry of event types, checked when the mesh starts: what is written can be understood and subscribed to."""

import re
from collections.abc import Collection, Mapping
from typing import Final

from grace.model.events import EventType
from grace.model.noun import Noun

_DOTTED: Final = re.compile(r"[a-z]+(_[a-z]+)*\.[a-z]+(_[a-z]+)*")


class RegistryIncompleteError(RuntimeError):
    """Event types that no model describes, or that no pattern could mean: GRACE does not start with them."""

    def __init__(self, wrong: Collection[str]) -> None:
        self.wrong = tuple(wrong)
        super().__init__(
            f"Event types without a payload model, or not of the form noun.happened: {', '.join(wrong)}. "
            "Register each in grace.model.events.PAYLOADS."
        )


def require_complete(types: Collection[EventType], payloads: Mapping[EventType, type[Noun]]) -> None:
    """Do nothing when every type has a model and a name of two parts; else raise RegistryIncompleteError."""
    wrong = sorted(kind.value for kind in types if kind not in payloads or not _DOTTED.fullmatch(kind.value))
    if wrong:
        raise RegistryIncompleteError(wrong)
