"""A server that runs: can it write, who gets its events, what is stopped, how old is what its witness holds."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from grace.doctor.saying import doubtful, failed, well
from grace.govern.halt.switch import EVERYWHERE, Halt
from grace.kit.clock import Clock
from grace.kit.lasting import LastingThread
from grace.model.examination import CheckResult
from grace.record.mesh.subscription import Progress

LARGEST_LAG: Final = 1_000
LONGEST_UNWITNESSED_S: Final = 10.0


@dataclass(frozen=True, slots=True)
class Witnessed:
    """What the witness holds, beside the log as it is."""

    size: int
    kept: int
    kept_at: datetime | None
    trouble: str | None


@dataclass(frozen=True, slots=True)
class Server:
    """What a server tells of itself, asked at the moment of the check."""

    clock: Clock
    writing_trouble: Callable[[], str | None]
    progress: Callable[[], Sequence[tuple[Progress, int]]]
    halts: Callable[[], Sequence[Halt]]
    witnessed: Callable[[], Witnessed]

    def checks(self) -> Iterator[CheckResult]:
        trouble = self.writing_trouble()
        if trouble is None:
            yield well("server.record", "record", "what was written last stands")
        else:
            yield failed("server.record", "record", trouble, "make room or mend the disk: df -h, dmesg | tail")
        yield witness(self.witnessed(), self.clock.now())
        for told, dead in self.progress():
            yield subscriber(told, dead)
        yield from halts(self.halts())


def halts(standing: Sequence[Halt]) -> Iterator[CheckResult]:
    """Say which halts stand: a person wanted each, and somebody should still know."""
    for one in standing:
        where, option = (
            ("everywhere", "") if one.scope == EVERYWHERE else (f"for {one.scope}", f" --service {one.scope}")
        )
        yield doubtful("server.halt", f"halt {where}", f"by {one.by}: {one.reason}", f"grace halt --end{option}")
    if not standing:
        yield well("server.halt", "halt", "nothing is halted")


def threads(lasting: Sequence[LastingThread]) -> Iterator[CheckResult]:
    """Say which thread is down, and which fell over since the start; one that was never begun again is a failure."""
    check = "server.threads"
    for one in lasting:
        if (down := one.down) is not None:
            yield failed(check, one.name, down, "the server's log says where it fell; then start GRACE again")
        elif (trouble := one.trouble) is not None:
            yield doubtful(check, one.name, trouble, "the server's log says where it fell")
    if all(one.trouble is None for one in lasting):
        yield well(check, "threads", f"{len(lasting)} are at work", float(len(lasting)))


def witness(held: Witnessed, now: datetime) -> CheckResult:
    """Judge how much of the log its witness covers, and since when."""
    check, about, behind = "server.witness", "witness", held.size - held.kept
    age_s = None if held.kept_at is None else round((now - held.kept_at).total_seconds(), 1)
    found = f"{held.kept} of {held.size} entries are witnessed" + ("" if age_s is None else f", since {age_s:g} s")
    if held.trouble is not None:
        return failed(
            check, about, f"{found}; {held.trouble}", "make room for the witness file, or mend its disk", age_s, "s"
        )
    if behind and age_s is not None and age_s > LONGEST_UNWITNESSED_S:
        return doubtful(check, about, f"{found}; {behind} wait", "grace status; the server's log says why", age_s, "s")
    return well(check, about, found, age_s, "s" if age_s is not None else "")


def subscriber(told: Progress, dead: int) -> CheckResult:
    """Judge how far somebody is who gets events."""
    check, about = "server.mesh", f"subscriber {told.name}"
    found = f"{told.behind} behind, {dead} dead letters"
    if told.disabled_why is not None:
        advice = f"grace mesh enable {told.name}"
        return failed(check, about, f"{found}; disabled: {told.disabled_why}", advice, float(told.behind), "entries")
    if told.is_stuck:
        advice = f"grace mesh status; then mend what {told.name} waits for"
        return failed(
            check, about, f"{found}; stuck: {told.hanging} deliveries hang", advice, float(told.behind), "entries"
        )
    if dead:
        return doubtful(check, about, found, f"grace mesh letters {told.name}", float(dead), "letters")
    if told.behind > LARGEST_LAG:
        return doubtful(check, about, found, "grace mesh status", float(told.behind), "entries")
    return well(check, about, found, float(told.behind), "entries")
