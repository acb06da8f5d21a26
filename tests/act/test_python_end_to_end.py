"""A real service fails on a broken cache; a playbook in Python and an action in Python heal it, or take it all back."""

from __future__ import annotations

import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import pytest
from grace_sdk.client import Client

from grace import wiring
from grace.kit.clock import SystemClock
from grace.kit.filesystem.scan import scan
from grace.kit.filesystem.survey import Scope
from grace.settings import load_settings
from grace.shipped import shipped_folder
from tests.cli.world import serving

pytestmark = pytest.mark.slow

SHOP: Final = '''\
"""Answers with the price of each shard: from its cache, else from the source."""
import http.server, json, sys
from pathlib import Path
import grace_sdk

root = Path(sys.argv[1])

def price(shard):
    cached = root / "caches" / shard / "price.json"
    return json.loads((cached if cached.exists() else root / "source.json").read_text())["price"]

class Shop(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        try:
            status, body = 200, sum(price(shard) for shard in ("eu", "us", "ap"))
        except ValueError:
            grace_sdk.capture()
            status, body = 500, "broken"
        self.send_response(status)
        self.end_headers()
        self.wfile.write(str(body).encode())

    def log_message(self, *_):
        pass

server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Shop)
print(server.server_address[1], flush=True)
grace_sdk.init(sys.stdin.readline().strip())
server.serve_forever()
'''

PLAYBOOK: Final = '''\
"""Caches that cannot be read."""

from __future__ import annotations

from grace.authoring.playbook import (
    Contract, Draft, Found, Incident, NothingToDo, Service, cause, look, playbook, probe, step,
)


@playbook(
    version="1.0.0",
    when=cause("validation_error"),
    find=[look("page", "http.status", url="${{ service.labels.url }}")],
)
def flush_every_cache(incident: Incident, find: Found, service: Service) -> Draft | NothingToDo:
    """Flush every cache of the service, so that it reads the source again."""
    if find.page < 500:
        return NothingToDo(f"the page answers {find.page}")
    return Draft(
        do=[
            step(f"flush_{shard}", "cache.flush", path=f"{service.labels.caches}/{shard}", at_most=10)
            for shard in sorted(service.labels.shards.split(","))
        ],
        contract=Contract(
            before=[probe("http.status", url=service.labels.url).is_(500)],
            after=[probe("http.status", url=service.labels.url).is_(200, within="1s", for_="300ms", every="50ms")],
        ),
        on_violated="roll_back",
        on_inconclusive="roll_back",
    )
'''

POLICY: Final = """\
@id("flush-alone")
@reason("A cache can be made again, and the snapshot gives it back")
permit (principal == Playbook::"flush-every-cache", action == Action::"act_alone", resource)
when { context.step.deed == Deed::"cache.flush" };
"""

SERVICES: Final = """\
format: 1
services:
  - name: shop
    owner: ann
    mode: auto
    labels: {{url: "http://127.0.0.1:{port}/", caches: {root}/caches, shards: "eu,us,ap"}}
    targets: [{{kind: file, id: {root}/caches/}}]
"""


class Place:
    """The folders of one test, and its service."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.root = folder / "shop"
        for shard in ("eu", "us", "ap"):
            (self.root / "caches" / shard / "old").mkdir(parents=True)
            (self.root / "caches" / shard / "price.json").write_text('{"price": 4}')
            (self.root / "caches" / shard / "old" / "price.json").write_text('{"price": 3}')
            (self.root / "caches" / shard / "price.json").chmod(0o640)
        (self.root / "source.json").write_text('{"price": 5}')
        for name, text in (("playbooks/flush.py", PLAYBOOK), ("policies/flush.cedar", POLICY)):
            (folder / name).parent.mkdir()
            (folder / name).write_text(text)
        self.settings = load_settings(
            data_folder=folder / "data",
            services_file=folder / "grace.yaml",
            playbook_folders=(folder / "playbooks",),
            policy_folders=(folder / "policies",),
            action_folders=(shipped_folder("examples") / "actions",),
        )

    def declare(self, port: int) -> None:
        (self.folder / "grace.yaml").write_text(SERVICES.format(port=port, root=self.root))

    def state(self) -> object:
        return scan(self.root / "caches", Scope())


@contextmanager
def watched(place: Place) -> Generator[tuple[int, Client]]:
    """Run the shop, and a GRACE that watches it."""
    with wiring.open_tokens(place.settings) as book:
        tokens = {role: str(book.issue(role, role, None)["secret"]) for role in ("admin", "sender")}
    command = [sys.executable, "-c", SHOP, str(place.root)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdin is not None
            port = int(process.stdout.readline())
            place.declare(port)
            with wiring.open_house(place.settings) as running, serving(running) as address:
                process.stdin.write(f"http://{tokens['sender']}@{address.removeprefix('http://')}/shop\n")
                process.stdin.flush()
                yield port, Client(address, tokens["admin"])
        finally:
            process.kill()


def status_of(port: int) -> int:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/") as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        error.close()
        return error.code


def settled(client: Client) -> dict[str, Any]:
    """Return the run once it is settled; the test's own timeout ends what never comes."""
    clock = SystemClock()
    while True:
        page: Any = client.get("/api/runs", {})
        done = [run for run in page["items"] if run["settlement"]]
        if done:
            return done[-1]
        clock.sleep(0.05)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def test_a_broken_cache_is_flushed_and_the_service_is_well_again(place: Place) -> None:
    with watched(place) as (port, client), client:
        assert status_of(port) == 200
        (place.root / "caches" / "us" / "price.json").write_text("{")
        assert status_of(port) == 500
        run = settled(client)
        playbooks: Any = client.get("/api/playbooks", {})

        assert run["settlement"] == "committed", run
        assert status_of(port) == 200
    assert [list((place.root / "caches" / shard).iterdir()) for shard in ("ap", "eu", "us")] == [[], [], []]
    (card,) = [one for one in playbooks["items"] if one["name"] == "flush-every-cache"]
    assert card["language"] == "python"


def test_a_cure_that_does_not_help_is_taken_back_to_the_last_byte(place: Place) -> None:
    with watched(place) as (port, client), client:
        (place.root / "caches" / "us" / "price.json").write_text("{")
        (place.root / "source.json").write_text("{")
        before = place.state()
        assert status_of(port) == 500
        run = settled(client)

        assert run["settlement"] == "rolled_back", run
    assert place.state() == before
    assert not list(place.root.rglob(".grace-*"))
