"""The doctor's way to the two programs: bounded, without redirects, and careful where secrets go.

Every answer may be anybody's: heads, bodies and times have limits, and what is repeated of it goes through
`findings.safe`.
"""

import asyncio
import ssl
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlencode, urlsplit

from deputize.diagnosis import causes
from deputize.diagnosis.cause import Cause
from deputize.diagnosis.findings import Found, safe
from deputize.http.messages import (
    Body,
    BodyBroken,
    BodyTooLarge,
    Field,
    HeaderError,
    Headers,
    Request,
    Response,
)
from deputize.http.sse import EventReader, is_event_stream
from deputize.http.tls import client_context
from deputize.http.upstream import Deadlines, PoolLimits, Upstream, UpstreamError
from deputize.kernel import strict_json
from deputize.kernel.errors import DeputizeError
from deputize.kernel.uris import Origin, UriError, is_loopback_host, parse_origin, parse_target
from deputize.kernel.values import JsonObject, JsonValue
from deputize.mcp.metadata import WELL_KNOWN

MAX_BODY: Final = 512 * 1024
MAX_HEAD: Final = 24 * 1024
SECONDS: Final = 30.0
"""How long one answer may take in all."""
_DEADLINES: Final = Deadlines(connect=10.0, idle=SECONDS, body=SECONDS, stream=SECONDS)
_LIMITS: Final = PoolLimits(connections=4, streams=2, head_bytes=MAX_HEAD, kept_seconds=1.0)
_EXPIRED: Final = frozenset({9, 10})
"""X509_V_ERR_CERT_NOT_YET_VALID, X509_V_ERR_CERT_HAS_EXPIRED."""
_OTHER_NAME: Final = frozenset({62, 63, 64})
"""X509_V_ERR_HOSTNAME_MISMATCH, …_EMAIL_MISMATCH, …_IP_ADDRESS_MISMATCH."""


class NoAnswer(DeputizeError):
    """An answer began and did not end as it should, or did not come in time."""


@dataclass(frozen=True, slots=True)
class ReadAnswer:
    """An answer, read."""

    status: int
    headers: Headers
    content: bytes

    @property
    def members(self) -> JsonObject:
        """The JSON object that it holds; empty where it holds none."""
        return _object(self.content)

    @property
    def message(self) -> JsonObject:
        """The JSON-RPC message that it holds: the whole body, or the last event of a stream."""
        if not is_event_stream(self.headers):
            return self.members
        events = EventReader(MAX_BODY).feed(self.content)
        read = (_object(each.data) for each in reversed(events))
        return next(filter(None, read), _object(b""))

    @property
    def error(self) -> str:
        """The code of an OAuth error (RFC 6749 section 5.2), or empty."""
        code = self.members.get("error")
        return code if isinstance(code, str) else ""

    def tell(self) -> str:
        """Say the status, and its own words for an error."""
        words = [self.members.get(name) for name in ("error", "error_description")]
        said = ": ".join(each for each in words if isinstance(each, str))
        return safe(f"{self.status} {said}".strip())


def _object(content: bytes) -> JsonObject:
    try:
        value: JsonValue = strict_json.loads(content, max_size=MAX_BODY)
    except strict_json.JsonError:
        return {}
    return value if isinstance(value, dict) else {}


