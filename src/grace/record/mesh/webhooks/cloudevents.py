"""A ledger entry as a CloudEvent 1.0, in structured or binary mode of the HTTP binding.

`source` and `id` name one entry of one log for good: who gets an event twice can tell. The data are the payload alone,
as `dataschema` says; what else the entry knows are extension attributes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final
from urllib.parse import quote

from pydantic import JsonValue

from grace.kit.canonical import Json, canonical
from grace.kit.clock import to_rfc3339
from grace.model.events import EventType
from grace.model.ledger_entry import LedgerEntry

TYPE_PREFIX: Final = "dev.grace."
TEST_TYPE: Final = "dev.grace.webhook.test"
SPEC_VERSION: Final = "1.0"
_JSON: Final = "application/json"
_STRUCTURED: Final = "application/cloudevents+json; charset=utf-8"
_SEQUENCE_DIGITS: Final = 16
_PLAIN: Final = "".join(chr(code) for code in range(0x21, 0x7F) if chr(code) not in '"%')
"""What stands in a header as it is (HTTP binding 3.1.3.2); all else is percent-encoded UTF-8."""


class ContentMode(StrEnum):
    """How an event travels: in the body as a whole, or its attributes in headers."""

    STRUCTURED = "structured"
    BINARY = "binary"


@dataclass(frozen=True, slots=True)
class CloudEvent:
    """The attributes and data of one event; `data` is None where there is none."""

    id: str
    source: str
    type: str
    time: str
    subject: str | None = None
    dataschema: str | None = None
    extensions: Mapping[str, str] = field(default_factory=dict[str, str])
    data: JsonValue = None

    @property
    def attributes(self) -> dict[str, str]:
        """Return every attribute that has a value, by its name in the specification."""
        named = {
            "specversion": SPEC_VERSION,
            "id": self.id,
            "source": self.source,
            "type": self.type,
            "time": self.time,
            "subject": self.subject,
            "dataschema": None if self.data is None else self.dataschema,
            "datacontenttype": None if self.data is None else _JSON,
            **self.extensions,
        }
        return {name: value for name, value in named.items() if value is not None}


@dataclass(frozen=True, slots=True)
class Message:
    """What is sent: headers and body."""

    headers: Mapping[str, str]
    body: bytes


def schema_name(kind: EventType) -> str:
    """Return the URI of the schema of a type's payload; `GET /api/meta/event-types/TYPE` returns the schema itself."""
    return f"urn:grace:schema:{kind.value}:1"


def event_of(entry: LedgerEntry, origin: str, *, with_payload: bool = True) -> CloudEvent:
    """Return the event of an entry of the log `origin`."""
    told = {
        "sequence": f"{entry.index:0{_SEQUENCE_DIGITS}}",
        "graceactor": entry.actor,
        "gracerunid": entry.run_id,
        "graceincidentid": entry.incident_id,
        "graceservice": entry.service,
        "gracedigest": entry.payload_digest,
        "graceerased": "true" if entry.is_erased else None,
    }
    return CloudEvent(
        id=f"{origin.rpartition('/')[2]}/{entry.index}",
        source=f"//{origin}",
        type=TYPE_PREFIX + entry.type.value,
        time=to_rfc3339(entry.at),
        subject=entry.run_id or entry.incident_id or entry.service,
        dataschema=schema_name(entry.type),
        extensions={name: value for name, value in told.items() if value},
        data=entry.payload if with_payload else None,
    )


def written(event: CloudEvent, mode: ContentMode) -> Message:
    """Write an event for HTTP."""
    match mode:
        case ContentMode.STRUCTURED:
            whole: dict[str, Json] = {**event.attributes}
            if event.data is not None:
                whole["data"] = event.data
            return Message({"content-type": _STRUCTURED}, canonical(whole))
        case ContentMode.BINARY:
            attributes = event.attributes
            content_type = attributes.pop("datacontenttype", None)
            headers = {f"ce-{name}": quote(value, safe=_PLAIN) for name, value in attributes.items()}
            if content_type is not None:
                headers["content-type"] = content_type
            return Message(headers, b"" if event.data is None else canonical(event.data))
