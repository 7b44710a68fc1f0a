"""`CorsFilter`: lets browser pages of other origins use what is behind it (Fetch standard.

Gateway-config reference 4.8).
"""

from collections.abc import Awaitable, Iterable, Mapping
from typing import Self

from pydantic import Field, field_validator

from deputize.gateway.config.settings import Duration, OneOrMore, Reference, Settings
from deputize.gateway.exchange.contexts import RefusalContext
from deputize.gateway.loading.context import BuildContext
from deputize.http.exchange import Exchange, Handler, Next
from deputize.http.messages import Headers, Response
from deputize.kernel.uris import normalise_origin

_ANY = "*"


class CorsPolicy(Settings):
    """What pages of some origins may do. `*` among the origins accepts all, but never with credentials."""

    accepted_origins: OneOrMore[str] = Field(min_length=1)
    """Origins such as `https://app.example.com`, compared as a whole, or `*` for all."""
    accepted_methods: OneOrMore[str] = ()
    """Methods a page may use, or `*`."""
    accepted_headers: OneOrMore[str] = ()
    """Request headers a page may send, or `*`."""
    exposed_headers: OneOrMore[str] = ()
    """Response headers a page may read."""
    max_age: Duration = None
    """How long a browser may remember the answer to a preflight."""
    allow_credentials: bool = False
    """Whether a page may send cookies and the like."""

    @field_validator("accepted_origins")
    @classmethod
    def _normalised(cls, origins: tuple[str, ...]) -> tuple[str, ...]:
        """What is no origin stays as it is: it matches none, and is warned about."""
        return tuple(normalise_origin(origin) or origin for origin in origins)

    def accepts(self, origin: str) -> bool:
        """Whether pages of `origin` are meant."""
        return normalise_origin(origin) in self.accepted_origins or (
            _ANY in self.accepted_origins and not self.allow_credentials
        )

    def allows(self, method: str, headers: Iterable[str]) -> bool:
        """Whether a preflight for `method` with these request headers succeeds."""
        accepted = {name.lower() for name in self.accepted_headers}
        method_accepted = _ANY in self.accepted_methods or method in self.accepted_methods
        return method_accepted and (_ANY in accepted or all(name in accepted for name in headers))


class CorsFilter:
    """Answers preflight requests and marks answers; requests that are not cross-origin pass."""

    class Config(Settings):
        """The first policy that accepts the origin applies."""

        policies: OneOrMore[CorsPolicy] = Field(min_length=1)
        """Tried in order; the first that accepts the origin applies."""
        failure_handler: Reference | None = None
        """Answers origins that no policy accepts; without it that is 403."""

    def __init__(self, policies: Iterable[CorsPolicy], failure: Handler | None) -> None:
        self._policies = tuple(policies)
        self._failure = failure

    @classmethod
    def build(cls, config: Config, context: BuildContext) -> Self:
        """Look up the failure handler.

        A policy that accepts everybody with credentials accepts nobody by `*`, and is refused.
        """
        for index, policy in enumerate(config.policies):
            if policy.allow_credentials and _ANY in policy.accepted_origins:
                fix = "list the origins, or set allowCredentials to false"
                raise context.error(
                    f"policies/{index}/acceptedOrigins", "'*' cannot be combined with allowCredentials", fix
                )
            for origin in policy.accepted_origins:
                if origin != _ANY and normalise_origin(origin) is None:
                    reason = f"{origin[:64]!r} is no origin and so matches none"
                    context.warn(
                        f"policies/{index}/acceptedOrigins",
                        reason,
                        "write scheme, host and port only, as https://app.example.com",
                    )
        return cls(
            config.policies,
            context.refer(config.failure_handler, Handler, "failureHandler")
            if config.failure_handler
            else None,
        )

    def filter(self, exchange: Exchange, next: Next) -> Awaitable[Response]:  # noqa: A002 - the specification's word
        """Pass, answer the preflight, mark the answer, or refuse with 403, as any request with two
        origins.
        """
        origins = exchange.request.headers.get_all("origin")
        if not origins:
            return next(exchange)
        if len(origins) > 1:
            return self._refuse(exchange)
        origin = origins[0]
        policy = next_accepting(self._policies, origin)
        wanted = exchange.request.headers.get("access-control-request-method")
        if exchange.request.method == "OPTIONS" and wanted is not None:
            return self._preflight(policy, origin, wanted, exchange)
        return self._refuse(exchange) if policy is None else _marked(policy, origin, exchange, next)

    async def _preflight(
        self, policy: CorsPolicy | None, origin: str, wanted: str, exchange: Exchange
    ) -> Response:
        names = _names(exchange.request.headers.get("access-control-request-headers") or "")
        if policy is None or not policy.allows(wanted, names):
            return await self._refuse(exchange)
        return Response(204, _headers({**_common(policy, origin), **_granted(policy, wanted, names)}))

    async def _refuse(self, exchange: Exchange) -> Response:
        exchange.put(
            RefusalContext("origin_refused", "no policy accepts the origin, or what its preflight asks for")
        )
        return Response(403) if self._failure is None else await self._failure.handle(exchange)


def next_accepting(policies: Iterable[CorsPolicy], origin: str) -> CorsPolicy | None:
    """The first policy that accepts `origin`."""
    return next((policy for policy in policies if policy.accepts(origin)), None)


async def _marked(policy: CorsPolicy, origin: str, exchange: Exchange, following: Next) -> Response:
    response = await following(exchange)
    response.headers.remove(
        "access-control-allow-origin", "access-control-allow-credentials", "access-control-expose-headers"
    )
    exposed = (
        {"Access-Control-Expose-Headers": ", ".join(policy.exposed_headers)} if policy.exposed_headers else {}
    )
    for name, value in {**_common(policy, origin), **exposed}.items():
        response.headers.add(name, value)
    return response


def _common(policy: CorsPolicy, origin: str) -> Mapping[str, str]:
    credentials = {"Access-Control-Allow-Credentials": "true"} if policy.allow_credentials else {}
    return {"Access-Control-Allow-Origin": origin, "Vary": "Origin", **credentials}


def _granted(policy: CorsPolicy, method: str, names: Iterable[str]) -> Mapping[str, str]:
    age = {"Access-Control-Max-Age": str(int(policy.max_age))} if policy.max_age is not None else {}
    headers = {"Access-Control-Allow-Headers": ", ".join(names)} if names else {}
    return {"Access-Control-Allow-Methods": method, **headers, **age}


def _names(text: str) -> list[str]:
    return [name.strip().lower() for name in text.split(",") if name.strip()]


def _headers(members: Mapping[str, str]) -> Headers:
    headers = Headers()
    for name, value in members.items():
        headers.add(name, value)
    return headers
