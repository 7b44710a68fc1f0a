"""What has to change so that the database says what a file says."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from deputize.authority.directory.changes import DEFAULT_POLICY, IssuedSecret, replace_secret
from deputize.authority.directory.documents import (
    AgentDocument,
    AgreementDocument,
    Document,
    EnvironmentDocument,
    PolicyDocument,
    ResourceDocument,
)
from deputize.authority.environment_file.differences import Difference, NewSecret, changed
from deputize.authority.environment_file.entries import EnvironmentFile
from deputize.authority.environment_file.existing import Existing, read_document
from deputize.authority.environment_file.references import entries, is_pruned
from deputize.authority.environment_file.targets import Target
from deputize.authority.storage import EnvironmentRow, Kind, ObjectRow, Put, Remove, RowChange
from deputize.kernel.digests import matches
from deputize.kernel.values import JsonObject, JsonValue
from deputize.oauth.consents import AGREEMENT_STEP

DOCUMENTS: Mapping[Kind, type[Document]] = {
    "resource": ResourceDocument,
    "agent": AgentDocument,
    "agreement": AgreementDocument,
    "policy": PolicyDocument,
}
_WITH_SECRET = ("resource", "agent")


@dataclass(slots=True)
class Plan:
    """The changes, what to tell about them, and the secrets that come into being."""

    changes: list[RowChange] = field(default_factory=list[RowChange])
    differences: list[Difference | NewSecret] = field(default_factory=list[Difference | NewSecret])
    secrets: list[IssuedSecret] = field(default_factory=list[IssuedSecret])

    def add(self, difference: Difference | NewSecret, *changes: RowChange) -> None:
        """One more thing to do."""
        self.differences.append(difference)
        self.changes.extend(changes)


def plan_environment(
    plan: Plan, row: EnvironmentRow, seed: Iterable[RowChange], before: EnvironmentRow | None
) -> None:
    """Create the environment with what every new one has, or change its own settings."""
    if before is None:
        plan.add(Difference("environment", row.id, row.name, None, row.document), *seed)
    elif difference := changed(
        "environment", row.id, {**before.document, "name": before.name}, {**row.document, "name": row.name}
    ):
        plan.add(difference, Put(row))


def plan_removals(plan: Plan, file: EnvironmentFile, existing: Existing, targets: Iterable[Target]) -> None:
    """Remove what the file does not name, of the kinds it lists, if it says `prune`.

    The built-in policy stays.
    """
    named = {target.row.id for target in targets}
    for kind, _, _ in reversed(entries(file)):
        for row in existing.of_kind(kind) if is_pruned(file, kind) else ():
            if row.id not in named and not (kind == "policy" and row.name == DEFAULT_POLICY):
                plan.add(Difference(kind, row.id, row.name, _readable(row, existing), None), Remove(row))


def plan_objects(plan: Plan, existing: Existing, targets: Iterable[Target], now: float) -> None:
    """Add what is new, replace what differs, and see that resources and agents have a secret."""
    before = {row.id: row for row in existing.objects}
    for target in targets:
        _plan_object(plan, existing, before.get(target.row.id), target.row)
        if target.row.kind in _WITH_SECRET:
            _plan_secret(plan, existing, target, now)


def warnings(targets: Iterable[Target]) -> Iterator[str]:
    """What is allowed, but most likely not meant."""
    for row in (target.row for target in targets if target.row.kind == "resource"):
        document = ResourceDocument.model_validate(row.document)
        if document.impersonation_allowed and not document.requires_delegation:
            yield (
                f"resource {row.name} allows impersonation: an exchange may yield a token with the user's "
                f"sub and no act, "
                "which is the user to everything that checks it (set impersonation_allowed: false)"
            )


def consent_warnings(targets: Iterable[Target], existing: Existing, default_policy: str) -> Iterator[str]:
    """Agents that sign users on by a policy which asks for no consent, where the file names the agent or the
    policy.
    """
    named = {target.row.id: target.row for target in targets}
    rows = {**{row.id: row for row in existing.objects}, **named}.values()
    silent = {row.name: row.id for row in rows if row.kind == "policy" and not _asks(row)}
    for row in (row for row in rows if row.kind == "agent"):
        agent = read_document(row, AgentDocument)
        for policy in (agent.policies or (default_policy,)) if agent and agent.redirect_uris else ():
            if policy in silent and {row.id, silent[policy]} & named.keys():
                yield (
                    f"agent {row.name} signs users on by the policy {policy}, which asks for no consent: "
                    "it may do for every user whatever its scopes allow (add an agreement_prompt step)"
                )


def _asks(row: ObjectRow) -> bool:
    policy = read_document(row, PolicyDocument)
    return policy is None or any(step.type == AGREEMENT_STEP for step in policy.steps)


def base_url_warnings(row: EnvironmentRow, existing: Existing) -> Iterator[str]:
    """Environments of the same database that were told another base URL: an authority has one."""
    mine = EnvironmentDocument.model_validate(row.document).base_url
    for other in existing.environments:
        theirs = other.document.get("base_url")
        if mine and theirs and theirs != mine and other.id != row.id:
            yield (
                f"the environment {other.name} was applied for {theirs}, not for {mine}: apply it with "
                f"the same --base-url"
            )


def _plan_object(plan: Plan, existing: Existing, before: ObjectRow | None, row: ObjectRow) -> None:
    if before is None:
        plan.add(Difference(row.kind, row.id, row.name, None, _readable(row, existing)), Put(row))
    elif difference := changed(row.kind, row.id, _readable(before, existing), _readable(row, existing)):
        plan.add(difference, Put(row))


def _readable(row: ObjectRow, existing: Existing) -> JsonObject:
    """The document as it takes effect and as the file writes it.

    Of a broken one nothing, so that it is replaced.
    """
    document = read_document(row, DOCUMENTS[row.kind])
    members: dict[str, JsonValue] = {
        **(document.model_dump(mode="json") if document else {}),
        "name": row.name,
    }
    members.pop("term", None)  # the store's business
    if isinstance(document, ResourceDocument):
        default = " (default)" if document.delegation_required is None else ""
        members["delegation_required"] = f"{str(document.requires_delegation).lower()}{default}"
    if isinstance(document, AgentDocument):
        names = {each.id: each.name for each in existing.of_kind("resource")}
        members["scopes"] = {
            names.get(resource, resource): list(scopes) for resource, scopes in document.scopes.items()
        }
    return members


def _plan_secret(plan: Plan, existing: Existing, target: Target, now: float) -> None:
    valid = existing.secrets_of(target.row.id, now)
    if valid and (target.secret is None or matches(target.secret, valid[0].digest)):
        return
    changes, issued = replace_secret(target.row, valid, now, target.secret)
    plan.add(
        NewSecret(target.row.kind, target.row.id, target.row.name, is_given=target.secret is not None),
        *changes,
    )
    plan.secrets.append(issued)
