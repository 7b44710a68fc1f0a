"""The audit service as a heap object."""

from deputize.gateway.site import HeapType

AUDIT_OBJECTS: tuple[HeapType, ...] = ()
