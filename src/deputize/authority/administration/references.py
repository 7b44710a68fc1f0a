"""Who refers to what, so that nothing goes that others rest on."""

from collections.abc import Iterator

from deputize.authority.administration.views import references_of
from deputize.authority.directory.objects import AgentObject, EnvironmentObject
from deputize.authority.environment_file.outcome import read_object
from deputize.authority.storage import DirectoryRows, EnvironmentRow, ObjectRow
from deputize.oauth.records.store import User


def referrers(
    rows: DirectoryRows, environment: EnvironmentRow, stored: ObjectRow | User | None
) -> tuple[str, ...]:
    """What of the environment refers to the object, in words; nothing refers to users."""
    return tuple(_referrers(rows, environment, stored)) if isinstance(stored, ObjectRow) else ()


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
