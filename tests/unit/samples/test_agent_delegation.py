import asyncio
from collections import Counter
from collections.abc import Callable
from urllib.parse import parse_qsl

import httpx2
import pytest

from agent.delegation import DelegatedAuth, Delegation, Reach
from agent.discovery import AuthorizationServer, Challenge
from agent.errors import AgentError, TokenRefused
from agent.oauth import Credentials, Token, TokenEndpoint

ISSUER = "https://auth.example.com/as"
SERVER = "https://ig.example.com:8443/mcp"


class Setting:
    """A token endpoint that numbers its tokens, a clock, and a user who signs on whenever asked."""

    def __init__(
        self, *, subject_lifetime: float = 600, mcp_lifetime: int = 300, refresh: bool = True
    ) -> None:
        self.now = 0.0
        self.grants = Counter[str]()
        self.scopes = list[str]()
        self.notices = list[str]()
        self.sign_ons = 0
        self.agreed = list[tuple[str, ...]]()
        self.refuse = dict[str, str]()
        self.always_refuse = dict[str, str]()
        self.subject_lifetime, self.mcp_lifetime, self.refresh = subject_lifetime, mcp_lifetime, refresh
        server = AuthorizationServer(
            ISSUER, f"{ISSUER}/authorize", f"{ISSUER}/token", ("client_secret_basic",), promises_iss=True
        )
        client = httpx2.AsyncClient(transport=httpx2.MockTransport(self.issue))
        endpoint = TokenEndpoint(client, server, Credentials("a", "s"), lambda: self.now)
        reach = Reach(SERVER, ("test",), "agent", "agent")
        self.delegation = Delegation(endpoint, reach, self.sign_on, self.notices.append, lambda: self.now)

    async def sign_on(self, more_scopes: tuple[str, ...] = ()) -> Token:
        self.sign_ons += 1
        self.agreed.append(more_scopes)
        return Token(
            f"subject{self.sign_ons}",
            self.now + self.subject_lifetime,
            ("agent",),
            "r" if self.refresh else "",
        )

    def issue(self, request: httpx2.Request) -> httpx2.Response:
        sent = dict(parse_qsl(request.content.decode()))
        grant = sent["grant_type"].rpartition(":")[2]
        self.grants[grant] += 1
        self.scopes.append(sent.get("scope", ""))
        if error := self.refuse.pop(grant, self.always_refuse.get(grant)):
            return httpx2.Response(400, json={"error": error})
        token = f"{grant}{self.grants[grant]}"
        return httpx2.Response(
            200, json={"access_token": token, "token_type": "Bearer", "expires_in": self.mcp_lifetime}
        )


async def test_one_sign_on_and_one_exchange_serve_many_requests():
    setting = Setting()
    tokens = await asyncio.gather(*(setting.delegation.token() for _ in range(5)))
    assert {token.value for token in tokens} == {"token-exchange1"}
    assert (setting.sign_ons, setting.grants) == (1, {"client_credentials": 1, "token-exchange": 1})
    assert setting.notices == [
        f"Exchanged the user's token and the agent's own for one to {SERVER} with scope 'test'"
    ]


async def test_exchanges_again_shortly_before_the_end():
    setting = Setting()
    first = await setting.delegation.token()
    setting.now = 269
    assert await setting.delegation.token() is first
    setting.now = 271
    assert (await setting.delegation.token()).value == "token-exchange2"
    assert setting.sign_ons == 1


async def test_refreshes_the_users_token_without_asking_the_user():
    setting = Setting(subject_lifetime=100)
    await setting.delegation.token()
    setting.now = 290
    await setting.delegation.token()
    assert (setting.sign_ons, setting.grants["refresh_token"]) == (1, 1)


@pytest.mark.parametrize("refresh", [True, False])
async def test_asks_the_user_when_there_is_no_other_way(refresh: bool):
    setting = Setting(subject_lifetime=100, refresh=refresh)
    setting.refuse["refresh_token"] = "invalid_grant"
    await setting.delegation.token()
    setting.now = 290
    await setting.delegation.token()
    assert setting.sign_ons == 2


@pytest.mark.parametrize("error", ["invalid_grant", "invalid_request"])
async def test_a_session_that_ended_means_signing_on_again_once(error: str):
    setting = Setting()
    await setting.delegation.token()
    setting.now = 290
    setting.refuse["token-exchange"] = error
    assert (await setting.delegation.token()).value == "token-exchange3"
    assert setting.sign_ons == 2


@pytest.mark.parametrize("error", ["invalid_grant", "invalid_scope", "invalid_target"])
async def test_a_first_exchange_that_is_refused_is_final(error: str):
    setting = Setting()
    setting.refuse["token-exchange"] = error
    with pytest.raises(TokenRefused, match=error):
        await setting.delegation.token()
    assert setting.sign_ons == 1


async def test_requests_refused_together_share_one_replacement():
    setting = Setting()
    refused = await setting.delegation.token()
    tokens = await asyncio.gather(*(setting.delegation.replacement(refused) for _ in range(4)))
    assert {token.value for token in tokens} == {"token-exchange2"}


async def test_steps_up_to_the_union_of_scopes_once():
    setting = Setting()
    held = await setting.delegation.token()
    higher = await setting.delegation.step_up(held, ("transfer",))
    assert higher
    assert setting.scopes[-1] == "test transfer"
    assert await setting.delegation.step_up(held, ("transfer",)) is higher
    assert await setting.delegation.step_up(higher, ("transfer",)) is None


