"""`command.run`: one program without a shell, watched from before its first instruction to its end.

The process that becomes the command waits behind a pipe until its pid and start time are on the record. Its launcher
ends it when GRACE is gone, and writes how it ended to disk, so that a restart neither repeats it nor loses it.
"""

from __future__ import annotations

import shlex
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from pydantic import BaseModel, JsonValue, ValidationError

from grace.act.executors import Applied, Journal, launcher
from grace.act.executors.launcher import End, Order
from grace.act.executors.launching import (
    Launch,
    Launched,
    LaunchFailedError,
    awaited_end,
    end_unwatched,
    read_end,
    remove,
)
from grace.act.executors.marks import changed_since, mark_of
from grace.act.executors.preparing import CommandParameters, Ready, prepare
from grace.act.executors.references import is_unfilled
from grace.act.executors.workplace import Workplace, failed, led, own, refused
from grace.kit.cuts import cut
from grace.kit.filesystem.entries import Tree
from grace.kit.filesystem.paths import NotExactError
from grace.kit.ids import IdMint
from grace.kit.secret_references import without
from grace.kit.secrets import names_a_secret
from grace.kit.text_diff import bounded
from grace.model.catalogue import ActionSpec
from grace.model.execution import Outcome, StepState
from grace.model.noun import Noun
from grace.model.plan import THROUGH, Reversibility
from grace.model.reading import Unknown
from grace.model.target import Target
from grace.model.warrant import Refusal

_SEARCHED_FOR_SECRETS: Final = 64 * 1024
"""Characters at the beginning of an output from which its excerpt is made."""


class CommandRan(Noun):
    """What `command.run` reports: how it ended, and the beginning and end of what it wrote, without secrets."""

    how: str
    exit_code: int | None
    signal: int | None
    stdout: str
    stderr: str
    stdout_kept: str | None
    """Address in the vault of what was kept of its output; None when there was none."""
    stderr_kept: str | None
    output_bytes: int
    """How much it wrote in all, kept or not."""
    left: tuple[int, ...]
    """Processes that it left running."""
    wrote: str = "{}"
    """How the files in `writes` read afterwards: what `unless_changed` of its undo compares."""


