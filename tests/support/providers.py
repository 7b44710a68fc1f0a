"""OpenID providers that are not ours: over real TLS, and saying whatever a test has them say."""

import contextlib
import json
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit

from deputize.oauth.records.directory import Step
from deputize.oauth.records.settings import EnvironmentSettings, IdentityProvider
from support.authority import NOW, Browser, RunningAuthority, running_authority
from support.document_hosts import DocumentHost, json_answer
from support.factors import demand
from support.issuers import ALGORITHMS, jwk_set, signed

CLIENT_ID = "the-client"
SUBJECT = "partner-user-7"
OFFERED = Step("LOGIN", {"or_providers": ["partner"]})
EXTERNAL = Step("EXTERNAL", {"provider": "partner"})


class ScriptedProvider:
    """Answers as a provider does, with changes: of its metadata, its ID token's claims and header."""

    def __init__(self, host: DocumentHost) -> None:
        self.host = host
        host.answer = self._answer
        self.metadata: dict[str, Any] = {}
        self.claims: dict[str, Any] = {}
        self.header: dict[str, Any] = {}
        self.key, self.algorithm = ALGORITHMS["RS256"], "RS256"
        self.token_answer: bytes | None = None
        self.tokens_asked: list[dict[str, str]] = []
        self.authorizations: list[str] = []
        self.asked: dict[str, str] = {}

    @property
    def issuer(self) -> str:
        return self.host.origin

    def settings(self, **changes: Any) -> IdentityProvider:
        return IdentityProvider(
            **{
                "name": "partner",
                "title": "Partner & Co",
                "issuer": self.issuer,
                "client_id": CLIENT_ID,
                "subject": "username",
                **changes,
            }
        )

    def receive(self, location: str) -> dict[str, str]:
        """Take the browser that is sent to `location`; what it was sent with."""
        assert location.startswith(f"{self.issuer}/authorize?")
        self.asked = dict(parse_qsl(urlsplit(location).query))
        return self.asked

    def response(self, **changes: str | None) -> str:
        """The path of the callback with an authorization response."""
        members = {"code": "the-code", "state": self.asked["state"], "iss": self.issuer, **changes}
        path = urlsplit(self.asked["redirect_uri"]).path
        return f"{path}?{urlencode({name: each for name, each in members.items() if each is not None})}"

    def id_token(self) -> str:
        claims = {
            "iss": self.issuer,
            "sub": SUBJECT,
            "aud": CLIENT_ID,
            "nonce": self.asked.get("nonce"),
            "iat": int(NOW),
            "exp": int(NOW) + 300,
            **self.claims,
        }
        claims = {name: value for name, value in claims.items() if value is not None}
        return signed(self.key, claims, self.algorithm, kid="k1", **self.header)

    async def _answer(self, reader, writer):
        head = self.host.requests[-1]
        path = head.split(" ")[1]
        if path == "/token":
            fields = dict(each.lower().split(": ", 1) for each in head.split("\r\n")[1:] if each)
            self.authorizations.append(fields.get("authorization", ""))
            form = await reader.readexactly(int(fields["content-length"]))
            self.tokens_asked.append({name: each[0] for name, each in parse_qs(form.decode()).items()})
            answer = self.token_answer or json_answer(json.dumps({"id_token": self.id_token()}).encode())
        elif path.startswith("/authorize?"):
            self.receive(f"{self.issuer}{path}")
            back = f"{urlsplit(self.asked['redirect_uri'])._replace(path='').geturl()}{self.response()}"
            answer = f"HTTP/1.1 303 See Other\r\nLocation: {back}\r\nContent-Length: 0\r\n\r\n".encode()
        elif path == "/jwks":
            answer = json_answer(json.dumps(jwk_set(k1=ALGORITHMS["RS256"])).encode())
        else:
            document = {
                "issuer": self.issuer,
                "authorization_endpoint": f"{self.issuer}/authorize",
                "token_endpoint": f"{self.issuer}/token",
                "jwks_uri": f"{self.issuer}/jwks",
                "authorization_response_iss_parameter_supported": True,
                **self.metadata,
            }
            answer = json_answer(json.dumps(document).encode())
        writer.write(answer)
        await writer.drain()


@contextlib.asynccontextmanager
async def with_provider(
    folder, base_url="http://authority.test"
) -> AsyncIterator[tuple[RunningAuthority, ScriptedProvider]]:
    """Run an authority whose users may sign on with a scripted provider."""
    async with (
        DocumentHost(name="provider.example") as host,
        running_authority(folder, base_url, host.fetcher()) as authority,
    ):
        provider = ScriptedProvider(host)
        offer(authority, provider.settings())
        demand(authority, OFFERED)
        yield authority, provider


def offer(authority: RunningAuthority, *providers: IdentityProvider) -> None:
    """Have these identity providers in the environment."""
    authority.directory.replace(settings=EnvironmentSettings(identity_providers=providers))


async def set_out(browser: Browser, provider: ScriptedProvider, **request: str | None) -> dict[str, str]:
    """Ask for the agent's sign-on, and go to the provider; what the browser comes there with."""
    await browser.get(browser.authority.authorize_url(**request))
    await browser.submit(1, provider="partner")
    return provider.receive(browser.response.headers["location"])
