import asyncio
import socket
from urllib.parse import unquote

import httpx2
import pytest

from agent import signon
from agent.errors import SignOnFailed


def unused_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


async def visit(port: int, target: str, method: str = "GET") -> httpx2.Response:
    async with httpx2.AsyncClient() as browser:
        return await browser.request(method, f"http://127.0.0.1:{port}{target}")


async def test_hands_over_what_the_browser_brought_and_shows_a_page():
    port = unused_port()
    async with signon.listen(port, "s1") as waiting:
        page = await visit(port, "/callback?code=c%2B1&state=s1&iss=https%3A%2F%2Fauth")
        assert await waiting.answer(1) == {"code": "c+1", "state": "s1", "iss": "https://auth"}
    assert page.status_code == 200
    assert "You are signed on" in page.text
    assert page.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    ("error", "said"),
    [
        ("access_denied", "You declined, so the agent may not act for you"),
        ("server_error", "Signing on did not work (server_error)"),
        ("%3Cscript%3E", "(&lt;script&gt;)"),
    ],
)
async def test_a_refusal_is_an_answer_too_and_the_page_says_what_happened(error: str, said: str):
    port = unused_port()
    async with signon.listen(port, "s1") as waiting:
        page = await visit(port, f"/callback?error={error}&state=s1")
        assert (await waiting.answer(1))["error"] == unquote(error)
    assert said in page.text
    assert "color-scheme:light dark" in page.text


@pytest.mark.parametrize(
    ("method", "target", "status"),
    [
        ("GET", "/favicon.ico", 404),
        ("GET", "/", 404),
        ("POST", "/callback?state=s1&code=c", 404),
        ("GET", "/callback?state=other&code=c", 400),
        ("GET", "/callback?code=c", 400),
        ("GET", "/callback?state=%C3%BC", 400),
    ],
)
async def test_turns_away_everything_else_and_keeps_waiting(method: str, target: str, status: int):
    port = unused_port()
    async with signon.listen(port, "s1") as waiting:
        assert (await visit(port, target, method)).status_code == status
        await visit(port, "/callback?state=s1&code=good")
        assert (await waiting.answer(1))["code"] == "good"


async def test_only_the_first_answer_counts():
    port = unused_port()
    async with signon.listen(port, "s1") as waiting:
        await visit(port, "/callback?state=s1&code=first")
        assert (await visit(port, "/callback?state=s1&code=second")).status_code == 400
        assert (await waiting.answer(1))["code"] == "first"


@pytest.mark.parametrize(
    "sent",
    [
        b"nonsense\r\n\r\n",
        b"GET\r\n\r\n",
        b"\xff\xfe\r\n\r\n",
        b"GET /" + b"a" * 20_000,
        b"",
        b"GET //[ H\r\n\r\n",
    ],
)
async def test_survives_what_is_no_request(sent: bytes):
    port = unused_port()
    async with signon.listen(port, "s1") as waiting:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(sent)
        writer.write_eof()
        await reader.read()
        writer.close()
        await visit(port, "/callback?state=s1&code=good")
        assert (await waiting.answer(1))["code"] == "good"


async def test_does_not_wait_for_ever():
    async with signon.listen(unused_port(), "s1") as waiting:
        with pytest.raises(SignOnFailed, match="Nobody signed on"):
            await waiting.answer(0.01)


async def test_says_that_the_port_is_taken():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(SignOnFailed, match="--callback-port"):
            async with signon.listen(taken.getsockname()[1], "s1"):
                pass
