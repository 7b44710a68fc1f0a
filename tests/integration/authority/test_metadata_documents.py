"""Clients that come with nothing but the URL of their metadata document."""

import contextlib
import json
import re
from dataclasses import replace
from ipaddress import ip_network
from uuid import uuid4

import pytest

from deputize.authority.fetching import Fetcher, Fetching, fetch
from deputize.authority.fetching.documents import RETRY_SECONDS
from deputize.authority.fetching.fetch import HOST_ALLOWANCE
from deputize.authority.fetching.freshness import LONGEST
from deputize.authority.storage import Put
from support import agent_delegation as use_case
from support.authority import Browser, basic
from support.client_proofs import KEY, assertion, assertion_form
from support.document_hosts import (
    BROKEN,
    ENDLESS,
    UNACCEPTABLE,
    DocumentHost,
    connection_attempts,
    json_answer,
    resolving,
)
from support.introductions import FILE, FRAME, apply_file, environment_of, introduced, introducing
from support.issuers import ALGORITHMS, public_jwk

REDIRECT_URI = "http://127.0.0.1:6274/callback"
FRESH = [("Cache-Control", "max-age=600")]


class Client:
    """A program that knows its own URL only, in front of an authority that takes documents of its host."""

    def __init__(self, host, running):
        self.host, self.running = host, running
        self.id = f"{host.origin}/client.json"
        self.document = {
            "client_id": self.id,
            "client_name": "Stranger",
            "redirect_uris": ["http://127.0.0.1/callback"],
            "grant_types": ["authorization_code", "refresh_token"],
            "token_endpoint_auth_method": "none",
        }
        self.publish()

    def publish(self, **changes):
        self.document |= changes
        self.host.answer = json_answer(json.dumps(self.document).encode(), fields=FRESH)

    def authorize_url(self, **changes):
        return self.running.authorize_url(client_id=self.id, redirect_uri=REDIRECT_URI, **changes)

    def wait(self, seconds):
        self.running.clock.instant += seconds

    async def sign_on(self, browser, **changes):
        await browser.get(self.authorize_url(**changes))
        await browser.sign_on()
        if "location" not in browser.response.headers:
            await browser.submit(action="accept" if 'value="accept"' in browser.response.text else "go-on")
        return browser.answer["code"]

    async def ask(self, endpoint, **form):
        async with self.running.client() as client:
            return await client.post(
                f"{self.running.path}/as/{endpoint}", data={"client_id": self.id, **form}
            )

    async def redeem(self, code):
        form = {"code": code, "redirect_uri": REDIRECT_URI, "code_verifier": use_case.VERIFIER}
        return await self.ask("token", grant_type="authorization_code", **form)

    async def refresh(self, token):
        return await self.ask("token", grant_type="refresh_token", refresh_token=token)


def without_ids(page):
    """The page without correlation ids, in which anything may stand by chance."""
    return re.sub(r"[0-9a-f]{8}-[0-9a-f-]{27}", "", page)


@contextlib.asynccontextmanager
async def published(folder, frame="", **changes):
    async with DocumentHost() as host:
        frame = frame or FRAME.replace("app.example.com", f"{host.name}:{host.port}")
        async with introducing(folder, frame, fetcher=host.fetcher(**changes)) as running:
            yield Client(host, running)


@pytest.fixture
async def client(tmp_path):
    async with published(tmp_path / "data") as client:
        yield client


@pytest.fixture
async def browser(client):
    async with client.running.client() as sent:
        yield Browser(client.running, sent)


async def test_how_a_client_came_and_changed_is_recorded(client, browser):
    await client.sign_on(browser)
    [record] = await client.running.records("AGENT-INTRODUCED")
    assert (record["clientId"], record["means"]) == (client.id, "document")
    assert "Stranger" not in json.dumps(record)
    client.publish(redirect_uris=["http://127.0.0.1/callback", "http://127.0.0.1/other"])
    client.wait(601)
    await browser.get(client.authorize_url())
    await browser.submit(action="go-on")
    [record] = await client.running.records("AGENT-CHANGED")
    assert record["redirectUris"][-1] == "http://127.0.0.1/other"


