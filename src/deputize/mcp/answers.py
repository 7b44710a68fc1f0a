"""Observe whether a server's answer reports an error: nothing is held up and little is kept."""

import re
from collections.abc import Mapping
from typing import Final, Protocol

from deputize.audit.records import cut
from deputize.http.messages import Headers
from deputize.http.sse import EventReader, is_event_stream
from deputize.kernel import strict_json
from deputize.kernel.strict_json import JsonError
from deputize.kernel.values import JsonValue

MAX_KEPT: Final = 64 * 1024
"""Bytes of one message that are looked at; larger ones pass unobserved."""
_OF_INTEREST: Final = re.compile(rb'"(?:error|serverInfo)"')


class AnswerObserver:
    """Looks for the first JSON-RPC error code, and for who the server says it is."""

    __slots__ = ("error_code", "server_info")

    def __init__(self) -> None:
        """Nothing seen yet."""
        self.error_code: int | None = None
        self.server_info: str | None = None

    @property
    def has_seen(self) -> bool:
        """Whether there was something."""
        return self.error_code is not None or self.server_info is not None

    def message(self, data: bytes) -> None:
        """Look at one message; what cannot be of interest is not parsed."""
        if len(data) > MAX_KEPT or not is_of_interest(data):
            return
        try:
            document = strict_json.loads(data)
        except JsonError:
            return
        if not isinstance(document, Mapping):
            return
        error, result = document.get("error"), document.get("result")
        if isinstance(error, Mapping) and self.error_code is None:
            code = error.get("code")
            # `true` is an `int` for Python, not for JSON.
            self.error_code = code if type(code) is int else None
        if isinstance(result, Mapping) and "serverInfo" in result:
            self.server_info = implementation(result["serverInfo"])


def is_of_interest(data: bytes) -> bool:
    """Whether `data` may hold what an observer looks for: a glance that spares most answers the parser."""
    return _OF_INTEREST.search(data) is not None


def implementation(info: JsonValue) -> str | None:
    """`name version` of a `clientInfo` or `serverInfo`; self-reported, so it proves nothing."""
    if not isinstance(info, Mapping):
        return None
    parts = [part for part in (info.get("name"), info.get("version")) if isinstance(part, str)]
    return cut(" ".join(parts)) or None


class Collector(Protocol):
    """Is shown a body in chunks."""

    def feed(self, chunk: bytes) -> None:
        """The next bytes."""
        ...

    def end(self) -> None:
        """There are no more."""
        ...


def collector_for(headers: Headers, observer: AnswerObserver) -> Collector:
    """What shows `observer` the messages of a body with these headers."""
    return EventCollector(observer) if is_event_stream(headers) else MessageCollector(observer)


class EventCollector:
    """Shows each message of an event stream as it passes."""

    __slots__ = ("_observer", "_reader")

    def __init__(self, observer: AnswerObserver) -> None:
        """`observer` is shown the data of every event."""
        self._observer = observer
        self._reader = EventReader(MAX_KEPT)

    def feed(self, chunk: bytes) -> None:
        """Show every event that is complete; pieces without anything of interest are not taken apart."""
        if not is_of_interest(chunk) and self._reader.pass_over(chunk):
            return
        for event in self._reader.feed(chunk):
            self._observer.message(event.data)

    def end(self) -> None:
        """Show nothing: an event that was cut off is none."""


class MessageCollector:
    """Gathers a JSON body that arrives in chunks, up to the size that is looked at."""

    __slots__ = ("_kept", "_observer")

    def __init__(self, observer: AnswerObserver) -> None:
        """`observer` is shown the whole body at its end."""
        self._observer = observer
        self._kept: bytearray | None = bytearray()

    def feed(self, chunk: bytes) -> None:
        """Keep the chunk, unless there is too much to look at."""
        if self._kept is not None:
            self._kept += chunk
            if len(self._kept) > MAX_KEPT:
                self._kept = None

    def end(self) -> None:
        """Show what was kept."""
        if self._kept:
            self._observer.message(bytes(self._kept))
        self._kept = None
