"""Commands say of a running authority what they say of its database."""

import asyncio
import json
from contextlib import asynccontextmanager

import pytest
from click.testing import CliRunner
from structlog.testing import capture_logs

from deputize.authority.serve import LIMITS
from deputize.cli import main
from deputize.http.listener import serve
from support.authority import PASSWORD
from support.console import USE_CASE
from support.management import running_management


@asynccontextmanager
async def served(folder):
    async with running_management(folder) as api:
        listener = await serve(api.authority.app, host="127.0.0.1", port=0, limits=LIMITS)
        try:
            yield api, f"http://127.0.0.1:{listener.port}"
        finally:
            await listener.close(0)


@pytest.fixture
async def remote(tmp_path):
    """Runs commands on a served authority, and on its database."""
    folder = tmp_path / "data"
    with capture_logs():  # of the authority, which runs in this process
        async with served(folder) as (api, origin):
            yield Remote(api, origin, folder)


class Remote:
    def __init__(self, api, origin, folder):
        self.api, self.origin, self.folder = api, origin, folder

    async def run(self, *words, role="administrator", code=0, **environment):
        token = {"DEPUTIZE_TOKEN": self.api.tokens[role]} if role else {}
        result = await asyncio.to_thread(
            CliRunner().invoke, main, list(words), env={**token, **environment}, catch_exceptions=False
        )
        assert result.exit_code == code, result.output
        return result.output

    async def run_both(self, *words, code=0, **environment):
        """What is said, which is the same for both."""
        here = await self.run(
            *words, "--environment", "Agent Delegation", "--data", str(self.folder), code=code, **environment
        )
        address = f"{self.origin}/Agent%20Delegation"
        assert await self.run(*words, "--environment", address, code=code, **environment) == here
        return here


@pytest.mark.parametrize(
    "words",
    [
        *([group, "list"] for group in ("resources", "agreements", "policies", "agents", "users")),
        *([group, "list", "--json"] for group in ("resources", "users")),
        ["resources", "list", "--search", "TEST"],
        ["agents", "show", "MCP Tutorial"],
        ["users", "show", "demouser", "--json"],
        ["sessions", "list"],
        ["consents", "list"],
        ["keys", "list"],
        ["environments", "show"],
        ["export"],
        ["export", "--ids", "--password-hashes"],
    ],
    ids=" ".join,
)
async def test_the_same_is_said_as_of_the_database(remote, words):
    user, agent = (
        (await remote.api.find("users", "demouser")),
        await remote.api.find("agents", "MCP Tutorial"),
    )
    await remote.api.add_session("s1", user["id"])
    await remote.api.add_consent(user["id"], agent["id"])
    assert await remote.run_both(*words)


async def test_what_is_not_there_is_told_alike(remote):
    assert "there is MCP Tutorial" in await remote.run_both("agents", "show", "nobody", code=1)
    assert "no user" in await remote.run_both("users", "show", "nobody", code=1)


async def test_an_environment_is_named_by_its_name_its_id_or_its_issuer(remote):
    environment = remote.api.console.environment
    for named in ("Agent%20Delegation", environment, f"{environment}/as", f"{environment}/"):
        assert "agents:" in await remote.run("export", "--environment", f"{remote.origin}/{named}")
    assert "add its name" in await remote.run("export", "--environment", remote.origin, code=1)
    unknown = await remote.run("export", "--environment", f"{remote.origin}/Other", code=1)
    assert "there is Administrators, Agent Delegation" in unknown


async def test_a_file_is_compared_and_applied(remote, tmp_path):
    file = tmp_path / "environment.yaml"
    file.write_text(USE_CASE.read_text().replace("The company's assistant", "Other words"))
    compare = ["diff", str(file)]
    password = {"DEMO_PASSWORD": PASSWORD}
    said = await remote.run(*compare, "--environment", remote.origin, code=1, **password)
    assert said == await remote.run(*compare, "--data", str(remote.folder), code=1, **password)
    assert said == "~ agent MCP Tutorial: description The company's assistant -> Other words\n"
    secrets = tmp_path / "secrets.json"
    applied = await remote.run(
        "apply", str(file), "--environment", remote.origin, "--secrets-out", str(secrets), **password
    )
    issuer = f"issuer http://authority.test/{remote.api.console.environment}/as\n"
    assert applied.startswith(said)
    assert "warning: registration is open" in applied
    assert applied.endswith(issuer)
    assert set(json.loads(secrets.read_text())["agents"]) == {"MCP Tutorial", "Other Agent"}
    assert await remote.run(*compare, "--environment", remote.origin, **password) == ""


async def test_an_environment_that_is_new_and_its_secrets_are_handed_out(remote, tmp_path):
    file, secrets = tmp_path / "environment.yaml", tmp_path / "secrets.json"
    file.write_text("environment: New\nagents: [{ name: A, grants: [client_credentials] }]\n")
    dry = await remote.run("apply", str(file), "--environment", remote.origin, "--dry-run")
    assert dry.endswith("dry run: nothing was changed\n")
    await remote.run("apply", str(file), "--environment", remote.origin, "--secrets-out", str(secrets))
    written = json.loads(secrets.read_text())
    assert len(written["agents"]["A"]["secret"]) >= 32


async def test_what_is_wrong_with_a_file_is_told_with_its_place(remote, tmp_path):
    file = tmp_path / "environment.yaml"
    file.write_text(
        "environment: New\nagents:\n  - name: A\n    scopes: { none: [x] }\n    enabled: perhaps\n"
    )
    for command in ("apply", "diff"):
        there = await remote.run(command, str(file), "--environment", remote.origin, code=1)
        assert there == await remote.run(command, str(file), "--data", str(remote.folder), code=1)
    file.write_text("environment: [")
    there = await remote.run("diff", str(file), "--environment", remote.origin, code=1)
    assert there == await remote.run("diff", str(file), "--data", str(remote.folder), code=1)


async def test_who_may_not_is_told_so(remote):
    address = f"{remote.origin}/Agent%20Delegation"
    hashes = ["export", "--password-hashes", "--environment", address]
    assert "answered 403" in await remote.run(*hashes, role="auditor", code=1)
    assert "DEPUTIZE_TOKEN has to hold" in await remote.run(
        "export", "--environment", address, role=None, code=1
    )
    remote.api.tokens["wrong"] = "wrong"
    assert "answered 401" in await remote.run("export", "--environment", address, role="wrong", code=1)


async def test_tokens_travel_encrypted_and_to_an_authority_only(remote, tmp_path):
    plain = await remote.run("export", "--environment", "http://auth.example.com/x", code=1)
    assert "has to be https" in plain
    file = tmp_path / "environment.yaml"
    file.write_text("environment: New\n")
    named = await remote.run("diff", str(file), "--environment", "New", code=2)
    assert "names its environment itself" in named
    both = ["--environment", remote.origin, "--base-url", "https://a.example.com"]
    assert "leave --base-url out" in await remote.run("apply", str(file), *both, code=2)
    nobody = await remote.run("export", "--environment", "http://127.0.0.1:1/x", code=1)
    assert "gave no whole answer" in nobody
