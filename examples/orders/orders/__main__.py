"""Start the service: `python -m orders --config orders.yaml`."""

import argparse
import os
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import NoReturn

import grace_sdk
import uvicorn

from .app import Shop, build_app
from .settings import Settings, SettingsError, read_settings

BACKLOG = 512
SHUTDOWN_PATIENCE_S = 2


def main() -> int:
    """Serve until SIGTERM; exit code 2 for a configuration that cannot be used."""
    parser = argparse.ArgumentParser(prog="orders", description="A small order service on SQLite.")
    parser.add_argument("--config", type=Path, default=Path("orders.yaml"), help="default: %(default)s")
    config = parser.parse_args().config.resolve()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _end)  # uvicorn raises it again after it has stopped
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # until the service can reload, a reload must not end it
    try:
        settings = read_settings(config)
    except SettingsError as error:
        print(error, file=sys.stderr)
        return 2
    grace_sdk.init(spool=settings.spool, labels={"config": str(config), "pid_file": str(settings.pid_file)})
    with socket.create_server((settings.host, settings.port), backlog=BACKLOG) as listener:
        port = listener.getsockname()[1]
        app = build_app(Shop(config, settings), announced=_announced(settings, port))
        options = uvicorn.Config(
            app, log_level="warning", access_log=False, timeout_graceful_shutdown=SHUTDOWN_PATIENCE_S
        )
        uvicorn.Server(options).run(sockets=[listener])
    return 0


def _end(_number: int, _frame: FrameType | None) -> NoReturn:
    sys.exit(0)


@contextmanager
def _announced(settings: Settings, port: int) -> Iterator[None]:
    with _written(settings.pid_file, os.getpid()), _written(settings.port_file, port):
        yield


@contextmanager
def _written(path: Path, number: int) -> Iterator[None]:
    """Keep a number in a file, whole or not at all."""
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    fresh.write_text(f"{number}\n", encoding="ascii")
    fresh.replace(path)
    try:
        yield
    finally:
        path.unlink(missing_ok=True)


if __name__ == "__main__":
    sys.exit(main())
