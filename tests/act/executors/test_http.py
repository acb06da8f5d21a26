import json
import socket
import ssl
import threading
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from pydantic import JsonValue, ValidationError

from grace.act.executors import Applied, Lingers
from grace.act.executors.http import HttpExecutor
from grace.kit.clock import VirtualClock, to_rfc3339
from grace.kit.http_line import trust
from grace.model.execution import Outcome, StepState
from grace.model.target import Target
from grace.model.warrant import Refusal
from tests.act.executors.crashing import crash_at, cuts_of
from tests.act.workbench import HOST, Bench, KeptJournal, parsed, perform

USES = "http.request"
LONG_SENT: Mapping[str, JsonValue] = {"idempotency_key": "k", "sent_at": "2026-01-01T00:00:00.000000Z"}


@dataclass
class Received:
    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Site:
    """A server that remembers what it was sent and answers as it is told."""

    url: str = ""
    status: int = 200
    body: bytes = b"{}"
    flags: dict[str, str] = field(default_factory=dict[str, str])
    received: list[Received] = field(default_factory=list[Received])


@contextmanager
def serving(site: Site, tls: ssl.SSLContext | None = None) -> Generator[Site]:
    class Handler(BaseHTTPRequestHandler):
        def _answer(self, status: int, body: bytes) -> None:
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def _take(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            headers = {name.lower(): value for name, value in self.headers.items()}
            site.received.append(Received(self.command, self.path, headers, body))
            site.flags[self.path] = body.decode("utf-8", "replace")
            self._answer(site.status, site.body)

        do_POST = do_PUT = do_PATCH = do_DELETE = _take  # noqa: N815 - as the base class wants them

        def do_GET(self) -> None:
            if self.path == "/broken":
                self._answer(503, b"")
            elif self.path in site.flags:
                self._answer(200, site.flags[self.path].encode())
            else:
                self._answer(404, b"")

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as in the base class
            pass

    class Quiet(ThreadingHTTPServer):
        def handle_error(self, request: object, client_address: object) -> None:
            pass

    with Quiet(("127.0.0.1", 0), Handler) as server:
        if tls is not None:
            server.socket = tls.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        site.url = f"http{'s' if tls else ''}://127.0.0.1:{server.server_address[1]}"
        yield site
        server.shutdown()
        thread.join()


@pytest.fixture
def site() -> Iterator[Site]:
    with serving(Site()) as found:
        yield found


@pytest.fixture
def hands(bench: Bench) -> HttpExecutor:
    return HttpExecutor(bench.workplace)


@contextmanager
def answering(behave: Callable[[socket.socket], None]) -> Generator[str]:
    """Serve one connection in a way that no server should; yield its address."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                behave(connection)

        thread = threading.Thread(target=serve)
        thread.start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}"
        thread.join()


def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


def send(hands: HttpExecutor, journal: KeptJournal, url: str, **more: object) -> Outcome:
    return perform(hands, USES, journal, **{"method": "POST", "url": url, **more})


def probe(hands: HttpExecutor, handle: Mapping[str, JsonValue] | None, **parameters: object) -> Applied:
    action = hands.actions[USES]
    return action.probe(action.spec.parameters.model_validate({"method": "POST", **parameters}), handle)


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_a_request_is_sent_once_as_it_was_written(bench: Bench, hands: HttpExecutor, site: Site, method: str) -> None:
    done = send(
        hands, bench.journal(), f"{site.url}/a/b?c=d", method=method, body={"x": ["ü", 1]}, headers={"X-A": "b"}
    )
    assert done.state is StepState.DONE, done.why
    (received,) = site.received
    assert (received.method, received.path) == (method, "/a/b?c=d")
    assert json.loads(received.body) == {"x": ["ü", 1]}
    assert received.headers["content-type"] == "application/json"
    assert received.headers["x-a"] == "b"
    assert done.output["status"] == 200
    assert done.output["body"] == "{}"
    assert bench.vault.get(str(done.output["body_kept"])) == b"{}"


@pytest.mark.parametrize(
    ("body", "sent", "kind"),
    [
        (None, b"", None),
        ("plain ü", "plain ü".encode(), "text/plain; charset=utf-8"),
        ([], b"[]", "application/json"),
        (False, b"false", "application/json"),
    ],
)
def test_a_text_is_sent_as_it_is_and_anything_else_as_json(
    bench: Bench, hands: HttpExecutor, site: Site, body: object, sent: bytes, kind: str | None
) -> None:
    send(hands, bench.journal(), site.url, body=body)
    assert site.received[0].body == sent
    assert site.received[0].headers.get("content-type") == kind


def test_each_request_has_a_key_that_is_on_the_record_before_it_is_sent(
    bench: Bench, hands: HttpExecutor, site: Site
) -> None:
    journal = bench.journal()
    noted: list[int] = []
    journal.on_note = lambda: noted.append(len(site.received))
    send(hands, journal, site.url)
    send(hands, bench.journal(), site.url)
    send(hands, bench.journal(), site.url, idempotency_key="order-7")
    keys = [received.headers["idempotency-key"] for received in site.received]
    assert noted == [0, 1]
    assert journal.notes[0]["idempotency_key"] == keys[0]
    assert len(set(keys)) == 3
    assert keys[2] == "order-7"


def test_what_was_interrupted_is_sent_again_under_the_key_that_was_noted(
    bench: Bench, hands: HttpExecutor, site: Site
) -> None:
    interrupted = bench.journal()
    send(hands, interrupted, site.url)
    for given in ({}, {"idempotency_key": "order-7"}):
        again = bench.journal()
        again.interrupted = interrupted.handle or {}
        send(hands, again, site.url, **given)
    keys = [received.headers["idempotency-key"] for received in site.received]
    assert keys == [keys[0], keys[0], "order-7"]


def test_a_check_that_sees_nothing_is_a_no_only_when_the_time_of_the_request_is_over(bench: Bench, site: Site) -> None:
    clock = bench.clock = VirtualClock()
    hands = HttpExecutor(bench.workplace)
    action = hands.actions[USES]
    assert isinstance(action, Lingers)
    url, check = f"{site.url}/flag", {"url": f"{site.url}/flag"}
    read = action.spec.parameters.model_validate({"method": "POST", "url": url, "timeout": 80, "check": check})
    handle: dict[str, JsonValue] = {"idempotency_key": "k", "sent_at": to_rfc3339(clock.now())}
    clock.advance(4)
    assert action.at_work_s(read, handle) == 76
    assert action.probe(read, handle) is Applied.UNKNOWN
    assert action.probe(read, {"idempotency_key": "k"}) is Applied.UNKNOWN, "nobody knows when it was sent"
    assert action.probe(read, {**handle, "status": 500}) is Applied.NO, "the server is done with what it answered"
    assert action.at_work_s(read, {**handle, "status": 500}) == 0
    assert action.at_work_s(action.spec.parameters.model_validate({"method": "POST", "url": url}), handle) == 0, (
        "nothing will ever tell without a check"
    )
    clock.advance(76)
    assert action.at_work_s(read, handle) == 0
    assert action.probe(read, handle) is Applied.NO
    site.flags["/flag"] = "on"
    assert action.probe(read, handle) is Applied.YES


def test_a_clock_that_was_set_back_keeps_nobody_waiting_longer_than_the_request_may_take(
    bench: Bench, site: Site
) -> None:
    bench.clock = VirtualClock()
    action = HttpExecutor(bench.workplace).actions[USES]
    assert isinstance(action, Lingers)
    later = to_rfc3339(bench.clock.now() + timedelta(hours=1))
    read = action.spec.parameters.model_validate({"method": "POST", "url": site.url, "check": {"url": site.url}})
    assert action.at_work_s(read, {"idempotency_key": "k", "sent_at": later}) == 10
    assert action.probe(read, {"idempotency_key": "k", "sent_at": later}) is Applied.UNKNOWN


def test_another_status_than_expected_has_failed(bench: Bench, hands: HttpExecutor, site: Site) -> None:
    site.status, site.body = 409, b"conflict"
    journal = bench.journal()
    outcome = send(hands, journal, site.url)
    assert outcome.state is StepState.FAILED
    assert "409" in outcome.why
    assert outcome.output["body"] == "conflict"
    assert probe(hands, journal.handle, url=site.url) is Applied.UNKNOWN
    assert send(hands, bench.journal(), site.url, expect_status=[409]).state is StepState.DONE


def test_a_redirect_is_not_followed(bench: Bench, hands: HttpExecutor, site: Site) -> None:
    site.status = 307
    assert send(hands, bench.journal(), site.url).state is StepState.FAILED
    assert len(site.received) == 1


def test_where_nobody_listens_nothing_was_sent(bench: Bench, hands: HttpExecutor) -> None:
    journal = bench.journal()
    url = f"http://127.0.0.1:{closed_port()}/"
    outcome = send(hands, journal, url)
    assert outcome.state is StepState.FAILED
    assert "nothing was sent" in outcome.why
    assert journal.notes == []
    assert probe(hands, journal.handle, url=url) is Applied.NO


def _silent(connection: socket.socket) -> None:
    while connection.recv(65536):
        pass


def _hangs_up(connection: socket.socket) -> None:
    connection.recv(65536)


def _talks_nonsense(connection: socket.socket) -> None:
    connection.recv(65536)
    connection.sendall(b"nonsense\r\n\r\n")


def _drips(connection: socket.socket) -> None:
    connection.recv(65536)
    connection.sendall(b"HTTP/1.1 200 OK\r\n")
    connection.settimeout(0.01)
    while True:
        try:
            if not connection.recv(1):
                return
        except TimeoutError:
            try:
                connection.sendall(b"x-drip: 1\r\n"[:1])
            except OSError:
                return


@pytest.mark.parametrize("behave", [_silent, _hangs_up, _talks_nonsense, _drips])
def test_what_was_sent_and_not_answered_is_unknown_and_in_time(
    bench: Bench, hands: HttpExecutor, behave: Callable[[socket.socket], None]
) -> None:
    journal = bench.journal()
    with answering(behave) as url:
        outcome = send(hands, journal, url, timeout=0.3)
    assert outcome.state is StepState.UNKNOWN, outcome
    assert probe(hands, journal.handle, url=url) is Applied.UNKNOWN


def _breaks_off(connection: socket.socket) -> None:
    connection.recv(65536)
    connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf")


def _never_ends(connection: socket.socket) -> None:
    connection.recv(65536)
    connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
    try:
        while True:
            connection.sendall(b"x" * 65536)
    except OSError:
        return


@pytest.mark.parametrize("behave", [_breaks_off, _never_ends])
def test_an_answer_counts_even_where_its_body_does_not_end(
    bench: Bench, hands: HttpExecutor, behave: Callable[[socket.socket], None]
) -> None:
    with answering(behave) as url:
        outcome = send(hands, bench.journal(), url)
    assert outcome.state is StepState.DONE, outcome.why
    assert len(str(outcome.output["body"])) < 5000


def test_secrets_are_read_at_the_last_moment_and_never_shown(bench: Bench, site: Site) -> None:
    bench.secrets = {"env:TOKEN": "plain-words", "file:/run/key": "other-words"}
    hands = HttpExecutor(bench.workplace)
    site.body = b"you sent plain-words and password=hunter2"
    parameters = {"headers_from": {"Authorization": "Bearer env:TOKEN", "X-Key": "file:/run/key"}}
    action = hands.actions[USES]
    predicted = action.predict(action.spec.parameters.model_validate({"method": "POST", "url": site.url, **parameters}))
    journal = bench.journal()
    done = send(hands, journal, site.url, **parameters)
    assert site.received[0].headers["authorization"] == "Bearer plain-words"
    assert site.received[0].headers["x-key"] == "other-words"
    assert "you sent [redacted]" in str(done.output["body"])
    for shown in (str(predicted), str(done), str(journal.notes)):
        for secret in ("plain-words", "other-words", "hunter2"):
            assert secret not in shown


@pytest.mark.parametrize("secrets", [{}, {"env:TOKEN": "two\r\nlines"}, {"env:TOKEN": "snow ☃"}])
def test_a_secret_that_is_not_there_or_cannot_be_sent_is_refused(
    bench: Bench, site: Site, secrets: dict[str, str]
) -> None:
    bench.secrets = secrets
    hands = HttpExecutor(bench.workplace)
    parameters: dict[str, object] = {"headers_from": {"Authorization": "env:TOKEN"}}
    outcome = send(hands, bench.journal(), site.url, **parameters)
    assert outcome.state is StepState.REFUSED
    assert "env:TOKEN" in outcome.why
    action = hands.actions[USES]
    read = action.spec.parameters.model_validate({"method": "POST", "url": site.url, **parameters})
    assert isinstance(action.predict(read), Refusal)
    assert site.received == []


def test_words_from_outside_are_never_taken_for_references(bench: Bench, site: Site) -> None:
    bench.secrets = {"env:TOKEN": "plain-words"}
    hands = HttpExecutor(bench.workplace)
    send(hands, bench.journal(), site.url, body={"title": "env:TOKEN"}, headers={"X-Title": "env:TOKEN"})
    assert b"env:TOKEN" in site.received[0].body
    assert site.received[0].headers["x-title"] == "env:TOKEN"


@pytest.mark.parametrize(
    "change",
    [
        {"method": "GET"},
        {"method": "post"},
        {"url": "ftp://here/"},
        {"url": "http:///path"},
        {"url": "http://user:pass@here/"},
        {"url": "http://token@here/"},
        {"url": "http://here/?password=hunter2"},
        {"url": "http://here/a/../b"},
        {"url": "http://here/a/%2e%2e/b"},
        {"url": "http://here/a b"},
        {"url": "http://here/\r\nx: y"},
        {"url": "http://here/ü"},
        {"url": "http://here/#part"},
        {"url": "http://here:99999/"},
        {"url": "http://here:0/"},
        {"url": "http://[::1/"},
        {"headers": {"X": "a\r\nY: b"}},
        {"headers": {"X Y": "a"}},
        {"headers": {"Host": "elsewhere"}},
        {"headers": {"Content-Length": "1"}},
        {"headers": {"Authorization": "Bearer abc"}},
        {"headers": {"X": "1", "x": "2"}},
        {"headers": {"X": "1"}, "headers_from": {"x": "env:Y"}},
        {"headers_from": {"X": "literal"}},
        {"headers_from": {"X": "env:"}},
        {"headers_from": {"X": "file:relative"}},
        {"body": "x" * (256 * 1024 + 1)},
        {"body": float("nan")},
        {"expect_status": []},
        {"expect_status": [100]},
        {"timeout": 0},
        {"timeout": "1h"},
        {"idempotency_key": "a b"},
        {"check": {"url": "http://here/", "method": "POST"}},
        {"check": {}},
        {"verify": False},
    ],
)
def test_parameters_out_of_bounds_are_refused(hands: HttpExecutor, change: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        parsed(hands.actions[USES], **{"method": "POST", "url": "http://here/", **change})


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("http://here", "here:80/"),
        ("https://HERE.example/a/b?c=d", "here.example:443/a/b"),
        ("http://127.0.0.1:8080/x", "127.0.0.1:8080/x"),
        ("http://[::1]:8080/x", "[::1]:8080/x"),
    ],
)
def test_the_target_is_the_place_and_not_its_spelling(hands: HttpExecutor, url: str, name: str) -> None:
    action = hands.actions[USES]
    target = Target(kind="http", host=HOST, id=name)
    assert action.targets(action.spec.parameters.model_validate({"method": "PUT", "url": url})) == (target,)
    assert Target.parse(target.key) == target


def test_a_reference_that_was_never_filled_in_is_not_sent(bench: Bench, hands: HttpExecutor, site: Site) -> None:
    outcome = send(hands, bench.journal(), site.url, body={"path": "${{ do.write.path }}"})
    assert outcome.state is StepState.REFUSED
    assert site.received == []


@pytest.mark.parametrize(
    ("check", "answer"),
    [
        ({}, Applied.YES),
        ({"contains": "on"}, Applied.YES),
        ({"contains": "off"}, Applied.NO),
        ({"path": "/absent"}, Applied.NO),
        ({"expect_status": [201]}, Applied.NO),
        ({"path": "/absent", "expect_status": [404]}, Applied.YES),
        ({"path": "/broken"}, Applied.UNKNOWN),
        ({"headers_from": {"X": "env:ABSENT"}}, Applied.UNKNOWN),
    ],
)
def test_a_check_asks_the_server_itself(
    hands: HttpExecutor, site: Site, check: dict[str, object], answer: Applied
) -> None:
    site.flags["/flag"] = "it is on"
    asked = {name: value for name, value in check.items() if name != "path"}
    url = f"{site.url}{check.get('path', '/flag')}"
    found = probe(hands, LONG_SENT, url=f"{site.url}/flag", check={"url": url, **asked})
    assert found is answer
    assert site.received == []


def test_a_check_that_cannot_be_asked_is_unknown(hands: HttpExecutor, site: Site) -> None:
    check = {"url": f"http://127.0.0.1:{closed_port()}/"}
    assert probe(hands, {"idempotency_key": "k"}, url=site.url, check=check) is Applied.UNKNOWN
    assert probe(hands, {"idempotency_key": "k"}, url=site.url) is Applied.UNKNOWN
    assert probe(hands, None, url=site.url) is Applied.NO


def test_an_expected_answer_that_was_noted_is_a_yes(bench: Bench, hands: HttpExecutor, site: Site) -> None:
    journal = bench.journal()
    send(hands, journal, site.url)
    assert probe(hands, journal.handle, url=site.url) is Applied.YES


def test_planning_sends_nothing(hands: HttpExecutor, site: Site) -> None:
    action = hands.actions[USES]
    read = action.spec.parameters.model_validate({"method": "POST", "url": f"{site.url}/x", "body": {"a": 1}})
    predicted = action.predict(read)
    assert not isinstance(predicted, Refusal)
    assert predicted["request"] == f"POST {site.url}/x"
    action.targets(read)
    assert site.received == []


def wait_for_the_request(site: Site) -> None:
    """Wait, generously, for what was sent by a process that is dead by now."""
    deadline = time.monotonic() + 20
    while not site.received:
        assert time.monotonic() < deadline, "what was sent did not arrive"
        time.sleep(0.005)


@pytest.mark.slow
def test_a_crash_at_any_point_sends_at_most_once_and_tells_no_lie(bench: Bench, site: Site, tmp_path: Path) -> None:
    parameters = {"method": "POST", "url": f"{site.url}/flag", "body": "on"}
    answers: dict[str, Applied] = {}
    for cut in cuts_of(bench, USES, parameters):
        site.received.clear()
        site.flags.clear()
        place = tmp_path / cut
        place.mkdir()
        handle = crash_at(cut, place, USES, parameters)
        if cut == "executor.http.request.sent":
            wait_for_the_request(site)
        hands = HttpExecutor(bench.workplace)
        answers[cut] = probe(hands, handle, url=parameters["url"])
        check = {"url": f"{site.url}/flag", "contains": "on"}
        is_sure = bool(site.received) or handle is None
        checked = probe(hands, handle, url=parameters["url"], check=check)
        assert checked is (Applied.UNKNOWN if not is_sure else Applied.YES if site.received else Applied.NO), cut
        later = replace(bench.workplace, clock=VirtualClock(datetime.now(UTC) + timedelta(seconds=11)))
        checked = probe(HttpExecutor(later), handle, url=parameters["url"], check=check)
        assert checked is (Applied.YES if site.received else Applied.NO), cut
        assert len(site.received) <= 1
    assert {cut: answer for cut, answer in answers.items() if cut.startswith("executor.")} == {
        "executor.http.request.connected": Applied.NO,
        "executor.http.request.noted": Applied.UNKNOWN,
        "executor.http.request.sent": Applied.UNKNOWN,
        "executor.http.request.answered": Applied.UNKNOWN,
        "executor.http.request.answer_noted": Applied.YES,
    }


def _certificate(folder: Path) -> tuple[ssl.SSLContext, Path]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "here")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    file = folder / "certificate.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    file.write_bytes(made.public_bytes(serialization.Encoding.PEM) + private)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    return context, file


def test_a_certificate_that_nobody_vouches_for_stops_the_request(
    bench: Bench, hands: HttpExecutor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    context, file = _certificate(tmp_path)
    with serving(Site(), context) as site:
        journal = bench.journal()
        outcome = send(hands, journal, site.url)
        assert outcome.state is StepState.FAILED
        assert "certificate" in outcome.why.lower()
        assert site.received == []
        assert journal.notes == []
        monkeypatch.setenv("SSL_CERT_FILE", str(file))
        trust.cache_clear()
        try:
            assert send(hands, journal, f"{site.url}/x").state is StepState.DONE
        finally:
            trust.cache_clear()
    assert len(site.received) == 1