class CommandRun:
    """`command.run`: start one program and see it to its end."""

    spec = ActionSpec(
        name="command.run",
        summary="Run one program without a shell",
        parameters=CommandParameters,
        outputs=CommandRan,
        reversibility=Reversibility.COMPENSABLE,
        provider=None,
        blast_radius="whatever that program may do under GRACE's user",
    )

    def __init__(self, workplace: Workplace) -> None:
        self._workplace = workplace
        self._mint = IdMint(workplace.clock)

    def targets(self, parameters: BaseModel) -> tuple[Target, ...] | Refusal:
        """Return what the call says it acts on (else the program itself) and the files that it says it writes."""
        ready = prepare(own(parameters, CommandParameters), self._workplace)
        return ready if isinstance(ready, Refusal) else ready.targets

    def predict(self, parameters: BaseModel) -> Mapping[str, JsonValue] | Refusal:
        """Return which program would run and where. What it would do, only the program knows."""
        wanted = own(parameters, CommandParameters)
        ready = prepare(wanted, self._workplace)
        if isinstance(ready, Refusal):
            return ready
        told: dict[str, JsonValue] = {
            "program": str(ready.program),
            "line": self._workplace.redact(shlex.join(wanted.argv)),
            "cwd": str(ready.cwd),
            "variables": [*sorted(ready.environment)],
            "effect": "known only to the program",
        }
        through: dict[str, JsonValue] = {str(link): str(way.real) for way in ready.ways for link in way.places[1:]}
        return {**told, THROUGH: through} if through else told

    def leads(self, parameters: BaseModel) -> Mapping[str, str | Unknown]:
        """Return where the files in `writes` lead now."""
        return led(own(parameters, CommandParameters).writes)

    def apply(self, parameters: BaseModel, journal: Journal) -> Outcome:  # noqa: PLR0911 - nothing may start in many ways
        """Run it; done means that it ended by itself with an expected exit code."""
        wanted = own(parameters, CommandParameters)
        ready = prepare(wanted, self._workplace)
        if isinstance(ready, Refusal):
            return Outcome(state=StepState.REFUSED, why=f"{ready.rule}: {ready.why} {ready.next}".strip())
        if why := self._refuses_now(wanted):
            return Outcome(state=StepState.REFUSED, why=why)
        try:
            before = self._before(ready)
        except NotExactError as error:
            return refused(error)
        folder = self._workplace.folder / self._mint.mint("command")
        try:
            folder.mkdir(mode=0o700, parents=True)
            launched = _run(self._order(wanted, ready, folder), journal)
        except LaunchFailedError as error:
            shutil.rmtree(folder)
            return failed(f"nothing was started: {error}")
        except OSError as error:
            return failed(f"nothing was started: {error.strerror} ({error.filename})")
        end = read_end(folder)
        if end is None:
            self._give_up(launched, folder, journal)
            return Outcome(state=StepState.UNKNOWN, why="the process that watched the command was killed")
        cut("executor.command.run.ended")
        ran = self._told(wanted, end, folder, journal, mark_of(wanted.writes, self._workplace.forbidden))
        journal.note({**ran.to_json(), **self._change(before, journal)})
        cut("executor.command.run.end_noted")
        remove(folder)
        return self._judge(wanted, ran, end["fault"])

    def probe(self, parameters: BaseModel, handle: Mapping[str, JsonValue] | None) -> Applied:
        """Tell from the recorded end; a command that is being ended is waited for."""
        if handle is None:
            return Applied.NO
        wanted = own(parameters, CommandParameters)
        known = _read_handle(handle)
        if known is None:
            return Applied.UNKNOWN
        launched, ran = known
        if ran is not None:
            return _applied(wanted, ran.how, ran.exit_code, ran.left)
        folder = self._workplace.folder / launched.folder
        end = awaited_end(folder, launched, wanted.patience, self._workplace.clock)
        return Applied.UNKNOWN if end is None else _applied(wanted, end["how"], end["exit_code"], end["left"])

    def gather(self, parameters: BaseModel, handle: Mapping[str, JsonValue], journal: Journal) -> None:
        """Note how an interrupted command ended and keep its output, then remove its files; one that runs is let be.

        How the files in `writes` read is not noted: what stands there after a crash may be anybody's.
        """
        wanted = own(parameters, CommandParameters)
        known = _read_handle(handle)
        folder = None if known is None else self._workplace.folder / known[0].folder
        if known is None or folder is None or not folder.is_dir():
            return
        launched, ran = known
        is_watched = launched.is_watched
        end = read_end(folder)
        if ran is None and end is None:
            if not is_watched:
                self._give_up(launched, folder, journal)
            return
        if ran is None and end is not None:
            journal.note(self._told(wanted, end, folder, journal).to_json())
            cut("executor.command.run.end_noted")
        remove(folder)

    def _give_up(self, launched: Launched, folder: Path, journal: Journal) -> None:
        """End what nobody watches any more and keep what it wrote; how it ended is not known and never will be."""
        end_unwatched(launched)
        kept = {"stdout_kept": launcher.STDOUT_FILE, "stderr_kept": launcher.STDERR_FILE}
        found = {name: _keep(_output(folder, file), journal) for name, file in kept.items()}
        journal.note({name: address for name, address in found.items() if address is not None})
        cut("executor.command.run.given_up")
        remove(folder)

    def _before(self, _ready: Ready) -> Mapping[str, Tree]:
        """Read what the command is to change, where that is known; raise NotExactError where it cannot be."""
        return {}

    def _judge(self, wanted: CommandParameters, ran: CommandRan, fault: str) -> Outcome:
        """Hold how it ended against what was expected."""
        return _judged(wanted, ran, fault)

    def _change(self, _before: Mapping[str, Tree], _journal: Journal) -> Mapping[str, JsonValue]:
        """Return what to note of what it changed, beside how it ended."""
        return {}

    def _refuses_now(self, wanted: CommandParameters) -> str:
        """Say why a command that may be planned is not to be run at this moment; nothing where it is."""
        if is_unfilled(wanted):
            return "parameters: a reference to an earlier output stands unfilled"
        if wanted.unless_changed is None:
            return ""
        foreign = changed_since(wanted.unless_changed, wanted.writes, self._workplace.forbidden)
        named = ", ".join(foreign)
        return f"foreign: what it would take back is not as it was left, others changed {named}" if foreign else ""

    def _order(self, wanted: CommandParameters, ready: Ready, folder: Path) -> Order:
        return {
            "program": str(ready.program),
            "argv": list(wanted.argv),
            "cwd": str(ready.cwd),
            "environment": dict(ready.environment),
            "folder": str(folder),
            "timeout_s": wanted.timeout,
            "patience_s": wanted.patience,
            "most_bytes": wanted.output_limit,
            "leaves_running": wanted.leaves_running,
        }

    def _told(
        self, wanted: CommandParameters, end: End, folder: Path, journal: Journal, wrote: str = "{}"
    ) -> CommandRan:
        stdout, stderr = _output(folder, launcher.STDOUT_FILE), _output(folder, launcher.STDERR_FILE)
        return CommandRan(
            how=end["how"],
            exit_code=end["exit_code"],
            signal=end["signal"],
            stdout=self._excerpt(wanted, stdout),
            stderr=self._excerpt(wanted, stderr),
            stdout_kept=_keep(stdout, journal),
            stderr_kept=_keep(stderr, journal),
            output_bytes=end["stdout_bytes"] + end["stderr_bytes"],
            left=tuple(end["left"]),
            wrote=wrote,
        )

    def _excerpt(self, wanted: CommandParameters, output: bytes) -> str:
        secrets = [self._workplace.environment.get(name, "") for name in wanted.environment if names_a_secret(name)]
        text = output.decode("utf-8", "replace")[:_SEARCHED_FOR_SECRETS]
        return bounded(self._workplace.redact(without(secrets, text)).rstrip("\n"))


