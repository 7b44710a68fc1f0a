import json
import stat
from pathlib import Path

import pytest
from click.testing import CliRunner

from deputize.cli.apply import apply

FILE = """
environment: Test
resources:
  - name: test
    audience: "&{AUDIENCE|test}"
agents:
  - name: Agent
"""


class Command:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.file = folder / "environment.yaml"
        self.secrets = folder / "secrets.json"
        self.write(FILE)

    def write(self, text: str) -> None:
        self.file.write_text(text, "utf-8")

    def __call__(self, *options: str, environment: dict[str, str] | None = None):
        arguments = [str(self.file), "--data", str(self.folder / "data"), *options]
        return CliRunner().invoke(apply, arguments, env=environment, catch_exceptions=False)

    def secrets_out(self, *options: str):
        return self("--secrets-out", str(self.secrets), *options)

    def known(self):
        return json.loads(self.secrets.read_text("utf-8"))


@pytest.fixture
def command(tmp_path) -> Command:
    return Command(tmp_path)


def test_it_tells_what_changed_and_prints_new_secrets_once(command):
    first = command("--base-url", "https://auth.example.com/")
    assert first.exit_code == 0
    assert "+ resource test\n  a new secret for resource test\n" in first.output
    assert "(shown only now)" in first.output
    assert "issuer https://auth.example.com/" in first.output
    second = command()
    assert second.output.startswith("no changes\nissuer https://auth.example.com/")
    assert "secret" not in second.output


def test_a_file_takes_the_secrets_instead_of_the_screen(command):
    result = command.secrets_out("--base-url", "https://auth.example.com")
    known = command.known()
    assert known["issuer"] == f"https://auth.example.com/{known['environment']['id']}/as"
    assert known["environment"]["name"] == "Test"
    assert set(known["resources"]) == {"test"}
    assert len(known["agents"]["Agent"]["secret"]) == 64
    assert known["agents"]["Agent"]["secret"] not in result.output
    assert stat.S_IMODE(command.secrets.stat().st_mode) == 0o600


def test_the_file_keeps_what_it_knows(command):
    command.secrets_out()
    before = command.known()
    command.write(FILE + "  - name: Second\n")
    command.secrets_out()
    after = command.known()
    assert after["agents"]["Agent"] == before["agents"]["Agent"]
    assert after["resources"] == before["resources"]
    assert len(after["agents"]["Second"]["secret"]) == 64


def test_ids_are_written_also_where_no_secret_is_known(command):
    command()
    command.secrets_out()
    assert set(command.known()["agents"]["Agent"]) == {"id"}


@pytest.mark.parametrize("content", ["not JSON", '{"something": "else"}', "[]"])
def test_a_file_that_is_something_else_is_not_overwritten_and_no_secret_is_lost(command, content):
    command.secrets.write_text(content)
    result = command.secrets_out()
    assert result.exit_code == 1
    assert "the environment was changed, but" in result.output
    assert "(shown only now)" in result.output
    assert command.secrets.read_text() == content


def test_tokens_come_from_set_then_from_the_process(command):
    assert "audience" not in command("--set", "AUDIENCE=https://a.example.com").output
    assert (
        "audience https://a.example.com -> https://b.example.com"
        in command(environment={"AUDIENCE": "https://b.example.com"}).output
    )
    both = command(
        "--set", "AUDIENCE=https://c.example.com=", environment={"AUDIENCE": "https://b.example.com"}
    )
    assert "-> https://c.example.com=" in both.output


@pytest.mark.parametrize("setting", ["AUDIENCE", "=x"])
def test_a_setting_needs_a_name_and_a_value(command, setting):
    result = command("--set", setting)
    assert result.exit_code == 2
    assert "is not NAME=VALUE" in result.output


def test_every_error_is_listed(command):
    command.write(FILE + "    colour: red\n    enabled: perhaps\n")
    result = command()
    assert result.exit_code == 1
    assert "has 2 errors; nothing was changed" in result.output
    assert f"{command.file}:8:5 at /agents/0/colour: 'colour' is not known here" in result.output
    assert f"{command.file}:9:14 at /agents/0/enabled: has to be true or false" in result.output


