from __future__ import annotations

import subprocess
import sys
import threading
from types import TracebackType

import grace_sdk
import pytest

from tests.sdk import hostile
from tests.sdk.sink import Sink


def _run(code: str, dsn: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code, dsn], capture_output=True, text=True, timeout=60, check=False)


def test_what_ends_the_process_is_captured_as_critical_and_still_printed(sink: Sink) -> None:
    code = "import sys, grace_sdk\ngrace_sdk.init(sys.argv[1])\nraise RuntimeError('the end')"
    result = _run(code, sink.dsn())
    (signal,) = sink.wait_for(1)
    assert (signal["title"], signal["message"], signal["severity"]) == ("RuntimeError", "the end", "critical")
    assert signal["labels"]["uncaught"] == "process"
    assert result.returncode == 1
    assert "RuntimeError: the end" in result.stderr


def test_what_ends_a_thread_is_captured_and_still_printed(sink: Sink) -> None:
    code = (
        "import sys, threading, grace_sdk\n"
        "grace_sdk.init(sys.argv[1])\n"
        "thread = threading.Thread(target=lambda: 1 / 0)\n"
        "thread.start(); thread.join()"
    )
    result = _run(code, sink.dsn())
    (signal,) = sink.wait_for(1)
    assert (signal["title"], signal["severity"]) == ("ZeroDivisionError", "critical")
    assert signal["labels"]["uncaught"] == "thread"
    assert result.returncode == 0
    assert "ZeroDivisionError" in result.stderr


def test_an_interrupt_and_an_orderly_exit_are_no_errors(sink: Sink) -> None:
    for ending in ("KeyboardInterrupt", "SystemExit(3)"):
        _run(f"import sys, grace_sdk\ngrace_sdk.init(sys.argv[1])\nraise {ending}", sink.dsn())
    assert sink.signals == {}


def test_the_previous_hook_is_called_and_put_back(sink: Sink, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[BaseException] = []

    def previous(kind: type[BaseException], exc: BaseException, traceback: TracebackType | None) -> None:
        seen.append(exc)

    monkeypatch.setattr(sys, "excepthook", previous)
    grace_sdk.init(sink.dsn())
    error = ValueError("x")
    sys.excepthook(ValueError, error, None)
    assert seen == [error]
    assert grace_sdk.flush(20.0)
    assert len(sink.signals) == 1
    grace_sdk.close()
    assert sys.excepthook is previous


def test_the_previous_hook_is_called_for_an_exception_that_fights_back(
    sink: Sink, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[type[BaseException]] = []

    def previous(kind: type[BaseException], exc: BaseException, traceback: TracebackType | None) -> None:
        seen.append(kind)

    monkeypatch.setattr(sys, "excepthook", previous)
    grace_sdk.init(sink.dsn())
    sys.excepthook(hostile.Hostile, hostile.Hostile(), None)
    assert seen == [hostile.Hostile]


def test_a_hook_that_came_later_is_not_removed(sink: Sink, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "excepthook", sys.__excepthook__)
    grace_sdk.init(sink.dsn())

    def later(*_: object) -> None:
        return

    sys.excepthook = later
    grace_sdk.close()
    assert sys.excepthook is later


def test_hooks_can_be_left_out(sink: Sink) -> None:
    before = (sys.excepthook, threading.excepthook)
    grace_sdk.init(sink.dsn(), excepthooks=False)
    assert (sys.excepthook, threading.excepthook) == before


def test_what_was_captured_is_not_captured_again_on_its_way_up(sink: Sink) -> None:
    code = (
        "import sys, grace_sdk\n"
        "grace_sdk.init(sys.argv[1])\n"
        "try:\n    raise RuntimeError('the end')\n"
        "except RuntimeError as exc:\n    grace_sdk.capture(exc)\n    raise"
    )
    _run(code, sink.dsn())
    assert [signal["severity"] for signal in sink.wait_for(1)] == ["error"]
