"""Warnings about what works but is probably not meant: the mistakes that operators report most."""

import ipaddress
import re
from collections.abc import Iterator, Mapping

from deputize.gateway.config.file_settings import AdminSettings
from deputize.gateway.config.settings import BASE_URI
from deputize.kernel.errors import ConfigurationError, Position
from deputize.kernel.pointers import join
from deputize.kernel.uris import is_loopback_host
from deputize.kernel.values import JsonValue

_OPEN_PREFIX = re.compile(
    r"^[$#]\{\s*find\(\s*request\.uri\.path\s*,\s*['\"]\^((?:/[\w.~-]+)+)['\"]\s*\)\s*\}$"
)
_FORWARDING = "ReverseProxyHandler"


def advice_on_route(
    members: Mapping[str, JsonValue], position: Position, *, streaming: bool, has_global_base: bool
) -> Iterator[ConfigurationError]:
    """Yield warnings about the route with these `members`.

    `has_global_base` tells whether `globalDecorators`, of this or an enclosing file, give every handler a
    `baseURI`.
    """
    condition = members.get("condition")
    match = _OPEN_PREFIX.match(condition) if isinstance(condition, str) else None
    if match:
        path = match[1]
        yield ConfigurationError(
            position.below("condition"),
            f"the condition also matches paths such as {path}anything",
            f"to accept only {path} and what is below it, write '^{path}(/|$)'",
        )
    types = _types(members, position.pointer)
    mcp = None if streaming else next((each for each in types if each[1].startswith("Mcp")), None)
    if mcp:
        pointer, name = mcp
        yield ConfigurationError(
            Position(position.file, pointer),
            f"{name} is used while streamingEnabled is false: event streams are held back until they end",
            'set "streamingEnabled": true in admin.json',
        )
    if not has_global_base and not _mentions_key(members, BASE_URI):
        types = _types(members, position.pointer)
        if any(name == _FORWARDING for _, name in types) or _mentions_text(members, _FORWARDING):
            yield ConfigurationError(
                position,
                "no baseURI: requests go to the host the client named, usually this gateway itself",
                'add "baseURI": "http://…" beside the route\'s handler',
            )


def advice_on_connectors(settings: AdminSettings, position: Position) -> Iterator[ConfigurationError]:
    """Yield warnings about listeners that others than this machine reach in clear text."""
    for index, connector in enumerate(settings.connectors):
        try:
            is_loopback = ipaddress.ip_address(connector.host).is_loopback
        except ValueError:
            is_loopback = is_loopback_host(connector.host)
        if connector.tls is None and not is_loopback:
            ports = ", ".join(map(str, connector.port))
            reason = (
                f"port {ports} on {connector.host} speaks clear text: bearer tokens sent to it can "
                f"be read on the way"
            )
            yield ConfigurationError(
                position.below("connectors", index), reason, 'add "tls", or "host": "localhost"'
            )


def _types(value: JsonValue, pointer: str) -> Iterator[tuple[str, str]]:
    """Yield pointer and name of each object type below `value`."""
    for name, member, place in _members(value, pointer):
        if name == "type" and isinstance(member, str):
            yield pointer, member
        yield from _types(member, place)


def _mentions_key(value: JsonValue, key: str) -> bool:
    """Whether a key stands where decorations are read; those inside a `config` object are not."""
    return any(
        any(_mentions_key(inner, key) for _, inner, _ in _members(member, ""))
        if name == "config"
        else name == key or _mentions_key(member, key)
        for name, member, _ in _members(value, "")
    )


def _mentions_text(value: JsonValue, text: str) -> bool:
    return value == text or any(_mentions_text(member, text) for _, member, _ in _members(value, ""))


def _members(value: JsonValue, pointer: str) -> Iterator[tuple[str, JsonValue, str]]:
    if isinstance(value, dict):
        members = value.items()
    elif isinstance(value, list):
        members = ((str(index), item) for index, item in enumerate(value))
    else:
        return
    for name, member in members:
        yield name, member, join(pointer, name)
