"""Addresses."""

import ipaddress

from deputize.expressions.errors import OperandError
from deputize.expressions.functions.function import Function, as_text, exactly
from deputize.expressions.values import Value, is_absent


def ip_match(address: Value, network: Value) -> bool:
    """Whether the address lies in the network (CIDR notation); false when it is absent or no address.

    A network that is none is an error: it was written by an operator. IPv4 addresses mapped into IPv6 count
    as IPv4.
    """
    try:
        block = ipaddress.ip_network(as_text(network), strict=False)
    except ValueError as error:
        raise OperandError("not a network in CIDR notation") from error
    if is_absent(address):
        return False
    try:
        parsed = ipaddress.ip_address(as_text(address))
    except ValueError:
        return False
    mapped = parsed.ipv4_mapped if isinstance(parsed, ipaddress.IPv6Address) else None
    return (mapped or parsed) in block


FUNCTIONS: tuple[Function, ...] = (exactly("ipMatch", 2, ip_match),)
