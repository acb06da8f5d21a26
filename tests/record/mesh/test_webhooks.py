"""Webhooks against real servers that take, refuse, hang, drip and break off."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import ExitStack
from datetime import timedelta
from email.utils import format_datetime
from ipaddress import ip_address
from pathlib import Path

import pytest

from grace.kit.clock import SystemClock
from grace.model.events import EventType
from grace.model.ledger_entry import Draft
from grace.record.mesh.delivery import Mesh
from grace.record.mesh.webhooks.addresses import Network, allowed_addresses, refusal
from grace.record.mesh.webhooks.declarations import Webhook, WebhooksFlawedError, load_webhooks
from grace.record.mesh.webhooks.outbox import Outbox
from grace.record.opening import Record
from tests.record.drafts import draft, drafts
from tests.record.mesh.receivers import (
    KEY,
    SECRET,
    Receiver,
    drip,
    hang,
    read_event,
    receiving,
    reset,
    verify,
    with_status,
)
from tests.record.mesh.test_patience import comes

PATIENCE_S = 30
CLOCK = SystemClock()


def hook(url: str, name: str = "pager", **changes: object) -> Webhook:
    plain: dict[str, object] = {
        "name": name,
        "url": url,
        "events": ["step.*"],
        "secrets": ["env:PAGER"],
        "network": "private",
        "timeout": 5.0,
        "first_pause": 0.001,
        "longest_pause": 0.001,
    }
    return Webhook.model_validate(plain | changes)


@pytest.fixture
def open_outbox(record: Record) -> Generator[Callable[..., tuple[Mesh, Outbox]]]:
    with ExitStack() as stack:

        def opened(*hooks: Webhook, secret: Callable[[str], str | None] = lambda _: SECRET) -> tuple[Mesh, Outbox]:
            mesh = Mesh(record, record.reader, CLOCK)
            stack.callback(mesh.close)
            record.on_commit(mesh.notice)
            outbox = Outbox(hooks, record.origin, secret, CLOCK)
            outbox.subscribe(mesh)
            return mesh, outbox

        yield opened


Opening = Callable[..., tuple[Mesh, Outbox]]


@pytest.fixture
def receiver() -> Generator[Receiver]:
    with receiving() as opened:
        yield opened


@pytest.mark.parametrize("mode", ["structured", "binary"])
def test_an_entry_arrives_as_a_signed_event(
    record: Record, open_outbox: Opening, receiver: Receiver, mode: str
) -> None:
    mesh, _ = open_outbox(hook(receiver.url + "?tenant=7", mode=mode))
    entry = record.append(draft("k", {"said": "ünïcode ✓"}, run_id="run_1"))
    assert mesh.wait_delivered("webhook:pager", entry.index, PATIENCE_S)
    (got,) = receiver.got
    event = read_event(got.headers, got.body)
    assert event.data == {"said": "ünïcode ✓"}
    assert event.attributes["type"] == "dev.grace.step.noted"
    assert event.attributes["source"] == f"//{record.origin}"
    assert event.attributes["id"].endswith(f"/{entry.index}")
    assert (got.path, verify(got), got.headers["webhook-id"]) == ("/hook?tenant=7", True, event.attributes["id"])
    assert abs(int(got.headers["webhook-timestamp"]) - CLOCK.now().timestamp()) < 60


def test_what_is_not_taken_is_sent_again_with_the_same_id(
    record: Record, open_outbox: Opening, receiver: Receiver
) -> None:
    receiver.answers = [with_status(500), with_status(404), reset, with_status(302, location="http://127.0.0.1:9/")]
    mesh, _ = open_outbox(hook(receiver.url))
    record.append(draft("k"))
    assert mesh.wait_delivered("webhook:pager", 0, PATIENCE_S)
    assert len(receiver.got) == 5
    assert len({got.headers["webhook-id"] for got in receiver.got}) == 1
    assert mesh.dead_letters() == ()


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (with_status(500), "HTTP 500 Internal Server Error"),
        (with_status(301, location="https://example.com/"), "redirects are not followed, declare the final address"),
        (with_status(401), "HTTP 401 Unauthorized"),
        (reset, "no answer from 127.0.0.1"),
        (drip, "not within 0.3 s"),
        (hang, "not within 0.3 s"),
    ],
)
def test_what_is_never_taken_becomes_a_dead_letter_that_says_why(
    record: Record, open_outbox: Opening, answer: object, why: str
) -> None:
    with receiving(answer) as receiver:  # pyright: ignore[reportArgumentType]
        mesh, _ = open_outbox(hook(receiver.url, attempts=2, timeout=0.3))
        record.append(draft("k"))
        assert mesh.wait_delivered("webhook:pager", 0, PATIENCE_S)
        (letter,) = mesh.dead_letters()
        assert why in letter.error
        assert (letter.attempts, len(receiver.got)) == (2, 2)
        receiver.answer = with_status(200)
        mesh.requeue("webhook:pager", None)
        assert comes(lambda: mesh.dead_letters() == ())


def test_nobody_is_there(record: Record, open_outbox: Opening) -> None:
    with receiving() as gone:
        url = gone.url
    mesh, _ = open_outbox(hook(url, attempts=1))
    record.append(draft("k"))
    assert mesh.wait_delivered("webhook:pager", 0, PATIENCE_S)
    assert "no connection to 127.0.0.1" in mesh.dead_letters()[0].error


def test_a_failing_and_a_hanging_receiver_delay_no_other(record: Record, open_outbox: Opening) -> None:
    with receiving() as well, receiving(hang) as hanging, receiving(reset) as failing:
        mesh, _ = open_outbox(
            hook(hanging.url, "hanging", timeout=20.0),
            hook(failing.url, "failing", first_pause=600.0, longest_pause=600.0),
            hook(well.url, "well"),
        )
        record.append_all(drafts(200))
        assert mesh.wait_delivered("webhook:well", 199, PATIENCE_S)
        assert [read_event(got.headers, got.body).data["key"] for got in well.got] == [f"k{n}" for n in range(200)]
        told = {progress.name: (progress.behind, dead) for progress, dead in mesh.progress()}
        assert told == {"webhook:well": (0, 0), "webhook:hanging": (200, 0), "webhook:failing": (200, 0)}
        hanging.let_go.set()
        mesh.close(drain_s=PATIENCE_S)


def test_receivers_get_runs_side_by_side_and_each_run_in_order(record: Record, open_outbox: Opening) -> None:
    with receiving() as receiver:
        receiver.answers = [with_status(503)] * 5
        mesh, _ = open_outbox(hook(receiver.url, concurrency=4))
        record.append_all([draft(f"{run}/{n}", run_id=f"run_{run}") for n in range(10) for run in range(4)])
        assert mesh.wait_delivered("webhook:pager", 39, PATIENCE_S)
        first: dict[str, list[str]] = {}
        for got in receiver.got:
            event = read_event(got.headers, got.body)
            seen = first.setdefault(event.attributes["gracerunid"], [])
            if event.data["key"] not in seen:
                seen.append(event.data["key"])
    assert first == {f"run_{run}": [f"{run}/{n}" for n in range(10)] for run in range(4)}


def test_a_receiver_that_is_gone_is_disabled_and_a_person_enables_it(
    record: Record, open_outbox: Opening, receiver: Receiver
) -> None:
    receiver.answer = with_status(410)
    mesh, _ = open_outbox(hook(receiver.url))
    record.append_all(drafts(3))
    assert comes(lambda: mesh.progress()[0][0].disabled_why == "HTTP 410 Gone")
    assert len(receiver.got) == 1
    assert comes(lambda: len(list(record.entries(types={EventType.SUBSCRIBER_DISABLED}))) == 1)
    receiver.answer = with_status(200)
    assert mesh.enable("webhook:pager", "ann")
    assert mesh.wait_delivered("webhook:pager", 2, PATIENCE_S)
    assert [read_event(got.headers, got.body).data["key"] for got in receiver.got] == ["k0", "k0", "k1", "k2"]


def test_retry_after_is_respected_in_seconds_and_as_a_date(
    record: Record, open_outbox: Opening, receiver: Receiver
) -> None:
    soon = format_datetime(CLOCK.now() + timedelta(seconds=2.5), usegmt=True)
    receiver.answers = [with_status(429, retry_after="1"), with_status(503, retry_after=soon)]
    mesh, _ = open_outbox(hook(receiver.url, concurrency=1))
    began = CLOCK.now()
    record.append(draft("k"))
    assert mesh.wait_delivered("webhook:pager", 0, PATIENCE_S)
    assert len(receiver.got) == 3
    assert CLOCK.now() - began >= timedelta(seconds=1.4)


@pytest.mark.parametrize("word", ["soon", "-5", "", "1.5", "Fri, 99 Foo 2026"])
def test_a_retry_after_that_says_nothing_is_not_believed(
    record: Record, open_outbox: Opening, receiver: Receiver, word: str
) -> None:
    receiver.answers = [with_status(503, retry_after=word)]
    mesh, _ = open_outbox(hook(receiver.url))
    record.append(draft("k"))
    assert mesh.wait_delivered("webhook:pager", 0, PATIENCE_S)
    assert len(receiver.got) == 2


def test_a_secret_is_read_for_each_message_so_that_it_can_be_changed(
    record: Record, open_outbox: Opening, receiver: Receiver
) -> None:
    secrets: dict[str, str | None] = {"env:PAGER": None}
    mesh, _ = open_outbox(hook(receiver.url, attempts=1), secret=secrets.get)
    record.append(draft("unsigned"))
    assert mesh.wait_delivered("webhook:pager", 0, PATIENCE_S)
    assert receiver.got == []
    assert "nothing was sent" in mesh.dead_letters()[0].error
    secrets["env:PAGER"] = SECRET
    mesh.requeue("webhook:pager", None)
    assert comes(lambda: len(receiver.got) == 1)
    assert verify(receiver.got[0], KEY)


def test_a_payload_that_is_not_to_leave_stays(record: Record, open_outbox: Opening, receiver: Receiver) -> None:
    mesh, _ = open_outbox(hook(receiver.url, payload="none"))
    record.append(draft("k", {"name": "Ann"}))
    assert mesh.wait_delivered("webhook:pager", 0, PATIENCE_S)
    assert b"Ann" not in receiver.got[0].body
    assert read_event(receiver.got[0].headers, receiver.got[0].body).attributes["gracedigest"].startswith("sha256:")


def test_a_test_message_is_of_its_own_type_and_tells_how_it_went(
    record: Record, open_outbox: Opening, receiver: Receiver
) -> None:
    _, outbox = open_outbox(hook(receiver.url))
    found = outbox.named("pager")
    assert found is not None
    tested = outbox.test(found, "ann")
    event = read_event(receiver.got[0].headers, receiver.got[0].body)
    assert (tested.is_taken, tested.status, tested.event_id) == (True, 204, event.attributes["id"])
    assert (event.attributes["type"], event.data) == ("dev.grace.webhook.test", {"webhook": "pager", "by": "ann"})
    assert verify(receiver.got[0])
    for answer, why in ((with_status(410), "HTTP 410 Gone"), (with_status(503, retry_after="9"), "HTTP 503")):
        receiver.answer = answer
        assert why in (outbox.test(found, "ann").why or "")
    receiver.answer = reset
    assert outbox.test(found, "ann").status is None
    assert outbox.named("nobody") is None
    assert record.reader.size() == 0


def test_a_receiver_on_the_inside_must_be_declared_so(record: Record, open_outbox: Opening, receiver: Receiver) -> None:
    _, outbox = open_outbox()
    public = hook(receiver.url, network="public")
    why = outbox.test(public, "ann").why or ""
    assert "not a public address; declare `network: private`" in why
    assert receiver.got == []


@pytest.mark.parametrize(
    ("address", "public", "private"),
    [
        ("93.184.215.14", True, True),
        ("2606:2800:21f:cb07:6820:80da:af6b:8b2c", True, True),
        ("10.1.2.3", False, True),
        ("127.0.0.1", False, True),
        ("::1", False, True),
        ("fd12::1", False, True),
        ("::ffff:10.0.0.1", False, True),
        ("100.64.0.1", False, True),
        ("169.254.169.254", False, False),
        ("::ffff:169.254.169.254", False, False),
        ("64:ff9b::a9fe:a9fe", False, False),
        ("2002:a9fe:a9fe::1", False, False),
        ("fe80::1", False, False),
        ("fd00:ec2::254", False, False),
        ("100.100.100.200", False, False),
        ("224.0.0.1", False, False),
        ("0.0.0.0", False, False),
        ("::", False, False),
        ("240.0.0.1", False, False),
        ("255.255.255.255", False, False),
    ],
)
def test_where_a_webhook_may_lead(address: str, public: bool, private: bool) -> None:
    allowed = [refusal(ip_address(address), network) is None for network in (Network.PUBLIC, Network.PRIVATE)]
    assert allowed == [public, private]


def test_a_name_with_one_address_that_is_refused_is_refused() -> None:
    assert set(allowed_addresses("localhost", 80, Network.PRIVATE)) <= {"127.0.0.1", "::1"}
    with pytest.raises(Exception, match="not a public address"):
        allowed_addresses("localhost", 80, Network.PUBLIC)


# ---- declarations ----

GOOD = """\
format: 1
webhooks:
  - name: pager
    url: https://events.example.com/grace
    events: [run.settled, "target.*"]
    secrets: [env:PAGER_SECRET]
  - name: bus
    url: http://bus.internal:8080/in?team=7
    network: private
    events: ["*"]
    secrets: [file:/run/secrets/new, file:/run/secrets/old]
    mode: binary
    payload: none
    timeout: 5s
    concurrency: 8
    attempts: 3
    first_pause: 2s
    longest_pause: 1m
