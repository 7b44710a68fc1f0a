"""What an environment file's entries say about each other, and what each says that only the protocol's rules
can judge.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Protocol
from urllib.parse import urlsplit

from deputize.authority.directory.assemble import is_issuer
from deputize.authority.directory.changes import DEFAULT_POLICY
from deputize.authority.directory.documents import (
    AgentDocument,
    AgreementDocument,
    EnvironmentDocument,
    PolicyDocument,
    ResourceDocument,
)
from deputize.authority.environment_file.entries import (
    MAPPINGS,
    AgentEntry,
    AgreementEntry,
    AttributeEntry,
    EnvironmentFile,
    PolicyEntry,
    ResourceEntry,
)
from deputize.authority.environment_file.existing import Existing, read_document
from deputize.authority.environment_file.problems import Problems
from deputize.authority.environment_file.stored import AUTHORIZATION_CODE
from deputize.authority.storage import Kind, ObjectRow
from deputize.expressions import ExpressionError, compile_mapping
from deputize.kernel import pointers
from deputize.kernel.ids import new_id
from deputize.kernel.uris import normalise_resource
from deputize.oauth.access_tokens import is_reserved
from deputize.oauth.redirect_uris import receives_cookies, registration_refusal


class Named(Protocol):
    """An entry of a kind that has names."""

    @property
    def id(self) -> str | None:
        """The id the file gives, if it does."""
        ...

    @property
    def name(self) -> str:
        """The name."""
        ...


def check(file: EnvironmentFile, existing: Existing, issuer: str, problems: Problems) -> None:
    """Add everything wrong to `problems`. `issuer` is the environment's, as users and agents will know it."""
    scopes, agreements = _scopes(file, existing), _agreements(file, existing)
    policies = (
        {row.name for row in _kept(file, existing, "policy")}
        | {entry.name for entry in file.policies or ()}
        | {DEFAULT_POLICY}
    )
    _check_names(file, existing, problems)
    for index, resource in enumerate(file.resources or ()):
        _check_resource(resource, f"/resources/{index}", problems)
    _check_audiences(file, existing, problems)
    for index, agreement in enumerate(file.agreements or ()):
        _check_agreement(
            agreement, environment_settings(file, existing).default_language, f"/agreements/{index}", problems
        )
    for index, policy in enumerate(file.policies or ()):
        _check_policy(policy, agreements, f"/policies/{index}", problems)
    for index, agent in enumerate(file.agents or ()):
        _check_agent(agent, scopes, policies, f"/agents/{index}", problems)
        _check_callbacks(agent, issuer, f"/agents/{index}", problems)
    if (default := environment_settings(file, existing).default_policy) not in policies:
        problems.add("/default_policy", f"there is no policy {default!r}", _known(policies))
    _check_kept(file, existing, policies, problems)


def environment_settings(file: EnvironmentFile, existing: Existing) -> EnvironmentDocument:
    """The environment's own settings as they will be; what the file leaves out stays, or gets its default."""
    row = existing.environment
    now = EnvironmentDocument.model_validate(row.document) if row else None
    before = now or EnvironmentDocument(
        organization_id=file.organization_id or new_id(), default_policy=DEFAULT_POLICY
    )
    fresh = EnvironmentDocument(organization_id=before.organization_id, default_policy=DEFAULT_POLICY)
    settings = (
        "organization_id",
        "default_policy",
        "default_language",
        "session_lifetime",
        "session_idle_lifetime",
    )
    named = {name: getattr(file, name) for name in settings if name in file.model_fields_set}
    return before.model_copy(
        update={name: getattr(fresh, name) if value is None else value for name, value in named.items()}
    )


def entries(file: EnvironmentFile) -> tuple[tuple[Kind, str, Sequence[Named] | None], ...]:
    """Each kind of object with the member that lists it; `None` where the file does not."""
    return (
        ("resource", "resources", file.resources),
        ("agreement", "agreements", file.agreements),
        ("policy", "policies", file.policies),
        ("agent", "agents", file.agents),
    )


def is_pruned(file: EnvironmentFile, kind: Kind) -> bool:
    """Whether objects of this kind go when the file does not name them."""
    return file.prune and any(listed is not None for each, _, listed in entries(file) if each == kind)


def _kept(file: EnvironmentFile, existing: Existing, kind: Kind) -> Iterable[ObjectRow]:
    """The objects that stay although, or as, the file does not name them."""
    if is_pruned(file, kind):
        return ()
    listed = next(listed for each, _, listed in entries(file) if each == kind) or ()
    replaced = {row.id for entry in listed if (row := existing.find(kind, entry.id, entry.name))}
    return (row for row in existing.of_kind(kind) if row.id not in replaced)


