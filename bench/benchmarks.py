"""The benchmarks by name: what is compared, and the ratios to reach."""

import base64
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from urllib.parse import urlencode

from demo.client import ACCESS_TOKEN, EXCHANGE

from bench.load import Request, status
from bench.measure import Plan, Result, alternate
from bench.peers import apache, nginx
from bench.peers import oidc_provider as npm
from bench.programs import Program
from bench.subject import deputize

CALL = (
    '{"jsonrpc":"2.0","id":1,"method":"tools/call",'
    '"params":{"name":"forecast_daily","arguments":{"place":"Tokyo, JP"}}}'
)
OURS = "Deputize"
NGINX = "nginx (plain reverse proxy)"
APACHE = "Apache mod_auth_openidc (token)"


@dataclass(frozen=True)
class Goal:
    """A ratio to a peer in the same run, or (without a peer) requests a second."""

    peer: str | None
    least: float
    aim: float | None = None


@dataclass(frozen=True)
class Benchmark:
    """What is measured, in one sentence, and its goals."""

    title: str
    measure: Callable[[Plan, Callable[[str], None]], list[Result]]
    goals: tuple[Goal, ...]


def gateway(plan: Plan, say: Callable[[str], None]) -> list[Result]:
    """Measure the use case's route beside a proxy that checks nothing and one that checks the token."""
    subject = deputize(plan.folder)
    with ExitStack() as stack:
        stack.enter_context(subject.authority(measured=False))
        port = stack.enter_context(nginx.upstream(plan.folder))
        token = subject.tokens()[2]
        candidates = {
            f"{OURS} (token, MCP, both audits)": _tool_call(
                stack.enter_context(subject.gateway(port)), token
            ),
            NGINX: _tool_call(stack.enter_context(nginx.plain_proxy(plan.folder, port)), token),
            APACHE: _tool_call(
                stack.enter_context(
                    apache.protecting_proxy(plan.folder, port, subject.tls, long_tokens=True)
                ),
                token,
            ),
            f"{APACHE}, short one": _tool_call(
                stack.enter_context(
                    apache.protecting_proxy(plan.folder, port, subject.tls, long_tokens=False)
                ),
                apache.SHORT_TOKEN,
            ),
        }
        for name, request in candidates.items():
            _require_token(request, is_required=name != NGINX)
        return alternate(plan, candidates, say)


def client_credentials(plan: Plan, say: Callable[[str], None]) -> list[Result]:
    """Measure an agent's token for itself."""
    subject = deputize(plan.folder)
    form = {"grant_type": "client_credentials", "scope": "agent"}
    with subject.authority(measured=True) as program, npm.oidc_provider(plan.folder) as peer:
        ours = _token_request(program, (subject.agent.client_id, subject.agent.client_secret), form)
        theirs = _token_request(peer.program, npm.CLIENT, form)
        return alternate(plan, {OURS: ours, "node-oidc-provider": theirs}, say)


def token_exchange(plan: Plan, say: Callable[[str], None]) -> list[Result]:
    """Measure the exchange of a subject and an actor token."""
    subject = deputize(plan.folder)
    with subject.authority(measured=True) as program, npm.oidc_provider(plan.folder) as peer:
        user, actor, _ = subject.tokens()
        ours = _token_request(
            program, (subject.agent.client_id, subject.agent.client_secret), _exchange(user, actor)
        )
        own = peer.own_token()
        theirs = _token_request(peer.program, npm.CLIENT, _exchange(own, own))
        return alternate(plan, {OURS: ours, "node-oidc-provider (registered grant)": theirs}, say)


def _tool_call(program: Program, token: str) -> Request:
    headers = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream"}
    return Request(
        program, CALL, headers | {"MCP-Protocol-Version": "2025-06-18", "Authorization": f"Bearer {token}"}
    )


def _require_token(request: Request, *, is_required: bool) -> None:
    """Raise if the proxy lets everybody through: its speed would mean nothing."""
    if (status(request), status(request.without("Authorization"))) != (200, 401 if is_required else 200):
        raise RuntimeError(f"{request.program.url} does not tell requests with a token from requests without")


def _exchange(subject: str, actor: str) -> dict[str, str]:
    return {
        "grant_type": EXCHANGE, "scope": "test", "subject_token": subject, "subject_token_type": ACCESS_TOKEN,
        "actor_token": actor, "actor_token_type": ACCESS_TOKEN,
    }  # fmt: skip


def _token_request(program: Program, client: tuple[str, str], form: dict[str, str]) -> Request:
    credentials = base64.b64encode(":".join(client).encode()).decode()
    return Request(
        program,
        urlencode(form),
        {"Content-Type": "application/x-www-form-urlencoded", "Authorization": f"Basic {credentials}"},
    )


BENCHMARKS: dict[str, Benchmark] = {
    "gateway": Benchmark(
        "The use case's route: tools/call with a 115-byte body, 32 connections",
        gateway,
        (Goal(NGINX, 0.22, 0.35), Goal(APACHE, 1.2, 2.0)),
    ),
    "client-credentials": Benchmark(
        "Token endpoint, client credentials, ES256, 32 connections",
        client_credentials,
        (Goal("node-oidc-provider", 1.0),),
    ),
    "token-exchange": Benchmark(
        "Token endpoint, token exchange with an actor, ES256, 32 connections",
        token_exchange,
        (Goal(None, 1500),),
    ),
}
