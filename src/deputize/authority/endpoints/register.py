"""Dynamic client registration: programs become agents within the template (RFC 7591, RFC 7592)."""

from typing import Final, Literal, NamedTuple

from deputize.authority.audit import SOURCE
from deputize.authority.directory.objects.introduction import Introduction
from deputize.authority.endpoint import (
    NO_STORE,
    Endpoint,
    EndpointCall,
    error_document,
    json_response,
    log_refusal,
)
from deputize.authority.registration.recording import record_agent
from deputize.authority.signon.attempts import network_of
from deputize.authority.storage import ObjectRow
from deputize.http.messages import Headers, Response
from deputize.kernel.digests import digest, matches
from deputize.kernel.ids import new_secret
from deputize.kernel.values import JsonObject, JsonValue
from deputize.oauth.client_auth import needs_secret
from deputize.oauth.client_metadata import MAX_BYTES, MAX_DEPTH, ClientMetadata, read_metadata
from deputize.oauth.errors import (
    InvalidRequest,
    InvalidToken,
    OAuthError,
    TooManyRegistrations,
    UnapprovedSoftwareStatement,
)
from deputize.oauth.records.directory import Agent, Environment, Registration
from deputize.oauth.registration import registered_members
from deputize.oauth.software_statements import read_statement

_NOT_SAID: Final = frozenset(
    {
        "registration_access_token",
        "registration_client_uri",
        "client_secret_expires_at",
        "client_id_issued_at",
    }
)
"""Members of an answer that an update must not send back (RFC 7592 section 2.2)."""


class _Managed(NamedTuple):
    """An agent that whoever calls may change, and what is stored of it."""

    agent: Agent
    introduction: Introduction
    row: ObjectRow


class _Admitted(NamedTuple):
    """By what a client gets in, and what counts of what it says."""

    means: Literal["open", "initial_access_token", "software_statement"]
    detail: str
    members: JsonObject


async def register(call: EndpointCall) -> Response:
    """Register the client that the request describes; 201 with what was really registered."""
    registration = _registration_of(call.environment)
    introductions = call.services.introductions
    if not introductions.by_source.admit(network_of(SOURCE.get().address), call.now):
        raise TooManyRegistrations("this network registers too often")
    admitted = await admit(call, registration, await call.json_object(MAX_BYTES, MAX_DEPTH))
    metadata, management_token = read_metadata(admitted.members), call.services.new_token()
    introduction = Introduction(
        means=admitted.means,
        detail=admitted.detail,
        created_at=call.now,
        metadata=metadata.members(),
        management_digest=digest(management_token),
    )
    agent_id = call.services.new_id()
    # Whoever is refused for what it says costs nothing: neither a row nor one of a token's uses.
    wanted = introduction.agent(registration, agent_id, metadata, call.environment.agent_names)
    if not introductions.overall.admit(call.environment.id, call.now):
        raise TooManyRegistrations("too many clients register")
    tokens = call.services.store.initial_access_tokens
    if admitted.means == "initial_access_token" and not await tokens.use(admitted.detail, call.now):
        raise InvalidToken("the initial access token has been used up meanwhile")
    secret = new_secret() if needs_secret(wanted.settings.client_auth) else None
    agent = await introductions.keep(call.environment.id, wanted, introduction.history(), call.now, secret)
    record_agent(call, "agent introduced", agent)
    return _answer(call, agent, metadata, management_token, secret, 201)


async def manage(call: EndpointCall) -> Response:
    """Tell, replace or remove what a client registered, which its registration access token allows."""
    managed = await authenticate(call)
    match call.head.method:
        case "PUT":
            return await replace_registration(call, managed)
        case "DELETE":
            await call.services.introductions.remove(call.environment.id, [managed.agent.id])
            record_agent(call, "agent removed", managed.agent)
            return Response(204, Headers(NO_STORE))
        case _:
            token = _bearer_token(call) or ""
            return _answer(call, managed.agent, managed.introduction.read_metadata(), token)


async def replace_registration(call: EndpointCall, managed: _Managed) -> Response:
    """Take what the client says now for all that it said before; its token is another one afterwards."""
    agent, registration = managed.agent, _registration_of(call.environment)
    members = await call.json_object(MAX_BYTES, MAX_DEPTH)
    if members.get("client_id") != agent.id or _NOT_SAID & members.keys():
        raise InvalidRequest("The client_id is another one, or the request holds what only an answer may")
    said = members.get("client_secret")
    if said is not None and not (
        isinstance(said, str) and sum(matches(said, each) for each in agent.secret_digests)
    ):
        raise InvalidRequest("The client_secret is not the registered one")
    if managed.introduction.means == "software_statement":
        stated = await read_statement(members, call.environment, call.services.client_documents, call.now)
        if stated.issuer != managed.introduction.detail:
            raise UnapprovedSoftwareStatement("another issuer signed the statement by which it came")
        members = stated.members
    metadata, management_token = read_metadata(members), call.services.new_token()
    introduction = managed.introduction.model_copy(
        update={"metadata": metadata.members(), "management_digest": digest(management_token)}
    )
    wanted = introduction.agent(registration, agent.id, metadata, call.environment.agent_names)
    keeps_secret = needs_secret(wanted.settings.client_auth)
    secret = new_secret() if keeps_secret and not agent.secret_digests else None
    if not call.services.introductions.overall.admit(call.environment.id, call.now):
        raise TooManyRegistrations("too many clients register")
    agent = await call.services.introductions.keep(
        call.environment.id,
        wanted,
        introduction.history(),
        call.now,
        secret,
        replaces=managed.row,
        drops_secrets=not keeps_secret,
    )
    record_agent(call, "agent changed", agent)
    return _answer(call, agent, metadata, management_token, secret)


