"""What has to change so that the database says what a file says, and how that is told."""

from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Protocol

from deputize.authority.directory.changes import IssuedSecret, replace_secret
from deputize.authority.directory.objects import (
    DEFAULT_POLICY,
    LISTS,
    AgentObject,
    AuthenticatingObject,
    EnvironmentObject,
    PolicyObject,
    ResourceObject,
)
from deputize.authority.directory.objects.introduction import Introduction
from deputize.authority.environment_file.delegation_checks import find_unreached, granted_resources
from deputize.authority.environment_file.outcome import USER_SETTINGS, Outcome, read_object
from deputize.authority.storage import ObjectRow, Put, Remove, RowChange
from deputize.kernel.digests import matches
from deputize.kernel.ids import new_id
from deputize.kernel.values import JsonObject, JsonValue
from deputize.oauth.records.store import User
from deputize.oauth.resources import TOKEN_EXCHANGE

_SHORT = 200


@dataclass(frozen=True, slots=True)
class Difference:
    """An object that comes, goes, or changes; `str()` is the line about it."""

    kind: str
    id: str
    """Empty when it would be drawn only when the file is applied."""
    name: str
    before: JsonObject | None
    """The members that change, as they are; `None` when it is new."""
    after: JsonObject | None
    """The same, as they will be; `None` when it goes."""

    def __str__(self) -> str:
        if self.before is None or self.after is None:
            return f"{'+' if self.before is None else '-'} {self.kind} {self.name}"
        return f"~ {self.kind} {self.name}: {', '.join(changed_members(self.before, self.after))}"

    def record(self) -> JsonObject:
        """What the audit keeps of it."""
        return {
            "kind": self.kind,
            "id": self.id or None,
            "name": self.name,
            "before": self.before,
            "after": self.after,
        }


@dataclass(frozen=True, slots=True)
class NewSecret:
    """A secret of a resource or agent that takes the place of those before."""

    kind: str
    id: str
    """Empty when it would be drawn only when the file is applied."""
    name: str
    is_given: bool
    """By the file, instead of drawn."""

    def __str__(self) -> str:
        return f"  {'the given' if self.is_given else 'a new'} secret for {self.kind} {self.name}"

    def record(self) -> JsonObject:
        """What the audit keeps of it."""
        return {
            "kind": self.kind,
            "id": self.id or None,
            "name": self.name,
            "secret": "given" if self.is_given else "drawn",
        }


def difference_between(kind: str, object_id: str, before: JsonObject, after: JsonObject) -> Difference | None:
    """The difference between two states of an object, each with its `name`; `None` where there is none."""
    names = [name for name in dict.fromkeys((*after, *before)) if before.get(name) != after.get(name)]
    shown = ({name: state[name] for name in names if name in state} for state in (before, after))
    return Difference(kind, object_id, str(after["name"]), *shown) if names else None


def changed_members(before: JsonObject, after: JsonObject) -> Iterator[str]:
    """Each member that differs, with its old and new value where these are short.

    Of mappings, each of their members; of lists, what came and went, and the members of entries that changed.
    """
    for name in dict.fromkeys((*after, *before)):
        old, new = before.get(name), after.get(name)
        if isinstance(old, Mapping) or isinstance(new, Mapping):
            inner = changed_members(
                old if isinstance(old, Mapping) else {}, new if isinstance(new, Mapping) else {}
            )
            yield from (f"{name}.{change}" for change in inner)
        elif old != new:
            yield from (f"{name}{change}" for change in _show_difference(old, new))


def _show_difference(before: JsonValue, after: JsonValue) -> Iterator[str]:
    """What follows the member's name in the lines about it."""
    old, new = _entries(before), _entries(after)
    if old is None or new is None:
        shown = f" {_shown(before)} -> {_shown(after)}"
        is_long = isinstance(before, list) or isinstance(after, list) or len(shown) > _SHORT or "\n" in shown
        yield "" if is_long else shown
        return
    moved = [f" +{name}" for name in new if name not in old] + [
        f" -{name}" for name in old if name not in new
    ]
    changed = [
        f".{name}.{change}"
        for name, entry in new.items()
        if name in old
        for change in changed_members(old[name], entry)
    ]
    if moved or not changed:
        yield "".join(moved) or " (order)"
    yield from changed


def _entries(value: JsonValue) -> Mapping[str, JsonObject] | None:
    """The entries of a list by what tells them apart; `None` when nothing does, or it is no list.

    That is the text, the entry's `name` or `locale`, or of a policy's step all that is written.
    """
    if value is None:
        return {}
    if not isinstance(value, list):
        return None
    entries: dict[str, JsonObject] = {}
    for entry in value:
        match entry:
            case str():
                entries[entry] = {}
            case {"name": str(name)} | {"locale": str(name)}:
                entries[name] = entry
            case {**members} if len(members) == 1:
                [(step, settings)] = members.items()
                written = (
                    [f"{each}: {_shown(set_to)}" for each, set_to in settings.items()]
                    if isinstance(settings, Mapping)
                    else []
                )
                entries[f"{step}: {{ {', '.join(written)} }}" if written else step] = {}
            case _:
                return None
    return entries if len(entries) == len(value) else None


