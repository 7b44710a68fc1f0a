"""Validate what a browser brings to the authorization endpoint, and say where the answer goes.

RFC 6749 section 4.1.1, OAuth 2.1, RFC 9207, OpenID Connect Core section 3.1.2. Pure: the same request gives
the same result however often it is made, because clients probe the URL before they open it.
"""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlencode

from deputize.jose import ID_TOKEN_TYPE, TokenInvalid, verify
from deputize.oauth.client_auth.authentication import PUBLIC
from deputize.oauth.dpop import is_thumbprint
from deputize.oauth.errors import (
    InvalidRequest,
    OAuthError,
    RequestNotSupported,
    RequestUriNotSupported,
    ServerError,
    UnauthorizedClient,
    UnsupportedResponseType,
)
from deputize.oauth.grants.authorization_code import CHALLENGE_METHOD, GRANT_TYPE, is_challenge
from deputize.oauth.parameters import required
from deputize.oauth.records.directory import Agent, Environment, Policy
from deputize.oauth.records.store import Session
from deputize.oauth.redirect_uris import is_on_device, is_registered, receives_cookies
from deputize.oauth.resources import TokenTarget, choose_target

MAX_TEXT: Final = 2048
"""Characters of each parameter."""
_KNOWN: Final = (
    "response_type",
    "response_mode",
    "client_id",
    "redirect_uri",
    "scope",
    "resource",
    "audience",
    "state",
    "nonce",
    "code_challenge",
    "code_challenge_method",
    "dpop_jkt",
    "prompt",
    "max_age",
    "acr_values",
    "login_hint",
    "id_token_hint",
    "ui_locales",
)
PROMPTS: Final = ("none", "login", "consent", "select_account")
"""What `prompt` may ask for. One browser has one user, so an account is selected by signing on."""


@dataclass(frozen=True, slots=True)
class AuthorizationRequest:
    """An accepted request: sign the user on by `policy`, and send a code to `redirect_uri`."""

    client: Agent
    redirect_uri: str
    target: TokenTarget
    policy: Policy
    code_challenge: str
    state: str | None
    nonce: str | None
    prompt: frozenset[str]
    """Of `PROMPTS`."""
    max_age: int | None
    """Seconds since the sign-on after which the user has to sign on again."""
    login_hint: str | None
    hinted_user_id: str | None
    """The user whom `id_token_hint` is about: nobody else is to sign on."""
    ui_locales: tuple[str, ...]
    dpop_jkt: str | None
    """The thumbprint of the key that redeeming the code has to prove (RFC 9449 section 10)."""

    @property
    def may_be_anybodys(self) -> bool:
        """Whether any program on the user's device may have sent it, and would get the answer.

        The id of a public client is no secret (RFC 8252 section 8.6).
        """
        return self.client.settings.client_auth == PUBLIC and is_on_device(self.redirect_uri)


@dataclass(frozen=True, slots=True)
class AuthorizationRefusal:
    """A refused request; `redirect_uri` is `None` where it could not be checked, so nobody is sent there."""

    error: OAuthError
    redirect_uri: str | None = None
    state: str | None = None


def validate(
    environment: Environment, parameters: Mapping[str, str], *, is_pushed: bool = False
) -> AuthorizationRequest | AuthorizationRefusal:
    """The request that these parameters make, or the refusal.

    `is_pushed`: the client itself sent them here (RFC 9126), which may be required of it.
    Client and redirect URI are checked first, because errors are sent to that URI.
    """
    try:
        client = environment.agents.get(required(parameters, "client_id"))
        if client is None:
            raise InvalidRequest("The client is unknown")
        if not client.enabled:
            raise UnauthorizedClient(f"{client.name!r} {client.stopped}", f"The client {client.stopped}")
        redirect_uri = required(parameters, "redirect_uri")
        if not is_registered(client.redirect_uris, redirect_uri):
            raise InvalidRequest("The redirect_uri is not registered for this client")
        if receives_cookies(redirect_uri, environment.issuer):
            raise InvalidRequest(
                "The redirect_uri is on the authority's own host, where its users' session cookies are "
                "sent too"
            )
    except OAuthError as error:
        return AuthorizationRefusal(error)
    state = parameters.get("state")
    try:
        if client.settings.require_pushed_authorization_requests and not is_pushed:
            raise InvalidRequest("The client has to push its authorization requests")
        if "request_uri" in parameters and not is_pushed:
            raise RequestUriNotSupported("the request carries a request_uri")
        return _accept(environment, client, redirect_uri, parameters)
    except OAuthError as error:
        state = state if state and len(state) <= MAX_TEXT else None
        return AuthorizationRefusal(error, unasked_uri(client, redirect_uri), state)


def unasked_uri(client: Agent, redirect_uri: str) -> str | None:
    """Where an error is sent although no user agreed to anything.

    `None`, so that it is shown instead, where that is a site of a client that anybody could register: a link
    to the authority must not lead to whatever site somebody has in mind (RFC 9700 section 4.11.2).
    """
    is_anybodys = client.origin is not None and client.origin.means == "open"
    return None if is_anybodys and not is_on_device(redirect_uri) else redirect_uri