async def test_a_resource_s_audience_is_no_client(client, browser):
    resource = f"environment: Agent Delegation\nresources: [{{ name: taken, audience: '{client.id}' }}]"
    await apply_file(client.running, resource)
    await browser.get(client.authorize_url())
    assert browser.response.status_code == 400
    assert client.id not in [agent.id for agent in introduced(client.running)]


async def test_a_client_signs_on_by_its_url_alone(client, browser):
    code = await client.sign_on(browser)
    tokens = (await client.redeem(code)).json()
    [agent] = introduced(client.running)
    assert (agent.id, agent.origin.means, agent.origin.detail) == (
        client.id,
        "document",
        f"{client.host.name}:{client.host.port}",
    )
    async with client.running.client() as resource:
        answer = await resource.post(
            f"{client.running.path}/as/introspect",
            data={"token": tokens["access_token"]},
            headers=basic(use_case.TEST_ID, use_case.TEST_SECRET),
        )
    assert answer.status_code == 200
    refreshed = await client.refresh(tokens["refresh_token"])
    assert refreshed.status_code == 200, refreshed.text
    assert len(client.host.requests) == 1


async def test_a_client_with_keys_proves_itself_by_what_it_publishes_today(client, browser):
    keys = {"keys": [public_jwk(KEY, "c1")]}
    client.publish(token_endpoint_auth_method="private_key_jwt", jwks=keys)
    code = await client.sign_on(browser)

    def form(**more):
        issuer = client.running.issuer
        proof = assertion(iss=client.id, sub=client.id, aud=issuer, exp=client.running.clock.now() + 60)
        return assertion_form(proof, **more)

    assert (await client.redeem(code)).json()["error"] == "invalid_client"
    more = {"redirect_uri": REDIRECT_URI, "code_verifier": use_case.VERIFIER}
    answer = await client.ask("token", **form(grant_type="authorization_code", code=code, **more))
    token = answer.json()["refresh_token"]
    client.publish(jwks={"keys": [public_jwk(ALGORITHMS["RS256"], "c2")]})
    client.wait(600)
    refused = await client.ask("token", **form(grant_type="refresh_token", refresh_token=token))
    assert (refused.status_code, refused.json()["error"]) == (401, "invalid_client")
    client.publish(jwks=keys)
    client.wait(600)
    answer = await client.ask("token", **form(grant_type="refresh_token", refresh_token=token))
    assert answer.status_code == 200


async def test_nothing_is_stored_before_a_user_has_signed_on_and_nothing_again_after(client, browser):
    await browser.get(client.authorize_url())
    assert introduced(client.running) == []
    await browser.sign_on()
    assert introduced(client.running) == []
    await browser.accept()
    version = client.running.directory.current.version
    async with client.running.client() as other:
        await client.sign_on(Browser(client.running, other))
    assert client.running.directory.current.version == version


async def test_a_changed_document_counts_when_its_time_is_over(client, browser):
    await client.sign_on(browser)
    client.publish(redirect_uris=["http://127.0.0.1/other"], client_name="Renamed")
    await browser.get(client.authorize_url())
    assert browser.response.status_code != 400
    client.wait(600)
    await browser.get(client.authorize_url())
    assert browser.response.status_code == 400
    await browser.get(
        client.running.authorize_url(client_id=client.id, redirect_uri="http://127.0.0.1/other")
    )
    assert browser.response.status_code != 400


