"""What the agent gets without a user: its own token, and whether its authorization requests are accepted."""

from deputize.diagnosis import causes
from deputize.diagnosis.case import Case, words
from deputize.diagnosis.checks.check import (
    Check,
    Fine,
    check_times,
    explain_refusal,
    explain_token_refusal,
    probe,
)
from deputize.diagnosis.findings import Found, NotTried
from deputize.kernel.uris import is_same_resource


async def get_actor_token(case: Case) -> Fine:
    """Get the agent's own token, the later actor token (RFC 6749 section 4.4)."""
    scope, audience = case.options.agent_scope, case.options.agent_audience
    answer = await case.ask_token({"grant_type": "client_credentials", "scope": scope})
    if answer.status != 200:
        raise await explain_token_refusal(
            case, answer, grant="client_credentials", scope=scope, audience=audience
        )
    token = case.take(answer)
    check_times(case, token)
    if audience not in words(token.claims.get("aud")):
        raise Found(
            causes.TOKEN_AUDIENCE_WRONG,
            token.tell("aud", "scope"),
            audience=" ".join(words(token.claims.get("aud"))),
            resource=audience,
        )
    case.actor = token
    return Fine("the agent gets a token of its own", token.tell("aud", "client_id", "scope"))


async def ask_authorization(case: Case) -> Fine:
    """Ask to sign a user on for the agent's own resource: redirect URI, PKCE, scope, policy."""
    scope = case.options.agent_scope
    if refused := await probe(case, scope=scope):
        raise explain_refusal(case, refused, scope=scope, audience=case.options.agent_audience)
    return Fine("the authority would sign a user on", (f"redirect_uri = {case.options.redirect_uri}",))


async def ask_for_resource(case: Case) -> Fine:
    """Ask for the MCP server's resource, as clients off the shelf do (RFC 8707): audience and scope."""
    scope, resource = case.wanted_scope, case.resource
    if not scope:
        raise NotTried("the gateway names no scope: give --scope")
    refused = await probe(case, scope=scope, resource=resource)
    if refused is None:
        return Fine(f"the agent may obtain {scope!r} for {resource}")
    if refused.error != "invalid_target":
        raise explain_refusal(case, refused, scope=scope, audience=resource)
    other = resource.removesuffix("/") if resource.endswith("/") else f"{resource}/"
    slashed = await probe(case, scope=scope, resource=other)
    if not is_same_resource(resource, other) and (slashed is None or slashed.error != "invalid_target"):
        evidence = (f"resource={resource} is refused, resource={other} is not", refused.said)
        raise Found(causes.RESOURCE_TRAILING_SLASH, evidence, one=resource, other=other)
    without = await probe(case, scope=scope)
    if without and without.error == "invalid_target":
        # The scope's own resource cannot be had: it requires delegation, and nothing tells of what.
        raise Found(causes.MAY_ACT_MISSING, (without.said,), audience=case.options.agent_audience)
    if without and without.error == "invalid_scope":
        raise explain_refusal(case, without, scope=scope, audience=resource)
    raise explain_refusal(case, refused, scope=scope, audience=resource)


CHECKS = (
    Check(
        "agent",
        "The agent proves who it is, and gets a token of its own",
        get_actor_token,
        ("authority-metadata",),
    ),
    Check("authorization-request", "Its users can sign on", ask_authorization, ("agent",)),
    Check(
        "resource-request",
        "It may ask for the gateway's resource",
        ask_for_resource,
        ("authorization-request", "resource-metadata"),
    ),
)
