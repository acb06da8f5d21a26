"""Families of sentences: what is asked in other words, what stops everything, and what is asked back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grace.api.chat.intents import (
    LAST,
    AskForbidden,
    AskHalts,
    AskHow,
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
    WantDrill,
    WantEnd,
    WantHalt,
    WantHaltEnd,
    WantHeal,
    WantPlan,
)
from grace.api.chat.sentences import understand
from grace.api.chat.spans import SinceDay

SERVICES = frozenset({"shop", "orders", "payments-api"})
INCIDENT = "inc_01J00000000000000000000001"
RUN = "run_01J00000000000000000000001"

STATE = """any problems?
problems|any errors?|anything wrong?|is there an error|list open incidents|show me the incidents
everything ok?|are we ok?|what errors do you see?|what's up|anything broken?|is everything alright|everything fine?
all good?|all clear?|are there any issues|issues?|show errors|show me all errors|list incidents|incidents|open incidents
which incidents are open|how many incidents are open?|what incidents do you have|what is failing|anything down?
what's failing right now|what is down|is anything on fire|any alerts?|how is everything|how are we doing?|how's it going
is the system healthy|are all services healthy?|health|overview|give me an overview|what is the current state
what's the situation|what is new|news|which services are failing?|do you see any problems?|can you see any errors
tell me what is wrong|tell me about errors|do we have an outage|are there outages|did something break|what broke?
what is going on|whats going on|what's happening|any trouble?|should I be worried?|what should I worry about
is it bad|how do I see the incidents|hey grace, any problems?|Are there currently any failures?|dashboard"""
OF_SHOP = """is shop ok?|any problems with shop?|is something wrong with shop?|shop status|status of shop|is shop down?
how is shop doing|errors of shop|show me the incidents of shop|what's wrong with shop"""
WAITING = """what's in the queue|which approvals are open|anything pending approval?|approvals|pending|anything waiting?
what do you need from me|is there anything I need to approve|what are you waiting for|who must approve
show me the open questions|what is queued|any decisions for me?|list pending approvals|what should I approve"""
KNOWLEDGE = """how do I fix a deadlock
what is a deadlock|disk full|connection refused|errors in postgres|postgres is down
is dns broken?|status code 502|exit code 137|what does error 1205 mean|my kubernetes pod is failing|service unavailable
rabbitmq queue is full|no space left on device|problem with certificates|crash loop|fix disk full|terraform error
stop-writes-on-bgsave-error|panic: runtime error: index out of range|Abort trap: 6|accept: Too many open files
run_migrations failed: locked|approval service returns 502|how do I halt a container|make database error go away
do you see a database error|is the redis cluster healthy|incident management best practice|waiting for lock to clear"""
STOPS = """halt|halt please|halt, please|halt immediately|stop acting|emergency stop now!|pause grace|stop now please
stop it please|stop everything right now|halt!|STOP!!!|Stop. Now.|stop right there|stop what you are doing|abort
stop all healing|stop making changes|halt all services|freeze everything|hold everything|abort everything now
disable grace|turn off healing|shut down grace|kill switch|emergency|emergency brake|e-stop|you must stop now
I need you to stop everything|no, stop|can you halt everything?|could you please stop?|halt *|emergency: halt everything
please stop|halt everything at once|suspend all healing"""
ASKED_BACK = """halt the backend service now?|halt?|stop, too many errors|halt nothing|halt. no wait|halt the service
halt everything?|shop is burning, halt everything"""
HARMLESS = """don't halt|do not stop everything|never halt|please don't pause shop|not now|no need to halt"""


def sentences(written: str) -> list[str]:
    return [one for line in written.splitlines() for one in line.split("|")]


@pytest.mark.parametrize(
    ("family", "meant"),
    [
        (STATE, AskWhatIsWrong()),
        (OF_SHOP, AskWhatIsWrong("shop")),
        (WAITING, AskPending()),
        (STOPS, WantHalt()),
        (HARMLESS, AskForbidden()),
    ],
    ids=["state", "of one service", "waiting", "stops", "harmless"],
)
def test_every_sentence_of_a_family_means_the_same(family: str, meant: Intent) -> None:
    assert {said: understand(said, SERVICES) for said in sentences(family)} == dict.fromkeys(sentences(family), meant)


def test_what_names_a_thing_stays_a_question_to_the_knowledge() -> None:
    assert {said: understand(said, SERVICES) for said in sentences(KNOWLEDGE)} == {
        said: AskHow(said) for said in sentences(KNOWLEDGE)
    }


