"""Measures the authority's token endpoint beside node-oidc-provider."""

import base64
from collections.abc import Mapping
from urllib.parse import urlencode

from demo.client import ACCESS_TOKEN, EXCHANGE, Agent

from bench.calls import Call
from bench.load import Load
from bench.measure import Findings, Plan, alternate
from bench.peers import oidc_provider as npm

OURS = "Deputize"


def client_credentials(plan: Plan) -> Findings:
    """Measure agents' tokens for themselves."""
    findings = Findings(versions=npm.versions_of_oidc_provider())
    form = {"grant_type": "client_credentials", "scope": "agent"}
    with plan.subject.authority(measured=True) as program, npm.oidc_provider(plan.folder) as peer:
        ours = [_token_request(_credentials(agent), form) for agent in plan.subject.agents]
        theirs = [_token_request(npm.CLIENT, form)]
        loads = {OURS: Load(program, ours), npm.NAME: Load(peer.program, theirs)}
        findings.add(alternate(plan, loads))
    return findings


def token_exchange(plan: Plan) -> Findings:
    """Measure the exchange of a subject and an actor token."""
    findings = Findings(versions=npm.versions_of_oidc_provider())
    with plan.subject.authority(measured=True) as program, npm.oidc_provider(plan.folder) as peer:
        ours = [
            _token_request(_credentials(each.agent), _exchange(each.subject, each.actor))
            for each in plan.subject.delegations
        ]
        own = peer.own_token()
        theirs = [_token_request(npm.CLIENT, _exchange(own, own))]
        loads = {OURS: Load(program, ours), npm.NAME: Load(peer.program, theirs)}
        findings.add(alternate(plan, loads))
    return findings


def _exchange(subject: str, actor: str) -> dict[str, str]:
    return {
        "grant_type": EXCHANGE, "scope": "test", "subject_token": subject, "subject_token_type": ACCESS_TOKEN,
        "actor_token": actor, "actor_token_type": ACCESS_TOKEN,
    }  # fmt: skip


def _credentials(agent: Agent) -> tuple[str, str]:
    return agent.client_id, agent.client_secret


def _token_request(client: tuple[str, str], form: Mapping[str, str]) -> Call:
    credentials = base64.b64encode(":".join(client).encode()).decode()
    headers = {"Content-Type": "application/x-www-form-urlencoded", "Authorization": f"Basic {credentials}"}
    return Call(headers, urlencode(form).encode())
