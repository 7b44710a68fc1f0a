"""How many examples a property test draws: a tenth in the fast suite, where each change is tried.

`make test-all` draws all of them; a search draws more, and new ones each time.
"""

import os
from typing import Final

SHARES: Final = {"short": 0.1, "full": 1.0, "search": 5.0}
PROFILE: Final = os.environ.get("HYPOTHESIS_PROFILE", "short")


def examples(count: int) -> int:
    """Return the share of `count` that this run draws."""
    return max(2, round(count * SHARES[PROFILE]))
