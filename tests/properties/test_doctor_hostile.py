"""Whatever answers, the doctor comes to an end with findings, and tells no secret to anybody else."""

import asyncio
import base64
import json

from hypothesis import given
from hypothesis import strategies as st

from deputize.diagnosis.browser import Browser
from deputize.diagnosis.case import KnownSecret, Options
from deputize.diagnosis.checks import CHECKS
from deputize.diagnosis.examination import examine
from deputize.diagnosis.web import NoAnswer, Web
from deputize.http.messages import Body, Headers, Response
from deputize.kernel.clock import SystemClock
from support.wire import Server

SECRET, PASSWORD = "the-agents-secret", "the-users-password"
JUNK = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 2) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=4), inner, max_size=2),
    max_leaves=4,
)
MEMBERS = (
    *("issuer", "authorization_endpoint", "token_endpoint", "jwks_uri", "introspection_endpoint"),
    *("revocation_endpoint", "end_session_endpoint", "keys", "resource", "authorization_servers"),
    *("scopes_supported", "access_token", "refresh_token", "scope", "error", "error_description", "result"),
)
PLACES = st.sampled_from(
    ["{here}/env/as", "{here}/mcp", "{other}/env/as", "{other}", "", "not a url", "{here}:x/"]
)
FORMS = st.sampled_from(
    [
        '<form><input name="step" value="LOGIN"><input name="csrf" value="x"></form>',
        '<form action="{other}/take"><input name="step" value="LOGIN"></form>',
        '<form><input name="step" value="AGREEMENT"></form>',
        "<form",
        "\x00\xff",
    ]
)
TOKENS = st.builds(
    lambda claims: ".".join(
        base64.urlsafe_b64encode(part).rstrip(b"=").decode()
        for part in (b'{"alg":"ES256"}', json.dumps(claims).encode(), b"signature")
    ),
    st.dictionaries(st.sampled_from(["aud", "may_act", "act", "iat", "scope", "iss"]), JUNK, max_size=4),
)
DOCUMENTS = st.dictionaries(st.sampled_from(MEMBERS), JUNK | PLACES | TOKENS, max_size=12).map(json.dumps)
FIELDS = st.lists(
    st.sampled_from(
        [
            ("Location", "{other}/take"),
            ("Location", "{here}/again"),
            ("WWW-Authenticate", 'Bearer resource_metadata="{other}/x", scope="test"'),
            ("WWW-Authenticate", 'Bearer resource_metadata="{here}/.well-known/x"'),
            ("WWW-Authenticate", "Bearer ="),
            ("Set-Cookie", "session=1; Path=/"),
            ("Set-Cookie", "="),
            ("Date", "yesterday"),
            ("Date", "Fri, 27 Nov 2026 08:27:16 GMT"),
            ("Mcp-Session-Id", "a session"),
            ("Content-Type", "text/event-stream"),
        ]
    ),
    max_size=3,
)
ANSWERS = st.tuples(st.sampled_from([200, 200, 303, 400, 401, 403, 404, 502]), FIELDS, DOCUMENTS | FORMS)


@given(answers=st.lists(ANSWERS, min_size=1, max_size=6), honest=st.booleans())
def test_it_comes_to_an_end_and_keeps_secrets(answers, honest):
    findings, elsewhere = asyncio.run(look(answers, honest))
    assert len(findings) == len(CHECKS)
    shown = json.dumps([each.json() for each in findings])
    assert SECRET not in shown
    assert PASSWORD not in shown
    sent = [(each.target, *map(str, each.headers), each.body.decode("latin-1")) for each in elsewhere]
    assert sent == []


async def look(answers, honest):
    counted = iter(range(10_000))

    def answer(request):
        status, fields, body = answers[next(counted) % len(answers)]
        if honest and "well-known" in request.target:
            status, fields, body = 200, [], json.dumps(metadata(request))
        places = {"{here}": server.url, "{other}": other.url}
        texts = [body, *(value for _, value in fields)]
        for name, url in places.items():
            texts = [text.replace(name, url) for text in texts]
        headers = Headers()
        for (name, _), value in zip(fields, texts[1:], strict=True):
            headers.add(name, value)
        return Response(status, headers, Body(texts[0].encode()))

    def metadata(request):
        issuer = f"{server.url}/env/as"
        names = ("authorization", "token", "introspection", "revocation", "end_session")
        endpoints = {f"{each}_endpoint": f"{issuer}/{each}" for each in names}
        resource = {"resource": f"{server.url}/mcp", "authorization_servers": [issuer]}
        return resource if "protected" in request.target else {"issuer": issuer, **endpoints}

    async with Server(lambda request: Response(404)) as other, Server(answer) as server:
        options = Options(
            issuer=f"{server.url}/env/as",
            gateway_url=f"{server.url}/mcp",
            client=KnownSecret("an-agent", SECRET),
            user=KnownSecret("a-user", PASSWORD),
            resource=KnownSecret("a-resource", SECRET),
            accepts=True,
            patience=0.2,
        )
        found = await examine(options, None, SystemClock(), lambda finding: None, print)
        return found, other.received


def test_a_page_sends_the_password_nowhere_else():
    async def sign_on(body, headers):
        async with Server(lambda request: Response(404)) as other:

            def answer(request):
                page = body.replace("{other}", other.url).encode()
                fields = [(name, value.replace(b"{other}", other.url.encode())) for name, value in headers]
                return Response(
                    303 if fields and request.method == "POST" else 200, Headers(fields), Body(page)
                )

            async with Server(answer) as server:
                web = Web(None, f"{server.url}/mcp")
                browser = Browser(web, server.url)
                page = await browser.open(f"{server.url}/env/as/authorize")
                try:
                    page = await browser.submit(page, {"password": PASSWORD}, "")
                except NoAnswer:
                    page = None
                await web.aclose()
                return other.received, page

    leading_away = '<form action="{other}/take"><input name="step" value="LOGIN"></form>'
    received, page = asyncio.run(sign_on(leading_away, []))
    assert (received, page) == ([], None)
    received, page = asyncio.run(sign_on(leading_away.replace("{other}", ""), [(b"Location", b"{other}/on")]))
    assert (received, page.leaves_for.rpartition("/")[2]) == ([], "on")
