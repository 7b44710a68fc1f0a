"""One request, everything learned about it on the way, and how it ended."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple, TypeVar

from deputize.http.messages import Body, Field, Headers, Request, Response, field_name
from deputize.kernel.uris import Origin, Target

Context = TypeVar("Context")
NO_CONTEXTS: Final[Mapping[type[object], Any]] = {}


class Peer(NamedTuple):
    """The two ends of the connection on which the request came in."""

    remote_address: str
    remote_port: int
    local_address: str
    local_port: int
    secure: bool = False
    certificate: str | None = None
    """SHA-256 of the certificate that the remote end showed and proved, base64url: `x5t#S256` (RFC 8705
    section 3.1). `None` without one.
    """


class Readings:
    """Whether a preparation has read what another call with the same head may have otherwise."""

    __slots__ = ("are_over", "of_call")

    def __init__(self) -> None:
        """Nothing has been read."""
        self.of_call = False
        self.are_over = False
        """Set when the plan is remembered: what a step reads from then on would be another call's."""


class Varying(bytes):
    """A field's value that is not part of what plans are remembered by.

    It is passed on without being looked at. Reading it as text makes what is being prepared one of this call
    only.
    """

    at: int
    """Where the value stands in `Exchange.values`, of every call with this head."""
    readings: Readings

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        """Return the text. Raises `RuntimeError` in a step, which uses `Head.reader`."""
        if self.readings.are_over:
            raise RuntimeError("a step reads a varying field of its head: read it with `Head.reader`")
        self.readings.of_call = True
        return super().decode(encoding, errors)


class Head:
    """A request without its body, as it stands at one place of a chain.

    It is not changed: `with_` makes another.
    """

    __slots__ = (
        "contexts",
        "exchange",
        "headers",
        "method",
        "origin",
        "peer",
        "readings",
        "repeatable",
        "target",
        "version",
    )

    def __init__(  # noqa: PLR0913, PLR0917 - as many as it has
        self,
        method: str,
        target: Target,
        headers: Headers,
        origin: Origin | None,
        version: str,
        peer: Peer,
        contexts: Mapping[type[object], Any] = NO_CONTEXTS,
        readings: Readings | None = None,
        exchange: "Exchange | None" = None,
    ) -> None:
        """`exchange` is the call that is prepared for, where what is being prepared is for it alone."""
        self.method = method
        self.target = target
        self.headers = headers
        self.origin = origin
        self.version = version
        self.peer = peer
        self.contexts = contexts
        self.readings = readings or Readings()
        self.exchange = exchange
        self.repeatable = False
        """Whether its sender knows that it may be sent twice, whatever its method."""

    @classmethod
    def of(cls, request: Request, peer: Peer, readings: Readings | None = None) -> "Head":
        """Return the head of `request`, which came from `peer`."""
        head = cls(
            request.method,
            request.target,
            request.headers,
            request.origin,
            request.version,
            peer,
            readings=readings,
        )
        head.repeatable = request.repeatable
        return head

    def _copy(self) -> "Head":
        copy = Head(
            self.method,
            self.target,
            self.headers,
            self.origin,
            self.version,
            self.peer,
            self.contexts,
            self.readings,
            self.exchange,
        )
        copy.repeatable = self.repeatable
        return copy

    def with_method(self, method: str) -> "Head":
        """Return this head with another method."""
        changed = self._copy()
        changed.method = method
        changed.repeatable = False
        return changed

    def with_target(self, target: Target) -> "Head":
        """Return this head with another target."""
        changed = self._copy()
        changed.target = target
        return changed

    def with_origin(self, origin: Origin | None) -> "Head":
        """Return this head with another destination."""
        changed = self._copy()
        changed.origin = origin
        return changed

    def with_headers(self, headers: Headers) -> "Head":
        """Return this head with other fields."""
        changed = self._copy()
        changed.headers = headers
        return changed

    def with_context(self, context: object) -> "Head":
        """Return this head with `context` left for those further in."""
        changed = self._copy()
        changed.contexts = {**self.contexts, type(context): context}
        return changed

    def at(self, exchange: "Exchange") -> "Head":
        """Return this head for one call, with what its steps so far have left."""
        changed = self._copy()
        changed.contexts = {**self.contexts, **exchange.contexts}
        changed.readings = Readings()
        changed.peer = exchange.peer  # whose port may be another
        if exchange.values:
            changed.headers = Headers(self._fields_of(exchange))
        changed.exchange = exchange
        return changed

    def for_all(self) -> "Head":
        """Return this head for every call: steps that come before may not have run."""
        if self.exchange is None:
            return self
        changed = self._copy()
        changed.exchange = None
        return changed

    def find(self, kind: type[Context]) -> Context | None:
        """Return the context of that class, or `None`."""
        return self.contexts.get(kind)

    def reader(self, name: str) -> Callable[["Exchange"], list[str]]:
        """Return what reads every value of a field, for steps: it may be another one in each call."""
        wanted = field_name(name)
        found = [value for key, value in self.headers.raw if key.lower() == wanted]

        def read(exchange: Exchange) -> list[str]:
            values = exchange.values
            return [
                (values[value.at] if type(value) is Varying else value).decode("latin-1") for value in found
            ]

        return read

    def _fields_of(self, exchange: "Exchange") -> list[Field]:
        values = exchange.values
        return [
            (name, values[value.at] if type(value) is Varying else value) for name, value in self.headers.raw
        ]

    def request(self, exchange: "Exchange") -> Request:
        """Return the request of one call at this place, to be changed by whoever asks."""
        headers, length = Headers(self._fields_of(exchange)), exchange.body.length
        if length is not None and "content-length" in headers:
            headers.set("Content-Length", str(length))  # a step may have put another body in its place
        return Request(
            self.method, self.target, headers, exchange.body, self.origin, self.version, self.repeatable
        )


