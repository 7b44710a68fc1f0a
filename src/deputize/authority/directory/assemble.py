"""Rows to the snapshot.

Mappings are compiled here, once; what cannot be read is left out and reported, and the rest serves.
"""

from base64 import urlsafe_b64encode
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import TypeVar

from pydantic import ValidationError

from deputize.authority.directory.documents import (
    AgentDocument,
    AgreementDocument,
    EnvironmentDocument,
    PolicyDocument,
    ResourceDocument,
    TermedDocument,
)
from deputize.authority.storage import (
    DirectoryRows,
    EnvironmentRow,
    Kind,
    ObjectRow,
    SecretRow,
    SigningKeyRow,
)
from deputize.expressions import ExpressionError, parse_attribute_value
from deputize.jose import KeyInvalid, KeyRing, SigningKey, outlived_at, without_outlived
from deputize.kernel.errors import DeputizeError
from deputize.kernel.ids import TERM_LENGTH
from deputize.kernel.uris import normalise_resource
from deputize.oauth.records.directory import (
    Agent,
    Agreement,
    AgreementText,
    Attribute,
    Directory,
    Environment,
    Policy,
    Resource,
    Scope,
    Step,
)

T = TypeVar("T")


class ResourceUnusable(DeputizeError):
    """A stored resource that would be taken for something else."""


@dataclass(frozen=True, slots=True)
class Assembled:
    """A snapshot, what had to be left out of it, and when time alone will change it."""

    directory: Directory
    problems: tuple[str, ...] = ()
    """Each names an object and why it cannot be used."""
    valid_until: float | None = None
    """When the first of the secrets and retired keys in use expires, in seconds since the epoch."""


def assemble(rows: DirectoryRows, base_url: str, now: float) -> Assembled:
    """The directory as `rows` describe it, with the secrets and keys that are valid at `now`."""
    problems: list[str] = []
    contents = _Contents(rows, now, problems)
    environments = (contents.environment(row, base_url) for row in rows.environments)
    directory = Directory(
        rows.version, {environment.id: environment for environment in environments if environment}
    )
    keys = (
        outlived_at(key) for environment in directory.environments.values() for key in environment.keys.keys
    )
    expiries = (
        each
        for each in (*(secret.expires_at for secret in rows.secrets), *keys)
        if each is not None and each > now
    )
    return Assembled(directory, tuple(problems), min(expiries, default=None))


def key_ring(rows: Sequence[SigningKeyRow]) -> KeyRing:
    """The key ring stored in one environment's rows. Raises `KeyInvalid`."""
    ordered = sorted(rows, key=lambda row: row.position)
    return KeyRing(tuple(SigningKey.from_json(row.document) for row in ordered))


def is_issuer(audience: str, environment_ids: Iterable[str]) -> bool:
    """Whether the identifier is the issuer of one of these environments, under whatever base URL."""
    normal = normalise_resource(audience).rstrip("/")
    return any(normal.endswith(f"/{environment_id}/as") for environment_id in environment_ids)