def _accept(
    environment: Environment, client: Agent, redirect_uri: str, parameters: Mapping[str, str]
) -> AuthorizationRequest:
    """The request of a known client. Raises `OAuthError`s, which are sent to `redirect_uri`."""
    for name, value in known_parameters(parameters).items():
        if len(value) > MAX_TEXT:
            raise InvalidRequest(f"The parameter {name} is too long")
    _check_flow(client, parameters)
    target = choose_target(environment, client, parameters, user_present=True)
    policy = choose_policy(environment, client, parameters.get("acr_values"))
    challenge = required(parameters, "code_challenge")
    if parameters.get("code_challenge_method", "plain") != CHALLENGE_METHOD or not is_challenge(challenge):
        raise InvalidRequest("The code_challenge_method must be S256, with a fitting code_challenge")
    dpop_jkt = parameters.get("dpop_jkt")
    if dpop_jkt is not None and not is_thumbprint(dpop_jkt):
        raise InvalidRequest("The dpop_jkt is no JWK SHA-256 thumbprint")
    prompt = frozenset(parameters.get("prompt", "").split())
    if not prompt.issubset(PROMPTS) or ("none" in prompt and len(prompt) > 1):
        raise InvalidRequest("The prompt is not supported")
    max_age = parameters.get("max_age")
    if max_age is not None and not (max_age.isascii() and max_age.isdecimal() and len(max_age) <= 9):
        raise InvalidRequest("The max_age is not a number of seconds")
    return AuthorizationRequest(
        client=client,
        redirect_uri=redirect_uri,
        target=target,
        policy=policy,
        code_challenge=challenge,
        state=parameters.get("state"),
        nonce=parameters.get("nonce"),
        prompt=prompt,
        max_age=None if max_age is None else int(max_age),
        login_hint=parameters.get("login_hint"),
        hinted_user_id=find_hinted_user(environment, client, parameters.get("id_token_hint")),
        ui_locales=tuple(parameters.get("ui_locales", "").split()),
        dpop_jkt=dpop_jkt,
    )


def _check_flow(client: Agent, parameters: Mapping[str, str]) -> None:
    """Refuse everything but the authorization code flow with plain parameters. Raises `OAuthError`s."""
    if "request" in parameters:
        raise RequestNotSupported("the request carries a request object")
    if required(parameters, "response_type") != "code":
        raise UnsupportedResponseType("response_type is not code")
    if parameters.get("response_mode", "query") != "query":
        raise InvalidRequest("The response_mode is not supported")
    if GRANT_TYPE not in client.grant_types:
        raise UnauthorizedClient(f"{client.name!r} may not use {GRANT_TYPE}")


def find_hinted_user(environment: Environment, client: Agent, id_token_hint: str | None) -> str | None:
    """The user whom an ID token of this client is about, expired or not (OpenID Connect Core 3.1.2.1).

    `None` without one. Raises `InvalidRequest` for anything else, also another client's: it is not this
    client's to show.
    """
    if id_token_hint is None:
        return None
    with suppress(TokenInvalid):
        # At instant 0 nothing has expired.
        claims = verify(id_token_hint, environment.keys, environment.issuer, 0.0, ID_TOKEN_TYPE)
        user_id = claims.get("sub")
        if claims.get("aud") == client.id and isinstance(user_id, str):
            return user_id
    raise InvalidRequest("The id_token_hint is not an ID token of this client")


def known_parameters(parameters: Mapping[str, str]) -> Mapping[str, str]:
    """Those that mean something here; others must be ignored (RFC 6749 section 3.1), so none is stored."""
    return {name: parameters[name] for name in _KNOWN if name in parameters}


def choose_policy(environment: Environment, client: Agent, acr_values: str | None = None) -> Policy:
    """The client's first policy among `acr_values`, else its first, else the environment's default.

    `acr_values` are a wish among the policies the client has (OpenID Connect Core section 3.1.2.1); others
    are ignored. Raises `ServerError` when the policy does not exist.
    """
    names = client.policies or (environment.settings.default_policy,)
    wished = [name for name in (acr_values or "").split(" ") if name in names]
    policy = environment.policies.get((wished or names)[0])
    if policy is None:
        raise ServerError(f"the authentication policy {(wished or names)[0]!r} does not exist")
    return policy


def is_live(session: Session, environment: Environment, now: float) -> bool:
    """Whether the session signs its user on without a page: it was not ended and did not lapse.

    The environment's limits of today count, so that shortening them shortens sessions under way. Grants live
    to limits of their own.
    """
    lapses_at = min(
        session.expires_at,
        session.auth_time + environment.settings.session_lifetime,
        session.last_used_at + environment.settings.session_idle_lifetime,
    )
    return session.ended_at is None and now < lapses_at


def code_response(redirect_uri: str, issuer: str, code: str, state: str | None) -> str:
    """Where the browser goes with a code; names the issuer (RFC 9207)."""
    return _with_query(redirect_uri, {"code": code, "iss": issuer, "state": state})


def error_response(refusal: AuthorizationRefusal, issuer: str) -> str | None:
    """Where the browser goes with an error; `None` when it must be shown to the user instead."""
    if refusal.redirect_uri is None:
        return None
    error = refusal.error
    return _with_query(
        refusal.redirect_uri,
        {"error": error.code, "error_description": error.description, "iss": issuer, "state": refusal.state},
    )


def _with_query(uri: str, parameters: Mapping[str, str | None]) -> str:
    """`uri` with parameters added to its query, kept as it is (RFC 6749 section 3.1.2)."""
    query = urlencode({name: value for name, value in parameters.items() if value is not None})
    return f"{uri}{'&' if '?' in uri else '?'}{query}"
