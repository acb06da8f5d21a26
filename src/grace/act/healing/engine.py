"""The durable engine: DBOS on its own SQLite file. It decides when a run is carried on, never what is true."""

from __future__ import annotations

import asyncio
import json
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine, Generator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Final, cast

from dbos import DBOS, DBOSConfig, Serializer, SetWorkflowID
from pydantic import JsonValue
from sqlalchemy import Engine as Database
from sqlalchemy import create_engine, event
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import ConnectionPoolEntry

from grace.act.healing.engine_file import NO_FACT, EngineUnusableError, set_damaged_aside
from grace.kit.clock import SystemClock
from grace.kit.wording import in_words
from grace.model.run import Fall

APPLICATION_VERSION: Final = "2"
"""Raised when a stage is added, removed or renamed: runs of an older version are then carried on from the ledger."""

FALLEN_AFTER_S: Final = 5.0
"""So long the engine may call a run live that nobody walks; then its end could not be recorded, as on a full disk."""
LONGEST_REST_S: Final = 300.0
"""A run that falls over goes on after a rest that doubles up to this; each life begins where the ledger stands."""

_LOG: Final = logging.getLogger(__name__)
_EXECUTOR: Final = "grace"
_LIVE: Final = ["PENDING", "ENQUEUED", "DELAYED"]
_MOST_DOUBLINGS: Final = 16
_NOTICE_S: Final = 0.05
_LONGEST_FAREWELL_S: Final = 10

Walk = Callable[[str], Coroutine[object, object, str]]


class JsonSerializer(Serializer):
    """Plain JSON, so that moving a module breaks no sleeping run. `args` comes back as a tuple."""

    def serialize(self, data: object) -> str:
        """Write a value of the engine as JSON; an exception becomes its sentence."""
        return json.dumps(data, default=_as_text, separators=(",", ":"))

    def deserialize(self, serialized_data: str) -> object:
        """Read it back."""
        value: object = json.loads(serialized_data)
        if not isinstance(value, dict):
            return value
        document = cast("dict[str, object]", value)
        if set(document) == {"args", "kwargs"}:
            return {"args": tuple(cast("list[object]", document["args"])), "kwargs": document["kwargs"]}
        return RuntimeError(document["failed"]) if set(document) == {"failed"} else document

    def name(self) -> str:
        """Name the format in the engine's tables."""
        return "grace_json_1"


def _as_text(value: object) -> JsonValue:
    if isinstance(value, BaseException):
        return {"failed": f"{type(value).__name__}: {value}"}
    message = f"the engine stores JSON only, not {type(value).__name__}"
    raise TypeError(message)


@dataclass(frozen=True, slots=True)
class _Walk:
    """A run that is being walked in this process, and where."""

    run_id: str
    loop: asyncio.AbstractEventLoop


