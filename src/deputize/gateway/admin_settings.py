"""The members of `admin.json` and `config.json` (gateway-config reference 1.2 and 1.4)."""

from typing import Annotated, Any

from pydantic import Field

from deputize.gateway.settings import Duration, OneOrMore, Raw, Reference, Settings

PortNumber = Annotated[int, Field(ge=0, le=65535)]
"""0 lets the operating system choose."""


class ListenerSettings(Settings):
    """What every listener has: `gracePeriod` for exchanges to end when it closes, the limit of a request's header bytes."""

    host: str = "0.0.0.0"  # noqa: S104 - the documented default; examples bind to localhost
    grace_period: Duration = 1.0
    tls: Reference | None = None
    max_total_headers_size: Annotated[int, Field(ge=1024)] = 8192


class AdminConnectorSettings(ListenerSettings):
    """The listener of the administration endpoints."""

    port: PortNumber


class ConnectorSettings(ListenerSettings):
    """A listener for traffic, or several that differ only in their port."""

    port: OneOrMore[PortNumber]


class AdminSettings(Settings):
    """`maxBodyLength` in bytes limits what is buffered when `streamingEnabled` is false; -1 stands for the built-in limit."""

    admin_connector: AdminConnectorSettings = Field(AdminConnectorSettings(port=8085))
    connectors: tuple[ConnectorSettings, ...] = Field(min_length=1)
    streaming_enabled: bool = False
    max_body_length: int = -1
    heap: Raw[Any] = Field([])
    properties: Raw[dict[str, Any]] = Field({})


class GatewaySettings(Settings):
    """The main handler, and what every route inherits."""

    handler: Reference
    heap: Raw[Any] = Field([])
    properties: Raw[dict[str, Any]] = Field({})
    global_decorators: Raw[dict[str, Any]] = Field({})
