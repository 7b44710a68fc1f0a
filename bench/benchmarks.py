"""The benchmarks by name: what is compared, and the goals."""

from collections.abc import Callable
from dataclasses import dataclass

from bench import authority, gateway, lists, policies, scale, shares, start, streams
from bench.gateway import OURS
from bench.goals import Goal, added, at_least, at_most, slowdown, speed_beside
from bench.measure import Findings, Plan
from bench.peers import agentgateway, apache, nginx, nginx_auth_request
from bench.peers import oidc_provider as npm

CALLS = ("cpu_us", "requests_per_second", "p50_ms", "p99_ms")


@dataclass(frozen=True)
class Benchmark:
    """What is measured, in one sentence, the figures of its table, and its goals."""

    title: str
    measure: Callable[[Plan], Findings]
    figures: tuple[str, ...]
    """The first is plotted."""
    goals: tuple[Goal, ...] = ()
    rounds: int | None = None
    """Other than the run's."""
    seconds: int | None = None
    """Of each round, other than the run's."""


BENCHMARKS: dict[str, Benchmark] = {
    "gateway": Benchmark(
        "The gateway with the use case's route: varying tools/call of about 115 bytes, 32 connections",
        gateway.beside_peers,
        CALLS,
        (
            speed_beside(OURS, nginx.PLAIN.name, 0.40, 0.6),
            # Its other line is mostly what its cache takes for encrypting long tokens.
            speed_beside(OURS, apache.SHORT.name, 1.7, 2.5),
            speed_beside(OURS, apache.TOKENS.name, None),
            speed_beside(OURS, nginx_auth_request.AUTH_REQUEST.name, None),
        ),
    ),
    "mcp-gateways": Benchmark(
        "The same beside gateways that speak MCP themselves, 4 connections",
        gateway.beside_mcp_gateways,
        CALLS,
        (
            *(speed_beside(OURS, each.name, 10.0) for each in gateway.PYTHON_GATEWAYS),
            speed_beside(OURS, agentgateway.PEER.name, None),
        ),
        rounds=3,
    ),
    "gateway-cases": Benchmark(
        "The same with one factor changed at a time",
        gateway.cases,
        CALLS,
        (
            speed_beside(gateway.TRACED, nginx.PLAIN.name, 0.33),
            speed_beside(gateway.ASKED, nginx.PLAIN.name, None),
        ),
        rounds=3,
        seconds=2,
    ),
    "latency": Benchmark(
        "How long calls take at half of what the gateway can, at the same rate",
        gateway.latency,
        ("p99_ms", "p50_ms", "requests_per_second"),
        (
            added("ms added to p99", "p99_ms", OURS, gateway.DIRECT, 1.0),
            added("ms added to p50", "p50_ms", OURS, gateway.DIRECT, None),
        ),
    ),
    "idle-streams": Benchmark(
        "Event streams on which nothing is said",
        streams.idle_streams,
        ("user_kib", "kernel_kib", "streams", "held_seconds", "lost", "cpu_percent"),
        (
            at_most("KiB of user memory each", "user_kib", OURS, 12),
            at_most("streams lost", "lost", OURS, 0),
            at_least("streams held", "streams", OURS, 8_000),
            at_least("seconds for which they were held", "held_seconds", OURS, 120),
        ),
    ),
    "routes": Benchmark(
        "The base case as the last of many routes",
        scale.routes,
        CALLS,
        (slowdown(scale.name_routes(1_000), scale.name_routes(1), 0.05),),
        rounds=3,
        seconds=2,
    ),
    "known-tokens": Benchmark(
        "Calls by tokens of which the gateway knows more and more",
        scale.known_tokens,
        CALLS,
        (
            slowdown(scale.name_tokens(100_000, 1_000), scale.name_tokens(1_000, 1_000), 0.05),
            slowdown(scale.name_tokens(1_000_000, 1_000), scale.name_tokens(1_000, 1_000), 0.05),
            slowdown(scale.name_tokens(100_000, 100_000), scale.name_tokens(1_000, 1_000), None),
            slowdown(scale.name_tokens(1_000_000, 1_000_000), scale.name_tokens(1_000, 1_000), None),
        ),
        rounds=3,
        seconds=2,
    ),
    "shares": Benchmark(
        "Where the gateway's time goes in the base case",
        shares.shares,
        ("share_percent",),
        rounds=2,
    ),
    "policies": Benchmark(
        "What policies about a call's arguments add to it, in the gateway's process",
        policies.policies,
        ("cpu_us",),
        (
            at_most(
                f"µs of processor: {policies.name_rules(policies.MANY)}",
                "cpu_us",
                policies.name_rules(policies.MANY),
                200,
            ),
        ),
    ),
    "client-credentials": Benchmark(
        "The token endpoint: client credentials, ES256, 32 connections",
        authority.client_credentials,
        CALLS,
        (speed_beside(OURS, npm.NAME, 3.0, 5.0),),
    ),
    "token-exchange": Benchmark(
        "The token endpoint: token exchange of 1,000 users' tokens with an actor, ES256, 32 connections",
        authority.token_exchange,
        CALLS,
        (speed_beside(OURS, npm.NAME, 3.0, 5.0),),
    ),
    "introspection": Benchmark(
        "Introspection: is this token good, 500 tokens, 32 connections",
        authority.introspection,
        CALLS,
        (speed_beside(OURS, npm.NAME, 3.0, 5.0),),
    ),
    "people": Benchmark(
        "The authority with more and more users who signed on and agreed",
        authority.many_people,
        CALLS,
        tuple(
            slowdown(f"{what}, {case}", f"{what}, {authority.name_people(1_000)}", most)
            for what in (authority.EXCHANGES, authority.QUESTIONS)
            for case, most in (
                (authority.name_people(100_000), 0.05),
                (authority.name_people(1_000_000), 0.05),
                (authority.BUSY, None),
            )
        ),
        seconds=2,
    ),
    "lists": Benchmark(
        "A page of each list, with very many users, agents and records",
        lists.lists,
        ("cpu_ms",),
        (
            Goal(
                "ms of processor: the page that costs most",
                lambda findings: max(each.median("cpu_ms") for each in findings.results.values()),
                most=200,
            ),
        ),
        rounds=3,
    ),
    "start": Benchmark(
        "The start of each program, until it is ready",
        start.starts,
        ("cpu_s", "resident_mib"),
        (
            at_most("seconds of processor: deputize --version", "cpu_s", start.VERSION, 0.25),
            at_most("seconds of processor: the gateway's start", "cpu_s", start.GATEWAY, 0.7),
            at_most("MiB resident: the gateway when ready", "resident_mib", start.GATEWAY, 60),
            at_most("seconds of processor: the authority's start", "cpu_s", start.AUTHORITY, 1.0),
            at_most("MiB resident: the authority when ready", "resident_mib", start.AUTHORITY, 80),
        ),
    ),
}
