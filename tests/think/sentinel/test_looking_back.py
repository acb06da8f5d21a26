"""Old logs in the layouts of collectors and runtimes: one fault is one incident, titled by what was raised."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from grace.model.hindsight import Hindsight
from grace.think.knowledge.loading import load_knowledge
from grace.think.sentinel.log_lines import messages_in
from grace.think.sentinel.looking_back import LookingBack
from tests.think.worlds import SHIPPED

KNOWLEDGE = load_knowledge([SHIPPED / "knowledge"])
WRITTEN = datetime(2026, 11, 22, 10, tzinfo=UTC)
PYTHON = """\
Traceback (most recent call last):
  File "/srv/app.py", line 4, in take
    save(order)
shop.errors.StoreTrouble: [Errno 28] No space left on device"""
GO = """\
2026/11/22 09:00:00 http: panic serving 10.0.0.7:51234: runtime error: invalid memory address or nil pointer dereference
goroutine 19 [running]:
net/http.(*conn).serve.func1()
\t/usr/local/go/src/net/http/server.go:1868 +0xb9
panic({0x6a5b40, 0x8d1f50})
\t/usr/local/go/src/runtime/panic.go:920 +0x270
main.handler({0x7f0, 0xc0}, 0x1)
\t/srv/shop/main.go:17 +0x1d
created by net/http.(*Server).Serve in goroutine 1
\t/usr/local/go/src/net/http/server.go:3086 +0x5cb"""
NODE = """\
/app/server.js:10
  const total = order.items.length;
                            ^

TypeError: Cannot read properties of undefined (reading 'length')
    at take (/app/server.js:10:29)
    at Server.<anonymous> (/app/server.js:31:3)

Node.js v20.11.0"""
RUST = (
    "thread 'main' panicked at src/main.rs:4:37:\n"
    'called `Result::unwrap()` on an `Err` value: Os { code: 24, message: "Too many open files" }\n'
    "note: run with `RUST_BACKTRACE=1` environment variable to display a backtrace"
)


def seen(*lines: str, written: datetime | None = None) -> Hindsight:
    looking = LookingBack(KNOWLEDGE, [])
    looking.read("app.log", lines, written)
    return looking.seen()


def test_lines_that_differ_in_client_path_and_numbers_are_one_incident() -> None:
    paths = ("/", "/cart", "/cart/17", "/search?q=a+b%20c", f"/{'q' * 200}", "/u/bob/profile")
    lines = [
        f"2026/11/22 09:00:{number % 60:02} [error] {number % 7}#3: *{number} connect() failed "
        f"(111: Connection refused) while connecting to upstream, client: 10.0.0.{number % 250}, server: shop, "
        f'request: "GET {paths[number % len(paths)]} HTTP/1.1", '
        f'upstream: "http://127.0.0.1:9000{paths[number % 5]}", host: "shop"'
        for number in range(600)
    ]
    (only,) = seen(*lines).incidents
    assert (only.count, only.diagnosis.cause) == (600, "dependency_unavailable")
    assert len(only.title) <= 200


def test_another_fault_of_the_same_server_is_another_incident() -> None:
    head = "2026/11/22 09:00:00 [error] 1#1: *5"
    found = seen(
        f'{head} open() "/x/y" failed (13: Permission denied)',
        f'{head} open() "/x" failed (13: Permission denied)',
        f'{head} open() "/x/y/z.html" failed (13: Permission denied)',
        f'{head} open() "/x/y" failed (24: Too many open files)',
    )
    assert [one.count for one in found.incidents] == [3, 1]


@pytest.mark.parametrize(
    "prefix",
    [
        "Nov 22 09:00:05 web1 app[812]: ",
        "<11>Nov 22 09:00:05 web1 app[812]: ",
        "2026-11-22T09:00:05+00:00 web1 app[812]: ",
        "2026-11-22T09:00:05.123456789Z stderr F ",
        "web-1  | ",
        "",
    ],
)
@pytest.mark.parametrize(
    ("dump", "title"),
    [
        (PYTHON, "shop.errors.StoreTrouble: [Errno 28] No space left on device"),
        (GO, "panic serving 10.0.0.7:51234: runtime error: invalid memory address or nil pointer dereference"),
        (NODE, "TypeError: Cannot read properties of undefined (reading 'length')"),
        (RUST, RUST.split("\n")[1]),
    ],
)
def test_a_dump_is_one_message_whatever_a_collector_writes_before_its_lines(prefix: str, dump: str, title: str) -> None:
    lines = [f"{prefix}{line}" for line in dump.split("\n")]
    (message,) = messages_in(lines, WRITTEN)
    assert message.said == title


def test_lines_of_two_programs_do_not_cut_each_other() -> None:
    first, second = PYTHON.split("\n"), NODE.split("\n")
    mixed = [
        line for pair in zip(first, second, strict=False) for line in (f"api-1  | {pair[0]}", f"web-1  | {pair[1]}")
    ]
    mixed += [f"web-1  | {line}" for line in second[len(first) :]]
    said = {message.said for message in messages_in(mixed)}
    assert said == {first[-1], "TypeError: Cannot read properties of undefined (reading 'length')"}


def test_a_line_that_a_container_runtime_cut_is_joined() -> None:
    head = "2026-11-22T09:00:00.000000000Z stderr"
    (message,) = messages_in([f"{head} P ERROR connection ref", f"{head} F used"])
    assert (message.said, message.lines) == ("connection refused", 1)
    (last,) = messages_in([f"{head} P ERROR cut off"])
    assert last.said == "cut off"


def test_the_year_of_syslog_is_that_of_the_file_or_not_told() -> None:
    line = "Nov 22 09:00:05 web1 app[812]: ERROR connection refused"
    (told,) = messages_in([line], WRITTEN)
    assert told.at == datetime(2026, 11, 22, 9, 0, 5, tzinfo=UTC)
    (before,) = messages_in(["Dec 30 09:00:05 web1 app[812]: ERROR x"], datetime(2026, 1, 2, tzinfo=UTC))
    assert before.at == datetime(2025, 12, 30, 9, 0, 5, tzinfo=UTC)
    (untold,) = messages_in([line])
    assert untold.at is None
    (incident,) = seen(line).incidents
    assert incident.first_seen is None


def test_a_panic_in_one_line_is_titled_by_itself() -> None:
    line = "thread 'main' panicked at src/main.rs:4:37: called `Result::unwrap()` on an `Err` value: Os { code: 24 }"
    (message,) = messages_in([line])
    assert (message.said, message.severity) == (line, None)
