"""Old logs, read without a server: made by hand here, and real ones where they are recorded."""

from __future__ import annotations

import gzip
import json
import random
from pathlib import Path
from typing import Any

import pytest

from grace.cli.exits import Exit
from grace.model.signal import Severity
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
TRACEBACK = "Traceback (most recent call last):\n  File x"
ANOTHER = "During handling of the above exception, another exception occurred:"
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
    full = by_title(document, "OSError: [Errno 28] No space left on device")
    assert (full["diagnosis"]["cause"], full["line"]) == ("disk_full", 5), "the traceback belongs to its message"
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


def test_what_cannot_be_read_is_bad_input_and_says_what_to_do(grace: Grace, tmp_path: Path) -> None:
    for path, why in ((tmp_path / "none.log", "no such file"), (tmp_path, "is a folder")):
        said = grace("hindsight", str(path))
        assert (said.code, why in said.err, "next: " in said.err) == (Exit.USAGE, True, True), said.err


@pytest.mark.parametrize("head", [b"", b"\xff\xfe ERROR connection refused \x00\n", b"\x7fELF\x02\x01\x01\x00"])
def test_bytes_are_called_no_text_and_the_other_files_are_still_read(grace: Grace, tmp_path: Path, head: bytes) -> None:
    (tmp_path / "bytes.log").write_bytes(head + random.Random(7).randbytes(50_000))
    (tmp_path / "app.log").write_text(LOG)

    alone = grace("hindsight", str(tmp_path / "bytes.log"))
    assert (alone.code, alone.out) == (Exit.USAGE, "")
    assert "1 of 1 file could not be read" in alone.err
    assert "bytes.log is no text" in alone.err

    both = grace("hindsight", str(tmp_path / "bytes.log"), str(tmp_path / "app.log"))
    assert (both.code, "3 incidents" in both.out, "1 of 2 files" in both.err) == (Exit.USAGE, True, True)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_unicode_is_read_with_a_mark_and_without(grace: Grace, tmp_path: Path, encoding: str) -> None:
    (tmp_path / "app.log").write_text(LOG, encoding=encoding)
    (tmp_path / "packed").write_bytes(gzip.compress((tmp_path / "app.log").read_bytes()))
    for name in ("app.log", "packed"):
        document = grace("hindsight", str(tmp_path / name), "--json").json
        assert (document["lines"], document["messages"]) == (10, 6)
        assert by_title(document, "database is locked")["count"] == 2


@pytest.mark.parametrize("encoding", ["cp1251", "latin-1"])
def test_text_in_an_old_alphabet_is_still_text(grace: Grace, tmp_path: Path, encoding: str) -> None:
    word = "Ошибка" if encoding == "cp1251" else "Störung"
    (tmp_path / "app.log").write_text(f"ERROR {word}: connection refused\n" * 20, encoding=encoding)
    document = grace("hindsight", str(tmp_path / "app.log"), "--json").json
    assert by_title(document, "connection refused")["count"] == 20


JSON_LINES: dict[str, tuple[dict[str, object], str, str | None]] = {
    "plain": (
        {
            "level": "error",
            "time": 1767323045,
            "msg": "connect ECONNREFUSED 10.0.0.1",
            "password": "hunter2secret",
        },
        "connect ECONNREFUSED 10.0.0.1",
        "error",
    ),
    "error beside the message": (
        {"severity": "CRITICAL", "message": "order failed", "error": "database is locked"},
        "order failed: database is locked",
        "critical",
    ),
    "pino": (
        {
            "level": 50,
            "msg": "failed",
            "err": {"type": "Error", "message": "no", "stack": "Error: no\n    at f (a.js:1)"},
        },
        "failed: Error: no",
        "error",
    ),
    "java": (
        {
            "level": "WARN",
            "@timestamp": "2026-01-02T03:04:05Z",
            "message": "failed",
            "stack_trace": "a.b.Bad: no\n\tat x.y(Z.java:1)\nCaused by: java.net.ConnectException: Connection refused\n"
            "\tat x.z(Z.java:2)",
        },
        "java.net.ConnectException: Connection refused",
        "warning",
    ),
    "python": (
        {
            "levelname": "ERROR",
            "message": "take failed",
            "exc_info": 'Traceback (most recent call last):\n  File "a.py", line 1, in x\nshop.Declined: card refused',
        },
        "shop.Declined: card refused",
        "error",
    ),
    "no level": ({"msg": "an error of no level"}, "an error of no level", None),
}


