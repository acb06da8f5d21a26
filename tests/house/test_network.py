"""Tests stay on this machine."""

import socket

import pytest

from tests.conftest import NetworkUsedError


@pytest.mark.parametrize("host", ["192.0.2.1", "2001:db8::1", "example.org"])
def test_a_connection_beyond_this_machine_is_refused(host: str) -> None:
    with pytest.raises(NetworkUsedError, match="stay on this machine"):
        socket.create_connection((host, 80))


def test_a_datagram_beyond_this_machine_is_refused() -> None:
    with socket.socket(type=socket.SOCK_DGRAM) as client, pytest.raises(NetworkUsedError, match=r"192\.0\.2\.1"):
        client.sendto(b"", ("192.0.2.1", 9))


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_this_machine_is_reachable(host: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, socket.socket() as client:
        client.connect((host, server.getsockname()[1]))
        assert client.getpeername() == server.getsockname()


def test_the_refusal_is_a_failed_test_and_not_a_failure_of_the_network() -> None:
    assert issubclass(NetworkUsedError, AssertionError)
    assert not issubclass(NetworkUsedError, OSError)
