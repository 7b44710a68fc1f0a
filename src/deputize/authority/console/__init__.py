"""The administrators' pages at `/console`; `app` tells how they are made."""

from deputize.authority.asgi import Application
from deputize.authority.services import Services


def load_console(services: Services) -> Application:
    """Import what the pages are made with, and make the console."""
    from deputize.authority.console.app import make_console  # noqa: PLC0415 - a third of a second, for who asks

    return make_console(services)
