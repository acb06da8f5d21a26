"""GRACE sends no request to itself, by whatever name: the control plane is outside of every plan."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path
from typing import Final

import pytest

from grace.act.executors.doors import named_door, reached_door
from grace.act.executors.http import HttpExecutor, RequestParameters
from grace.act.executors.workplace import ProcessRules
from grace.kit.procfs import Endpoint, listening_at
from grace.model.execution import Outcome, StepState
from grace.model.warrant import Refusal
from grace.wiring.plugs import load_actions
from tests.act.workbench import Bench, perform

USES: Final = "http.request"
EVERYWHERE: Final = ("127.0.0.1", "127.0.0.9", "localhost", "LOCALHOST.", "api.localhost", "[::1]", "0.0.0.0", "[::]")
NOTATIONS: Final = ("127.1", "2130706433", "0x7f.0.0.1", "[::ffff:127.0.0.1]", "0")


class Doors(HTTPServer):
    """Stands for GRACE's API: counts what comes in."""

    asked = 0


@contextmanager
def listening(address: str, location: str = "") -> Generator[Doors]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            server.asked += 1
            self.send_response(307 if location else 200)
            if location:
                self.send_header("location", location)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as in the base class
            pass

    class Server(ThreadingHTTPServer, Doors):
        address_family = socket.AF_INET6 if ":" in address else socket.AF_INET

    with Server((address, 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[Callable[[str], Outcome]]:
    """Return a function that sends to a URL from a house whose doors are all that this process listens at."""
    bench = Bench(tmp_path, own_doors=lambda: listening_at(os.getpid()))
    executor = HttpExecutor(bench.workplace)
    yield lambda url: perform(executor, USES, bench.journal(), method="POST", url=url, timeout="5s")
    bench.close()


def port_of(server: HTTPServer) -> int:
    return int(server.server_address[1])


@pytest.mark.parametrize("listens", ["0.0.0.0", "::"])
@pytest.mark.parametrize("host", [*EVERYWHERE, *NOTATIONS, socket.gethostname()])
def test_no_request_reaches_a_door_that_is_open_to_all(
    guarded: Callable[[str], Outcome], listens: str, host: str
) -> None:
    with listening(listens) as server:
        outcome = guarded(f"http://{host}:{port_of(server)}/api/halt")
        assert server.asked == 0
        assert outcome.state in {StepState.REFUSED, StepState.FAILED}, outcome
        if host in {"127.0.0.1", "localhost", "0.0.0.0"}:
            assert outcome.state is StepState.REFUSED
            assert "GRACE itself" in outcome.why


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "0.0.0.0", "127.1"])
def test_a_request_to_a_door_on_one_address_is_refused_while_planning(tmp_path: Path, host: str) -> None:
    with listening("127.0.0.1") as server:
        bench = Bench(tmp_path, own_doors=lambda: listening_at(os.getpid()))
        action = HttpExecutor(bench.workplace).actions[USES]
        url = f"http://{host}:{port_of(server)}/"
        found = action.predict(RequestParameters.model_validate({"method": "POST", "url": url}))
        bench.close()
    assert isinstance(found, Refusal)
    assert found.rule == "http.control_plane"


def test_a_name_that_only_the_network_knows_is_refused_once_it_leads_home(
    guarded: Callable[[str], Outcome], monkeypatch: pytest.MonkeyPatch
) -> None:
    resolve = socket.getaddrinfo

    def resolving(host: str, *rest: object, **more: object) -> object:
        return resolve("127.0.0.1" if host == "grace.invalid" else host, *rest, **more)  # type: ignore[arg-type]

    with listening("127.0.0.1") as server:
        monkeypatch.setattr(socket, "getaddrinfo", resolving)
        outcome = guarded(f"http://grace.invalid:{port_of(server)}/")
        assert (outcome.state, server.asked) == (StepState.REFUSED, 0)


def test_an_answer_that_points_home_is_not_followed(tmp_path: Path) -> None:
    with listening("127.0.0.1") as home, listening("127.0.0.1", f"http://127.0.0.1:{port_of(home)}/") as other:
        doors = frozenset({Endpoint(ip_address("127.0.0.1"), port_of(home))})
        bench = Bench(tmp_path, own_doors=lambda: doors)
        url = f"http://127.0.0.1:{port_of(other)}/"
        outcome = perform(HttpExecutor(bench.workplace), USES, bench.journal(), method="POST", url=url)
        bench.close()
        assert (outcome.state, other.asked, home.asked) == (StepState.FAILED, 1, 0)


def test_others_on_the_same_machine_and_the_same_port_elsewhere_may_be_asked() -> None:
    doors = frozenset({Endpoint(ip_address("127.0.0.1"), 8000)})
    assert named_door(doors, "127.0.0.1", 8001) is None
    assert named_door(doors, "127.0.0.2", 8000) is None
    assert named_door(doors, "192.0.2.1", 8000) is None
    assert named_door(frozenset({Endpoint(ip_address("0.0.0.0"), 8000)}), "192.0.2.1", 8000) is None
    assert reached_door(doors, "127.0.0.2", 8000) is None
    assert reached_door(doors, "::ffff:127.0.0.1", 8000) is not None


def test_a_process_is_told_where_it_listens_and_where_no_longer() -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        here = Endpoint(ip_address("127.0.0.1"), server.getsockname()[1])
        assert here in listening_at(os.getpid())
    assert here not in listening_at(os.getpid())


def test_the_server_knows_its_own_doors(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    with listening("127.0.0.1") as server:
        actions = load_actions((), tmp_path, bench.clock, bench.vault, bench.sqlite, ProcessRules())
        url = f"http://localhost:{port_of(server)}/api/halt"
        found = actions[USES].predict(RequestParameters.model_validate({"method": "POST", "url": url}))
    bench.close()
    assert isinstance(found, Refusal)
    assert found.rule == "http.control_plane"
