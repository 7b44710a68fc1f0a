"""The secrets of resources and agents: when they came, a new one with overlap, an end to earlier ones."""

from typing import Final, Literal

from starlette.responses import Response

from deputize.authority.administration import ObjectView
from deputize.authority.console.call import ConsoleCall

OVERLAPS: Final = ("0", "3600", "86400", "604800")
"""Seconds that a secret so far can go on working beside a new one."""


def overlaps(call: ConsoleCall) -> list[tuple[str, str]]:
    """Return how long a secret can go on working beside a new one, with words."""
    return [(seconds, call.t(f"secrets.overlap_{seconds}")) for seconds in OVERLAPS]


async def change_secrets(
    call: ConsoleCall, kind: Literal["resource", "agent"], view: ObjectView
) -> str | Response:
    """Draw a new secret, and return it; or end those before it, and go back to where this is shown."""
    where = (call.operator, call.environment.id, kind, view.id)
    if "end" in call.typed:
        await call.administration.end_previous_secrets(*where)
        return await call.leave(call.section, view.id, "secrets", flash="secrets.ended")
    overlap = next(iter(call.typed.get("overlap", ())), "0")
    keep = float(overlap) if overlap in OVERLAPS else 0.0
    changed = await call.administration.new_secret(*where, keep_previous=keep)
    return changed.secrets[0].text
