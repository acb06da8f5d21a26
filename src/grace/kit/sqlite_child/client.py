"""This side of the child: start it when needed, talk to it from any thread, end it when it is stuck."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from queue import Empty, SimpleQueue
from types import TracebackType
from typing import IO, Final, Self, TypeAlias, cast

from pydantic import JsonValue

from grace.kit.sqlite_child.protocol import FaultKind, Role, SqliteFault, from_line, to_line

Answering: TypeAlias = Callable[[JsonValue], JsonValue]
"""What the parent says to a question of an operation: None calls the operation off."""

_CHILD: Final = "grace.kit.sqlite_child"
_OVERTIME_S: Final = 1.0
_ENDED: Final[dict[str, JsonValue]] = {
    "fault": FaultKind.CHILD_ENDED.value,
    "why": "The process that talks to SQLite ended.",
}


def _declines(_question: JsonValue) -> JsonValue:
    return None


class _Started:
    """One life of the child: its process, and who waits for which answer."""

    def __init__(self, role: Role) -> None:
        self._role = role
        self._lock = threading.Lock()
        self._writing = threading.Lock()
        self._waiting: dict[int, SimpleQueue[dict[str, JsonValue]]] = {}
        self._is_over = False
        self._born: SimpleQueue[subprocess.Popen[bytes] | OSError] = SimpleQueue()
        # The kernel's death signal is tied to the thread that started the child: this one lives as long as the child.
        self._thread = threading.Thread(target=self._live, name=f"sqlite-{role}", daemon=True)
        self._thread.start()
        match self._born.get():
            case OSError() as error:
                raise SqliteFault(
                    FaultKind.CHILD_ENDED, f"The process that talks to SQLite cannot start: {error}."
                ) from error
            case process:
                self.process = process

    @property
    def is_over(self) -> bool:
        with self._lock:
            return self._is_over

    def _live(self) -> None:
        command = [sys.executable, "-P", "-m", _CHILD, self._role.value, str(os.getpid())]
        try:
            process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        except OSError as error:
            self._born.put(error)
            return
        self._born.put(process)
        with process:
            try:
                for line in cast("IO[bytes]", process.stdout):
                    self._deliver(from_line(line))
            finally:
                self._end_all()
                process.kill()

    def _deliver(self, message: dict[str, JsonValue]) -> None:
        with self._lock:
            queue = self._waiting.get(cast("int", message["id"]))
        if queue is not None:
            queue.put(message)

    def _end_all(self) -> None:
        with self._lock:
            self._is_over = True
            for queue in self._waiting.values():
                queue.put(_ENDED)

    def open(self, number: int) -> SimpleQueue[dict[str, JsonValue]]:
        queue: SimpleQueue[dict[str, JsonValue]] = SimpleQueue()
        with self._lock:
            self._waiting[number] = queue
            if self._is_over:
                queue.put(_ENDED)
        return queue

    def forget(self, number: int) -> None:
        with self._lock:
            self._waiting.pop(number, None)

    def send(self, message: Mapping[str, JsonValue]) -> None:
        """Write one line; a child that is gone is told by the reader of its output."""
        line = to_line(message)
        pipe = cast("IO[bytes]", self.process.stdin)
        with self._writing:
            if self.is_over:
                return
            try:
                pipe.write(line)
                pipe.flush()
            except BrokenPipeError:
                self.process.kill()

    def kill(self) -> None:
        self.process.kill()
        self._thread.join()


class SqliteChild:
    """A long-lived child that answers questions about SQLite databases; safe to use from many threads.

    It starts with the first call, is killed and started again when a call outlives its limit, and ends with `close`,
    with this process, or with a `with` block.
    """

    def __init__(self, role: Role) -> None:
        self._role = role
        self._lock = threading.Lock()
        self._numbers = itertools.count(1)
        self._started: _Started | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def pid(self) -> int | None:
        """Return the child's process id, None while it has not been needed."""
        with self._lock:
            return None if self._started is None or self._started.is_over else self._started.process.pid

    def close(self) -> None:
        """End the child; a later call starts a new one."""
        with self._lock:
            started, self._started = self._started, None
        if started is not None:
            started.kill()

    def call(
        self, operation: str, arguments: Mapping[str, JsonValue], *, timeout_s: float, answering: Answering = _declines
    ) -> JsonValue:
        """Return the operation's result, or raise SqliteFault.

        `answering` is called in this thread with each question that the operation asks before it goes on; when it
        returns None or raises, the operation is called off and rolls back.
        """
        started = self._running()
        number = next(self._numbers)
        queue = started.open(number)
        try:
            started.send({"id": number, "op": operation, "args": dict(arguments), "timeout_s": timeout_s})
            while True:
                message = self._next(started, queue, operation, timeout_s)
                if "ask" not in message:
                    return _result(message)
                started.send({"id": number, "reply": self._reply(started, queue, number, answering, message["ask"])})
        finally:
            started.forget(number)

    def _reply(
        self,
        started: _Started,
        queue: SimpleQueue[dict[str, JsonValue]],
        number: int,
        answering: Answering,
        question: JsonValue,
    ) -> JsonValue:
        try:
            return answering(question)
        except BaseException:
            started.send({"id": number, "reply": None})
            self._next(started, queue, "roll back", _OVERTIME_S)
            raise

    def _next(
        self, started: _Started, queue: SimpleQueue[dict[str, JsonValue]], operation: str, timeout_s: float
    ) -> dict[str, JsonValue]:
        try:
            return queue.get(timeout=timeout_s + _OVERTIME_S)
        except Empty:
            started.kill()
            why = f"{operation} gave no answer within {timeout_s + _OVERTIME_S:g} s; its process was ended."
            raise SqliteFault(FaultKind.TIME_LIMIT, why) from None

    def _running(self) -> _Started:
        with self._lock:
            if self._started is None or self._started.is_over:
                self._started = _Started(self._role)
            return self._started


def _result(message: dict[str, JsonValue]) -> JsonValue:
    match message:
        case {"fault": str(kind), "why": str(why)}:
            raise SqliteFault(FaultKind(kind), why)
        case _:
            return message.get("result")
