"""Checks at the end: the use case's five validation lines, and what must be refused."""

import asyncio
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import httpx2

from demo import programs, report
from demo.agent_run import AgentRun
from demo.client import EXCHANGE, Agent, call_gateway
from demo.person import Person
from demo.stage import EXAMPLE, REQUEST_SECONDS, TRUST, Stage
from demo.stock_client import StockClient


def mcp_records(stage: Stage) -> Iterator[Mapping[str, Any]]:
    """Yield the gateway's MCP audit records, oldest first."""
    file = stage.instance / "audit" / "mcp.audit.json"
    yield from map(json.loads, file.read_text("utf-8").splitlines())


def tool_call(stage: Stage, tool: str) -> Mapping[str, Any]:
    """Return the last audit record of a call of that tool; empty if there is none."""
    found = [each for each in mcp_records(stage) if each.get("client", {}).get("param") == tool]
    return found[-1] if found else {}


def five_lines(run: AgentRun, person: Person, audit: Mapping[str, Any], agent: Agent) -> bool:
    """Check the use case's validation, section D."""
    holds = [
        report.check(
            "forecast_daily" in run.tools, "the agent discovers the tools", f"{len(run.tools)} tools"
        ),
        report.check(
            run.authorize_url.startswith(f"{agent.issuer}/authorize?"),
            "the agent sends the browser to the authority",
        ),
        report.check(len(person.pages) == 2, "the user signs on and consents", " → ".join(person.pages)),
        report.check("Tokyo" in run.answer, "the tool call gets its response", run.answer.partition(" (")[0]),
        report.check(
            (audit.get("sub"), audit.get("act"), audit.get("decision"))
            == ("demouser", [agent.client_id], "PERMIT"),
            "the audit shows the MCP request with a valid act",
            f"act {', '.join(audit.get('act') or ['missing'])}",
        ),
    ]
    return all(holds)


def own_page(person: Person, agent: Agent) -> bool:
    """Check that the user sees on their own page what the agent called: the gateway delivers its records."""
    url = f"{agent.issuer.removesuffix('/as')}/my/agents?calls={agent.client_id}"
    page = programs.until(lambda: person.open(url).text, lambda page: "<code>forecast_daily</code>" in page)
    return report.check("permitted" in page, "the user's own page shows what the agent called", url)


def stranger(stage: Stage, issuer: str, person: Person) -> bool:
    """Check what a client off the shelf, which was told the gateway's URL alone, can do and cannot."""
    client = StockClient(stage, person)
    answer = asyncio.run(client.call("forecast_hourly", place="Tokyo", hours=2))
    holds = [
        report.check("Tokyo" in answer, "it introduces itself, and calls a tool", answer.partition(" (")[0]),
        report.check(
            person.pages != [], "the user is asked whether it may act for them", " → ".join(person.pages)
        ),
    ]
    audit = programs.until(lambda: tool_call(stage, "forecast_hourly"), bool)
    holds += [
        report.check(
            (audit.get("sub"), audit.get("act")) == (person.username, [client.client_id]),
            "the audit shows what it is: a delegate",
            f"act {client.client_id}",
        )
    ]
    for words, parameters in (
        ("it gets no token of its own", {"grant_type": "client_credentials"}),
        ("it cannot exchange what it got", {"grant_type": EXCHANGE, "subject_token": client.access_token}),
    ):
        refusal = httpx2.post(
            f"{issuer}/token",
            data={"client_id": client.client_id, **parameters},
            timeout=REQUEST_SECONDS,
            verify=TRUST,
        )
        error = refusal.json().get("error")
        holds.append(report.check(error == "unauthorized_client", words, f"{refusal.status_code} {error}"))
    return all(holds)


@dataclass(frozen=True)
class Refusals:
    """Two requests that an agent must not get through, made for real."""

    stage: Stage
    agent: Agent
    other: Agent
    person: Person

    def other_agent(self) -> bool:
        """Check that another agent cannot exchange this agent's subject token with its own actor token."""
        subject = self.agent.subject_token(self.person)
        answer = self.other.exchange(subject, self.other.actor_token())
        return report.check(
            answer.status_code == 400 and answer.json()["error"] == "invalid_request",
            "a second agent cannot exchange the first one's subject token",
            f"{answer.status_code} {answer.json().get('error')}",
        )

    def no_actor(self) -> bool:
        """Check that an exchange without an actor is refused.

        The authority refuses it, and the gateway refuses the token even if an authority issues one.
        """
        subject = self.agent.subject_token(self.person)
        exchange = self.agent.exchange(subject, None)
        refused = report.check(
            exchange.status_code == 400,
            "the authority issues no token without act",
            f"{exchange.status_code} {exchange.json().get('error')}",
        )
        token = self._token_without_act(subject)
        answer = call_gateway(self.stage, token)
        return refused & report.check(
            answer.status_code in {401, 403},
            "the gateway refuses a token without act, if it meets one",
            str(answer.status_code),
        )

    def _token_without_act(self, subject: str) -> str:
        """Return a token of the original's fail-open mapping, then apply the safe one again."""
        programs.apply(self.stage, EXAMPLE / "fail-open.yaml")
        try:
            answer = programs.until(
                lambda: self.agent.exchange(subject, None), lambda answer: answer.status_code == 200
            )
            return answer.json()["access_token"]
        finally:
            programs.apply(self.stage, EXAMPLE / "environment.yaml")
