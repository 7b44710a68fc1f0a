"""Protocol versions and the two eras they fall into (mcp reference, section 1.1)."""

from enum import Enum
from typing import Final

from mcp_types.version import (
    HANDSHAKE_PROTOCOL_VERSIONS,
    KNOWN_PROTOCOL_VERSIONS,
    LATEST_HANDSHAKE_VERSION,
    MODERN_PROTOCOL_VERSIONS,
)

HANDSHAKE: Final = frozenset(HANDSHAKE_PROTOCOL_VERSIONS)
"""Versions agreed on by `initialize`."""
MODERN: Final = MODERN_PROTOCOL_VERSIONS
"""Versions whose every request describes itself in `params._meta`, oldest first."""
KNOWN: Final = KNOWN_PROTOCOL_VERSIONS
"""Every published version, oldest first."""
NEWEST_HANDSHAKE: Final = LATEST_HANDSHAKE_VERSION
ASSUMED: Final = "2025-03-26"
"""What a request without version header speaks: the last version that did not demand the header."""


class Era(Enum):
    """How a message says which version it speaks."""

    LEGACY = "legacy"
    """Agreed on once by `initialize`, then repeated in a header, possibly within a session."""
    MODERN = "modern"
    """Said in each request's `params._meta` and mirrored in headers."""
