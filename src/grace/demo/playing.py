"""Play the demo from setting up to cleaning up."""

from __future__ import annotations

import http.client
import signal
import sqlite3
import subprocess
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from types import FrameType
from typing import Final

from grace_sdk.client import ClientError

from grace.demo import ending, harmful_cure, janitor, locked_database, power_cut, question, silence
from grace.demo.cast import ORDERS_PER_S, SERVICE, Cast
from grace.demo.children import Children
from grace.demo.ground import prepare
from grace.demo.page import Page, Report
from grace.demo.scene import Played
from grace.demo.visitor import WaitedTooLongError
from grace.kit.clock import SystemClock

TRUE: Final = 0
FALSE: Final = 1
_STOPPED: Final = 128
_FAILURES: Final = (
    WaitedTooLongError,
    ClientError,
    LookupError,
    OSError,
    http.client.HTTPException,
    sqlite3.Error,
    subprocess.SubprocessError,
)
"""How a scene can fail to be played: somebody does not answer, is not there, or has no end."""
_STOPS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

Scene = tuple[str, Callable[[Cast], list[Played]]]
SCENES: Final[tuple[Scene, ...]] = (
    ("A locked database", locked_database.play),
    ("A cure that harms", harmful_cure.play),
    ("A question", question.play),
    ("A power cut", power_cut.play),
    ("Exit 0, and silence", silence.play),
)


class StoppedByPersonError(BaseException):
    """Somebody ended the demo. No failure of ours: nothing on the way handles it."""

    def __init__(self, number: int) -> None:
        self.number = number
        super().__init__(signal.Signals(number).name)


def play(page: Page, *, keep: bool = False, scenes: Sequence[Scene] = SCENES) -> int:
    """Play every scene and return 0 if every line was true; leave no process, no port and no file behind.

    With `keep` the server and the service stay up when all was true. When a line was false, the files stay.
    """
    with _first_stop_raises() as stops:
        children = Children.take_on()
        wish = janitor.KEEP_FILES
        try:
            stops.arm()
            code = _on_ground(page, children, scenes, keep=keep)
            wish = _wish(code, keep=keep)
            stops.are_armed = False
        except StoppedByPersonError as stopped:
            # The wish comes first: whatever becomes of the sentence, nothing is left behind.
            wish, code = "", _STOPPED + stopped.number
            with suppress(OSError):  # Who reads the sentence may have been ended by the same signal.
                page.line()
                page.line(f"Stopped by {stopped}: everything is ended and removed.")
        finally:
            stops.are_armed = False
            children.close(wish)
    return code


def _on_ground(page: Page, children: Children, scenes: Sequence[Scene], *, keep: bool) -> int:
    ground = prepare(children.folder)
    clock = SystemClock()
    cast = Cast(ground, children, clock, Report(page, clock), clock.now())
    code = _play(cast, scenes, keep=keep)
    ground.close()
    return code


def _play(cast: Cast, scenes: Sequence[Scene], *, keep: bool) -> int:
    report, page = cast.report, cast.report.page
    try:
        _set_up(cast)
        played = [one for number, scene in enumerate(scenes, start=1) for one in _scene(cast, number, scene)]
        ending.play(cast, played, keep=keep)
    except _FAILURES as error:
        report.claim("the demo could be played to its end", true=False, shown=f"{type(error).__name__}: {error}")
    end = {"true": not report.falsities, "checked": report.checked, "seconds": round(report.seconds, 1)}
    page.told("end", {**end, "folder": str(cast.ground.folder) if keep or report.falsities else None})
    if not report.falsities:
        ending.say_what_next(cast, keep=keep)
        return TRUE
    page.line()
    for sentence in report.falsities:
        page.line(page.marked("violated", f"not true: {sentence}"))
    page.line(f"All of it is kept in {cast.ground.folder}: logs of every process in logs/, GRACE's record in grace/.")
    return FALSE


def _scene(cast: Cast, number: int, scene: Scene) -> list[Played]:
    title, played = scene
    cast.report.scene(number, title)
    return played(cast)


def _set_up(cast: Cast) -> None:
    report = cast.report
    report.tell("folder", f"{cast.ground.folder}, removed at the end")
    cast.start_grace()
    report.tell("grace", f"a server of its own at {cast.ground.grace.address}")
    cast.start_orders(cast.introduce())
    report.tell(
        "orders", f"{cast.ground.orders.address}, {ORDERS_PER_S} orders a second, every acknowledged one written down"
    )
    note, size = cast.admin.checkpoint()
    cast.ground.checkpoint.write_text(note, encoding="utf-8")
    report.tell("outside", f"the ledger's signed checkpoint at {size} entries, kept for the end")
    benchmark_id, measured = cast.olga.measure(SERVICE)
    cast.admin.make_golden(benchmark_id)
    report.tell("golden", f"/healthz answers in {measured.median:.1f} ms ({len(measured.values)} measurements)")


def _wish(code: int, *, keep: bool) -> str:
    if code != TRUE:
        return janitor.KEEP_FILES
    return janitor.GUARD if keep else ""


@dataclass(slots=True)
class _Stops:
    """Whether a stop raises. One does: those that come while the demo is ending change nothing."""

    are_armed: bool = False
    early: int | None = None
    """A stop that came before anything was there to be cleaned up by."""

    def arm(self) -> None:
        """Let the next stop raise, and one that came already at once."""
        if self.early is not None:
            raise StoppedByPersonError(self.early)
        self.are_armed = True

    def hear(self, number: int, _frame: FrameType | None) -> None:
        """Raise for the first stop, and let nothing interrupt the cleaning up after it; it takes seconds at most."""
        if self.are_armed:
            self.are_armed = False
            raise StoppedByPersonError(number)
        self.early = self.early or number


@contextmanager
def _first_stop_raises() -> Generator[_Stops]:
    """Turn what ends a program into one exception, so that cleaning up is reached and done in peace."""
    stops = _Stops()
    before = {number: signal.signal(number, stops.hear) for number in _STOPS}
    try:
        yield stops
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
