"""What an environment file's entries say about each other, and what each says that only the protocol's rules
can judge.
"""

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from urllib.parse import urlsplit

from deputize.authority.directory.assemble import is_issuer
from deputize.authority.directory.objects import (
    DEFAULT_POLICY,
    LISTS,
    MAPPINGS,
    AgentObject,
    AgreementObject,
    PolicyObject,
    ResourceObject,
)
from deputize.authority.environment_file.administrator_checks import (
    check_administrators,
    check_last_administrator,
)
from deputize.authority.environment_file.branding_checks import check_branding
from deputize.authority.environment_file.client_checks import check_client_auth, check_logout_uris
from deputize.authority.environment_file.delegation_checks import check_delegation, check_permitted_actors
from deputize.authority.environment_file.name_checks import check_shown_names
from deputize.authority.environment_file.outcome import Existing, Outcome
from deputize.authority.environment_file.problems import Problems, known_names
from deputize.authority.environment_file.trust_checks import (
    check_identity_assertions,
    check_identity_providers,
    check_named_providers,
    check_trusted_issuers,
    check_workloads,
)
from deputize.expressions import ExpressionError
from deputize.expressions.mapping import compile_mapping
from deputize.kernel import pointers
from deputize.kernel.uris import normalise_resource
from deputize.oauth.access_tokens import is_reserved
from deputize.oauth.document_urls import is_document_id
from deputize.oauth.redirect_uris import receives_cookies, registration_refusal
from deputize.oauth.usernames import canonical, comparison_form, username_refusal


def check_names(outcome: Outcome, problems: Problems) -> None:
    """Each name and each id stands for one thing, in the file and in the database."""
    file, existing = outcome.file, outcome.existing
    ids: dict[str, str] = {file.id: "the environment"} if file.id else {}
    for kind, member in LISTS.items():
        listed = [each for each in outcome.listed if each.kind == kind]
        _check_unique([each.entry.name for each in listed], f"/{member}", "name", problems)
        names = {row.name: row.id for row in existing.of_kind(kind)}
        found = [each.before.id if each.before else None for each in listed]
        freed = set(names.values()).difference(found) if file.prunes(kind) else set[str]()
        for each, found_id in zip(listed, found, strict=True):
            entry, pointer = each.entry, each.pointer
            _check_id(entry.id, found_id, existing, f"{pointer}/id", problems)
            _check_identity(ids, entry.id or found_id, f"the {kind} {entry.name!r}", pointer, problems)
            _check_rename(names.get(entry.name), {found_id, None, *freed}, f"{pointer}/name", problems)
    _check_unique([user.username for user, _ in outcome.users], "/users", "username", problems)
    names = {user.username: user.id for user in existing.users}
    found = [before.id if before else None for _, before in outcome.users]
    freed = set(names.values()).difference(found) if file.prune else set[str]()
    for index, (user, _) in enumerate(outcome.users):
        pointer, found_id = f"/users/{index}", found[index]
        _check_id(user.id, found_id, existing, f"{pointer}/id", problems)
        _check_identity(ids, user.id or found_id, f"the user {user.username!r}", pointer, problems)
        _check_rename(names.get(user.username), {found_id, None, *freed}, f"{pointer}/username", problems)


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


