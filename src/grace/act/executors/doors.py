"""GRACE's own doors: where its API listens, under whatever name a request may come to them."""

from __future__ import annotations

import socket
from collections.abc import Iterable, Iterator
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Final, TypeAlias

from grace.kit.procfs import Endpoint

Address: TypeAlias = IPv4Address | IPv6Address

_LOOPBACKS: Final = (ip_address("127.0.0.1"), ip_address("::1"))
_LOCAL_NAME: Final = "localhost"


def named_door(doors: Iterable[Endpoint], host: str, port: int) -> Endpoint | None:
    """Return the door that a host and port mean as they are written; looks no name up beyond this machine."""
    at_port = [door for door in doors if door.port == port]
    if not at_port:
        return None
    if host.rstrip(".") == socket.gethostname().lower():
        return at_port[0]
    return next((door for address in _written(host) for door in at_port if _opens(door, address)), None)


def reached_door(doors: Iterable[Endpoint], address: str, port: int) -> Endpoint | None:
    """Return the door at the other end of a connection, None when it is none."""
    peer = _plain(ip_address(address.partition("%")[0]))
    return next((door for door in doors if door.port == port and _opens(door, peer)), None)


def _written(host: str) -> Iterator[Address]:
    """Yield the addresses that are written out in a host, in any notation that the system takes for a number."""
    name = host.rstrip(".")
    if name == _LOCAL_NAME or name.endswith(f".{_LOCAL_NAME}"):
        yield from _LOOPBACKS
        return
    address = _read(host)
    if address is not None:
        yield from _LOOPBACKS if address.is_unspecified else (address,)


def _read(host: str) -> Address | None:
    """Read an address as the system does: `127.1` and `2130706433` are loopback too."""
    try:
        return _plain(ip_address(host.partition("%")[0]))
    except ValueError:
        pass
    try:
        return ip_address(socket.inet_aton(host))
    except OSError:
        return None


def _opens(door: Endpoint, address: Address) -> bool:
    """Tell whether a connection to this address comes to the door."""
    if _plain(door.address).is_unspecified:
        return _is_of_this_machine(address)
    return _plain(door.address) == address


def _plain(address: Address) -> Address:
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


def _is_of_this_machine(address: Address) -> bool:
    """Ask the kernel: only an address of its own can be bound."""
    family = socket.AF_INET if isinstance(address, IPv4Address) else socket.AF_INET6
    try:
        with socket.socket(family, socket.SOCK_STREAM) as asking:
            asking.bind((str(address), 0))
    except OSError:
        return False
    return True
