"""Assembles the snapshot from the stored rows.

Mappings are compiled once. An object that cannot be read is left out and reported, and the others serve.
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any, NamedTuple, TypeVar

from pydantic import BaseModel, ValidationError

from deputize.authority.directory.objects import (
    ADMINISTRATORS,
    MANAGEMENT,
    AgentObject,
    AgreementHistory,
    AgreementObject,
    EnvironmentObject,
    PolicyObject,
    RegistrationObject,
    ResourceObject,
)
from deputize.authority.directory.objects.agent import AUTHORIZATION_CODE, grant_type_of
from deputize.authority.directory.objects.introduction import Introduction, is_introduced
from deputize.authority.directory.objects.policy import find_step
from deputize.authority.storage import (
    DirectoryRows,
    EnvironmentRow,
    Kind,
    ObjectRow,
    SecretRow,
    SigningKeyRow,
)
from deputize.expressions import ExpressionError
from deputize.expressions.mapping import parse_attribute_value
from deputize.jose import KeyInvalid, KeyRing, SigningKey, outlived_at, without_outlived
from deputize.kernel.errors import DeputizeError
from deputize.kernel.uris import normalise_resource
from deputize.oauth.client_auth import CLIENT_AUTH_METHODS
from deputize.oauth.client_names import skeleton
from deputize.oauth.consents import AGREEMENT_STEP
from deputize.oauth.errors import OAuthError
from deputize.oauth.records.directory import (
    Agent,
    Agreement,
    AgreementText,
    Attribute,
    Directory,
    Environment,
    Policy,
    Registration,
    Resource,
    Scope,
    Step,
)
from deputize.oauth.records.settings import AgentSettings, TemplateSettings

T = TypeVar("T")


class ResourceUnusable(DeputizeError):
    """A stored resource that would be taken for something else."""


class Introduced(NamedTuple):
    """An agent that introduced itself, and what it was read from."""

    row: ObjectRow
    registration: Registration
    names: Collection[str]
    agent: Agent


@dataclass(frozen=True, slots=True)
class AssembledDirectory:
    """A snapshot, what was left out of it, and when it changes without a change of the rows."""

    directory: Directory
    problems: tuple[str, ...] = ()
    """Each names an object and why it cannot be used."""
    missing: tuple[str, ...] = ()
    """Each names an object and a part of it that no installed package provides; the rest of it serves."""
    valid_until: float | None = None
    """When the first of the secrets, retired keys and agents in use expires, in seconds since the epoch."""
    introduced: Mapping[tuple[str, str], Introduced] = field(
        default_factory=dict[tuple[str, str], Introduced]
    )
    """The agents that introduced themselves, by environment and id: one more is no reason to read the others
    again."""


def assemble(
    rows: DirectoryRows, base_url: str, now: float, before: AssembledDirectory | None = None
) -> AssembledDirectory:
    """The directory as `rows` describe it, with the secrets and keys that are valid at `now`.

    What `before` has of rows that did not change is taken from there.
    """
    problems: list[str] = []
    missing: list[str] = []
    contents = _Contents(rows, now, problems, missing, before)
    environments = (
        contents.read_usable(
            f"environment {row.name!r}", lambda row=row: contents.read_environment(row, base_url)
        )
        for row in rows.environments
    )
    directory = Directory(
        rows.version, {environment.id: environment for environment in environments if environment}
    )
    keys = (
        outlived_at(key) for environment in directory.environments.values() for key in environment.keys.keys
    )
    agents = (
        agent.ends_at
        for environment in directory.environments.values()
        for agent in environment.agents.values()
    )
    expiries = (
        each
        for each in (*(secret.expires_at for secret in rows.secrets), *keys, *agents)
        if each is not None and each > now
    )
    return AssembledDirectory(
        directory, tuple(problems), tuple(missing), min(expiries, default=None), contents.introduced
    )


def key_ring(rows: Sequence[SigningKeyRow], known: KeyRing | None = None) -> KeyRing:
    """The key ring stored in one environment's rows. Raises `KeyInvalid`.

    Keys that `known` has as they are stored are taken from there: reading an RSA key takes 0.5 ms.
    """
    keys: list[SigningKey] = []
    for row in sorted(rows, key=lambda row: row.position):
        key = known.find(row.kid) if known else None
        unchanged = key is not None and key.to_json() == row.document
        keys.append(key if key is not None and unchanged else SigningKey.from_json(row.document))
    return KeyRing(tuple(keys))


def is_issuer(audience: str, environment_ids: Iterable[str]) -> bool:
    """Whether the identifier is the issuer of one of these environments, under whatever base URL."""
    normal = normalise_resource(audience).rstrip("/")
    return any(normal.endswith(f"/{environment_id}/as") for environment_id in environment_ids)


def _serve_management(resources: dict[str, Resource], address: str) -> None:
    """Make the address at which this server has its management API the audience of the API's resource.

    It is stored as that of the server that started last, and others may serve the same database. A resource
    that was given this very audience keeps it.
    """
    management = next((each for each in resources.values() if each.name == MANAGEMENT), None)
    if management and all(each.audience != address for each in resources.values()):
        resources[management.id] = replace(management, audience=address)


class _Contents:
    """The rows by what they belong to, and how each is read."""

    def __init__(
        self,
        rows: DirectoryRows,
        now: float,
        problems: list[str],
        missing: list[str],
        before: AssembledDirectory | None,
    ) -> None:
        self._now = now
        self._before = before
        self.introduced: dict[tuple[str, str], Introduced] = {}
        self._environments = {row.id: row.name for row in rows.environments}
        self._problems = problems
        self._missing = missing
        self._objects: Mapping[tuple[str, Kind], list[ObjectRow]] = _group(
            rows.objects, lambda row: (row.environment_id, row.kind)
        )
        self._keys: Mapping[str, list[SigningKeyRow]] = _group(
            rows.signing_keys, lambda row: row.environment_id
        )
        valid = [secret for secret in rows.secrets if secret.expires_at is None or secret.expires_at > now]
        self._secrets: Mapping[tuple[str, str], list[SecretRow]] = _group(
            valid, lambda row: (row.environment_id, row.owner_id)
        )

    def read_environment(self, row: EnvironmentRow, base_url: str) -> Environment:
        """Read an environment with its objects; those that cannot be used are left out."""
        resources = {each.id: each for each in self._read_all(row, "resource", self._read_resource)}
        if row.name == ADMINISTRATORS:
            _serve_management(resources, f"{base_url}/v1")
        environment = EnvironmentObject.read(row.name, row.document)
        policies = {each.name: each for each in self._read_all(row, "policy", self._read_policy)}
        registration = self._read_registration(row, environment.registration, resources, policies)
        known = self._before.directory.environments.get(row.id) if self._before else None
        if known and known.registration == registration:
            registration = known.registration
        rows = self._objects[row.id, "agent"]
        hosts = environment.registration.hosts if environment.registration else ()
        known_as = [name for each in rows if not is_introduced(each) for name in _names_of(each)]
        known_as += [each.removeprefix("*.").partition(":")[0] for each in hosts]
        names = frozenset(map(skeleton, known_as))
        if known and known.agent_names == names:
            names = known.agent_names

        def read_agent(agent: ObjectRow) -> Agent | None:
            if is_introduced(agent):
                return self._read_introduced(agent, registration, names)
            return self._read_agent(agent, resources)

        agents = self._read_all(row, "agent", read_agent)
        members: dict[str, Any] = {
            **_take_shared(Environment, environment),
            "settings": environment,
            "id": row.id,
            "name": row.name,
            "issuer": f"{base_url}/{row.id}/as",
            "resources": resources,
            "agents": {each.id: each for each in agents},
            "agreements": {each.id: each for each in self._read_all(row, "agreement", _read_agreement)},
            "policies": policies,
            "registration": registration,
            "agent_names": names,
            "keys": without_outlived(key_ring(self._keys[row.id], known and known.keys), self._now),
        }
        return Environment(**members)

    def _read_all(
        self, environment: EnvironmentRow, kind: Kind, read: Callable[[ObjectRow], T | None]
    ) -> list[T]:
        read_rows = [
            self.read_usable(
                f"{kind} {row.name!r} of environment {environment.name!r}", lambda row=row: read(row)
            )
            for row in self._objects[environment.id, kind]
        ]
        return [each for each in read_rows if each is not None]

    def read_usable(self, what: str, read: Callable[[], T | None]) -> T | None:
        """What `read` returns; `None` where it finds something that cannot be used, which is noted."""
        try:
            return read()
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            self._problems.append(
                f"{what} is disabled: stored {'.'.join(map(str, first['loc']))}: {first['msg']}"
            )
        except (ExpressionError, KeyInvalid, OAuthError, ResourceUnusable) as error:
            self._problems.append(f"{what} is disabled: {error}")
        return None

    def _read_resource(self, row: ObjectRow) -> Resource:
        resource = ResourceObject.read(row.name, row.document)
        if is_issuer(resource.audience, self._environments):
            raise ResourceUnusable("its audience is the issuer of an environment; give it another")
        members: dict[str, Any] = {
            **_take_shared(Resource, resource),
            "settings": resource,
            **self._identity(row),
            "attributes": tuple(
                Attribute(each.name, parse_attribute_value(each.source), each.required)
                for each in resource.attributes
            ),
            "scopes": {each.name: Scope(**_take_shared(Scope, each)) for each in resource.scopes},
            "delegation_required": resource.requires_delegation,
        }
        return Resource(**members)

    def _read_agent(self, row: ObjectRow, resources: Mapping[str, Resource]) -> Agent:
        agent = AgentObject.read(row.name, row.document)
        for each in agent.grants:
            if grant_type_of(each) is None:
                self._note_missing(row, f"the grant {each!r}", "its requests by it are refused")
        if agent.client_auth is not None and agent.client_auth not in CLIENT_AUTH_METHODS.by_name:
            method = f"the client authentication method {agent.client_auth!r}"
            self._note_missing(row, method, "its requests are refused")
        granted = {each: frozenset(names) for each, names in agent.scopes.items() if each in resources}
        is_past = self._is_past(agent.expires_at)
        members: dict[str, Any] = {
            **_take_shared(Agent, agent),
            "settings": agent,
            **self._identity(row),
            "enabled": agent.enabled and not is_past,
            "is_over": agent.enabled and is_past,
            "grant_types": agent.grant_types,
            "scopes": granted,
        }
        return Agent(**members)

    def _is_past(self, moment: float | None) -> bool:
        return moment is not None and moment <= self._now

    def _read_introduced(
        self, row: ObjectRow, registration: Registration | None, names: Collection[str]
    ) -> Agent | None:
        """Read an agent that introduced itself; one that nobody would admit today has no part in anything.

        What an administrator says of it wins over its own words.
        """
        known = self._before.introduced.get((row.environment_id, row.id)) if self._before else None
        if known and known.registration is registration and known.names is names and known.row == row:
            agent = known.agent
        else:
            introduction = Introduction.of(row)
            if introduction is None or registration is None:
                return None
            if not introduction.is_admitted(registration.settings):
                return None
            agent = introduction.agent(registration, row.id, introduction.read_metadata(), names)
            known = Introduced(row, registration, names, agent)
        expires_at = agent.origin.expires_at if agent.origin else None
        is_past, is_enabled = self._is_past(expires_at), row.document.get("enabled") is True
        standing = {"enabled": is_enabled and not is_past, "is_over": is_enabled and is_past}
        members = {**self._identity(row), **standing}
        if any(getattr(agent, name) != value for name, value in members.items()):
            agent = replace(agent, **members)
        self.introduced[row.environment_id, row.id] = known._replace(agent=agent)
        return agent

    def _read_policy(self, row: ObjectRow) -> Policy:
        policy = PolicyObject.read(row.name, row.document)
        for step in policy.steps:
            if find_step(step.name) is None:
                self._note_missing(row, f"the step {step.name!r}", "sign-ons that come to it fail")
        steps = tuple(Step(step.type, step.settings) for step in policy.steps)
        return Policy(row.id, row.name, steps, row.term)

    def _read_registration(
        self,
        row: EnvironmentRow,
        stored: RegistrationObject | None,
        resources: Mapping[str, Resource],
        policies: Mapping[str, Policy],
    ) -> Registration | None:
        """Read who may introduce themselves; nobody where a policy for them would ask no user.

        `apply` refuses that. What it accepts is looked at again, for nothing else holds strangers back.
        """
        if stored is None:
            return None
        template, by_name = stored.agent, {each.name: each for each in resources.values()}
        for name in template.policies:
            if name not in policies or all(each.type != AGREEMENT_STEP for each in policies[name].steps):
                self._problems.append(
                    f"registration of environment {row.name!r} is disabled: its policy {name!r} asks for no "
                    "consent, or cannot be used"
                )
                return None
        settings: dict[str, Any] = {each: getattr(template, each) for each in TemplateSettings.model_fields}
        if template.delegation_resource is not None:
            named = by_name.get(template.delegation_resource)
            settings["delegation_resource"] = named.id if named else template.delegation_resource
        members: dict[str, Any] = {
            **_take_shared(Agent, template),
            "id": "",
            "name": "",
            "enabled": True,
            "grant_types": frozenset({AUTHORIZATION_CODE, *template.grants}),
            "redirect_uris": (),
            "scopes": {
                by_name[each].id: frozenset(names) & by_name[each].scopes.keys()
                for each, names in template.scopes.items()
                if each in by_name
            },
            "secret_digests": (),
            "settings": AgentSettings.model_construct(**settings),
        }
        return Registration(stored, Agent(**members), template.lifetime)

    def _note_missing(self, row: ObjectRow, part: str, consequence: str) -> None:
        self._missing.append(
            f"{row.kind} {row.name!r} of environment {self._environments[row.environment_id]!r} has {part}, "
            f"which no package here provides: {consequence}; install its package and restart the authority"
        )

    def _identity(self, row: ObjectRow) -> dict[str, Any]:
        """What the row of a resource or an agent and its secrets tell about it."""
        newest_first = sorted(
            self._secrets[row.environment_id, row.id], key=lambda secret: secret.age, reverse=True
        )
        digests = tuple(secret.digest for secret in newest_first)
        return {"id": row.id, "term": row.term, "secret_digests": digests}


def _names_of(agent: ObjectRow) -> Iterable[str]:
    """What people read as the name of an agent that an administrator set up, in whatever language."""
    names = agent.document.get("names")
    return (
        (agent.name, *(str(each) for each in names.values())) if isinstance(names, Mapping) else (agent.name,)
    )


def _read_agreement(row: ObjectRow) -> Agreement:
    agreement = AgreementObject.read(row.name, row.document)
    history = AgreementHistory.model_validate(row.history)
    members: dict[str, Any] = {
        **_take_shared(Agreement, agreement),
        "settings": agreement,
        "id": row.id,
        "version": history.version,
        "texts": tuple(
            AgreementText(**_take_shared(AgreementText, each), revision=each.revision)
            for each in agreement.languages
        ),
    }
    return Agreement(**members)


def _take_shared(record: type[Any], model: BaseModel) -> dict[str, Any]:
    """Take the members that the record has under the names they are set by."""
    names = type(model).model_fields.keys()
    return {field.name: getattr(model, field.name) for field in fields(record) if field.name in names}


RowT = TypeVar("RowT")
KeyT = TypeVar("KeyT")


def _group(rows: Sequence[RowT], key: Callable[[RowT], KeyT]) -> Mapping[KeyT, list[RowT]]:
    groups: defaultdict[KeyT, list[RowT]] = defaultdict(list)
    for row in rows:
        groups[key(row)].append(row)
    return groups
