"""`McpProtectionFilter`: an MCP server as a protected resource (gateway-config reference 3.3, RFC 9728)."""

from collections.abc import Callable
from dataclasses import replace
from typing import Final, Self
from urllib.parse import urlsplit

import structlog
from pydantic import Field

from deputize.gateway.authorities.documents import DocumentHandler, answer_with, answer_with_metadata
from deputize.gateway.authorities.issuer import OAUTH, Issuer
from deputize.gateway.config.settings import OneOrMore, Reference, Settings
from deputize.gateway.exchange.contexts import OAuth2Context, RefusalContext, RouterContext
from deputize.gateway.exchange.redirects import redirect_within
from deputize.gateway.exchange.refusals import Refusal, error_response
from deputize.gateway.filters.oauth2_resource_server import OAuth2ResourceServerFilter
from deputize.gateway.loading.context import BuildContext
from deputize.http.exchange import Exchange, Head
from deputize.http.messages import Response
from deputize.http.plans import Amend, Filter, Handler, Plan, Prepare
from deputize.kernel import pointers
from deputize.kernel.pointers import Absent
from deputize.kernel.uris import UriError, is_same_resource, parse_origin, parse_target
from deputize.kernel.values import JsonObject
from deputize.mcp.challenge import Challenge, bearer, relayed_challenges
from deputize.mcp.errors import bad_gateway
from deputize.mcp.metadata import WELL_KNOWN, ProtectedResource, well_known_path, well_known_url
from deputize.oauth.delegation import MAX_ACTORS
from deputize.oauth.dpop import PROOF_ALGORITHMS

log = structlog.get_logger()
_CHALLENGE: Final = "WWW-Authenticate"
_LOCATION: Final = "Location"
_FIRST: Final = ("0",)
_OFFLINE: Final = "offline_access"
_ENDPOINT_ENDINGS: Final = (
    "/authorize",
    "/token",
    "/introspect",
    "/openid-configuration",
    "/oauth-authorization-server",
)


