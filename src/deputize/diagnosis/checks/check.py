"""What a check is, and the probes that several checks make."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, NamedTuple, TypeAlias
from urllib.parse import parse_qsl, urlencode, urlsplit

from deputize.diagnosis import causes
from deputize.diagnosis.browser import Browser, PageSeen
from deputize.diagnosis.case import Case, ObtainedToken
from deputize.diagnosis.cause import Cause
from deputize.diagnosis.findings import Found
from deputize.diagnosis.web import ReadAnswer
from deputize.http.messages import Field
from deputize.kernel.ids import new_token
from deputize.kernel.strict_json import dumps
from deputize.kernel.values import JsonObject, JsonValue
from deputize.mcp.challenge import Challenge, ChallengeError, parse_challenges
from deputize.mcp.versions import MODERN, NEWEST_HANDSHAKE
from deputize.oauth.grants.authorization_code import challenge_of

NOBODYS_TOKEN: Final = "deputize-doctor"
"""What no authority has issued."""
_CLIENT: Final[JsonObject] = {"name": "deputize-doctor", "version": "1"}
INITIALIZE: Final[JsonObject] = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {"protocolVersion": NEWEST_HANDSHAKE, "capabilities": {}, "clientInfo": _CLIENT},
}


class Fine(NamedTuple):
    """What a check says that found nothing wrong."""

    said: str
    evidence: tuple[str, ...] = ()


Examine: TypeAlias = Callable[[Case], Awaitable[Fine]]


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that is looked at.

    `examine` raises `Found` for what is wrong, and `NotTried` where it lacks an option.
    """

    name: str
    title: str
    examine: Examine
    needs: tuple[str, ...] = ()
    """Checks without which it cannot be made."""


def message_of(case: Case, method: str, **params: JsonValue) -> JsonObject:
    """Return a request in the version that was agreed on; a modern one says of itself what that is."""
    message: JsonObject = {"jsonrpc": "2.0", "id": 2, "method": method}
    if case.protocol in MODERN:
        params["_meta"] = {
            "io.modelcontextprotocol/protocolVersion": case.protocol,
            "io.modelcontextprotocol/clientInfo": _CLIENT,
            "io.modelcontextprotocol/clientCapabilities": {},
        }
    return {**message, "params": params} if params else message


async def call_server(case: Case, message: JsonObject, token: str | None) -> ReadAnswer:
    """Send an MCP message to the gateway, with that token or without any."""
    fields = mcp_fields(case, token, str(message["method"]))
    return await case.web.ask("POST", case.options.gateway_url, fields, dumps(message))


def mcp_fields(case: Case, token: str | None, method: str = "") -> list[Field]:
    """Return the fields of a request in the session, if there is one, or of a modern message `method`."""
    fields = [
        (b"Accept", b"application/json, text/event-stream"),
        (b"Content-Type", b"application/json"),
    ]
    if token is not None:
        fields.append((b"Authorization", b"Bearer " + token.encode("latin-1", "replace")))
    if case.session:
        fields.append((b"Mcp-Session-Id", case.session.encode("latin-1")))
    if case.protocol:
        fields.append((b"Mcp-Protocol-Version", case.protocol.encode("latin-1", "replace")))
    if case.protocol in MODERN:
        fields.append((b"Mcp-Method", method.encode("ascii")))
    return fields


def challenges_of(answer: ReadAnswer) -> list[Challenge]:
    """Return the `Bearer` challenges of an answer; those that cannot be read are left out."""
    found: list[Challenge] = []
    for value in answer.headers.get_all("www-authenticate"):
        try:
            found += parse_challenges(value)
        except ChallengeError:
            continue
    return [each for each in found if each.scheme.lower() == "bearer"]


class SignOnRequest(NamedTuple):
    """An authorization request, and what its answer has to fit."""

    url: str
    state: str
    verifier: str


def authorization_request(case: Case, **parameters: str) -> SignOnRequest:
    """Make the agent's authorization request: the code flow with PKCE, and these parameters besides."""
    state, verifier = new_token(), new_token() + new_token()
    query = {
        "response_type": "code",
        "client_id": case.agent.id,
        "redirect_uri": case.options.redirect_uri,
        "state": state,
        "code_challenge": challenge_of(verifier),
        "code_challenge_method": "S256",
        **parameters,
    }
    return SignOnRequest(f"{case.endpoint('authorization_endpoint')}?{urlencode(query)}", state, verifier)


class RequestRefusal(NamedTuple):
    """Why the authorization endpoint refuses a request."""

    error: str
    """Its code; empty where it was said on a page only."""
    said: str

    def mentions(self, words: str) -> bool:
        """Whether these words were said."""
        return words in self.said


