"""A GRACE and a real service that a person mends by hand: a small program that reads its configuration at each call."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from grace import wiring
from grace.cli.addresses import announce
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
    return json.dumps({"format": 1, "services": [{"owner": "ann", **one} for one in shops]})


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
