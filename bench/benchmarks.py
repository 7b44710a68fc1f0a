"""The benchmarks by name: what is compared, and the goals."""

from collections.abc import Callable
from dataclasses import dataclass

from bench import authority, gateway
from bench.gateway import OURS
from bench.goals import Goal, speed_beside
from bench.measure import Findings, Plan
from bench.peers import apache, nginx
from bench.peers import oidc_provider as npm

RATES = ("requests_per_second", "cpu_us", "p50_ms", "p99_ms")


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
        ("cpu_us", "requests_per_second", "p50_ms", "p99_ms"),
        (
            speed_beside(OURS, nginx.PLAIN.name, 0.40, 0.6),
            speed_beside(OURS, apache.TOKENS.name, 1.7, 2.5),
        ),
    ),
    "gateway-cases": Benchmark(
        "The same with one factor changed at a time",
        gateway.cases,
        ("cpu_us", "requests_per_second", "p50_ms", "p99_ms"),
        (
            speed_beside(gateway.TRACED, nginx.PLAIN.name, 0.33),
            speed_beside(gateway.ASKED, nginx.PLAIN.name, None),
        ),
    ),
    "client-credentials": Benchmark(
        "The token endpoint: client credentials, ES256, 32 connections",
        authority.client_credentials,
        ("cpu_us", "requests_per_second", "p50_ms", "p99_ms"),
        (speed_beside(OURS, npm.NAME, 3.0, 5.0),),
    ),
    "token-exchange": Benchmark(
        "The token endpoint: token exchange with an actor, ES256, 32 connections",
        authority.token_exchange,
        ("cpu_us", "requests_per_second", "p50_ms", "p99_ms"),
        (speed_beside(OURS, npm.NAME, 3.0, 5.0),),
    ),
}
