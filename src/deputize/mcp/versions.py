"""Protocol versions and the two eras they fall into (mcp reference, section 1.1)."""

from enum import Enum
from typing import Final

KNOWN: Final = ("2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25", "2026-07-28")
"""Every published version, oldest first."""
MODERN: Final = ("2026-07-28",)
"""Versions whose every request describes itself in `params._meta`, oldest first."""
HANDSHAKE: Final = frozenset(KNOWN) - frozenset(MODERN)
"""Versions agreed on by `initialize`."""
NEWEST_HANDSHAKE: Final = max(HANDSHAKE)
ASSUMED: Final = "2025-03-26"
"""What a request without version header speaks: the last version that did not demand the header."""


class Era(Enum):
    """How a message says which version it speaks."""

    LEGACY = "legacy"
    """Agreed on once by `initialize`, then repeated in a header, possibly within a session."""
    MODERN = "modern"
    """Said in each request's `params._meta` and mirrored in headers."""
