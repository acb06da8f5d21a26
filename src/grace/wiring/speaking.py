"""How the server speaks to its operator: structured lines on standard error, text or JSON. Truth is in the ledger."""

from __future__ import annotations

import logging

import structlog

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


def tell_of_writing(trouble: str | None) -> None:
    """Say when the record cannot be written, such as on a full disk, and when it can be again."""
    log = logging.getLogger("grace.record")
    if trouble is None:
        log.info("The record can be written again.")
    else:
        log.error("The record cannot be written. %s Look at it with `grace doctor`.", trouble)
