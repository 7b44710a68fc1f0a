"""`deputize gateway pins`: approve a server's tools as they are, and see what has changed since."""

import asyncio
import json
from collections.abc import Iterator, Mapping
from pathlib import Path

import click

from deputize.cli.certificates import CertificateAuthorities
from deputize.cli.doctor import SecretFile, UrlOption
from deputize.cli.learn import questions_to
from deputize.diagnosis.findings import safe
from deputize.kernel import strict_json
from deputize.kernel.pointers import Absent
from deputize.kernel.strict_json import JsonError
from deputize.kernel.values import JsonObject, JsonValue
from deputize.mcp.pins import Change, PinError, compare, read_tools

_FILE = click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
_URL = click.argument("url", type=UrlOption())
_TOKEN = click.option(
    "--token-file", "token", type=SecretFile(), help="File with a token that the server accepts."
)
_CA_FILE = click.option(
    "--ca-file",
    "ca_pem",
    type=CertificateAuthorities(),
    help="Certificate authorities to trust beside the system's (PEM).",
)


@click.group()
def pins() -> None:
    """The definitions of tools that agents may be shown."""


@pins.command()
@_URL
@_FILE
@_TOKEN
@_CA_FILE
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def diff(url: str, file: Path, token: str | None, ca_pem: bytes | None, *, as_json: bool) -> None:
    """Show what differs from the tools approved in FILE.

    Asks the server at URL for its tools. Ends with 1 where something differs.
    """
    changes = compare(_approved_in(file), _tools_of(url, token, ca_pem))
    if as_json:
        click.echo(json.dumps({"changes": [_document_of(each) for each in changes]}, indent=2))
    else:
        click.echo("\n".join(line for each in changes for line in _lines_of(each)) or "nothing differs")
    if changes:
        raise click.exceptions.Exit(1)


@pins.command()
@_URL
@_FILE
@click.argument("names", metavar="[TOOL]...", nargs=-1)
@_TOKEN
@_CA_FILE
def approve(url: str, file: Path, names: tuple[str, ...], token: str | None, ca_pem: bytes | None) -> None:
    """Approve tools as they are now, and write them to FILE.

    Asks the server at URL for its tools. With the names of tools only these are approved, and the others stay
    as they were. Prints what is approved.
    """
    approved = _approved_in(file) if file.exists() else dict[str, JsonObject]()
    now = _tools_of(url, token, ca_pem)
    unknown = [name for name in names if name not in now and name not in approved]
    if unknown:
        raise click.ClickException(f"{safe(url)} has no tool {safe(unknown[0])!r}")
    chosen = names or tuple({*approved, *now})
    written = {name: tool for name, tool in approved.items() if name not in chosen}
    written |= {name: now[name] for name in chosen if name in now}
    for change in compare(approved, written):
        click.echo("\n".join(_lines_of(change)))
    # what cannot be seen, such as characters without width, stands there as an escape
    text = json.dumps({"tools": [written[name] for name in sorted(written)]}, indent=2)
    unfinished = file.with_name(f"{file.name}.new")
    unfinished.write_text(f"{text}\n", "ascii")
    unfinished.replace(file)  # as a whole, for a gateway may read it now


def _approved_in(file: Path) -> Mapping[str, JsonObject]:
    try:
        return read_tools(strict_json.loads(file.read_bytes()))
    except OSError as error:
        raise click.ClickException(f"{file}: {error.strerror}") from error
    except (JsonError, PinError) as error:
        raise click.ClickException(f"{file} does not say which tools are approved: {error}") from error


def _tools_of(url: str, token: str | None, ca_pem: bytes | None) -> Mapping[str, JsonObject]:
    async def ask() -> Mapping[str, JsonObject]:
        async with questions_to(url, token, ca_pem) as server:
            await server.open()
            tools: JsonValue = list(await server.list_all("tools/list", "tools"))
            return read_tools({"tools": tools})

    try:
        return asyncio.run(ask())
    except PinError as error:
        raise click.ClickException(f"the tools of {safe(url)} cannot be told apart: {error}") from error


def _lines_of(change: Change) -> Iterator[str]:
    yield f"{change.kind}: {json.dumps(change.name)}" + (f" ({change.digest})" if change.digest else "")
    for each in change.differences:
        if not isinstance(each.approved, Absent):
            yield f"  - {each.pointer}: {json.dumps(each.approved)}"
        if not isinstance(each.now, Absent):
            yield f"  + {each.pointer}: {json.dumps(each.now)}"


def _document_of(change: Change) -> JsonObject:
    differences: JsonValue = [
        {
            "pointer": each.pointer,
            **({} if isinstance(each.approved, Absent) else {"approved": each.approved}),
            **({} if isinstance(each.now, Absent) else {"now": each.now}),
        }
        for each in change.differences
    ]
    return {"tool": change.name, "kind": change.kind, "digest": change.digest, "differences": differences}