"""


def declared(tmp_path: Path, text: str, secret: str | None = SECRET) -> tuple[Webhook, ...]:
    file = tmp_path / "webhooks.yaml"
    file.write_text(text)
    return load_webhooks(file, lambda _: secret)


def test_webhooks_are_declared_in_a_file(tmp_path: Path) -> None:
    pager, bus = declared(tmp_path, GOOD)
    assert (pager.subscriber, pager.mode.value, pager.network.value) == ("webhook:pager", "structured", "public")
    assert (bus.rule.attempts, bus.rule.first_delay_s, bus.rule.longest_delay_s) == (3, 2.0, 60.0)
    assert (bus.shown_url, bus.secrets) == (
        "http://bus.internal:8080/in",
        ("file:/run/secrets/new", "file:/run/secrets/old"),
    )
    assert load_webhooks(tmp_path / "absent.yaml", lambda _: None) == ()


@pytest.mark.parametrize(
    ("old", "new", "line", "rule", "hint"),
    [
        ("run.settled", "run.setled", 5, "unknown-event", "Did you mean run.settled"),
        ("name: bus", "name: pager", 7, "repeated-webhook", "Rename one."),
        ("https://events", "http://events", 4, "not-encrypted", "network: private"),
        ("https://events.example.com/grace", "https://user:pw@example.com/", 4, "wrong-value", ""),
        ("https://events.example.com/grace", "ftp://example.com/", 4, "wrong-value", ""),
        (
            "https://events.example.com/grace",
            "https://example.com/?token=ghp_0123456789abcdefghijABCDEFGHIJ",
            4,
            "wrong-value",
            "",
        ),
        ("secrets: [env:PAGER_SECRET]", "secret: env:PAGER_SECRET", 6, "unknown-key", "secrets"),
        ("secrets: [env:PAGER_SECRET]", "secrets: [whsec_plain]", 6, "wrong-value", ""),
        ("secrets: [env:PAGER_SECRET]", "secrets: []", 6, "wrong-value", ""),
        ("timeout: 5s", "timeout: soon", 14, "wrong-value", ""),
        ("attempts: 3", "attempts: 0", 16, "wrong-value", ""),
        ("format: 1", "format: 2", 1, "wrong-value", ""),
    ],
)
def test_a_mistake_refuses_the_file_with_its_line(
    tmp_path: Path, old: str, new: str, line: int, rule: str, hint: str
) -> None:
    with pytest.raises(WebhooksFlawedError) as refused:
        declared(tmp_path, GOOD.replace(old, new, 1))
    flaw = refused.value.flaws[-1]
    assert (flaw.line, flaw.rule) == (line, rule)
    assert hint in flaw.next
    assert not any(secret in str(refused.value) for secret in ("user:pw", "ghp_", "whsec_plain"))
    assert str(tmp_path / "webhooks.yaml") in str(refused.value)


def test_a_secret_that_is_missing_or_weak_stops_the_start_and_is_never_shown(tmp_path: Path) -> None:
    for secret, rule in ((None, "no-secret"), ("hunter2", "unfit-secret")):
        with pytest.raises(WebhooksFlawedError) as refused:
            declared(tmp_path, GOOD, secret)
        assert {flaw.rule for flaw in refused.value.flaws} == {rule}
        assert "openssl rand -base64 32" in str(refused.value)
        assert "hunter2" not in str(refused.value)


def test_a_file_that_is_no_yaml_or_cannot_be_read_stops_the_start(tmp_path: Path) -> None:
    with pytest.raises(WebhooksFlawedError, match=r"webhooks\.yaml:1"):
        declared(tmp_path, "{")
    (tmp_path / "folder").mkdir()
    with pytest.raises(WebhooksFlawedError, match="cannot be read"):
        load_webhooks(tmp_path / "folder", lambda _: SECRET)


def test_an_entry_that_stands_on_the_record_alone_is_sent_by_nobody(record: Record, open_outbox: Opening) -> None:
    """Without webhooks nothing is subscribed and nothing leaves."""
    mesh, _ = open_outbox()
    record.append(Draft(key="k", type=EventType.STEP_NOTED, actor="me", payload={}))
    assert mesh.progress() == ()


def test_a_name_that_leads_nowhere_says_so() -> None:
    outbox = Outbox((), "grace.local/log_1", lambda _: SECRET, CLOCK)
    tested = outbox.test(hook("http://receiver.invalid/hook"), "ann")
    assert "no connection to receiver.invalid" in (tested.why or "")
