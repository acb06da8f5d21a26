"""A GRACE and a real service that a person mends by hand: a small program that reads its configuration at each call."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from grace_sdk.client import Client, Json

from grace import wiring
from grace.cli.addresses import announce
from grace.kit.clock import SystemClock
from grace.settings import load_settings
from grace.shipped import shipped_folder
from tests.cli.world import serving

SHOP: Final = """\
import http.server, pathlib, sys

class Shop(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        pool = pathlib.Path(sys.argv[1]).read_text().partition("pool=")[2].strip()
        is_well = pool.isdigit()
        failed = 1 if is_well and int(pool) < 5 else 0
        self.send_response(200 if is_well else 500)
        self.end_headers()
        self.wfile.write(b'{"failed": %d, "pool": %d}' % (failed, int(pool)) if is_well else b"broken")

    def log_message(self, *_): pass

server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Shop)
print(server.server_port, flush=True)
server.serve_forever()
"""
"""One order in one fails while the pool is below 5; a pool that is no number breaks the shop."""
ALLOWED: Final = """\
@id("tests-alone")
@reason("Tests act without asking")
permit (principal == Playbook::"by-hand", action == Action::"act_alone", resource)
when { !(context.step.texts.hasTag("argv.0") && context.step.texts.getTag("argv.0") == "/usr/bin/env") };

@id("tests-saved")
@reason("The saved playbook acts without asking")
permit (principal == Playbook::"raise-pool", action == Action::"act_alone", resource);

@id("tests-never")
@reason("Nobody truncates")
forbid (principal, action, resource)
when { context.step.texts.hasTag("argv.0") && context.step.texts.getTag("argv.0") == "truncate" };
"""


@dataclass(frozen=True, slots=True)
class HandWorld:
    """A running GRACE, the shop's configuration, and the tokens of people."""

    folder: Path
    config: Path
    data: Path
    address: str
    tokens: dict[str, str]
    running: wiring.Running

    def as_(self, who: str) -> tuple[str, ...]:
        return ("--server", self.address, "--token", self.tokens[who])

    def client(self, who: str) -> Client:
        return Client(self.address, self.tokens[who])

    def incident(self, word: str) -> str:
        """Report that the shop times out; return the incident once its own run is over."""
        signal: dict[str, Json] = {
            "format": 1,
            "id": f"signal-{word}",
            "service": "shop",
            "at": SystemClock().now().isoformat(),
            "kind": "exception",
            "title": f"TimeoutError in {word}",
            "message": "timed out waiting for a connection from the pool: the request timed out after 30 s",
            "labels": {"engine": "shop"},
        }
        with self.client("app") as client:
            client.post("/api/intake/native", body={"signals": [signal]})
        found = self._poll(lambda: [one for one in self._items("/api/incidents") if word in one["title"]])[0]
        self.poll_settled(self.poll_run(found["id"])["id"])
        return str(found["id"])

    def cause_of(self, incident_id: str) -> str:
        with self.client("ann") as client:
            incident: Any = client.get(f"/api/incidents/{incident_id}")
        return str(incident["cause"])

    def poll_run(self, incident_id: str) -> dict[str, Any]:
        """Return the newest run of an incident once there is one."""
        return self._poll(lambda: self._items("/api/runs", incident_id=incident_id)[:1])[0]

    def poll_settled(self, run_id: str) -> dict[str, Any]:
        """Return a run once it is settled; the test's own timeout ends what never comes."""

        def settled() -> list[dict[str, Any]]:
            with self.client("ann") as client:
                run: Any = client.get(f"/api/runs/{run_id}")
            return [run] if run["settlement"] else []

        return self._poll(settled)[0]

    def _poll(self, look: Callable[[], list[dict[str, Any]]]) -> list[dict[str, Any]]:
        clock = SystemClock()
        while not (found := look()):
            clock.sleep(0.02)
        return found

    def _items(self, path: str, **query: object) -> list[dict[str, Any]]:
        with self.client("ann") as client:
            page: Any = client.get(path, query)
        return page["items"]


@contextmanager
def shop(config: Path) -> Generator[str]:
    """Run the shop on a free port; yield its address."""
    command = [sys.executable, "-S", "-c", SHOP, str(config)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield f"http://127.0.0.1:{process.stdout.readline().strip()}/"
        finally:
            process.kill()


def services(watched: Path, address: str) -> str:
    """Return grace.yaml: a shop that may be mended, one that is only observed, and one of which nothing is known."""
    indicator = {
        "probe": "http.json",
        "with": {"url": address, "pointer": "/failed"},
        "every": "50ms",
    }
    targets = [{"kind": "file", "id": f"{watched}/"}, {"kind": "command", "id": "service:shop"}]
    shops = [
        {"name": "shop", "mode": "auto", "indicators": {"error_rate": indicator}, "targets": targets},
        {"name": "quiet", "mode": "observe", "indicators": {"error_rate": indicator}, "targets": targets},
        {"name": "blind", "mode": "auto", "targets": targets},
    ]
    common = {"owner": "ann", "restraint": {"failures": 1000, "cool_down": "0s"}}
    return json.dumps({"format": 1, "services": [{**common, **one} for one in shops]})


@contextmanager
def open_hand_world(folder: Path, playbooks: tuple[Path, ...] = ()) -> Generator[HandWorld]:
    """Open the world below a folder, anew or once more, and close it."""
    data, watched, policies = folder / "data", folder / "watched", folder / "policies"
    for made in (data, watched, policies):
        made.mkdir(exist_ok=True)
    config = watched / "shop.conf"
    if not config.exists():
        config.write_text("pool=1\n")
        config.chmod(0o640)
    (policies / "by_hand.cedar").write_text(ALLOWED)
    with shop(config) as address:
        (folder / "grace.yaml").write_text(services(watched, address))
        settings = load_settings(
            data_folder=data,
            services_file=folder / "grace.yaml",
            playbook_folders=playbooks,
            policy_folders=(shipped_folder("policies"), policies),
        )
        with wiring.open_tokens(settings) as book:
            known = len(book.listed())
            roles = {"ann": "admin", "ben": "approver", "eve": "viewer", "app": "sender"}
            tokens = {
                name: str(book.issue(f"{name}-{known}" if known else name, role, None)["secret"])
                for name, role in roles.items()
            }
        with wiring.open_house(settings) as running, serving(running) as server:
            announce(data, server)
            yield HandWorld(folder, config, data, server, tokens, running)