async def test_a_document_that_is_gone_or_invalid_ends_what_its_client_may(client, browser):
    tokens = (await client.redeem(await client.sign_on(browser))).json()
    elsewhere = b'{"client_id": "https://other.example/x", "redirect_uris": ["http://127.0.0.1/callback"]}'
    for answer in (
        UNACCEPTABLE["not found"],
        UNACCEPTABLE["gone"],
        UNACCEPTABLE["redirect"],
        json_answer(b"{}"),
        json_answer(elsewhere),
    ):
        client.host.answer = answer
        client.wait(600)
        for endpoint, form in [
            ("token", {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]}),
            ("revoke", {"token": tokens["access_token"]}),
            ("par", {"response_type": "code"}),
        ]:
            refused = await client.ask(endpoint, **form)
            assert (refused.status_code, refused.json()["error"]) == (400, "invalid_client")
            assert client.host.name not in refused.text
        await browser.get(client.authorize_url())
        assert browser.response.status_code == 400
        assert "location" not in browser.response.headers
        client.publish()
        client.wait(RETRY_SECONDS)
        tokens = (await client.refresh(tokens["refresh_token"])).json()


async def test_while_its_host_is_down_a_client_lives_on_for_a_day(client, browser):
    tokens = (await client.redeem(await client.sign_on(browser))).json()
    client.host.answer = json_answer(b"down", "503 Service Unavailable")
    client.wait(LONGEST - 1)
    tokens = (await client.refresh(tokens["refresh_token"])).json()
    client.wait(1)
    refused = await client.refresh(tokens["refresh_token"])
    assert (refused.status_code, refused.json()["error"]) == (503, "temporarily_unavailable")
    assert refused.headers["Retry-After"] == "30"
    await browser.get(client.authorize_url())
    assert browser.response.status_code == 503
    client.publish()
    client.wait(RETRY_SECONDS)
    assert (await client.refresh(tokens["refresh_token"])).status_code == 200


async def test_a_frame_that_no_longer_names_the_host_ends_the_client(client, browser):
    tokens = (await client.redeem(await client.sign_on(browser))).json()
    await apply_file(client.running, f"environment: Agent Delegation\nid: {use_case.ENVIRONMENT_ID}\n{FRAME}")
    client.wait(600)
    asked = client.host.connections
    assert (await client.refresh(tokens["refresh_token"])).json()["error"] == "invalid_client"
    await browser.get(client.authorize_url())
    assert browser.response.status_code == 400
    assert client.host.connections == asked


async def test_documents_are_advertised_only_where_the_frame_names_a_host(client, tmp_path):
    async def metadata(running):
        async with running.client() as program:
            return (await program.get(f"{running.path}/as/.well-known/oauth-authorization-server")).json()

    assert (await metadata(client.running))["client_id_metadata_document_supported"] is True
    frame = FRAME.replace('hosts: [app.example.com, "*.apps.example.com"]', "hosts: []")
    async with introducing(tmp_path / "without", frame) as running:
        assert "client_id_metadata_document_supported" not in await metadata(running)


async def test_the_log_says_why_and_the_page_does_not(client, browser):
    client.host.answer = json_answer(b"secret of the host", "404 secret")
    await browser.get(client.authorize_url())
    page = without_ids(browser.response.text)
    assert not [each for each in (client.host.name, "127.0.0.1:", "secret", "404") if each in page]
    [record] = await client.running.records("REQUEST-REFUSED")
    assert "answered with status 404 instead of 200" in json.dumps(record)


ADDRESSES = [
    *("0.0.0.0", "10.0.0.1", "100.64.0.1", "127.0.0.1", "127.0.0.2", "168.63.129.16", "169.254.169.254"),
    *("172.16.0.1", "192.0.0.192", "192.0.2.1", "192.88.99.1", "192.168.0.1", "198.18.0.1", "198.51.100.1"),
    *("203.0.113.1", "224.0.0.1", "240.0.0.1", "255.255.255.255", "::", "::1", "::127.0.0.1"),
    *(
        "::ffff:127.0.0.1",
        "::ffff:169.254.169.254",
        "::ffff:8.8.8.8",
        "64:ff9b::7f00:1",
        "64:ff9b::a9fe:a9fe",
    ),
    *("64:ff9b:1::1", "2001::1", "2001:db8::1", "2002:7f00:1::1", "3fff::1", "fc00::1", "fd00:ec2::254"),
    *("fe80::1", "fec0::1", "ff02::1"),
]


