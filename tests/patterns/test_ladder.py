"""The ladder in a whole house: the next playbook after one that was undone, and the owner told at its end."""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import Any, Final

import pytest

from grace.model.events import EventType
from grace.model.settlement import Settlement, SettlementKind
from tests.patterns.world import OWNER, open_world
from tests.record.mesh.receivers import SECRET, read_event, receiving

pytestmark = [pytest.mark.slow, pytest.mark.timeout(90)]

PLAYBOOK: Final = """\
format: 1
name: {name}
version: 1.0.0
summary: Set the pool to {sets}
when: {{cause: dependency_unavailable}}
priority: {priority}
do:
  - {{id: set, uses: file.set_value, with: {{path: "{file}", key: pool, value: {sets}}}}}
contract:
  after:
    - {{probe: file.value, with: {{path: "{file}", key: pool}}, is: {expects}, within: 1s, for: 200ms, every: 20ms}}
on_violated: roll_back
on_inconclusive: roll_back
"""
ALONE: Final = """
@id("test-set-pool")
@reason("The test sets one value without asking")
permit (principal, action == Action::"act_alone", resource)
when { context.step.deed == Deed::"file.set_value" };
"""


@pytest.fixture
def pool(tmp_path: Path) -> Path:
    file = tmp_path / "pool.json"
    file.write_text(json.dumps({"pool": 1}))
    return file


@pytest.fixture
def dead_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def playbooks(folder: Path, pool: Path, *rungs: tuple[str, int, int]) -> tuple[Path, ...]:
    """Write a ladder: for each rung its name, the value it sets and the value it promises."""
    made = folder / "ladder"
    made.mkdir()
    for number, (name, sets, expects) in enumerate(rungs, 1):
        text = PLAYBOOK.format(name=name, sets=sets, expects=expects, priority=number, file=pool)
        (made / f"{name}.yaml").write_text(text)
    return (made,)


def test_the_second_playbook_heals_what_the_first_one_could_not(tmp_path: Path, pool: Path, dead_port: int) -> None:
    folders = playbooks(tmp_path, pool, ("first", 5, 6), ("second", 7, 7))
    with open_world(tmp_path, targets=[("file", str(pool))], rules=ALONE, playbook_folders=folders) as world:
        world.shop("dependency", dead_port)

        assert world.settlement(after=1).kind is SettlementKind.COMMITTED
        kinds = [one.kind for one in world.nouns(EventType.RUN_SETTLED, Settlement)]
        assert kinds == [SettlementKind.ROLLED_BACK, SettlementKind.COMMITTED]
        assert world.entries(EventType.INCIDENT_ESCALATED) == []
        assert json.loads(pool.read_text()) == {"pool": 7}


def test_a_ladder_without_an_end_that_heals_is_handed_over_with_all_that_was_tried(
    tmp_path: Path, pool: Path, dead_port: int
) -> None:
    folders = playbooks(tmp_path, pool, ("first", 5, 6), ("second", 7, 8))
    with open_world(tmp_path, targets=[("file", str(pool))], rules=ALONE, playbook_folders=folders) as world:
        world.shop("dependency", dead_port)

        handed = world.escalation()
        assert (handed.to, handed.settlement) == (OWNER, SettlementKind.ROLLED_BACK)
        assert handed.tried == ("first", "second")
        assert len(world.entries(EventType.RUN_OPENED)) == 2
        assert json.loads(pool.read_text()) == {"pool": 1}


def test_a_service_says_how_many_rungs_are_climbed_for_it(tmp_path: Path, pool: Path, dead_port: int) -> None:
    folders = playbooks(tmp_path, pool, ("first", 5, 6), ("second", 7, 7))
    targets = [("file", str(pool))]
    with open_world(tmp_path, targets=targets, rules=ALONE, rungs=1, playbook_folders=folders) as world:
        world.shop("dependency", dead_port)

        assert world.escalation().tried == ("first",)
        assert len(world.entries(EventType.RUN_OPENED)) == 1


def test_a_hand_over_reaches_the_owner_through_a_webhook_and_stands_in_status_and_incident(
    tmp_path: Path,
) -> None:
    secret = tmp_path / "secret"
    secret.write_text(SECRET + "\n")
    file = tmp_path / "webhooks.yaml"
    with receiving() as receiver:
        hook = {
            "name": "owner",
            "url": receiver.url,
            "network": "private",
            "events": ["incident.escalated"],
            "secrets": [f"file:{secret}"],
        }
        file.write_text(json.dumps({"format": 1, "webhooks": [hook]}))
        with open_world(tmp_path, webhooks_file=file) as world:
            world.shop("riddle", "none")
            handed = world.escalation()
            (got, *_) = world.poll(lambda: receiver.got)
            with world.client("ann") as ann:
                status: Any = ann.get("/api/autonomy/status")
                incident: Any = ann.get(f"/api/incidents/{handed.incident_id}")
    event = read_event(got.headers, got.body)
    assert event.attributes["type"] == "dev.grace.incident.escalated"
    assert OWNER in got.body.decode()
    assert status["handed_over"] == 1
    assert incident["escalation"] == handed.to_json()
