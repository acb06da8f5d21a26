"""A small real world: a GRACE with its own folders, a service that can be tuned, and people with tokens."""

from __future__ import annotations

import itertools
import json
import socket
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import uvicorn
from grace_sdk.client import Client, Json

from grace import wiring
from grace.cli.addresses import announce
from grace.kit.clock import SystemClock
from grace.settings import load_settings
from grace.shipped import shipped_folder

PLAYBOOK = """\
format: 1
name: tune-{name}
version: 1.0.0
summary: Widen the pool so that callers find a connection
when: {{cause: dependency_unavailable, labels: {{playbook: {name}}}}}
inputs:
  file: {{type: path, from: incident.labels.file, summary: The configuration}}
  pool: {{type: integer, default: 5, at_least: 1, at_most: 100, summary: How many connections}}
do:
  - id: widen
    uses: file.set_value
    with: {{path: "${{{{ inputs.file }}}}", key: pool, value: "${{{{ inputs.pool }}}}"}}
contract:
  before:
    - {{probe: file.exists, with: {{path: "${{{{ inputs.file }}}}"}}, is: true}}
  after:
    - probe: file.value
      with: {{path: "${{{{ inputs.file }}}}", key: pool}}
      {expects}
      within: 1s
      for: 200ms
      every: 20ms
on_violated: {remedy}
on_inconclusive: hold
"""
PLAYBOOKS = {
    "alone": ("is: 5", "hold"),
    "asked": ("is_not: 1", "hold"),
    "held": ("is: 6", "hold"),
    "harmful": ("is: 6", "roll_back"),
}
POLICY = """\
@id("tuning-alone")
@reason("Tests tune without asking")
permit (principal, action == Action::"act_alone", resource)
when { context.step.deed == Deed::"file.set_value" && principal != Playbook::"tune-asked" };
"""
SERVICES = """\
format: 1
services:
  - name: shop
    owner: ann
    mode: auto
    targets:
      - {{kind: file, id: {folder}/}}
  - name: quiet
    owner: ann
    targets:
      - {{kind: file, id: {folder}/}}
"""


@dataclass(frozen=True, slots=True)
class World:
    """A running GRACE, its folders, and the tokens of two people and of a sender."""

    folder: Path
    data: Path
    address: str
    tokens: dict[str, str]
    running: wiring.Running
    _numbers: itertools.count[int] = field(default_factory=itertools.count)

    def client(self, who: str = "ann") -> Client:
        return Client(self.address, self.tokens[who])

    def untouched(self, playbook: str) -> tuple[str, Path]:
        """Report trouble that GRACE could do nothing about by itself: the file comes when its run is over."""
        incident, file = self.incident(playbook, is_there=False)
        self.settled_run(incident)
        file.write_text(json.dumps({"pool": 1}))
        return incident, file

    def incident(self, playbook: str, service: str = "shop", *, is_there: bool = True) -> tuple[str, Path]:
        """Report a new kind of trouble; return its incident and the configuration that a playbook may tune."""
        number = next(self._numbers)
        file = self.folder / f"shop-{number}.json"
        if is_there:
            file.write_text(json.dumps({"pool": 1}))
        word = "".join(chr(ord("a") + int(digit)) for digit in str(number))
        signal: dict[str, Json] = {
            "format": 1,
            "id": f"signal-{number}",
            "service": service,
            "at": SystemClock().now().isoformat(),
            "kind": "exception",
            "title": f"ConnectionRefusedError in {word}",
            "message": "connection refused",
            "labels": {"playbook": playbook, "file": str(file)},
        }
        with self.client("app") as client:
            client.post("/api/intake/native", body={"signals": [signal]})
        title = self.poll(lambda: [one for one in self._items("/api/incidents") if one["title"] == signal["title"]])
        return title[0]["id"], file

    def run_of(self, incident_id: str) -> dict[str, Any]:
        """Return the newest run of an incident once it is settled or waits for a person."""

        def stands() -> list[dict[str, Any]]:
            runs = self._items("/api/runs", incident_id=incident_id)
            return [one for one in runs[:1] if one["settlement"] or one["stage"] == "waiting"]

        return self.poll(stands)[0]

    def settled_run(self, incident_id: str) -> dict[str, Any]:
        """Return the newest run of an incident once it is settled."""
        runs = lambda: self._items("/api/runs", incident_id=incident_id)[:1]  # noqa: E731
        return self.poll(lambda: [one for one in runs() if one["settlement"]])[0]

    def poll(self, look: Callable[[], list[Any]]) -> list[Any]:
        """Look until something is there; the test's own timeout ends what never comes."""
        clock = SystemClock()
        while not (found := look()):
            clock.sleep(0.02)
        return found

    def _items(self, path: str, **query: object) -> list[Any]:
        with self.client() as client:
            page: Any = client.get(path, query)
        return page["items"]


@contextmanager
def open_world(folder: Path, **changed: object) -> Generator[World]:
    """Open the world below a folder, with settings of its own, and close it."""
    data, watched = folder / "data", folder / "watched"
    playbooks, policies = folder / "playbooks", folder / "policies"
    for made in (data, watched, playbooks, policies):
        made.mkdir()
    for name, (expects, remedy) in PLAYBOOKS.items():
        (playbooks / f"tune-{name}.yaml").write_text(PLAYBOOK.format(name=name, expects=expects, remedy=remedy))
    (policies / "tuning.cedar").write_text(POLICY)
    (folder / "grace.yaml").write_text(SERVICES.format(folder=watched))
    settings = load_settings(
        data_folder=data,
        services_file=folder / "grace.yaml",
        playbook_folders=(playbooks,),
        policy_folders=(shipped_folder("policies"), policies),
        **changed,
    )
    with wiring.open_tokens(settings) as book:
        roles = {"ann": "admin", "ben": "approver", "eve": "viewer", "app": "sender"}
        tokens = {name: str(book.issue(name, role, None)["secret"]) for name, role in roles.items()}
    with wiring.open_house(settings) as running, serving(running) as address:
        announce(data, address)
        yield World(watched, data, address, tokens, running)


@contextmanager
def serving(running: wiring.Running) -> Generator[str]:
    """Serve a house on a free port of this machine."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()  # callers wait in the backlog until the server answers
        server = uvicorn.Server(uvicorn.Config(running.app, log_config=None, lifespan="off"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()