def check_usernames(outcome: Outcome, problems: Problems) -> None:
    """No two users have names that a person could take for each other, and none has the id of something."""
    file, existing = outcome.file, outcome.existing
    given_ids = {
        each.entry.id: f"the {each.kind} {each.entry.name!r}" for each in outcome.listed if each.entry.id
    }
    ids = {comparison_form(each): what for each, what in {**existing.taken_ids, **given_ids}.items()}
    named = {before.id for _, before in outcome.users if before}
    replaces_all = file.prune and file.users is not None
    going = named | outcome.removals
    staying = (user.username for user in existing.users if user.id not in going and not replaces_all)
    kept = {comparison_form(username): username for username in staying}
    owners, fix = dict(kept), "use another name"
    for index, (user, _) in enumerate(outcome.users):
        pointer, form = f"/users/{index}/username", comparison_form(user.username)
        if refusal := username_refusal(user.username):
            plain = canonical(user.username)
            is_free = form not in owners and username_refusal(plain) is None
            problems.add(
                pointer, f"{user.username[:128]!a} {refusal}", f"write {plain!r}" if is_free else fix
            )
        elif form in ids:
            problems.add(pointer, f"{user.username!r} is the id of {ids[form]}, and tokens name both", fix)
        elif owners.get(form, user.username) != user.username:
            reason = f"{user.username!r} differs from the user {owners[form]!r} in case only"
            problems.add(pointer, reason, fix)
        owners.setdefault(form, user.username)
    for each in outcome.listed:
        if each.entry.id is not None and (name := kept.get(comparison_form(each.entry.id))):
            reason = f"the {each.kind} would have the name of the user {name!r} as its id"
            problems.add(f"{each.pointer}/id", reason, "use another id")


def check_passwords(outcome: Outcome, problems: Problems) -> None:
    """A password that the file gives is as long as the environment's policy has it."""
    policy = outcome.settings.password_policy
    for index, (user, _) in enumerate(outcome.users):
        length = len(user.password or "")
        if user.password is not None and not policy.min_length <= length <= policy.max_length:
            bounds = f"{policy.min_length} to {policy.max_length}"
            reason = f"passwords of this environment have {bounds} characters, and this one {length}"
            problems.add(f"/users/{index}/password", reason, "choose another, or change password_policy")


def check_resources(outcome: Outcome, problems: Problems) -> None:
    """Scopes and claims are named once, and mappings can be computed. What is stored was judged before."""
    for pointer, resource in outcome.entries(ResourceObject):
        _check_unique([each.name for each in resource.scopes], f"{pointer}/scopes", "name", problems)
        _check_unique([each.name for each in resource.attributes], f"{pointer}/attributes", "name", problems)
        named = resource.attributes if "attributes" in resource.model_fields_set else ()
        for index, attribute in enumerate(named):
            place = f"{pointer}/attributes/{index}"
            if is_reserved(attribute.name):
                problems.add(
                    f"{place}/name",
                    f"the claim {attribute.name!r} is set by the authority alone",
                    "choose another name",
                )
            if attribute.mapping is not None and attribute.mapping not in MAPPINGS:
                reason = f"{attribute.mapping!r} is not a mapping"
                problems.add(f"{place}/mapping", reason, known_names(MAPPINGS))
            if attribute.value is not None and attribute.value.strip().startswith("${"):
                problems.add(
                    f"{place}/value",
                    "a value is a constant text",
                    "write an expression as expression: …, without ${ }",
                )
            if attribute.expression is not None:
                _check_expression(attribute.expression, f"{place}/expression", problems)


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


def check_audiences(outcome: Outcome, problems: Problems) -> None:
    """An audience names one resource, and neither an environment nor an agent."""
    file, existing = outcome.file, outcome.existing
    owners = {
        normalise_resource(resource.audience): row.name
        for row, resource in outcome.kept_objects(ResourceObject)
    }
    environments = {*(row.id for row in existing.environments), *([file.id] if file.id else ())}
    agents = {row.id for row in (*existing.of_kind("agent"), *existing.introduced)}
    agents |= {agent.id for _, agent in outcome.entries(AgentObject) if agent.id}
    if file.id and any(is_issuer(audience, {file.id}) for audience in existing.audiences):
        problems.add(
            "/id",
            "a resource of another environment has the issuer of this id as its audience",
            "use another id",
        )
    for place, resource in outcome.entries(ResourceObject):
        audience, pointer = resource.audience, f"{place}/audience"
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


