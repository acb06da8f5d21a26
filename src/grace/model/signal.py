"""Signal: one thing that a door received."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from pydantic import Field, JsonValue

from grace.model.noun import Noun


class SignalKind(StrEnum):
    """What sort of thing was received."""

    EXCEPTION = "exception"
    ALERT = "alert"
    LOG = "log"
    MESSAGE = "message"
    OPERATION = "operation"


class Severity(StrEnum):
    """How bad the sender says it is, in rising order."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"
    CRITICAL = "critical"


class Frame(Noun):
    """One frame of a traceback, innermost last."""

    module: str = ""
    function: str = ""
    file: str = ""
    line: int | None = None
    in_app: bool = True


class Raised(Noun):
    """One exception of a chain."""

    type: str
    module: str = ""
    message: str = ""
    frames: tuple[Frame, ...] = ()

    @property
    def name(self) -> str:
        """Return the full name of its type; senders write the module in the type, beside it, or both."""
        is_bare = self.module and not self.type.startswith(f"{self.module}.")
        return f"{self.module}.{self.type}" if is_bare else self.type


class Signal(Noun):
    """An exception, alert, log line or message, redacted, as it was accepted."""

    id: str
    service: str
    environment: str = "production"
    at: datetime
    received_at: datetime
    kind: SignalKind
    severity: Severity = Severity.ERROR
    title: str
    message: str = ""
    exception: Raised | None = None
    chain: tuple[Raised, ...] = ()
    labels: dict[str, str] = Field(default_factory=dict)
    context: dict[str, JsonValue] = Field(default_factory=dict)
    correlation_id: str = ""
    session: str = ""
    sequence: int | None = None
    source: str = "native"
