"""`LocationHeaderFilter`: keeps redirects of the server on the gateway (gateway-config reference 4.6)."""

from typing import ClassVar, Self
from urllib.parse import urlsplit

from pydantic import Field

from deputize.expressions.gateway import Template
from deputize.gateway.config.settings import Settings, TemplateText
from deputize.gateway.exchange.contexts import RouterContext
from deputize.gateway.exchange.redirects import leads_to, plain_path
from deputize.gateway.loading.context import BuildContext
from deputize.http.exchange import Exchange, Head
from deputize.http.messages import Response
from deputize.http.plans import Amend, Plan, Prepare
from deputize.kernel.uris import Origin, parse_origin


class LocationHeaderFilter:
    """Puts scheme, host and port that the client knows into a `Location` that leads to the server behind.

    Path, query and fragment stay. A `Location` that leads elsewhere, such as to an authorization server, is
    left as it is.
    """

    aliases: ClassVar[tuple[str, ...]] = ("RedirectFilter",)

    class Config(Settings):
        """Where clients find the server."""

        base_uri: TemplateText | None = Field(None, alias="baseURI")
        """Scheme, host and port; by default those of the request as it was received."""

    def __init__(self, base: Template | None, context: BuildContext) -> None:
        self._base = base
        self._context = context

    @classmethod
    def build(cls, config: Config, context: BuildContext) -> Self:
        """Nothing to look up."""
        return cls(config.base_uri, context)

    def prepare(self, head: Head, next: Prepare) -> Plan:
        """Pass on, and look at each answer that redirects."""

        def amend(exchange: Exchange, response: Response) -> Response:
            location = response.headers.get("location") or ""
            here = self._here(head.at(exchange)) if leads_to(location, exchange.reached.origin) else None
            if here is not None:
                parts = urlsplit(location)
                path = parts._replace(scheme="", netloc="", path=plain_path(parts.path or "/")).geturl()
                response.headers.set("Location", f"{here}{path}")
            return response

        def amend_for(response: Response) -> Amend | None:
            return amend if "location" in response.headers else None

        return next(head).after(head, amend_for=amend_for)

    def _here(self, head: Head) -> Origin | None:
        """Where the client finds the gateway. Raises `UriError` or `ExpressionError`."""
        text = self._context.text(self._base, head) if self._base else None
        if text is not None:
            return parse_origin(text)
        received = head.find(RouterContext)
        return received.original_origin if received else head.origin
