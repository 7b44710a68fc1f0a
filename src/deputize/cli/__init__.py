"""The `deputize` command: one file a command, listed here in the order a reader wants."""

import click

from deputize.cli.agents import agents
from deputize.cli.apply import apply
from deputize.cli.authority import authority
from deputize.cli.gateway import gateway
from deputize.cli.keys import keys
from deputize.cli.secrets import secrets
from deputize.cli.sessions import sessions
from deputize.cli.users import users

COMMANDS: tuple[click.Command, ...] = (apply, authority, gateway, keys, secrets, agents, users, sessions)


@click.group()
@click.version_option(package_name="deputize")
def main() -> None:
    """Let AI agents act for people without ever acting as them."""


for command in COMMANDS:
    main.add_command(command)
