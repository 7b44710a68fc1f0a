"""The token exchange (RFC 8693), and what the token for the MCP server says."""

from deputize.diagnosis import causes
from deputize.diagnosis.case import Case, words
from deputize.diagnosis.checks.check import Check, Fine, explain_token_refusal
from deputize.diagnosis.checks.sign_on import ask_again
from deputize.diagnosis.findings import Found, NotTried
from deputize.jose import VERIFIABLE_ALGORITHMS, TokenInvalid, choose_keys, parse_foreign_token, verify_with
from deputize.kernel.uris import is_same_resource
from deputize.oauth.resources import TOKEN_EXCHANGE

_ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"


async def exchange(case: Case) -> Fine:
    """Exchange subject and actor token for the token for the MCP server."""
    if case.subject is None or case.actor is None:
        raise NotTried("there is no subject token, or no actor token")
    scope, resource = case.wanted_scope, case.resource
    answer = await case.ask_token(
        {
            "grant_type": TOKEN_EXCHANGE,
            "subject_token": case.subject.value,
            "subject_token_type": _ACCESS_TOKEN,
            "actor_token": case.actor.value,
            "actor_token_type": _ACCESS_TOKEN,
            "scope": scope,
            "resource": resource,
        }
    )
    if answer.status == 200:
        case.exchanged = case.take(answer)
        return Fine(
            "the agent gets the token for the MCP server", case.exchanged.tell("sub", "act", "aud", "scope")
        )
    agent, user, said = case.agent.id, str(case.subject.claims.get("sub")), answer.tell()
    if answer.error == "invalid_request":
        if case.browser.has_session:
            await ask_again(case)  # raises where the user's consent is due again
        # Neither token is at fault: both are fresh, and may_act names the agent.
        raise Found(
            causes.ACT_MAPPING_FALSE,
            (said,),
            resource=resource,
            reason="deputize why --record ID, with the correlation id, names the part",
        )
    if answer.error == "invalid_scope":
        # It was granted: the request for the resource was accepted.
        raise Found(causes.CONSENT_DOES_NOT_COVER, (said,), user=user, agent=agent, scope=scope, reason=said)
    raise await explain_token_refusal(case, answer, grant=TOKEN_EXCHANGE, scope=scope, audience=resource)


async def read_claims(case: Case) -> Fine:
    """See that the token says what the gateway asks for, and is signed by the authority's keys."""
    token = case.exchanged
    if token is None:
        raise NotTried("there is no token")
    claims, evidence = token.claims, token.tell("iss", "aud", "act", "scope")
    try:
        read = parse_foreign_token(token.value)
        verify_with(read, choose_keys(read, case.keys, VERIFIABLE_ALGORITHMS))
    except TokenInvalid as error:
        raise Found(causes.TOKEN_NOT_VERIFIED, evidence, reason=error.reason) from error
    if claims.get("iss") != case.options.issuer:
        raise Found(
            causes.ISSUER_INCONSISTENT, evidence, issuer=case.options.issuer, named=str(claims.get("iss"))
        )
    audience = words(claims.get("aud"))
    if not any(is_same_resource(each, case.resource) for each in audience):
        raise Found(
            causes.TOKEN_AUDIENCE_WRONG, evidence, audience=" ".join(audience), resource=case.resource
        )
    act = claims.get("act")
    if not isinstance(act, dict) or act.get("sub") != case.agent.id:
        raise Found(causes.ACT_NOT_MAPPED, evidence, resource=case.resource)
    missing = set(case.scopes).difference(str(claims.get("scope", "")).split())
    if missing:
        raise Found(
            causes.TOKEN_SCOPE_MISSING,
            evidence,
            scope=str(claims.get("scope", "")),
            required=" ".join(case.scopes),
        )
    return Fine("the token is for the gateway, and says for whom and by whom", evidence)


CHECKS = (
    Check(
        "exchange",
        "Subject and actor token are exchanged",
        exchange,
        ("agent", "may-act", "resource-request"),
    ),
    Check("claims", "The token says what the gateway asks for", read_claims, ("exchange", "keys")),
)
