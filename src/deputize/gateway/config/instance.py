"""What is known of a running gateway before anything is built, and configuration expressions see of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from deputize.kernel.clock import Clock


@dataclass(frozen=True, slots=True)
class Instance:
    """The running gateway."""

    directory: Path
    """The instance directory."""
    clock: Clock
    streaming: bool
    """Whether bodies pass as they arrive."""
    environment: Mapping[str, str]
    """The environment variables."""

    @property
    def openig(self) -> Mapping[str, str]:
        """What expressions read as `openig`: the gateway's directories."""
        return {
            "configDirectory": str(self.directory / "config"),
            "instanceDirectory": str(self.directory),
            "temporaryDirectory": str(self.directory / "tmp"),
        }


def load_bindings(instance: Instance, properties: Mapping[str, object]) -> Mapping[str, object]:
    """Return what configuration expressions see when they are evaluated at load: no request."""
    system: Mapping[str, object] = {}
    return {
        **properties,
        "env": instance.environment,
        "system": system,
        "heap": properties,
        "openig": instance.openig,
    }
