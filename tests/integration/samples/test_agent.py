import asyncio
import json
import os
import signal
import socket
import stat
import sys
import threading
import webbrowser
from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest

from agent import cli
from support.patience import PATIENCE
from support.scripted_authority import Script, ScriptedAuthority
from weather_mcp_server import application

AGENT = Path(__file__).parents[3] / "samples" / "sample-mcp-agent.py"
Captured = pytest.CaptureFixture[str]
TOKYO = "What is the daily forecast for Tokyo?"


@pytest.fixture
def script() -> Script:
    return Script()


@pytest.fixture
async def protected_url(script: Script, serving) -> AsyncIterator[str]:
    async with serving(ScriptedAuthority(application(offline=True), script)) as url:
        yield f"{url}/mcp"


@pytest.fixture
def browser(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A browser that follows whatever it is sent to; the addresses it was sent to."""
    visited = list[str]()

    def visit(url: str) -> bool:
        visited.append(url)
        threading.Thread(
            target=httpx2.get, args=(url,), kwargs={"follow_redirects": True}, daemon=True
        ).start()
        return True

    monkeypatch.setattr(webbrowser, "open", visit)
    monkeypatch.setattr("agent.chat.may_open_browser", willing)
    return visited


async def willing(issuer: str) -> bool:
    return True


@pytest.fixture(autouse=True)
def secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AGENT_SECRET", "s3cret")
    monkeypatch.delenv("AGENT_MODEL_URL", raising=False)


def unused_port() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return str(probe.getsockname()[1])


async def run(url: str, *options: str) -> int:
    """The agent in a thread of its own, as `asyncio.run` wants it."""
    return await asyncio.to_thread(
        cli.main,
        ["--client-id", "agent-1", "--mcp-server-url", url, "--callback-port", unused_port(), *options],
    )


async def test_the_whole_way_from_refusal_to_answer(
    protected_url: str, script: Script, browser: list[str], capfd: Captured
):
    assert await run(protected_url, "--once", TOKYO) == 0
    output = capfd.readouterr().out
    assert (
        f"[INFO] Exchanged the user's token and the agent's own for one to {protected_url} with scope 'test'"
        in output
    )
    assert f"[INFO] Discovered tools [{protected_url}]:\n  - geocode" in output
    assert output.rstrip().rpartition("\n\n")[2].startswith("Daily forecast for Tokyo, Japan")
    authorize, redeem, own, exchange = script.requests
    assert (authorize["scope"], authorize["client_id"]) == ("agent", "agent-1")
    assert all("resource" not in request for request in (authorize, redeem, own)), (
        "agent is no URI (RFC 8707 section 2)"
    )
    assert (redeem["grant_type"], redeem["code"], redeem["redirect_uri"]) == (
        "authorization_code",
        "the-code",
        authorize["redirect_uri"],
    )
    assert (own["grant_type"], own["scope"]) == ("client_credentials", "agent")
    assert (exchange["scope"], exchange["resource"]) == ("test", protected_url)
    assert len(browser) == 1


async def test_shows_claims_privately_and_no_token(
    protected_url: str, browser: list[str], tmp_path: Path, capfd: Captured
):
    file = tmp_path / "tokens.json"
    assert await run(protected_url, "--once", TOKYO, "--show-tokens", str(file)) == 0
    assert {name: claims["grant"] for name, claims in json.loads(file.read_text()).items()} == {
        "actor": "client_credentials",
        "subject": "authorization_code",
        "mcp": "token-exchange",
    }
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert "eyJ" not in file.read_text() + capfd.readouterr().out


async def test_a_server_that_asks_for_nothing_needs_no_registration(weather_url: str, capfd: Captured):
    assert await asyncio.to_thread(cli.main, ["--mcp-server-url", weather_url, "--once", TOKYO]) == 0
    assert "Daily forecast for Tokyo, Japan" in capfd.readouterr().out


async def test_signs_on_when_only_calls_need_a_token(
    protected_url: str, script: Script, browser: list[str], capfd: Captured
):
    script.open_methods = frozenset({"server/discover", "tools/list"})
    assert await run(protected_url, "--once", TOKYO) == 0
    output = capfd.readouterr().out
    assert (
        output.index("Discovered tools")
        < output.index("asks for a token")
        < output.index("Daily forecast for Tokyo, Japan")
    )
    assert len(browser) == 1


async def test_gets_more_scope_when_the_first_was_not_enough(
    protected_url: str, script: Script, browser: list[str]
):
    script.needed_scopes = frozenset({"test", "forecast"})
    assert await run(protected_url, "--once", TOKYO) == 0
    assert script.requests[-1]["scope"] == "test forecast"
    assert len(browser) == 1


@pytest.mark.parametrize(
    ("part", "change", "reason"),
    [
        ("resource_metadata", {"resource": "http://127.0.0.1/other"}, "describes"),
        ("resource_metadata", {"authorization_servers": ["http://auth.example.com"]}, "no https address"),
        ("metadata", {"issuer": "http://127.0.0.1/evil"}, "speaks for the issuer"),
        ("metadata", {"code_challenge_methods_supported": []}, "PKCE"),
        ("authorization_answer", {"iss": "http://127.0.0.1/evil"}, "another authorization server"),
        ("authorization_answer", {"error": "access_denied"}, "access_denied"),
        (
            "exchange_error",
            "invalid_grant",
            "refused the token exchange: invalid_grant (refused by the script)",
        ),
        ("exchange_error", "invalid_client", "Check that AGENT_SECRET is the secret"),
        ("withheld", frozenset({"test"}), "insufficient_scope"),
    ],
)
async def test_stops_with_a_reason(
    protected_url: str,
    script: Script,
    browser: list[str],
    capfd: Captured,
    part: str,
    change: object,
    reason: str,
):
    setattr(script, part, change)
    assert await run(protected_url, "--once", TOKYO) == 1
    captured = capfd.readouterr()
    assert captured.err.startswith("[ERROR] ")
    assert reason in captured.err
    assert "Traceback" not in captured.err + captured.out


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (["--mcp-server-url", "http://ig.example.com/mcp"], "is not https"),
        (["--mcp-server-url", "localhost:8443/mcp"], "write the whole address"),
        (["--mcp-server-url", "http://127.0.0.1:1/mcp"], "Is it running"),
        (["--mcp-server-url", "http://127.0.0.1:1/mcp"], "cannot be reached"),
        (["--mcp-server-url", "https://localhost:1/mcp", "--ca-file", "/does/not/exist"], "--ca-file"),
    ],
)
def test_says_what_is_wrong_with_the_command_line(options: list[str], reason: str, capfd: Captured):
    assert cli.main(options) == 1
    assert reason in capfd.readouterr().err


async def test_asks_for_its_credentials(protected_url: str, monkeypatch: pytest.MonkeyPatch, capfd: Captured):
    monkeypatch.delenv("AGENT_SECRET")
    assert await run(protected_url, "--client-id", "", "--once", TOKYO) == 1
    assert "AGENT_SECRET" in capfd.readouterr().err


@pytest.mark.slow
async def test_talks_as_the_use_case_shows(protected_url: str, script: Script):
    """The real script as a process of its own: it prints the address, somebody follows it, then they talk."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, str(AGENT), "--client-id", "agent-1", "--mcp-server-url", protected_url),
        *("--no-browser", "--callback-port", unused_port()),
        env={**os.environ, "AGENT_SECRET": "s3cret"},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    assert process.stdout
    expected = "/as/authorize?response_type=code&client_id=agent-1&redirect_uri=http%3A%2F%2Flocalhost"
    while expected not in (line := (await process.stdout.readline()).decode()):
        assert line, "the agent ended early"
    async with httpx2.AsyncClient(follow_redirects=True) as person:
        page = await person.get(line.strip())
        assert "You are signed on" in page.text
    output = (await process.communicate(f"{TOKYO}\n\nsing\nquit\n".encode()))[0].decode()
    assert process.returncode == 0
    assert "Enter your message (or 'exit|quit|q'):" in output
    assert "Daily forecast for Tokyo, Japan" in output
    assert "No tool fits that." in output
    assert output.rstrip().endswith("Goodbye!")


async def fall_asleep(pid: int) -> None:
    """Wait until the process waits: a signal between its prompt and its read would be seen after the read."""
    while Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "S":
        await asyncio.sleep(0.01)


@pytest.mark.slow
async def test_ends_politely_when_interrupted_at_the_prompt(weather_url: str):
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, str(AGENT), "--mcp-server-url", weather_url),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    assert process.stdout
    await process.stdout.readuntil(b"quit|q'):")
    await asyncio.wait_for(fall_asleep(process.pid), PATIENCE)
    process.send_signal(signal.SIGINT)
    output = (await asyncio.wait_for(process.communicate(), PATIENCE))[0].decode()
    assert (process.returncode, output.strip()) == (0, "Goodbye!")
