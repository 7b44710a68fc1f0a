"""The metadata of an authorization server, found by its issuer alone (RFC 8414, OpenID Connect Discovery)."""

from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

from deputize.gateway.authorities.endpoint import AuthorityEndpoint, AuthorityError
from deputize.gateway.authorities.kept import Kept
from deputize.gateway.config.settings import Reference
from deputize.gateway.loading.context import BuildContext
from deputize.http.plans import Handler
from deputize.kernel.clock import Clock
from deputize.kernel.uris import UriError, parse_origin
from deputize.kernel.values import JsonObject

OAUTH: Final = "/.well-known/oauth-authorization-server"
_OPENID: Final = "/.well-known/openid-configuration"
_LIFETIME: Final = 600.0
_MISS_TIME: Final = 30.0


def metadata_urls(issuer: str) -> tuple[str, ...]:
    """Return where an issuer's metadata may stand, in the order that clients ask (RFC 8414 sections 3, 5).

    Raises `UriError` for what is no absolute URL.
    """
    origin, path = parse_origin(issuer), urlsplit(issuer).path.rstrip("/")
    appended = (f"{origin}{path}{_OPENID}",) if path else ()
    return (f"{origin}{OAUTH}{path}", f"{origin}{_OPENID}{path}", *appended)


class Issuer:
    """An authorization server by its issuer: an opaque text, compared character by character."""

    def __init__(self, issuer: str, handler: Handler, clock: Clock) -> None:
        """Raises `UriError` for what is no absolute URL."""
        self.issuer = issuer
        self._places = [AuthorityEndpoint(url, handler) for url in metadata_urls(issuer)]
        self._handler = handler
        self._clock = clock
        self.metadata: Kept[JsonObject] = Kept(self._fetch, clock, lifetime=_LIFETIME, miss_time=_MISS_TIME)

    @classmethod
    def configured(
        cls, issuer: str, key: str, handler: tuple[Reference, str], context: BuildContext
    ) -> "Issuer":
        """Return the issuer at `key`, asked by the handler of that reference and key.

        Raises `ConfigurationError`.
        """
        parts = urlsplit(issuer)
        try:
            found = cls(issuer, context.refer(handler[0], Handler, handler[1]), context.instance.clock)
        except UriError as error:
            raise context.error(key, str(error), "give the issuer exactly as its metadata says") from error
        if parts.query or "#" in issuer or "?" in issuer:
            raise context.error(key, "an issuer has neither query nor fragment (RFC 8414 section 2)")
        context.on_close(found.metadata.aclose)
        return found

    async def endpoint(self, name: str) -> AuthorityEndpoint:
        """Return the address that the metadata has under `name`. Raises `AuthorityError`.

        What is reached by TLS leads to nothing that is not.
        """
        url = (await self.metadata.get()).get(name)
        if not isinstance(url, str) or (self.issuer.startswith("https:") and not url.startswith("https:")):
            raise AuthorityError(502, f"the metadata of {self.issuer} has no usable {name}")
        try:
            return AuthorityEndpoint(url, self._handler)
        except UriError as error:
            raise AuthorityError(
                502, f"the metadata of {self.issuer} has no usable {name}: {error}"
            ) from error

    async def _fetch(self) -> JsonObject:
        faults: list[str] = []
        status = 502
        for place in self._places:
            answer = await place.get(self._clock.now())
            if answer.status != 200:
                faults.append(f"{place.place} answers {answer.status}{answer.said}")
                status = 503 if answer.status == 429 or answer.status >= 500 else status
            elif not isinstance(answer.value, Mapping):
                faults.append(f"{place.place} is no JSON object {answer.fault}".rstrip())
            elif answer.value.get("issuer") != self.issuer:
                faults.append(
                    f"{place.place} says that its issuer is {str(answer.value.get('issuer'))[:256]!r} (each "
                    "character counts, a final slash too)"
                )
            else:
                return answer.value
        raise AuthorityError(status, f"no metadata of the issuer {self.issuer}: {'; '.join(faults)}")
