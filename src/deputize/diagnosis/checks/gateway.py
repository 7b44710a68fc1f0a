"""Whether the gateway can judge tokens: they reach it, and it may introspect them."""

from deputize.diagnosis import causes
from deputize.diagnosis.case import Case, KnownSecret
from deputize.diagnosis.checks.check import (
    INITIALIZE,
    NOBODYS_TOKEN,
    Check,
    Fine,
    call_server,
    challenges_of,
)
from deputize.diagnosis.findings import Found, NotTried
from deputize.diagnosis.web import ReadAnswer


async def try_introspection(case: Case) -> Fine:
    """Ask about a token that is none, with the resource's credentials (RFC 7662 section 2.1)."""
    if case.options.resource is None:
        raise NotTried("give --resource-id and --resource-secret-file")
    known = case.options.resource
    case.secret_works, said = await may_introspect(case, known, encoded=True)
    if known.depends_on_encoding:
        case.plain_secret_works, _ = await may_introspect(case, known, encoded=False)
    else:
        case.plain_secret_works = case.secret_works
    if not (case.secret_works or case.plain_secret_works):
        form = {"token": NOBODYS_TOKEN, "client_id": known.id, "client_secret": known.secret}
        # Refused for having two credentials (RFC 6749 section 2.3), if both arrive.
        both = await case.web.post(case.endpoint("introspection_endpoint"), form, (known.basic(),))
        if both.error != "invalid_request":
            case.strips_authorization = True
            raise Found(causes.AUTHORIZATION_STRIPPED, (said,), party="authority")
        reason = f"the authority refuses the id and the secret given here: {said}"
        raise Found(causes.INTROSPECTION_CREDENTIALS, (said,), reason=reason)
    only = "" if case.plain_secret_works else ", if they are form-encoded"
    return Fine(f"the resource's credentials are right{only}")


async def may_introspect(case: Case, known: KnownSecret, *, encoded: bool) -> tuple[bool, str]:
    """Whether the authority takes these credentials, and what it says."""
    url = case.endpoint("introspection_endpoint")
    answer = await case.web.post(url, {"token": NOBODYS_TOKEN}, (known.basic(encoded=encoded),))
    return answer.status == 200, answer.tell()


async def try_nobodys_token(case: Case) -> Fine:
    """Call with a token that is none: it has to be looked at, and refused as such (RFC 6750 section 3.1)."""
    answer = await call_server(case, INITIALIZE, NOBODYS_TOKEN)
    if answer.status == 401:
        if not any("error" in each.parameters for each in challenges_of(answer)):
            raise Found(
                causes.AUTHORIZATION_STRIPPED, ("401 without an error in its challenge",), party="gateway"
            )
        return Fine("tokens reach it, and it refuses one that nobody issued")
    if found := explain_failed_check(case, answer):
        raise found
    raise Found(causes.NOT_PROTECTED, status=f"{answer.status} with a token that nobody issued,")


def explain_failed_check(case: Case, answer: ReadAnswer) -> Found | None:
    """Name why the gateway cannot say whether a token is good; `None` where that is not what it says."""
    error = answer.message.get("error")
    said = str(error.get("message", "")) if isinstance(error, dict) else ""
    # Where no MCP client is served, the gateway says it without a body; a proxy's own 502 is a page.
    is_gateways = "token cannot be checked" in said if said else not answer.content
    if answer.status not in {502, 503, 504} or not is_gateways:
        return None
    evidence = (f"{answer.status} {said}".strip(),)
    if answer.status != 502:
        return Found(causes.TOKENS_CANNOT_BE_CHECKED, evidence, status=str(answer.status))
    if case.strips_authorization:
        return Found(causes.AUTHORIZATION_STRIPPED, evidence, party="authority")
    if case.secret_works and not case.plain_secret_works:
        return Found(causes.INTROSPECTION_SPECIAL_CHARACTERS, evidence)
    reason = "the gateway answers 502: the authority refuses the credentials with which it introspects"
    if case.secret_works:
        reason += "; those given here are right, so the gateway has others"
    return Found(causes.INTROSPECTION_CREDENTIALS, evidence, reason=reason)


CHECKS = (
    Check(
        "introspection",
        "The authority takes the resource's credentials",
        try_introspection,
        ("authority-metadata",),
    ),
    Check(
        "token-check",
        "Tokens reach the gateway, and it can have them checked",
        try_nobodys_token,
        ("challenge",),
    ),
)
