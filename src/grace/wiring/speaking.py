"""How the server speaks to its operator: structured lines on standard error, text or JSON. Truth is in the ledger."""

from __future__ import annotations

import logging

import structlog

from grace.kit.clock import SteadyClock, to_rfc3339
from grace.settings import LogFormat, Settings


def speak(settings: Settings) -> None:
    """Send every log line of this process through one renderer."""
    # Never a traceback with the values of variables: they may be secrets, and fill thousands of lines.
    renderers = (
        (structlog.processors.format_exc_info, structlog.processors.JSONRenderer())
        if settings.log_format is LogFormat.JSON
        else (structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback),)
    )
    handler = logging.StreamHandler()
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_log_level, structlog.processors.TimeStamper(fmt="iso", utc=True)],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *renderers],
        )
    )
    for chatty in ("alembic", "httpx", "httpcore", "dbos"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    logging.basicConfig(level=settings.log_level.value.upper(), handlers=[handler], force=True)


def clock_troubles(clock: SteadyClock) -> tuple[str, ...]:
    """Say that the machine's clock is behind GRACE's time, as long as it is."""
    behind_s = clock.behind_s
    if not behind_s:
        return ()
    return (f"The machine's clock went back; GRACE goes on from where it was, {behind_s:.0f} s ahead of it",)


def tell_of_jumps(clock: SteadyClock) -> None:
    """Say once of each jump of the machine's clock what it means."""
    log = logging.getLogger("grace.clock")
    for jump in clock.untold_jumps():
        at = to_rfc3339(jump.at)
        if jump.by_s < 0:
            log.warning("The machine's clock went back by %.0f s; GRACE goes on from %s.", -jump.by_s, at)
        else:
            log.warning("The machine's clock went ahead by %.0f s; GRACE follows it, to %s.", jump.by_s, at)


def tell_of_writing(trouble: str | None) -> None:
    """Say when the record cannot be written, such as on a full disk, and when it can be again."""
    log = logging.getLogger("grace.record")
    if trouble is None:
        log.info("The record can be written again.")
    else:
        log.error("The record cannot be written. %s Look at it with `grace doctor`.", trouble)