def test_a_halt_that_cannot_be_read_is_asked_back_and_never_passed_over() -> None:
    for said in sentences(ASKED_BACK):
        meant = understand(said, SERVICES)
        strange = isinstance(meant, WantHalt) and not SERVICES.issuperset(meant.services)
        assert strange or (isinstance(meant, AskWhich) and meant.verb is Verb.HALT), said


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("pause shop", WantHalt(("shop",))),
        ("halt shop please", WantHalt(("shop",))),
        ("halt shop and orders", WantHalt(("shop", "orders"))),
        ("stop all runs of payments-api", WantHalt(("payments-api",))),
        ("freeze shop because we deploy", WantHalt(("shop",), "we deploy")),
        ("halt! the database is on fire", WantHalt((), "the database is on fire")),
        ("Halt everything: nothing works", WantHalt((), "nothing works")),
        ("end all halts", WantHaltEnd(every=True)),
        ("halt everything but shop", WantHalt(("but", "shop"))),
        ("stop the database server", WantHalt(("database", "server"))),
        ("resume shop", WantHaltEnd(("shop",))),
        ("go on please", WantHaltEnd()),
        ("resume whatever", WantHaltEnd(("whatever",))),
        ("fix it", WantHeal()),
        ("heal @last", WantHeal(LAST)),
        ("fix inc_01j", WantHeal("inc_01j")),
        ("what would you do about inc_01j?", WantPlan("inc_01j")),
        ("heal shop", AskWhich(Verb.HEAL, ("shop",))),
        ("heal everything", AskWhich(Verb.HEAL, ("everything",))),
        ("fix everything", AskWhich(Verb.HEAL, ("everything",))),
        ("heal", AskWhich(Verb.HEAL)),
        ("heal incident 5", AskWhich(Verb.HEAL, ("incident", "5"))),
        (f"heal {RUN}", AskWhich(Verb.HEAL, (RUN,))),
        (f"heal {INCIDENT} and {INCIDENT[:-1]}2", AskWhich(Verb.HEAL, (INCIDENT, "and", f"{INCIDENT[:-1]}2"))),
        (f"heal {INCIDENT}0", AskUnreadable(f"{INCIDENT}0")),
        (f"undo {RUN.lower()}", WantEnd(keeps=False, run=RUN.lower())),
        ("undo shop", AskWhich(Verb.UNDO, ("shop",))),
        ("approve everything", AskWhich(Verb.ANSWER, ("everything",))),
        ("start database", AskHow("start database")),
        ("drill inc_01j", AskWhich(Verb.DRILL, ("inc_01j",))),
        ("run the drill", WantDrill()),
        ("how do I fix this", AskRemedy()),
        ("what should I do?", AskRemedy()),
        (f"how do I fix {INCIDENT}", AskRemedy(INCIDENT)),
        (f"help me with {INCIDENT}", AskRemedy(INCIDENT)),
        (INCIDENT, AskWhy(INCIDENT)),
        (f"status of {INCIDENT}", AskWhy(INCIDENT)),
        ("any errors today?", AskWhatHappened(SinceDay())),
        ("are we halted?", AskHalts()),
        ("thanks", AskUnclear()),
        ("who are you", AskUnclear()),
    ],
)
def test_a_sentence_means_one_thing(said: str, meant: Intent) -> None:
    assert understand(said, SERVICES) == meant


VERBS = ("heal", "fix", "plan", "undo", "keep", "approve", "reject", "halt", "stop", "pause", "resume", "drill")


def joined(kind: str, rest: str) -> str:
    return kind + rest


ID_LIKE = st.builds(
    joined,
    st.sampled_from(["inc_", "run_", "apr_", "INC_", "Run_"]),
    st.text("0123456789abcdefghjkmnpqrstvwxyzILOU-_.", max_size=40),
)


@given(
    st.sampled_from(VERBS),
    ID_LIKE,
    st.sampled_from(["", "it ", "the last incident ", "now "]),
    st.sampled_from(["", " please", " it", " now", "!"]),
)
def test_a_deed_takes_the_very_word_that_looks_like_an_id_or_is_none(
    verb: str, word: str, before: str, after: str
) -> None:
    meant = understand(f"{verb} {before}{word}{after}", SERVICES)
    match meant:
        case WantHeal(named) | WantPlan(named):
            assert word.startswith(named)
            assert named not in {"", "inc_"} or word.strip("-_.") == named
        case WantEnd(run=named):
            assert word.startswith(named)
        case WantHalt(names) | WantHaltEnd(names):
            assert any(one in word.lower() for one in names)
        case other:
            assert not isinstance(other, WantDrill)
