"""`deputize authority`: serve the authorization server."""

import sys

import click
import uvloop

from deputize.authority.serve import Listener, ListenFailed, serve
from deputize.authority.storage import StorageError
from deputize.cli.database import DATA
from deputize.cli.log import configure_logging
from deputize.kernel.uris import UriError, is_loopback_host, parse_origin

_FIX = "name the origin under which users and agents reach the authority, such as --base-url https://auth.example.com"


@click.group()
def authority() -> None:
    """The authorization server: agents, users, agreements, tokens."""


@authority.command("serve")
@DATA
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", type=click.IntRange(1, 65535), default=9080, show_default=True, help="Port to listen on.")
@click.option(
    "--base-url", help="Origin under which users and agents reach the authority. Default: http://localhost:PORT on a loopback host."
)
def serve_command(database_url: str, host: str, port: int, base_url: str | None) -> None:
    """Serve until SIGTERM or SIGINT. Changes made by `deputize apply` show within a second."""
    configure_logging()
    listener = Listener(host, port, _base_url(base_url, host, port))
    try:
        uvloop.run(serve(database_url, listener))
    except (StorageError, ListenFailed) as error:
        raise click.ClickException(str(error)) from error
    except KeyboardInterrupt:
        sys.exit(0)


def _base_url(given: str | None, host: str, port: int) -> str:
    """The base URL, checked. It is never derived from a request: a Host header is the caller's word."""
    if given is None:
        if not is_loopback_host(host):
            raise click.UsageError(f"--base-url is needed when listening on {host}: {_FIX}")
        return f"http://localhost:{port}"
    try:
        origin = parse_origin(given)
    except UriError as error:
        raise click.BadParameter(f"{error}; {_FIX}", param_hint="--base-url") from error
    if given.rstrip("/") != str(origin):
        raise click.BadParameter(f"{given!r} is more than an origin, or not written plainly as {origin}", param_hint="--base-url")
    if origin.scheme == "http" and not is_loopback_host(origin.host):
        raise click.BadParameter(
            "users' passwords travel to it, so it has to be https unless it is on this machine", param_hint="--base-url"
        )
    return str(origin)
