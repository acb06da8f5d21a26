"""process actions: end a stuck process or signal one, by pid and start time, and only one that the service owns."""

from __future__ import annotations

import os
import select
import signal
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final, cast

from pydantic import BaseModel, Field, JsonValue, model_validator

from grace.act.executors import Action, Applied, Journal
from grace.act.executors.workplace import Parameters, Workplace, failed, own, unknown
from grace.kit.cuts import cut
from grace.kit.procfs import is_alive, process_stat, tcp_listeners, uid_of, write_lock_holders
from grace.model.catalogue import ActionSpec
from grace.model.execution import Outcome, StepState
from grace.model.noun import Noun
from grace.model.plan import Reversibility
from grace.model.quantities import AbsolutePath, Duration
from grace.model.target import Target
from grace.model.warrant import Refusal

KIND: Final = "process"
_INIT: Final = 1
_AFTER_KILL_S: Final = 5.0
_MILLISECONDS: Final = 1000
_LARGEST_PID_BYTES: Final = 64
_TIES: Final = ("holds", "listens", "pid_file")


class ProcessName(Parameters):
    """A process, as a probe found it: a pid is only a name together with its start time."""

    pid: int = Field(ge=2)
    started_at: int = Field(ge=0, description="Clock ticks from boot to its start.")


class FoundProcess(ProcessName):
    """A process as a `find` told of it: its name counts, and the tie at which it was found; the rest is left out."""

    name: str | None = Field(default=None, exclude=True)
    command: str | None = Field(default=None, exclude=True)
    uid: int | None = Field(default=None, exclude=True)
    host: str | None = Field(default=None, exclude=True)
    age_s: float | None = Field(default=None, exclude=True)
    held_s: float | None = Field(default=None, exclude=True)
    holds: AbsolutePath | None = Field(default=None, exclude=True)
    listens: int | None = Field(default=None, exclude=True)
    pid_file: AbsolutePath | None = Field(default=None, exclude=True)


class Tied(Parameters):
    """Which process, and what ties it to the service: checked again at the last moment.

    The whole result of a `find` may stand for the process. It brings its tie along, unless the call names one itself:
    a plan holds the same literals either way.
    """

    process: FoundProcess
    holds: AbsolutePath | None = Field(default=None, description="A file or database whose write lock it holds.")
    listens: int | None = Field(default=None, ge=1, le=65535, description="A TCP port on which it listens.")

    @model_validator(mode="before")
    @classmethod
    def _takes_the_tie_along(cls, given: object) -> object:
        written = _read(given)
        found = _read(written.get("process"))
        if any(written.get(tie) is not None for tie in _TIES):
            return given
        ties = {tie: found[tie] for tie in _TIES if tie in cls.model_fields and found.get(tie) is not None}
        return {**written, **ties} if ties else given


class TerminateParameters(Tied):
    """What `process.terminate` takes."""

    patience: Duration = Field(default=3.0, gt=0, le=60, description="From SIGTERM to SIGKILL.")

    @model_validator(mode="after")
    def _is_tied(self) -> TerminateParameters:
        if self.holds is None and self.listens is None:
            message = "name what ties the process to the service: `holds` (a path) or `listens` (a port)"
            raise ValueError(message)
        return self


class SignalName(StrEnum):
    """Signals that ask for something; none that ends by force."""

    HUP = "HUP"
    USR1 = "USR1"
    USR2 = "USR2"


class SignalParameters(Tied):
    """What `process.signal` takes."""

    signal: SignalName
    pid_file: AbsolutePath | None = Field(default=None, description="A file that holds its pid.")
    harmless_twice: bool = Field(default=False, description="Whether sending it again changes nothing, as a reload.")

    @model_validator(mode="after")
    def _is_tied(self) -> SignalParameters:
        if self.holds is None and self.listens is None and self.pid_file is None:
            message = "name what ties the process to the service: `holds`, `listens` or `pid_file`"
            raise ValueError(message)
        return self


class Ended(Noun):
    """What `process.terminate` reports."""

    pid: int
    by: str


class Signalled(Noun):
    """What `process.signal` reports."""

    pid: int
    signal: str


