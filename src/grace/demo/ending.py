"""The end: every run in one table, the orders counted, and the ledger verified without the server."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from grace.demo.cast import Cast
from grace.demo.children import Child
from grace.demo.page import Cell
from grace.demo.scene import Played

LEDGER_INVALID: Final = 7
_COLUMNS: Final = ("incident", "cause", "playbook", "tier", "verdict", "settlement", "detect", "act", "verify")
_LONGEST_TITLE: Final = 30
_TOKEN_LIFE: Final = "1h"  # noqa: S105 - how long it lives
_VERIFY_S: Final = 30


def play(cast: Cast, played: Sequence[Played], *, keep: bool) -> None:
    """Print the table, count the orders, verify the ledger."""
    page = cast.report.page
    page.line()
    rows = [_row(cast, one) for one in played]
    page.table(_COLUMNS, rows)
    for one, row in zip(played, rows, strict=True):
        page.told("run", {"id": one.tale.run_id} | {name: str(cell) for name, cell in zip(_COLUMNS, row, strict=True)})
    page.line(
        "seconds to detect: from the fault to its incident; act: from there to the end of the deed", "bright_black"
    )
    _tell_the_others(cast, played)
    page.line()
    cast.load.end()
    _count(cast)
    _verify(cast, keep=keep)


def say_what_next(cast: Cast, *, keep: bool) -> None:
    """Say that all was true, and what to try on one's own service."""
    report, page = cast.report, cast.report.page
    page.line()
    page.line(f"Every one of {report.checked} lines was true, in {report.seconds:.0f} s.", "bold")
    if keep:
        _say_how_to_reach(cast)
        return
    page.line("next, on a service of your own:")
    page.line(
        "  grace serve                      observes only, until its grace.yaml says otherwise (docs/services.md)"
    )
    page.line("  export GRACE_DSN=…               and `grace_sdk.init()` in the program that should be watched")
    page.line("  grace incidents; grace plan ID   what GRACE would do, without doing it")
    page.line("  grace demo --keep                this demo again, left up to look around in")


def _row(cast: Cast, one: Played) -> list[Cell]:
    tale = one.tale
    cause = tale.diagnosis.cause if tale.diagnosis else "-"
    playbook = tale.plan.playbook if tale.plan else "-"
    tier = tale.decision.ruling.tier if tale.decision else None
    verdict = cast.report.page.marked(tale.verdict.finding) if tale.verdict else "-"
    settlement = cast.report.page.marked(tale.settlement.kind) if tale.settlement else "-"
    spans = (_seconds(span) for span in (one.detect_s, one.act_s, one.verify_s))
    return [_brief(one.incident.title), cause, playbook, str(tier or "-"), verdict, settlement, *spans]


def _brief(title: str) -> str:
    """Return a title without the module that its exception comes from."""
    kind, colon, said = title.partition(": ")
    whole = f"{kind.rpartition('.')[2]}{colon}{said}"
    return whole if len(whole) <= _LONGEST_TITLE else f"{whole[: _LONGEST_TITLE - 1]}…"


def _seconds(span: float | None) -> str:
    return "-" if span is None else f"{span:.1f} s"


def _tell_the_others(cast: Cast, played: Sequence[Played]) -> None:
    """Tell of incidents beside the scenes: what the cures themselves caused, and why nothing was done about it."""
    told = {one.tale.run_id for one in played}
    incidents = {one.id: one for one in cast.olga.incidents()}
    for run in cast.olga.runs():
        if run.id in told or run.incident_id not in incidents:
            continue
        settled = cast.olga.tale(run.id).settlement
        why = f"{settled.kind}: {settled.sentence}" if settled else run.stage
        cast.report.page.line(f"beside them: {_brief(incidents[run.incident_id].title)} {why}", "bright_black")


def _count(cast: Cast) -> None:
    lines = cast.ground.acknowledged.read_text(encoding="ascii").splitlines()
    acknowledged = {int(line.split()[0]) for line in lines}
    stored = {number for (number,) in cast.rows("SELECT id FROM orders")}
    missing = acknowledged - stored
    cast.report.claim(
        "no acknowledged order is missing",
        true=bool(acknowledged) and not missing,
        shown=f"{len(acknowledged)} acknowledged, {len(stored)} in the database, {len(missing)} missing",
    )


def _verify(cast: Cast, *, keep: bool) -> None:
    """Export the ledger, stop the server, and verify it as an outsider; then once more with one byte changed."""
    export = cast.ground.folder / "ledger.jsonl"
    cast.admin.export(export)
    if not keep:
        code = cast.grace.end()
        cast.report.claim("the server ended when it was asked to", true=code == 0, shown=f"exit code {code}")
    forged = export.with_name("forged.jsonl")
    _forge(export, forged)
    checks = {file: _start_verify(cast, file) for file in (export, forged)}
    codes = {file: check.process.wait(_VERIFY_S) for file, check in checks.items()}
    said = checks[export].log.read_text(encoding="utf-8").splitlines()
    command = "grace ledger verify ledger.jsonl --checkpoint checkpoint-at-start.txt"
    cast.report.claim(f"{command}: valid", true=codes[export] == 0, shown=said[0].strip() if said else "")
    cast.report.claim(
        "the same with one letter of one entry changed: found",
        true=codes[forged] == LEDGER_INVALID,
        shown=f"exit code {codes[forged]}",
    )


def _start_verify(cast: Cast, export: Path) -> Child:
    arguments = ["-m", "grace", "ledger", "verify", export, "--checkpoint", cast.ground.checkpoint]
    return cast.children.start(f"verify-{export.stem}", arguments, cwd=cast.ground.folder)


def _forge(export: Path, forged: Path) -> None:
    """Let the record say that somebody else did something."""
    forged.write_text(export.read_text(encoding="utf-8").replace('"olga"', '"olgb"', 1), encoding="utf-8")


def _say_how_to_reach(cast: Cast) -> None:
    secret = cast.admin.issue_token("visitor", "admin", _TOKEN_LIFE)
    page = cast.report.page
    stop = cast.children.janitor_pid
    page.told("reach", {"server": cast.ground.grace.address, "token": secret, "stop_with_kill": stop})
    page.line("GRACE and the order service stay up:")
    page.line(f"  export GRACE_SERVER={cast.ground.grace.address}")
    page.line(f"  export GRACE_TOKEN={secret}   (good for {_TOKEN_LIFE})")
    page.line("  grace status; grace incidents; grace runs; grace explain @last")
    page.line(f"  the order service: {cast.ground.orders.address}, its files: {cast.ground.shop}")
    page.line(f"to stop all of it and remove {cast.ground.folder}: kill {stop}")
