"""Who sends a request, and the ids that tie its records to others."""

import re
from collections.abc import Callable, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import TypeAlias

from deputize.authority.audit import Source
from deputize.http.exchange import Exchange, Head

Network: TypeAlias = IPv4Network | IPv6Network
_TRANSACTION_ID = re.compile(r"[!-~]{1,128}")


def source_reader(head: Head, trusted_proxies: Sequence[Network]) -> Callable[[Exchange], Source]:
    """Return what reads where a request with this head comes from, and the ids that tie its records to
    others.
    """
    seen = head.peer.remote_address
    forwarded = head.headers.get_all("x-forwarded-for") if trusted_proxies else ()
    client = client_address(seen, forwarded, trusted_proxies) if forwarded else seen
    names = {name.lower() for name, _ in head.headers.raw}  # reading a value would make the plan this call's
    if b"x-forgerock-transactionid" not in names:

        def read_end(exchange: Exchange) -> Source:
            port = exchange.peer.remote_port if client == seen else None
            return Source(client, port, exchange.transaction_id)

        return read_end
    read_transactions = head.reader("x-forgerock-transactionid")

    def read(exchange: Exchange) -> Source:
        told = read_transactions(exchange)
        return Source(
            client,
            exchange.peer.remote_port if client == seen else None,
            exchange.transaction_id,
            told[0] if len(told) == 1 and _TRANSACTION_ID.fullmatch(told[0]) else None,
        )

    return read


def client_address(peer: str, forwarded_for: Sequence[str], trusted: Sequence[Network]) -> str:
    """Find the last address that no trusted proxy has: who connected to the outermost one of them.

    `forwarded_for` are the values of `X-Forwarded-For`, each a list to which every proxy appended the address
    that it saw. What comes before the address of somebody untrusted is that somebody's word, and counts for
    nothing.
    """
    client = peer
    for text in reversed([each for value in forwarded_for for each in value.split(",")]):
        seen_by = parse_address(client)
        if seen_by is None or not any(seen_by in network for network in trusted):
            break
        address = parse_address(text)
        if address is None:
            break
        client = str(address)
    return client


def parse_address(text: str) -> IPv4Address | IPv6Address | None:
    """Parse the address that a proxy wrote; some write a port too."""
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
