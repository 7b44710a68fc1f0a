"""What an environment file says about whose signed word counts, and for what."""

from collections.abc import Collection, Iterator
from typing import Final

from deputize.authority.directory.objects import DEFAULT_POLICY, AgentObject, PolicyObject
from deputize.authority.directory.objects.policy import PolicyStep
from deputize.authority.environment_file.outcome import Outcome
from deputize.authority.environment_file.problems import Problems, known_names
from deputize.kernel.uris import UriError
from deputize.oauth.client_auth import federated_jwt
from deputize.oauth.document_urls import parse_document_url
from deputize.oauth.grants import jwt_bearer
from deputize.oauth.records.settings import TrustedIssuer, TrustedUsers
from deputize.oauth.relying_party import metadata_url
from deputize.oauth.resources import TOKEN_EXCHANGE

_NO_IDENTITY: Final = frozenset({"email", "enabled", "environment", "name", "preferredLanguage"})
"""What mappings see of every user and others may have as well, now or later."""


def check_trusted_issuers(outcome: Outcome, problems: Problems) -> None:
    """Each issuer is somebody else, stands there once, has its keys in one place, and is trusted for what can
    be judged.

    It names a policy by its name, so it is judged also where the file leaves it out.
    """
    trusted = outcome.settings.trusted_issuers
    for index, each in enumerate(trusted):
        place = f"/trusted_issuers/{index}"
        if each.issuer == outcome.issuer:
            reason = "this is the environment itself, which takes no assertions of its own"
            problems.add(f"{place}/issuer", reason, "name another issuer")
        if each.issuer in {other.issuer for other in trusted[:index]}:
            problems.add(f"{place}/issuer", f"{each.issuer!r} stands here twice", "keep one of them")
        _check_keys(each, place, problems)
        if each.users is not None:
            _check_users(each.users, outcome, f"{place}/users", problems)
    registration = outcome.settings.registration
    _check_known(
        registration.software_statements if registration else (),
        outcome,
        "/registration/software_statements",
        problems,
    )


def check_identity_providers(outcome: Outcome, problems: Problems) -> None:
    """Each provider is somebody else at https and stands there once."""
    offered = outcome.settings.identity_providers
    for index, each in enumerate(offered):
        place = f"/identity_providers/{index}"
        if each.issuer == outcome.issuer:
            reason = "this is the environment itself: whoever signs on there would be sent back there"
            problems.add(f"{place}/issuer", reason, "name another provider")
        try:
            parse_document_url(metadata_url(each.issuer))
        except UriError as error:
            problems.add(f"{place}/issuer", str(error), "write https://host, perhaps with a path")
        if each.name in [other.name for other in offered[:index]]:
            problems.add(f"{place}/name", f"{each.name!r} stands here twice", "choose another name")
        if each.issuer in [other.issuer for other in offered[:index]]:
            problems.add(f"{place}/issuer", f"{each.issuer!r} stands here twice", "keep one of them")
        if each.subject is not None:
            _check_subject(each.subject, f"{place}/subject", problems)


def check_named_providers(outcome: Outcome, problems: Problems) -> None:
    """Policies name identity providers that there are, also those that the file leaves out."""
    names = [each.name for each in outcome.settings.identity_providers]
    for pointer, policy in outcome.entries(PolicyObject):
        for at, step in enumerate(policy.steps):
            for setting, name in _providers_of(step):
                if name not in names:
                    reason = f"there is no identity provider {name!r}"
                    problems.add(f"{pointer}/steps/{at}/{step.name}/{setting}", reason, known_names(names))
    for row, policy in outcome.kept_objects(PolicyObject):
        gone = {name for step in policy.steps for _, name in _providers_of(step)}.difference(names)
        if gone:
            reason = f"the policy {row.name!r} still names {', '.join(sorted(gone))}"
            problems.add("/identity_providers", reason, "list the policy too")


def _providers_of(step: PolicyStep) -> Iterator[tuple[str, str]]:
    """The settings of a step that name identity providers, and the providers."""
    for setting in ("provider", "or_providers"):
        value = step.settings.get(setting) if step.name in {"external", "login"} else None
        for name in value if isinstance(value, list | tuple) else (value,):
            if isinstance(name, str):
                yield setting, name