class Exchange:
    """A request being handled, with what is learned on the way: contexts, found again by their class."""

    __slots__ = (
        "_request",
        "arrived",
        "body",
        "comment_seconds",
        "commits",
        "endings",
        "left",
        "outlives_client",
        "peer",
        "reached",
        "received",
        "started",
        "transaction_id",
        "values",
        "went_up",
    )

    def __init__(
        self,
        request: Request | Head,
        peer: Peer,
        transaction_id: str,
        started: float,
        arrived: float,
        body: Body | None = None,
        *,
        values: Sequence[bytes] = (),
    ) -> None:
        """`started` and `arrived`: when the request was complete, or its head was.

        The one in monotonic seconds, the other in seconds since the epoch. `values` are those of the head's
        `Varying` fields.
        """
        if isinstance(request, Head):
            self._request: Request | None = None
            self.received = self.reached = request
            """`reached`: the head as the plan left it, as far as the call has got."""
            self.body = body or Body()
        else:
            self._request = request
            self.received = self.reached = Head.of(request, peer)
            self.body = request.body
        self.peer = peer
        self.transaction_id = transaction_id
        self.started = started
        self.arrived = arrived
        self.values = values
        self.left: dict[object, Any] = {}
        """What steps have left at this call: contexts by class, the rest by keys of their own."""
        self.comment_seconds: float | None = None
        """Seconds of silence after which an event stream gets a comment line, which shows that it lives."""
        self.endings: list[Callable[[Exchange, Ending], None]] = []
        """Called when the answer is complete, before its last bytes are sent, or when it has broken off."""
        self.went_up = False
        """Whether the call was sent to an upstream."""
        self.outlives_client = False
        """Whether a handler that has begun goes on when the client leaves: what it does is to be recorded."""
        self.commits: tuple[Callable[[], Any], ...] = ()
        """Each brings a record of the decision onto the disk before the call goes up, or raises `OSError`."""

    @property
    def request(self) -> Request:
        """The request as whoever decides about each call gets it, to be changed on its way in.

        For steps it is the request as received: they read the head they were prepared from.
        """
        request = self._request
        if request is None:
            request = self._request = self.received.request(self)
        return request

    @request.setter
    def request(self, request: Request) -> None:
        self._request = request
        self.body = request.body

    def put(self, context: object) -> None:
        """Keep `context` for those further in, and for those further out on the way back."""
        self.left[type(context)] = context

    def find(self, kind: type[Context]) -> Context | None:
        """Return the context of that class, or `None`."""
        found = self.left.get(kind)
        return self.reached.contexts.get(kind) if found is None else found

    @property
    def contexts(self) -> Mapping[type[object], Any]:
        """All contexts."""
        left = {kind: each for kind, each in self.left.items() if isinstance(kind, type)}
        return {**self.reached.contexts, **left}


class Ending(NamedTuple):
    """How an exchange ended. The last bytes of a complete answer have not left yet."""

    response: Response | None
    """The response as answered, of a stream without its fields; `None` if there was none."""
    body_bytes: int
    complete: bool
    """Whether the client gets all of the answer."""
    finished: float
    """The end of the exchange in monotonic seconds."""
