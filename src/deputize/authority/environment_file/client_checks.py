"""What an environment file says about how agents authenticate, and where they are told of logouts."""

from collections.abc import Collection

from deputize.authority.directory.objects import AgentObject
from deputize.authority.environment_file.outcome import Outcome
from deputize.authority.environment_file.problems import Problems
from deputize.kernel.uris import UriError
from deputize.oauth.client_auth import private_key_jwt
from deputize.oauth.client_auth.authentication import PUBLIC
from deputize.oauth.document_urls import parse_document_url
from deputize.oauth.grants import GRANTS
from deputize.oauth.grants.refresh_token import MAX_PUBLIC_GRACE


def check_client_auth(outcome: Outcome, problems: Problems) -> None:
    """Agents have what they authenticate with, and nothing that asks for more than that."""
    for pointer, agent in outcome.entries(AgentObject):
        named = agent.model_fields_set
        if agent.secret is not None and not agent.needs_secret:
            reason = f"it has a secret, and authenticates by {agent.client_auth}"
            problems.add(f"{pointer}/secret", reason, "remove one of the two")
        keys = [name for name in ("jwks", "jwks_uri") if getattr(agent, name) is not None]
        if agent.client_auth == private_key_jwt.NAME and not keys:
            reason = "private_key_jwt needs the keys that verify its assertions"
            fix = "add jwks: { keys: [...] } with its public keys, or jwks_uri with where it publishes them"
            problems.add(pointer, reason, fix)
        for name in keys if agent.client_auth != private_key_jwt.NAME else ():
            reason = "keys are for private_key_jwt only"
            fix = f"set client_auth: private_key_jwt, or write {name}: null"
            problems.add(f"{pointer}/{name}", reason, fix)
        if len(keys) > 1:
            reason = "it has jwks as well, and one of the two would be ignored"
            problems.add(f"{pointer}/jwks_uri", reason, "keep one, and write null for the other")
        if agent.client_auth == PUBLIC:
            _check_public(agent, pointer, named, problems)


def check_logout_uris(outcome: Outcome, problems: Problems) -> None:
    """Agents are told of logouts at addresses that are posted to."""
    for pointer, agent in outcome.entries(AgentObject):
        try:
            if agent.backchannel_logout_uri is not None:
                parse_document_url(agent.backchannel_logout_uri)
        except UriError as error:
            fix = "write https://host/path, with a port where it is not 443"
            problems.add(f"{pointer}/backchannel_logout_uri", str(error), fix)


def _check_public(agent: AgentObject, pointer: str, named: Collection[str], problems: Problems) -> None:
    """A public client has users, who are sent back to it, and nothing that only a secret would guard."""
    for index, grant_type in enumerate(agent.grants):
        grant = GRANTS.by_name.get(grant_type)
        if grant is not None and not grant.for_public_clients:
            place = f"{pointer}/grants/{index}" if "grants" in named else f"{pointer}/client_auth"
            problems.add(
                place,
                f"{grant.word} is for agents that authenticate, and client_auth: none proves nothing",
                "remove the grant, or set client_auth: private_key_jwt or a secret's method",
            )
    if not agent.redirect_uris:
        reason = "a public client gets tokens for users only, and there is nowhere to send them back to"
        problems.add(pointer, reason, "add redirect_uris")
    if "refresh_token_grace" in named and agent.refresh_token_grace > MAX_PUBLIC_GRACE:
        reason = f"is longer than the {MAX_PUBLIC_GRACE} seconds that public clients have at most"
        problems.add(f"{pointer}/refresh_token_grace", reason, "shorten it, or leave it out")
