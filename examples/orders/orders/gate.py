"""The gate: so much work at once, and a short queue before it."""

import asyncio
from collections import deque


class Gate:
    """Let `limit` tasks work at once, first come first served; who waits longer than `timeout_ms` gets TimeoutError."""

    def __init__(self, limit: int, timeout_ms: int) -> None:
        self._limit = limit
        self._timeout_ms = timeout_ms
        self.at_work = 0
        self._waiting: deque[asyncio.Future[None]] = deque()

    async def __aenter__(self) -> None:
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        self._admit()
        try:
            await asyncio.wait([turn], timeout=self._timeout_ms / 1000)
        except asyncio.CancelledError:
            if not turn.cancel():
                self._leave()
            raise
        if turn.cancel():  # which a turn that has come refuses
            message = f"no turn within {self._timeout_ms} ms (max_concurrency is {self._limit})"
            raise TimeoutError(message)

    async def __aexit__(self, *_: object) -> None:
        self._leave()

    def change(self, limit: int, timeout_ms: int) -> None:
        """Use other limits from now on; work that has begun is finished."""
        self._limit = limit
        self._timeout_ms = timeout_ms
        self._admit()

    def _leave(self) -> None:
        self.at_work -= 1
        self._admit()

    def _admit(self) -> None:
        while self._waiting and self.at_work < self._limit:
            turn = self._waiting.popleft()
            if not turn.cancelled():
                self.at_work += 1
                turn.set_result(None)
