"""Lifecycle: what an application calls: init, capture, flush, close."""

from __future__ import annotations

import atexit
import sys
from typing import TYPE_CHECKING, Final, TypeGuard

from grace_sdk.environment import dsn_from_environment
from grace_sdk.hooks import ExceptHooks
from grace_sdk.recorder import Recorder
from grace_sdk.safety import Fault, attempt

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping

    from grace_sdk.assembly import Assembly
    from grace_sdk.reporter import Progress

_EXIT_PATIENCE_S: Final = 2.0
_REQUEST_TIMEOUT_S: Final = 5.0


class _Installation:
    """What `init` made; before it, captures only get their ids."""

    def __init__(self) -> None:
        self.silent: Final = Recorder()
        self.assembly: Assembly | None = None
        self.hooks: ExceptHooks | None = None

    @property
    def recorder(self) -> Recorder:
        return self.silent if self.assembly is None else self.assembly.recorder


_installed: Final = _Installation()


def init(
    dsn: str | None = None,
    *,
    spool: str | os.PathLike[str] | None = None,
    labels: Mapping[str, object] | None = None,
    release: str | None = None,
    excepthooks: bool = True,
    buffer_size: int = 1_000,
    spool_bytes: int = 64 * 1024 * 1024,
) -> None:
    """Start sending to the service that the DSN names, `http://TOKEN@host:port/service?environment=production`.

    Without `dsn`, GRACE_DSN is read; without either, or with one that cannot be used (logged as an error), nothing is
    sent and the application is not disturbed. With `spool`, a folder, undelivered signals survive the process.
    `buffer_size` bounds the signals in memory, `spool_bytes` those on disk; the oldest go first.
    """
    close(timeout_s=0.0)
    # Imported here because HTTP and JSON cost 30 ms, which a program that never calls init should not pay.
    from grace_sdk.assembly import Options, assemble  # noqa: PLC0415

    options = Options(
        dsn=dsn_from_environment() if dsn is None else dsn,
        spool=spool,
        labels=labels,
        release=release,
        buffer_size=buffer_size,
        spool_bytes=spool_bytes,
        request_timeout_s=_REQUEST_TIMEOUT_S,
    )
    _installed.assembly = assemble(options)
    if excepthooks and _installed.assembly is not None:
        _installed.hooks = ExceptHooks(_installed.recorder)


def capture(
    exc: BaseException | None = None,
    *,
    message: str | None = None,
    severity: str | None = None,
    labels: Mapping[str, object] | None = None,
    context: Mapping[str, object] | None = None,
) -> str:
    """Enqueue an exception (by default the one being handled) or a message; return the correlation id.

    Never blocks and never raises. `severity` is debug, info, warning, error or critical: by default error for an
    exception and info for a message. `labels` (32 short texts) say what it is about, `context` (plain data) helps to
    understand it; secrets in either are removed before anything leaves the process.
    """
    identity = attempt(_capture, exc, message, severity, labels, context)
    return _installed.recorder.next_id() if isinstance(identity, Fault) else identity


def flush(timeout_s: float = 5.0) -> bool:
    """Wait until everything captured so far is delivered; tell whether that is so."""
    assembly = _installed.assembly
    return assembly is None or assembly.reporter.flush(timeout_s)


def close(timeout_s: float = _EXIT_PATIENCE_S) -> None:
    """Deliver what can be delivered in time, then stop; called at exit by itself."""
    assembly, _installed.assembly = _installed.assembly, None
    hooks, _installed.hooks = _installed.hooks, None
    if hooks is not None:
        hooks.remove()
    if assembly is not None:
        assembly.reporter.close(timeout_s)


def progress() -> Progress | None:
    """Count what was delivered, refused, dropped and still waits; None when nothing is sent at all."""
    assembly = _installed.assembly
    return None if assembly is None else assembly.reporter.progress()


def recorder() -> Recorder:
    """Return the recorder in use; hooks ask for it at each event, because `init` may come later than they."""
    return _installed.recorder


def _capture(
    exc: object,
    message: object,
    severity: object,
    labels: Mapping[str, object] | None,
    context: object,
) -> str:
    if exc is None and message is None:
        exc = sys.exception()
    if _is_exception(exc):
        return recorder().record(
            "exception", exc=exc, message=message, severity=severity, labels=labels, context=context
        )
    said = exc if message is None else message
    return recorder().record(
        "message",
        message="capture() was called with nothing to capture" if said is None else said,
        severity="info" if severity is None else severity,
        labels=labels,
        context=context,
    )


def _is_exception(value: object) -> TypeGuard[BaseException]:
    # By its type, because isinstance asks the value for its class, and the value may answer anything.
    return issubclass(type(value), BaseException)


atexit.register(close)
