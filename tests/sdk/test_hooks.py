from __future__ import annotations

import asyncio
import logging
import multiprocessing
import signal
import sys
import threading
import warnings
from types import TracebackType

import grace_sdk
import pytest
from grace_sdk.loops import watch

from tests.sdk import hostile
from tests.sdk.scripts import run
from tests.sdk.sink import Sink


def test_what_ends_the_process_is_captured_as_critical_and_still_printed(sink: Sink) -> None:
    code = "import sys, grace_sdk\ngrace_sdk.init(sys.argv[1])\nraise RuntimeError('the end')"
    result = run(code, sink.dsn())
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
    result = run(code, sink.dsn())
    (signal,) = sink.wait_for(1)
    assert (signal["title"], signal["severity"]) == ("ZeroDivisionError", "critical")
    assert signal["labels"]["uncaught"] == "thread"
    assert result.returncode == 0
    assert "ZeroDivisionError" in result.stderr


def test_an_interrupt_and_an_orderly_exit_are_no_errors(sink: Sink) -> None:
    for ending in ("KeyboardInterrupt", "SystemExit(3)"):
        run(f"import sys, grace_sdk\ngrace_sdk.init(sys.argv[1])\nraise {ending}", sink.dsn())
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
    grace_sdk.init(sink.dsn(), hooks=["threads"])
    assert sys.excepthook is before[0]
    assert threading.excepthook is not before[1]
    grace_sdk.init(sink.dsn(), hooks=())
    assert (sys.excepthook, threading.excepthook) == before


def test_a_hook_that_does_not_exist_is_named_with_those_that_do(sink: Sink, caplog: pytest.LogCaptureFixture) -> None:
    grace_sdk.init(sink.dsn(), hooks=["thread"])
    assert "There is no hook 'thread'; there are process, threads," in caplog.text


def test_what_was_captured_is_not_captured_again_on_its_way_up(sink: Sink) -> None:
    code = (
        "import sys, grace_sdk\n"
        "grace_sdk.init(sys.argv[1])\n"
        "try:\n    raise RuntimeError('the end')\n"
        "except RuntimeError as exc:\n    grace_sdk.capture(exc)\n    raise"
    )
    run(code, sink.dsn())
    assert [signal["severity"] for signal in sink.wait_for(1)] == ["error"]


def test_what_a_finalizer_raises_is_captured_without_reviving_its_object(sink: Sink) -> None:
    code = (
        "import sys, grace_sdk\n"
        "grace_sdk.init(sys.argv[1])\n"
        "class Connection:\n"
        "    def __del__(self): raise OSError('cannot close')\n"
        "Connection()"
    )
    result = run(code, sink.dsn())
    (signal,) = sink.wait_for(1)
    assert (signal["title"], signal["severity"], signal["labels"]["uncaught"]) == ("OSError", "error", "finalizer")
    assert signal["context"]["object"] == "Connection.__del__"
    assert "Exception ignored" in result.stderr


def test_a_warning_is_captured_once_for_each_place_and_still_shown(sink: Sink) -> None:
    code = (
        "import sys, warnings, grace_sdk\n"
        "warnings.simplefilter('always')\n"
        "grace_sdk.init(sys.argv[1])\n"
        "for number in range(5): warnings.warn('disk is nearly full', ResourceWarning)\n"
        "warnings.warn('in another place', RuntimeWarning)\n"
        "warnings.warn('old name', DeprecationWarning)"
    )
    result = run(code, sink.dsn())
    first, second = sink.wait_for(2)
    assert (first["kind"], first["title"]) == ("log", "ResourceWarning: disk is nearly full")
    assert (first["severity"], first["labels"]["warning"]) == ("warning", "ResourceWarning")
    assert second["title"] == "RuntimeWarning: in another place"
    assert result.stderr.count("disk is nearly full") == 5
    assert "old name" in result.stderr
    assert len(sink.signals) == 2


def test_a_coroutine_that_is_never_awaited_is_captured(sink: Sink) -> None:
    code = (
        "import asyncio, gc, sys, grace_sdk\n"
        "grace_sdk.init(sys.argv[1])\n"
        "async def ship(): ...\n"
        "async def main(): ship()\n"
        "asyncio.run(main())"
    )
    result = run(code, sink.dsn())
    (signal,) = sink.wait_for(1)
    assert signal["title"] == "RuntimeWarning: coroutine 'ship' was never awaited"
    assert "never awaited" in result.stderr


def test_what_a_task_raised_and_nobody_retrieved_is_captured_once_and_still_logged(sink: Sink) -> None:
    code = (
        "import asyncio, gc, sys, grace_sdk\n"
        "grace_sdk.init(sys.argv[1])\n"
        "async def ship(): raise LookupError('no parcel')\n"
        "async def main():\n"
        "    asyncio.ensure_future(ship())\n"
        "    await asyncio.sleep(0); await asyncio.sleep(0); gc.collect()\n"
        "asyncio.run(main())"
    )
    result = run(code, sink.dsn())
    (signal,) = sink.wait_for(1)
    assert (signal["title"], signal["message"]) == ("LookupError", "no parcel")
    assert signal["context"]["log"].startswith("Task exception was never retrieved")
    assert "Task exception was never retrieved" in result.stderr
    assert len(sink.signals) == 1


def test_a_loop_with_a_handler_of_its_own_is_watched_on_request_and_its_handler_called(sink: Sink) -> None:
    seen: list[str] = []

    async def main() -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(own)
        restore = watch()
        loop.call_exception_handler({"message": "parcel lost", "exception": LookupError("no parcel")})
        loop.call_exception_handler({"message": "nothing raised"})
        restore()
        assert loop.get_exception_handler() is own

    def own(_: asyncio.AbstractEventLoop, context: dict[str, object]) -> None:
        seen.append(str(context["message"]))

    grace_sdk.init(sink.dsn())
    asyncio.run(main())
    assert grace_sdk.flush(20.0)
    assert [signal["title"] for signal in sink.wait_for(2)] == ["LookupError", "nothing raised"]
    assert seen == ["parcel lost", "nothing raised"]


def test_all_hooks_are_put_back(sink: Sink) -> None:
    def places() -> list[object]:
        return [
            sys.excepthook,
            threading.excepthook,
            sys.unraisablehook,
            warnings.showwarning,
            logging.Logger.callHandlers,
            list(logging.getLogger("asyncio").filters),
            signal.getsignal(signal.SIGTERM),
            "grace_sdk" in vars(multiprocessing.current_process())["_config"],
        ]

    before = places()
    grace_sdk.init(sink.dsn())
    assert all(now != earlier for now, earlier in zip(places(), before, strict=True))
    grace_sdk.close()
    assert places() == before
