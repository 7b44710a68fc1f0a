"""The command itself: what it takes, what it prints, and what it never prints."""

import json

import pytest
from click.testing import CliRunner

from deputize.cli.doctor import SecretFile, doctor, lines_of
from deputize.diagnosis import causes
from deputize.diagnosis.findings import Finding, Found

NOBODY = ("--authority", "http://localhost:1/env/as", "--gateway", "http://localhost:1/mcp")


def run(*arguments):
    return CliRunner().invoke(doctor, [*NOBODY, *map(str, arguments)])


def test_where_nobody_answers_both_programs_are_named_and_the_rest_is_not_tried():
    result = run()
    assert result.exit_code == 1
    assert "PROBLEM  The authority answers: the authority does not answer" in result.output
    assert "fix:   start it (deputize authority serve)" in result.output
    assert "PROBLEM  The gateway answers: the gateway does not answer" in result.output
    assert "2 wrong" in result.output


def test_json_is_one_document_with_cause_fix_and_setting():
    result = run("--json")
    document = json.loads(result.output)
    assert result.exit_code == 1
    assert document["healthy"] is False
    first = document["findings"][0]
    assert (first["outcome"], first["cause"]["id"]) == ("problem", "authority_unreachable")
    assert first["setting"] == {"kind": "authority", "member": "--host, --port"}
    assert {"check", "title", "said", "evidence", "symptom", "fix"} < first.keys()
    assert document["findings"][4] == {
        "check": "authority-metadata",
        "title": "The authority's metadata are those of the issuer",
        "outcome": "not tried",
        "said": "it needs authority",
        "evidence": [],
    }


def test_credentials_come_in_pairs_and_secrets_from_files(tmp_path):
    assert "--client-id and --client-secret-file go together" in run("--client-id", "x").output
    file = tmp_path / "secret"
    file.write_text("the secret\n")
    assert SecretFile().convert(file, None, None) == "the secret"
    assert "No such file" in run("--password-file", tmp_path / "absent").output
    file.write_text("\n")
    assert "holds nothing" in run("--password-file", file).output


def test_a_url_has_to_be_one():
    assert (
        "not an absolute http or https URI"
        in CliRunner()
        .invoke(doctor, ["--authority", "auth.example", "--gateway", "http://localhost:1/mcp"])
        .output
    )


@pytest.mark.parametrize("cause", causes.CAUSES.values(), ids=lambda cause: cause.id)
def test_every_cause_is_told_with_a_fix_and_a_place(cause):
    finding = Finding("check", "Title", "problem", cause.symptom, ("seen",), cause)
    lines = lines_of(finding)
    assert [line.split()[0] for line in lines] == ["PROBLEM", "cause:", "fix:", "where:", "seen:"]
    assert all("{" not in line or '{"' in line for line in lines)


def test_nothing_that_looks_like_a_token_is_kept():
    token = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ4In0.c2lnbmF0dXJl"
    found = Found(causes.REQUEST_REFUSED, (f"Bearer {token}", f"code={token}\n"), answer=token)
    assert token not in str((found.evidence, dict(found.values)))