def check_agreements(outcome: Outcome, problems: Problems) -> None:
    """An enabled agreement can be shown to everybody: it has a text in the default language."""
    default = outcome.settings.default_language
    for pointer, agreement in outcome.entries(AgreementObject):
        locales = [each.locale.lower() for each in agreement.languages]
        _check_unique(locales, f"{pointer}/languages", "locale", problems)
        if not agreement.can_be_shown_in(default):
            reason = (
                f"an enabled agreement needs an enabled text in the environment's default language "
                f"{default!r}"
            )
            problems.add(
                f"{pointer}/languages", reason, "add and enable one, or set enabled: false on the agreement"
            )
    for row, agreement in outcome.kept_objects(AgreementObject):
        if not agreement.can_be_shown_in(default):
            problems.add(
                "/default_language",
                f"the agreement {row.name!r} has no enabled text in {default!r}",
                "list the agreement too",
            )


def check_policies(outcome: Outcome, problems: Problems) -> None:
    """Policies begin with signing on, and prompt for agreements that there are and that are enabled."""
    agreements = outcome.objects(AgreementObject)
    enabled = {each.name: each.enabled for each in agreements.values()}
    for pointer, policy in outcome.entries(PolicyObject):
        if not policy.steps:
            problems.add(
                f"{pointer}/steps", "a new policy needs steps", "add them, such as steps: [login: {}]"
            )
        elif not policy.steps[0].signs_on:
            problems.add(
                f"{pointer}/steps/0", "the first step has to tell who the user is", "begin with login: {}"
            )
        for index, step in enumerate(policy.steps):
            for setting, name in step.agreements():
                place = f"{pointer}/steps/{index}/{step.name}/{setting}"
                if name not in enabled:
                    problems.add(place, f"there is no agreement {name!r}", known_names(enabled))
                elif not enabled[name]:
                    problems.add(
                        place,
                        f"the agreement {name!r} is not enabled, so nobody would be asked",
                        "set enabled: true on the agreement",
                    )
    for row, policy in outcome.kept_objects(PolicyObject):
        if not all(each in agreements and agreements[each].enabled for each in policy.agreements):
            problems.add(
                "/agreements",
                f"the policy {row.name!r} still prompts for an agreement that this removes or disables",
                "list the policy too",
            )


def check_agents(outcome: Outcome, problems: Problems) -> None:
    """Agents send users back to where only they receive anything, and refer to what there is."""
    policies = {row.name for row in outcome.kept if row.kind == "policy"}
    policies |= {policy.name for _, policy in outcome.entries(PolicyObject)} | {DEFAULT_POLICY}
    if (default := outcome.settings.default_policy) not in policies:
        problems.add("/default_policy", f"there is no policy {default!r}", known_names(policies))
    introduced = {row.name for row in outcome.existing.introduced}
    for pointer, agent in outcome.entries(AgentObject):
        _check_redirects(agent, outcome.issuer, pointer, problems)
        if agent.name in introduced or is_document_id(agent.name):
            problems.add(
                f"{pointer}/name",
                "is the id of an agent that introduces itself, and stands for that one",
                "choose another name; whose documents are taken is said by hosts of registration",
            )
        if agent.refresh_token_rolling_lifetime < agent.refresh_token_lifetime:
            problems.add(
                f"{pointer}/refresh_token_rolling_lifetime",
                "is shorter than refresh_token_lifetime",
                "make it at least as long",
            )
        for index, policy in enumerate(agent.policies):
            if policy not in policies:
                problems.add(
                    f"{pointer}/policies/{index}", f"there is no policy {policy!r}", known_names(policies)
                )
    for row, agent in outcome.kept_objects(AgentObject):
        if not policies.issuperset(agent.policies):
            problems.add(
                "/policies",
                f"the agent {row.name!r} still has a policy that this removes",
                "list the agent too",
            )


def check_scopes(outcome: Outcome, problems: Problems) -> None:
    """Agents are granted what there is. What is stored was judged before."""
    for pointer, agent in outcome.entries(AgentObject):
        if "scopes" in agent.model_fields_set:
            _check_granted(agent.scopes, outcome, f"{pointer}/scopes", problems)