class McpProtectionFilter:
    """Checks the token, then the audience, then the actor, then the scope.

    Only the gateway challenges the client, and leads it to the resource's metadata. A redirect of the MCP
    server to another origin is 502 for the client: it would be challenged there.
    """

    class Config(Settings):
        """The protected resource.

        `requireActor`, `acceptedActors`, `maxActors`, `forwardToken` and `providerHandler` are extensions of
        PingGateway's format.

        `requireActor`: refuse a token in which nobody acts for the user (no `act.sub`): with it on, a user's
        own token, or one whose delegation silently failed at the authorization server, does not get through.

        `forwardToken`: pass the client's token on to the MCP server. Off, because a server that gets it could
        use it elsewhere (MCP authorization, token passthrough). Its 401 is then 502 for the client. With it
        on, the client sees of the server's `Bearer` and `DPoP` challenges `error`, `error_description`,
        `scope`, `acr_values`, `max_age` and `algs`.
        """

        resource_id: str
        """The URL clients know this MCP server by.

        Tokens must be issued for this audience (RFC 3986 section 6.2.2, 6.2.3).
        """
        authorization_server_uri: str
        """The authority's issuer; the metadata names it as the place to get tokens."""
        resource_server_filter: Reference
        """The `OAuth2ResourceServerFilter` that checks tokens and scopes."""
        supported_scopes: OneOrMore[str] = Field(())
        """Scopes that the metadata names, for clients to ask for; never `offline_access`.

        When empty those that the resource server filter requires, which is where to require one.
        """
        resource_id_pointer: str = Field("/aud", pattern="^(/.*)?$")
        """JSON pointer to the audience in the token's claims."""
        realm: str | None = None
        """The `realm` of the challenge."""
        well_known_filter: Reference | None = None
        """Filters requests for the metadata, for example a `CorsFilter`.

        When absent pages of every origin may read them.
        """
        provider_handler: Reference = "ForgeRockClientHandler"
        """Reads the authorization server's metadata, which the gateway has for clients of MCP 2025-03-26."""
        require_actor: bool | None = None
        """Whether a token in which nobody acts for the user (no `act.sub`) is refused."""
        accepted_actors: OneOrMore[str] = Field(())
        """The agents that may act for users here, by `act.sub`: the one that acts now, not those before it.

        A token in which nobody acts is then refused as well. When empty every agent may.
        """
        max_actors: int | None = Field(None, ge=1, lt=MAX_ACTORS)
        """How many agents a token may name that act one for another; 1 is one that acts for its user itself.

        Without limit when absent.
        """
        forward_token: bool = False
        """Whether the MCP server gets the client's token."""

    def __init__(self, config: Config, resource_server: OAuth2ResourceServerFilter) -> None:
        """`config.resourceId` has been checked to be an absolute URL."""
        self._resource_id = config.resource_id
        self._pointer = config.resource_id_pointer
        self._parts = pointers.split(config.resource_id_pointer)
        self._realm = config.realm
        self._require_actor = bool(config.require_actor)
        self._actors = frozenset(config.accepted_actors)
        self._max_actors = config.max_actors
        self._forward_token = config.forward_token
        self._metadata_url = well_known_url(config.resource_id)
        self._origin = parse_origin(config.resource_id)
        self._resource_server = resource_server

    @classmethod
    def build(cls, config: Config, context: BuildContext) -> Self:
        """Publish the metadata on the gateway itself, where the route's condition does not reach."""
        resource_id = config.resource_id
        try:
            well_known_url(resource_id)
            path = well_known_path(resource_id)
            parse_target(path.encode())
        except (UriError, UnicodeEncodeError) as error:
            reason = f"{resource_id!r} cannot be a resource: {error}"
            raise context.error("resourceId", reason, "give the URL clients connect to") from error
        if "#" in resource_id:
            raise context.error("resourceId", "a resource has no fragment", "remove everything from '#'")
        _advise(config, context)
        resource_server = context.refer(
            config.resource_server_filter, OAuth2ResourceServerFilter, "resourceServerFilter"
        )
        document = ProtectedResource(
            resource_id,
            (config.authorization_server_uri,),
            _advertised_scopes(config, resource_server, context),
            dpop_algorithms=PROOF_ALGORITHMS,
            dpop_required=resource_server.dpop.required,
        ).document()
        wrapping = context.refer_if_set(config.well_known_filter, Filter, "wellKnownFilter")
        handler = DocumentHandler(answer_with(document), wrapping)
        context.publish_endpoint(path, handler, "resourceId")
        context.offer_endpoint(f"{path}/", handler, document)
        if path != WELL_KNOWN:
            context.offer_endpoint(WELL_KNOWN, handler, document)
        _offer_authority_metadata(config, wrapping, context)
        return cls(config, resource_server)

    def prepare(self, head: Head, next: Prepare) -> Plan:
        """Pass on without the token, or refuse."""

        def accept(at: Head, token: OAuth2Context) -> Plan:
            refusal = self._authorize(at, token)
            if refusal is not None:
                return Plan.answering(at, self._refuse(at, refusal))
            if not self._forward_token:
                headers = at.headers.copy()
                headers.remove("Authorization", "DPoP")
                at = at.with_headers(headers)
            plan = self._resource_server.pass_on(at, token, next, self._authorize, self._resource_id)
            return plan.after(at, amend_for=self._amend_for)

        return self._resource_server.authenticate(head, accept, self._refuse, self._origin)

    def _amend_for(self, response: Response) -> Amend | None:
        challenges = response.status in {401, 407} or _CHALLENGE in response.headers
        redirects = 300 <= response.status < 400 and _LOCATION in response.headers
        return self._keep_here if challenges or redirects else None

    async def _keep_here(self, exchange: Exchange, response: Response) -> Response:
        """Let nobody else challenge the client, and lead it nowhere else."""
        if response.status in {401, 407} or _CHALLENGE in response.headers:
            response = await self._challenge_ourselves(exchange, response)
        if 300 <= response.status < 400 and _LOCATION in response.headers:
            response = await self._redirect_within(exchange, response)
        return response

    def _authorize(self, head: Head, token: OAuth2Context) -> Refusal | None:
        if self not in token.accepted_by:
            fault = self._find_audience_fault(token.info)
            if fault is not None:
                return self._resource_server.invalid_token(fault, origin=self._origin)
            refusal = self._find_actor_fault(token)
            if refusal is not None:
                return refusal
            token.accepted_by.add(self)
        return self._resource_server.authorize(head, token)

    def _find_actor_fault(self, token: OAuth2Context) -> Refusal | None:
        """Why those who act for the user may not, by a challenge without an error code.

        Neither the same scopes nor more of them would help.
        """
        actor, depth = token.actor, len(token.subject.act)
        if (self._require_actor or self._actors) and actor is None:
            reason = (
                "nobody acts for the user: the token has no act.sub (was the delegation refused by the "
                "mapping of act?)"
            )
            return Refusal(403, "actor_required", reason, (bearer(),))
        if self._actors and actor not in self._actors:
            reason = f"acceptedActors does not name {actor}, which acts for the user"
            return Refusal(403, "actor_refused", reason, (bearer(),))
        if self._max_actors is not None and depth > self._max_actors:
            reason = f"{depth} agents act one for another, and maxActors is {self._max_actors}"
            return Refusal(403, "too_many_actors", reason, (bearer(),))
        return None

    def _find_audience_fault(self, info: JsonObject) -> str | None:
        """Why the token is not for this resource. A pointer to one element of a list means that element."""
        found = pointers.follow(info, self._parts)
        if isinstance(found, Absent) and self._parts[-1:] == _FIRST:
            # one audience may be written without a list around it (RFC 7519 section 4.1.3)
            whole = pointers.follow(info, self._parts[:-1])
            found = whole if isinstance(whole, str) else found
        if isinstance(found, Absent):
            return f"the token says nothing at {self._pointer}"
        within_list = isinstance(pointers.follow(info, self._parts[:-1]), list)
        audiences = found if isinstance(found, list) and not within_list else [found]
        if any(isinstance(each, str) and is_same_resource(each, self._resource_id) for each in audiences):
            return None
        return f"the token is for another resource: {self._pointer} is not {self._resource_id}"

    def _refuse(self, head: Head, refusal: Refusal) -> Callable[[Exchange], Response]:
        required = self._resource_server.required_scopes(head) if refusal.status == 401 else None
        challenges = [self._point_at_metadata(each, required) for each in refusal.challenges]
        pointing = replace(refusal, challenges=tuple(challenges))

        def answer(exchange: Exchange) -> Response:
            response = pointing.response(exchange)
            if refusal.status < 500:
                return response
            return error_response(exchange, bad_gateway("the token cannot be checked", status=refusal.status))

        return answer

    async def _challenge_ourselves(self, exchange: Exchange, response: Response) -> Response:
        """Take the server's demands for authentication out of its answer.

        A server that did not get the client's token cannot judge it: its 401 would send the client for
        another token, which changes nothing, or to an authority of the server's choice. One that got the
        token may say why it is not enough.
        """
        refused_here = exchange.find(RefusalContext) is not None
        saw_the_token = self._forward_token or refused_here
        if response.status == 407 or (response.status == 401 and not saw_the_token):
            await response.body.aclose()
            log.warning(
                "the MCP server asks for authentication",
                status=response.status,
                challenges=[value[:256] for value in response.headers.get_all(_CHALLENGE)[:4]],
                fix="have the server trust the gateway, give the gateway credentials for it, or set "
                "forwardToken if it checks tokens",
                transaction=exchange.transaction_id,
            )
            return error_response(
                exchange, bad_gateway("the MCP server does not accept requests of the gateway")
            )
        challenges = relayed_challenges(response.headers.get_all(_CHALLENGE)) if saw_the_token else []
        response.headers.remove(_CHALLENGE)
        for challenge in challenges or ([bearer()] if response.status == 401 else []):
            whole = self._name_all_scopes(challenge) if refused_here else challenge
            response.headers.add(_CHALLENGE, str(self._point_at_metadata(whole)))
        return response

    def _name_all_scopes(self, challenge: Challenge) -> Challenge:
        """Name beside what a filter further in misses also what every call here needs.

        Many clients ask for just what a challenge names, and would lose the rest.
        """
        lacking = challenge.parameters.get("scope")
        if challenge.parameters.get("error") != "insufficient_scope" or lacking is None:
            return challenge
        needed = dict.fromkeys((*self._resource_server.fixed_scopes, *lacking.split()))
        return challenge.with_parameter("scope", " ".join(needed))

    async def _redirect_within(self, exchange: Exchange, response: Response) -> Response:
        """Let pass only a redirect that stays here.

        A client that followed it elsewhere would be challenged there, by whomever the server chose.
        """
        locations = response.headers.get_all(_LOCATION)
        received = exchange.find(RouterContext)
        here = (parse_origin(self._resource_id), received.original_origin if received else None)
        location = (
            redirect_within(locations[0], here, exchange.reached.origin) if len(locations) == 1 else None
        )
        if location is not None:
            response.headers.set(_LOCATION, location)
            return response
        await response.body.aclose()
        log.warning(
            "the MCP server redirects to another place",
            status=response.status,
            locations=[value[:256] for value in locations[:4]],
            fix="have the server answer itself, or let baseURI name where it redirects to",
            transaction=exchange.transaction_id,
        )
        return error_response(exchange, bad_gateway("the MCP server redirects to another place"))

    def _point_at_metadata(self, challenge: Challenge, scopes: tuple[str, ...] | None = None) -> Challenge:
        if self._realm is not None:
            challenge = challenge.with_parameter("realm", self._realm)
        if scopes:
            challenge = challenge.with_parameter("scope", " ".join(scopes))
        return challenge.with_parameter("resource_metadata", self._metadata_url)


