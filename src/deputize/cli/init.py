"""`deputize gateway init`: an instance folder to begin with."""

import json
from importlib.resources import files
from pathlib import Path
from urllib.parse import urlsplit

import click

from deputize.kernel.uris import UriError, parse_origin, parse_target


@click.command()
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
@click.option("--mcp", metavar="URL", help="The MCP server to protect, such as http://localhost:8000/mcp.")
@click.option("--api", metavar="URL", help="The API to protect, such as http://localhost:8000.")
@click.option("--issuer", required=True, metavar="URL", help="Who issues the tokens: their iss.")
@click.option("--scope", help="The scope that calls need; mcp or api when absent.")
@click.option(
    "--port", default=8080, show_default=True, type=click.IntRange(1, 65535), help="Where to listen."
)
@click.option(
    "--admin-port", default=8085, show_default=True, type=click.IntRange(1, 65535), help="For health."
)
def init(
    folder: Path,
    *,
    mcp: str | None,
    api: str | None,
    issuer: str,
    scope: str | None,
    port: int,
    admin_port: int,
) -> None:
    """Write a commented instance folder for one MCP server or one API.

    Nothing that exists is changed.
    """
    if (mcp is None) is (api is None):
        raise click.UsageError("name one server: --mcp URL or --api URL")
    kind, server = ("mcp", mcp) if mcp is not None else ("api", api or "")
    try:
        origin, path = parse_origin(server), urlsplit(server).path.rstrip("/") or "/"
        parse_target(path.encode())
        parse_origin(issuer)
    except (UriError, UnicodeEncodeError) as error:
        raise click.UsageError(str(error)) from error
    values = {
        "@SERVER@": str(origin),
        "@PATH@": path,
        "@ISSUER@": issuer,
        "@SCOPE@": scope or kind,
        "@PORT@": str(port),
        "@ADMIN_PORT@": str(admin_port),
    }
    config = folder / "config"
    wanted = {
        config / "admin.json": "admin.json",
        config / "config.json": "config.json",
        config / "routes" / f"{kind}.json": f"{kind}.json",
    }
    taken = [path for path in wanted if path.exists()]
    if taken:
        raise click.ClickException(f"{taken[0]} exists: name another folder")
    for target, template in wanted.items():
        text = files("deputize.gateway").joinpath("instances", template).read_text("utf-8")
        for word, value in values.items():
            text = text.replace(word, json.dumps(value)[1:-1])
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, "utf-8")
        click.echo(f"wrote {target}")
    click.echo(
        f"next: deputize gateway check {folder}, then deputize gateway serve --instance {folder}; "
        f"clients use http://localhost:{port}/{kind}"
    )
