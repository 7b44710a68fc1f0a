"""The statements that search activities: each walks an index in the order of time, for a bounded way.

Their parameters are named after the columns they are compared with.
"""

from functools import lru_cache
from typing import Any, Final

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Select,
    bindparam,
    case,
    desc,
    exists,
    func,
    select,
    tuple_,
)

from deputize.authority.storage.tables import ACTIVITIES, ACTIVITY_AGENTS, ACTIVITY_TOTALS

MAX_LOOKED_AT: Final = 10_000
"""Index entries that one search looks at; a search that found less than it was to goes on from there."""
MAX_BEGINNINGS: Final = 40
"""Different texts that a search by a beginning finds."""
_COUNTED: Final = 2_000
COLUMNS: Final = tuple(column for column in ACTIVITIES.c if column.name != "acting_id")
"""In the order of `Activity`."""
PLACE: Final = (ACTIVITIES.c.happened_at, ACTIVITIES.c.id)
"""An activity's place in the order of time."""
RECORD: Final = "record_"
"""How the names of parameters begin that are patterns of the record, with `!` before what is no wildcard."""
ONE: Final = select(*COLUMNS).where(
    ACTIVITIES.c.environment_id == bindparam("environment"), ACTIVITIES.c.id == bindparam("id")
)


def walk(driver: str, bounds: frozenset[str]) -> Select[Any]:
    """The places that the index of `driver` leads to, the newest first."""
    if driver == "agent_id":
        table, place = ACTIVITY_AGENTS, (ACTIVITY_AGENTS.c.happened_at, ACTIVITY_AGENTS.c.activity_id)
        conditions = [ACTIVITY_AGENTS.c.agent_id == bindparam("agent_id")]
    else:
        table, place = ACTIVITIES, PLACE
        conditions = [] if driver == "environment" else [table.c[driver] == bindparam(driver)]
    if driver != "user_id":  # whose index is without it, for a user has one environment
        conditions.append(table.c.environment_id == bindparam("environment"))
    if "since" in bounds:
        conditions.append(place[0] >= bindparam("since"))
    if "before" in bounds:
        conditions.append(place[0] < bindparam("before"))
    if "cursor_at" in bounds:
        conditions.append(tuple_(*place) < tuple_(bindparam("cursor_at"), bindparam("cursor_id")))
    columns: list[ColumnElement[Any]] = [place[0].label("happened_at"), place[1].label("id")]
    return select(*columns).where(*conditions).order_by(place[0].desc(), place[1].desc())


@lru_cache(maxsize=512)
def find(driver: str, others: frozenset[str], bounds: frozenset[str]) -> Select[Any]:
    """The newest activities that the index of `driver` leads to, and that fulfil the other conditions."""
    walked = walk(driver, bounds).limit(MAX_LOOKED_AT if others else bindparam("most")).subquery("walked")
    conditions: list[ColumnElement[bool]] = [ACTIVITIES.c.environment_id == bindparam("environment")]
    for name in sorted(others):
        if name == "agent_id":
            part = (ACTIVITY_AGENTS.c.activity_id == walked.c.id) & (
                ACTIVITY_AGENTS.c.agent_id == bindparam("agent_id")
            )
            conditions.append(exists().where(part))
        elif name.startswith(RECORD):
            conditions.append(ACTIVITIES.c.record.ilike(bindparam(name), escape="!"))
        else:
            conditions.append(ACTIVITIES.c[name] == bindparam(name))
    return (
        select(*COLUMNS)
        .select_from(walked.join(ACTIVITIES, ACTIVITIES.c.id == walked.c.id))
        .where(*conditions)
        .order_by(walked.c.happened_at.desc(), walked.c.id.desc())
        .limit(bindparam("most"))
    )


@lru_cache(maxsize=64)
def last_looked_at(driver: str, bounds: frozenset[str]) -> Select[Any]:
    """The last place that `find` looked at, where it looked at as many as it may."""
    return walk(driver, bounds).offset(MAX_LOOKED_AT - 1).limit(1)


@lru_cache(maxsize=64)
def count(driver: str, bounds: frozenset[str]) -> Select[Any]:
    """How much the index of `driver` leads to, as far as that matters."""
    return select(func.count()).select_from(walk(driver, bounds).limit(_COUNTED).subquery())


@lru_cache(maxsize=8)
def beginning(name: str) -> Select[Any]:
    """The different texts of a column that begin so, each found by one step in the index."""
    column = ACTIVITIES.c[name]
    first: BindParameter[str] = bindparam("first")
    last: BindParameter[str] = bindparam("last")
    least = select(func.min(column)).where(
        ACTIVITIES.c.environment_id == bindparam("environment"), column < last
    )
    found = least.where(column >= first).with_only_columns(func.min(column).label("text")).cte(recursive=True)
    following = select(least.where(column > found.c.text).scalar_subquery()).where(found.c.text.is_not(None))
    found = found.union_all(following)
    return select(found.c.text).where(found.c.text.is_not(None)).limit(MAX_BEGINNINGS)


@lru_cache(maxsize=256)
def totals(agents: int) -> Select[Any]:
    """The totals of so many agents."""
    table = ACTIVITY_TOTALS.c
    asked: list[BindParameter[str]] = [bindparam(f"agent_{place}") for place in range(agents)]
    return (
        select(*ACTIVITY_TOTALS.columns.values()[1:])
        .where(table.environment_id == bindparam("environment"), table.agent_id.in_(asked))
        .order_by(table.last_at.desc())
        .limit(MAX_LOOKED_AT)
    )


_MINE: Final = (
    select(ACTIVITIES)
    .where(
        ACTIVITIES.c.user_id == bindparam("user_id"),
        ACTIVITIES.c.environment_id == bindparam("environment"),
        ACTIVITIES.c.happened_at >= bindparam("since"),
        ACTIVITIES.c.acting_id.is_not(None),
    )
    .order_by(*(column.desc() for column in PLACE))
    .limit(MAX_LOOKED_AT)
    .subquery("mine")
)
_DONE: Final = tuple(_MINE.c[name] for name in ("acting_id", "resource_id", "event", "method", "tool"))
TOTALS_OF_USER: Final = (
    select(
        *_DONE,
        func.sum(case((_MINE.c.outcome == "permitted", 1), else_=0)),
        func.sum(case((_MINE.c.outcome == "refused", 1), else_=0)),
        func.min(_MINE.c.happened_at),
        func.coalesce(
            func.max(case((_MINE.c.outcome == "permitted", _MINE.c.happened_at))),
            func.max(_MINE.c.happened_at),
        ).label("last_at"),
    )
    .group_by(*_DONE)
    .order_by(desc("last_at"))
)
