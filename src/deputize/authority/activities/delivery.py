"""What a gateway delivers of its records: believed in what was called, never in whom it was for.

Whom a call was for, and through which agents, is what the authority itself knows of the token that the record
names: from the grant that the token's `jti` begins with, and from its own record of issuing it. A `jti` that
the authority did not seal, or that was changed since, is about none of its tokens.
"""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from hmac import compare_digest
from typing import Final

from deputize.authority.activities.reading import MAX_METHOD, MAX_TOOL, agents_of, in_order, text_of
from deputize.authority.activities.search import MCP_MESSAGE, MCP_OUTCOME, ActivityQuery
from deputize.authority.services import Services
from deputize.authority.storage.activities import Activity, Outcome
from deputize.kernel.errors import DeputizeError
from deputize.kernel.redaction import printable
from deputize.kernel.strict_json import JsonError, dumps, loads
from deputize.kernel.values import JsonObject
from deputize.oauth.lineage import parse_jti
from deputize.oauth.records.directory import Environment, Resource

MAX_RECORD: Final = 16 * 1024
"""Bytes of a record."""
MAX_RECORDS: Final = 500
"""Records of a delivery; what is beyond is refused."""
_MAX_DEPTH: Final = 6
_MAX_AHEAD: Final = 300.0
"""Seconds that a gateway's clock may be ahead."""
_EVENTS: Final[Mapping[str, str]] = {
    "PING-GATEWAY-MCP": MCP_MESSAGE,
    "PING-GATEWAY-MCP-OUTCOME": MCP_OUTCOME,
}
_OUTCOMES: Final[Mapping[object, Outcome]] = {"PERMIT": "permitted", "DENY": "refused", None: "unknown"}
_KEPT: Final = (
    "timestamp",
    "eventName",
    "transactionId",
    "client",
    "server",
    "jti",
    "tool",
    "decision",
    "reason",
    "errorCode",
    "sessionId",
    "response",
    "ig",
)
"""What is kept of a record: not what it says of user, agents and scopes."""
_TRANSACTION_ID: Final = re.compile(r"[!-~]{1,128}")


class _Refused(DeputizeError):
    """A record is not kept; says why, for operators."""


@dataclass(frozen=True, slots=True)
class _Bearer:
    """Whom a token speaks for, as the authority knows it."""

    token_id: str
    """Its `Lineage.id`."""
    user_id: str | None
    agent_ids: tuple[str, ...]
    session_id: str | None
    grant_id: str | None


