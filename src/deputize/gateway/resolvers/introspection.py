"""`TokenIntrospectionAccessTokenResolver`: asks the authorization server (RFC 7662)."""

import base64
import contextlib
import re
from collections.abc import Mapping
from typing import Final, Self
from urllib.parse import parse_qsl, quote_plus, unquote_plus, urlencode, urlsplit

from deputize.gateway.config.settings import Reference, Settings
from deputize.gateway.exchange.contexts import OAuth2Context, read_claims
from deputize.gateway.loading.context import BuildContext
from deputize.gateway.resolvers.resolution import RejectedToken, ResolutionError
from deputize.http.exchange import Exchange
from deputize.http.messages import Body, BodyBroken, BodyTooLarge, Headers, Request, Response
from deputize.http.plans import Handler, ask
from deputize.http.upstream import UpstreamError
from deputize.kernel import strict_json
from deputize.kernel.clock import Clock
from deputize.kernel.redaction import MASK, printable, redact
from deputize.kernel.uris import Origin, Target, UriError, parse_origin, parse_target
from deputize.kernel.values import JsonObject

_MAX_ANSWER: Final = 256 * 1024
_ACCESS_TOKEN_TYPES: Final = frozenset({"bearer", "dpop", "access_token"})
LEEWAY: Final = 60.0
"""Seconds that an authorization server's clock may be ahead of ours."""
_MAX_WORDS: Final = 512
_MIN_TOKEN: Final = 8
"""Characters below which a token is no secret: a client must not be able to blot out single letters."""
_SCOPES: Final = re.compile(r"[ !#-\[\]-~]*")
_REFUSALS: Final = frozenset({400, 401, 403})


class TokenIntrospectionAccessTokenResolver:
    """One POST a token; client authentication is done by filters in the `providerHandler`."""

    class Config(Settings):
        """A token is refused that expired, or whose `nbf` or `iat` is over 60 seconds ahead of the clock."""

        endpoint: str
        """URL of the introspection endpoint."""
        provider_handler: Reference = "ForgeRockClientHandler"
        """Sends the question; filters in front of it authenticate the gateway."""

    def __init__(self, origin: Origin, target: Target, handler: Handler, clock: Clock) -> None:
        """`handler` answers requests to `target` on `origin`."""
        self._origin = origin
        self._target = target
        self._place = f"{origin}{target.path}"
        self._handler = handler
        self._clock = clock

    @classmethod
    def build(cls, config: Config, context: BuildContext) -> Self:
        """Check the endpoint's URL."""
        try:
            parts = urlsplit(config.endpoint)
            origin = parse_origin(config.endpoint)
            target = parse_target(
                (parts.path or "/").encode() + (b"?" + parts.query.encode() if parts.query else b"")
            )
        except UriError as error:
            raise context.error(
                "endpoint", str(error), "give the introspection endpoint's absolute URL"
            ) from error
        return cls(
            origin,
            target,
            context.refer(config.provider_handler, Handler, "providerHandler"),
            context.instance.clock,
        )

    async def resolve(self, token: str, exchange: Exchange) -> OAuth2Context | RejectedToken:
        """Ask the authorization server about `token`. Raises `ResolutionError`."""
        form = urlencode({"token": token, "token_type_hint": "access_token"}).encode()
        headers = Headers(
            [
                (b"Content-Type", b"application/x-www-form-urlencoded"),
                (b"Accept", b"application/json"),
                (b"Content-Length", str(len(form)).encode()),
            ]
        )
        request = Request("POST", self._target, headers, Body(form), self._origin, repeatable=True)
        inquiry = Exchange(
            request, exchange.peer, exchange.transaction_id, exchange.started, exchange.arrived
        )
        try:
            response = await ask(self._handler, inquiry)
            try:
                info = await self._read_answer(response, inquiry)
            finally:
                await response.body.aclose()
        except (UpstreamError, BodyBroken) as error:
            raise ResolutionError(503, f"{self._place} cannot be asked: {error}") from error
        return read_introspection(token, info, self._clock.now())

    async def _read_answer(self, response: Response, inquiry: Exchange) -> JsonObject:
        where = self._place
        if response.status in _REFUSALS:
            said = await _read_error(response, inquiry.request)
            reason = (
                f"{where} refuses the gateway ({response.status}{said}): check the credentials of "
                f"the providerHandler"
            )
            raise ResolutionError(502, reason)
        if response.status != 200:
            raise ResolutionError(503, f"{where} cannot be asked: answer {response.status} instead of 200")
        try:
            info = strict_json.loads(await response.body.read(_MAX_ANSWER), max_size=_MAX_ANSWER)
        except (strict_json.JsonError, BodyTooLarge) as error:
            raise ResolutionError(
                502, f"{where} answered what is no introspection response: {error}"
            ) from error
        if not isinstance(info, dict) or not isinstance(info.get("active"), bool):
            raise ResolutionError(502, f"{where} answered without saying whether the token is active")
        return info


