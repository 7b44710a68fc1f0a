"""A delegated token bound to its agent's key, from the running authority through the running gateway."""

import ssl
import time

import httpx2
import pytest
from demo.client import ACCESS_TOKEN, EXCHANGE
from demo.stage import REQUEST_SECONDS, TRUST

from support.proofs import Prover

pytestmark = pytest.mark.slow


INITIALIZE = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {
        "protocolVersion": "2025-11-25",
        "capabilities": {},
        "clientInfo": {"name": "holder", "version": "1"},
    },
}


class Holder:
    """An agent with a key, at both programs."""

    def __init__(self, stack):
        self.stack, self.agent, self.prover = stack, stack.agent(), Prover()
        self.url = f"{stack.stage.gateway_url}/mcp"
        self._trust = ssl.create_default_context(cafile=str(stack.stage.ca_file))

    def prove(self, method, uri, token=None, **changes):
        return self.prover.prove(method, uri, time.time(), token, **changes)

    def ask(self, **parameters):
        agent, uri = self.agent, f"{self.agent.issuer}/token"
        answer = httpx2.post(
            uri,
            data=parameters,
            auth=(agent.client_id, agent.client_secret),
            headers={"DPoP": self.prove("POST", uri)},
            timeout=REQUEST_SECONDS,
            verify=TRUST,
        )
        assert answer.json().get("token_type", "DPoP") == "DPoP"
        return answer

    def delegated_token(self):
        subject = self.ask(**self.agent.code(self.stack.person()).parameters).raise_for_status().json()
        actor = self.ask(grant_type="client_credentials", scope="agent").raise_for_status().json()
        exchanged = self.ask(
            grant_type=EXCHANGE,
            subject_token=subject["access_token"],
            subject_token_type=ACCESS_TOKEN,
            actor_token=actor["access_token"],
            actor_token_type=ACCESS_TOKEN,
            scope="test",
        )
        return exchanged.raise_for_status().json()["access_token"]

    def call(self, token, proof, scheme="DPoP"):
        headers = {
            "Accept": "application/json, text/event-stream",
            "Authorization": f"{scheme} {token}",
            **({} if proof is None else {"DPoP": proof}),
        }
        with httpx2.Client(verify=self._trust, timeout=REQUEST_SECONDS) as client:
            return client.post(self.url, json=INITIALIZE, headers=headers)


def test_only_the_holder_of_the_key_gets_through(stack):
    holder = Holder(stack)
    token = holder.delegated_token()
    for _ in range(3):
        assert holder.call(token, holder.prove("POST", holder.url, token)).status_code == 200
    used = holder.prove("POST", holder.url, token)
    assert holder.call(token, used).status_code == 200
    thief = Prover().prove("POST", holder.url, time.time(), token)
    for proof, scheme in ((used, "DPoP"), (thief, "DPoP"), (None, "DPoP"), (None, "Bearer")):
        answer = holder.call(token, proof, scheme)
        assert answer.status_code == 401
        assert "DPoP" in answer.headers["www-authenticate"]
