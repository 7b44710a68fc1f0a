"""What is known of a running gateway before anything is built."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

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
