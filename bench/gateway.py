"""Measures the gateway with the use case's route: beside its peers, and with one factor changed at a time."""

import os
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path

from bench.calls import MODERN_VERSION, tool_calls
from bench.load import CONNECTIONS, Load, prepare
from bench.measure import Findings, Plan, alternate, take_turns
from bench.pace import drive_at
from bench.peer import Peer, PeerMissing, Setting, require_token
from bench.peers import (
    agentgateway,
    apache,
    contextforge,
    fastmcp_proxy,
    hangar,
    mcp_server,
    nginx,
    nginx_auth_request,
)
from bench.programs import Program
from bench.subject import remember_tokens, verify_tokens

Upstream = Callable[[Path], AbstractContextManager[int]]
"""Runs an MCP server, or what answers like one, with its files in a folder; yields its port."""
OURS = "Deputize"
CHECKS = (
    "The token by introspection, asked once a minute at most, its scope, audience and actor; head, JSON, "
    "JSON-RPC message and method. It writes two audit records."
)
PEERS: tuple[Peer, ...] = (nginx.PLAIN, nginx_auth_request.AUTH_REQUEST, apache.TOKENS, apache.SHORT)
"""In the order of the tables."""
PYTHON_GATEWAYS: tuple[Peer, ...] = (fastmcp_proxy.PEER, hangar.PEER, contextforge.PEER)
"""MCP gateways that a Python user would pick; they speak MCP themselves, to agents and to the server."""
TRACED = "fresh traceparent in each call"
ASKED = "introspection asked at each call"
VERIFIED = "token verified by its signature, nobody asked"
DIRECT = "the upstream, asked directly"


def beside_peers(plan: Plan) -> Findings:
    """Measure the base case, and every peer on it that is installed here."""
    return _beside(plan, PEERS, nginx.upstream, CONNECTIONS)


def beside_mcp_gateways(plan: Plan) -> Findings:
    """Measure the base case before a server that speaks MCP, and every MCP gateway that is installed here."""
    gateways = (*PYTHON_GATEWAYS, agentgateway.PEER)
    return _beside(plan, gateways, mcp_server.mcp_server, mcp_server.CONNECTIONS)


def _beside(plan: Plan, peers: Sequence[Peer], upstream: Upstream, connections: int) -> Findings:
    findings = Findings(checks={OURS: CHECKS})
    with ExitStack() as stack:
        surroundings = _surroundings(plan, stack, upstream)
        gateway = stack.enter_context(
            surroundings.subject.gateway(surroundings.upstream_port, remember_tokens)
        )
        candidates = {OURS: Load(gateway.clear, surroundings.calls, connections)}
        require_token(candidates[OURS], is_required=True)
        for peer in peers:
            findings.checks[peer.name] = peer.checks
            try:
                load = stack.enter_context(peer.start(surroundings))
            except PeerMissing as reason:
                findings.missing[peer.name] = str(reason)
                plan.say(f"  {peer.name} is left out: {reason}")
                continue
            require_token(load, is_required=peer.requires_token, is_known=peer.knows_tokens)
            candidates[peer.name] = load
            findings.versions |= peer.versions()
        findings.add(alternate(plan, candidates))
    return findings


def cases(plan: Plan) -> Findings:
    """Measure the base case, each variant of it, and nginx on the base case as the scale."""
    findings = Findings(versions=dict(nginx.PLAIN.versions()))
    with ExitStack() as stack:
        surroundings = _surroundings(plan, stack)
        subject, port = surroundings.subject, surroundings.upstream_port
        gateway = stack.enter_context(subject.gateway(port, remember_tokens))
        asking = stack.enter_context(subject.gateway(port))
        verifying = stack.enter_context(subject.gateway(port, verify_tokens))
        base = Load(gateway.clear, surroundings.calls)

        def sent(**differently: object) -> Load:
            return replace(base, calls=tool_calls(subject.tokens, **differently))  # type: ignore[arg-type]

        def at(path: str) -> Load:
            return replace(base, program=replace(gateway.clear, url=f"{gateway.clear.url}/{path}"))

        candidates = {
            OURS: base,
            nginx.PLAIN.name: stack.enter_context(nginx.PLAIN.start(surroundings)),
            TRACED: base.traced(),
            ASKED: replace(base, program=asking.clear),
            VERIFIED: replace(base, program=verifying.clear),
            "one call over and over": replace(base, calls=surroundings.calls[:1]),
            f"MCP {MODERN_VERSION}, method and tool in the head too": sent(version=MODERN_VERSION),
            "calls of 10 KB": sent(size=10_000),
            "calls of 1 MB, 4 connections": replace(sent(size=1_000_000), connections=4),
            "answers of 10 KB": at("10k"),
            "answers of 1 MB, 4 connections": replace(at("1m"), connections=4),
            "answers as event streams": at(nginx.STREAM_PATH),
            "1 connection": replace(base, connections=1),
            "256 connections": replace(base, connections=256),
            "TLS": replace(base, program=gateway.tls),
        }
        for name, load in candidates.items():
            require_token(load, is_required=name != nginx.PLAIN.name)
        findings.add(alternate(plan, candidates))
        direct = prepare(_direct(surroundings), plan.folder, "load-direct").drive(plan.seconds)
        findings.facts["without_program"] = direct["requests_per_second"]
    return findings


def latency(plan: Plan) -> Findings:
    """Measure how long calls take at half of the load that the gateway can bear, with and without it.

    What it adds is the difference to the upstream asked directly at the same rate.
    """
    with ExitStack() as stack:
        surroundings = _surroundings(plan, stack)
        port = surroundings.upstream_port
        gateway = stack.enter_context(surroundings.subject.gateway(port, remember_tokens))
        loads = {
            DIRECT: _direct(surroundings),
            OURS: Load(gateway.clear, surroundings.calls),
            nginx.PLAIN.name: stack.enter_context(nginx.PLAIN.start(surroundings)),
        }
        prepared = {
            name: prepare(load, plan.folder, f"load-{number}")
            for number, (name, load) in enumerate(loads.items())
        }
        rate = max(prepared[OURS].drive(plan.seconds)["requests_per_second"] for _ in range(2)) / 2
        plan.say(f"  half of what the gateway can: {rate:,.0f} calls a second")
        findings = Findings(versions=dict(nginx.PLAIN.versions()), facts={"calls_per_second": rate})
        drives = {name: partial(drive_at, load, rate) for name, load in prepared.items()}
        findings.add(take_turns(plan, drives))
    return findings


def _direct(surroundings: Setting) -> Load:
    """Return calls to the upstream itself; there is no program whose processor time would count."""
    ourselves = Program(f"http://127.0.0.1:{surroundings.upstream_port}/mcp", os.getpgid(0))
    return Load(ourselves, surroundings.calls)


def _surroundings(plan: Plan, stack: ExitStack, upstream: Upstream = nginx.upstream) -> Setting:
    """Run what all candidates lean on: the authority, and the upstream."""
    subject = plan.subject
    stack.enter_context(subject.authority(measured=False))
    port = stack.enter_context(upstream(plan.folder))
    return Setting(plan.folder, port, subject, tool_calls(subject.tokens))
