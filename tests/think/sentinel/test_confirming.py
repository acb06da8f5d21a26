"""Checks on real faults: a locked database, a port where nobody listens, a full disk, a file that may not be read."""

from __future__ import annotations

import os
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from pydantic import JsonValue

from grace.kit.clock import SystemClock
from grace.model.diagnosis import Diagnosis
from grace.model.reading import Known, Unknown
from grace.model.service import Service
from grace.model.signal import Signal, SignalKind
from grace.sense.collectors.eyes import Eyes, found_collectors
from grace.sense.collectors.viewpoint import Viewpoint
from grace.think.knowledge.format import Answer
from grace.think.knowledge.loading import Knowledge, load_knowledge
from grace.think.sentinel.confirming import MOST_CHECKS, examine
from tests.think.worlds import INCIDENT, NOON, SHIPPED

KNOWLEDGE = load_knowledge([SHIPPED / "knowledge"])


HOLDER = """\
import sqlite3, sys
held = sqlite3.connect(sys.argv[1])
held.execute("BEGIN EXCLUSIVE")
print("held", flush=True)
input()
"""


class Looks:
    """Real eyes, and what they were asked."""

    def __init__(self, eyes: Eyes) -> None:
        self.eyes = eyes
        self.asked: list[tuple[str, Mapping[str, JsonValue]]] = []

    def look(self, uses: str, parameters: Mapping[str, JsonValue]) -> Known | Unknown:
        self.asked.append((uses, parameters))
        return self.eyes.aim(uses, parameters).read()


@pytest.fixture(scope="module")
def eyes() -> Iterator[Eyes]:
    with Eyes(found_collectors(Viewpoint(SystemClock()))) as opened:
        yield opened


@pytest.fixture
def looks(eyes: Eyes) -> Looks:
    return Looks(eyes)


def examined(message: str, looks: Looks, *, said: dict[str, str] | None = None, **labels: str) -> Diagnosis:
    signal = Signal(
        id="signal-1",
        service="orders",
        at=NOON,
        received_at=NOON,
        kind=SignalKind.LOG,
        title=message[:80],
        message=message,
    )
    incident = INCIDENT.model_copy(update={"labels": said or {}})
    return examine(incident, [signal], KNOWLEDGE, NOON, Service(name="orders", labels=labels), looks)


def checks_of(found: Diagnosis) -> list[str]:
    return [one.what for one in found.evidence if one.where.startswith("check: ")]


@pytest.fixture
def database(tmp_path: Path) -> Path:
    path = tmp_path / "orders.db"
    made = sqlite3.connect(path)
    made.execute("CREATE TABLE orders (id INTEGER PRIMARY KEY)")
    made.commit()
    made.close()
    return path


def test_a_database_that_is_locked_confirms_and_one_that_is_free_refutes(database: Path, looks: Looks) -> None:
    command = [sys.executable, "-c", HOLDER, str(database)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        locked = examined("database is locked", looks, database=str(database))
        holder.communicate("\n")
    free = examined("database is locked", looks, database=str(database))

    assert locked.cause == "database_locked"
    assert locked.confidence > 0.985
    assert "confirms" in checks_of(locked)[0]
    assert free.confidence < 0.9
    assert any("refutes" in one.what for one in free.evidence) or any(
        "speak against" in one.why for one in free.alternatives
    )


def test_a_port_where_nobody_listens_confirms_a_refusal(looks: Looks) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        refused = examined("connect ECONNREFUSED", looks, health_url=f"http://127.0.0.1:{port}/")

    assert refused.cause == "dependency_unavailable"
    assert "confirms" in checks_of(refused)[0]


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount")
def test_a_disk_that_is_full_confirms(tmp_path: Path, looks: Looks) -> None:
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", tmp_path], check=True)
    try:
        (tmp_path / "filling").write_bytes(b"x" * 65536)
        full = examined("write failed: No space left on device", looks, data_folder=str(tmp_path))
    finally:
        subprocess.run(["umount", tmp_path], check=True)
    roomy = examined("write failed: No space left on device", looks, data_folder="/proc")

    assert full.cause == "disk_full"
    assert any("host.disk_free_share found 0.0, which confirms it" in one for one in checks_of(full))
    assert roomy.confidence <= full.confidence


def test_a_file_that_nobody_may_read_confirms_that_permission_is_denied(tmp_path: Path, looks: Looks) -> None:
    path = tmp_path / "key.pem"
    path.write_text("secret")
    path.chmod(0)
    found = examined("PermissionError: [Errno 13] Permission denied: 'key.pem'", looks, config=str(path))

    assert found.cause == "permission_denied"
    assert any("confirms" in one for one in checks_of(found))


def test_a_look_without_an_answer_changes_nothing(tmp_path: Path, looks: Looks) -> None:
    blind = examined("database is locked", looks, database=str(tmp_path / "absent.db"))
    without = examined("database is locked", looks)

    assert blind.confidence == without.confidence
    assert "found nothing" in checks_of(blind)[0]


def test_a_sender_never_decides_what_is_opened_or_called(database: Path, looks: Looks) -> None:
    said = {"database": str(database), "health_url": "http://127.0.0.1:9/"}
    examined("database is locked", looks, said=said)
    examined("Connection refused: http://127.0.0.1:9/", looks, said=said)

    assert looks.asked == []


def test_no_fault_and_no_cause_are_not_looked_into(looks: Looks) -> None:
    assert examined("backup completed in 12 s", looks, health_url="http://127.0.0.1:9/").cause == "benign"
    assert examined("!?", looks, health_url="http://127.0.0.1:9/").is_unknown
    assert looks.asked == []


def test_the_looks_of_one_diagnosis_are_few(looks: Looks) -> None:
    everything = dict.fromkeys(("data_folder", "database_folder", "database", "config", "lock_file"), "/proc")
    examined("No space left on device; database or disk is full", looks, **everything)

    assert 0 < len(looks.asked) <= MOST_CHECKS


@pytest.mark.parametrize(
    ("answer", "value", "met"),
    [
        ({"is": True}, True, True),
        ({"is": True}, 1, False),
        ({"below": 0.1}, 0.05, True),
        ({"below": 0.1}, True, False),
        ({"above": 2}, 3, True),
        ({"above": 2}, "3", False),
        ({"matches": "^ok$"}, "ok", True),
        ({"matches": "^ok$"}, 5, False),
    ],
)
def test_an_answer_is_met_by_its_own_type_alone(answer: dict[str, JsonValue], value: JsonValue, met: bool) -> None:
    assert Answer.model_validate(answer).is_met_by(value) is met


def test_knowledge_that_knows_nothing_looks_at_nothing(looks: Looks) -> None:
    signal = Signal(id="s", service="orders", at=NOON, received_at=NOON, kind=SignalKind.LOG, title="x", message="x")

    assert examine(INCIDENT, [signal], Knowledge((), "sha256:0"), NOON, None, looks).is_unknown
