"""Measures what a call costs with many routes, and with many tokens known."""

import json
from contextlib import ExitStack
from itertools import repeat
from typing import Any
from urllib.parse import urlsplit

import httpx2

from bench.calls import tool_calls
from bench.load import CONNECTIONS, MARK, Load
from bench.measure import Findings, Plan, alternate
from bench.pace import pace
from bench.peer import require_token
from bench.peers import nginx
from bench.programs import Program
from bench.subject import Deputize, introspect_at, remember_tokens

ROUTES = (1, 100, 1_000)
KNOWN = (1, 1_000, 100_000, 1_000_000)
IN_USE = 1_000
"""Of many known tokens, those that calls come with at the time."""
_TOKEN = "as-long-as-an-opaque-token-usually-is-{}"
_DIGITS = "%09d"


def routes(plan: Plan) -> Findings:
    """Measure the use case's route as the last of many of its kind."""
    findings = Findings()
    with ExitStack() as stack:
        subject = plan.subject
        stack.enter_context(subject.authority(measured=False))
        port = stack.enter_context(nginx.upstream(plan.folder))
        calls = tool_calls(subject.tokens)
        loads = {
            name_routes(number): Load(
                stack.enter_context(subject.gateway(port, remember_tokens, others=number - 1)).clear, calls
            )
            for number in ROUTES
        }
        for load in loads.values():
            require_token(load, is_required=True)
        findings.add(alternate(plan, loads))
    return findings


def known_tokens(plan: Plan) -> Findings:
    """Measure calls by a thousand tokens, and by all evenly, of which the gateway knows more and more.

    Another server than the authority says that they are good: as the authority does for one of its own.
    """
    subject, findings = plan.subject, Findings()
    with subject.authority(measured=False):
        answer = _introspect(subject, subject.tokens[0])
    with ExitStack() as stack:
        port = stack.enter_context(nginx.upstream(plan.folder))
        standing_in = stack.enter_context(nginx.upstream(plan.folder / "introspection", json.dumps(answer)))
        changes = (remember_tokens, _remember_millions, introspect_at(f"http://127.0.0.1:{standing_in}/"))
        calls = tool_calls([_TOKEN.format(MARK)])
        loads: dict[str, Load] = {}
        for number in (each for each in KNOWN if each <= plan.known):
            gateway = stack.enter_context(subject.gateway(port, *changes)).clear
            plan.say(f"  {number:,} tokens are made known")
            before = gateway.memory_kib()
            _make_known(gateway, number)
            findings.facts[f"kib_{number}"] = gateway.memory_kib() - before
            for in_use in sorted({min(number, IN_USE), number}):
                drawn = f'format("{_DIGITS}", random(1, {in_use}))'
                loads[name_tokens(number, in_use)] = Load(gateway, calls, fresh=drawn)
        findings.add(alternate(plan, loads))
    return findings


def name_routes(number: int) -> str:
    """Return how that many routes are called in the table."""
    return f"{number:,} route{'s' if number > 1 else ''}"


def name_tokens(known: int, in_use: int) -> str:
    """Return how that many tokens are called in the table."""
    used = f"{in_use:,}" if in_use < known else "all"
    return f"{known:,} token{'s' if known > 1 else ''} known, {used} in use"


def _make_known(gateway: Program, number: int) -> None:
    """Send one call with each token."""
    first, rest = tool_calls([_TOKEN.format(MARK)])[0].write(gateway.url).split(MARK.encode())
    calls = (first + (_DIGITS % each).encode() + rest for each in range(1, number + 1))
    where = urlsplit(gateway.url)
    pace((where.hostname or "", where.port or 0), calls, repeat(0.0, number), CONNECTIONS)


def _introspect(subject: Deputize, token: str) -> dict[str, Any]:
    known = subject.secrets["resources"]["test"]
    answer = httpx2.post(
        f"{subject.secrets['issuer']}/introspect",
        data={"token": token},
        auth=(known["id"], known["secret"]),
        timeout=30,
    )
    return answer.raise_for_status().json()


def _remember_millions(route: dict[str, Any]) -> None:
    cache = next(each for each in route["heap"] if each["name"] == "rsFilter")["config"]["cache"]
    cache |= {"maxSize": 2_000_000, "maxTimeout": "1 hour"}