@pytest.mark.parametrize("error", ["invalid_scope", "invalid_grant", "consent_required"])
async def test_scopes_the_user_has_not_agreed_to_are_asked_for(error: str):
    setting = Setting()
    held = await setting.delegation.token()
    setting.refuse["token-exchange"] = error
    higher = await setting.delegation.step_up(held, ("test", "transfer"))
    assert higher
    assert setting.scopes[-1] == "test transfer"
    assert setting.agreed[-1] == (() if error == "invalid_grant" else ("transfer",))


async def test_a_step_up_that_stays_refused_is_final():
    setting = Setting()
    held = await setting.delegation.token()
    setting.always_refuse = {"token-exchange": "invalid_scope"}
    with pytest.raises(TokenRefused, match="invalid_scope"):
        await setting.delegation.step_up(held, ("transfer",))
    assert setting.sign_ons == 2


async def test_shows_claims_of_the_tokens_it_has():
    setting = Setting()
    assert setting.delegation.claims() == {}
    await setting.delegation.token()
    assert setting.delegation.claims().keys() == {"actor", "subject", "mcp"}


def guarded(setting: Setting, respond: Callable[[httpx2.Request], httpx2.Response]) -> httpx2.AsyncClient:
    auth = DelegatedAuth(SERVER, lambda _: settled(setting.delegation))
    auth.delegation = setting.delegation
    return httpx2.AsyncClient(transport=httpx2.MockTransport(respond), auth=auth)


async def settled(delegation: Delegation) -> Delegation:
    return delegation


def refusing(
    *refused: str, status: int = 401, challenge: str = "Bearer"
) -> Callable[[httpx2.Request], httpx2.Response]:
    def respond(request: httpx2.Request) -> httpx2.Response:
        token = request.headers["authorization"].removeprefix("Bearer ")
        return (
            httpx2.Response(status, headers={"WWW-Authenticate": challenge})
            if token in refused
            else httpx2.Response(200, text=token)
        )

    return respond


async def test_carries_the_token_in_the_header():
    assert (await guarded(Setting(), refusing()).post(SERVER, json={})).text == "token-exchange1"


async def test_a_refused_token_is_replaced_once():
    assert (
        await guarded(Setting(), refusing("token-exchange1")).post(SERVER, json={})
    ).text == "token-exchange2"
    with pytest.raises(AgentError, match="refused the token: 401"):
        await guarded(Setting(), refusing("token-exchange1", "token-exchange2")).post(SERVER, json={})


async def test_insufficient_scope_is_met_with_more_scope_once():
    challenge = 'Bearer error="insufficient_scope", scope="transfer"'
    setting = Setting()
    assert (
        await guarded(setting, refusing("token-exchange1", status=403, challenge=challenge)).post(SERVER)
    ).text == "token-exchange2"
    with pytest.raises(AgentError, match="403 insufficient_scope"):
        await guarded(setting, refusing("token-exchange2", status=403, challenge=challenge)).post(SERVER)


async def test_another_refusal_is_left_alone():
    with pytest.raises(AgentError, match="403"):
        await guarded(Setting(), refusing("token-exchange1", status=403)).post(SERVER)


async def test_a_refusal_with_a_reason_is_left_to_the_mcp_client():
    refusal = httpx2.Response(403, json={"jsonrpc": "2.0", "id": 1, "error": {"code": -1, "message": "no"}})
    assert (await guarded(Setting(), lambda _: refusal).post(SERVER)).status_code == 403


async def test_a_server_that_asks_for_a_token_only_later_gets_one_then():
    setting = Setting()
    challenges = list[Challenge]()

    async def establish(challenge: Challenge) -> Delegation:
        challenges.append(challenge)
        return setting.delegation

    def respond(request: httpx2.Request) -> httpx2.Response:
        if request.content != b"call" or "authorization" in request.headers:
            return httpx2.Response(200, text=request.headers.get("authorization", "nobody"))
        return httpx2.Response(
            401, headers={"WWW-Authenticate": 'Bearer resource_metadata="https://ig.example.com/m"'}
        )

    client = httpx2.AsyncClient(
        transport=httpx2.MockTransport(respond), auth=DelegatedAuth(SERVER, establish)
    )
    assert (await client.post(SERVER, content=b"list")).text == "nobody"
    assert setting.sign_ons == 0
    answers = await asyncio.gather(*(client.post(SERVER, content=b"call") for _ in range(3)))
    assert {answer.text for answer in answers} == {"Bearer token-exchange1"}
    assert challenges == [Challenge(resource_metadata="https://ig.example.com/m")]
    assert (await client.post(SERVER, content=b"list")).text == "Bearer token-exchange1"


@pytest.mark.parametrize(
    "url", ["https://evil.example/mcp", "http://ig.example.com:8443/mcp", "https://ig.example.com/mcp"]
)
async def test_the_token_goes_to_no_other_origin(url: str):
    setting = Setting()
    seen = list[httpx2.Request]()
    client = guarded(setting, lambda request: seen.append(request) or httpx2.Response(200))
    await client.get(url)
    assert "authorization" not in seen[0].headers
    assert setting.sign_ons == 0
