"""What a sentence asks for. Deeds need an imperative; asking about a deed, or forbidding it, never does it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grace.api.chat.intents import (
    AskHalts,
    AskHelp,
    AskHow,
    AskPending,
    AskWhatIsWrong,
    AskWhy,
    Intent,
    WantAnswer,
    WantDrill,
    WantHalt,
    WantHaltEnd,
    WantHeal,
    WantPlan,
    understand,
)

RUN = "run_01J00000000000000000000001"
INCIDENT = "inc_01J00000000000000000000001"
APPROVAL = "apr_01J00000000000000000000001"


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("trigger database error", WantDrill()),
        ("is anything halted?", AskHalts()),
        ("What is halted", AskHalts()),
        ("is orders halted?", AskHalts()),
        ("are there any halts?", AskHalts()),
        ("who is halted", AskHalts()),
        ("Please trigger a database error!", WantDrill()),
        ("start a drill", WantDrill()),
        ("drill", WantDrill()),
        ("run the locked database drill", WantDrill()),
        ("simulate a database lock", WantDrill()),
        ("what is wrong?", AskWhatIsWrong()),
        ("What's wrong with orders?", AskWhatIsWrong("orders")),
        ("what is broken", AskWhatIsWrong()),
        ("status", AskWhatIsWrong()),
        ("status of orders", AskWhatIsWrong("orders")),
        ("is anything down?", AskWhatIsWrong()),
        ("how are things", AskWhatIsWrong()),
        ("why was this done?", AskWhy()),
        ("why was nothing done", AskWhy()),
        (f"why did you not act on {INCIDENT}?", AskWhy(INCIDENT)),
        (f"explain {RUN}", AskWhy(RUN)),
        ("why did you halt orders?", AskWhy()),
        ("what is pending?", AskPending()),
        ("pending approvals", AskPending()),
        ("what waits for me", AskPending()),
        ("approvals", AskPending()),
        ("halt", WantHalt("*", "said in chat")),
        ("Halt everything because we deploy", WantHalt("*", "we deploy")),
        ("grace, halt orders because the owner says so", WantHalt("orders", "the owner says so")),
        ("halt the service orders.", WantHalt("orders", "said in chat")),
        ("stop everything", WantHalt("*", "said in chat")),
        ("end the halt", WantHaltEnd("*")),
        ("end the halt for orders", WantHaltEnd("orders")),
        ("resume", WantHaltEnd("*")),
        (f"approve {APPROVAL}", WantAnswer(grants=True, approval=APPROVAL)),
        ("reject it", WantAnswer(grants=False)),
        (f"heal {INCIDENT}", WantHeal(INCIDENT)),
        (f"plan {INCIDENT}", WantPlan(INCIDENT)),
        ("heal it", WantHeal()),
        ("help", AskHelp()),
        ("", AskHelp()),
        ("   ", AskHelp()),
        ("how do I fix a full disk?", AskHow("how do I fix a full disk?")),
        ("what does ENOSPC mean", AskHow("what does ENOSPC mean")),
        ("sqlite3.OperationalError: database is locked", AskHow("sqlite3.OperationalError: database is locked")),
        ("how do I halt everything?", AskHow("how do I halt everything?")),
        ("do not halt", AskHow("do not halt")),
        ("don't trigger a drill", AskHow("don't trigger a drill")),
        ("never approve this", AskHow("never approve this")),
        ("the drill went well", AskHow("the drill went well")),
        ("should I halt?", AskHow("should I halt?")),
    ],
)
def test_a_sentence_means_one_thing(said: str, meant: Intent) -> None:
    assert understand(said) == meant


@given(st.text(max_size=200))
def test_any_text_means_something_and_a_halt_names_a_possible_scope(said: str) -> None:
    meant = understand(said)
    if isinstance(meant, WantHalt):
        assert meant.scope == "*" or (len(meant.scope) <= 63 and meant.scope == meant.scope.lower())


@given(
    st.sampled_from(["don't ", "do not ", "never ", "Do not, please, "]),
    st.sampled_from(["halt", "drill", "approve", "heal it", "resume"]),
)
def test_what_is_forbidden_is_not_done(no: str, deed: str) -> None:
    assert isinstance(understand(no + deed), AskHow)
