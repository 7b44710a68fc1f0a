"""`OAuth2TokenExchangeFilter`: a token for the server behind, in place of the client's (RFC 8693)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Final, Self

from deputize.expressions import ExpressionError
from deputize.gateway.authorities.endpoint import AuthorityEndpoint, AuthorityError
from deputize.gateway.authorities.leased import Leased
from deputize.gateway.authorities.token_endpoint import (
    ACCESS_TOKEN,
    Form,
    IssuedToken,
    SubjectRefused,
    TokenEndpoint,
)
from deputize.gateway.config.settings import OneOrMore, Reference, Settings, TemplateText
from deputize.gateway.exchange.bindings import depends_on_head_alone
from deputize.gateway.exchange.contexts import BoundContext, OAuth2Context, RefusalContext, Shape
from deputize.gateway.exchange.refusals import Refusal, fail
from deputize.gateway.loading.context import BuildContext
from deputize.http.exchange import Exchange, Head
from deputize.http.plans import Handler, Plan, Prepare

_GRANT: Final = "urn:ietf:params:oauth:grant-type:token-exchange"
_TYPES: Final = "urn:ietf:params:oauth:token-type:"


@dataclass(frozen=True, slots=True, eq=False)
class OAuth2TokenExchangeContext:
    """The token that was issued; `contexts.oauth2TokenExchange` in expressions."""

    binding_name: ClassVar[str] = "oauth2TokenExchange"
    binding_shape: ClassVar[Shape] = {"issuedToken": None, "issuedTokenType": None, "scopes": None}
    issued_token: str = field(repr=False)
    issued_token_type: str
    scopes: frozenset[str]

    def as_binding(self) -> Mapping[str, object]:
        """`issuedToken`, `issuedTokenType` and `scopes`."""
        return {
            "issuedToken": self.issued_token,
            "issuedTokenType": self.issued_token_type,
            "scopes": sorted(self.scopes),
        }


class OAuth2TokenExchangeFilter:
    """Exchanges the client's token for one that the server behind gets, as `Authorization: Bearer`.

    With `actorScopes` the gateway is itself an actor: it proves who it is by an `actor_token`, a token of its
    own that it gets by client credentials, so that `act` of the issued token names the gateway, and inside it
    the agent. Issued tokens are used until shortly before they expire, 10,000 of them, and never for another
    subject token; when a server answers 401, the next call gets another one. So does the gateway's own where
    an exchange is refused.

    Without a token the call goes no further: 403 where the authorization server issues none for this subject,
    502 where it refuses the gateway or answers nonsense, 503 where it cannot be asked.
    """

    contexts: ClassVar[tuple[type[BoundContext], ...]] = (OAuth2TokenExchangeContext, RefusalContext)

    class Config(Settings):
        """`actorScopes` is an extension of the format, and that `Authorization` is set.

        In other gateways a `HeaderFilter` sets it; one that does does no harm. `amService` is not supported.
        Token types are URNs (RFC 8693 section 3), or their last part as `URN_ACCESS_TOKEN`.
        """

        endpoint: str
        """The URL of the token endpoint."""
        endpoint_handler: Reference = "ForgeRockClientHandler"
        """Asks it; filters in front authenticate the gateway."""
        subject_token: TemplateText | None = None
        """The token to exchange.

        By default, and where the expression yields nothing, the one that a filter before has found valid:
        `${contexts.oauth2.accessToken.token}`.
        """
        subject_token_type: str = ACCESS_TOKEN
        """What it is."""
        requested_token_type: str | None = None
        """What is asked for."""
        scopes: OneOrMore[TemplateText] = ()
        """The scopes to ask for."""
        resource: OneOrMore[str] = ()
        """The resources that the token is for (RFC 8707): the API behind."""
        audience: OneOrMore[str] = ()
        """The audiences that the token is for, where a server knows them by that name."""
        actor_scopes: OneOrMore[str] = ()
        """The scopes of the gateway's own token, which is then sent along as `actor_token`."""
        failure_handler: Reference | None = None
        """Answers where there is no token; `contexts.oauth2Failure` says why."""

    def __init__(self, config: Config, endpoint: TokenEndpoint, context: BuildContext) -> None:
        self._endpoint = endpoint
        self._context = context
        self._subject = config.subject_token
        self._scopes = config.scopes
        self._subject_type = _token_type(config.subject_token_type)
        self._fixed = [("resource", each) for each in config.resource]
        self._fixed += [("audience", each) for each in config.audience]
        if config.requested_token_type is not None:
            self._fixed.append(("requested_token_type", _token_type(config.requested_token_type)))
        actor_scope = " ".join(config.actor_scopes)
        self._actor_form = (
            [("grant_type", "client_credentials"), ("scope", actor_scope)] if actor_scope else None
        )
        self._failure_handler = context.refer_if_set(config.failure_handler, Handler, "failureHandler")
        templates = [*config.scopes, *([config.subject_token] if config.subject_token else [])]
        self._is_of_head = all(depends_on_head_alone(each.reads) for each in templates)

    @classmethod
    def build(cls, config: Config, context: BuildContext) -> Self:
        """Check the URL; nothing is asked yet."""
        handler = (config.endpoint_handler, "endpointHandler")
        endpoint = AuthorityEndpoint.configured(config.endpoint, "endpoint", handler, context)
        return cls(config, TokenEndpoint(endpoint, context.instance.clock), context)

    def prepare(self, head: Head, next: Prepare) -> Plan:
        """Pass on with the issued token, which is asked for where there is none."""
        if head.exchange is None and not self._is_of_head:
            return Plan.anew(head, lambda at: self.prepare(at, next))
        try:
            form = self._form(head)
        except ExpressionError as error:
            reason = "what to exchange cannot be computed: an expression failed"
            return self._fail(head, Refusal(500, "server_error", reason, cause=error.reason))
        if form is None:
            reason = (
                "there is no token to exchange: subjectToken yields none, nor has a filter before found one"
            )
            return self._fail(head, Refusal(500, "server_error", reason))
        known = self._endpoint.recall(form)
        if known is not None:
            return self._pass_on(head, known, form, next)
        head.readings.of_call = True  # the next call may find it remembered

        async def obtain(at: Head) -> Plan:
            exchange = at.exchange
            if exchange is None:
                raise RuntimeError("a token is obtained for a call")
            more = None if self._actor_form is None else lambda: self._actor(exchange)
            try:
                issued = await self._endpoint.obtain(form, exchange, more)
            except SubjectRefused as error:
                if self._actor_form is not None:
                    self._endpoint.doubt(self._actor_form)  # servers do not say which of the tokens it was
                return self._fail(at, Refusal(error.status, error.error, error.reason))
            except AuthorityError as error:
                return self._fail(at, Refusal(error.status, "temporarily_unavailable", error.reason))
            return self._pass_on(at, issued, form, next)

        return Plan.anew(head, obtain)

    def _form(self, head: Head) -> Form | None:
        """Return the request for the token; `None` without a subject token. Raises `ExpressionError`."""
        subject = self._context.text(self._subject, head) if self._subject else None
        if not subject:
            found = head.find(OAuth2Context)
            subject = found.token if found else None
        if not subject:
            return None
        scopes = [self._context.text(each, head) or "" for each in self._scopes]
        scope = " ".join(dict.fromkeys(" ".join(scopes).split()))
        return [
            ("grant_type", _GRANT),
            ("subject_token", subject),
            ("subject_token_type", self._subject_type),
            *self._fixed,
            *([("scope", scope)] if scope else []),
        ]

    async def _actor(self, exchange: Exchange) -> Form:
        """Return the parameters by which the gateway proves to be the actor. Raises `AuthorityError`."""
        own = await self._endpoint.obtain(self._actor_form or (), exchange)
        return [("actor_token", own.found.token), ("actor_token_type", ACCESS_TOKEN)]

    def _pass_on(self, head: Head, issued: Leased[IssuedToken], form: Form, next: Prepare) -> Plan:
        found = issued.found
        context = OAuth2TokenExchangeContext(found.token, found.kind, found.scopes)
        return self._endpoint.authorize(head.with_context(context), issued, form, next)

    def _fail(self, head: Head, refusal: Refusal) -> Plan:
        return fail(head, refusal, self._failure_handler)


def _token_type(written: str) -> str:
    return f"{_TYPES}{written[4:].lower()}" if written.startswith("URN_") else written
