"""The use case's agents at a console's authority: they sign users on, exchange, and gateways report calls."""

import json
from dataclasses import dataclass, field
from typing import Any, Self
from urllib.parse import urlencode

import httpx2

from deputize.audit.records import timestamp_text
from deputize.authority.activities.search import Activity, ActivityQuery
from deputize.authority.administration import ObjectKind, ObjectView, Operator
from deputize.authority.directory.objects import Role
from support.agent_delegation import REDIRECT_URI, VERIFIER, exchange_request
from support.authority import Browser, authorization_parameters, basic
from support.console import Console

AGENT = "MCP Tutorial"
OPERATOR = Operator("command", "0", "", frozenset[Role]({"administrator"}))


@dataclass
class AgentFlow:
    """What agents and the gateway of the use case do, over the authority's own endpoints."""

    console: Console
    client: httpx2.AsyncClient
    secrets: dict[str, tuple[str, str]] = field(default_factory=dict[str, tuple[str, str]])
    """Id and secret by name."""

    async def begin(self) -> Self:
        """Draw secrets for the two agents and the gateway's resource."""
        owners: tuple[tuple[ObjectKind, str], ...] = (
            ("agent", AGENT),
            ("agent", "Other Agent"),
            ("resource", "test"),
        )
        for kind, name in owners:
            found = await self.find(kind, name)
            where = (OPERATOR, self.console.environment, kind, found.id)
            drawn = await self.console.authority.services.administration.new_secret(*where)
            self.secrets[name] = found.id, drawn.secrets[0].text
        await self.console.refresh()
        return self

    async def find(self, kind: ObjectKind, name: str) -> ObjectView:
        """Find an object of the use case's environment."""
        administration = self.console.authority.services.administration
        found = await administration.find_named(OPERATOR, self.console.environment, kind, name)
        assert found is not None
        return found

    async def change(self, kind: ObjectKind, name: str, **members: Any) -> None:
        """Change members of an object, as an administrator does."""
        found = await self.find(kind, name)
        administration = self.console.authority.services.administration
        await administration.change(
            OPERATOR, self.console.environment, kind, members, object_id=found.id, creates=False
        )
        await self.console.refresh()

    async def post(self, endpoint: str, form: dict[str, str], caller: str = AGENT) -> dict[str, Any]:
        """Post a form as an agent or the resource."""
        path = f"/{self.console.environment}/as/{endpoint}"
        answer = await self.client.post(path, data=form, headers=basic(*self.secrets[caller]))
        return answer.json() if answer.content else {}

    async def authorize(self, agent: str = AGENT, scope: str = "agent") -> str:
        """Sign the user on in the browser; returns the code."""
        browser = Browser(self.console.authority, self.client)
        asked = authorization_parameters(client_id=self.secrets[agent][0], scope=scope)
        await browser.get(f"/{self.console.environment}/as/authorize?{urlencode(asked)}")
        if 'name="password"' in browser.response.text:
            await browser.sign_on()
        if "location" not in browser.response.headers:
            await browser.accept()
        return browser.answer["code"]

    async def sign_on(self, agent: str = AGENT, scope: str = "agent") -> dict[str, Any]:
        """Sign the user on; returns what the agent is answered for the code."""
        code = await self.authorize(agent, scope)
        form = {"grant_type": "authorization_code", "code": code, "code_verifier": VERIFIER}
        return await self.post("token", {**form, "redirect_uri": REDIRECT_URI}, agent)

    async def own_token(self, agent: str = AGENT) -> str:
        """A token that no user is behind."""
        form = {"grant_type": "client_credentials", "scope": "agent"}
        return (await self.post("token", form, agent))["access_token"]

    async def exchange(self, subject: str, agent: str = AGENT) -> dict[str, Any]:
        """Exchange a user's token for one with which the agent acts for them."""
        form = exchange_request(subject, await self.own_token(agent))
        return await self.post("token", {**form, "scope": "test"}, agent)

    async def delegated(self) -> str:
        """A token with which the agent acts for the user."""
        return (await self.exchange((await self.sign_on())["access_token"]))["access_token"]

    async def report(self, jti: str, reason: str) -> None:
        """Deliver the gateway's record of a call that it refused."""
        record = {
            "_id": "t1-1",
            "timestamp": timestamp_text(self.console.authority.clock.now()),
            "eventName": "PING-GATEWAY-MCP",
            "transactionId": "t1",
            "client": {"method": "tools/call", "param": "get_forecast"},
            "jti": jti,
            "decision": "DENY",
            "reason": reason,
        }
        headers = {**basic(*self.secrets["test"]), "Content-Type": "application/x-ndjson"}
        path = f"/{self.console.environment}/as/activities"
        answer = await self.client.post(path, content=json.dumps(record).encode(), headers=headers)
        assert answer.json() == {"stored": 1, "refused": 0}

    async def last(self, outcome: Any = "refused", **asked: Any) -> Activity:
        """The newest activity."""
        query = ActivityQuery(outcome=outcome, limit=1, **asked)
        found = await self.console.authority.services.activities.find(self.console.environment, query)
        return found.items[0]
