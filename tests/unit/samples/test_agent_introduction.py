"""An agent that nobody registered: how it introduces itself, and what it does with one token."""

import json

import httpx2
import pytest

from agent.delegation import DelegatedAuth, OneStep, Reach
from agent.discovery import AuthorizationServer
from agent.errors import AgentError, TokenRefused
from agent.introduction import introduce
from agent.oauth import Credentials, Token

ISSUER = "https://auth.example.com/as"
SERVER = "https://ig.example.com:8443/mcp"
CALLBACK = "http://localhost:3000/callback"
DOCUMENT = "https://agent.example.com/metadata.json"


def authority(**changes) -> AuthorizationServer:
    known = {"registration_endpoint": f"{ISSUER}/register", "auth_methods": ("client_secret_basic", "none")}
    return AuthorizationServer(
        issuer=ISSUER, authorization_endpoint=f"{ISSUER}/authorize", token_endpoint=f"{ISSUER}/token",
        promises_iss=True, **(known | changes),
    )  # fmt: skip


async def introduced(server, metadata_url="", answer=None, status=201):
    """The credentials, and what was posted."""
    posted = []

    def respond(request):
        posted.append(json.loads(request.content))
        return httpx2.Response(status, json=answer if answer is not None else {"client_id": "drawn"})

    async with httpx2.AsyncClient(transport=httpx2.MockTransport(respond)) as client:
        return await introduce(client, server, CALLBACK, metadata_url), posted


async def test_a_metadata_document_needs_no_registration():
    known, posted = await introduced(authority(takes_documents=True), DOCUMENT)
    assert (known, posted) == (Credentials(DOCUMENT, "", "none"), [])


@pytest.mark.parametrize("metadata_url", ["", DOCUMENT])
async def test_where_documents_are_not_taken_it_registers(metadata_url):
    known, (posted,) = await introduced(authority(), metadata_url)
    assert (known.client_id, known.client_secret) == ("drawn", "")
    assert (posted["redirect_uris"], posted["application_type"]) == ([CALLBACK], "native")
    assert posted["token_endpoint_auth_method"] == "none"


async def test_it_authenticates_as_the_registration_says():
    answer = {"client_id": "drawn", "client_secret": "s", "token_endpoint_auth_method": "client_secret_post"}
    known, (posted,) = await introduced(authority(auth_methods=("client_secret_post",)), answer=answer)
    assert posted["token_endpoint_auth_method"] == "client_secret_post"
    assert known == Credentials("drawn", "s", "client_secret_post")


async def test_where_nobody_may_introduce_themselves_it_says_what_to_give():
    with pytest.raises(AgentError, match="--client-id, and the agent's secret"):
        await introduced(authority(registration_endpoint=""))


@pytest.mark.parametrize(
    ("status", "answer"),
    [(400, {"error": "invalid_redirect_uri"}), (201, {}), (201, {"client_id": 1}), (201, ["client_id"])],
)
async def test_a_registration_that_fails_is_no_credential(status, answer):
    with pytest.raises(AgentError, match="does not register this agent"):
        await introduced(authority(), answer=answer, status=status)


class Place:
    """An authorization server with a user at hand, and an agent that has not introduced itself yet."""

    def __init__(self, issuer=ISSUER, *, refresh_token="r", lifetime=300.0) -> None:
        self.now, self.entered, self.signed_on, self.refreshed = 0.0, 0, [], 0
        self.refuses = False
        self._refresh_token, self._lifetime, self._issuer = refresh_token, lifetime, issuer
        self.access = OneStep(issuer, self.enter, Reach(SERVER, ("test",), "", ""), lambda: self.now)

    async def enter(self):
        self.entered += 1
        return self, self.sign_on

    async def sign_on(self, scopes):
        self.signed_on.append(scopes)
        return self._token(scopes)

    async def refresh(self, token, resource):
        assert resource == SERVER
        if self.refuses:
            raise TokenRefused("to refresh", "invalid_grant", "")
        self.refreshed += 1
        return self._token(token.scopes)

    def _token(self, scopes):
        number = f"{self._issuer} {len(self.signed_on)}.{self.refreshed}"
        return Token(number, self.now + self._lifetime, scopes, self._refresh_token)


async def test_it_introduces_itself_once_and_signs_on_for_the_server():
    place = Place()
    assert await place.access.token() is await place.access.token()
    assert (place.entered, place.signed_on) == (1, [("test",)])


async def test_it_renews_before_the_end_and_asks_the_user_only_if_it_must():
    place = Place()
    await place.access.token()
    place.now = 271
    await place.access.token()
    assert (place.refreshed, len(place.signed_on)) == (1, 1)
    place.now, place.refuses = 600, True
    await place.access.token()
    assert (place.entered, len(place.signed_on)) == (1, 2)


async def test_without_refresh_token_the_user_is_asked():
    place = Place(refresh_token="")
    first = await place.access.token()
    assert (await place.access.replacement(first)).value != first.value
    assert len(place.signed_on) == 2


async def test_requests_refused_together_share_a_replacement():
    place = Place()
    first = await place.access.token()
    second = await place.access.replacement(first)
    assert await place.access.replacement(first) is second


async def test_more_scope_is_asked_of_the_user_once():
    place = Place()
    first = await place.access.token()
    assert (await place.access.step_up(first, ("more",))) is not None
    assert place.signed_on[-1] == ("test", "more")
    held = await place.access.token()
    assert await place.access.step_up(held, ("more",)) is None
    assert await place.access.step_up(first, ("more",)) is held


async def test_a_server_that_trusts_another_authorization_server_gets_a_token_of_that_one():
    first, second = Place(), Place("https://other.example.com")
    places = [first.access]
    answered = []

    async def establish(challenge):
        return places[-1]

    def respond(request):
        answered.append(request.headers.get("authorization", ""))
        trusted = places[-1].issuer in answered[-1]
        return httpx2.Response(200 if trusted else 401, headers={"WWW-Authenticate": "Bearer"})

    auth = DelegatedAuth(SERVER, establish)
    async with httpx2.AsyncClient(auth=auth, transport=httpx2.MockTransport(respond)) as client:
        assert (await client.post(SERVER)).status_code == 200
        places.append(second.access)
        assert (await client.post(SERVER)).status_code == 200
    assert [len(place.signed_on) for place in (first, second)] == [1, 1]
    assert first.refreshed == 0, "nothing of the first authorization server goes on being used"
