"""Sentences: what a message asks for, by rules in their order. What no rule knows is a question to the knowledge.

Deeds need an imperative whose object is read whole (`objects.py`); questions are known by families of words
(`vocabulary.py`). A word that looks like an id is used as it stands, or the sentence is refused.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Final, TypeAlias

from grace.api.chat.intents import (
    LAST,
    UNSAID,
    AskForbidden,
    AskHalts,
    AskHelp,
    AskHow,
    AskNotOurs,
    AskPending,
    AskRemedy,
    AskUnclear,
    AskUnreadable,
    AskWhatHappened,
    AskWhatIsWrong,
    AskWhich,
    AskWhy,
    Intent,
    Verb,
    WantAnswer,
    WantDrill,
    WantEnd,
    WantHalt,
    WantHaltEnd,
    WantHeal,
    WantPlan,
    WantYesOrNo,
)
from grace.api.chat.objects import Unclear, end_of_halt_in, halted_in, object_in
from grace.api.chat.references import is_readable, is_reference, references_in, words_of
from grace.api.chat.spans import WEEKDAY, span_in
from grace.api.chat.vocabulary import (
    COMMANDS,
    DRILL_WORDS,
    EVERYTHING,
    asks_for_state,
    asks_what_is_halted,
    asks_what_waits,
    is_generic,
    lowered,
)


@dataclass(frozen=True, slots=True)
class Sentence:
    """What was said, without courtesies; its words; and which services there are."""

    said: str
    words: tuple[str, ...]
    services: frozenset[str]

    @property
    def low(self) -> tuple[str, ...]:
        return lowered(self.words)


_NAME: Final = r"[a-z0-9][a-z0-9_.-]{0,62}"
_END: Final = r"(?![\w-])"
_POLITE: Final = re.compile(
    r"^(?:(?:(?:hey|hi|hello|ok|okay|please|grace|now|just|quick(?:ly)?|oh|so|well|then)\b"
    r"|(?:can|could|would|will) you\b|(?:you|we) (?:must|should|need to|have to)\b|i (?:want|need) you to\b"
    r"|no,|emergency[:,!]+ (?=\w)|go and\b|try to\b|let(?:'| u)?s\b)[\s,:!.]*)+",
    re.IGNORECASE,
)
_REQUEST: Final = re.compile(r"^(?:[\w,]+ ){0,3}(?:can|could|would|will) you\b", re.IGNORECASE)
"""Asked for as a favour: its question mark asks for nothing else."""
_NEGATED: Final = re.compile(r"^(?:do not|don\W?t|not|never|no need to)\b", re.IGNORECASE)
_NO_FAULT: Final = (
    "why explain what happened tell me about did didn didnt do does doesn not you grace it this that was were is are "
    "wasn isn the an to of for with on in at and or nothing anything something done act acted fix fixed heal healed "
    "mend mended solve solved undo undid undone halt halted plan planned choose chose decide decided take took run "
    "incident last latest newest my our your again yet so now just long have has had been be happen went wrong reject "
    "rejected approve approved roll rolled back ask asked wait waiting stop stopped failed fail action"
)
_OF_THE_ASKER: Final = frozenset(_NO_FAULT.split())
"""Words of a why that name no fault."""
_MENDING: Final = re.compile(
    r"\b(?:how|fix(?:es|ed)?|heal|mend|solve|cure|repair|do about|help)\b|^what (?:should|can|could|must|do) ",
    re.IGNORECASE,
)


_FAULTS: Final = frozenset({"error", "errors", "lock", "locks", "locked", "fault", "failure"})


def understand(message: str, services: Collection[str] = ()) -> Intent:
    """Return what a message asks for, given the services that are declared. What forbids or asks never is a deed."""
    whole = " ".join(message.split())
    said = _POLITE.sub("", whole).strip()
    if _REQUEST.match(whole):
        said = said.rstrip("? ")
    sentence = Sentence(said, words_of(said), frozenset(services))
    named = references_in(sentence.words)
    if unreadable := [one for one in named if not is_readable(one)]:
        return AskUnreadable(unreadable[0])
    if not said:
        return AskHelp()
    if _NEGATED.match(said):
        return AskForbidden()
    meant = _ruled(sentence) or _asked(sentence) or _known(sentence)
    return _about(meant, named[0], said) if named else meant


def _about(meant: Intent, named: str, said: str) -> Intent:
    """Let a question that takes no id be one about what is named."""
    match meant:
        case AskHelp() | AskHow() | AskUnclear() | AskRemedy():
            return AskRemedy(named) if _MENDING.search(said) else AskWhy(named)
        case AskWhatIsWrong() | AskWhatHappened() | AskPending() | AskHalts() | WantYesOrNo():
            return AskWhy(named)
        case _:
            return meant


def _ruled(sentence: Sentence) -> Intent | None:
    for pattern, read in _RULES:
        found = pattern.search(sentence.said)
        if found and (meant := read(sentence, found)):
            return meant
    return None


def _asked(sentence: Sentence) -> Intent | None:
    """Return which family of questions all the words belong to."""
    words, services = sentence.low, sentence.services
    if asks_what_waits(words):
        return AskPending()
    if asks_what_is_halted(words, services):
        return AskHalts()
    if asks_for_state(words, services):
        span = span_in(sentence.said)
        return AskWhatHappened(span) if span else AskWhatIsWrong(next((one for one in words if one in services), None))
    return None


def _known(sentence: Sentence) -> Intent:
    """Return the question to the knowledge; none where no word of it could be looked for."""
    if not is_generic(sentence.low):
        return AskHow(sentence.said)
    return AskRemedy() if _MENDING.search(sentence.said) else AskUnclear()


Read: TypeAlias = Callable[[Sentence, re.Match[str]], Intent | None]


def _rest(sentence: Sentence, found: re.Match[str]) -> str:
    return sentence.said[found.end() :]


def _why(sentence: Sentence, found: re.Match[str]) -> Intent | None:
    if found[0].lower() == "tell me about" and asks_for_state(sentence.low, sentence.services):
        return None
    if named := references_in(sentence.words):
        return AskWhy(named[0])
    said = re.findall(r"[a-z0-9][a-z0-9_.-]*[a-z0-9]", sentence.said.lower())
    return AskWhy(words=tuple(dict.fromkeys(word for word in said if word not in _OF_THE_ASKER)))


def _happened(sentence: Sentence, found: re.Match[str]) -> Intent | None:
    span = span_in(sentence.said)
    return AskWhatHappened(span) if span else _why(sentence, found)


def _wrong(_: Sentence, found: re.Match[str]) -> Intent:
    service = (found["service"] or found["of"] or "").lower()
    return AskWhatIsWrong(None if not service or service in EVERYTHING else service)


def _halt(sentence: Sentence, found: re.Match[str]) -> Intent:
    match halted_in(_rest(sentence, found), sentence.services):
        case Unclear(words):
            return AskWhich(Verb.HALT, words)
        case halted:
            return WantHalt(halted.services, halted.reason or UNSAID)


def _abort(sentence: Sentence, found: re.Match[str]) -> Intent | None:
    """Read a word that stops everything, and is something else where anything but that stands behind it."""
    meant = _halt(sentence, found)
    return meant if isinstance(meant, WantHalt) and not meant.services else None


def _halt_end(sentence: Sentence, found: re.Match[str]) -> Intent:
    named = end_of_halt_in(_rest(sentence, found), sentence.services)
    return WantHaltEnd(named, every=not named and bool(re.search(r"\b(?:all|every)\b", found[0], re.IGNORECASE)))


def _answer(sentence: Sentence, found: re.Match[str]) -> Intent | None:
    verb, named = found[1].lower(), object_in(_rest(sentence, found), "apr")
    if isinstance(named, Unclear):
        is_ours = verb in {"approve", "reject"} or _is_of_ours(named.words)
        return AskWhich(Verb.ANSWER, named.words) if is_ours else None
    return WantAnswer(verb in {"approve", "grant", "allow", "accept"}, named)


def _end(sentence: Sentence, found: re.Match[str]) -> Intent | None:
    keeps, named = found[1].lower() == "keep", object_in(_rest(sentence, found), "run")
    verb = Verb.KEEP if keeps else Verb.UNDO
    if not isinstance(named, Unclear):
        return WantEnd(keeps, named)
    if not named.words and not keeps:
        return WantEnd(keeps, LAST)
    is_ours = found[1].lower() == "undo" or _is_of_ours(named.words)
    return AskWhich(verb, named.words) if is_ours else None


def _is_of_ours(words: tuple[str, ...]) -> bool:
    """Tell whether words behind a verb are about what GRACE holds: then it is asked back, else it may be an error."""
    return is_generic(lowered(words)) or any(map(is_reference, words))


def _heal(sentence: Sentence, found: re.Match[str]) -> Intent | None:
    plans, named = found.lastgroup == "plan", object_in(_rest(sentence, found), "inc")
    if not isinstance(named, Unclear):
        return WantPlan(named) if plans else WantHeal(named)
    names_service = all(word in sentence.services for word in lowered(named.words))
    if not (names_service or _is_of_ours(named.words) or found[0].lower() in {"heal", "plan"}):
        return None
    return AskWhich(Verb.PLAN if plans else Verb.HEAL, named.words)


def _drill(sentence: Sentence, found: re.Match[str]) -> Intent | None:
    rest = lowered(words_of(_rest(sentence, found)))
    is_drill = found[0].lower() == "drill" or "drill" in rest
    if DRILL_WORDS.issuperset(rest) and (is_drill or _FAULTS.intersection(rest)):
        return WantDrill()
    return AskWhich(Verb.DRILL, rest) if is_drill else None


def _close(sentence: Sentence, found: re.Match[str]) -> Intent | None:
    objects = (object_in(_rest(sentence, found), kind) for kind in ("inc", "run"))
    return None if all(isinstance(one, Unclear) for one in objects) else AskNotOurs()


def _state(sentence: Sentence, _: re.Match[str]) -> Intent | None:
    return AskWhatIsWrong() if is_generic(sentence.low) else None


def _cry(sentence: Sentence, found: re.Match[str]) -> Intent:
    """Ask back where a halt is cried for in the middle of other words: no other answer may stand in its place."""
    return AskWhich(Verb.HALT, words_of(_rest(sentence, found))[:6])


def _how(sentence: Sentence, _: re.Match[str]) -> Intent | None:
    if is_generic(sentence.low):
        return AskHelp() if COMMANDS.intersection(sentence.low) else None
    return None if asks_for_state(sentence.low, sentence.services) else AskHow(sentence.said)


def _always(meant: Intent) -> Read:
    def read(_: Sentence, __: re.Match[str]) -> Intent:
        return meant

    return read


def _rule(pattern: str, read: Read) -> tuple[re.Pattern[str], Read]:
    return re.compile(pattern, re.IGNORECASE), read


_RULES: Final[tuple[tuple[re.Pattern[str], Read], ...]] = (
    _rule(
        r"^(?:help(?: me)?[.!?]*$|what (?:can|do) you (?:do|know|understand)\b|commands?[.!?]*$|\?+$)",
        _always(AskHelp()),
    ),
    _rule(r"^what can i (?:say|ask|do here)\b", _always(AskHelp())),
    _rule(
        r"^(?:y|yes|yep|yeah|sure|no|n|nope|do it|go ahead|of course)(?:,? (?:please|thanks?))?[.!]*$",
        _always(WantYesOrNo()),
    ),
    _rule(
        r"^(?:what|anything|did|has|have|show|tell|list|summar(?:y|i[sz]e)|news)\b.{0,40}\b(?:happen(?:ed|ing)?|done|do"
        r"|did|went on|went wrong|going on|changed?|new|news|heal(?:ed)?|fix(?:ed)?|broke|failed|summary"
        r"|summari[sz]e)\b.{0,40}"
        r"\b(?:last|past|since|today|yesterday|tonight|this (?:morning|afternoon|evening|week|hour|night)|recently"
        rf"|{WEEKDAY})\b"
        r"|^(?:summar(?:y|i[sz]e)|news|anything new)\b.{0,20}\b(?:last|past|since|today|yesterday|(?:on )?"
        rf"{WEEKDAY})\b",
        _happened,
    ),
    _rule(r"^(?:why\b|explain\b|what happened\b|tell me (?:about|why)\b)", _why),
    _rule(
        r"^what(?:'s| is| went)\s+(?:wrong|broken|up|down|failing|going on|the matter)"
        rf"(?:\s+(?:with|in)\s+(?:the\s+)?(?P<service>{_NAME}))?\s*[?.!]*$"
        rf"|^(?:status|state)\s+of\s+(?:the\s+)?(?P<of>{_NAME})[?.!]*$",
        _wrong,
    ),
    _rule(
        r"^(?:is|are) .{0,80}\b(?:halted|frozen|stopped|paused)[?.!]*$"
        r"|^(?:what|who)(?: is|'s| are)? (?:halted|frozen|stopped|paused)\b"
        r"|^(?:is there|are there) (?:a|any) halts?\b|^(?:what|which) halts?\b",
        _always(AskHalts()),
    ),
    _rule(r"^(?:trigger|start|run|simulate|begin|play|do|make)\b(?=.{0,60}\b(?:drill|database|db)\b)", _drill),
    _rule(rf"^drill{_END}", _drill),
    _rule(
        r"^(?:end|lift|stop|remove|clear|cancel|release|drop) (?:(?:the|this|that|all|every|any) )*halts?\b"
        rf"|^(?:resume|unhalt|unfreeze|unpause|go on|carry on|continue){_END}",
        _halt_end,
    ),
    _rule(
        r"^(?:(?:emergency|e)[\s-]*(?:stop|halt|brake)|kill[\s-]?switch|halt|freeze|pause|stop|suspend|cease)"
        rf"{_END}|^emergency[!.\s]*$",
        _halt,
    ),
    _rule(
        rf"^(?:abort|hold|disable|(?:turn|switch) off|shut ?down|kill){_END}(?=[!.]*$|\W*(?:everything|all|grace"
        r"|healing|yourself|automation|acting|it|now)\b)",
        _abort,
    ),
    _rule(rf"^(approve|grant|allow|accept|reject|deny|refuse|decline){_END}", _answer),
    _rule(rf"^(undo|keep|roll ?back|revert|take back){_END}", _end),
    _rule(
        r"^(?:delete|remove|drop|erase|wipe|purge|destroy|kill|reboot|restart|shut ?down|reset|forget|deploy"
        r"|install|uninstall|upgrade|truncate)\b"
        r"(?!.*(?::|\b(?:fail\w*|errors?|denied|refused|exception|not|cannot|can'?t|timed out|unable|process \d+)\b))",
        _always(AskNotOurs()),
    ),
    _rule(rf"^(?:close|resolve|cancel|abort|mark|assign|snooze|mute|ignore|acknowledge|ack){_END}", _close),
    _rule(
        rf"^(?:(?P<plan>plan(?: for)?|preview|dry[- ]?run|what (?:would|will) you do about"
        r"|show (?:me )?(?:the |a )?plan(?: for| of)?)"
        rf"|(?P<heal>heal|cure|fix|repair|mend|remedy|handle|solve|take care of|do something about)){_END}",
        _heal,
    ),
    _rule(r"^how(?:'s| is| are)? (?:things|everything|it|all|we|you|everyone)\b", _state),
    _rule(
        r"^emergency\b|^(?!how|what|who|why|when|where|if|should|is|are|was|did|does|do|shall|may|must).*"
        r"(?<!n't )(?<!not )(?<!never )\b(?:halt|stop|freeze|pause) (?:everything|all|grace|healing|now|immediately)\b",
        _cry,
    ),
    _rule(r"^how\b|\bhow (?:do|can|should|would) (?:i|we|you)\b|^what (?:does|do|is|are|causes)\b", _how),
)
"""The first that reads the sentence decides; questions come before deeds: asking about a deed never does it."""
