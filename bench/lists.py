"""Measures what a page of each list costs an authority that has very many users, agents and records."""

import asyncio
import contextlib
import json
import random
import sqlite3
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

from bench.measure import Findings, Plan, Result
from bench.people import People
from deputize.authority.activities.search import MCP_MESSAGE, ActivityQuery
from deputize.authority.administration import ListQuery, ObjectKind, Operator
from deputize.authority.serve import ServeOptions, open_services
from deputize.authority.services import Services
from deputize.authority.storage import sqlite_url
from deputize.authority.storage.store import FILE_NAME
from deputize.oauth.records.directory import Environment

USERS_AN_AGENT, ACTIVITIES_A_USER = 10, 10
PAGES = 5
"""Of each list in a round; the middle one counts."""
DAYS = 80
"""Over which the records are spread."""
_BUSY_AGENT, _BUSY_USER, _REFUSED = 0.2, 0.1, 0.02
_RECORD = json.dumps({"client": {"ip": "192.0.2.1"}, "decision": "PERMIT", "more": "x" * 400})
_AGENTS = "SELECT id FROM directory_objects WHERE kind = 'agent' ORDER BY name"
_RESOURCE = "SELECT environment_id, id FROM directory_objects WHERE kind = 'resource' AND name = 'test'"
_ACTIVITY = """
    INSERT INTO activities (id, environment_id, happened_at, source, event, outcome, user_id, acting_id,
        agent_ids, resource_id, method, tool, jti, transaction_id, record)
    VALUES (:id, :environment, :happened_at, 'gateway', :event, :outcome, :user, :agent,
        :agents, :resource, 'tools/call', :tool, :jti, :transaction, :record)
    """
_PARTS = """
    INSERT INTO activity_agents (environment_id, agent_id, happened_at, activity_id)
    SELECT environment_id, acting_id, happened_at, id FROM activities WHERE source = 'gateway'
    ORDER BY acting_id, happened_at
    """
_TOTALS = """
    INSERT INTO activity_totals
    SELECT environment_id, acting_id, resource_id, event, method, tool, sum(outcome = 'permitted'),
        sum(outcome = 'refused'), min(happened_at), max(happened_at)
    FROM activities WHERE source = 'gateway' GROUP BY 1, 2, 3, 4, 5, 6
    """
_REFRESH_TOKENS = """
    INSERT INTO refresh_tokens
        (grant_id, digest, generation, rotated_at, expires_at, environment_id, client_id)
    SELECT id, id, 1, created_at, expires_at, environment_id, client_id FROM grants WHERE true
    ON CONFLICT DO NOTHING
    """
"""Each user of the agent that everybody signed on to has a refresh token of it."""
Page = Callable[[], Awaitable[object]]


def lists(plan: Plan) -> Findings:
    """Measure pages of lists, each through the service that console and management API ask."""
    people, findings = People(plan.folder / "lists", plan.people, agents=1), Findings()
    data = people.subject.stage.data
    agents, activities = plan.people // USERS_AN_AGENT, plan.people * ACTIVITIES_A_USER
    plan.say(f"  {plan.people:,} users: {agents:,} agents and {activities:,} records are written")
    with contextlib.closing(sqlite3.connect(data / FILE_NAME)) as connection, connection:
        _write_agents(connection, agents)
        connection.execute(_REFRESH_TOKENS)
        _write_activities(connection, activities)
    findings.facts |= {"users": plan.people, "agents": agents, "activities": activities}
    findings.add(asyncio.run(_measure(plan, data, people.subject.stage.authority_url)))
    return findings