def read_introspection(token: str, info: JsonObject, now: float) -> OAuth2Context | RejectedToken:
    """Say what an introspection answer means at `now`, seconds since the epoch (RFC 7662 section 2.2)."""
    if info.get("active") is not True:
        return RejectedToken("the authorization server says that the token is not active")
    scope, audience = info.get("scope"), info.get("aud")
    if isinstance(scope, str) and not _SCOPES.fullmatch(scope):
        return RejectedToken("scope is not a list of scopes with blanks between them (RFC 6749 section 3.3)")
    audiences = audience if isinstance(audience, list) else [] if audience is None else [audience]
    if not all(isinstance(each, str) for each in audiences):
        return RejectedToken("aud is neither a text nor a list of texts (RFC 7519 section 4.1.3)")
    fault = _find_type_fault(info) or _find_time_fault(info, now)
    if fault is not None:
        return RejectedToken(fault)
    expires_at = info.get("exp")
    return read_claims(token, info, expires_at if isinstance(expires_at, int | float) else None)


def _find_type_fault(info: JsonObject) -> str | None:
    kind, confirmation = info.get("token_type"), info.get("cnf")
    if not isinstance(kind, str):
        return None
    if kind.lower() not in _ACCESS_TOKEN_TYPES:
        return "the token is not an access token: its token_type is neither Bearer nor DPoP"
    if kind.lower() == "dpop" and not (isinstance(confirmation, Mapping) and "jkt" in confirmation):
        return "token_type is DPoP, but no cnf.jkt says what key the token is bound to"
    return None


def _find_time_fault(info: JsonObject, now: float) -> str | None:
    for name in ("exp", "nbf", "iat"):
        value = info.get(name)
        if value is None:
            continue
        if isinstance(value, bool) or not isinstance(value, int | float):
            return f"{name} is not a number"
        if name == "exp" and not value > now:
            return "the token has expired"
        if name != "exp" and not value <= now + LEEWAY:
            return f"the token is not valid yet: {name} is {value - now:.0f} s ahead of this clock"
    return None


async def _read_error(response: Response, request: Request) -> str:
    """Return the error that answers `request` (RFC 6749 section 5.2), for the log: a short line, no secrets.

    Secrets are the token, and whatever the gateway authenticated itself with.
    """
    try:
        error = strict_json.loads(await response.body.read(_MAX_ANSWER), max_size=_MAX_ANSWER)
    except (strict_json.JsonError, BodyTooLarge, BodyBroken):
        return ""
    parts = [error.get(name) for name in ("error", "error_description")] if isinstance(error, dict) else []
    words = ": ".join(part for part in parts if isinstance(part, str) and part)
    secrets = {
        value
        for name, value in parse_qsl((request.body.buffered or b"").decode("latin-1"))
        if name == "client_secret" or (name == "token" and len(value) >= _MIN_TOKEN)
    }
    for credentials in request.headers.get_all("authorization"):
        value = credentials.partition(" ")[2]
        secrets.add(value)
        with contextlib.suppress(ValueError):
            password = base64.b64decode(value).partition(b":")[2].decode()
            secrets |= {password, unquote_plus(password)}
    written = filter(None, secrets | {quote_plus(each) for each in secrets})
    for secret in sorted(written, key=len, reverse=True):
        words = words.replace(secret, MASK)
    return f", {printable(redact(words), _MAX_WORDS)}" if words else ""