async def admit(call: EndpointCall, registration: Registration, members: JsonObject) -> _Admitted:
    """Return by what the client gets in that says `members`, and what counts of them.

    A software statement where any are taken, else an initial access token, else nothing where anybody may
    come. What is presented has to be right, also where nothing would have been needed. Raises `InvalidToken`,
    `InvalidSoftwareStatement` and `UnapprovedSoftwareStatement`.
    """
    settings, presented = registration.settings, _bearer_token(call)
    if settings.software_statements and members.get("software_statement") is not None:
        stated = await read_statement(members, call.environment, call.services.client_documents, call.now)
        return _Admitted("software_statement", stated.issuer, stated.members)
    if presented is None:
        if settings.open:
            return _Admitted("open", "", members)
        raise InvalidToken("neither an initial access token nor a software statement was presented")
    if not settings.initial_access_tokens:
        raise InvalidToken("a token was presented, and no initial access tokens are taken")
    tokens = call.services.store.initial_access_tokens
    found = await tokens.find(call.environment.id, digest(presented), call.now)
    if found is None:
        raise InvalidToken("the initial access token is unknown, over or used up")
    return _Admitted("initial_access_token", found.id, members)


async def authenticate(call: EndpointCall) -> _Managed:
    """Find the agent in the path, if the token that was presented is its own (RFC 7592 section 3).

    Raises `InvalidToken`, in the same words whether or not there is such an agent.
    """
    if not call.services.introductions.by_source.admit(network_of(SOURCE.get().address), call.now):
        raise TooManyRegistrations("this network asks too often")
    presented, agent = _bearer_token(call) or "", call.environment.agents.get(call.tail)
    row = await call.services.store.directory_rows.find_object(call.environment.id, "agent", call.tail)
    introduction = Introduction.of(row) if row else None
    proven = matches(presented, introduction.management_digest if introduction else digest(""))
    if not proven or not presented or row is None or introduction is None or agent is None:
        raise InvalidToken("the registration access token is not the one of this client")
    if not agent.enabled:
        raise InvalidToken(f"the agent {agent.id} {agent.stopped}")
    return _Managed(agent, introduction, row)


def _registration_of(environment: Environment) -> Registration:
    """Return who may register here. Raises `InvalidToken` where nobody may, which has no such endpoint."""
    if environment.registration is None:
        raise InvalidToken("nobody may register in this environment")
    return environment.registration


def _bearer_token(call: EndpointCall) -> str | None:
    scheme, _, token = (call.authorization or "").partition(" ")
    if not scheme:
        return None
    if scheme.lower() != "bearer":
        raise InvalidToken("credentials of another kind than a bearer token were presented")
    return token.strip()


def _answer(
    call: EndpointCall,
    agent: Agent,
    metadata: ClientMetadata,
    management_token: str,
    secret: str | None = None,
    status: int = 200,
) -> Response:
    """Tell the client what it is now (RFC 7591 section 3.2.1, RFC 7592 section 3)."""
    origin = agent.origin
    ends = origin.expires_at if origin else None
    shown: dict[str, JsonValue] = {} if secret is None else {"client_secret": secret}
    if needs_secret(agent.settings.client_auth):
        shown["client_secret_expires_at"] = 0 if ends is None else int(ends)
    document: dict[str, JsonValue] = {
        "client_id": agent.id,
        "client_id_issued_at": int(origin.created_at) if origin else 0,
        **shown,
        "registration_access_token": management_token,
        "registration_client_uri": f"{call.environment.issuer}/register/{agent.id}",
        **registered_members(call.environment, agent, metadata),
    }
    return json_response(document, status)


def _refuse(call: EndpointCall, error: OAuthError) -> Response:
    """Record the refusal, and write the error as RFC 7591 section 3.2.2 does."""
    log_refusal(call, error)
    response = json_response(error_document(error, call.correlation_id), error.status)
    if error.status == InvalidToken.status:
        presented = call.authorization is not None
        response.headers.add("WWW-Authenticate", 'Bearer error="invalid_token"' if presented else "Bearer")
    if isinstance(error, TooManyRegistrations):
        response.headers.add("Retry-After", "60")
    return response


def _is_offered(environment: Environment) -> bool:
    return environment.registration is not None and environment.registration.settings.dynamic


REGISTER = Endpoint(
    ("/{environment}/as/register",),
    ("POST",),
    register,
    _refuse,
    cross_origin=True,
    is_offered=_is_offered,
)
MANAGE = Endpoint(
    ("/{environment}/as/register/",),
    ("GET", "PUT", "DELETE"),
    manage,
    _refuse,
    cross_origin=True,
    is_offered=_is_offered,
)
