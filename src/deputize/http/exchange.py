"""One request, everything learned about it on the way, and the protocols of its handlers and filters."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol, TypeAlias, TypeVar, runtime_checkable

from deputize.http.messages import Request, Response

Context = TypeVar("Context")


class Peer(NamedTuple):
    """The two ends of the connection on which the request came in."""

    remote_address: str
    remote_port: int
    local_address: str
    local_port: int
    secure: bool = False


@dataclass(slots=True)
class Exchange:
    """A request being handled. Filters leave what they learned as contexts, found again by their class."""

    request: Request
    peer: Peer
    transaction_id: str
    started: float
    """When the request line was complete, in monotonic seconds."""
    contexts: dict[type[object], Any] = field(default_factory=lambda: {})  # noqa: PIE807 - `dict` has no types, and `dict[…]()` takes ten times as long
    comment_seconds: float | None = None
    """Seconds of silence after which an event stream gets a comment line, which shows that it lives."""
    endings: list[Callable[["Ending"], None]] = field(default_factory=lambda: [])  # noqa: PIE807 - the same
    """Called when the answer is complete, before its last bytes are sent, or when the exchange has broken
    off.
    """

    def put(self, context: object) -> None:
        """Keep `context` for filters further in, and for those further out on the way back."""
        self.contexts[type(context)] = context

    def find(self, kind: type[Context]) -> Context | None:
        """Return the context of that class, or `None`."""
        return self.contexts.get(kind)


class Ending(NamedTuple):
    """How an exchange ended. The last bytes of a complete answer have not left yet."""

    response: Response | None
    """The response as answered; `None` if there was none."""
    body_bytes: int
    complete: bool
    """Whether the client gets all of the answer."""
    finished: float
    """The end of the exchange in monotonic seconds."""


Next: TypeAlias = Callable[[Exchange], Awaitable[Response]]


@runtime_checkable
class Handler(Protocol):
    """Answers an exchange; the end of a chain."""

    def handle(self, exchange: Exchange) -> Awaitable[Response]:
        """Answer the exchange.

        Usually `async def`; a plain function may return the awaitable of another handler.
        """
        ...


@runtime_checkable
class Filter(Protocol):
    """Changes an exchange on its way in, its response on the way out, or answers itself."""

    def filter(self, exchange: Exchange, next: Next) -> Awaitable[Response]:
        """Answer the exchange, usually with what `next` answers.

        Either `async def`, or a plain function that returns `next(exchange)`.
        """
        ...