def _shown(value: JsonValue) -> str:
    if value is None or value == "":
        return "unset"
    return str(value).lower() if isinstance(value, bool) else str(value)


class Hashing(Protocol):
    """The part of `authority.passwords` that is needed here."""

    async def verify(self, password_hash: str, password: str) -> bool:
        """Whether `password` is the one hashed."""
        ...

    async def hash(self, password: str) -> str:
        """The Argon2id hash to store."""
        ...


@dataclass(slots=True)
class ChangePlan:
    """The changes, what to tell about them, and the secrets that come into being."""

    outcome: Outcome
    changes: list[RowChange] = field(default_factory=list[RowChange])
    differences: list[Difference | NewSecret] = field(default_factory=list[Difference | NewSecret])
    secrets: list[IssuedSecret] = field(default_factory=list[IssuedSecret])

    def add(self, difference: Difference | NewSecret, *changes: RowChange) -> None:
        """ChangePlan one more thing to do."""
        self.differences.append(difference)
        self.changes.extend(changes)

    def plan_environment(self, seed: Sequence[RowChange]) -> None:
        """Create the environment with what every new one has, or change its own settings."""
        row, before = self.outcome.row, self.outcome.existing.environment
        after = {**row.document, "base_url": row.base_url, "name": row.name}
        if before is None:
            self.add(Difference("environment", row.id, row.name, None, after), *seed)
            return
        document = EnvironmentObject.read(before.name, before.document).document()
        known = {**document, "base_url": before.base_url, "name": before.name}
        if difference := difference_between("environment", row.id, known, after):
            self.add(difference, Put(row))

    def plan_removals(self) -> None:
        """Remove what the file does not name, of the kinds it lists, if it says `prune`.

        The built-in policy stays. Agents that the file does not name lose the scopes of resources that go.
        """
        named = {each.id for each in self.outcome.listed}
        for kind in reversed(tuple(LISTS)):
            pruned, removed = self.outcome.file.prunes(kind), self.outcome.removals
            for row in self.outcome.existing.of_kind(kind):
                stays = row.id in named or (kind == "policy" and row.name == DEFAULT_POLICY)
                if row.id in removed or (pruned and not stays):
                    self.add(Difference(kind, row.id, row.name, self._describe(row), None), Remove(row))
        removed = self._removed_ids()
        for row, agent in self.outcome.kept_objects(AgentObject):
            left = agent.translate(lambda _kind, reference: None if reference in removed else reference)
            after = replace(row, document=left.document())
            if difference := difference_between(row.kind, row.id, self._describe(row), self._describe(after)):
                self.add(difference, Put(after))

    def plan_farewells(self) -> None:
        """Remove the agents that introduced themselves and that the file no longer admits.

        So whoever is admitted again begins anew.
        """
        settings = self.outcome.settings.registration
        for row in self.outcome.existing.introduced:
            introduction = Introduction.of(row)
            is_removed = row.id in self.outcome.removals
            if is_removed or introduction is None or not introduction.is_admitted(settings):
                self.add(Difference(row.kind, row.id, row.name, {"name": row.name}, None), Remove(row))

    def plan_objects(self, now: float) -> None:
        """Add what is new, replace what differs, and see that resources and agents have a secret."""
        existing, removed = self.outcome.existing, self._removed_ids()
        ids = {(row.kind, row.name): row.id for row in existing.objects if row.id not in removed}
        ids |= {(each.kind, each.entry.name): each.id for each in self.outcome.listed}
        for each in self.outcome.listed:
            before, entry = each.before, each.entry
            row = ObjectRow(
                each.id,
                self.outcome.row.id,
                each.kind,
                entry.name,
                entry.translate(lambda kind, name: ids.get((kind, name))).document(),
                before.term if before else "",
                entry.next_history(before.history, read_object(before))
                if before
                else entry.next_history({}, None),
                before.created_at if before else now,
                now,
            )
            after = self._describe(row)
            if before is None:
                self.add(Difference(row.kind, row.id, row.name, None, after), Put(row))
            elif difference := difference_between(row.kind, row.id, self._describe(before), after):
                self.add(difference, Put(row))
            if isinstance(entry, AuthenticatingObject):
                valid = existing.secrets_of(row.id, now)
                if not entry.needs_secret:
                    self.changes.extend(Remove(secret) for secret in valid)
                elif not valid or (entry.secret is not None and not matches(entry.secret, valid[0].digest)):
                    changes, issued = replace_secret(row, valid, now, entry.secret)
                    is_given = entry.secret is not None
                    self.add(NewSecret(row.kind, row.id, row.name, is_given=is_given), *changes)
                    self.secrets.append(issued)

    async def plan_users(self, passwords: Hashing) -> None:
        """Add new users, change those that differ; remove the others if the file lists users and says
        `prune`.

        A password is compared with the stored hash, so that applying a file again changes nothing.
        """
        file, users = self.outcome.file, self.outcome.users
        named = {before.id for _, before in users if before}
        prunes = file.prune and file.users is not None
        for user in self.outcome.existing.users:
            if user.id in self.outcome.removals or (prunes and user.id not in named):
                self.add(Difference("user", user.id, user.username, _describe_user(user), None), Remove(user))
        for entry, before in users:  # after the removals, which free names
            stored_hash = before.password_hash if before else ""
            password_hash = entry.password_hash or ""
            if entry.password is not None:
                is_same = bool(stored_hash) and await passwords.verify(stored_hash, entry.password)
                password_hash = stored_hash if is_same else await passwords.hash(entry.password)
            settings: dict[str, Any] = {name: getattr(entry, name) for name in USER_SETTINGS}
            settings["roles"] = " ".join(entry.roles)
            new = User(entry.id or new_id(), self.outcome.row.id, entry.username, "")
            after = replace(before or new, **settings, password_hash=password_hash)
            if before is None:
                self.add(
                    Difference("user", after.id, after.username, None, _describe_user(after)), Put(after)
                )
            elif difference := difference_between(
                "user", after.id, _describe_user(before), _describe_user(after, before)
            ):
                self.add(difference, Put(after))

    def objects_after(self) -> tuple[ObjectRow, ...]:
        """The environment's objects as they are once the changes are made."""
        rows = {row.id: row for row in self.outcome.existing.objects}
        for change in self.changes:
            if isinstance(change.row, ObjectRow) and isinstance(change, Put):
                rows[change.row.id] = change.row
            elif isinstance(change.row, ObjectRow):
                rows.pop(change.row.id, None)
        return tuple(rows.values())

    def _removed_ids(self) -> AbstractSet[str]:
        rows = (change.row for change in self.changes if isinstance(change, Remove))
        return {row.id for row in rows if isinstance(row, ObjectRow)}

    def _describe(self, row: ObjectRow) -> JsonObject:
        """The object as it takes effect and as the file writes it.

        Of a broken one nothing, so that it is replaced.
        """
        found, names = read_object(row), self.outcome.names
        if found is None:
            return {"name": row.name}
        described = found.translate(lambda _kind, reference: names.get(reference)).describe()
        return {**described, **({"version": row.history["version"]} if "version" in row.history else {})}


