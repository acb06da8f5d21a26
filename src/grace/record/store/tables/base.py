"""What all tables share: one metadata, and how a time and a document are written."""

from datetime import datetime
from typing import Final

from pydantic import JsonValue
from sqlalchemy import Dialect, MetaData, Text, TypeDecorator

from grace.kit.canonical import canonical, parse_json
from grace.kit.clock import from_rfc3339, to_rfc3339
from grace.kit.wording import in_words
from grace.record.store.damage import REBUILD, RecordDamagedError

metadata: Final = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)


class UtcTime(TypeDecorator[datetime]):
    """An aware UTC time, kept as RFC 3339 text with six digits, so that text order is time order."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> str | None:
        return None if value is None else to_rfc3339(value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> datetime | None:
        return None if value is None else read_time(value)


class Document(TypeDecorator[JsonValue]):
    """A JSON value, kept as its canonical text, so that equal values are equal bytes."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: JsonValue, dialect: Dialect) -> str:
        return canonical(value).decode()

    def process_result_value(self, value: str | None, dialect: Dialect) -> JsonValue:
        return None if value is None else read_document(value)


def read_time(text: str) -> datetime:
    """Read a time as it is kept; raise RecordDamagedError where it is none."""
    try:
        return from_rfc3339(text)
    except (ValueError, TypeError) as error:
        what = f"a time in a table cannot be read ({in_words(error)})"
        raise RecordDamagedError(what, REBUILD) from error


def read_document(text: str) -> JsonValue:
    """Read a document as it is kept; raise RecordDamagedError where it is none."""
    try:
        return parse_json(text)
    except (ValueError, TypeError) as error:
        what = f"a document of the read models cannot be read ({in_words(error)})"
        raise RecordDamagedError(what, REBUILD) from error
