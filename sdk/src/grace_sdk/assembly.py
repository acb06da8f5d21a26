"""Assembly: make the background half of the SDK from what `init` was told."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from grace_sdk.buffer import Buffer
from grace_sdk.delivery import Delivery
from grace_sdk.dsn import Dsn, DsnError, parse_dsn
from grace_sdk.outbox import Outbox
from grace_sdk.recorder import Recorder
from grace_sdk.rendering import Origin, runtime_facts
from grace_sdk.reporter import Reporter
from grace_sdk.safety import Fault, attempt
from grace_sdk.sighting import copy_labels

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping

    from grace_sdk.spool import Spool

_log: Final = logging.getLogger("grace_sdk")


class Options(NamedTuple):
    """What `init` was told."""

    dsn: str
    spool: str | os.PathLike[str] | None
    labels: Mapping[str, object] | None
    release: str | None
    buffer_size: int
    spool_bytes: int
    request_timeout_s: float


class Assembly(NamedTuple):
    """A recorder and the running reporter behind it."""

    recorder: Recorder
    reporter: Reporter


def assemble(options: Options) -> Assembly | None:
    """Start a recorder and its reporter; return None, and log why, when that cannot be done."""
    if not options.dsn:
        return None
    try:
        dsn = parse_dsn(options.dsn)
    except DsnError as error:
        _log.error("%s Nothing is sent to GRACE.", error)
        return None
    started = attempt(_start, dsn, options)
    if isinstance(started, Fault):
        _log.error("The SDK could not start (%s). Nothing is sent to GRACE.", started.type)
        return None
    return started


def _start(dsn: Dsn, options: Options) -> Assembly:
    buffer = Buffer(options.buffer_size)
    recorder = Recorder(buffer)
    labels = {**copy_labels(options.labels), **({} if options.release is None else {"release": options.release})}
    origin = Origin(dsn.service, dsn.environment, recorder.session, labels, runtime_facts())
    outbox = Outbox(_open_spool(options.spool, recorder.session), options.buffer_size, options.spool_bytes)
    reporter = Reporter(buffer, origin, outbox, Delivery(dsn, options.request_timeout_s))
    reporter.start()
    return Assembly(recorder, reporter)


def _open_spool(folder: str | os.PathLike[str] | None, session: str) -> Spool | None:
    if folder is None:
        return None
    try:
        # Imported here because its locks need POSIX, which the rest of the SDK does not.
        from grace_sdk.spool import Spool  # noqa: PLC0415

        return Spool(Path(folder), session)
    except (OSError, ImportError) as error:
        _log.error("The spool %s cannot be used (%s); signals wait in memory instead.", folder, error)
        return None