def test_a_dry_run_changes_nothing(command):
    result = command.secrets_out("--dry-run")
    assert "+ agent Agent" in result.output
    assert "dry run: nothing was changed" in result.output
    assert not command.secrets.exists()
    assert "+ agent Agent" in command("--dry-run").output


def test_a_dry_run_makes_no_database(command):
    before = sorted(command.folder.iterdir())
    result = command("--dry-run")
    assert (result.exit_code, "+ agent Agent" in result.output) == (0, True)
    assert sorted(command.folder.iterdir()) == before
    command.write(FILE + "    colour: red\n")
    refused = command("--dry-run")
    assert (refused.exit_code, "'colour' is not known here" in refused.output) == (1, True)
    assert sorted(command.folder.iterdir()) == before


def test_prune_removes(command):
    command()
    command.write(FILE.replace("agents:\n  - name: Agent", "agents: []"))
    assert command().output.startswith("no changes")
    assert "- agent Agent" in command("--prune").output


def test_what_fails_open_is_warned_about(command):
    command.write(FILE.replace("agents:", "    impersonation_allowed: true\nagents:"))
    assert "warning: resource test allows impersonation" in command().output


def test_a_data_folder_that_cannot_be_written_is_named(command):
    result = CliRunner().invoke(apply, [str(command.file), "--data", str(command.file / "data")])
    assert result.exit_code == 1
    assert "cannot use" in result.output


def test_applying_leaves_a_record_of_what_was_before_and_after_and_of_no_secret(command):
    first = command("--set", "AUDIENCE=https://a.example.com")
    command.write(FILE + "    enabled: false\nusers: [{ username: ada, password: correct horse battery }]\n")
    command("--set", "AUDIENCE=https://a.example.com")
    command.write(FILE + "    colour: red\n")
    command()
    text = (command.folder / "data" / "audit" / "authority.audit.json").read_text()
    created, changed, refused = map(json.loads, text.splitlines())
    assert (created["command"], created["decision"], created["dryRun"]) == ("apply", "PERMIT", False)
    assert {"kind": "agent", "name": "Agent", "secret": "drawn"}.items() <= created["changes"][-1].items()
    agent, user = changed["changes"]
    assert (agent["name"], agent["before"], agent["after"]) == (
        "Agent",
        {"enabled": True},
        {"enabled": False},
    )
    assert (user["before"], user["after"]["password"]) == (None, "set")
    assert (refused["decision"], "'colour' is not known here" in refused["reason"]) == ("DENY", True)
    secrets = [
        line.partition("secret ")[2].partition(" (shown")[0]
        for line in first.output.splitlines()
        if "(shown only now)" in line
    ]
    assert len(secrets) == 2
    for secret in (*secrets, "correct horse battery", "$argon2id$"):
        assert secret not in text


def last_record(command):
    return json.loads((command.folder / "data/audit/authority.audit.json").read_text().splitlines()[-1])


def test_the_record_of_a_dry_run_names_no_ids_that_nothing_has(command):
    command.write(FILE.replace("Test", "Other"))
    command()
    command.write(FILE)
    command("--dry-run")
    record = last_record(command)
    assert (record["dryRun"], record["environmentId"]) == (True, None)
    assert len(record["changes"]) > 2
    assert {change["id"] for change in record["changes"]} == {None}
    assert record["changes"][0]["after"]["organization_id"] is None
    command()
    ids = {change["name"]: change["id"] for change in last_record(command)["changes"]}
    command("--dry-run", "--set", "AUDIENCE=https://other.example.com")
    record = last_record(command)
    assert [change["id"] for change in record["changes"]] == [ids["test"]]
    assert record["environmentId"] == ids["Test"]


def test_the_record_of_a_refusal_holds_no_escaped_line_ends(command):
    command.write(FILE + "    colour: red\n    enabled: perhaps\n")
    command()
    reason = last_record(command)["reason"]
    assert "nothing was changed; " in reason
    assert "\\n" not in reason
    assert "'colour' is not known here" in reason
