"""A real authority on a real port, an agent's callback on another, and a real Chromium."""

import asyncio
import shutil
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager, contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from demo import programs
from demo.programs import Programs
from demo.stage import prepare

from deputize.authority.serve import ServeOptions, listen
from support.authority import RunningAuthority, running_authority

CHROMIUM = shutil.which("chromium") or "/usr/bin/chromium"
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--host-resolver-rules=MAP provider.example 127.0.0.1",
)  # fmt: skip


@dataclass
class Callback:
    """The agent's redirect URI, every query that came there, and every cookie that came to the agent at
    all.
    """

    url: str
    queries: list[str]
    cookies: list[str]
    next: str = "/done"
    """Where the agent sends its user on."""


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    if not Path(CHROMIUM).exists():
        pytest.skip("no Chromium: install Debian's package chromium")
    sync_api = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed: make test-all")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        yield browser
        browser.close()


@pytest.fixture
def served_authority(tmp_path) -> Iterator[RunningAuthority]:
    with serving(lambda url: running_authority(tmp_path / "data", url)) as authority:
        yield authority


@contextmanager
def serving(run: Callable[[str], AbstractAsyncContextManager[Any]]) -> Iterator[Any]:
    """Serve what `run` makes of its base URL, an authority or one and more, in a thread of its own, so that
    the browser can be driven from this one.
    """
    box: dict[str, Any] = {}
    ready = threading.Event()
    thread = threading.Thread(target=lambda: asyncio.run(_serve(run, box, ready)))
    thread.start()
    assert ready.wait(60)
    yield box["made"]
    box["loop"].call_soon_threadsafe(box["stop"].set)
    thread.join(10)


async def _serve(
    run: Callable[[str], AbstractAsyncContextManager[Any]], box: dict[str, Any], ready: threading.Event
) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    async with run(f"http://localhost:{port}") as made:
        authority = made[0] if isinstance(made, tuple) else getattr(made, "authority", made)
        listener = await listen(authority.services, ServeOptions("127.0.0.1", port, authority.base_url))
        box.update(made=made, loop=asyncio.get_running_loop(), stop=asyncio.Event())
        ready.set()
        await box["stop"].wait()
        await listener.close()


@pytest.fixture(scope="session")
def serve():
    """`serving`, for tests that serve something else than an authority alone."""
    return serving


@pytest.fixture
def callback() -> Iterator[Callback]:
    callback = Callback("", [], [])

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path, _, query = self.path.partition("?")
            callback.cookies.extend(self.headers.get_all("Cookie", []))
            if path == "/callback":
                callback.queries.append(query)
                # Agents often send the browser on once more; that redirect is part of the same navigation.
                self.send_response(303)
                self.send_header("Location", callback.next)
                self.end_headers()
                return
            self.send_response(200 if path == "/done" else 204)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(b"<title>Agent</title><h1>Back at the agent</h1>")

        def log_message(self, *_arguments: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    callback.url = f"http://localhost:{server.server_port}/callback"
    yield callback
    server.shutdown()
    thread.join(10)
    server.server_close()


@pytest.fixture
def page(chromium):
    context = chromium.new_context(locale="en-US")
    page = context.new_page()
    page.violations = []
    page.on(
        "console", lambda message: page.violations.append(message.text) if message.type == "error" else None
    )
    yield page
    context.close()


@pytest.fixture
def url(served_authority, callback):
    return served_authority.base_url + served_authority.authorize_url(redirect_uri=callback.url)


@pytest.fixture
def empty(tmp_path):
    """The authority over nothing, and what starts the others beside it."""
    stage = prepare(tmp_path / "stage")
    with Programs(stage) as running:
        programs.start_authority(running)
        running.await_ready()
        yield running
