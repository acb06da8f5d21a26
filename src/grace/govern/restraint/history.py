"""What the record says of earlier runs: read by index, nothing of it kept elsewhere."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterable
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from grace.govern.restraint.breaker import Outcome
from grace.govern.restraint.cooldown import Try
from grace.govern.restraint.pace import HOUR
from grace.kit.clock import from_rfc3339
from grace.kit.digests import digest_of
from grace.kit.ids import beginning_at
from grace.model.run import Stage
from grace.model.settlement import AbortReason, SettlementKind

LOOKS_BACK: Final = timedelta(days=7)
"""A breaker knows of no run that was opened earlier."""
_MOST: Final = 500
_FAILED: Final = frozenset({SettlementKind.ROLLED_BACK, SettlementKind.HELD, SettlementKind.NOT_RESTORED})
_NO_TRY: Final = frozenset({SettlementKind.OBSERVED, SettlementKind.DENIED})
_BY_PEOPLE: Final = frozenset({AbortReason.CANCELLED, AbortReason.HALTED})

# Ids sort by the time at which they were made: the primary key finds what is recent.
_UNDER: Final = "key >= :first AND key < :behind"
_LIFTED: Final = f"SELECT max(at) FROM ledger_entries WHERE {_UNDER}"  # noqa: S608 - names of our own
_SETTLED_SINCE_LIFTED: Final = f"settled_at > coalesce(({_LIFTED}), '')"
_OF_INCIDENT: Final = f"""
    SELECT id, opened_at, settled_at, settlement, reason FROM runs
    WHERE incident_id = :incident AND kind = 'heal' AND settlement IS NOT NULL AND {_SETTLED_SINCE_LIFTED}
    ORDER BY id DESC LIMIT :most
"""  # noqa: S608 - names of our own
_FAILED_ON_TARGET: Final = f"""
    SELECT 1 FROM runs r JOIN ledger_entries e ON e.key = r.id || '/locks' JOIN ledger_payloads p USING ("index")
    WHERE r.settlement IN ({", ".join(f"'{kind}'" for kind in sorted({*_FAILED, SettlementKind.ABORTED}))})
    AND (r.settlement <> '{SettlementKind.ABORTED}' OR r.reason = '{AbortReason.SNAPSHOT_FAILED}')
    AND r.id >= :since AND r.kind = 'heal' AND r.{_SETTLED_SINCE_LIFTED}
    AND EXISTS (SELECT 1 FROM json_each(p.payload, '$.targets') t WHERE t.value = :target) LIMIT 1
"""  # noqa: S608 - names of our own
_OF_TARGET: Final = f"""
    SELECT r.id, r.opened_at, r.settled_at, r.settlement, r.reason FROM runs r
    JOIN ledger_entries e ON e.key = r.id || '/locks' JOIN ledger_payloads p USING ("index")
    WHERE r.id >= :since AND r.kind = 'heal' AND r.settlement IS NOT NULL AND r.{_SETTLED_SINCE_LIFTED}
    AND EXISTS (SELECT 1 FROM json_each(p.payload, '$.targets') t WHERE t.value = :target)
    ORDER BY r.id DESC LIMIT :most
"""  # noqa: S608 - names of our own
_TRIALS: Final = """
    SELECT r.id, p.doc AS plan FROM runs r JOIN plans p ON p.digest = r.plan_digest
    WHERE r.settlement IS NULL AND r.kind = 'heal' AND r.incident_id <> :incident AND r.tier = 1
"""
_OPENED: Final = f'SELECT at FROM ledger_entries WHERE {_UNDER} ORDER BY "index" DESC LIMIT :most'  # noqa: S608
_PROPOSED: Final = """
    SELECT opened_at FROM runs WHERE id >= :since AND kind = 'heal' AND requested_by = 'grace' AND service = :service
    AND json_extract(doc, '$.run.environment') = :environment ORDER BY id
"""
_OPEN: Final = """
    SELECT stage FROM runs WHERE settlement IS NULL AND kind = 'heal' AND service = :service
    AND json_extract(doc, '$.run.environment') = :environment
"""
_RECEIVED: Final = "SELECT max(received_at) FROM signals WHERE incident_id = :incident"
_TOLD: Final = """
    SELECT p.payload FROM ledger_entries e JOIN ledger_payloads p USING ("index")
    WHERE e.type IN ({types}) ORDER BY e."index" DESC LIMIT ?
"""
_TARGETS: Final = """
    SELECT p.payload FROM ledger_entries e JOIN ledger_payloads p USING ("index") WHERE e.key = :key