class Web:
    """Sends requests, each to the place that its URL says, and nowhere else."""

    def __init__(self, ca_pem: bytes | None, gateway_url: str) -> None:
        """Trust the certificate authorities in `ca_pem` beside the system's.

        The MCP server is at `gateway_url`, and what else is asked is the authority, perhaps on the same host.

        Raises `http.tls.TlsError`.
        """
        self._gateway_url = gateway_url
        context = client_context(ca_pem)
        if ca_pem is not None:
            context.load_default_certs()
        self._upstream = Upstream(limits=_LIMITS, deadlines=_DEADLINES, ssl_context=context)

    async def get(self, url: str, fields: Sequence[Field] = ()) -> ReadAnswer:
        """Read what stands at `url`. Raises as `ask` does."""
        return await self.ask("GET", url, fields)

    async def post(self, url: str, form: Mapping[str, str], fields: Sequence[Field] = ()) -> ReadAnswer:
        """Send a form. Raises as `ask` does."""
        kind = (b"Content-Type", b"application/x-www-form-urlencoded")
        return await self.ask("POST", url, (*fields, kind), urlencode(form).encode())

    async def ask(self, method: str, url: str, fields: Sequence[Field] = (), body: bytes = b"") -> ReadAnswer:
        """Send a request and read the answer.

        Raises `Found` where nobody answers there, `NoAnswer` where the answer breaks off, is too large, or
        takes longer than `SECONDS`.
        """
        try:
            async with asyncio.timeout(SECONDS), self.opened(method, url, fields, body) as response:
                return ReadAnswer(response.status, response.headers, await response.body.read(MAX_BODY))
        except (BodyTooLarge, BodyBroken) as error:
            raise NoAnswer(f"the answer of {place_of(url)} cannot be read: {error}") from error
        except TimeoutError as error:
            raise NoAnswer(f"{place_of(url)} gave no whole answer within {SECONDS:.0f} seconds") from error

    @asynccontextmanager
    async def opened(
        self, method: str, url: str, fields: Sequence[Field] = (), body: bytes = b""
    ) -> AsyncGenerator[Response]:
        """Send a request and yield the answer once its head has come. Raises as `ask` does, but in time."""
        try:
            origin = parse_origin(url)
            parts = urlsplit(url)
            path = (parts.path or "/").encode("ascii") + (
                f"?{parts.query}".encode("ascii") if parts.query else b""
            )
            headers = Headers([*fields, (b"Accept-Language", b"en"), (b"User-Agent", b"deputize-doctor")])
            if body or method == "POST":
                headers.add("Content-Length", str(len(body)))
            request = Request(method, parse_target(path), headers, Body(body), origin)
            response = await self._upstream.send(request)
        except (UriError, HeaderError, UnicodeEncodeError) as error:
            raise NoAnswer(f"{place_of(url)} cannot be asked: {error}") from error
        except UpstreamError as error:
            is_gateway = url == self._gateway_url or urlsplit(url).path.startswith(WELL_KNOWN)
            nobody = causes.GATEWAY_UNREACHABLE if is_gateway else causes.AUTHORITY_UNREACHABLE
            raise _name_failure(url, error, nobody) from error
        try:
            yield response
        finally:
            await response.body.aclose()

    async def aclose(self) -> None:
        """Close every connection."""
        await self._upstream.aclose()


def _name_failure(url: str, error: UpstreamError, nobody: Cause) -> Found:
    """Name why no answer came: TLS, or `nobody` there."""
    where, reason = place_of(url), str(error)
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            found = (
                causes.CERTIFICATE_EXPIRED
                if cause.verify_code in _EXPIRED
                else causes.CERTIFICATE_OF_ANOTHER_NAME
                if cause.verify_code in _OTHER_NAME
                else causes.CERTIFICATE_UNKNOWN
            )
            return Found(found, (reason,), url=where, reason=cause.verify_message)
        if isinstance(cause, ssl.SSLError):
            return Found(causes.TLS_EXPECTED, (reason,), url=where, reason=cause.reason or reason)
        cause = cause.__cause__
    return Found(nobody, (reason,), url=where, reason=reason)


def place_of(url: str) -> str:
    """Return the URL without its query, which may hold what is not to be shown."""
    return safe(url.partition("?")[0])


def keeps_secrets(origin: Origin) -> bool:
    """Whether secrets may travel to `origin`: encrypted, or not leaving this machine."""
    return origin.scheme == "https" or is_loopback_host(origin.host)
