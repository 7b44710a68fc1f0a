from support.agent_delegation import REDIRECT_URI


async def test_the_whole_way(authority, browser):
    await browser.get(authority.authorize_url())
    assert browser.heading == "Sign on"
    await browser.sign_on()
    assert browser.heading == "Let MCP Tutorial act for you?"
    await browser.accept()
    assert browser.response.headers["location"].startswith(f"{REDIRECT_URI}?")
    assert browser.answer.keys() == {"code", "state", "iss"}
    assert browser.answer["state"] == "the-state"
    assert browser.answer["iss"] == authority.issuer
