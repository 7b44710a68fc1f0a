"""`deputize why` decides from the database, and from a record of the audit file."""

import json
import shutil

import pytest
from click.testing import CliRunner
from demo.stage import EXAMPLE

from deputize.authority.why import MappingSeen
from deputize.cli import main
from deputize.cli.why import underline
from deputize.expressions.explanation import FalsePart

SETTINGS = ("--set", "DEMO_PASSWORD=correct horse battery staple", "--set", "GATEWAY_URL=https://gw.example")


@pytest.fixture(scope="module")
def applied(tmp_path_factory):
    """The use case's environment, applied once."""
    folder = tmp_path_factory.mktemp("applied") / "data"
    file = EXAMPLE / "environment.yaml"
    result = CliRunner().invoke(main, ["apply", str(file), "--data", str(folder), *SETTINGS])
    assert result.exit_code == 0, result.output
    return folder


@pytest.fixture
def data(applied, tmp_path):
    return shutil.copytree(applied, tmp_path / "data")


def run(data, *arguments: str):
    command = ["why", "--environment", "Agent Delegation", "--data", str(data), *arguments]
    return CliRunner().invoke(main, command, catch_exceptions=False)


ASKED = ("--agent", "MCP Tutorial", "--resource", "test", "--user", "demouser", "--exchange")


def test_it_says_step_by_step_what_held_and_where_to_change_what_did_not(data):
    result = run(data, *ASKED)
    assert result.exit_code == 1
    lines = result.output.splitlines()
    assert lines[0] == "held    agent: MCP Tutorial is enabled"
    assert "REFUSED consent: consent is missing or was withdrawn" in lines
    assert any(line.startswith("        cause: demouser has not agreed") for line in lines)
    assert any(line.startswith("        where: users → consents (console:") for line in lines)
    assert lines[-1] == "it would be refused"


def test_a_token_of_the_agents_own_would_be_permitted(data):
    result = run(data, "--agent", "MCP Tutorial", "--resource", "agent", "--json")
    document = json.loads(result.output)
    assert (result.exit_code, document["permitted"]) == (0, True)
    assert document["claims"]["aud"] == ["agent"]
    assert {step["outcome"] for step in document["steps"]} == {"held"}


def test_a_record_is_found_by_its_correlation_id(data):
    file = data / "audit" / "authority.audit.json"
    record = {
        "eventName": "DEPUTIZE-TOKEN-REFUSED",
        "transactionId": "the-correlation-id",
        "clientId": "no such agent",
        "requestedResource": "https://gw.example/mcp",
        "reason": "there is no such client",
    }
    with file.open("a") as audit:
        audit.write(json.dumps(record) + "\n")
    document = json.loads(run(data, "--record", "the-correlation-id", "--json").output)
    assert [step["cause"]["id"] for step in document["steps"]] == ["client_unknown", "client_unknown"]
    assert "has no record another" in run(data, "--record", "another").output


def test_a_record_is_found_in_a_file_that_was_set_aside(data):
    file = data / "audit" / "authority.audit.json"
    lines = [
        {
            "eventName": "DEPUTIZE-TOKEN-REFUSED",
            "transactionId": "moved",
            "clientId": each,
            "requestedResource": "x",
        }
        for each in ("the first of them", "the last of them")
    ]
    for name, line in zip(("2026.11.01-10.00.00", "2026.11.02-10.00.00.001"), lines, strict=True):
        file.with_name(f"{file.name}-{name}").write_text(json.dumps(line) + "\n")
    (file.parent / f"{file.name}-copy").write_text(json.dumps(lines[0]) + "\n")
    document = json.loads(run(data, "--record", "moved", "--json").output)
    assert "the last of them" in document["steps"][-1]["cause"]["text"]
    file.unlink()
    assert json.loads(run(data, "--record", "moved", "--json").output) == document


def test_what_is_missing_is_asked_for(data):
    assert "give --record, or --agent and --resource" in run(data, "--agent", "MCP Tutorial").output


def test_false_parts_are_underlined():
    seen = MappingSeen("act", "a.b == 1 ?\nx : y", (FalsePart(0, 8, "`a.b == 1` is false"),))
    assert list(underline(seen)) == [
        "        act = a.b == 1 ? x : y",
        "              ^^^^^^^^",
        "        - `a.b == 1` is false",
    ]
