from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grace.model.cause import BENIGN_CAUSE, NEVER_ACT, kind_of
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
        ("mkdir: cannot create directory '/srv/x': No space left on device", "disk_full"),
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
        "",
        "the frobnicator lost its marbles",
        "!?",
        "unexpected",
    ],
)
def test_what_no_rule_knows_is_unknown(message: str) -> None:
    found = diagnosis(signal(message))

    assert found.is_unknown
    assert found.confidence == 0
    assert found.evidence == ()


@pytest.mark.parametrize("severity", [Severity.ERROR, Severity.CRITICAL])
@pytest.mark.parametrize(
    "message",
    ["giving up", "order 17 went sideways", "the flux capacitor is inverted", "stock is low", "frobnicated"],
)
def test_a_reported_fault_is_not_benign_for_lack_of_words(message: str, severity: Severity) -> None:
    assert diagnosis(signal(message, severity=severity)).is_unknown


@pytest.mark.parametrize(
    "message",
    [
        "container limit 1Gi updated, OOMKilled again",
        "config updated, disk full",
        "backup completed, no space left on device",
        "update applied: database is locked",
    ],
)
def test_a_reported_fault_is_not_benign_for_good_words_beside_it(message: str) -> None:
    assert diagnosis(signal(message)).cause != BENIGN_CAUSE


@pytest.mark.parametrize(
    ("name", "message"),
    [("Odd", "frobnicated"), ("PaymentDeclined", "card 17"), ("WidgetJam", "belt 3"), ("Mystery", ""), ("Odd", "done")],
)
@pytest.mark.parametrize("severity", [Severity.WARNING, Severity.ERROR])
def test_an_exception_is_not_benign_for_lack_of_words(name: str, message: str, severity: Severity) -> None:
    raised = (Raised(type=name, module="shop", message=message),)

    assert diagnosis(signal(f"{name}: {message}", severity=severity, chain=raised)).is_unknown


def test_an_error_that_says_that_all_is_well_is_benign_and_a_mere_deprecation_too() -> None:
    assert diagnosis(signal("connection to cache:6379 restored after 3 attempts")).cause == BENIGN_CAUSE
    raised = (Raised(type="DeprecationWarning", message="datetime.utcnow() is deprecated"),)
    text = "DeprecationWarning: datetime.utcnow() is deprecated"
    assert diagnosis(signal(text, severity=Severity.WARNING, chain=raised)).cause == BENIGN_CAUSE


def test_an_incident_without_signals_is_unknown() -> None:
    assert diagnosis().is_unknown


@pytest.mark.parametrize("severity", [Severity.DEBUG, Severity.INFO])
def test_a_message_of_low_severity_reports_no_fault(severity: Severity) -> None:
    found = diagnosis(signal("retried after: database is locked", severity=severity))

    assert found.cause == BENIGN_CAUSE
    assert found.evidence[0].what == f"severity {severity}"


@pytest.mark.parametrize(
    "message",
    [
        "order 17 was shipped",
        "0 errors, 0 warnings",
        'time="2026-01-01T10:00:00Z" level=info msg="connection refused once, retry succeeded"',
        "connection to cache:6379 restored after 3 attempts",
        'NOTICE:  relation "orders" already exists, skipping',
        '10.0.0.2 - - "GET /errors/timeout HTTP/1.1" 200 512',
    ],
)
def test_a_message_that_reports_no_fault_is_benign_and_never_acts(message: str) -> None:
    assert diagnosis(signal(message)).cause in NEVER_ACT


def test_a_consequence_is_no_contradiction() -> None:
    chain = (
        Raised(type="HandlerTimeout", module="orders", message="request timed out after 5 s"),
        Raised(type="OperationalError", module="sqlite3", message="database is locked"),
    )
    found = diagnosis(signal("request timed out", chain=chain))

    assert found.cause == "database_locked"
    assert found.confidence >= 0.9
    assert "consequence" in next(one.why for one in found.alternatives if one.cause == "timeout")
    assert found.evidence[0].where == "exception sqlite3.OperationalError"


@pytest.mark.parametrize(
    ("message", "cause"),
    [
        ("write failed: no space left on device; broken pipe", "disk_full"),
        ("Unable to connect to the server: x509: certificate signed by unknown authority", "tls_cert"),
        ("cannot connect to db: lookup db on 10.0.0.2:53: no such host", "dns"),
        (
            "java.lang.RuntimeException: save failed\nCaused by: java.net.ConnectException: Connection refused",
            "dependency_unavailable",
        ),
        ("Error: ENOSPC: System limit for number of file watchers reached", "resource_exhausted"),
        ("Too many requests, connection closed", "rate_limit"),
    ],
)
def test_the_innermost_cause_is_named(message: str, cause: str) -> None:
    assert diagnosis(signal(message)).cause == cause


@pytest.mark.parametrize(
    "message",
    [
        "KeyError while reading /srv/disk-full/timeout/connection-refused.txt",
        "no timeout, no connection refused: 12 orders",
    ],
)
def test_names_and_denials_are_weak_evidence(message: str) -> None:
    assert diagnosis(signal(message)).cause not in {"timeout", "dependency_unavailable", "disk_full"}


def test_causes_that_are_equally_likely_make_it_unknown() -> None:
    found = diagnosis(
        signal("a b"), knowledge=knowing(rule("one", "cause_a", "a", 0.9), rule("two", "cause_b", "b", 0.9))
    )

    assert found.is_unknown
    assert {one.cause for one in found.alternatives} == {"cause_a", "cause_b"}
    assert "not surely enough" in found.alternatives[0].why


