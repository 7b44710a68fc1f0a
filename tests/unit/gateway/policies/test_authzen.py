import asyncio
import json

import pytest

from deputize.gateway.authorities.endpoint import MAX_ANSWER, AuthorityEndpoint
from deputize.gateway.handlers.client import ClientHandler
from deputize.gateway.policies.authzen import EVALUATION, EVALUATIONS, AuthZenPolicies
from deputize.gateway.policies.coaz import read_mapping
from deputize.gateway.policies.request import Effect
from deputize.http.plans import as_handler
from deputize.http.upstream import ConnectFailed, Upstream
from support.gateway import Answering
from support.policies import request

COPY = {
    "evaluations": {
        "evaluations": [
            {"action": {"name": "read"}, "resource": {"type": "account", "id": "1"}},
            {"action": {"name": "write"}, "resource": {"type": "account", "id": "$params.arguments.to"}},
        ]
    }
}


def asking(handler, *, batch=True, url="https://pdp.example.com", timeout=1.0):
    evaluation, evaluations = (
        AuthorityEndpoint(url + path, as_handler(handler)) for path in (EVALUATION, EVALUATIONS)
    )
    mappings = {"copy": read_mapping(COPY)}
    return AuthZenPolicies(
        "pdp", evaluation, evaluations if batch else None, timeout, mappings, {"odd": "it is odd"}
    )


def answering(document, status=200):
    return Answering(status, body=document if isinstance(document, bytes) else json.dumps(document).encode())


def bodies(handler):
    return [json.loads(each.request.body.buffered) for each in handler.asked]


async def test_a_decision_is_asked_for_and_followed():
    handler = answering({"decision": True})
    decision = await asking(handler).decide(request())
    assert (decision.effect, decision.rules) == (Effect.PERMIT, ("pdp",))
    sent = handler.asked[0].request
    assert (sent.method, str(sent.origin), str(sent.target)) == (
        "POST",
        "https://pdp.example.com",
        "/access/v1/evaluation",
    )
    assert sent.headers.get("content-type") == "application/json"
    assert sent.headers.get("authorization") is None
    assert bodies(handler)[0]["resource"] == {"type": "tool", "id": "transfer"}


async def test_a_denial_tells_the_log_what_the_decision_point_says():
    handler = answering({"decision": False, "context": {"reason_admin": {"en": "closed"}}})
    decision = await asking(handler).decide(request())
    assert (decision.effect, decision.rules) == (Effect.DENY, ("pdp",))
    assert "closed" in decision.reason


@pytest.mark.parametrize(
    ("document", "status"),
    [
        ({"decision": "true"}, 200),
        ({"decision": 1}, 200),
        ({"decision": None}, 200),
        ({}, 200),
        ([], 200),
        (True, 200),
        (b"", 200),
        (b'{"decision": false, "decision": true}', 200),
        (b'{"decision": true', 200),
        (b'{"decision": true, "pad": "' + b"x" * MAX_ANSWER + b'"}', 200),
        ({"decision": True}, 201),
        ({"decision": True}, 401),
        ({"decision": True}, 500),
        ({"evaluations": [{"decision": True}]}, 200),
    ],
)
async def test_what_is_no_decision_denies(document, status):
    decision = await asking(answering(document, status)).decide(request())
    assert (decision.effect, decision.rules) == (Effect.DENY, ())
    assert "pdp.example.com/access/v1/evaluation" in decision.reason


async def test_several_decisions_are_one_batch_and_all_have_to_permit():
    handler = answering({"evaluations": [{"decision": True}, {"decision": True}]})
    assert (await asking(handler).decide(request(tool="copy"))).is_permitted
    (sent,) = bodies(handler)
    assert [each["action"]["name"] for each in sent["evaluations"]] == ["read", "write"]
    assert str(handler.asked[0].request.target) == "/access/v1/evaluations"


@pytest.mark.parametrize(
    "answers",
    [
        [{"decision": True}, {"decision": False}],
        [{"decision": False}, {"decision": True}],
        [{"decision": True}, {"decision": 1}],
        [{"decision": True}],
        [{"decision": True}, {"decision": True}, {"decision": True}],
        [],
        None,
        {"decision": True},
    ],
)
async def test_a_batch_with_anything_but_permits_denies(answers):
    for status in (200, 400):
        decision = await asking(answering({"evaluations": answers}, status)).decide(request(tool="copy"))
        assert decision.effect is Effect.DENY


async def test_without_a_batch_each_decision_is_asked_for_until_one_denies():
    handler = answering({"decision": True})
    assert (await asking(handler, batch=False).decide(request(tool="copy"))).is_permitted
    assert [each["action"]["name"] for each in bodies(handler)] == ["read", "write"]
    handler = answering({"decision": False})
    assert not (await asking(handler, batch=False).decide(request(tool="copy"))).is_permitted
    assert len(handler.asked) == 1


async def test_what_cannot_be_asked_is_denied_without_asking():
    handler = answering({"decision": True})
    for members in (
        {"tool": "odd"},
        {"tool": "copy", "arguments": {}},
        {"method": "x/new"},
        {"user": "\ud800"},
    ):
        decision = await asking(handler).decide(request(**members))
        assert (decision.effect, decision.rules) == (Effect.DENY, ())
        assert decision.reason
    assert handler.asked == []


async def test_a_decision_point_that_is_away_denies():
    class Away:
        async def handle(self, _):
            raise ConnectFailed("connection refused")

    decision = await asking(Away()).decide(request())
    assert decision.effect is Effect.DENY
    assert "cannot be asked" in decision.reason


async def test_over_sockets_a_silent_decision_point_denies_in_time():
    came = asyncio.Event()
    talks = []

    async def talk(reader, writer):
        talks.append(asyncio.current_task())
        came.set()
        await reader.read()
        writer.close()

    upstream = Upstream()
    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    decision = await asking(ClientHandler(upstream), url=url, timeout=0.2).decide(request())
    assert came.is_set()
    assert decision.effect is Effect.DENY
    assert decision.reason == "pdp gave no decision within 0.2 s"
    await upstream.aclose()
    server.close()
    await asyncio.gather(*talks, return_exceptions=True)
