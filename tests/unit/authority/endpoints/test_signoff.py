"""Signing off at an agent's request: nobody but the user does it, and they are sent nowhere else."""

from urllib.parse import urlencode

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from deputize.jose import ACCESS_TOKEN_TYPE, ID_TOKEN_TYPE, LOGOUT_TOKEN_TYPE, sign
from deputize.kernel.ids import new_id
from support.agent_delegation import AGENT_ID, ENVIRONMENT_ID, OTHER_ID, USER_ID
from support.examples import examples

DONE = "https://agent.example/done"


@pytest.fixture
async def signed_on(authority, browser):
    """A browser in which the user signed on, and the id of the session."""
    authority.directory.replace_agent(post_logout_redirect_uris=(DONE,))
    await browser.get(authority.authorize_url())
    await browser.sign_on()
    await browser.accept()
    return await session_id(authority)


async def session_id(authority):
    return next((each.id for each in await authority.store.sessions.sessions_of(ENVIRONMENT_ID)), None)


def hint(authority, typ=ID_TOKEN_TYPE, **claims):
    """Return an ID token of long ago."""
    about = {"iss": authority.issuer, "aud": AGENT_ID, "sub": USER_ID, "exp": 1, **claims}
    return sign(about, authority.directory.environment.keys, typ, "RS256")


async def sign_off(authority, browser, **query):
    return await browser.get(f"{authority.path}/as/signoff?{urlencode(query)}")


@pytest.mark.parametrize(
    "claims", [{"sid": new_id()}, {"sub": new_id()}, {"sid": None}, {"typ": LOGOUT_TOKEN_TYPE}]
)
async def test_an_id_token_of_another_session_signs_nobody_off_unasked(authority, browser, signed_on, claims):
    """An attacker has one of their own, and a page of theirs can send any browser here."""
    token = hint(authority, **{"sid": signed_on, **claims})
    await sign_off(authority, browser, id_token_hint=token, post_logout_redirect_uri=DONE)
    assert browser.heading == "Sign off?"
    assert await session_id(authority) == signed_on


async def test_of_any_algorithm_an_id_token_of_the_session_signs_off(authority, browser, signed_on):
    token = sign(
        {"iss": authority.issuer, "aud": AGENT_ID, "sub": USER_ID, "sid": signed_on, "exp": 1},
        authority.directory.environment.keys,
        ID_TOKEN_TYPE,
        "ES256",
    )
    await sign_off(authority, browser, id_token_hint=token, post_logout_redirect_uri=DONE, state="a b&c")
    assert browser.response.headers["location"] == f"{DONE}?state=a+b%26c"
    assert await session_id(authority) is None


async def test_a_client_id_alone_asks_first_and_then_leads_back(authority, browser, signed_on):
    await sign_off(authority, browser, client_id=AGENT_ID, post_logout_redirect_uri=DONE, state="s")
    assert browser.heading == "Sign off?"
    assert await session_id(authority) == signed_on
    await browser.submit(action="sign-off")
    assert browser.response.headers["location"] == f"{DONE}?state=s"
    assert await session_id(authority) is None


@pytest.mark.parametrize(
    "query",
    [
        {"post_logout_redirect_uri": DONE},  # whose it is nobody said
        {"post_logout_redirect_uri": DONE, "client_id": OTHER_ID},
        {"post_logout_redirect_uri": DONE, "client_id": "https://unknown.example/client.json"},
        {"post_logout_redirect_uri": DONE, "id_token_hint": "the hint", "client_id": OTHER_ID},
        {"post_logout_redirect_uri": DONE, "id_token_hint": "an access token"},
    ],
)
async def test_where_it_is_not_clear_whose_address_it_is_nobody_is_sent_there(
    authority, browser, signed_on, query
):
    tokens = {"the hint": hint(authority), "an access token": hint(authority, typ=ACCESS_TOKEN_TYPE)}
    await sign_off(authority, browser, **{name: tokens.get(value, value) for name, value in query.items()})
    assert browser.heading == "Sign off?"
    await browser.submit(action="sign-off")
    assert browser.heading == "You have signed off"
    assert "location" not in browser.response.headers
    assert await session_id(authority) is None


async def test_a_disabled_agent_gets_nobody_back(authority, browser, signed_on):
    authority.directory.replace_agent(enabled=False)
    await sign_off(
        authority, browser, id_token_hint=hint(authority, sid=signed_on), post_logout_redirect_uri=DONE
    )
    assert browser.heading == "You have signed off"
    assert "location" not in browser.response.headers


addresses = st.one_of(
    st.text(st.characters(codec="utf-8", exclude_categories=("Cc",)), min_size=1, max_size=60),
    st.text("/.:@?#%\\ a", max_size=12).map(DONE.__add__),
    st.sampled_from(["//", "https:", "https://", "javascript:", "data:", "\\"]).flatmap(
        lambda start: st.text("evil.example/@:", max_size=20).map(start.__add__)
    ),
)


@settings(
    max_examples=examples(60), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(address=addresses)
async def test_no_unregistered_address_is_ever_redirected_to(authority, browser, address):
    authority.directory.replace_agent(post_logout_redirect_uris=(DONE,))
    if address == DONE:
        return
    await sign_off(authority, browser, client_id=AGENT_ID, post_logout_redirect_uri=address, state="s")
    assert "location" not in browser.response.headers