def check_registration(outcome: Outcome, problems: Problems) -> None:
    """Whoever introduces themselves is asked about by a user, and gets what there is.

    It names others by their names, so it is judged also where the file leaves it out.
    """
    registration = outcome.settings.registration
    if registration is None:
        return
    template, place = registration.agent, "/registration/agent"
    policies = {policy.name: policy for policy in outcome.objects(PolicyObject).values()}
    for index, name in enumerate(template.policies):
        if name not in policies:
            problems.add(f"{place}/policies/{index}", f"there is no policy {name!r}", known_names(policies))
        elif not policies[name].asks_for_consent:
            problems.add(
                f"{place}/policies/{index}",
                f"the policy {name!r} asks for no consent, so that strangers would act for users who never "
                "agreed to it",
                "add an agreement_prompt step to it, or name another",
            )
    _check_granted(template.scopes, outcome, f"{place}/scopes", problems)
    if template.refresh_token_rolling_lifetime < template.refresh_token_lifetime:
        problems.add(
            f"{place}/refresh_token_rolling_lifetime",
            "is shorter than refresh_token_lifetime",
            "make it at least as long",
        )
    admits = registration.open or registration.initial_access_tokens or registration.software_statements
    if registration.dynamic and not admits:
        problems.add(
            "/registration/dynamic",
            "nobody may register, for nothing says who",
            "set initial_access_tokens: true, name software_statements, or set open: true for anybody",
        )


def _check_granted(
    granted: Mapping[str, Sequence[str]], outcome: Outcome, pointer: str, problems: Problems
) -> None:
    """Each resource and each scope in `granted` has to exist."""
    resources = {each.name: each for each in outcome.objects(ResourceObject).values()}
    for resource, names in granted.items():
        place = pointers.join(pointer, resource)
        if resource not in resources:
            problems.add(place, f"there is no resource {resource!r}", known_names(resources), at_key=True)
            continue
        scopes = {scope.name for scope in resources[resource].scopes}
        for index, name in enumerate(names):
            if name not in scopes:
                reason = f"the resource {resource!r} has no scope {name!r}"
                problems.add(pointers.join(place, index), reason, known_names(scopes))


def _check_redirects(agent: AgentObject, issuer: str, pointer: str, problems: Problems) -> None:
    for member, uris in (
        ("redirect_uris", agent.redirect_uris),
        ("post_logout_redirect_uris", agent.post_logout_redirect_uris),
    ):
        for index, uri in enumerate(uris):
            place, refusal = f"{pointer}/{member}/{index}", registration_refusal(uri)
            # What is stored already does not keep anybody from disabling an agent, even if it would be
            # refused today.
            if refusal and member in agent.model_fields_set:
                problems.add(
                    place,
                    f"{uri[:128]!r} {refusal}",
                    "use https, or http://localhost for a program on the user's machine",
                )
            # Nobody is sent to a disabled agent, and none keeps anybody from disabling it.
            elif not refusal and agent.enabled and receives_cookies(uri, issuer):
                problems.add(
                    place,
                    f"{uri[:128]!r} would receive the session cookies of the authority at {issuer}, for "
                    f"cookies ignore ports",
                    "use different host names, such as localhost for one and 127.0.0.1 for the other",
                )
    if agent.needs_redirect_uris and not agent.redirect_uris:
        problems.add(pointer, "authorization_code needs a redirect URI", "add redirect_uris")


RULES: tuple[Callable[[Outcome, Problems], None], ...] = (
    check_names,
    check_shown_names,
    check_branding,
    check_usernames,
    check_passwords,
    check_administrators,
    check_last_administrator,
    check_resources,
    check_audiences,
    check_agreements,
    check_policies,
    check_agents,
    check_client_auth,
    check_logout_uris,
    check_scopes,
    check_registration,
    check_delegation,
    check_permitted_actors,
    check_trusted_issuers,
    check_workloads,
    check_identity_assertions,
    check_identity_providers,
    check_named_providers,
)
"""Each adds everything that is wrong by it."""
