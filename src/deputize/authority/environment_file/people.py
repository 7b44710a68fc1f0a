"""The users of an environment file.

A password is compared with the stored hash, so that applying a file again changes nothing.
"""

from dataclasses import asdict, replace
from typing import Protocol

from deputize.authority.environment_file.differences import Difference, changed
from deputize.authority.environment_file.entries import EnvironmentFile, UserEntry
from deputize.authority.environment_file.existing import Existing
from deputize.authority.environment_file.plan import Plan
from deputize.authority.storage import Put, Remove
from deputize.kernel.ids import new_id
from deputize.kernel.values import JsonObject
from deputize.oauth.records.store import User


class Hashing(Protocol):
    """The part of `authority.passwords` that is needed here."""

    async def verify(self, password_hash: str, password: str) -> bool:
        """Whether `password` is the one hashed."""
        ...

    async def hash(self, password: str) -> str:
        """The Argon2id hash to store."""
        ...


async def plan_users(
    plan: Plan, file: EnvironmentFile, existing: Existing, environment_id: str, passwords: Hashing
) -> None:
    """Add new users, change those that differ; remove the others if the file lists users and says `prune`."""
    listed = [(entry, existing.find_user(entry.id, entry.username)) for entry in file.users or ()]
    named = {before.id for _, before in listed if before}
    for user in existing.users if file.prune and file.users is not None else ():
        if user.id not in named:
            plan.add(Difference("user", user.id, user.username, _readable(user), None), Remove(user))
    for entry, before in listed:  # after the removals, which free names
        _plan_user(plan, before, await _user(entry, before, environment_id, passwords))


def _plan_user(plan: Plan, before: User | None, after: User) -> None:
    if before is None:
        plan.add(Difference("user", after.id, after.username, None, _readable(after)), Put(after))
    elif difference := changed("user", after.id, _readable(before), _readable(after, before)):
        plan.add(difference, Put(after))


def _readable(user: User, before: User | None = None) -> JsonObject:
    """The user as a difference shows them.

    Of the password only whether there is one, and whether it is another than `before`.
    """
    members = {name: value for name, value in asdict(user).items() if name != "password_hash"}
    password = "set" if user.password_hash else None
    if before and user.password_hash and before.password_hash not in {"", user.password_hash}:
        password = "changed"
    return {**members, "name": user.username, "password": password}


async def _user(entry: UserEntry, before: User | None, environment_id: str, passwords: Hashing) -> User:
    return replace(
        before or User(entry.id or new_id(), environment_id, entry.username, ""),
        username=entry.username,
        password_hash=await _password_hash(entry, before.password_hash if before else "", passwords),
        enabled=entry.enabled,
        email=entry.email,
        given_name=entry.given_name,
        family_name=entry.family_name,
        preferred_language=entry.preferred_language,
        attributes=entry.attributes,
        term=before.term if before else "",
    )


async def _password_hash(entry: UserEntry, before: str, passwords: Hashing) -> str:
    if entry.password is None:
        return entry.password_hash or ""
    if before and await passwords.verify(before, entry.password):
        return before
    return await passwords.hash(entry.password)
