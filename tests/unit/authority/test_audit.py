"""What auditors find in `authority.audit.json`: who did what, for whom, why not, from where.

And never a credential.
"""

import asyncio
import contextvars
import json
import stat
import uuid
from ipaddress import ip_network

import httpx2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deputize.authority.app import Authority
from deputize.authority.audit import Event, Source, _safe, open_audit
from deputize.kernel.digests import digest
from support.agent_delegation import (
    AGENT_ID,
    AGENT_SECRET,
    AGREEMENT_ID,
    OTHER_ID,
    REDIRECT_URI,
    TEST_ID,
    TEST_SECRET,
    USER_ID,
    VERIFIER,
)
from support.authority import PASSWORD, Browser, HandOver, basic, running_authority
from support.examples import examples

ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"
TOKEN_EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"


class Agent:
    """The agent's requests, and every credential that came up on the way."""

    def __init__(self, authority, client) -> None:
        self.authority, self.client, self.browser = authority, client, Browser(authority, client)
        self.credentials = {PASSWORD, AGENT_SECRET, TEST_SECRET}

    async def post(self, endpoint, form, credentials=None, **headers):
        address = f"{self.authority.path}/as/{endpoint}"
        answer = await self.client.post(address, data=form, headers={**(credentials or basic()), **headers})
        if "json" in answer.headers.get("content-type", ""):
            self.credentials |= {value for name, value in answer.json().items() if name.endswith("_token")}
        return answer.json() if answer.content else {}

    async def sign_on(self):
        await self.browser.get(self.authority.authorize_url())
        await self.browser.sign_on()
        await self.browser.accept()
        code = self.browser.answer["code"]
        self.credentials |= {code, *self.client.cookies.values()}
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": REDIRECT_URI,
            "code_verifier": VERIFIER,
        }
        return await self.post("token", form)

    async def actor_token(self):
        return (await self.post("token", {"grant_type": "client_credentials", "scope": "agent"}))[
            "access_token"
        ]

    async def exchange(self, subject, actor, credentials=None):
        form = {
            "grant_type": TOKEN_EXCHANGE,
            "scope": "test",
            "subject_token": subject,
            "subject_token_type": ACCESS_TOKEN,
        }
        return await self.post(
            "token", {**form, "actor_token": actor, "actor_token_type": ACCESS_TOKEN}, credentials
        )


@pytest.fixture
async def agent(authority):
    async with authority.client() as client:
        yield Agent(authority, client)


def jti_of(authority, token):
    return authority.services.verifier.verify(
        token, authority.directory.environment.keys, authority.issuer, 0.0
    )["jti"]


async def test_a_sign_on_says_who_agreed_to_what_for_whom(authority, agent):
    await agent.sign_on()
    (signed_on,) = await authority.records("SIGNED-ON")
    (accepted,) = await authority.records("AGREEMENT-ACCEPTED")
    (granted,) = await authority.records("AUTHORIZATION-GRANTED")
    for record in (signed_on, accepted, granted):
        assert (record["userId"], record["clientId"], record["decision"]) == (USER_ID, AGENT_ID, "PERMIT")
        assert record["sessionId"] == signed_on["sessionId"]
    assert accepted["agreementId"] == AGREEMENT_ID
    assert (accepted["agreementVersion"], accepted["language"]) == (1, "en")
    assert accepted["scopes"] == granted["scopes"] == ["agent"]
    assert AGENT_ID in accepted["covers"]


async def test_an_exchange_names_every_token_it_rests_on(authority, agent):
    subject, actor = (await agent.sign_on())["access_token"], await agent.actor_token()
    exchanged = (await agent.exchange(subject, actor))["access_token"]
    record = (await authority.records("TOKEN-ISSUED"))[-1]
    jtis = [jti_of(authority, token) for token in (exchanged, subject, actor)]
    assert [record["jti"], record["subjectJti"], record["actorJti"]] == record["trackingIds"] == jtis
    assert (record["userId"], record["clientId"], record["act"], record["scopes"]) == (
        USER_ID,
        AGENT_ID,
        [AGENT_ID],
        ["test"],
    )


