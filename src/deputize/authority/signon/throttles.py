"""How often passwords may be guessed, and by whom: a guesser waits, and makes few others wait."""

from ipaddress import IPv6Address, ip_address, ip_network

from deputize.oauth.ports import Throttle

NETWORK = Throttle(free=6, first_wait=900, longest_wait=900, memory=900)
"""Of one name from one network."""
NAME = Throttle(free=30, first_wait=1, longest_wait=300, memory=3600)
"""Of one name from all networks together: attackers who have many wait longer and longer.

One network alone does not get so far.
"""
KNOWN_BROWSER = Throttle(free=6, first_wait=900, longest_wait=900, memory=900)
"""Of one name in a browser where that user signed on before.

Such a browser waits for nobody else's failures.
"""


def network_of(address: str | None) -> str:
    """What counts as one source.

    An IPv4 address, or the 64 bits of an IPv6 address that whoever has it chooses from at will.
    """
    try:
        ip = ip_address(address or "")
    except ValueError:
        return ""
    return (
        str(ip_network((ip, 64), strict=False))
        if isinstance(ip, IPv6Address) and not ip.ipv4_mapped
        else str(ip)
    )
