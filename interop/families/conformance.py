"""The MCP conformance suite: servers through the gateway, the sample agent as client, the authority."""

import json
import sys
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from demo.stage import ROOT

from interop import install
from interop.row import Family, Row, require
from interop.setting import HERE, Setting, free_port

VERSIONS = ("2025-03-26", "2025-06-18", "2025-11-25", "2026-07-28")
AGENT_VERSIONS = ("2025-11-25", "2026-07-28")
"""The versions of which the suite has scenarios for the authorization of clients."""
NOT_PASSED = {"elicitation-sep1034-client-defaults": "it answers no questions of servers (elicitation)"}
"""Scenarios that the sample agent does not pass, with the reason."""
CLIENT_MILLISECONDS = "120000"
SUITE = "MCP conformance suite"
REFUSED = "missing_token: the request carries no token"


@dataclass
class Checks:
    """What the suite found: how many checks there were of each status, and which failed or warned."""

    counts: Counter[str] = field(default_factory=Counter[str])
    bad: list[str] = field(default_factory=list[str])

    def __str__(self) -> str:
        numbers = (("SUCCESS", "passed"), ("FAILURE", "failed"), ("WARNING", "warnings"))
        return ", ".join(f"{self.counts[status]} {word}" for status, word in numbers)


def suite(setting: Setting, *arguments: str, environment: Mapping[str, str] | None = None) -> Checks:
    """Run the suite and return what it wrote down."""
    folder = setting.stage.folder / f"checks-{len(setting.homes)}"
    command = ("conformance", *arguments, "-o", str(folder))
    done = setting.run(*command, group="tools", environment=environment, prints_address=True)
    found = Checks()
    for file in sorted(folder.glob("**/checks.json")):
        for check in json.loads(file.read_text("utf-8")):
            found.counts[check["status"]] += 1
            if check["status"] in {"FAILURE", "WARNING"}:
                found.bad.append(f"{file.parent.name}: {check['id']}: {check.get('errorMessage')}")
    require(found.counts, f"the suite ended with {done.code} and no checks: {done.output[-300:]}")
    return found


def _direct(version: str) -> Row:
    def run(setting: Setting) -> str:
        return _all_passed(_server(setting, version, setting.fixture_url))

    return Row(SUITE, f"server suite {version}, the fixture server asked directly", run)


def _open(version: str) -> Row:
    def run(setting: Setting) -> str:
        return _all_passed(_server(setting, version, f"{setting.clear_url}/open"))

    return Row(SUITE, f"server suite {version} through a route that asks for no token", run)


def _with_token(version: str) -> Row:
    def run(setting: Setting) -> str:
        preload = install.script("tools", "add-token.mjs")
        environment = {"NODE_OPTIONS": f"--import={preload}", "INTEROP_TOKEN": setting.token("fixture")}
        return _all_passed(_server(setting, version, f"{setting.clear_url}/fixture", environment))

    return Row(SUITE, f"server suite {version} through the gateway, with a delegated token", run, quick=True)


def _without_token(version: str) -> Row:
    def run(setting: Setting) -> str:
        before = len(setting.records("audit-fixture"))
        found = _server(setting, version, f"{setting.clear_url}/fixture")
        require(found.counts["FAILURE"], f"it let the suite in without a token: {found}")
        answers = {each.get("reason") for each in setting.records("audit-fixture")[before:]}
        require(answers == {REFUSED}, f"the gateway gave other reasons: {answers}")
        return "every request refused with 401"

    return Row(SUITE, f"server suite {version} through the gateway, without token", run, quick=True)


def _server(setting: Setting, version: str, url: str, environment: Mapping[str, str] | None = None) -> Checks:
    return suite(
        setting, "server", "--url", url, "--suite", "all", "--spec-version", version, environment=environment
    )


def _all_passed(found: Checks) -> str:
    require(not found.counts["FAILURE"], f"{found}: {'; '.join(found.bad)}")
    return str(found)


def _authority(setting: Setting) -> str:
    issuer, port = setting.environments["documents"].issuer, str(free_port())
    client_id = setting.documents.publish("Conformance suite")
    options = ("--client-id", client_id, "--port", port, "--resource", setting.documents_url)
    found = suite(setting, "authorization", "--url", issuer, *options)
    require(not found.counts["WARNING"], f"{found}: {'; '.join(found.bad)}")
    return _all_passed(found)


def _agent(version: str) -> Row:
    def run(setting: Setting) -> str:
        command = f"{sys.executable} {HERE / 'programs' / 'agent_under_test.py'}"
        environment = {"PYTHONPATH": str(ROOT / "samples")}
        options = ("--suite", "core", "--spec-version", version, "--timeout", CLIENT_MILLISECONDS)
        found = suite(setting, "client", "--command", command, *options, environment=environment)
        failed = [each for each in found.bad if not each.startswith(tuple(NOT_PASSED))]
        require(not failed, f"{found}: {'; '.join(failed)}")
        reasons = [
            f"; {scenario} fails: {reason}"
            for scenario, reason in NOT_PASSED.items()
            if any(each.startswith(scenario) for each in found.bad)
        ]
        return f"{found.counts['SUCCESS']} passed{''.join(reasons)}"

    quick = version == AGENT_VERSIONS[-1]
    return Row("Sample agent", f"core suite with auth {version}, as the suite's client", run, quick)


FAMILY = Family(
    "conformance",
    "Conformance",
    (
        *(row(version) for version in VERSIONS for row in (_direct, _open, _with_token, _without_token)),
        Row(SUITE, "authorization suite against the authority", _authority, quick=True),
        *(_agent(version) for version in AGENT_VERSIONS),
    ),
    lambda: install.npm_versions("tools", "@modelcontextprotocol/conformance"),
)