@pytest.mark.parametrize("name", JSON_LINES)
def test_a_json_line_is_read_by_its_fields(name: str) -> None:
    fields, title, severity = JSON_LINES[name]
    (message,) = messages_in([json.dumps(fields)])
    assert (message.said, message.severity and message.severity.value) == (title, severity)
    assert "hunter2secret" not in message.text


@pytest.mark.parametrize(
    ("written", "at"),
    [
        ("2026-01-02T03:04:05Z", "2026-01-02T03:04:05+00:00"),
        ("2026-01-02 03:04:05,678", "2026-01-02T03:04:05.678000+00:00"),
        ("2026-01-02T05:04:05+02:00", "2026-01-02T05:04:05+02:00"),
        (1767323045, "2026-01-02T03:04:05+00:00"),
        (1767323045000, "2026-01-02T03:04:05+00:00"),
        (1e300, None),
        ("yesterday", None),
        (None, None),
    ],
)
def test_the_time_of_a_json_line_is_read_in_its_usual_forms(written: object, at: str | None) -> None:
    (message,) = messages_in([json.dumps({"msg": "failed", "ts": written})])
    assert (message.at and message.at.isoformat()) == at


def test_lines_that_a_container_wraps_are_read_as_the_log_that_they_are() -> None:
    inner = [
        "ERROR app: failed",
        "Traceback (most recent call last):",
        '  File "/srv/app.py", line 3, in f',
        "sqlite3.OperationalError: database is locked",
        "INFO app: went on",
    ]
    wrapped = [
        json.dumps({"log": f"{one}\n", "stream": "stderr", "time": "2026-01-02T03:04:05.123456789Z"}) for one in inner
    ]
    failed, went_on = messages_in(wrapped)
    assert (failed.said, failed.lines) == ("sqlite3.OperationalError: database is locked", 4)
    assert (went_on.said, went_on.severity) == ("app: went on", Severity.INFO)


@pytest.mark.parametrize("line", ['{"a": 1}', '{"msg": ', "{}", '{"msg": 1, "error": true}', "{" * 60_000 + "}"])
def test_a_line_in_braces_that_says_nothing_by_its_fields_is_text(line: str) -> None:
    (message,) = messages_in([line])
    assert message.text == line[:8192]


@pytest.mark.parametrize(
    ("text", "title", "messages"),
    [
        (f"ERROR app: failed\n{TRACEBACK}\nshop.Declined: no\nERROR b: c", "shop.Declined: no", 2),
        (f"ERROR a: b\n{TRACEBACK}\nKeyboardInterrupt", "KeyboardInterrupt", 1),
        (f"{TRACEBACK}\nKeyError: 'a'\n{ANOTHER}\n{TRACEBACK}\napp.Bad: b", "app.Bad: b", 1),
        ("ERROR app: failed\njava.lang.BadException: no\n\tat a.b(C.java:1)", "java.lang.BadException: no", 1),
        ('Exception in thread "main" java.lang.BadError: no\n\tat a.b(C.java:1)', "java.lang.BadError: no", 1),
        ("ERROR app: failed: no\n  with more of it", "app: failed: no", 1),
    ],
)
def test_a_message_with_a_traceback_is_titled_by_its_exception(text: str, title: str, messages: int) -> None:
    found = list(messages_in(text.splitlines()))
    assert (found[0].said, len(found)) == (title, messages)


@pytest.mark.parametrize(
    ("line", "rule"),
    [
        ("sshd[24200]: pam_unix(sshd:auth): check pass; user unknown", "login-to-host-refused"),
        ("sshd[24200]: Failed password for root from 10.0.0.9 port 38926 ssh2", "login-to-host-refused"),
        ("sshd[24200]: pam_unix(sshd:auth): authentication failure; logname= uid=0 euid=0", "login-to-host-refused"),
        ('FATAL: password authentication failed for user "orders"', "database-refuses-identity"),
        ("PermissionError: [Errno 13] Permission denied: '/srv/shop/data'", "operating-system-denies"),
    ],
)
def test_a_refused_login_is_no_file_mode(grace: Grace, tmp_path: Path, line: str, rule: str) -> None:
    (tmp_path / "auth.log").write_text(f"{line}\n")
    (incident,) = grace("hindsight", str(tmp_path / "auth.log"), "--json").json["incidents"]
    diagnosis = incident["diagnosis"]
    assert (diagnosis["cause"], diagnosis["evidence"][0]["rule"]) == ("permission_denied", rule)
    is_mode = rule == "operating-system-denies"
    assert incident["playbooks"] == (["restore-declared-mode"] if is_mode else [])


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