class _Contents:
    """The rows, sorted by what they belong to."""

    def __init__(self, rows: DirectoryRows, now: float, problems: list[str]) -> None:
        self._now = now
        self._environment_ids = {row.id for row in rows.environments}
        self._problems = problems
        self._objects: Mapping[tuple[str, Kind], list[ObjectRow]] = _grouped(
            rows.objects, lambda row: (row.environment_id, row.kind)
        )
        self._keys: Mapping[str, list[SigningKeyRow]] = _grouped(
            rows.signing_keys, lambda row: row.environment_id
        )
        valid = [secret for secret in rows.secrets if secret.expires_at is None or secret.expires_at > now]
        self._secrets: Mapping[str, list[SecretRow]] = _grouped(valid, lambda row: row.owner_id)

    def environment(self, row: EnvironmentRow, base_url: str) -> Environment | None:
        return self._usable(f"environment {row.name!r}", lambda: self._environment(row, base_url))

    def _environment(self, row: EnvironmentRow, base_url: str) -> Environment:
        document = EnvironmentDocument.model_validate(row.document)
        resources = {each.id: each for each in self._all(row, "resource", self._resource)}
        return Environment(
            id=row.id,
            name=row.name,
            organization_id=document.organization_id,
            issuer=f"{base_url}/{row.id}/as",
            resources=resources,
            agents={
                each.id: each for each in self._all(row, "agent", lambda agent: self._agent(agent, resources))
            },
            agreements={each.id: each for each in self._all(row, "agreement", _agreement)},
            policies={each.name: each for each in self._all(row, "policy", _policy)},
            keys=without_outlived(key_ring(self._keys[row.id]), self._now),
            default_policy=document.default_policy,
            default_language=document.default_language,
            session_lifetime=document.session_lifetime,
            session_idle_lifetime=document.session_idle_lifetime,
        )

    def _all(self, environment: EnvironmentRow, kind: Kind, read: Callable[[ObjectRow], T]) -> list[T]:
        rows = self._objects[environment.id, kind]
        read_rows = [
            self._usable(
                f"{kind} {row.name!r} of environment {environment.name!r}", lambda row=row: read(row)
            )
            for row in rows
        ]
        return [each for each in read_rows if each is not None]

    def _usable(self, what: str, read: Callable[[], T]) -> T | None:
        try:
            return read()
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            self._problems.append(
                f"{what} is disabled: stored {'.'.join(map(str, first['loc']))}: {first['msg']}"
            )
        except (ExpressionError, KeyInvalid, ResourceUnusable) as error:
            self._problems.append(f"{what} is disabled: {error}")
        return None

    def _resource(self, row: ObjectRow) -> Resource:
        document = ResourceDocument.model_validate(row.document)
        if is_issuer(document.audience, self._environment_ids):
            raise ResourceUnusable("its audience is the issuer of an environment; give it another")
        attributes = (
            Attribute(each.name, parse_attribute_value(each.value), each.required)
            for each in document.attributes
        )
        return Resource(
            id=row.id,
            name=row.name,
            audience=document.audience,
            attributes=tuple(attributes),
            scopes={name: Scope(scope.description, scope.consent) for name, scope in document.scopes.items()},
            secret_digests=self._digests(row),
            description=document.description,
            token_lifetime=document.token_lifetime,
            delegation_required=document.requires_delegation,
            may_outlive_subject=document.may_outlive_subject,
            impersonation_allowed=document.impersonation_allowed,
            term=_term(row, document),
        )

    def _agent(self, row: ObjectRow, resources: Mapping[str, Resource]) -> Agent:
        document = AgentDocument.model_validate(row.document)
        return Agent(
            id=row.id,
            name=row.name,
            enabled=document.enabled,
            grant_types=frozenset(document.grant_types),
            redirect_uris=document.redirect_uris,
            scopes={
                resource: frozenset(names)
                for resource, names in document.scopes.items()
                if resource in resources
            },
            secret_digests=self._digests(row),
            policies=document.policies,
            description=document.description,
            client_auth=document.client_auth,
            refresh_token_lifetime=document.refresh_token_lifetime,
            refresh_token_rolling_lifetime=document.refresh_token_rolling_lifetime,
            refresh_token_grace=document.refresh_token_grace,
            post_logout_redirect_uris=document.post_logout_redirect_uris,
            term=_term(row, document),
        )

    def _digests(self, owner: ObjectRow) -> tuple[str, ...]:
        newest_first = sorted(self._secrets[owner.id], key=lambda secret: secret.created_at, reverse=True)
        return tuple(secret.digest for secret in newest_first)


def _term(row: ObjectRow, document: TermedDocument) -> str:
    """The object's term; one that was stored before there were terms has one that follows from its id."""
    return document.term or urlsafe_b64encode(sha256(row.id.encode()).digest())[:TERM_LENGTH].decode()


def _agreement(row: ObjectRow) -> Agreement:
    document = AgreementDocument.model_validate(row.document)
    texts = (
        AgreementText(each.locale, each.title, each.content_type, each.text, each.revision, each.enabled)
        for each in document.texts
    )
    return Agreement(
        row.id,
        row.name,
        document.enabled,
        tuple(texts),
        document.description,
        document.reconsent_days,
        document.version,
    )


def _policy(row: ObjectRow) -> Policy:
    document = PolicyDocument.model_validate(row.document)
    steps = tuple(Step(step.type, step.settings) for step in document.steps)
    return Policy(row.id, row.name, steps, _term(row, document))


RowT = TypeVar("RowT")
KeyT = TypeVar("KeyT")


def _grouped(rows: Sequence[RowT], key: Callable[[RowT], KeyT]) -> Mapping[KeyT, list[RowT]]:
    groups: defaultdict[KeyT, list[RowT]] = defaultdict(list)
    for row in rows:
        groups[key(row)].append(row)
    return groups
