"""`deputize agreements`: what users agree to before an agent may act for them."""

import click

from deputize.cli.objects import add_reading


@click.group("agreements")
def agreements() -> None:
    """What users agree to before an agent may act for them."""


add_reading(agreements, "agreement")