class DurableEngine:
    """Starts, carries on and wakes runs. One for each process: the library is a singleton."""

    def __init__(self, file: Path, walk: Walk) -> None:
        self._clock = SystemClock()
        self._file = file
        set_damaged_aside(file, self._clock)
        self._database = _open(file)
        self._lives: Counter[str] = Counter()
        self._rests_until: dict[str, float] = {}
        self._unseen_since: dict[str, float] = {}
        self._fell_for: dict[str, str] = {}
        self._fallen: dict[str, Fall] = {}
        self._walking: dict[asyncio.Task[object], _Walk] = {}
        config = DBOSConfig(
            name="grace",
            application_version=APPLICATION_VERSION,
            executor_id=_EXECUTOR,
            system_database_engine=self._database,
            system_database_url=f"sqlite:///{file}",
            serializer=JsonSerializer(),
            log_level="WARNING",
            console_log_level="CRITICAL",
            notification_listener_polling_interval_sec=_NOTICE_S,
            use_listen_notify=False,
        )
        _route_log()
        DBOS(config=config)

        async def carry_on(run_id: str) -> str:
            with self._watched(run_id):
                ended = await walk(run_id)
                self._fallen.pop(run_id, None)
                return ended

        self._walk = DBOS.workflow(name="walk")(carry_on)

    @contextmanager
    def _watched(self, run_id: str) -> Generator[None]:
        """Keep in mind who walks, and of a walk that falls over why, with its traceback in the log."""
        task = asyncio.current_task()
        if task is not None:
            self._walking[task] = _Walk(run_id, asyncio.get_running_loop())
        with ExitStack() as at_the_end:
            at_the_end.push(partial(self._note_fall, run_id))
            if task is not None:
                at_the_end.callback(self._walking.pop, task, None)
            yield

    def _note_fall(
        self, run_id: str, _kind: type[BaseException] | None, error: BaseException | None, _trace: TracebackType | None
    ) -> bool:
        if isinstance(error, Exception):
            self._fell_for[run_id] = why = f"{type(error).__name__}: {in_words(error)}"
            before = self._fallen.get(run_id)
            is_known = before is not None and before.why == why
            times = 1 if before is None else before.times + 1
            self._fallen[run_id] = Fall(run_id=run_id, why=why, times=times, at=self._clock.now())
            _LOG.error("%s fell over", run_id, exc_info=None if is_known else error)
        return False

    def falls(self) -> tuple[Fall, ...]:
        """Return the runs that fell over in this process and have not come to an end since, by run."""
        return tuple(fall for _, fall in sorted(self._fallen.copy().items()))

    def launch(self) -> None:
        """Open the engine's tables and carry on what its own records say was under way.

        Raise EngineUnusableError where its file cannot be brought to what the engine needs.
        """
        try:
            DBOS.launch()
        except DBAPIError as error:
            what_next = f"If no other process uses it, move {self._file} away: {NO_FACT}."
            raise EngineUnusableError(self._file, f"SQLite says {error.orig}", what_next) from error

    def begin(self, run_id: str) -> None:
        """Carry on a run that was opened just now, which the engine cannot know yet."""
        self._lives[run_id] += 1
        self._start(run_id, run_id)

    def start(self, run_id: str) -> None:
        """Carry a run on, unless it is being carried on already or rests; safe to call again."""
        attempts = DBOS.list_workflows(workflow_id_prefix=run_id)
        is_live = any(one.status in _LIVE and one.app_version == APPLICATION_VERSION for one in attempts)
        if is_live and not self._has_fallen(run_id):
            return
        now = self._clock.monotonic()
        if now < self._rests_until.get(run_id, now):
            return
        self._rests_until[run_id] = now + min(LONGEST_REST_S, 2.0 ** min(self._lives[run_id], _MOST_DOUBLINGS))
        self._lives[run_id] += 1
        if self._lives[run_id] > 1:
            why = self._fell_for.pop(run_id, "nobody walked it, and its end was not recorded")
            _LOG.error("%s fell over (%s) and is carried on from the ledger: grace explain %s", run_id, why, run_id)
        for attempt in attempts:
            if attempt.status in _LIVE:
                DBOS.cancel_workflow(attempt.workflow_id)
        self._start(run_id, run_id if not attempts else f"{run_id}/{len(attempts) + 1}")

    def _has_fallen(self, run_id: str) -> bool:
        """Tell whether nobody walks a run that the engine calls live, for longer than beginning it takes."""
        if any(walk.run_id == run_id for walk in tuple(self._walking.values())):
            self._unseen_since.pop(run_id, None)
            return False
        now = self._clock.monotonic()
        return now - self._unseen_since.setdefault(run_id, now) >= FALLEN_AFTER_S

    def _start(self, run_id: str, workflow_id: str) -> None:
        self._unseen_since.pop(run_id, None)
        with SetWorkflowID(workflow_id):
            DBOS.start_workflow(self._walk, run_id)

    def ring(self, run_id: str, topic: str) -> None:
        """Wake a run that hears this topic; nothing happens when it is not there."""
        for attempt in DBOS.list_workflows(workflow_id_prefix=run_id, status=_LIVE):
            DBOS.send(attempt.workflow_id, "ring", topic)

    def close(self) -> None:
        """Stop; what is under way is carried on at the next start.

        Walks are ended before the library is: else it leaves their threads waiting for a loop that has stopped, and
        this process waiting for those threads. A thread of the library may still hold a connection then.
        """
        walking = tuple(self._walking.items())
        for task, walk in walking:
            walk.loop.call_soon_threadsafe(task.cancel)
        DBOS.destroy(destroy_registry=True, workflow_completion_timeout_sec=_LONGEST_FAREWELL_S if walking else 0)
        event.listen(self._database.pool, "checkin", _close_at_once)
        self._database.dispose()


class DurableSteps:
    """The engine as one run sees it, inside its workflow."""

    async def step(self, name: str, work: Callable[[], Awaitable[JsonValue]]) -> JsonValue:
        """Do the work at least once and remember its small answer."""

        async def once() -> JsonValue:
            return await work()

        return await DBOS.run_step_async({"name": name}, once)

    async def hear(self, topic: str, timeout_s: float) -> None:
        """Wait until somebody rings for this run, or the time is over."""
        await DBOS.recv_async(topic, timeout_seconds=timeout_s)


def _open(file: Path) -> Database:
    database = create_engine(f"sqlite:///{file}", connect_args={"timeout": 30.0, "check_same_thread": False})

    def prepare(connection: DBAPIConnection, _: object) -> None:
        connection.isolation_level = "IMMEDIATE"
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("PRAGMA busy_timeout=30000")
        connection.execute("PRAGMA foreign_keys=ON")
        # SQLite before 3.42 has no unixepoch('subsec'), which the engine's columns default to.
        if connection.execute("SELECT unixepoch('subsec')").fetchone()[0] is None:
            connection.create_function("unixepoch", 1, _unixepoch, deterministic=False)

    event.listen(database, "connect", prepare)
    return database


def _close_at_once(_: DBAPIConnection | None, given_back: ConnectionPoolEntry) -> None:
    """Close a connection that comes back after the end: no pool would ever do so."""
    given_back.invalidate()


def _unixepoch(modifier: str) -> float:
    seconds = SystemClock().now().timestamp()
    return seconds if modifier == "subsec" else float(int(seconds))


def _route_log() -> None:
    logger = logging.getLogger("dbos")
    logger.handlers.clear()
    logger.propagate = True
    logger.setLevel(logging.WARNING)
