from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grace.model.diagnosis import Diagnosis
from grace.model.signal import Raised, Severity, Signal, SignalKind
from grace.think.knowledge.format import KnowledgeRule
from grace.think.knowledge.loading import Knowledge, load_knowledge
from grace.think.sentinel.diagnosing import diagnose
from tests.think.worlds import INCIDENT, NOON, SHIPPED

KNOWLEDGE = load_knowledge([SHIPPED / "knowledge"])


def signal(message: str, *, severity: Severity = Severity.ERROR, chain: tuple[Raised, ...] = ()) -> Signal:
    return Signal(
        id="signal-1",
        service="orders",
        at=NOON,
        received_at=NOON,
        kind=SignalKind.EXCEPTION if chain else SignalKind.LOG,
        severity=severity,
        title=message[:80],
        message=message,
        exception=chain[0] if chain else None,
        chain=chain,
    )


def diagnosis(*signals: Signal, knowledge: Knowledge = KNOWLEDGE) -> Diagnosis:
    return diagnose(INCIDENT, signals, knowledge, NOON)


def rule(rule_id: str, cause: str, text: str, confidence: float, explains: tuple[str, ...] = ()) -> KnowledgeRule:
    return KnowledgeRule.model_validate(
        {
            "id": rule_id,
            "cause": cause,
            "title": rule_id,
            "signature": {"any": [{"text": text}]},
            "confidence": confidence,
            "explains": explains,
            "source": "A book, chapter 1",
            "examples": {"positive": ["x"], "negative": ["y"]},
        }
    )


def knowing(*rules: KnowledgeRule) -> Knowledge:
    return Knowledge(rules, "sha256:0")


@pytest.mark.parametrize(
    ("message", "cause"),
    [
        ("sqlite3.OperationalError: database is locked", "database_locked"),
        ("Lock wait timeout exceeded; try restarting transaction", "database_locked"),
        ("TimeoutError: the handshake operation timed out", "timeout"),
        ("requests.exceptions.ConnectTimeout: HTTPConnectionPool(host='pay', port=80): timed out", "timeout"),
        ("pydantic_core.ValidationError: 2 validation errors for Order", "validation_error"),
        ("PermissionError: [Errno 13] Permission denied: '/srv/orders/config.yaml'", "permission_denied"),
        ("mkdir: cannot create directory '/srv/x': No space left on device", "resource_exhausted"),
        (
            "redis.exceptions.ConnectionError: Error 111 connecting to cache:6379. Connection refused.",
            "dependency_unavailable",
        ),
    ],
)
def test_a_fault_is_named_with_its_evidence(message: str, cause: str) -> None:
    found = diagnosis(signal(message))

    assert found.cause == cause, found
    assert found.confidence >= 0.8
    assert found.knowledge_digest == KNOWLEDGE.digest
    assert all(one.what and one.where and one.source for one in found.evidence)
    assert found.evidence


@pytest.mark.parametrize(
    "message",
    [
        "KeyError: 'customer'",
        "AssertionError",
        "order 17 was shipped",
        "",
        "Segmentation fault (core dumped)",
        "0 errors, 0 warnings",
        "IndexError: list index out of range",
    ],
)
def test_what_no_rule_knows_is_unknown(message: str) -> None:
    found = diagnosis(signal(message))

    assert found.is_unknown
    assert found.confidence == 0
    assert found.evidence == ()


def test_an_incident_without_signals_is_unknown() -> None:
    assert diagnosis().is_unknown


@pytest.mark.parametrize("severity", [Severity.DEBUG, Severity.INFO])
def test_a_message_that_reports_no_fault_is_no_evidence(severity: Severity) -> None:
    assert diagnosis(signal("retried after: database is locked", severity=severity)).is_unknown


def test_a_consequence_is_no_contradiction() -> None:
    chain = (
        Raised(type="HandlerTimeout", module="orders", message="request timed out after 5 s"),
        Raised(type="OperationalError", module="sqlite3", message="database is locked"),
    )
    found = diagnosis(signal("request timed out", chain=chain))

    assert found.cause == "database_locked"
    assert found.confidence == 0.95
    assert [(one.cause, "consequence" in one.why) for one in found.alternatives] == [("timeout", True)]
    assert found.evidence[0].where == "exception sqlite3.OperationalError"


@pytest.mark.parametrize(
    ("type_", "module"),
    [("sqlite3.OperationalError", "sqlite3"), ("OperationalError", "sqlite3"), ("sqlite3.OperationalError", "")],
)
def test_an_exception_is_named_once_however_its_sender_writes_it(type_: str, module: str) -> None:
    chain = (Raised(type=type_, module=module, message="database is locked"),)
    found = diagnosis(signal("order refused", chain=chain))

    assert found.evidence[0].where == "exception sqlite3.OperationalError"


def test_causes_that_are_equally_likely_make_it_unknown() -> None:
    found = diagnosis(
        signal("a b"), knowledge=knowing(rule("one", "cause_a", "a", 0.9), rule("two", "cause_b", "b", 0.9))
    )

    assert found.is_unknown
    assert {one.cause for one in found.alternatives} == {"cause_a", "cause_b"}
    assert "not surely enough" in found.alternatives[0].why


def test_a_close_rival_lowers_the_confidence_and_a_distant_one_does_not() -> None:
    close = diagnosis(
        signal("a b"), knowledge=knowing(rule("one", "cause_a", "a", 0.9), rule("two", "cause_b", "b", 0.8))
    )
    distant = diagnosis(
        signal("a b"), knowledge=knowing(rule("one", "cause_a", "a", 0.9), rule("two", "cause_b", "b", 0.6))
    )

    assert (close.cause, close.confidence) == ("cause_a", 0.675)
    assert (distant.cause, distant.confidence) == ("cause_a", 0.9)
    assert [one.cause for one in distant.alternatives] == ["cause_b"]


def test_a_weak_rule_alone_is_not_enough() -> None:
    found = diagnosis(signal("a"), knowledge=knowing(rule("one", "cause_a", "a", 0.4)))

    assert found.is_unknown
    assert found.alternatives[0].confidence == 0.4


def test_two_causes_that_explain_each_other_contradict_each_other() -> None:
    rules = knowing(rule("one", "cause_a", "a", 0.9, ("cause_b",)), rule("two", "cause_b", "b", 0.9, ("cause_a",)))

    assert diagnosis(signal("a b"), knowledge=rules).is_unknown


def test_the_same_signals_always_give_the_same_diagnosis() -> None:
    one, other = signal("database is locked"), signal("connection refused")

    assert diagnosis(one, other) == diagnosis(one, other)
    assert diagnosis(one, other).cause == diagnosis(other, one).cause


@given(st.text(max_size=300))
def test_any_text_is_diagnosed_within_bounds(text: str) -> None:
    found = diagnosis(signal(text))

    assert 0 <= found.confidence < 1
    assert found.is_unknown == (not found.evidence)
