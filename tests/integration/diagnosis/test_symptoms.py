"""Each symptom is provoked at real programs, named exactly, and gone when what the doctor says was done."""

import base64
import datetime as dt
import string
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Any
from unittest import mock

import httpx2
import pytest
import pytest_asyncio
from demo import stage
from demo.stage import VALIDITY, _free_port

from deputize.authority.environment_file import EnvironmentFileInvalid
from deputize.authority.why import explain_decision, question_of
from deputize.cli.why import find_record
from deputize.diagnosis import causes
from deputize.diagnosis.case import KnownSecret
from deputize.diagnosis.cause import Cause
from deputize.http.messages import Body, Headers, Response
from deputize.mcp.versions import MODERN
from support.asgi import serving
from support.pair import Pair, ShiftedClock
from support.wire import Server
from weather_mcp_server import application

pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="module")]


async def leave(pair: Pair) -> None:
    """Change nothing: what is wrong is what the doctor was told, or what he was not."""


@dataclass
class Trouble:
    """One thing that goes wrong, the cause that is to be named, and doing what the doctor says."""

    name: str
    cause: Cause
    breaks: Callable[[Pair], Awaitable[Any]] = leave
    mends: Callable[[Pair], Awaitable[Any]] = leave
    told: Callable[[Pair], dict[str, Any]] = lambda pair: {}
    """What the doctor is told besides, while it is broken."""
    also: tuple[Cause, ...] = ()
    """What else is named, as it follows from the same."""
    keeps_changes: bool = False
    """Whether what the doctor says leaves the pair other than the use case has it."""


def resource(document, name):
    return next(each for each in document["resources"] if each["name"] == name)


def agent(document):
    return document["agents"][0]


def applying(edit) -> Callable[[Pair], Awaitable[Any]]:
    """Break something in the environment file."""
    return lambda pair: pair.apply(edit)


def routing(edit) -> Callable[[Pair], Awaitable[Any]]:
    """Break something in the route."""
    return lambda pair: pair.edit_route(edit)


def chain(document) -> list[dict[str, Any]]:
    return document["handler"]["config"]["filters"]


def named(filters, kind) -> dict[str, Any]:
    return next(each for each in filters if each["type"] == kind)


def without(kind):
    def edit(document):
        chain(document).remove(named(chain(document), kind))

    return edit


def credentials_of(document) -> dict[str, Any]:
    provider = document["heap"][2]["config"]["accessTokenResolver"]["config"]["providerHandler"]
    return provider["config"]["filters"][0]["config"]


def act(expression):
    def edit(document):
        resource(document, "test")["attributes"][1]["expression"] = expression

    return edit


def fail_open(document):
    act("#root.context.requestData.subjectToken.may_act.nobody")(document)
    resource(document, "test").update(impersonation_allowed=True, delegation_required=False)


def no_act(document):
    resource(document, "test")["attributes"].pop()
    resource(document, "test").update(impersonation_allowed=True, delegation_required=False)


async def agree_to_less(pair: Pair) -> None:
    """Agree to what the agent asks for, and let it ask for one scope more from then on."""

    def grant_more(document):
        more = {"name": "more", "description": "Do more", "consent": "on_use"}
        resource(document, "agent")["scopes"].append(more)
        agent(document).update(scopes={"agent": ["agent", "more"], "test": ["test"]})

    await pair.withdraw()
    await pair.examine()
    await pair.apply(grant_more)


def bare_resource_server(document):
    chain(document)[2] = "rsFilter"


def strip(document):
    header = {"type": "HeaderFilter", "config": {"messageType": "REQUEST", "remove": ["Authorization"]}}
    chain(document).insert(0, header)


def without_agreement(document):
    document["policies"].append({"name": "Login", "steps": [{"login": {}}]})
    agent(document)["policies"] = ["Login"]


def reconsent(interval):
    def edit(document):
        document["agreements"][0]["reconsent_every"] = interval

    return edit


async def ask_on_use(pair: Pair) -> None:
    await pair.apply(lambda document: resource(document, "test")["scopes"][0].update(consent="on_use"))
    await pair.withdraw()


