"""What ends with a change that is confirmed first, in the words of a section."""

from collections.abc import Mapping

from deputize.authority.administration import ObjectKind, ObjectView
from deputize.authority.console.call import ConsoleCall


def say_what_ends(call: ConsoleCall, ends: Mapping[str, int], *names: str) -> list[str]:
    """Return the section's texts `ends_NAME`, each with how many of it end."""
    return [call.t(f"{call.section}.ends_{name}", count=ends.get(name, 0)) for name in names]


async def ends_by_disabling(call: ConsoleCall, kind: ObjectKind, view: ObjectView, *names: str) -> list[str]:
    """Say what ends when an object is disabled. Raises what refuses that."""
    changed = await call.change(kind, {"enabled": False}, object_id=view.id, dry_run=True)
    return say_what_ends(call, changed.ends, *names)


def is_disabling(call: ConsoleCall, view: ObjectView) -> bool:
    """Whether the form that was sent disables what is enabled, which is asked about on a page of its own."""
    return view.entry.get("enabled", True) is not False and "enabled" not in call.typed
