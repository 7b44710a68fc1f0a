"""Runs the use case once (`make demo`), or starts it and stays (`make up`)."""

import argparse
import json
import shlex
import signal
import sys
import time
from pathlib import Path

from demo import agent_run, programs, proofs, report
from demo.client import Agent
from demo.person import Person
from demo.programs import ProgramFailed, Programs
from demo.stage import EXAMPLE, ROOT, USE_CASE_PORTS, Stage, StageTaken, alone_in, prepare, shown

PROMPT = "What is the daily forecast for Tokyo?"
ABOUT = (
    "An agent asks a user, gets three tokens, calls a tool through the gateway, and is refused what "
    "nobody agreed to."
)
TOKENS = (
    "Actor: which agent. Subject: which user, and who may act for them. MCP: this agent for this "
    "user, at this server only."
)
STRANGER = (
    "The MCP SDK's own client knows the gateway's URL and nothing of agents or token exchange. The "
    "environment lets it introduce itself, as an agent that may do what every stranger may."
)
INTERRUPTED = 130


def main() -> int:
    """Run the use case, and return 0 only if every check held."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)
    arguments = _arguments()
    try:
        with alone_in(arguments.folder):
            return _play(arguments.folder, stay=arguments.stay)
    except (ProgramFailed, agent_run.AgentFailed, StageTaken) as error:
        report.failure(str(error))
        return 1
    except KeyboardInterrupt:
        report.line("\nStopped; nothing is left running.")
        return 0 if arguments.stay else INTERRUPTED


def _play(folder: Path, *, stay: bool) -> int:
    started = time.monotonic()
    stage = prepare(folder, USE_CASE_PORTS)
    if not stay:
        report.line(ABOUT)
    report.heading("Set up")
    with Programs(stage) as running:
        agent, other = _set_up(stage, running)
        if stay:
            return _stay(stage, running, agent)
        holds = _run(stage, agent, other)
    report.heading(
        f"{'Everything held' if holds else 'Something did not hold'} · {time.monotonic() - started:.1f} s"
    )
    report.line(
        f"Logs, audit and database are in {shown(stage.folder)}. Next: make up, and "
        f"docs/tutorial/first-delegation.md"
    )
    return 0 if holds else 1


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="demo", description=__doc__)
    parser.add_argument("--stay", action="store_true", help="start everything and stay until Ctrl-C")
    parser.add_argument(
        "--folder", type=Path, default=ROOT / "var" / "demo", help="where the run keeps its files"
    )
    return parser.parse_args()


def _set_up(stage: Stage, running: Programs) -> tuple[Agent, Agent]:
    """Apply the environment and start the three servers; return the two agents with their credentials."""
    programs.apply(stage, EXAMPLE / "environment.yaml")
    report.check(True, "environment", f"{shown(EXAMPLE / 'environment.yaml')} is applied")  # noqa: FBT003
    secrets = json.loads((stage.folder / "secrets.json").read_text("utf-8"))
    programs.start_authority(running)
    programs.start_weather(running)
    issuer, resource = secrets["issuer"], secrets["resources"]["test"]
    programs.start_gateway(running, issuer, resource["id"], resource["secret"])
    running.await_ready()
    for name, port in (
        ("authority", stage.ports.authority),
        ("weather server", stage.ports.weather),
        ("gateway", stage.ports.gateway_tls),
    ):
        report.check(True, name, f"runs on port {port}")  # noqa: FBT003
    for wanted, port in zip(USE_CASE_PORTS, stage.ports, strict=True):
        if wanted != port:
            report.line(f"  (port {wanted} is taken by another program, so {port} is used)")
    redirect_uri = f"http://localhost:{stage.ports.callback}/callback"
    first, second = (
        Agent(secrets["agents"][name]["id"], secrets["agents"][name]["secret"], issuer, redirect_uri)
        for name in ("MCP Tutorial", "Other Agent")
    )
    return first, second


def _run(stage: Stage, agent: Agent, other: Agent) -> bool:
    person = Person("demouser", stage.password)
    report.heading(f"The agent is asked: {PROMPT}")
    run = agent_run.run(stage, agent, PROMPT, agent_run.followed_by(person, agent))
    report.transcript(run.output.replace(run.authorize_url, f"(the demo does, as {person.username})"))
    report.heading("Its three tokens")
    report.line(TOKENS)
    report.tokens(run.tokens["actor"], run.tokens["subject"], run.tokens["mcp"])
    report.heading("What the gateway wrote down about the call")
    audit = programs.until(lambda: proofs.tool_call(stage, "forecast_daily"), bool)
    report.record(audit)
    report.line(f"The whole record: grep forecast_daily {shown(stage.instance)}/audit/mcp.audit.json")
    report.heading("Validation")
    holds = proofs.five_lines(run, person, audit, agent) & proofs.own_page(person, agent)
    report.heading("What is refused")
    refusals = proofs.Refusals(stage, agent, other, person)
    holds &= refusals.other_agent() & refusals.no_actor()
    report.heading("A client off the shelf, which nobody has set up")
    report.line(STRANGER)
    return holds & proofs.stranger(stage, agent.issuer, person)


def _stay(stage: Stage, running: Programs, agent: Agent) -> int:
    report.heading("Running until Ctrl-C")
    report.facts(
        {
            "user": "demouser",
            "password": stage.password,
            "your page": f"{agent.issuer.removesuffix('/as')}/my",
            "authority": agent.issuer,
            "gateway": f"{stage.gateway_url}/mcp",
            "CA file": shown(stage.ca_file),
            "logs": shown(stage.folder / "logs"),
        }
    )
    report.line("Any MCP client connects with gateway address and CA file: docs/howto/connect-your-client.md")
    report.heading("The agent, for a second terminal in this folder")
    script, options = agent_run.command(stage, agent)
    pairs = (shlex.join(pair) for pair in zip(options[::2], options[1::2], strict=True))
    report.line(" \\\n  ".join([f"AGENT_SECRET='{agent.client_secret}'", shlex.join(script), *pairs]))
    name = running.wait()
    raise ProgramFailed(
        f"{name} ended; the end of {shown(stage.log(name))}:\n{programs.tail(stage.log(name))}"
    )


if __name__ == "__main__":
    sys.exit(main())