HOSTS_IN_DISGUISE = [
    *("localhost", "LOCALHOST", "localhost.", "ⓛocalhost", "127.1", "0177.0.0.1", "0x7f.1", "0x7f000001"),
    *(
        "2130706433",
        "017700000001",
        "127.0.0.1.",
        "①②⑦.0.0.1",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
    ),
    *("[0:0:0:0:0:0:0:1]", "[::1%25lo]", "user@clients.example", "clients.example:22", "clients.example."),
    *("clients.example.evil.example", "other.example", "xn--clients.example", "clients.example%00"),
]
PATHS_IN_DISGUISE = ["", "/../x", "/%2e%2e/x", "/./x", "//x", "/x#y", "/x\\y", "/" + "x" * 2000]


async def test_no_client_has_the_authority_connect_to_an_address_that_is_not_public(tmp_path):
    frame, addresses = FRAME.replace("app.example.com", "clients.example"), ["8.8.8.8"]
    fetcher = Fetcher(resolve=resolving(addresses))
    async with introducing(tmp_path / "data", frame, fetcher=fetcher) as running, running.client() as program:
        for number, address in enumerate(ADDRESSES):
            addresses[1:] = [address]
            client_id = f"https://clients.example/{number}.json"
            with connection_attempts() as tried:
                page = await program.get(
                    running.authorize_url(client_id=client_id, redirect_uri=REDIRECT_URI)
                )
                form = {"client_id": client_id, "grant_type": "refresh_token", "refresh_token": "x"}
                answer = await program.post(f"{running.path}/as/token", data=form)
            assert (page.status_code, answer.status_code, answer.json()["error"]) == (
                400,
                400,
                "invalid_client",
            )
            for shown in (page.text, answer.text):
                assert address not in shown or len(address) < 4
                assert "clients.example" not in shown
            assert tried == []


async def test_a_url_that_is_no_plain_url_of_an_admitted_host_is_not_looked_up(tmp_path):
    resolve = resolving(["8.8.8.8"])
    frame = FRAME.replace("app.example.com", "clients.example")
    urls = [f"https://{host}/x" for host in HOSTS_IN_DISGUISE]
    urls += [f"https://clients.example{path}" for path in PATHS_IN_DISGUISE]
    fetcher = Fetcher(resolve=resolve)
    async with introducing(tmp_path / "data", frame, fetcher=fetcher) as running, running.client() as program:
        for client_id in urls:
            page = await program.get(running.authorize_url(client_id=client_id, redirect_uri=REDIRECT_URI))
            assert page.status_code == 400
            assert client_id not in page.text
    assert resolve.asked == []


async def test_whatever_a_host_does_the_page_tells_nothing_of_it(client, browser, monkeypatch):
    monkeypatch.setattr(fetch, "MAX_SECONDS", 0.3)
    told = set()
    for answer in (
        *UNACCEPTABLE.values(),
        *BROKEN.values(),
        *ENDLESS,
        json_answer(b'{"client_id": "secret"}'),
    ):
        client.host.answer = answer
        client.wait(RETRY_SECONDS)
        with connection_attempts() as tried:
            await browser.get(client.authorize_url())
        assert len(tried) == 1
        page = without_ids(browser.response.text)
        assert not [each for each in (client.host.name, "127.0.0.1", "secret", "404") if each in page]
        told.add((browser.response.status_code, page))
    assert sorted(status for status, _ in told) == [400, 503]


async def test_a_name_that_resolves_differently_the_second_time_leads_nowhere(tmp_path):
    answers = [["127.0.0.1"], ["127.0.0.99"]]

    async def resolve(_):
        return answers.pop(0)

    async with DocumentHost() as host:
        fetcher = Fetcher(Fetching((ip_network("127.0.0.1/32"),), host.ca_pem), resolve)
        frame = FRAME.replace("app.example.com", f"{host.name}:{host.port}")
        async with introducing(tmp_path / "data", frame, fetcher=fetcher) as running:
            client = Client(host, running)
            async with running.client() as program:
                with connection_attempts() as tried:
                    await program.get(client.authorize_url())
                    client.wait(600)
                    page = await program.get(client.authorize_url())
    assert page.status_code == 400
    assert [each[0] for each in tried] == ["127.0.0.1"]


