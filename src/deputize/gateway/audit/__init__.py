"""The audit service as a heap object, and the destinations its records can go to."""

from deputize.gateway.audit.service import AuditService
from deputize.gateway.loading.context import HeapType

AUDIT_OBJECTS: tuple[HeapType, ...] = (AuditService,)
