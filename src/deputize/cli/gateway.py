"""`deputize gateway`: serve an instance directory, check it, or learn what a server has."""

import asyncio
import logging
import os
import signal
from collections.abc import Sequence
from pathlib import Path

import click
import structlog
import uvloop

from deputize.cli import DeferredCommand
from deputize.cli.log import configure_logging
from deputize.gateway.app import Gateway
from deputize.kernel.collector import spare_collector
from deputize.kernel.errors import ConfigurationError

_INSTANCE = click.option(
    "--instance",
    "directory",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    metavar="FOLDER",
    envvar="IG_INSTANCE_DIR",
    default=Path.home() / ".openig",
    show_default="~/.openig",
    help="Folder with config/admin.json, config/config.json and config/routes; also taken from "
    "IG_INSTANCE_DIR.",
)


@click.group()
def gateway() -> None:
    """The gateway in front of MCP servers and APIs."""


gateway.add_command(
    DeferredCommand("learn", "gateway", "Ask the MCP server at URL what it has, and print rules for it.")
)
gateway.add_command(DeferredCommand("pins", "gateway", "The definitions of tools that agents may be shown."))


@gateway.command()
@_INSTANCE
def serve(directory: Path) -> None:
    """Serve until SIGTERM or SIGINT. Routes reload by themselves; SIGHUP reloads them now."""
    configure_logging()
    instance = directory.absolute()

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
@_INSTANCE
def check(directory: Path) -> None:
    """Load everything without listening. Print what is wrong and what is probably not meant.

    Fails if anything is wrong.
    """
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    instance = directory.absolute()

    async def load() -> tuple[Sequence[ConfigurationError], Sequence[ConfigurationError]]:
        try:
            loaded = await Gateway.load(instance, os.environ)
        except ConfigurationError as error:
            return error.errors, ()
        found = loaded.problems()
        await loaded.stop()
        return found

    errors, warnings = asyncio.run(load())
    for problem in warnings:
        click.echo(f"warning: {problem}")
    for problem in errors:
        click.echo(f"error: {problem}")
    if errors:
        raise click.exceptions.Exit(1)
    click.echo(f"{directory}: can be served")