def _scopes(file: EnvironmentFile, existing: Existing) -> Mapping[str, frozenset[str]]:
    """Resource name to its scopes, as they will be."""
    documents = (
        (row.name, read_document(row, ResourceDocument)) for row in _kept(file, existing, "resource")
    )
    kept = {name: frozenset(document.scopes) for name, document in documents if document}
    return kept | {
        entry.name: frozenset(scope.name for scope in entry.scopes) for entry in file.resources or ()
    }


def _agreements(file: EnvironmentFile, existing: Existing) -> Mapping[str, bool]:
    """Agreement name to whether it is enabled, as they will be."""
    documents = (
        (row.name, read_document(row, AgreementDocument)) for row in _kept(file, existing, "agreement")
    )
    kept = {name: document.enabled for name, document in documents if document}
    return kept | {entry.name: entry.enabled for entry in file.agreements or ()}


def _check_kept(
    file: EnvironmentFile, existing: Existing, policies: Iterable[str], problems: Problems
) -> None:
    """What the file does not name must not lose what it refers to."""
    enabled = _enabled_agreement_ids(file, existing)
    for row in _kept(file, existing, "policy"):
        document = read_document(row, PolicyDocument)
        wanted = (
            {step.settings.get("agreement") for step in document.steps if step.type == "AGREEMENT"}
            if document
            else set[str | None]()
        )
        if not wanted <= enabled:
            problems.add(
                "/agreements",
                f"the policy {row.name!r} still prompts for an agreement that this removes or disables",
                "list the policy too",
            )
    default_language = environment_settings(file, existing).default_language
    for row in _kept(file, existing, "agreement"):
        agreement = read_document(row, AgreementDocument)
        if (
            agreement
            and agreement.enabled
            and default_language not in {text.locale for text in agreement.texts if text.enabled}
        ):
            problems.add(
                "/default_language",
                f"the agreement {row.name!r} has no enabled text in {default_language!r}",
                "list the agreement too",
            )
    for row in _kept(file, existing, "agent"):
        document = read_document(row, AgentDocument)
        if document and not set(document.policies) <= set(policies):
            problems.add(
                "/policies",
                f"the agent {row.name!r} still has a policy that this removes",
                "list the agent too",
            )


def _enabled_agreement_ids(file: EnvironmentFile, existing: Existing) -> set[str | None]:
    documents = (
        (row.id, read_document(row, AgreementDocument)) for row in _kept(file, existing, "agreement")
    )
    kept = {each for each, document in documents if document and document.enabled}
    listed = (
        (existing.find("agreement", entry.id, entry.name), entry.enabled) for entry in file.agreements or ()
    )
    return {*kept, *(row.id for row, enabled in listed if row and enabled)}


def _check_names(file: EnvironmentFile, existing: Existing, problems: Problems) -> None:
    """Each name and each id stands for one thing, in the file and in the database."""
    ids: dict[str, str] = {file.id: "the environment"} if file.id else {}
    for kind, member, listed in entries(file):
        _check_unique([entry.name for entry in listed or ()], f"/{member}", "name", problems)
        names = {row.name: row.id for row in existing.of_kind(kind)}
        found = [
            row.id if (row := existing.find(kind, entry.id, entry.name)) else None for entry in listed or ()
        ]
        freed = set(names.values()).difference(found) if is_pruned(file, kind) else set[str]()
        for index, entry in enumerate(listed or ()):
            pointer = f"/{member}/{index}"
            _check_id(entry.id, found[index], existing, f"{pointer}/id", problems)
            _check_identity(ids, entry.id or found[index], f"the {kind} {entry.name!r}", pointer, problems)
            _check_rename(names.get(entry.name), {found[index], None, *freed}, f"{pointer}/name", problems)
    users = file.users or ()
    _check_unique([user.username for user in users], "/users", "username", problems)
    names = {user.username: user.id for user in existing.users}
    found = [user.id if (user := existing.find_user(entry.id, entry.username)) else None for entry in users]
    freed = set(names.values()).difference(found) if file.prune else set[str]()
    for index, entry in enumerate(users):
        _check_id(entry.id, found[index], existing, f"/users/{index}/id", problems)
        _check_identity(
            ids, entry.id or found[index], f"the user {entry.username!r}", f"/users/{index}", problems
        )
        _check_rename(
            names.get(entry.username), {found[index], None, *freed}, f"/users/{index}/username", problems
        )


