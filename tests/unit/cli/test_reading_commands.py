"""Everything can be listed, shown, written out, and compared with a file."""

import json

import pytest
from click.testing import CliRunner

from deputize.cli import main

FILE = """
environment: Test
resources: [{ name: api, scopes: [{ name: read }] }]
agreements:
  - { name: Terms, languages: [{ locale: en, title: Terms, text: "One\\nTwo" }] }
policies:
  - { name: Ask, steps: [{ login: {} }, { agreement_prompt: { agreement: Terms } }] }
agents:
  - name: Agent
    owner: alice
    scopes: { api: [read] }
    policies: [Ask]
    redirect_uris: ["https://a.example.com/"]
users: [{ username: ada, password: correct horse }]
"""
OBJECTS = [
    ("resources", "api"), ("agreements", "Terms"), ("policies", "Ask"), ("agents", "Agent"), ("users", "ada")
]  # fmt: skip


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    (folder / "file.yaml").write_text(FILE)
    run(folder, "apply", str(folder / "file.yaml"))
    return folder


def run(folder, *words, code=0):
    result = CliRunner().invoke(main, [*words, "--data", str(folder)], catch_exceptions=False)
    assert result.exit_code == code, result.output
    return result.output


@pytest.mark.parametrize(("group", "name"), OBJECTS)
def test_each_kind_is_listed_and_shown(data, group, name):
    assert any(
        line.startswith(f"{name} (")
        for line in run(data, group, "list", "--environment", "Test").splitlines()
    )
    shown = json.loads(run(data, group, "show", name, "--environment", "Test", "--json"))
    assert shown["name"] == name
    by_id = run(data, group, "show", shown["id"], "--environment", "Test")
    assert by_id.startswith(f"# {shown['kind']} {shown['id']}\n")
    assert "password_hash" not in by_id
    assert "there is no" in run(data, group, "show", "nothing", "--environment", "Test", code=1)


def test_environments_are_listed_shown_and_removed(data, tmp_path):
    assert run(data, "environments", "list").startswith("Test (")
    assert "environment: Test\n" in run(data, "environments", "show", "--environment", "Test")
    told = run(data, "environments", "remove", "--environment", "Test", "--dry-run")
    assert "1 x users" in told
    (tmp_path / "file.yaml").write_text("environment: Gone\n")
    run(data, "apply", str(tmp_path / "file.yaml"))
    assert "is removed" in run(data, "environments", "remove", "--environment", "Gone")
    assert "Gone" not in run(data, "environments", "list")


def test_nobody_agreed_to_anything(data):
    assert run(data, "consents", "list", "--environment", "Test") == "nobody agreed to anything\n"
    assert "there is no consent" in run(data, "consents", "show", "x", "--environment", "Test", code=1)
    words = ("consents", "withdraw", "--user", "ada", "--agent", "Agent", "--environment", "Test")
    assert "agreed to nothing" in run(data, *words, code=1)


def test_what_is_exported_differs_from_nothing(data, tmp_path):
    file = tmp_path / "out.yaml"
    run(data, "export", "--environment", "Test", "--output", str(file))
    assert file.read_text() == run(data, "export", "--environment", "Test")
    assert "password" not in file.read_text()
    assert "text: |-\n" in file.read_text()
    assert run(data, "diff", str(file)) == ""
    file.write_text(file.read_text().replace("owner: alice", "owner: bob"))
    assert run(data, "diff", str(file), code=1) == "~ agent Agent: owner alice -> bob\n"
    assert "$argon2id$" in run(data, "export", "--environment", "Test", "--password-hashes")
    file.write_text("environment: [")
    assert "has 1 error; nothing was changed" in run(data, "diff", str(file), code=1)
