"""`deputize authority`: serve the authorization server."""

import sys
from ipaddress import ip_network
from pathlib import Path

import click
import uvloop

from deputize.authority.breached_passwords import BreachedPasswords
from deputize.authority.callers import Network
from deputize.authority.fetching import Fetching
from deputize.authority.serve import ServeOptions, serve
from deputize.cli.certificates import CertificateAuthorities
from deputize.cli.log import configure_logging
from deputize.cli.options import BASE_URL_FIX, DATA, BaseUrl, audit_directory
from deputize.kernel.errors import DeputizeError
from deputize.kernel.uris import is_loopback_host


class NetworkParameter(click.ParamType[Network]):
    """An address or a network of IPv4 or IPv6."""

    name = "NETWORK"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> Network:
        """Return the network that was typed."""
        try:
            return ip_network(str(value))
        except ValueError as error:
            self.fail(f"{error}; write it such as 192.0.2.7 or 10.0.0.0/8", param, ctx)


@click.group()
def authority() -> None:
    """The authorization server: agents, users, agreements, tokens."""


@authority.command("serve")
@DATA
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port", type=click.IntRange(1, 65535), default=9080, show_default=True, help="Port to listen on."
)
@click.option(
    "--base-url",
    type=BaseUrl(),
    help="Origin under which users and agents reach the authority. Default: http://localhost:PORT on a "
    "loopback host.",
)
@click.option(
    "--trusted-proxy",
    "trusted_proxies",
    multiple=True,
    type=NetworkParameter(),
    help="Address or network, such as 10.0.0.0/8, of a proxy whose X-Forwarded-For tells clients' "
    "addresses; may be repeated.",
)
@click.option(
    "--fetch-network",
    "fetch_networks",
    multiple=True,
    type=NetworkParameter(),
    help="For development, or an intranet: network, such as 127.0.0.0/8, that is not public and that this "
    "server connects to all the same, on any port, where clients publish their documents and keys; may be "
    "repeated. Whoever may name a document can then have this server connect there.",
)
@click.option(
    "--fetch-ca",
    type=CertificateAuthorities(),
    help="PEM file of the certificate authorities to trust, instead of the system's, when clients' documents "
    "are fetched.",
)
@click.option(
    "--breached-passwords",
    "breached_file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="File of passwords that became known and that nobody may choose: SHA-1 digests in hex, sorted, one "
    "a line, as Have I Been Pwned publishes them. It is read when somebody chooses a password.",
)
@click.option(
    "--provider-secrets",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Folder with a file for each client secret that an identity provider gave; an environment names the "
    "file. Each is read when it is needed.",
)
def serve_command(  # noqa: PLR0913, PLR0917 - one parameter an option
    database_url: str,
    host: str,
    port: int,
    base_url: str | None,
    trusted_proxies: tuple[Network, ...],
    fetch_networks: tuple[Network, ...],
    fetch_ca: bytes | None,
    breached_file: Path | None,
    provider_secrets: Path | None,
) -> None:
    """Serve until SIGTERM or SIGINT. Changes made by `deputize apply` show within a second."""
    if base_url is None and not is_loopback_host(host):  # never taken from Host, which is the caller's word
        raise click.UsageError(f"--base-url is needed when listening on {host}: {BASE_URL_FIX}")
    configure_logging()
    fetching = Fetching(fetch_networks, fetch_ca)
    try:
        breached = BreachedPasswords(breached_file) if breached_file else None
        options = ServeOptions(
            host,
            port,
            base_url or f"http://localhost:{port}",
            trusted_proxies,
            fetching,
            breached,
            provider_secrets,
        )
        uvloop.run(serve(database_url, options, audit_directory(database_url), click.echo))
    except DeputizeError as error:
        raise click.ClickException(str(error)) from error
    except KeyboardInterrupt:
        sys.exit(0)
