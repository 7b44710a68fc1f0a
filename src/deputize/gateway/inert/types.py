"""Objects without effect: what they configure elsewhere is done by the gateway itself."""

from typing import Any, Self

from deputize.gateway.config.settings import Settings
from deputize.gateway.loading.context import BuildContext
from deputize.http.exchange import Head
from deputize.http.plans import Plan, Prepare


class ScheduledExecutorService:
    """Accepted, without effect: one event loop does all work."""

    class Config(Settings):
        """Nothing of it is used."""

        core_pool_size: Any = None
        """Accepted, without effect."""
        graceful_stop: Any = None
        """Accepted, without effect; `gracePeriod` of a connector says how long calls may take to end."""
        grace_period: Any = None
        """Accepted, without effect."""

    @classmethod
    def build(cls, config: Config, context: BuildContext) -> Self:
        """Nothing to build."""
        return cls()


class TemporaryStorage:
    """Accepted, without effect: bodies stream, and are never written to a disk."""

    class Config(Settings):
        """Nothing of it is used."""

        initial_length: Any = None
        """Accepted, without effect."""
        memory_limit: Any = None
        """Accepted, without effect."""
        file_limit: Any = None
        """Accepted, without effect; `maxBodyLength` of `admin.json` bounds bodies where nothing streams."""
        directory: Any = None
        """Accepted, without effect."""

    @classmethod
    def build(cls, config: Config, context: BuildContext) -> Self:
        """Nothing to build."""
        return cls()


class NoProxyOptions:
    """Accepted, without effect: requests never go through a proxy."""

    class Config(Settings):
        """Nothing to configure."""

    @classmethod
    def build(cls, config: Config, context: BuildContext) -> Self:
        """Nothing to build."""
        return cls()


class DateHeaderFilter:
    """Accepted, without effect: every answer has a `Date` (RFC 9110 section 6.6.1)."""

    class Config(Settings):
        """Nothing to configure."""

    @classmethod
    def build(cls, config: Config, context: BuildContext) -> Self:
        """Nothing to build."""
        return cls()

    def prepare(self, head: Head, next: Prepare) -> Plan:
        """Pass on."""
        return next(head)
