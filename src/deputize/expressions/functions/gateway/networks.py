"""Addresses and file URLs."""

import ipaddress
from collections.abc import Mapping
from urllib.parse import quote

from deputize.expressions.errors import OperandError
from deputize.expressions.functions import operands
from deputize.expressions.functions.function import Function, exactly, of_one
from deputize.expressions.functions.gateway.texts import on_text
from deputize.expressions.patterns import encoded
from deputize.expressions.values import Value, is_absent


def ip_match(address: Value, network: Value) -> bool:
    """Whether the address lies in the network (CIDR notation); false when it is absent or no address.

    A network that is none is an error: it was written by an operator. IPv4 addresses mapped into IPv6 count
    as IPv4.
    """
    try:
        block = ipaddress.ip_network(operands.text(network), strict=False)
    except ValueError as error:
        raise OperandError("not a network in CIDR notation") from error
    return not is_absent(address) and _lies_in(operands.text(address), block)


def _lies_in(address: str, block: ipaddress.IPv4Network | ipaddress.IPv6Network) -> bool:
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return False
    mapped = parsed.ipv4_mapped if isinstance(parsed, ipaddress.IPv6Address) else None
    return (mapped or parsed) in block


def file_url(path: str) -> str:
    """The `file:` URL of an absolute path."""
    if not path.startswith("/"):
        raise OperandError("the path is not absolute")
    return "file://" + quote(encoded(path))


_FILE_URL = of_one(on_text(file_url))

FUNCTIONS: Mapping[str, Function] = {
    "ipMatch": exactly(2, ip_match),
    "fileToUrl": _FILE_URL,
    "pathToUrl": _FILE_URL,
}
