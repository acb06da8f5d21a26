"""`grace do`: tonight's fix by hand, under snapshot, measurement, undo, policy and ledger; and kept as a playbook."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Annotated, Final

import typer
from grace_sdk.client import ApiProblem, Json

from grace.cli.calls import LAST, CommandFailed, JsonObject, Session, View
from grace.cli.durations import read_duration
from grace.cli.exits import Exit
from grace.cli.expecting import read_expectation
from grace.cli.following import Follower
from grace.cli.heal import Draft
from grace.cli.plan_page import show_decision, show_plan
from grace.cli.screen import marked
from grace.cli.verdict_page import show_verdict
from grace.cli.views import RunDetail, RunView
from grace.cli.visiting import command_file, online
from grace.kit.clock import SystemClock
from grace.kit.ids import new_id
from grace.model.contract import MINIMUM_SAMPLES, Phase
from grace.model.handwork import BY_HAND
from grace.model.plan import Plan
from grace.settings import load_settings

app = command_file()

_LONGEST_LOOK_S: Final = 120.0
"""Indicators are read a few times beforehand, and a probe may take its time."""
_LOOKED_THROUGH: Final = 100
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
_ROOT: Final = "/"
_HERE: Final = (".", "..", "./", "../")
_EXAMPLE: Final = "grace do --service orders --writes /etc/app/app.conf -- sed -i s/10/30/ /etc/app/app.conf"


class Foreseen(View):
    """What would be done, and what nobody will watch."""

    draft: Draft
    unwatched: dict[str, str]
    objections: tuple[str, ...] = ()


class Begun(View):
    """The run, and what it was foreseen to do."""

    run: RunView
    foreseen: Foreseen | None = None


class Saved(View):
    """The two files of a playbook."""

    name: str
    playbook: str
    cases: str


Words = Annotated[
    list[str] | None, typer.Argument(metavar="[-- COMMAND...]", help="What to run; with --save, a run or @last.")
]
Service = Annotated[str, typer.Option(metavar="NAME", help="The service that is mended.")]
Environment = Annotated[str, typer.Option(metavar="NAME", help="Where several have a service of this name.")]
Writes = Annotated[list[str] | None, typer.Option(metavar="PATH", help="A file that it changes; may be repeated.")]
Creates = Annotated[list[str] | None, typer.Option(metavar="PATH", help="A file that it makes; may be repeated.")]
Undo = Annotated[str, typer.Option(metavar="COMMAND", help="Takes back what lies beside the files.")]
Expect = Annotated[list[str] | None, typer.Option(metavar="CLAUSE", help="What must hold afterwards; may be repeated.")]
IncidentId = Annotated[str, typer.Option(metavar="ID", help="The incident that it is for, or @last.")]
Reason = Annotated[str, typer.Option(metavar="WHY", help="Why; it goes on the record.")]
Timeout = Annotated[str, typer.Option(metavar="DURATION", help="How long the command may take.")]
Within = Annotated[str, typer.Option(metavar="DURATION", help="How soon it must hold.")]
Lasting = Annotated[str, typer.Option("--for", metavar="DURATION", help="How long it must hold.")]
Cwd = Annotated[str, typer.Option(metavar="FOLDER", help="Where the command runs; else in /.")]
OnlyPlan = Annotated[bool, typer.Option("--plan", help="Show what would be done; change nothing.")]
Wait = Annotated[bool, typer.Option(help="Follow the run to its end, or to the question it waits for.")]
Save = Annotated[str, typer.Option(metavar="NAME", help="Keep a committed run as the playbook NAME.")]
Cause = Annotated[str, typer.Option(metavar="CAUSE", help="With --save: the cause that the playbook heals.")]
Output = Annotated[
    Path | None, typer.Option(metavar="FOLDER", help="With --save: where to write; else the first playbook folder.")
]


@app.command("do")
@partial(online, timeout_s=_LONGEST_LOOK_S)
def do(  # noqa: PLR0913 - an option is a parameter
    session: Session,
    command: Words = None,
    *,
    service: Service = "",
    environment: Environment = "",
    writes: Writes = None,
    creates: Creates = None,
    undo: Undo = "",
    expect: Expect = None,
    incident: IncidentId = "",
    reason: Reason = "",
    timeout: Timeout = "60s",
    within: Within = "30s",
    lasting: Lasting = "5s",
    cwd: Cwd = "",
    plan: OnlyPlan = False,
    wait: Wait = True,
    save: Save = "",
    cause: Cause = "",
    output: Output = None,
) -> None:
    """Run one command under snapshot, measurement, undo, policy and ledger; its settlement is the exit code.

    What follows -- is run as it is written, without a shell; a pipe needs `sh -c` and one quoted text.
    """
    if save:
        _require_name(save)
        _save(session, _done_by_hand(session, command or []), save, cause, output)
        return
    asked: JsonObject = {
        **_named(command or [], service),
        "writes": [_absolute(path) for path in writes or ()],
        "creates": [_absolute(path) for path in creates or ()],
        "undo": _words("--undo", undo),
        "expect": [read_expectation(one) for one in expect or ()],
        "within": read_duration("--within", within, "--within 30s", most="1d", may_be_nothing=True),
        "lasting": read_duration("--for", lasting, "--for 5s", most="1d"),
        "timeout": read_duration("--timeout", timeout, "--timeout 60s", most="1h"),
        "cwd": _absolute(cwd) if cwd else _everywhere(command or []),
        "reason": reason,
        **({"environment": environment} if environment else {}),
        **({"incident_id": session.resolve("/api/incidents", incident, "incident")} if incident else {}),
    }
    if plan:
        _foresee(session, asked)
        return
    _do(session, asked, wait=wait)


def _named(command: list[str], service: str) -> JsonObject:
    if not command:
        raise CommandFailed(Exit.USAGE, "no command is given: write it behind --", _EXAMPLE)
    if not service:
        raise CommandFailed(Exit.USAGE, "no service is named", _EXAMPLE)
    return {"service": service, "command": [*command]}


def _absolute(path: str) -> str:
    """Read a relative path from where it was typed, as every other command does.

    A `..` behind a symlink is refused: written out, the path would be another one than the command is given.
    """
    written = os.path.abspath(path)  # noqa: PTH100 - a Path would keep `..`, and symlinks are to stay in it
    if ".." in path.split("/") and os.path.realpath(written) != os.path.realpath(path):
        raise CommandFailed(Exit.USAGE, f"{path} goes back behind a symlink", f"name {os.path.realpath(path)} itself")
    return written


def _everywhere(command: list[str]) -> str:
    """Return the root, where a command runs unless told otherwise; refuse one that reads its paths from here.

    `--writes` is read from where it was typed: a person would approve the right file and the command miss it.
    """
    here = os.getcwd()  # noqa: PTH109 - what is typed is read from it, as it is
    astray = next((word for number, word in enumerate(command) if _is_meant_from(here, word, number)), None)
    if astray is not None:
        sentence = f"{astray!r} is here in {here}, but the command runs in {_ROOT}, where it means something else"
        raise CommandFailed(Exit.USAGE, sentence, "say --cwd . to run it here, or write whole paths")
    return _ROOT


def _is_meant_from(here: str, word: str, number: int) -> bool:
    """Tell whether a word names what is here and not there; the first names a program, by a path or by PATH."""
    path = word.partition("=")[2] if word.startswith("-") else word
    if not path or path.startswith("/") or (number == 0 and "/" not in path) or here == _ROOT:
        return False
    there = os.path.join(_ROOT, path)  # noqa: PTH118 - as the command will read it
    return os.path.lexists(os.path.join(here, path)) and (path in _HERE or not os.path.lexists(there))  # noqa: PTH118


def _require_name(name: str) -> None:
    if not _NAME.fullmatch(name):
        sentence = f"{name!r} is no name of a playbook: small letters, digits and dashes, 63 at most"
        raise CommandFailed(Exit.USAGE, sentence, "grace do --save raise-pool @last")


def _do(session: Session, asked: JsonObject, *, wait: bool) -> None:
    document = session.post("/api/do", {**asked, "key": new_id("do")})
    begun = session.read(Begun, document)
    if not session.screen.as_json and begun.foreseen is not None:
        _show(session, begun.foreseen, asked)
        session.screen.line()
    if not wait:
        if session.screen.as_json:
            session.screen.data(document)
        else:
            session.screen.line(marked(begun.run.state, begun.run.id))
            session.screen.line(f"next: grace explain {begun.run.id}")
        return
    code = Follower(session, SystemClock()).follow(begun.run.id)
    if not session.screen.as_json:
        run = session.read(RunDetail, session.get(f"/api/runs/{begun.run.id}"))
        if run.verdict is not None:
            show_verdict(session.screen, run.verdict)
        if run.settlement == "committed":
            _offer(session, run.id)
    raise typer.Exit(code)


def _foresee(session: Session, asked: JsonObject) -> None:
    document = session.post("/api/do/plan", asked)
    foreseen = session.read(Foreseen, document)
    if session.screen.as_json:
        session.screen.data(document)
    else:
        _show(session, foreseen, asked)
        session.screen.line()
        session.screen.line("Nothing was changed.")
        next_step = "mend what would stop it, then the same again" if foreseen.objections else "the same without --plan"
        session.screen.line(f"next: {next_step}")
    decision = foreseen.draft.decision
    if foreseen.objections or (decision is not None and not decision.ruling.tier):
        raise typer.Exit(Exit.REFUSED)


def _show(session: Session, foreseen: Foreseen, asked: JsonObject) -> None:
    if foreseen.draft.plan is not None:
        show_plan(session.screen, foreseen.draft.plan)
        session.screen.bullets(_longer_than_asked(foreseen.draft.plan, asked))
    if foreseen.draft.decision is not None:
        show_decision(session.screen, foreseen.draft.decision)
    session.screen.bullets(f"it would stop before the first write: {why}" for why in foreseen.objections)
    session.screen.bullets(f"not watched: {name} is unknown now, {why}" for name, why in foreseen.unwatched.items())


def _longer_than_asked(plan: Plan, asked: JsonObject) -> Iterator[str]:
    """Say which clauses must hold for longer than --for, and why."""
    lasting, expected = asked["lasting"], asked["expect"]
    if not isinstance(lasting, float) or not isinstance(expected, list):
        return
    with_their_own = {
        str(one.get("metric", one.get("probe"))) for one in expected if isinstance(one, dict) and "for" in one
    }
    for clause in plan.contract.of(Phase.AFTER):
        if clause.for_s > lasting and clause.name not in with_their_own:
            yield (
                f"{clause.name} must hold for {clause.for_s:g} s, not {lasting:g} s: it is measured every "
                f"{clause.every_s:g} s, and a verdict rests on at least {MINIMUM_SAMPLES} samples"
            )


def _words(option: str, written: str) -> list[Json]:
    try:
        return [*shlex.split(written)]
    except ValueError as error:
        raise CommandFailed(Exit.USAGE, f"{option} {written!r}: {error}", "close every quote") from error


def _done_by_hand(session: Session, written: Sequence[str]) -> str:
    """Return the run that is meant; `@last` is the newest that was done by hand."""
    if len(written) > 1:
        raise CommandFailed(Exit.USAGE, "--save takes one run, not a command", "grace do --save NAME @last")
    if written and written[0] != LAST:
        return session.resolve("/api/runs", written[0], "run")
    runs = [session.read(RunView, item) for item in session.items("/api/runs", {"limit": _LOOKED_THROUGH})]
    found = next((run.id for run in runs if run.playbook == BY_HAND and run.of_run is None), None)
    if found is None:
        raise CommandFailed(Exit.USAGE, "nothing was done by hand yet", _EXAMPLE)
    return found


def _offer(session: Session, run_id: str) -> None:
    """Offer to keep it: as a question where somebody sits at a terminal, else as the next command."""
    if not session.screen.confirm("Save it as a playbook?"):
        session.screen.line(f"save it as a playbook: grace do --save NAME {run_id}")
        return
    name = str(typer.prompt("Name", err=True))
    try:
        _save(session, run_id, name, "", None)
    except CommandFailed as failed:
        why, remedy = failed.sentence, failed.next_step
    except ApiProblem as problem:
        why, remedy = problem.detail or problem.title, problem.next
    else:
        return
    session.screen.line(f"not saved: {why}")  # what was done stands, and its exit code with it
    session.screen.line(f"next: grace do --save {shlex.quote(name)} {run_id}; {remedy}")


def _save(session: Session, run_id: str, name: str, cause: str, output: Path | None) -> None:
    folder = _folder(output)
    query = {"name": name, **({"cause": cause} if cause else {})}
    document = session.get(f"/api/do/{run_id}/playbook", query)
    saved = session.read(Saved, document)
    files = {folder / f"{name}.yaml": saved.playbook, folder / f"{name}.test.yaml": saved.cases}
    for path in files:
        if path.exists():
            raise CommandFailed(Exit.USAGE, f"{path} exists, and nothing is overwritten", "choose another name")
    for path, text in files.items():
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    playbook, cases = (str(path) for path in files)
    if session.screen.as_json:
        session.screen.data({"playbook": playbook, "cases": cases})
        return
    session.screen.line(marked("committed", f"{playbook} and {cases}"))
    session.screen.line(f"next: grace playbook test {shlex.quote(cases)}, then start the server again")


def _folder(output: Path | None) -> Path:
    if output is not None:
        folder = output
    else:
        folders = load_settings().playbook_folders
        if not folders:
            sentence = "there is no playbook folder of your own"
            raise CommandFailed(Exit.USAGE, sentence, "--output FOLDER, and name it in GRACE_PLAYBOOK_FOLDERS")
        folder = folders[0]
    if not folder.is_dir():
        raise CommandFailed(Exit.USAGE, f"there is no folder {folder}", f"mkdir {shlex.quote(str(folder))}")
    return folder