async def test_a_document_of_the_authority_itself_is_not_asked_for(tmp_path):
    resolve, origin = resolving(["8.8.8.8"]), "https://authority.test"
    frame = FRAME.replace("app.example.com", "authority.test")
    async with introducing(tmp_path / "data", frame, origin, Fetcher(resolve=resolve)) as running:
        client_id = f"{origin}/client.json"
        async with running.client() as program:
            page = await program.get(running.authorize_url(client_id=client_id, redirect_uri=REDIRECT_URI))
    assert page.status_code == 400
    assert resolve.asked == []


async def test_an_agent_that_was_disabled_is_refused_and_its_document_not_asked_for(client, browser):
    tokens = (await client.redeem(await client.sign_on(browser))).json()
    rows = client.running.store.directory_rows
    row = await rows.find_object(use_case.ENVIRONMENT_ID, "agent", client.id)
    changed = replace(row, document={**row.document, "enabled": False})
    await rows.change([Put(changed)], await rows.version())
    await client.running.directory.refresh()
    client.wait(600)
    asked = client.host.connections
    assert (await client.refresh(tokens["refresh_token"])).json()["error"] == "invalid_client"
    await browser.get(client.authorize_url())
    assert browser.response.status_code == 400
    assert client.host.connections == asked


async def test_one_document_is_an_agent_of_each_environment_that_admits_its_host(client, browser):
    """Its id is the same in all of them, and nothing else: neither tenant takes or ends the other's."""
    running, other_id = client.running, str(uuid4())
    frame = FRAME.replace("app.example.com", f"{client.host.name}:{client.host.port}")
    other = re.sub(r"(?m)^ *id: .*\n|(?<=[{,]) id: [^,}]+,", "", FILE + frame)
    other = re.sub(r"environment: .*", f"environment: Other\nid: {other_id}", other)
    await apply_file(running, other)

    tokens = (await client.redeem(await client.sign_on(browser))).json()
    async with running.client() as sent:
        neighbour = Browser(running, sent)
        await neighbour.get(client.authorize_url().replace(use_case.ENVIRONMENT_ID, other_id))
        await neighbour.sign_on()
        await neighbour.submit(action="accept")
        assert "code" in neighbour.answer

    environments = running.directory.current.environments
    assert all(client.id in environments[each].agents for each in (use_case.ENVIRONMENT_ID, other_id))
    assert (await client.refresh(tokens["refresh_token"])).status_code == 200
    await running.services.introductions.remove(other_id, [client.id])
    assert client.id not in running.directory.current.environments[other_id].agents
    await browser.get(client.authorize_url(prompt="login"))
    await browser.sign_on()
    assert "I consent" not in browser.response.text  # this environment's consent outlives the neighbour's


async def test_what_only_its_key_could_use_ends_when_a_document_says_that_there_is_none(client, browser):
    client.publish(token_endpoint_auth_method="private_key_jwt", jwks={"keys": [public_jwk(KEY, "c1")]})
    code = await client.sign_on(browser)
    proof = assertion(
        iss=client.id, sub=client.id, aud=client.running.issuer, exp=client.running.clock.now() + 60
    )
    more = {"redirect_uri": REDIRECT_URI, "code_verifier": use_case.VERIFIER}
    form = assertion_form(proof, grant_type="authorization_code", code=code, **more)
    token = (await client.ask("token", **form)).json()["refresh_token"]
    client.publish(token_endpoint_auth_method="none")
    client.wait(600)
    assert (await client.refresh(token)).json()["error"] == "invalid_grant"


