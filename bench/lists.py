"""Measures what a page of each list costs an authority that has very many users, agents and records."""

import asyncio
import contextlib
import json
import random
import sqlite3
import time
from collections import Counter
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

USERS_AN_AGENT, ACTIVITIES_A_USER = 10, 10
PAGES = 5
"""Of each list in a round; the middle one counts."""
DAYS = 80
"""Over which the records are spread."""
_BUSY_AGENT, _BUSY_USER, _REFUSED = 0.2, 0.1, 0.02
_RECORD = json.dumps({"client": {"ip": "192.0.2.1"}, "decision": "PERMIT", "more": "x" * 400})
_COLUMNS = (
    "id",
    "environment_id",
    "happened_at",
    "source",
    "event",
    "outcome",
    "user_id",
    "agent_ids",
    "acting_id",
    "resource_id",
    "method",
    "tool",
    "jti",
    "transaction_id",
    "record",
)
Page = Callable[[], Awaitable[object]]


def lists(plan: Plan) -> Findings:
    """Measure pages of lists, each through the service that console and management API ask."""
    people, findings = People(plan.folder / "lists", plan.people, agents=1), Findings()
    data = people.subject.stage.data
    agents, activities = plan.people // USERS_AN_AGENT, plan.people * ACTIVITIES_A_USER
    plan.say(f"  {plan.people:,} users: {agents:,} agents and {activities:,} records are written")
    with contextlib.closing(sqlite3.connect(data / FILE_NAME)) as connection, connection:
        _write_agents(connection, agents)
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
        pages = _pages(services, users)
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


def _pages(services: Services, users: Sequence[str]) -> Mapping[str, Page]:
    """Return the lists by what is listed; `users` are one with very many records and one with few."""
    administration = services.administration
    reader = Operator("command", "bench", "bench", frozenset({"auditor"}))
    [environment] = services.directory.current.environments.values()
    resource = next(each.id for each in environment.resources.values() if each.name == "test")
    busy = next(each.id for each in environment.agents.values() if each.name == "Agent 0")
    quiet = next(each.id for each in environment.agents.values() if each.name.endswith("00007"))

    busy_user, somebody = users

    def objects(kind: ObjectKind, query: ListQuery) -> Page:
        return partial(administration.list, reader, environment.id, kind, query)

    def activities(query: ActivityQuery) -> Page:
        return partial(services.activities.find, environment.id, query)

    now = time.time()
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
        "consents for an agent": partial(consents, agent_id=busy),
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
    drawn = random.Random(7)
    agents = [
        each
        for (each,) in connection.execute(
            "SELECT id FROM directory_objects WHERE kind = 'agent' ORDER BY name"
        )
    ]
    users = [each for (each,) in connection.execute("SELECT id FROM users ORDER BY username")]
    [(environment_id, resource_id)] = connection.execute(
        "SELECT environment_id, id FROM directory_objects WHERE kind = 'resource' AND name = 'test'"
    )
    now, totals = time.time(), Counter[tuple[str, str, str]]()

    def rows() -> Iterator[tuple[object, ...]]:
        for number in range(activities):
            agent = agents[0] if drawn.random() < _BUSY_AGENT else drawn.choice(agents)
            user = users[1] if drawn.random() < _BUSY_USER else drawn.choice(users)
            tool = f"tool_{min(int(drawn.expovariate(0.1)), 99)}"
            outcome = "refused" if drawn.random() < _REFUSED else "permitted"
            happened_at = now - DAYS * 86400 * (1 - number / activities)
            totals[agent, tool, outcome] += 1
            yield (
                f"{round(happened_at * 1000):012x}-{number:022x}",
                environment_id,
                happened_at,
                "gateway",
                MCP_MESSAGE,
                outcome,
                user,
                json.dumps([agent]),
                agent,
                resource_id,
                "tools/call",
                tool,
                f"jti-{number // 5:032}",
                f"tx-{number:08}",
                _RECORD,
            )

    connection.executemany(
        f"INSERT INTO activities ({', '.join(_COLUMNS)}) VALUES ({', '.join('?' * len(_COLUMNS))})",  # noqa: S608 - constants
        rows(),
    )
    connection.execute(
        "INSERT INTO activity_agents (environment_id, agent_id, happened_at, activity_id)"
        " SELECT environment_id, acting_id, happened_at, id FROM activities"
        " WHERE source = 'gateway' ORDER BY acting_id, happened_at"
    )
    connection.executemany(
        "INSERT INTO activity_totals VALUES (?, ?, ?, ?, 'tools/call', ?, ?, ?, ?, ?)"
        " ON CONFLICT DO UPDATE SET permitted = permitted + excluded.permitted,"
        " refused = refused + excluded.refused",
        (
            (
                environment_id,
                agent,
                resource_id,
                MCP_MESSAGE,
                tool,
                *((number, 0) if outcome == "permitted" else (0, number)),
                now - DAYS * 86400,
                now,
            )
            for (agent, tool, outcome), number in totals.items()
        ),
    )