def _check_id(
    given: str | None, found: str | None, existing: Existing, pointer: str, problems: Problems
) -> None:
    if given is None or given == found:
        return
    if found is not None:
        problems.add(
            pointer,
            f"this name already has the id {found}, and ids do not change",
            "leave the id out, or use another name",
        )
    elif given in existing.taken_ids:
        problems.add(
            pointer, f"this is the id of {existing.taken_ids[given]}", "use another id, or leave it out"
        )


def _check_identity(
    ids: dict[str, str], identity: str | None, what: str, pointer: str, problems: Problems
) -> None:
    """Note in `ids` what the file says the id is of, if it is known yet."""
    if identity in ids:
        problems.add(
            pointer,
            f"this is {ids[identity]} of the same file once more: both have the id {identity}",
            "keep one of them",
        )
    elif identity is not None:
        ids[identity] = what


def _check_rename(owner: str | None, free: Collection[str | None], pointer: str, problems: Problems) -> None:
    """A name is taken until its owner has another.

    Whether that is renamed in the same file makes no difference.
    """
    if owner not in free:
        problems.add(
            pointer,
            f"this is still the name of what has the id {owner}",
            "rename or remove that first, in a file of its own",
        )


def _check_unique(names: Sequence[str], pointer: str, member: str, problems: Problems) -> None:
    counts = Counter(names)
    for index, name in enumerate(names):
        if counts[name] > 1 and name in names[:index]:
            problems.add(
                pointers.join(pointer, index, member), f"{name!r} stands here twice", "keep one of them"
            )


def _check_resource(resource: ResourceEntry, pointer: str, problems: Problems) -> None:
    _check_unique([scope.name for scope in resource.scopes], f"{pointer}/scopes", "name", problems)
    _check_unique(
        [attribute.name for attribute in resource.attributes], f"{pointer}/attributes", "name", problems
    )
    for index, attribute in enumerate(
        resource.attributes if "attributes" in resource.model_fields_set else ()
    ):
        _check_attribute(attribute, f"{pointer}/attributes/{index}", problems)


def _check_attribute(attribute: AttributeEntry, pointer: str, problems: Problems) -> None:
    if is_reserved(attribute.name):
        problems.add(
            f"{pointer}/name",
            f"the claim {attribute.name!r} is set by the authority alone",
            "choose another name",
        )
    if attribute.mapping is not None and attribute.mapping not in MAPPINGS:
        problems.add(f"{pointer}/mapping", f"{attribute.mapping!r} is not a mapping", _known(MAPPINGS))
    if attribute.value is not None and attribute.value.strip().startswith("${"):
        problems.add(
            f"{pointer}/value",
            "a value is a constant text",
            "write an expression as expression: …, without ${ }",
        )
    if attribute.expression is not None:
        _check_expression(attribute.expression, f"{pointer}/expression", problems)


def _check_expression(expression: str, pointer: str, problems: Problems) -> None:
    if expression.strip().startswith("${"):
        problems.add(pointer, "the expression is wrapped in ${ }", "write the bare expression")
        return
    try:
        compile_mapping(expression)
    except ExpressionError as error:
        before = expression[max(0, error.position - 32) : error.position]
        problems.add(
            pointer,
            f"{error.reason} at character {error.position + 1} of the expression",
            f"look after {before!r}",
        )


def _check_audiences(file: EnvironmentFile, existing: Existing, problems: Problems) -> None:
    documents = (
        (row.name, read_document(row, ResourceDocument)) for row in _kept(file, existing, "resource")
    )
    owners = {normalise_resource(document.audience): name for name, document in documents if document}
    environments = {*(row.id for row in existing.environments), *([file.id] if file.id else ())}
    agents = {row.id for row in existing.of_kind("agent")} | {
        entry.id for entry in file.agents or () if entry.id
    }
    if file.id and any(is_issuer(audience, {file.id}) for audience in existing.audiences):
        problems.add(
            "/id",
            "a resource of another environment has the issuer of this id as its audience",
            "use another id",
        )
    for index, resource in enumerate(file.resources or ()):
        audience = resource.audience or resource.name
        pointer = f"/resources/{index}/audience"
        if (known := normalise_resource(audience)) in owners:
            problems.add(
                pointer,
                f"the audience {audience!r} is that of the resource {owners[known]!r}",
                "an audience names one resource",
            )
        if is_issuer(audience, environments):
            reason = (
                f"the audience {audience!r} is the issuer of an environment, which is the audience "
                f"of its own endpoints"
            )
            problems.add(pointer, reason, "use the resource's own URL or name")
        if audience in agents:
            problems.add(
                pointer,
                f"the audience {audience!r} is an agent's client id, which is the audience of ID tokens",
                "use another",
            )
        if urlsplit(audience).fragment or "#" in audience:
            problems.add(pointer, f"the audience {audience!r} has a fragment", "remove the part from # on")
        owners.setdefault(known, resource.name)


