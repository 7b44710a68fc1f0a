"""Who refers to what, so that nothing goes that others rest on."""

from collections.abc import Iterator, Mapping, Sequence
from typing import cast

from deputize.authority.administration.views import references_of
from deputize.authority.directory.objects import AgentObject, EnvironmentObject
from deputize.authority.directory.objects.introduction import is_introduced
from deputize.authority.environment_file.outcome import read_object
from deputize.authority.storage import DirectoryRows, EnvironmentRow, ObjectRow
from deputize.kernel.values import JsonObject, JsonValue
from deputize.oauth.records.store import User


def referrers(
    rows: DirectoryRows, environment: EnvironmentRow, stored: ObjectRow | User | None
) -> tuple[str, ...]:
    """What of the environment refers to the object, in words; nothing refers to users."""
    return tuple(_referrers(rows, environment, stored)) if isinstance(stored, ObjectRow) else ()


def after_renaming(
    rows: DirectoryRows, environment: EnvironmentRow, stored: ObjectRow, written: JsonObject
) -> dict[str, JsonValue]:
    """What else of a file has to change so that those who call the object by its name follow a new one.

    These are, of policies, agents and settings; of resources, the frame of registration. All others know ids.
    """
    name = written.get("name")
    if not isinstance(name, str) or name == stored.name or stored.kind not in {"policy", "resource"}:
        return {}
    content: dict[str, JsonValue] = {}
    settings = EnvironmentObject.read(environment.name, environment.document)
    document = settings.document()
    registration = document.get("registration")
    if settings.registration and isinstance(registration, Mapping):
        template = {**cast("JsonObject", registration["agent"])}
        if stored.kind == "policy":
            template["policies"] = [
                name if each == stored.name else each for each in settings.registration.agent.policies
            ]
        else:
            scopes = cast("JsonObject", template.get("scopes", {}))
            template["scopes"] = {name if each == stored.name else each: scopes[each] for each in scopes}
            if template.get("delegation_resource") == stored.name:
                template["delegation_resource"] = name
        if template != registration["agent"]:
            content["registration"] = {**registration, "agent": template}
    if stored.kind == "policy":
        content |= _followers_of_policy(rows, stored, name, settings, document)
    return content


def _followers_of_policy(
    rows: DirectoryRows,
    stored: ObjectRow,
    name: str,
    settings: EnvironmentObject,
    document: JsonObject,
) -> dict[str, JsonValue]:
    content: dict[str, JsonValue] = {}
    if settings.default_policy == stored.name:
        content["default_policy"] = name
    issuers = cast("Sequence[JsonObject]", document.get("trusted_issuers", ()))
    if any(each.users and each.users.policy == stored.name for each in settings.trusted_issuers):
        content["trusted_issuers"] = [
            {**issuer, "users": {**users, "policy": name}}
            if isinstance(users := issuer.get("users"), Mapping) and users.get("policy") == stored.name
            else issuer
            for issuer in issuers
        ]
    agents: list[JsonValue] = []
    for row in rows.objects:
        found = read_object(row) if row.environment_id == stored.environment_id else None
        if isinstance(found, AgentObject) and stored.name in found.policies and not is_introduced(row):
            policies = [name if each == stored.name else each for each in found.policies]
            agents.append({"name": row.name, "id": row.id, "policies": policies})
    return {**content, "agents": agents} if agents else content


def _referrers(rows: DirectoryRows, environment: EnvironmentRow, stored: ObjectRow) -> Iterator[str]:
    for row in rows.objects:
        if row.environment_id == environment.id and row.id != stored.id:
            found = read_object(row)
            policies = found.policies if isinstance(found, AgentObject) and stored.kind == "policy" else ()
            if stored.name in policies or stored.id in references_of(row):
                yield f"the {row.kind} {row.name!r}"
    settings = EnvironmentObject.read(environment.name, environment.document)
    template = settings.registration.agent if settings.registration else None
    if stored.kind == "policy" and settings.default_policy == stored.name:
        yield "the environment's default_policy"
    if template and stored.name in {
        "policy": template.policies,
        "resource": (*template.scopes, template.delegation_resource),
    }.get(stored.kind, ()):
        yield "the environment's registration"
    for each in settings.trusted_issuers if stored.kind == "policy" else ():
        if each.users and each.users.policy == stored.name:
            yield f"the trusted issuer {each.issuer}"
