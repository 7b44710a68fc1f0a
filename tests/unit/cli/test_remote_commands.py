"""Commands say of a running authority what they say of its database."""

import asyncio
import json
import re
from contextlib import asynccontextmanager

import click
import pytest
from click.testing import CliRunner
from structlog.testing import capture_logs

from deputize.authority.serve import LIMITS
from deputize.cli import DeferredCommand, main
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


async def test_each_single_change_is_made_there_as_here(remote):
    """Each is made on the running server, and told in the words in which it is told of a database."""
    user, agent = await remote.api.find("users", "demouser"), await remote.api.find("agents", "MCP Tutorial")
    await remote.api.add_consent(user["id"], agent["id"])
    for session in ("s1", "s2", "s3"):
        await remote.api.add_session(session, user["id"])
    await remote.api.ask("PATCH", "", {"registration": {"open": False, "initial_access_tokens": True}})
    address = f"{remote.origin}/Agent%20Delegation"

    async def there(*words, **more):
        return await remote.run(*words, "--environment", address, **more)

    async def facts(kinds, name):
        return await remote.api.find(kinds, name)

    assert await there("agents", "disable", "MCP Tutorial") == "MCP Tutorial is disabled\n"
    assert (await facts("agents", "MCP Tutorial"))["entry"]["enabled"] is False
    assert await there("agents", "disable", "MCP Tutorial") == "MCP Tutorial was disabled already\n"
    assert await there("agents", "enable", "MCP Tutorial") == "MCP Tutorial is enabled\n"
    assert await there("consents", "withdraw", "--user", "demouser", "--agent", "MCP Tutorial") == (
        "1 consent withdrawn\n"
    )
    assert re.search(r", withdrawn \S+.* by administrator \S", await there("consents", "list"))
    assert await there("agents", "remove", "Other Agent") == "Other Agent is removed\n"
    assert "there is MCP Tutorial" in await there("agents", "remove", "Other Agent", code=1)
    drawn = await there("secrets", "rotate", "agent", "MCP Tutorial")
    assert "(shown only now)" in drawn
    assert len((await facts("agents", "MCP Tutorial"))["facts"]["secrets"]) == 2
    assert (await there("secrets", "list")).count("agent MCP Tutorial") == 2
    ended = await there("secrets", "end", "agent", "MCP Tutorial")
    assert ended == "1 previous secret of agent MCP Tutorial ended\n"
    assert await there("sessions", "end", "s1") == "1 session ended\n"
    assert await there("sessions", "end", "--user", "demouser") == "2 sessions ended\n"
    assert "demouser may sign on at once" in await there("users", "unlock", "demouser")
    assert "has no factors any more" in await there("users", "reset-factors", "demouser")
    assert "signs on with this password once" in await there("users", "reset-password", "demouser")
    assert (await facts("users", "demouser"))["entry"]["must_change_password"] is True
    assert await there("users", "disable", "demouser") == "demouser is disabled\n"
    assert await there("users", "enable", "demouser") == "demouser is enabled\n"
    assert " signs with " in await there("keys", "rotate", "--algorithm", "RS256")
    keys = (await remote.api.ask("GET", "/keys")).json()["items"]
    retired = next(each["id"] for each in keys if each["facts"]["state"] == "retired")
    assert f"has forgotten {retired}" in await there("keys", "retire", retired)
    token = await there("agents", "invite", "--uses", "3")
    assert "for 3 programs until" in token
    token_id = (await remote.api.ask("GET", "/invitations")).json()["items"][0]["id"]
    assert token_id in token
    assert await there("agents", "uninvite", token_id) == f"{token_id} admits nobody any more\n"
    assert (await remote.api.ask("GET", "/invitations")).json()["items"] == []
    refused = await there("agents", "disable", "MCP Tutorial", role="auditor", code=1)
    assert "answered 403" in refused
    assert (await facts("agents", "MCP Tutorial"))["entry"].get("enabled", True) is True
    rehearsed = await there("environments", "remove", "--dry-run")
    assert rehearsed.endswith("dry run: nothing was changed\n")
    await there("environments", "remove")
    assert await remote.run("environments", "list", "--environment", remote.origin) == await remote.run(
        "environments", "list", "--data", str(remote.folder)
    )


async def test_administrators_are_listed_and_invited_there_as_here(remote):
    for place in (("--environment", remote.origin), ("--data", str(remote.folder))):
        invited = await remote.run("administrators", "invite", "guest", "--role", "auditor", *place)
        assert "/console/welcome/" in invited
        listed = await remote.run("administrators", "list", *place)
        assert listed == await remote.run("administrators", "list", "--environment", remote.origin)
        assert "administrator  administrator" in listed
        (invitation,) = [
            line for line in listed.splitlines() if line.startswith("guest (invited)  auditor  until")
        ]
        invitation_id = invitation.split()[-1]
        withdrawn = await remote.run("administrators", "uninvite", invitation_id, *place)
        assert withdrawn == f"{invitation_id} admits nobody any more\n"
    both = ("--environment", remote.origin, "--base-url", "https://a.example.com")
    assert "leave --base-url out" in await remote.run("administrators", "invite", "guest", *both, code=2)


def commands_of(command, *path):
    loaded = command.load() if isinstance(command, DeferredCommand) else command
    if isinstance(loaded, click.Group):
        for name, each in loaded.commands.items():
            yield from commands_of(each, *path, name)
    else:
        yield path, loaded


HERE_ALONE = {("authority", "serve"), ("why",)}
"""Which is of this machine, and which says where else to ask."""


def test_every_command_about_data_works_elsewhere_or_says_why_not():
    for path, command in commands_of(main):
        options = {name: each for each in command.params for name in each.opts}
        if "--data" in options and path not in HERE_ALONE:
            assert "URL" in (options["--environment"].metavar or ""), path
    elsewhere = ["why", "--environment", "https://auth.example.com/x", "--record", "1"]
    assert "POST /v1/environments/ID/why" in CliRunner().invoke(main, elsewhere).output


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
