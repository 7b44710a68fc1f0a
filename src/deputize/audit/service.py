"""Hands records to the sinks that want their topic."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from deputize.audit.records import AuditEvent


class AuditSink(Protocol):
    """Where records of some topics go."""

    @property
    def topics(self) -> frozenset[str]:
        """The topics this sink takes."""
        ...

    def accept(self, event: AuditEvent) -> None:
        """Take one record of one of the topics; never blocks, never raises."""
        ...

    async def close(self) -> None:
        """Write what is left and release files."""
        ...


@dataclass(frozen=True, slots=True)
class AuditService:
    """The sinks of each topic; without sinks it does nothing."""

    sinks: Mapping[str, Sequence[AuditSink]]

    def wants(self, topic: str) -> bool:
        """Whether anybody takes records of that topic: nothing needs to be observed for one that nobody takes."""
        return topic in self.sinks

    def publish(self, event: AuditEvent) -> None:
        """Hand `event` to the sinks of its topic."""
        for sink in self.sinks.get(event.topic, ()):
            sink.accept(event)


def audit_service(sinks: Iterable[AuditSink] = ()) -> AuditService:
    """A service for these sinks."""
    by_topic: dict[str, list[AuditSink]] = {}
    for sink in sinks:
        for topic in sink.topics:
            by_topic.setdefault(topic, []).append(sink)
    return AuditService(by_topic)
