"""Whose request it is: the peer's address, or what trusted proxies in front of it say."""

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import TypeAlias

Network: TypeAlias = IPv4Network | IPv6Network


def client_address(peer: str, forwarded_for: Sequence[str], trusted: Sequence[Network]) -> str:
    """The last address that no trusted proxy has: who connected to the outermost one of them.

    `forwarded_for` are the values of `X-Forwarded-For`, each a list to which every proxy appended the address
    that it saw. What stands before the address of somebody untrusted is that somebody's word, and counts for
    nothing.
    """
    client = peer
    for text in reversed([each for value in forwarded_for for each in value.split(",")]):
        seen_by = _address(client)
        if seen_by is None or not any(seen_by in network for network in trusted):
            break
        address = _address(text)
        if address is None:
            break
        client = str(address)
    return client


def _address(text: str) -> IPv4Address | IPv6Address | None:
    """The address that a proxy wrote, some with a port."""
    plain = text.strip()
    if plain.startswith("["):
        plain = plain[1:].partition("]")[0]
    elif plain.count(":") == 1:
        plain = plain.partition(":")[0]
    try:
        address = ip_address(plain)
    except ValueError:
        return None
    return (isinstance(address, IPv6Address) and address.ipv4_mapped) or address
