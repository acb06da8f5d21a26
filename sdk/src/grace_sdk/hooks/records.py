"""Log records as the library sees them, without becoming one of its handlers.

A handler would change what the application sees: `logging.basicConfig()` does nothing once there is a handler, and
without any handler Python prints warnings itself. A step before the handlers, and a filter, change nothing.
"""

from __future__ import annotations

import logging
from typing import Final

from grace_sdk.logs import record_log

_ASYNCIO: Final = "asyncio"


class LoggingHook:
    """Record what is logged at ERROR and above, by any logger."""

    def __init__(self) -> None:
        self._previous = previous = logging.Logger.callHandlers

        def call_handlers(logger: logging.Logger, record: logging.LogRecord) -> None:
            if record.levelno >= logging.ERROR:
                record_log(record)
            previous(logger, record)

        self._hook = call_handlers
        logging.Logger.callHandlers = call_handlers  # type: ignore[method-assign]

    def remove(self) -> None:
        if logging.Logger.callHandlers is self._hook:
            logging.Logger.callHandlers = self._previous  # type: ignore[method-assign]


class AsyncioHook:
    """Record what event loops say of exceptions that nobody retrieved and tasks that nobody ended.

    Every loop's default exception handler says it to this logger. A loop that has a handler of its own is watched by
    `grace_sdk.loops.watch`.
    """

    def __init__(self) -> None:
        self._logger = logging.getLogger(_ASYNCIO)
        self._hook = self._said
        self._logger.addFilter(self._hook)

    def remove(self) -> None:
        self._logger.removeFilter(self._hook)

    def _said(self, record: logging.LogRecord) -> bool:
        if record.levelno >= logging.ERROR:
            record_log(record)
        return True
