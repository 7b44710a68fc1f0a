"""Decorations on a running gateway: what is written of calls that stream, and that they pass unchanged."""

import json

from structlog.testing import capture_logs

from support.gateway import write_json
from support.wire import Server, answer_text, ask

ROUTE = {
    "heap": [
        {
            "name": "capture",
            "type": "CaptureDecorator",
            "config": {"captureEntity": True, "captureContext": True},
        }
    ],
    "capture": "all",
    "timer": True,
    "handler": {"type": "ReverseProxyHandler", "config": {"soTimeout": "5 seconds"}},
}


async def test_calls_are_written_and_pass_unchanged(instance, started):
    """Four calls, of which the gateway remembers the plan: each is written as the first one is."""
    large = json.dumps({"password": "hush", "text": "x" * 300_000}).encode()
    async with Server(lambda request: answer_text(f"{len(request.body)} Bearer abc")) as backend:
        write_json(instance / "config" / "routes" / "r.json", {**ROUTE, "baseURI": backend.url})
        gateway = await started(instance)
        with capture_logs() as lines:
            for body in (b'"small"', b'"small"', large, large):
                headers = [("Content-Type", "application/json"), ("Authorization", "Bearer abc")]
                answer = await ask(gateway.ports[0], "POST", "/a?token=abc", headers, body)
                assert answer.body == f"{len(body)} Bearer abc".encode()
    assert [each.body for each in backend.received] == [b'"small"', b'"small"', large, large]
    written = json.dumps([line for line in lines if line["event"] in {"captured", "timed"}])
    assert "abc" not in written
    assert "hush" not in written
    events = [(line["event"], line.get("point"), "entity" in line) for line in lines if "object" in line]
    assert sorted(events) == sorted(
        [
            *[("captured", point, entity) for point in ("request", "response") for entity in (True, False)]
            * 4,
            *[("timed", None, False)] * 4,
        ]
    )


async def test_decorations_of_config_json_are_those_of_its_handler(instance, started):
    write_json(
        instance / "config" / "config.json",
        {"handler": {"type": "StaticResponseHandler", "config": {"status": 204}}, "timer": True},
    )
    gateway = await started(instance)
    with capture_logs() as lines:
        await ask(gateway.ports[0], "GET", "/")
    assert [line["event"] for line in lines if "object" in line] == ["timed"]
    assert gateway.problems() == ((), ())
