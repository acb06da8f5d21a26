"""Where a webhook may lead: the guard against requests that are sent somewhere on the inside.

A name is resolved once for each attempt, every address it has is judged, and the connection goes to one that was
judged: a name that changes its mind between judgement and connection gains nothing. Addresses of the link (there is the
metadata service of every cloud), multicast, unspecified and reserved ones are refused always.
"""

from __future__ import annotations

import socket
from enum import StrEnum
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import Final

_METADATA: Final = frozenset({ip_address("fd00:ec2::254"), ip_address("100.100.100.200")})
"""Metadata services at addresses that are not of the link."""
_NAT64: Final = IPv6Network("64:ff9b::/96")

Address = IPv4Address | IPv6Address


class Network(StrEnum):
    """Where the receiver of a webhook stands."""

    PUBLIC = "public"
    PRIVATE = "private"


class AddressRefusedError(Exception):
    """A name leads to where no webhook may go."""


def allowed_addresses(host: str, port: int, network: Network) -> tuple[str, ...]:
    """Return the addresses of a host in the order of the resolver; raise AddressRefusedError if one is not allowed.

    Raise OSError where the name has none.
    """
    found = [info[4][0] for info in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]
    addresses = tuple(dict.fromkeys(str(address).partition("%")[0] for address in found))
    for address in addresses:
        if why := refusal(ip_address(address), network):
            message = f"{host} is {address}: {why}"
            raise AddressRefusedError(message)
    return addresses


def refusal(address: Address, network: Network) -> str | None:
    """Return why an address is not allowed; None when it is."""
    inner = _unwrapped(address)
    if inner.is_link_local or inner in _METADATA:
        return "addresses of the link and of metadata services are refused"
    if inner.is_multicast or inner.is_unspecified or (inner.is_reserved and not inner.is_loopback):
        return "no receiver can be there"
    if network is Network.PUBLIC and not inner.is_global:
        return "it is not a public address; declare `network: private` if the receiver is on the inside"
    return None


def _unwrapped(address: Address) -> Address:
    """Return the IPv4 address that an IPv6 address carries, where it does."""
    if isinstance(address, IPv4Address):
        return address
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour or (address.teredo[1] if address.teredo else address)
