"""The file that `deputize apply --secrets-out` writes.

Ids of resources and agents, and the secrets known so far.
"""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeAlias

from deputize.authority.environment_file import Applied
from deputize.authority.storage import Kind
from deputize.kernel import strict_json
from deputize.kernel.errors import DeputizeError

Known: TypeAlias = Mapping[str, str]
"""Object id to its secret."""
_MEMBERS: Mapping[Kind, str] = {"resource": "resources", "agent": "agents"}


class SecretsFileInvalid(DeputizeError):
    """A file of that name exists and is something else; it was not overwritten."""


def write_secrets(path: Path, applied: Applied, issuer: str) -> None:
    """Write the file whole, with mode 0600. Raises `SecretsFileInvalid` or `OSError`."""
    known = {**_known(path), **{issued.owner.id: issued.text for issued in applied.secrets}}
    content: dict[str, Any] = {
        "environment": {"id": applied.environment.id, "name": applied.environment.name},
        "issuer": issuer,
    }
    for kind, member in _MEMBERS.items():
        rows = (row for row in applied.objects if row.kind == kind)
        content[member] = {row.name: _entry(row.id, known) for row in rows}
    _replace(path, json.dumps(content, indent=2, ensure_ascii=False) + "\n")


def _entry(object_id: str, known: Known) -> Mapping[str, str]:
    return {"id": object_id} | ({"secret": known[object_id]} if object_id in known else {})


def _known(path: Path) -> Known:
    """The secrets an earlier run wrote.

    Only their digests are stored elsewhere, so they must not get lost.
    """
    if not path.exists():
        return {}
    try:
        content = strict_json.loads(path.read_bytes())
    except strict_json.JsonError as error:
        raise SecretsFileInvalid(f"it exists and is not JSON: {error}") from error
    if not isinstance(content, Mapping) or "issuer" not in content:
        raise SecretsFileInvalid("it exists and was not written by deputize apply")
    objects = (content.get(member) for member in _MEMBERS.values())
    entries = (
        entry
        for named in objects
        if isinstance(named, Mapping)
        for entry in named.values()
        if isinstance(entry, Mapping)
    )
    return {
        str(entry["id"]): str(entry["secret"]) for entry in entries if "id" in entry and "secret" in entry
    }


def _replace(path: Path, text: str) -> None:
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
