"""Resource locks: one writer for each target, under a fencing number, from after approval to settlement."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from grace.kit.clock import to_rfc3339
from grace.model.events import EventType, LocksTaken
from grace.model.ledger_entry import Draft
from grace.model.run import Run
from grace.model.warrant import Refusal
from grace.record import Transaction

_FENCE = "resource_locks.fence"
_SAME_OR_NESTED = (
    "(target = :target OR substr(target, 1, length(:target) + 1) = :target || '/'"
    " OR substr(:target, 1, length(target) + 1) = target || '/')"
)
"""A folder and a file inside it are one target to two writers."""


def take(tx: Transaction, run: Run, targets: Iterable[str], at: datetime) -> LocksTaken | Refusal:
    """Take every target or none, in sorted order; a quarantined or locked target refuses.

    A run that undoes or keeps an earlier run passes the quarantines of that run and of earlier words on it.
    """
    wanted = tuple(sorted(set(targets)))
    for target in wanted:
        refusal = _quarantined(tx, run, target) or _locked(tx, run, target)
        if refusal is not None:
            return refusal
    fence = _next_fence(tx)
    for target in wanted:
        tx.driver.execute(
            "INSERT INTO resource_locks (target, run_id, fence, taken_at) VALUES (:target, :run, :fence, :at)"
            " ON CONFLICT (target) DO UPDATE SET run_id = :run, fence = :fence, taken_at = :at",
            {"target": target, "run": run.id, "fence": fence, "at": to_rfc3339(at)},
        )
    return LocksTaken(run_id=run.id, targets=wanted, fence=fence)


def refuse_quarantined(tx: Transaction, run: Run, targets: Iterable[str]) -> Refusal | None:
    """Return why a target is closed to this run, or None; nothing is taken."""
    return next((no for target in sorted(set(targets)) if (no := _quarantined(tx, run, target))), None)


def record(run: Run, taken: LocksTaken) -> Draft:
    """Return the entry that says so."""
    return Draft(
        key=f"{run.id}/locks",
        type=EventType.LOCKS_TAKEN,
        actor="grace",
        run_id=run.id,
        incident_id=run.incident_id,
        service=run.service,
        payload=taken.to_json(),
    )


def release(tx: Transaction, run_id: str) -> None:
    """Give back everything the run holds."""
    tx.driver.execute("DELETE FROM resource_locks WHERE run_id = ?", (run_id,))


def _quarantined(tx: Transaction, run: Run, target: str) -> Refusal | None:
    row = tx.driver.execute(
        f"SELECT run_id FROM quarantines WHERE ended_at IS NULL AND {_SAME_OR_NESTED}"  # noqa: S608 - a constant
        " AND run_id <> :of AND run_id NOT IN (SELECT id FROM runs WHERE of_run = :of)",
        {"target": target, "of": run.of_run or ""},
    ).fetchone()
    if row is None:
        return None
    return Refusal(
        rule="quarantine",
        why=f"{target} is quarantined by {row[0]} until a person keeps or undoes it",
        next=f"grace keep {row[0]}  or  grace undo {row[0]}",
    )


def _locked(tx: Transaction, run: Run, target: str) -> Refusal | None:
    row = tx.driver.execute(
        f"SELECT run_id FROM resource_locks WHERE run_id <> :run AND {_SAME_OR_NESTED}",  # noqa: S608 - a constant
        {"target": target, "run": run.id},
    ).fetchone()
    if row is None:
        return None
    advice = f"grace runs {row[0]}"
    if run.of_run is not None:
        again = f"grace {run.kind} {run.of_run} --reason WHY"
        advice = f"wait for its end ({advice}) or stop it (grace cancel {row[0]} --reason WHY), then again: {again}"
    return Refusal(rule="locked", why=f"{target} is being worked on by {row[0]}", next=advice)


def _next_fence(tx: Transaction) -> int:
    (value,) = tx.driver.execute(
        "INSERT INTO meta (key, value) VALUES (?, '1')"
        " ON CONFLICT (key) DO UPDATE SET value = CAST(CAST(meta.value AS INTEGER) + 1 AS TEXT) RETURNING value",
        (_FENCE,),
    ).fetchone()
    return int(value)
