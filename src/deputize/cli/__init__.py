"""The `deputize` command: one file a command, listed here in the order a reader wants."""

import click

COMMANDS: tuple[click.Command, ...] = ()


@click.group()
@click.version_option(package_name="deputize")
def main() -> None:
    """Let AI agents act for people without ever acting as them."""


for command in COMMANDS:
    main.add_command(command)
