"""What may stand in `admin.json`, in `config.json` and in a route file, and what does by default.

Gateway-config reference 1.2, 1.4, 1.6 and 1.7.
"""

import ipaddress
from typing import Annotated, Any, TypeAlias

from pydantic import AfterValidator, BeforeValidator, Field

from deputize.gateway.config.settings import ConditionText, Duration, OneOrMore, Raw, Reference, Settings
from deputize.kernel.values import JsonObject

DEFAULT_ADMIN = b"{}"
DEFAULT_CONFIG = b'{"handler": {"name": "_router", "type": "Router"}}'
DEFAULT_OBJECTS: tuple[JsonObject, ...] = (
    {"name": "ClientHandler", "type": "ClientHandler"},
    {"name": "ReverseProxyHandler", "type": "ReverseProxyHandler"},
    {"name": "TransactionIdOutboundFilter", "type": "TransactionIdOutboundFilter"},
    {
        "name": "ForgeRockClientHandler",
        "type": "Chain",
        "config": {"filters": ["TransactionIdOutboundFilter"], "handler": "ClientHandler"},
    },
    {"name": "AuditService", "type": "AuditService"},
    {"name": "baseURI", "type": "BaseUriDecorator"},
    {"name": "capture", "type": "CaptureDecorator"},
    {"name": "timer", "type": "TimerDecorator"},
    {"name": "tracing", "type": "TracingDecorator"},
)
"""Heap objects that every file can refer to."""

Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network

PortNumber = Annotated[int, Field(ge=0, le=65535)]
"""0 lets the operating system choose."""


HostName = Annotated[str, Field(pattern=r"^[A-Za-z0-9._:-]+$"), AfterValidator(str.lower)]
"""A host name or address without port; IPv6 addresses stand without brackets."""


def _parse_network(value: object) -> Network:
    if not isinstance(value, str):
        raise ValueError("a network is a text such as 10.0.0.0/8")  # noqa: TRY004 - pydantic reports only ValueError
    return ipaddress.ip_network(value)


class ListenerSettings(Settings):
    """What every listener has."""

    host: str = "0.0.0.0"  # noqa: S104 - the documented default; examples bind to localhost
    """The address to listen on; `0.0.0.0` is all of them."""
    grace_period: Duration = 1.0
    """How long exchanges may take to end when the listener closes."""
    tls: Reference | None = None
    """A `ServerTlsOptions`; without it the listener speaks clear text."""
    max_total_headers_size: Annotated[int, Field(ge=1024)] = 8192
    """Bytes of headers a request may have; more is 431."""
    underscores_in_headers: bool = False
    """Whether header names with `_` are accepted.

    Otherwise such fields are dropped, because many servers take `X_Agent` for `X-Agent`.
    """
    host_names: OneOrMore[HostName] = ()
    """The host names requests may ask for; others are answered 421.

    Every name when empty. Protects against DNS rebinding.
    """


class AdminConnectorSettings(ListenerSettings):
    """The listener of the administration endpoints."""

    port: PortNumber
    """The port to listen on; 0 lets the operating system choose."""


class ConnectorSettings(ListenerSettings):
    """A listener for traffic, or several that differ only in their port."""

    port: OneOrMore[PortNumber]
    """The port or ports to listen on; 0 lets the operating system choose."""


class AdminSettings(Settings):
    """The members of `admin.json`."""

    admin_connector: AdminConnectorSettings = Field(AdminConnectorSettings(port=8085))
    """The listener of the administration endpoints: `/health/ready`, `/health/live`, `/metrics`."""
    connectors: tuple[ConnectorSettings, ...] = Field(
        (ConnectorSettings.model_validate({"port": 8080}),), min_length=1
    )
    """The listeners for traffic; one for clear text on port 8080 when absent."""
    trusted_proxies: OneOrMore[Annotated[Network, BeforeValidator(_parse_network)]] = ()
    """Addresses or networks (CIDR) of proxies whose `Forwarded`, `X-Forwarded-*` and `X-Real-IP` are believed
    and passed on.
    """
    streaming_enabled: bool = False
    """Whether bodies pass as they arrive. MCP needs `true`."""
    max_body_length: int = -1
    """Bytes of a body that are buffered at most where nothing streams; -1 is the built-in limit."""
    heap: Raw[Any] = Field([])
    """Objects that this file's objects can refer to by name."""
    properties: Raw[dict[str, Any]] = Field({})
    """What tokens `&{name}` stand for in this file."""


class GatewaySettings(Settings):
    """The members of `config.json`: the main handler, and what every route inherits."""

    handler: Reference
    """Answers every request; usually a `Router`."""
    heap: Raw[Any] = Field([])
    """Objects that every route can refer to by name."""
    properties: Raw[dict[str, Any]] = Field({})
    """What tokens `&{name}` stand for here and in every route."""
    global_decorators: Raw[dict[str, Any]] = Field({})
    """Decorations of every handler and filter; a `baseURI` is for handlers only."""


class RouteSettings(Settings):
    """The members of a route file."""

    handler: Reference
    """Answers the requests this route accepts."""
    name: str | None = None
    """The route's name; routes are tried in the order of their names. By default the id."""
    id: str | None = Field(None, alias="_id")
    """The route's id; by default the file's name without `.json`."""
    condition: ConditionText | None = None
    """Which requests the route accepts; all of them when absent."""
    heap: Raw[Any] = Field([])
    """Objects that this route's objects can refer to by name."""
    properties: Raw[dict[str, Any]] = Field({})
    """What tokens `&{name}` stand for in this file."""
    global_decorators: Raw[dict[str, Any]] = Field({})
    """Decorations of every handler and filter of this route; a `baseURI` is for handlers only."""
    audit_service: Reference = "AuditService"
    """Takes the access records of this route; by default the heap object of that name, where there is one."""
