"""Runs the use case once (`make demo`), or starts it and stays (`make up`)."""

import argparse
import json
import shlex
import sys
import time
from pathlib import Path

from demo import agent_run, programs, proofs, report
from demo.client import Agent
from demo.person import Person
from demo.programs import Programs
from demo.stage import EXAMPLE, ROOT, USE_CASE_PORTS, Stage, prepare

PROMPT = "What is the daily forecast for Tokyo?"


def main() -> int:
    """0 only if everything held."""
    arguments = _arguments()
    started = time.monotonic()
    stage = prepare(arguments.folder, USE_CASE_PORTS)
    report.heading("Set up")
    with Programs(stage) as running:
        agent, other = _set_up(stage, running)
        if arguments.stay:
            return _stay(stage, running, agent)
        holds = _run(stage, agent, other)
    report.heading(f"{'Everything held' if holds else 'Something did not hold'} · {time.monotonic() - started:.1f} s")
    report.line(f"Logs, audit and database are in {stage.folder}")
    return 0 if holds else 1


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="demo", description=__doc__)
    parser.add_argument("--stay", action="store_true", help="start everything and stay until Ctrl-C")
    parser.add_argument("--folder", type=Path, default=ROOT / "var" / "demo", help="where the run keeps its files")
    return parser.parse_args()


def _set_up(stage: Stage, running: Programs) -> tuple[Agent, Agent]:
    """The environment applied, and the three servers running; the two agents with their credentials."""
    report.line(programs.apply(stage, EXAMPLE / "environment.yaml").rstrip())
    secrets = json.loads((stage.folder / "secrets.json").read_text("utf-8"))
    programs.start_authority(running)
    programs.start_weather(running)
    issuer, resource = secrets["issuer"], secrets["resources"]["test"]
    programs.start_gateway(running, issuer, resource["id"], resource["secret"])
    running.await_ready()
    report.check(True, "authority", stage.authority_url)  # noqa: FBT003
    report.check(True, "weather MCP server", stage.weather_url)  # noqa: FBT003
    report.check(True, "gateway", f"{stage.gateway_url}/mcp")  # noqa: FBT003
    redirect_uri = f"http://localhost:{stage.ports.callback}/callback"
    first, second = (
        Agent(secrets["agents"][name]["id"], secrets["agents"][name]["secret"], issuer, redirect_uri)
        for name in ("MCP Tutorial", "Other Agent")
    )
    return first, second


def _run(stage: Stage, agent: Agent, other: Agent) -> bool:
    person = Person("demouser", stage.password)
    report.heading(f"The agent is asked: {PROMPT}")
    run = agent_run.run(stage, agent, person, PROMPT)
    report.line(run.output.rstrip())
    report.heading("Its three tokens")
    report.tokens(run.tokens["actor"], run.tokens["subject"], run.tokens["mcp"])
    report.heading("The gateway's audit record of the call")
    audit = programs.until(lambda: proofs.tool_call(stage, "forecast_daily"), bool)
    report.record(audit)
    report.heading("Validation")
    holds = proofs.five_lines(run, person, audit, agent)
    report.heading("What is refused")
    refusals = proofs.Refusals(stage, agent, other, person)
    return holds & refusals.other_agent() & refusals.no_actor()


def _stay(stage: Stage, running: Programs, agent: Agent) -> int:
    report.heading("Running until Ctrl-C")
    report.line(f"authority   {agent.issuer}/.well-known/openid-configuration")
    report.line(f"gateway     {stage.gateway_url}/mcp   (certificate authority: {stage.ca_file})")
    report.line(f"your page   {agent.issuer.removesuffix('/as')}/account")
    report.line(f"user        demouser / {stage.password}")
    report.line(f"\nAGENT_SECRET='{agent.client_secret}' \\\n  {shlex.join(agent_run.command(stage, agent))}")
    try:
        running.wait()
    except KeyboardInterrupt:
        return 0
    report.line("One of the programs ended; see its log.")
    return 1


if __name__ == "__main__":
    sys.exit(main())