async def test_nobody_gets_a_token_by_a_document_alone(tmp_path):
    """No user has signed on, so there is no agent yet that a token could be of."""
    async with DocumentHost() as host:
        frame = FRAME.replace("app.example.com", f"{host.name}:{host.port}")
        frame = frame.replace("  agent:\n", "  agent:\n    grants: [client_credentials, refresh_token]\n")
        async with introducing(tmp_path / "data", frame, fetcher=host.fetcher()) as running:
            client = Client(host, running)
            client.publish(
                token_endpoint_auth_method="private_key_jwt",
                jwks={"keys": [public_jwk(KEY, "c1")]},
                grant_types=["authorization_code", "client_credentials"],
            )
            times = running.clock.now() + 60
            proof = assertion(iss=client.id, sub=client.id, aud=running.issuer, exp=times)
            answer = await client.ask("token", **assertion_form(proof, grant_type="client_credentials"))
            assert answer.json()["error"] == "invalid_grant"


async def test_a_flood_of_made_up_urls_keeps_no_known_client_s_document_from_counting(client, browser):
    tokens = (await client.redeem(await client.sign_on(browser))).json()
    client.publish(redirect_uris=["http://127.0.0.1/other"], grant_types=["authorization_code"])
    client.wait(601)
    for number in range(2 * HOST_ALLOWANCE.at_once):
        await client.ask("token", client_id=f"{client.host.origin}/{number}")
    assert len(client.host.requests) < 2 * HOST_ALLOWANCE.at_once, "they are held back"
    assert (await client.refresh(tokens["refresh_token"])).json()["error"] == "unauthorized_client"


async def test_no_crowd_of_registrations_keeps_a_user_from_signing_on_by_a_document(tmp_path):
    async with DocumentHost() as host:
        frame = FRAME.replace("app.example.com", f"{host.name}:{host.port}")
        frame = frame.replace("open: true", "open: true\n  max_agents: 2")
        async with introducing(tmp_path / "data", frame, fetcher=host.fetcher()) as running:
            client = Client(host, running)
            async with running.client() as sent:
                for _ in range(2):
                    registered = await sent.post(
                        f"{running.path}/as/register", json={"redirect_uris": ["http://127.0.0.1/cb"]}
                    )
                    assert registered.status_code == 201
                tokens = await client.redeem(await client.sign_on(Browser(running, sent)))
            assert tokens.status_code == 200
            assert [each.id for each in introduced(running)].count(client.id) == 1
            assert len(introduced(running)) == 2


@pytest.mark.parametrize(
    "changes",
    [
        {"client_name": "Somebody else"},
        {"token_endpoint_auth_method": "private_key_jwt", "jwks": {"keys": [public_jwk(KEY, "c1")]}},
    ],
)
async def test_nobody_agrees_to_what_a_document_said_only_later(client, browser, changes):
    await browser.get(client.authorize_url())
    await browser.sign_on()
    client.publish(**changes)
    client.wait(601)
    await browser.submit(action="accept")
    assert "I consent" in browser.response.text
    await browser.submit(action="accept")
    assert "code" in browser.answer


async def test_one_that_was_disabled_stays_so_when_its_time_is_over(tmp_path):
    async with DocumentHost() as host:
        frame = FRAME.replace("app.example.com", f"{host.name}:{host.port}") + "    lifetime: 2 hours\n"
        async with introducing(tmp_path / "data", frame, fetcher=host.fetcher()) as running:
            client, rows = Client(host, running), running.store.directory_rows
            async with running.client() as sent:
                browser = Browser(running, sent)
                await client.sign_on(browser)
                row = await rows.find_object(use_case.ENVIRONMENT_ID, "agent", client.id)
                disabled = Put(replace(row, document={**row.document, "enabled": False}))
                await rows.change([disabled], await rows.version())
                for over in (False, True):
                    client.wait(7200 * over)
                    await running.directory.refresh()
                    environment, now = environment_of(running), running.clock.now()
                    assert await running.services.introductions.forget_unused(environment, now) == []
                    await browser.get(client.authorize_url())
                    assert browser.response.status_code == 400