async def start_with(pair: Pair, text: str) -> None:
    """Restart the gateway with this as its route: while it runs, it keeps what worked."""
    await pair.edit_route(lambda document: text)
    await pair.restart_gateway()


async def certify(pair: Pair, validity: dt.timedelta) -> None:
    """Have the gateway show a certificate that is valid so long from now."""
    with mock.patch.object(stage, "VALIDITY", validity):
        folder = pair.stage.instance / "secrets"
        stage._write_certificates(pair.stage.ca_file, folder / "key.manager.secret.id.pem")
    await pair.restart_gateway()


SUBJECT = "#root.context.requestData.subjectToken"
SPECIAL = "per%2Fcent+plus&colon:" + "x" * 32


async def use_special_characters(pair: Pair) -> None:
    await pair.apply(lambda document: resource(document, "test").update(secret=SPECIAL))
    pair.secrets[pair.ids[("resource", "test")]] = SPECIAL
    await pair.restart_gateway()


async def encode_credentials(pair: Pair) -> None:
    await pair.edit_route(lambda document: credentials_of(document).update(urlEncodeCredentials=True))


async def serve_under(pair: Pair, base_url: str) -> None:
    await pair.stop_authority()
    await pair.start_authority(base_url)
    await pair.apply()
    await pair.restart_gateway()


def dead_port() -> int:
    return _free_port(0, set())


def withdrawing(pair: Pair) -> Awaitable[None]:
    return pair.withdraw()


async def consent_for_longer(pair: Pair) -> None:
    """Ask again after half a year, as the use case has it. What was agreed to for ten seconds stays so."""
    await pair.apply(reconsent("180 days"))
    await pair.withdraw()


