"""Measures the authority: tokens and introspection, beside node-oidc-provider and with many users."""

import base64
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

import httpx2
from demo.client import ACCESS_TOKEN, EXCHANGE, Agent

from bench.calls import Call
from bench.load import ANSWER_SECONDS, Load
from bench.measure import Findings, Plan, alternate
from bench.peer import PeerMissing
from bench.peers import oidc_provider as npm
from bench.people import People, commits
from bench.programs import Program

OURS = "Deputize"
EXCHANGES, QUESTIONS = "exchange", "introspection"
USERS = 1_000
"""Whose tokens are exchanged."""
BUSY = f"{USERS:,} users and ten commits a second"
PEOPLE = (1, 1_000, 100_000, 1_000_000)
"""Numbers of users who signed on and agreed."""
INTROSPECTED = 500
"""Tokens that are asked about: node-oidc-provider in memory holds a thousand things."""
CHECKS = {
    OURS: (
        "The client's secret; of each token signature, expiry, revocation; that its grant, user, session, "
        "consent and agents are in force; who may act for whom. It records each token that it issues."
    ),
    npm.NAME: (
        "The client's secret; of the tokens of an exchange signature, expiry and client. It has no database: "
        "it does not remember signed tokens, and introspects only opaque ones, which it looks up in memory."
    ),
}


def client_credentials(plan: Plan) -> Findings:
    """Measure agents' tokens for themselves."""
    form = {"grant_type": "client_credentials", "scope": "agent"}
    with plan.subject.authority(measured=True) as program:
        ours = [_request(_credentials(agent), form) for agent in plan.subject.agents]
        theirs = [_request(npm.CLIENT, form)]
        return _beside(plan, Load(program, ours), lambda peer: Load(peer.program, theirs))


def token_exchange(plan: Plan) -> Findings:
    """Measure the exchange of subject tokens of many users and actor tokens."""
    people = People(plan.folder / "exchange", USERS)

    def theirs(peer: npm.OidcProvider) -> Load:
        actor, *subjects = peer.tokens("urn:agent", 1 + USERS)
        return Load(peer.program, [_request(npm.CLIENT, _exchange(subject, actor)) for subject in subjects])

    with people.subject.authority(measured=True) as program:
        return _beside(plan, _exchanges(program, people, USERS), theirs)


def introspection(plan: Plan) -> Findings:
    """Measure the question whether a token is good, asked by its resource."""
    people = People(plan.folder / "introspection", INTROSPECTED)

    def theirs(peer: npm.OidcProvider) -> Load:
        tokens = peer.tokens("urn:opaque", INTROSPECTED)
        questions = Load(peer.introspection, [_request(npm.CLIENT, {"token": each}) for each in tokens])
        _require_active(questions)
        return questions

    with people.subject.authority(measured=True) as program:
        ours = _questions(people, _exchanges(program, people, INTROSPECTED))
        _require_active(ours)
        return _beside(plan, ours, theirs)


def many_people(plan: Plan) -> Findings:
    """Measure exchange and introspection with more and more users, all of whom signed on and agreed.

    A thousand of them are active at a time. In one case somebody signs on ten times a second meanwhile: what
    the authority remembers of its database it reads anew after each commit.
    """
    findings = Findings()
    exchanges: dict[str, Load] = {}
    questions: dict[str, Load] = {}
    with ExitStack() as stack:

        def prepare(name: str, users: int) -> People:
            people = People(plan.folder / name, users, agents=1)
            program = stack.enter_context(people.subject.authority(measured=True))
            exchanges[f"{EXCHANGES}, {name}"] = _exchanges(program, people, USERS)
            questions[f"{QUESTIONS}, {name}"] = _questions(people, exchanges[f"{EXCHANGES}, {name}"])
            _require_active(questions[f"{QUESTIONS}, {name}"])
            plan.say(f"  {name} are prepared")
            return people

        for users in (each for each in PEOPLE if each <= plan.people):
            prepare(name_people(users), users)
        stack.enter_context(commits(prepare(BUSY, USERS)))
        findings.add(alternate(plan, exchanges | questions))
    return findings


def name_people(users: int) -> str:
    """Return how a measurement with so many users is named."""
    return f"{users:,} user{'s' if users > 1 else ''}"


def _beside(plan: Plan, ours: Load, theirs: Callable[[npm.OidcProvider], Load]) -> Findings:
    """Measure beside node-oidc-provider, where npm installs it."""
    findings, loads = Findings(checks=dict(CHECKS)), {OURS: ours}
    with ExitStack() as stack:
        try:
            loads[npm.NAME] = theirs(stack.enter_context(npm.oidc_provider(plan.folder)))
            findings.versions |= npm.versions_of_oidc_provider()
        except PeerMissing as reason:
            findings.missing[npm.NAME] = str(reason)
            plan.say(f"  {npm.NAME} is left out: {reason}")
        for name, load in loads.items():
            if load.status() != 200 or load.without("Authorization").status() not in {400, 401}:
                raise RuntimeError(f"{name} does not tell clients with a secret from clients without")
        findings.add(alternate(plan, loads))
    return findings


def _exchanges(program: Program, people: People, users: int) -> Load:
    """Return exchanges by so many users."""
    calls = [
        _request(_credentials(each.agent), _exchange(each.subject, each.actor))
        for each in people.delegations(users)
    ]
    return Load(program, calls)


def _questions(people: People, exchanges: Load) -> Load:
    """Carry out the exchanges, and return the gateway's questions about the tokens that come of them."""
    secrets = people.subject.secrets
    resource = secrets["resources"]["test"]
    asker = resource["id"], resource["secret"]
    calls = [_request(asker, {"token": answer["access_token"]}) for answer in _answers(exchanges)]
    return Load(replace(exchanges.program, url=f"{secrets['issuer']}/introspect"), calls)


def _require_active(questions: Load) -> None:
    """Ask every question once. Raises `RuntimeError` unless every token is good."""
    if not all(answer["active"] for answer in _answers(questions)):
        raise RuntimeError(f"{questions.program.url} does not know its own tokens")


def _answers(load: Load) -> list[dict[str, Any]]:
    """Send every call once."""
    with httpx2.Client(timeout=ANSWER_SECONDS) as client:
        return [
            client.post(load.program.url, content=each.body, headers=each.headers).raise_for_status().json()
            for each in load.calls
        ]


def _exchange(subject: str, actor: str) -> Mapping[str, str]:
    return {
        "grant_type": EXCHANGE, "scope": "test", "subject_token": subject, "subject_token_type": ACCESS_TOKEN,
        "actor_token": actor, "actor_token_type": ACCESS_TOKEN,
    }  # fmt: skip


def _credentials(agent: Agent) -> tuple[str, str]:
    return agent.client_id, agent.client_secret


def _request(client: tuple[str, str], form: Mapping[str, str]) -> Call:
    credentials = base64.b64encode(":".join(client).encode()).decode()
    headers = {"Content-Type": "application/x-www-form-urlencoded", "Authorization": f"Basic {credentials}"}
    return Call(headers, urlencode(form).encode())