def test_a_close_rival_lowers_the_confidence_more_than_a_distant_one() -> None:
    close = diagnosis(
        signal("a b"), knowledge=knowing(rule("one", "cause_a", "a", 0.95), rule("two", "cause_b", "b", 0.85))
    )
    distant = diagnosis(
        signal("a b"), knowledge=knowing(rule("one", "cause_a", "a", 0.95), rule("two", "cause_b", "b", 0.6))
    )

    assert close.cause == distant.cause == "cause_a"
    assert close.confidence < distant.confidence
    assert [one.cause for one in distant.alternatives] == ["cause_b"]


def test_a_weak_rule_alone_is_not_enough() -> None:
    found = diagnosis(signal("a"), knowledge=knowing(rule("one", "cause_a", "a", 0.4)))

    assert found.is_unknown
    assert found.alternatives[0].cause == "cause_a"


def test_of_two_causes_that_explain_each_other_the_firmer_one_is_named() -> None:
    rules = knowing(rule("one", "cause_a", "a", 0.95, ("cause_b",)), rule("two", "cause_b", "b", 0.8, ("cause_a",)))

    assert diagnosis(signal("a b"), knowledge=rules).cause == "cause_a"


def test_the_same_signals_always_give_the_same_diagnosis() -> None:
    one, other = signal("database is locked"), signal("connection refused")

    assert diagnosis(one, other) == diagnosis(one, other)
    assert diagnosis(one, other).cause == diagnosis(other, one).cause


@given(st.text(max_size=300))
def test_any_text_is_diagnosed_within_bounds(text: str) -> None:
    found = diagnosis(signal(text))

    assert 0 <= found.confidence < 1
    assert found.is_unknown == (not found.evidence)


@pytest.mark.parametrize("name", ["dev.jsonl", "held_out.jsonl"])
def test_messages_of_unseen_tools_are_told_apart(name: str, request: pytest.FixtureRequest) -> None:
    held = Path(__file__).with_name(name)
    path = held if held.exists() else request.getfixturevalue("shared_data") / "triage" / name
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    found = [(row, diagnosis(signal(row["message"]))) for row in rows]
    right = [kind_of(one.cause) in row["accept"] for row, one in found]
    answered = [ok for ok, (_, one) in zip(right, found, strict=True) if not one.is_unknown]
    acted_on = [row for row, one in found if row["label"] == "other" and one.cause not in NEVER_ACT]

    assert sum(right) / len(right) >= 0.85
    assert sum(answered) / len(answered) >= 0.9
    assert len(acted_on) <= 0.05 * len(rows)


NAMED_NOT_REPORTED = [
    "Connection pool timeout set to 30s",
    "Disk usage 41% - no space problems detected",
    "Registered handler for TimeoutError",
    "test_connection_refused ... ok",
    "--- PASS: TestConnectionRefused (0.00s)",
    "PASS: test_disk_full_is_handled",
    "ran test_timeout: PASS",
    "OOM killer disabled for this cgroup",
    "rate limiter initialised: 100 req/s",
    "enabled rate limiting for /api",
    "retry policy: 3 attempts, timeout 5s",
    "Enabled feature retry_on_timeout",
    "Fixed: connection refused on startup (changelog)",
    "Connection closed by authenticating user root 10.0.0.1 port 51122 [preauth]",
    "replication lag 0.1s",
]


@pytest.mark.parametrize("message", NAMED_NOT_REPORTED)
def test_what_is_set_or_passed_or_mended_is_no_fault(message: str) -> None:
    assert diagnosis(signal(message)).cause in NEVER_ACT


@pytest.mark.parametrize(
    ("message", "cause"),
    [
        ("timeout set to 30s exceeded", "timeout"),
        ("test failed: connection refused", "dependency_unavailable"),
        ("rate limiting: request rejected", "rate_limit"),
        ("rate limiting enabled: 429 Too Many Requests", "rate_limit"),
        ("memory limit set to 512Mi exceeded: OOMKilled", "oom"),
        ("1 failed, 12 passed: no space left on device", "disk_full"),
        ("fix did not help: connection reset by peer", "dependency_unavailable"),
    ],
)
def test_a_fault_beside_a_setting_is_still_a_fault(message: str, cause: str) -> None:
    assert diagnosis(signal(message)).cause == cause


@pytest.mark.parametrize("half", ["written_with", "held_back"])
def test_settings_and_results_are_told_from_faults_worded_like_them(half: str) -> None:
    lines = Path(__file__).with_name("settings_and_results.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [row for row in map(json.loads, lines) if row["half"] == half]
    found = [(row, diagnosis(signal(row["message"], severity=Severity.WARNING))) for row in rows]
    calm = [one for row, one in found if row["label"] == "other"]
    faults = [kind_of(one.cause) in row["accept"] for row, one in found if row["label"] != "other"]

    assert len(calm) >= 50
    assert len(faults) >= 50
    assert sum(one.cause not in NEVER_ACT for one in calm) / len(calm) <= 0.1
    assert sum(faults) / len(faults) >= 0.85


@pytest.mark.parametrize(
    ("wrapped", "cause"),
    [
        ('Os { code: 24, kind: Uncategorized, message: "Too many open files" }', "resource_exhausted"),
        ('Io(Os { code: 111, kind: ConnectionRefused, message: "Connection refused" })', "dependency_unavailable"),
        ('Os { code: 28, kind: StorageFull, message: "No space left on device" }', "disk_full"),
        ("PoisonError { .. }", "crash_bug"),
    ],
)
def test_what_an_unwrap_stopped_at_is_the_cause(wrapped: str, cause: str) -> None:
    message = f"thread 'main' panicked at src/main.rs:4:37: called `Result::unwrap()` on an `Err` value: {wrapped}"

    assert diagnosis(signal(message)).cause == cause
    assert diagnosis(signal(message.replace("37: ", "37:\n"))).cause == cause