TROUBLES = (
    # use case, section E
    Trouble(
        "no may_act",
        causes.MAY_ACT_MISSING,
        applying(lambda document: resource(document, "agent")["attributes"].pop()),
        Pair.apply,
    ),
    Trouble(
        "may_act yields nothing for users",
        causes.MAY_ACT_MISSING,
        applying(
            lambda document: resource(document, "agent")["attributes"][1].update(expression="user.nothing")
        ),
        Pair.apply,
    ),
    Trouble(
        "may_act names somebody else",
        causes.MAY_ACT_NAMES_ANOTHER,
        applying(
            lambda document: resource(document, "agent")["attributes"][1].update(
                expression='({"sub": "somebody"})'
            )
        ),
        Pair.apply,
    ),
    Trouble(
        "act compares something that is not there",
        causes.ACT_MAPPING_FALSE,
        applying(act("(#root.context.requestData.subjectToken.may_act.subject == 'x')?{'sub': 'x'}:null")),
        Pair.apply,
    ),
    Trouble("act fails open", causes.ACT_NOT_MAPPED, applying(fail_open), Pair.apply),
    Trouble(
        "streaming is off",
        causes.STREAMING_OFF,
        lambda pair: pair.edit_admin(lambda document: document.update(streamingEnabled=False)),
        lambda pair: pair.edit_admin(lambda document: document.update(streamingEnabled=True)),
    ),
    Trouble(
        "the path is not rewritten",
        causes.ROUTING_ERROR,
        routing(without("UriPathRewriteFilter")),
        routing(lambda document: None),
    ),
    Trouble(
        "the policy has no agreement",
        causes.NO_CONSENT_PROMPT,
        applying(without_agreement),
        applying(lambda document: None),
    ),
    Trouble(
        "another redirect URI is registered",
        causes.REDIRECT_MISMATCH,
        applying(lambda document: agent(document).update(redirect_uris=["http://localhost:3000/back"])),
        Pair.apply,
    ),
    Trouble(
        "the agreement is due again at once",
        causes.CONSENT_EVERY_TIME,
        applying(reconsent("10 seconds")),
        consent_for_longer,
    ),
    Trouble("act is not mapped", causes.ACT_NOT_MAPPED, applying(no_act), Pair.apply),
    Trouble(
        "the agent asks for more than it did when the user agreed",
        causes.SCOPES_CHANGE,
        agree_to_less,
        Pair.apply,
        told=lambda pair: {"agent_scope": "agent more", "accepts": False},
    ),
    # the field
    Trouble(
        "the audience ends with a slash",
        causes.RESOURCE_TRAILING_SLASH,
        applying(lambda document: resource(document, "test").update(audience="&{GATEWAY_URL}/mcp/")),
        Pair.apply,
    ),
    Trouble(
        "the gateway's resource ends with a slash",
        causes.RESOURCE_TRAILING_SLASH,
        routing(
            lambda document: named(chain(document), "McpProtectionFilter")["config"].update(
                resourceId="&{gatewayUrl}/mcp/"
            )
        ),
        routing(lambda document: None),
    ),
    Trouble(
        "another audience",
        causes.AUDIENCE_UNKNOWN,
        applying(lambda document: resource(document, "test").update(audience="https://other.example/mcp")),
        Pair.apply,
    ),
    Trouble(
        "no metadata are named",
        causes.RESOURCE_METADATA_MISSING,
        routing(bare_resource_server),
        routing(lambda document: None),
    ),
    Trouble(
        "the issuer has a slash too many",
        causes.ISSUER_INCONSISTENT,
        told=lambda pair: {"issuer": f"{pair.issuer}/"},
        also=(causes.ANOTHER_AUTHORITY,),
    ),
    Trouble(
        "the gateway trusts another issuer",
        causes.ANOTHER_AUTHORITY,
        routing(
            lambda document: named(chain(document), "McpProtectionFilter")["config"].update(
                authorizationServerUri="https://authority.example/as"
            )
        ),
        routing(lambda document: None),
    ),
    Trouble(
        "the metadata are not there",
        causes.AUTHORITY_METADATA_MISSING,
        told=lambda pair: {"issuer": f"{pair.base_url}/00000000-0000-4000-8000-000000000000/as"},
        also=(causes.ANOTHER_AUTHORITY,),
    ),
    Trouble(
        "the authority was told another base URL",
        causes.AUTHORITY_BASE_URL,
        told=lambda pair: {"issuer": pair.issuer.replace("localhost", "127.0.0.1")},
        mends=lambda pair: serve_under(pair, pair.base_url.replace("localhost", "127.0.0.1")),
        also=(causes.ANOTHER_AUTHORITY,),
        keeps_changes=True,
    ),
    Trouble(
        "back from the other name",
        causes.AUTHORITY_BASE_URL,
        lambda pair: serve_under(pair, pair.base_url.replace("localhost", "127.0.0.1")),
        told=lambda pair: {"issuer": pair.issuer.replace("127.0.0.1", "localhost")},
        mends=lambda pair: serve_under(pair, pair.base_url.replace("127.0.0.1", "localhost")),
        also=(causes.ANOTHER_AUTHORITY,),
    ),
    Trouble(
        "the gateway was told another URL",
        causes.GATEWAY_BASE_URL,
        lambda pair: pair.restart_gateway(GATEWAY_URL="https://inner.example:8443"),
        Pair.restart_gateway,
    ),
    Trouble("the clocks differ", causes.CLOCK_SKEW, told=lambda pair: {"clock": ShiftedClock(-300.0)}),
    Trouble(
        "the agent is not granted the gateway's scope",
        causes.SCOPE_NOT_GRANTED,
        applying(lambda document: agent(document).update(scopes={"agent": ["agent"]})),
        Pair.apply,
    ),
    Trouble(
        "the agent is not granted its own scope",
        causes.SCOPE_NOT_GRANTED,
        applying(lambda document: agent(document).update(scopes={"test": ["test"]})),
        Pair.apply,
    ),
    Trouble(
        "was withdrawn",
        causes.CONSENT_MISSING,
        withdrawing,
        told=lambda pair: {"accepts": False},
    ),
    Trouble("the scope is asked for on use", causes.CONSENT_DOES_NOT_COVER, ask_on_use, Pair.apply),
    Trouble(
        "the gateway has another secret",
        causes.INTROSPECTION_CREDENTIALS,
        lambda pair: pair.restart_gateway(RESOURCE_SECRET_ID="bm90IHRoZSBzZWNyZXQ="),
        Pair.restart_gateway,
    ),
    Trouble(
        "the resource's secret is another",
        causes.INTROSPECTION_CREDENTIALS,
        told=lambda pair: {"resource": replace_secret(pair.credentials("resource", "test"))},
    ),
    Trouble(
        "the secret has special characters",
        causes.INTROSPECTION_SPECIAL_CHARACTERS,
        use_special_characters,
        encode_credentials,
        keeps_changes=True,
    ),
    Trouble(
        "nobody vouches for the certificate", causes.CERTIFICATE_UNKNOWN, told=lambda pair: {"trusted": False}
    ),
    Trouble(
        "a proxy strips Authorization",
        causes.AUTHORIZATION_STRIPPED,
        routing(strip),
        routing(lambda document: None),
    ),
    Trouble(
        "the agent is disabled",
        causes.AGENT_DISABLED,
        applying(lambda document: agent(document).update(enabled=False)),
        Pair.apply,
    ),
    Trouble(
        "the agent's time is over",
        causes.AGENT_EXPIRED,
        applying(lambda document: agent(document).update(expires_at="2026-01-01T00:00:00Z")),
        applying(lambda document: agent(document).update(expires_at="2126-01-01T00:00:00Z")),
    ),
    Trouble(
        "the client id is of nobody",
        causes.CLIENT_UNKNOWN,
        told=lambda pair: {"client": KnownSecret("00000000-0000-4000-8000-000000000000", "x")},
    ),
    Trouble(
        "the client's secret is wrong",
        causes.CLIENT_SECRET_WRONG,
        told=lambda pair: {"client": replace_secret(pair.credentials("agent", "MCP Tutorial"))},
    ),
    Trouble(
        "the agent has to send its secret in the form",
        causes.CLIENT_SECRET_WRONG,
        applying(lambda document: agent(document).update(client_auth="client_secret_post")),
        applying(lambda document: agent(document).update(client_auth="client_secret_basic")),
    ),
    Trouble(
        "the agent may not exchange tokens",
        causes.GRANT_NOT_GRANTED,
        applying(lambda document: agent(document).update(grants=["client_credentials", "refresh_token"])),
        Pair.apply,
    ),
    Trouble(
        "the agent may have no token of its own",
        causes.GRANT_NOT_GRANTED,
        applying(lambda document: agent(document).update(grants=["refresh_token", "token_exchange"])),
        Pair.apply,
    ),
    Trouble(
        "the route has an error",
        causes.ROUTE_NOT_LOADED,
        lambda pair: start_with(pair, '{"handler": '),
        routing(lambda document: None),
    ),
    Trouble(
        "the condition is for another path",
        causes.ROUTE_NOT_LOADED,
        routing(lambda document: document.update(condition="${find(request.uri.path, '^/other(/|$)')}")),
        routing(lambda document: None),
    ),
    Trouble(
        "the administration does not answer",
        causes.GATEWAY_NOT_READY,
        told=lambda pair: {"admin_url": f"http://localhost:{dead_port()}"},
    ),
    Trouble(
        "the certificate is for another name",
        causes.CERTIFICATE_OF_ANOTHER_NAME,
        lambda pair: pair.restart_gateway(GATEWAY_TLS_HOST="127.0.0.2"),
        Pair.restart_gateway,
        told=lambda pair: {"gateway_url": f"https://127.0.0.2:{pair.stage.ports.gateway_tls}/mcp"},
    ),
    Trouble(
        "https is typed for the clear port",
        causes.TLS_EXPECTED,
        told=lambda pair: {"gateway_url": f"https://localhost:{pair.stage.ports.gateway_clear}/mcp"},
    ),
    Trouble(
        "the route requires one more scope",
        causes.TOKEN_SCOPE_MISSING,
        routing(lambda document: document["heap"][2]["config"].update(scopes=["test", "other"])),
        routing(lambda document: None),
        told=lambda pair: {"scopes": ("test",)},
    ),
    Trouble(
        "the agent's tokens are for another audience",
        causes.TOKEN_AUDIENCE_WRONG,
        told=lambda pair: {"agent_audience": "somewhere else"},
    ),
    Trouble(
        "the certificate has expired",
        causes.CERTIFICATE_EXPIRED,
        lambda pair: certify(pair, dt.timedelta(minutes=-1)),
        lambda pair: certify(pair, VALIDITY),
    ),
    Trouble(
        "the address is below the resource",
        causes.RESOURCE_OF_ANOTHER_URL,
        told=lambda pair: {"gateway_url": f"{pair.stage.gateway_url}/mcp/below"},
    ),
    Trouble("the gateway is down", causes.GATEWAY_UNREACHABLE, Pair.stop_gateway, Pair.start_gateway),
    Trouble(
        "the authority is down",
        causes.AUTHORITY_UNREACHABLE,
        Pair.stop_authority,
        Pair.start_authority,
        also=(causes.TOKENS_CANNOT_BE_CHECKED,),
    ),
    Trouble(
        "the gateway cannot ask the authority",
        causes.TOKENS_CANNOT_BE_CHECKED,
        routing(
            lambda document: document["heap"][2]["config"]["accessTokenResolver"]["config"].update(
                endpoint=f"http://localhost:{dead_port()}/introspect"
            )
        ),
        routing(lambda document: None),
    ),
    Trouble(
        "the MCP server is down",
        causes.SERVER_UNREACHABLE,
        lambda pair: pair.restart_gateway(MCP_SERVER_URL=f"http://localhost:{dead_port()}"),
        Pair.restart_gateway,
    ),
    Trouble(
        "the password is wrong",
        causes.SIGN_ON_REFUSED,
        told=lambda pair: {"user": KnownSecret("demouser", "not the password")},
    ),
    Trouble(
        "the gateway asks for no token",
        causes.NOT_PROTECTED,
        routing(without("McpProtectionFilter")),
        routing(lambda document: None),
    ),
    Trouble(
        "the gateway introspects as another resource",
        causes.TOKEN_REFUSED,
        lambda pair: restart_as(pair, "agent"),
        Pair.restart_gateway,
    ),
)


