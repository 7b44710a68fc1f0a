"""The agent's OAuth requests: authorization code with PKCE, refresh, client credentials, token exchange."""

import base64
import hashlib
import hmac
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

import httpx2

from agent.discovery import TOKEN_EXCHANGE, AuthorizationServer
from agent.documents import json_object
from agent.errors import SignOnFailed, TokenRefused

ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"
DEFAULT_LIFETIME_SECONDS = 300.0


@dataclass(frozen=True, slots=True)
class Credentials:
    """The agent's registration at the authorization server."""

    client_id: str
    client_secret: str
    method: str = ""
    """How it authenticates (`token_endpoint_auth_method`); empty: by the strongest way in common."""


@dataclass(frozen=True, slots=True)
class Token:
    """An access token and when it ends, on a clock that never goes back."""

    value: str
    expires_at: float
    scopes: tuple[str, ...]
    refresh_token: str = ""

    def claims(self) -> dict[str, Any]:
        """Return the token's claims, unverified: to be shown, not to be decided on.

        Empty when the token is opaque.
        """
        try:
            payload = self.value.split(".")[1]
            return json_object(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4))) or {}
        except (IndexError, ValueError):
            return {}


@dataclass(frozen=True, slots=True)
class AuthorizationRequest:
    """One authorization request, and what its answer must match."""

    url: str
    state: str
    code_verifier: str
    redirect_uri: str
    server: AuthorizationServer

    def code_in(self, answer: Mapping[str, str]) -> str:
        """Return the authorization code of an answer.

        Raises `SignOnFailed`; texts of an answer that fails a check are not shown, they may be an attacker's.
        """
        if not hmac.compare_digest(answer.get("state", "").encode(), self.state.encode()):
            raise SignOnFailed("The answer belongs to another sign-on; start again")
        if (self.server.promises_iss or "iss" in answer) and answer.get("iss") != self.server.issuer:
            raise SignOnFailed("The answer came from another authorization server than the one asked")
        if "error" in answer:
            raise SignOnFailed(
                f"Signing on failed: {answer['error']} {answer.get('error_description', '')}".rstrip()
            )
        if not answer.get("code"):
            raise SignOnFailed("The answer carries no authorization code")
        return answer["code"]


def authorization_request(
    server: AuthorizationServer, client_id: str, redirect_uri: str, scope: str, resource: str
) -> AuthorizationRequest:
    """Make a request for a token of `resource` (RFC 8707) with `scope`; state and verifier are used once."""
    state, verifier = secrets.token_urlsafe(24), secrets.token_urlsafe(48)
    query = {
        "response_type": "code",
        "client_id": client_id,
        "redirect_uri": redirect_uri,
        "state": state,
        "code_challenge": code_challenge(verifier),
        "code_challenge_method": "S256",
        **({"scope": scope} if scope else {}),
        **named(resource),
    }
    separator = "&" if "?" in server.authorization_endpoint else "?"
    return AuthorizationRequest(
        f"{server.authorization_endpoint}{separator}{urlencode(query)}", state, verifier, redirect_uri, server
    )


def named(resource: str) -> dict[str, str]:
    """Return the parameter that names a resource.

    `resource` takes absolute URIs without a fragment only (RFC 8707 section 2). A resource with another name
    is found by its scopes.
    """
    parts = urlsplit(resource)
    return {"resource": resource} if parts.scheme and not parts.fragment else {}


def code_challenge(verifier: str) -> str:
    """Return the S256 challenge of a verifier (RFC 7636 section 4.2)."""
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()


class TokenEndpoint:
    """The authorization server's token endpoint, used by one registered client."""

    def __init__(
        self,
        client: httpx2.AsyncClient,
        server: AuthorizationServer,
        credentials: Credentials,
        monotonic: Callable[[], float],
    ) -> None:
        """Use `client`, which the caller closes; `monotonic` gives seconds that never go back."""
        self._client = client
        self._server = server
        self._credentials = credentials
        self._monotonic = monotonic

    @property
    def issuer(self) -> str:
        """The authorization server's issuer."""
        return self._server.issuer

    async def redeem(self, request: AuthorizationRequest, code: str, resource: str) -> Token:
        """Redeem the code for the user's token (RFC 6749 section 4.1.3). Raises `TokenRefused`."""
        return await self._token(
            "the authorization code",
            grant_type="authorization_code",
            code=code,
            redirect_uri=request.redirect_uri,
            code_verifier=request.code_verifier,
            **named(resource),
        )

    async def refresh(self, token: Token, resource: str) -> Token:
        """Get a new token for the same user (RFC 6749 section 6).

        A refresh token in the answer replaces the old one. Raises `TokenRefused`.
        """
        renewed = await self._token(
            "to refresh", grant_type="refresh_token", refresh_token=token.refresh_token, **named(resource)
        )
        return (
            renewed
            if renewed.refresh_token
            else Token(renewed.value, renewed.expires_at, renewed.scopes, token.refresh_token)
        )

    async def own(self, scope: str, resource: str) -> Token:
        """Get a token for the agent itself (RFC 6749 section 4.4). Raises `TokenRefused`."""
        return await self._token(
            "the agent's own token", grant_type="client_credentials", scope=scope, **named(resource)
        )

    async def exchange(self, subject: Token, actor: Token, scopes: tuple[str, ...], resource: str) -> Token:
        """Get a token for `resource` that lets the actor act for the subject (RFC 8693 section 2).

        Raises `TokenRefused`.
        """
        return await self._token(
            "the token exchange",
            grant_type=TOKEN_EXCHANGE,
            subject_token=subject.value,
            subject_token_type=ACCESS_TOKEN,
            actor_token=actor.value,
            actor_token_type=ACCESS_TOKEN,
            scope=" ".join(scopes),
            **named(resource),
        )

    async def _token(self, what: str, **parameters: str) -> Token:
        """Ask for a token, authenticated by the strongest common method (RFC 6749 section 2.3.1)."""
        own, methods = self._credentials, self._server.auth_methods
        headers, sent = {"Accept": "application/json"}, dict(parameters)
        by_form = "client_secret_basic" not in methods and "client_secret_post" in methods
        if not own.client_secret or own.method == "none":
            sent["client_id"] = own.client_id
        elif own.method == "client_secret_post" or (by_form and not own.method):
            sent |= {"client_id": own.client_id, "client_secret": own.client_secret}
        else:
            pair = f"{quote(own.client_id, safe='')}:{quote(own.client_secret, safe='')}"
            headers["Authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
        answer = await self._client.post(
            self._server.token_endpoint,
            data={name: value for name, value in sent.items() if value},
            headers=headers,
        )
        members = json_object(answer.content) or {}
        if answer.status_code != 200 or not isinstance(members.get("access_token"), str):
            error = str(members.get("error", f"HTTP {answer.status_code}"))
            raise TokenRefused(what, error, str(members.get("error_description", "")))
        if str(members.get("token_type", "")).lower() != "bearer":
            raise TokenRefused(
                what,
                f"it issued a {members.get('token_type')!r} token",
                "this agent can only use Bearer tokens",
            )
        lifetime = members.get("expires_in")
        return Token(
            members["access_token"],
            self._monotonic()
            + (float(lifetime) if isinstance(lifetime, int | float) else DEFAULT_LIFETIME_SECONDS),
            tuple(str(members.get("scope", parameters.get("scope", ""))).split()),
            str(members.get("refresh_token", "")),
        )
