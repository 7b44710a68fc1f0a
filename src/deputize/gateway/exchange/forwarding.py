"""What upstream servers are told about the client, in every field their frameworks may read it from.

On every route the gateway describes the client itself: `X-Forwarded-For`, `X-Forwarded-Host` and
`X-Forwarded-Proto` are its own, and every other field of that kind is dropped: addresses, hosts and schemes,
names of users and certificates that proxies vouch for. Unless the sender is one of `trustedProxies`: then
that proxy's fields are kept, and its address is added to `X-Forwarded-For`. Fields that override method or
path are dropped on every route, whoever sent them: the conditions of routes and filters have seen the method
and path of the request line. The gateway adds itself to `Via` (RFC 9110 section 7.6.3).

On MCP routes, which `McpValidationFilter` makes, the cookies of whatever else lives on the gateway's host
stay away from the MCP server and `Via` names the gateway only; nor does the server set cookies, which would
be those of the gateway's host. On plain API routes cookies pass.
"""

import ipaddress
from collections.abc import Sequence
from functools import lru_cache
from typing import Final, TypeAlias

from deputize.gateway.config.file_settings import Network
from deputize.http.exchange import Head
from deputize.http.messages import Headers, NameTable
from deputize.kernel.uris import Origin

Field: TypeAlias = tuple[bytes, bytes]
_ABOUT_CLIENT: Final = frozenset(
    (
        b"x-real-ip x-client-ip client-ip true-client-ip x-cluster-client-ip x-proxyuser-ip"
        b" x-originating-ip x-remote-ip x-remote-addr remote-addr x-original-forwarded-for"
        b" cf-connecting-ip cf-connecting-ipv6 cf-pseudo-ipv4 fastly-client-ip fly-client-ip"
        b" x-appengine-user-ip x-azure-clientip x-azure-socketip x-envoy-external-address"
        b" front-end-https x-scheme x-url-scheme x-ssl x-host x-original-host x-http-host-override"
        b" remote-user x-remote-user x-authenticated-user"
        # the exchange's name, which only a `TransactionIdOutboundFilter` gives
        b" x-forgerock-transactionid"
    ).split()
)
_PREFIXES: Final = tuple(
    (
        b"forwarded x-forwarded x-forward-"
        b" client-cert x-client-cert ssl-client- x-ssl-client- x-amzn-mtls-"  # RFC 9440 section 2.4
        b" x-auth-request- x-ms-client-principal x-goog-authenticated-user- x-amzn-oidc-"
    ).split()
)
_CHAIN: Final = b"x-forwarded-for"
_OVERRIDES: Final = frozenset(
    (
        b"x-http-method-override x-http-method x-method-override"
        b" x-original-url x-original-uri x-original-method x-rewrite-url x-script-name script-name"
        b" proxy"  # CGI makes the variable HTTP_PROXY of it, which programs send their own requests through
    ).split()
)
_VIA: Final = {version: (b"Via", f"{version} deputize".encode()) for version in ("1.0", "1.1")}
_OTHER: Final = 0
_IS_CHAIN: Final = 1
_IS_ABOUT_CLIENT: Final = 2
_IS_OVERRIDE: Final = 3


class ClientDescription:
    """Replaces what the client says of itself by the gateway's own description."""

    __slots__ = ("_kinds", "_trusted")

    def __init__(self, trusted: Sequence[Network] = ()) -> None:
        """`trusted` are the networks of proxies whose description is believed."""
        self._trusted = tuple(trusted)
        self._kinds = NameTable(_kind)

    def describe(self, head: Head) -> Head:
        """Return the head with the fields rewritten."""
        peer = head.peer
        raw, kinds = head.headers.raw, self._kinds
        own = _describe_client(peer.remote_address, head.origin, peer.secure)
        if self._trusted and _is_within(peer.remote_address, self._trusted):
            # what the proxy left out, and its own address behind those it has named
            sent = {name.lower() for name, _ in raw}
            chain = [value for name, value in raw if kinds[name] == _IS_CHAIN and value]
            own = [(name, value) for name, value in own if name.lower() not in {_CHAIN, *sent}]
            own.insert(0, (b"X-Forwarded-For", b", ".join([*chain, peer.remote_address.encode()])))
            kept = [pair for pair in raw if kinds[pair[0]] not in {_IS_OVERRIDE, _IS_CHAIN}]
        else:
            kept = [pair for pair in raw if not kinds[pair[0]]]
        return head.with_headers(Headers([*kept, *own, _VIA[head.version]]))


def keep_for_mcp(head: Head) -> Head:
    """Return the head without what an MCP server has no use for: others' cookies and earlier `Via` fields."""
    headers = head.headers.copy()
    headers.remove("Cookie", "Via")
    return head.with_headers(Headers([*headers.raw, _VIA[head.version]]))


def is_told_by_proxies(name: str) -> bool:
    """Whether a field of that name reaches filters only where a trusted proxy sent it."""
    return _kind(name.encode("latin-1", "replace")) in {_IS_ABOUT_CLIENT, _IS_CHAIN}


def _kind(name: bytes) -> int:
    """What the field `name` is about; `_` counts as `-`, as servers read it."""
    plain = name.lower().replace(b"_", b"-")
    if plain in _OVERRIDES:
        return _IS_OVERRIDE
    if plain == _CHAIN:
        return _IS_CHAIN
    return _IS_ABOUT_CLIENT if plain in _ABOUT_CLIENT or plain.startswith(_PREFIXES) else _OTHER


@lru_cache(maxsize=1024)
def _describe_client(address: str, origin: Origin | None, secure: bool) -> Sequence[Field]:  # noqa: FBT001 - lru_cache is quicker with positions
    fields = [(b"X-Forwarded-For", address.encode())] if address else []
    if origin is not None:
        fields.append((b"X-Forwarded-Host", origin.authority.encode("latin-1")))
    return (*fields, (b"X-Forwarded-Proto", b"https" if secure else b"http"))


@lru_cache(maxsize=1024)
def _is_within(address: str, networks: tuple[Network, ...]) -> bool:
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    mapped = parsed.ipv4_mapped if isinstance(parsed, ipaddress.IPv6Address) else None
    return any((mapped or parsed) in network for network in networks)
