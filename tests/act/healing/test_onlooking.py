"""Observed runs judged against what people then did: a real lock in a real database, ended by somebody else."""

from __future__ import annotations

import json
import sqlite3
import sys
from collections.abc import Callable, Generator
from contextlib import closing, contextmanager
from pathlib import Path
from subprocess import PIPE, Popen
from typing import Any

import httpx
import pytest

from grace import wiring
from grace.api.roles import Role
from grace.kit.clock import SystemClock
from grace.model.events import EventType
from grace.settings import load_settings
from grace.shipped import shipped_folder
from tests.api.serving import served

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]

SERVICES = """\
format: 1
services:
  - name: shop
    owner: ann
    labels: {{stuck_after: 1s}}
    targets:
      - {{kind: sqlite, id: {database}}}
"""
PLAYBOOK = """\
format: 1
name: shop-release-writer
version: 1.0.0
summary: End the process that keeps the shop's database locked
when: {cause: database_locked, labels: {engine: sqlite}}
priority: 99
inputs:
  database: {type: path, from: incident.labels.database, summary: The database}
find:
  - id: holder
    uses: process.lock_holder
    with: {path: "${{ inputs.database }}", watch: 1s}
do:
  - id: end_holder
    uses: process.terminate
    with:
      process: {pid: "${{ find.holder.pid }}", started_at: "${{ find.holder.started_at }}"}
      holds: "${{ inputs.database }}"
contract:
  after:
    - {probe: sqlite.writable, with: {path: "${{ inputs.database }}", patience: 300ms}, is: true, within: 1s, for: 1s}
on_violated: hold
on_inconclusive: hold
"""


class Shop:
    """A database, somebody who locks it, and GRACE in observe mode beside them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.database = folder / "shop" / "orders.db"
        self.database.parent.mkdir()
        with closing(sqlite3.connect(self.database)) as connection:
            connection.execute("CREATE TABLE orders (id INTEGER PRIMARY KEY)")
        (folder / "grace.yaml").write_text(SERVICES.format(database=self.database))
        (folder / "playbooks").mkdir()
        (folder / "playbooks" / "writer.yaml").write_text(PLAYBOOK)

    @contextmanager
    def open(self, **settings: object) -> Generator[tuple[wiring.Running, httpx.Client]]:
        given = {
            "data_folder": self.folder / "data",
            "services_file": self.folder / "grace.yaml",
            "playbook_folders": (self.folder / "playbooks",),
            "observe_every": "200ms",
            "allow_process_control_as_root": True,
            **settings,
        }
        with wiring.open_house(load_settings(**given)) as running, served(running.app) as address:
            token = running.house.tokens.issue("ann", Role.ADMIN, by="tests").secret
            headers = {"Authorization": f"Bearer {token}"}
            with httpx.Client(base_url=address, headers=headers, trust_env=False, timeout=30) as client:
                yield running, client

    @contextmanager
    def locked(self) -> Generator[Popen[str]]:
        script = shipped_folder("examples") / "drill" / "hold_lock.py"
        command = [sys.executable, "-I", "-S", str(script), str(self.database)]
        with Popen(command, stdin=PIPE, stdout=PIPE, text=True) as holder:
            assert holder.stdout is not None
            assert holder.stdout.readline() == "holding\n"
            yield holder
            holder.kill()

    def signal(self) -> dict[str, Any]:
        return {
            "format": 1,
            "id": "one",
            "service": "shop",
            "at": SystemClock().now().isoformat(),
            "kind": "exception",
            "title": "sqlite3.OperationalError",
            "message": "database is locked",
            "labels": {"engine": "sqlite", "database": str(self.database)},
        }


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(tmp_path)


def test_the_report_tells_what_would_have_been_done_what_was_done_and_the_minutes_between(shop: Shop) -> None:
    with shop.open() as (running, client):
        with shop.locked() as holder:
            client.post("/api/intake/native", json=shop.signal())
            (line,) = until(lambda: report(client)["items"])
            assert (line["contract"], line["minutes"], line["was_done"]) == ("watching", None, [])
            assert line["steps"][0].startswith("process.terminate on process:")
            assert holder.poll() is None, "observe mode touches nothing"
            holder.kill()
        (line,) = until(lambda: [one for one in report(client)["items"] if one["contract"] != "watching"])
        assert line["contract"] == "met"
        assert 0 <= line["minutes"] < 2
        assert "holder (process.lock_holder) was" in line["was_done"][0]
        made = client.post(f"/api/runs/{line['run_id']}/mark", json={"word": "wrong", "note": "too soon"})
        assert made.status_code == 201
        client.post(f"/api/runs/{line['run_id']}/mark", json={"word": "right"})
        told = report(client)
        assert (told["marks"], told["contracts"], told["observed"]) == ({"right": 1}, {"met": 1}, 1)
        story = client.get(f"/api/runs/{line['run_id']}/explain").json()
        assert story["headline"].startswith("observed")
        assert any("held without GRACE" in chapter["title"] for chapter in story["chapters"])
        assert len(list(running.house.record.entries(types={EventType.OBSERVATION_JUDGED}))) == 1


def test_when_somebody_closes_the_incident_the_window_then_decides_also_after_a_restart(shop: Shop) -> None:
    with shop.locked():
        with shop.open() as (_, client):
            client.post("/api/intake/native", json=shop.signal())
            (line,) = until(lambda: report(client)["items"])
        with shop.open() as (_, client):
            closing_it = client.post(f"/api/incidents/{line['incident_id']}/close", json={"reason": "we live with it"})
            assert closing_it.status_code == 200
            (line,) = until(lambda: [one for one in report(client)["items"] if one["contract"] != "watching"])
    assert (line["contract"], line["minutes"]) == ("violated", None)
    assert line["was_done"][0] == "ann closed the incident: we live with it"


def test_when_time_is_over_the_last_window_decides(shop: Shop) -> None:
    with shop.locked(), shop.open(observe_for="500ms") as (_, client):
        client.post("/api/intake/native", json=shop.signal())
        (line,) = until(lambda: [one for one in report(client)["items"] if one["contract"] != "watching"])
        assert line["contract"] == "violated"
        assert json.dumps(report(client)["contracts"]) == '{"violated": 1}'


@pytest.mark.parametrize("since", ["0s", "-1d", "400d", "soon", ""])
def test_a_span_that_is_none_is_refused(shop: Shop, since: str) -> None:
    with shop.open() as (_, client):
        assert client.get("/api/report", params={"since": since}).status_code == 422


def report(client: httpx.Client) -> dict[str, Any]:
    answer = client.get("/api/report", params={"since": "1d"})
    assert answer.status_code == 200, answer.text
    return answer.json()


def until(look: Callable[[], list[Any]]) -> list[Any]:
    """Look until something is there; the test's own timeout ends what never comes."""
    clock = SystemClock()
    while not (found := look()):
        clock.sleep(0.05)
    return found
