"""Hands records to the sinks that want their topic."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from deputize.audit.records import AuditEvent

Publish = Callable[[AuditEvent], None]


class AuditSink(Protocol):
    """Where records of some topics go."""

    @property
    def topics(self) -> frozenset[str]:
        """The topics this sink takes."""
        ...

    def taker(self, topic: str) -> Publish:
        """What takes one record of `topic`; it never blocks and never raises."""
        ...

    async def close(self) -> None:
        """Write what is left and release files."""
        ...


@dataclass(frozen=True, slots=True)
class AuditService:
    """The sinks; without any it does nothing."""

    sinks: tuple[AuditSink, ...]

    def publisher(self, topic: str) -> Publish | None:
        """What hands a record of `topic` to its sinks; `None` when nobody takes them, so that nothing needs to be observed."""
        takers = [sink.taker(topic) for sink in self.sinks if topic in sink.topics]
        return partial(_publish, takers) if len(takers) > 1 else next(iter(takers), None)


def _publish(takers: Iterable[Publish], event: AuditEvent) -> None:
    for take in takers:
        take(event)