async def probe(case: Case, **parameters: str) -> RequestRefusal | None:
    """Ask for authorization without a user, and return why it is refused; `None` where a page would open."""
    asked = authorization_request(case, **parameters)
    page = await Browser(case.web, case.options.issuer).open(asked.url)
    return refusal_of(case, page)


def refusal_of(case: Case, page: PageSeen) -> RequestRefusal | None:
    """Return why the authority did not go on, in a redirect to the agent or on a page."""
    if page.leaves_for:
        answer = answer_to_agent(case, page)
        error = answer.get("error", "")
        return RequestRefusal(error, f"{error}: {answer.get('error_description', '')}") if error else None
    if page.answer.status >= 400 or page.form is None:
        return RequestRefusal("", f"{page.answer.status} {page.text}")
    return None


def answer_to_agent(case: Case, page: PageSeen) -> dict[str, str]:
    """Return the parameters with which the browser was sent to the agent.

    Raises `Found` where it was sent elsewhere.
    """
    where, _, _ = page.leaves_for.partition("?")
    if where != case.options.redirect_uri.partition("?")[0]:
        raise Found(causes.REQUEST_REFUSED, answer=f"the browser is sent to {where}")
    return dict(parse_qsl(urlsplit(page.leaves_for).query))


def explain_refusal(case: Case, refused: RequestRefusal, *, scope: str, audience: str) -> Found:
    """Name why an authorization request for that scope and audience is refused."""
    agent, evidence = case.agent.id, (refused.said,)
    for words, cause in (
        ("The client is unknown", causes.CLIENT_UNKNOWN),
        ("The client is disabled", causes.AGENT_DISABLED),
        ("The client is past its end", causes.AGENT_EXPIRED),
        ("redirect_uri is not registered", causes.REDIRECT_MISMATCH),
        ("on the authority's own host", causes.REDIRECT_ON_AUTHORITY),
        ("is not configured", causes.POLICY_MISSING),
    ):
        if refused.mentions(words):
            values = {"client_id": agent, "agent": agent, "redirect_uri": case.options.redirect_uri}
            return Found(cause, evidence, **values)
    if refused.error == "invalid_scope":
        return Found(causes.SCOPE_NOT_GRANTED, evidence, scope=scope, agent=agent)
    if refused.error == "invalid_target":
        return Found(causes.AUDIENCE_UNKNOWN, evidence, audience=audience, agent=agent)
    if refused.error == "unauthorized_client":
        return Found(causes.GRANT_NOT_GRANTED, evidence, grant="authorization_code", agent=agent)
    return Found(causes.REQUEST_REFUSED, evidence, answer=refused.said)


async def explain_token_refusal(
    case: Case, answer: ReadAnswer, *, grant: str, scope: str, audience: str
) -> Found:
    """Name why the token endpoint refuses a request of the agent."""
    agent, evidence = case.agent.id, (answer.tell(),)
    if answer.error == "invalid_client":
        refused = await probe(case)
        if refused and refused.mentions("The client "):  # is unknown, is disabled …
            return explain_refusal(case, refused, scope=scope, audience=audience)
        # With others in the form it is refused for having two (RFC 6749 section 2.3), if both arrive.
        form = {"grant_type": grant, "scope": scope, "client_id": agent, "client_secret": case.agent.secret}
        both = await case.ask_token(form)
        if both.status == 200:
            case.take(both)
        if both.error != "invalid_request":
            return Found(causes.AUTHORIZATION_STRIPPED, evidence, party="authority")
        return Found(causes.CLIENT_SECRET_WRONG, evidence, client_id=agent)
    named: dict[str, tuple[Cause, dict[str, str]]] = {
        "unauthorized_client": (
            causes.GRANT_NOT_GRANTED,
            {"grant": grant.rpartition(":")[2].replace("-", "_")},
        ),
        "invalid_scope": (causes.SCOPE_NOT_GRANTED, {"scope": scope}),
        "invalid_target": (causes.AUDIENCE_UNKNOWN, {"audience": audience}),
    }
    cause, values = named.get(answer.error, (causes.REQUEST_REFUSED, {"answer": answer.tell()}))
    return Found(cause, evidence, **{"agent": agent, **values})


def check_times(case: Case, token: ObtainedToken) -> None:
    """Compare a fresh token's `iat` with our clock. Raises `Found`."""
    issued = token.claims.get("iat")
    if isinstance(issued, int | float):
        check_clock(case, "authority", float(issued), f"iat = {int(issued)}")


def check_clock(case: Case, party: str, shown: float, evidence: str) -> None:
    """Compare what a clock shows with ours. Raises `Found`."""
    ahead = shown - case.clock.now()
    if abs(ahead) > case.options.tolerance:
        direction = "ahead of" if ahead > 0 else "behind"
        raise Found(
            causes.CLOCK_SKEW, (evidence,), party=party, seconds=f"{abs(ahead):.0f}", direction=direction
        )
