"""`UriPathRewriteFilter`: replaces path prefixes, in answers the reverse (gateway-config reference 4.6)."""

import re
from collections.abc import Iterable
from typing import Self
from urllib.parse import urlsplit

from pydantic import Field

from deputize.gateway.config.settings import Settings
from deputize.gateway.exchange.contexts import RouterContext
from deputize.gateway.exchange.redirects import leads_to, plain_path
from deputize.gateway.loading.context import BuildContext
from deputize.http.exchange import Exchange, Head
from deputize.http.messages import Response
from deputize.http.plans import Amend, Plan, Prepare
from deputize.kernel.uris import Target, UriError, parse_target

_REGEX_CHARACTERS = re.compile(r"[\^$*+?()\[\]{}|\\]")
_MAPPED_BACK = ("Location", "Content-Location")


class UriPathRewriteFilter:
    """Rewrites the path of requests; the longest prefix that ends at a segment border wins."""

    class Config(Settings):
        """The path prefixes and their replacements."""

        mappings: dict[str, str] = Field(min_length=1)
        """Path prefix to what replaces it, such as `/mcp` to `/`. Literal texts, no patterns."""

    def __init__(self, mappings: Iterable[tuple[str, str]]) -> None:
        """`mappings` are pairs of prefixes without closing slash, so that "" stands for the root."""
        pairs = list(mappings)
        self._inward = sorted(pairs, key=lambda pair: len(pair[0]), reverse=True)
        self._outward = sorted(
            ((new, old) for old, new in pairs), key=lambda pair: len(pair[0]), reverse=True
        )

    @classmethod
    def build(cls, config: Config, context: BuildContext) -> Self:
        """Check the prefixes; a prefix that looks like a pattern is warned about."""
        for path in (*config.mappings, *config.mappings.values()):
            try:
                parse_target(path.encode())
            except UriError as error:
                raise context.error(
                    "mappings", f"{path!r} is not a path: {error}", "write paths such as /mcp"
                ) from error
            if _REGEX_CHARACTERS.search(path):
                context.warn(
                    "mappings",
                    f"{path!r} is taken literally, not as a regular expression",
                    "write the plain path prefix",
                )
        return cls((old.rstrip("/"), new.rstrip("/")) for old, new in config.mappings.items())

    def prepare(self, head: Head, next: Prepare) -> Plan:
        """Rewrite the request's path, and in the answer what points back into the rewritten space."""
        path = _replace_prefix(head.target.path, self._inward) or head.target.path
        plan = next(head.with_target(Target(path, head.target.query)))
        return plan.after(head, amend_for=self._amend_for)

    def _amend_for(self, response: Response) -> Amend | None:
        return self._map_all_back if any(name in response.headers for name in _MAPPED_BACK) else None

    def _map_all_back(self, exchange: Exchange, response: Response) -> Response:
        for name in _MAPPED_BACK:
            location = response.headers.get(name)
            if location is not None:
                response.headers.set(name, self._map_back(location, exchange))
        return response

    def _map_back(self, location: str, exchange: Exchange) -> str:
        """`location` in the client's space, if it leads to where the request went; else as it is."""
        try:
            parts = urlsplit(location)
        except ValueError:
            return location
        if parts.scheme or parts.netloc:
            is_ours = leads_to(location, exchange.reached.origin)
        else:
            is_ours = location.startswith("/")
        if not is_ours:
            return location
        path = _replace_prefix(parts.path or "/", self._outward) or parts.path
        received = exchange.find(RouterContext)
        origin = str(received.original_origin or "") if received and parts.netloc else ""
        reference = parts._replace(scheme="", netloc="", path=path if origin else plain_path(path))
        return origin + reference.geturl()


def _replace_prefix(path: str, mappings: Iterable[tuple[str, str]]) -> str | None:
    for old, new in mappings:
        if path.startswith(old) and (len(path) == len(old) or path[len(old)] == "/"):
            return new + path[len(old) :] or "/"
    return None
