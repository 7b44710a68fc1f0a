"""`deputize administrators` on a database: links, and the one record that tells of each."""

import json

import pytest
from click.testing import CliRunner

from deputize.cli import main


@pytest.fixture
def data(tmp_path):
    file = tmp_path / "environment.yaml"
    file.write_text("environment: Other\n")
    folder = tmp_path / "data"
    assert CliRunner().invoke(main, ["apply", str(file), "--data", str(folder)]).exit_code == 0
    return folder


def run(data, *words):
    result = CliRunner().invoke(main, ["administrators", *words, "--data", str(data)], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def records(data):
    lines = (data / "audit" / "authority.audit.json").read_text().splitlines()
    return [each for each in map(json.loads, lines) if "administrators" in each.get("command", "")]


def test_an_invitation_is_told_of_by_one_record_which_does_not_hold_the_link(data):
    """It makes the environment of administrators where there is none yet."""
    assert "there is no administrator" in run(data, "list")
    link = run(data, "invite", "ada", "--role", "auditor", "--base-url", "https://login.example.com").strip()
    address, _, token = link.rpartition("/")
    assert address == "https://login.example.com/console/welcome"
    listed = run(data, "list")
    assert listed.startswith("ada (invited)  auditor  until ")
    _, told, _ = records(data)
    (change,) = told["changes"]
    assert (change["kind"], change["before"]) == ("invitation", None)
    assert change["after"] == {"name": "ada", "username": "ada", "roles": ["auditor"]}
    assert change["id"] == listed.split()[-1]
    assert token not in (data / "audit" / "authority.audit.json").read_text()


def test_a_withdrawn_invitation_is_listed_no_more(data):
    run(data, "invite", "ada")
    invitation = run(data, "list").split()[-1]
    assert run(data, "uninvite", invitation) == f"{invitation} admits nobody any more\n"
    assert "there is no administrator" in run(data, "list")
    (change,) = records(data)[-2]["changes"]
    assert (change["id"], change["after"]) == (invitation, None)
