"""Changing a part of something: JSON merge patches (RFC 7396) over entries."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from deputize.authority.administration import Changed, EtagMismatch, ObjectView
from deputize.authority.storage import DirectoryConflict
from deputize.kernel.values import JsonObject, JsonValue

ATTEMPTS: Final = 4
"""How often a patch is merged anew into what others were faster to change."""


async def merge(
    patch: JsonObject,
    expected: str | None,
    find: Callable[[], Awaitable[ObjectView | None]],
    change: Callable[[JsonObject, str | None], Awaitable[Changed]],
) -> Changed:
    """Make the change that `patch` asks for.

    A member's default takes the place of null. What is merged into a member that is an object is merged into
    one state of it, so that only this one is changed; where that became another meanwhile and `expected`, the
    etag that the caller knows, does not say so, it is merged anew.

    Raises `DirectoryConflict` where others are always faster, and whatever `find` and `change` raise.
    """
    if not any(isinstance(value, Mapping) for value in patch.values()):
        return await change(patch, expected)
    for _ in range(ATTEMPTS):
        view = await find()
        merged = merge_members(view.entry if view else {}, patch)
        try:
            return await change(merged, expected or (view.etag if view else None))
        except EtagMismatch:
            if expected is not None:
                raise
    raise DirectoryConflict("others change it all the time; try again")


def merge_members(before: JsonObject, patch: JsonObject) -> JsonObject:
    """Return the patch with its objects merged into those that they are for; null stays null at its top."""
    return {
        name: value if value is None else merge_patch(before.get(name), value)
        for name, value in patch.items()
    }


def merge_patch(target: JsonValue, patch: JsonValue) -> JsonValue:
    """Return what RFC 7396 section 2 calls MergePatch(Target, Patch)."""
    if not isinstance(patch, Mapping):
        return patch
    merged: dict[str, JsonValue] = dict(target) if isinstance(target, Mapping) else {}
    for name, value in patch.items():
        if value is None:
            merged.pop(name, None)
        else:
            merged[name] = merge_patch(merged.get(name), value)
    return merged
