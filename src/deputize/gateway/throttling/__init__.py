"""Throttling policies: `ThrottlingFilter` asks one for a rate (gateway-config reference 4.9)."""

from deputize.gateway.loading.context import HeapType
from deputize.gateway.throttling.default_rate import DefaultRateThrottlingPolicy
from deputize.gateway.throttling.mapped import MappedThrottlingPolicy

THROTTLING_POLICIES: tuple[HeapType, ...] = (MappedThrottlingPolicy, DefaultRateThrottlingPolicy)
