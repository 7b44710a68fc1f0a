"""`CorsFilter`: lets browser pages of other origins use what is behind it.

See the Fetch standard and section 4.8 of the gateway-config reference.
"""

from collections.abc import Iterable, Sequence
from typing import Self

from pydantic import Field, field_validator

from deputize.gateway.config.settings import Duration, OneOrMore, Reference, Settings
from deputize.gateway.exchange.refusals import refusing
from deputize.gateway.loading.context import BuildContext
from deputize.http.exchange import Exchange, Head
from deputize.http.messages import Response
from deputize.http.plans import Handler, Plan, Prepare
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
    def _normalise(cls, origins: tuple[str, ...]) -> tuple[str, ...]:
        """Normalise origins; a text that is no origin stays as it is, matches none, and is warned about."""
        return tuple(normalise_origin(origin) or origin for origin in origins)

    def accepts(self, origin: str) -> bool:
        """Whether the policy is for pages of `origin`."""
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
        """Answers requests of origins that no policy accepts; without it the answer is 403."""

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
            context.refer_if_set(config.failure_handler, Handler, "failureHandler"),
        )

    def prepare(self, head: Head, next: Prepare) -> Plan:
        """Pass on what is not cross-origin; else answer the preflight, mark the answer, or refuse.

        A request with two origins is refused.
        """
        origins = head.headers.get_all("origin")
        if not origins:
            return next(head)
        origin = origins[0]
        accepting = [each for each in self._policies if each.accepts(origin)]
        policy = accepting[0] if accepting and len(origins) == 1 else None
        wanted = head.headers.get("access-control-request-method") if head.method == "OPTIONS" else None
        if policy is not None and wanted is None:

            def mark(_: Exchange, response: Response) -> Response:
                return _mark_answer(response, policy, origin)

            return next(head).after(head, amend_for=lambda _: mark)
        if policy is not None and wanted is not None:
            asked = head.headers.get("access-control-request-headers") or ""
            names = [name.strip().lower() for name in asked.split(",") if name.strip()]
            if policy.allows(wanted, names):
                return Plan.answering(head, lambda _: _answer_preflight(policy, origin, wanted, names))
        reason = "no policy accepts the origin, or what its preflight asks for"
        return refusing(head, 403, "origin_refused", reason, self._failure)


def _mark_answer(response: Response, policy: CorsPolicy, origin: str) -> Response:
    response.headers.remove(
        "access-control-allow-origin", "access-control-allow-credentials", "access-control-expose-headers"
    )
    _mark(response, policy, origin)
    if policy.exposed_headers:
        response.headers.add("Access-Control-Expose-Headers", ", ".join(policy.exposed_headers))
    return response


def _answer_preflight(policy: CorsPolicy, origin: str, wanted: str, names: Sequence[str]) -> Response:
    response = Response(204)
    _mark(response, policy, origin)
    response.headers.add("Access-Control-Allow-Methods", wanted)
    if names:
        response.headers.add("Access-Control-Allow-Headers", ", ".join(names))
    if policy.max_age is not None:
        response.headers.add("Access-Control-Max-Age", str(int(policy.max_age)))
    return response


def _mark(response: Response, policy: CorsPolicy, origin: str) -> None:
    response.headers.add("Access-Control-Allow-Origin", origin)
    response.headers.add("Vary", "Origin")
    if policy.allow_credentials:
        response.headers.add("Access-Control-Allow-Credentials", "true")