def _check_agreement(
    agreement: AgreementEntry, default_language: str, pointer: str, problems: Problems
) -> None:
    _check_unique(
        [language.locale.lower() for language in agreement.languages],
        f"{pointer}/languages",
        "locale",
        problems,
    )
    enabled = {language.locale for language in agreement.languages if language.enabled}
    if agreement.enabled and default_language not in enabled:
        reason = (
            f"an enabled agreement needs an enabled text in the environment's default language "
            f"{default_language!r}"
        )
        problems.add(
            f"{pointer}/languages", reason, "add and enable one, or set enabled: false on the agreement"
        )


def _check_policy(
    policy: PolicyEntry, agreements: Mapping[str, bool], pointer: str, problems: Problems
) -> None:
    if not policy.steps:
        problems.add(f"{pointer}/steps", "a new policy needs steps", "add them, such as steps: [login: {}]")
    elif policy.steps[0].login is None:
        problems.add(
            f"{pointer}/steps/0", "the first step has to tell who the user is", "begin with login: {}"
        )
    for index, step in enumerate(policy.steps):
        if step.agreement_prompt is None:
            continue
        name, place = step.agreement_prompt.agreement, f"{pointer}/steps/{index}/agreement_prompt/agreement"
        if name not in agreements:
            problems.add(place, f"there is no agreement {name!r}", _known(agreements))
        elif not agreements[name]:
            problems.add(
                place,
                f"the agreement {name!r} is not enabled, so nobody would be asked",
                "set enabled: true on the agreement",
            )


def _check_agent(
    agent: AgentEntry,
    scopes: Mapping[str, frozenset[str]],
    policies: Iterable[str],
    pointer: str,
    problems: Problems,
) -> None:
    for member, uris in (
        ("redirect_uris", agent.redirect_uris),
        ("post_logout_redirect_uris", agent.post_logout_redirect_uris),
    ):
        # What is stored already does not keep anybody from disabling an agent, even if it would be refused
        # today.
        for index, uri in enumerate(uris if member in agent.model_fields_set else ()):
            if refusal := registration_refusal(uri):
                problems.add(
                    f"{pointer}/{member}/{index}",
                    f"{uri[:128]!r} {refusal}",
                    "use https, or http://localhost for a program on the user's machine",
                )
    if AUTHORIZATION_CODE in agent.grants and not agent.redirect_uris:
        problems.add(pointer, "authorization_code needs a redirect URI", "add redirect_uris")
    if agent.refresh_token_rolling_lifetime < agent.refresh_token_lifetime:
        problems.add(
            f"{pointer}/refresh_token_rolling_lifetime",
            "is shorter than refresh_token_lifetime",
            "make it at least as long",
        )
    for index, policy in enumerate(agent.policies):
        if policy not in policies:
            problems.add(f"{pointer}/policies/{index}", f"there is no policy {policy!r}", _known(policies))
    _check_scopes(agent, scopes, pointer, problems)


def _check_callbacks(agent: AgentEntry, issuer: str, pointer: str, problems: Problems) -> None:
    for member, uris in (
        ("redirect_uris", agent.redirect_uris),
        ("post_logout_redirect_uris", agent.post_logout_redirect_uris),
    ):
        # Nobody is sent to a disabled agent, and none keeps anybody from disabling it.
        for index, uri in enumerate(uris if agent.enabled else ()):
            if registration_refusal(uri) is None and receives_cookies(uri, issuer):
                problems.add(
                    f"{pointer}/{member}/{index}",
                    f"{uri[:128]!r} would receive the session cookies of the authority at {issuer}, for "
                    f"cookies ignore ports",
                    "use different host names, such as localhost for one and 127.0.0.1 for the other",
                )


def _check_scopes(
    agent: AgentEntry, scopes: Mapping[str, frozenset[str]], pointer: str, problems: Problems
) -> None:
    for resource, names in agent.scopes.items() if "scopes" in agent.model_fields_set else ():
        place = pointers.join(pointer, "scopes", resource)
        if resource not in scopes:
            problems.add(place, f"there is no resource {resource!r}", _known(scopes), at_key=True)
            continue
        for index, name in enumerate(names):
            if name not in scopes[resource]:
                problems.add(
                    pointers.join(place, index),
                    f"the resource {resource!r} has no scope {name!r}",
                    _known(scopes[resource]),
                )


def _known(names: Iterable[str]) -> str:
    return f"known are {', '.join(sorted(names))}" if list(names) else "there is none yet"
