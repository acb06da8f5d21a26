"""Old logs, read without a server: made by hand here, and real ones where they are recorded."""

from __future__ import annotations

import gzip
import os
from pathlib import Path
from typing import Any

import pytest

from grace.cli.exits import Exit
from grace.think.sentinel.log_lines import messages_in
from tests.cli.conftest import Grace

LOG = """\
2026-01-02 03:04:05,678 INFO shop: started
2026-01-02 03:04:06,000 ERROR shop: order 17 failed: database is locked
2026-01-02 03:04:07,000 ERROR shop: order 18 failed: database is locked
2026-01-02 03:04:08,000 WARNING shop: retrying with password=hunter2secret
2026-01-02 03:05:00,000 ERROR shop: unhandled
Traceback (most recent call last):
  File "/srv/shop/app.py", line 40, in take
    write(order)
OSError: [Errno 28] No space left on device: '/srv/shop/data'
2026-01-02 03:05:01,000 DEBUG shop: no space left on device was handled
"""
LOGHUB = Path(__file__).resolve().parents[3] / "shared" / "data" / "loghub_2k"


def by_title(document: dict[str, Any], part: str) -> dict[str, Any]:
    (found,) = [one for one in document["incidents"] if part in one["title"]]
    return found


def test_a_log_tells_incidents_causes_and_playbooks_and_shows_no_secret(grace: Grace, tmp_path: Path) -> None:
    log = tmp_path / "app.log"
    log.write_text(LOG)

    said = grace("hindsight", str(log), "--json")

    assert said.code == Exit.DONE
    document = said.json
    assert (document["lines"], document["messages"], document["quiet"]) == (10, 6, 2)
    assert document["basis"] == "from text only"
    locked = by_title(document, "database is locked")
    assert (locked["count"], locked["line"], locked["severity"]) == (2, 2, "error")
    assert locked["diagnosis"]["cause"] == "database_locked"
    assert "sqlite-release-stuck-writer" in locked["playbooks"]
    assert (locked["first_seen"], locked["last_seen"]) == ("2026-01-02T03:04:06Z", "2026-01-02T03:04:07Z")
    assert by_title(document, "unhandled")["diagnosis"]["cause"] == "disk_full", "the traceback belongs to its message"
    assert "hunter2secret" not in said.out


def test_people_read_the_same(grace: Grace, tmp_path: Path) -> None:
    (tmp_path / "app.log").write_text(LOG)
    said = grace("hindsight", str(tmp_path / "app.log"))
    assert said.out.splitlines()[0].endswith("3 incidents (from text only)")
    assert "database_locked, confidence" in said.out
    assert f"{tmp_path}/app.log:2" in said.out


def test_packed_and_broken_and_empty_logs(grace: Grace, tmp_path: Path) -> None:
    packed = tmp_path / "app.log.gz"
    packed.write_bytes(gzip.compress(LOG.encode()))
    assert by_title(grace("hindsight", str(packed), "--json").json, "locked")["count"] == 2

    packed.write_bytes(gzip.compress(LOG.encode())[:-20])
    cut = grace("hindsight", str(packed))
    assert (cut.code, "damaged gzip" in cut.err) == (Exit.USAGE, True)

    (tmp_path / "empty.log").touch()
    assert grace("hindsight", str(tmp_path / "empty.log"), "--json").json["incidents"] == []

    (tmp_path / "bytes.log").write_bytes(b"\xff\xfe ERROR connection refused \x00\n" + os.urandom(5_000))
    assert grace("hindsight", str(tmp_path / "bytes.log"), "--json").code == Exit.DONE

    missing = grace("hindsight", str(tmp_path / "none.log"))
    assert (missing.code, "No such file" in missing.err) == (Exit.FAULT, True)
    folder = grace("hindsight", str(tmp_path))
    assert (folder.code, "is a folder" in folder.err) == (Exit.USAGE, True)


@pytest.mark.parametrize(
    ("line", "severity"),
    [
        ("[Sun Dec 04 04:47:44 2005] [error] mod_jk child workerEnv in error state 6", "error"),
        ("03-17 16:13:38.811  1702  2395 D WindowManager: printFreezing", "debug"),
        ("E0102 03:04:05.678901 12 main.go:40] refused", "error"),
        ("Dec 10 06:55:46 LabSZ sshd[24200]: Invalid user webmaster from 173.234.31.186", None),
        ("2015-07-29 17:41:44,747 - INFO  [QuorumPeer] - Notification time out: 3200", "info"),
        ("<11>1 app - an error_code of 5", None),
        ("FATAL:  too many connections", "critical"),
        ("2026-01-02T03:04:05Z warn: slow", "warning"),
    ],
)
def test_the_level_of_a_line_is_read_where_it_names_one(line: str, severity: str | None) -> None:
    (message,) = messages_in([line])
    assert (message.severity and message.severity.value) == severity


@pytest.mark.skipif(not LOGHUB.is_dir(), reason=f"needs the recorded logs in {LOGHUB}")
@pytest.mark.parametrize("name", ["Zookeeper", "HDFS", "Apache", "OpenSSH", "Android", "Windows", "BGL", "HPC"])
def test_real_logs_are_read_to_the_end_and_quiet_ones_stay_quiet(grace: Grace, name: str) -> None:
    said = grace("hindsight", str(LOGHUB / f"{name}_2k.log"), "--json")
    document = said.json
    counted = document["quiet"] + document["unclear"] + sum(one["count"] for one in document["incidents"])
    assert (said.code, document["messages"]) == (Exit.DONE, counted)
    assert len(document["incidents"]) < 200
