"""An agent's requests, without a library, so that the demo can also make those that must be refused."""

import base64
import hashlib
import secrets
import ssl
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx2

from demo.person import Person
from demo.stage import REQUEST_SECONDS, TRUST, Stage

ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"
EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"


@dataclass(frozen=True)
class Code:
    """An authorization code, with what is needed to redeem it."""

    value: str
    verifier: str
    redirect_uri: str

    @property
    def parameters(self) -> dict[str, str]:
        """Return the parameters of the token request."""
        return {
            "grant_type": "authorization_code",
            "code": self.value,
            "redirect_uri": self.redirect_uri,
            "code_verifier": self.verifier,
        }


@dataclass(frozen=True)
class Agent:
    """A registered agent's credentials and its authority."""

    client_id: str
    client_secret: str
    issuer: str
    redirect_uri: str

    def token(self, **parameters: str) -> httpx2.Response:
        """Return the token endpoint's answer to these parameters, whatever it is."""
        return httpx2.post(
            f"{self.issuer}/token",
            data=parameters,
            auth=(self.client_id, self.client_secret),
            timeout=REQUEST_SECONDS,
            verify=TRUST,
        )

    def actor_token(self) -> str:
        """Return a token for the agent itself."""
        return (
            self.token(grant_type="client_credentials", scope="agent")
            .raise_for_status()
            .json()["access_token"]
        )

    def code(self, person: Person, scope: str = "agent") -> "Code":
        """Return an authorization code, after the person signed on and agreed where asked to.

        Raises `KeyError` when refused.
        """
        verifier, state = secrets.token_urlsafe(48), secrets.token_urlsafe(16)
        challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
        query = {
            "response_type": "code", "client_id": self.client_id, "redirect_uri": self.redirect_uri,
            "scope": scope, "state": state,
            "code_challenge": challenge, "code_challenge_method": "S256",
        }  # fmt: skip
        answer = parse_qs(
            urlsplit(
                person.visit(f"{self.issuer}/authorize?{urlencode(query)}", stop_at=self.redirect_uri)
            ).query
        )
        return Code(answer["code"][0], verifier, self.redirect_uri)

    def redeem(self, code: "Code") -> httpx2.Response:
        """Return the token endpoint's answer to that code."""
        return self.token(**code.parameters)

    def subject_token(self, person: Person, scope: str = "agent") -> str:
        """Return a token for the person, who signs on and agrees where asked to."""
        return self.redeem(self.code(person, scope)).raise_for_status().json()["access_token"]

    def exchange(self, subject_token: str, actor_token: str | None, scope: str = "test") -> httpx2.Response:
        """Return the token endpoint's answer to exchanging these tokens."""
        actor = {"actor_token": actor_token, "actor_token_type": ACCESS_TOKEN} if actor_token else {}
        return self.token(
            grant_type=EXCHANGE,
            subject_token=subject_token,
            subject_token_type=ACCESS_TOKEN,
            scope=scope,
            **actor,
        )


def call_gateway(stage: Stage, token: str | None) -> httpx2.Response:
    """Return the gateway's answer to a plain MCP request with that token, or without any."""
    message: dict[str, Any] = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": _INITIALIZE}
    headers = {"Accept": "application/json, text/event-stream"} | (
        {} if token is None else {"Authorization": f"Bearer {token}"}
    )
    with httpx2.Client(
        verify=ssl.create_default_context(cafile=stage.ca_file), timeout=REQUEST_SECONDS
    ) as client:
        return client.post(f"{stage.gateway_url}/mcp", json=message, headers=headers)


_INITIALIZE = {
    "protocolVersion": "2025-11-25",
    "capabilities": {},
    "clientInfo": {"name": "demo", "version": "1"},
}
