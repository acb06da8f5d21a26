"""A whole GRACE with one service whose fault is real, and what the record says of how it ended."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

from grace_sdk.client import Client

from grace import wiring
from grace.kit.clock import SystemClock
from grace.model.diagnosis import Diagnosis
from grace.model.escalation import Escalation
from grace.model.events import EventType
from grace.model.incident import Incident
from grace.model.ledger_entry import LedgerEntry
from grace.model.noun import Noun
from grace.model.run import Run, RunKind
from grace.model.settlement import Settlement, SettlementKind
from grace.settings import load_settings
from grace.shipped import shipped_folder
from grace.wiring.house import Running
from tests.cli.world import serving

SHOP: Final = Path(__file__).with_name("shop.py")
OWNER: Final = "olga"
_GOES_ON: Final = (EventType.RUN_SETTLED, EventType.APPROVAL_REQUESTED)
N = TypeVar("N", bound=Noun)


@dataclass(slots=True)
class World:
    """One running GRACE and the processes that a test started beside it."""

    folder: Path
    running: Running
    address: str
    tokens: dict[str, str]
    listener: socket.socket
    _children: ExitStack

    @property
    def config(self) -> Path:
        return self.folder / "shop.json"

    def client(self, who: str) -> Client:
        return Client(self.address, self.tokens[who])

    def entries(self, type_: EventType) -> list[LedgerEntry]:
        return list(self.running.house.record.entries(types=(type_,)))

    def nouns(self, type_: EventType, noun: type[N]) -> list[N]:
        return [noun.from_json(entry.payload or {}) for entry in self.entries(type_)]

    def poll(self, look: Callable[[], Sequence[Any]]) -> Sequence[Any]:
        """Look until something is there; the test's own timeout ends what never comes."""
        clock = SystemClock()
        while not (found := look()):
            clock.sleep(0.05)
        return found

    def incident(self) -> Incident:
        return self.poll(lambda: self.nouns(EventType.INCIDENT_OPENED, Incident))[0]

    def diagnosis(self) -> Diagnosis:
        return self.poll(lambda: self.nouns(EventType.DIAGNOSIS_MADE, Diagnosis))[0]

    def settlement(self, after: int = 0) -> Settlement:
        """Return the settlement that follows so many others."""
        return self.poll(lambda: self.nouns(EventType.RUN_SETTLED, Settlement)[after:])[0]

    def escalation(self) -> Escalation:
        return self.poll(lambda: self.nouns(EventType.INCIDENT_ESCALATED, Escalation))[0]

    def question(self) -> dict[str, Any]:
        """Return the approval that waits."""

        def waiting() -> list[Any]:
            with self.client("ann") as ann:
                page: Any = ann.get("/api/autonomy/approvals", {"state": "waiting"})
            return page["items"]

        return self.poll(waiting)[0]

    def approve(self, *people: str) -> None:
        """Let people say yes to the plan that waits."""
        question = self.question()
        for who in people:
            answer = {"decision": "approve", "plan_digest": question["plan_digest"], "reason": "seen"}
            with self.client(who) as person:
                person.post(f"/api/autonomy/approvals/{question['id']}", body=answer)

    def explained(self) -> str:
        """Return the incident's story as text."""
        with self.client("ann") as ann:
            story: Any = ann.get(f"/api/incidents/{self.incident().id}/explain")
        return json.dumps(story, ensure_ascii=False)

    def child(self, *argv: str) -> subprocess.Popen[str]:
        """Start a process that ends with the test."""
        process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self._children.callback(_end, process)
        return process

    def shop(self, fault: str, argument: object) -> subprocess.Popen[str]:
        """Start the service with its fault, at the listener that grace.yaml says."""
        dsn = self.address.replace("http://", f"http://{self.tokens['shop']}@")
        places = (str(self.config), str(self.listener.fileno()), str(self.folder / "shop.pid"))
        process = subprocess.Popen(
            [sys.executable, str(SHOP), fault, str(argument), *places],
            stdin=subprocess.PIPE,
            text=True,
            pass_fds=(self.listener.fileno(),),
            env={**os.environ, "GRACE_DSN": f"{dsn}/shop?environment=test"},
        )
        self._children.callback(_end, process)
        return process


