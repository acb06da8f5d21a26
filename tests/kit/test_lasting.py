import logging
import threading

import pytest

from grace.kit import lasting
from grace.kit.lasting import LastingThread


@pytest.fixture(autouse=True)
def short_rests(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lasting, "FIRST_REST_S", 0.0)
    monkeypatch.setattr(lasting, "LONGEST_REST_S", 0.0)


def test_a_thread_that_falls_over_begins_again_and_says_so(caplog: pytest.LogCaptureFixture) -> None:
    lives: list[int] = []
    again, end = threading.Event(), threading.Event()

    def work() -> None:
        lives.append(1)
        if len(lives) == 1:
            raise OSError(22, "Invalid argument")
        again.set()
        end.wait()

    thread = LastingThread("grace-worker", work)
    assert thread.trouble is None
    with caplog.at_level(logging.ERROR):
        thread.start()
        again.wait()
    assert thread.down is None
    assert thread.trouble is not None
    assert "fell over once" in thread.trouble
    assert "Invalid argument" in thread.trouble
    assert "grace-worker fell over" in caplog.text
    end.set()
    thread.join()
    assert not thread.is_alive()


def test_a_thread_is_down_while_it_rests(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lasting, "FIRST_REST_S", 3600.0)
    monkeypatch.setattr(lasting, "LONGEST_REST_S", 3600.0)
    fell = threading.Event()

    class Told(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            fell.set()

    def work() -> None:
        raise OSError(22, "Invalid argument")

    handler = Told()
    logging.getLogger(lasting.__name__).addHandler(handler)
    thread = LastingThread("grace-worker", work)
    thread.start()
    fell.wait()
    logging.getLogger(lasting.__name__).removeHandler(handler)
    assert "begins again" in (thread.down or "")
    thread.join()
    assert thread.down is None, "who was told to end is not missed"


def test_the_first_rest_is_the_shortest_and_each_further_one_twice_as_long(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(lasting, "FIRST_REST_S", 0.001)
    monkeypatch.setattr(lasting, "LONGEST_REST_S", 0.003)
    lives: list[int] = []
    over = threading.Event()

    def work() -> None:
        lives.append(1)
        if len(lives) <= 3:
            raise OSError(22, "Invalid argument")
        over.set()

    thread = LastingThread("grace-worker", work)
    with caplog.at_level(logging.ERROR):
        thread.start()
        over.wait()
        thread.join()
    assert [record.args for record in caplog.records] == [("grace-worker", rest) for rest in (0.001, 0.002, 0.003)]


def test_work_that_returns_is_not_done_again() -> None:
    lives: list[int] = []
    thread = LastingThread("grace-worker", lambda: lives.append(1))
    thread.start()
    thread.join()
    assert lives == [1]
    assert thread.trouble is None
