"""Secret stores, providers and formats as heap objects."""

from deputize.gateway.site import HeapType

SECRET_OBJECTS: tuple[HeapType, ...] = ()