@dataclass(frozen=True, slots=True)
class _Process:
    """Everything the two actions share: who may be touched, and how the process is held."""

    workplace: Workplace

    def targets(self, process: ProcessName) -> tuple[Target, ...]:
        identity = f"{process.pid}@{process.started_at}"
        return (Target(kind=KIND, host=self.workplace.host, id=identity),)

    def refuses(self, tied: Tied, *, spares_main: bool, pid_file: str | None = None) -> Refusal | None:
        """Return why this process is not to be touched now, or None."""
        process = tied.process
        if not is_alive(process.pid, process.started_at):
            return Refusal(rule="process-gone", why=f"{_named(process)} has ended already", next="plan again")
        return (
            self._protected(process, spares_main=spares_main)
            or self._of_another_user(process)
            or _untied(tied, pid_file)
        )

    def _protected(self, process: ProcessName, *, spares_main: bool) -> Refusal | None:
        if process.pid == _INIT or process.pid in _own_lineage():
            return Refusal(rule="protected", why=f"{_named(process)} is GRACE itself or one of its ancestors")
        if spares_main and process.pid in self.workplace.processes.main_pids():
            why = f"{_named(process)} is the main process of a declared service"
            return Refusal(rule="protected", why=why, next="restart the service instead")
        return None

    def _of_another_user(self, process: ProcessName) -> Refusal | None:
        rules, mine = self.workplace.processes, os.geteuid()
        if mine == 0 and not rules.allow_as_root and process.pid not in rules.made_here():
            why = "GRACE runs as root, and ending or signalling processes as root is not allowed here"
            return Refusal(
                rule="root", why=why, next="set GRACE_ALLOW_PROCESS_CONTROL_AS_ROOT=true, or run GRACE as a user"
            )
        theirs = uid_of(process.pid)
        if theirs != mine and not rules.allow_other_users:
            return Refusal(rule="other-user", why=f"{_named(process)} belongs to user {theirs}, GRACE runs as {mine}")
        return None


class Terminate:
    """`process.terminate`: ask, wait, insist; done when the process is gone."""

    spec = ActionSpec(
        name="process.terminate",
        summary="End one process that holds a lock or port of the service",
        parameters=TerminateParameters,
        outputs=Ended,
        reversibility=Reversibility.IRREVERSIBLE,
        provider=None,
        blast_radius="one process, and what it had not written yet",
    )

    def __init__(self, workplace: Workplace) -> None:
        self._process = _Process(workplace)

    def targets(self, parameters: BaseModel) -> tuple[Target, ...] | Refusal:
        return self._process.targets(own(parameters, TerminateParameters).process)

    def predict(self, parameters: BaseModel) -> Mapping[str, JsonValue] | Refusal:
        given = own(parameters, TerminateParameters)
        refusal = self._process.refuses(given, spares_main=True)
        if refusal is not None:
            return refusal
        stat = process_stat(given.process.pid)
        name = stat.name if stat else ""
        return {"ends": _named(given.process), "name": name, "signals": ["TERM", "KILL"], "patience_s": given.patience}

    def apply(self, parameters: BaseModel, journal: Journal) -> Outcome:
        given = own(parameters, TerminateParameters)
        with _held(given.process) as descriptor:
            if descriptor is None:
                return failed(f"{_named(given.process)} had ended before it was asked to")
            refusal = self._process.refuses(given, spares_main=True)
            if refusal is not None:
                return Outcome(state=StepState.REFUSED, why=f"{refusal.rule}: {refusal.why}")
            cut("executor.process.terminate.before_signal")
            return _end(descriptor, given)

    def probe(self, parameters: BaseModel, handle: Mapping[str, JsonValue] | None) -> Applied:
        """Tell whether it is gone; while it lives, asking it again is no second effect."""
        process = own(parameters, TerminateParameters).process
        return Applied.NO if is_alive(process.pid, process.started_at) else Applied.YES


class Signal:
    """`process.signal`: send one signal that asks for something, such as a reload."""

    spec = ActionSpec(
        name="process.signal",
        summary="Send a signal that asks for something, such as a reload",
        parameters=SignalParameters,
        outputs=Signalled,
        reversibility=Reversibility.COMPENSABLE,
        provider=None,
        blast_radius="one process, and whatever it does on that signal",
    )

    def __init__(self, workplace: Workplace) -> None:
        self._process = _Process(workplace)

    def targets(self, parameters: BaseModel) -> tuple[Target, ...] | Refusal:
        return self._process.targets(own(parameters, SignalParameters).process)

    def predict(self, parameters: BaseModel) -> Mapping[str, JsonValue] | Refusal:
        given = own(parameters, SignalParameters)
        refusal = self._process.refuses(given, spares_main=False, pid_file=given.pid_file)
        return refusal or {"sends": given.signal.value, "to": _named(given.process)}

    def apply(self, parameters: BaseModel, journal: Journal) -> Outcome:
        given = own(parameters, SignalParameters)
        with _held(given.process) as descriptor:
            if descriptor is None:
                return failed(f"{_named(given.process)} has ended")
            refusal = self._process.refuses(given, spares_main=False, pid_file=given.pid_file)
            if refusal is not None:
                return Outcome(state=StepState.REFUSED, why=f"{refusal.rule}: {refusal.why}")
            journal.note({"sends": given.signal.value})
            cut("executor.process.signal.before_signal")
            sent = _send(descriptor, signal.Signals[f"SIG{given.signal.value}"])
            cut("executor.process.signal.after_signal")
            if not sent:
                return failed(f"{_named(given.process)} has ended")
            return Outcome(state=StepState.DONE, output={"pid": given.process.pid, "signal": given.signal.value})

    def probe(self, parameters: BaseModel, handle: Mapping[str, JsonValue] | None) -> Applied:
        """Tell `no` where it was never about to be sent or may be sent again; a signal leaves no other trace."""
        given = own(parameters, SignalParameters)
        return Applied.NO if handle is None or given.harmless_twice else Applied.UNKNOWN