def _output(folder: Path, name: str) -> bytes:
    """Return what a command wrote; nothing where its launcher was cut off before it opened the file."""
    try:
        return (folder / name).read_bytes()
    except FileNotFoundError:
        return b""


def _keep(output: bytes, journal: Journal) -> str | None:
    return journal.keep(output) if output else None


def _run(order: Order, journal: Journal) -> Launched:
    """Have it made ready, record it, let it go, and wait for its end."""
    with Launch(order) as launch:
        cut("executor.command.run.before_note")
        journal.note(launch.launched.to_json())
        cut("executor.command.run.noted")
        launch.let_go()
        cut("executor.command.run.released")
        launch.wait()
        return launch.launched


def _judged(wanted: CommandParameters, ran: CommandRan, fault: str) -> Outcome:
    """Hold how it ended against what was expected."""
    program, output = wanted.argv[0], ran.to_json()
    state, why = StepState.FAILED, ""
    match ran:
        case CommandRan(how=launcher.NOT_STARTED):
            why = f"{program} was never let go"
        case CommandRan(how=launcher.CANNOT_START):
            why = f"{program} cannot be run in {wanted.cwd}: {fault}"
        case CommandRan(left=(_, *_)) if not wanted.leaves_running:
            state, why = StepState.UNKNOWN, f"{program} left processes that cannot be ended: {ran.left}"
        case CommandRan(how=launcher.EXITED, exit_code=int() as code) if code in wanted.expect_exit:
            state = StepState.DONE
        case CommandRan(how=launcher.EXITED, exit_code=int() as code):
            expected = " or ".join(map(str, wanted.expect_exit))
            why = f"{program} ended with exit code {code}, expected {expected}"
        case CommandRan(how=launcher.EXITED):
            why = f"{program} was ended by signal {ran.signal}"
        case CommandRan(how=launcher.TIMED_OUT):
            state, why = StepState.UNKNOWN, f"{program} did not end within {wanted.timeout:g} s and was ended"
        case _:
            state, why = StepState.UNKNOWN, f"{program} was ended before it was through"
    return Outcome(state=state, output=output, why=why)


def _applied(wanted: CommandParameters, how: str, exit_code: int | None, left: object) -> Applied:
    """Tell what a recorded end says: only a command that was never run has surely done nothing."""
    if how in {launcher.NOT_STARTED, launcher.CANNOT_START}:
        return Applied.NO
    is_through = how == launcher.EXITED and (wanted.leaves_running or not left)
    return Applied.YES if is_through and exit_code in wanted.expect_exit else Applied.UNKNOWN


def _read_handle(handle: Mapping[str, JsonValue]) -> tuple[Launched, CommandRan | None] | None:
    """Return who was launched and, where that was noted, how it ended."""
    try:
        launched = Launched.model_validate({name: handle.get(name) for name in Launched.model_fields})
        has_ended = "how" in handle
        ended = {name: handle.get(name) for name in CommandRan.model_fields}
        return launched, CommandRan.model_validate(ended) if has_ended else None
    except ValidationError:
        return None
