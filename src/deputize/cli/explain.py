"""`deputize gateway explain`: what would become of a request."""

import asyncio
import json
import logging
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

import click
import structlog
from structlog.testing import LogCapture

from deputize.cli.gateway import FOLDER, INSTANCE, find_instance
from deputize.gateway.exchange.masking import Masks
from deputize.gateway.explanation import Explanation, Stop, explaining, request_of
from deputize.gateway.explanation import explain as explain_request
from deputize.http.messages import TOKEN, HeaderError, Request
from deputize.kernel.errors import ConfigurationError
from deputize.kernel.uris import Origin, UriError, parse_origin, parse_target

_REQUEST: Final = re.compile(rf"({TOKEN}) +(\S+)")
_HEADER: Final = re.compile(rf"({TOKEN}): *(.*)")
_MASKS: Final = Masks((), ())


@click.command()
@FOLDER
@INSTANCE
@click.option(
    "--request", "written", required=True, metavar="TEXT", help="Such as 'POST /mcp', or with a whole URL."
)
@click.option("--token", help="Sent as Authorization: Bearer.")
@click.option(
    "-H", "--header", "headers", multiple=True, metavar="TEXT", help="Such as 'Accept: text/plain'."
)
@click.option("--body", default="", metavar="TEXT", help="The body.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def explain(
    folder: Path | None,
    directory: Path,
    written: str,
    token: str | None,
    headers: Sequence[str],
    body: str,
    *,
    as_json: bool,
) -> None:
    """Show what each object does with a request, and why.

    Nothing is sent to the server behind, nothing is recorded and nothing listens; only what tokens stand for
    is asked. A request with an https URL counts as one that came over TLS.
    """
    instance = find_instance(folder or directory)
    captured = LogCapture()
    structlog.configure(
        processors=[captured], wrapper_class=structlog.make_filtering_bound_logger(logging.INFO)
    )
    request = _read_request(written, token, headers, body)

    broken: list[str] = []

    async def run() -> Explanation:
        async with explaining(instance, os.environ) as (loaded, trace):
            captured.entries.clear()
            broken.extend(f"a route does not load: {error}" for error in loaded.errors())
            secure = request.origin is not None and request.origin.scheme == "https"
            return await explain_request(loaded, trace, request, secure=secure)

    try:
        explained = asyncio.run(run())
    except ConfigurationError as error:
        raise click.ClickException(str(error)) from error
    notes = list(dict.fromkeys([*broken, *_notes(captured.entries)]))
    if as_json:
        click.echo(json.dumps(_document(explained, notes, instance), indent=2, ensure_ascii=False))
        return
    for stop in explained.stops:
        for line in _lines(stop, instance):
            click.echo(line)
    for note in notes:
        click.echo(f"note: {note}")
    click.echo(_answer(explained))


def _read_request(written: str, token: str | None, headers: Sequence[str], body: str) -> Request:
    """Return the request that the options describe. Raises `click.UsageError`."""
    parts = _REQUEST.fullmatch(written.strip())
    if parts is None:
        raise click.UsageError("--request is a method and a path, such as 'POST /mcp'")
    method, uri = parts[1].upper(), parts[2]
    pairs: list[tuple[str, str]] = []
    for header in headers:
        found = _HEADER.fullmatch(header)
        if found is None:
            raise click.UsageError(f"{header[:40]!r} is no header, such as 'Accept: text/plain'")
        pairs.append((found[1], found[2].strip()))
    if token is not None:
        pairs.append(("Authorization", f"Bearer {token}"))
    try:
        origin = Origin("http", "localhost", 80) if uri.startswith("/") else parse_origin(uri)
        target = uri if uri.startswith("/") else "/" + uri.partition("://")[2].partition("/")[2]
        return request_of(method, origin, parse_target(target.encode()), pairs, body.encode())
    except (UriError, HeaderError, UnicodeEncodeError) as error:
        raise click.UsageError(f"the gateway refuses such a request before any route: {error}") from error


def _notes(entries: Sequence[Mapping[str, object]]) -> Iterator[str]:
    """Yield what the gateway would have logged and the stops do not say."""
    for entry in entries:
        if entry.get("log_level") in {"warning", "error"} or "missing" in entry:
            details = ", ".join(
                f"{name} {value}"
                for name, value in entry.items()
                if name not in {"event", "log_level", "transaction"}
            )
            yield _MASKS.text(f"{entry['event']}: {details}")


def _lines(stop: Stop, instance: Path) -> Iterator[str]:
    indent = "  " * stop.depth
    name = f" {stop.name!r}" if stop.name else ""
    yield f"{indent}{stop.type}{name} ({stop.place.replace(f'{instance}/', '')})"
    for event in stop.events:
        yield f"{indent}    {event}"


def _answer(explained: Explanation) -> str:
    if explained.response is None:
        return f"answer: 500, for an error: {explained.failure}"
    if explained.is_sent:
        return "answer: that of the server"
    fields = [f"{name}: {value}" for name, value in explained.response.headers]
    return "\n  ".join([f"answer: {explained.response.status}", *fields])


def _document(explained: Explanation, notes: Sequence[str], instance: Path) -> Mapping[str, object]:
    stops = [
        {
            "type": stop.type,
            "name": stop.name or None,
            "place": stop.place.replace(f"{instance}/", ""),
            "depth": stop.depth,
            "events": stop.events,
        }
        for stop in explained.stops
    ]
    status = 500 if explained.response is None else explained.response.status
    return {
        "stops": stops,
        "notes": notes,
        "sent": explained.is_sent,
        "status": None if explained.is_sent else status,
        "failure": explained.failure,
    }