@dataclass(slots=True)
class Delivery:
    """One delivery of records about tokens for `resource`, which has authenticated itself."""

    services: Services
    environment: Environment
    resource: Resource
    now: float
    refused: Counter[str] = field(default_factory=Counter[str])
    """How many records were refused, by reason."""
    _bearers: dict[str, _Bearer | str] = field(default_factory=dict[str, _Bearer | str])

    async def store(self, lines: Sequence[bytes]) -> int:
        """Store what may be stored, each record once however often it is delivered; how many were new."""
        await self.services.activity_writer.write_all()
        kept: list[Activity] = []
        for line in lines[:MAX_RECORDS]:
            try:
                kept.append(await self._read(line))
            except _Refused as refused:
                self.refused[str(refused)] += 1
        if len(lines) > MAX_RECORDS:
            self.refused[f"more than {MAX_RECORDS} at once"] += len(lines) - MAX_RECORDS
        return await self.services.store.activities.add(kept)

    async def _read(self, line: bytes) -> Activity:
        """Read a record. Raises `_Refused`."""
        try:
            record = loads(line, max_size=MAX_RECORD, max_depth=_MAX_DEPTH)
        except JsonError as error:
            raise _Refused("no JSON, or too large") from error
        if not isinstance(record, Mapping):
            raise _Refused("no JSON object")
        event, own_id = _EVENTS.get(text_of(record.get("eventName")) or ""), text_of(record.get("_id"))
        transaction, decision = text_of(record.get("transactionId")) or "", record.get("decision")
        if event is None or own_id is None or not isinstance(decision, str | None):
            raise _Refused("no record of an MCP message")
        if not _TRANSACTION_ID.fullmatch(transaction) or decision not in _OUTCOMES:
            raise _Refused("no record of an MCP message")
        happened_at = self._moment(record)
        jti = text_of(record.get("jti")) or ""
        bearer = await self._bearer(jti)
        said = record.get("client")
        message: JsonObject = said if isinstance(said, Mapping) else {}
        method, tool = text_of(message.get("method")), text_of(message.get("param"))
        identity = sha256(f"{self.environment.id}\n{self.resource.id}\n{own_id}".encode()).hexdigest()
        return Activity(
            id=f"{in_order(happened_at)}-{identity[:22]}",
            environment_id=self.environment.id,
            happened_at=happened_at,
            source="gateway",
            event=event,
            outcome=_OUTCOMES[decision],
            user_id=bearer.user_id,
            agent_ids=bearer.agent_ids,
            resource_id=self.resource.id,
            method=printable(method, MAX_METHOD)[:MAX_METHOD] if method else None,
            tool=printable(tool, MAX_TOOL)[:MAX_TOOL] if tool else None,
            session_id=bearer.session_id,
            grant_id=bearer.grant_id,
            jti=bearer.token_id,
            transaction_id=transaction,
            caller_transaction_id=None,
            record=dumps({name: record[name] for name in _KEPT if name in record}).decode(),
        )

    def _moment(self, record: JsonObject) -> float:
        """When it happened, in seconds since the epoch. Raises `_Refused`."""
        try:
            moment = datetime.fromisoformat(text_of(record.get("timestamp")) or "")
            seconds = moment.timestamp() if moment.tzinfo else None
        except (ValueError, OverflowError) as error:
            raise _Refused("no instant") from error
        if seconds is None:
            raise _Refused("no instant")
        if not self.now - self.environment.settings.activity_retention <= seconds <= self.now + _MAX_AHEAD:
            raise _Refused("from another time")
        return seconds

    async def _bearer(self, jti: str) -> _Bearer:
        """Whom the token speaks for. Raises `_Refused` where it is none for this resource."""
        if jti not in self._bearers:
            try:
                self._bearers[jti] = await self._find_bearer(jti)
            except _Refused as refused:
                self._bearers[jti] = str(refused)
        found = self._bearers[jti]
        if isinstance(found, str):
            raise _Refused(found)
        return found

    async def _find_bearer(self, jti: str) -> _Bearer:
        """Find whom a token speaks for. Raises `_Refused`.

        By its grant and by the record of its being issued; where that was dropped or is forgotten, by the
        terms in its `jti`.
        """
        lineage, store, environment = parse_jti(jti), self.services.store, self.environment
        seal = await self.services.lineage_seals.of(environment.id)
        if lineage is None or not compare_digest(seal(lineage), lineage.seal):
            raise _Refused("about no token of this authority")
        if lineage.resource_terms[-1] != self.resource.term:
            raise _Refused("about a token for another resource")
        query = ActivityQuery(jti=lineage.id, event="token issued", source="authority", limit=1)
        issued = next(iter((await store.activities.find(environment.id, query)).items), None)
        if issued is not None and issued.resource_id != self.resource.id:
            raise _Refused("about a token for another resource")
        agent_ids = issued.agent_ids if issued else tuple(agents_of(lineage, environment))
        if issued is None and len(agent_ids) != len(lineage.terms):
            raise _Refused("about an agent that is not known")
        agent_ids = tuple(dict.fromkeys(agent_ids))
        if lineage.grant_id is None:
            return _Bearer(lineage.id, None, agent_ids, None, None)
        grant = (await store.token_states.read_token_state(environment.id, lineage.grant_id, ())).grant
        if grant is None:
            raise _Refused("about a grant that is not known")
        who = grant.authentication
        return _Bearer(lineage.id, who.user_id, agent_ids, who.session_id, grant.id)
