"""Heap types of the gateway, a format of secrets, and a destination of audit records."""

import asyncio
import hashlib
import os
import socket

from pydantic import Field

from deputize.gateway.audit.event_handlers.event_handler import EventHandlerSettings
from deputize.gateway.config.settings import Settings
from deputize.gateway.exchange.contexts import read_claims
from deputize.gateway.exchange.refusals import refuse, refusing
from deputize.gateway.resolvers.resolution import RejectedToken
from deputize.gateway.throttling.rate import RateSettings
from deputize.http.messages import Body, Response
from deputize.secrets.secret import FormatError, GenericSecret


class TeamFilter:
    """Lets only known teams pass, and tells the server who pays for each."""

    class Config(Settings):
        """Who is known."""

        cost_centres: dict[str, str]
        """A team, as `X-Team` names it, to its cost centre."""

    def __init__(self, cost_centres):
        self._cost_centres = cost_centres

    @classmethod
    def build(cls, config, context):
        """Nothing to look up."""
        return cls(config.cost_centres)

    def prepare(self, head, next):
        """Refuse by the head, or pass on a changed one."""
        teams = head.headers.get_all("X-Team")
        cost_centre = self._cost_centres.get(teams[0]) if len(teams) == 1 else None
        if cost_centre is None:
            return refusing(head, 403, "unknown_team", "X-Team does not name exactly one known team")
        headers = head.headers.copy()
        headers.set("X-Cost-Centre", cost_centre)
        return next(head.with_headers(headers))


class BodyLimitFilter:
    """Refuses requests whose body is longer than configured."""

    class Config(Settings):
        """How long is too long."""

        most_bytes: int = Field(65536, ge=0)
        """Bytes that a body may have."""

    def __init__(self, most_bytes):
        self._most_bytes = most_bytes

    @classmethod
    def build(cls, config, context):
        """Nothing to look up."""
        return cls(config.most_bytes)

    def prepare(self, head, next):
        """Pass on, behind a step that has the body read first."""
        return next(head).after(head, check=self._check, body_limit=self._most_bytes)

    def _check(self, exchange):
        """Go on, or refuse (RFC 9110 section 15.5.14)."""
        body = exchange.body.buffered
        if body is None or len(body) > self._most_bytes:
            return refuse(exchange, 413, "body_too_large", f"it has more than {self._most_bytes} bytes")
        return None


class TraceFilter:
    """Demands that calls can be traced, and names the trace in each answer."""

    class Config(Settings):
        """Nothing to configure."""

    @classmethod
    def build(cls, config, context):
        """Nothing to look up."""
        return cls()

    def prepare(self, head, next):
        """Pass on, behind a step that looks at each call and at its answer."""
        read = head.reader("traceparent")  # another one in each call

        def check(exchange):
            if len(read(exchange)) != 1:
                return refuse(exchange, 400, "no_trace", "not exactly one traceparent")
            return None

        def name_trace(exchange, response):
            response.headers.set("X-Trace", read(exchange)[0])
            return response

        return next(head).after(head, check=check, amend_for=lambda _: name_trace)


class QueueFilter:
    """Lets a server answer so many calls at a time; the others wait."""

    class Config(Settings):
        """How many."""

        calls: int = Field(ge=1)
        """Calls at a time."""

    def __init__(self, calls):
        self._places = asyncio.Semaphore(calls)

    @classmethod
    def build(cls, config, context):
        """Nothing to look up."""
        return cls(config.calls)

    async def filter(self, exchange, next):
        """Wait for a place, and keep it until the answer begins."""
        async with self._places:
            return await next(exchange)


class TeapotHandler:
    """Answers every request with 418."""

    class Config(Settings):
        """Nothing to configure."""

    @classmethod
    def build(cls, config, context):
        """Nothing to look up."""
        return cls()

    async def handle(self, exchange):
        """RFC 2324 section 2.3.2."""
        return Response(418, body=Body(b"short and stout"))


class ListedTokensAccessTokenResolver:
    """Knows tokens by their digests: for machines that no authorization server gives any."""

    class Config(Settings):
        """The tokens."""

        tokens: dict[str, dict[str, object]]
        """SHA-256 of a token, in hexadecimal, to its claims."""

    def __init__(self, tokens):
        self._tokens = tokens

    @classmethod
    def build(cls, config, context):
        """Refuse what is no digest."""
        for digest in config.tokens:
            if len(digest) != 64:
                raise context.error(f"tokens/{digest}", "is no SHA-256 in hexadecimal", "try: sha256sum")
        return cls(config.tokens)

    async def resolve(self, token, exchange):
        """Look the token's digest up, which tells nothing about other tokens by its time."""
        claims = self._tokens.get(hashlib.sha256(token.encode()).hexdigest())
        return RejectedToken("it is not listed") if claims is None else read_claims(token, claims, None)


class FixedRatePolicy:
    """The same rate for everybody."""

    class Config(RateSettings):
        """The rate."""

    def __init__(self, rate):
        self._rate = rate

    @classmethod
    def build(cls, config, context):
        """Keep the rate."""
        return cls(config.rate)

    def rate_of(self, exchange):
        """The one rate."""
        return self._rate


class PrefixedEnvSecretStore:
    """Secrets in environment variables `<prefix>_<SECRET_ID>`."""

    class Config(Settings):
        """Where to look."""

        prefix: str
        """What the variables' names begin with."""

    def __init__(self, prefix):
        self._prefix = prefix

    @classmethod
    def build(cls, config, context):
        """Nothing to look up."""
        return cls(config.prefix)

    def find(self, secret_id):
        """The variable's value; `None` where it is not set."""
        value = os.environ.get(self.place(secret_id))
        return None if value is None else GenericSecret(value.encode())

    def place(self, secret_id):
        """The variable's name."""
        return f"{self._prefix}_{secret_id.upper().replace('.', '_')}"


class HexFormat:
    """Secrets written as hexadecimal digits."""

    name = "HEX"

    def decode(self, stored):
        """The bytes meant."""
        try:
            return GenericSecret(bytes.fromhex(stored.decode("ascii")))
        except ValueError as error:
            raise FormatError("is not hexadecimal") from error


HEX = HexFormat()


class UdpSink:
    """Sends each record as one datagram; who needs every record writes files beside."""

    def __init__(self, topics, address):
        self.topics = frozenset(topics)
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        self._address = address

    def taker(self, topic):
        """Send at once; a datagram that cannot be sent is lost."""
        return self._send

    def committer(self, topic):
        """There is no disk."""

    async def close(self):
        """Close the socket."""
        self._socket.close()

    def _send(self, record):
        try:
            self._socket.sendto(record.text.encode(), self._address)
        except OSError:
            return


class UdpAuditEventHandler:
    """Sends records to a log collector."""

    java_class = "com.example.audit.UdpAuditEventHandler"

    class Config(EventHandlerSettings):
        """Where to send."""

        host: str = "127.0.0.1"
        """The collector's address."""
        port: int
        """Its port."""

    @classmethod
    def build(cls, config, context, key, *, strict):
        """Open the socket. Refuses `strict`: nobody knows what becomes of a datagram."""
        if strict:
            raise context.error(
                key, "a datagram cannot be relied on", "add a JsonAuditEventHandler for strict"
            )
        return UdpSink(config.topics, (config.host, config.port))