def replace_secret(known: KnownSecret) -> KnownSecret:
    return KnownSecret(known.id, "z" * 32)


async def restart_as(pair: Pair, name: str) -> None:
    known = pair.credentials("resource", name)
    secret = base64.b64encode(known.secret.encode()).decode()
    await pair.restart_gateway(RESOURCE_ID=known.id, RESOURCE_SECRET_ID=secret)


def problems(findings) -> list[str]:
    return [each.cause.id if each.cause else each.said for each in findings if each.outcome == "problem"]


@pytest_asyncio.fixture(loop_scope="module")
async def troubled(pair):
    """The pair; what a test leaves broken does not trouble the next one."""
    yield pair
    if not pair.is_well:
        await pair.restore()


@pytest.mark.parametrize("trouble", TROUBLES, ids=lambda trouble: trouble.name.replace(" ", "-"))
async def test_a_symptom_is_named_and_gone_when_what_is_said_was_done(troubled, trouble):
    pair = troubled
    pair.is_well = False
    await trouble.breaks(pair)

    def put_the_clock_forward(finding):
        if trouble.cause is causes.CONSENT_EVERY_TIME and finding.check == "sign-on":
            pair.clock.offset = 20.0

    found = await pair.examine(tell=put_the_clock_forward, **trouble.told(pair))
    pair.clock.offset = 0.0
    assert set(problems(found)) == {trouble.cause.id, *(each.id for each in trouble.also)}
    for each in found:
        if each.cause:  # nothing is left for the reader to fill in
            texts = (each.cause.symptom, each.cause.cause, each.cause.fix)
            named = {name for text in texts for _, name, _, _ in string.Formatter().parse(text) if name}
            assert named <= each.values.keys(), each.cause.id

    await trouble.mends(pair)
    healthy = await pair.examine()
    assert problems(healthy) == []
    assert [each.check for each in healthy if each.outcome != "ok"] == []
    pair.is_well = not trouble.keeps_changes


