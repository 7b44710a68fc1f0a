"""The API over a socket, asked for what its description allows and for what it does not."""

import asyncio
import contextlib
import threading
from collections import Counter
from concurrent.futures import Future

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from deputize.authority.management.app import document
from deputize.authority.serve import LIMITS
from deputize.http.listener import serve
from support.management import running_management

# `make test` sets up without it; it is among the dependencies of `make check` and `make test-all`.
pytest.importorskip("schemathesis")

import requests
from schemathesis import GenerationMode, openapi
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

CASES = 5_000
CHECKS = [
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
]
REFUSED_BY_THE_LISTENER = {400, 413, 414, 431}
"""Before there is a request: its head or length is none that any handler gets to see."""


class Stage:
    """A served authority in a thread of its own, and ids of what there is in it."""

    def __init__(self, folder):
        self._started = Future()
        self._thread = threading.Thread(target=asyncio.run, args=(self._serve(folder),))

    async def _serve(self, folder):
        self._loop, self._ended = asyncio.get_running_loop(), asyncio.Event()
        try:
            async with running_management(folder) as api:
                listener = await serve(api.authority.app, host="127.0.0.1", port=0, limits=LIMITS)
                self.url, self.token = f"http://127.0.0.1:{listener.port}", api.tokens["administrator"]
                self.environment = api.console.environment
                await api.ask("PATCH", "", {"registration": {"open": False, "initial_access_tokens": True}})
                user, agent = await api.find("users", "demouser"), await api.find("agents", "MCP Tutorial")
                await api.add_consent(user["id"], agent["id"])
                for number in range(20):
                    await api.add_session(f"s{number}", user["id"])
                    await api.ask("POST", "/invitations")
                    await api.ask("POST", "/v1/administrators/invitations", {"roles": ["auditor"]})
                    await api.ask("POST", "/agents", {"name": f"agent {number}"})
                    await api.ask("POST", "/users", {"username": f"user {number}"})
                    await api.ask("POST", "/resources", {"name": f"resource {number}"})
                await api.ask("POST", "/keys/rotate")
                self._started.set_result(None)
                await self._ended.wait()
                await listener.close(0)
        except BaseException as error:
            if not self._started.done():
                self._started.set_exception(error)
            raise

    def __enter__(self):
        self._thread.start()
        self._started.result(60)
        return self

    def __exit__(self, *_):
        self._loop.call_soon_threadsafe(self._ended.set)
        self._thread.join(60)

    def ids(self, session, kinds):
        if kinds in {"me", "environments"}:
            return []
        url = f"{self.url}/v1/environments/{self.environment}/{kinds}?limit=200"
        if kinds == "administrators":
            url = f"{self.url}/v1/administrators/invitations"
        return [each["id"] for each in session.get(url).json()["items"]]


def try_operation(stage, session, operation, examples, statuses):
    """Ask for an operation in many ways, mostly of something that there is."""
    raw = document()["paths"][operation.path][operation.method]
    known = {
        "environment": [] if raw["operationId"] == "removeEnvironment" else [stage.environment],
        "object_id": stage.ids(session, raw["tags"][0]),
        "agent_id": stage.ids(session, "agents"),
    }

    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(data=st.data())
    def check(data):
        modes = st.sampled_from([GenerationMode.POSITIVE, GenerationMode.NEGATIVE])
        case = data.draw(operation.as_strategy(data.draw(modes)))
        if data.draw(st.integers(0, 9)) > 1:
            for name in case.path_parameters or {}:
                if known.get(name):
                    case.path_parameters[name] = data.draw(st.sampled_from(known[name]))
        response = case.call(base_url=stage.url, session=session)
        statuses[response.status_code] += 1
        assert response.status_code < 500, (operation.label, case.body, response.text)
        if response.status_code in REFUSED_BY_THE_LISTENER and not response.content:
            return
        case.validate_response(response, checks=CHECKS)

    check()


@pytest.mark.slow
def test_whatever_is_asked_is_answered_as_the_description_says(tmp_path):
    operations = [each.ok() for each in openapi.from_dict(document()).get_all_operations()]
    operations.sort(key=lambda each: each.method == "delete")  # what is gone is of no use to others
    statuses = Counter()
    with Stage(tmp_path / "data") as stage, contextlib.closing(requests.Session()) as session:
        session.headers["Authorization"] = f"Bearer {stage.token}"
        for operation in operations:
            try_operation(stage, session, operation, CASES // len(operations) + 1, statuses)
    assert sum(statuses.values()) >= CASES
    assert statuses[200] + statuses[201] > 500, statuses
    assert statuses[422] > 300, statuses
