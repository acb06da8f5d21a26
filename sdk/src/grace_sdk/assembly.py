"""Assembly: make the background half of the SDK from what `init` was told."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from grace_sdk.buffer import Buffer
from grace_sdk.dsn import Dsn, DsnError, parse_dsn
from grace_sdk.origin import Origin, runtime_facts
from grace_sdk.outbox import Outbox
from grace_sdk.recorder import Recorder
from grace_sdk.reporter import Reporter
from grace_sdk.safety import Fault, attempt
from grace_sdk.sighting import copy_labels

if TYPE_CHECKING:
    from grace_sdk.spool import Spool

_REQUEST_TIMEOUT_S: Final = 5.0

_log: Final = logging.getLogger("grace_sdk")


class Options(NamedTuple):
    """What `init` was told, as plain values: a child process is given them too."""

    dsn: str
    spool: str
    labels: dict[str, str]
    release: str
    operations: str
    hooks: tuple[str, ...] | None
    buffer_size: int
    buffer_bytes: int
    spool_bytes: int


class Assembly(NamedTuple):
    """A recorder and the running reporter behind it."""

    recorder: Recorder
    reporter: Reporter
    pid: int
    """The process whose threads it has: a forked child inherits it before it makes its own."""


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
    buffer = Buffer(options.buffer_size, options.buffer_bytes)
    recorder = Recorder(buffer)
    release = options.release or dsn.release
    labels = {**copy_labels(options.labels), **({"release": release} if release else {})}
    origin = Origin(dsn.service, dsn.environment, recorder.session, labels, runtime_facts())
    spool = _open_spool(options.spool or dsn.spool, recorder)
    outbox = Outbox(spool, options.buffer_size, options.buffer_bytes, options.spool_bytes)
    reporter = Reporter(recorder, buffer, origin, outbox, dsn, timeout_s=_REQUEST_TIMEOUT_S)
    reporter.start()
    return Assembly(recorder, reporter, os.getpid())


def _open_spool(folder: str, recorder: Recorder) -> Spool | None:
    if not folder:
        return None
    try:
        # Imported here because its locks need POSIX, which the rest of the SDK does not.
        from grace_sdk.spool import Spool  # noqa: PLC0415

        spool = Spool(Path(folder), recorder.session)
    except (OSError, ImportError) as error:
        _log.error("The spool %s cannot be used (%s); signals wait in memory instead.", folder, error)
        return None
    try:
        recorder.issued = spool.tally()
    except OSError as error:
        _log.warning("There is no shared memory (%s); what a kill -9 loses will not be counted.", error)
    return spool
