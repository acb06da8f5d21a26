"""The cast: the programs that play, and the identities that speak to GRACE."""

from __future__ import annotations

import http.client
import os
import re
import sqlite3
from collections.abc import Callable, Generator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, TypeVar

from grace_sdk.client import Client

from grace.demo.children import Child, Children
from grace.demo.ground import HOST, Ground
from grace.demo.page import Report
from grace.demo.telling import Follower
from grace.demo.visitor import Visitor, WaitedTooLongError, wait_for
from grace.kit.clock import Clock
from grace.shipped import shipped_folder

T = TypeVar("T")
SERVICE: Final = "orders"
_START_S: Final = 20.0
ORDERS_PER_S: Final = 30
_REQUESTS: Final = re.compile(
    r'^orders_requests_total\{method="POST",route="/orders",status="(\d+)"\} (\S+)$', re.MULTILINE
)


@dataclass(frozen=True, slots=True)
class Flow:
    """What became of the requests for orders so far."""

    answered: int
    acknowledged: int
    failed: int
    """By the service's own fault: answered with 5xx."""

    def since(self, earlier: Flow) -> Flow:
        return Flow(
            self.answered - earlier.answered, self.acknowledged - earlier.acknowledged, self.failed - earlier.failed
        )

    @property
    def failed_share(self) -> float:
        return self.failed / self.answered if self.answered else 0.0

    def __str__(self) -> str:
        return f"{self.failed} of {self.answered} failed ({self.failed_share:.0%})"


@dataclass(slots=True)
class Cast:
    """Everything that a scene needs."""

    ground: Ground
    children: Children
    clock: Clock
    report: Report
    began_at: datetime
    grace: Child = field(init=False)
    orders: Child = field(init=False)
    load: Child = field(init=False)
    olga: Visitor = field(init=False)
    """Owns the service: opens runs, and may approve what others asked for."""
    ann: Visitor = field(init=False)
    """Approves."""
    admin: Visitor = field(init=False)

    def follower(self) -> Follower:
        return Follower(self.olga, self.report, self.began_at, str(self.ground.folder))

    def start_grace(self) -> None:
        """Start the server on the demo's data folder and wait until it answers."""
        ground = self.ground
        arguments = ["-m", "grace", "serve", "--data", ground.data, "--config", ground.services]
        self.grace = self.children.start(
            "grace",
            [*arguments, "--port", str(ground.grace.number)],
            cwd=ground.folder,
            variables={
                "GRACE_PLAYBOOK_FOLDERS": str(ground.example / "playbooks"),
                "GRACE_KNOWLEDGE_FOLDERS": str(ground.example / "knowledge"),
                "GRACE_POLICY_FOLDERS": f"{shipped_folder('policies')}:{ground.example / 'policies'}",
                "GRACE_DRILL_FOLDERS": str(ground.shop),
                "GRACE_WITNESS_FILE": str(ground.folder / "checkpoints.txt"),
                **({"GRACE_ALLOW_PROCESS_CONTROL_AS_ROOT": "true"} if os.geteuid() == 0 else {}),
            },
        )
        anybody = self.visitor("anybody", "")
        self.wait_for_child(self.grace, lambda: anybody.is_answered() or None, "GRACE to answer")

    def introduce(self) -> str:
        """Give everybody a token of their own; return the one that the service's SDK uses."""
        self.admin = self.visitor("local", (self.ground.data / "token").read_text(encoding="utf-8").strip())
        self.olga = self.visitor("olga", self.admin.issue_token("olga", "approver"))
        self.ann = self.visitor("ann", self.admin.issue_token("ann", "approver"))
        return self.admin.issue_token("orders", "sender")

    def visitor(self, name: str, token: str) -> Visitor:
        return Visitor(name, Client(self.ground.grace.address, token), self.clock)

    def start_orders(self, token: str) -> None:
        """Start the service with the SDK in it, and customers who order steadily."""
        ground = self.ground
        dsn = f"http://{token}@{HOST}:{ground.grace.number}/{SERVICE}?environment=drill"
        self.orders = self.children.start(
            "orders",
            ["-m", "orders", "--config", ground.configuration],
            cwd=ground.example,
            variables={"GRACE_DSN": dsn},
        )
        port_file = ground.shop / "orders.port"
        self.wait_for_child(self.orders, lambda: port_file.exists() or None, "the order service to answer")
        self.load = self.start_load("load", "--rate", str(ORDERS_PER_S), "--record", str(ground.acknowledged))
        self.wait_for_child(self.load, lambda: self.flow().acknowledged or None, "the first order")

    def start_load(self, name: str, *options: str) -> Child:
        script = self.ground.example / "load.py"
        return self.children.start(
            name, [script, "--address", self.ground.orders.address, *options], cwd=self.ground.shop
        )

    def start_script(self, name: str, *arguments: str) -> Child:
        """Start one of the example's scripts."""
        return self.children.start(name, [self.ground.example / f"{name}.py", *arguments], cwd=self.ground.shop)

    @contextmanager
    def reports(self) -> Generator[None]:
        """Have somebody ask for a report each second."""
        asking = self.start_load(
            "reports", "--rate", "0", "--reports", "1", "--record", str(self.ground.folder / "reports.txt")
        )
        yield
        asking.end()

    def flow(self) -> Flow:
        """Read from the service itself what became of the orders."""
        counts = {int(status): int(float(count)) for status, count in _REQUESTS.findall(self._page("/metrics"))}
        failed = sum(count for status, count in counts.items() if status >= http.client.INTERNAL_SERVER_ERROR)
        return Flow(sum(counts.values()), counts.get(http.client.CREATED, 0), failed)

    def flow_during(self, seconds: float) -> Flow:
        """Watch the orders for a while."""
        before = self.flow()
        self.clock.sleep(seconds)
        return self.flow().since(before)

    def change_row(self, statement: str) -> None:
        """Change the shop's database as somebody else would: another process than the service and GRACE."""
        with closing(sqlite3.connect(self.ground.database, timeout=5, isolation_level=None)) as connection:
            connection.execute(statement)

    def rows(self, query: str) -> list[tuple[object, ...]]:
        """Read the shop's database."""
        with closing(sqlite3.connect(f"{self.ground.database.as_uri()}?mode=ro", uri=True)) as connection:
            return connection.execute(query).fetchall()

    def wait_for_child(self, child: Child, look: Callable[[], T | None], what: str) -> T:
        """Wait for what a child should do; when it ended instead, say so at once."""

        def unless_ended() -> T | None:
            if child.process.poll() is not None:
                message = f"{child.name} ended with code {child.process.returncode}; see {child.log}"
                raise WaitedTooLongError(message)
            return look()

        return wait_for(self.clock, unless_ended, what, _START_S)

    def _page(self, path: str) -> str:
        connection = http.client.HTTPConnection(HOST, self.ground.orders.number, timeout=10)
        with closing(connection):
            connection.request("GET", path)
            return connection.getresponse().read().decode()
