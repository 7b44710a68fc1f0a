"""What an environment file says about how agents authenticate, and what becomes of their secrets."""

import pytest

from deputize.authority.environment_file import EnvironmentFileInvalid
from support.client_proofs import JWKS

AGENT = """
environment: Test
agents:
  - name: Agent
    client_auth: {}
    redirect_uris: ["http://localhost/callback"]
"""
KEYED = AGENT.format(f"private_key_jwt\n    jwks: {JWKS}")


@pytest.mark.parametrize("text", [AGENT.format("none"), KEYED])
async def test_an_agent_that_proves_itself_otherwise_gets_no_secret(applying, text):
    assert (await applying(text)).secrets == ()
    assert (await applying.store.directory_rows.load()).secrets == ()
    assert (await applying(text)).lines == ()


@pytest.mark.parametrize("text", [AGENT.format("none"), KEYED])
async def test_its_secrets_go_when_an_agent_no_longer_proves_itself_by_them(applying, text):
    (first,) = (await applying(AGENT.format("client_secret_basic"))).secrets
    applied = await applying(text)
    assert applied.secrets == ()
    assert any(line.startswith("~ agent Agent: ") and "client_auth" in line for line in applied.lines)
    assert (await applying.store.directory_rows.load()).secrets == ()
    (second,) = (await applying(AGENT.format("null") + "    jwks: null\n")).secrets
    assert first.text != second.text


async def test_stored_members_count_beside_those_of_the_file(applying):
    await applying(AGENT.format("null") + "    grants: [client_credentials]\n")
    change = "environment: Test\nagents: [{ name: Agent, client_auth: none }]\n"
    with pytest.raises(EnvironmentFileInvalid, match="at /agents/0/client_auth: client_credentials is for"):
        await applying(change)
    with pytest.raises(EnvironmentFileInvalid, match="needs the keys"):
        await applying(change.replace("none", "private_key_jwt"))
