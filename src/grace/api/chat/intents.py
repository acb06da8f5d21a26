"""Intents: everything that a message can ask for. `sentences.py` says which one it does."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar, Final, TypeAlias

from grace.api.chat.spans import Span

LAST: Final = "@last"
"""The newest one."""
THIS: Final = "@this"
"""What the caller says that the talk is about; without it the only one there is to choose from."""
UNSAID: Final = "said in chat"
"""The reason of a deed for which none was given."""


class Verb(StrEnum):
    """What somebody wants done, where it is not clear to what."""

    HEAL = "heal"
    PLAN = "plan"
    HALT = "halt"
    END_HALT = "end the halt"
    ANSWER = "answer"
    UNDO = "undo"
    KEEP = "keep"
    DRILL = "drill"


@dataclass(frozen=True, slots=True)
class AskWhatIsWrong:
    """What is wrong, of everything or of one service."""

    name: ClassVar[str] = "what_is_wrong"
    service: str | None = None


@dataclass(frozen=True, slots=True)
class AskWhy:
    """Why something was done or not: of what is named, of what the words speak of, of what is talked about."""

    name: ClassVar[str] = "why"
    about: str = THIS
    words: tuple[str, ...] = ()
    """What the incident's title, cause or labels have to speak of; none: no words were said of it."""


@dataclass(frozen=True, slots=True)
class AskWhatHappened:
    """What happened in a span of time."""

    name: ClassVar[str] = "what_happened"
    span: Span


@dataclass(frozen=True, slots=True)
class AskPending:
    """What waits for a person."""

    name: ClassVar[str] = "pending"


@dataclass(frozen=True, slots=True)
class AskHalts:
    """Which halts stand."""

    name: ClassVar[str] = "halts"


@dataclass(frozen=True, slots=True)
class AskForbidden:
    """Not to do something: nothing is done."""

    name: ClassVar[str] = "forbidden"


@dataclass(frozen=True, slots=True)
class AskNotOurs:
    """Do something that is no deed of GRACE, such as to delete what is on the record."""

    name: ClassVar[str] = "not_ours"


@dataclass(frozen=True, slots=True)
class AskHow:
    """How to mend something, in the asker's words."""

    name: ClassVar[str] = "how"
    question: str


@dataclass(frozen=True, slots=True)
class AskRemedy:
    """How to mend one incident."""

    name: ClassVar[str] = "remedy"
    about: str = THIS


@dataclass(frozen=True, slots=True)
class AskWhich:
    """Something is wanted, and what stands where its object stands cannot be read: it is asked back."""

    name: ClassVar[str] = "which"
    verb: Verb
    words: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class AskUnreadable:
    """A sentence with a word that looks like an id and is none: nothing of it is done."""

    name: ClassVar[str] = "unreadable"
    written: str


@dataclass(frozen=True, slots=True)
class AskUnclear:
    """Nothing that a rule knows, and no word that the knowledge could be asked for."""

    name: ClassVar[str] = "unclear"


@dataclass(frozen=True, slots=True)
class AskHelp:
    """What can be said here."""

    name: ClassVar[str] = "help"


@dataclass(frozen=True, slots=True)
class WantDrill:
    """Break something on purpose."""

    name: ClassVar[str] = "drill"


@dataclass(frozen=True, slots=True)
class WantHalt:
    """Stop new deeds, everywhere or for services."""

    name: ClassVar[str] = "halt"
    services: tuple[str, ...] = ()
    """As they were said: whether there are such services is for the house to tell. None: everywhere."""
    reason: str = UNSAID


@dataclass(frozen=True, slots=True)
class WantHaltEnd:
    """Let new deeds go on again."""

    name: ClassVar[str] = "end_halt"
    halts: tuple[str, ...] = ()
    """Services, or ids of halts, as they were said. None: the halt that stands everywhere."""
    every: bool = False
    """All that stand, whatever they stop."""


@dataclass(frozen=True, slots=True)
class WantAnswer:
    """Say yes or no to a plan: done by link, never by a sentence."""

    name: ClassVar[str] = "answer"
    grants: bool
    approval: str = THIS


@dataclass(frozen=True, slots=True)
class WantYesOrNo:
    """A bare yes or no: to what, only the questions that wait can tell."""

    name: ClassVar[str] = "yes_or_no"


@dataclass(frozen=True, slots=True)
class WantEnd:
    """Undo or keep what a run wrote: done by its own command, with a reason, never by a sentence."""

    name: ClassVar[str] = "end_run"
    keeps: bool
    run: str = THIS


@dataclass(frozen=True, slots=True)
class WantHeal:
    """Heal an incident."""

    name: ClassVar[str] = "heal"
    incident: str = THIS


@dataclass(frozen=True, slots=True)
class WantPlan:
    """Show what a heal would do."""

    name: ClassVar[str] = "plan"
    incident: str = THIS


Question: TypeAlias = (
    AskWhatIsWrong
    | AskWhy
    | AskWhatHappened
    | AskPending
    | AskHalts
    | AskForbidden
    | AskNotOurs
    | AskHow
    | AskRemedy
    | AskUnclear
    | AskHelp
    | WantAnswer
    | WantYesOrNo
    | WantEnd
)
"""What only reads; what is asked with a command of its own is shown its place, so it is a question too."""
Deed: TypeAlias = WantDrill | WantHalt | WantHaltEnd | WantHeal | WantPlan
"""What needs the role of an operator."""
Unread: TypeAlias = AskWhich | AskUnreadable
"""What is refused, whoever says it, because it cannot be read."""
Intent: TypeAlias = Question | Deed | Unread
