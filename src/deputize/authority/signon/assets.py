"""The files that pages load: a style sheet and a logo."""

import hashlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ASSETS = ("signon.css", "logo.svg")
PATH = "/assets"
_FOLDER = Path(__file__).parent / "assets"
_MEDIA_TYPES = {".css": "text/css; charset=utf-8", ".svg": "image/svg+xml"}


@dataclass(frozen=True, slots=True)
class Asset:
    """A file as it is served; its address changes with its content, so that browsers may keep it."""

    content: bytes
    media_type: str
    version: str


@cache
def asset(name: str) -> Asset:
    """One of `ASSETS`."""
    file = _FOLDER / name
    content = file.read_bytes()
    return Asset(content, _MEDIA_TYPES[file.suffix], hashlib.sha256(content).hexdigest()[:12])


def address(name: str) -> str:
    """The path a page loads an asset from."""
    return f"{PATH}/{name}?v={asset(name).version}"