def _end(process: subprocess.Popen[str]) -> None:
    if process.stdin:
        process.stdin.close()
    process.kill()
    process.wait()
    if process.stdout:
        process.stdout.close()


@contextmanager
def open_world(
    folder: Path,
    *,
    labels: Mapping[str, str] | None = None,
    targets: Sequence[tuple[str, str]] = (),
    mode: str = "auto",
    rules: str = "",
    rungs: int = 3,
    **changed: object,
) -> Generator[World]:
    """Open a GRACE that watches the shop, with what ships and the rules that are given, and close it."""
    with ExitStack() as children:
        listener = children.enter_context(socket.create_server(("127.0.0.1", 0)))
        (folder / "grace.yaml").write_text(
            _services(listener, folder, labels or {}, targets, {"mode": mode, "rungs": rungs})
        )
        policies = folder / "policies"
        policies.mkdir()
        (policies / "test.cedar").write_text(rules)
        settings = load_settings(
            data_folder=folder / "data",
            services_file=folder / "grace.yaml",
            policy_folders=(shipped_folder("policies"), policies),
            allow_process_control_as_root=True,
            **changed,
        )
        with wiring.open_tokens(settings) as book:
            roles = {"ann": "approver", "ben": "approver", "shop": "sender"}
            tokens = {name: str(book.issue(name, role, None)["secret"]) for name, role in roles.items()}
        running = children.enter_context(wiring.open_house(settings))
        address = children.enter_context(serving(running))
        with ExitStack() as started:
            world = World(folder, running, address, tokens, listener, started)
            yield world
            require_never_silent(world)


def _services(
    listener: socket.socket,
    folder: Path,
    labels: Mapping[str, str],
    targets: Sequence[tuple[str, str]],
    more: Mapping[str, str | int],
) -> str:
    ratio = {
        "url": f"http://127.0.0.1:{listener.getsockname()[1]}/metrics",
        "numerator": {"name": "failed_total"},
        "denominator": {"name": "work_total"},
    }
    service = {
        "name": "shop",
        "environment": "test",
        "owner": OWNER,
        **more,
        "labels": dict(labels),
        "pid_file": str(folder / "shop.pid"),
        "indicators": {"error_rate": {"probe": "metrics.ratio", "with": ratio, "every": "500ms"}},
        "benchmarks": {"smoke": {"probe": "http.latency_ms", "with": {"url": ratio["url"]}, "samples": 20}},
        "targets": [{"kind": kind, "id": id_} for kind, id_ in targets],
    }
    return json.dumps({"format": 1, "services": [service]})


def require_never_silent(world: World) -> None:
    """Hold the record to it: every incident with a settled run is healed, asked about, tried again, or handed over.

    The last heal of each incident speaks for it, at the moment in which no run is between its end and the next.
    """
    record = world.running.house.record
    runs = [Run.from_json(entry.payload or {}) for entry in record.entries(types=(EventType.RUN_OPENED,))]
    last = {run.incident_id: run for run in runs if run.kind is RunKind.HEAL}
    for incident_id, run in last.items():
        settled = record.find(f"{run.id}/settled")
        if settled is None:
            continue
        kind = Settlement.from_json(settled.payload or {}).kind
        handed = record.find(f"{run.id}/escalated")
        assert (kind is SettlementKind.COMMITTED) != (handed is not None), f"{incident_id} ended {kind} in silence"
        if handed is not None:
            escalation = Escalation.from_json(handed.payload or {})
            assert escalation.to == OWNER
            assert escalation.why
            assert escalation.next.startswith("grace ")
