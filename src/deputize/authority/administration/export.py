"""An environment as the file that makes it."""

from collections.abc import Sequence
from typing import Any

from deputize.authority.administration.views import entry_of_object, entry_of_user, written_entry
from deputize.authority.directory.objects import DEFAULT_POLICY, LISTS, EnvironmentObject
from deputize.authority.directory.objects.agent import word_of
from deputize.authority.directory.objects.introduction import is_introduced
from deputize.authority.environment_file.outcome import read_object
from deputize.authority.environment_file.writing import write_yaml
from deputize.authority.storage import EnvironmentRow, ObjectRow
from deputize.kernel.values import JsonObject, JsonValue
from deputize.oauth.records.store import User

_SEED: JsonObject = {"name": DEFAULT_POLICY, "steps": [{"login": {}}]}
"""The policy that every environment has from its beginning, which no file needs to say."""


def environment_file(
    environment: EnvironmentRow,
    objects: Sequence[ObjectRow],
    users: Sequence[User],
    *,
    ids: bool,
    password_hashes: bool,
) -> str:
    """Write the file, with each list in the order of its names, without what has its default."""
    names = {row.id: row.name for row in objects}
    content: dict[str, JsonValue] = {**settings_entry(environment, ids=ids)}
    for kind, member in LISTS.items():
        rows = [row for row in objects if row.kind == kind and not is_introduced(row)]
        entries: list[JsonValue] = []
        for row in sorted(rows, key=lambda row: row.name):
            found = read_object(row)
            if found is None:  # broken: nothing of it counts
                continue
            entry = entry_of_object(found, names)
            if ids or entry != _SEED:
                entries.append(_with_id(entry, "name", row.id) if ids else entry)
        if entries:
            content[member] = entries
    people: list[JsonValue] = []
    for user in sorted(users, key=lambda user: user.username):
        entry = entry_of_user(user)
        if password_hashes and user.password_hash:
            entry["password_hash"] = user.password_hash
        people.append(_with_id(entry, "username", user.id) if ids else entry)
    if people:
        content["users"] = people
    return write_yaml(content)


def settings_entry(row: EnvironmentRow, *, ids: bool) -> dict[str, JsonValue]:
    """An environment's own settings as a file writes them."""
    settings = EnvironmentObject.read(row.name, row.document)
    if registration := settings.registration:
        words = tuple(sorted(word_of(each) for each in set(registration.agent.grants)))
        agent = registration.agent.model_copy(update={"grants": words})
        registration = registration.model_copy(update={"agent": agent})
        settings = settings.model_copy(update={"registration": registration})
    if ids:
        return written_entry(settings.model_copy(update={"id": row.id}))
    return written_entry(settings, frozenset({"id", "organization_id"}))


def _with_id(entry: dict[str, JsonValue], name: str, object_id: str) -> dict[str, Any]:
    return {name: entry[name], "id": object_id, **entry}