def check_workloads(outcome: Outcome, problems: Problems) -> None:
    """A workload is one agent, which authenticates as it and as nothing else."""
    owners = {
        (each.issuer, each.subject): row.name
        for row, agent in outcome.kept_objects(AgentObject)
        for each in agent.workloads
    }
    for pointer, agent in outcome.entries(AgentObject):
        is_federated = agent.client_auth == federated_jwt.NAME
        if is_federated and not agent.workloads:
            reason = "federated_jwt needs the workloads that the agent is"
            problems.add(pointer, reason, "add workloads: [{ issuer: …, subject: … }]")
        if agent.workloads and not is_federated:
            reason = "workloads are for federated_jwt only"
            fix = "set client_auth: federated_jwt, or write workloads: null"
            problems.add(f"{pointer}/workloads", reason, fix)
        place = f"{pointer}/workloads"
        _check_known([each.issuer for each in agent.workloads], outcome, place, problems, "/issuer")
        for index, each in enumerate(agent.workloads):
            workload = (each.issuer, each.subject)
            if owners.setdefault(workload, agent.name) != agent.name:
                reason = f"the agent {owners[workload]!r} is this workload as well"
                problems.add(f"{place}/{index}", reason, "let each workload be one agent")
    known = {each.issuer for each in outcome.settings.trusted_issuers}
    for row, agent in outcome.kept_objects(AgentObject):
        if not known.issuperset(each.issuer for each in agent.workloads):
            reason = f"the agent {row.name!r} still is a workload of an issuer that this removes"
            problems.add("/trusted_issuers", reason, "list the agent too")


def check_identity_assertions(outcome: Outcome, problems: Problems) -> None:
    """Agents get assertions for others than the environment itself, once each, and have the grants for it."""
    takes = any(each.users for each in outcome.settings.trusted_issuers)
    for pointer, agent in outcome.entries(AgentObject):
        place, audiences = (
            f"{pointer}/identity_assertions",
            [each.audience for each in agent.identity_assertions],
        )
        for index, audience in enumerate(audiences):
            if audience == outcome.issuer:
                reason = "this is the environment itself, whose tokens need no assertion"
                problems.add(f"{place}/{index}/audience", reason, "name the issuer of another server")
            if audience in audiences[:index]:
                reason = f"{audience!r} stands here twice"
                problems.add(f"{place}/{index}/audience", reason, "keep one of them")
        if audiences and TOKEN_EXCHANGE not in agent.grant_types:
            reason = "assertions are got by exchange, and the agent has no token_exchange"
            problems.add(place, reason, "add token_exchange to grants")
        if jwt_bearer.GRANT_TYPE in agent.grants and "grants" in agent.model_fields_set and not takes:
            index = agent.grants.index(jwt_bearer.GRANT_TYPE)
            reason = "the environment takes nobody's identity assertions"
            problems.add(f"{pointer}/grants/{index}", reason, "add users to one of trusted_issuers")


def _check_keys(issuer: TrustedIssuer, place: str, problems: Problems) -> None:
    if (issuer.jwks is None) == (issuer.jwks_uri is None):
        reason = "it needs its keys in one place: jwks, or jwks_uri with where it publishes them"
        problems.add(place, reason, "write one of the two")
    try:
        if issuer.jwks_uri is not None:
            parse_document_url(issuer.jwks_uri)
    except UriError as error:
        fix = "write https://host/path, with a port where it is not 443"
        problems.add(f"{place}/jwks_uri", str(error), fix)


def _check_users(users: TrustedUsers, outcome: Outcome, place: str, problems: Problems) -> None:
    policies = {policy.name: policy.asks_for_consent for policy in outcome.objects(PolicyObject).values()}
    policies.setdefault(DEFAULT_POLICY, False)
    if users.policy not in policies:
        reason = f"there is no policy {users.policy!r}"
        problems.add(f"{place}/policy", reason, known_names(policies))
    elif policies[users.policy] and users.decides_for_users:
        reason = (
            f"the policy {users.policy!r} asks users for consent, so the issuer would not decide for them"
        )
        fix = "name a policy without agreement_prompt, or leave decides_for_users out"
        problems.add(f"{place}/policy", reason, fix)
    elif not policies[users.policy] and not users.decides_for_users:
        reason = (
            f"the policy {users.policy!r} asks for no consent, so agents would act for users who never agreed"
        )
        fix = "name a policy with an agreement_prompt, or set decides_for_users: true"
        problems.add(f"{place}/policy", reason, fix)
    _check_subject(users.subject, f"{place}/subject", problems)


def _check_subject(attribute: str, place: str, problems: Problems) -> None:
    if attribute in _NO_IDENTITY:
        reason = f"{attribute!r} is nothing that one user alone has for good"
        problems.add(place, reason, "write id, username, or the name of a custom attribute")


def _check_known(
    issuers: Collection[str], outcome: Outcome, place: str, problems: Problems, member: str = ""
) -> None:
    known = {each.issuer for each in outcome.settings.trusted_issuers}
    for index, issuer in enumerate(issuers):
        if issuer not in known:
            reason = f"{issuer!r} is none of the trusted_issuers"
            problems.add(f"{place}/{index}{member}", reason, known_names(known))
