"""Reads JSON that somebody else wrote, where anything may be of any type."""

import json
from typing import Any, cast


def json_object(text: bytes | str) -> dict[str, Any] | None:
    """Return the object; None when the text is not JSON, or not an object."""
    try:
        value: object = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return cast("dict[str, Any]", value) if isinstance(value, dict) else None


def json_members(value: object) -> dict[str, Any]:
    """Return the members of a JSON object; none when it is no object."""
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def strings(value: object) -> tuple[str, ...]:
    """Return the strings of a list; none when it is no list."""
    return (
        tuple(entry for entry in cast("list[object]", value) if isinstance(entry, str))
        if isinstance(value, list)
        else ()
    )
