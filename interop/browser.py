"""The user at the browser: whatever address a client opens is followed through sign-on and consent.

A client opens a browser by the command in `BROWSER`, or by one of the usual names on its `PATH`. All of them
are a script here that hands the address to this process.
"""

import os
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import parse_qsl, urlsplit

import httpx2
from demo.person import Person
from demo.stage import REQUEST_SECONDS

NAMES = ("xdg-open", "open", "x-www-browser", "www-browser", "sensible-browser", "wslview")
PUSHED = "http://127.0.0.1:"
"""Where clients listen whose request was pushed, so that the address does not say it: the authority's own is
`localhost`.
"""
_SCRIPT = """#!/bin/sh
for address; do :; done
printf '%s\\n' "$address" > '{pipe}'
"""


@dataclass(frozen=True)
class Visit:
    """An address that a client opened, and where that led."""

    url: str
    pages: list[str] = field(default_factory=list[str])
    """The headings of the pages the user went through."""
    answer: Mapping[str, str] = field(default_factory=dict[str, str])
    """The parameters with which the browser came back to the client."""
    failure: str = ""

    @property
    def client_id(self) -> str:
        """The client that asked, by the request's own words."""
        return _parameters(self.url).get("client_id", "")


class Browser:
    """A user with a fresh browser for every address that is opened, while the context lasts."""

    def __init__(self, folder: Path, person: Callable[[], Person]) -> None:
        """Keep script and pipe in `folder`."""
        self.visits: list[Visit] = []
        self._person = person
        self._commands = folder / "browser"
        self._pipe = self._commands / "opened"
        self._thread = threading.Thread(target=self._follow_all, daemon=True)

    def __enter__(self) -> Self:
        self._commands.mkdir()
        os.mkfifo(self._pipe)
        for name in NAMES:
            script = self._commands / name
            script.write_text(_SCRIPT.format(pipe=self._pipe), "utf-8")
            script.chmod(0o700)
        # Open at both ends, so that no client waits for a reader, and no reader for a client.
        self._descriptor = os.open(self._pipe, os.O_RDWR)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.write(self._descriptor, b"\n")
        self._thread.join(REQUEST_SECONDS)
        os.close(self._descriptor)

    def environment(self) -> dict[str, str]:
        """Return the variables by which a client finds the browser."""
        return {
            "PATH": f"{self._commands}{os.pathsep}{os.environ['PATH']}",
            "BROWSER": str(self._commands / NAMES[0]),
            "DISPLAY": "",  # or else the desktop's own browser would be asked
        }

    def open(self, url: str) -> None:
        """Follow the address to the end, and remember what was seen."""
        person = self._person()
        try:
            back = person.visit(url, stop_at=_parameters(url).get("redirect_uri", PUSHED))
            self.visits.append(Visit(url, person.pages, _parameters(back)))
            httpx2.get(back, timeout=REQUEST_SECONDS)
        except (RuntimeError, httpx2.HTTPError) as error:
            failure = f"{type(error).__name__}: {error}"
            self.visits.append(Visit(url, person.pages, failure=failure))

    def _follow_all(self) -> None:
        with os.fdopen(os.dup(self._descriptor), encoding="utf-8") as opened:
            for line in opened:
                if not line.strip():
                    return
                self.open(line.strip())


def _parameters(url: str) -> dict[str, str]:
    return dict(parse_qsl(urlsplit(url).query))
