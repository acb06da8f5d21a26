"""Intents: what a message asks for, by rules in their order. What no rule knows is a question to the knowledge."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Final, TypeAlias

from grace.api.chat.spans import WEEKDAY, Span, span_in
from grace.govern.halt.switch import EVERYWHERE

LAST: Final = "@last"


@dataclass(frozen=True, slots=True)
class AskWhatIsWrong:
    """What is wrong, of everything or of one service."""

    name: ClassVar[str] = "what_is_wrong"
    service: str | None = None


@dataclass(frozen=True, slots=True)
class AskWhy:
    """Why something was done or not: of a run, an incident, what the words speak of, or the newest run."""

    name: ClassVar[str] = "why"
    about: str = LAST
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
class AskHelp:
    """What can be said here."""

    name: ClassVar[str] = "help"


@dataclass(frozen=True, slots=True)
class WantDrill:
    """Break something on purpose."""

    name: ClassVar[str] = "drill"


@dataclass(frozen=True, slots=True)
class WantHalt:
    """Stop new deeds, everywhere or for one service."""

    name: ClassVar[str] = "halt"
    scope: str
    reason: str


@dataclass(frozen=True, slots=True)
class WantHaltEnd:
    """Let new deeds go on again."""

    name: ClassVar[str] = "end_halt"
    scope: str


@dataclass(frozen=True, slots=True)
class WantAnswer:
    """Say yes or no to a plan: done by link, never by a sentence."""

    name: ClassVar[str] = "answer"
    grants: bool
    approval: str = LAST


@dataclass(frozen=True, slots=True)
class WantYesOrNo:
    """A bare yes or no: to what, only the questions that wait can tell."""

    name: ClassVar[str] = "yes_or_no"


@dataclass(frozen=True, slots=True)
class WantEnd:
    """Undo or keep what a run wrote: done by its own command, with a reason, never by a sentence."""

    name: ClassVar[str] = "end_run"
    keeps: bool
    run: str = LAST


@dataclass(frozen=True, slots=True)
class WantHeal:
    """Heal an incident."""

    name: ClassVar[str] = "heal"
    incident: str = LAST


@dataclass(frozen=True, slots=True)
class WantPlan:
    """Show what a heal would do."""

    name: ClassVar[str] = "plan"
    incident: str = LAST


Question: TypeAlias = (
    AskWhatIsWrong
    | AskWhy
    | AskWhatHappened
    | AskPending
    | AskHalts
    | AskForbidden
    | AskNotOurs
    | AskHow
    | AskHelp
    | WantAnswer
    | WantYesOrNo
    | WantEnd
)
"""What only reads; what is asked with a command of its own is shown its place, so it is a question too."""
Deed: TypeAlias = WantDrill | WantHalt | WantHaltEnd | WantHeal | WantPlan
"""What needs the role of an operator."""
Intent: TypeAlias = Question | Deed

_NAME: Final = r"[a-z0-9][a-z0-9_.-]{0,62}"
_POLITE: Final = re.compile(
    r"^(?:(?:hey|hi|hello|ok|okay|please|grace|can you|could you|would you|now)\b[\s,:!]*)+", re.IGNORECASE
)
_RUN_OR_INCIDENT: Final = re.compile(r"\b(?:run|inc)_[0-9A-Z]{1,26}\b")
_APPROVAL: Final = re.compile(r"\bapr_[0-9A-Z]{1,26}\b")
_INCIDENT: Final = re.compile(r"\binc_[0-9A-Z]{1,26}\b")
_RUN: Final = re.compile(r"\brun_[0-9A-Z]{1,26}\b")
_NEGATED: Final = re.compile(r"^(?:do not|don\W?t|never|no need to|not (?:now|yet|that|this))\b", re.IGNORECASE)
_NO_FAULT: Final = (
    "why explain what happened tell me about did didn didnt do does doesn not you grace it this that was were is are "
    "wasn isn the an to of for with on in at and or nothing anything something done act acted fix fixed heal healed "
    "mend mended solve solved undo undid undone halt halted plan planned choose chose decide decided take took run "
    "incident last latest newest my our your again yet so now just long have has had been be happen went wrong reject "
    "rejected approve approved roll rolled back ask asked wait waiting stop stopped failed fail action"
)
_OF_THE_ASKER: Final = frozenset(_NO_FAULT.split())
"""Words of a why that name no fault."""
_EVERYTHING: Final = frozenset({"all", "everything", "everywhere", "it", "now", "grace", "healing", "deeds", "them"})
_FILLER: Final = frozenset({"the", "service", "for", "on", "of", "new"})


def understand(message: str) -> Intent:
    """Return what a message asks for. A sentence that forbids or asks never becomes a deed."""
    said = _POLITE.sub("", " ".join(message.split())).strip()
    if not said:
        return AskHelp()
    if _NEGATED.match(said):
        return AskForbidden()
    for pattern, read in _RULES:
        if found := pattern.search(said):
            return read(said, found)
    return AskHow(said)


Read: TypeAlias = Callable[[str, re.Match[str]], Intent]


def _why(said: str, _: re.Match[str]) -> Intent:
    named = _RUN_OR_INCIDENT.search(said)
    if named:
        return AskWhy(named.group())
    words = (word for word in re.findall(r"[a-z0-9][a-z0-9_.-]*[a-z0-9]", said.lower()) if word not in _OF_THE_ASKER)
    return AskWhy(words=tuple(dict.fromkeys(words)))


def _happened(said: str, _: re.Match[str]) -> Intent:
    span = span_in(said)
    return AskWhatHappened(span) if span else _why(said, _)


def _end(said: str, found: re.Match[str]) -> Intent:
    named = _RUN.search(said)
    return WantEnd(found.group(1).lower() == "keep", named.group() if named else LAST)


def _yes_or_no(_: str, __: re.Match[str]) -> Intent:
    return WantYesOrNo()


def _not_ours(_: str, __: re.Match[str]) -> Intent:
    return AskNotOurs()


def _answer(said: str, found: re.Match[str]) -> Intent:
    named = _APPROVAL.search(said)
    grants = found.group(1).lower() in {"approve", "grant", "allow", "accept"}
    return WantAnswer(grants, named.group() if named else LAST)


def _halt(said: str, found: re.Match[str]) -> Intent:
    rest, _, because = said[found.end() :].partition(" because ")
    return WantHalt(_scope(rest), because.strip() or "said in chat")


def _halt_end(said: str, found: re.Match[str]) -> Intent:
    return WantHaltEnd(_scope(said[found.end() :]))


def _heal(said: str, found: re.Match[str]) -> Intent:
    named = _INCIDENT.search(said)
    kind = WantHeal if found.group(1).lower() == "heal" else WantPlan
    return kind(named.group() if named else LAST)


def _wrong(_: str, found: re.Match[str]) -> Intent:
    service = found["service"] or found["of"]
    return AskWhatIsWrong(None if service is None or service.lower() in _EVERYTHING else service.lower())


def _help(_: str, __: re.Match[str]) -> Intent:
    return AskHelp()


def _pending(_: str, __: re.Match[str]) -> Intent:
    return AskPending()


def _halts(_: str, __: re.Match[str]) -> Intent:
    return AskHalts()


def _drill(_: str, __: re.Match[str]) -> Intent:
    return WantDrill()


def _how(said: str, _: re.Match[str]) -> Intent:
    return AskHow(said)


def _scope(rest: str) -> str:
    words = [word.strip(".,!?'\"").lower() for word in rest.split()]
    named = [word for word in words if word and word not in _FILLER]
    if not named or named[0] in _EVERYTHING or not re.fullmatch(_NAME, named[0]):
        return EVERYWHERE
    return named[0]


def _rule(pattern: str, read: Read) -> tuple[re.Pattern[str], Read]:
    return re.compile(pattern, re.IGNORECASE), read


_RULES: Final[tuple[tuple[re.Pattern[str], Read], ...]] = (
    _rule(r"^(?:help|what can (?:you|i)\b|commands?\b|\?+$)", _help),
    _rule(r"^(?:y|yes|yep|yeah|sure|no|n|nope|do it|go ahead|of course)(?:,? (?:please|thanks?))?[.!]*$", _yes_or_no),
    _rule(
        r"^(?:what|anything|did|has|have|show|tell|list|summar(?:y|i[sz]e)|news)\b.{0,40}\b(?:happen(?:ed|ing)?|done|do"
        r"|did|went on|went wrong|going on|changed?|new|news|heal(?:ed)?|fix(?:ed)?|broke|failed|summary"
        r"|summari[sz]e)\b.{0,40}"
        r"\b(?:last|past|since|today|yesterday|tonight|this (?:morning|afternoon|evening|week|hour|night)|recently"
        rf"|{WEEKDAY})\b"
        rf"|^(?:summar(?:y|i[sz]e)|news|anything new)\b.{{0,20}}\b(?:last|past|since|today|yesterday|{WEEKDAY})\b"
        rf"|^(?:what happened|what did you do|what was done)\s+{WEEKDAY}\b",
        _happened,
    ),
    _rule(r"^(?:why\b|explain\b|what happened\b|tell me (?:about|why)\b)", _why),
    _rule(
        r"^(?:what(?:'s| is| are)?\s+)?(?:pending|waiting|open approvals?|approvals?)\b"
        r"|\bwhat (?:is |'s )?(?:pending|waiting|waits)\b|\bwait(?:s|ing)? (?:for|on) "
        r"(?:me|us|my|our|a person|a human|approval|somebody|anyone|an answer)\b"
        r"|^(?:is|are|do) (?:there )?(?:anything|something|any|i|we|you)\b.{0,40}"
        r"\b(?:waiting|pending|to approve|to decide|approvals?|open questions?)\b"
        r"|^(?:what|anything|something|do i|do we|is there anything).{0,20}"
        r"\b(?:need|needs|have|has|should|must|for)\b.{0,20}\b(?:my|me|i|to)\b.{0,12}"
        r"\b(?:approve|approval|decide|decision|attention|answer|sign off)\b"
        r"|^(?:show|list)(?: me)? (?:the |all |my )?(?:pending|waiting|open) (?:approvals?|questions?)\b",
        _pending,
    ),
    _rule(
        r"^what(?:'s| is| went)\s+(?:wrong|broken|up|down|failing|going on|the matter)"
        rf"(?:\s+(?:with|in)\s+(?:the\s+)?(?P<service>{_NAME}))?\s*[?.!]*$"
        r"|^(?:status|state|how (?:are|is) (?:things|everything|it going))"
        rf"(?:\s+of\s+(?:the\s+)?(?P<of>{_NAME}))?[?.!]*$"
        r"|^(?:is|are) (?:anything|something|things?) (?:wrong|broken|down|failing)\b",
        _wrong,
    ),
    _rule(
        r"^(?:is|are) .{0,80}\b(?:halted|frozen|stopped)[?.!]*$"
        r"|^(?:what|who)(?: is|'s| are)? (?:halted|frozen|stopped)\b"
        r"|^(?:is there|are there) (?:a|any) halts?\b|^(?:what|which) halts?\b|^halts[?.!]*$",
        _halts,
    ),
    _rule(
        r"^(?:trigger|start|run|simulate|begin|play|do|make)\b.{0,60}"
        r"\b(?:drill|database (?:error|lock)|locked database)",
        _drill,
    ),
    _rule(r"^drill\b", _drill),
    _rule(r"^(?:end|lift|stop|remove|clear) (?:the )?halt\b|^(?:resume|unhalt|go on|continue)\b", _halt_end),
    _rule(r"^(?:halt|freeze)\b|^stop (?=everything\b|all\b|healing\b|new deeds\b|acting\b|it\b)|^stop[.!]*$", _halt),
    _rule(r"^(approve|grant|allow|accept|reject|deny|refuse|decline)\b", _answer),
    _rule(
        r"^(undo|keep|roll ?back|revert|take back)\b"
        r"(?=.*(?:\b(?:run_[0-9A-Z]+|runs?|it|this|that|last|changes?)\b|@last\b))",
        _end,
    ),
    _rule(r"^(undo|roll ?back|revert)[.!]*$", _end),
    _rule(
        r"^(?:delete|remove|drop|erase|wipe|purge|destroy|kill|reboot|restart|shut ?down|reset|forget|deploy"
        r"|install|uninstall|upgrade|truncate)\b"
        r"(?!.*(?::|\b(?:fail\w*|errors?|denied|refused|exception|not|cannot|can'?t|timed out|unable|process \d+)\b))",
        _not_ours,
    ),
    _rule(
        r"^(heal|plan|what would you do about)\b.*"
        r"(?:\binc_[0-9A-Z]+\b|@last\b|\b(?:it|this|that|the (?:last|newest) incident)\b)",
        _heal,
    ),
    _rule(r"^how\b|\bhow (?:do|can|should|would) (?:i|we|you)\b|^what (?:does|do|is|are|causes)\b", _how),
)
"""The first that matches decides; questions come before deeds, so that asking about a deed never does it."""
