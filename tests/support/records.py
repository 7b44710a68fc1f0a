"""Changes a record of the snapshot: a `dataclasses.replace` that knows the record's settings too."""

import dataclasses
from typing import Any, TypeVar

RecordT = TypeVar("RecordT")


def replace(record: RecordT, **changes: Any) -> RecordT:
    """Return the record with members, or members of its settings, changed."""
    settings = getattr(record, "settings", None)
    names = getattr(type(settings), "model_fields", {}).keys() & changes.keys()
    if names:
        update = {name: changes.pop(name) for name in names}
        changes["settings"] = settings.model_copy(update=update)
    return dataclasses.replace(record, **changes)
