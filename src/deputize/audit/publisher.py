"""Hands records to the sinks that want their topic."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import ClassVar, Protocol

from deputize.audit.records import Record
from deputize.audit.trail import NotKept

Publish = Callable[[Record], None]
Commit = Callable[[Record], Awaitable[None]]


class AuditSink(Protocol):
    """A destination of the records of some topics."""

    @property
    def topics(self) -> frozenset[str]:
        """The topics this sink takes."""
        ...

    def taker(self, topic: str) -> Publish:
        """Return what takes a record of `topic` and writes it at the end of this turn of the event loop.

        It never raises.
        """
        ...

    def committer(self, topic: str) -> Commit | None:
        """Return what brings a record of `topic` onto the disk before it returns; `None` where there is no
        disk.

        It raises `OSError` and `NotKept`.
        """
        ...

    async def close(self) -> None:
        """Write what is left and release files."""
        ...


@dataclass(frozen=True, slots=True)
class AuditPublisher:
    """The open sinks of an audit service. With `strict`, nothing may happen unrecorded."""

    configuration_name: ClassVar[str] = "AuditService"
    """The name in configuration files."""
    sinks: tuple[AuditSink, ...]
    strict: bool = False

    def publisher(self, topic: str) -> Publish | None:
        """Return what hands a record of `topic` to its sinks; `None` when none takes them.

        With `None` nothing needs to be observed.
        """
        takers = [sink.taker(topic) for sink in self.sinks if topic in sink.topics]

        def publish(record: Record) -> None:
            for take in takers:
                take(record)

        return publish if len(takers) > 1 else next(iter(takers), None)

    def committer(self, topic: str) -> Commit | None:
        """Return what brings a record of `topic` onto the disk before it returns; `None` unless strict.

        It raises `OSError` and `NotKept`.
        """
        if not self.strict:
            return None
        takers = [sink for sink in self.sinks if topic in sink.topics]
        lasting = [commit for sink in takers if (commit := sink.committer(topic)) is not None]
        passing = [sink.taker(topic) for sink in takers if sink.committer(topic) is None]

        async def commit_to_all(record: Record) -> None:
            kept = False
            for commit in lasting:
                try:
                    await commit(record)
                except NotKept as error:
                    # A sink that has the record already keeps it, so it no longer counts as `NotKept`.
                    raise (OSError(*error.args) if kept else error) from error
                kept = True
            for take in passing:
                take(record)

        return commit_to_all if lasting else None
