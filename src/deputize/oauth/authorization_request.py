"""Validating what a browser brings to the authorization endpoint (RFC 6749 section 4.1.1, OAuth 2.1, RFC
9207, OpenID Core 3.1.2).

Pure: the same request gives the same result however often it is made, because clients probe the URL before
they open it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlencode

from deputize.oauth.errors import (
    InvalidRequest,
    OAuthError,
    RequestNotSupported,
    RequestUriNotSupported,
    ServerError,
    UnauthorizedClient,
    UnsupportedResponseType,
)
from deputize.oauth.grants.authorization_code import GRANT_TYPE
from deputize.oauth.parameters import required
from deputize.oauth.pkce import METHOD, is_challenge
from deputize.oauth.records.directory import Agent, Environment, Policy
from deputize.oauth.redirect_uris import is_registered, receives_cookies
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
    "prompt",
    "max_age",
    "acr_values",
    "login_hint",
    "ui_locales",
)
_PROMPTS: Final = frozenset({"none", "login", "consent"})


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
    """Of `none`, `login`, `consent`."""
    max_age: int | None
    """Seconds since the sign-on after which the user has to sign on again."""
    login_hint: str | None
    ui_locales: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class AuthorizationRefusal:
    """A refused request.

    `redirect_uri` is `None` where sending the browser anywhere would trust what was not checked.
    """

    error: OAuthError
    redirect_uri: str | None = None
    state: str | None = None


def validate(
    environment: Environment, parameters: Mapping[str, str]
) -> AuthorizationRequest | AuthorizationRefusal:
    """The request these parameters make, or the refusal.

    Client and redirect URI are checked first, for errors go there.
    """
    try:
        client, redirect_uri = _client(environment, parameters), required(parameters, "redirect_uri")
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
        return _accepted(environment, client, redirect_uri, parameters)
    except OAuthError as error:
        return AuthorizationRefusal(error, redirect_uri, state if state and len(state) <= MAX_TEXT else None)


def known_parameters(parameters: Mapping[str, str]) -> Mapping[str, str]:
    """Those that mean something here.

    Others must be ignored (RFC 6749 section 3.1), so nobody has to carry them along.
    """
    return {name: parameters[name] for name in _KNOWN if name in parameters}


def choose_policy(environment: Environment, client: Agent, acr_values: str | None = None) -> Policy:
    """The client's first policy among `acr_values`, else its first, else the environment's default.

    Raises `ServerError`.

    `acr_values` are a wish among the policies the client has (OpenID Core 3.1.2.1): others are ignored.
    """
    names = client.policies or (environment.default_policy,)
    wished = [name for name in (acr_values or "").split(" ") if name in names]
    policy = environment.policies.get((wished or names)[0])
    if policy is None:
        raise ServerError(f"the authentication policy {(wished or names)[0]!r} does not exist")
    return policy


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


def _client(environment: Environment, parameters: Mapping[str, str]) -> Agent:
    client = environment.agents.get(required(parameters, "client_id"))
    if client is None:
        raise InvalidRequest("The client is unknown")
    if not client.enabled:
        raise UnauthorizedClient(f"{client.name!r} is disabled", "The client is disabled")
    return client


def _accepted(
    environment: Environment, client: Agent, redirect_uri: str, parameters: Mapping[str, str]
) -> AuthorizationRequest:
    for name, value in known_parameters(parameters).items():
        if len(value) > MAX_TEXT:
            raise InvalidRequest(f"The parameter {name} is too long")
    _check_flow(client, parameters)
    return AuthorizationRequest(
        client=client,
        redirect_uri=redirect_uri,
        target=choose_target(environment, client, parameters, user_present=True),
        policy=choose_policy(environment, client, parameters.get("acr_values")),
        code_challenge=_challenge(parameters),
        state=parameters.get("state"),
        nonce=parameters.get("nonce"),
        prompt=_prompt(parameters.get("prompt")),
        max_age=_max_age(parameters.get("max_age")),
        login_hint=parameters.get("login_hint"),
        ui_locales=tuple(parameters.get("ui_locales", "").split()),
    )


def _check_flow(client: Agent, parameters: Mapping[str, str]) -> None:
    if "request" in parameters:
        raise RequestNotSupported("the request carries a request object")
    if "request_uri" in parameters:
        raise RequestUriNotSupported("the request carries a request_uri")
    if required(parameters, "response_type") != "code":
        raise UnsupportedResponseType("response_type is not code")
    if parameters.get("response_mode", "query") != "query":
        raise InvalidRequest("The response_mode is not supported")
    if GRANT_TYPE not in client.grant_types:
        raise UnauthorizedClient(f"{client.name!r} may not use {GRANT_TYPE}")


def _challenge(parameters: Mapping[str, str]) -> str:
    challenge = required(parameters, "code_challenge")
    if parameters.get("code_challenge_method", "plain") != METHOD or not is_challenge(challenge):
        raise InvalidRequest("The code_challenge_method must be S256, with a fitting code_challenge")
    return challenge


def _prompt(value: str | None) -> frozenset[str]:
    prompts = frozenset((value or "").split())
    if not prompts <= _PROMPTS or ("none" in prompts and len(prompts) > 1):
        raise InvalidRequest("The prompt is not supported")
    return prompts


def _max_age(value: str | None) -> int | None:
    if value is None:
        return None
    if not (value.isascii() and value.isdecimal() and len(value) <= 9):
        raise InvalidRequest("The max_age is not a number of seconds")
    return int(value)


def _with_query(uri: str, parameters: Mapping[str, str | None]) -> str:
    """`uri` with parameters added to its query, kept as it is (RFC 6749 section 3.1.2)."""
    query = urlencode({name: value for name, value in parameters.items() if value is not None})
    return f"{uri}{'&' if '?' in uri else '?'}{query}"
