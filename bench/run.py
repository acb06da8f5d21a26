"""Measure everything, or the groups that are named, and print one table: every row a ratio in the same run.

Each group is measured in a process of its own, so that none finds the memory or the threads of another. How memory
happens to be laid out in a process can make a path a few per cent faster or slower: what is held to a close aim is
measured in several, and the middle one counts.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from bench import capture, false_drift, intake, ledger_append, ledger_proof, policy, start, storm, verified_write
from bench.rows import Aim, Row

GROUPS: Final[Mapping[str, Callable[[], list[Row]]]] = {
    "capture": capture.measure,
    "ledger": ledger_append.measure,
    "run": verified_write.measure,
    "intake": intake.measure,
    "storm": storm.measure,
    "policy": policy.measure,
    "proof": ledger_proof.measure,
    "start": start.measure,
    "drift": false_drift.measure,
}
PROCESSES: Final[Mapping[str, int]] = {"run": 5, "ledger": 3}
"""In how many processes a group is measured; in one where it is not named."""
_LONGEST_S: Final = 600.0
_HEADINGS: Final = ("", "measured", "ours", "against", "peer", "ratio", "aim")


def main(arguments: Sequence[str] | None = None) -> int:
    """Return 0 when the table is printed; with --strict 1 when an aim was missed or a group was not measured."""
    parser = argparse.ArgumentParser(prog="make bench BENCHARGS=...", description=__doc__)
    parser.add_argument("groups", nargs="*", metavar="GROUP", help=f"what to measure: {', '.join(GROUPS)}")
    parser.add_argument("--strict", action="store_true", help="exit with 1 when an aim is missed")
    parser.add_argument("--only", choices=GROUPS, help=argparse.SUPPRESS)
    given = parser.parse_args(arguments)
    if given.only:
        print(json.dumps([dataclasses.asdict(row) for row in GROUPS[given.only]()]))
        return 0
    unknown = sorted(set(given.groups) - set(GROUPS))
    if unknown:
        parser.error(f"there is no group {unknown[0]!r}; there are: {', '.join(GROUPS)}")
    rows, failed = _measure([name for name in GROUPS if not given.groups or name in given.groups])
    left_out = [name for name in GROUPS if given.groups and name not in given.groups]
    print(table(rows))
    print(closing(rows, failed, left_out))
    missed = [row for row in rows if row.is_met is False]
    return 1 if given.strict and (missed or failed) else 0


def table(rows: Sequence[Row]) -> str:
    """Return the rows as aligned text; notes stand under their rows."""
    cells = [_HEADINGS, *(_cells(row) for row in rows)]
    widths = [max(len(line[column]) for line in cells) for column in range(len(_HEADINGS))]
    notes = ["", *(row.note for row in rows)]
    lines: list[str] = []
    for line, note in zip(cells, notes, strict=True):
        lines.append("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())
        if note:
            lines.append(f"   {note}")
    return "\n".join(lines)


def closing(rows: Sequence[Row], failed: Sequence[str], left_out: Sequence[str]) -> str:
    """Return the last line: how many aims are met, and what was not measured."""
    aimed = [row for row in rows if row.is_met is not None]
    met = sum(row.is_met is True for row in aimed)
    absent = [*(f"{name} (failed)" for name in failed), *(f"{name} (not asked for)" for name in left_out)]
    return f"{met} of {len(aimed)} aims met. Not measured: {', '.join(absent) or 'nothing was left out'}."


def _cells(row: Row) -> tuple[str, ...]:
    mark = {True: "✓", False: "✗", None: ""}[row.is_met]
    aim = "" if row.aim is None else str(row.aim)
    return (
        mark,
        row.name,
        _shown(row.ours, row.unit),
        row.against,
        _shown(row.peer, row.unit),
        f"{row.ratio:.3g}",
        aim,
    )


def _shown(number: float, unit: str) -> str:
    digits = 0 if abs(number) >= 100 else 1 if abs(number) >= 10 else 2
    return f"{number:,.{digits}f} {unit}"


def _measure(names: Sequence[str]) -> tuple[list[Row], list[str]]:
    rows: list[Row] = []
    failed: list[str] = []
    for number, name in enumerate(names, 1):
        print(f"[{number}/{len(names)}] {name} ...", file=sys.stderr, flush=True)
        measured = _measure_apart(name)
        rows += measured
        failed += [] if measured else [name]
    return rows, failed


def _measure_apart(name: str) -> list[Row]:
    """Return the rows of a group, none where a process of it failed."""
    wanted = PROCESSES.get(name, 1)
    measured = [rows for _ in range(wanted) if (rows := _measure_once(name))]
    return [middle(same) for same in zip(*measured, strict=True)] if len(measured) == wanted else []


def middle(rows: Sequence[Row]) -> Row:
    """Return the one of the middle ratio among the same row of several processes, and say between which it lies."""
    ordered = sorted(rows, key=lambda row: row.ratio)
    chosen = ordered[len(ordered) // 2]
    if len(ordered) == 1:
        return chosen
    spread = f"{ordered[0].ratio:.3g} to {ordered[-1].ratio:.3g}"
    note = "; ".join(filter(None, (chosen.note, f"the middle of {len(ordered)} processes, {spread}")))
    return dataclasses.replace(chosen, note=note)


def _measure_once(name: str) -> list[Row]:
    command = [sys.executable, "-m", "bench.run", "--only", name]
    done = subprocess.run(command, stdout=subprocess.PIPE, timeout=_LONGEST_S, check=False)
    if done.returncode != 0:
        return []
    return [_row(document) for document in json.loads(done.stdout.splitlines()[-1])]


def _row(document: dict[str, object]) -> Row:
    aim = document.pop("aim")
    return Row(**document, aim=Aim(**aim) if isinstance(aim, dict) else None)  # type: ignore[arg-type]


if __name__ == "__main__":
    sys.exit(main())
