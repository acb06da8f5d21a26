"""Signals as a door would hand them on."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from grace.model.signal import Frame, Raised, Severity, Signal, SignalKind

START = datetime(2026, 1, 1, tzinfo=UTC)


def frame(module: str, function: str, line: int = 1, *, in_app: bool = True, file: str = "") -> Frame:
    return Frame(module=module, function=function, file=file, line=line, in_app=in_app)


def locked(number: int = 1, *, after_s: float = 0.0, service: str = "orders", environment: str = "drill") -> Signal:
    """Make a sighting of the fault `database is locked` in `orders.db.insert`."""
    at = START + timedelta(seconds=after_s)
    frames = (frame("orders.app", "post_order", 40), frame("orders.db", "insert", 12))
    return Signal(
        id=f"s-{number}",
        service=service,
        environment=environment,
        at=at,
        received_at=at,
        kind=SignalKind.EXCEPTION,
        severity=Severity.ERROR,
        title="sqlite3.OperationalError",
        message="database is locked",
        exception=Raised(
            type="sqlite3.OperationalError", module="sqlite3", message="database is locked", frames=frames
        ),
        labels={"engine": "sqlite", "database": "/x/orders.db"},
    )


def said(message: str, *, kind: SignalKind = SignalKind.MESSAGE, labels: dict[str, str] | None = None) -> Signal:
    return Signal(
        id="s",
        service="orders",
        at=START,
        received_at=START,
        kind=kind,
        title=message,
        message=message,
        labels=labels or {},
    )