async def _measure(plan: Plan, data: Path, base_url: str) -> list[Result]:
    with contextlib.closing(sqlite3.connect(data / FILE_NAME)) as connection:
        users = [
            each for (each,) in connection.execute("SELECT id FROM users ORDER BY username LIMIT 2 OFFSET 1")
        ]
    options = ServeOptions("127.0.0.1", 0, base_url)
    async with open_services(sqlite_url(data), options, plan.folder / "audit") as services:
        pages = _pages_of_objects(services, users[1]) | _pages_of_records(services, users)
        for page in pages.values():
            await page()
        measured: dict[str, list[Mapping[str, float]]] = {name: [] for name in pages}
        for _ in range(plan.rounds):
            for name, page in pages.items():
                measured[name].append({"cpu_ms": await _cost(page)})
        return [Result(name, tuple(rounds)) for name, rounds in measured.items()]


async def _cost(page: Page) -> float:
    """Return the milliseconds of processor time of a page, the middle one of several."""
    costs: list[float] = []
    for _ in range(PAGES):
        began = time.process_time()
        await page()
        costs.append((time.process_time() - began) * 1000)
    return sorted(costs)[PAGES // 2]


def _find_agents(environment: Environment) -> tuple[str, str]:
    """Return the ids of the agent that made very many records, and of one that made few."""
    named = {each.name: each.id for each in environment.agents.values()}
    return named["Agent 0"], named["Agent 00007"]


def _pages_of_objects(services: Services, somebody: str) -> dict[str, Page]:
    """Return the lists of what there is, by what is listed; `somebody` is a user."""
    administration = services.administration
    reader = Operator("command", "bench", "bench", frozenset({"auditor"}))
    [environment] = services.directory.current.environments.values()
    agent, _ = _find_agents(environment)

    def objects(kind: ObjectKind, query: ListQuery) -> Page:
        return partial(administration.list, reader, environment.id, kind, query)

    sessions = partial(administration.sessions.list, reader, environment.id)
    consents = partial(administration.consents.list, reader, environment.id)
    return {
        "users": objects("user", ListQuery()),
        "users by a part of a name": objects("user", ListQuery(search="9999")),
        "users by a name that nobody has": objects("user", ListQuery(search="nobody")),
        "users that are disabled (none)": objects("user", ListQuery(enabled=False)),
        "agents": objects("agent", ListQuery()),
        "agents by a part of a name": objects("agent", ListQuery(search="999")),
        "agents by a name that none has": objects("agent", ListQuery(search="none")),
        "agents of an owner": objects("agent", ListQuery(owner="owner7")),
        "agents that introduced themselves (none)": objects("agent", ListQuery(introduced=True)),
        "agents that wait (none)": objects("agent", ListQuery(waiting=True)),
        "sessions": sessions,
        "sessions of a user": partial(sessions, user_id=somebody),
        "consents": consents,
        "consents of a user": partial(consents, user_id=somebody),
        "consents for an agent": partial(consents, agent_id=agent),
    }


def _pages_of_records(services: Services, users: Sequence[str]) -> dict[str, Page]:
    """Return the lists of records, by what is listed; `users` are one with very many and one with few."""
    [environment] = services.directory.current.environments.values()
    resource = next(each.id for each in environment.resources.values() if each.name == "test")
    (busy, quiet), (busy_user, somebody), now = _find_agents(environment), users, time.time()

    def activities(query: ActivityQuery) -> Page:
        return partial(services.activities.find, environment.id, query)

    return {
        "records": activities(ActivityQuery()),
        "records of a busy agent": activities(ActivityQuery(agent_id=busy)),
        "records of a quiet agent": activities(ActivityQuery(agent_id=quiet)),
        "records of a user": activities(ActivityQuery(user_id=somebody)),
        "records of a busy user": activities(ActivityQuery(user_id=busy_user)),
        "refusals of a quiet agent for a busy user": activities(
            ActivityQuery(user_id=busy_user, agent_id=quiet, outcome="refused")
        ),
        "records of a busy agent for a busy user": activities(
            ActivityQuery(user_id=busy_user, agent_id=busy)
        ),
        "records of a resource": activities(ActivityQuery(resource_id=resource)),
        "records of a tool": activities(ActivityQuery(tool="tool_7")),
        "records of refusals": activities(ActivityQuery(outcome="refused")),
        "refusals of a tool by a quiet agent": activities(
            ActivityQuery(agent_id=quiet, tool="tool_7", outcome="refused")
        ),
        "refusals of a tool by a busy agent at a resource": activities(
            ActivityQuery(agent_id=busy, tool="tool_7", outcome="refused", resource_id=resource)
        ),
        "records of two who never met": activities(ActivityQuery(agent_id=quiet, user_id=somebody)),
        "records by what a tool's name begins with": activities(ActivityQuery(text="tool_1")),
        "records of a tool that there is not": activities(ActivityQuery(tool="tool_x")),
        "records of a transaction": activities(ActivityQuery(transaction_id="tx-00000777")),
        "records of a day": activities(ActivityQuery(since=now - 40 * 86400, before=now - 39 * 86400)),
        "what belongs to a call": partial(_follow, services, environment.id),
        "what an agent did, in all": partial(services.activities.totals, environment.id, [busy]),
        "what a page of agents did, in all": partial(
            services.activities.totals, environment.id, list(environment.agents)[:200]
        ),
        "what agents did for a user, in all": partial(
            services.activities.totals_of_user, environment.id, busy_user
        ),
        "what agents called last for a user": activities(
            ActivityQuery(user_id=busy_user, event=MCP_MESSAGE, limit=200)
        ),
    }


async def _follow(services: Services, environment_id: str) -> object:
    page = await services.activities.find(environment_id, ActivityQuery(limit=1))
    return await services.activities.follow(environment_id, page.items[0])


def _write_agents(connection: sqlite3.Connection, agents: int) -> None:
    """Copy the agent, each with a name of its own; a hundred people own them all."""
    connection.execute(
        """
        WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < :last)
        INSERT INTO directory_objects
            (id, environment_id, kind, name, document, term, history, created_at, changed_at)
        SELECT printf('%08x', n) || substr(id, 9), environment_id, kind, printf('Agent %05d', n),
            json_set(document, '$.owner', printf('owner%d', n % 100)), printf('%08x', n), history,
            created_at, changed_at
        FROM directory_objects, numbers WHERE kind = 'agent'
        """,
        {"last": agents - 1},
    )
    connection.execute("UPDATE directory_version SET version = version + 1")


def _write_activities(connection: sqlite3.Connection, activities: int) -> None:
    """Write calls of anybody by any agent; one agent makes a fifth, and one user has a tenth made."""
    drawn, now = random.Random(7), time.time()
    agents = [each for (each,) in connection.execute(_AGENTS)]
    users = [each for (each,) in connection.execute("SELECT id FROM users ORDER BY username")]
    [(environment_id, resource_id)] = connection.execute(_RESOURCE)

    def rows() -> Iterator[Mapping[str, object]]:
        for number in range(activities):
            agent = agents[0] if drawn.random() < _BUSY_AGENT else drawn.choice(agents)
            happened_at = now - DAYS * 86400 * (1 - number / activities)
            yield {
                "id": f"{round(happened_at * 1000):012x}-{number:022x}",
                "environment": environment_id,
                "happened_at": happened_at,
                "event": MCP_MESSAGE,
                "outcome": "refused" if drawn.random() < _REFUSED else "permitted",
                "user": users[1] if drawn.random() < _BUSY_USER else drawn.choice(users),
                "agent": agent,
                "agents": json.dumps([agent]),
                "resource": resource_id,
                "tool": f"tool_{min(int(drawn.expovariate(0.1)), 99)}",
                "jti": f"jti-{number // 5:032}",
                "transaction": f"tx-{number:08}",
                "record": _RECORD,
            }

    connection.executemany(_ACTIVITY, rows())
    connection.execute(_PARTS)
    connection.execute(_TOTALS)
