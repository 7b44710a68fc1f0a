"""`deputize gateway`: serve an instance directory, check it, or learn what a server has."""

import asyncio
import logging
import os
import signal
from pathlib import Path

import click
import structlog
import uvloop

from deputize.cli import DeferredCommand
from deputize.cli.configuration_report import Report
from deputize.cli.log import configure_logging
from deputize.gateway.app import Gateway
from deputize.kernel.collector import spare_collector
from deputize.kernel.errors import ConfigurationError

INSTANCE = click.option(
    "--instance",
    "directory",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="FOLDER",
    envvar="IG_INSTANCE_DIR",
    default=Path.home() / ".openig",
    show_default="~/.openig",
    help="Folder with config/admin.json, config/config.json and config/routes; also taken from "
    "IG_INSTANCE_DIR.",
)

FOLDER = click.argument("folder", required=False, type=click.Path(path_type=Path, file_okay=False))
"""The instance folder, as `--instance` names it."""


def find_instance(folder: Path) -> Path:
    """Return the folder as an absolute path. Raises `click.UsageError` when it does not exist."""
    if not folder.is_dir():
        raise click.UsageError(f"the folder {folder} does not exist: name one, or make one with gateway init")
    return folder.absolute()


@click.group()
def gateway() -> None:
    """The gateway in front of MCP servers and APIs."""


gateway.add_command(
    DeferredCommand("init", "gateway", "Write a commented instance folder for one MCP server or one API.")
)
gateway.add_command(
    DeferredCommand("explain", "gateway", "Show what each object does with a request, and why.")
)
gateway.add_command(
    DeferredCommand("learn", "gateway", "Ask the MCP server at URL what it has, and print rules for it.")
)
gateway.add_command(DeferredCommand("pins", "gateway", "The definitions of tools that agents may be shown."))


@gateway.command()
@INSTANCE
def serve(directory: Path) -> None:
    """Serve until SIGTERM or SIGINT. Routes reload by themselves; SIGHUP reloads them now."""
    configure_logging()
    instance = find_instance(directory)

    async def run() -> None:
        served = await Gateway.load(instance, os.environ)
        ended = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, ended.set)
        reloads: set[asyncio.Task[None]] = set()

        def reload() -> None:
            task = loop.create_task(served.reload())
            reloads.add(task)
            task.add_done_callback(reloads.discard)

        loop.add_signal_handler(signal.SIGHUP, reload)
        await served.start()
        spare_collector()
        await ended.wait()
        await served.stop()

    try:
        uvloop.run(run())
    except ConfigurationError as error:
        raise click.ClickException(str(error)) from error


@gateway.command()
@FOLDER
@INSTANCE
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.option("--sarif", "as_sarif", is_flag=True, help="Print SARIF 2.1.0, as code review takes it.")
def check(folder: Path | None, directory: Path, *, as_json: bool, as_sarif: bool) -> None:
    """Load everything without listening. Print what is wrong and what is probably not meant.

    Fails if anything is wrong.
    """
    if as_json and as_sarif:
        raise click.UsageError("--json and --sarif exclude each other")
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    instance = find_instance(folder or directory)

    async def load() -> Report:
        try:
            loaded = await Gateway.load(instance, os.environ)
        except ConfigurationError as error:
            return Report(error.errors, ())
        found = loaded.problems()
        await loaded.stop()
        return Report(*found)

    report = asyncio.run(load())
    if as_json or as_sarif:
        click.echo(report.json() if as_json else report.sarif())
    else:
        for line in report.lines():
            click.echo(line)
        if not report.errors:
            click.echo(f"{folder or directory}: can be served")
    if report.errors:
        raise click.exceptions.Exit(1)
