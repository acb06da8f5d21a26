"""Vocabulary: families of words. A sentence belongs to a family when every word of it does, and not by one word alone.

So a family grows by words rather than by sentences, and a word that is in none (`terraform`, `lock`, a typing error)
takes the sentence out: then it is a question to the knowledge, or it is asked back.
"""

from __future__ import annotations

from typing import Final


def _words(written: str) -> frozenset[str]:
    return frozenset(written.split())


FRAME: Final = _words(
    "should must be what whats which where who how is are am was were been there here any anything anythings "
    "something some thing things everything all every we you i it this that these those us our my me your the a "
    "an do does did have has had see seeing show list tell give display print check get got know look looking "
    "looks seem seems like find found of with in on at to for from by about and or so right now currently current "
    "moment present just still yet far open active ongoing known please going go grace system systems service "
    "services can could would let kind sort many much latest most recent one ones left else out mine doing report "
    "reports reported watching watch really actually quick quickly hey hi hello thanks thank let's whole not"
)
"""What holds a question together and names nothing."""
TROUBLE: Final = _words(
    "wrong broken broke breaks break breaking problem problems error errors erroring issue issues incident "
    "incidents failure failures failing failed fail fails fault faults faulty trouble troubles troubling alert "
    "alerts alerting alarm alarms down outage outages crash crashes crashed crashing sick unhealthy burning fire "
    "bad amiss matter exception exceptions anomaly anomalies unusual odd weird red worry worried worrying "
    "degraded hurting hurts unresolved"
)
WELL: Final = _words(
    "going ok okay fine good well healthy health alright green normal running working works status state overview "
    "summary situation dashboard sitrep clear up new news safe stable quiet calm happening recap briefing great "
    "doing"
)
WAITING: Final = _words(
    "need needs pending approval approvals approve waiting waits wait awaiting await decision decisions decide "
    "question questions queue queued unanswered outstanding attention answer answers sign-off signoff todo todos"
)
WHEN: Final = _words(
    "today yesterday tonight recently lately last past since hour hours minute minutes min mins day days week "
    "weeks month months morning afternoon evening night few couple two three o'clock am pm monday tuesday "
    "wednesday thursday friday saturday sunday overnight"
)
_PEOPLE: Final = _words(
    "need needs needed should must require requires required person people human humans somebody someone anyone "
    "anybody am want wants blocked backlog off sign"
)
STOPPED: Final = _words("halt halts halted stopped frozen paused suspended")
NOT: Final = frozenset(
    {"not", "don't", "dont", "never", "no", "nothing", "none", "nobody", "wait", "without", "except"}
)
DEEDS: Final = _words(
    "heal heals healing healed fix fixes fixing fixed mend mending repair repairing solve solving resolve "
    "resolving cure handle plan plans undo keep revert rollback approve reject halt stop pause freeze resume "
    "drill help remedy next yes no try again more info information details detail explain something nothing "
    "nobody should must need needs"
)

COMMANDS: Final = _words("halt stop pause freeze resume undo keep approve reject drill plan")
"""Who asks how to do one of these asks what can be said here."""

EVERYTHING: Final = _words(
    "* all everything everywhere every any anything it this that them grace yourself itself whole system things "
    "deeds actions action acting doing healing heals working changes changing making runs fixing fixes mending "
    "repairing automation automations autonomy automatic everyone"
)
"""What stands behind `halt` and means no one thing."""
HALT_FILLER: Final = _words(
    "please now immediately right away at once asap quickly quick fast the a an new more further for on of in to "
    "what you are your being be ok okay thanks thank just already there here this instant second moment emergency "
    "stop halt pause brake straight urgently and services moves"
)
"""What stands around it and changes nothing."""
HALT_END_FILLER: Final = _words(
    "please now the a an for of on in to again halt halts ok okay thanks thank just your normal operation "
    "operations work and with services service immediately right away"
)

IT: Final = _words("it this that incident run approval question change changes plan thing problem issue one")
NEWEST: Final = _words("last latest newest @last")
OBJECT_FILLER: Final = _words(
    "please now the a an for of on me us thanks thank again by right away immediately just your you my id number "
    "then grace do did made ok okay open running asap quickly with up"
)

DRILL_WORDS: Final = _words(
    "a an the new another database databases db error errors lock locks locked drill drills fault failure scratch "
    "sqlite please now for me us test practice on in with of simulated fake artificial real self-heal and"
)

_SHORT: Final = 6
_ANY_TROUBLE: Final = _words("down up problem problems issue issues wrong trouble troubles error errors failing")
_GENERIC: Final = (
    FRAME | TROUBLE | WELL | WHEN | WAITING | _PEOPLE | STOPPED | DEEDS | IT | NEWEST | OBJECT_FILLER | EVERYTHING
)
_WAITING_FRAME: Final = FRAME | WAITING | _PEOPLE
_STATE_FRAME: Final = FRAME | TROUBLE | WELL | WHEN
_STOPPED_FRAME: Final = FRAME | STOPPED


def lowered(words: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(word.lower() for word in words)


def asks_what_waits(words: tuple[str, ...]) -> bool:
    """Tell whether a sentence asks what waits for a person, and nothing else."""
    return bool(WAITING.intersection(words)) and _WAITING_FRAME.issuperset(words)


def asks_for_state(words: tuple[str, ...], services: frozenset[str]) -> bool:
    """Tell whether a sentence asks what is wrong or whether all is well, of everything or of services."""
    return bool((TROUBLE | WELL).intersection(words)) and (_STATE_FRAME | services).issuperset(
        word for word in words if not word[0].isdigit()
    )


def asks_what_is_halted(words: tuple[str, ...], services: frozenset[str]) -> bool:
    """Tell whether a sentence asks what is halted."""
    return bool(STOPPED.intersection(words)) and (_STOPPED_FRAME | services).issuperset(words)


def is_generic(words: tuple[str, ...]) -> bool:
    """Tell whether no word of a sentence names a thing that the knowledge could speak of."""
    return _GENERIC.issuperset(words)


def searched(question: str) -> str:
    """Return what to search the knowledge for: of a short question without the words that any trouble is told in.

    `postgres is down` is about PostgreSQL; an entry that merely says `slow down` would be cited for it otherwise.
    """
    words = question.split()
    telling = [word for word in words if word.strip(".,!?").lower() not in _ANY_TROUBLE]
    return " ".join(telling) if telling and len(words) <= _SHORT else question
