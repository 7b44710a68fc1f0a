"""`deputize resources`: what tokens are issued for."""

import click

from deputize.cli.objects import add_reading


@click.group("resources")
def resources() -> None:
    """What tokens are issued for."""


add_reading(resources, "resource")
