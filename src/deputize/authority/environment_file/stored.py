"""What is stored, in the words of an environment file: an entry of an existing object is completed with it.

From here on nobody needs to ask whether a member came from the file or from the database, except who judges
only what the file says: `model_fields_set` of a completed entry are the members that the file names.
"""

from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

from deputize.authority.directory.documents import (
    AgentDocument,
    AgreementDocument,
    AttributeDocument,
    PolicyDocument,
    ResourceDocument,
)
from deputize.authority.environment_file.entries import (
    AgentEntry,
    AgreementEntry,
    AgreementPromptEntry,
    AttributeEntry,
    EnvironmentFile,
    LanguageEntry,
    LoginEntry,
    PolicyEntry,
    ResourceEntry,
    ScopeEntry,
    StepEntry,
    UserEntry,
)
from deputize.authority.environment_file.existing import Existing, read_document
from deputize.authority.storage import Kind, ObjectRow
from deputize.oauth.records.store import User

AUTHORIZATION_CODE = "authorization_code"
Members = dict[str, Any]
"""Members of an entry, in the entry's own types."""
EntryT = TypeVar("EntryT", ResourceEntry, AgreementEntry, PolicyEntry, AgentEntry)


def complete(file: EnvironmentFile, existing: Existing) -> EnvironmentFile:
    """The file with every entry of an existing object completed by what is stored of it.

    New objects stay as they are.
    """
    names = _names(file, existing)

    def completed(kind: Kind, listed: Iterable[EntryT] | None) -> tuple[EntryT, ...] | None:
        return (
            None
            if listed is None
            else tuple(
                _completed(entry, existing.find(kind, entry.id, entry.name), names) for entry in listed
            )
        )

    users = None if file.users is None else tuple(_completed_user(entry, existing) for entry in file.users)
    return file.model_copy(
        update={
            "resources": completed("resource", file.resources),
            "agreements": completed("agreement", file.agreements),
            "policies": completed("policy", file.policies),
            "agents": completed("agent", file.agents),
            "users": users,
        }
    )


def _names(file: EnvironmentFile, existing: Existing) -> Mapping[str, str]:
    """Id to name of resources and agreements, as they will be called."""
    names = {row.id: row.name for row in existing.objects}
    resources = (
        (existing.find("resource", entry.id, entry.name), entry.name) for entry in file.resources or ()
    )
    agreements = (
        (existing.find("agreement", entry.id, entry.name), entry.name) for entry in file.agreements or ()
    )
    names |= {row.id: name for row, name in (*resources, *agreements) if row}
    return names


def _completed(entry: EntryT, row: ObjectRow | None, names: Mapping[str, str]) -> EntryT:
    stored = None if row is None else _members(row, names)
    return entry if stored is None else _overlaid(entry, stored)


def _overlaid(entry: EntryT, stored: Members) -> EntryT:
    """`entry` over what is stored. That was judged when it was stored, and is taken as it is."""
    named = {name: getattr(entry, name) for name in entry.model_fields_set}
    return type(entry).model_construct(_fields_set=set(named), **{**stored, **named})


def _members(row: ObjectRow, names: Mapping[str, str]) -> Members | None:
    """The stored object's members.

    `None` where its document is broken, so that the entry has to tell all of it.
    """
    match row.kind:
        case "resource":
            resource = read_document(row, ResourceDocument)
            return resource and _resource(resource)
        case "agreement":
            agreement = read_document(row, AgreementDocument)
            return agreement and _agreement(agreement)
        case "policy":
            policy = read_document(row, PolicyDocument)
            return policy and _policy(policy, names)
        case "agent":
            agent = read_document(row, AgentDocument)
            return agent and _agent(agent, names)


def _resource(document: ResourceDocument) -> Members:
    return {
        "audience": document.audience,
        "description": document.description,
        "token_lifetime": document.token_lifetime,
        "attributes": tuple(_attribute(each) for each in document.attributes),
        "scopes": tuple(
            ScopeEntry.model_construct(name=name, **scope.model_dump())
            for name, scope in document.scopes.items()
        ),
        "delegation_required": document.delegation_required,
        "may_outlive_subject": document.may_outlive_subject,
        "impersonation_allowed": document.impersonation_allowed,
    }


def _attribute(document: AttributeDocument) -> AttributeEntry:
    is_expression = document.value.startswith("${")
    source: Members = {"expression": document.value[2:-1]} if is_expression else {"value": document.value}
    return AttributeEntry.model_construct(name=document.name, required=document.required, **source)


def _agreement(document: AgreementDocument) -> Members:
    return {
        "description": document.description,
        "enabled": document.enabled,
        "reconsent_every": document.reconsent_days,
        "languages": tuple(
            LanguageEntry.model_construct(**each.model_dump(exclude={"revision"})) for each in document.texts
        ),
    }


def _policy(document: PolicyDocument, names: Mapping[str, str]) -> Members:
    prompted = (
        names.get(step.settings.get("agreement", ""), "") if step.type == "AGREEMENT" else None
        for step in document.steps
    )
    return {"steps": tuple(_step(agreement) for agreement in prompted)}


def _step(agreement: str | None) -> StepEntry:
    if agreement is None:
        return StepEntry(login=LoginEntry())
    return StepEntry(agreement_prompt=AgreementPromptEntry.model_construct(agreement=agreement))


def _agent(document: AgentDocument, names: Mapping[str, str]) -> Members:
    # Where there are redirect URIs the authorization code grant is implied: it goes with them.
    implied = {AUTHORIZATION_CODE} if document.redirect_uris else set[str]()
    return {
        "description": document.description,
        "enabled": document.enabled,
        "grants": tuple(grant for grant in document.grant_types if grant not in implied),
        "redirect_uris": document.redirect_uris,
        "post_logout_redirect_uris": document.post_logout_redirect_uris,
        "scopes": {
            names[resource]: scopes for resource, scopes in document.scopes.items() if resource in names
        },
        "policies": document.policies,
        "client_auth": document.client_auth,
        "refresh_token_lifetime": document.refresh_token_lifetime,
        "refresh_token_rolling_lifetime": document.refresh_token_rolling_lifetime,
        "refresh_token_grace": document.refresh_token_grace,
    }


def _completed_user(entry: UserEntry, existing: Existing) -> UserEntry:
    user = existing.find_user(entry.id, entry.username)
    if user is None:
        return entry
    named = {name: getattr(entry, name) for name in entry.model_fields_set}
    return UserEntry.model_construct(_fields_set=set(named), **{**_user(user, entry), **named})


def _user(user: User, entry: UserEntry) -> Members:
    names_password = not {"password", "password_hash"}.isdisjoint(entry.model_fields_set)
    return {
        "password_hash": None if names_password else user.password_hash or None,
        "enabled": user.enabled,
        "email": user.email,
        "given_name": user.given_name,
        "family_name": user.family_name,
        "preferred_language": user.preferred_language,
        "attributes": user.attributes,
    }
