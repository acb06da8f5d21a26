"""What a sentence asks for. Deeds need an imperative; asking about a deed, or forbidding it, never does it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grace.api.chat.intents import (
    LAST,
    AskForbidden,
    AskHalts,
    AskHelp,
    AskHow,
    AskNotOurs,
    AskPending,
    AskUnclear,
    AskWhatHappened,
    AskWhatIsWrong,
    AskWhy,
    Intent,
    WantAnswer,
    WantDrill,
    WantEnd,
    WantHalt,
    WantHaltEnd,
    WantHeal,
    WantPlan,
    WantYesOrNo,
)
from grace.api.chat.sentences import understand
from grace.api.chat.spans import Ago, OnWeekday, SinceDay, SinceMoment, SinceWeekday, span_in

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
        ("why did you halt orders?", AskWhy(words=("orders",))),
        ("what is pending?", AskPending()),
        ("pending approvals", AskPending()),
        ("what waits for me", AskPending()),
        ("approvals", AskPending()),
        ("halt", WantHalt()),
        ("Halt everything because we deploy", WantHalt((), "we deploy")),
        ("grace, halt orders because the owner says so", WantHalt(("orders",), "the owner says so")),
        ("halt the service orders.", WantHalt(("orders",))),
        ("stop everything", WantHalt()),
        ("end the halt", WantHaltEnd()),
        ("end the halt for orders", WantHaltEnd(("orders",))),
        ("resume", WantHaltEnd()),
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
        ("how do I halt everything?", AskHelp()),
        ("do not halt", AskForbidden()),
        ("don't trigger a drill", AskForbidden()),
        ("never approve this", AskForbidden()),
        ("the drill went well", AskHow("the drill went well")),
        ("should I halt?", AskHalts()),
    ],
)
def test_a_sentence_means_one_thing(said: str, meant: Intent) -> None:
    assert understand(said) == meant


HOUR, DAY = Ago(timedelta(hours=1)), Ago(timedelta(days=1))


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("why didn't you fix the database lock", AskWhy(words=("database", "lock"))),
        ("why didn't you fix the locked database?", AskWhy(words=("locked", "database"))),
        ("tell me about the payment timeouts", AskWhy(words=("payment", "timeouts"))),
        ("what happened to orders?", AskWhy(words=("orders",))),
        ("what happened to the last run", AskWhy()),
        ("what happened?", AskWhy()),
        ("why did you roll back", AskWhy()),
        ("is anything waiting for me?", AskPending()),
        ("anything waiting for me", AskPending()),
        ("are you waiting for an answer", AskPending()),
        ("is there anything to approve?", AskPending()),
        ("do I have anything to approve?", AskPending()),
        ("what needs my approval", AskPending()),
        ("are there any open questions?", AskPending()),
        ("show me the pending approvals", AskPending()),
        ("what do I have to decide", AskPending()),
        ("what happened in the last hour", AskWhatHappened(HOUR)),
        ("What happened in the past 2 hours?", AskWhatHappened(Ago(timedelta(hours=2)))),
        ("what happened today", AskWhatHappened(SinceDay())),
        ("what have you done since yesterday", AskWhatHappened(SinceDay(1))),
        ("what happened last night?", AskWhatHappened(Ago(timedelta(hours=12)))),
        ("did anything happen today?", AskWhatHappened(SinceDay())),
        ("what did you heal this week", AskWhatHappened(Ago(timedelta(weeks=1)))),
        ("has anything failed since 10:30?", AskWhatHappened(SinceMoment(10, 30))),
        ("what happened since 3 pm", AskWhatHappened(SinceMoment(15))),
        ("what went wrong since 2026-01-02", AskWhatHappened(SinceMoment(date="2026-01-02"))),
        ("what happened on Tuesday?", AskWhatHappened(OnWeekday(1))),
        ("what did you do since monday", AskWhatHappened(SinceWeekday(0))),
        ("what has changed since last friday?", AskWhatHappened(SinceWeekday(4, is_last=True))),
        (
            "has anything failed last sunday?",
            AskWhatHappened(OnWeekday(6, is_last=True)),
        ),
        ("what happened saturday", AskWhatHappened(OnWeekday(5))),
        ("news since Thursday", AskWhatHappened(SinceWeekday(3))),
        ("summary of the last day", AskWhatHappened(DAY)),
        ("anything new since yesterday?", AskWhatHappened(SinceDay(1))),
        ("undo the last run", WantEnd(keeps=False, run=LAST)),
        (f"undo {RUN}", WantEnd(keeps=False, run=RUN)),
        ("undo it", WantEnd(keeps=False)),
        ("roll back the last change", WantEnd(keeps=False, run=LAST)),
        ("please revert that", WantEnd(keeps=False)),
        (f"keep {RUN}", WantEnd(keeps=True, run=RUN)),
        ("keep the last run", WantEnd(keeps=True, run=LAST)),
        ("don't halt", AskForbidden()),
        ("please do not stop everything", AskForbidden()),
        ("please don't undo the last run", AskForbidden()),
        ("don\N{RIGHT SINGLE QUOTATION MARK}t halt", AskForbidden()),
        ("not now", AskForbidden()),
        ("yes", WantYesOrNo()),
        ("No.", WantYesOrNo()),
        ("yes please", WantYesOrNo()),
        ("go ahead", WantYesOrNo()),
        ("do it", WantYesOrNo()),
        ("delete all incidents", AskNotOurs()),
        ("could you delete the database", AskNotOurs()),
        ("restart the server", AskNotOurs()),
        ("drop table orders", AskNotOurs()),
        ("what about undo?", AskUnclear()),
        ("should I undo the last run?", AskUnclear()),
        ("delete failed: permission denied", AskHow("delete failed: permission denied")),
        ("my postgres says too many connections", AskHow("my postgres says too many connections")),
        ("what is the weather like today", AskHow("what is the weather like today")),
        ("what happened since 99:99", AskWhy(words=("since", "99"))),
    ],
)
def test_a_natural_phrase_means_what_its_speaker_would_expect(said: str, meant: Intent) -> None:
    assert understand(said) == meant


NOW = datetime(2026, 1, 2, 9, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("said", "start"),
    [
        ("the last hour", "2026-01-02T08:30"),
        ("the past 90 minutes", "2026-01-02T08:00"),
        ("today", "2026-01-02T00:00"),
        ("yesterday", "2026-01-01T00:00"),
        ("since 08:15", "2026-01-02T08:15"),
        ("since 10 am", "2026-01-01T10:00"),
        ("since 12 am", "2026-01-02T00:00"),
        ("since 2025-12-31", "2025-12-31T00:00"),
        ("since monday", "2025-12-29T00:00"),
        ("on saturday", "2025-12-27T00:00"),
        ("since friday", "2026-01-02T00:00"),
        ("last friday", "2025-12-26T00:00"),
        ("last thursday", "2026-01-01T00:00"),
    ],
)
def test_a_span_begins_where_its_words_say(said: str, start: str) -> None:
    span = span_in(said)
    assert span is not None
    assert span.start(NOW) == datetime.fromisoformat(f"{start}:00+00:00")


@given(st.text(max_size=80), st.sampled_from(["", "since ", "last ", "on friday ", "since 2026-13-45 ", "since 25:"]))
def test_any_span_that_is_read_begins_at_a_time(said: str, first: str) -> None:
    span = span_in(first + said)
    assert span is None or span.start(NOW) <= NOW or isinstance(span, SinceMoment)


@given(st.text(max_size=200))
def test_any_text_means_something_and_a_halt_names_services_in_lower_case(said: str) -> None:
    meant = understand(said)
    if isinstance(meant, WantHalt):
        assert all(one == one.lower() for one in meant.services)


@given(
    st.sampled_from(["don't ", "do not ", "never ", "Do not, please, "]),
    st.sampled_from(
        ["halt", "drill", "approve", "heal it", "resume", "undo it", "keep the last run", "delete all incidents"]
    ),
)
def test_what_is_forbidden_is_not_done(no: str, deed: str) -> None:
    assert understand(no + deed) == AskForbidden()