def _advertised_scopes(
    config: McpProtectionFilter.Config, resource_server: OAuth2ResourceServerFilter, context: BuildContext
) -> tuple[str, ...]:
    """Return the scopes to begin with: clients ask for all of them at once.

    `offline_access` is not the resource's to name: whether there are refresh tokens is between client and
    authorization server (MCP authorization).
    """
    scopes = config.supported_scopes or resource_server.fixed_scopes
    if _OFFLINE in scopes:
        context.warn("supportedScopes", f"{_OFFLINE} is not named in the metadata", "leave it out")
    return tuple(scope for scope in scopes if scope != _OFFLINE)


def _offer_authority_metadata(
    config: McpProtectionFilter.Config, wrapping: Filter | None, context: BuildContext
) -> None:
    """Serve the issuer's metadata for clients that look for them here, which is before there was RFC 9728."""
    provider = context.refer(config.provider_handler, Handler, "providerHandler")
    try:
        issuer = Issuer(config.authorization_server_uri, provider, context.instance.clock)
        own, issuers = (parse_origin(each) for each in (config.resource_id, config.authorization_server_uri))
    except UriError:
        return  # it has no metadata to be found
    if own == issuers:
        return  # it has them here itself
    context.on_close(issuer.metadata.aclose)
    handler = DocumentHandler(answer_with_metadata(issuer), wrapping)
    for path in dict.fromkeys((OAUTH, OAUTH + urlsplit(config.resource_id).path.rstrip("/"))):
        context.offer_endpoint(path, handler, (config.authorization_server_uri, wrapping))


def _advise(config: McpProtectionFilter.Config, context: BuildContext) -> None:
    if not config.resource_id.startswith("https://"):
        context.warn("resourceId", "the resource is not an https URL", "use https wherever tokens travel")
    if config.resource_id.endswith("/"):
        context.warn(
            "resourceId",
            "the resource ends with a slash: clients compare it character by character",
            "leave the slash out",
        )
    if not config.authorization_server_uri.startswith(("https://", "http://")):
        raise context.error(
            "authorizationServerUri",
            "the issuer is not an absolute URL",
            "give the issuer exactly as its metadata says",
        )
    if config.authorization_server_uri.endswith(_ENDPOINT_ENDINGS):
        context.warn(
            "authorizationServerUri",
            "this looks like an endpoint",
            "give the issuer, from which clients find the endpoints",
        )
    if config.require_actor is None and not config.accepted_actors:
        reason = (
            "requireActor is not set: a token in which no agent acts for the user (no act.sub) is "
            "let through as well"
        )
        context.warn(
            "requireActor",
            reason,
            "set requireActor to true, or to false if users call this server themselves",
        )
