"""The child: reads requests from standard input, answers on standard output, ends with its parent.

Every request has a thread of its own, so that a slow one delays no other.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import threading
import time
from collections.abc import Mapping
from queue import SimpleQueue
from typing import BinaryIO, Final, cast

from pydantic import JsonValue

from grace.kit.sqlite_child.conversation import Operation, Request
from grace.kit.sqlite_child.operations import operations_of
from grace.kit.sqlite_child.protocol import FaultKind, Role, SqliteFault, from_line, to_line

_PR_SET_PDEATHSIG: Final = 1


class Child:
    """Serve requests until the parent closes the pipe."""

    def __init__(self, operations: Mapping[str, Operation], out: BinaryIO) -> None:
        self._operations = operations
        self._out = out
        self._lock = threading.Lock()
        self._talks: dict[int, SimpleQueue[JsonValue | None]] = {}

    def serve(self, lines: BinaryIO) -> None:
        for line in lines:
            message = from_line(line)
            number = cast("int", message["id"])
            if "op" in message:
                self._start(number, message)
            elif number in self._talks:
                self._talks[number].put(message.get("reply"))

    def _start(self, number: int, message: dict[str, JsonValue]) -> None:
        replies: SimpleQueue[JsonValue | None] = SimpleQueue()
        self._talks[number] = replies
        request = Request(
            id=number,
            operation=cast("str", message["op"]),
            arguments=cast("dict[str, JsonValue]", message["args"]),
            deadline=time.monotonic() + cast("float", message["timeout_s"]),
            send=self._send,
            replies=replies,
        )
        threading.Thread(target=self._work, args=(request,), daemon=True).start()

    def _work(self, request: Request) -> None:
        answer = self._answer(request)
        del self._talks[request.id]
        self._send({"id": request.id, **answer})

    def _answer(self, request: Request) -> dict[str, JsonValue]:
        operation = self._operations.get(request.operation)
        if operation is None:
            return {"fault": FaultKind.BAD_REQUEST.value, "why": f"This child cannot {request.operation!r}."}
        try:
            return {"result": operation(request)}
        except SqliteFault as fault:
            return {"fault": fault.kind.value, "why": fault.why}
        except (UnicodeError, OSError, OverflowError) as error:
            return {"fault": FaultKind.OTHER.value, "why": f"{type(error).__name__}: {error}."}

    def _send(self, message: Mapping[str, JsonValue]) -> None:
        with self._lock:
            self._out.write(to_line(message))
            self._out.flush()


def _end_with_parent(parent: int) -> None:
    """Ask the kernel to kill this process when its parent ends; the parent may be gone already."""
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(0)


def main() -> None:
    role, parent = Role(sys.argv[1]), int(sys.argv[2])
    _end_with_parent(parent)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent decides when to end us.
    Child(operations_of(role), sys.stdout.buffer).serve(sys.stdin.buffer)
    # Requests may still be running in threads: SQLite rolls back what was not committed.
    os._exit(0)


if __name__ == "__main__":
    main()