async def test_a_refused_exchange_names_user_agent_and_subject(authority, agent):
    subject, actor = (await agent.sign_on())["access_token"], await agent.actor_token()
    await agent.exchange(subject, "no token")
    await agent.exchange(subject, actor, basic(OTHER_ID))
    authority.clock.instant += 3601
    await agent.exchange(subject, await agent.actor_token())
    records = await authority.records("TOKEN-REFUSED")
    assert [record["clientId"] for record in records] == [AGENT_ID, OTHER_ID, AGENT_ID]
    for record in records:
        assert (record["userId"], record["subjectClientId"]) == (USER_ID, AGENT_ID)
        assert (record["subjectJti"], record["decision"]) == (jti_of(authority, subject), "DENY")
        assert record["reason"]
    assert records[1]["actorJti"] == jti_of(authority, actor)


async def test_a_code_or_refresh_token_that_is_refused_names_its_user(authority, agent):
    signed_on = await agent.sign_on()
    for _ in range(2):
        await agent.post(
            "token",
            {"grant_type": "refresh_token", "refresh_token": signed_on["refresh_token"]},
            basic(OTHER_ID),
        )
    for record in await authority.records("TOKEN-REFUSED"):
        assert (record["userId"], record["clientId"]) == (USER_ID, OTHER_ID)
        assert record["grantId"]


async def test_why_a_token_is_inactive_is_recorded_under_both_ids(authority, agent):
    token = (await agent.sign_on())["access_token"]
    headers = {"X-ForgeRock-TransactionId": "gateway-7/0"}
    await agent.post("introspect", {"token": token}, basic(TEST_ID, TEST_SECRET), **headers)
    await agent.post("revoke", {"token": token})
    await agent.post("introspect", {"token": token}, **headers)
    await agent.post("introspect", {"token": "nonsense"}, **headers)
    foreign, revoked, nonsense = await authority.records("TOKEN-INACTIVE")
    assert foreign["reason"] == "it is not for the resource 'test' that asks"
    assert "revoked" in revoked["reason"]
    assert (revoked["jti"], revoked["userId"], revoked["askedBy"]) == (
        jti_of(authority, token),
        USER_ID,
        AGENT_ID,
    )
    assert "jti" not in nonsense
    assert {record["callerTransactionId"] for record in (foreign, revoked, nonsense)} == {"gateway-7/0"}
    assert len({record["transactionId"] for record in (foreign, revoked, nonsense)}) == 3
    (record,) = await authority.records("TOKEN-REVOKED")
    assert record["clientId"] == AGENT_ID


async def test_an_active_token_leaves_no_record_of_its_introspection(authority, agent):
    token = (await agent.sign_on())["access_token"]
    assert (await agent.post("introspect", {"token": token}))["active"]
    assert (await authority.records("TOKEN-INACTIVE")) == []


async def test_who_cannot_sign_on_is_named_unless_it_may_be_a_password(authority, agent):
    await agent.browser.get(authority.authorize_url())
    await agent.browser.sign_on(password="wrong")
    await agent.browser.sign_on(username=PASSWORD)
    wrong, unknown = await authority.records("SIGN-ON-REFUSED")
    assert (wrong["userId"], wrong["username"], wrong["clientId"]) == (USER_ID, "demouser", AGENT_ID)
    assert (unknown["userId"], unknown["unknownUsernameDigest"]) == (None, digest(PASSWORD)[:16])
    assert PASSWORD not in authority.audit_file.read_text()


