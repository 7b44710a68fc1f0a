"""What the gateway asks authorization servers, and what their answers tell it and the operator."""

import asyncio
import base64
import contextlib
import re
import time
from collections.abc import Sequence
from typing import Final, NamedTuple, Self
from urllib.parse import parse_qsl, quote_plus, unquote_plus, urlencode, urlsplit

from deputize.gateway.config.settings import Reference
from deputize.gateway.loading.context import BuildContext
from deputize.http.exchange import Exchange, Peer
from deputize.http.messages import Body, BodyBroken, BodyTooLarge, Headers, Request, Response
from deputize.http.plans import Handler, ask
from deputize.http.upstream import UpstreamError
from deputize.kernel import strict_json
from deputize.kernel.errors import DeputizeError
from deputize.kernel.ids import TransactionIds
from deputize.kernel.redaction import MASK, printable, redact
from deputize.kernel.uris import UriError, parse_origin, parse_target
from deputize.kernel.values import JsonObject, JsonValue
from deputize.mcp.challenge import ChallengeError, parse_challenges

MAX_ANSWER: Final = 256 * 1024
"""Bytes of an answer that are read."""
_SECONDS: Final = 30.0
"""How long a document may take in all, whatever the handler allows."""
_MAX_WORDS: Final = 512
_MIN_TOKEN: Final = 8
"""Characters below which a token is no secret: a client must not be able to blot out single letters."""
_TOKEN_PARAMETERS: Final = frozenset({"token", "subject_token", "actor_token"})
_SECRET_PARAMETERS: Final = frozenset({"client_secret", "client_assertion"})
_UNCHANGED: Final = re.compile(r"[A-Za-z0-9_.~-]*")
"""What form encoding leaves as it is (RFC 6749 section 2.3.1)."""
_ENCODED: Final = re.compile(r"(?:[A-Za-z0-9_.~+-]|%[0-9A-Fa-f]{2})*")
_NOBODY: Final = Peer("", 0, "", 0)
_TRANSACTIONS: Final = TransactionIds()


class AuthorityError(DeputizeError):
    """An authorization server gave no answer to go on with; says what the operator has to look at."""

    def __init__(self, status: int, reason: str) -> None:
        """`status` is what the client is answered.

        502 when the authorization server refuses us or answers nonsense, 503 when it cannot be asked.
        """
        self.status = status
        self.reason = reason
        self.is_told = False
        """Whether the log has it already."""
        super().__init__(reason)

    def again(self) -> "AuthorityError":
        """Return the same for another caller: an error that was raised holds every frame it came through."""
        same = AuthorityError(self.status, self.reason)
        same.is_told = self.is_told
        return same


class AuthorityAnswer(NamedTuple):
    """An answer, read."""

    status: int
    value: JsonValue
    """The body, `None` where it is no JSON."""
    fault: str
    """Why it is none."""
    error: str
    """The registered code of an error (RFC 6749 section 5.2), or empty."""
    said: str
    """The server's own words for an error: empty, or a short line that begins with a comma, no secrets."""
    hint: str
    """What may be wrong with how the gateway authenticated: empty, or a clause."""


class AuthorityEndpoint:
    """An address of an authorization server that a handler asks, with authentication by filters in it."""

    def __init__(self, url: str, handler: Handler) -> None:
        """Raises `UriError` for what is no absolute URL."""
        self._origin = parse_origin(url)
        parts = urlsplit(url)
        self._target = parse_target(
            (parts.path or "/").encode() + (b"?" + parts.query.encode() if parts.query else b"")
        )
        self.place = f"{self._origin}{self._target.path}"
        """For people: the URL without its query."""
        self._handler = handler

    @classmethod
    def configured(cls, url: str, key: str, handler: tuple[Reference, str], context: BuildContext) -> Self:
        """Return the endpoint at `url`, which stands at `key`; `handler` is one's reference and key.

        Raises `ConfigurationError`.
        """
        try:
            return cls(url, context.refer(handler[0], Handler, handler[1]))
        except UriError as error:
            raise context.error(key, str(error), "give the endpoint's absolute URL") from error

    async def post(self, form: Sequence[tuple[str, str]], exchange: Exchange) -> AuthorityAnswer:
        """Send a form on behalf of `exchange`. Raises `AuthorityError` when no answer comes."""
        body = urlencode(form).encode()
        headers = Headers(
            [
                (b"Content-Type", b"application/x-www-form-urlencoded"),
                (b"Accept", b"application/json"),
                (b"Content-Length", str(len(body)).encode()),
            ]
        )
        request = Request("POST", self._target, headers, Body(body), self._origin, repeatable=True)
        moment = exchange.started, exchange.arrived
        return await self._ask(Exchange(request, exchange.peer, exchange.transaction_id, *moment))

    async def get(self, now: float) -> AuthorityAnswer:
        """Read a document, at `now`, for everybody. Raises `AuthorityError` when none comes in time."""
        headers = Headers([(b"Accept", b"application/json")])
        return await self._ask_in_time(Request("GET", self._target, headers, Body(), self._origin), now)

    async def send(self, content: bytes, kind: str, authorization: str | None, now: float) -> AuthorityAnswer:
        """Send `content` of a media type, at `now`, on behalf of nobody but the gateway.

        Without `authorization`, filters in the handler authenticate. It may be sent twice. Raises
        `AuthorityError` when no answer comes in time.
        """
        headers = Headers(
            [
                (b"Content-Type", kind.encode()),
                (b"Accept", b"application/json"),
                (b"Content-Length", str(len(content)).encode()),
            ]
        )
        if authorization is not None:
            headers.add("Authorization", authorization)
        sent = Request("POST", self._target, headers, Body(content), self._origin, repeatable=True)
        return await self._ask_in_time(sent, now)

    async def _ask_in_time(self, request: Request, now: float) -> AuthorityAnswer:
        inquiry = Exchange(request, _NOBODY, _TRANSACTIONS.new(), time.monotonic(), now)
        try:
            async with asyncio.timeout(_SECONDS):
                return await self._ask(inquiry)
        except TimeoutError as error:
            reason = f"{self.place} cannot be asked: no whole answer within {_SECONDS:.0f} s"
            raise AuthorityError(503, reason) from error

    async def _ask(self, inquiry: Exchange) -> AuthorityAnswer:
        try:
            response = await ask(self._handler, inquiry)
            try:
                return await _read(response, inquiry.request)
            finally:
                await response.body.aclose()
        except (
            DeputizeError
        ) as error:  # of the connection, or a filter that authenticates: its secret is gone
            status = 503 if isinstance(error, UpstreamError | BodyBroken) else 502
            raise AuthorityError(status, f"{self.place} cannot be asked: {error}") from error