async def test_an_untroubled_pair_is_in_order(pair):
    assert [each.outcome for each in await pair.examine()] == ["ok"] * 22


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        (lambda agreement: agreement.update(enabled=False), "is not enabled, so nobody would be asked"),
        (
            lambda agreement: agreement["languages"][0].update(enabled=False),
            "needs an enabled text in the environment's default language",
        ),
    ],
)
async def test_what_would_keep_users_from_being_asked_is_named_before_it_does(pair, edit, said):
    """The agreement or its default language not enabled: the symptom does not come about."""
    with pytest.raises(EnvironmentFileInvalid, match=said):
        await pair.apply(lambda document: edit(document["agreements"][0]))
    assert problems(await pair.examine()) == []


async def test_the_correlation_id_leads_on_to_the_part_of_the_mapping(pair):
    """What the doctor cannot see from outside, the authority decides again, of the record that it left."""
    await pair.apply(act(f"({SUBJECT}.may_act.subject == {SUBJECT}.client_id)?{SUBJECT}.may_act:null"))
    found = next(each for each in await pair.examine() if each.cause is causes.ACT_MAPPING_FALSE)
    correlation_id = found.evidence[0].rpartition("Correlation ID: ")[2].rstrip(")")
    record = find_record(pair.stage.folder / "audit" / "authority.audit.json", correlation_id)
    services = pair.services
    environment = services.directory.current.environments[pair.environment_id]
    asked = replace(question_of(record), grant_id=None)  # the doctor has signed the user off
    decision = await explain_decision(environment, services.store, asked, pair.clock.now())
    seen = decision.failed.mappings[0]
    assert decision.failed.cause is causes.ACT_MAPPING_FALSE
    assert [seen.source[part.start : part.end] for part in seen.false] == [
        f"{SUBJECT}.may_act.subject == {SUBJECT}.client_id"
    ]
    await pair.apply()


