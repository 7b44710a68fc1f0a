"""What everything in a gateway may know about where it runs."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from deputize.audit.publisher import AuditPublisher
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
    audit_services: list[AuditPublisher] = field(default_factory=list[AuditPublisher])
    """Those that are open, the oldest first."""
