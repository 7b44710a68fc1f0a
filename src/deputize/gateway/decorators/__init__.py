"""Decorators, in the order a reader wants; each is one file."""

from deputize.gateway.decorators.base_uri import BaseUriDecorator
from deputize.gateway.decorators.capture import CaptureDecorator
from deputize.gateway.decorators.timer import TimerDecorator
from deputize.gateway.decorators.tracing import TracingDecorator
from deputize.gateway.loading.context import HeapType

DECORATORS: tuple[HeapType, ...] = (BaseUriDecorator, CaptureDecorator, TimerDecorator, TracingDecorator)
