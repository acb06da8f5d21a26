from __future__ import annotations

import os
import socket
from collections.abc import Generator

import pytest

from grace.doctor.address import Address
from grace.model.examination import CheckResult, Health


@pytest.fixture
def taken() -> Generator[int]:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


def look(port: int, *, is_public: bool = False, tokens: int | None = 1, ours: int | None = None) -> list[CheckResult]:
    return list(Address("127.0.0.1", port, is_public, tokens, ours).checks())


def test_a_port_that_somebody_listens_on_fails_and_names_the_process(taken: int) -> None:
    _, port = look(taken)
    assert port.health is Health.FAILED
    assert f"process {os.getpid()}" in port.found
    assert "--port" in port.next


def test_a_port_that_our_server_listens_on_is_well(taken: int) -> None:
    assert look(taken, ours=os.getpid())[1].health is Health.OK


def test_a_port_that_is_free_is_free_afterwards_too() -> None:
    with socket.socket() as trial:
        trial.bind(("127.0.0.1", 0))
        port = trial.getsockname()[1]
    assert look(port)[1].health is Health.OK
    with socket.socket() as again:
        again.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        again.bind(("127.0.0.1", port))


@pytest.mark.parametrize(
    ("is_public", "tokens", "health"),
    [
        (False, 0, Health.OK),
        (False, None, Health.OK),
        (True, 0, Health.FAILED),
        (True, None, Health.FAILED),
        (True, 2, Health.WARNING),
    ],
)
def test_an_address_that_others_reach_needs_tokens_and_tls(is_public: bool, tokens: int | None, health: Health) -> None:
    assert look(0, is_public=is_public, tokens=tokens)[0].health is health
