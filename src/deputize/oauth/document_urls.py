"""URLs of documents that clients name and the authority fetches: one spelling each, and none with surprises.

A URL is refused where programs read it differently: what is checked has to be what is fetched, and a client
that is known by a URL must not come under a second spelling of it
(draft-ietf-oauth-client-id-metadata-document section 3; RFC 3986 sections 3 and 6).
"""

import re
from ipaddress import AddressValueError, IPv4Address, IPv6Address
from typing import Final, NamedTuple

from deputize.kernel.uris import Origin, Target, UriError, parse_target

MAX_LENGTH: Final = 1024
"""Characters of a URL. The parameter `client_id` and a row of the store hold it whole."""
HTTPS_PORT: Final = 443
_URL: Final = re.compile(
    r"https://(?P<host>\[[0-9a-f:.]{2,45}\]|[a-z0-9.-]{1,253})(?::(?P<port>[1-9][0-9]{0,4}))?(?P<rest>/[!-~]*)"
)
_NAME: Final = re.compile(r"(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)*[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_NUMBER: Final = re.compile(r"(?:.*\.)?(?:[0-9]+|0x[0-9a-f]*)")
"""A host whose last label is a number: programs take it for an IPv4 address, in spellings of their own."""


class DocumentUrl(NamedTuple):
    """Where a document is: an https origin, and what to ask it for."""

    origin: Origin
    target: Target

    @property
    def is_address(self) -> bool:
        """Whether the host is an address instead of a name."""
        return ":" in self.origin.host or _NUMBER.fullmatch(self.origin.host) is not None


def is_document_id(client_id: str) -> bool:
    """Whether a `client_id` can only be the URL of a client ID metadata document; other ids are UUIDs."""
    return client_id.startswith("https://")


def parse_document_url(url: str) -> DocumentUrl:
    """Return the parts of a document's URL. Raises `UriError`, whose text does not repeat the URL.

    It is https with a host in lower case, a path without dot segments (encoded ones neither), perhaps a port
    and a query; it has no user information and no fragment. A host is a name in ASCII without a final dot, or
    an address in its one canonical spelling: no octal, hexadecimal, shortened or zoned one.
    """
    if len(url) > MAX_LENGTH:
        raise UriError(f"the URL is longer than {MAX_LENGTH} characters")
    parts = _URL.fullmatch(url)
    if parts is None or int(parts["port"] or HTTPS_PORT) > 65535 or parts["port"] == str(HTTPS_PORT):
        raise UriError(
            "the URL is not https://host/path with the host in lower case, without user information, "
            "and with no port that https has anyway"
        )
    host = parts["host"]
    if host.startswith("["):
        host = _canonical(IPv6Address, host[1:-1])
    elif _NUMBER.fullmatch(host):
        host = _canonical(IPv4Address, host)
    elif not _NAME.fullmatch(host):
        raise UriError("the URL's host is not a name in ASCII letters, digits and hyphens")
    target = parse_target(parts["rest"].encode("ascii"))
    return DocumentUrl(Origin("https", host, int(parts["port"] or HTTPS_PORT)), target)


def _canonical(kind: type[IPv4Address] | type[IPv6Address], text: str) -> str:
    """Return the address that `text` spells canonically (RFC 5952). Raises `UriError`."""
    try:
        address = kind(text)
    except AddressValueError:
        address = None
    # Of an IPv4 address that is mapped to IPv6 there are two spellings, and Python has changed its mind.
    if str(address) != text or (isinstance(address, IPv6Address) and address.ipv4_mapped):
        raise UriError("the URL's host is an address, and not in its canonical spelling")
    return text
