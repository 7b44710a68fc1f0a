"""`UriPathRewriteFilter`.

Replaces a literal path prefix, and puts it back in answers (gateway-config reference 4.6).
"""

import re
from collections.abc import Iterable
from typing import Self
from urllib.parse import SplitResult, urlsplit

from pydantic import Field

from deputize.gateway.config.settings import Settings
from deputize.gateway.exchange.contexts import RouterContext
from deputize.gateway.exchange.redirects import leads_to, plain_path
from deputize.gateway.loading.context import BuildContext
from deputize.http.exchange import Exchange, Next
from deputize.http.messages import Response
from deputize.kernel.uris import Origin, Target, UriError, parse_target

_REGEX_CHARACTERS = re.compile(r"[\^$*+?()\[\]{}|\\]")
_MAPPED_BACK = ("Location", "Content-Location")


class UriPathRewriteFilter:
    """Rewrites the path of requests; the longest prefix that ends at a segment border wins."""

    class Config(Settings):
        """`mappings`: path prefix to what replaces it. Literal texts, no patterns."""

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
            _check(path, context)
        return cls((old.rstrip("/"), new.rstrip("/")) for old, new in config.mappings.items())

    async def filter(self, exchange: Exchange, next: Next) -> Response:  # noqa: A002 - the specification's word
        """Rewrite the request's path, and in the answer what points back into the rewritten space."""
        target = exchange.request.target
        exchange.request.target = Target(_replaced(target.path, self._inward) or target.path, target.query)
        response = await next(exchange)
        for name in _MAPPED_BACK:
            location = response.headers.get(name)
            if location is not None:
                response.headers.set(name, self._mapped_back(location, exchange))
        return response

    def _mapped_back(self, location: str, exchange: Exchange) -> str:
        """Absolute paths, and URIs of the origin the request went to, return to the client's space.

        Others stay.
        """
        parts = _split(location)
        if parts is None or not _is_ours(location, parts, exchange.request.origin):
            return location
        path = _replaced(parts.path or "/", self._outward) or parts.path
        received = exchange.find(RouterContext)
        origin = str(received.original_origin or "") if received and parts.netloc else ""
        return (
            origin + parts._replace(scheme="", netloc="", path=path if origin else plain_path(path)).geturl()
        )


def _replaced(path: str, mappings: Iterable[tuple[str, str]]) -> str | None:
    for old, new in mappings:
        if path.startswith(old) and (len(path) == len(old) or path[len(old)] == "/"):
            return new + path[len(old) :] or "/"
    return None


def _split(location: str) -> SplitResult | None:
    try:
        return urlsplit(location)
    except ValueError:
        return None


def _is_ours(location: str, parts: SplitResult, destination: Origin | None) -> bool:
    """Whether it leads to where the request went.

    Without a scheme by that of the request (RFC 3986 section 4.2).
    """
    if not parts.scheme and not parts.netloc:
        return location.startswith("/")
    return leads_to(location, destination)


def _check(path: str, context: BuildContext) -> None:
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
