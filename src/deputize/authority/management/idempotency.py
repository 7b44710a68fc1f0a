"""Requests with an `Idempotency-Key`: done once, and answered with the same when they are repeated.

A key belongs to who sent it, for a day: a user in the console, an agent, or an agent for a user. A repeated
request gets the answer of the first, without the secrets in it, which nobody keeps; another request under the
key is refused. What was refused has changed nothing, so its key is free again.
"""

import asyncio
import hashlib
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Final, cast

from starlette.requests import Request
from starlette.responses import Response

from deputize.authority.administration import Operator
from deputize.authority.asgi import ANSWER_SECONDS
from deputize.authority.management.answers import JsonAnswer
from deputize.authority.management.problems import NO_STORE, RequestRefused
from deputize.authority.services import Services
from deputize.authority.storage import IdempotentRequest
from deputize.kernel.digests import digest
from deputize.kernel.strict_json import dumps
from deputize.kernel.values import JsonValue

KEPT_SECONDS: Final = 24 * 3600.0
MAX_KEY: Final = 255
_KEPT_FIELDS: Final = ("etag", "location")


class IdempotentAnswers:
    """Answers requests under keys."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._under_way: dict[str, asyncio.Event] = {}
        """Those that this process answers now, by their key's digest."""

    async def answer(
        self, request: Request, operator: Operator, handle: Callable[[Request], Awaitable[Response]]
    ) -> Response:
        """Answer as `handle` does, once for each key. Raises `RequestRefused`, and what `handle` raises."""
        keys = request.headers.getlist("idempotency-key")
        if len(keys) != 1 or not 1 <= len(keys[0]) <= MAX_KEY or not keys[0].isascii():
            wrong = {"parameter": "Idempotency-Key", "detail": f"has to be one of 1 to {MAX_KEY} characters"}
            raise RequestRefused(400, "the Idempotency-Key is none", [wrong])
        now = self._services.clock.now()
        key = digest(json.dumps([operator.kind, operator.id, operator.actor, keys[0]]))
        begun = IdempotentRequest(key, await _fingerprint(request, operator, key), now, now + KEPT_SECONDS)
        while (other := self._under_way.get(key)) is not None:
            await other.wait()
        ended = self._under_way[key] = asyncio.Event()
        try:
            return await self._answer_once(begun, request, handle)
        finally:
            del self._under_way[key]
            ended.set()

    async def _answer_once(
        self, begun: IdempotentRequest, request: Request, handle: Callable[[Request], Awaitable[Response]]
    ) -> Response:
        requests = self._services.store.idempotent_requests
        # who began longer ago than an answer may take has stopped
        earlier = await requests.begin(begun, begun.begun_at - 2 * ANSWER_SECONDS)
        if earlier is not None:
            return _repeat(earlier, begun)
        try:
            response = await handle(request)
        except BaseException:
            await asyncio.shield(requests.give_up(begun))
            raise
        if not isinstance(response, JsonAnswer) or response.status_code >= 400:
            await requests.give_up(begun)
            return response
        fields: dict[str, JsonValue] = {
            name: value for name in _KEPT_FIELDS if (value := response.headers.get(name)) is not None
        }
        body = dumps(without_secrets(response.document)).decode()
        await requests.finish(replace(begun, status=response.status_code, fields=fields, body=body))
        return response


def without_secrets(document: Mapping[str, JsonValue]) -> Mapping[str, JsonValue]:
    """Return an answer's document as it may be kept: `secret` of each of its `secrets` is null."""
    issued = document.get("secrets")
    if not isinstance(issued, list):
        return document
    kept = [{**each, "secret": None} for each in issued if isinstance(each, Mapping)]
    return {**document, "secrets": cast("JsonValue", kept)}


def _repeat(earlier: IdempotentRequest, asked: IdempotentRequest) -> Response:
    if earlier.fingerprint != asked.fingerprint:
        detail = "the Idempotency-Key was used for another request; draw one for each"
        raise RequestRefused(422, detail, [{"parameter": "Idempotency-Key", "detail": detail}])
    if earlier.status is None:
        raise RequestRefused(
            409, "a request with this Idempotency-Key is under way", (), {"Retry-After": "1"}
        )
    fields = {name: str(value) for name, value in (earlier.fields or {}).items()}
    fields = {**NO_STORE, **fields, "Idempotency-Replayed": "true"}
    return Response(earlier.body, earlier.status, fields, "application/json")


async def _fingerprint(request: Request, operator: Operator, key: str) -> str:
    """Return a digest of all that decides about the answer.

    A body may hold a password that somebody thought of: it takes as long to guess as from where passwords are
    kept.
    """
    told = [
        request.method,
        request.scope["raw_path"].decode("ascii"),
        request.url.query,
        request.headers.get("content-type"),
        request.headers.get("if-match"),
        sorted(operator.roles),
    ]
    body = await request.body()
    if body:
        body = await asyncio.to_thread(hashlib.scrypt, body, salt=key.encode(), n=2**14, r=8, p=1)
    return hashlib.sha256(json.dumps(told).encode() + b"\n" + body).hexdigest()
