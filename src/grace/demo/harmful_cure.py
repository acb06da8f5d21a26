"""Scene 2: two cures that make things worse are measured, found out and undone; nobody else's change is touched."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from grace.demo.cast import Cast
from grace.demo.scene import Played, incident_of, run_of
from grace.demo.tale import Tale
from grace.demo.telling import short
from grace.model.settlement import SettlementKind
from grace.model.verdict import Finding

_SAMPLE_S = 1.2
_NOISE = 0.05
"""How much of the orders may fail more than before for the level still to be the earlier one."""


@dataclass(frozen=True, slots=True)
class _Look:
    """A file as somebody outside sees it."""

    digest: str
    mode: int
    owner: tuple[int, int]

    @classmethod
    def at(cls, path: Path) -> _Look:
        stat = path.stat()
        digest = f"sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}"
        return cls(digest, stat.st_mode & 0o7777, (stat.st_uid, stat.st_gid))

    def __str__(self) -> str:
        return f"{short(self.digest)} mode {self.mode:04o} owner {self.owner[0]}:{self.owner[1]}"


def play(cast: Cast) -> list[Played]:
    """Play both cures."""
    return [_of_a_file(cast), _of_a_row(cast)]


def _of_a_file(cast: Cast) -> Played:
    report = cast.report
    earlier, before = cast.flow_during(_SAMPLE_S), _Look.at(cast.ground.configuration)
    with cast.reports():
        broke_at = cast.clock.now()
        report.tell("broken", f"reports are asked for, and are far too slow; of the orders {earlier}")
        incident = incident_of(cast, "the report took longer", since=broke_at)
        at_cure = cast.flow()
        tale = cast.follower().follow(run_of(cast, incident.id).id)
        during = cast.flow().since(at_cure)
        later, after = cast.flow_during(_SAMPLE_S), _Look.at(cast.ground.configuration)
    report.claim("the cure made it worse", true=during.failed_share > earlier.failed_share + _NOISE, shown=f"{during}")
    _claim_undone(cast, tale)
    report.claim("digest, mode and owner of orders.yaml are equal again", true=before == after, shown=f"{after}")
    back = later.failed_share <= earlier.failed_share + _NOISE
    report.claim("orders are back at their earlier level", true=back and later.acknowledged > 0, shown=f"{later}")
    return Played(incident, tale, broke_at)


def _of_a_row(cast: Cast) -> Played:
    report = cast.report
    cast.change_row("UPDATE prices SET price_cents = NULL WHERE item = 'cake'")
    broke_at, before = cast.clock.now(), cast.flow()
    report.tell("broken", "the price of cake is damaged; another process goes on changing other prices all the time")
    record = cast.ground.folder / "clerk.txt"
    clerk = cast.start_script("clerk", str(cast.ground.database), "--record", str(record))
    incident = incident_of(cast, "which is no price", since=broke_at)
    tale = cast.follower().follow(run_of(cast, incident.id).id)
    clerk.end()
    during = cast.flow().since(before)
    _claim_undone(cast, tale)
    cake = cast.rows("SELECT item, price_cents FROM prices WHERE item = 'cake'")
    report.claim(
        "the row is as it was, damage and all", true=cake == [("cake", None)], shown=f"{cake[0] if cake else 'gone'}"
    )
    written = [line.split() for line in record.read_text(encoding="ascii").splitlines()]
    newest = {item: int(price) for item, price in written}
    stored = cast.rows("SELECT item, price_cents FROM prices")
    lost = [change for change in newest.items() if change not in stored]
    report.claim(
        "every row that others wrote meanwhile is there",
        true=not lost and bool(written),
        shown=f"{len(written)} changes to {len(newest)} rows, {len(lost)} lost",
    )
    report.claim(
        "orders went on all the while", true=during.acknowledged > 0, shown=f"{during.acknowledged} acknowledged"
    )
    return Played(incident, tale, broke_at)


def _claim_undone(cast: Cast, tale: Tale) -> None:
    verdict, undoing, settled = tale.verdict, tale.undoing, tale.settlement
    cast.report.claim("the contract was violated", true=verdict is not None and verdict.finding is Finding.VIOLATED)
    cast.report.claim(
        "all that was written is undone: rolled back",
        true=undoing is not None
        and undoing.is_complete
        and settled is not None
        and settled.kind is SettlementKind.ROLLED_BACK,
    )
