"""Tests stay on this machine."""

import socket

import pytest

from tests.conftest import NetworkUsedError

BEYOND = [("192.0.2.1", 80), ("2001:db8::1", 80), ("example.org", 80)]


@pytest.mark.parametrize("address", BEYOND)
def test_an_address_beyond_this_machine_is_refused(address: tuple[str, int]) -> None:
    family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
    with socket.socket(family) as client, pytest.raises(AssertionError, match="stay on this machine"):
        client.connect(address)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_this_machine_is_reachable(host: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, socket.socket() as client:
        client.connect((host, server.getsockname()[1]))
        assert client.getpeername() == server.getsockname()


def test_the_refusal_is_a_failed_test_and_not_a_failure_of_the_network() -> None:
    assert issubclass(NetworkUsedError, AssertionError)
    assert not issubclass(NetworkUsedError, OSError)
