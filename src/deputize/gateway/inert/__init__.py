"""Types that files of other gateways declare, and that do nothing here."""

from deputize.gateway.inert.types import (
    DateHeaderFilter,
    NoProxyOptions,
    ScheduledExecutorService,
    TemporaryStorage,
)
from deputize.gateway.loading.context import HeapType

INERT_OBJECTS: tuple[HeapType, ...] = (
    ScheduledExecutorService,
    TemporaryStorage,
    NoProxyOptions,
    DateHeaderFilter,
)