async def test_withdrawing_and_signing_off_are_recorded(authority, agent):
    await agent.sign_on()
    await agent.browser.get(f"{authority.path}/my")
    await agent.browser.submit(1)
    (withdrawn,) = await authority.records("CONSENT-WITHDRAWN")
    assert (withdrawn["userId"], withdrawn["clientId"]) == (USER_ID, AGENT_ID)
    await agent.browser.get(f"{authority.path}/as/signoff")
    await agent.browser.submit()
    (signed_off,) = await authority.records("SIGNED-OFF")
    assert (signed_off["userId"], signed_off["sessionId"]) == (
        USER_ID,
        (await authority.records("SIGNED-ON"))[0]["sessionId"],
    )


async def test_the_correlation_id_of_the_answer_finds_the_record(authority, agent):
    refused = await agent.post("token", {"grant_type": "password"})
    (record,) = await authority.records("TOKEN-REFUSED")
    assert f"(Correlation ID: {record['transactionId']})" in refused["error_description"]


@pytest.mark.parametrize(
    ("trusted", "address"), [((), "127.0.0.1"), ((ip_network("127.0.0.0/8"),), "203.0.113.7")]
)
async def test_the_client_s_address_is_the_peer_s_or_what_a_trusted_proxy_says(authority, trusted, address):
    app = Authority(authority.services, trusted)
    async with httpx2.AsyncClient(transport=HandOver(app), base_url=authority.base_url) as client:
        await client.post(
            f"{authority.path}/as/token", data={}, headers={"X-Forwarded-For": "6.6.6.6, 203.0.113.7"}
        )
    (record,) = await authority.records("TOKEN-REFUSED")
    assert record["client"]["ip"] == address


SECRETS = st.text("abcdefghijklmnopqrstuvwxyzABCDEFGH0123456789-_~.", min_size=32, max_size=64)
PLACES = st.sampled_from(
    [
        "secret",
        "client id",
        "code",
        "refresh_token",
        "subject_token",
        "actor_token",
        "token",
        "password",
        "username",
    ]
)


async def misplace(folder, secret, place):
    async with running_authority(folder) as authority, authority.client() as client:
        agent = Agent(authority, client)
        tokens = await agent.sign_on()
        await agent.exchange(tokens["access_token"], await agent.actor_token())
        match place:
            case "secret" | "client id":
                await agent.post(
                    "token", {}, basic(secret=secret) if place == "secret" else basic(secret, AGENT_SECRET)
                )
                await agent.post("introspect", {"token": "x"}, basic(secret, secret))
            case "password" | "username":
                await agent.browser.get(authority.authorize_url(prompt="login"))
                await agent.browser.sign_on(**{place: secret})
            case "token":
                await agent.post("introspect", {"token": secret})
                await agent.post("revoke", {"token": secret})
            case "code" | "refresh_token":
                kind = {"code": "authorization_code"}.get(place, place)
                await agent.post(
                    "token",
                    {
                        "grant_type": kind,
                        place: secret,
                        "redirect_uri": REDIRECT_URI,
                        "code_verifier": VERIFIER,
                    },
                )
            case _:
                await agent.exchange(
                    *([secret, "x"] if place == "subject_token" else [tokens["access_token"], secret])
                )
        assert await authority.records("TOKEN-ISSUED")
        text = authority.audit_file.read_text()
        assert text.count("\n") > 5
        for credential in {secret, *agent.credentials}:
            assert credential not in text


@settings(max_examples=examples(18), deadline=None)
@given(SECRETS, PLACES)
def test_no_credential_is_ever_in_the_files_wherever_it_was_presented(tmp_path_factory, secret, place):
    asyncio.run(misplace(tmp_path_factory.mktemp("audit"), secret, place))


