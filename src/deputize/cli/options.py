"""Options that several commands of the authority share: data and audit folders, base URL, environment."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeVar

import click

from deputize.authority.storage import data_folder, sqlite_url
from deputize.kernel.uris import UriError, is_loopback_host, parse_origin

CommandT = TypeVar("CommandT", bound=Callable[..., Any])

BASE_URL_FIX: Final = "name the origin under which users and agents reach the authority, such as --base-url https://auth.example.com"
ENVIRONMENT = click.option("--environment", "name", required=True, help="Name or id of the environment.")
ENVIRONMENT_OR_ADDRESS = click.option(
    "--environment",
    "name",
    required=True,
    metavar="NAME|URL",
    help="Name or id of the environment; or its address at a running authority, such as "
    "https://auth.example.com/NAME, whose management API is asked with the token in DEPUTIZE_TOKEN.",
)


def _require_address(_: click.Context, parameter: click.Parameter, value: str | None) -> str | None:
    if value is not None and not is_address(value):
        raise click.BadParameter(
            "the whole authority is meant, and a file names its environment itself; give an address",
            param=parameter,
        )
    return value


ADDRESS = click.option(
    "--environment",
    "address",
    metavar="URL",
    callback=_require_address,
    help="A running authority instead of a database, such as https://auth.example.com, whose management API "
    "is asked with the token in DEPUTIZE_TOKEN.",
)
_AUDIT_FOLDER: Final = "deputize.audit"
"""The key of click's context under which the value of `--audit` is kept."""


class DatabaseUrl(click.ParamType[str]):
    """A folder, or the URL of a PostgreSQL database; either becomes a database URL."""

    name = "FOLDER|URL"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> str:  # noqa: ARG002 - click's signature
        """Return the database URL that was typed."""
        text = str(value)
        return text if "://" in text else sqlite_url(Path(text))


class BaseUrl(click.ParamType[str]):
    """The authority's base URL: an origin, which may be typed with a slash at its end."""

    name = "URL"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the origin that was typed, without a slash at its end."""
        given = str(value)
        try:
            origin = parse_origin(given)
        except UriError as error:
            self.fail(f"{error}; {BASE_URL_FIX}", param, ctx)
        if given.rstrip("/") != str(origin):
            self.fail(f"{given!r} is more than an origin, or not written plainly as {origin}", param, ctx)
        if origin.scheme == "http" and not is_loopback_host(origin.host):
            self.fail(
                "users' passwords travel to it, so it has to be https unless it is on this machine",
                param,
                ctx,
            )
        return str(origin)


def DATA(command: CommandT) -> CommandT:  # noqa: N802 - used like the options beside it
    """Add the options `--data`, passed on as `database_url`, and `--audit`, which `audit_directory` reads."""

    def remember(context: click.Context, _parameter: click.Parameter, folder: Path | None) -> None:
        context.meta[_AUDIT_FOLDER] = folder

    data = click.option(
        "--data",
        "database_url",
        type=DatabaseUrl(),
        default="data",
        show_default=True,
        envvar="DEPUTIZE_DATA",
        help="Folder of the database, or postgresql://user@host/name; also taken from DEPUTIZE_DATA.",
    )
    audit = click.option(
        "--audit",
        type=click.Path(path_type=Path, file_okay=False),
        metavar="FOLDER",
        envvar="DEPUTIZE_AUDIT",
        expose_value=False,
        callback=remember,
        help="Folder of authority.audit.json, the record of everything that is done; also taken from "
        "DEPUTIZE_AUDIT. Default: audit in the data folder; with PostgreSQL, data/audit.",
    )
    return data(audit(command))


def is_address(name: str) -> bool:
    """Whether what was typed as an environment is the address of an authority."""
    return "://" in name


def audit_directory(database_url: str) -> Path:
    """Return the folder of the audit files of the command that is running."""
    given: Path | None = click.get_current_context().meta.get(_AUDIT_FOLDER)
    return given or (data_folder(database_url) or Path("data")) / "audit"