async def _read(response: Response, request: Request) -> AuthorityAnswer:
    value: JsonValue = None
    fault = ""
    body = b""
    try:
        body = await response.body.read(MAX_ANSWER)
        value = strict_json.loads(body, max_size=MAX_ANSWER)
    except (strict_json.JsonError, BodyTooLarge) as error:
        fault = str(error)
    if response.status == 200:
        return AuthorityAnswer(200, value, fault, "", "", "")
    members = value if isinstance(value, dict) else _read_challenge(response)
    texts = {
        name: text
        for name in ("error", "error_description")
        if isinstance(text := members.get(name), str) and text
    }
    words = ": ".join(texts.values())
    if not words and (response.headers.get("content-type") or "").startswith("text/plain"):
        words = body.decode("utf-8", "replace").strip()
    said = f", {printable(redact(_mask(words, request)), _MAX_WORDS)}" if words else ""
    return AuthorityAnswer(response.status, value, fault, texts.get("error", ""), said, _hint(request))


def _read_challenge(response: Response) -> JsonObject:
    """Return the parameters of a challenge that tells of an error, where a body does not."""
    for value in response.headers.get_all("www-authenticate"):
        with contextlib.suppress(ChallengeError):
            for challenge in parse_challenges(value):
                if "error" in challenge.parameters:
                    return challenge.parameters
    return {}


def _basic_credentials(request: Request) -> tuple[str, str] | None:
    """Return name and password of a Basic credential as they were sent."""
    for credentials in request.headers.get_all("authorization"):
        scheme, _, value = credentials.partition(" ")
        if scheme.lower() == "basic":
            with contextlib.suppress(ValueError):
                name, _, password = base64.b64decode(value).decode().partition(":")
                return name, password
    return None


def _mask(words: str, request: Request) -> str:
    """Blot out what the gateway has sent and nobody is to read: tokens, and how it authenticated itself."""
    secrets = {
        value
        for name, value in parse_qsl((request.body.buffered or b"").decode("latin-1"))
        if name in _SECRET_PARAMETERS or (name in _TOKEN_PARAMETERS and len(value) >= _MIN_TOKEN)
    }
    secrets |= {credentials.partition(" ")[2] for credentials in request.headers.get_all("authorization")}
    basic = _basic_credentials(request)
    if basic is not None:
        secrets |= {basic[1], unquote_plus(basic[1])}
    written = filter(None, secrets | {quote_plus(each) for each in secrets})
    for secret in sorted(written, key=len, reverse=True):
        words = words.replace(secret, MASK)
    return words


def _hint(request: Request) -> str:
    """Say so where the two ways to write Basic credentials differ: servers are divided about them."""
    basic = _basic_credentials(request)
    if basic is None or all(_UNCHANGED.fullmatch(each) for each in basic):
        return ""
    if all(_ENCODED.fullmatch(each) for each in basic):
        return (
            "its id or secret has characters that are form-encoded, which some servers do not expect: try "
            "HttpBasicAuthenticationClientFilter without urlEncodeCredentials"
        )
    return (
        "its id or secret has characters that RFC 6749 section 2.3.1 wants form-encoded: set "
        "urlEncodeCredentials to true, or use ClientSecretBasicAuthenticationFilter"
    )
