"""Events on the wire, read by the specification's own examples."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grace.model.events import EventType
from grace.model.ledger_entry import LedgerEntry
from grace.record.mesh.webhooks.cloudevents import CloudEvent, ContentMode, event_of, written
from grace.record.mesh.webhooks.signing import SecretUnfitError, key_of, signed
from tests.record.mesh.receivers import KEY, SECRET, Got, read_event, verify

AT = datetime(2026, 1, 2, 3, 4, 5, 678, tzinfo=UTC)
ORIGIN = "grace.local/log_01J00000000000000000000001"
ENTRY = LedgerEntry(
    index=42,
    key="run_1/settled",
    type=EventType.RUN_SETTLED,
    at=AT,
    actor="grace",
    run_id="run_1",
    incident_id="inc_1",
    service="orders",
    payload_digest="sha256:" + "0" * 64,
    payload={"kind": "committed", "sentence": "Es hält: 100 % „gut“"},
)
SCENARIO = re.compile(r'Given an HTTP request\n\s+"""\n(.*?)"""(.*?)Examples:(.*?)(?=Scenario|\Z)', re.DOTALL)


def test_the_reader_of_these_tests_understands_the_examples_of_the_specification(shared_data: Path) -> None:
    feature = (shared_data / "cloudevents" / "features" / "http-protocol-binding.feature").read_text()
    read = 0
    for request, expected, examples in SCENARIO.findall(feature):
        for content_type in re.findall(r"\|\s+(application/\S+?(?:; charset=utf-8)?)\s+\|", examples):
            lines = [line.strip() for line in request.replace("<contentType>", content_type).strip().splitlines()]
            end = lines.index("")
            headers = dict(
                line.lower().split(": ", 1) if "type" not in line.lower() else _plain(line) for line in lines[1:end]
            )
            event = read_event(headers, "\n".join(lines[end + 1 :]).encode())
            table = dict(re.findall(r"\|\s+(\w+) \| (\S.*?)\s+\|", expected))
            table.pop("key", None)
            wanted = {name: value.replace("<contentType>", content_type) for name, value in table.items()}
            assert {name: event.attributes[name].lower() for name in wanted} == {
                n: v.lower() for n, v in wanted.items()
            }
            assert event.data == {"message": "Hello World!"}
            read += 1
    assert read == 4


def _plain(line: str) -> list[str]:
    name, value = line.split(": ", 1)
    return [name.lower(), value]


@pytest.mark.parametrize("mode", ContentMode)
def test_an_entry_travels_whole_in_either_mode(mode: ContentMode) -> None:
    message = written(event_of(ENTRY, ORIGIN), mode)
    event = read_event(message.headers, message.body)
    assert event.data == ENTRY.payload
    assert event.attributes == {
        "specversion": "1.0",
        "id": "log_01J00000000000000000000001/42",
        "source": "//grace.local/log_01J00000000000000000000001",
        "type": "dev.grace.run.settled",
        "subject": "run_1",
        "time": "2026-01-02T03:04:05.000678Z",
        "datacontenttype": "application/json",
        "dataschema": "urn:grace:schema:run.settled:1",
        "sequence": "0000000000000042",
        "graceactor": "grace",
        "gracerunid": "run_1",
        "graceincidentid": "inc_1",
        "graceservice": "orders",
        "gracedigest": "sha256:" + "0" * 64,
    }


@pytest.mark.parametrize("mode", ContentMode)
def test_an_erased_payload_leaves_an_event_without_data_that_says_so(mode: ContentMode) -> None:
    erased = ENTRY.model_copy(update={"payload": None})
    message = written(event_of(erased, ORIGIN), mode)
    event = read_event(message.headers, message.body)
    assert (event.data, event.attributes["graceerased"]) == (None, "true")
    assert not {"datacontenttype", "dataschema"} & set(event.attributes)
    withheld = written(event_of(ENTRY, ORIGIN, with_payload=False), mode)
    kept = read_event(withheld.headers, withheld.body)
    assert (kept.data, "graceerased" in kept.attributes) == (None, False)


TEXTS = st.text(min_size=1, max_size=40).filter(lambda text: not any("\ud800" <= letter <= "\udfff" for letter in text))


@given(TEXTS, TEXTS, st.sampled_from(ContentMode))
def test_whatever_letters_an_attribute_has_they_arrive(subject: str, actor: str, mode: ContentMode) -> None:
    sent = CloudEvent("1", "//here", "t", "2026-01-01T00:00:00Z", subject, extensions={"graceactor": actor}, data={})
    message = written(sent, mode)
    assert all(value.isascii() and value.isprintable() for value in message.headers.values())
    event = read_event(message.headers, message.body)
    assert (event.attributes["subject"], event.attributes["graceactor"], event.data) == (subject, actor, {})


def test_a_signature_covers_id_time_and_body_and_old_and_new_keys_both_verify() -> None:
    new = bytes(range(1, 33))
    got = Got("/", signed([KEY, new], "log/1", 1_700_000_000, b"body"), b"body")
    assert verify(got)
    assert verify(got, new)
    assert not verify(got, bytes(32))
    assert not verify(Got("/", got.headers, b"another body"))
    assert not verify(Got("/", {**got.headers, "webhook-timestamp": "1700000001"}, b"body"))
    assert not verify(Got("/", {**got.headers, "webhook-id": "log/2"}, b"body"))


def test_the_signature_is_that_of_the_published_example() -> None:
    """Standard Webhooks, the example that its reference libraries are tested with."""
    key = key_of("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    headers = signed([key], "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, b'{"test": 2432232314}')
    assert headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


@pytest.mark.parametrize("secret", ["", "whsec_", "whsec_short", "whsec_" + "A" * 28, "not base64!", SECRET + "=" * 3])
def test_a_secret_that_is_too_short_or_no_secret_is_refused_without_repeating_it(secret: str) -> None:
    with pytest.raises(SecretUnfitError) as refused:
        key_of(secret)
    assert len(secret) < 8 or secret not in str(refused.value)
