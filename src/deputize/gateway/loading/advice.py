"""What files say that works but is probably not meant (the mistakes operators report most)."""

import ipaddress
import re
from collections.abc import Iterator, Mapping

from deputize.gateway.config.admin import AdminSettings
from deputize.gateway.config.declarations import below
from deputize.gateway.loading.decorators import BASE_URI
from deputize.kernel.errors import ConfigurationError, Position
from deputize.kernel.pointers import join
from deputize.kernel.uris import is_loopback_host
from deputize.kernel.values import JsonValue

_OPEN_PREFIX = re.compile(
    r"^[$#]\{\s*find\(\s*request\.uri\.path\s*,\s*['\"]\^((?:/[\w.~-]+)+)['\"]\s*\)\s*\}$"
)
_FORWARDING = "ReverseProxyHandler"


def advice(
    document: Mapping[str, JsonValue], position: Position, *, streaming: bool, has_global_base: bool
) -> Iterator[ConfigurationError]:
    """Warnings about the route in `document`."""
    yield from _about_condition(document.get("condition"), position)
    if not streaming:
        yield from _about_streaming(document, position)
    if not has_global_base and not _mentions_key(document, BASE_URI):
        yield from _about_base(document, position)


def about_connectors(settings: AdminSettings, position: Position) -> Iterator[ConfigurationError]:
    """Warnings about listeners that others than this machine reach in clear text."""
    for index, connector in enumerate(settings.connectors):
        if connector.tls is None and not _is_loopback(connector.host):
            ports = ", ".join(map(str, connector.port))
            reason = (
                f"port {ports} on {connector.host} speaks clear text: bearer tokens sent to it can "
                f"be read on the way"
            )
            yield ConfigurationError(
                below(position, "connectors", index), reason, 'add "tls", or "host": "localhost"'
            )


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return is_loopback_host(host)


def _about_condition(condition: JsonValue, position: Position) -> Iterator[ConfigurationError]:
    match = _OPEN_PREFIX.match(condition) if isinstance(condition, str) else None
    if match:
        path = match[1]
        reason = f"the condition also matches paths such as {path}anything"
        fix = f"to accept only {path} and what is below it, write '^{path}(/|$)'"
        yield ConfigurationError(Position(position.file, join(position.pointer, "condition")), reason, fix)


def _about_streaming(document: Mapping[str, JsonValue], position: Position) -> Iterator[ConfigurationError]:
    for pointer, name in _types(document, position.pointer):
        if name.startswith("Mcp"):
            reason = (
                f"{name} is used while streamingEnabled is false: event streams are held back until they end"
            )
            yield ConfigurationError(
                Position(position.file, pointer), reason, 'set "streamingEnabled": true in admin.json'
            )
            return


def _about_base(document: Mapping[str, JsonValue], position: Position) -> Iterator[ConfigurationError]:
    forwards = any(name == _FORWARDING for _, name in _types(document, position.pointer)) or _mentions_text(
        document, _FORWARDING
    )
    if forwards:
        reason = "no baseURI: requests go to the host the client named, usually this gateway itself"
        yield ConfigurationError(position, reason, 'add "baseURI": "http://…" beside the route\'s handler')


def _types(value: JsonValue, pointer: str) -> Iterator[tuple[str, str]]:
    """Pointer and name of each object type below `value`."""
    for name, member, place in _members(value, pointer):
        if name == "type" and isinstance(member, str):
            yield pointer, member
        yield from _types(member, place)


def _mentions_key(value: JsonValue, key: str) -> bool:
    """Whether a key stands where decorations are read; those inside a `config` object are not."""
    return any(
        name == key or (name != "config" and _mentions_key(member, key)) or _inside_config(name, member, key)
        for name, member, _ in _members(value, "")
    )


def _inside_config(name: str, member: JsonValue, key: str) -> bool:
    return name == "config" and any(_mentions_key(inner, key) for _, inner, _ in _members(member, ""))


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