async def test_the_file_is_its_owner_s_and_holds_a_line_for_each_event(tmp_path):
    async with open_audit(tmp_path / "deep" / "audit") as audit:
        audit.publish(
            Event(
                "token issued",
                1000.5,
                "e1",
                {"jti": "j", "user_id": "u", "client_id": None},
                source=Source("192.0.2.1", 4711, "c"),
            )
        )
    file = tmp_path / "deep" / "audit" / "authority.audit.json"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    (line,) = map(json.loads, file.read_text().splitlines())
    assert line.pop("_id").startswith("c-")
    assert line == {
        "timestamp": "1970-01-01T00:16:40.500Z",
        "eventName": "DEPUTIZE-TOKEN-ISSUED",
        "transactionId": "c",
        "callerTransactionId": None,
        "userId": "u",
        "trackingIds": ["j"],
        "client": {"ip": "192.0.2.1", "port": 4711},
        "environmentId": "e1",
        "decision": "PERMIT",
        "reason": None,
        "jti": "j",
    }


async def test_what_is_recorded_cannot_forge_lines_nor_carry_tokens():
    event = Event(
        "x",
        0.0,
        None,
        {
            "a": "line\nline",
            "b": ["Bearer abc.def"],
            "c": {"d": "eyJhbGciOiJ.eyJzdWIi.c2ln"},
            "e": "x" * 5000,
        },
    )
    line = json.loads(event.json())
    assert "\n" not in event.json()
    assert line["a"] == "line\\nline"
    assert (line["b"], line["c"]) == (["Bearer *****"], {"d": "*****"})
    assert len(line["e"]) == 1024


TEXTS = st.text('ab1 =\n\t"\\\u2028é😀.-', max_size=12) | st.sampled_from(
    [
        "Bearer abc",
        "code=12345",
        "eyJhbGciOiJ.eyJzdWIi.c2ln",
        "x" * 1100,
        "\x7f",
        "a\x85b",
        "basic\u00a0xyz",
        "\ud800",
    ]
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | TEXTS,
    lambda each: st.lists(each, max_size=3) | st.dictionaries(st.sampled_from("cd"), each, max_size=2),
    max_leaves=5,
)


@settings(max_examples=examples(500), deadline=None)
@given(
    st.dictionaries(st.sampled_from(["a", "long_name", "jti", "user_id"]), VALUES, max_size=3),
    st.none() | TEXTS,
)
def test_what_is_said_is_made_safe_member_by_member_however_plain_it_looks(members, reason):
    event = Event("x", 0.0, None, members, reason, source=Source(correlation_id="c"))
    every = {"reason": reason, **members}
    assert event.said == {name: _safe(value) for name, value in every.items() if value is not None}
    line = event.json()
    assert line.isascii()
    assert "\n" not in line
    written = json.loads(line)
    names = {"long_name": "longName", "user_id": "userId"}
    assert all(written[names.get(name, name)] == value for name, value in event.said.items())


def test_what_the_program_does_by_itself_has_an_id_like_any_request():
    starts, stopped = (
        json.loads(contextvars.Context().run(Event, name, 0.0, None, {}).json())
        for name in ("authority starts", "authority stopped")
    )
    for record in (starts, stopped):
        assert uuid.UUID(record["transactionId"])
        assert record["_id"].startswith(f"{record['transactionId']}-")
    assert starts["transactionId"] != stopped["transactionId"]


def test_a_record_that_needs_nothing_made_safe_is_what_would_have_been_written_otherwise(monkeypatch):
    members = {"user_id": "u", "scopes": ["a", "b"], "jti": "j", "count": 3, "absent": None}
    whole = {"user_id": "u", "text": "x" * 1100, "jti": "j"}
    for reason in (None, "why"):
        for each in (members, whole):
            quick = json.loads(Event("token issued", 1.0, "e", each, reason, SOURCE_OF_TEST).json())
            with monkeypatch.context() as patched:
                patched.setattr("deputize.authority.audit._is_plain", lambda _: False)
                slow = json.loads(Event("token issued", 1.0, "e", each, reason, SOURCE_OF_TEST).json())
            assert list(quick) == list(slow)
            assert quick | {"_id": ""} == slow | {"_id": ""}


SOURCE_OF_TEST = Source("127.0.0.1", 1, "id", "caller")
