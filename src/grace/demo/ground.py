"""The ground: one fresh folder with the example in it, and ports that the system chose."""

from __future__ import annotations

import socket
import sys
from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import Final

from grace.shipped import shipped_folder

HOST: Final = "127.0.0.1"
CONFIGURATION: Final = """\
# The order service of the demo; `kill -HUP` reads the four limits again.
port: {port}
port_file: orders.port
pid_file: orders.pid
database: orders.db
spool: spool

max_concurrency: 64
queue_timeout_ms: 100
busy_timeout_ms: 500
report_timeout_ms: 600
"""


class Port:
    """A port that the system chose and keeps for us: held without listening, so that a server of ours can.

    Both sides set SO_REUSEADDR, which lets a listener in beside a socket that only holds the name.
    """

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._socket.bind((HOST, 0))
        self.number: int = self._socket.getsockname()[1]

    @property
    def address(self) -> str:
        return f"http://{HOST}:{self.number}"

    def release(self) -> None:
        self._socket.close()


@dataclass(frozen=True, slots=True)
class Ground:
    """Where everything lies."""

    folder: Path
    example: Path
    grace: Port
    orders: Port

    @property
    def shop(self) -> Path:
        """The folder of the order service: all that a playbook may write in."""
        return self.folder / "shop"

    @property
    def data(self) -> Path:
        """The folder of GRACE itself, which no playbook may write in."""
        return self.folder / "grace"

    @property
    def services(self) -> Path:
        return self.folder / "grace.yaml"

    @property
    def configuration(self) -> Path:
        return self.shop / "orders.yaml"

    @property
    def database(self) -> Path:
        return self.shop / "orders.db"

    @property
    def acknowledged(self) -> Path:
        """Where the load generator writes down every order that was acknowledged."""
        return self.folder / "acknowledged.txt"

    @property
    def checkpoint(self) -> Path:
        """The checkpoint of the beginning, kept outside GRACE's folder."""
        return self.folder / "checkpoint-at-start.txt"

    def close(self) -> None:
        self.grace.release()
        self.orders.release()


def prepare(folder: Path) -> Ground:
    """Lay out the folder: the shop's configuration and GRACE's declaration of it."""
    ground = Ground(folder, shipped_folder("examples") / "orders", Port(), Port())
    ground.shop.mkdir()
    ground.configuration.write_text(CONFIGURATION.format(port=ground.orders.number), encoding="utf-8")
    template = Template((ground.example / "grace.template.yaml").read_text(encoding="utf-8"))
    written = template.substitute(
        shop=ground.shop, orders=ground.orders.address, example=ground.example, python=sys.executable
    )
    ground.services.write_text(written, encoding="utf-8")
    return ground
