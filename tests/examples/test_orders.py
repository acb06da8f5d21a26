"""The order service of the demo, started for real: its orders are durable and its failures are real."""

import http.client
import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Generator
from contextlib import closing
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Final

import pytest
from pydantic import BaseModel

from examples.orders.load import missing_orders
from examples.orders.orders.settings import SettingsError, read_settings

pytestmark = pytest.mark.slow

EXAMPLE: Final = Path(__file__).parents[2] / "examples" / "orders"
PATIENCE_S: Final = 30

CONFIG: Final = """
port_file: orders.port
pid_file: orders.pid
database: orders.db
spool: spool
max_concurrency: {max_concurrency}
queue_timeout_ms: 50
busy_timeout_ms: 200
report_timeout_ms: {report_timeout_ms}
"""


class RaisedSeen(BaseModel):
    type: str
    message: str


class SignalSeen(BaseModel):
    """The part of a signal that these tests look at."""

    service: str
    severity: str
    labels: dict[str, str]
    exception: RaisedSeen | None


class Batch(BaseModel):
    signals: list[SignalSeen]


class Sink(ThreadingHTTPServer):
    """Takes signals like GRACE's own door, and keeps them for the test."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), SinkHandler)
        self.signals: list[SignalSeen] = []


class SinkHandler(BaseHTTPRequestHandler):
    server: Sink  # pyright: ignore[reportIncompatibleVariableOverride] - the only server that it serves

    def do_POST(self) -> None:
        batch = Batch.model_validate_json(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.signals += batch.signals
        answer = json.dumps({"accepted": len(batch.signals), "duplicates": 0}).encode()
        self.send_response(202)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it so
        """Stay quiet."""


@pytest.fixture
def sink() -> Generator[Sink]:
    with Sink() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@dataclass(slots=True)
class Service:
    """One running order service."""

    folder: Path
    process: subprocess.Popen[bytes]
    sink: Sink
    children: list[subprocess.Popen[bytes]] = field(default_factory=list[subprocess.Popen[bytes]])

    @property
    def config(self) -> Path:
        return self.folder / "orders.yaml"

    @property
    def database(self) -> Path:
        return self.folder / "orders.db"

    @property
    def address(self) -> str:
        return f"127.0.0.1:{int((self.folder / 'orders.port').read_text())}"

    def ask(self, method: str, path: str, body: object = None) -> tuple[int, str]:
        connection = http.client.HTTPConnection(self.address, timeout=PATIENCE_S)
        with closing(connection):
            content = None if body is None else json.dumps(body)
            connection.request(method, path, content, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            return answer.status, answer.read().decode()

    def order(self, item: str = "tea", quantity: int = 1) -> tuple[int, str]:
        return self.ask("POST", "/orders", {"item": item, "quantity": quantity})

    def metric(self, line: str) -> float:
        """Return the value of one exact series, such as `orders_acknowledged_total`; 0 when it is not there yet."""
        found = [text for text in self.ask("GET", "/metrics")[1].splitlines() if text.rpartition(" ")[0] == line]
        return float(found[0].rpartition(" ")[2]) if found else 0.0

    def configure(self, *, max_concurrency: int = 64, report_timeout_ms: int = 300) -> None:
        self.config.write_text(CONFIG.format(max_concurrency=max_concurrency, report_timeout_ms=report_timeout_ms))

    def reload(self) -> None:
        generation = self.metric("orders_config_generation")
        self.process.send_signal(signal.SIGHUP)
        wait_until(lambda: self.metric("orders_config_generation") == generation + 1, "the reload")

    def start(self, script: str, *arguments: object) -> subprocess.Popen[bytes]:
        command = [sys.executable, str(EXAMPLE / script), *map(str, arguments)]
        child = subprocess.Popen(command, stdout=subprocess.PIPE)
        self.children.append(child)
        return child

    def captured(self, exception_type: str) -> SignalSeen:
        def matching() -> list[SignalSeen]:
            return [
                seen for seen in self.sink.signals if seen.exception and seen.exception.type.endswith(exception_type)
            ]

        wait_until(lambda: bool(matching()), f"a captured {exception_type}")
        return matching()[0]

    def sql(self, statement: str) -> list[tuple[object, ...]]:
        with closing(sqlite3.connect(self.database, isolation_level=None, timeout=PATIENCE_S)) as connection:
            return connection.execute(statement).fetchall()

    def end(self) -> int:
        for child in self.children:
            child.kill()
            child.wait()
            if child.stdout:
                child.stdout.close()
        self.process.terminate()
        return self.process.wait(PATIENCE_S)


@pytest.fixture
def service(tmp_path: Path, sink: Sink) -> Generator[Service]:
    environment = {
        **os.environ,
        "PYTHONPATH": str(EXAMPLE),
        "GRACE_DSN": f"http://token@127.0.0.1:{sink.server_port}/orders?environment=drill",
    }
    (tmp_path / "orders.yaml").write_text(CONFIG.format(max_concurrency=64, report_timeout_ms=300))
    command = [sys.executable, "-m", "orders", "--config", "orders.yaml"]
    with subprocess.Popen(command, cwd=tmp_path, env=environment) as process:
        running = Service(tmp_path, process, sink)
        try:
            wait_until((tmp_path / "orders.port").exists, "the service to start")
            yield running
            running.end()
        finally:
            process.kill()


def wait_until(holds: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < deadline, f"waited {PATIENCE_S} s in vain for {what}"
        time.sleep(0.02)


def test_an_acknowledged_order_is_in_the_database(service: Service) -> None:
    status, body = service.order("tea", 3)
    assert status == 201
    order = json.loads(body)
    assert order["total_cents"] == 900
    assert service.sql("SELECT id, item, quantity, total_cents FROM orders") == [(order["id"], "tea", 3, 900)]
    assert json.loads(service.ask("GET", f"/orders/{order['id']}")[1]) == order
    assert json.loads(service.ask("GET", "/orders/count")[1]) == {"count": 1}
    assert service.metric("orders_acknowledged_total") == 1
    assert service.metric('orders_requests_total{method="POST",route="/orders",status="201"}') == 1
    assert service.metric('orders_request_seconds_count{method="POST",route="/orders"}') == 1
    assert service.metric("process_start_time_seconds") > 0


def test_an_unknown_order_and_a_wrong_body_are_the_customers_mistakes(service: Service) -> None:
    assert service.ask("GET", "/orders/7")[0] == 404
    assert service.order("tea", 0)[0] == 422
    assert service.ask("GET", "/healthz")[0] == 200
    assert service.ask("GET", "/nowhere")[0] == 404
    assert service.metric('orders_requests_total{method="GET",route="unmatched",status="404"}') == 1


@pytest.mark.parametrize("stubborn", [False, True])
def test_a_held_write_lock_fails_orders_and_is_captured_with_the_database(service: Service, stubborn: bool) -> None:
    holder = service.start("hold_lock.py", service.database, *(["--stubborn"] if stubborn else []))
    wait_until(lambda: service.order()[0] == 503, "the lock to be felt")
    seen = service.captured("OperationalError")
    assert seen.exception is not None
    assert "database is locked" in seen.exception.message
    assert seen.service == "orders"
    assert seen.labels["engine"] == "sqlite"
    assert seen.labels["database"] == str(service.database)
    assert seen.labels["config"] == str(service.config)
    holder.terminate()
    if stubborn:
        assert service.order()[0] == 503, "SIGTERM is ignored"
        holder.kill()
    assert holder.communicate()[0] == b""
    assert service.order()[0] == 201
    assert service.sql("SELECT price_cents FROM prices WHERE item = 'tea'") == [(300,)]


@pytest.mark.parametrize("price", ["NULL", "-5"])
def test_a_damaged_price_fails_orders_for_that_item_alone(service: Service, price: str) -> None:
    service.sql(f"UPDATE prices SET price_cents = {price} WHERE item = 'cake'")
    assert service.order("cake")[0] == 500
    assert service.order("tea")[0] == 201
    assert service.captured("PriceError").severity == "error"
    assert service.sql("SELECT item FROM orders") == [("tea",)]


def test_a_missing_price_is_captured_as_a_warning(service: Service) -> None:
    service.sql("DELETE FROM prices WHERE item = 'cake'")
    assert service.order("cake")[0] == 422
    assert service.captured("UnknownItemError").severity == "warning"


def test_a_report_that_takes_too_long_is_stopped_and_captured(service: Service) -> None:
    assert service.ask("GET", "/report")[0] == 503
    seen = service.captured("TimeoutError")
    assert seen.exception is not None
    assert "longer than 300 ms" in seen.exception.message


def test_one_at_a_time_starves_orders_behind_a_report_until_the_reload_undoes_it(service: Service) -> None:
    service.configure(max_concurrency=1, report_timeout_ms=20_000)
    service.reload()
    report = threading.Thread(target=service.ask, args=("GET", "/report"))
    report.start()
    wait_until(lambda: service.metric("orders_at_work") == 1, "the report to begin")
    assert service.order()[0] == 503
    seen = service.captured("TimeoutError")
    assert seen.exception is not None
    assert "no turn within 50 ms" in seen.exception.message
    service.configure(max_concurrency=8)
    service.reload()
    assert service.order()[0] == 201
    assert report.is_alive(), "the report still holds its turn"
    service.end()
    report.join()


@pytest.mark.parametrize(
    "wrong", ["max_concurrency: many", "max_concurrency: [", "surprise: 1", "just text", "database: elsewhere.db"]
)
def test_a_bad_configuration_is_reported_and_the_old_one_stays(service: Service, wrong: str) -> None:
    key = wrong.partition(":")[0]
    kept = [line for line in service.config.read_text().splitlines() if not line.startswith(key)]
    service.config.write_text("\n".join([*kept, wrong]))
    service.process.send_signal(signal.SIGHUP)
    seen = service.captured("SettingsError")
    assert seen.exception is not None
    assert str(service.config) in seen.exception.message
    assert service.metric("orders_config_generation") == 1
    assert service.metric("orders_config_refused_total") == 1
    assert service.order()[0] == 201


def test_the_load_generator_records_exactly_what_was_acknowledged(service: Service) -> None:
    record, status = service.folder / "acknowledged", service.folder / "status"
    address = f"http://{service.address}"
    load = service.start("load.py", "--address", address, "--record", record, "--status", status, "--rate", 100)
    wait_until(lambda: record.exists() and len(record.read_text().splitlines()) >= 50, "fifty orders")
    load.terminate()
    final = json.loads(load.communicate()[0])
    assert load.returncode == 0
    assert final["final"]
    statuses = final["statuses"]
    assert statuses["201"] == final["acknowledged"]
    assert statuses.get("503", 0) == final["failed"] == final["sent"] - final["acknowledged"], "turned away while busy"
    assert final["acknowledged"] == len(record.read_text().splitlines()) == service.metric("orders_acknowledged_total")
    assert json.loads(status.read_text().splitlines()[-1]) == final
    assert missing_orders(record, service.database) == []
    service.sql("DELETE FROM orders WHERE id = 7")
    assert missing_orders(record, service.database) == [7]


def test_the_load_generator_counts_a_server_that_is_gone(service: Service) -> None:
    address = f"http://{service.address}"
    assert service.end() == 0
    record = service.folder / "acknowledged"
    load = service.start("load.py", "--address", address, "--record", record, "--rate", 50, "--seconds", 0.3)
    final = json.loads(load.communicate()[0])
    assert final["connection_errors"] == final["failed"] == final["sent"] > 0
    assert final["acknowledged"] == 0


def test_a_half_written_record_line_is_not_an_acknowledged_order(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "orders.db")) as connection:
        connection.execute("CREATE TABLE orders (id INTEGER PRIMARY KEY)")
        connection.execute("INSERT INTO orders VALUES (1)")
        connection.commit()
    (tmp_path / "acknowledged").write_text("1 1.5\n2 1.6\n34")
    assert missing_orders(tmp_path / "acknowledged", tmp_path / "orders.db") == [2]


def test_the_service_ends_on_sigterm_and_leaves_no_file_of_its_life(service: Service) -> None:
    assert int((service.folder / "orders.pid").read_text()) == service.process.pid
    assert service.end() == 0
    assert not (service.folder / "orders.pid").exists()
    assert not (service.folder / "orders.port").exists()


def test_a_service_with_a_bad_configuration_says_where_and_does_not_start(tmp_path: Path) -> None:
    (tmp_path / "orders.yaml").write_text("database: orders.db\n")
    ended = subprocess.run(
        [sys.executable, "-m", "orders", "--config", tmp_path / "orders.yaml"],
        env={**os.environ, "PYTHONPATH": str(EXAMPLE)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 2
    assert f"{tmp_path / 'orders.yaml'} is not a valid configuration: port_file: Field required" in ended.stderr


def test_the_shipped_configuration_is_valid_and_paths_start_at_it() -> None:
    assert read_settings(EXAMPLE / "orders.yaml").database == EXAMPLE / "orders.db"


def test_a_missing_configuration_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"nothing\.yaml cannot be read"):
        read_settings(tmp_path / "nothing.yaml")