"""


class _Settled(NamedTuple):
    """A run that is over, its times as they are written."""

    run_id: str
    opened_at: str
    settled_at: str
    settlement: str
    reason: str | None


class Place(NamedTuple):
    """A service in its environment."""

    service: str
    environment: str


def lifted_key(subject: str) -> str:
    """Return what the keys of all words on a subject begin with."""
    return f"lifted/{digest_of(subject)}/"


def tries(driver: sqlite3.Connection, incident_id: str) -> list[Try]:
    """Return the runs on an incident that were about to act, oldest first, since a person's last word on it."""
    return [
        Try(run.run_id, from_rfc3339(run.opened_at), from_rfc3339(run.settled_at))
        for run in _settled_of(driver, incident_id)
        if run.settlement not in _NO_TRY and run.reason not in _BY_PEOPLE
    ]


def outcomes_of_incident(driver: sqlite3.Connection, incident_id: str) -> list[Outcome]:
    """Return how the runs on an incident ended that tell something, in the order of their ends."""
    return _outcomes(_settled_of(driver, incident_id))


def outcomes_of_target(driver: sqlite3.Connection, target: str, now: datetime) -> list[Outcome]:
    """Return how the runs ended that held a target under lock, in the order of their ends; none while none failed."""
    asked = {
        "since": beginning_at("run", now - LOOKS_BACK),
        "target": target,
        "most": _MOST,
        **_under(lifted_key(target)),
    }
    # Runs that ended well say nothing where none failed, and they may be thousands: most questions end here.
    if driver.execute(_FAILED_ON_TARGET, asked).fetchone() is None:
        return []
    return _outcomes([_Settled(*row) for row in driver.execute(_OF_TARGET, asked)])


def trials(driver: sqlite3.Connection, incident_id: str | None) -> list[tuple[str, str]]:
    """Return the open runs on other incidents that may act alone, each with its plan as text."""
    rows = driver.execute(_TRIALS, {"incident": incident_id or ""})
    return [(str(run_id), str(plan)) for run_id, plan in rows]


def reopenings(driver: sqlite3.Connection, incident_id: str) -> list[datetime]:
    """Return when an incident came back, oldest first, since a person's last word on it."""
    times = sorted(at for (at,) in driver.execute(_OPENED, {**_under(f"{incident_id}/opened/"), "most": _MOST}))
    back = times if len(times) == _MOST else times[1:]
    if not back:
        return []
    (lifted,) = driver.execute(_LIFTED, _under(lifted_key(incident_id))).fetchone()
    return [from_rfc3339(at) for at in back if lifted is None or at > lifted]


def proposed(driver: sqlite3.Connection, place: Place, now: datetime) -> list[datetime]:
    """Return when the runs of the last hour were opened that nobody asked for, oldest first."""
    asked = {"since": beginning_at("run", now - HOUR), **place._asdict()}
    return [from_rfc3339(row[0]) for row in driver.execute(_PROPOSED, asked)]


class OpenRuns(NamedTuple):
    """How many runs of a service are under way, and how many wait for a person."""

    under_way: int
    waiting: int


def open_runs(driver: sqlite3.Connection, place: Place) -> OpenRuns:
    """Count the runs of a service that are not settled."""
    stages = [row[0] for row in driver.execute(_OPEN, place._asdict())]
    waiting = stages.count(Stage.WAITING)
    return OpenRuns(len(stages) - waiting, waiting)


def last_received(driver: sqlite3.Connection, incident_id: str) -> datetime | None:
    """Return when the newest signal of an incident came, by this machine's clock."""
    (found,) = driver.execute(_RECEIVED, {"incident": incident_id}).fetchone()
    return None if found is None else from_rfc3339(found)


def payloads(driver: sqlite3.Connection, types: Collection[str], most: int = _MOST) -> list[str]:
    """Return the payloads of the newest entries of some types, newest first."""
    asked = _TOLD.format(types=", ".join("?" * len(types)))
    rows = driver.execute(asked, (*sorted(types), most))
    return [str(row[0]) for row in rows]


def locked_by(driver: sqlite3.Connection, run_id: str) -> str | None:
    """Return the payload of the entry that says which targets a run held."""
    found = driver.execute(_TARGETS, {"key": f"{run_id}/locks"}).fetchone()
    return None if found is None else str(found[0])


def _settled_of(driver: sqlite3.Connection, incident_id: str) -> list[_Settled]:
    asked = {"incident": incident_id, "most": _MOST, **_under(lifted_key(incident_id))}
    rows = driver.execute(_OF_INCIDENT, asked).fetchall()
    return [_Settled(*row) for row in reversed(rows)]


def _under(folder: str) -> dict[str, str]:
    """Return between which keys those stand that begin like this, up to a slash."""
    return {"first": folder, "behind": f"{folder[:-1]}0"}


def _outcomes(runs: Iterable[_Settled]) -> list[Outcome]:
    told = [
        Outcome(run.run_id, from_rfc3339(run.settled_at), failed=run.settlement != SettlementKind.COMMITTED)
        for run in runs
        if run.settlement in _FAILED
        or run.settlement == SettlementKind.COMMITTED
        or run.reason == AbortReason.SNAPSHOT_FAILED
    ]
    return sorted(told, key=lambda one: (one.at, one.run_id))
