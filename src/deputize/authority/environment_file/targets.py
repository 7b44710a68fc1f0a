"""Entries of a file to the rows that should stand afterwards."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from deputize.authority.directory.documents import (
    AgentDocument,
    AgreementDocument,
    AttributeDocument,
    Document,
    EnvironmentDocument,
    PolicyDocument,
    ResourceDocument,
    ScopeDocument,
    StepDocument,
    TextDocument,
)
from deputize.authority.environment_file.entries import (
    MAPPINGS,
    AgentEntry,
    AgreementEntry,
    AttributeEntry,
    EnvironmentFile,
    LanguageEntry,
    PolicyEntry,
    ResourceEntry,
    StepEntry,
)
from deputize.authority.environment_file.existing import DocumentT, Existing, read_document
from deputize.authority.environment_file.references import Named, entries, environment_settings
from deputize.authority.environment_file.stored import AUTHORIZATION_CODE
from deputize.authority.storage import EnvironmentRow, Kind, ObjectRow
from deputize.kernel.ids import new_id
from deputize.kernel.values import JsonObject


@dataclass(frozen=True, slots=True)
class Target:
    """An object as the file wants it."""

    row: ObjectRow
    secret: str | None = None
    """The secret the file gives, if it does."""


DEFAULT_BASE_URL = "http://localhost:9080"


def base_url_of(row: EnvironmentRow) -> str:
    """The base URL that the environment was last told, or the default."""
    return EnvironmentDocument.model_validate(row.document).base_url or DEFAULT_BASE_URL


def environment_target(file: EnvironmentFile, existing: Existing, base_url: str | None) -> EnvironmentRow:
    """The environment's own row.

    What the file leaves out stays, or gets its default, and so does the base URL.
    """
    row, document = existing.environment, environment_settings(file, existing)
    document = document.model_copy(
        update={"base_url": base_url or document.base_url or (None if row else DEFAULT_BASE_URL)}
    )
    return EnvironmentRow(row.id if row else file.id or new_id(), file.environment, _stored(document))


def object_targets(file: EnvironmentFile, existing: Existing, environment_id: str) -> tuple[Target, ...]:
    """Every object the file lists, in its order."""
    builder = _Builder(file, existing, environment_id)
    return (
        *(
            builder.target("resource", each, builder.resource(each), each.secret)
            for each in file.resources or ()
        ),
        *(builder.target("agreement", each, builder.agreement(each)) for each in file.agreements or ()),
        *(builder.target("policy", each, builder.policy(each)) for each in file.policies or ()),
        *(builder.target("agent", each, builder.agent(each), each.secret) for each in file.agents or ()),
    )


class _Builder:
    """Turns names into ids, those of new objects included."""

    def __init__(self, file: EnvironmentFile, existing: Existing, environment_id: str) -> None:
        self._existing = existing
        self._environment_id = environment_id
        self._ids: Mapping[tuple[Kind, str], str] = {
            **{(row.kind, row.name): row.id for row in existing.objects},
            **{
                (kind, entry.name): _id(existing, kind, entry)
                for kind, _, listed in entries(file)
                for entry in listed or ()
            },
        }

    def target(self, kind: Kind, entry: Named, document: Document, secret: str | None = None) -> Target:
        row = ObjectRow(
            self._ids[kind, entry.name], self._environment_id, kind, entry.name, _stored(document)
        )
        return Target(row, secret)

    def agreement(self, entry: AgreementEntry) -> AgreementDocument:
        texts = tuple(_text(language) for language in entry.languages)
        before = self._stored("agreement", entry, AgreementDocument)
        return (before or AgreementDocument()).model_copy(
            update={
                "description": entry.description,
                "enabled": entry.enabled,
                "reconsent_days": entry.reconsent_every,
                "version": _version(before, texts),
                "texts": texts,
            }
        )

    def resource(self, entry: ResourceEntry) -> ResourceDocument:
        audience = entry.audience or entry.name
        return (
            self._stored("resource", entry, ResourceDocument) or ResourceDocument(audience=audience)
        ).model_copy(
            update={
                "audience": audience,
                "description": entry.description,
                "token_lifetime": entry.token_lifetime,
                "attributes": tuple(_attribute(attribute) for attribute in entry.attributes),
                "scopes": {
                    scope.name: ScopeDocument(description=scope.description, consent=scope.consent)
                    for scope in entry.scopes
                },
                "delegation_required": entry.delegation_required,
                "may_outlive_subject": entry.may_outlive_subject,
                "impersonation_allowed": entry.impersonation_allowed,
            }
        )

    def policy(self, entry: PolicyEntry) -> PolicyDocument:
        steps = tuple(self._step(step) for step in entry.steps)
        return (self._stored("policy", entry, PolicyDocument) or PolicyDocument(steps=steps)).model_copy(
            update={"steps": steps}
        )

    def _step(self, step: StepEntry) -> StepDocument:
        if step.agreement_prompt is None:
            return StepDocument(type="LOGIN")
        return StepDocument(
            type="AGREEMENT", settings={"agreement": self._ids["agreement", step.agreement_prompt.agreement]}
        )

    def agent(self, entry: AgentEntry) -> AgentDocument:
        implied = [AUTHORIZATION_CODE] if entry.redirect_uris else []
        return (self._stored("agent", entry, AgentDocument) or AgentDocument()).model_copy(
            update={
                "description": entry.description,
                "enabled": entry.enabled,
                "grant_types": tuple(sorted({*implied, *entry.grants})),
                "redirect_uris": entry.redirect_uris,
                "post_logout_redirect_uris": entry.post_logout_redirect_uris,
                "scopes": {
                    self._ids["resource", name]: tuple(sorted(set(scopes)))
                    for name, scopes in entry.scopes.items()
                },
                "policies": entry.policies,
                "client_auth": entry.client_auth,
                "refresh_token_lifetime": entry.refresh_token_lifetime,
                "refresh_token_rolling_lifetime": entry.refresh_token_rolling_lifetime,
                "refresh_token_grace": entry.refresh_token_grace,
            }
        )

    def _stored(self, kind: Kind, entry: Named, model: type[DocumentT]) -> DocumentT | None:
        """What is stored of the entry's object: members that the file has no word for stay as they are."""
        row = self._existing.find(kind, entry.id, entry.name)
        return None if row is None else read_document(row, model)


def _id(existing: Existing, kind: Kind, entry: Named) -> str:
    row = existing.find(kind, entry.id, entry.name)
    return row.id if row else entry.id or new_id()


def _attribute(entry: AttributeEntry) -> AttributeDocument:
    expression = MAPPINGS[entry.mapping] if entry.mapping is not None else entry.expression
    value = entry.value or "" if expression is None else "${" + expression + "}"
    return AttributeDocument(name=entry.name, value=value, required=entry.required)


def _text(entry: LanguageEntry) -> TextDocument:
    shown = json.dumps([entry.content_type, entry.title, entry.text])
    return TextDocument(
        locale=entry.locale,
        title=entry.title,
        content_type=entry.content_type,
        text=entry.text,
        revision=hashlib.sha256(shown.encode()).hexdigest()[:32],
        enabled=entry.enabled,
    )


def _version(before: AgreementDocument | None, texts: Sequence[TextDocument]) -> int:
    """One more when a wording changed. A language more or less asks nobody again."""
    if before is None:
        return 1
    revisions = {text.locale: text.revision for text in before.texts}
    changed = any(revisions.get(text.locale, text.revision) != text.revision for text in texts)
    return before.version + changed


def _stored(document: Document) -> JsonObject:
    return document.model_dump(mode="json")
