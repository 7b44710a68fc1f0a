"""`deputize policies`: how users sign on."""

import click

from deputize.cli.objects import add_reading


@click.group("policies")
def policies() -> None:
    """How users sign on."""


add_reading(policies, "policy")