class ProcessExecutor:
    """The actions on processes."""

    def __init__(self, workplace: Workplace) -> None:
        self._actions: dict[str, Action] = {
            Terminate.spec.name: Terminate(workplace),
            Signal.spec.name: Signal(workplace),
        }

    @property
    def actions(self) -> Mapping[str, Action]:
        return self._actions


def build(workplace: Workplace) -> ProcessExecutor:
    """Make the executor; the entry point."""
    return ProcessExecutor(workplace)


def _read(given: object) -> Mapping[str, object]:
    """Return what is written in an object; nothing where it is none, which is told by its type later."""
    return cast("Mapping[str, object]", given) if isinstance(given, Mapping) else {}


def _end(descriptor: int, given: TerminateParameters) -> Outcome:
    pid = given.process.pid
    for number, patience_s in ((signal.SIGTERM, given.patience), (signal.SIGKILL, _AFTER_KILL_S)):
        if not _send(descriptor, number) or _is_over(descriptor, patience_s):
            cut("executor.process.terminate.after_end")
            return Outcome(state=StepState.DONE, output={"pid": pid, "by": number.name})
    return unknown(f"{_named(given.process)} still runs {_AFTER_KILL_S:g} s after SIGKILL")


@contextmanager
def _held(process: ProcessName) -> Generator[int | None]:
    """Hold the process by a pidfd, so that its pid cannot come to mean another; None when it is gone.

    The descriptor comes first and the start time is compared after it: the other way round a pid could change hands.
    """
    try:
        descriptor = os.pidfd_open(process.pid)
    except ProcessLookupError:
        yield None
        return
    try:
        yield descriptor if is_alive(process.pid, process.started_at) else None
    finally:
        os.close(descriptor)


def _send(descriptor: int, number: signal.Signals) -> bool:
    try:
        signal.pidfd_send_signal(descriptor, number)
    except ProcessLookupError:
        return False
    return True


def _is_over(descriptor: int, patience_s: float) -> bool:
    """Wait until the process has ended; a zombie has."""
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(patience_s * _MILLISECONDS))


def _own_lineage() -> frozenset[int]:
    """Return this process and all its ancestors."""
    lineage: set[int] = set()
    pid = os.getpid()
    while pid > 0 and pid not in lineage:
        lineage.add(pid)
        stat = process_stat(pid)
        pid = 0 if stat is None else stat.parent
    return frozenset(lineage)


def _untied(tied: Tied, pid_file: str | None) -> Refusal | None:
    """Return why the process has nothing to do with the service any more, or None."""
    pid = tied.process.pid
    checks: list[tuple[str | int | None, Callable[[], bool], str]] = [
        (tied.holds, lambda: pid in write_lock_holders(tied.holds or "", (pid,)).pids, "holds no write lock on"),
        (tied.listens, lambda: pid in tcp_listeners(tied.listens or 0).pids, "does not listen on port"),
        (pid_file, lambda: _pid_in(pid_file or "") == pid, "is not the process in"),
    ]
    for tie, still, verb in checks:
        if tie is not None and not still():
            why = f"{_named(tied.process)} {verb} {tie}"
            return Refusal(rule="not-tied", why=why, next="plan again", is_of_now=True)
    return None


def _pid_in(file: str) -> int | None:
    try:
        with Path(file).open("rb") as opened:
            written = opened.read(_LARGEST_PID_BYTES).strip()
    except OSError:
        return None
    return int(written) if written.isdigit() else None


def _named(process: ProcessName) -> str:
    return f"process {process.pid} (started at tick {process.started_at})"
