"""Where a webhook may go: to addresses of the public internet.

A receiver's name is resolved here, its addresses are checked, and one that was checked is connected to. So
a name that leads elsewhere when it is asked again (DNS rebinding) leads nowhere, and so do other spellings of
an address: what counts is the address that the system makes of them.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Iterable, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from itertools import zip_longest
from typing import TypeAlias

__all__ = ["MAX_ADDRESSES", "Address", "Resolve", "choose", "is_public", "literal", "resolve"]

Address: TypeAlias = IPv4Address | IPv6Address
Resolve: TypeAlias = Callable[[str, int], Awaitable[Sequence[str]]]
"""`await resolve(host, port)` -> the addresses of a host, as text; raises OSError when there are none."""

MAX_ADDRESSES = 4
"""How many addresses of a name are tried in one attempt."""

# What is not public, by the registries of special-purpose addresses, and what clouds put at public addresses.
# Sources: https://www.iana.org/assignments/iana-ipv4-special-registry and iana-ipv6-special-registry
_REFUSED_V4 = tuple(
    IPv4Network(network)
    for network in (
        "0.0.0.0/8",  # this network
        "10.0.0.0/8",  # private
        "100.64.0.0/10",  # behind carriers' NAT; 100.100.100.200: metadata of Alibaba Cloud
        "127.0.0.0/8",  # loopback
        "168.63.129.16/32",  # Azure's own services, as seen from a machine there
        "169.254.0.0/16",  # link-local; 169.254.169.254: metadata of most clouds
        "172.16.0.0/12",  # private
        "192.0.0.0/24",  # protocol assignments; 192.0.0.192: metadata of Oracle Cloud
        "192.0.2.0/24",  # documentation
        "192.88.99.0/24",  # 6to4 relays
        "192.168.0.0/16",  # private
        "198.18.0.0/15",  # benchmarks
        "198.51.100.0/24",  # documentation
        "203.0.113.0/24",  # documentation
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved, broadcast
    )
)
# Of IPv6 only this part is in use for the public internet; it has exceptions.
_PUBLIC_V6 = IPv6Network("2000::/3")
_REFUSED_V6 = tuple(
    IPv6Network(network)
    for network in (
        "2001::/23",  # protocol assignments, Teredo: leads to any IPv4 address
        "2001:db8::/32",  # documentation
        "2002::/16",  # 6to4: leads to any IPv4 address
        "3fff::/20",  # documentation
    )
)
# Here the last 32 bits are an IPv4 address, which is what counts: mapped, and translated by NAT64.
_EMBEDDED_V4 = (IPv6Network("::ffff:0:0/96"), IPv6Network("64:ff9b::/96"))


def is_public(address: Address) -> bool:
    """Whether the address is one of the public internet.

    >>> is_public(ip_address("8.8.8.8")), is_public(ip_address("::ffff:169.254.169.254"))
    (True, False)
    """
    if isinstance(address, IPv6Address):
        if any(address in network for network in _EMBEDDED_V4):
            address = IPv4Address(int(address) & 0xFFFFFFFF)
        else:
            return address in _PUBLIC_V6 and not any(address in network for network in _REFUSED_V6)
    return not any(address in network for network in _REFUSED_V4)


def literal(host: str) -> Address | None:
    """The address that a host is in itself, also when written as `127.1`, `0177.0.0.1` or `2130706433`; None
    for a name."""
    try:
        return ip_address(host)
    except ValueError:
        try:
            return IPv4Address(socket.inet_aton(host))
        except OSError:
            return None


async def resolve(host: str, port: int) -> Sequence[str]:
    """The addresses of a host, as the system finds them. Raises OSError when it finds none."""
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(place[0]) for *_, place in found]


def choose(addresses: Iterable[str], *, allow_private: bool) -> list[str]:
    """The addresses that may be connected to, at most `MAX_ADDRESSES`, each once.

    The two kinds of addresses take turns: where one of them leads nowhere, the other is tried soon.
    """
    parsed = [_parsed(address) for address in dict.fromkeys(addresses)]
    allowed = [address for address in parsed if address and (allow_private or is_public(address))]
    if not allowed:
        return []
    first = [address for address in allowed if address.version == allowed[0].version]
    other = [address for address in allowed if address.version != allowed[0].version]
    turns = [address for pair in zip_longest(first, other) for address in pair if address]
    return [str(address) for address in turns[:MAX_ADDRESSES]]


def _parsed(address: str) -> Address | None:
    """None for what cannot stand in a URL: link-local addresses that name an interface."""
    return None if "%" in address else ip_address(address)