async def test_a_proxy_in_front_of_the_authority_strips_authorization(pair):
    async def pass_on(request):
        kept = {name: value for name, value in request.headers if name.lower() in PASSED_ON}
        url = f"http://127.0.0.1:{pair.stage.ports.authority}{request.target}"
        async with httpx2.AsyncClient() as client:
            got = await client.request(request.method, url, headers=kept, content=request.body)
        fields = [(name, value) for name, value in got.headers.raw if name.lower() in PASSED_BACK]
        return Response(got.status_code, Headers(fields), Body(got.content))

    async with Server(pass_on) as proxy:
        await serve_under(pair, proxy.url)
        found = await pair.examine()
        assert set(problems(found)) == {causes.AUTHORIZATION_STRIPPED.id}
        assert {each.values["party"] for each in found if each.cause} == {"authority"}
        PASSED_ON.add("authorization")
        assert problems(await pair.examine()) == []
    await pair.restore()


async def test_what_answers_is_no_mcp_server(pair):
    page = Response(200, Headers([(b"Content-Type", b"text/html")]), Body(b"<h1>Welcome</h1>"))
    async with Server(lambda request: page) as site:
        await pair.restart_gateway(MCP_SERVER_URL=site.url)
        assert problems(await pair.examine()) == [causes.NO_MCP_ANSWER.id]
    await pair.restart_gateway()
    assert problems(await pair.examine()) == []


def modern_only(app):
    """The server without its older versions: all requests come to where the SDK takes those of 2026-07-28."""

    async def serve(scope, receive, send):
        if scope["type"] == "http":
            names = {name for name, _ in scope["headers"]}
            version = (b"mcp-protocol-version", MODERN[-1].encode())
            more = [] if version[0] in names else [version]
            scope = {**scope, "headers": [*scope["headers"], *more]}
        await app(scope, receive, send)

    return serve


async def test_a_server_that_speaks_the_newest_version_only_is_well(pair):
    async with serving(modern_only(application(offline=True))) as url:
        await pair.restart_gateway(MCP_SERVER_URL=url)
        found = await pair.examine()
        assert [(each.check, each.said) for each in found if each.outcome != "ok"] == []
        evidence = next(each.evidence for each in found if each.check == "call")
        assert evidence[0].endswith("MCP 2026-07-28")
        await pair.edit_admin(lambda document: document.update(streamingEnabled=False))
        assert problems(await pair.examine()) == [causes.STREAMING_OFF.id]
    await pair.restore()


PASSED_ON = {"content-type", "cookie", "origin", "accept", "host"}
PASSED_BACK = {b"content-type", b"location", b"set-cookie", b"date", b"www-authenticate"}