def _describe_user(user: User, before: User | None = None) -> JsonObject:
    """The user as a difference shows them.

    Of the password only whether there is one, and whether it is another than `before`.
    """
    members = {name: value for name, value in asdict(user).items() if name != "password_hash"}
    password = "set" if user.password_hash else None
    if before and user.password_hash and before.password_hash not in {"", user.password_hash}:
        password = "changed"
    return {**members, "name": user.username, "password": password}


def warnings_of(outcome: Outcome) -> Iterator[str]:
    """What is allowed, but most likely not meant.

    Resources that allow impersonation; agents that sign users on by a policy which asks for no consent, where
    the file names the agent or the policy; a registration that is open to anybody, or grants what nobody can
    sign on for; environments of the same database that were told another base URL, for an authority has one.
    """
    for _, resource in outcome.entries(ResourceObject):
        if resource.impersonation_allowed and not resource.requires_delegation:
            yield (
                f"resource {resource.name} allows impersonation: an exchange may yield a token with the "
                "user's sub and no act, "
                "which is the user to everything that checks it (set impersonation_allowed: false)"
            )
    named = {each.id for each in outcome.listed}
    policies = outcome.objects(PolicyObject).items()
    silent = {policy.name: policy_id for policy_id, policy in policies if not policy.asks_for_consent}
    for agent_id, agent in outcome.objects(AgentObject).items():
        for policy in (agent.policies or (outcome.settings.default_policy,)) if agent.redirect_uris else ():
            if policy in silent and {agent_id, silent[policy]} & named:
                yield (
                    f"agent {agent.name} signs users on by the policy {policy}, which asks for no consent: "
                    "it may do for every user whatever its scopes allow (add an agreement_prompt step)"
                )
    yield from _warnings_of_registration(outcome)
    mine = outcome.row.base_url
    for other in outcome.existing.environments:
        if mine and other.base_url and other.base_url != mine and other.id != outcome.row.id:
            yield (
                f"the environment {other.name} was applied for {other.base_url}, not for {mine}: apply it "
                "with the same --base-url"
            )


def _warnings_of_registration(outcome: Outcome) -> Iterator[str]:
    registration = outcome.settings.registration
    if registration is None:
        return
    if registration.open and "registration" in outcome.file.model_fields_set:
        yield (
            "registration is open: whoever reaches the authority makes an agent of any program (for more "
            "than trying it out name hosts, or hand out tokens, instead of open: true)"
        )
    template = registration.agent
    if template.delegation_resource is None and TOKEN_EXCHANGE not in template.grants:
        found = find_unreached(granted_resources(template.scopes, outcome))
        if found:
            yield f"registration: {found.reason} (set its delegation_resource)"
