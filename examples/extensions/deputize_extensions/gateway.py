"""Heap types of the gateway, a format of secrets, and a destination of audit records."""

import hashlib
import os
import socket

from pydantic import Field

from deputize.gateway.audit.event_handlers.event_handler import EventHandlerSettings
from deputize.gateway.config.settings import Settings
from deputize.gateway.exchange.contexts import read_claims
from deputize.gateway.exchange.refusals import refuse
from deputize.gateway.resolvers.resolution import RejectedToken
from deputize.gateway.throttling.rate import RateSettings
from deputize.http.messages import Body, BodyTooLarge, Response
from deputize.secrets.secret import FormatError, GenericSecret


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

    async def filter(self, exchange, next):
        """Pass on, or refuse (RFC 9110 section 15.5.14)."""
        try:
            await exchange.request.body.read(self._most_bytes)
        except BodyTooLarge as error:
            return refuse(exchange, 413, "body_too_large", str(error))
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

    def _send(self, event):
        try:
            self._socket.sendto(event.json().encode(), self._address)
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
