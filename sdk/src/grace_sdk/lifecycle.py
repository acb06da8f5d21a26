"""Lifecycle: what an application calls: init, capture, flush, close, progress."""

from __future__ import annotations

import os
import sys

from grace_sdk.environment import dsn_from_environment
from grace_sdk.installation import installed
from grace_sdk.safety import Fault, attempt
from grace_sdk.sighting import copy_labels

TYPE_CHECKING = False

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Final, Literal, TypeAlias, TypeGuard

    from grace_sdk.reporter import Progress

    Steps: TypeAlias = Literal["failed", "all"]

_EXIT_PATIENCE_S: Final = 2.0


def init(  # noqa: PLR0913 - every option has a default, and its name at the call
    dsn: str | None = None,
    *,
    spool: str | os.PathLike[str] | None = None,
    labels: Mapping[str, object] | None = None,
    release: str | None = None,
    hooks: Iterable[str] | None = None,
    operations: Steps = "failed",
    buffer_size: int = 1_000,
    buffer_bytes: int = 16 * 1024 * 1024,
    spool_bytes: int = 64 * 1024 * 1024,
) -> None:
    """Start sending to the service that the DSN names, `http://TOKEN@host:port/service?environment=production`.

    Without `dsn`, GRACE_DSN is read; without either, or with one that cannot be used (logged as an error), nothing is
    sent and the application is not disturbed. With `spool`, a folder, undelivered signals survive the process.
    `hooks` names what is watched by itself (process, threads, unraisable, warnings, logging, asyncio, sigterm,
    children; all by default). With `operations="all"` each step of an operation is sent, not only its failure.
    `buffer_size` and `buffer_bytes` bound the signals in memory, `spool_bytes` those on disk; the oldest go first.
    """
    close(timeout_s=0.0)
    address = dsn_from_environment() if dsn is None else dsn
    if not address:
        return
    begun = attempt(
        _init,
        address,
        spool=spool,
        labels=labels,
        release=release,
        hooks=hooks,
        operations=operations,
        buffer_size=buffer_size,
        buffer_bytes=buffer_bytes,
        spool_bytes=spool_bytes,
    )
    if isinstance(begun, Fault):
        _say_what_cannot_be_used(begun)


def _init(  # noqa: PLR0913 - as `init`
    address: str,
    *,
    spool: str | os.PathLike[str] | None,
    labels: Mapping[str, object] | None,
    release: str | None,
    hooks: Iterable[str] | None,
    operations: Steps,
    buffer_size: int,
    buffer_bytes: int,
    spool_bytes: int,
) -> None:
    # Imported here because logging and multiprocessing cost 15 ms, which a program without a DSN should not pay.
    from grace_sdk.assembly import Options  # noqa: PLC0415
    from grace_sdk.beginning import begin  # noqa: PLC0415

    begin(
        Options(
            dsn=address,
            spool="" if spool is None else os.fspath(spool),
            labels=copy_labels(labels),
            release=release or "",
            operations=operations,
            hooks=None if hooks is None else tuple(hooks),
            buffer_size=buffer_size,
            buffer_bytes=buffer_bytes,
            spool_bytes=spool_bytes,
        )
    )


def _say_what_cannot_be_used(fault: Fault) -> None:
    import logging  # noqa: PLC0415 - see above

    said = "init was given something that it cannot use (%s). Nothing is sent to GRACE; see docs/sdk.md."
    logging.getLogger("grace_sdk").error(said, fault.type)


def capture(
    exc: BaseException | None = None,
    *,
    message: str | None = None,
    severity: str | None = None,
    labels: Mapping[str, object] | None = None,
    context: Mapping[str, object] | None = None,
) -> str:
    """Enqueue an exception (by default the one being handled) or a message; return the correlation id.

    Never blocks and never raises. `severity` is debug, info, warning, error or critical: by default that of the
    exception's family, and info for a message. `labels` (32 short texts) say what it is about, `context` (plain data)
    helps to understand it; secrets in either are removed before anything leaves the process.
    """
    identity = attempt(_capture, exc, message, severity, labels, context)
    return installed.recorder.next_id() if isinstance(identity, Fault) else identity


def flush(timeout_s: float = 5.0) -> bool:
    """Wait until everything captured so far is delivered; tell whether that is so, or nothing is sent at all."""
    assembly = installed.assembly
    return assembly is None or assembly.reporter.flush(timeout_s)


def close(timeout_s: float = _EXIT_PATIENCE_S) -> None:
    """Deliver what can be delivered in time, then stop; called at exit by itself."""
    installed.close(timeout_s)


def progress() -> Progress | None:
    """Count what was captured, delivered, refused, dropped and still waits; None when nothing is sent at all."""
    assembly = installed.assembly
    return None if assembly is None else assembly.reporter.progress()


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
        return installed.recorder.record(
            "exception", exc=exc, message=message, severity=severity, labels=labels, context=context
        )
    said = exc if message is None else message
    return installed.recorder.record(
        "message",
        message="capture() was called with nothing to capture" if said is None else said,
        severity="info" if severity is None else severity,
        labels=labels,
        context=context,
    )


def _is_exception(value: object) -> TypeGuard[BaseException]:
    # By its type, because isinstance asks the value for its class, and the value may answer anything.
    return issubclass(type(value), BaseException)
