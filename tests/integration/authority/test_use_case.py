import httpx2

from support.agent_delegation import (
    REDIRECT_URI,
    TEST_AUDIENCE,
    TEST_ID,
    TEST_SECRET,
    VERIFIER,
    exchange_request,
)
from support.authority import Browser, basic


async def test_the_agent_gets_its_three_tokens_and_the_gateway_believes_the_last(served):
    async with httpx2.AsyncClient(base_url=served.base_url) as http:
        browser = Browser(served, http)
        await browser.get(served.authorize_url())
        await browser.sign_on()
        await browser.accept()
        form = {
            "grant_type": "authorization_code",
            "code": browser.answer["code"],
            "redirect_uri": REDIRECT_URI,
            "code_verifier": VERIFIER,
        }
        subject = (await http.post(f"{served.path}/as/token", data=form, headers=basic())).json()
        actor_form = {"grant_type": "client_credentials", "scope": "agent"}
        actor = (await http.post(f"{served.path}/as/token", data=actor_form, headers=basic())).json()
        exchange = {**exchange_request(subject["access_token"], actor["access_token"]), "scope": "test"}
        mcp = (await http.post(f"{served.path}/as/token", data=exchange, headers=basic())).json()
        asked = {"token": mcp["access_token"]}
        known = (
            await http.post(f"{served.path}/as/introspect", data=asked, headers=basic(TEST_ID, TEST_SECRET))
        ).json()
    assert known["active"]
    assert known["sub"] == "demouser"
    assert known["act"] == {"sub": known["client_id"]}
    assert known["aud"] == [TEST_AUDIENCE]
    assert known["scope"] == "test"
