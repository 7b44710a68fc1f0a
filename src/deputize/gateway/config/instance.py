"""What everything in a gateway may know about where it runs."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from deputize.audit.service import AuditService
from deputize.audit.trail import Trail
from deputize.kernel.clock import Clock


@dataclass(frozen=True, slots=True)
class Instance:
    """The running gateway.

    Its instance directory, clock, whether bodies stream, and its environment variables.
    """

    directory: Path
    clock: Clock
    streaming: bool
    environment: Mapping[str, str]
    trail: Trail = field(default_factory=Trail)
    """What all audit destinations have in common."""
    audit_services: list[AuditService] = field(default_factory=list[AuditService])
    """Those that are open, the oldest first."""


@dataclass(frozen=True, slots=True)
class RouteIdentity:
    """How a route is known: `id` in the routes API, `name` in order, logs, metrics and audit."""

    id: str
    name: str
